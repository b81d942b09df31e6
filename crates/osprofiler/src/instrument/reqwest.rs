//! Sending a traced request with reqwest.

use http::StatusCode;
use reqwest::{RequestBuilder, Response, Result};

use super::Kind;
use super::http_info::{ClientRequest, HasStatus, ResponseInfo};
use crate::future::Traced;
use crate::propagation;

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
    fn send_traced(self) -> impl Future<Output = Result<Response>> + Send;
}

impl SendTraced for RequestBuilder {
    async fn send_traced(self) -> Result<Response> {
        if !crate::profiler::is_tracing() {
            return self.send().await;
        }
        let (client, request) = self.build_split();
        let mut request = request?;
        if !Kind::HttpClient.is_on() {
            propagation::inject(request.headers_mut());
            return client.execute(request).await;
        }
        let url = request.url();
        let described = ClientRequest {
            method: request.method(),
            scheme: url.scheme(),
            host: url.host_str().unwrap_or_default(),
            port: url.port(),
            path: url.path(),
            query: url.query().unwrap_or_default(),
        };
        let (point, info) = (described.point(), described.info());
        // The headers are those of the point, so they are made when it has begun.
        let send = async move {
            propagation::inject(request.headers_mut());
            client.execute(request).await
        };
        Traced::inspected(send, point.into(), info, ResponseInfo("requests")).await
    }
}

impl HasStatus for Response {
    fn status(&self) -> StatusCode {
        Self::status(self)
    }
}
