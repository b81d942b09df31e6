//! Records: one message about a point, its start or its stop.
//!
//! [`Record`] is one as we make it, with fields of their own types. [`RecordView`] is one as we
//! find it: JSON text of any producer, read as liberally as it makes sense, with the text itself
//! kept, since a report shows it as it was. Both follow `docs/record.md`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::{self, Key};
use crate::{Id, Info, Timestamp};

/// Whether a record tells of the start or of the stop of its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The point began.
    Start,
    /// The point ended.
    Stop,
}

impl Phase {
    /// What the wire appends to the name of the point.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Start => "-start",
            Self::Stop => "-stop",
        }
    }

    /// Parts a record's name into the name of its point and the phase.
    ///
    /// Only the last `-start` or `-stop` is cut: a name may hold dashes. A name with neither is a
    /// start, as the Python library has it.
    ///
    /// ```
    /// use osprofiler_wire::Phase;
    /// assert_eq!(Phase::split("l3-agent-stop"), ("l3-agent", Phase::Stop));
    /// assert_eq!(Phase::split("odd"), ("odd", Phase::Start));
    /// ```
    #[must_use]
    pub fn split(name: &str) -> (&str, Self) {
        if let Some(point) = name.strip_suffix(Self::Stop.suffix()) {
            return (point, Self::Stop);
        }
        (name.strip_suffix(Self::Start.suffix()).unwrap_or(name), Self::Start)
    }
}

/// Where a process's records come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The project, such as `nova`; JSON `null` if there is none.
    pub project: Option<Box<str>>,
    /// The service, such as `api`; JSON `null` if there is none.
    pub service: Option<Box<str>>,
    /// The machine's host name. On the wire it is `info.host`.
    pub host: Box<str>,
}

/// A record as we make it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The name of the point, without the suffix of the phase.
    pub name: Cow<'static, str>,
    /// Start or stop.
    pub phase: Phase,
    /// The trace.
    pub base_id: Id,
    /// The enclosing point; for the first point of a trace, the id that came from the caller.
    pub parent_id: Id,
    /// The point.
    pub trace_id: Id,
    /// When.
    pub timestamp: Timestamp,
    /// What the caller had to say. The host is added when the record is written.
    pub info: Info,
    /// Where.
    pub origin: Arc<Origin>,
    /// The JSON text that the record was read from, on one line; `None` if we made it. It is
    /// written as it was, so that what other producers add is kept.
    pub source: Option<Box<str>>,
}

impl Record {
    /// The record as JSON on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(384);
        self.push_json(&mut out);
        out
    }

    /// Appends the record as JSON on one line: its source, or else compact and with the keys in
    /// the Python library's order.
    pub fn push_json(&self, out: &mut String) {
        if let Some(source) = &self.source {
            out.push_str(source);
            return;
        }
        out.push_str("{\"name\":\"");
        json::push_inside(out, &self.name);
        out.push_str(self.phase.suffix());
        out.push_str("\",\"base_id\":");
        self.base_id.push_json(out);
        out.push_str(",\"trace_id\":");
        self.trace_id.push_json(out);
        out.push_str(",\"parent_id\":");
        self.parent_id.push_json(out);
        out.push_str(",\"timestamp\":\"");
        self.timestamp.push_text(out);
        out.push_str("\",\"info\":");
        self.info.push_json_with(out, "host", &self.origin.host);
        out.push_str(",\"project\":");
        push_optional(out, self.origin.project.as_deref());
        out.push_str(",\"service\":");
        push_optional(out, self.origin.service.as_deref());
        out.push('}');
    }

    /// The info as it is written: with the host, which replaces a `host` that the caller set.
    #[must_use]
    pub fn info_with_host(&self) -> Info {
        self.info.clone().with("host", &self.origin.host)
    }
}

impl From<&RecordView<'_>> for Record {
    /// Keeps the text as the record's source. An `info` that is no dictionary lives on there only.
    fn from(view: &RecordView<'_>) -> Self {
        let info = view.info.and_then(|info| Info::from_json(info.get()).ok());
        let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(Box::from);
        Self {
            name: view.name.clone().into_owned().into(),
            phase: view.phase,
            base_id: view.base_id.clone(),
            parent_id: view.parent_id.clone(),
            trace_id: view.trace_id.clone(),
            timestamp: view.timestamp,
            info: info.unwrap_or_default(),
            origin: Arc::new(Origin {
                project: owned(&view.project),
                service: owned(&view.service),
                host: view.host.as_deref().unwrap_or_default().into(),
            }),
            source: Some(one_line(view.json).into()),
        }
    }
}

/// Outside of strings, where JSON has no line ends, they are but space.
fn one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) { json.replace(['\n', '\r'], " ").into() } else { json.into() }
}

fn push_optional(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => json::push_str(out, text),
        None => out.push_str("null"),
    }
}

/// A record as we find it: JSON text of any producer, and what could be read of it.
///
/// Reading is liberal where producers are known to differ: keys in any order, repeated (the last
/// counts) or unknown; ids, names, project and service that are numbers, or missing; any form of
/// timestamp that [`Timestamp::parse`] takes; an `info` of any type.
#[derive(Clone, Debug)]
pub struct RecordView<'a> {
    /// The record's own text.
    pub json: &'a str,
    /// The name of the point, without the suffix of the phase.
    pub name: Cow<'a, str>,
    /// Start or stop.
    pub phase: Phase,
    /// The trace.
    pub base_id: Id,
    /// The enclosing point; `base_id` if it was missing.
    pub parent_id: Id,
    /// The point.
    pub trace_id: Id,
    /// When.
    pub timestamp: Timestamp,
    /// The project, if there was one.
    pub project: Option<Cow<'a, str>>,
    /// The service, if there was one.
    pub service: Option<Cow<'a, str>>,
    /// `info.host`, if there was one.
    pub host: Option<Cow<'a, str>>,
    /// `info.etype` as JSON: present if the point failed, whatever its value.
    pub etype: Option<&'a RawValue>,
    /// The whole `info` as JSON, if there was one.
    pub info: Option<&'a RawValue>,
}

impl<'a> RecordView<'a> {
    /// Reads the JSON text of one record.
    ///
    /// # Errors
    ///
    /// If the text is not a JSON object, or if `name`, `base_id`, `trace_id` or `timestamp` is
    /// missing or makes no sense: such a record has no place in a trace. Text that Python writes
    /// although it is not JSON (`NaN`) is an error as well; [`json::repair`] mends it.
    pub fn parse(text: &'a str) -> Result<Self, RecordError> {
        let top: Fields<'a, 8> = read_fields(text, &TOP_KEYS).map_err(RecordError::NotAnObject)?;
        let [name, base_id, trace_id, parent_id, timestamp, info, project, service] = top.0;
        let required = |value: Option<&'a RawValue>, key| {
            value.and_then(plain_text).ok_or(RecordError::Missing(key))
        };
        let name = required(name, "name")?;
        let (name, phase) = split_name(name);
        let base_id = Id::from(&*required(base_id, "base_id")?);
        let stamp = required(timestamp, "timestamp")?;
        let info_fields: Fields<'a, 2> = info
            .and_then(|info| read_fields(info.get(), &["host", "etype"]).ok())
            .unwrap_or(Fields([None; 2]));
        let [host, etype] = info_fields.0;
        Ok(Self {
            json: text,
            name,
            phase,
            parent_id: parent_id
                .and_then(plain_text)
                .map_or_else(|| base_id.clone(), |id| Id::from(&*id)),
            base_id,
            trace_id: Id::from(&*required(trace_id, "trace_id")?),
            timestamp: Timestamp::parse(&stamp)
                .ok_or_else(|| RecordError::Timestamp(stamp.chars().take(SHOWN).collect()))?,
            project: project.and_then(plain_text),
            service: service.and_then(plain_text),
            host: host.and_then(plain_text),
            etype,
            info,
        })
    }

    /// A member of `info` as JSON, found by its path; `None` if it is not there.
    ///
    /// ```
    /// # use osprofiler_wire::RecordView;
    /// let text = r#"{"name":"wsgi-start","base_id":"b","trace_id":"t","parent_id":"b",
    ///     "timestamp":"2016-04-18T17:42:10.774321","info":{"request":{"path":"/v3"}}}"#;
    /// let view = RecordView::parse(text).unwrap();
    /// assert_eq!(view.info_text(&["request", "path"]).unwrap(), "/v3");
    /// assert_eq!(view.info_text(&["db", "statement"]), None);
    /// ```
    #[must_use]
    pub fn info_text(&self, path: &[&str]) -> Option<Cow<'a, str>> {
        let mut value = self.info?;
        for key in path {
            let Fields([member]) = read_fields::<1>(value.get(), &[key]).ok()?;
            value = member?;
        }
        plain_text(value)
    }
}

/// Characters of a timestamp that an error shows.
const SHOWN: usize = 40;

/// Why a text is not a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The text is not a JSON object.
    #[error("not a JSON object: {0}")]
    NotAnObject(#[source] serde_json::Error),
    /// A field that every record has is missing, or is not text.
    #[error("`{0}` is missing, expected text")]
    Missing(&'static str),
    /// The timestamp cannot be read.
    #[error("`timestamp` is `{}`, expected UTC like `2016-04-18T17:42:10.774321`", .0.escape_debug())]
    Timestamp(String),
}

const TOP_KEYS: [&str; 8] =
    ["name", "base_id", "trace_id", "parent_id", "timestamp", "info", "project", "service"];

fn split_name(name: Cow<'_, str>) -> (Cow<'_, str>, Phase) {
    match name {
        Cow::Borrowed(name) => {
            let (point, phase) = Phase::split(name);
            (point.into(), phase)
        }
        Cow::Owned(name) => {
            let (point, phase) = Phase::split(&name);
            (point.to_owned().into(), phase)
        }
    }
}

/// A string's text, a number's digits; nothing for `null` or what has members.
fn plain_text(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = value.get();
    match text.as_bytes().first()? {
        b'"' => {
            let inside = &text[1..text.len() - 1];
            if inside.contains('\\') {
                // Half a surrogate pair is no text in Rust; it must not cost the whole record.
                serde_json::from_str::<String>(text)
                    .or_else(|_| serde_json::from_str(&json::repair(text)))
                    .ok()
                    .map(Cow::Owned)
            } else {
                Some(Cow::Borrowed(inside))
            }
        }
        b'n' | b'{' | b'[' => None,
        _ => Some(Cow::Borrowed(text)),
    }
}

/// The values of some keys of a JSON object, as text; of a repeated key the last.
struct Fields<'a, const N: usize>([Option<&'a RawValue>; N]);

fn read_fields<'a, const N: usize>(
    object: &'a str,
    keys: &[&str; N],
) -> serde_json::Result<Fields<'a, N>> {
    struct Members<'k, const N: usize>(&'k [&'k str; N]);

    impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
        type Value = Fields<'de, N>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = [None; N];
            // The key is taken as it stands, so that one with an odd escape is skipped like any
            // other key that nobody asked for.
            while let Some(key) = map.next_key::<Key<'de>>()? {
                let value = map.next_value::<&'de RawValue>()?;
                if let Some(at) = self.0.iter().position(|wanted| key.0 == **wanted) {
                    found[at] = Some(value);
                }
            }
            Ok(Fields(found))
        }
    }

    let mut reader = serde_json::Deserializer::from_str(object);
    let fields = reader.deserialize_map(Members(keys))?;
    reader.end()?;
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn record() -> Record {
        Record {
            name: "l3-agent".into(),
            phase: Phase::Stop,
            base_id: "b".into(),
            parent_id: "p".into(),
            trace_id: "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c".into(),
            timestamp: Timestamp::from_micros(1_461_001_330_774_321),
            info: Info::new().with("etype", "ValueError").with("host", "not this one"),
            origin: Arc::new(Origin {
                project: Some("nova".into()),
                service: None,
                host: "ctl1".into(),
            }),
            source: None,
        }
    }

    #[test]
    fn a_record_has_the_keys_of_the_python_library() {
        assert_eq!(
            record().to_json(),
            concat!(
                r#"{"name":"l3-agent-stop","base_id":"b","#,
                r#""trace_id":"7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c","parent_id":"p","#,
                r#""timestamp":"2016-04-18T17:42:10.774321","#,
                r#""info":{"etype":"ValueError","host":"ctl1"},"project":"nova","service":null}"#
            )
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (record, text) = (record(), record().to_json());
        let view = RecordView::parse(&text).unwrap();
        assert_eq!(view.name, record.name);
        assert_eq!(view.phase, record.phase);
        assert_eq!(view.base_id, record.base_id);
        assert_eq!(view.parent_id, record.parent_id);
        assert_eq!(view.trace_id, record.trace_id);
        assert_eq!(view.timestamp, record.timestamp);
        assert_eq!(view.project.as_deref(), Some("nova"));
        assert_eq!(view.service, None);
        assert_eq!(view.host.as_deref(), Some("ctl1"));
        assert_eq!(view.etype.unwrap().get(), "\"ValueError\"");
        assert_eq!(view.json, text);
    }

    #[test]
    fn a_record_that_was_found_is_written_as_it_was() {
        let text = r#"{"extra": {"deep": [1]}, "name": "db-start", "base_id": "b",
            "trace_id": "t", "timestamp": "2026-01-02T03:04:05", "info": {"host": "h"}}"#;
        let record = Record::from(&RecordView::parse(text).unwrap());
        assert_eq!(record.to_json(), text.replace('\n', " "));
        assert_eq!(&*record.origin.host, "h");
        assert_eq!(record.parent_id, record.base_id);
    }

    fn parse(fields: Value) -> Result<(String, String), String> {
        let mut record = json!({"name": "db-start", "base_id": "b", "trace_id": "t",
            "timestamp": "2026-01-02T03:04:05"});
        record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let text = record.to_string();
        RecordView::parse(&text)
            .map(|view| (view.name.into_owned(), view.parent_id.to_string()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn odd_fields_are_survived() {
        let db = |parent: &str| Ok(("db".to_owned(), parent.to_owned()));
        assert_eq!(parse(json!({})), db("b"));
        assert_eq!(parse(json!({"parent_id": null})), db("b"));
        assert_eq!(parse(json!({"parent_id": 5})), db("5"));
        assert_eq!(parse(json!({"info": null})), db("b"));
        assert_eq!(parse(json!({"info": ["host"], "unknown": {"deep": [1]}})), db("b"));
        assert_eq!(parse(json!({"name": "start"})), Ok(("start".to_owned(), "b".to_owned())));
        assert_eq!(parse(json!({"name": "start-start"})), Ok(("start".to_owned(), "b".to_owned())));
    }

    #[test]
    fn what_has_no_place_in_a_trace_is_refused() {
        assert_eq!(
            parse(json!({"base_id": null})),
            Err("`base_id` is missing, expected text".into())
        );
        assert_eq!(parse(json!({"name": []})), Err("`name` is missing, expected text".into()));
        assert_eq!(
            parse(json!({"timestamp": "yesterday"})),
            Err("`timestamp` is `yesterday`, expected UTC like `2016-04-18T17:42:10.774321`".into())
        );
        assert!(RecordView::parse("[1]").is_err());
        assert!(RecordView::parse(r#"{"name": NaN}"#).is_err());
    }

    #[test]
    fn of_a_repeated_key_the_last_counts() {
        let text = r#"{"name":"a-start","name":"b-stop","base_id":"b","trace_id":"t",
            "timestamp":"2026-01-02T03:04:05.7","info":{"host":"x","host":"y"}}"#;
        let view = RecordView::parse(text).unwrap();
        assert_eq!((&*view.name, view.phase), ("b", Phase::Stop));
        assert_eq!(view.host.as_deref(), Some("y"));
    }

    #[test]
    fn half_a_surrogate_pair_costs_a_character_not_the_record() {
        let text = r#"{"name":"a\ud800-start","base_id":"b","trace_id":"t",
            "timestamp":"2026-01-02T03:04:05.7","info":{"x":"\ud800","host":"h"}}"#;
        let view = RecordView::parse(text).unwrap();
        assert_eq!(view.name, "a\u{fffd}");
        assert_eq!(view.host.as_deref(), Some("h"));
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        let text = format!(
            r#"{{"name":"a-start","base_id":"b","trace_id":"t","timestamp":"2026-01-02T03:04:05","info":{{"x":{deep}}}}}"#
        );
        assert!(RecordView::parse(&text).unwrap().info.is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".*") {
            let _ = RecordView::parse(&text);
        }

        #[test]
        fn a_record_is_what_serde_json_writes_of_its_fields(
            name: String,
            ids in any::<[Option<u128>; 3]>(),
            text: String,
            project: Option<String>,
            micros in 0..=253_402_300_799_999_999_i64,
            key in "host|a",
        ) {
            let [base_id, trace_id, parent_id] =
                ids.map(|bits| bits.map_or_else(|| Id::from(&*text), Id::from_random));
            let record = Record {
                name: name.clone().into(),
                phase: Phase::Start,
                base_id,
                trace_id,
                parent_id,
                timestamp: Timestamp::from_micros(micros),
                info: Info::new().with(&key, &text),
                origin: Arc::new(Origin {
                    project: project.as_deref().map(Box::from),
                    service: Some("api".into()),
                    host: text.as_str().into(),
                }),
                source: None,
            };
            let json = format!(
                r#"{{"name":{},"base_id":{},"trace_id":{},"parent_id":{},"timestamp":{},"info":{},"project":{},"service":"api"}}"#,
                json!(name + "-start"),
                json!(record.base_id),
                json!(record.trace_id),
                json!(record.parent_id),
                json!(record.timestamp.to_string()),
                record.info_with_host().to_json(),
                json!(project),
            );
            prop_assert_eq!(record.to_json(), json);
        }

        #[test]
        fn any_name_comes_back(name in ".*", info_value in ".*") {
            let record = Record {
                name: name.clone().into(),
                info: Info::new().with(&name, &info_value),
                ..record()
            };
            let text = record.to_json();
            let view = RecordView::parse(&text).unwrap();
            prop_assert_eq!(&*view.name, name);
        }
    }
}
