//! Layers for servers and clients of the tower family: axum, hyper, tonic and others.

use std::fmt::{self, Display};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::Kind;
use super::http_info::{self, ClientRequest, ResponseInfo};
use crate::future::Begun;
use crate::profiler;
use crate::propagation::{self, KeyRing};

/// Traces the requests whose headers are signed with one of the service's keys.
///
/// Such a request becomes a point named `wsgi`, with method, path, query, scheme and the status of
/// the response; whatever is done for it hangs below. Every other request passes untouched, for the
/// price of one look-up.
///
/// ```
/// use axum::{Router, routing::get};
/// use osprofiler::instrument::tower::ServerLayer;
/// use osprofiler::propagation::KeyRing;
///
/// let keys = KeyRing::parse("SECRET_KEY");
/// let app: Router = Router::new()
///     .route("/", get(async || "hello"))
///     .layer(ServerLayer::new(keys));
/// ```
#[derive(Clone, Debug)]
pub struct ServerLayer {
    keys: KeyRing,
}

impl ServerLayer {
    /// Makes a layer that accepts the keys of a ring, as they are at the time of each request.
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
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = MaybeTraced<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(profiler) = propagation::extract(request.headers(), &self.keys) else {
            return MaybeTraced::plain(self.inner.call(request));
        };
        let mut info = http_info::server_request(&request);
        if let Some(link) = profiler.link() {
            info.merge(&link.info());
        }
        let begin = || self.inner.call(request);
        let inspect = ResponseInfo("response");
        MaybeTraced::traced(Begun::under(&profiler, http_info::SERVER_POINT, info, inspect, begin))
    }
}

/// Records outgoing requests and sends the headers of their points along.
///
/// A request made while tracing becomes a point named by its scheme (`http`, `https`), with method,
/// host, port, path, query and the status of the response. The callee, if it knows the key, goes on
/// below it. Other requests pass untouched.
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
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = MaybeTraced<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(profiler) = profiler::get() else {
            return MaybeTraced::plain(self.inner.call(request));
        };
        if !Kind::HttpClient.is_on() {
            propagation::inject(request.headers_mut());
            return MaybeTraced::plain(self.inner.call(request));
        }
        let (point, info) = {
            let uri = request.uri();
            let described = ClientRequest {
                method: request.method(),
                scheme: uri.scheme_str().unwrap_or("http"),
                host: uri.host().unwrap_or_default(),
                port: uri.port_u16(),
                path: uri.path(),
                query: uri.query().unwrap_or_default(),
            };
            (described.point(), described.info())
        };
        let begin = || {
            propagation::inject(request.headers_mut());
            self.inner.call(request)
        };
        MaybeTraced::traced(Begun::under(&profiler, point, info, ResponseInfo("requests"), begin))
    }
}

pin_project! {
    /// The future of a request that may be traced.
    #[must_use = "futures do nothing unless polled"]
    pub struct MaybeTraced<F> {
        #[pin]
        future: Either<F>,
    }
}

pin_project! {
    #[project = EitherProject]
    enum Either<F> {
        Plain {
            #[pin]
            future: F,
        },
        Traced {
            #[pin]
            future: Begun<F, ResponseInfo>,
        },
    }
}

impl<F> MaybeTraced<F> {
    fn plain(future: F) -> Self {
        Self { future: Either::Plain { future } }
    }

    fn traced(future: Begun<F, ResponseInfo>) -> Self {
        Self { future: Either::Traced { future } }
    }
}

impl<F, R, E> Future for MaybeTraced<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Display,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().future.project() {
            EitherProject::Plain { future } => future.poll(cx),
            EitherProject::Traced { future } => future.poll(cx),
        }
    }
}

impl<F> fmt::Debug for MaybeTraced<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaybeTraced")
    }
}
