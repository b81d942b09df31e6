//! What is recorded of a request and of its response; shapes of `docs/record.md`.

use std::any::type_name;
use std::borrow::Cow;
use std::fmt::Display;

use http::header::{CONTENT_LENGTH, HeaderMap};
use http::{Method, StatusCode};
use osprofiler_wire::Info;

use super::query;
use crate::future::Inspect;
use crate::outcome;

/// An outgoing request, whichever library's it is.
pub(super) struct ClientRequest<'a> {
    pub(super) method: &'a Method,
    pub(super) scheme: &'a str,
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) size: Option<u64>,
}

impl<'a> ClientRequest<'a> {
    /// That of the crate `http`.
    #[cfg(any(feature = "tower", feature = "ureq"))]
    pub(super) fn of<B>(request: &'a http::Request<B>) -> Self {
        let uri = request.uri();
        Self {
            method: request.method(),
            scheme: uri.scheme_str().unwrap_or("http"),
            host: uri.host().unwrap_or_default(),
            port: uri.port_u16(),
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            size: content_length(request.headers()),
        }
    }

    /// Name of the point: the scheme, as in the Python library.
    pub(super) fn point(&self) -> &'static str {
        if self.scheme.eq_ignore_ascii_case("https") { "https" } else { "http" }
    }

    /// What makes the stop info.
    pub(super) fn answer(&self) -> AnswerInfo {
        match query::masked(self.query) {
            Cow::Owned(shown) => AnswerInfo { masked: Some((self.query.to_owned(), shown)) },
            Cow::Borrowed(_) => AnswerInfo { masked: None },
        }
    }

    /// Start info.
    pub(super) fn info(&self) -> Info {
        let mut requests = Info::new()
            .with("method", self.method.as_str())
            .with("query", &query::masked(self.query))
            .with("path", self.path)
            .with("hostname", self.host)
            .with("port", &self.port)
            .with("scheme", self.scheme);
        set_size(&mut requests, self.size);
        Info::new().with_info("requests", requests)
    }
}

/// Bytes of a body, as its headers say.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Bytes of a body, where they are known.
pub(super) fn set_size(info: &mut Info, size: Option<u64>) {
    if let Some(size) = size {
        info.set("size", &size);
    }
}

/// Whoever answers like this has failed, and says so.
pub(super) fn status_info(status: StatusCode) -> Info {
    if !status.is_server_error() {
        return Info::new();
    }
    outcome::failure(
        &format!("HTTP {}", status.as_u16()),
        status.canonical_reason().unwrap_or_default(),
    )
}

/// The answer to an outgoing request, whichever library's it is.
pub(super) trait Answer {
    fn status(&self) -> StatusCode;
    fn size(&self) -> Option<u64>;
}

impl<B> Answer for http::Response<B> {
    fn status(&self) -> StatusCode {
        Self::status(self)
    }

    fn size(&self) -> Option<u64> {
        content_length(self.headers())
    }
}

/// Stop info of an outgoing request.
pub(super) struct AnswerInfo {
    /// A query with secrets, which an error may show, and how it is to be shown.
    masked: Option<(String, String)>,
}

impl<A: Answer, E: Display> Inspect<Result<A, E>> for AnswerInfo {
    fn inspect(self, result: &Result<A, E>) -> Info {
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => return self.error_info(error),
        };
        answer_info(answer.status(), answer.size())
    }
}

impl AnswerInfo {
    fn error_info<E: Display>(&self, error: &E) -> Info {
        let mut message = outcome::bounded(format_args!("{error}"));
        if let Some((query, shown)) = &self.masked {
            message = message.replace(query, shown);
        }
        outcome::failure(type_name::<E>(), &message)
    }
}

/// Stop info of an outgoing request that was answered.
pub(super) fn answer_info(status: StatusCode, size: Option<u64>) -> Info {
    let mut requests = Info::new().with("status_code", &status.as_u16());
    set_size(&mut requests, size);
    let mut info = Info::new().with_info("requests", requests);
    info.merge(&status_info(status));
    info
}
