use std::convert::Infallible;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use futures_util::stream;
use osprofiler::instrument::actix_web::ServerMiddleware;
use osprofiler::propagation::KeyRing;
use osprofiler_testkit::servers::{self, Abilities, routes};

use crate::in_background;

fn configure(config: &mut web::ServiceConfig) {
    let item = async |id: web::Path<String>| routes::item(&id).await;
    config
        .route("/items/{id}", web::get().to(item))
        .route("/items/{id}", web::head().to(item))
        .route(
            "/broken",
            web::get().to(async || HttpResponse::new(StatusCode::SERVICE_UNAVAILABLE)),
        )
        .route(
            "/panics",
            web::get().to(async || {
                routes::panics().await;
                HttpResponse::Ok().finish()
            }),
        )
        .route(
            "/waits",
            web::get().to(async || {
                routes::waits().await;
                HttpResponse::Ok().finish()
            }),
        )
        .route(
            "/rows",
            web::get().to(async || {
                let rows = routes::rows().map(|row| Ok::<_, Infallible>(Bytes::from(row)));
                HttpResponse::Ok().streaming(stream::iter(rows))
            }),
        )
        .route(
            "/fails",
            web::get().to(async || {
                let rows = [Ok(Bytes::from("row")), Err(std::io::Error::other("broken"))];
                HttpResponse::Ok().streaming(stream::iter(rows))
            }),
        )
        .route("/upload", web::post().to(async |body: Bytes| body.len().to_string()));
}

#[test]
fn an_actix_web_server_passes_the_suite() {
    let keys = KeyRing::default();
    let middleware = ServerMiddleware::new(keys.clone()).send_trace_id();
    let address = in_background(move |listener| async move {
        let server =
            HttpServer::new(move || App::new().wrap(middleware.clone()).configure(configure));
        // Else a client that goes away may still be reading.
        let server = server.h1_allow_half_closed(false);
        server.workers(2).disable_signals().listen(listener).unwrap().run().await.unwrap();
    });
    let outcome = servers::run(address, &keys, Abilities::default());
    assert!(outcome.skipped.is_empty(), "{:?}", outcome.skipped);
}
