//! Where a process hands its records.
//!
//! Nothing is recorded until a notifier is set: a closure that sees every record at once
//! ([`set`]), or a driver that gets batches in the background ([`create`]). There is one for the
//! whole process.
//!
//! A notifier that fails, panics or is slow does not harm the program: what it does not take is
//! dropped and counted, see [`stats`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

use osprofiler_drivers::{ConnectionString, Driver, Error, Options, Writer, open_writer};
use osprofiler_wire::{Origin, Record};

use crate::background::{self, Delivery};
use crate::local::emit::{self, Route};

/// How long a dropped [`Guard`] waits for the back end.
const LAST_FLUSH: Duration = Duration::from_secs(5);

type Closure = dyn Fn(&Record) + Send + Sync;

/// The notifier of the process.
struct State {
    route: Route,
    closure: Option<Arc<Closure>>,
    origin: Arc<Origin>,
}

static STATE: LazyLock<RwLock<State>> = LazyLock::new(|| {
    RwLock::new(State {
        route: Route::Nowhere,
        closure: None,
        origin: Arc::new(Origin { project: None, service: None, host: host_name() }),
    })
});
static ENABLED: AtomicBool = AtomicBool::new(true);

static DELIVERED: AtomicU64 = AtomicU64::new(0);
static DROPPED_RING_FULL: AtomicU64 = AtomicU64::new(0);
static DROPPED_FAILED: AtomicU64 = AtomicU64::new(0);

/// Sends every record to `closure`, on the thread that makes it and before it goes on.
///
/// Two for each point, in the order in which they happen on a thread. Points inside the closure are
/// not recorded. A panic of the closure is caught, and the record counts as dropped.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use osprofiler::{notifier, profiler};
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// notifier::set({
///     let seen = seen.clone();
///     move |record| seen.lock().unwrap().push(format!("{}{}", record.name, record.phase.suffix()))
/// });
/// let _profiler = profiler::init("SECRET_KEY", None, None);
/// profiler::start("db", ());
/// profiler::stop(());
/// assert_eq!(*seen.lock().unwrap(), ["db-start", "db-stop"]);
/// ```
pub fn set(closure: impl Fn(&Record) + Send + Sync + 'static) {
    change(Route::Closure, Some(Arc::new(closure)));
}

/// Sends records to the back end of a connection string, in batches and in the background.
///
/// The drivers are features of this crate: `sqlite`, `file`, `memory`. The back end is opened in the
/// background as well, and again after a failure: one that is down neither stops nor delays the
/// program. Everything is bounded: 64 KiB for each thread that records, and eight batches of 4,096
/// records that wait for the back end; [`stats`] counts what found no room.
///
/// # Errors
///
/// If the connection string makes no sense, or no driver of this build knows its scheme.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// use osprofiler::{notifier, profiler};
///
/// notifier::set_origin("shop", "api");
/// let notifier = notifier::create("memory://shop")?;
/// profiler::init("SECRET_KEY", None, None);
/// profiler::start("db", ());
/// profiler::stop(());
/// drop(notifier); // waits for what is still on its way
/// assert_eq!(notifier::stats().delivered, 2);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn create(connection_string: &str) -> Result<Guard, Error> {
    create_from(connection_string.parse()?, Options::default())
}

/// [`create`], with what a driver may be told besides.
///
/// # Errors
///
/// If no driver of this build knows the scheme.
pub fn create_from(connection: ConnectionString, options: Options) -> Result<Guard, Error> {
    Driver::of(&connection)?;
    let name = connection.to_string();
    Ok(create_with(name, move || open_writer(&connection, &options)))
}

/// [`create`], for a driver of your own. The log knows it by `name`; `open` is called in the
/// background before the first batch, and again whenever the writer has failed.
pub fn create_with(
    name: impl Into<String>,
    open: impl FnMut() -> Result<Box<dyn Writer>, Error> + Send + 'static,
) -> Guard {
    background::deliver_to(Delivery::new(name.into(), Box::new(open)));
    change(Route::Ring, None);
    Guard(())
}

/// Flushes when dropped: keep it until the end of `main`.
///
/// Dropping it does not stop the notifier. It waits five seconds at most.
#[derive(Debug)]
#[must_use = "dropped at once, it flushes before there is anything to flush"]
pub struct Guard(());

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = flush(LAST_FLUSH) {
            log::error!("at the end of the program: {error}");
        }
    }
}

/// Goes back to recording nothing.
pub fn clear() {
    change(Route::Nowhere, None);
}

/// Names the project and the service that every record of this process carries, such as `nova` and
/// `api`. Both are `null` until then.
pub fn set_origin(project: &str, service: &str) {
    let mut state = STATE.write().unwrap_or_else(PoisonError::into_inner);
    state.origin = Arc::new(Origin {
        project: Some(project.into()),
        service: Some(service.into()),
        host: state.origin.host.clone(),
    });
}

/// Waits until all that was recorded before this call has been handed to the back end.
///
/// # Errors
///
/// [`FlushError::Timeout`] if `timeout` is over first (what is left is still on its way);
/// [`FlushError::Dropped`] if records have been dropped since the process began.
pub fn flush(timeout: Duration) -> Result<(), FlushError> {
    let is_queued = STATE.read().unwrap_or_else(PoisonError::into_inner).route == Route::Ring;
    if is_queued && !background::flush(timeout) {
        return Err(FlushError::Timeout(timeout));
    }
    match stats().dropped() {
        0 => Ok(()),
        dropped => Err(FlushError::Dropped(dropped)),
    }
}

/// Why [`flush`] cannot say that all is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The back end has not taken everything in time.
    #[error("the back end has not taken all records within {0:?}")]
    Timeout(Duration),
    /// So many records are lost.
    #[error("{0} records are lost; the log says why")]
    Dropped(u64),
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

/// Counts since the process began.
#[must_use]
pub fn stats() -> Stats {
    Stats {
        delivered: DELIVERED.load(Ordering::Relaxed),
        dropped_ring_full: DROPPED_RING_FULL.load(Ordering::Relaxed),
        dropped_failed: DROPPED_FAILED.load(Ordering::Relaxed),
    }
}

/// Hands a record to the closure.
pub(crate) fn notify(record: &Record) {
    let closure = STATE.read().unwrap_or_else(PoisonError::into_inner).closure.clone();
    let Some(closure) = closure else { return };
    match catch_unwind(AssertUnwindSafe(|| closure(record))) {
        Ok(()) => count_delivered(1),
        Err(_) => count_dropped_by_failure(1),
    }
}

pub(crate) fn count_delivered(records: usize) {
    DELIVERED.fetch_add(records as u64, Ordering::Relaxed);
}

pub(crate) fn count_dropped_by_failure(records: usize) {
    DROPPED_FAILED.fetch_add(records as u64, Ordering::Relaxed);
}

pub(crate) fn count_dropped_by_full_ring() {
    // The first is worth a line, in a service that says nothing else of it.
    if DROPPED_RING_FULL.fetch_add(1, Ordering::Relaxed) == 0 {
        log::error!("a thread records faster than the back end takes: records are dropped");
    }
}

pub(crate) fn origin() -> Arc<Origin> {
    STATE.read().unwrap_or_else(PoisonError::into_inner).origin.clone()
}

/// Switches recording on or off for the whole process; see [`profiler::enable`](crate::profiler).
pub(crate) fn set_enabled(enabled: bool) {
    let state = STATE.write().unwrap_or_else(PoisonError::into_inner);
    ENABLED.store(enabled, Ordering::Relaxed);
    emit::set_route(if enabled { state.route } else { Route::Nowhere });
}

pub(crate) fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

fn change(route: Route, closure: Option<Arc<Closure>>) {
    let mut state = STATE.write().unwrap_or_else(PoisonError::into_inner);
    state.route = route;
    state.closure = closure;
    emit::set_route(if is_enabled() { route } else { Route::Nowhere });
}

fn host_name() -> Box<str> {
    gethostname::gethostname().to_string_lossy().into()
}
