//! A record as events, and back.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use osprofiler_wire::Record;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The field with the JSON of a record.
const TRACE: &str = "trace";
/// The field that says which part of a record this is: `RECORD/PART/PARTS`.
const PART: &str = "trace_part";
/// The field with the part.
const PART_TEXT: &str = "trace_text";
/// The most text that a field holds (16 KB).
pub(super) const MAX_FIELD: usize = 16_000;

#[derive(Serialize)]
pub(super) struct Event<'a> {
    text: &'static str,
    /// Milliseconds since 1970. The server takes its own time if it is far from that.
    timestamp: i64,
    fields: Vec<Field<'a>>,
}

#[derive(Serialize)]
struct Field<'a> {
    name: &'static str,
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Owned(String),
    Null,
}

/// The events of a record whose JSON is `text`.
pub(super) fn events<'a>(record: &'a Record, text: &'a str) -> Vec<Event<'a>> {
    if text.len() <= MAX_FIELD {
        return vec![event(record, vec![Field { name: TRACE, content: Content::Text(text) }])];
    }
    let parts = split(text);
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let record_id = hasher.finish();
    let of_part = |at: usize| {
        let part = format!("{record_id:016x}/{at}/{}", parts.len());
        event(
            record,
            vec![
                Field { name: PART, content: Content::Owned(part) },
                Field { name: PART_TEXT, content: Content::Text(parts[at]) },
            ],
        )
    };
    (0..parts.len()).map(of_part).collect()
}

fn split(mut text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while !text.is_empty() {
        let (part, rest) = text.split_at(text.floor_char_boundary(MAX_FIELD));
        parts.push(part);
        text = rest;
    }
    parts
}

/// What is searched for, and `rest`.
fn event<'a>(record: &'a Record, rest: Vec<Field<'a>>) -> Event<'a> {
    let optional = |text: Option<&'a str>| text.map_or(Content::Null, Content::Text);
    let mut fields = vec![
        Field { name: "base_id", content: Content::Owned(record.base_id.to_string()) },
        Field { name: "trace_id", content: Content::Owned(record.trace_id.to_string()) },
        Field { name: "project", content: optional(record.origin.project.as_deref()) },
        Field { name: "service", content: optional(record.origin.service.as_deref()) },
        Field {
            name: "name",
            content: Content::Owned(format!("{}{}", record.name, record.phase.suffix())),
        },
    ];
    fields.extend(rest);
    let timestamp = record.timestamp.as_micros().div_euclid(1000);
    Event { text: "OSProfiler trace", timestamp, fields }
}

/// An event as the server gives it.
#[derive(Deserialize)]
pub(super) struct Found {
    /// Milliseconds since 1970, as the server has it.
    pub(super) timestamp: i64,
    #[serde(default)]
    fields: Vec<FoundField>,
}

#[derive(Deserialize)]
struct FoundField {
    name: String,
    /// Text, but for fields of others.
    #[serde(default)]
    content: Option<Box<RawValue>>,
}

impl Found {
    fn text(&self, name: &str) -> Option<String> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        serde_json::from_str(field.content.as_ref()?.get()).ok()
    }
}

/// Puts together what is spread over several events.
#[derive(Default)]
pub(super) struct Joiner {
    records: HashMap<String, Parts>,
}

/// The parts of a record that came. How many there are to be is what an event says, which anybody may
/// have sent: nothing is kept for those that do not come.
struct Parts {
    count: usize,
    texts: BTreeMap<usize, String>,
}

impl Parts {
    fn is_whole(&self) -> bool {
        self.texts.len() == self.count
    }
}

impl Joiner {
    /// The JSON of the record that an event completes, if it completes one.
    pub(super) fn add(&mut self, event: &Found) -> Option<String> {
        if let Some(text) = event.text(TRACE) {
            return Some(text);
        }
        let (part, text) = (event.text(PART)?, event.text(PART_TEXT)?);
        let mut part = part.split('/');
        let id = part.next()?.to_owned();
        let mut number = || part.next()?.parse::<usize>().ok();
        let (at, count) = (number()?, number()?);
        let new = || Parts { count, texts: BTreeMap::new() };
        let record = self.records.entry(id).or_insert_with(new);
        // A repeat completes nothing, nor does what belongs to something else.
        if at >= record.count || count != record.count || record.texts.contains_key(&at) {
            return None;
        }
        record.texts.insert(at, text);
        record.is_whole().then(|| record.texts.values().map(String::as_str).collect())
    }

    /// How many records lack a part.
    pub(super) fn incomplete(&self) -> usize {
        self.records.values().filter(|record| !record.is_whole()).count()
    }
}

#[cfg(test)]
mod tests {
    use osprofiler_wire::RecordView;

    use super::*;

    #[test]
    fn a_large_record_is_spread_and_put_together_from_any_order_and_from_repeats() {
        let text = format!(
            r#"{{"name":"db-stop","base_id":"b","trace_id":"t","timestamp":"2026-01-02T03:04:05.000001","info":{{"text":"{}"}}}}"#,
            "é🔑".repeat(10_000)
        );
        let record = Record::from(&RecordView::parse(&text).unwrap());
        let mut sent: Vec<String> = events(&record, &text)
            .iter()
            .map(|event| serde_json::to_string(event).unwrap())
            .collect();
        assert_eq!(sent.len(), 4);
        sent.reverse();
        let (first, all) = (sent[0].clone(), sent.clone());
        sent.insert(1, first);
        sent.extend(all);
        let mut joiner = Joiner::default();
        let found: Vec<String> = sent
            .iter()
            .filter_map(|json| joiner.add(&serde_json::from_str(json).unwrap()))
            .collect();
        assert_eq!(found, [text]);
        assert_eq!(joiner.incomplete(), 0);
        joiner = Joiner::default();
        joiner.add(&serde_json::from_str(&sent[0]).unwrap());
        assert_eq!(joiner.incomplete(), 1);
    }

    #[test]
    fn parts_that_are_only_spoken_of_take_no_memory() {
        let mut joiner = Joiner::default();
        for record in 0..1000 {
            let fields = [(PART, format!("{record}/7/{}", usize::MAX)), (PART_TEXT, "x".into())];
            let fields = fields.map(|(name, content)| FoundField {
                name: name.into(),
                content: serde_json::value::to_raw_value(&content).ok(),
            });
            let event = Found { timestamp: 0, fields: fields.into() };
            assert_eq!(joiner.add(&event), None);
        }
        assert_eq!(joiner.incomplete(), 1000);
    }
}
