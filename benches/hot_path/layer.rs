//! A request without our headers through the layer of an axum service, in process.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::{Router, routing::get};
use osprofiler::instrument::axum::ServerLayer;
use osprofiler::propagation::KeyRing;
use osprofiler_benches::{Bench, Runner};
use tower::layer::util::Identity;
use tower::{Layer as _, Service};

const NONE: &str = "no layer";
const OURS: &str = "ours around the router";

const AT_ONCE: usize = 64;

/// Nanoseconds that the layer may cost.
const GOAL: f64 = 25.0;

pub(crate) fn run(bench: &mut Bench) {
    let layer = ServerLayer::new(KeyRing::parse("SECRET_KEY"));
    let table = bench.race(
        "layer: a request without header, in process",
        &mut [
            serve(NONE, router()),
            serve(OURS, layer.layer(router())),
            // axum boxes what is added this way, whatever it is.
            serve("nothing, by Router::layer", router().layer(Identity::new())),
            serve("ours, by Router::layer", router().layer(layer.clone())),
        ],
    );
    let over = table.median(OURS, "ns") - table.median(NONE, "ns");
    bench.bar("layer_without_header", over, GOAL, 1.0);
}

fn router() -> Router {
    Router::new().route("/", get(async || "hello"))
}

fn serve<'a, S>(name: &str, mut service: S) -> Runner<'a>
where
    S: Service<Request, Response = Response> + 'a,
{
    Runner::timed(name, move |count| {
        let mut took = Duration::ZERO;
        // Requests are made beforehand, few enough to stay in the cache.
        for first in (0..count).step_by(AT_ONCE) {
            let requests: Vec<_> = (first..count).take(AT_ONCE).map(|_| request()).collect();
            let start = Instant::now();
            requests.into_iter().for_each(|request| handle(&mut service, request));
            took += start.elapsed();
        }
        took
    })
}

fn handle(service: &mut impl Service<Request, Response = Response>, request: Request) {
    let future = service.call(black_box(request));
    let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Ok(response)) = polled else { panic!("the handler waits for nothing") };
    assert_eq!(black_box(response).status(), 200);
}

/// With as many headers as a browser or another service sends.
fn request() -> Request {
    Request::get("/")
        .header("host", "shop.example")
        .header("user-agent", "bench")
        .header("accept", "*/*")
        .header("accept-encoding", "gzip")
        .header("x-request-id", "7d28af6a79ae40f38a562a6e1c8f1e0c")
        .body(Body::empty())
        .expect("a request")
}
