//! Rows of `data`: from a record, and back to its JSON text.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use osprofiler_wire::{Id, Record, RecordView, Timestamp, json};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::connection::{Row, Value};

/// The columns that [`values_of`] fills.
pub(super) const WRITTEN: &str = "data (timestamp, base_id, parent_id, trace_id, project, host, service, name, data, summarized)";
/// The types of these columns.
pub(super) const TYPES: [&str; 10] =
    ["text", "text", "text", "text", "text", "text", "text", "text", "json", "smallint"];
/// The columns that [`Columns::of`] reads, of all rows.
pub(super) const READ: &str =
    "timestamp, base_id, parent_id, trace_id, project, host, service, name";
/// Characters that a column holds.
const COLUMN_LEN: usize = 255;
/// What a stand-in for an id begins with.
const STAND_IN: &str = "sha256:";

/// What the columns of `data` hold.
#[derive(Clone, Copy)]
pub(super) struct Alphabet {
    pub(super) is_unicode: bool,
}

impl Alphabet {
    /// Whether a column holds the text as it is.
    fn has(self, text: &str) -> bool {
        let is_short = text.len() <= COLUMN_LEN || text.chars().count() <= COLUMN_LEN;
        is_short && !text.contains('\0') && (self.is_unicode || text.is_ascii())
    }

    /// An id as it stands in a column: itself, or what stands in for it.
    pub(super) fn key(self, id: &Id) -> String {
        id.with_text(|text| {
            if self.has(text) && !text.starts_with(STAND_IN) {
                return text.to_owned();
            }
            let mut key = STAND_IN.to_owned();
            for byte in Sha256::digest(text) {
                write!(key, "{byte:02x}").expect("a string takes any text");
            }
            key
        })
    }

    /// A text as it stands in a column: itself, or as much of it as the column holds.
    fn shown(self, text: &str) -> Cow<'_, str> {
        if self.has(text) {
            return text.into();
        }
        let is_held = |c: char| c != '\0' && (self.is_unicode || c.is_ascii());
        text.chars().take(COLUMN_LEN).map(|c| if is_held(c) { c } else { '?' }).collect()
    }

    /// The name of a record as it stands in a column; it always ends with the phase.
    fn shown_name(self, record: &Record) -> String {
        let suffix = record.phase.suffix();
        let name = self.shown(&record.name);
        let held = COLUMN_LEN - suffix.len();
        match name.char_indices().nth(held) {
            Some((end, _)) => name[..end].to_owned() + suffix,
            None => name.into_owned() + suffix,
        }
    }
}

/// A timestamp as it stands in a column: the nearest instant that has 26 characters.
fn shown_timestamp(timestamp: Timestamp) -> String {
    const FIRST: Timestamp = Timestamp::from_micros(-62_135_596_800_000_000);
    const LAST: Timestamp = Timestamp::from_micros(253_402_300_799_999_999);
    timestamp.clamp(FIRST, LAST).to_string()
}

/// How the JSON text of a record is spaced and escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// As [`Record::push_json`] writes it.
    Compact,
    /// As the existing library writes it to other back ends.
    Python,
}

impl Style {
    /// The style of a record, which the column `data` has as well.
    fn of(json: &str) -> Self {
        if json.starts_with(r#"{"name": "#) || json.starts_with(r#"{"info": "#) {
            Self::Python
        } else {
            Self::Compact
        }
    }

    /// What stands between members, and between a key and its value.
    fn marks(self) -> [&'static str; 2] {
        match self {
            Self::Compact => [",", ":"],
            Self::Python => [", ", ": "],
        }
    }

    fn push_text(self, json: &mut String, text: Option<&str>) {
        match (text, self) {
            (None, _) => json.push_str("null"),
            (Some(text), Self::Python) => json::push_python_str(json, text),
            (Some(text), Self::Compact) => {
                json.push_str(&serde_json::to_string(text).expect("text has a JSON form"));
            }
        }
    }
}

/// The values of [`WRITTEN`] for a record.
///
/// The column `data` holds JSON text in a JSON string, `{"info": ...}`. Where the columns do not say
/// all of the record, byte for byte, it is there besides, as `record`.
pub(super) fn values_of(record: &Record, alphabet: Alphabet) -> Vec<Value<'_>> {
    let found = record.source.as_deref().and_then(|source| RecordView::parse(source).ok());
    let info = found
        .as_ref()
        .and_then(|view| view.info)
        .filter(|info| info.get().starts_with('{'))
        .map_or_else(|| record.info_with_host().to_json(), |info| info.get().to_owned());
    let has_host = found.is_none_or(|view| view.host.is_some());
    let columns = Columns {
        timestamp: shown_timestamp(record.timestamp).into(),
        base_id: alphabet.key(&record.base_id).into(),
        parent_id: alphabet.key(&record.parent_id).into(),
        trace_id: alphabet.key(&record.trace_id).into(),
        project: record.origin.project.as_deref().map(|text| alphabet.shown(text)),
        host: has_host.then(|| alphabet.shown(&record.origin.host)),
        service: record.origin.service.as_deref().map(|text| alphabet.shown(text)),
        name: alphabet.shown_name(record).into(),
    };
    let style = record.source.as_deref().map_or(Style::Compact, Style::of);
    let [comma, colon] = style.marks();
    let mut data = format!("{{\"info\"{colon}{info}");
    if !columns.say_all_of(record, &info, style) {
        data.push_str(comma);
        data.push_str("\"record\"");
        data.push_str(colon);
        record.push_json(&mut data);
    }
    data.push('}');
    let mut text = String::with_capacity(data.len() + data.len() / 4);
    json::push_python_str(&mut text, &data);
    vec![
        Value::Text(Some(columns.timestamp)),
        Value::Text(Some(columns.base_id)),
        Value::Text(Some(columns.parent_id)),
        Value::Text(Some(columns.trace_id)),
        columns.project.into(),
        columns.host.into(),
        columns.service.into(),
        Value::Text(Some(columns.name)),
        text.into(),
        1.into(),
    ]
}

/// The columns of a row, but for `data`.
struct Columns<'a> {
    timestamp: Cow<'a, str>,
    base_id: Cow<'a, str>,
    parent_id: Cow<'a, str>,
    trace_id: Cow<'a, str>,
    project: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    service: Option<Cow<'a, str>>,
    name: Cow<'a, str>,
}

impl<'a> Columns<'a> {
    /// Reads the columns [`READ`]; `None` if one is missing without which there is no record.
    fn of(row: &'a Row) -> sqlx::Result<Option<Self>> {
        let text = |column| Ok::<_, sqlx::Error>(row.text(column)?.map(Cow::Borrowed));
        let (Some(timestamp), Some(base_id), Some(trace_id), Some(name)) =
            (text(0)?, text(1)?, text(3)?, text(7)?)
        else {
            return Ok(None);
        };
        let parent_id = text(2)?.unwrap_or_else(|| base_id.clone());
        let (project, host, service) = (text(4)?, text(5)?, text(6)?);
        let columns =
            Self { timestamp, base_id, parent_id, trace_id, project, host, service, name };
        Ok(Timestamp::parse(&columns.timestamp).is_some().then_some(columns))
    }

    /// Whether [`to_json`](Self::to_json) gives the record, byte for byte.
    fn say_all_of(&self, record: &Record, info: &str, style: Style) -> bool {
        if let Some(source) = &record.source {
            return self.to_json(info, &[], style) == **source;
        }
        let origin = &record.origin;
        record.base_id.with_text(|id| self.base_id == id)
            && record.parent_id.with_text(|id| self.parent_id == id)
            && record.trace_id.with_text(|id| self.trace_id == id)
            && self.name.strip_suffix(record.phase.suffix()) == Some(&*record.name)
            && self.project.as_deref() == origin.project.as_deref()
            && self.service.as_deref() == origin.service.as_deref()
            && self.host.as_deref() == Some(&*origin.host)
            && Timestamp::parse(&self.timestamp) == Some(record.timestamp)
    }

    /// The JSON text of the record; with what else the existing library may have left in `data`, and
    /// with the host, if the info does not tell it.
    fn to_json(&self, info: &str, more: &[(Cow<'_, str>, &RawValue)], style: Style) -> String {
        let [comma, colon] = style.marks();
        let mut json = String::with_capacity(info.len() + 384);
        let key = |json: &mut String, key: &str| {
            json.push_str(if json.is_empty() { "{" } else { comma });
            style.push_text(json, Some(key));
            json.push_str(colon);
        };
        let text = |json: &mut String, name: &str, value: Option<&str>| {
            key(json, name);
            style.push_text(json, value);
        };
        text(&mut json, "name", Some(&self.name));
        text(&mut json, "base_id", Some(&self.base_id));
        text(&mut json, "trace_id", Some(&self.trace_id));
        text(&mut json, "parent_id", Some(&self.parent_id));
        text(&mut json, "timestamp", Some(&self.timestamp));
        key(&mut json, "info");
        json.push_str(info);
        text(&mut json, "project", self.project.as_deref());
        text(&mut json, "service", self.service.as_deref());
        for (name, value) in more {
            key(&mut json, name);
            json.push_str(value.get());
        }
        if let Some(host) = self.host.as_deref().filter(|host| !tells_host(info, host)) {
            text(&mut json, "host", Some(host));
        }
        json.push('}');
        json
    }
}

/// Whether an info has this `host`.
fn tells_host(info: &str, host: &str) -> bool {
    let Ok(Members(members)) = serde_json::from_str(info) else { return false };
    let told = members.iter().rfind(|(key, _)| key == "host");
    told.is_some_and(|(_, told)| {
        serde_json::from_str::<Cow<'_, str>>(told.get()).is_ok_and(|told| told == host)
    })
}

/// The JSON text of the record in a row that has the columns [`READ`] and `data`; `None` if there is
/// none.
pub(super) fn json_of(row: &Row) -> sqlx::Result<Option<String>> {
    let (Some(columns), data) = (Columns::of(row)?, row.text(8)?) else { return Ok(None) };
    Ok(columns.with_data(data.unwrap_or("{}")))
}

impl Columns<'_> {
    /// The record with what stands in the column `data`: JSON text, or JSON text in a JSON string as
    /// the existing library has it.
    fn with_data(&self, data: &str) -> Option<String> {
        if data.starts_with('"') {
            self.with_members(&serde_json::from_str::<String>(data).ok()?)
        } else {
            self.with_members(data)
        }
    }

    fn with_members(&self, data: &str) -> Option<String> {
        let Ok(Members(mut members)) = serde_json::from_str(data) else {
            // Python may have written what is no JSON (`NaN`).
            let repaired = json::repair(data);
            return serde_json::from_str::<&RawValue>(&repaired)
                .ok()
                .filter(|repaired| repaired.get().starts_with('{'))
                .and_then(|repaired| self.with_members(repaired.get()));
        };
        if let Some((_, record)) = members.iter().find(|(key, _)| key == "record") {
            return Some(record.get().to_owned());
        }
        let info = members.iter().find(|(key, _)| key == "info").map(|(_, info)| info.get());
        members.retain(|(key, _)| key != "info");
        Some(self.to_json(info.unwrap_or("{}"), &members, Style::of(data)))
    }
}

/// The members of a JSON object, in their order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    members.push((key.0, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// `Cow` alone would always own.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
