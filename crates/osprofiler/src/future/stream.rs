//! Streams: the same as for futures, for the length of each poll for an item.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use osprofiler_wire::Info;

use super::{InProfiler, Traced, run};
use crate::IntoInfo;

/// Tracing of streams (feature `stream`): what [`TraceExt`](crate::TraceExt) is for futures.
pub trait TraceStreamExt: Stream + Sized {
    /// Makes a point of this stream: from its first poll until its end, or until it is dropped.
    ///
    /// What the stream does for its items is within the point; what is done with them is not. A
    /// stream that is dropped before its end leaves `cancelled` in its stop record, one that panics
    /// `etype` and `message`. An item that is an error is an item: it does not end the point, and the
    /// point says nothing of it.
    ///
    /// ```
    /// use futures_util::stream;
    /// use osprofiler::{TraceStreamExt, info};
    ///
    /// let rows = stream::iter(0..3).trace("db", info! { "table" => "item" });
    /// # let _ = rows;
    /// ```
    fn trace<I: IntoInfo>(self, name: impl Into<Cow<'static, str>>, info: I) -> Traced<Self, I> {
        Traced::new(self, name.into(), info)
    }

    /// Takes a [fork](crate::profiler::fork) for this stream, so that it goes on under the current
    /// point, whoever polls it.
    ///
    /// ```
    /// # async fn f() {
    /// use futures_util::stream::{self, StreamExt};
    /// use osprofiler::TraceStreamExt;
    ///
    /// let rows = stream::iter(0..3).in_profiler();
    /// tokio::spawn(rows.for_each(async |row| { /* not within the trace, but for the rows */ }));
    /// # }
    /// ```
    fn in_profiler(self) -> InProfiler<Self> {
        InProfiler::here(self)
    }
}

impl<S: Stream> TraceStreamExt for S {}

impl<S: Stream> Stream for InProfiler<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let stream = this.future.as_mut().as_pin_mut().expect("it is there until it is dropped");
        let item = ready!(run(this.scope, || stream.poll_next(cx)));
        if item.is_none()
            && let Some(mut scope) = this.scope.take()
        {
            scope.close_all();
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        size_hint(self.future.as_ref())
    }
}

impl<S: Stream, I: IntoInfo> Stream for Traced<S, I> {
    type Item = S::Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.as_mut().begin();
        let this = self.project().begun.project();
        let stream = this.future.as_pin_mut().expect("it is there until it is dropped");
        if !this.carried.is_open() {
            return stream.poll_next(cx);
        }
        let item = ready!(this.carried.poll(|| stream.poll_next(cx)));
        if item.is_none() {
            this.carried.end(Info::new());
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        size_hint(self.begun.future.as_ref())
    }
}

fn size_hint<S: Stream>(stream: Option<&S>) -> (usize, Option<usize>) {
    stream.map(S::size_hint).unwrap_or_default()
}
