//! `GET /traces`: the traces of the back end, newest first, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use osprofiler_drivers::{ListQuery, TraceSummary};
use osprofiler_wire::{Id, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Api, bad_query, instant};
use crate::error::ApiError;
use crate::store::Store;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// Which traces, as the query says it.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Filter {
    since: Option<String>,
    until: Option<String>,
    project: Option<String>,
    service: Option<String>,
    name: Option<String>,
    errors: bool,
    min_duration_us: Option<i64>,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Page {
    traces: Vec<TraceSummary>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
    /// Records that are none; see [`osprofiler_drivers::Reader::skipped`].
    skipped: u64,
}

pub(super) async fn list(
    State(api): State<Api>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Page>, ApiError> {
    let Query(filter) = filter.map_err(bad_query)?;
    let cursor = filter.cursor.as_deref().map(Cursor::parse).transpose()?;
    page(&api.store, &filter.query()?, filter.limit(), cursor).await.map(Json)
}

impl Filter {
    pub(super) fn query(&self) -> Result<ListQuery, ApiError> {
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let mut query = ListQuery::default();
        query.errors_only = self.errors;
        query.since = instant("since", self.since.as_deref())?;
        query.until = instant("until", self.until.as_deref())?;
        query.min_duration_us = self.min_duration_us;
        query.project = text(&self.project);
        query.service = text(&self.service);
        query.name = text(&self.name);
        Ok(query)
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
    }
}

/// The last trace of a page.
#[derive(Clone, Debug, PartialEq)]
struct Cursor {
    started: Timestamp,
    base_id: Id,
}

impl Cursor {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let parts = text.split_once('~');
        let cursor = parts.and_then(|(micros, id)| {
            let started = Timestamp::from_micros(micros.parse().ok()?);
            Some(Self { started, base_id: id.into() })
        });
        cursor.ok_or_else(|| {
            ApiError::bad_request("`cursor` is none; expected the `next` of the page before")
        })
    }

    fn text(trace: &TraceSummary) -> String {
        format!("{}~{}", trace.started.as_micros(), trace.base_id)
    }

    fn is_before(&self, trace: &TraceSummary) -> bool {
        (trace.started, &self.base_id) < (self.started, &trace.base_id)
            || trace.started < self.started
    }
}

/// The traces behind a cursor. Those that started in the same microsecond are ordered by id, whatever
/// order the back end has for them: it is asked for more until it has given all of the last one.
async fn page(
    store: &Arc<Store>,
    query: &ListQuery,
    limit: usize,
    cursor: Option<Cursor>,
) -> Result<Page, ApiError> {
    let mut query = query.clone();
    if let Some(cursor) = &cursor {
        let behind = Timestamp::from_micros(cursor.started.as_micros().saturating_add(1));
        query.until = Some(query.until.map_or(behind, |until| until.min(behind)));
    }
    // One to begin behind, one to know that there are more.
    let mut ask = limit + 2;
    loop {
        query.limit = Some(ask);
        let (mut traces, skipped) = store.list(query.clone()).await?;
        let is_all = traces.len() < ask;
        traces.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| a.base_id.cmp(&b.base_id)));
        if let Some(last) = traces.last().map(|trace| trace.started).filter(|_| !is_all) {
            traces.retain(|trace| trace.started > last);
        }
        if let Some(cursor) = &cursor {
            traces.retain(|trace| cursor.is_before(trace));
        }
        if is_all || traces.len() > limit {
            let has_more = traces.len() > limit;
            traces.truncate(limit);
            let next = traces.last().filter(|_| has_more).map(Cursor::text);
            return Ok(Page { traces, next, skipped });
        }
        ask *= 2;
    }
}
