//! The middleware of an actix-web server.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use http::StatusCode;
use pin_project_lite::pin_project;

use super::served::{self, Settings};
use super::watched::{Head, Responding, TracedBody};
use crate::propagation::{Extractor, KeyRing};

/// Traces the requests whose headers are signed with one of the service's keys; what is recorded is
/// that of [`tower::ServerLayer`](super::tower::ServerLayer), and the route.
///
/// ```
/// use actix_web::{App, HttpServer, web};
/// use osprofiler::instrument::actix_web::ServerMiddleware;
/// use osprofiler::propagation::KeyRing;
///
/// let keys = KeyRing::parse("SECRET_KEY");
/// let server = HttpServer::new(move || {
///     App::new()
///         .wrap(ServerMiddleware::new(keys.clone()))
///         .route("/items/{id}", web::get().to(async || "hello"))
/// });
/// ```
#[derive(Clone, Debug)]
pub struct ServerMiddleware(Settings);

impl ServerMiddleware {
    /// Makes a middleware that accepts the keys of a ring, as they are at the time of each request.
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

impl<S, B> Transform<S, ServiceRequest> for ServerMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<TracedBody<B>>;
    type Error = Error;
    type Transform = Server<S>;
    type InitError = ();
    type Future = Ready<Result<Server<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Server { inner, settings: self.0.clone() }))
    }
}

/// A service within a [`ServerMiddleware`].
#[derive(Clone, Debug)]
pub struct Server<S> {
    inner: S,
    settings: Settings,
}

impl<S, B> Service<ServiceRequest> for Server<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<TracedBody<B>>;
    type Error = Error;
    type Future = ServerFuture<S::Future>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let point = self.settings.begin(request.headers(), || served::Request {
            method: request.method().as_str(),
            path: request.path(),
            query: request.query_string(),
            scheme: Cow::Owned(request.connection_info().scheme().to_owned()),
            size: header(request.headers(), CONTENT_LENGTH.as_str()).and_then(|n| n.parse().ok()),
            route: request.match_pattern().map(Into::into),
        });
        ServerFuture { responding: Responding::new(point, || self.inner.call(request)) }
    }
}

impl Extractor for HeaderMap {
    fn get(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.get_all(name);
        let value = values.next()?;
        values.next().is_none().then_some(value.as_bytes())
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    HeaderMap::get(headers, name)?.to_str().ok()
}

impl<B> Head for ServiceResponse<B> {
    // That of actix-web is of an older version of the crate `http`.
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.response().status().as_u16()).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        header(self.headers(), name)
    }

    fn set_header(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }

    fn route(&self) -> Option<&str> {
        None
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

impl<F, B> Future for ServerFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<TracedBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().responding.poll_head(cx).map_ok(|(response, point)| {
            response.map_body(|_, body| TracedBody::new(body, point, |body| body.size().is_eof()))
        })
    }
}

impl<B: MessageBody> MessageBody for TracedBody<B> {
    type Error = Box<dyn StdError>;

    fn size(&self) -> BodySize {
        self.body().map_or(BodySize::None, MessageBody::size)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.poll_piece(
            |body| body.poll_next(cx).map_err(Into::into),
            |watch, _, bytes| {
                watch.data(bytes.len());
                false
            },
        )
    }
}

impl<F> fmt::Debug for ServerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerFuture")
    }
}
