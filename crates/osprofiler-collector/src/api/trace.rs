//! `GET /traces/ID`: one trace, in one of its formats.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use osprofiler_report::export::Format;
use osprofiler_wire::Id;
use serde::Deserialize;

use super::{Api, bad_query};
use crate::cache::Loaded;
use crate::error::ApiError;

/// A trace that was read so long ago is read again when somebody asks for it.
const FRESH: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    format: Option<String>,
}

pub(super) async fn trace(
    State(api): State<Api>,
    Path(id): Path<String>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(how) = how.map_err(bad_query)?;
    let format = how.format.as_deref().unwrap_or("json").parse();
    let format: Format = format.map_err(ApiError::bad_request)?;
    let loaded = api.store.trace(&Id::from(id), FRESH).await?;
    exported(loaded, format).await
}

/// A report in a format, as a file to save.
async fn exported(loaded: Arc<Loaded>, format: Format) -> Result<Response, ApiError> {
    let incomplete = loaded.incomplete.clone();
    let name = file_name(&loaded, format);
    let written = tokio::task::spawn_blocking(move || {
        let mut out = Vec::new();
        format.write(&loaded.report, &mut out).map(|()| out)
    });
    let written = written.await.map_err(|_| ApiError::internal("the trace cannot be written"))?;
    let out = written.map_err(|error| ApiError::internal(error.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.media_type())),
        (header::CONTENT_DISPOSITION, name),
    ];
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
