//! What is recorded of a request and of its response; shapes of `docs/record.md`.

use std::fmt::Display;

use http::{Method, StatusCode};
use osprofiler_wire::Info;

use crate::future::Inspect;
use crate::outcome;

/// Name of the point of a request that a server serves.
pub(super) const SERVER_POINT: &str = "wsgi";

/// Start info of a request that a server serves.
#[cfg(feature = "tower")]
pub(super) fn server_request<B>(request: &http::Request<B>) -> Info {
    let uri = request.uri();
    let request = Info::new()
        .with("path", uri.path())
        .with("query", uri.query().unwrap_or_default())
        .with("method", request.method().as_str())
        .with("scheme", uri.scheme_str().unwrap_or("http"));
    Info::new().with_info("request", request)
}

/// An outgoing request, whichever library's it is.
pub(super) struct ClientRequest<'a> {
    pub(super) method: &'a Method,
    pub(super) scheme: &'a str,
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
}

impl ClientRequest<'_> {
    /// Name of the point: the scheme, as in the Python library.
    pub(super) fn point(&self) -> &'static str {
        if self.scheme.eq_ignore_ascii_case("https") { "https" } else { "http" }
    }

    /// Start info.
    pub(super) fn info(&self) -> Info {
        let requests = Info::new()
            .with("method", self.method.as_str())
            .with("query", self.query)
            .with("path", self.path)
            .with("hostname", self.host)
            .with("port", &self.port)
            .with("scheme", self.scheme);
        Info::new().with_info("requests", requests)
    }
}

/// Stop info of a response: its status under this key, or the error.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseInfo(pub(super) &'static str);

/// Something that has a status.
pub(super) trait HasStatus {
    /// The status.
    fn status(&self) -> StatusCode;
}

impl<B> HasStatus for http::Response<B> {
    fn status(&self) -> StatusCode {
        Self::status(self)
    }
}

impl<R: HasStatus, E: Display> Inspect<Result<R, E>> for ResponseInfo {
    fn inspect(self, result: &Result<R, E>) -> Info {
        match result {
            Ok(response) => Info::new()
                .with_info(self.0, Info::new().with("status_code", &response.status().as_u16())),
            Err(error) => outcome::error_info(error),
        }
    }
}
