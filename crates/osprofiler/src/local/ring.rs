//! The bounded queue from one thread to the background: a ring, and another one when that is full.

use std::borrow::Cow;
use std::cell::RefCell;
use std::mem::size_of;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use osprofiler_wire::{Info, Phase};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::background;
use crate::context::{Place, TraceState};
use crate::local::entry::{Entry, Extra, Extras, SinceEntry};
use crate::local::ids::{self, PointId};
use crate::local::scope::Open;
use crate::losses::{self, Reason};
use crate::state;

/// Records that a thread's ring holds.
pub(crate) const RING_RECORDS: usize = 1024;

/// Extras that a thread's ring holds: two of three records may have one.
const RING_EXTRAS: usize = 704;

/// Bytes that a thread's ring takes, infos aside.
const RING_BYTES: usize = RING_RECORDS * size_of::<Entry>() + RING_EXTRAS * size_of::<Extra>();

const _: () = assert!(RING_BYTES < 63 * 1024, "with what is around it, 64 KiB");

/// Full rings, and rings of threads that have ended, that the background has not emptied yet.
static ENDED: AtomicUsize = AtomicUsize::new(0);

/// Such rings of the whole process at most: 32 MiB. With more, records are dropped.
pub(crate) const MAX_ENDED: usize = 512;

/// The background, which comes by in its own time, is woken when there are so many.
const MANY_ENDED: usize = 8;

/// The end that a thread fills. When it is full, the thread goes on with another one.
struct Ring {
    entries: Producer<Entry>,
    extras: Producer<Extra>,
    /// The points that are known by their number alone.
    sequence: NonZeroU64,
    /// The trace that the last entry belongs to, by its serial; 0 at first.
    trace: u64,
}

/// The end that the background empties.
pub(crate) struct Outlet {
    pub(crate) entries: Consumer<Entry>,
    pub(crate) extras: Consumer<Extra>,
    pub(crate) sequence: NonZeroU64,
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Once: what there is no room for must not wake it again and again.
        if ENDED.fetch_add(1, Ordering::Relaxed) + 1 == MANY_ENDED {
            background::wake();
        }
    }
}

/// Says that the background has done with a ring that had ended.
pub(crate) fn forget() {
    ENDED.fetch_sub(1, Ordering::Relaxed);
}

thread_local! {
    static RING: RefCell<Option<Ring>> = const { RefCell::new(None) };
}

/// Puts a record without an info into this thread's ring. If there is no room, the record is dropped
/// and counted.
pub(super) fn push(trace: &Arc<TraceState>, point: &Open, phase: Phase) {
    let pushed = with_ring(|ring| match ring.plain_parent(trace, point) {
        Some(parent) if !ring.entries.is_full() => ring.push_plain(trace, point, parent, phase),
        _ => ring.push_with_extras(trace, point, phase, Info::new()),
    });
    if !pushed {
        lose(trace);
    }
}

/// [`push`] with an info; also dropped if infos take too much room.
pub(super) fn push_with(trace: &Arc<TraceState>, point: &Open, phase: Phase, info: Info) {
    if !with_ring(|ring| ring.push_with_extras(trace, point, phase, info)) {
        lose(trace);
    }
}

/// Calls `f` with the ring of this thread; false if the thread has none any more.
#[inline(always)]
fn with_ring(f: impl FnOnce(&mut Ring) -> bool) -> bool {
    let called = RING.try_with(|ring| {
        let ring = &mut *ring.borrow_mut();
        if ring.is_none() {
            *ring = Ring::new();
        }
        ring.as_mut().is_some_and(f)
    });
    called == Ok(true)
}

#[cold]
fn lose(trace: &Arc<TraceState>) {
    losses::count(trace, trace.anchor().timestamp(), Reason::NoRoom);
}

impl Ring {
    /// `None` if too many wait to be emptied.
    #[cold]
    fn new() -> Option<Self> {
        if ENDED.load(Ordering::Relaxed) >= MAX_ENDED {
            return None;
        }
        let sequence = ids::sequence();
        let (entries, entries_out) = RingBuffer::new(RING_RECORDS);
        let (extras, extras_out) = RingBuffer::new(RING_EXTRAS);
        background::adopt(Outlet { entries: entries_out, extras: extras_out, sequence });
        Some(Self { entries, extras, sequence, trace: 0 })
    }

    /// Goes on with another ring, if there may be one.
    #[cold]
    fn renew(&mut self) -> bool {
        let next = Self::new();
        let is_there = next.is_some();
        if let Some(next) = next {
            *self = next;
        }
        is_there
    }

    /// The number of a point's parent, if a record of the point needs no extras but an info.
    #[inline]
    fn plain_parent(&self, trace: &TraceState, point: &Open) -> Option<u32> {
        let parent = point.parent;
        debug_assert_ne!(parent, Place::BASE, "no point is above that in which the trace entered");
        let is_plain = point.id.sequence == self.sequence
            && trace.serial() == self.trace
            && parent.sequence.is_none_or(|sequence| sequence == self.sequence)
            && matches!(point.name, Cow::Borrowed(_));
        is_plain.then_some(parent.number)
    }

    #[inline]
    fn push_plain(&mut self, trace: &TraceState, point: &Open, parent: u32, phase: Phase) -> bool {
        let Cow::Borrowed(name) = point.name else { return false };
        self.push_entry(
            trace,
            Entry {
                name,
                number: point.id.number,
                parent,
                at: SinceEntry::default(),
                phase,
                extras: Extras::NONE,
            },
        )
    }

    #[inline]
    fn push_entry(&mut self, trace: &TraceState, mut entry: Entry) -> bool {
        // Last, so that our own work is not measured.
        entry.at = SinceEntry::from_micros(trace.anchor().elapsed_us());
        self.entries.push(entry).is_ok()
    }

    #[inline(never)]
    fn push_with_extras(
        &mut self,
        trace: &Arc<TraceState>,
        point: &Open,
        phase: Phase,
        info: Info,
    ) -> bool {
        let lacks = |slots: usize| slots < Extras::MAX_COUNT;
        // What the background has taken out is looked up only if need be: it writes that.
        let is_full = self.entries.is_full()
            || (lacks(self.extras.cached_slots()) && lacks(self.extras.slots()));
        if is_full && !self.renew() {
            return false;
        }
        let (parent, foreign_parent) = match point.parent {
            Place { sequence: Some(sequence), number } if sequence != self.sequence => {
                (0, Some(PointId { sequence, number }))
            }
            parent => (parent.number, None),
        };
        let (name, owned_name) = match &point.name {
            Cow::Borrowed(name) => (*name, None),
            Cow::Owned(name) => ("", Some(name)),
        };
        let extras = Extras::NONE
            .with(Extras::TRACE, self.trace != trace.serial())
            .with(Extras::POINT, self.sequence != point.id.sequence)
            .with(Extras::PARENT, foreign_parent.is_some())
            .with(Extras::NAME, owned_name.is_some())
            .with(Extras::INFO, !info.is_empty());
        let number = point.id.number;
        let at = SinceEntry::default();
        self.push_extras(extras, trace, point.id, foreign_parent, owned_name, info)
            && self.push_entry(trace, Entry { name, number, parent, at, phase, extras })
    }

    /// Before their entry: what the background finds an entry for is all there.
    fn push_extras(
        &mut self,
        extras: Extras,
        trace: &Arc<TraceState>,
        point: PointId,
        parent: Option<PointId>,
        name: Option<&String>,
        info: Info,
    ) -> bool {
        let traces = if extras.has(Extras::TRACE) { state::ROOM_OF_TRACE } else { 0 };
        if !state::reserve(state::room_of(&info) + name.map_or(0, String::len) + traces) {
            return false;
        }
        let mut push = |extra| {
            let pushed = self.extras.push(extra);
            debug_assert!(pushed.is_ok(), "there is room");
        };
        if extras.has(Extras::TRACE) {
            push(Extra::Trace(trace.clone()));
            self.trace = trace.serial();
        }
        if extras.has(Extras::POINT) {
            push(Extra::Point(point));
        }
        if let Some(parent) = parent {
            push(Extra::Point(parent));
        }
        if let Some(name) = name {
            push(Extra::Name(name.clone()));
        }
        if extras.has(Extras::INFO) {
            push(Extra::Info(info));
        }
        true
    }
}
