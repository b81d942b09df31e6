//! Calls of a real tonic client to a real tonic server, of each kind.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt, stream};
use osprofiler::instrument::Kind;
use osprofiler::instrument::tonic::{Client, ClientLayer, ServerLayer};
use osprofiler::propagation::KeyRing;
use osprofiler::{Id, Phase, Profiler, Record, Trace, TraceExt, profiler};
use osprofiler_testkit::Capture;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::client::Grpc as Caller;
use tonic::server::{Grpc as Callee, NamedService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{Layer, Service, service_fn};

/// The notifier is the process's: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// How long a point may take to be closed after its answer was read.
const CLOSES_WITHIN: Duration = Duration::from_secs(10);

type Messages = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

/// A codec of texts (`google.protobuf.StringValue`).
fn codec() -> ProstCodec<String, String> {
    ProstCodec::default()
}

/// The service: what protoc would have generated, and what it does.
#[derive(Clone)]
struct Stock;

impl NamedService for Stock {
    const NAME: &'static str = "shop.Stock";
}

impl Service<http::Request<Body>> for Stock {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut callee = Callee::new(codec());
            let method = request.uri().path().trim_start_matches("/shop.Stock/").to_owned();
            Ok(match &*method {
                "Watch" => callee.server_streaming(service_fn(watch), request).await,
                "Add" => callee.client_streaming(service_fn(add), request).await,
                "Talk" => callee.streaming(service_fn(talk), request).await,
                _ => callee.unary(service_fn(count), request).await,
            })
        })
    }
}

async fn count(request: Request<String>) -> Result<Response<String>, Status> {
    let item = request.into_inner();
    tokio::task::yield_now().trace(format!("db {item}"), ()).await;
    match &*item {
        "none" => Err(Status::not_found("no such item")),
        "broken" => Err(Status::internal("the shelf broke: 100 %")),
        "slow" => pending().await,
        "panic" => panic!("a handler's panic"),
        _ => Ok(Response::new(format!("7 of {item}"))),
    }
}

async fn watch(request: Request<String>) -> Result<Response<Messages>, Status> {
    let breaks = request.into_inner() == "broken";
    let messages = stream::iter(0..3).map(move |n| {
        drop(Trace::new(format!("row {n}"), ()));
        if breaks && n == 2 { Err(Status::data_loss("row 2 is gone")) } else { Ok(n.to_string()) }
    });
    Ok(Response::new(Box::pin(messages)))
}

async fn add(request: Request<Streaming<String>>) -> Result<Response<String>, Status> {
    let mut items = request.into_inner();
    let mut count = 0;
    while let Some(item) = items.message().await? {
        drop(Trace::new(format!("add {item}"), ()));
        count += 1;
    }
    Ok(Response::new(count.to_string()))
}

async fn talk(request: Request<Streaming<String>>) -> Result<Response<Messages>, Status> {
    let answers = request.into_inner().map(|item| {
        let item = item?;
        drop(Trace::new(format!("answer {item}"), ()));
        Ok(item)
    });
    Ok(Response::new(Box::pin(answers)))
}

/// A client's channel to a server of its own.
async fn connect(keys: KeyRing) -> Caller<Client<Channel>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().layer(ServerLayer::new(keys)).add_service(Stock);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel: Channel = endpoint.connect().await.unwrap();
    Caller::new(ClientLayer.layer(channel))
}

fn path(method: &'static str) -> http::uri::PathAndQuery {
    http::uri::PathAndQuery::from_static(method)
}

async fn unary(client: &mut Caller<Client<Channel>>, item: &str) -> Result<String, Status> {
    unary_request(client, Request::new(item.to_owned())).await
}

async fn unary_request(
    client: &mut Caller<Client<Channel>>,
    request: Request<String>,
) -> Result<String, Status> {
    client.ready().await.unwrap();
    client.unary(request, path("/shop.Stock/Count"), codec()).await.map(Response::into_inner)
}

async fn server_streaming(client: &mut Caller<Client<Channel>>, item: &str) -> Streaming<String> {
    client.ready().await.unwrap();
    let request = Request::new(item.to_owned());
    let answer = client.server_streaming(request, path("/shop.Stock/Watch"), codec()).await;
    answer.unwrap().into_inner()
}

/// Runs a test with a traced client; the records are captured.
fn traced<F: Future<Output = ()>>(test: impl FnOnce(Caller<Client<Channel>>, Capture) -> F) {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let client = connect(KeyRing::parse("key")).await;
        let capture = Capture::start();
        let profiler = Profiler::new("key", Some("base".into()), None);
        profiler::Fork::from(profiler).scope(test(client, capture)).await;
    });
}

/// The records, as soon as every point is closed.
async fn settled(capture: &Capture) -> Vec<Record> {
    let end = Instant::now() + CLOSES_WITHIN;
    let count = |records: &[Record], phase| records.iter().filter(|r| r.phase == phase).count();
    loop {
        let records = capture.records();
        if count(&records, Phase::Start) == count(&records, Phase::Stop) || Instant::now() > end {
            return records;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn tree(capture: &Capture) -> String {
    osprofiler_testkit::capture::tree(&settled(capture).await)
}

/// Info of the calls' records of this phase; the caller's first at the start, last at the stop.
async fn infos(capture: &Capture, phase: Phase) -> Vec<Value> {
    let records = settled(capture).await;
    let calls = records.iter().filter(|record| record.name == "rpc" && record.phase == phase);
    calls.map(|record| Value::Object(record.info.to_map().into_iter().collect())).collect()
}

#[test]
fn a_unary_call_is_a_point_on_both_sides() {
    traced(|mut client, capture| async move {
        assert_eq!(unary(&mut client, "pears").await.unwrap(), "7 of pears");
        assert_eq!(tree(&capture).await, "rpc\n  rpc\n    db pears\n");
        let starts = infos(&capture, Phase::Start).await;
        let call = json!({"system": "grpc", "service": "shop.Stock", "method": "Count"});
        assert_eq!((&starts[0]["rpc"], &starts[1]["rpc"]), (&call, &call));
        for stop in infos(&capture, Phase::Stop).await {
            assert_eq!(stop["rpc"], json!({"status_code": 0, "status": "OK"}));
            assert_eq!(stop.get("etype"), None);
        }
    });
}

#[test]
fn a_call_answered_by_a_stream_lasts_until_its_last_message() {
    traced(|mut client, capture| async move {
        let mut rows = server_streaming(&mut client, "pears").await;
        assert_eq!(rows.message().await.unwrap().as_deref(), Some("0"));
        assert_eq!(capture.tree().lines().next(), Some("rpc ..."));
        while rows.message().await.unwrap().is_some() {}
        assert_eq!(tree(&capture).await, "rpc\n  rpc\n    row 0\n    row 1\n    row 2\n");
        assert_eq!(infos(&capture, Phase::Stop).await[1]["rpc"]["status"], "OK");
    });
}

#[test]
fn streams_of_the_caller_are_read_within_the_call() {
    traced(|mut client, capture| async move {
        client.ready().await.unwrap();
        let items = Request::new(stream::iter(["a".to_owned(), "b".to_owned()]));
        let count = client.client_streaming(items, path("/shop.Stock/Add"), codec()).await;
        assert_eq!(count.unwrap().into_inner(), "2");
        assert_eq!(tree(&capture).await, "rpc\n  rpc\n    add a\n    add b\n");
    });
}

#[test]
fn streams_of_both_are_within_the_call() {
    traced(|mut client, capture| async move {
        client.ready().await.unwrap();
        let items = Request::new(stream::iter(["a".to_owned(), "b".to_owned()]));
        let answer = client.streaming(items, path("/shop.Stock/Talk"), codec()).await;
        let answers: Vec<String> = answer.unwrap().into_inner().map(Result::unwrap).collect().await;
        assert_eq!(answers, ["a", "b"]);
        assert_eq!(tree(&capture).await, "rpc\n  rpc\n    answer a\n    answer b\n");
    });
}

#[test]
fn a_failure_of_the_callee_is_an_error_and_a_refusal_is_an_answer() {
    traced(|mut client, capture| async move {
        assert_eq!(unary(&mut client, "none").await.unwrap_err().code(), Code::NotFound);
        assert_eq!(tree(&capture).await, "rpc\n  rpc\n    db none\n");
        for stop in infos(&capture, Phase::Stop).await {
            assert_eq!(stop["rpc"], json!({"status_code": 5, "status": "NOT_FOUND"}));
        }
        let _ = capture.take();
        assert_eq!(unary(&mut client, "broken").await.unwrap_err().code(), Code::Internal);
        let failed = "rpc ! gRPC INTERNAL\n  rpc ! gRPC INTERNAL\n    db broken\n";
        assert_eq!(tree(&capture).await, failed);
        for stop in infos(&capture, Phase::Stop).await {
            assert_eq!(stop["message"], "the shelf broke: 100 %");
        }
    });
}

#[test]
fn a_stream_that_fails_midway_is_an_error_with_what_came_before() {
    traced(|mut client, capture| async move {
        let mut rows = server_streaming(&mut client, "broken").await;
        while let Ok(Some(_)) = rows.message().await {}
        drop(rows);
        let tree = tree(&capture).await;
        let rows = "    row 0\n    row 1\n    row 2\n";
        assert_eq!(tree, format!("rpc ! gRPC DATA_LOSS\n  rpc ! gRPC DATA_LOSS\n{rows}"));
    });
}

#[test]
fn a_panic_of_the_callee_closes_both_points() {
    traced(|mut client, capture| async move {
        unary(&mut client, "panic").await.unwrap_err();
        let tree = tree(&capture).await;
        assert!(tree.ends_with("\n  rpc ! panic\n    db panic\n"), "{tree}");
        assert!(tree.starts_with("rpc ! "), "{tree}");
    });
}

#[test]
fn a_caller_that_goes_away_closes_both_points() {
    traced(|mut client, capture| async move {
        let call = unary(&mut client, "slow");
        tokio::time::timeout(Duration::from_millis(100), call).await.unwrap_err();
        assert_eq!(tree(&capture).await, "rpc\n  rpc\n    db slow\n");
        for stop in infos(&capture, Phase::Stop).await {
            assert_eq!(stop["cancelled"], true, "{stop}");
        }
    });
}

#[test]
fn a_stream_that_is_not_read_to_its_end_closes_both_points() {
    traced(|mut client, capture| async move {
        let mut rows = server_streaming(&mut client, "pears").await;
        rows.message().await.unwrap();
        drop(rows);
        // The callee may have sent all before it heard of it.
        let tree = tree(&capture).await;
        assert!(tree.starts_with("rpc\n  rpc\n    row 0\n") && !tree.contains("..."), "{tree}");
    });
}

#[test]
fn a_deadline_closes_both_points() {
    traced(|mut client, capture| async move {
        let mut request = Request::new("slow".to_owned());
        request.set_timeout(Duration::from_millis(100));
        unary_request(&mut client, request).await.unwrap_err();
        // tonic's client and its server both watch the time, and either may be first.
        let tree = tree(&capture).await;
        assert!(tree.contains("\n  rpc") && tree.ends_with("\n    db slow\n"), "{tree}");
        assert!(!tree.contains("..."), "{tree}");
        for stop in infos(&capture, Phase::Stop).await {
            let gave_up = stop["etype"] == "tonic::transport::error::Error";
            let was_told = stop["cancelled"] == true || stop["rpc"]["status"] == "CANCELLED";
            assert!(gave_up || was_told, "{stop}");
        }
    });
}

#[test]
fn a_callee_that_is_not_there_is_an_error() {
    traced(|_, capture| async move {
        let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
        let mut client = Caller::new(ClientLayer.layer(channel));
        assert!(client.ready().await.is_err() || unary(&mut client, "pears").await.is_err());
        let stops = infos(&capture, Phase::Stop).await;
        assert!(stops.iter().all(|stop| stop["etype"].is_string()), "{stops:?}");
    });
}

#[test]
fn switched_off_a_call_is_no_point_but_the_trace_goes_along() {
    traced(|mut client, capture| async move {
        Kind::Rpc.switch(false);
        let answer = unary(&mut client, "pears").await;
        Kind::Rpc.switch(true);
        assert_eq!(answer.unwrap(), "7 of pears");
        assert_eq!(tree(&capture).await, "rpc\n  db pears\n");
    });
}

#[test]
fn a_call_signed_with_another_key_is_served_untraced() {
    traced(|mut client, capture| async move {
        let other = Profiler::new("another key", None, None);
        let call = profiler::Fork::from(other).scope(unary(&mut client, "pears"));
        assert_eq!(call.await.unwrap(), "7 of pears");
        assert_eq!(tree(&capture).await, "rpc\n");
    });
}

#[test]
fn an_untraced_call_passes_untouched() {
    traced(|mut client, capture| async move {
        let call = async move { unary(&mut client, "pears").await };
        assert_eq!(tokio::spawn(call).await.unwrap().unwrap(), "7 of pears");
        assert_eq!(tree(&capture).await, "");
    });
}

#[test]
fn a_hundred_calls_over_one_connection_do_not_mix() {
    traced(|client, capture| async move {
        let calls = (0..100).map(|n| {
            let mut client = client.clone();
            let profiler = Profiler::new("key", Some(format!("base {n}").into()), None);
            tokio::spawn(profiler::Fork::from(profiler).scope(async move {
                unary(&mut client, &n.to_string()).await.unwrap();
            }))
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
        let records = settled(&capture).await;
        for n in 0..100 {
            let base = Id::from(format!("base {n}"));
            let own: Vec<Record> = records.iter().filter(|r| r.base_id == base).cloned().collect();
            let expected = format!("rpc\n  rpc\n    db {n}\n");
            assert_eq!(osprofiler_testkit::capture::tree(&own), expected);
        }
    });
}
