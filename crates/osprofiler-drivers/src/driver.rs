//! What a driver is, and how a connection string finds its own.

use std::time::Duration;

use osprofiler_wire::{Id, Record, Timestamp};

#[cfg(feature = "_address")]
use crate::spill::{Settings, SpillingWriter};
use crate::summary::Kind;
use crate::{ConnectionString, Error, TraceSummary};

/// Stores records.
pub trait Writer: Send {
    /// Stores a batch. What it acknowledges survives the death of this process, unless the back
    /// end lives in it (`memory`), or wants what has not come yet ([`flush`](Self::flush)).
    ///
    /// # Errors
    ///
    /// Nothing of the batch may have been stored, or all, or a part of it;
    /// [`Error::is_retryable`] says whether to try again. A batch may always be written again as it
    /// was: no record is lost and no point is counted twice in a list. What is stored then, and what
    /// comes of records that come again in other batches, differs: `docs/drivers/README.md` tells it of
    /// each driver.
    fn write(&mut self, records: &[Record]) -> Result<(), Error>;

    /// Removes a trace; says whether there was one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) unless [`Capabilities::delete`].
    fn delete(&mut self, base_id: &Id) -> Result<bool, Error>;

    /// Brings to the back end what was acknowledged and is in the memory of this process still: with
    /// `otlp`, starts that wait for their stops. To be called before the process ends. A writer that is
    /// dropped does the same, but cannot say whether it could.
    ///
    /// # Errors
    ///
    /// If the back end is away, which leaves things as they were, or refuses something;
    /// [`Error::is_retryable`] says which.
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Does what is left to do when there is nothing to write, such as bringing records out of a spill
    /// file to a back end that is there again. Says after how long it wants to be called again, if
    /// nothing is written until then; `None` if nothing is left.
    fn catch_up(&mut self) -> Option<Duration> {
        None
    }
}

/// Gives records back.
pub trait Reader: Send {
    /// Calls `visit` with the JSON text of each record of a trace, in the order of storage; not at
    /// all if there is no such trace.
    ///
    /// # Errors
    ///
    /// If the back end cannot be read. What `visit` got until then stands.
    fn read(&mut self, base_id: &Id, visit: &mut dyn FnMut(&str)) -> Result<(), Error>;

    /// Lists traces, newest first.
    ///
    /// # Errors
    ///
    /// If the back end cannot be read.
    fn list(&mut self, query: &ListQuery) -> Result<Vec<TraceSummary>, Error>;

    /// What the last call of [`read`](Self::read) or [`list`](Self::list) skipped because it is no
    /// record, such as the torn line of a process that was killed. A writer never acknowledged it.
    ///
    /// `list` counts all that it comes across; `read` leaves out what has no sign of its trace.
    fn skipped(&self) -> u64 {
        0
    }
}

/// Which traces to list.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListQuery {
    /// Only traces in which a point failed.
    pub errors_only: bool,
    /// At most so many; all if `None`.
    pub limit: Option<usize>,
    /// Only traces that started at this instant or later.
    pub since: Option<Timestamp>,
    /// Only traces that started before this instant.
    pub until: Option<Timestamp>,
    /// Only traces that took at least so many microseconds.
    pub min_duration_us: Option<i64>,
    /// Only traces with a point of this project. If `service` or `name` is given too, it must be one
    /// point that has them all.
    pub project: Option<String>,
    /// Only traces with a point of this service; see `project`.
    pub service: Option<String>,
    /// Only traces with a point of this name; see `project`.
    pub name: Option<String>,
}

impl ListQuery {
    /// Whether a trace with this summary, and with points of these kinds, is to be listed.
    #[cfg_attr(not(any(feature = "file", feature = "memory", feature = "redis")), allow(dead_code))]
    pub(crate) fn matches(&self, summary: &TraceSummary, kinds: &[Kind]) -> bool {
        (!self.errors_only || summary.errors > 0)
            && self.since.is_none_or(|since| summary.started >= since)
            && self.until.is_none_or(|until| summary.started < until)
            && self.min_duration_us.is_none_or(|least| summary.duration_us >= least)
            && self.matches_kinds(kinds)
    }

    /// Whether it asks for points of a kind.
    pub(crate) fn asks_for_kinds(&self) -> bool {
        self.project.is_some() || self.service.is_some() || self.name.is_some()
    }

    /// Whether a trace with points of these kinds may be listed.
    pub(crate) fn matches_kinds(&self, kinds: &[Kind]) -> bool {
        let is = |asked: &Option<String>, has: Option<&str>| {
            asked.as_deref().is_none_or(|asked| has == Some(asked))
        };
        !self.asks_for_kinds()
            || kinds.iter().any(|kind| {
                is(&self.project, kind.project.as_deref())
                    && is(&self.service, kind.service.as_deref())
                    && is(&self.name, Some(&kind.name))
            })
    }

    /// Newest first, and no more than asked for.
    #[cfg_attr(
        not(any(feature = "file", feature = "memory", feature = "mongodb", feature = "redis")),
        allow(dead_code)
    )]
    pub(crate) fn cut(&self, summaries: &mut Vec<TraceSummary>) {
        summaries.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| a.base_id.cmp(&b.base_id)));
        summaries.truncate(self.limit.unwrap_or(usize::MAX));
    }
}

/// What a back end can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Records can be written.
    pub write: bool,
    /// A trace can be read.
    pub read: bool,
    /// Traces can be listed.
    pub list: bool,
    /// A trace can be removed.
    pub delete: bool,
    /// Several processes may write at once, and what they wrote is seen by others.
    pub shared: bool,
    /// Records come back byte for byte, in the order of storage; else with the same fields and
    /// values, in any order.
    pub exact: bool,
    /// What was acknowledged is seen at once by every reader; else within seconds.
    pub immediate: bool,
    /// Any text may be an id; else only UUIDs are sure to be told apart.
    pub any_id: bool,
    /// Texts may hold any character; else all but U+0000.
    pub any_text: bool,
}

impl Capabilities {
    /// What files, memory and a few servers can do: everything.
    #[cfg(any(
        feature = "clickhouse",
        feature = "elasticsearch",
        feature = "file",
        feature = "memory",
        feature = "redis",
        feature = "sql",
        feature = "sqlite"
    ))]
    pub(crate) const ALL: Self = Self {
        write: true,
        read: true,
        list: true,
        delete: true,
        shared: true,
        exact: true,
        immediate: true,
        any_id: true,
        any_text: true,
    };
}

/// What a driver may be told besides its connection string.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Keep a list of the traces in which a point failed, on back ends that have no other way to
    /// find them (option `filter_error_trace`).
    pub filter_error_trace: bool,
    /// The message bus of a driver whose connection string does not name it; it may hold a
    /// password too.
    pub transport_url: Option<ConnectionString>,
    /// How long a driver that reads from a queue waits for more before it takes that for all.
    pub idle_timeout: Option<Duration>,
    /// The name by which Redis Sentinels know their master, if the connection string does not say it.
    pub sentinel_service_name: Option<String>,
    /// How long to wait for an answer of Redis behind Sentinels, if the connection string does not say it.
    pub socket_timeout: Option<Duration>,
}

/// A driver: the client of one kind of back end.
#[derive(Debug)]
#[non_exhaustive]
pub struct Driver {
    /// The schemes it answers to, the usual one first.
    pub schemes: &'static [&'static str],
    /// What its back end can do.
    pub capabilities: Capabilities,
    pub(crate) open_writer: Open<dyn Writer>,
    pub(crate) open_reader: Open<dyn Reader>,
}

type Open<T> = fn(&ConnectionString, &Options) -> Result<Box<T>, Error>;

/// The drivers of this build.
#[must_use]
pub fn drivers() -> &'static [Driver] {
    &[
        #[cfg(feature = "ceilometer")]
        crate::ceilometer::DRIVER,
        #[cfg(feature = "clickhouse")]
        crate::clickhouse::DRIVER,
        #[cfg(feature = "elasticsearch")]
        crate::elasticsearch::DRIVER,
        #[cfg(feature = "file")]
        crate::file::DRIVER,
        #[cfg(feature = "jaeger")]
        crate::jaeger::DRIVER,
        #[cfg(feature = "loginsight")]
        crate::loginsight::DRIVER,
        #[cfg(feature = "memory")]
        crate::memory::DRIVER,
        #[cfg(feature = "messaging")]
        crate::messaging::DRIVER,
        #[cfg(feature = "mongodb")]
        crate::mongodb::DRIVER,
        #[cfg(feature = "otlp")]
        crate::otlp::DRIVER,
        #[cfg(feature = "redis")]
        crate::redis::DRIVER,
        #[cfg(feature = "sql")]
        crate::sql::DRIVER,
        #[cfg(feature = "sqlite")]
        crate::sqlite::DRIVER,
    ]
}

impl Driver {
    /// Finds the driver of a connection string.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownScheme`](crate::ErrorKind::UnknownScheme), naming those of this build.
    pub fn of(connection: &ConnectionString) -> Result<&'static Self, Error> {
        drivers()
            .iter()
            .find(|driver| driver.schemes.contains(&connection.scheme()))
            .ok_or_else(|| Error::unknown_scheme(connection))
    }
}

/// Opens the back end of a connection string to write records.
///
/// With the option `spill=PATH`, records go to that file while a back end over the network is away, and
/// from there to the back end when it is back ([`Writer::catch_up`]).
///
/// # Errors
///
/// If no driver knows the scheme, or the back end cannot be opened.
pub fn open_writer(
    connection: &ConnectionString,
    options: &Options,
) -> Result<Box<dyn Writer>, Error> {
    let driver = Driver::of(connection)?;
    #[cfg(feature = "_address")]
    if let (connection, Some(settings)) = Settings::take(connection)? {
        let options = options.clone();
        let open = move || (driver.open_writer)(&connection, &options);
        return Ok(Box::new(SpillingWriter::open(settings, Box::new(open))?));
    }
    (driver.open_writer)(connection, options)
}

/// Opens the back end of a connection string to read traces.
///
/// # Errors
///
/// If no driver knows the scheme, or the back end cannot be opened.
pub fn open_reader(
    connection: &ConnectionString,
    options: &Options,
) -> Result<Box<dyn Reader>, Error> {
    let driver = Driver::of(connection)?;
    #[cfg(feature = "_address")]
    let connection = &Settings::take(connection)?.0;
    (driver.open_reader)(connection, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_do_not_show_the_password_of_a_bus() {
        let options = Options {
            transport_url: Some("rabbit://nova:hush@mq1:5672/".parse().unwrap()),
            ..Options::default()
        };
        let shown = format!("{options:?}");
        assert!(
            shown.contains("rabbit://nova:***@mq1:5672/") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
