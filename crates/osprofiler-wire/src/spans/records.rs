//! From spans back to records.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::iter;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::attributes::{
    BASE_ID, HOST, NAME, PARENT_ID, PHASE, PROJECT, SERVICE, START_INFO, START_RECORD, STOP_INFO,
    STOP_RECORD, TRACE_ID,
};
use super::{Log, Process, Span, Tag, Trace, tag, text};
use crate::{Id, Info, Origin, Phase, Record, RecordView, Timestamp};

/// The scope of spans of the existing Python library.
const PYTHON_SCOPE: &str = "osprofiler.drivers.otlp";
/// The scope of a span, as Jaeger shows it.
const SCOPE_NAME: &str = "otel.scope.name";
const KIND: &str = "span.kind";

/// The records of a trace, each once. Spans that do not say to which trace they belong, because they
/// are not ours, are taken for part of the one that is asked for, if one is.
#[must_use]
pub fn records(trace: &Trace<'_>, asked: Option<&Id>) -> Vec<Record> {
    let context = Context::of(trace, asked);
    let mut seen = HashSet::new();
    let mut records = Vec::with_capacity(2 * trace.spans.len());
    for span in &trace.spans {
        let made = match text(&span.tags, TRACE_ID) {
            Some(_) => context.own(span),
            None => context.foreign(span),
        };
        if context.repeated.contains(&*span.span_id) {
            records.extend(made.into_iter().filter(|record| seen.insert(record.to_json())));
        } else {
            records.extend(made);
        }
    }
    records
}

/// What the spans of a trace share.
struct Context<'a> {
    trace: &'a Trace<'a>,
    /// The id of the trace in spans that do not say it.
    plain: Id,
    /// The id of the trace of spans that are not ours.
    foreign: Id,
    /// The ids of spans that come several times: a start that went out as unfinished comes again with
    /// its stop, and a batch that was written again comes as a whole.
    repeated: HashSet<&'a str>,
    /// The ids of points by the ids of their spans.
    points: HashMap<&'a str, Id>,
    origins: HashMap<&'a str, Arc<Origin>>,
}

impl<'a> Context<'a> {
    fn of(trace: &'a Trace<'a>, asked: Option<&Id>) -> Self {
        // An id in other words than everybody's, such as Base64, stays as it is.
        let plain = match u128::from_str_radix(&trace.trace_id, 16) {
            Ok(bits) => Id::from_uuid_bytes(bits.to_be_bytes()),
            Err(_) => Id::from(&*trace.trace_id),
        };
        let told = || trace.spans.iter().find_map(|span| id(&span.tags, BASE_ID));
        Self {
            foreign: asked.cloned().or_else(told).unwrap_or_else(|| plain.clone()),
            plain,
            repeated: repeated(trace),
            points: points(trace),
            origins: trace
                .processes
                .iter()
                .map(|(id, process)| (&**id, Arc::new(own_origin(process))))
                .collect(),
            trace,
        }
    }

    /// The records that one of our spans was made of.
    fn own(&self, span: &Span<'_>) -> Vec<Record> {
        let tag = |key| text(&span.tags, key);
        let base_id = id(&span.tags, BASE_ID).unwrap_or_else(|| self.plain.clone());
        let parent_id = id(&span.tags, PARENT_ID).unwrap_or_else(|| base_id.clone());
        let record = |phase, info, whole, at| {
            if let Some(json) = tag(whole)
                && let Ok(view) = RecordView::parse(&json)
            {
                return Record::from(&view);
            }
            Record {
                name: tag(NAME).unwrap_or(Cow::Borrowed(&*span.operation_name)).into_owned().into(),
                phase,
                base_id: base_id.clone(),
                parent_id: parent_id.clone(),
                trace_id: self.points[&*span.span_id].clone(),
                timestamp: at,
                info: tag(info).map(|json| info_of(&json)).unwrap_or_default(),
                origin: self.origins.get(&*span.process_id).cloned().unwrap_or_default(),
                source: None,
            }
        };
        let (started, stopped) = times(span);
        let mut records = Vec::with_capacity(2);
        if tag(PHASE).as_deref() != Some("stop") {
            records.push(record(Phase::Start, START_INFO, START_RECORD, started));
        }
        if let Some(stopped) = stopped.filter(|_| tag(PHASE).as_deref() != Some("start")) {
            records.push(record(Phase::Stop, STOP_INFO, STOP_RECORD, stopped));
        }
        records
    }

    /// Records that say what a span of somebody else does.
    fn foreign(&self, span: &Span<'_>) -> Vec<Record> {
        let meaning = Meaning::of(span);
        let parent_id = self.parent(span).unwrap_or_else(|| self.foreign.clone());
        let origin = self.trace.processes.get(&span.process_id).map(|process| {
            let is_python = meaning.is_python;
            foreign_origin(process, is_python)
        });
        let origin = Arc::new(origin.unwrap_or_default());
        let record = |phase, timestamp, info: Map<String, Value>| Record {
            name: meaning.name.clone().into(),
            phase,
            base_id: self.foreign.clone(),
            parent_id: parent_id.clone(),
            trace_id: self.points[&*span.span_id].clone(),
            timestamp,
            info: info_of(&Value::Object(info).to_string()),
            origin: origin.clone(),
            source: None,
        };
        let (started, stopped) = times(span);
        let start = record(Phase::Start, started, meaning.start.clone());
        let stop = stopped.map(|at| record(Phase::Stop, at, meaning.stop.clone()));
        iter::once(start).chain(stop).collect()
    }

    fn parent(&self, span: &Span<'_>) -> Option<Id> {
        let within = |kind: &str| {
            span.references
                .iter()
                .find(|other| other.ref_type == kind && other.trace_id == self.trace.trace_id)
        };
        let parent = within("CHILD_OF").or_else(|| within("FOLLOWS_FROM"))?;
        let known = self.points.get(&*parent.span_id).cloned();
        Some(known.unwrap_or_else(|| Id::from(&*parent.span_id)))
    }
}

fn repeated<'a>(trace: &'a Trace<'_>) -> HashSet<&'a str> {
    let mut seen = HashSet::with_capacity(trace.spans.len());
    let ids = trace.spans.iter().map(|span| &*span.span_id);
    ids.filter(|id| !seen.insert(*id)).collect()
}

/// The ids of points by the ids of their spans: what our spans say of themselves, then what they say
/// of their parents; the id of the span if nobody says anything.
fn points<'a>(trace: &'a Trace<'_>) -> HashMap<&'a str, Id> {
    let mut points = HashMap::with_capacity(trace.spans.len());
    for span in &trace.spans {
        if let Some(id) = id(&span.tags, TRACE_ID) {
            points.insert(&*span.span_id, id);
        }
    }
    for span in &trace.spans {
        // Besides the parent there may be a link.
        let parent = span.references.iter().find(|other| other.ref_type == "CHILD_OF");
        if let (Some(id), Some(parent)) = (id(&span.tags, PARENT_ID), parent) {
            points.entry(&*parent.span_id).or_insert(id);
        }
    }
    for span in &trace.spans {
        points.entry(&*span.span_id).or_insert_with(|| Id::from(&*span.span_id));
    }
    points
}

fn own_origin(process: &Process<'_>) -> Origin {
    let tag = |key| text(&process.tags, key).map(|text| Box::from(&*text));
    Origin { project: tag(PROJECT), service: tag(SERVICE), host: tag(HOST).unwrap_or_default() }
}

/// The Python library joins project and service with a dash; others have a service only.
fn foreign_origin(process: &Process<'_>, is_python: bool) -> Origin {
    let name = &*process.service_name;
    let (project, service) = match name.split_once('-').filter(|_| is_python) {
        Some((project, service)) => (Some(project.into()), service),
        None => (None, name),
    };
    let host = text(&process.tags, HOST).unwrap_or_default().as_ref().into();
    Origin { project, service: Some(service.into()), host }
}

/// When it started, and when it stopped, if it did.
fn times(span: &Span<'_>) -> (Timestamp, Option<Timestamp>) {
    let later = |us| Timestamp::from_micros(span.start_time.saturating_add(us));
    (Timestamp::from_micros(span.start_time), span.duration.map(later))
}

/// An info that somebody cut on the way is kept as text.
fn info_of(json: &str) -> Info {
    Info::from_json(json).unwrap_or_else(|_| Info::new().with("unreadable", json))
}

fn id(tags: &[Tag<'_>], key: &str) -> Option<Id> {
    text(tags, key).map(|text| Id::from(&*text))
}

/// What a span of somebody else says, in the words of our infos.
struct Meaning {
    name: String,
    is_python: bool,
    start: Map<String, Value>,
    stop: Map<String, Value>,
}

/// Attributes by what they mean: those of today's conventions, of older ones, of the Python library.
const METHOD: &[&str] = &["http.request.method", "http.method"];
const PATH: &[&str] = &["url.path", "http.path", "http.target"];
const QUERY: &[&str] = &["url.query", "http.query"];
const URL_SCHEME: &[&str] = &["url.scheme", "http.scheme"];
const HOSTNAME: &[&str] = &["server.address", "http.hostname", "net.peer.name"];
const PORT: &[&str] = &["server.port", "http.port", "net.peer.port"];
const STATEMENT: &[&str] = &["db.query.text", "db.statement"];
const PARAMS: &[&str] = &["db.params"];
const FUNCTION: &[&str] = &["code.function.name", "code.function"];
const STATUS_CODE: &[&str] = &["http.response.status_code", "http.status_code"];

impl Meaning {
    fn of(span: &Span<'_>) -> Self {
        let is_python = text(&span.tags, SCOPE_NAME).as_deref() == Some(PYTHON_SCOPE);
        let mut left = Left::of(&span.tags);
        let is_client = text(&span.tags, KIND).as_deref() == Some("client");
        if is_python {
            left.take(&[KIND]);
            left.take(&[SCOPE_NAME]);
        }
        let mut meaning = Self {
            name: span.operation_name.to_string(),
            is_python,
            start: Map::new(),
            stop: Map::new(),
        };
        meaning.call(&mut left, is_client);
        meaning.failure(&mut left, &span.logs);
        let attributes = left.rest();
        if !attributes.is_empty() {
            meaning.start.insert("attributes".to_owned(), attributes.into());
        }
        meaning
    }

    fn call(&mut self, left: &mut Left<'_>, is_client: bool) {
        if let Some(statement) = left.take(STATEMENT) {
            let params = left.take(PARAMS).map(parsed);
            self.start.insert(
                "db".to_owned(),
                fields([("statement", Some(statement)), ("params", params)]),
            );
            self.rename("db");
            self.result("db", left);
        } else if let Some(method) = left.take(METHOD) {
            self.http(method, left, is_client);
        } else if self.is_python
            && let Some(name) = left.take(&["name"])
        {
            let (args, kwargs) = (left.take(&["args"]), left.take(&["kwargs"]));
            let function = fields([("name", Some(name)), ("args", args), ("kwargs", kwargs)]);
            self.start.insert("function".to_owned(), function);
            self.result("function", left);
        } else if let Some(name) = left.take(FUNCTION) {
            self.start.insert("function".to_owned(), fields([("name", Some(name))]));
        }
    }

    fn http(&mut self, method: Value, left: &mut Left<'_>, is_client: bool) {
        let mut request = vec![
            ("path", left.take(PATH)),
            ("query", left.take(QUERY)),
            ("method", Some(method)),
            ("scheme", left.take(URL_SCHEME)),
        ];
        let hostname = left.take(HOSTNAME);
        // The Python library says of its requests that they are the database's.
        let is_call = is_client || (self.is_python && hostname.is_some());
        let mut status = left.take(STATUS_CODE);
        if self.is_python {
            status = status.or_else(|| left.take(&["status_code"]));
        }
        let status = status.map(|code| fields([("status_code", Some(code))]));
        if is_call {
            let scheme = request[3].1.as_ref().and_then(Value::as_str).unwrap_or("http").to_owned();
            request.extend([("hostname", hostname), ("port", left.take(PORT))]);
            self.start.insert("requests".to_owned(), fields(request));
            self.stop.extend(status.map(|status| ("requests".to_owned(), status)));
            self.rename(&scheme);
        } else {
            self.start.insert("request".to_owned(), fields(request));
            self.stop.extend(status.map(|status| ("response".to_owned(), status)));
            self.rename("wsgi");
        }
    }

    /// The Python library names spans by what they do; its points have these names.
    fn rename(&mut self, point: &str) {
        if self.is_python {
            point.clone_into(&mut self.name);
        }
    }

    fn result(&mut self, call: &str, left: &mut Left<'_>) {
        if self.is_python
            && let Some(result) = left.take(&["result"])
        {
            self.stop.insert(call.to_owned(), fields([("result", Some(result))]));
        }
    }

    fn failure(&mut self, left: &mut Left<'_>, logs: &[Log<'_>]) {
        let mut events = Vec::new();
        for log in logs {
            let field = |key| tag(&log.fields, key).map(Tag::to_value);
            let etype = field("exception.type").or_else(|| field("error.kind"));
            if let Some(etype) = etype {
                let message = field("exception.message").or_else(|| field("message"));
                self.stop.insert("etype".to_owned(), etype);
                self.stop.extend(message.map(|message| ("message".to_owned(), message)));
                continue;
            }
            let at = Timestamp::from_micros(log.timestamp).to_string();
            let said = log.fields.iter().map(|tag| (tag.key.to_string(), tag.to_value()));
            let mut event = Map::from_iter([("timestamp".to_owned(), at.into())]);
            event.extend(said);
            events.push(Value::Object(event));
        }
        if !events.is_empty() {
            self.stop.insert("events".to_owned(), events.into());
        }
        let has_failed =
            left.take(&["error"]).is_some_and(|error| error != false && error != "false");
        if has_failed && !self.stop.contains_key("etype") {
            let etype = left.tags.get("error.type").map(|tag| tag.to_value());
            let message = left.tags.get("otel.status_description").map(|tag| tag.to_value());
            self.stop.insert("etype".to_owned(), etype.unwrap_or_else(|| "error".into()));
            self.stop.extend(message.map(|message| ("message".to_owned(), message)));
        }
    }
}

/// The tags of a span that nobody took yet.
struct Left<'a> {
    tags: HashMap<&'a str, &'a Tag<'a>>,
}

impl<'a> Left<'a> {
    fn of(tags: &'a [Tag<'a>]) -> Self {
        let tags = tags.iter().filter(|tag| tag.key != "internal.span.format");
        Self { tags: tags.map(|tag| (&*tag.key, tag)).collect() }
    }

    /// The value of the first of these keys that is there.
    fn take(&mut self, keys: &[&str]) -> Option<Value> {
        keys.iter().find_map(|key| self.tags.remove(*key)).map(Tag::to_value)
    }

    fn rest(self) -> Map<String, Value> {
        self.tags.into_iter().map(|(key, tag)| (key.to_owned(), tag.to_value())).collect()
    }
}

fn fields<'k>(fields: impl IntoIterator<Item = (&'k str, Option<Value>)>) -> Value {
    let there = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(there.collect())
}

/// What was put into a text as JSON.
fn parsed(value: Value) -> Value {
    value.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(value)
}
