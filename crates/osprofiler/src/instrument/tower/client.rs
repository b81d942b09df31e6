//! The layer of a client.

use std::fmt::{self, Display};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::future::Begun;
use crate::instrument::Kind;
use crate::instrument::http_info::{AnswerInfo, ClientRequest};
use crate::{profiler, propagation};

/// Records outgoing requests and sends the headers of their points along.
///
/// A request made while tracing becomes a point named by its scheme (`http`, `https`), with method,
/// host, port, path, query, the size of the body, and of the response the status and the size, where
/// headers tell them. It lasts until the head of the response is there. The callee, if it knows the key,
/// goes on below it. Other requests pass untouched.
///
/// ```
/// use http_body_util::Empty;
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use hyper_util::rt::TokioExecutor;
/// use osprofiler::instrument::tower::ClientLayer;
/// use tower::{Layer, ServiceExt};
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let client: Client<HttpConnector, Empty<&[u8]>> =
///     Client::builder(TokioExecutor::new()).build_http();
/// let request = http::Request::get("http://127.0.0.1:9292/v2/images").body(Empty::new())?;
/// let response = ClientLayer.layer(client).oneshot(request).await?;
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
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ClientFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if !profiler::is_tracing() {
            return ClientFuture::plain(self.inner.call(request));
        }
        if !Kind::HttpClient.is_on() {
            propagation::inject(request.headers_mut());
            return ClientFuture::plain(self.inner.call(request));
        }
        let described = ClientRequest::of(&request);
        let (point, info, answer) = (described.point(), described.info(), described.answer());
        // The headers are those of the point, so they are made when it has begun.
        let send = || {
            propagation::inject(request.headers_mut());
            self.inner.call(request)
        };
        ClientFuture::traced(Begun::begin(point, info, answer, send))
    }
}

pin_project! {
    /// The future of a response to a request that may be traced.
    #[must_use = "futures do nothing unless polled"]
    pub struct ClientFuture<F> {
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
            future: Begun<F, AnswerInfo>,
        },
    }
}

impl<F> ClientFuture<F> {
    fn plain(future: F) -> Self {
        Self { future: Either::Plain { future } }
    }

    fn traced(future: Begun<F, AnswerInfo>) -> Self {
        Self { future: Either::Traced { future } }
    }
}

impl<F, R, E> Future for ClientFuture<F>
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

impl<F> fmt::Debug for ClientFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientFuture")
    }
}
