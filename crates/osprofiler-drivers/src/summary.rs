//! What a list shows of a trace, and how it comes from records.
//!
//! [`Summarizer`] is for a back end that reads all records in order to list traces. One that keeps
//! a summary beside them merges the [`Tally`] of each batch into it instead.

use std::borrow::Cow;
use std::collections::HashMap;

use osprofiler_wire::{Id, Phase, Record, RecordView, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ListQuery;

/// What a list shows of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TraceSummary {
    /// The trace.
    pub base_id: Id,
    /// Timestamp of the earliest record.
    #[serde(rename = "timestamp", serialize_with = "as_text")]
    pub started: Timestamp,
    /// Microseconds from the earliest record to the latest.
    pub duration_us: i64,
    /// Points, finished or not.
    pub points: u64,
    /// Points without a stop record, so far.
    pub unfinished: u64,
    /// Points that failed: their stop record holds an `etype`.
    pub errors: u64,
    /// The point that started first.
    pub root: Root,
}

impl TraceSummary {
    /// A summary to fill in, for a [`Reader`](crate::Reader) whose back end keeps its own.
    ///
    /// ```
    /// use osprofiler_drivers::TraceSummary;
    /// use osprofiler_wire::Timestamp;
    ///
    /// let mut summary = TraceSummary::new("b".into(), Timestamp::from_micros(0));
    /// summary.points = 2;
    /// summary.root.name = "wsgi".into();
    /// assert_eq!((summary.errors, summary.root.host), (0, None));
    /// ```
    #[must_use]
    pub fn new(base_id: Id, started: Timestamp) -> Self {
        let root = Root::default();
        Self { base_id, started, duration_us: 0, points: 0, unfinished: 0, errors: 0, root }
    }
}

/// The point of a trace that started first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Root {
    /// Its name.
    pub name: String,
    /// Its project.
    pub project: Option<String>,
    /// Its service.
    pub service: Option<String>,
    /// Its host.
    pub host: Option<String>,
    /// Method and path, if it is a request, such as `GET /v3`.
    pub request: Option<String>,
}

impl Root {
    fn of_record(record: &Record) -> Self {
        if let Some(source) = &record.source {
            return RecordView::parse(source)
                .map_or_else(|_| Self::default(), |v| Self::of_view(&v));
        }
        let text = |text: &str| Some(text.to_owned());
        Self {
            name: record.name.clone().into_owned(),
            project: record.origin.project.as_deref().and_then(text),
            service: record.origin.service.as_deref().and_then(text),
            host: text(&record.origin.host),
            request: request_of(&record.info.to_json()),
        }
    }

    fn of_view(view: &RecordView<'_>) -> Self {
        let text = |text: &Option<_>| text.as_deref().map(str::to_owned);
        Self {
            name: view.name.clone().into_owned(),
            project: text(&view.project),
            service: text(&view.service),
            host: text(&view.host),
            request: view.info.and_then(|info| request_of(info.get())),
        }
    }
}

/// Method and path of the request that an info tells of.
pub(crate) fn request_of(info: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Info<'a> {
        #[serde(borrow)]
        request: Request<'a>,
    }
    #[derive(Deserialize)]
    struct Request<'a> {
        #[serde(borrow)]
        method: Cow<'a, str>,
        #[serde(borrow)]
        path: Cow<'a, str>,
    }
    let Info { request: Request { method, path } } = serde_json::from_str(info).ok()?;
    Some(format!("{method} {path}"))
}

fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// Makes the summaries of traces from all of their records, in any order; a record that comes
/// again changes nothing.
///
/// ```
/// use osprofiler_drivers::{ListQuery, Summarizer};
/// use osprofiler_wire::RecordView;
///
/// let mut summarizer = Summarizer::default();
/// for line in [
///     r#"{"name": "wsgi-stop", "base_id": "b", "trace_id": "t", "parent_id": "b",
///         "timestamp": "2026-01-02T03:04:05.000700", "info": {"etype": "KeyError"}}"#,
///     r#"{"name": "wsgi-start", "base_id": "b", "trace_id": "t", "parent_id": "b",
///         "timestamp": "2026-01-02T03:04:05.000000",
///         "info": {"request": {"method": "GET", "path": "/v3"}}}"#,
/// ] {
///     summarizer.add_view(&RecordView::parse(line)?);
/// }
/// let summary = &summarizer.into_list(&ListQuery::default())[0];
/// assert_eq!((summary.points, summary.errors, summary.duration_us), (1, 1, 700));
/// assert_eq!(summary.root.request.as_deref(), Some("GET /v3"));
/// # Ok::<(), osprofiler_wire::RecordError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Summarizer {
    traces: HashMap<Id, TraceSummarizer>,
}

impl Summarizer {
    /// Takes in a record as we make it.
    pub fn add(&mut self, record: &Record) {
        self.trace(&record.base_id).add(record);
    }

    /// Takes in a record as we find it.
    pub fn add_view(&mut self, view: &RecordView<'_>) {
        self.trace(&view.base_id).add_view(view);
    }

    /// The summaries that were asked for, newest first.
    #[must_use]
    pub fn into_list(self, query: &ListQuery) -> Vec<TraceSummary> {
        let mut list: Vec<TraceSummary> = Vec::new();
        for (base_id, mut trace) in self.traces {
            let kinds = std::mem::take(&mut trace.kinds.0);
            let summary = trace.summary(base_id);
            if query.matches(&summary, &kinds) {
                list.push(summary);
            }
        }
        query.cut(&mut list);
        list
    }

    fn trace(&mut self, base_id: &Id) -> &mut TraceSummarizer {
        // `entry` would clone the id of every record.
        if !self.traces.contains_key(base_id) {
            self.traces.insert(base_id.clone(), TraceSummarizer::default());
        }
        self.traces.get_mut(base_id).expect("it was just inserted")
    }
}

/// Summarizes one trace, or the part of it that one batch holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct TraceSummarizer {
    /// What each record says of its point. Most traces are small: sorting them in the end costs
    /// less than looking each point up.
    points: Vec<(Id, PointState)>,
    kinds: Kinds,
    first: Option<First>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default)]
struct PointState {
    started: bool,
    stopped: bool,
    failed: bool,
}

impl PointState {
    fn merge(self, other: Self) -> Self {
        Self {
            started: self.started | other.started,
            stopped: self.stopped | other.stopped,
            failed: self.failed | other.failed,
        }
    }
}

/// What points are alike in; a list can be asked for it. As JSON, `[project, service, name]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "KindFields", into = "KindFields")]
pub(crate) struct Kind {
    pub(crate) project: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) name: String,
}

type KindFields = (Option<String>, Option<String>, String);

impl From<KindFields> for Kind {
    fn from((project, service, name): KindFields) -> Self {
        Self { project, service, name }
    }
}

impl From<Kind> for KindFields {
    fn from(Kind { project, service, name }: Kind) -> Self {
        (project, service, name)
    }
}

/// The kinds of the points of a trace, sorted, each once: a few, however many points there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Kinds(pub(crate) Vec<Kind>);

impl Kinds {
    fn add(&mut self, project: Option<&str>, service: Option<&str>, name: &str) {
        let found = self.0.binary_search_by(|kind| {
            (kind.project.as_deref(), kind.service.as_deref(), kind.name.as_str())
                .cmp(&(project, service, name))
        });
        if let Err(at) = found {
            let (project, service) = (project.map(str::to_owned), service.map(str::to_owned));
            self.0.insert(at, Kind { project, service, name: name.to_owned() });
        }
    }

    #[cfg(any(feature = "redis", feature = "sql", feature = "sqlite", test))]
    fn union(mut self, other: Self) -> Self {
        if self != other {
            self.0.extend(other.0);
            self.0.sort_unstable();
            self.0.dedup();
        }
        self
    }
}

/// The record that tells of the root, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct First {
    pub(crate) rank: Rank,
    pub(crate) root: Root,
}

/// The record with the least rank tells of the root: a start rather than a stop, then the earlier
/// one, then one right under the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) is_stop: bool,
    pub(crate) at: Timestamp,
    pub(crate) is_nested: bool,
}

impl TraceSummarizer {
    /// For that many records.
    #[cfg(any(feature = "redis", feature = "sql", feature = "sqlite"))]
    pub(crate) fn with_capacity(records: usize) -> Self {
        Self { points: Vec::with_capacity(records), ..Self::default() }
    }

    pub(crate) fn add(&mut self, record: &Record) {
        let rank = Rank {
            is_stop: record.phase == Phase::Stop,
            at: record.timestamp,
            is_nested: record.parent_id != record.base_id,
        };
        self.count(&record.trace_id, rank, || has_failed(record));
        let origin = &record.origin;
        self.kinds.add(origin.project.as_deref(), origin.service.as_deref(), &record.name);
        self.offer(rank, || Root::of_record(record));
    }

    pub(crate) fn add_view(&mut self, view: &RecordView<'_>) {
        let rank = Rank {
            is_stop: view.phase == Phase::Stop,
            at: view.timestamp,
            is_nested: view.parent_id != view.base_id,
        };
        self.count(&view.trace_id, rank, || view.etype.is_some());
        self.kinds.add(view.project.as_deref(), view.service.as_deref(), &view.name);
        self.offer(rank, || Root::of_view(view));
    }

    /// What these records add to the summary of their trace; `None` if there are none.
    #[cfg(any(feature = "redis", feature = "sql", feature = "sqlite", test))]
    pub(crate) fn into_tally(mut self) -> Option<Tally> {
        let points = self.take_points();
        self.tally(&points)
    }

    fn summary(mut self, base_id: Id) -> TraceSummary {
        let points = self.take_points();
        let unfinished = count(&points, |point| !point.stopped);
        let tally = self.tally(&points).expect("a trace is known by a record");
        TraceSummary { points: points.len() as u64, unfinished, ..tally.summary(base_id) }
    }

    /// The points, each once.
    fn take_points(&mut self) -> Vec<PointState> {
        self.points.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let records_of_point = self.points.chunk_by(|(a, _), (b, _)| a == b);
        records_of_point
            .map(|records| records.iter().map(|(_, state)| *state))
            .map(|states| states.fold(PointState::default(), PointState::merge))
            .collect()
    }

    fn tally(self, points: &[PointState]) -> Option<Tally> {
        Some(Tally {
            started: self.started?,
            ended: self.ended?,
            starts: count(points, |point| point.started),
            stops: count(points, |point| point.stopped),
            errors: count(points, |point| point.failed),
            kinds: self.kinds,
            first: self.first?,
        })
    }

    fn count(&mut self, trace_id: &Id, rank: Rank, has_failed: impl FnOnce() -> bool) {
        self.started = Some(self.started.map_or(rank.at, |started| started.min(rank.at)));
        self.ended = self.ended.max(Some(rank.at));
        let state = PointState {
            started: !rank.is_stop,
            stopped: rank.is_stop,
            failed: rank.is_stop && has_failed(),
        };
        self.points.push((trace_id.clone(), state));
    }

    fn offer(&mut self, rank: Rank, root: impl FnOnce() -> Root) {
        if self.first.as_ref().is_none_or(|first| rank < first.rank) {
            self.first = Some(First { rank, root: root() });
        }
    }
}

fn count(points: &[PointState], is: fn(&PointState) -> bool) -> u64 {
    points.iter().filter(|point| is(point)).count() as u64
}

pub(crate) fn has_failed(stop: &Record) -> bool {
    // Nearly every stop is a success, and the word is looked for faster than JSON is read.
    let may_have = match &stop.source {
        Some(source) => source.contains("etype"),
        None => !stop.info.is_empty() && stop.info.to_json().contains("etype"),
    };
    may_have && RecordView::parse(&stop.to_json()).is_ok_and(|view| view.etype.is_some())
}

/// What a batch adds to the summary of a trace, and all that is kept of the batches before it.
///
/// The ids of the points are not in it, so that it stays small: a point whose start record was
/// lost is counted only where there are more stops than starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) started: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) starts: u64,
    pub(crate) stops: u64,
    pub(crate) errors: u64,
    pub(crate) kinds: Kinds,
    pub(crate) first: First,
}

impl Tally {
    /// Adds what another batch, whose records came later, had of the same trace.
    #[cfg(any(feature = "redis", feature = "sql", feature = "sqlite", test))]
    #[must_use]
    pub(crate) fn merge(self, later: Self) -> Self {
        Self {
            started: self.started.min(later.started),
            ended: self.ended.max(later.ended),
            // What a back end gives may be anything.
            starts: self.starts.saturating_add(later.starts),
            stops: self.stops.saturating_add(later.stops),
            errors: self.errors.saturating_add(later.errors),
            kinds: self.kinds.union(later.kinds),
            first: if later.first.rank < self.first.rank { later.first } else { self.first },
        }
    }

    pub(crate) fn summary(self, base_id: Id) -> TraceSummary {
        TraceSummary {
            base_id,
            started: self.started,
            duration_us: self.ended.as_micros().saturating_sub(self.started.as_micros()),
            points: self.starts.max(self.stops),
            unfinished: self.starts.saturating_sub(self.stops),
            errors: self.errors,
            root: self.first.root,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use osprofiler_wire::{Info, Origin};

    use super::*;

    fn record(name: &'static str, phase: Phase, trace_id: &str, micros: i64) -> Record {
        Record {
            name: name.into(),
            phase,
            base_id: "b".into(),
            parent_id: "b".into(),
            trace_id: trace_id.into(),
            timestamp: Timestamp::from_micros(micros),
            info: Info::new(),
            origin: Arc::new(Origin {
                project: Some("nova".into()),
                service: Some("api".into()),
                host: "ctl1".into(),
            }),
            source: None,
        }
    }

    fn trace() -> Vec<Record> {
        let mut request = record("wsgi", Phase::Start, "1", 100);
        request.info =
            Info::new().with_info("request", Info::new().with("method", "GET").with("path", "/v3"));
        let mut failed = record("db", Phase::Stop, "2", 900);
        failed.info = Info::new().with("etype", "KeyError");
        let nested = Record { parent_id: "1".into(), ..record("db", Phase::Start, "2", 100) };
        vec![nested, failed, request, record("rpc", Phase::Start, "3", 150)]
    }

    fn expected() -> TraceSummary {
        TraceSummary {
            base_id: "b".into(),
            started: Timestamp::from_micros(100),
            duration_us: 800,
            points: 3,
            unfinished: 2,
            errors: 1,
            root: Root {
                name: "wsgi".into(),
                project: Some("nova".into()),
                service: Some("api".into()),
                host: Some("ctl1".into()),
                request: Some("GET /v3".into()),
            },
        }
    }

    #[test]
    fn records_we_make_and_records_we_find_give_the_same_summary() {
        let (mut made, mut found) = (Summarizer::default(), Summarizer::default());
        for record in trace() {
            let text = record.to_json();
            let view = RecordView::parse(&text).unwrap();
            made.add(&record);
            made.add(&Record::from(&view));
            found.add_view(&view);
        }
        assert_eq!(made.into_list(&ListQuery::default()), [expected()]);
        assert_eq!(found.into_list(&ListQuery::default()), [expected()]);
    }

    #[test]
    fn batches_of_any_size_and_order_merge_to_the_same_summary() {
        for size in 1..=4 {
            for is_reversed in [false, true] {
                let mut records = trace();
                if is_reversed {
                    records.reverse();
                }
                let tallies = records.chunks(size).map(|batch| {
                    let mut part = TraceSummarizer::default();
                    batch.iter().for_each(|record| part.add(record));
                    part.into_tally().unwrap()
                });
                let merged = tallies.reduce(Tally::merge).unwrap();
                assert_eq!(merged.summary("b".into()), expected(), "batches of {size}");
            }
        }
    }

    #[test]
    fn filters_go_by_points_and_by_the_whole_trace() {
        let listed = |set: &dyn Fn(&mut ListQuery)| {
            let mut query = ListQuery::default();
            set(&mut query);
            let mut summarizer = Summarizer::default();
            trace().iter().for_each(|record| summarizer.add(record));
            let mut other = record("db", Phase::Start, "9", 0);
            other.base_id = "other".into();
            other.origin = Arc::new(Origin { project: Some("glance".into()), ..Origin::default() });
            summarizer.add(&other);
            let list = summarizer.into_list(&query);
            list.into_iter().map(|summary| summary.base_id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(listed(&|_| ()), ["b", "other"]);
        assert_eq!(listed(&|query| query.name = Some("db".into())), ["b", "other"]);
        assert_eq!(listed(&|query| query.project = Some("nova".into())), ["b"]);
        assert_eq!(listed(&|query| query.service = Some("api".into())), ["b"]);
        assert_eq!(listed(&|query| query.name = Some("d".into())), [""; 0]);
        let one_point = |query: &mut ListQuery| {
            (query.project, query.name) = (Some("glance".into()), Some("rpc".into()));
        };
        assert_eq!(listed(&one_point), [""; 0], "no point is both");
        assert_eq!(listed(&|query| query.min_duration_us = Some(800)), ["b"]);
        assert_eq!(listed(&|query| query.min_duration_us = Some(801)), [""; 0]);
        assert_eq!(listed(&|query| query.until = Some(Timestamp::from_micros(100))), ["other"]);
        assert_eq!(listed(&|query| query.since = Some(Timestamp::from_micros(100))), ["b"]);
    }

    #[test]
    fn a_start_that_comes_late_replaces_the_stop_that_stood_in_for_the_root() {
        let mut summarizer = Summarizer::default();
        summarizer.add(&record("inner", Phase::Stop, "2", 50));
        assert_eq!(summarizer.trace(&"b".into()).first.as_ref().unwrap().root.name, "inner");
        summarizer.add(&record("outer", Phase::Start, "1", 60));
        assert_eq!(summarizer.into_list(&ListQuery::default())[0].root.name, "outer");
    }

    #[test]
    fn the_word_etype_alone_is_no_failure() {
        let mut stop = record("db", Phase::Stop, "2", 0);
        stop.info = Info::new().with("db", &serde_json::json!({"etype": "SELECT etype"}));
        assert!(!has_failed(&stop));
        stop.info.set("etype", &None::<&str>);
        assert!(has_failed(&stop));
    }

    #[test]
    fn a_summary_is_json_with_a_readable_timestamp() {
        let json = serde_json::to_string(&expected()).unwrap();
        assert!(
            json.starts_with(r#"{"base_id":"b","timestamp":"1970-01-01T00:00:00.000100","#),
            "{json}"
        );
    }
}
