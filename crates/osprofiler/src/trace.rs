//! A guard for a block.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::{fmt, thread};

use osprofiler_wire::Info;

use crate::local::ids::PointId;
use crate::local::scope::ClosedBy;
use crate::local::slot;
use crate::{IntoInfo, outcome};

/// A point that lasts until this is dropped.
///
/// It cannot leave its thread, so a task that may move between threads does not compile if it holds
/// one across an `.await`; a future is traced with [`TraceExt::trace`](crate::TraceExt::trace).
///
/// ```
/// use osprofiler::{Trace, info};
///
/// # let sql = "SELECT 1";
/// let mut point = Trace::new("db", info! { "db" => { "statement" => sql } });
/// point.on_stop(info! { "rows" => 3 });
/// drop(point);
/// ```
///
/// ```compile_fail
/// # async fn query() {}
/// tokio::spawn(async {
///     let _point = osprofiler::Trace::new("db", ());
///     query().await; // error: future cannot be sent between threads safely
/// });
/// ```
#[must_use = "dropped at once, the point ends at once"]
pub struct Trace {
    /// None if nothing is traced.
    point: Option<PointId>,
    /// What the stop record will say, if anything. In a box, so that the compiler sees the less in a
    /// guard of which it knows that there is none.
    stop: Option<Box<Info>>,
    _not_send: PhantomData<*const ()>,
}

impl Trace {
    /// Starts a point under the current one, if this thread is tracing.
    #[inline]
    pub fn new(name: impl Into<Cow<'static, str>>, info: impl IntoInfo) -> Self {
        let point = if slot::is_tracing() { start(name.into(), info.into_info()) } else { None };
        Self { point, stop: None, _not_send: PhantomData }
    }

    /// Adds to what the stop record will say. A key that is there is replaced.
    #[inline]
    pub fn on_stop(&mut self, info: impl IntoInfo) {
        if self.point.is_some() {
            self.add(info.into_info());
        }
    }

    /// Marks the point as failed: the type of the error, and what it says.
    pub fn fail(&mut self, error: &(impl std::error::Error + ?Sized)) {
        if self.point.is_some() {
            self.add(outcome::error_info(error));
        }
    }

    #[cold]
    fn add(&mut self, info: Info) {
        self.stop.get_or_insert_default().merge(&info);
    }
}

impl Drop for Trace {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(point) = self.point {
            match self.stop.take() {
                None => close(point),
                Some(stop) => close_with(point, stop),
            }
        }
    }
}

/// With `()` known here to be empty, there is no info to pass on.
#[inline]
fn start(name: Cow<'static, str>, info: Info) -> Option<PointId> {
    match name {
        Cow::Borrowed(name) if info.is_empty() => start_plain(name),
        name => start_with(name, info),
    }
}

// Not part of the caller, where they would take room and registers even if nothing is traced.

#[inline(never)]
fn start_plain(name: &'static str) -> Option<PointId> {
    slot::with(|scope| scope.start(name.into(), Info::new(), ClosedBy::Handle))
}

#[inline(never)]
fn start_with(name: Cow<'static, str>, info: Info) -> Option<PointId> {
    slot::with(|scope| scope.start(name, info, ClosedBy::Handle))
}

#[inline(never)]
fn close(point: PointId) {
    if thread::panicking() {
        return close_panicking(point, Info::new());
    }
    slot::with(|scope| scope.close(point, Info::new()));
}

#[inline(never)]
fn close_with(point: PointId, stop: Box<Info>) {
    if thread::panicking() {
        return close_panicking(point, *stop);
    }
    slot::with(|scope| scope.close(point, *stop));
}

#[cold]
fn close_panicking(point: PointId, stop: Info) {
    slot::with(|scope| scope.close_panicking(point, stop));
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(&self.point).finish()
    }
}
