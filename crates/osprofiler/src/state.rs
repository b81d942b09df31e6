//! What there is once in a process: the notifier, the switch, the origin, the counts.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use osprofiler_wire::{Info, Origin, Record};

use crate::losses::Counts;
use crate::trouble;

/// Where a point's records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Route {
    /// Nowhere: no notifier, or switched off.
    Nowhere,
    /// To a closure, at once.
    Closure,
    /// Into the thread's ring, for the background.
    Ring,
}

/// Who gets the records.
#[derive(Clone)]
pub(crate) enum Notifier {
    None,
    Closure(Arc<dyn Fn(&Record) + Send + Sync>),
    /// A driver, known to the background.
    Driver,
}

struct State {
    notifier: Notifier,
    origin: Arc<Origin>,
}

static STATE: LazyLock<RwLock<State>> = LazyLock::new(|| {
    let host = gethostname::gethostname().to_string_lossy().into();
    let origin = Arc::new(Origin { project: None, service: None, host });
    RwLock::new(State { notifier: Notifier::None, origin })
});
static ENABLED: AtomicBool = AtomicBool::new(true);

/// The [`Route`] that follows from notifier and switch, so that a traced thread asks for one byte.
static ROUTE: AtomicU8 = AtomicU8::new(Route::Nowhere as u8);

/// Bytes that the background may hold besides rings and batches: infos, names that are not static,
/// traces.
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of these on their way.
static QUEUED_BYTES: AtomicUsize = AtomicUsize::new(0);

static DELIVERED: AtomicU64 = AtomicU64::new(0);
static DROPPED_NO_ROOM: AtomicU64 = AtomicU64::new(0);
static DROPPED_FAILED: AtomicU64 = AtomicU64::new(0);

/// Whether this is where records go.
#[inline]
pub(crate) fn is_route(route: Route) -> bool {
    ROUTE.load(Ordering::Relaxed) == route as u8
}

pub(crate) fn set_notifier(notifier: Notifier) {
    let mut state = write();
    let before = std::mem::replace(&mut state.notifier, notifier);
    update_route(&state);
    drop(state);
    // Not under the lock: what a closure owns may record, or set a notifier, when it goes.
    drop(before);
}

/// Has records go nowhere, where they went to a driver: in the child of a fork, which has none of the
/// threads that would take them. Async-signal-safe.
pub(crate) fn forget_driver() {
    let (ring, nowhere) = (Route::Ring as u8, Route::Nowhere as u8);
    let _ = ROUTE.compare_exchange(ring, nowhere, Ordering::Relaxed, Ordering::Relaxed);
}

/// Never in a build without the feature `enable`.
pub(crate) fn is_enabled() -> bool {
    cfg!(feature = "enable") && ENABLED.load(Ordering::Relaxed)
}

pub(crate) fn set_enabled(enabled: bool) {
    let state = write();
    ENABLED.store(enabled, Ordering::Relaxed);
    update_route(&state);
}

pub(crate) fn origin() -> Arc<Origin> {
    read().origin.clone()
}

pub(crate) fn set_origin(project: &str, service: &str) {
    let mut state = write();
    let host = state.origin.host.clone();
    state.origin =
        Arc::new(Origin { project: Some(project.into()), service: Some(service.into()), host });
}

thread_local! {
    /// Whether the closure is running on this thread. What it makes is not recorded, else it would
    /// be called for that as well, without an end.
    static IN_CLOSURE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is within the closure.
#[cfg(feature = "tracing")]
pub(crate) fn is_notifying() -> bool {
    IN_CLOSURE.get()
}

/// Hands a record to the closure, if there still is one, and it is not the closure that made it.
pub(crate) fn notify(record: &Record) {
    // Not under the lock: the closure may set another.
    let notifier = read().notifier.clone();
    let Notifier::Closure(closure) = notifier else { return };
    if IN_CLOSURE.replace(true) {
        return;
    }
    let called = catch_unwind(AssertUnwindSafe(|| closure(record)));
    IN_CLOSURE.set(false);
    match called {
        Ok(()) => count_delivered(1),
        Err(panic) => {
            count_dropped(Counts { failed: 1, ..Counts::default() });
            // What it holds may panic as it goes, and not only once.
            std::mem::forget(panic);
        }
    }
}

/// What became of the records of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Handed over: taken by the closure, or acknowledged by the back end.
    pub delivered: u64,
    /// Dropped because there was no room for them: they come faster than the back end takes them.
    pub dropped_no_room: u64,
    /// Dropped because the closure panicked, or the back end failed for good.
    pub dropped_failed: u64,
}

impl Stats {
    /// All that was dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped_no_room + self.dropped_failed
    }
}

pub(crate) fn stats() -> Stats {
    Stats {
        delivered: DELIVERED.load(Ordering::Relaxed),
        dropped_no_room: DROPPED_NO_ROOM.load(Ordering::Relaxed),
        dropped_failed: DROPPED_FAILED.load(Ordering::Relaxed),
    }
}

/// Bytes that a trace takes which is named in a ring, with what it shares with others.
pub(crate) const ROOM_OF_TRACE: usize = 256;

/// Bytes that an info takes on its way: at least those of its first allocation.
pub(crate) fn room_of(info: &Info) -> usize {
    const FIRST_ALLOCATION: usize = 128;
    if info.is_empty() { 0 } else { info.json_len().max(FIRST_ALLOCATION) }
}

/// Takes room for something on its way to the background; false if there is none left.
pub(crate) fn reserve(bytes: usize) -> bool {
    if bytes == 0 {
        return true;
    }
    let has_room = QUEUED_BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes <= MAX_QUEUED_BYTES;
    if !has_room {
        release(bytes);
    }
    has_room
}

/// Gives room back.
pub(crate) fn release(bytes: usize) {
    QUEUED_BYTES.fetch_sub(bytes, Ordering::Relaxed);
}

pub(crate) fn count_delivered(records: usize) {
    DELIVERED.fetch_add(records as u64, Ordering::Relaxed);
}

pub(crate) fn count_dropped(counts: Counts) {
    DROPPED_FAILED.fetch_add(counts.failed, Ordering::Relaxed);
    let before = DROPPED_NO_ROOM.fetch_add(counts.no_room, Ordering::Relaxed);
    // A line whenever the number doubles: it is said, and the log is not flooded.
    let dropped = before + counts.no_room;
    if before.checked_ilog2() != dropped.checked_ilog2() {
        trouble::error(format_args!(
            "records come faster than the back end takes them; {dropped} are lost so far"
        ));
    }
}

fn update_route(state: &State) {
    let route = match state.notifier {
        _ if !is_enabled() => Route::Nowhere,
        Notifier::None => Route::Nowhere,
        Notifier::Closure(_) => Route::Closure,
        Notifier::Driver => Route::Ring,
    };
    ROUTE.store(route as u8, Ordering::Relaxed);
}

// A panic of ours would poison the lock; what it guards is whole at any time.

fn read() -> RwLockReadGuard<'static, State> {
    STATE.read().unwrap_or_else(PoisonError::into_inner)
}

fn write() -> RwLockWriteGuard<'static, State> {
    STATE.write().unwrap_or_else(PoisonError::into_inner)
}
