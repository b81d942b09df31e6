//! `GET /traces/ID`: one trace, in one of its formats.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use osprofiler_report::Report;
use osprofiler_report::columns::{ColumnsOptions, write_columns};
use osprofiler_report::export::Format;
use osprofiler_wire::Id;
use serde::Deserialize;

use super::points::find;
use super::{Api, bad_query};
use crate::cache::Loaded;
use crate::error::ApiError;

/// A trace that was read so long ago is read again when somebody asks for it.
const FRESH: Duration = Duration::from_secs(1);

/// What of a trace, and in which format.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    format: Option<String>,
    /// Of columns: whether the records go along.
    pub(super) records: Option<bool>,
    /// Of columns: so many points, those of the upper levels first.
    max_points: Option<usize>,
}

pub(super) async fn trace(
    State(api): State<Api>,
    Path(id): Path<String>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(how) = how.map_err(bad_query)?;
    let loaded = api.store.trace(&Id::from(id), FRESH).await?;
    answer(loaded, how).await
}

/// A report, as it was asked for.
pub(super) async fn answer(loaded: Arc<Loaded>, how: How) -> Result<Response, ApiError> {
    match how.format.as_deref() {
        None | Some("columns") => columns(loaded, None, how).await,
        Some(format) => exported(loaded, format.parse().map_err(unknown_format)?).await,
    }
}

fn unknown_format(error: String) -> ApiError {
    ApiError::bad_request(format!("{error}, columns"))
}

/// A report, or what is below one of its points, as columns.
pub(super) async fn columns(
    loaded: Arc<Loaded>,
    below: Option<Id>,
    how: How,
) -> Result<Response, ApiError> {
    written(loaded, COLUMNS, move |report, out| {
        let mut options = ColumnsOptions::default();
        options.records = how.records.unwrap_or(false);
        options.max_points = how.max_points.unwrap_or(usize::MAX);
        options.below = below.map(|id| find(report, &id)).transpose()?;
        write_columns(report, &options, out).map_err(cannot_write)
    })
    .await
}

const COLUMNS: [(HeaderName, HeaderValue); 1] =
    [(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))];

/// A report in a format, as a file to save.
async fn exported(loaded: Arc<Loaded>, format: Format) -> Result<Response, ApiError> {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.media_type())),
        (header::CONTENT_DISPOSITION, file_name(&loaded, format)),
    ];
    written(loaded, headers, move |report, out| format.write(report, out).map_err(cannot_write))
        .await
}

fn cannot_write(error: io::Error) -> ApiError {
    ApiError::internal(format!("the trace cannot be written: {error}"))
}

/// What is written of a report, on a thread that may take its time.
async fn written<const N: usize>(
    loaded: Arc<Loaded>,
    headers: [(HeaderName, HeaderValue); N],
    write: impl FnOnce(&Report, &mut Vec<u8>) -> Result<(), ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let incomplete = loaded.incomplete.clone();
    let written = tokio::task::spawn_blocking(move || {
        let mut out = Vec::new();
        write(&loaded.report, &mut out).map(|()| out)
    });
    let out = written.await.map_err(|_| ApiError::internal("the trace cannot be written"))??;
    let mut response = (headers, Body::from(out)).into_response();
    tell_incomplete(&mut response, incomplete.as_deref());
    Ok(response)
}

/// Says that the back end failed in the middle of a trace.
fn tell_incomplete(response: &mut Response, why: Option<&str>) {
    const NAME: HeaderName = HeaderName::from_static("osprofiler-incomplete");
    let visible = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    if let Some(why) = why {
        let why: String = why.chars().map(visible).collect();
        let why = HeaderValue::try_from(why);
        response.headers_mut().insert(NAME, why.unwrap_or(HeaderValue::from_static("incomplete")));
    }
}

/// A file named after the trace, as far as its id has what a name may have.
fn file_name(loaded: &Loaded, format: Format) -> HeaderValue {
    let id = loaded.report.base_id().map(ToString::to_string).unwrap_or_default();
    let plain = id.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c));
    let plain: String = plain.take(64).collect();
    let value = format!("attachment; filename=\"trace-{plain}.{}\"", format.extension());
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("attachment"))
}
