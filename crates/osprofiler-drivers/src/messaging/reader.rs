use std::time::Duration;

use lapin::Connection;
use osprofiler_wire::{Id, RecordView};
use tokio::time::{Instant, timeout_at};

use super::bus::{Bus, close};
use super::hold::Hold;
use super::notification::{Content, Needle, Visit, look_into};
use super::settings::Settings;
use super::topology::Topology;
use crate::runtime::block_on;
use crate::{ConnectionString, Error, ListQuery, Options, Reader, Summarizer, TraceSummary};

/// How long to wait for the end of a trace that goes on and on.
const LONGEST: Duration = Duration::from_secs(600);

pub(super) struct MessagingReader {
    bus: Bus,
    topology: Topology,
    idle_timeout: Duration,
    skipped: u64,
}

impl MessagingReader {
    pub(super) fn open(connection: &ConnectionString, options: &Options) -> Result<Self, Error> {
        let Settings { bus, topology, idle_timeout, .. } = Settings::of(connection, options)?;
        let mut reader = Self { bus, topology, idle_timeout, skipped: 0 };
        block_on(async {
            let connection = reader.bus.connect().await?;
            close(connection).await;
            Ok(())
        })?;
        Ok(reader)
    }

    /// Looks at the messages that wait, and at those that come until there were no more of the trace
    /// for as long as `idle`.
    fn scan(
        &mut self,
        wanted: Option<&Needle>,
        idle: Duration,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        let mut skipped = 0;
        let mut look = |body: &[u8]| {
            let content = look_into(body, wanted, visit);
            skipped += u64::from(content == Content::None);
            content
        };
        let scanned = block_on(async {
            // A connection for each scan: with it goes all that is held, whatever happens.
            let connection = self.bus.connect().await?;
            let scanned = self.look_at_all(&connection, idle, &mut look).await;
            close(connection).await;
            scanned
        });
        self.skipped = skipped;
        scanned
    }

    async fn look_at_all(
        &self,
        connection: &Connection,
        idle: Duration,
        look: &mut (dyn FnMut(&[u8]) -> Content + Send),
    ) -> Result<(), Error> {
        let mut hold = Hold::of(&self.bus, &self.topology, connection).await?;
        let mut last = Instant::now();
        let end = last + LONGEST;
        let waits = !idle.is_zero();
        if waits && !hold.goes_on() {
            hold.settle(idle, end).await?;
        }
        while hold.has_more() || waits && hold.goes_on() {
            let more = if hold.has_more() {
                self.bus.in_time(hold.next()).await.map(Some)
            } else {
                timeout_at(end.min(last + idle), hold.next()).await.ok().transpose()
            };
            let Some(delivery) = more? else { break };
            if look(&delivery.data) == Content::Wanted {
                last = Instant::now();
            }
            self.bus.in_time(hold.keep(delivery)).await?;
        }
        self.bus.in_time(hold.release()).await
    }
}

impl Reader for MessagingReader {
    fn read(&mut self, base_id: &Id, visit: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let mut found = Vec::new();
        let mut keep = |view: &RecordView<'_>| {
            let is_wanted = view.base_id == *base_id;
            if is_wanted {
                found.push(view.json.to_owned());
            }
            is_wanted
        };
        self.scan(Some(&Needle::new(base_id)), self.idle_timeout, &mut keep)?;
        found.iter().for_each(|json| visit(json));
        Ok(())
    }

    fn list(&mut self, query: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
        let mut summarizer = Summarizer::default();
        let mut add = |view: &RecordView<'_>| {
            summarizer.add_view(view);
            true
        };
        self.scan(None, Duration::ZERO, &mut add)?;
        Ok(summarizer.into_list(query))
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}
