//! Servers and clients: headers in, headers out, and the points of both.

use std::collections::BTreeSet;
use std::sync::Mutex;

use axum::http::StatusCode;
use axum::routing::{any, get};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use osprofiler::instrument::Kind;
use osprofiler::instrument::reqwest::SendTraced;
use osprofiler::instrument::tower::{ClientLayer, ServerLayer};
use osprofiler::propagation::{self, KeyRing};
use osprofiler::{Id, Phase, Profiler, Record, Trace, TraceExt, profiler};
use osprofiler_testkit::Capture;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
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

/// Sends a request byte for byte; gives the status of the response.
async fn send_raw(address: &str, head: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has read enough may answer, and close, before all is sent.
    let _ = stream.write_all(head).await;
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response).await;
    let text = String::from_utf8_lossy(&response);
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

fn header_bytes(value: &Value) -> Vec<u8> {
    let decode = |text: &Value| STANDARD.decode(text.as_str().unwrap()).unwrap();
    match value {
        Value::Array(pieces) => pieces
            .iter()
            .flat_map(|piece| {
                let times = usize::try_from(piece[1].as_u64().unwrap()).unwrap();
                decode(&piece[0]).repeat(times)
            })
            .collect(),
        text => decode(text),
    }
}

/// What became of a request, in the words of the vectors.
fn outcome(records: &[Record], expected: &Value) -> Value {
    let Some(start) = records.first() else {
        return serde_json::json!({"traced": false, "base_id": null, "parent_id": null});
    };
    assert_eq!(start.name, "wsgi");
    let named = |id: &Id, expected: &Value| {
        let text = id.to_string();
        match expected.as_str() {
            Some("(new)") if id.uuid_bytes().is_some() => "(new)".to_owned(),
            Some("(base_id)") if *id == start.base_id => "(base_id)".to_owned(),
            Some("(large)") if text.len() > 2000 => "(large)".to_owned(),
            _ => text,
        }
    };
    serde_json::json!({
        "traced": true,
        "base_id": named(&start.base_id, &expected["base_id"]),
        "parent_id": named(&start.parent_id, &expected["parent_id"]),
    })
}

#[test]
fn adversarial_headers_come_out_as_stated() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../../tests/data/golden/headers-adversarial.json"))
            .unwrap();
    assert!(cases.len() > 30);
    captured(|capture| async move {
        let keys = KeyRing::default();
        let address = serve(Router::new().route("/{*path}", any(|| async {})), &keys).await;
        for case in cases.iter().filter(|case| case["http"] == true) {
            let name = case["name"].as_str().unwrap();
            keys.replace(case["hmac_keys"].as_str().unwrap());
            let mut head = b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".to_vec();
            for header in case["headers"].as_array().unwrap() {
                head.extend(header[0].as_str().unwrap().as_bytes());
                head.extend(b": ");
                head.extend(header_bytes(&header[1]));
                head.extend(b"\r\n");
            }
            head.extend(b"\r\n");

            let status = send_raw(&address, &head).await;
            let records = capture.take();
            let allowed = case["statuses"].as_array().unwrap();
            assert!(allowed.contains(&status.into()), "{name}: status {status}");
            if case["grade"] == "must" {
                let expected = &case["expected"];
                assert_eq!(outcome(&records, expected), *expected, "{name}: {}", case["why"]);
            }
            if let Some(never) = case["never_base_id"].as_str() {
                assert!(records.iter().all(|record| record.base_id != Id::from(never)), "{name}");
            }
        }
    });
}

#[test]
fn a_signed_request_becomes_a_point_with_request_and_status() {
    captured(|capture| async move {
        let keys = KeyRing::parse("old key, key");
        let app = Router::new().route(
            "/v3/{id}",
            get(|| async {
                drop(Trace::new("db", ()));
                tokio::task::yield_now().await;
                tokio::spawn(async { drop(Trace::new("task", ())) }.in_profiler()).await.unwrap();
                StatusCode::NOT_FOUND
            }),
        );
        let address = serve(app, &keys).await;
        let profiler = Profiler::new("key", Some("base".into()), Some("caller".into()));
        let mut headers = Vec::<(String, String)>::new();
        {
            let _attached = profiler.attach();
            propagation::inject(&mut headers);
        }
        let mut request = client().get(format!("http://{address}/v3/7?limit=1&all"));
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        assert_eq!(request.send().await.unwrap().status(), StatusCode::NOT_FOUND);
        assert_eq!(
            client().get(format!("http://{address}/v3/8")).send().await.unwrap().status(),
            404
        );

        assert_eq!(capture.tree(), "wsgi\n  db\n  task\n");
        let records = capture.records();
        let (start, stop) = (&records[0], records.last().unwrap());
        assert_eq!((&start.base_id, &start.parent_id), (&"base".into(), &"caller".into()));
        assert_eq!(
            start.info.to_json(),
            r#"{"request":{"path":"/v3/7","query":"limit=1&all","method":"GET","scheme":"http"}}"#
        );
        assert_eq!((stop.phase, &stop.trace_id), (Phase::Stop, &start.trace_id));
        assert_eq!(stop.info.to_json(), r#"{"response":{"status_code":404}}"#);
    });
}

#[test]
fn the_layer_serves_plain_hyper_as_well() {
    captured(|capture| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/plain", listener.local_addr().unwrap());
        let hello = tower::service_fn(|_: axum::http::Request<hyper::body::Incoming>| async {
            drop(Trace::new("work", ()));
            Ok::<_, std::convert::Infallible>(axum::http::Response::new("hello".to_owned()))
        });
        let service = ServerLayer::new(KeyRing::parse("key")).layer(hello);
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            hyper::server::conn::http1::Builder::new()
                .serve_connection(
                    hyper_util::rt::TokioIo::new(stream),
                    hyper_util::service::TowerToHyperService::new(service),
                )
                .await
        });
        let profiler = Profiler::new("key", None, None);
        let call = async { client().get(url).send_traced().await.unwrap() };
        let response = profiler::Fork::from(profiler).scope(call).await;
        assert_eq!(response.text().await.unwrap(), "hello");
        assert_eq!(capture.tree(), "http\n  wsgi\n    work\n");
    });
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
        assert_eq!(answer, r#"{"requests":{"status_code":200}}"#);
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
        let server = ServerLayer::new(keys).layer(tower::service_fn(
            |request: axum::http::Request<String>| async move {
                drop(Trace::new(request.into_body(), ()));
                Ok::<_, std::io::Error>(axum::http::Response::new(()))
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
fn switched_off_at_run_time_a_signed_request_passes_untouched() {
    captured(|capture| async move {
        let keys = KeyRing::parse("key");
        let address = serve(hop(None), &keys).await;
        let signed = Profiler::new("key", None, None).sign();
        let call = || async {
            client()
                .get(format!("http://{address}/"))
                .header(propagation::TRACE_INFO_HEADER, &signed.info)
                .header(propagation::TRACE_HMAC_HEADER, &signed.hmac)
                .send()
                .await
                .unwrap();
        };
        profiler::disable();
        call().await;
        assert!(capture.records().is_empty());
        profiler::enable();
        call().await;
        assert_eq!(capture.tree(), "wsgi\n");
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
