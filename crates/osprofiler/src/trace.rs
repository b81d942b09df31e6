//! A guard for a block.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::{fmt, thread};

use osprofiler_wire::Info;

use crate::IntoInfo;
use crate::local::ids::PointId;
use crate::local::scope::ClosedBy;
use crate::local::slot;

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
    point: Option<Point>,
    _not_send: PhantomData<*const ()>,
}

/// An open point, and what its stop record will say.
struct Point {
    id: PointId,
    stop: Info,
    began_in_panic: bool,
}

impl Trace {
    /// Starts a point under the current one, if this thread is tracing.
    #[inline]
    pub fn new(name: impl Into<Cow<'static, str>>, info: impl IntoInfo) -> Self {
        let point =
            if slot::is_tracing() { Point::start(name.into(), info.into_info()) } else { None };
        Self { point, _not_send: PhantomData }
    }

    /// Adds to what the stop record will say. A key that is there is replaced.
    #[inline]
    pub fn on_stop(&mut self, info: impl IntoInfo) {
        if let Some(point) = &mut self.point {
            point.stop.merge(&info.into_info());
        }
    }

    /// Marks the point as failed: the type of the error, and what it says.
    pub fn fail(&mut self, error: &(impl std::error::Error + ?Sized)) {
        if let Some(point) = &mut self.point {
            point.stop.merge(&crate::outcome::error_info(error));
        }
    }
}

impl Point {
    #[inline]
    fn start(name: Cow<'static, str>, info: Info) -> Option<Self> {
        // With `()` known here to be empty, there is no info to pass on.
        let id = if info.is_empty() { start(name) } else { start_with(name, info) };
        id.map(|id| Self { id, stop: Info::new(), began_in_panic: thread::panicking() })
    }

    #[inline(never)]
    fn close(mut self) {
        if thread::panicking() && !self.began_in_panic {
            self.stop.merge(&crate::outcome::panic_info(""));
        }
        slot::with(|scope| scope.close(self.id, self.stop));
    }
}

// Not part of the caller, where they would take room and registers even if nothing is traced.

#[inline(never)]
fn start(name: Cow<'static, str>) -> Option<PointId> {
    slot::with(|scope| scope.start(name, Info::new(), ClosedBy::Handle))
}

#[inline(never)]
fn start_with(name: Cow<'static, str>, info: Info) -> Option<PointId> {
    slot::with(|scope| scope.start(name, info, ClosedBy::Handle))
}

impl Drop for Trace {
    #[inline]
    fn drop(&mut self) {
        if let Some(point) = self.point.take() {
            point.close();
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(&self.point.as_ref().map(|point| point.id)).finish()
    }
}
