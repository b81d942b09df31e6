//! `POST /view`: a file, shown without being stored.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use osprofiler_report::{ReportBuilder, source};
use tokio_stream::StreamExt as _;

use super::trace::{How, answer};
use super::{Api, bad_query};
use crate::cache::Loaded;
use crate::error::ApiError;

/// Files that are in memory at once.
pub(super) const MAX_FILES: usize = 2;
/// Their size, in bytes.
const MAX_SIZE: usize = 256 << 20;
/// Whoever sends nothing for so long does not keep others waiting.
const MAX_SILENCE: Duration = Duration::from_secs(10);

pub(super) async fn view(
    State(api): State<Api>,
    how: Result<Query<How>, QueryRejection>,
    body: Body,
) -> Result<Response, ApiError> {
    let Query(mut how) = how.map_err(bad_query)?;
    // Nobody closes it.
    let _turn = api.files.acquire().await;
    let parts = body.into_data_stream().timeout(MAX_SILENCE);
    let body = Body::from_stream(parts.map(|part| part.map_err(axum::Error::new)?));
    let file = to_bytes(body, MAX_SIZE).await.map_err(|error| {
        let message = format!(
            "the file is larger than {} MiB, or broke off; `osprofiler trace show FILE --html` takes any \
             size ({error})",
            MAX_SIZE >> 20
        );
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    })?;
    let read = tokio::task::spawn_blocking(move || read(&String::from_utf8_lossy(&file)));
    let loaded = read.await.map_err(|_| ApiError::internal("the file cannot be read"))??;
    // Nothing of it can be asked for later.
    how.records.get_or_insert(true);
    answer(Arc::new(loaded), how).await
}

fn read(text: &str) -> Result<Loaded, ApiError> {
    let mut builder = ReportBuilder::new();
    let mut first_bad = None;
    source::records(text, &mut |line, json| {
        if let Err(error) = builder.add(json) {
            first_bad.get_or_insert_with(|| format!("line {line}: {error}"));
        }
    })
    .map_err(|error| ApiError::bad_request(error.to_string()))?;
    let report = builder.finish();
    match first_bad {
        Some(bad) if report.is_empty() => Err(ApiError::bad_request(bad)),
        bad => {
            let incomplete = bad.map(|bad| format!("{bad}; shown without it"));
            Ok(Loaded { report, incomplete, asked_at: Instant::now(), bytes: text.len() })
        }
    }
}
