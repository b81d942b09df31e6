//! From the spans of OpenTelemetry and its like to records.
//!
//! [`Trace`] is what Jaeger's query API tells of a trace; other formats of spans are brought into that form
//! first. Our own spans become the records that they were made of, those of the existing Python library and
//! of others records that say the same. `docs/drivers/otlp.md` says which attribute means what.

pub mod attributes;
mod records;

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

pub use records::records;

/// The spans of one trace.
#[derive(Debug, Default, Deserialize)]
pub struct Trace<'a> {
    /// Its id: hexadecimal digits, without leading zeros on old versions of Jaeger.
    #[serde(rename = "traceID", borrow)]
    pub trace_id: Cow<'a, str>,
    /// Its spans, in any order.
    #[serde(borrow)]
    pub spans: Vec<Span<'a>>,
    /// Where they ran, by ids that the spans refer to.
    #[serde(borrow)]
    pub processes: HashMap<Cow<'a, str>, Process<'a>>,
}

/// A span: what OpenTelemetry and its like call a point.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span<'a> {
    /// Its id, hexadecimal.
    #[serde(rename = "spanID", borrow)]
    pub span_id: Cow<'a, str>,
    /// What it is called.
    #[serde(borrow)]
    pub operation_name: Cow<'a, str>,
    /// Its parent, and others.
    #[serde(default, borrow)]
    pub references: Vec<Reference<'a>>,
    /// When it started, in microseconds since the epoch.
    pub start_time: i64,
    /// Microseconds; `None` while it is unfinished.
    #[serde(default)]
    pub duration: Option<i64>,
    /// Its attributes.
    #[serde(default, borrow)]
    pub tags: Vec<Tag<'a>>,
    /// What happened within it.
    #[serde(default, borrow)]
    pub logs: Vec<Log<'a>>,
    /// Where it ran.
    #[serde(rename = "processID", borrow)]
    pub process_id: Cow<'a, str>,
}

/// Another span that a span refers to: its parent, if it is `CHILD_OF`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference<'a> {
    /// How, such as `CHILD_OF`.
    #[serde(borrow)]
    pub ref_type: Cow<'a, str>,
    /// Its trace.
    #[serde(rename = "traceID", borrow)]
    pub trace_id: Cow<'a, str>,
    /// Its id.
    #[serde(rename = "spanID", borrow)]
    pub span_id: Cow<'a, str>,
}

/// An attribute.
#[derive(Debug, Deserialize)]
pub struct Tag<'a> {
    /// Its name.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// The value, as JSON.
    #[serde(borrow, deserialize_with = "borrowed")]
    pub value: Cow<'a, RawValue>,
}

/// Something that happened at one instant within a span.
#[derive(Debug, Deserialize)]
pub struct Log<'a> {
    /// Microseconds since the epoch.
    pub timestamp: i64,
    /// What.
    #[serde(borrow)]
    pub fields: Vec<Tag<'a>>,
}

/// Where a span ran.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process<'a> {
    /// The service.
    #[serde(borrow)]
    pub service_name: Cow<'a, str>,
    /// Its attributes.
    #[serde(default, borrow)]
    pub tags: Vec<Tag<'a>>,
}

impl<'a> Tag<'a> {
    /// An attribute with a value.
    pub fn new(key: impl Into<Cow<'a, str>>, value: &Value) -> Self {
        let value = serde_json::value::to_raw_value(value).unwrap_or_default();
        Self { key: key.into(), value: Cow::Owned(value) }
    }

    /// The value, if it is a text.
    fn text(&self) -> Option<Cow<'_, str>> {
        let json = self.value.get();
        let inside = json.strip_prefix('"')?.strip_suffix('"')?;
        if inside.contains('\\') {
            serde_json::from_str(json).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inside))
        }
    }

    fn to_value(&self) -> Value {
        serde_json::from_str(self.value.get()).unwrap_or_default()
    }
}

fn borrowed<'de: 'a, 'a, D: Deserializer<'de>>(input: D) -> Result<Cow<'a, RawValue>, D::Error> {
    <&RawValue>::deserialize(input).map(Cow::Borrowed)
}

/// The last tag with a key.
fn tag<'t, 'a>(tags: &'t [Tag<'a>], key: &str) -> Option<&'t Tag<'a>> {
    tags.iter().rev().find(|tag| tag.key == key)
}

/// The value of the last tag with a key, if it is a text.
fn text<'t>(tags: &'t [Tag<'_>], key: &str) -> Option<Cow<'t, str>> {
    tag(tags, key)?.text()
}
