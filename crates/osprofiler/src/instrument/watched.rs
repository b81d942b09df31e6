//! A point that lasts until the last byte of a response.
//!
//! What serves a request is not done with it when it has the head of the response: rows are read, and
//! points made, while the body is sent. So the point goes from the future of the response into its
//! body, and ends with that. Without a point both are just what they wrap.

use std::fmt::{self, Display};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use osprofiler_wire::Info;
use pin_project_lite::pin_project;

use super::served;
use crate::future::Carried;
use crate::outcome;

/// The head of a response, whichever library's it is.
pub(super) trait Head {
    fn status(&self) -> StatusCode;
    fn header(&self, name: &str) -> Option<&str>;
    fn set_header(&mut self, name: &'static str, value: &str);
    /// The template by which the request was routed, if it is known only now.
    fn route(&self) -> Option<&str>;
}

impl<B> Head for Response<B> {
    fn status(&self) -> StatusCode {
        Self::status(self)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    fn set_header(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }

    fn route(&self) -> Option<&str> {
        served::route(self.extensions())
    }
}

/// What is learnt of a response as it passes, for the stop record.
pub(super) trait Watch: Send {
    /// The head, to which headers may be added.
    fn head(&mut self, head: &mut dyn Head);
    /// So many bytes of the body.
    fn data(&mut self, _bytes: usize) {}
    /// What comes after the body.
    fn trailers(&mut self, _trailers: &HeaderMap) {}
    /// Whether all has passed, although the body did not say so: a server drops it when it has sent
    /// what it promised.
    fn is_whole(&self) -> bool;
    /// The stop info.
    fn stop(&self) -> Info;
}

/// An open point, and what watches the response that it is about.
pub(super) struct Point {
    carried: Carried,
    watch: Box<dyn Watch>,
}

impl Point {
    pub(super) fn new(carried: Carried, watch: impl Watch + 'static) -> Box<Self> {
        Box::new(Self { carried, watch: Box::new(watch) })
    }

    fn finish(&mut self) {
        self.carried.end(self.watch.stop());
    }

    fn fail<E: Display>(&mut self, error: &E) {
        let mut info = self.watch.stop();
        info.merge(&outcome::error_info(error));
        self.carried.end(info);
    }

    /// Whoever waited for the response went away, unless nothing was left to wait for.
    fn abandon(&mut self) {
        let mut info = self.watch.stop();
        if !self.watch.is_whole() {
            info.set("cancelled", &true);
        }
        self.carried.end(info);
    }
}

/// Abandons a point when what it is about is gone, even if that panics as it goes.
struct Abandoned<'a>(&'a mut Point);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if self.0.carried.is_open() {
            self.0.abandon();
        }
    }
}

pin_project! {
    /// The future of a response, within a point if there is one.
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Responding<F> {
        // Empty once it is dropped, which is done within the point.
        #[pin]
        future: Option<F>,
        point: Option<Box<Point>>,
    }

    impl<F> PinnedDrop for Responding<F> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(point) = this.point {
                let abandoned = Abandoned(point);
                abandoned.0.carried.run(|| this.future.set(None));
            }
        }
    }
}

impl<F> Responding<F> {
    /// Makes the future of a response, within the point if there is one.
    #[inline]
    pub(super) fn new(mut point: Option<Box<Point>>, make: impl FnOnce() -> F) -> Self {
        let future = match &mut point {
            None => make(),
            Some(point) => point.carried.run(make),
        };
        Self { future: Some(future), point }
    }

    /// The future alone, if there is no point: what it gives need not be touched then.
    #[cfg(feature = "axum")]
    #[inline]
    pub(super) fn untraced(self: Pin<&mut Self>) -> Option<Pin<&mut F>> {
        let this = self.project();
        if this.point.is_none() { this.future.as_pin_mut() } else { None }
    }

    /// The response, and the point to send its body within.
    #[inline]
    pub(super) fn poll_head<R, E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Headed<R>, E>>
    where
        F: Future<Output = Result<R, E>>,
        R: Head,
        E: Display,
    {
        let this = self.project();
        let future = this.future.as_pin_mut().expect("it is there until it is dropped");
        match this.point {
            None => future.poll(cx).map_ok(|response| (response, None)),
            Some(_) => poll_within(future, this.point, cx),
        }
    }
}

/// A response, and the point to send its body within.
type Headed<R> = (R, Option<Box<Point>>);

#[cold]
fn poll_within<F, R, E>(
    future: Pin<&mut F>,
    held: &mut Option<Box<Point>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Headed<R>, E>>
where
    F: Future<Output = Result<R, E>>,
    R: Head,
    E: Display,
{
    let Some(point) = held else { return Poll::Pending };
    let answer = ready!(point.carried.poll(|| future.poll(cx)));
    Poll::Ready(match answer {
        Ok(mut response) => {
            point.watch.head(&mut response);
            Ok((response, held.take()))
        }
        Err(error) => {
            point.fail(&error);
            Err(error)
        }
    })
}

pin_project! {
    /// The body of a response, within the point of its request if that is traced.
    pub struct TracedBody<B> {
        // Empty once it is dropped, which is done within the point.
        #[pin]
        body: Option<B>,
        point: Option<Box<Point>>,
    }

    impl<B> PinnedDrop for TracedBody<B> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(point) = this.point {
                let abandoned = Abandoned(point);
                abandoned.0.carried.run(|| this.body.set(None));
            }
        }
    }
}

impl<B> TracedBody<B> {
    /// A body that is sent within a point; one that `has_ended` before it began is the end of it.
    #[inline]
    pub(super) fn new(
        body: B,
        mut point: Option<Box<Point>>,
        has_ended: impl FnOnce(&B) -> bool,
    ) -> Self {
        if let Some(point) = &mut point
            && has_ended(&body)
        {
            point.finish();
        }
        Self { body: Some(body), point }
    }

    pub(super) fn body(&self) -> Option<&B> {
        self.body.as_ref()
    }

    /// Polls for a piece of the body; `note` is told of it, and says whether it was the last one.
    #[inline]
    pub(super) fn poll_piece<T, E: Display>(
        self: Pin<&mut Self>,
        poll: impl FnOnce(Pin<&mut B>) -> Poll<Option<Result<T, E>>>,
        note: impl FnOnce(&mut dyn Watch, &B, &T) -> bool,
    ) -> Poll<Option<Result<T, E>>> {
        let this = self.project();
        let mut body = this.body.as_pin_mut().expect("it is there until it is dropped");
        let Some(point) = this.point else { return poll(body) };
        let piece = ready!(point.carried.poll(|| poll(body.as_mut())));
        match &piece {
            None => point.finish(),
            Some(Err(error)) => point.fail(error),
            Some(Ok(piece)) => {
                // Whoever is told that it was the last one does not ask again.
                if note(&mut *point.watch, &body, piece) {
                    point.finish();
                }
            }
        }
        Poll::Ready(piece)
    }
}

impl<B> Body for TracedBody<B>
where
    B: Body,
    B::Error: Display,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.poll_piece(|body| body.poll_frame(cx), note_frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body().map(Body::size_hint).unwrap_or_default()
    }
}

fn note_frame<B: Body>(watch: &mut dyn Watch, body: &B, frame: &Frame<B::Data>) -> bool {
    if let Some(data) = frame.data_ref() {
        watch.data(data.remaining());
    }
    if let Some(trailers) = frame.trailers_ref() {
        watch.trailers(trailers);
    }
    body.is_end_stream()
}

impl<F> fmt::Debug for Responding<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responding")
    }
}

impl<B> fmt::Debug for TracedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TracedBody")
    }
}
