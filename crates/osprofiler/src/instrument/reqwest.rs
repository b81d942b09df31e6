//! Sending a traced request with reqwest.

use std::fmt::Display;

use http::StatusCode;
use reqwest::{Body, Error, Request, RequestBuilder, Response};

use super::Kind;
use super::http_info::{Answer, ClientRequest, content_length};
use crate::future::Traced;
use crate::{profiler, propagation};

/// Sends requests that belong to the current trace.
pub trait SendTraced {
    /// [`send`](RequestBuilder::send), as a point named by the URL's scheme, and with the headers
    /// that let the callee go on below it. Just `send` where nothing is traced.
    ///
    /// # Errors
    ///
    /// Those of `send`.
    ///
    /// ```no_run
    /// use osprofiler::instrument::reqwest::SendTraced;
    ///
    /// # async fn f() -> reqwest::Result<()> {
    /// let client = reqwest::Client::new();
    /// let response = client.get("http://127.0.0.1:9292/v2/images").send_traced().await?;
    /// # Ok(())
    /// # }
    /// ```
    fn send_traced(self) -> impl Future<Output = Result<Response, Error>> + Send;
}

impl SendTraced for RequestBuilder {
    async fn send_traced(self) -> Result<Response, Error> {
        if !profiler::is_tracing() {
            return self.send().await;
        }
        let (client, request) = self.build_split();
        send_within(request?, |request| async move { client.execute(request).await }).await
    }
}

/// Sends a request within its point if that is recorded, and with the headers of the trace.
pub(super) async fn send_within<F, E>(
    mut request: Request,
    send: impl FnOnce(Request) -> F,
) -> Result<Response, E>
where
    F: Future<Output = Result<Response, E>>,
    E: Display,
{
    if !profiler::is_tracing() {
        return send(request).await;
    }
    if !Kind::HttpClient.is_on() {
        propagation::inject(request.headers_mut());
        return send(request).await;
    }
    let described = describe(&request);
    let (point, info, answer) = (described.point(), described.info(), described.answer());
    // The headers are those of the point, so they are made when it has begun.
    let send = async move {
        propagation::inject(request.headers_mut());
        send(request).await
    };
    Traced::inspected(send, point.into(), info, answer).await
}

fn describe(request: &Request) -> ClientRequest<'_> {
    let url = request.url();
    ClientRequest {
        method: request.method(),
        scheme: url.scheme(),
        host: url.host_str().unwrap_or_default(),
        port: url.port(),
        path: url.path(),
        query: url.query().unwrap_or_default(),
        size: size(request),
    }
}

/// Bytes of the body, unless it is a stream.
fn size(request: &Request) -> Option<u64> {
    request.body().and_then(Body::as_bytes).map(|bytes| bytes.len() as u64)
}

impl Answer for Response {
    fn status(&self) -> StatusCode {
        Self::status(self)
    }

    fn size(&self) -> Option<u64> {
        content_length(self.headers())
    }
}
