//! From a record to a document, and back.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use osprofiler_wire::{Record, RecordView};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::json;

/// How a document of a data stream begins, before the fields of the record.
const STAMP: &str = "{\"@timestamp\":\"";
/// How a document begins that has the text of its record as one field.
const WRAPPED: &str = "{\"record\":";
/// Of a text that only shows that something is there.
const SHOWN: usize = 200;

/// A record to be stored.
pub(super) struct Document<'a> {
    pub(super) record: &'a Record,
    /// Its own text.
    pub(super) text: String,
}

impl<'a> Document<'a> {
    pub(super) fn of(record: &'a Record) -> Self {
        Self { record, text: record.to_json() }
    }

    /// The id of the document: when, and a hash of what. The time makes them grow, so that the server
    /// sees soon that an id is new.
    pub(super) fn id(&self) -> String {
        let hash = fnv1a(self.text.as_bytes());
        format!("{:016x}{hash:016x}", self.record.timestamp.as_micros())
    }

    /// Whether the server is sure to understand the record's own text. Keys have to be names of fields.
    /// The texts of others may have times that mean nothing to it, or look like something of our own.
    pub(super) fn is_plain(&self) -> bool {
        let Some(source) = &self.record.source else {
            return self.record.info.is_empty() || has_names(&self.record.info.to_json());
        };
        source.contains(&format!("\"{}\"", self.record.timestamp))
            && !source.starts_with(STAMP)
            && !source.starts_with(WRAPPED)
            && RecordView::parse(source)
                .is_ok_and(|view| view.info.is_none_or(|info| has_names(info.get())))
    }

    /// Appends the document, on one line: the record's own text.
    pub(super) fn push_plain(&self, out: &mut String, with_stamp: bool) {
        self.push(out, with_stamp, &self.text);
    }

    /// Appends the document, on one line: the record's own text as one field, and what it is found by
    /// as others.
    pub(super) fn push_wrapped(&self, out: &mut String, with_stamp: bool) {
        let Record { name, phase, base_id, parent_id, trace_id, timestamp, info, origin, .. } =
            self.record;
        let mut shown = json!({"host": origin.host});
        if let Some(etype) = info.to_map().get("etype") {
            shown["etype"] = etype.to_string().chars().take(SHOWN).collect::<String>().into();
        }
        let fields = json!({
            "name": format!("{name}{}", phase.suffix()),
            "base_id": base_id,
            "trace_id": trace_id,
            "parent_id": parent_id,
            "timestamp": timestamp.to_string(),
            "info": shown,
            "project": origin.project,
            "service": origin.service,
        });
        let fields = fields.to_string();
        self.push(out, with_stamp, &format!("{WRAPPED}{},{}", json!(self.text), &fields[1..]));
    }

    fn push(&self, out: &mut String, with_stamp: bool, json: &str) {
        if with_stamp {
            write!(out, "{STAMP}{}\",", self.record.timestamp).expect("a string takes any text");
            out.push_str(json.trim_start().strip_prefix('{').unwrap_or(json));
        } else {
            out.push_str(json);
        }
        out.push('\n');
    }
}

/// The text of the record that a document holds.
pub(super) fn record_of(document: &str) -> Cow<'_, str> {
    let stamped = document.strip_prefix(STAMP).and_then(|rest| rest.split_once("\","));
    let document = match stamped {
        Some((_, rest)) => Cow::Owned(format!("{{{rest}")),
        None => Cow::Borrowed(document),
    };
    if document.starts_with(WRAPPED)
        && let Some(text) = wrapped_record(&document)
    {
        return Cow::Owned(text);
    }
    document
}

/// The text of the record that a document holds as one field; `None` if it holds none.
pub(super) fn wrapped_record(document: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Wrapped {
        record: String,
    }
    serde_json::from_str(document).ok().map(|Wrapped { record }| record)
}

/// Whether JSON is an object whose keys, parted at their dots, are all names.
fn has_names(json: &str) -> bool {
    struct Keys;

    impl<'de> Visitor<'de> for Keys {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
            let mut are_names = true;
            while let Some((key, IgnoredAny)) = map.next_entry::<Cow<'de, str>, IgnoredAny>()? {
                are_names &= key.split('.').all(|part| !part.trim().is_empty());
            }
            Ok(are_names)
        }
    }

    serde_json::Deserializer::from_str(json).deserialize_map(Keys).unwrap_or(false)
}

/// FNV-1a of 64 bits: the same in each process and each version of this crate.
fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{ "name":"db-start","base_id":"b","trace_id":"t",
        "timestamp":"2016-04-18T17:42:10.774321","info":{"etype":["a\u0000"]}}"#;

    fn record(json: &str) -> Record {
        Record::from(&RecordView::parse(json).unwrap())
    }

    #[test]
    fn every_document_gives_its_record_back() {
        let texts = [
            TEXT.to_owned(),
            TEXT.replacen('{', "{\"record\":\"{}\",", 1),
            TEXT.replacen('{', "{\"record\":7,", 1),
            TEXT.replacen('{', "{\"@timestamp\":\"x\",", 1),
            TEXT.replacen("{ ", "{\"@timestamp\":\"x\",\"record\":\"\",", 1),
        ];
        for text in texts {
            let record = record(&text);
            let document = Document::of(&record);
            for with_stamp in [false, true] {
                let (mut plain, mut wrapped) = (String::new(), String::new());
                document.push_wrapped(&mut wrapped, with_stamp);
                assert_eq!(record_of(wrapped.trim_end()), document.text, "{wrapped}");
                if document.is_plain() {
                    document.push_plain(&mut plain, with_stamp);
                    assert_eq!(record_of(plain.trim_end()), document.text, "{plain}");
                }
            }
        }
    }

    #[test]
    fn what_the_server_would_not_find_or_take_is_wrapped() {
        for (from, to) in [
            ("2016-04-18T", "2016-04-18 "),
            ("{ ", "{\"record\":7,"),
            ("{\"etype\":[\"a\\u0000\"]}", "\"none\""),
            ("etype", ""),
            ("etype", "."),
            ("etype", "a..b"),
            ("etype", " .a"),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert_ne!(text, TEXT);
            assert!(!Document::of(&record(&text)).is_plain(), "{text}");
        }
        assert!(Document::of(&record(TEXT)).is_plain());
        assert!(Document::of(&record(&TEXT.replace("etype", "a.b"))).is_plain());
    }

    #[test]
    fn ids_follow_from_the_record_and_grow_with_time() {
        let (first, later) = (record(TEXT), record(&TEXT.replace("10.77", "10.78")));
        let (first, later) = (Document::of(&first).id(), Document::of(&later).id());
        // In each process and each version, or what is written again would be stored again.
        assert_eq!(first, "000530c5e1565131feadf0edd28d4f27");
        assert!(later > first);
    }
}
