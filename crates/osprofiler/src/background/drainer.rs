//! The drainer: from rings to batches.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};

use osprofiler_wire::Record;
use rtrb::Consumer;

use super::{BATCH_RECORDS, BUSY_INTERVAL, Command, IDLE_INTERVAL, Job};
use crate::local::entry::Entry;
use crate::local::ring;
use crate::state;

pub(super) fn run(inbox: &Receiver<Command>, queue: SyncSender<Job>) {
    let mut drainer = Drainer { rings: Vec::new(), batch: Vec::new(), queue };
    let mut busy = false;
    loop {
        match inbox.recv_timeout(if busy { BUSY_INTERVAL } else { IDLE_INTERVAL }) {
            Ok(command) => drainer.obey(command),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        busy = drainer.drain();
    }
}

struct Drainer {
    rings: Vec<Consumer<Entry>>,
    /// Drained, and not yet in the queue.
    batch: Vec<Record>,
    queue: SyncSender<Job>,
}

impl Drainer {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Wake => {}
            Command::Adopt(ring) => self.rings.push(ring),
            Command::Deliver(delivery, done) => {
                self.drain_then(Job::Deliver(delivery));
                // Whoever waits may have given up.
                let _ = done.send(());
            }
            Command::Flush(done) => self.drain_then(Job::Flush(done)),
        }
    }

    /// Queues a job behind everything that is in the rings now; waits where `drain` would not.
    fn drain_then(&mut self, job: Job) {
        // What is recorded meanwhile may wait for the next time, else this might never end.
        let mut ahead: usize = self.rings.iter().map(Consumer::slots).sum();
        loop {
            ahead = ahead.saturating_sub(self.fill_batch());
            let batch = std::mem::take(&mut self.batch);
            if !batch.is_empty() && self.queue.send(Job::Batch(batch)).is_err() {
                return;
            }
            if ahead == 0 {
                break;
            }
        }
        // Fails only if the deliverer is gone; whoever waits for the job learns it from that.
        let _ = self.queue.send(job);
    }

    /// Takes what the rings hold as far as the queue has room; says whether there was anything.
    fn drain(&mut self) -> bool {
        let mut any = false;
        loop {
            self.fill_batch();
            any |= !self.batch.is_empty();
            // What comes while we are at it waits for the next time, else the inbox might.
            let is_full = self.batch.len() == BATCH_RECORDS;
            if self.batch.is_empty() || !self.offer_batch() || !is_full {
                return any;
            }
        }
    }

    /// Tops up the batch; says by how many records.
    fn fill_batch(&mut self) -> usize {
        let before = self.batch.len();
        let origin = state::origin();
        for ring in &mut self.rings {
            let room = BATCH_RECORDS - self.batch.len();
            let take = ring.slots().min(room);
            if let Ok(entries) = ring.read_chunk(take) {
                self.batch.extend(entries.into_iter().map(|entry| entry.into_record(&origin)));
            }
        }
        self.rings.retain(|ring| {
            let is_over = ring.is_abandoned() && ring.is_empty();
            if is_over {
                ring::release();
            }
            !is_over
        });
        self.batch.len() - before
    }

    /// Moves the batch into the queue; false, and the batch stays, if there is no room.
    fn offer_batch(&mut self) -> bool {
        match self.queue.try_send(Job::Batch(std::mem::take(&mut self.batch))) {
            Ok(()) => true,
            Err(TrySendError::Full(Job::Batch(batch))) => {
                self.batch = batch;
                false
            }
            Err(_) => false,
        }
    }
}
