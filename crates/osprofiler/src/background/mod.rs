//! What runs elsewhere: from the threads' rings to a driver.
//!
//! The *drainer*, a thread that is started with the first ring or the first back end, takes entries
//! out of every ring and collects them into batches, a few times a second: a thread whose ring is full
//! meanwhile goes on with another. The *deliverer*, a thread for each back end, makes records of the
//! entries and hands them to the writer, so that one that hangs keeps the drainer neither from emptying
//! the rings nor from going on with another. Between them is a queue of [`QUEUED_BATCHES`]; when it is
//! full the rings fill up behind it, and when there are too many full ones, records are dropped on the
//! thread that has no room, and counted.
//!
//! Threads do not survive a `fork`: a process that forks creates its first notifier afterwards. In the
//! child of one that did before, nothing is recorded.
//!
//! ```text
//!   caller's threads          drainer                     deliverer
//!   ring ──┐
//!   ring ──┼── entries ──▶ batch of entries ── queue ──▶ records ── Writer::write ──▶ back end
//!   ring ──┘
//! ```

mod batch;
mod deliverer;
mod drainer;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use self::batch::Batch;
pub(crate) use self::deliverer::Delivery;
use crate::context::TraceState;
use crate::local::fork;
use crate::local::ring::Outlet;
use crate::notifier::FlushError;
use crate::trouble;

/// Records a batch holds at most.
pub(crate) const BATCH_RECORDS: usize = 4096;

/// Batches that wait for the writer at most.
pub(crate) const QUEUED_BATCHES: usize = 8;

/// Traces whose losses wait to be told at most: some 4 MiB. Those of further ones are counted for the
/// process only.
const MAX_LOSSES: usize = 16 * 1024;

/// How long the drainer sleeps while there is something to drain: one time that threads are woken, and
/// one transaction, are for many records.
const BUSY_INTERVAL: Duration = Duration::from_millis(100);

/// How long it sleeps while there is nothing: a start record is on its way within a quarter of a second,
/// whatever its thread does after it.
const IDLE_INTERVAL: Duration = Duration::from_millis(200);

/// How long to wait until one back end has replaced another.
const CHANGE_PATIENCE: Duration = Duration::from_secs(1);

/// What the drainer is told.
enum Command {
    /// There is much to drain.
    Wake,
    /// From now on, batches go to this back end; say when that is so.
    Deliver(Delivery, Sender<()>),
    /// Say when all that was recorded until now is with the back end; say nothing if it cannot be.
    Flush(Sender<()>),
}

/// What the deliverer is told.
enum Job {
    Batch(Batch),
    TellLosses(Vec<Arc<TraceState>>),
    Flush(Sender<()>),
}

/// The way to the drainer; `None` inside if it could not be started.
static DRAINER: OnceLock<Option<Sender<Command>>> = OnceLock::new();

/// In which generation of forks it was started: the child of one has it no more.
static STARTED_IN: AtomicU32 = AtomicU32::new(0);

/// Whether this process is the child of a fork and its parent had the drainer.
fn is_left_behind() -> bool {
    DRAINER.get().is_some() && STARTED_IN.load(Ordering::Relaxed) != fork::generation()
}

/// Rings that the drainer does not know yet. It takes them when it drains, and is not woken for them.
static NEW_RINGS: Mutex<Vec<Outlet>> = Mutex::new(Vec::new());

/// Takes over the reading end of a new ring.
pub(crate) fn adopt(ring: Outlet) {
    new_rings().push(ring);
    DRAINER.get_or_init(start);
}

fn new_rings() -> MutexGuard<'static, Vec<Outlet>> {
    // What it guards is whole at any time.
    NEW_RINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the drainer was woken and has not looked into the rings since.
static WOKEN: AtomicBool = AtomicBool::new(false);

/// Wakes the drainer.
pub(crate) fn wake() {
    if !WOKEN.swap(true, Ordering::Relaxed) {
        tell(Command::Wake);
    }
}

/// Traces whose losses are to be told, and that the drainer does not know yet. It is not woken for
/// them: a back end that refuses records refuses these as well.
static NEW_LOSSES: Mutex<Vec<Arc<TraceState>>> = Mutex::new(Vec::new());

/// Has the losses of a trace told.
pub(crate) fn tell_losses(trace: Arc<TraceState>) {
    let mut losses = new_losses();
    if losses.len() < MAX_LOSSES {
        losses.push(trace);
    }
}

fn new_losses() -> MutexGuard<'static, Vec<Arc<TraceState>>> {
    NEW_LOSSES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Delivers to another back end from now on; what was recorded until now goes to the one before, as
/// far as that takes it.
///
/// Returns when that is so: at once, but for the first time, when the drainer gets to know the
/// processor's counter. The wait is bounded.
///
/// False in the child of a fork if the parent had a notifier already.
pub(crate) fn deliver_to(delivery: Delivery) -> bool {
    if is_left_behind() {
        trouble::error(format_args!(
            "nothing is recorded: this process is the child of a fork, and its parent had a notifier \
             that is a driver before; create the first one after the fork"
        ));
        return false;
    }
    let (done, waiting) = mpsc::channel();
    tell(Command::Deliver(delivery, done));
    let _ = waiting.recv_timeout(CHANGE_PATIENCE);
    true
}

/// Waits until all that was recorded until now has been handed to the back end.
pub(crate) fn flush(timeout: Duration) -> Result<(), FlushError> {
    if DRAINER.get().is_none() || is_left_behind() {
        return Ok(());
    }
    let (done, waiting) = mpsc::channel();
    tell(Command::Flush(done));
    waiting.recv_timeout(timeout).map_err(|error| match error {
        RecvTimeoutError::Timeout => FlushError::Timeout(timeout),
        RecvTimeoutError::Disconnected => FlushError::Failed,
    })
}

fn tell(command: Command) {
    if let Some(drainer) = DRAINER.get_or_init(start) {
        // It ends with the process only.
        let _ = drainer.send(command);
    }
}

/// Starts the drainer. `None` if the system has no thread to give: rings then fill up, and what is
/// lost is counted there.
fn start() -> Option<Sender<Command>> {
    fork::watch();
    STARTED_IN.store(fork::generation(), Ordering::Relaxed);
    let (commands, inbox) = mpsc::channel();
    spawn("osprofiler-drain", move || drainer::run(&inbox)).then_some(commands)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> bool {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    if let Err(error) = &spawned {
        trouble::error(format_args!(
            "profiling has no thread to run on, records will be lost: {error}"
        ));
    }
    spawned.is_ok()
}
