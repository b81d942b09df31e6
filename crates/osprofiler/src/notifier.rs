//! Where a process hands its records.
//!
//! Nothing is recorded until a notifier is set: a closure that sees every record at once
//! ([`set`]), or a driver that gets batches in the background ([`create`]). There is one for the
//! whole process.
//!
//! A notifier that fails or panics does not harm the program, nor does a driver that is slow or
//! hangs: what it does not take is dropped and counted, see [`stats`]. A closure is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use osprofiler_drivers::{ConnectionString, Driver, Error, Options, Writer, open_writer};
use osprofiler_wire::Record;

use crate::background::{self, Delivery};
pub use crate::state::Stats;
use crate::state::{self, Notifier};
use crate::trouble;

/// Dropped records that a flush has reported.
static REPORTED: AtomicU64 = AtomicU64::new(0);

/// How long a dropped [`Guard`] waits for the back end.
const LAST_FLUSH: Duration = Duration::from_secs(5);

/// Sends every record to `closure`, on the thread that makes it and before it goes on.
///
/// Two for each point, in the order in which they happen on a thread. Points inside the closure are
/// not recorded. A panic of the closure is caught, and the record counts as dropped.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use osprofiler::{notifier, profiler};
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// notifier::set({
///     let seen = seen.clone();
///     move |record| seen.lock().unwrap().push(format!("{}{}", record.name, record.phase.suffix()))
/// });
/// let _profiler = profiler::init("SECRET_KEY", None, None);
/// profiler::start("db", ());
/// profiler::stop(());
/// assert_eq!(*seen.lock().unwrap(), ["db-start", "db-stop"]);
/// ```
pub fn set(closure: impl Fn(&Record) + Send + Sync + 'static) {
    state::set_notifier(Notifier::Closure(Arc::new(closure)));
}

/// Sends records to the back end of a connection string, in batches and in the background.
///
/// The drivers are features of this crate: `sqlite`, `file`, `memory`. The back end is opened in the
/// background as well, and again after a failure: one that is down neither stops nor delays the
/// program. What waits for it is bounded: 64 KiB for each thread that records, and for all of them
/// 32 MiB of rings that are full (or, up to 4 MiB, have been and will be used again), 8 MiB of batches,
/// and 64 MiB of infos. What found no room is counted by [`stats`], and told in its trace
/// (`docs/record.md`).
///
/// A record is handed to the back end within a quarter of a second, whatever its thread does then, if the
/// back end keeps up; in a program that is killed, no more is lost.
///
/// The background is a thread, which does not survive a `fork`: a process that forks calls this for the
/// first time afterwards. The child of one that did before records nothing, and its log says so.
///
/// # Errors
///
/// If the connection string makes no sense, or no driver of this build knows its scheme.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// use osprofiler::{notifier, profiler};
///
/// notifier::set_origin("shop", "api");
/// let notifier = notifier::create("memory://shop")?;
/// profiler::init("SECRET_KEY", None, None);
/// profiler::start("db", ());
/// profiler::stop(());
/// drop(notifier); // waits for what is still on its way
/// assert_eq!(notifier::stats().delivered, 2);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn create(connection_string: &str) -> Result<Guard, Error> {
    create_from(connection_string.parse()?, Options::default())
}

/// [`create`], with what a driver may be told besides.
///
/// # Errors
///
/// If no driver of this build knows the scheme.
pub fn create_from(connection: ConnectionString, options: Options) -> Result<Guard, Error> {
    Driver::of(&connection)?;
    let name = connection.to_string();
    Ok(create_with(name, move || open_writer(&connection, &options)))
}

/// [`create`], for a driver of your own. The log knows it by `name`; `open` is called in the
/// background before the first batch, and again whenever the writer has failed.
pub fn create_with(
    name: impl Into<String>,
    open: impl FnMut() -> Result<Box<dyn Writer>, Error> + Send + 'static,
) -> Guard {
    if background::deliver_to(Delivery::new(name.into(), Box::new(open))) {
        state::set_notifier(Notifier::Driver);
    }
    Guard(())
}

/// Flushes when dropped: keep it until the end of `main`.
///
/// Dropping it does not stop the notifier. It waits five seconds at most.
#[derive(Debug)]
#[must_use = "dropped at once, it flushes before there is anything to flush"]
pub struct Guard(());

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = flush(LAST_FLUSH) {
            trouble::error(format_args!("at the end of the program: {error}"));
        }
    }
}

/// Goes back to recording nothing.
pub fn clear() {
    state::set_notifier(Notifier::None);
}

/// Names the project and the service that every record of this process carries, such as `nova` and
/// `api`. Both are `null` until then.
pub fn set_origin(project: &str, service: &str) {
    state::set_origin(project, service);
}

/// Waits until all that was recorded before this call has been handed to the back end. A driver that
/// keeps something back has it sent ([`Writer::flush`]): with `otlp`, points that are open then are shown
/// as unfinished until they are stopped.
///
/// # Errors
///
/// [`FlushError::Timeout`] if `timeout` is over first (what is left is still on its way);
/// [`FlushError::Failed`] if the back end did not take what the driver kept back;
/// [`FlushError::Dropped`] if records have been dropped since the last flush, or since the process
/// began.
pub fn flush(timeout: Duration) -> Result<(), FlushError> {
    background::flush(timeout)?;
    let dropped = stats().dropped();
    match dropped - REPORTED.swap(dropped, Ordering::Relaxed).min(dropped) {
        0 => Ok(()),
        newly_dropped => Err(FlushError::Dropped(newly_dropped)),
    }
}

/// Why [`flush`] cannot say that all is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The back end has not taken everything in time.
    #[error("the back end has not taken all records within {0:?}")]
    Timeout(Duration),
    /// The back end has not taken what the driver kept back.
    #[error("the back end has not taken all records; the log says why")]
    Failed,
    /// So many records are lost.
    #[error("{0} records are lost; the log says why")]
    Dropped(u64),
}

/// Counts since the process began.
#[must_use]
pub fn stats() -> Stats {
    state::stats()
}
