//! Which traces there are.
//!
//! First the server says of traces when they began, and what else is needed to choose: of all; or of
//! the newest only, where they are those that were asked for. Then, newest first and until there are
//! enough, it counts the points of the traces that were chosen, and gives the few records of each
//! that say the rest. (Aggregations know milliseconds only, records tell microseconds, so the choice
//! is made again with what they say.)

use std::cmp::Reverse;
use std::collections::HashMap;

use osprofiler_wire::{Id, Phase, RecordView, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::Client;
use super::document::wrapped_record;
use crate::{Error, ErrorKind, ListQuery, Summarizer, TraceSummary};

const WHAT: &str = "list the traces of";
/// Groups that the server makes at a time; many do not make more.
const GROUPS: usize = 10_000;
/// The most traces that are found by their age alone.
const NEWEST: usize = 1_000;
/// So many more are looked at. A trace whose records are in several shards is younger in some of them
/// than it is.
const SPARE: usize = 100;
/// Traces of which it gives records at a time.
const DETAILED: usize = 500;
/// Records of one instant among which the root is looked for.
const ROOTS: usize = 4;
/// What is needed of a record for a summary.
const FIELDS: [&str; 11] = [
    "record",
    "name",
    "base_id",
    "trace_id",
    "parent_id",
    "timestamp",
    "project",
    "service",
    "info.host",
    "info.request.method",
    "info.request.path",
];

pub(super) fn list(client: &Client, query: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
    let limit = query.limit.unwrap_or(usize::MAX);
    if limit == 0 {
        return Ok(Vec::new());
    }
    client.refresh(WHAT)?;
    let mut found = match newest_of(query) {
        Some(count) => newest(client, query, count)?,
        None => candidates(client, query)?,
    };
    found.sort_by_key(|candidate| Reverse(candidate.began_ms));
    // Kinds have been looked at.
    let exact = ListQuery { project: None, service: None, name: None, ..query.clone() };
    let mut list: Vec<TraceSummary> = Vec::new();
    let mut rest = found.as_slice();
    while !rest.is_empty() && list.len() < limit {
        let wanted = DETAILED.min(limit - list.len()).min(rest.len());
        let (chosen, others) = rest.split_at(with_ties(rest, wanted));
        rest = others;
        for ids in chosen.chunks(DETAILED) {
            let summaries = summaries(client, ids)?;
            list.extend(summaries.into_iter().filter(|summary| exact.matches(summary, &[])));
        }
    }
    query.cut(&mut list);
    Ok(list)
}

/// How many traces these are, together with those that began in the same millisecond as the last.
fn with_ties(newest_first: &[Candidate], wanted: usize) -> usize {
    let last = newest_first[wanted - 1].began_ms;
    newest_first.partition_point(|candidate| candidate.began_ms >= last)
}

/// A trace that may be one to list.
struct Candidate {
    base_id: String,
    began_ms: Option<i64>,
}

/// How many traces are enough to look at, if it is their age alone that makes them the right ones.
fn newest_of(query: &ListQuery) -> Option<usize> {
    let has_filter = query.errors_only || query.asks_for_kinds() || query.min_duration_us.is_some();
    let limit = query.limit.filter(|limit| *limit <= NEWEST && !has_filter)?;
    Some(2 * limit + SPARE)
}

/// The newest traces; and some that began before the time that was asked for and went on in it.
fn newest(client: &Client, query: &ListQuery, count: usize) -> Result<Vec<Candidate>, Error> {
    // What began before `until` has no older record than those before it.
    let mut asked = json!({});
    if let Some(since) = query.since {
        asked["gte"] = since.to_string().into();
    }
    if let Some(until) = query.until {
        asked["lt"] = until.to_string().into();
    }
    let traces = json!({"field": "base_id.keyword", "size": count, "order": [{"began": "desc"}]});
    let answer = client.search(
        WHAT,
        &json!({
            "size": 0,
            "track_total_hits": false,
            "query": in_time(&asked),
            "aggs": {"traces": {"terms": traces, "aggs": {"began": began()}}},
        }),
    )?;
    let found: Answer<Newest> = parse(client, &answer.body)?;
    let traces = found.aggregations.map(|found| found.traces.buckets).unwrap_or_default();
    Ok(traces.into_iter().map(Newer::candidate).collect())
}

fn in_time(range: &Value) -> Value {
    if range.as_object().is_some_and(Map::is_empty) {
        return json!({"match_all": {}});
    }
    json!({"range": {"timestamp": range}})
}

fn began() -> Value {
    json!({"min": {"field": "timestamp"}})
}

/// The traces that are to be listed, as far as milliseconds tell; and some that began before the time
/// that was asked for and went on in it.
fn candidates(client: &Client, query: &ListQuery) -> Result<Vec<Candidate>, Error> {
    let filters = usize::from(query.errors_only) + usize::from(query.asks_for_kinds());
    let page_size = GROUPS / (1 + filters);
    let mut found = Vec::new();
    let mut after = Value::Null;
    loop {
        let answer = client.search(WHAT, &groups_of(query, page_size, &after))?;
        let page: Answer<Groups> = parse(client, &answer.body)?;
        let Some(Aggregations { traces }) = page.aggregations else { return Ok(found) };
        let is_last = traces.buckets.len() < page_size;
        let buckets = traces.buckets.into_iter();
        found.extend(buckets.filter(|group| group.may_match(query)).map(Group::candidate));
        match traces.after_key {
            Some(key) if !is_last => after = key,
            _ => return Ok(found),
        }
    }
}

/// Asks for a page of traces, from behind that one on.
fn groups_of(query: &ListQuery, page_size: usize, after: &Value) -> Value {
    let mut traces = json!({
        "size": page_size,
        "sources": [{"base_id": {"terms": {"field": "base_id.keyword"}}}],
    });
    if !after.is_null() {
        traces["after"] = after.clone();
    }
    let mut of_trace = json!({"began": began()});
    if query.min_duration_us.is_some() {
        of_trace["ended"] = json!({"max": {"field": "timestamp"}});
    }
    if query.errors_only {
        of_trace["failed"] = json!({"filter": is_failure()});
    }
    if query.asks_for_kinds() {
        of_trace["kind"] = json!({"filter": is_of_kind(query)});
    }
    // No record of a trace to be listed is older.
    let asked = query.since.map_or(json!({}), |since| json!({"gte": since.to_string()}));
    json!({
        "size": 0,
        "track_total_hits": false,
        "query": in_time(&asked),
        "aggs": {"traces": {"composite": traces, "aggs": of_trace}},
    })
}

fn is_stop() -> Value {
    json!({"wildcard": {"name.keyword": {"value": format!("*{}", Phase::Stop.suffix())}}})
}

fn is_failure() -> Value {
    json!({"bool": {"filter": [is_stop(), {"exists": {"field": "info.etype"}}]}})
}

/// Whether a record is of a point of the kind that was asked for.
fn is_of_kind(query: &ListQuery) -> Value {
    let mut all = Vec::new();
    if let Some(project) = &query.project {
        all.push(json!({"term": {"project.keyword": project}}));
    }
    if let Some(service) = &query.service {
        all.push(json!({"term": {"service.keyword": service}}));
    }
    if let Some(name) = &query.name {
        let names = [Phase::Start.suffix(), Phase::Stop.suffix(), ""]
            .map(|suffix| format!("{name}{suffix}"));
        let of_point: Vec<&String> =
            names.iter().filter(|record| Phase::split(record).0 == name).collect();
        all.push(json!({"terms": {"name.keyword": of_point}}));
    }
    json!({"bool": {"filter": all}})
}

/// The summaries of traces.
fn summaries(client: &Client, traces: &[Candidate]) -> Result<Vec<TraceSummary>, Error> {
    let ids: Vec<&str> = traces.iter().map(|candidate| candidate.base_id.as_str()).collect();
    let answer = client.search(WHAT, &details_of(&ids))?;
    let details: Answer<Details> = parse(client, &answer.body)?;
    let Some(Aggregations { traces }) = details.aggregations else { return Ok(Vec::new()) };
    let mut summarizer = Summarizer::default();
    let mut counts = HashMap::new();
    for trace in traces.buckets {
        for record in
            [&trace.starts.first, &trace.first, &trace.last].into_iter().flat_map(Top::records)
        {
            let view = RecordView::parse(&record);
            view.iter().for_each(|view| summarizer.add_view(view));
        }
        let stops = trace.stops.doc_count;
        counts.insert(
            Id::from(trace.key),
            Counts {
                starts: trace.doc_count.saturating_sub(stops),
                stops,
                errors: trace.failed.doc_count,
            },
        );
    }
    let mut summaries = summarizer.into_list(&ListQuery::default());
    for summary in &mut summaries {
        if let Some(Counts { starts, stops, errors }) = counts.get(&summary.base_id) {
            summary.points = *starts.max(stops);
            summary.unfinished = starts.saturating_sub(*stops);
            summary.errors = *errors;
        }
    }
    Ok(summaries)
}

/// Records of a trace.
struct Counts {
    starts: u64,
    stops: u64,
    errors: u64,
}

/// Asks for the counts of traces, and for the records that tell of their beginning and their end.
fn details_of(ids: &[&str]) -> Value {
    let top = |order: &str, size: usize| {
        // Indices of the Python library count in milliseconds.
        let by_time = json!({"timestamp": {"order": order, "numeric_type": "date_nanos"}});
        json!({"top_hits": {"size": size, "sort": [by_time], "_source": {"includes": FIELDS}}})
    };
    let is_start = json!({"bool": {"must_not": [is_stop()]}});
    json!({
        "size": 0,
        "track_total_hits": false,
        "query": {"terms": {"base_id.keyword": ids}},
        "aggs": {"traces": {
            "terms": {
                "field": "base_id.keyword", "size": ids.len(), "execution_hint": "map",
            },
            "aggs": {
                "stops": {"filter": is_stop()},
                "failed": {"filter": is_failure()},
                "starts": {"filter": is_start, "aggs": {"first": top("asc", ROOTS)}},
                "first": top("asc", 1),
                "last": top("desc", 1),
            },
        }},
    })
}

fn parse<T: for<'de> Deserialize<'de>>(client: &Client, body: &[u8]) -> Result<Answer<T>, Error> {
    serde_json::from_slice(body).map_err(|cause| {
        let why = "it gave an answer that makes no sense";
        client.error(ErrorKind::Storage, WHAT, why).with_source(cause)
    })
}

#[derive(Deserialize)]
struct Answer<T> {
    /// There are none where there is no index.
    aggregations: Option<Aggregations<T>>,
}

#[derive(Deserialize)]
struct Aggregations<T> {
    traces: T,
}

#[derive(Deserialize)]
struct Newest {
    buckets: Vec<Newer>,
}

#[derive(Deserialize)]
struct Newer {
    key: String,
    began: Instant,
}

impl Newer {
    fn candidate(self) -> Candidate {
        Candidate { began_ms: self.began.ms(), base_id: self.key }
    }
}

#[derive(Deserialize)]
struct Groups {
    after_key: Option<Value>,
    buckets: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    key: Key,
    began: Instant,
    ended: Option<Instant>,
    failed: Option<Count>,
    kind: Option<Count>,
}

#[derive(Deserialize)]
struct Key {
    base_id: String,
}

/// Milliseconds, if there was a time that the server understood.
#[derive(Clone, Copy, Deserialize)]
struct Instant {
    value: Option<f64>,
}

#[derive(Deserialize)]
struct Count {
    doc_count: u64,
}

impl Instant {
    #[allow(clippy::cast_possible_truncation, reason = "the server cut off what is less")]
    fn ms(self) -> Option<i64> {
        self.value.map(|ms| ms as i64)
    }
}

impl Group {
    /// Whether the trace may be one to list, as far as milliseconds tell.
    fn may_match(&self, query: &ListQuery) -> bool {
        let is_none = |count: &Option<Count>| count.as_ref().is_some_and(|c| c.doc_count == 0);
        let duration_ms = self.ended.and_then(Instant::ms).zip(self.began.ms());
        let is_short = |least: i64| {
            duration_ms.is_some_and(|(ended, began)| {
                ended.saturating_sub(began).saturating_add(1).saturating_mul(1000) < least
            })
        };
        let is_late = |until: Timestamp| {
            self.began.ms().is_some_and(|began| began > until.as_micros().div_euclid(1000))
        };
        !is_none(&self.failed)
            && !is_none(&self.kind)
            && !query.min_duration_us.is_some_and(is_short)
            && !query.until.is_some_and(is_late)
    }

    fn candidate(self) -> Candidate {
        Candidate { began_ms: self.began.ms(), base_id: self.key.base_id }
    }
}

#[derive(Deserialize)]
struct Details {
    buckets: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    key: String,
    doc_count: u64,
    stops: Count,
    failed: Count,
    starts: Starts,
    first: Top,
    last: Top,
}

#[derive(Deserialize)]
struct Starts {
    first: Top,
}

#[derive(Deserialize)]
struct Top {
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_source")]
    source: Value,
}

impl Top {
    fn records(&self) -> impl Iterator<Item = String> {
        self.hits.hits.iter().map(|hit| {
            let document = hit.source.to_string();
            wrapped_record(&document).unwrap_or(document)
        })
    }
}
