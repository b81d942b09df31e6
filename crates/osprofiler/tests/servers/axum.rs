use std::net::TcpListener;

use ::tower::Layer;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Router, ServiceExt};
use futures_util::stream;
use osprofiler::instrument::axum::{RouteLayer, ServerLayer};
use osprofiler::instrument::tower;
use osprofiler::propagation::KeyRing;
use osprofiler_testkit::servers::{self, Abilities, routes};

use crate::in_background;

pub(crate) fn router() -> Router {
    Router::new()
        .route("/items/{id}", get(|Path(id): Path<String>| async move { routes::item(&id).await }))
        .route("/broken", get(async || StatusCode::SERVICE_UNAVAILABLE))
        .route("/panics", get(routes::panics))
        .route("/waits", get(routes::waits))
        .route(
            "/rows",
            get(async || Body::from_stream(stream::iter(routes::rows().map(Ok::<_, String>)))),
        )
        .route("/fails", get(async || Body::from_stream(stream::iter([Ok("row"), Err("broken")]))))
        .route("/upload", post(async |body: Bytes| body.len().to_string()))
}

async fn serve<S>(listener: TcpListener, app: S)
where
    S: ::tower::Service<Request, Response = Response, Error = std::convert::Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    axum::serve(listener, app.into_make_service()).await.unwrap();
}

#[test]
fn a_layer_of_a_router_passes_the_suite() {
    let keys = KeyRing::default();
    let app = router().layer(ServerLayer::new(keys.clone()).send_trace_id());
    let address = in_background(|listener| serve(listener, app));
    let outcome = servers::run(address, &keys, Abilities::default());
    assert!(outcome.skipped.is_empty(), "{:?}", outcome.skipped);
}

#[test]
fn a_layer_around_a_router_passes_the_suite() {
    let keys = KeyRing::default();
    let layer = ServerLayer::new(keys.clone()).send_trace_id();
    let app = layer.layer(router().route_layer(RouteLayer));
    let address = in_background(|listener| serve(listener, app));
    let outcome = servers::run(address, &keys, Abilities::default());
    assert!(outcome.skipped.is_empty(), "{:?}", outcome.skipped);
}

#[test]
fn the_layer_of_any_tower_server_serves_axum_as_well() {
    let keys = KeyRing::default();
    let app = router().layer(tower::ServerLayer::new(keys.clone()).send_trace_id());
    let address = in_background(|listener| serve(listener, app));
    servers::run(address, &keys, Abilities::default());
}
