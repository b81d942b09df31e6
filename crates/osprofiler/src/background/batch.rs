//! What the drainer takes out of the rings, and the deliverer makes records of.

use std::borrow::Cow;
use std::sync::Arc;

use osprofiler_wire::{Id, Info, Origin, Record};

use super::BATCH_RECORDS;
use crate::context::{Place, TraceState};
use crate::local::entry::{Entry, Extra, Extras};
use crate::local::ids::Sequence;
use crate::local::ring::{self, Outlet};
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
        self.outlet.entries.is_abandoned()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.has_ended() {
            ring::forget();
        }
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
        let extras = one.iter().chain(two).map(|entry| entry.extras.count()).sum();
        taken.commit_all();
        let (sequence, trace) = (ring.sequence, ring.trace.clone());
        self.parts.push(Part { entries: take, sequence, trace });
        let Ok(extras) = ring.outlet.extras.read_chunk(extras) else { return };
        for extra in extras {
            if let Extra::Trace(trace) = &extra {
                ring.trace = Some(trace.clone());
            }
            self.extras.push(extra);
        }
    }

    /// Takes all out: calls `f` with each record and its trace, and gives back the room that all but
    /// the infos took.
    #[inline(always)]
    pub(super) fn for_each(
        &mut self,
        origin: &Arc<Origin>,
        mut f: impl FnMut(&Arc<TraceState>, Record),
    ) {
        let mut entries = self.entries.drain(..);
        let mut extras = self.extras.drain(..);
        for mut part in self.parts.drain(..) {
            let mut ids = Ids::of(part.sequence);
            for entry in entries.by_ref().take(part.entries) {
                let mut next = |extra| if entry.extras.has(extra) { extras.next() } else { None };
                if let Some(Extra::Trace(trace)) = next(Extras::TRACE) {
                    state::release(state::ROOM_OF_TRACE);
                    part.trace = Some(trace);
                }
                let trace_id = match next(Extras::POINT) {
                    Some(Extra::Point(point)) => point.to_id(),
                    _ => ids.get(entry.number),
                };
                let parent_id = match next(Extras::PARENT) {
                    Some(Extra::Point(parent)) => Some(parent.to_id()),
                    _ if entry.parent == 0 => None,
                    _ => Some(ids.get(entry.parent)),
                };
                let name = match next(Extras::NAME) {
                    Some(Extra::Name(name)) => {
                        state::release(name.len());
                        Cow::Owned(name)
                    }
                    _ => Cow::Borrowed(entry.name),
                };
                let info = match next(Extras::INFO) {
                    Some(Extra::Info(info)) => info,
                    _ => Info::new(),
                };
                // The first entry of a ring has it.
                let Some(trace) = &part.trace else { continue };
                f(
                    trace,
                    Record {
                        name,
                        phase: entry.phase,
                        base_id: trace.base_id().clone(),
                        parent_id: parent_id.unwrap_or_else(|| trace.id_of(Place::ENTRY)),
                        trace_id,
                        timestamp: trace.anchor().after_us(entry.at.as_micros()),
                        info,
                        origin: origin.clone(),
                        source: None,
                    },
                );
            }
        }
    }

    /// Gives its entries up, and the room that their infos take.
    pub(super) fn lose(&mut self, reason: Reason) {
        self.for_each(&state::origin(), |trace, record| {
            state::release(state::room_of(&record.info));
            losses::count(trace, record.timestamp, reason);
        });
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
    recent: [(u32, Id); 16],
}

impl Ids {
    fn of(sequence: Sequence) -> Self {
        Self { sequence, recent: [const { (0, Id::from_uuid_bytes([0; 16])) }; 16] }
    }

    #[inline]
    fn get(&mut self, number: u32) -> Id {
        let (found, id) = &mut self.recent[number as usize % 16];
        if *found != number {
            (*found, *id) = (number, self.sequence.id(number));
        }
        id.clone()
    }
}
