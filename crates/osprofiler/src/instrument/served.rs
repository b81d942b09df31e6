//! What a server records of a request that it serves, whichever framework's it is.

use std::borrow::Cow;

use http::{Extensions, StatusCode};
use osprofiler_wire::Info;

use super::http_info::{content_length, set_size, status_info};
use super::query;
use super::watched::{Head, Point, Watch};
use crate::Profiler;
use crate::future::Carried;
use crate::propagation::{self, Extractor, KeyRing};

/// Name of the point of a request that is served.
const POINT: &str = "wsgi";

/// The header of a response that carries the id of its trace, on request.
pub const TRACE_ID_HEADER: &str = "x-trace-id";

/// The template by which a path was routed, such as `/items/{id}`.
///
/// A server layer records the one that it finds among the extensions of a request, or of the
/// response to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route(Cow<'static, str>);

impl Route {
    /// Makes a route of its template.
    pub fn new(template: impl Into<Cow<'static, str>>) -> Self {
        Self(template.into())
    }

    /// The template.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a server layer is told by its user.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) keys: KeyRing,
    pub(super) sends_trace_id: bool,
}

/// A request, as far as it is recorded.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) scheme: Cow<'a, str>,
    pub(super) size: Option<u64>,
    pub(super) route: Option<Cow<'a, str>>,
}

impl<'a> Request<'a> {
    pub(super) fn of<B>(request: &'a http::Request<B>) -> Self {
        Self {
            method: request.method().as_str(),
            path: request.uri().path(),
            query: request.uri().query().unwrap_or_default(),
            scheme: request.uri().scheme_str().unwrap_or("http").into(),
            size: content_length(request.headers()),
            route: route(request.extensions()).map(Cow::Borrowed),
        }
    }

    fn info(&self) -> Info {
        let mut request = Info::new()
            .with("path", self.path)
            .with("query", &query::masked(self.query))
            .with("method", self.method)
            .with("scheme", &self.scheme);
        set_size(&mut request, self.size);
        if let Some(route) = &self.route {
            request.set("route", route);
        }
        Info::new().with_info("request", request)
    }
}

/// The template by which a request was routed, as far as its extensions tell.
pub(super) fn route(extensions: &Extensions) -> Option<&str> {
    #[cfg(feature = "axum")]
    if let Some(path) = extensions.get::<axum::extract::MatchedPath>() {
        return Some(path.as_str());
    }
    extensions.get::<Route>().map(Route::as_str)
}

impl Settings {
    pub(super) fn new(keys: KeyRing) -> Self {
        Self { keys, sends_trace_id: false }
    }

    /// The point of a request whose headers are signed with one of the keys.
    #[inline]
    pub(super) fn begin<'a>(
        &self,
        headers: &(impl Extractor + ?Sized),
        request: impl FnOnce() -> Request<'a>,
    ) -> Option<Box<Point>> {
        let profiler = propagation::extract(headers, &self.keys)?;
        let request = request();
        let watch = Served {
            is_head: request.method == "HEAD",
            trace_id: self.sends_trace_id.then(|| profiler.base_id().to_string()),
            has_route: request.route.is_some(),
            route: None,
            status: None,
            expected: None,
            sent: 0,
        };
        let info = linked(request.info(), &profiler);
        Some(Point::new(Carried::under(&profiler, POINT, info), watch))
    }
}

/// Start info of what came from a sender that has another tracing too.
pub(super) fn linked(mut info: Info, profiler: &Profiler) -> Info {
    if let Some(link) = profiler.link() {
        info.merge(&link.info());
    }
    info
}

/// What is learnt of the response.
struct Served {
    is_head: bool,
    /// To be sent.
    trace_id: Option<String>,
    has_route: bool,
    /// If it became known with the response.
    route: Option<String>,
    status: Option<StatusCode>,
    /// Bytes of the body, where they are known beforehand.
    expected: Option<u64>,
    sent: u64,
}

impl Served {
    /// Bytes of the body that a response with this head is sent with.
    fn expected(&self, head: &dyn Head) -> Option<u64> {
        let status = head.status();
        let is_bare = self.is_head
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if is_bare { Some(0) } else { head.header("content-length")?.parse().ok() }
    }
}

impl Watch for Served {
    fn head(&mut self, head: &mut dyn Head) {
        self.status = Some(head.status());
        self.expected = self.expected(head);
        if !self.has_route {
            self.route = head.route().map(str::to_owned);
        }
        if let Some(trace_id) = self.trace_id.take() {
            head.set_header(TRACE_ID_HEADER, &trace_id);
        }
    }

    fn data(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    fn is_whole(&self) -> bool {
        self.expected.is_some_and(|expected| self.sent >= expected)
    }

    fn stop(&self) -> Info {
        let Some(status) = self.status else { return Info::new() };
        // A body that goes with no such head may be polled all the same.
        let size = self.sent.min(self.expected.unwrap_or(u64::MAX));
        let response = Info::new().with("status_code", &status.as_u16()).with("size", &size);
        let mut info = Info::new().with_info("response", response);
        if let Some(route) = &self.route {
            info.set_info("request", &Info::new().with("route", route));
        }
        info.merge(&status_info(status));
        info
    }
}
