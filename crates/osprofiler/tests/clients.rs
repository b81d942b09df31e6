//! Every client of HTTP records its calls, and sends the trace along.

use std::net::SocketAddr;
use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::{get, post};
use http_body_util::Full;
use hyper_util::client::legacy::{Client as HyperClient, Error as HyperError};
use hyper_util::rt::TokioExecutor;
use osprofiler::instrument::axum::ServerLayer;
use osprofiler::instrument::reqwest::SendTraced;
use osprofiler::instrument::tower::ClientLayer;
use osprofiler::instrument::{Kind, reqwest_middleware, ureq as traced_ureq};
use osprofiler::propagation::KeyRing;
use osprofiler::{Phase, Profiler, profiler};
use osprofiler_testkit::Capture;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::block_in_place;
use tower::{Layer, ServiceExt};

/// The notifier is the process's: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A client under test.
#[derive(Clone, Copy, Debug)]
enum Client {
    Reqwest,
    ReqwestMiddleware,
    Hyper,
    Ureq,
}

const ALL: [Client; 4] = [Client::Reqwest, Client::ReqwestMiddleware, Client::Hyper, Client::Ureq];

impl Client {
    /// Posts five bytes; gives the status of the response, or what went wrong.
    async fn post(self, url: &str) -> Result<u16, String> {
        match self {
            Self::Reqwest => {
                let sent = reqwest_client().post(url).body("hello").send_traced().await;
                sent.map(|response| response.status().as_u16()).map_err(|e| e.to_string())
            }
            Self::ReqwestMiddleware => {
                let client = ::reqwest_middleware::ClientBuilder::new(reqwest_client())
                    .with(reqwest_middleware::ClientMiddleware)
                    .build();
                let sent = client.post(url).body("hello").send().await;
                sent.map(|response| response.status().as_u16()).map_err(|e| e.to_string())
            }
            Self::Hyper => {
                let client: HyperClient<_, Full<Bytes>> =
                    HyperClient::builder(TokioExecutor::new()).build_http();
                let request = http::Request::post(url)
                    .header("content-length", 5)
                    .body(Full::from("hello"))
                    .unwrap();
                let sent = ClientLayer.layer(client).oneshot(request).await;
                sent.map(|r| r.status().as_u16()).map_err(|e: HyperError| e.to_string())
            }
            Self::Ureq => block_in_place(|| {
                let config = ureq::Agent::config_builder();
                let config = config.middleware(traced_ureq::ClientMiddleware).build();
                let agent: ureq::Agent = config.into();
                match agent.post(url).header("content-length", "5").send("hello") {
                    Ok(response) => Ok(response.status().as_u16()),
                    Err(ureq::Error::StatusCode(status)) => Ok(status),
                    Err(error) => Err(error.to_string()),
                }
            }),
        }
    }
}

/// The whole workspace built at once has a reqwest that wants to know whose TLS to use.
fn reqwest_client() -> reqwest::Client {
    // Fails only if one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new()
        .route("/items", post(async |body: String| body))
        .route("/broken", post(async || StatusCode::BAD_GATEWAY))
        .route("/missing", post(async || StatusCode::NOT_FOUND))
        .route(
            "/moved",
            get(move || async move {
                // To another host, as far as a client can tell.
                Redirect::temporary(&format!("http://localhost:{}/seen", address.port()))
            }),
        )
        .route(
            "/seen",
            get(async |headers: http::HeaderMap| {
                format!("{}", headers.contains_key("x-trace-info"))
            }),
        )
        .layer(ServerLayer::new(KeyRing::parse("key")));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Runs a test with each client while tracing; the records are captured.
fn with_each<F: Future<Output = ()>>(test: impl Fn(Client, SocketAddr, Capture) -> F) {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let address = serve().await;
        for client in ALL {
            eprintln_client(client);
            let profiler = Profiler::new("key", Some("base".into()), None);
            let traced = test(client, address, Capture::start());
            profiler::Fork::from(profiler).scope(traced).await;
        }
    });
}

/// Which client it was when a test fails.
#[expect(clippy::print_stderr, reason = "shown if the test fails")]
fn eprintln_client(client: Client) {
    eprintln!("{client:?}");
}

/// Start and stop info of the call.
fn infos(capture: &Capture) -> (Value, Value) {
    let records = capture.records();
    let info = |phase| {
        let mut of_point = records.iter().filter(|r| r.name == "http" && r.phase == phase);
        Value::Object(of_point.next().unwrap().info.to_map().into_iter().collect())
    };
    (info(Phase::Start), info(Phase::Stop))
}

#[test]
fn a_call_is_a_point_and_the_callee_goes_on_below_it() {
    with_each(|client, address, capture| async move {
        let url = format!("http://{address}/items?limit=1&token=hush");
        assert_eq!(client.post(&url).await, Ok(200));
        assert_eq!(capture.tree(), "http\n  wsgi\n");
        let (start, stop) = infos(&capture);
        assert_eq!(
            start["requests"],
            json!({
                "method": "POST", "query": "limit=1&token=***", "path": "/items", "size": 5,
                "hostname": "127.0.0.1", "port": address.port(), "scheme": "http",
            })
        );
        assert_eq!(stop["requests"], json!({"status_code": 200, "size": 5}));
        assert!(!format!("{:?}", capture.records()).contains("hush"));
    });
}

#[test]
fn a_status_of_5xx_is_an_error_and_4xx_is_an_answer() {
    with_each(|client, address, capture| async move {
        assert_eq!(client.post(&format!("http://{address}/broken")).await, Ok(502));
        assert_eq!(client.post(&format!("http://{address}/missing")).await, Ok(404));
        let expected = "http ! HTTP 502\n  wsgi ! HTTP 502\nhttp\n  wsgi\n";
        assert_eq!(capture.tree(), expected);
        assert_eq!(infos(&capture).1["requests"]["status_code"], 502);
    });
}

#[test]
fn a_call_that_fails_closes_its_point_with_the_error() {
    with_each(|client, _, capture| async move {
        client.post("http://127.0.0.1:1/?token=hush").await.unwrap_err();
        let stop = infos(&capture).1;
        assert!(stop["etype"].as_str().unwrap().contains("Error"), "{stop}");
        assert_eq!(stop.get("requests"), None);
        // reqwest's error shows the URL.
        assert!(!stop.to_string().contains("hush"), "{stop}");
    });
}

#[test]
fn switched_off_a_call_is_no_point_but_the_trace_goes_along() {
    with_each(|client, address, capture| async move {
        Kind::HttpClient.switch(false);
        let sent = client.post(&format!("http://{address}/items")).await;
        Kind::HttpClient.switch(true);
        assert_eq!(sent, Ok(200));
        assert_eq!(capture.tree(), "wsgi\n");
    });
}

#[test]
fn untraced_a_call_says_nothing_of_a_trace() {
    with_each(|client, address, capture| async move {
        let untraced =
            tokio::spawn(async move { client.post(&format!("http://{address}/items")).await });
        assert_eq!(untraced.await.unwrap(), Ok(200));
        assert_eq!(capture.tree(), "");
    });
}

/// As `docs/instrument/http.md` says. reqwest has no hook to take them out.
#[test]
fn a_redirect_to_another_host_takes_the_headers_along() {
    with_each(|client, address, capture| async move {
        if !matches!(client, Client::Reqwest) {
            return;
        }
        let moved = reqwest_client().get(format!("http://{address}/moved"));
        let response = moved.send_traced().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "true");
        assert_eq!(capture.tree(), "http\n  wsgi\n  wsgi\n");
    });
}
