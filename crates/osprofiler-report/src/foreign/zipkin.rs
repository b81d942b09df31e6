//! Version 2 of Zipkin's JSON: a list of spans, or a list of such lists.

use std::collections::{BTreeMap, HashMap};

use osprofiler_wire::spans::{Log, Process, Reference, Span, Tag, Trace};
use serde::Deserialize;
use serde_json::Value;

use super::trace_of;
use crate::scan::elements;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ZipkinSpan {
    trace_id: String,
    id: String,
    #[serde(default)]
    parent_id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    /// Microseconds since the epoch; `None` if whoever sent it did not begin the span.
    #[serde(default)]
    timestamp: Option<i64>,
    /// Microseconds.
    #[serde(default)]
    duration: Option<i64>,
    #[serde(default)]
    local_endpoint: Option<Endpoint>,
    #[serde(default)]
    annotations: Vec<Annotation>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// The span has the id of its caller's.
    #[serde(default)]
    shared: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    #[serde(default)]
    service_name: Option<String>,
    #[serde(default)]
    ipv4: Option<String>,
    #[serde(default)]
    ipv6: Option<String>,
}

#[derive(Deserialize)]
struct Annotation {
    timestamp: i64,
    value: String,
}

pub(super) fn traces(json: &str) -> serde_json::Result<Vec<Trace<'static>>> {
    let is_list_of_lists = elements(json).next().is_some_and(|(_, first)| first.starts_with('['));
    let spans: Vec<ZipkinSpan> = if is_list_of_lists {
        serde_json::from_str::<Vec<Vec<ZipkinSpan>>>(json)?.into_iter().flatten().collect()
    } else if json.starts_with('[') {
        serde_json::from_str(json)?
    } else {
        vec![serde_json::from_str(json)?]
    };
    let halves = served_halves(&spans);
    let mut traces = Vec::new();
    for span in spans {
        let trace = trace_of(&mut traces, &span.trace_id);
        let service = service(&span).to_owned();
        trace.processes.entry(service.clone().into()).or_insert_with(|| process(&span));
        trace.spans.push(self::span(span, service, &halves));
    }
    Ok(traces)
}

/// Trace, id and service of the spans that share the id of their caller's.
fn served_halves(spans: &[ZipkinSpan]) -> HashMap<[String; 3], String> {
    let shared = spans.iter().filter(|span| span.shared);
    let key =
        |span: &ZipkinSpan| [span.trace_id.clone(), span.id.clone(), service(span).to_owned()];
    shared.map(|span| (key(span), served_id(&span.id))).collect()
}

/// The id that the served half of a shared span gets: no two points have one.
fn served_id(id: &str) -> String {
    format!("{id}-served")
}

fn service(span: &ZipkinSpan) -> &str {
    let endpoint = span.local_endpoint.as_ref();
    endpoint.and_then(|endpoint| endpoint.service_name.as_deref()).unwrap_or("unknown")
}

fn process(span: &ZipkinSpan) -> Process<'static> {
    let endpoint = span.local_endpoint.as_ref();
    let host = endpoint.and_then(|endpoint| endpoint.ipv4.as_ref().or(endpoint.ipv6.as_ref()));
    let tags = host.map(|host| Tag::new("host.name", &host.clone().into()));
    Process { service_name: service(span).to_owned().into(), tags: tags.into_iter().collect() }
}

fn span(span: ZipkinSpan, service: String, halves: &HashMap<[String; 3], String>) -> Span<'static> {
    let parent = if span.shared { Some(span.id.clone()) } else { span.parent_id };
    // What a service does on behalf of a shared span is below its own half of it.
    let parent = parent.map(|parent| {
        let key = [span.trace_id.clone(), parent, service.clone()];
        let half = halves.get(&key).filter(|_| !span.shared).cloned();
        half.unwrap_or_else(|| key.into_iter().nth(1).unwrap_or_default())
    });
    let reference = parent.map(|parent| Reference {
        ref_type: "CHILD_OF".into(),
        trace_id: span.trace_id.clone().into(),
        span_id: parent.into(),
    });
    let first_said = span.annotations.iter().map(|said| said.timestamp).min();
    // The text says what went wrong; that there is one says that something did.
    let error = span.tags.get("error").cloned();
    let others = span.tags.into_iter().filter(|(key, _)| key != "error");
    let mut tags: Vec<Tag<'_>> = others.map(text_tag).collect();
    if let Some(error) = error {
        tags.push(Tag::new("error", &true.into()));
        tags.push(text_tag(("otel.status_description".to_owned(), error)));
    }
    if let Some(kind) = span.kind {
        tags.push(text_tag(("span.kind".to_owned(), kind.to_ascii_lowercase())));
    }
    Span {
        span_id: if span.shared { served_id(&span.id) } else { span.id }.into(),
        operation_name: span.name.unwrap_or_else(|| service.clone()).into(),
        references: reference.into_iter().collect(),
        start_time: span.timestamp.or(first_said).unwrap_or(0),
        duration: span.duration,
        tags,
        logs: span.annotations.into_iter().map(log).collect(),
        process_id: service.into(),
    }
}

fn text_tag((key, value): (String, String)) -> Tag<'static> {
    Tag::new(key, &Value::String(value))
}

fn log(said: Annotation) -> Log<'static> {
    Log { timestamp: said.timestamp, fields: vec![Tag::new("event", &said.value.into())] }
}
