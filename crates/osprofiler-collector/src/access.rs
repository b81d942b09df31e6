//! Who may talk to the server, and what a browser is told about its answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::Token;
use crate::error::ApiError;

/// What every answer says to a browser, unless it says otherwise itself.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The way in.
pub(crate) struct Access {
    token: Option<Token>,
    /// Only this machine can reach the server, so a request for another host was sent by a page that
    /// made its own name point here.
    is_loopback: bool,
    /// Browsers send a cookie to all ports of a host: each server has its own.
    cookie: String,
}

impl Access {
    pub(crate) fn new(address: SocketAddr, token: Option<Token>) -> Self {
        let cookie = format!("osprofiler-{}", address.port());
        Self { token, is_loopback: address.ip().is_loopback(), cookie }
    }

    fn check(&self, request: &Request) -> Result<(), ApiError> {
        let headers = request.headers();
        let host = host(request.uri(), headers);
        if self.is_loopback && !host.is_some_and(names_loopback) {
            return Err(ApiError::forbidden(
                "the server is for this machine only; open it as `127.0.0.1` or `localhost`",
            ));
        }
        if !is_same_origin(request, host) {
            return Err(ApiError::forbidden("requests of other sites are refused"));
        }
        match &self.token {
            Some(token) if !self.shown(headers).any(|shown| token.is(shown)) => {
                Err(ApiError::unauthorized())
            }
            _ => Ok(()),
        }
    }

    /// The tokens that a request shows.
    fn shown<'h>(&'h self, headers: &'h HeaderMap) -> impl Iterator<Item = &'h str> {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let cookies = headers.get_all(header::COOKIE).into_iter();
        let cookies =
            cookies.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
        let own = cookies.filter_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == self.cookie).then_some(value)
        });
        bearer.into_iter().chain(own)
    }

    /// Whoever opens the page with the token in its address gets it as a cookie, and an address without.
    fn welcome(&self, request: &Request) -> Option<Response> {
        let token = self.token.as_ref().filter(|_| request.method() == Method::GET)?;
        let mut pairs = request.uri().query()?.split('&');
        let shown = pairs.find_map(|pair| pair.strip_prefix("token="))?;
        if request.uri().path() != "/" || !token.is(shown) {
            return None;
        }
        // A link in a ticket has to open the page; what other sites ask of the API is refused anyway.
        let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Lax", self.cookie, token.expose());
        let headers = [(header::LOCATION, "/"), (header::SET_COOKIE, &cookie)];
        Some((StatusCode::SEE_OTHER, headers).into_response())
    }
}

/// Lets in who may, and adds what browsers have to be told.
pub(crate) async fn guard(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let checked = access.check(&request);
    // Also who has the cookie: a token does not stay in an address that may be copied.
    let is_welcome = checked.as_ref().err().is_none_or(ApiError::is_unauthorized);
    let welcome = access.welcome(&request).filter(|_| is_welcome);
    let mut response = match (welcome, checked) {
        (Some(welcome), _) => welcome,
        (None, Ok(())) => next.run(request).await,
        (None, Err(error)) if is_api => error.into_response(),
        (None, Err(error)) => error.into_text(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The host that was asked for, with its port.
fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    named.or_else(|| Some(uri.authority()?.as_str()))
}

fn names_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Whether a request comes from our own page, from no page, or opens the page.
fn is_same_origin(request: &Request, host: Option<&str>) -> bool {
    let value = |name: &str| Some(request.headers().get(name)?.to_str().unwrap_or_default());
    let opens_page = request.method() == Method::GET && request.uri().path() == "/";
    let site = value("sec-fetch-site");
    let is_own_site = site.is_none_or(|site| ["same-origin", "none"].contains(&site));
    let origin =
        value("origin").map(|origin| origin.split_once("://").map_or("", |(_, host)| host));
    opens_page || (is_own_site && origin.is_none_or(|origin| Some(origin) == host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for host in
            ["127.0.0.1:80", "127.0.0.1", "localhost:9", "LOCALHOST", "[::1]:8", "127.9.9.9"]
        {
            assert!(names_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:80",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
        ] {
            assert!(!names_loopback(host), "{host}");
        }
    }
}
