//! What the writers of one connection string share: the way to the receiver, and the halves that
//! wait. It outlives a writer that failed and is opened anew.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use osprofiler_wire::Record;

use super::halves::{Halves, Point};
use super::requests::Requests;
use super::span::Names;
use super::transport::{Target, Transport};
use crate::{ConnectionString, Error, ErrorKind};

/// How long a half waits for the other, unless the option `wait` says otherwise.
const WAIT: Duration = Duration::from_secs(60);
/// How long to wait before what could not be sent in the background is tried again, at least.
const PAUSE: Duration = Duration::from_secs(1);

/// The exporters of this process, by connection string. A child process has none of its parent's:
/// it would send what the parent sends.
static EXPORTERS: Mutex<Option<(u32, Exporters)>> = Mutex::new(None);

type Exporters = HashMap<String, Weak<Exporter>>;

pub(super) struct Exporter {
    transport: Transport,
    names: Names,
    /// What stands before the names of services.
    prefix: Option<String>,
    wait: Duration,
    waiting: Mutex<Waiting>,
    writers: AtomicUsize,
}

#[derive(Default)]
struct Waiting {
    halves: Halves,
    /// Whether there is a thread that sends what waited long enough.
    is_watched: bool,
}

impl Exporter {
    /// The exporter of a connection string.
    ///
    /// # Errors
    ///
    /// If the connection string makes no sense.
    pub(super) fn shared(
        connection: &ConnectionString,
        target: &Target,
    ) -> Result<Arc<Self>, Error> {
        let name = format!("{}://{}", connection.scheme(), connection.expose_rest());
        let mut exporters = EXPORTERS.lock().unwrap_or_else(PoisonError::into_inner);
        let (owner, known) = exporters.get_or_insert_default();
        if *owner != process::id() {
            (*owner, *known) = (process::id(), Exporters::new());
        }
        if let Some(exporter) = known.get(&name).and_then(Weak::upgrade) {
            return Ok(exporter);
        }
        let exporter = Arc::new(Self::new(target)?);
        known.retain(|_, exporter| exporter.strong_count() > 0);
        known.insert(name, Arc::downgrade(&exporter));
        Ok(exporter)
    }

    fn new(target: &Target) -> Result<Self, Error> {
        let address = &target.address;
        let names = match address.option("names") {
            None | Some("otel") => Names::Otel,
            Some("python") => Names::Python,
            Some(_) => return Err(address.wrong("expected `otel` or `python` as `names`")),
        };
        let exporter = Self {
            transport: Transport::new(target)?,
            names,
            prefix: address.option("prefix").map(str::to_owned),
            wait: address.seconds("wait")?.unwrap_or(WAIT),
            waiting: Mutex::default(),
            writers: AtomicUsize::new(0),
        };
        address.finish()?;
        Ok(exporter)
    }

    /// A writer comes.
    pub(super) fn join(&self) {
        self.writers.fetch_add(1, Ordering::SeqCst);
    }

    /// A writer goes; if it is the last one and `may_send`, what waits is sent.
    pub(super) fn leave(&self, may_send: bool) {
        let is_last = self.writers.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last && may_send {
            // Nobody is left who could be told; the thread tries it again.
            let _ = self.flush();
        }
    }

    /// Sends what waits.
    pub(super) fn flush(&self) -> Result<(), Error> {
        self.send_overdue(Duration::ZERO)
    }

    pub(super) fn write(self: &Arc<Self>, records: &[Record]) -> Result<(), Error> {
        let mut batch = self.lock().halves.pair(records.iter());
        let mut refusal = None;
        loop {
            let sent = self.send(&batch.points);
            let mut waiting = self.lock();
            let taken = batch.taken.into_iter().filter(|(point, _)| !sent.is_settled(*point));
            waiting.halves.put_back(taken.map(|(_, half)| half));
            refusal = sent.refusal.or(refusal);
            if let Some(failure) = sent.failure {
                self.watch(&mut waiting);
                return Err(failure);
            }
            // Another writer may have brought the other halves meanwhile.
            batch = waiting.halves.pair(batch.rest.iter().copied());
            if batch.points.is_empty() {
                waiting.halves.keep(&batch.rest);
                self.watch(&mut waiting);
                break;
            }
        }
        if self.lock().halves.is_full() {
            // The batch is not to blame for what came before it.
            let _ = self.flush();
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Sends points in as many requests as they need, until the receiver cannot be reached.
    fn send(&self, points: &[Point<'_>]) -> Sent {
        let mut sent = Sent::default();
        for request in Requests::of(points, self.names, self.prefix.as_deref()) {
            match self.transport.export(&request.body) {
                Ok(None) => {}
                Ok(Some(rejection)) => {
                    sent.lost += rejection.spans;
                    sent.refusal = Some(rejection.error);
                }
                Err(error) if error.kind() == ErrorKind::Storage => {
                    sent.lost += request.points.len();
                    sent.refused.push(request.points.clone());
                    sent.refusal = Some(error);
                }
                Err(error) => {
                    sent.failure = Some(error);
                    break;
                }
            }
            sent.answered = request.points.end;
        }
        sent
    }

    /// Sends the halves that waited so long. Those that the receiver refuses for what they are do not
    /// go out again; the log says how many.
    ///
    /// # Errors
    ///
    /// If there are such, or the receiver cannot be reached, or takes nothing from us: then the others
    /// go on waiting.
    fn send_overdue(&self, wait: Duration) -> Result<(), Error> {
        let overdue = self.lock().halves.overdue(wait);
        let sent = self.send(&points(&overdue));
        let (answered, unanswered) = overdue.split_at(sent.answered);
        let mut waiting = self.lock();
        // A start that was refused is remembered like others: its point may be taken once it is whole.
        waiting.halves.sent(answered);
        waiting.halves.postpone(unanswered);
        drop(waiting);
        if let Some(refusal) = &sent.refusal {
            let lost = sent.lost;
            log::error!(
                "{lost} records that waited for the rest of their points are lost: {refusal}"
            );
        }
        sent.failure.or(sent.refusal).map_or(Ok(()), Err)
    }

    /// Makes sure that what waits is sent in time, by a thread that is there as long as anything
    /// waits.
    fn watch(self: &Arc<Self>, waiting: &mut Waiting) {
        if waiting.is_watched || waiting.halves.oldest().is_none() {
            return;
        }
        let exporter = self.clone();
        let watcher = thread::Builder::new().name("osprofiler-otlp".to_owned());
        // Without a thread, the next batch tries again, and the last writer sends all in the end.
        waiting.is_watched = watcher.spawn(move || exporter.keep_watch()).is_ok();
    }

    fn keep_watch(&self) {
        while let Some(due) = self.due() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if self.send_overdue(self.wait).is_err() {
                thread::sleep(PAUSE);
            }
        }
    }

    /// When the next half is due. If nothing waits, the watch ends.
    fn due(&self) -> Option<Instant> {
        let mut waiting = self.lock();
        let oldest = waiting.halves.oldest();
        waiting.is_watched = oldest.is_some();
        oldest.map(|since| since + self.wait)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that holds the lock can leave it half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of points that were sent.
#[derive(Default)]
struct Sent {
    /// How many of them, from the first, the receiver answered for.
    answered: usize,
    /// Those among them of which it took nothing.
    refused: Vec<Range<usize>>,
    /// How many of them it did not take for what they are.
    lost: usize,
    /// What it said to that last.
    refusal: Option<Error>,
    /// Why the others were not sent.
    failure: Option<Error>,
}

impl Sent {
    /// Whether a point came into the receiver's hands. After a failure none counts: all of them
    /// may come again.
    fn is_settled(&self, point: usize) -> bool {
        self.failure.is_none() && !self.refused.iter().any(|points| points.contains(&point))
    }
}

/// Points of which there is one record each.
fn points(records: &[Record]) -> Vec<Point<'_>> {
    records.iter().map(|record| Point::half(Cow::Borrowed(record))).collect()
}
