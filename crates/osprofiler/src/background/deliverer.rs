//! The deliverer: from batches to the back end.

use std::error::Error as _;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvError, RecvTimeoutError, Sender, SyncSender};
use std::thread;
use std::time::Duration;

use osprofiler_drivers::{Error, Writer};
use osprofiler_wire::{Record, Timestamp};

use super::batch::Batch;
use super::{Job, QUEUED_BATCHES, spawn};
use crate::context::TraceState;
use crate::losses::{self, Counts, Reason};
use crate::state;

/// How often a batch is offered to a back end that may be back soon.
const TRIES: u32 = 5;

/// How long to wait before the second try; each further wait is four times as long, so that all
/// together give a back end four seconds to restart.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// Starts the deliverer of a back end, which ends when its queue does, and gives batches back when it
/// has emptied them. `None` if the system has no thread to give; what is recorded is then dropped and
/// counted.
pub(super) fn start(delivery: Delivery, emptied: Sender<Batch>) -> Option<SyncSender<Job>> {
    let (queue, jobs) = mpsc::sync_channel(QUEUED_BATCHES);
    spawn("osprofiler-deliver", move || run(delivery, &jobs, &emptied)).then_some(queue)
}

fn run(mut delivery: Delivery, jobs: &Receiver<Job>, emptied: &Sender<Batch>) {
    let mut records = Records::default();
    while let Ok(job) = next_job(jobs, &mut delivery) {
        match job {
            Job::Batch(mut batch) => {
                let bytes = records.make(&mut batch);
                // The drainer ends with the process only.
                let _ = emptied.send(batch);
                delivery.deliver(&mut records);
                records.clear();
                state::release(bytes);
            }
            Job::TellLosses(traces) => {
                records.make_losses(traces);
                delivery.deliver(&mut records);
                records.clear();
            }
            Job::Flush(done) => {
                if delivery.flush() {
                    // Whoever waits may have given up.
                    let _ = done.send(());
                }
            }
        }
    }
}

/// Waits for something to do; has the writer catch up meanwhile.
fn next_job(jobs: &Receiver<Job>, delivery: &mut Delivery) -> Result<Job, RecvError> {
    while let Some(wait) = delivery.catch_up() {
        match jobs.recv_timeout(wait) {
            Ok(job) => return Ok(job),
            Err(RecvTimeoutError::Disconnected) => return Err(RecvError),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    jobs.recv()
}

/// What is written at once, and whose it is.
#[derive(Default)]
struct Records {
    records: Vec<Record>,
    /// Of each trace in turn: up to which record they are its, and what of them tells of losses.
    traces: Vec<(usize, Arc<TraceState>, Counts)>,
}

impl Records {
    /// Makes the records of a batch; gives the bytes that their infos take.
    fn make(&mut self, batch: &mut Batch) -> usize {
        let origin = state::origin();
        let mut bytes = 0;
        batch.for_each(&origin, |trace, record| {
            bytes += state::room_of(&record.info);
            self.records.push(record);
            self.belong_to(trace, Counts::default());
        });
        bytes
    }

    /// Makes the points that tell of losses.
    fn make_losses(&mut self, traces: Vec<Arc<TraceState>>) {
        let origin = state::origin();
        for trace in traces {
            let (counts, last_us) = trace.losses.take();
            if counts != Counts::default() {
                let last = Timestamp::from_micros(last_us);
                self.records.extend(losses::point(&trace, counts, last, &origin));
                self.belong_to(&trace, counts);
            }
        }
    }

    /// How many of them the program made.
    fn made(&self) -> usize {
        let tell = self.traces.iter().any(|(_, _, told)| *told != Counts::default());
        if tell { 0 } else { self.records.len() }
    }

    /// Says whose the records are that were added.
    fn belong_to(&mut self, trace: &Arc<TraceState>, told: Counts) {
        let to = self.records.len();
        match self.traces.last_mut() {
            Some((end, last, _)) if Arc::ptr_eq(last, trace) => *end = to,
            _ => self.traces.push((to, trace.clone(), told)),
        }
    }

    /// Counts them as dropped. What was to be told of losses is still to be told.
    fn lose(&mut self) {
        let mut from = 0;
        for (to, trace, told) in self.traces.drain(..) {
            if told == Counts::default() {
                for record in &self.records[from..to] {
                    losses::count(&trace, record.timestamp, Reason::Failed);
                }
            } else {
                losses::have_told(&trace, told, self.records[from].timestamp);
            }
            from = to;
        }
    }

    fn clear(&mut self) {
        self.records.clear();
        self.traces.clear();
    }
}

/// A back end to deliver to: how to open it, and the writer while it is open.
pub(crate) struct Delivery {
    /// What the log calls it; without secrets.
    name: String,
    open: Box<OpenWriter>,
    writer: Option<Box<dyn Writer>>,
    /// Whether the batch before was lost, and the log says so.
    failing: bool,
}

type OpenWriter = dyn FnMut() -> Result<Box<dyn Writer>, Error> + Send;

impl Delivery {
    pub(crate) fn new(name: String, open: Box<OpenWriter>) -> Self {
        Self { name, open, writer: None, failing: false }
    }

    /// Writes records, or counts them as dropped.
    fn deliver(&mut self, records: &mut Records) {
        if records.records.is_empty() {
            return;
        }
        match self.with_retries(|writer| writer.write(&records.records)) {
            Ok(()) => {
                state::count_delivered(records.made());
                if std::mem::take(&mut self.failing) {
                    log::info!("`{}` takes records again", self.name);
                }
            }
            Err(failure) => {
                records.lose();
                if !std::mem::replace(&mut self.failing, true) {
                    log::error!("`{}` failed, records are dropped: {failure}", self.name);
                }
            }
        }
    }

    /// See [`Writer::catch_up`].
    fn catch_up(&mut self) -> Option<Duration> {
        let mut writer = self.writer.take()?;
        // A writer that panics is opened anew the next time.
        let (writer, wait) = catch_unwind(AssertUnwindSafe(move || {
            let wait = writer.catch_up();
            (writer, wait)
        }))
        .ok()?;
        self.writer = Some(writer);
        wait
    }

    /// Has the writer bring everything to the back end; says whether it did. See [`Writer::flush`].
    fn flush(&mut self) -> bool {
        // One that was never opened holds nothing; one that failed may have left something.
        if self.writer.is_none() && !self.failing {
            return true;
        }
        let flushed = self.with_retries(|writer| writer.flush());
        if let Err(failure) = &flushed {
            log::error!("`{}` has not taken all that it was to keep: {failure}", self.name);
        }
        flushed.is_ok()
    }

    /// Does something with the writer, again if that may help.
    fn with_retries(
        &mut self,
        mut act: impl FnMut(&mut dyn Writer) -> Result<(), Error>,
    ) -> Result<(), Failure> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            match self.try_once(&mut act) {
                Err(Failure::Driver(error)) if error.is_retryable() => thread::sleep(wait),
                done_or_hopeless => return done_or_hopeless,
            }
            wait *= 4;
        }
        self.try_once(&mut act)
    }

    /// A writer that failed is opened anew the next time.
    fn try_once(
        &mut self,
        act: &mut dyn FnMut(&mut dyn Writer) -> Result<(), Error>,
    ) -> Result<(), Failure> {
        let (writer, open) = (self.writer.take(), &mut self.open);
        let written = catch_unwind(AssertUnwindSafe(move || {
            let mut writer = writer.map_or_else(open, Ok)?;
            act(&mut *writer)?;
            Ok(writer)
        }));
        self.writer = Some(written.map_err(|_| Failure::Panic)?.map_err(Failure::Driver)?);
        Ok(())
    }
}

enum Failure {
    Driver(Error),
    Panic,
}

/// With its causes: the log has nowhere else to say them.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Driver(error) = self else { return f.write_str("the driver panicked") };
        write!(f, "{error}")?;
        let mut cause = error.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
