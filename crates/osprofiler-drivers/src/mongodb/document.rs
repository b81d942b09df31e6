//! A record as a document.

use std::fmt;
use std::ops::Range;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{RawDocumentBuf, rawdoc};
use osprofiler_wire::{Id, Record};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The field with the whole text of a record that a document cannot hold.
pub(super) const TEXT: &str = "osprofiler_json";
/// The field with the number of documents that the text of a record is in.
pub(super) const PARTS: &str = "osprofiler_parts";

/// What servers take (16 MiB), less some room.
const MAX_DOCUMENT: usize = 16_000_000;
/// The most text that one document of parts holds.
const MAX_PART: usize = 8_000_000;
/// The longest value of an info that is told besides the text, and how much of all of them.
const MAX_TOLD: (usize, usize) = (4096, 1 << 20);
/// Servers take 100.
const MAX_DEPTH: usize = 90;

/// A record, and the documents that the rest of its text is in, if it is very large.
pub(super) struct Packed {
    pub(super) document: RawDocumentBuf,
    pub(super) parts: Vec<RawDocumentBuf>,
}

/// Makes the document of a record whose JSON is `text`.
pub(super) fn pack(record: &Record, text: &str) -> Packed {
    if let Ok(document) = whole(record, text)
        && document.len() <= MAX_DOCUMENT
    {
        return Packed { document: raw(document), parts: Vec::new() };
    }
    pack_text(record, text)
}

/// Makes the document of a record that a document cannot hold whole.
pub(super) fn pack_text(record: &Record, text: &str) -> Packed {
    let id = ObjectId::new();
    let mut out = Builder::default();
    let start = out.open();
    out.fields_of(&id, record);
    out.told(record);
    let mut parts = Vec::new();
    if text.len() <= MAX_PART {
        out.text(TEXT, text);
    } else {
        parts = parts_of(&id, &record.base_id, text);
        out.int(PARTS, i32::try_from(parts.len()).expect("memory holds fewer"));
    }
    out.close(start);
    Packed { document: raw(out.0), parts }
}

fn raw(bytes: Vec<u8>) -> RawDocumentBuf {
    RawDocumentBuf::from_bytes(bytes).expect("it is a document")
}

/// The `_id` of a part of the text of a record.
pub(super) fn part_id(record: &ObjectId, at: usize) -> String {
    format!("{record}.{at}")
}

fn parts_of(id: &ObjectId, base_id: &Id, mut text: &str) -> Vec<RawDocumentBuf> {
    let mut parts = Vec::new();
    while !text.is_empty() {
        let (part, rest) = text.split_at(text.floor_char_boundary(MAX_PART));
        parts.push(rawdoc! {
            "_id": part_id(id, parts.len()),
            "base_id": base_id.to_string(),
            "text": part,
        });
        text = rest;
    }
    parts
}

/// All of a record; an error if a document cannot hold it.
fn whole(record: &Record, text: &str) -> serde_json::Result<Vec<u8>> {
    let mut out = Builder(Vec::with_capacity(text.len() + text.len() / 4 + 64));
    let start = out.open();
    out.ids_of(&ObjectId::new(), record);
    let mut reader = serde_json::Deserializer::from_str(text);
    serde::Deserializer::deserialize_map(&mut reader, TopLevel(&mut out))?;
    out.close(start);
    Ok(out.0)
}

/// The bytes of a document (bsonspec.org).
#[derive(Default)]
struct Builder(Vec<u8>);

const DOUBLE: u8 = 0x01;
const STRING: u8 = 0x02;
const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;
const OBJECT_ID: u8 = 0x07;
const BOOLEAN: u8 = 0x08;
const NULL: u8 = 0x0a;
const INT32: u8 = 0x10;
const INT64: u8 = 0x12;

impl Builder {
    /// Starts a document; gives what `close` wants.
    fn open(&mut self) -> usize {
        let start = self.0.len();
        self.0.extend([0; 4]);
        start
    }

    fn close(&mut self, start: usize) {
        self.0.push(0);
        let len = length(self.0.len() - start);
        self.0[start..start + 4].copy_from_slice(&len);
    }

    /// Starts an element; gives where its type is to be put.
    fn key(&mut self, kind: u8, key: &str) -> usize {
        let at = self.0.len();
        self.0.push(kind);
        self.0.extend(key.as_bytes());
        self.0.push(0);
        at
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(STRING, key);
        self.push_text(text);
    }

    fn push_text(&mut self, text: &str) {
        self.0.extend(length(text.len() + 1));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn int(&mut self, key: &str, number: i32) {
        self.key(INT32, key);
        self.0.extend(number.to_le_bytes());
    }

    fn optional_text(&mut self, key: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(key, text),
            None => drop(self.key(NULL, key)),
        }
    }

    /// What is looked for: in one form each, however the record has them.
    fn ids_of(&mut self, id: &ObjectId, record: &Record) {
        self.key(OBJECT_ID, "_id");
        self.0.extend(id.bytes());
        self.id("base_id", &record.base_id);
        self.id("trace_id", &record.trace_id);
        self.id("parent_id", &record.parent_id);
        self.text("timestamp", &record.timestamp.to_string());
    }

    fn id(&mut self, key: &str, id: &Id) {
        id.with_text(|text| self.text(key, text));
    }

    fn fields_of(&mut self, id: &ObjectId, record: &Record) {
        self.ids_of(id, record);
        self.text("name", &format!("{}{}", record.name, record.phase.suffix()));
        self.optional_text("project", record.origin.project.as_deref());
        self.optional_text("service", record.origin.service.as_deref());
    }

    /// The members of the info that a document can hold, for those who do not read the text.
    fn told(&mut self, record: &Record) {
        self.key(DOCUMENT, "info");
        let start = self.open();
        let info = record.info_with_host().to_json();
        let members: std::collections::BTreeMap<String, &RawValue> =
            serde_json::from_str(&info).unwrap_or_default();
        for (key, value) in members {
            let before = self.0.len();
            // Not every server takes every array.
            let is_told = value.get().len() <= MAX_TOLD.0
                && !value.get().contains('[')
                && before - start <= MAX_TOLD.1
                && is_key(&key)
                && self.value(&key, value).is_ok();
            if !is_told {
                self.0.truncate(before);
            }
        }
        self.close(start);
    }

    fn value(&mut self, key: &str, value: &RawValue) -> serde_json::Result<()> {
        let type_at = self.key(0, key);
        let mut reader = serde_json::Deserializer::from_str(value.get());
        Element { out: self, type_at, depth: 2 }.deserialize(&mut reader)
    }
}

/// Too long a document is found to be so before it is sent.
fn length(bytes: usize) -> [u8; 4] {
    i32::try_from(bytes).unwrap_or(i32::MAX).to_le_bytes()
}

/// Whether all servers take it as a key.
fn is_key(key: &str) -> bool {
    !key.starts_with('$') && !key.contains(['.', '\0'])
}

/// Appends the fields of a record but those of [`Builder::ids_of`].
struct TopLevel<'b>(&'b mut Builder);

impl<'de> Visitor<'de> for TopLevel<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        members(self.0, map, 1, |key| match key {
            "base_id" | "trace_id" | "parent_id" | "timestamp" => Member::Known,
            "_id" | TEXT | PARTS => Member::Impossible,
            _ => Member::Value,
        })
    }
}

enum Member {
    Known,
    Value,
    Impossible,
}

fn members<'de, A: MapAccess<'de>>(
    out: &mut Builder,
    mut map: A,
    depth: usize,
    kind_of: impl Fn(&str) -> Member,
) -> Result<(), A::Error> {
    let mut keys: Vec<Range<usize>> = Vec::new();
    while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
        match kind_of(&key) {
            Member::Known => drop(map.next_value::<IgnoredAny>()?),
            Member::Value if is_key(&key) => {
                let type_at = out.key(0, &key);
                keys.push(type_at + 1..out.0.len() - 1);
                map.next_value_seed(Element { out, type_at, depth })?;
            }
            Member::Value | Member::Impossible => {
                return Err(A::Error::custom("a key that is none"));
            }
        }
    }
    if has_repeats(&out.0, &mut keys) {
        return Err(A::Error::custom("a key occurs twice"));
    }
    Ok(())
}

fn has_repeats(bytes: &[u8], keys: &mut [Range<usize>]) -> bool {
    keys.sort_unstable_by_key(|key| &bytes[key.clone()]);
    keys.windows(2).any(|two| bytes[two[0].clone()] == bytes[two[1].clone()])
}

/// Appends one value, and says of what type it is.
struct Element<'b> {
    out: &'b mut Builder,
    type_at: usize,
    depth: usize,
}

impl Element<'_> {
    fn is(&mut self, kind: u8) {
        self.out.0[self.type_at] = kind;
    }
}

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        if self.depth > MAX_DEPTH {
            return Err(D::Error::custom("too deep"));
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.is(NULL);
        Ok(())
    }

    fn visit_bool<E>(mut self, value: bool) -> Result<(), E> {
        self.is(BOOLEAN);
        self.out.0.push(value.into());
        Ok(())
    }

    fn visit_i64<E>(mut self, value: i64) -> Result<(), E> {
        match i32::try_from(value) {
            Ok(value) => {
                self.is(INT32);
                self.out.0.extend(value.to_le_bytes());
            }
            Err(_) => {
                self.is(INT64);
                self.out.0.extend(value.to_le_bytes());
            }
        }
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.visit_i64(i64::try_from(value).map_err(E::custom)?)
    }

    fn visit_f64<E: serde::de::Error>(mut self, value: f64) -> Result<(), E> {
        // Integers beyond 64 bits come as these, and would lose digits.
        const BEYOND: f64 = 9.2e18;
        if value.abs() > BEYOND {
            return Err(E::custom("too large a number"));
        }
        self.is(DOUBLE);
        self.out.0.extend(value.to_le_bytes());
        Ok(())
    }

    fn visit_str<E>(mut self, value: &str) -> Result<(), E> {
        self.is(STRING);
        self.out.push_text(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut values: A) -> Result<(), A::Error> {
        self.is(ARRAY);
        let start = self.out.open();
        let depth = self.depth + 1;
        for at in 0_usize.. {
            let type_at = self.out.key(0, &at.to_string());
            if values.next_element_seed(Element { out: self.out, type_at, depth })?.is_none() {
                self.out.0.truncate(type_at);
                break;
            }
        }
        self.out.close(start);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        self.is(DOCUMENT);
        let start = self.out.open();
        members(self.out, map, self.depth + 1, |_| Member::Value)?;
        self.out.close(start);
        Ok(())
    }
}
