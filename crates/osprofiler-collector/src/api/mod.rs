//! The API, version 1: `docs/api.md`.

mod about;
mod events;
mod list;
mod points;
mod records;
mod trace;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::routing::{get, post};
use osprofiler_wire::Timestamp;
use tokio::sync::{Semaphore, watch};

use crate::error::ApiError;
use crate::store::Store;

/// What requests are answered from.
#[derive(Clone)]
pub(crate) struct Api {
    store: Arc<Store>,
    /// Turns to true when the server is about to end.
    ending: watch::Receiver<bool>,
    /// Those who may still be told live.
    watchers: Arc<Semaphore>,
    /// Files that may still be sent.
    files: Arc<Semaphore>,
}

impl Api {
    pub(crate) fn new(store: Arc<Store>, ending: watch::Receiver<bool>) -> Self {
        Self {
            store,
            ending,
            watchers: Arc::new(Semaphore::new(events::MAX_WATCHERS)),
            files: Arc::new(Semaphore::new(view::MAX_FILES)),
        }
    }
}

pub(crate) fn router(api: Api) -> Router {
    Router::new()
        .route("/about", get(about::about))
        .route("/traces", get(list::list))
        .route("/traces/events", get(events::of_list))
        .route("/traces/{id}", get(trace::trace))
        .route("/traces/{id}/events", get(events::of_trace))
        .route("/traces/{id}/records", get(records::records))
        .route("/traces/{id}/points/{point}", get(points::point))
        .route("/traces/{id}/points/{point}/subtree", get(points::subtree))
        .route("/view", post(view::view))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .with_state(api)
}

async fn nothing_here() -> ApiError {
    ApiError::not_found("nothing is at this path; `docs/api.md` says what is where")
}

async fn wrong_method() -> ApiError {
    let message = "this path does not know this method; `docs/api.md` says what is where";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

fn bad_query(rejection: QueryRejection) -> ApiError {
    ApiError::bad_request(rejection.body_text())
}

fn instant(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    Timestamp::parse(text).map(Some).ok_or_else(|| {
        ApiError::bad_request(format!(
            "`{name}` is `{text}`, expected UTC like `2016-04-18T17:42:10.774321`"
        ))
    })
}
