//! `GET /about`: what this is, and what its back end can do.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Api;

pub(super) async fn about(State(api): State<Api>) -> Json<Value> {
    let can = api.store.driver.capabilities;
    Json(json!({
        "name": "osprofiler",
        "version": env!("CARGO_PKG_VERSION"),
        "api": 1,
        // Its secrets are masked.
        "connection_string": api.store.connection.to_string(),
        "capabilities": {
            "list": can.list,
            "delete": can.delete,
            "exact": can.exact,
            "immediate": can.immediate,
        },
    }))
}
