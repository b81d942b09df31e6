//! The bounded queue from one thread to the background: a ring, and another one when that is full.

use std::borrow::Cow;
use std::cell::Cell;
use std::mem::size_of;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use osprofiler_wire::{Info, Phase};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::background;
use crate::context::{Place, TraceState};
use crate::local::clock;
use crate::local::entry::{Entry, Extra, Extras, Moment};
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

/// Rings that were emptied and wait for a thread that needs one, at most: 4 MiB.
const MAX_SPARE: usize = 64;

/// Rings that were emptied. What the system gives anew it clears first, page by page, which takes
/// longer than filling it with records.
static SPARE: Mutex<Vec<(Inlet, Outlet)>> = Mutex::new(Vec::new());

/// The end that a thread fills. When it is full, the thread goes on with another one.
struct Ring {
    // Counted before the background can see it.
    _ended: Ended,
    inlet: Inlet,
    /// Where the inlet is left then, so that the background can join it to its outlet again.
    left: Arc<Mutex<Option<Inlet>>>,
    /// Looked up once.
    counter: quanta::Clock,
    /// The points that are known by their number alone.
    sequence: NonZeroU64,
    /// The trace that the last entry belongs to; none at first.
    trace: Option<NonZeroU64>,
}

struct Inlet {
    entries: Producer<Entry>,
    extras: Producer<Extra>,
}

/// The end that the background empties.
pub(crate) struct Outlet {
    pub(crate) entries: Consumer<Entry>,
    pub(crate) extras: Consumer<Extra>,
    pub(crate) sequence: NonZeroU64,
    left: Arc<Mutex<Option<Inlet>>>,
}

impl Outlet {
    /// Whether its thread fills it no more.
    pub(crate) fn has_ended(&self) -> bool {
        self.entries.is_abandoned() || lock(&self.left).is_some()
    }

    /// Lets a thread have the ring again, which has ended and is empty.
    pub(crate) fn reuse(self) {
        ENDED.fetch_sub(1, Ordering::Relaxed);
        let inlet = lock(&self.left).take();
        let mut spare = lock(&SPARE);
        if let Some(inlet) = inlet
            && spare.len() < MAX_SPARE
        {
            spare.push((inlet, self));
        }
    }
}

/// Gives up half of the rings that nobody needs.
pub(crate) fn forget_spare() {
    let mut spare = lock(&SPARE);
    let keep = spare.len() / 2;
    let forgotten = spare.split_off(keep);
    drop(spare);
    drop(forgotten);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What it guards is whole at any time.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a ring that its thread fills no more.
struct Ended;

impl Drop for Ended {
    fn drop(&mut self) {
        // Once: what there is no room for must not wake it again and again.
        if ENDED.fetch_add(1, Ordering::Relaxed) + 1 == MANY_ENDED {
            background::wake();
        }
    }
}

thread_local! {
    // Empty also while it is being filled.
    static RING: Cell<Option<Box<Ring>>> = const { Cell::new(None) };
}

/// Puts a record that needs no extras into this thread's ring; false if it does need some, or there is
/// no room.
// Once, and not part of the callers: only then the compiler takes in all that it calls.
#[inline(never)]
pub(super) fn push_plain(trace: &TraceState, point: &Open, phase: Phase) -> bool {
    let Ok(Some(mut ring)) = RING.try_with(Cell::take) else { return false };
    let pushed = ring.push_plain(trace, point, phase);
    put_back(ring);
    pushed
}

/// Puts any record into this thread's ring. If there is no room, the record is dropped and counted; so
/// it is if infos take too much.
#[inline(never)]
pub(super) fn push(trace: &Arc<TraceState>, point: &Open, phase: Phase, info: Info) {
    // A thread that is shutting down has none any more.
    let ring = RING.try_with(Cell::take).ok().and_then(|ring| ring.or_else(Ring::boxed));
    let pushed = ring.is_some_and(|mut ring| {
        let pushed = ring.push_with_extras(trace, point, phase, info);
        put_back(ring);
        pushed
    });
    if !pushed {
        losses::count(trace, 1, trace.anchor().timestamp(), Reason::NoRoom);
    }
}

#[inline(always)]
fn put_back(ring: Box<Ring>) {
    let _ = RING.try_with(|place| place.set(Some(ring)));
}

/// Makes the two ends of a ring.
fn pair(sequence: NonZeroU64) -> (Inlet, Outlet) {
    let (entries, entries_out) = RingBuffer::new(RING_RECORDS);
    let (extras, extras_out) = RingBuffer::new(RING_EXTRAS);
    let left = Arc::default();
    let outlet = Outlet { entries: entries_out, extras: extras_out, sequence, left };
    (Inlet { entries, extras }, outlet)
}

impl Ring {
    #[cold]
    fn boxed() -> Option<Box<Self>> {
        Self::new().map(Box::new)
    }

    /// `None` if too many wait to be emptied.
    fn new() -> Option<Self> {
        if ENDED.load(Ordering::Relaxed) >= MAX_ENDED {
            return None;
        }
        let sequence = ids::sequence();
        let spare = lock(&SPARE).pop();
        let (inlet, outlet) = spare.unwrap_or_else(|| pair(sequence));
        let left = outlet.left.clone();
        background::adopt(Outlet { sequence, ..outlet });
        Some(Self { _ended: Ended, inlet, left, counter: clock::counter(), sequence, trace: None })
    }

    /// Goes on with another ring, if there may be one.
    #[cold]
    fn renew(&mut self) -> bool {
        let Some(next) = Self::new() else { return false };
        let Self { inlet, left, .. } = std::mem::replace(self, next);
        // If the background looks there just now, this one is not used again.
        if let Ok(mut left) = left.try_lock() {
            *left = Some(inlet);
        }
        true
    }

    #[inline(always)]
    fn push_plain(&mut self, trace: &TraceState, point: &Open, phase: Phase) -> bool {
        let (Open { id, parent, .. }, Cow::Borrowed(name)) = (point, &point.name) else {
            return false;
        };
        debug_assert_ne!(*parent, Place::BASE, "no point is above that in which the trace entered");
        let is_plain = id.sequence == self.sequence
            && Some(trace.serial()) == self.trace
            && parent.sequence.is_none_or(|sequence| sequence == self.sequence);
        if !is_plain {
            return false;
        }
        // The time last, so that our own work is not measured.
        let moment = Moment::new(trace.anchor().elapsed_us_by(&self.counter), phase, Extras::NONE);
        let (number, parent) = (id.number, parent.number);
        self.inlet.entries.push(Entry { name, number, parent, moment }).is_ok()
    }

    fn push_with_extras(
        &mut self,
        trace: &Arc<TraceState>,
        point: &Open,
        phase: Phase,
        info: Info,
    ) -> bool {
        let lacks = |slots: usize| slots < Extras::MAX_COUNT;
        // What the background has taken out is looked up only if need be: it writes that.
        let is_full = self.inlet.entries.is_full()
            || (lacks(self.inlet.extras.cached_slots()) && lacks(self.inlet.extras.slots()));
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
            .with(Extras::TRACE, self.trace != Some(trace.serial()))
            .with(Extras::POINT, self.sequence != point.id.sequence)
            .with(Extras::PARENT, foreign_parent.is_some())
            .with(Extras::NAME, owned_name.is_some())
            .with(Extras::INFO, !info.is_empty());
        if !self.push_extras(extras, trace, point.id, foreign_parent, owned_name, info) {
            return false;
        }
        let Ok(room) = self.inlet.entries.write_chunk_uninit(1) else { return false };
        let number = point.id.number;
        let moment = Moment::new(trace.anchor().elapsed_us_by(&self.counter), phase, extras);
        room.fill_from_iter([Entry { name, number, parent, moment }]) == 1
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
            let pushed = self.inlet.extras.push(extra);
            debug_assert!(pushed.is_ok(), "there is room");
        };
        if extras.has(Extras::TRACE) {
            push(Extra::Trace(trace.clone()));
            self.trace = Some(trace.serial());
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
