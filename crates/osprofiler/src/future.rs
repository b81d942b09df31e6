//! Futures, and streams, that carry a profiler from poll to poll.
//!
//! A future moves between threads, and others are polled in between. So its scope lives with it and
//! is installed in the thread's slot for the length of each poll only; what was there is put back.

#[cfg(feature = "stream")]
mod stream;

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use osprofiler_wire::Info;
use pin_project_lite::pin_project;

#[cfg(feature = "stream")]
pub use self::stream::TraceStreamExt;
use crate::local::scope::{Base, Scope};
use crate::local::slot::{self, Installed};
use crate::{IntoInfo, outcome, state};

/// Tracing of futures.
pub trait TraceExt: Future + Sized {
    /// Makes a point of this future: from its first poll until it is ready or dropped.
    ///
    /// The parent is the point that is current at the first poll. A future that is dropped before
    /// it is ready leaves `cancelled` in its stop record, one that panics `etype` and `message`.
    ///
    /// ```
    /// use osprofiler::{TraceExt, info};
    ///
    /// # async fn query(_: &str) {}
    /// # async fn f() {
    /// let sql = "SELECT 1";
    /// query(sql).trace("db", info! { "db" => { "statement" => sql } }).await;
    /// # }
    /// ```
    fn trace<I: IntoInfo>(self, name: impl Into<Cow<'static, str>>, info: I) -> Traced<Self, I> {
        Traced::new(self, name.into(), info)
    }

    /// [`trace`](Self::trace), for a future that may fail: its stop record then says so.
    ///
    /// ```
    /// use osprofiler::TraceExt;
    ///
    /// # async fn query() -> std::io::Result<()> { Ok(()) }
    /// # async fn f() -> std::io::Result<()> {
    /// query().trace_result("db", ()).await
    /// # }
    /// ```
    fn trace_result<I: IntoInfo, T, E: fmt::Display>(
        self,
        name: impl Into<Cow<'static, str>>,
        info: I,
    ) -> Traced<Self, I, OnError>
    where
        Self: Future<Output = Result<T, E>>,
    {
        Traced::inspected(self, name.into(), info, OnError)
    }

    /// Takes a [fork](crate::profiler::fork) for this future, so that a task goes on under the current
    /// point.
    ///
    /// ```
    /// # async fn f() {
    /// use osprofiler::TraceExt;
    ///
    /// # async fn work() {}
    /// tokio::spawn(work().in_profiler());
    /// # }
    /// ```
    fn in_profiler(self) -> InProfiler<Self> {
        InProfiler::here(self)
    }
}

impl<F: Future> TraceExt for F {}

/// Runs `f` with the scope installed. If `f` panics, the scope is carried on all the same.
#[inline]
fn run<R>(scope: &mut Option<Scope>, f: impl FnOnce() -> R) -> R {
    // Nothing is carried into a thread that traces nothing: the usual case.
    if scope.is_none() && !slot::is_tracing() {
        return f();
    }
    let _installed = Installed::new(scope);
    f()
}

/// The scope of a future that is a point; none if nothing is traced. In a box, so that such a future is
/// no larger for it.
#[derive(Default)]
pub(crate) struct Carried(Option<Box<Option<Scope>>>);

impl Carried {
    /// A point that begins now, in a scope of its own under the point that is current.
    pub(crate) fn begin(name: Cow<'static, str>, info: Info) -> Self {
        slot::with(|scope| scope.fork()).map(|base| Self::at(base, name, info)).unwrap_or_default()
    }

    fn at(base: Base, name: Cow<'static, str>, info: Info) -> Self {
        let mut scope = Scope::at(base);
        scope.begin(name, info);
        Self(Some(Box::new(Some(scope))))
    }

    /// A point that begins now, in a scope of its own under `profiler`.
    #[cfg(feature = "tower")]
    pub(crate) fn under(profiler: &crate::Profiler, name: &'static str, info: Info) -> Self {
        Self::at(profiler.into(), name.into(), info)
    }

    /// Whether there is a point that has not ended.
    #[cfg(any(feature = "stream", feature = "tower"))]
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Polls something within the scope; if it panics, that is the end of the point.
    #[cfg(any(feature = "stream", feature = "tower"))]
    pub(crate) fn poll<T>(&mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let polled = self.run(|| catch_unwind(AssertUnwindSafe(poll)));
        polled.unwrap_or_else(|panic| {
            self.end(outcome::panic_info(outcome::panic_message(&*panic)));
            resume_unwind(panic)
        })
    }

    /// Runs `f` with the scope installed. If `f` panics, the scope is carried on all the same.
    pub(crate) fn run<R>(&mut self, f: impl FnOnce() -> R) -> R {
        match &mut self.0 {
            Some(scope) => run(scope, f),
            None => run(&mut None, f),
        }
    }

    /// Closes the point, and lets the scope go.
    pub(crate) fn end(&mut self, info: Info) {
        if let Some(mut scope) = self.0.take().and_then(|scope| *scope) {
            scope.end(info);
        }
    }
}

/// Ends what a dropped future carries, even if the future panics as it goes.
struct Ending<'a>(&'a mut Carried);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end(Info::new().with("cancelled", &true));
    }
}

pin_project! {
    /// A future or a stream with a profiler of its own; see [`TraceExt::in_profiler`] and
    /// [`Fork::scope`](crate::profiler::Fork::scope).
    #[must_use = "futures and streams do nothing unless polled"]
    pub struct InProfiler<F> {
        // Empty once it is dropped, which is done within the scope.
        #[pin]
        future: Option<F>,
        scope: Option<Scope>,
    }

    impl<F> PinnedDrop for InProfiler<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            run(this.scope, || this.future.set(None));
            if let Some(mut scope) = this.scope.take() {
                scope.close_all();
            }
        }
    }
}

impl<F> InProfiler<F> {
    pub(crate) fn new(future: F, scope: Option<Scope>) -> Self {
        Self { future: Some(future), scope: scope.filter(|_| state::is_enabled()) }
    }

    /// Under the current point.
    fn here(future: F) -> Self {
        Self::new(future, slot::with(|scope| Scope::at(scope.fork())))
    }
}

impl<F: Future> Future for InProfiler<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut().expect("it is there until it is dropped");
        let output = ready!(run(this.scope, || future.poll(cx)));
        if let Some(mut scope) = this.scope.take() {
            scope.close_all();
        }
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for InProfiler<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProfiler")
    }
}

/// What a stop record says of a future's output.
#[doc(hidden)]
pub trait Inspect<T> {
    /// Makes the stop info.
    fn inspect(self, output: &T) -> Info;
}

/// Says nothing.
#[derive(Debug)]
pub struct Silent;

impl<T> Inspect<T> for Silent {
    fn inspect(self, _: &T) -> Info {
        Info::new()
    }
}

/// Says what went wrong, if it did.
#[derive(Debug)]
pub struct OnError;

impl<T, E: fmt::Display> Inspect<Result<T, E>> for OnError {
    fn inspect(self, output: &Result<T, E>) -> Info {
        output.as_ref().err().map(outcome::error_info).unwrap_or_default()
    }
}

impl<T, C: FnOnce(&T) -> Info> Inspect<T> for C {
    fn inspect(self, output: &T) -> Info {
        self(output)
    }
}

pin_project! {
    /// A future that is a point from when it was made until it is ready or dropped; or, if nothing
    /// is traced, just a future.
    #[doc(hidden)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Begun<F, C> {
        // Empty once it is dropped, which is done within the point.
        #[pin]
        future: Option<F>,
        carried: Carried,
        inspect: Option<C>,
    }

    impl<F, C> PinnedDrop for Begun<F, C> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // Not traced: whatever goes on around it goes on.
            if this.carried.0.is_some() {
                let ending = Ending(this.carried);
                ending.0.run(|| this.future.set(None));
            }
        }
    }
}

impl<F, C> Begun<F, C> {
    #[inline]
    pub(crate) fn new(future: F, carried: Carried, inspect: C) -> Self {
        Self { future: Some(future), carried, inspect: Some(inspect) }
    }

    /// A point that begins now, under the current one; `make` makes the future within it.
    #[cfg(feature = "tower")]
    pub(crate) fn begin(
        name: &'static str,
        info: Info,
        inspect: C,
        make: impl FnOnce() -> F,
    ) -> Self {
        let mut carried = Carried::begin(name.into(), info);
        let future = carried.run(make);
        Self::new(future, carried, inspect)
    }
}

impl<F: Future, C: Inspect<F::Output>> Future for Begun<F, C> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future.as_pin_mut().expect("it is there until it is dropped");
        if this.carried.0.is_none() {
            return future.poll(cx);
        }
        poll_traced(future, this.carried, this.inspect, cx)
    }
}

#[cold]
fn poll_traced<F: Future, C: Inspect<F::Output>>(
    future: Pin<&mut F>,
    carried: &mut Carried,
    inspect: &mut Option<C>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let (polled, info) = carried.run(|| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.poll(cx)));
        let info = match &polled {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(output)) => inspect.take().map(|inspect| inspect.inspect(output)),
            Err(panic) => Some(outcome::panic_info(outcome::panic_message(&**panic))),
        };
        (polled, info)
    });
    if let Some(info) = info {
        carried.end(info);
    }
    polled.unwrap_or_else(|panic| resume_unwind(panic))
}

pin_project! {
    /// A future or a stream that is a point; see [`TraceExt::trace`].
    #[must_use = "futures and streams do nothing unless polled"]
    pub struct Traced<F, I, C = Silent> {
        // What the point begins with at the first poll.
        begin: Option<(Cow<'static, str>, I)>,
        #[pin]
        begun: Begun<F, C>,
    }
}

impl<F, I> Traced<F, I> {
    fn new(future: F, name: Cow<'static, str>, info: I) -> Self {
        Self::inspected(future, name, info, Silent)
    }
}

impl<F, I, C> Traced<F, I, C> {
    pub(crate) fn inspected(future: F, name: Cow<'static, str>, info: I, inspect: C) -> Self {
        Self { begin: Some((name, info)), begun: Begun::new(future, Carried::default(), inspect) }
    }
}

impl<F, I: IntoInfo, C> Traced<F, I, C> {
    /// Begins the point, at the first poll.
    #[inline]
    fn begin(self: Pin<&mut Self>) {
        let this = self.project();
        if let Some((name, info)) = this.begin.take()
            && slot::is_tracing()
        {
            *this.begun.project().carried = Carried::begin(name, info.into_info());
        }
    }
}

impl<F: Future, I: IntoInfo, C: Inspect<F::Output>> Future for Traced<F, I, C> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.as_mut().begin();
        self.project().begun.poll(cx)
    }
}

impl<F, C> fmt::Debug for Begun<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Begun")
    }
}

impl<F, I, C> fmt::Debug for Traced<F, I, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traced")
    }
}
