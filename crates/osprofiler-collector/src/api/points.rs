//! `GET /traces/ID/points/POINT`: one point, with its records; and what is below it.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use osprofiler_report::{Point, Report};
use osprofiler_wire::Id;

use super::trace::{How, columns};
use super::{Api, bad_query};
use crate::error::ApiError;

/// Points are looked for in the trace as it was read for the page that asks, for so long.
const KNOWN: Duration = Duration::from_secs(300);

pub(super) async fn point(
    State(api): State<Api>,
    Path((id, point)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let loaded = api.store.trace(&Id::from(id), KNOWN).await?;
    let point = find(&loaded.report, &Id::from(point))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json(point)).into_response())
}

pub(super) async fn subtree(
    State(api): State<Api>,
    Path((id, point)): Path<(String, String)>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(how) = how.map_err(bad_query)?;
    let loaded = api.store.trace(&Id::from(id), KNOWN).await?;
    columns(loaded, Some(Id::from(point)), how).await
}

pub(super) fn find<'a>(report: &'a Report, id: &Id) -> Result<Point<'a>, ApiError> {
    let found = report.points().find(|point| point.trace_id() == id);
    found.ok_or_else(|| ApiError::not_found(format!("no point `{id}` in this trace")))
}

/// The point's node of the report, and where it is in the tree.
fn json(point: Point<'_>) -> String {
    let mut ancestors: Vec<&Id> = std::iter::successors(point.parent(), |point| point.parent())
        .map(Point::trace_id)
        .collect();
    ancestors.reverse();
    let ancestors = serde_json::to_string(&ancestors).expect("ids are text");
    format!(
        r#"{{"point":{},"children":{},"ancestors":{ancestors}}}"#,
        point.to_json(),
        point.children().len()
    )
}
