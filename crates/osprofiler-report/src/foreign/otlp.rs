//! Requests of OpenTelemetry's protocol as JSON, alone or in a list. Spans are read as Jaeger reads them:
//! kind, status, scope and events become tags and logs.

use osprofiler_wire::spans::{Log, Process, Reference, Span, Tag, Trace};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::trace_of;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default)]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    #[serde(default)]
    resource: Resource,
    #[serde(default, alias = "instrumentationLibrarySpans")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Default, Deserialize)]
struct Resource {
    #[serde(default)]
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct ScopeSpans {
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    spans: Vec<OtlpSpan>,
}

#[derive(Default, Deserialize)]
struct Scope {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OtlpSpan {
    trace_id: String,
    span_id: String,
    #[serde(default)]
    parent_span_id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: Value,
    start_time_unix_nano: Value,
    #[serde(default)]
    end_time_unix_nano: Value,
    #[serde(default)]
    attributes: Vec<Attribute>,
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    time_unix_nano: Value,
    #[serde(default)]
    name: String,
    #[serde(default)]
    attributes: Vec<Attribute>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Attribute {
    key: String,
    #[serde(default)]
    value: Value,
}

pub(super) fn traces(json: &str) -> serde_json::Result<Vec<Trace<'static>>> {
    let requests: Vec<Request> = if json.starts_with('[') {
        serde_json::from_str(json)?
    } else {
        vec![serde_json::from_str(json)?]
    };
    let mut traces = Vec::new();
    let all = requests.into_iter().flat_map(|request| request.resource_spans);
    for (number, of_resource) in all.enumerate() {
        for of_scope in of_resource.scope_spans {
            for span in of_scope.spans {
                let trace = trace_of(&mut traces, &span.trace_id);
                let process = number.to_string();
                trace
                    .processes
                    .entry(process.clone().into())
                    .or_insert_with(|| self::process(&of_resource.resource));
                trace.spans.push(self::span(span, &of_scope.scope, process));
            }
        }
    }
    Ok(traces)
}

fn process(resource: &Resource) -> Process<'static> {
    let mut tags = tags(&resource.attributes);
    let name = resource.attributes.iter().find(|attribute| attribute.key == "service.name");
    let name = name.map(|attribute| plain(&attribute.value));
    let service_name = name.as_ref().and_then(Value::as_str).unwrap_or("unknown_service");
    tags.retain(|tag| tag.key != "service.name");
    Process { service_name: service_name.to_owned().into(), tags }
}

fn span(span: OtlpSpan, scope: &Scope, process: String) -> Span<'static> {
    let started = micros(&span.start_time_unix_nano);
    let ended = micros(&span.end_time_unix_nano);
    let mut tags = tags(&span.attributes);
    let mut tag = |key: &'static str, text: &str| tags.push(Tag::new(key, &text.into()));
    if !scope.name.is_empty() {
        tag("otel.scope.name", &scope.name);
    }
    if let Some(kind) = kind(&span.kind) {
        tag("span.kind", kind);
    }
    if span.status.code == 2 || span.status.code == "STATUS_CODE_ERROR" {
        tag("error", "true");
        if !span.status.message.is_empty() {
            tag("otel.status_description", &span.status.message);
        }
    }
    let parent = (!span.parent_span_id.is_empty()).then(|| Reference {
        ref_type: "CHILD_OF".into(),
        trace_id: span.trace_id.clone().into(),
        span_id: span.parent_span_id.into(),
    });
    Span {
        span_id: span.span_id.into(),
        operation_name: span.name.into(),
        references: parent.into_iter().collect(),
        start_time: started,
        duration: (ended != 0).then(|| ended.saturating_sub(started)),
        tags,
        logs: span.events.iter().map(log).collect(),
        process_id: process.into(),
    }
}

fn log(event: &Event) -> Log<'static> {
    let mut fields = tags(&event.attributes);
    fields.push(Tag::new("event", &event.name.clone().into()));
    Log { timestamp: micros(&event.time_unix_nano), fields }
}

fn kind(kind: &Value) -> Option<&'static str> {
    let number = kind.as_u64();
    let name = kind.as_str().and_then(|name| name.strip_prefix("SPAN_KIND_"));
    match (number, name) {
        (Some(1), _) | (_, Some("INTERNAL")) => Some("internal"),
        (Some(2), _) | (_, Some("SERVER")) => Some("server"),
        (Some(3), _) | (_, Some("CLIENT")) => Some("client"),
        (Some(4), _) | (_, Some("PRODUCER")) => Some("producer"),
        (Some(5), _) | (_, Some("CONSUMER")) => Some("consumer"),
        _ => None,
    }
}

/// Nanoseconds, as JSON has them: a text, or a number that was rounded; 0 for anything else.
fn micros(nanos: &Value) -> i64 {
    let text = nanos.as_str().and_then(|text| text.parse::<u64>().ok());
    let nanos = text.or_else(|| nanos.as_u64()).unwrap_or(0);
    i64::try_from(nanos / 1000).unwrap_or(i64::MAX)
}

fn tags(attributes: &[Attribute]) -> Vec<Tag<'static>> {
    attributes.iter().map(|it| Tag::new(it.key.clone(), &plain(&it.value))).collect()
}

/// A value without the name of its type.
fn plain(value: &Value) -> Value {
    let Some((kind, inside)) = value.as_object().and_then(|object| object.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        "intValue" => match inside.as_str().and_then(|text| text.parse::<i64>().ok()) {
            Some(number) => number.into(),
            None => inside.clone(),
        },
        "arrayValue" => {
            let values = inside["values"].as_array();
            values.into_iter().flatten().map(plain).collect()
        }
        "kvlistValue" => {
            let pairs = inside["values"].as_array().into_iter().flatten();
            let pairs = pairs
                .filter_map(|pair| Some((pair["key"].as_str()?.to_owned(), plain(&pair["value"]))));
            Value::Object(Map::from_iter(pairs))
        }
        _ => inside.clone(),
    }
}
