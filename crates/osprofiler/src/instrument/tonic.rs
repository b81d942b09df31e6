//! Layers for servers and clients of tonic, that is of gRPC over the tower family.
//!
//! A call is a point named `rpc`, with service and method, and the status it ended with. It lasts to
//! the end of the stream that answers it, so a call whose answer is a stream of messages lasts until
//! the last one, and what is done for each hangs below.

use std::fmt::{self, Display};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use http_body::Body;
use osprofiler_wire::Info;
use percent_encoding::percent_decode_str;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::watched::{Head, Point, Responding, TracedBody, Watch};
use super::{Kind, served};
use crate::future::Carried;
use crate::propagation::{self, KeyRing};
use crate::{outcome, profiler};

/// Name of the point of a call, on both sides.
const POINT: &str = "rpc";

/// Traces the calls whose metadata are signed with one of the service's keys.
///
/// ```no_run
/// use osprofiler::instrument::tonic::ServerLayer;
/// use osprofiler::propagation::KeyRing;
/// use tonic::transport::Server;
///
/// # async fn f(routes: tonic::service::Routes) -> Result<(), tonic::transport::Error> {
/// let keys = KeyRing::parse("SECRET_KEY");
/// let server = Server::builder().layer(ServerLayer::new(keys)).add_routes(routes);
/// # server.serve("127.0.0.1:50051".parse().unwrap()).await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ServerLayer {
    keys: KeyRing,
}

impl ServerLayer {
    /// Makes a layer that accepts the keys of a ring, as they are at the time of each call.
    #[must_use]
    pub fn new(keys: KeyRing) -> Self {
        Self { keys }
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Server { inner, keys: self.keys.clone() }
    }
}

/// A service within a [`ServerLayer`].
#[derive(Clone, Debug)]
pub struct Server<S> {
    inner: S,
    keys: KeyRing,
}

impl<S, B, R> Service<Request<B>> for Server<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Display,
    R: Body,
{
    type Response = Response<TracedBody<R>>;
    type Error = S::Error;
    type Future = CallFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let profiler = propagation::extract(request.headers(), &self.keys);
        let point = profiler.map(|profiler| {
            let info = served::linked(start_info(&request), &profiler);
            Point::new(Carried::under(&profiler, POINT, info), Call::default())
        });
        CallFuture { responding: Responding::new(point, || self.inner.call(request)) }
    }
}

/// Records calls and sends the headers of their points along, as metadata.
///
/// [`Kind::Rpc`] (option `trace_rpc`) switches the points off and on; the headers are sent either way.
///
/// ```no_run
/// use osprofiler::instrument::tonic::ClientLayer;
/// use tonic::transport::Endpoint;
/// use tower::Layer;
///
/// # async fn f() -> Result<(), tonic::transport::Error> {
/// let channel = Endpoint::from_static("http://127.0.0.1:50051").connect().await?;
/// let channel = ClientLayer.layer(channel); // for any client: StockClient::new(channel)
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientLayer;

impl<S> Layer<S> for ClientLayer {
    type Service = Client<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Client { inner }
    }
}

/// A service within a [`ClientLayer`].
#[derive(Clone, Debug)]
pub struct Client<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Client<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Display,
    R: Body,
{
    type Response = Response<TracedBody<R>>;
    type Error = S::Error;
    type Future = CallFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let point = (profiler::is_tracing() && Kind::Rpc.is_on()).then(|| {
            let info = start_info(&request);
            Point::new(Carried::begin(POINT.into(), info), Call::default())
        });
        // The headers are those of the point, so they are made when it has begun.
        let send = || {
            propagation::inject(request.headers_mut());
            self.inner.call(request)
        };
        CallFuture { responding: Responding::new(point, send) }
    }
}

/// Start info of a call; its path is `/package.Service/Method`.
fn start_info<B>(request: &Request<B>) -> Info {
    let path = request.uri().path().trim_start_matches('/');
    let (service, method) = path.rsplit_once('/').unwrap_or(("", path));
    let call = Info::new().with("system", "grpc").with("service", service).with("method", method);
    Info::new().with_info("rpc", call)
}

pin_project! {
    /// The future of the answer to a call.
    #[must_use = "futures do nothing unless polled"]
    pub struct CallFuture<F> {
        #[pin]
        responding: Responding<F>,
    }
}

impl<F, R, E> Future for CallFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
    E: Display,
{
    type Output = Result<Response<TracedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().responding.poll_head(cx).map_ok(|(response, point)| {
            response.map(|body| TracedBody::new(body, point, R::is_end_stream))
        })
    }
}

impl<F> fmt::Debug for CallFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallFuture")
    }
}

/// How a call ended: in the trailers of its answer, or in the head if there is no answer.
#[derive(Default)]
struct Call {
    status: Option<Status>,
}

struct Status {
    code: u16,
    message: String,
}

/// Names of the status codes, by code.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl Status {
    /// Of the headers that hold it.
    fn of<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let code = header("grpc-status")?.parse().ok()?;
        let message = percent_decode_str(header("grpc-message").unwrap_or_default());
        Some(Self { code, message: message.decode_utf8_lossy().into_owned() })
    }

    /// A code that is not known is to be taken for UNKNOWN.
    fn name(&self) -> &'static str {
        NAMES.get(usize::from(self.code)).unwrap_or(&"UNKNOWN")
    }

    /// Whether whoever answers like this has failed, as with a status of 5xx in HTTP; the rest is an
    /// answer.
    fn is_failure(&self) -> bool {
        matches!(
            self.name(),
            "UNKNOWN"
                | "DEADLINE_EXCEEDED"
                | "UNIMPLEMENTED"
                | "INTERNAL"
                | "UNAVAILABLE"
                | "DATA_LOSS"
        )
    }

    fn info(&self) -> Info {
        let call = Info::new().with("status_code", &self.code).with("status", self.name());
        let mut info = Info::new().with_info("rpc", call);
        if self.is_failure() {
            info.merge(&outcome::failure(&format!("gRPC {}", self.name()), &self.message));
        }
        info
    }
}

impl Watch for Call {
    fn head(&mut self, head: &mut dyn Head) {
        self.status = Status::of(|name| head.header(name));
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.status = Status::of(|name| trailers.get(name)?.to_str().ok()).or(self.status.take());
    }

    fn is_whole(&self) -> bool {
        self.status.is_some()
    }

    fn stop(&self) -> Info {
        self.status.as_ref().map(Status::info).unwrap_or_default()
    }
}
