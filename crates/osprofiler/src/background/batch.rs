//! What the drainer takes out of the rings, and the deliverer makes records of.

use std::borrow::Cow;
use std::sync::Arc;
use std::vec::Drain;

use osprofiler_wire::{Id, Info, Phase};

use super::BATCH_RECORDS;
use crate::context::TraceState;
use crate::local::entry::{Entry, Extra, Extras};
use crate::local::ids::Sequence;
use crate::local::ring::Outlet;
use crate::losses::{self, Reason};
use crate::state;

/// The end of a thread's ring that the drainer empties.
pub(super) struct Ring {
    outlet: Outlet,
    sequence: Sequence,
    /// Of the last entry that was taken out.
    trace: Option<Arc<TraceState>>,
}

impl Ring {
    pub(super) fn new(outlet: Outlet) -> Self {
        Self { sequence: Sequence::new(outlet.sequence), outlet, trace: None }
    }

    /// Entries that are in it.
    pub(super) fn len(&self) -> usize {
        self.outlet.entries.slots()
    }

    /// Whether its thread fills it no more.
    pub(super) fn has_ended(&self) -> bool {
        self.outlet.has_ended()
    }

    /// Gives back a ring that has ended and is empty.
    pub(super) fn give_back(self) {
        self.outlet.reuse();
    }
}

/// Entries of several threads.
#[derive(Default)]
pub(super) struct Batch {
    entries: Vec<Entry>,
    extras: Vec<Extra>,
    parts: Vec<Part>,
}

/// What of a batch comes from one ring.
struct Part {
    entries: usize,
    sequence: Sequence,
    /// Of the first entries, unless they have one.
    trace: Option<Arc<TraceState>>,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= BATCH_RECORDS
    }

    /// Moves entries out of a ring until that is empty, or this is full.
    pub(super) fn fill_from(&mut self, ring: &mut Ring) {
        let take = ring.len().min(BATCH_RECORDS.saturating_sub(self.len()));
        if take == 0 {
            return;
        }
        let Ok(taken) = ring.outlet.entries.read_chunk(take) else { return };
        let (one, two) = taken.as_slices();
        self.entries.extend_from_slice(one);
        self.entries.extend_from_slice(two);
        let extras = one.iter().chain(two).map(|entry| entry.moment.extras().count()).sum();
        taken.commit_all();
        let (sequence, trace) = (ring.sequence, ring.trace.clone());
        self.parts.push(Part { entries: take, sequence, trace });
        let Ok(extras) = ring.outlet.extras.read_chunk(extras) else { return };
        let before = self.extras.len();
        self.extras.extend(extras);
        let is_trace = |extra: &Extra| match extra {
            Extra::Trace(trace) => Some(trace.clone()),
            _ => None,
        };
        if let Some(last) = self.extras[before..].iter().rev().find_map(is_trace) {
            ring.trace = Some(last);
        }
    }

    /// Takes all out, and gives back the room that all but the infos took.
    #[inline(always)]
    pub(super) fn take(&mut self, sink: &mut impl Sink) {
        let mut entries = self.entries.drain(..);
        let mut extras = self.extras.drain(..);
        for part in self.parts.drain(..) {
            let mut ids = Ids::of(part.sequence);
            if let Some(trace) = part.trace {
                sink.belongs_to(trace);
            }
            for entry in entries.by_ref().take(part.entries) {
                // Apart from the others, the usual ones take half as long.
                if entry.moment.extras() == Extras::NONE {
                    sink.take(entry.taken(&mut ids));
                } else {
                    take_with_extras(&entry, &mut extras, &mut ids, sink);
                }
            }
        }
    }

    /// Gives its entries up, and the room that their infos take.
    pub(super) fn lose(&mut self, reason: Reason) {
        self.take(&mut Lost { reason, trace: None });
    }
}

impl Entry {
    /// What is told by an entry without extras.
    #[inline(always)]
    fn taken(&self, ids: &mut Ids) -> Taken {
        Taken {
            name: Cow::Borrowed(self.name),
            phase: self.moment.phase(),
            trace_id: ids.get(self.number),
            parent_id: (self.parent != 0).then(|| ids.get(self.parent)),
            micros: self.moment.micros(),
            info: Info::new(),
        }
    }
}

#[inline(never)]
fn take_with_extras(
    entry: &Entry,
    extras: &mut Drain<'_, Extra>,
    ids: &mut Ids,
    sink: &mut impl Sink,
) {
    let has = entry.moment.extras();
    let mut next = |extra| if has.has(extra) { extras.next() } else { None };
    if let Some(Extra::Trace(trace)) = next(Extras::TRACE) {
        state::release(state::ROOM_OF_TRACE);
        sink.belongs_to(trace);
    }
    let mut taken = entry.taken(ids);
    if let Some(Extra::Point(point)) = next(Extras::POINT) {
        taken.trace_id = point.to_id();
    }
    if let Some(Extra::Point(parent)) = next(Extras::PARENT) {
        taken.parent_id = Some(parent.to_id());
    }
    if let Some(Extra::Name(name)) = next(Extras::NAME) {
        state::release(name.len());
        taken.name = Cow::Owned(name);
    }
    if let Some(Extra::Info(info)) = next(Extras::INFO) {
        taken.info = info;
    }
    sink.take(taken);
}

/// What is in a batch, record by record.
pub(super) trait Sink {
    /// What follows is of this trace. The first record of a batch has one.
    fn belongs_to(&mut self, trace: Arc<TraceState>);

    fn take(&mut self, taken: Taken);
}

/// What differs from record to record in a trace.
pub(super) struct Taken {
    pub(super) name: Cow<'static, str>,
    pub(super) phase: Phase,
    pub(super) trace_id: Id,
    /// `None` for the point under which the trace entered the process.
    pub(super) parent_id: Option<Id>,
    /// Since the trace's anchor.
    pub(super) micros: u64,
    pub(super) info: Info,
}

/// Counts what it is given as dropped.
struct Lost {
    reason: Reason,
    trace: Option<Arc<TraceState>>,
}

impl Sink for Lost {
    fn belongs_to(&mut self, trace: Arc<TraceState>) {
        self.trace = Some(trace);
    }

    fn take(&mut self, taken: Taken) {
        state::release(state::room_of(&taken.info));
        if let Some(trace) = &self.trace {
            losses::count(trace, 1, trace.anchor().after_us(taken.micros), self.reason);
        }
    }
}

/// One that nobody takes, since the deliverer is gone, is lost.
impl Drop for Batch {
    fn drop(&mut self) {
        if !self.is_empty() {
            self.lose(Reason::Failed);
        }
    }
}

/// Ids that were needed lately: a point's own id is needed four times, if it has one child.
struct Ids {
    sequence: Sequence,
    recent: [(u32, u128); 16],
}

impl Ids {
    fn of(sequence: Sequence) -> Self {
        Self { sequence, recent: [(0, 0); 16] }
    }

    #[inline(always)]
    fn get(&mut self, number: u32) -> Id {
        let (found, bits) = &mut self.recent[number as usize % 16];
        if *found != number {
            (*found, *bits) = (number, self.sequence.bits(number));
        }
        Id::from_random(*bits)
    }
}
