//! The deliverer: from batches to the back end.

use std::error::Error as _;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use osprofiler_drivers::{Error, Writer};
use osprofiler_wire::Record;

use super::{Job, QUEUED_BATCHES, spawn};
use crate::state;

/// How often a batch is offered to a back end that may be back soon.
const TRIES: u32 = 5;

/// How long to wait before the second try; each further wait is four times as long, so that all
/// together give a back end four seconds to restart.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// Starts the deliverer of a back end, which ends when its queue does. `None` if the system has no
/// thread to give; what is recorded is then dropped and counted.
pub(super) fn start(delivery: Delivery) -> Option<SyncSender<Job>> {
    let (queue, jobs) = mpsc::sync_channel(QUEUED_BATCHES);
    spawn("osprofiler-deliver", move || run(delivery, &jobs)).then_some(queue)
}

fn run(mut delivery: Delivery, jobs: &Receiver<Job>) {
    for job in jobs {
        match job {
            Job::Batch(batch) => {
                delivery.deliver(&batch);
                state::release(batch.iter().map(|record| record.info.json_len()).sum());
            }
            // Whoever waits may have given up.
            Job::Flush(done) => drop(done.send(())),
        }
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

    /// Writes a batch, or counts it as dropped.
    fn deliver(&mut self, batch: &[Record]) {
        match self.write_with_retries(batch) {
            Ok(()) => {
                state::count_delivered(batch.len());
                if std::mem::take(&mut self.failing) {
                    log::info!("`{}` takes records again", self.name);
                }
            }
            Err(failure) => {
                state::count_dropped_by_failure(batch.len());
                if !std::mem::replace(&mut self.failing, true) {
                    log::error!("`{}` failed, records are dropped: {failure}", self.name);
                }
            }
        }
    }

    fn write_with_retries(&mut self, batch: &[Record]) -> Result<(), Failure> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            match self.write(batch) {
                Err(Failure::Driver(error)) if error.is_retryable() => thread::sleep(wait),
                done_or_hopeless => return done_or_hopeless,
            }
            wait *= 4;
        }
        self.write(batch)
    }

    /// Writes a batch; a writer that failed is opened anew the next time.
    fn write(&mut self, batch: &[Record]) -> Result<(), Failure> {
        let (writer, open) = (self.writer.take(), &mut self.open);
        let written = catch_unwind(AssertUnwindSafe(move || {
            let mut writer = writer.map_or_else(open, Ok)?;
            writer.write(batch)?;
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
