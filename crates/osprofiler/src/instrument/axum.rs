//! Layers for axum: [`tower`](super::tower)'s, knowing axum's routes and bodies.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::served::{self, Settings};
use super::watched::{Responding, TracedBody};
use crate::profiler;
use crate::propagation::KeyRing;

/// [`tower::ServerLayer`](super::tower::ServerLayer) for axum: what is recorded includes the route,
/// such as `/items/{id}`, and responses keep their type.
///
/// ```
/// use axum::{Router, routing::get};
/// use osprofiler::instrument::axum::ServerLayer;
/// use osprofiler::propagation::KeyRing;
///
/// let keys = KeyRing::parse("SECRET_KEY");
/// let app: Router = Router::new()
///     .route("/items/{id}", get(async || "hello"))
///     .layer(ServerLayer::new(keys));
/// ```
///
/// It may also be put around a whole router, where no route is known yet; then a [`RouteLayer`] within
/// tells it.
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

impl<S> Service<Request> for Server<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = ServerFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
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

impl<F: Future<Output = Result<Response, Infallible>>> Future for ServerFuture<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut responding = self.project().responding;
        if let Some(future) = responding.as_mut().untraced() {
            return future.poll(cx);
        }
        responding.poll_head(cx).map_ok(|(response, point)| {
            response.map(|body| Body::new(TracedBody::new(body, point, HttpBody::is_end_stream)))
        })
    }
}

impl<F> fmt::Debug for ServerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerFuture")
    }
}

/// Tells a [`ServerLayer`] around the router which route was taken.
///
/// ```
/// use axum::{Router, routing::get};
/// use osprofiler::instrument::axum::{RouteLayer, ServerLayer};
/// use osprofiler::propagation::KeyRing;
/// use tower::Layer;
///
/// let router: Router =
///     Router::new().route("/items/{id}", get(async || "hello")).route_layer(RouteLayer);
/// let app = ServerLayer::new(KeyRing::parse("SECRET_KEY")).layer(router);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteLayer;

impl<S> Layer<S> for RouteLayer {
    type Service = Routed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Routed { inner }
    }
}

/// A service within a [`RouteLayer`].
#[derive(Clone, Debug)]
pub struct Routed<S> {
    inner: S,
}

impl<S: Service<Request, Response = Response>> Service<Request> for Routed<S> {
    type Response = Response;
    type Error = S::Error;
    type Future = RoutedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let path =
            profiler::is_tracing().then(|| request.extensions().get::<MatchedPath>().cloned());
        RoutedFuture { future: self.inner.call(request), path: path.flatten() }
    }
}

pin_project! {
    /// The future of a response that will know its route.
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct RoutedFuture<F> {
        #[pin]
        future: F,
        path: Option<MatchedPath>,
    }
}

impl<F, E> Future for RoutedFuture<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut result = ready!(this.future.poll(cx));
        if let (Ok(response), Some(path)) = (&mut result, this.path.take()) {
            response.extensions_mut().insert(path);
        }
        Poll::Ready(result)
    }
}
