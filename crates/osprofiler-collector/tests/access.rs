//! Who is let in, and what a browser is told.

mod common;

use common::{Place, Running, point, serve};
use osprofiler_collector::Settings;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TOKEN: &str = "correct-horse-battery";

async fn with_token(place: &Place) -> Running {
    let mut settings = Settings::new(place.store.clone());
    settings.token = Some(TOKEN.parse().unwrap());
    let mut server = serve(settings).await;
    server.url = server.url.strip_suffix(&format!("?token={TOKEN}")).unwrap().to_owned();
    server
}

async fn status(url: &str, headers: &[(&'static str, &str)]) -> StatusCode {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect();
    Client::new().get(url).headers(headers).send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_required_where_there_is_one() {
    let place = Place::new();
    place.write(&point("b", "t", "b", 0, Some(1)));
    let server = with_token(&place).await;
    let cookie = format!("osprofiler-{}", server.url.trim_matches('/').rsplit(':').next().unwrap());
    for path in
        ["", "api/v1/traces", "api/v1/traces/b", "api/v1/about", "api/v1/traces/events", "x"]
    {
        let url = format!("{}{path}", server.url);
        assert_eq!(status(&url, &[]).await, 401, "{path}");
        assert_eq!(status(&format!("{url}?token=correct-horse-batterx"), &[]).await, 401, "{path}");
        assert_eq!(status(&url, &[("authorization", "Bearer correct-horse-batter")]).await, 401);
        assert_eq!(status(&url, &[("cookie", &format!("other={TOKEN}"))]).await, 401);
    }
    let url = format!("{}api/v1/traces/b", server.url);
    assert_eq!(status(&url, &[("authorization", &format!("Bearer {TOKEN}"))]).await, 200);
    assert_eq!(status(&url, &[("cookie", &format!("a=b; {cookie}={TOKEN}"))]).await, 200);
    // In the address it opens the page, and nothing else.
    assert_eq!(status(&format!("{url}?token={TOKEN}"), &[]).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_the_address_becomes_a_cookie() {
    let place = Place::new();
    let server = with_token(&place).await;
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let welcome = client.get(format!("{}?token={TOKEN}", server.url)).send().await.unwrap();
    assert_eq!(
        (welcome.status().as_u16(), &welcome.headers()["location"]),
        (303, &HeaderValue::from_static("/"))
    );
    let cookie = welcome.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(status(&format!("{}api/v1/about", server.url), &[("cookie", cookie)]).await, 200);
    // Nor does it stay in the address of those who have the cookie.
    let again = client.get(format!("{}?token={TOKEN}", server.url)).header("cookie", cookie);
    assert_eq!(again.send().await.unwrap().status(), 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn elsewhere_than_on_loopback_there_is_always_a_token() {
    let place = Place::new();
    let mut settings = Settings::new(place.store.clone());
    settings.listen = "0.0.0.0:0".parse().unwrap();
    let server = serve(settings).await;
    let (url, token) = server.url.split_once("?token=").unwrap();
    assert_eq!(token.len(), 32);
    let url = format!("{}api/v1/about", url.replace("0.0.0.0", "127.0.0.1"));
    assert_eq!(status(&url, &[]).await, 401);
    let bearer = format!("Bearer {token}");
    // Any name may be that of this machine.
    assert_eq!(status(&url, &[("authorization", &bearer), ("host", "db1.example:80")]).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_made_to_point_here_is_refused() {
    let place = Place::new();
    let server = place.serve().await;
    let url = format!("{}api/v1/about", server.url);
    for host in
        ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example"]
    {
        assert_eq!(status(&url, &[("host", host)]).await, 403, "{host}");
        assert_eq!(status(&server.url, &[("host", host)]).await, 403, "{host}");
    }
    assert_eq!(status(&url, &[("host", "localhost:1")]).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_get_nothing() {
    let place = Place::new();
    let server = place.serve().await;
    let url = format!("{}api/v1/about", server.url);
    let own = server.url.trim_end_matches('/');
    for site in ["cross-site", "same-site"] {
        assert_eq!(status(&url, &[("sec-fetch-site", site)]).await, 403, "{site}");
    }
    for origin in ["null", "http://evil.example", "http://127.0.0.1:1"] {
        assert_eq!(status(&url, &[("origin", origin)]).await, 403, "{origin}");
    }
    assert_eq!(status(&url, &[("sec-fetch-site", "same-origin"), ("origin", own)]).await, 200);
    let answer = Client::new().get(&url).header("origin", own).send().await.unwrap();
    assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_tells_the_browser_to_be_strict() {
    let place = Place::new();
    place.write(&point("b", "t", "b", 0, Some(1)));
    let server = place.serve().await;
    for path in ["", "api/v1/about", "api/v1/traces/b", "api/v1/traces/none", "nowhere"] {
        let answer = server.get(path).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap();
        let policy = header("content-security-policy");
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_may_ask_its_own_server_and_nobody_else() {
    let place = Place::new();
    let server = place.serve().await;
    let answer = server.get("").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &HeaderValue::from_static("text/html; charset=utf-8"))
    );
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.contains("connect-src 'self'") && policy.contains("script-src 'sha256-"),
        "{policy}"
    );
    assert!(answer.text().await.unwrap().contains("<title>OSProfiler</title>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_site_is_refused() {
    let place = Place::new();
    let server = place.serve().await;
    let post = async |header: &'static str, value: &str| {
        let request = Client::new().post(format!("{}api/v1/view", server.url)).body("{}");
        request.header(header, value).send().await.unwrap().status().as_u16()
    };
    assert_eq!(post("origin", "http://evil.example").await, 403);
    assert_eq!(post("sec-fetch-site", "cross-site").await, 403);
    // Read, and found to be no trace.
    assert_eq!(post("origin", server.url.trim_end_matches('/')).await, 400);
}

/// What is answered to a request as it stands; clients mend what they are given.
async fn raw(server: &Running, request: &str) -> String {
    let address = server.url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_what_is_served() {
    let place = Place::new();
    let server = place.serve().await;
    for path in [
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../../../../etc/passwd",
        "/api/v1/traces/../../../etc/passwd",
        "//etc/passwd",
        "/\\..\\..\\etc\\passwd",
    ] {
        let answer = raw(
            &server,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        )
        .await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "404"].contains(&status) && !answer.contains("root:"), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_answered_and_the_server_lives() {
    let place = Place::new();
    let server = place.serve().await;
    for request in [
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET /api/v1/about HTTP/1.0\r\n\r\n",
        "DELETE /api/v1/traces/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /api/v1/traces/%ff%fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /api/v1/traces?cursor=99999999999999999999~x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
    ] {
        let answer = raw(&server, request).await;
        let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
        assert!((400..500).contains(&status), "{request}: {answer}");
    }
    assert_eq!(status(&format!("{}api/v1/about", server.url), &[]).await, 200);
}
