//! What runs elsewhere: from the threads' rings to a driver.
//!
//! The *drainer*, a thread that is started with the first ring or the first back end, takes entries
//! out of every ring, makes records of them and collects these into batches. The *deliverer*, a
//! thread for each back end, hands batches to the writer, so that one that hangs keeps the drainer
//! neither from emptying the rings nor from going on with another. Between them is a queue of
//! [`QUEUED_BATCHES`]; when it is full the rings fill up behind it, and there, on the thread that has
//! no room, records are dropped and counted.
//!
//! Threads do not survive a `fork`: a process that forks sets its notifier afterwards.
//!
//! ```text
//!   caller's threads          drainer                     deliverer
//!   ring ──┐
//!   ring ──┼── Entry ──▶ batch of records ── queue ──▶ Writer::write ──▶ back end
//!   ring ──┘
//! ```

mod deliverer;
mod drainer;

use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use osprofiler_wire::Record;
use rtrb::Consumer;

use crate::local::entry::Entry;

pub(crate) use deliverer::Delivery;

/// Records a batch holds at most.
pub(crate) const BATCH_RECORDS: usize = 4096;

/// Batches that wait for the writer at most.
pub(crate) const QUEUED_BATCHES: usize = 8;

/// Rings of threads that have ended, and wait to be drained, at most: 30 MiB of records.
const MAX_ENDED_RINGS: usize = 512;

/// How long the drainer sleeps while there is something to drain: a trace can be watched while it
/// runs, and one transaction takes many records.
const BUSY_INTERVAL: Duration = Duration::from_millis(25);

/// How long it sleeps while there is nothing: a start record is on its way within half a second
/// even if its thread blocks right after.
const IDLE_INTERVAL: Duration = Duration::from_millis(200);

/// How long to wait until one back end has replaced another.
const CHANGE_PATIENCE: Duration = Duration::from_secs(1);

/// What the drainer is told.
enum Command {
    /// A thread has made its ring.
    Adopt(Consumer<Entry>),
    /// A ring is half full.
    Wake,
    /// From now on, batches go to this back end; say when that is so.
    Deliver(Delivery, Sender<()>),
    /// Say when all that was recorded until now has been handed to the writer.
    Flush(Sender<()>),
}

/// What the deliverer is told.
enum Job {
    Batch(Vec<Record>),
    Flush(Sender<()>),
}

/// The way to the drainer; `None` inside if it could not be started.
static DRAINER: OnceLock<Option<Sender<Command>>> = OnceLock::new();

/// Takes over the reading end of a new ring.
pub(crate) fn adopt(ring: Consumer<Entry>) {
    tell(Command::Adopt(ring));
}

/// Wakes the drainer.
pub(crate) fn wake() {
    tell(Command::Wake);
}

/// Delivers to another back end from now on; what was recorded until now goes to the one before, as
/// far as that takes it.
///
/// Returns when that is so. It is at once; the wait is bounded all the same.
pub(crate) fn deliver_to(delivery: Delivery) {
    let (done, waiting) = mpsc::channel();
    tell(Command::Deliver(delivery, done));
    let _ = waiting.recv_timeout(CHANGE_PATIENCE);
}

/// Waits until all that was recorded until now has been handed to the back end; false if `timeout` is
/// over first.
pub(crate) fn flush(timeout: Duration) -> bool {
    if DRAINER.get().is_none() {
        return true;
    }
    let (done, waiting) = mpsc::channel();
    tell(Command::Flush(done));
    waiting.recv_timeout(timeout).is_ok()
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
    let (commands, inbox) = mpsc::channel();
    spawn("osprofiler-drain", move || drainer::run(&inbox)).then_some(commands)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> bool {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    if let Err(error) = &spawned {
        log::error!("profiling has no thread to run on, records will be lost: {error}");
    }
    spawned.is_ok()
}
