//! From a point to a span: what OpenTelemetry's conventions have a word for is said in it, and all
//! else in attributes of our own, so that the point can be read back.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyKind;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, status::StatusCode};
use osprofiler_wire::spans::attributes::{
    BASE_ID, HOST, NAME, PARENT_ID, PHASE, PROJECT, SERVICE, START_INFO, START_RECORD, STOP_INFO,
    STOP_RECORD, TRACE_ID,
};
use osprofiler_wire::w3c::{self, Traceparent};
use osprofiler_wire::{Origin, Record, Timestamp};
use serde_json::{Map, Value};

use super::halves::Point;

/// How spans are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Names {
    /// As OpenTelemetry's conventions want it: few names, however many ids there are in paths.
    #[default]
    Otel,
    /// As the existing Python library names them.
    Python,
}

/// The resource of all spans from one origin.
pub(super) fn resource(origin: &Origin, prefix: Option<&str>) -> Resource {
    let parts = [prefix, origin.project.as_deref(), origin.service.as_deref()];
    let mut name = parts.into_iter().flatten().collect::<Vec<_>>().join("-");
    if name.is_empty() {
        "unknown_service".clone_into(&mut name);
    }
    let mut attributes = Attributes::default();
    attributes.text("service.name", name);
    attributes.text(HOST, &*origin.host);
    attributes.optional(PROJECT, origin.project.as_deref());
    attributes.optional(SERVICE, origin.service.as_deref());
    Resource { attributes: attributes.0, ..Resource::default() }
}

/// The origin of a point.
pub(super) fn origin<'a>(point: &'a Point<'_>) -> &'a Arc<Origin> {
    &told(point).origin
}

/// The record that tells what the point is.
fn told<'a>(point: &'a Point<'_>) -> &'a Record {
    point.start.as_deref().or(point.stop.as_deref()).expect("a point has a record")
}

/// The span of a point.
pub(super) fn span(point: &Point<'_>, names: Names) -> Span {
    let told = told(point);
    let start = Told::of(point.start.as_deref());
    let stop = Told::of(point.stop.as_deref());
    let began = told.timestamp;
    let ended = point.stop.as_deref().map_or(began, |stop| stop.timestamp.max(began));
    let is_root = told.parent_id == told.base_id;
    let (own, parent) = (w3c::span_id(&told.trace_id), w3c::span_id(&told.parent_id));
    let mut attributes = Attributes::default();
    identify(&mut attributes, told);
    match (&point.start, &point.stop) {
        (Some(_), None) => attributes.text(PHASE, "start"),
        (None, Some(_)) => attributes.text(PHASE, "stop"),
        _ => {}
    }
    keep(&mut attributes, point.start.as_deref(), told, [START_INFO, START_RECORD]);
    keep(&mut attributes, point.stop.as_deref(), told, [STOP_INFO, STOP_RECORD]);
    let call = Call::of(&start);
    call.describe(&start, &stop, &mut attributes);
    let failure = Failure::of(&stop);
    if let Some(failure) = &failure {
        attributes.text("error.type", failure.kind.clone());
    }
    Span {
        trace_id: w3c::trace_id(&told.base_id).to_vec(),
        span_id: own.to_vec(),
        parent_span_id: if is_root || own == parent { Vec::new() } else { parent.to_vec() },
        name: call.name(&start, &told.name, names),
        kind: call.kind() as i32,
        start_time_unix_nano: nanos(began),
        end_time_unix_nano: nanos(ended),
        attributes: attributes.0,
        links: link(&start).into_iter().collect(),
        events: failure.iter().map(|failure| failure.event(ended)).collect(),
        status: failure.map(Failure::status).or_else(|| {
            call.has_failed(&stop)
                .then(|| Status { code: StatusCode::Error as i32, ..Status::default() })
        }),
        ..Span::default()
    }
}

/// Where else the request came from, `docs/headers.md`.
fn link(start: &Told) -> Option<Link> {
    let id = |member| start.text("link", member);
    let header = format!("00-{}-{}-00", id("trace_id")?, id("span_id")?);
    let Traceparent { trace_id, span_id, .. } = Traceparent::parse(header.as_bytes())?;
    Some(Link {
        trace_id: trace_id.to_vec(),
        span_id: span_id.to_vec(),
        trace_state: id("tracestate").unwrap_or_default().into_owned(),
        ..Link::default()
    })
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or_default().saturating_mul(1000)
}

/// What a span has no place for.
fn identify(attributes: &mut Attributes, told: &Record) {
    attributes.text(NAME, &*told.name);
    attributes.text(TRACE_ID, told.trace_id.to_string());
    if told.parent_id != told.base_id {
        attributes.text(PARENT_ID, told.parent_id.to_string());
    }
    let is_plain = told.base_id.uuid_bytes().is_some_and(|uuid| uuid != [0; 16]);
    if !is_plain {
        attributes.text(BASE_ID, told.base_id.to_string());
    }
}

/// Keeps the info of a record; or all of the record, if what else there is in the span does not say
/// the same.
fn keep(
    attributes: &mut Attributes,
    record: Option<&Record>,
    told: &Record,
    [info, whole]: [&'static str; 2],
) {
    let Some(record) = record else { return };
    if !is_said(record, told) {
        attributes.text(whole, record.to_json());
    } else if !record.info.is_empty() {
        attributes.text(info, record.info.to_json());
    }
}

fn is_said(record: &Record, told: &Record) -> bool {
    let is_in_order = record.timestamp >= told.timestamp && told.timestamp.as_micros() >= 0;
    let is_alike = record.name == told.name
        && record.parent_id == told.parent_id
        && record.origin == told.origin;
    is_in_order && is_alike && record.source.as_deref().is_none_or(|source| is_same(source, record))
}

/// Whether the text of a record says nothing but what its fields do.
fn is_same(source: &str, record: &Record) -> bool {
    let made = Record { source: None, ..record.clone() };
    let value = |text: &str| serde_json::from_str::<Value>(text).ok();
    value(source).is_some_and(|source| Some(source) == value(&made.to_json()))
}

/// What a record's info tells.
struct Told(Map<String, Value>);

impl Told {
    fn of(record: Option<&Record>) -> Self {
        let has_info = record.filter(|record| !record.info.is_empty());
        Self(has_info.map(|record| record.info.to_map()).unwrap_or_default())
    }

    fn has(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|value| value.as_object().is_some_and(|map| !map.is_empty()))
    }

    fn text(&self, key: &str, member: &str) -> Option<Cow<'_, str>> {
        plain(self.0.get(key)?.get(member)?)
    }

    fn number(&self, key: &str, member: &str) -> Option<i64> {
        self.text(key, member)?.parse().ok()
    }
}

/// The text of a value; nothing for `null`.
fn plain(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.into()),
        other => Some(other.to_string().into()),
    }
}

/// What a point is, by what its start tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    /// A request that is served.
    Request,
    /// An HTTP request to another service.
    Requests,
    /// A statement for a database.
    Db,
    /// A function.
    Function,
    Other,
}

impl Call {
    fn of(start: &Told) -> Self {
        if start.has("request") {
            Self::Request
        } else if start.has("requests") {
            Self::Requests
        } else if start.has("db") {
            Self::Db
        } else if start.has("function") {
            Self::Function
        } else {
            Self::Other
        }
    }

    fn kind(self) -> SpanKind {
        match self {
            Self::Request => SpanKind::Server,
            Self::Requests | Self::Db => SpanKind::Client,
            Self::Function | Self::Other => SpanKind::Internal,
        }
    }

    /// Says it in the words of OpenTelemetry's conventions.
    fn describe(self, start: &Told, stop: &Told, attributes: &mut Attributes) {
        match self {
            Self::Request => {
                describe_http(start, "request", attributes);
                attributes.number(STATUS_CODE, stop.number("response", "status_code"));
            }
            Self::Requests => {
                describe_http(start, "requests", attributes);
                attributes.optional("server.address", start.text("requests", "hostname"));
                attributes.number("server.port", start.number("requests", "port"));
                attributes.number(STATUS_CODE, stop.number("requests", "status_code"));
            }
            Self::Db => {
                let statement = start.text("db", "statement");
                let verb = statement.as_deref().and_then(verb);
                attributes.optional("db.operation.name", verb);
                attributes.optional("db.query.text", statement);
                attributes.optional("db.query.parameters", start.text("db", "params"));
            }
            Self::Function => {
                attributes.optional("code.function.name", start.text("function", "name"));
            }
            Self::Other => {}
        }
    }

    fn name(self, start: &Told, point: &str, names: Names) -> String {
        let joined = match (self, names) {
            (Self::Request, Names::Otel) => {
                let path = start.text("request", "path").map(|path| without_ids(&path));
                join(" ", [start.text("request", "method"), path.map(Cow::Owned)])
            }
            (Self::Request, Names::Python) => join(
                "_",
                [
                    Some("WSGI".into()),
                    start.text("request", "method"),
                    start.text("request", "path"),
                ],
            ),
            (Self::Requests, Names::Otel) => {
                join(" ", [start.text("requests", "method"), start.text("requests", "hostname")])
            }
            (Self::Requests, Names::Python) => join(
                "_",
                [
                    Some("REQUESTS".into()),
                    start.text("requests", "method"),
                    start.text("requests", "hostname"),
                ],
            ),
            (Self::Db, _) => {
                let verb = start.text("db", "statement").and_then(|text| verb(&text));
                let sql = (names == Names::Python).then(|| "SQL".into());
                verb.and_then(|verb| join("_", [sql, Some(verb.into())]))
            }
            (Self::Function | Self::Other, _) => None,
        };
        joined.unwrap_or_else(|| point.to_owned())
    }

    /// Whether the answer of another service is a failure to us.
    fn has_failed(self, stop: &Told) -> bool {
        let (member, least) = match self {
            Self::Request => ("response", 500),
            Self::Requests => ("requests", 400),
            _ => return false,
        };
        stop.number(member, "status_code").is_some_and(|code| code >= least)
    }
}

const STATUS_CODE: &str = "http.response.status_code";

fn describe_http(start: &Told, key: &str, attributes: &mut Attributes) {
    attributes.optional("http.request.method", start.text(key, "method"));
    attributes.optional("url.path", start.text(key, "path"));
    let query = start.text(key, "query").filter(|query| !query.is_empty());
    attributes.optional("url.query", query);
    attributes.optional("url.scheme", start.text(key, "scheme"));
}

fn join<const N: usize>(separator: &str, parts: [Option<Cow<'_, str>>; N]) -> Option<String> {
    let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(separator))
}

/// The first word of a statement.
fn verb(statement: &str) -> Option<String> {
    let word = statement.split(|character: char| !character.is_ascii_alphabetic());
    word.into_iter().find(|word| !word.is_empty()).map(str::to_ascii_uppercase)
}

/// A path with `{id}` for what is an id in it.
fn without_ids(path: &str) -> String {
    let segment = |segment| if is_id(segment) { "{id}" } else { segment };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// Numbers, UUIDs, and hexadecimal digits as long as half of one.
fn is_id(segment: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    is_number(segment) || (segment.len() >= 16 && is_hex(segment))
}

/// Why a point failed.
struct Failure {
    kind: String,
    message: String,
}

impl Failure {
    fn of(stop: &Told) -> Option<Self> {
        // The key alone says it, whatever its value.
        let kind = plain(stop.0.get("etype")?).unwrap_or_default().into_owned();
        let message = stop.0.get("message").and_then(plain).unwrap_or_default().into_owned();
        Some(Self { kind, message })
    }

    fn event(&self, at: Timestamp) -> Event {
        let mut attributes = Attributes::default();
        attributes.text("exception.type", self.kind.clone());
        attributes.text("exception.message", self.message.clone());
        Event {
            time_unix_nano: nanos(at),
            name: "exception".to_owned(),
            attributes: attributes.0,
            ..Event::default()
        }
    }

    fn status(self) -> Status {
        let message = if self.message.is_empty() { self.kind } else { self.message };
        Status { code: StatusCode::Error as i32, message }
    }
}

#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn text(&mut self, key: &'static str, value: impl Into<String>) {
        self.push(key, AnyKind::StringValue(value.into()));
    }

    fn optional(&mut self, key: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn number(&mut self, key: &'static str, value: Option<i64>) {
        if let Some(value) = value {
            self.push(key, AnyKind::IntValue(value));
        }
    }

    fn push(&mut self, key: &'static str, value: AnyKind) {
        self.0.push(KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        });
    }
}
