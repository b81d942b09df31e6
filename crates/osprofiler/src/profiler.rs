//! The profiler: the per-request context, and the plain way to add a point.
//!
//! A thread, or a future while it is polled, is tracing from [`init`] (or whatever attached a
//! [`Profiler`] to it) to [`clean`]. Everything here does nothing on one that is not.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use osprofiler_wire::{HmacKey, Id, Info};

pub use crate::context::Profiler;
use crate::future::InProfiler;
use crate::local::scope::{Base, ClosedBy, Scope};
use crate::local::slot;
use crate::{IntoInfo, state};

impl Profiler {
    /// Makes this thread trace until the guard is dropped; then what was there before is back.
    ///
    /// Points that are open then are closed. While [switched off](disable), nothing is attached.
    ///
    /// ```
    /// use osprofiler::{Profiler, profiler};
    ///
    /// let profiler = Profiler::new("SECRET_KEY", None, None);
    /// {
    ///     let _attached = profiler.attach();
    ///     assert_eq!(profiler::get().unwrap().base_id(), profiler.base_id());
    /// }
    /// assert!(profiler::get().is_none());
    /// ```
    #[must_use = "dropped at once, it detaches at once"]
    pub fn attach(&self) -> Attached {
        let scope = state::is_enabled().then(|| slot::push(Scope::at(self.into())));
        Attached { scope, _not_send: PhantomData }
    }
}

/// Keeps a profiler attached to a thread; see [`Profiler::attach`].
///
/// It cannot leave its thread, nor be held across an `.await` of a task that may. Several on one
/// thread may be dropped in any order: each takes only its own profiler away.
pub struct Attached {
    /// The serial of the scope.
    scope: Option<u64>,
    _not_send: PhantomData<*const ()>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Some(serial) = self.scope {
            slot::remove(serial);
        }
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attached")
    }
}

/// Makes this thread trace from here on, and gives its profiler.
///
/// If the thread traces the same `base_id` already, or `base_id` is `None` and it traces at all,
/// its profiler stays. For another `base_id` the new one takes over, and points left open are
/// closed: a pool's thread that nobody cleaned must not go on with a finished trace. `None` while
/// [switched off](disable), and in a build without the feature `enable`.
///
/// Within a traced future the profiler lasts as long as that future, outside until [`clean`]. To
/// attach one for a block or a future, see [`Profiler::attach`] and [`Fork::scope`].
///
/// ```
/// use osprofiler::profiler;
///
/// let profiler = profiler::init("SECRET_KEY", None, None).unwrap();
/// assert_eq!(profiler.id(), profiler.base_id());
/// profiler::start("rpc", ());
/// assert_eq!(profiler::get().unwrap().parent_id(), profiler.base_id());
/// profiler::clean();
/// assert!(profiler::get().is_none());
/// ```
pub fn init(
    hmac_key: impl Into<HmacKey>,
    base_id: Option<Id>,
    parent_id: Option<Id>,
) -> Option<Profiler> {
    if !state::is_enabled() {
        return None;
    }
    let stays = slot::with(|scope| base_id.as_ref().is_none_or(|id| id == scope.base_id()));
    if stays != Some(true) {
        clean();
        let profiler = Profiler::new(hmac_key, base_id, parent_id);
        slot::fill(Scope::at(Base::from(&profiler)));
    }
    get()
}

/// The profiler of this thread, as it stands at the current point.
#[must_use]
pub fn get() -> Option<Profiler> {
    if is_tracing() { slot::with(|scope| scope.profiler()) } else { None }
}

/// Makes this thread stop tracing, whatever is attached to it. Points that are open are closed.
pub fn clean() {
    slot::clear();
}

/// Whether this thread is tracing: one load, for work that only a trace needs.
#[must_use]
#[inline]
pub fn is_tracing() -> bool {
    slot::is_tracing()
}

/// Starts a point under the current one.
///
/// `info` is `()`, an [`Info`], or a closure that makes one and is called only while
/// tracing, such as [`info!`](crate::info!) writes.
///
/// ```
/// use osprofiler::{info, profiler};
///
/// # let sql = "SELECT 1";
/// profiler::start("db", info! { "db" => { "statement" => sql } });
/// profiler::stop(info! { "rows" => 1 });
/// ```
///
/// A [guard](crate::Trace) or an [attribute](macro@crate::trace) cannot be forgotten; this pair
/// can. What is not stopped is closed with what is around it.
#[inline]
pub fn start(name: impl Into<Cow<'static, str>>, info: impl IntoInfo) {
    if is_tracing() {
        start_traced(name.into(), info.into_info());
    }
}

// Not part of the caller, where it would take room and registers even if nothing is traced.
#[inline(never)]
fn start_traced(name: Cow<'static, str>, info: Info) {
    slot::with(|scope| scope.start(name, info, ClosedBy::Stop));
}

/// Stops the current point, if [`start`] began it; else does nothing.
///
/// A stop too many is ignored, and never ends what a guard, a traced function or a caller of them
/// opened.
#[inline]
pub fn stop(info: impl IntoInfo) {
    if is_tracing() {
        stop_traced(info.into_info());
    }
}

#[inline(never)]
fn stop_traced(info: Info) {
    slot::with(|scope| scope.stop(info));
}

/// Takes a fork of this thread's profiler, to go on elsewhere under the current point.
///
/// Threads and spawned tasks do not inherit a profiler, nothing is guessed; one short call hands it
/// over. Where nothing is traced, a fork does nothing.
///
/// ```
/// use std::thread;
/// use osprofiler::profiler;
///
/// # fn work() {}
/// let fork = profiler::fork();
/// thread::spawn(move || fork.run(work)).join().unwrap();
///
/// // Where a closure is wanted (`spawn_blocking`, rayon's `join` and `scope`):
/// thread::spawn(profiler::fork().wrap(work)).join().unwrap();
/// ```
///
/// For a task there is [`TraceExt::in_profiler`](crate::TraceExt::in_profiler). A fork may be sent
/// along with a message, so that whoever works on it does so in the sender's trace.
#[must_use]
pub fn fork() -> Fork {
    Fork(get())
}

/// A fork of a profiler, or of none; see [`fork`].
#[derive(Clone, Debug)]
pub struct Fork(Option<Profiler>);

impl Fork {
    /// Runs `f` on this thread under the point at which the fork was taken.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(profiler) => {
                let _attached = profiler.attach();
                f()
            }
            // It must not go on in whatever that thread does meanwhile.
            None => slot::without(f),
        }
    }

    /// Wraps `f`, to be run elsewhere.
    pub fn wrap<R>(self, f: impl FnOnce() -> R) -> impl FnOnce() -> R {
        move || self.run(f)
    }

    /// Wraps a future: while it is polled, on whatever thread, that thread traces.
    pub fn scope<F: Future>(self, future: F) -> InProfiler<F> {
        InProfiler::new(future, self.0.as_ref().map(|profiler| Scope::at(profiler.into())))
    }
}

impl From<Profiler> for Fork {
    fn from(profiler: Profiler) -> Self {
        Self(Some(profiler))
    }
}

/// Switches profiling on again, for the whole process; see [`disable`].
pub fn enable() {
    state::set_enabled(true);
}

/// Switches profiling off at run time, for the whole process: nothing attaches a profiler any more,
/// and traces that are under way make no more records and no more headers.
pub fn disable() {
    state::set_enabled(false);
}

/// Whether profiling is switched on; it is until [`disable`].
#[must_use]
pub fn is_enabled() -> bool {
    state::is_enabled()
}
