//! The drainer: from rings to batches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError};

use super::batch::{Batch, Ring};
use super::deliverer::{self, Delivery};
use super::{
    BATCH_RECORDS, BUSY_INTERVAL, Command, IDLE_INTERVAL, Job, MAX_LOSSES, WOKEN, new_losses,
    new_rings,
};
use crate::context::TraceState;
use crate::local::clock::Calibration;
use crate::local::ring::{self, MAX_ENDED};
use crate::losses::Reason;

pub(super) fn run(inbox: &Receiver<Command>) {
    let mut calibration = Calibration::start();
    let mut drainer = Drainer::new();
    let mut interval = IDLE_INTERVAL;
    loop {
        match inbox.recv_timeout(interval) {
            Ok(command) => drainer.obey(command),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // Before looking: what comes later calls again.
        WOKEN.store(false, Ordering::Relaxed);
        interval = if drainer.drain() {
            BUSY_INTERVAL
        } else {
            ring::forget_spare();
            IDLE_INTERVAL
        };
        drainer.forget_ended_rings();
        if let Some(calibration) = &mut calibration {
            calibration.refresh();
        }
    }
}

/// It never waits for the deliverer: a back end that hangs can be replaced, and rings are adopted.
struct Drainer {
    rings: Vec<Ring>,
    /// The ring that comes next: where a batch became full the next one goes on, so that all get their
    /// turn.
    next: usize,
    /// How often all rings have had it.
    rounds: u64,
    /// Drained, and not yet in the queue.
    batch: Batch,
    /// Traces whose losses are to be told.
    losses: Vec<Arc<TraceState>>,
    /// To the deliverer of the current back end.
    queue: Option<SyncSender<Job>>,
    /// Batches that deliverers have emptied: their memory is used again, since what the system gives
    /// anew it clears first, page by page.
    emptied: (Sender<Batch>, Receiver<Batch>),
    flushes: VecDeque<Flush>,
}

/// Somebody waits until what was recorded before has been delivered.
struct Flush {
    /// After so many rounds, all of that is in batches.
    due: u64,
    done: Sender<()>,
}

impl Drainer {
    fn new() -> Self {
        Self {
            rings: Vec::new(),
            next: 0,
            rounds: 0,
            batch: Batch::default(),
            losses: Vec::new(),
            queue: None,
            emptied: mpsc::channel(),
            flushes: VecDeque::new(),
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Wake => {}
            Command::Deliver(delivery, done) => {
                self.replace_queue(delivery);
                // Whoever waits may have given up.
                let _ = done.send(());
            }
            Command::Flush(done) => {
                // The round that is under way may have passed the ring.
                let due = self.rounds + 1 + u64::from(self.next > 0);
                self.flushes.push_back(Flush { due, done });
            }
        }
    }

    /// Starts a deliverer for another back end. What was recorded until now goes to the one before
    /// as far as its queue has room, and is dropped else: the next one begins with empty rings.
    fn replace_queue(&mut self, delivery: Delivery) {
        self.next = 0;
        // What is recorded meanwhile may go to either, else this might never end.
        for _ in 0..self.in_rings() / BATCH_RECORDS + 2 {
            self.fill_batch();
            self.offer_batch();
            self.drop_batch();
        }
        self.offer_flushes();
        self.queue = deliverer::start(delivery, self.emptied.0.clone());
    }

    /// Records that are in rings.
    fn in_rings(&mut self) -> usize {
        self.adopt();
        self.rings.iter().map(Ring::len).sum()
    }

    /// Moves what the rings hold into the queue as far as that has room; says whether there was
    /// anything to do.
    fn drain(&mut self) -> bool {
        let mut any = false;
        loop {
            self.fill_batch();
            any |= !self.batch.is_empty() || !self.flushes.is_empty();
            // What comes while we are at it waits for the next time, else the inbox might.
            if !self.offer_batch() || self.next == 0 {
                break;
            }
        }
        self.offer_losses();
        self.offer_flushes();
        any || !self.losses.is_empty()
    }

    fn fill_batch(&mut self) {
        if self.next == 0 {
            self.adopt();
        }
        while let Some(ring) = self.rings.get_mut(self.next)
            && !self.batch.is_full()
        {
            self.batch.fill_from(ring);
            if !self.batch.is_full() {
                self.next += 1;
            }
        }
        if self.next == self.rings.len() {
            self.next = 0;
            self.rounds += 1;
            let done = |ring: &mut Ring| ring.has_ended() && ring.len() == 0;
            self.rings.extract_if(.., done).for_each(Ring::give_back);
        }
    }

    /// Takes over rings that are new. A thread's are in the order in which it filled them.
    fn adopt(&mut self) {
        self.rings.extend(new_rings().drain(..).map(Ring::new));
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
        match queue.try_send(Job::Batch(std::mem::take(&mut self.batch))) {
            Ok(()) => self.batch = self.emptied.1.try_recv().unwrap_or_default(),
            Err(TrySendError::Full(job)) => {
                self.take_back(job);
                return false;
            }
            // There is no deliverer: the system had no thread to give.
            Err(TrySendError::Disconnected(job)) => {
                self.take_back(job);
                self.drop_batch();
            }
        }
        true
    }

    fn take_back(&mut self, job: Job) {
        match job {
            Job::Batch(batch) => self.batch = batch,
            Job::TellLosses(losses) => self.losses = losses,
            Job::Flush(_) => {}
        }
    }

    fn drop_batch(&mut self) {
        self.batch.lose(Reason::NoRoom);
    }

    /// Has losses told once everything else has found room again.
    fn offer_losses(&mut self) {
        let room = MAX_LOSSES.saturating_sub(self.losses.len());
        self.losses.extend(new_losses().drain(..).take(room));
        if self.losses.is_empty() || !self.batch.is_empty() {
            return;
        }
        let Some(queue) = &self.queue else { return };
        if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) =
            queue.try_send(Job::TellLosses(std::mem::take(&mut self.losses)))
        {
            self.take_back(job);
        }
    }

    /// Queues the flushes behind what they wait for.
    fn offer_flushes(&mut self) {
        while let Some(Flush { due, done }) = self.flushes.front()
            && *due <= self.rounds
            && self.batch.is_empty()
        {
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
        let ended = self.rings.iter().filter(|ring| ring.has_ended()).count();
        let mut surplus = ended.saturating_sub(MAX_ENDED);
        if surplus == 0 {
            return;
        }
        let mut forgotten = Batch::default();
        let is_surplus = |ring: &mut Ring| {
            let is_surplus = surplus > 0 && ring.has_ended();
            surplus -= usize::from(is_surplus);
            is_surplus
        };
        for mut ring in self.rings.extract_if(.., is_surplus) {
            forgotten.fill_from(&mut ring);
            forgotten.lose(Reason::NoRoom);
            ring.give_back();
        }
        // The rings have moved up: a round that went on would leave some out.
        self.next = 0;
    }
}
