//! From server to server: headers in, headers out, and the points of both. What each server records
//! is in `servers`.

use std::collections::BTreeSet;
use std::sync::Mutex;

use axum::routing::get;
use axum::{Json, Router};
use osprofiler::instrument::Kind;
use osprofiler::instrument::axum::ServerLayer;
use osprofiler::instrument::reqwest::SendTraced;
use osprofiler::instrument::tower::{self as layers, ClientLayer};
use osprofiler::propagation::KeyRing;
use osprofiler::{Id, Profiler, Record, Trace, TraceExt, profiler};
use osprofiler_testkit::Capture;
use serde_json::Value;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};

/// The notifier is the process's: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a test on a runtime with two workers, with the records captured.
fn captured<F: Future<Output = ()>>(test: impl FnOnce(Capture) -> F) {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test(Capture::start()));
}

/// Serves `app` with our layer; gives its address.
async fn serve(app: Router, keys: &KeyRing) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let app = app.layer(ServerLayer::new(keys.clone()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A client. The whole workspace built at once has a reqwest that wants to know whose TLS to use.
fn client() -> reqwest::Client {
    // Fails only if one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// A service that answers with the ids of its trace, and calls another one if there is one.
fn hop(next: Option<String>) -> Router {
    Router::new().route(
        "/",
        get(move || async move {
            if let Some(next) = next {
                let url = format!("http://{next}/?hop=1");
                client().get(url).send_traced().await.unwrap();
            }
            Json(profiler::get().map(|profiler| profiler.hmac_key().expose().to_owned()))
        }),
    )
}

#[test]
fn a_trace_goes_from_service_to_service_with_the_key_that_matched() {
    captured(|capture| async move {
        let keys = KeyRing::parse("new,old");
        let back = serve(hop(None), &keys).await;
        let front = serve(hop(Some(back)), &keys).await;
        let profiler = Profiler::new("old", Some("base".into()), None);
        let url = format!("http://{front}/");
        let response = profiler::Fork::from(profiler)
            .scope(async { client().get(url).send_traced().await.unwrap() })
            .await;
        assert_eq!(response.json::<Value>().await.unwrap(), "old");

        assert_eq!(capture.tree(), "http\n  wsgi\n    http\n      wsgi\n");
        let records = capture.records();
        let bases: BTreeSet<String> = records.iter().map(|r| r.base_id.to_string()).collect();
        assert_eq!(bases, BTreeSet::from(["base".to_owned()]));
        let call = records[2].info.to_map()["requests"].clone();
        assert_eq!((&call["hostname"], &call["query"]), (&"127.0.0.1".into(), &"hop=1".into()));
        let answer = records.last().unwrap().info.to_json();
        assert_eq!(answer, r#"{"requests":{"status_code":200,"size":5}}"#);
    });
}

#[test]
fn a_failed_call_closes_its_point_with_the_error() {
    captured(|capture| async move {
        let profiler = Profiler::new("key", None, None);
        profiler::Fork::from(profiler)
            .scope(async {
                let call = client().get("http://127.0.0.1:1/").send_traced();
                assert!(call.await.is_err());
                drop(Trace::new("next", ()));
            })
            .await;
        assert_eq!(capture.tree(), "http ! reqwest::error::Error\nnext\n");
    });
}

#[test]
fn without_points_for_clients_the_headers_are_sent_all_the_same() {
    captured(|capture| async move {
        Kind::HttpClient.switch(false);
        let keys = KeyRing::parse("key");
        let back = serve(hop(None), &keys).await;
        let front = serve(hop(Some(back)), &keys).await;
        let profiler = Profiler::new("key", None, None);
        let url = format!("http://{front}/");
        profiler::Fork::from(profiler)
            .scope(async { client().get(url).send_traced().await.unwrap() })
            .await;
        Kind::HttpClient.switch(true);
        assert_eq!(capture.tree(), "wsgi\n  wsgi\n");
    });
}

#[test]
fn any_tower_client_carries_the_trace() {
    captured(|capture| async move {
        let keys = KeyRing::parse("key");
        let server = layers::ServerLayer::new(keys).layer(tower::service_fn(
            |request: axum::http::Request<String>| async move {
                drop(Trace::new(request.into_body(), ()));
                Ok::<_, std::io::Error>(axum::http::Response::new(String::new()))
            },
        ));
        let client = ClientLayer.layer(server);
        let request = || {
            axum::http::Request::get("https://shop.example:8443/a?b")
                .body("work".to_owned())
                .unwrap()
        };
        client.clone().oneshot(request()).await.unwrap();
        assert!(capture.records().is_empty());
        let profiler = Profiler::new("key", None, None);
        let call = async { client.oneshot(request()).await.unwrap() };
        profiler::Fork::from(profiler).scope(call).await;
        assert_eq!(capture.tree(), "https\n  wsgi\n    work\n");
        assert_eq!(
            capture.records()[0].info.to_json(),
            concat!(
                r#"{"requests":{"method":"GET","query":"b","path":"/a","#,
                r#""hostname":"shop.example","port":8443,"scheme":"https"}}"#
            )
        );
    });
}

#[test]
fn points_of_concurrent_requests_do_not_mix() {
    captured(|capture| async move {
        let keys = KeyRing::parse("key");
        let app = Router::new().route(
            "/{id}",
            get(|axum::extract::Path(id): axum::extract::Path<String>| async move {
                for _ in 0..3 {
                    tokio::task::yield_now().trace(format!("work {id}"), ()).await;
                    tokio::join!(
                        async { tokio::task::yield_now().await }.trace(format!("left {id}"), ()),
                        async { tokio::task::yield_now().await }.trace(format!("right {id}"), ()),
                    );
                }
            }),
        );
        let address = serve(app, &keys).await;
        let calls: Vec<_> = (0..100)
            .map(|n| {
                let url = format!("http://{address}/{n}");
                let profiler = Profiler::new("key", Some(format!("base {n}").into()), None);
                tokio::spawn(profiler::Fork::from(profiler).scope(async move {
                    client().get(url).send_traced().await.unwrap();
                }))
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        let records = capture.records();
        for n in 0..100 {
            let base = Id::from(format!("base {n}"));
            let own: Vec<Record> =
                records.iter().filter(|record| record.base_id == base).cloned().collect();
            let works = format!("    work {n}\n    left {n}\n    right {n}\n").repeat(3);
            assert_eq!(osprofiler_testkit::capture::tree(&own), format!("http\n  wsgi\n{works}"));
        }
    });
}
