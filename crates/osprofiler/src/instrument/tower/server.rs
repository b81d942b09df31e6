//! The layer of a server.

use std::fmt::{self, Display};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::instrument::served::{self, Settings};
use crate::instrument::watched::{Responding, TracedBody};
use crate::propagation::KeyRing;

/// Traces the requests whose headers are signed with one of the service's keys.
///
/// Such a request becomes a point named `wsgi`, with method, path, query, scheme, the size of the body,
/// and of the response the status and the size. It lasts from the call of the service to the end of the
/// response's body, and whatever is done for it meanwhile hangs below. A status of 5xx is recorded as
/// an error. Values of the query whose names say secret are recorded as `***`. Every other request
/// passes untouched, for the price of one look-up.
///
/// The body of the response changes its type, to one that ends the point; servers take any. The layer
/// of [`instrument::axum`](crate::instrument::axum) leaves it as it is.
///
/// ```
/// use osprofiler::instrument::tower::ServerLayer;
/// use osprofiler::propagation::KeyRing;
/// use tower::Layer;
/// # use http::{Request, Response};
/// # async fn hello(_: Request<String>) -> std::io::Result<Response<String>> {
/// #     Ok(Response::new("hello".to_owned()))
/// # }
///
/// let keys = KeyRing::parse("SECRET_KEY");
/// let service = ServerLayer::new(keys).layer(tower::service_fn(hello));
/// ```
#[derive(Clone, Debug)]
pub struct ServerLayer(Settings);

impl ServerLayer {
    /// Makes a layer that accepts the keys of a ring, as they are at the time of each request.
    #[must_use]
    pub fn new(keys: KeyRing) -> Self {
        Self(Settings::new(keys))
    }

    /// Sends the id of the trace with the response, in the header `X-Trace-Id`, so that a person finds
    /// the trace. Only to those who signed: others learn nothing.
    #[must_use]
    pub fn send_trace_id(mut self) -> Self {
        self.0.sends_trace_id = true;
        self
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Server { inner, settings: self.0.clone() }
    }
}

/// A service within a [`ServerLayer`].
#[derive(Clone, Debug)]
pub struct Server<S> {
    inner: S,
    settings: Settings,
}

impl<S, B, R> Service<Request<B>> for Server<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Display,
    R: Body,
{
    type Response = Response<TracedBody<R>>;
    type Error = S::Error;
    type Future = ServerFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let point = self.settings.begin(request.headers(), || served::Request::of(&request));
        ServerFuture { responding: Responding::new(point, || self.inner.call(request)) }
    }
}

pin_project! {
    /// The future of a response.
    #[must_use = "futures do nothing unless polled"]
    pub struct ServerFuture<F> {
        #[pin]
        responding: Responding<F>,
    }
}

impl<F, R, E> Future for ServerFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
    E: Display,
{
    type Output = Result<Response<TracedBody<R>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().responding.poll_head(cx).map_ok(|(response, point)| {
            response.map(|body| TracedBody::new(body, point, R::is_end_stream))
        })
    }
}

impl<F> fmt::Debug for ServerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerFuture")
    }
}
