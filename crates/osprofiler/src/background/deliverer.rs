//! The deliverer: from batches to the back end.

use std::borrow::Cow;
use std::error::Error as _;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvError, RecvTimeoutError, Sender, SyncSender};
use std::thread;
use std::time::Duration;

use osprofiler_drivers::{Error, Writer};
use osprofiler_wire::{Id, Info, Origin, Record, Timestamp};

use super::batch::{Batch, Sink, Taken};
use super::{Job, QUEUED_BATCHES, spawn};
use crate::context::{Place, TraceState};
use crate::losses::{self, Counts, Reason};
use crate::{state, trouble};

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
                records.make(&mut batch);
                // The drainer ends with the process only.
                let _ = emptied.send(batch);
                delivery.deliver(&mut records);
                records.clear();
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
    /// Those behind the first `len` are from before, to be written over: what they have in common with
    /// the next ones stays as it is.
    records: Vec<Record>,
    len: usize,
    /// Of each trace in turn: its first record, and what of them tells of losses.
    traces: Vec<(usize, Arc<TraceState>, Counts)>,
    origin: Arc<Origin>,
    /// Bytes that the infos take.
    bytes: usize,
    /// Whether they hold memory.
    hold: bool,
}

impl Sink for Records {
    #[inline]
    fn belongs_to(&mut self, trace: Arc<TraceState>) {
        let is_text = |id: &Id| id.uuid_bytes().is_none();
        self.hold |= is_text(trace.base_id()) || is_text(&trace.id_of(Place::ENTRY));
        self.traces.push((self.len, trace, Counts::default()));
    }

    #[inline(always)]
    fn take(&mut self, taken: Taken) {
        // The first record has one.
        let Some((_, trace, _)) = self.traces.last() else { return };
        let Taken { name, phase, trace_id, parent_id, micros, info } = taken;
        self.bytes += state::room_of(&info);
        self.hold |= !info.is_empty() || matches!(name, Cow::Owned(_));
        let base_id = trace.base_id().clone();
        let parent_id = parent_id.unwrap_or_else(|| trace.id_of(Place::ENTRY));
        let timestamp = trace.anchor().after_us(micros);
        if let Some(record) = self.records.get_mut(self.len) {
            record.name = name;
            record.phase = phase;
            record.base_id = base_id;
            record.parent_id = parent_id;
            record.trace_id = trace_id;
            record.timestamp = timestamp;
            record.info = info;
            if !Arc::ptr_eq(&record.origin, &self.origin) {
                record.origin.clone_from(&self.origin);
            }
        } else {
            let (origin, source) = (self.origin.clone(), None);
            self.records.push(Record {
                name,
                phase,
                base_id,
                parent_id,
                trace_id,
                timestamp,
                info,
                origin,
                source,
            });
        }
        self.len += 1;
    }
}

impl Records {
    fn as_slice(&self) -> &[Record] {
        &self.records[..self.len]
    }

    /// Makes the records of a batch.
    fn make(&mut self, batch: &mut Batch) {
        self.origin = state::origin();
        batch.take(self);
    }

    /// Makes the points that tell of losses.
    fn make_losses(&mut self, traces: Vec<Arc<TraceState>>) {
        self.origin = state::origin();
        for trace in traces {
            let (counts, last_us) = trace.losses.take();
            if counts != Counts::default() {
                let last = Timestamp::from_micros(last_us);
                self.records.truncate(self.len);
                self.records.extend(losses::point(&trace, counts, last, &self.origin));
                self.traces.push((self.len, trace, counts));
                self.hold = true;
                self.len = self.records.len();
            }
        }
    }

    /// How many of them the program made.
    fn made(&self) -> usize {
        let tell = self.traces.iter().any(|(_, _, told)| *told != Counts::default());
        if tell { 0 } else { self.len }
    }

    /// Counts them as dropped. What was to be told of losses is still to be told.
    fn lose(&mut self) {
        let ends = self.traces.iter().skip(1).map(|(from, ..)| *from).chain([self.len]);
        for ((from, trace, told), to) in self.traces.iter().zip(ends) {
            let Some(last) = self.records[*from..to].last() else { continue };
            if *told == Counts::default() {
                losses::count(trace, to - from, last.timestamp, Reason::Failed);
            } else {
                losses::have_told(trace, *told, last.timestamp);
            }
        }
    }

    /// Forgets them, but for what is small and may be the same in the next ones.
    fn clear(&mut self) {
        state::release(std::mem::take(&mut self.bytes));
        if std::mem::take(&mut self.hold) {
            for record in &mut self.records[..self.len] {
                record.name = Cow::Borrowed("");
                record.info = Info::new();
                for id in [&mut record.base_id, &mut record.parent_id] {
                    *id = Id::from_uuid_bytes([0; 16]);
                }
            }
        }
        self.traces.clear();
        self.len = 0;
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
        if records.as_slice().is_empty() {
            return;
        }
        match self.with_retries(|writer| writer.write(records.as_slice())) {
            Ok(()) => {
                state::count_delivered(records.made());
                if std::mem::take(&mut self.failing) {
                    trouble::info(format_args!("`{}` takes records again", self.name));
                }
            }
            Err(failure) => {
                records.lose();
                if !std::mem::replace(&mut self.failing, true) {
                    trouble::error(format_args!(
                        "`{}` failed, records are dropped: {failure}",
                        self.name
                    ));
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
            trouble::error(format_args!(
                "`{}` has not taken all that it was to keep: {failure}",
                self.name
            ));
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
