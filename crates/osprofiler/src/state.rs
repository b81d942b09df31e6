//! What there is once in a process: the notifier, the switch, the origin, the counts.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use osprofiler_wire::{Origin, Record};

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

static DELIVERED: AtomicU64 = AtomicU64::new(0);
static DROPPED_RING_FULL: AtomicU64 = AtomicU64::new(0);
static DROPPED_FAILED: AtomicU64 = AtomicU64::new(0);

pub(crate) fn route() -> Route {
    match ROUTE.load(Ordering::Relaxed) {
        route if route == Route::Closure as u8 => Route::Closure,
        route if route == Route::Ring as u8 => Route::Ring,
        _ => Route::Nowhere,
    }
}

pub(crate) fn set_notifier(notifier: Notifier) {
    let mut state = write();
    let before = std::mem::replace(&mut state.notifier, notifier);
    update_route(&state);
    drop(state);
    // Not under the lock: what a closure owns may record, or set a notifier, when it goes.
    drop(before);
}

pub(crate) fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
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
        Err(_) => count_dropped_by_failure(1),
    }
}

/// What became of the records of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Handed over: taken by the closure, or acknowledged by the back end.
    pub delivered: u64,
    /// Dropped because their thread recorded faster than the back end takes.
    pub dropped_ring_full: u64,
    /// Dropped because the closure panicked, or the back end failed for good.
    pub dropped_failed: u64,
}

impl Stats {
    /// All that was dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped_ring_full + self.dropped_failed
    }
}

pub(crate) fn stats() -> Stats {
    Stats {
        delivered: DELIVERED.load(Ordering::Relaxed),
        dropped_ring_full: DROPPED_RING_FULL.load(Ordering::Relaxed),
        dropped_failed: DROPPED_FAILED.load(Ordering::Relaxed),
    }
}

pub(crate) fn count_delivered(records: usize) {
    DELIVERED.fetch_add(records as u64, Ordering::Relaxed);
}

pub(crate) fn count_dropped_by_failure(records: usize) {
    DROPPED_FAILED.fetch_add(records as u64, Ordering::Relaxed);
}

pub(crate) fn count_dropped_by_full_ring() {
    let dropped = DROPPED_RING_FULL.fetch_add(1, Ordering::Relaxed) + 1;
    // A line for the first, the second, the fourth: it is said, and the log is not flooded.
    if dropped.is_power_of_two() {
        log::error!("records come faster than the back end takes them; {dropped} are lost so far");
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
