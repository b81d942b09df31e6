//! `GET /traces/events`, `GET /traces/ID/events`: what is new, as it comes.
//!
//! No back end tells by itself that something came, so it is asked: once a second while there is news,
//! less and less often while there is none, and never so that it does nothing else.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use osprofiler_drivers::TraceSummary;
use osprofiler_report::Report;
use osprofiler_wire::Id;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::list::Filter;
use super::{Api, bad_query};
use crate::cache::Loaded;
use crate::error::ApiError;
use crate::store::Listed;

/// Those who are told live at once.
pub(super) const MAX_WATCHERS: usize = 64;
/// Between two questions, at least.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// Between two questions at most, while nothing happens.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// A back end for which an answer is hard work has so many times as long to do something else.
const REST: u32 = 4;

type Live = Sse<KeepAliveStream<ReceiverStream<Result<Event, Infallible>>>>;

/// Tells of a trace each time it has grown.
pub(super) async fn of_trace(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Live, ApiError> {
    let turn = turn(&api)?;
    let (store, id) = (api.store.clone(), Id::from(id));
    let ask = move || {
        let (store, id) = (store.clone(), id.clone());
        async move { store.trace(&id, MIN_PAUSE).await }
    };
    let mut known = 0;
    Ok(live(&api, turn, ask, move |trace: Arc<Loaded>| {
        let records = trace.report.records();
        let has_grown = records != std::mem::replace(&mut known, records);
        has_grown.then(|| event("trace", &progress(&trace.report)))
    }))
}

/// Tells of traces that are new or have changed, among the newest ones.
pub(super) async fn of_list(
    State(api): State<Api>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Live, ApiError> {
    let Query(filter) = filter.map_err(bad_query)?;
    let mut query = filter.query()?;
    query.limit = Some(filter.limit());
    api.store.must_list()?;
    let turn = turn(&api)?;
    let store = api.store.clone();
    let ask = move || {
        let (store, query) = (store.clone(), query.clone());
        async move { store.list(query).await }
    };
    let mut known: HashMap<Id, TraceSummary> = HashMap::new();
    Ok(live(&api, turn, ask, move |(traces, _): Listed| {
        let is_news = |trace: &&TraceSummary| known.get(&trace.base_id) != Some(*trace);
        let news: Vec<&TraceSummary> = traces.iter().filter(is_news).collect();
        let event = (!news.is_empty()).then(|| event("traces", &json!({"traces": news})));
        known = traces.into_iter().map(|trace| (trace.base_id.clone(), trace)).collect();
        event
    }))
}

/// A place among those who are told live.
fn turn(api: &Api) -> Result<OwnedSemaphorePermit, ApiError> {
    api.watchers.clone().try_acquire_owned().map_err(|_| {
        ApiError::busy(format!("{MAX_WATCHERS} pages are told live already; close one of them"))
    })
}

/// Asks again and again, and tells what is worth it, until nobody listens or the server ends.
fn live<T: Send + 'static, A: Future<Output = Result<T, ApiError>> + Send + 'static>(
    api: &Api,
    turn: OwnedSemaphorePermit,
    ask: impl Fn() -> A + Send + 'static,
    mut tell: impl FnMut(T) -> Option<Event> + Send + 'static,
) -> Live {
    let (send, events) = mpsc::channel(1);
    let listening = send.clone();
    let watch = async move {
        let mut pause = MIN_PAUSE;
        let mut problem = None;
        loop {
            let asked = Instant::now();
            let (event, now) = match ask().await {
                Ok(answer) => (tell(answer), None),
                Err(error) => (None, Some(error.to_json())),
            };
            let new_problem = now.as_ref().filter(|now| problem.as_ref() != Some(*now));
            let event = event.or_else(|| Some(self::event("problem", new_problem?)));
            problem = now;
            pause = if event.is_some() { MIN_PAUSE } else { MAX_PAUSE.min(pause * 3 / 2) };
            if let Some(event) = event
                && send.send(Ok(event)).await.is_err()
            {
                return;
            }
            tokio::time::sleep(pause.max(asked.elapsed() * REST)).await;
        }
    };
    let mut ending = api.ending.clone();
    tokio::spawn(async move {
        let _turn = turn;
        tokio::select! {
            () = watch => {}
            () = listening.closed() => {}
            _ = ending.wait_for(|is_ending| *is_ending) => {}
        }
    });
    Sse::new(ReceiverStream::new(events)).keep_alive(KeepAlive::default())
}

fn event(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

/// How far a trace has come.
fn progress(report: &Report) -> Value {
    json!({
        "records": report.records(),
        "points": report.len(),
        "unfinished": report.unfinished(),
        "errors": report.errors(),
        "dropped": report.dropped(),
        "duration_us": report.duration_us(),
    })
}
