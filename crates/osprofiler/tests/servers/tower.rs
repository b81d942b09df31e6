//! Plain hyper, through tower's layer.

use std::convert::Infallible;
use std::net::TcpListener;

use ::tower::{Layer, service_fn};
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use osprofiler::instrument::tower::{Route, ServerLayer};
use osprofiler::propagation::KeyRing;
use osprofiler_testkit::servers::{self, Abilities, routes};

use crate::in_background;

type Body = UnsyncBoxBody<Bytes, String>;

fn full(text: String) -> Response<Body> {
    let full = Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {});
    Response::new(full.boxed_unsync())
}

fn chunks<I>(chunks: I) -> Response<Body>
where
    I: IntoIterator<Item = Result<String, String>>,
    I::IntoIter: Send + 'static,
{
    let frames = chunks.into_iter().map(|chunk| chunk.map(|text| Frame::data(Bytes::from(text))));
    Response::new(StreamBody::new(stream::iter(frames)).boxed_unsync())
}

async fn answer(request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let mut response = match (request.method(), &*path) {
        (&Method::POST, "/upload") => {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            full(body.len().to_string())
        }
        (_, "/panics") => {
            routes::panics().await;
            full(String::new())
        }
        (_, "/waits") => {
            routes::waits().await;
            full(String::new())
        }
        (_, "/rows") => chunks(routes::rows().map(Ok)),
        (_, "/fails") => chunks([Ok("row".to_owned()), Err("broken".to_owned())]),
        (_, path) => match path.strip_prefix("/items/") {
            Some(id) => full(routes::item(id).await),
            None => full(String::new()),
        },
    };
    match &*path {
        "/broken" => *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
        "/nowhere" => *response.status_mut() = StatusCode::NOT_FOUND,
        path if path.starts_with("/items/") => {
            response.extensions_mut().insert(Route::new("/items/{id}"));
        }
        _ => {}
    }
    response
}

async fn serve(listener: TcpListener, layer: ServerLayer) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let service = service_fn(async |request| Ok::<_, Infallible>(answer(request).await));
    let service = TowerToHyperService::new(layer.layer(service));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that goes away is none of the server's business.
            drop(server.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

#[test]
fn plain_hyper_passes_the_suite() {
    let keys = KeyRing::default();
    let layer = ServerLayer::new(keys.clone()).send_trace_id();
    let address = in_background(|listener| serve(listener, layer));
    let outcome = servers::run(address, &keys, Abilities::default());
    assert!(outcome.skipped.is_empty(), "{:?}", outcome.skipped);
}
