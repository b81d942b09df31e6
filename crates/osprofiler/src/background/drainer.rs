//! The drainer: from rings to batches.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError};

use osprofiler_wire::Record;
use rtrb::Consumer;

use super::deliverer::{self, Delivery};
use super::{BATCH_RECORDS, BUSY_INTERVAL, Command, IDLE_INTERVAL, Job, MAX_ENDED_RINGS};
use crate::local::entry::Entry;
use crate::state;

pub(super) fn run(inbox: &Receiver<Command>) {
    let mut drainer = Drainer::default();
    let mut busy = false;
    loop {
        match inbox.recv_timeout(if busy { BUSY_INTERVAL } else { IDLE_INTERVAL }) {
            Ok(command) => drainer.obey(command),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        busy = drainer.drain();
        drainer.forget_ended_rings();
    }
}

/// It never waits for the deliverer: a back end that hangs can be replaced, and rings are adopted.
#[derive(Default)]
struct Drainer {
    rings: Vec<Consumer<Entry>>,
    /// Drained, and not yet in the queue.
    batch: Vec<Record>,
    /// To the deliverer of the current back end.
    queue: Option<SyncSender<Job>>,
    flushes: VecDeque<Flush>,
}

/// Somebody waits until what was recorded before has been delivered.
struct Flush {
    /// Records that are still to be queued before it.
    ahead: usize,
    done: Sender<()>,
}

impl Drainer {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Wake => {}
            Command::Adopt(ring) => self.rings.push(ring),
            Command::Deliver(delivery, done) => {
                self.replace_queue(delivery);
                // Whoever waits may have given up.
                let _ = done.send(());
            }
            Command::Flush(done) => {
                self.flushes.push_back(Flush { ahead: self.in_rings() + self.batch.len(), done });
            }
        }
    }

    /// Starts a deliverer for another back end. What was recorded until now goes to the one before
    /// as far as its queue has room, and is dropped else: the next one begins with empty rings.
    fn replace_queue(&mut self, delivery: Delivery) {
        // What is recorded meanwhile may go to either, else this might never end.
        for _ in 0..self.in_rings() / BATCH_RECORDS + 2 {
            self.drain();
            self.drop_batch();
        }
        self.queue = deliverer::start(delivery);
    }

    /// Records that are in rings.
    fn in_rings(&self) -> usize {
        self.rings.iter().map(Consumer::slots).sum()
    }

    /// Moves what the rings hold into the queue as far as that has room; says whether there was
    /// anything to do.
    fn drain(&mut self) -> bool {
        let mut any = false;
        loop {
            self.fill_batch();
            any |= !self.batch.is_empty() || !self.flushes.is_empty();
            let is_full = self.batch.len() == BATCH_RECORDS;
            // What comes while we are at it waits for the next time, else the inbox might.
            if !self.offer_batch() || !is_full {
                break;
            }
        }
        self.offer_flushes();
        any
    }

    fn fill_batch(&mut self) {
        let origin = state::origin();
        for ring in &mut self.rings {
            let take = ring.slots().min(BATCH_RECORDS - self.batch.len());
            if let Ok(entries) = ring.read_chunk(take) {
                self.batch.extend(entries.into_iter().map(|entry| entry.into_record(&origin)));
            }
        }
        self.rings.retain(|ring| !(ring.is_abandoned() && ring.is_empty()));
    }

    /// Moves the batch into the queue; false, and the batch stays, if there is no room.
    fn offer_batch(&mut self) -> bool {
        if self.batch.is_empty() {
            return true;
        }
        let Some(queue) = &self.queue else {
            self.drop_batch();
            return true;
        };
        let records = self.batch.len();
        match queue.try_send(Job::Batch(std::mem::take(&mut self.batch))) {
            Ok(()) => self.pass(records),
            Err(TrySendError::Full(job)) => {
                self.take_back(job);
                return false;
            }
            // The deliverer is gone: an application's logger, say, panicked in it.
            Err(TrySendError::Disconnected(job)) => {
                self.take_back(job);
                self.drop_batch();
            }
        }
        true
    }

    fn take_back(&mut self, job: Job) {
        if let Job::Batch(batch) = job {
            self.batch = batch;
        }
    }

    fn drop_batch(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        state::release(batch.iter().map(|record| record.info.json_len()).sum());
        state::count_dropped_without_room(batch.len());
        self.pass(batch.len());
    }

    /// So many records are no longer ahead of anybody.
    fn pass(&mut self, records: usize) {
        for flush in &mut self.flushes {
            flush.ahead = flush.ahead.saturating_sub(records);
        }
    }

    /// Queues the flushes that have nothing ahead of them any more.
    fn offer_flushes(&mut self) {
        while let Some(Flush { ahead: 0, done }) = self.flushes.front() {
            let sent = self.queue.as_ref().map(|queue| queue.try_send(Job::Flush(done.clone())));
            match sent {
                Some(Err(TrySendError::Full(_))) => return,
                Some(_) => {}
                // Nothing to deliver to, and nothing to wait for.
                None => drop(done.send(())),
            }
            self.flushes.pop_front();
        }
    }

    /// Gives up the records of threads that have ended, if there are too many of them: a program may
    /// start a thread for every request while the back end hangs.
    fn forget_ended_rings(&mut self) {
        let ended = self.rings.iter().filter(|ring| ring.is_abandoned()).count();
        let mut surplus = ended.saturating_sub(MAX_ENDED_RINGS);
        let mut dropped = 0;
        self.rings.retain_mut(|ring| {
            if surplus == 0 || !ring.is_abandoned() {
                return true;
            }
            surplus -= 1;
            while let Ok(entry) = ring.pop() {
                state::release(entry.info.json_len());
                dropped += 1;
            }
            false
        });
        if dropped > 0 {
            state::count_dropped_without_room(dropped);
            self.pass(dropped);
        }
    }
}
