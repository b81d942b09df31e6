//! `GET /`: the page, which the report crate brings.

use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use osprofiler_report::html::app_page;

/// The page, and what a browser may let it do.
#[derive(Clone)]
pub(crate) struct Page {
    html: Bytes,
    policy: HeaderValue,
}

impl Page {
    pub(crate) fn new() -> Self {
        let html = app_page();
        let policy = policy(&html);
        Self { html: html.into(), policy }
    }

    pub(crate) fn answer(&self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
        ];
        (headers, self.html.clone()).into_response()
    }
}

/// What the page says that it may do, and what only a header can say: who may frame it. A page that says
/// nothing may do nothing.
fn policy(html: &str) -> HeaderValue {
    let said = html
        .split_once(r#"http-equiv="Content-Security-Policy" content=""#)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("default-src 'none'", |(said, _)| said);
    let policy = format!("{said}; frame-ancestors 'none'");
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}
