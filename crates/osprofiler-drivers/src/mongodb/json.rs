//! A document as the record that it is.

use std::io;

use mongodb::bson::{RawBsonRef, RawDocument};
use serde::Serialize;

/// No server takes deeper documents.
const MAX_DEPTH: usize = 200;

/// The JSON of a document, without its `_id`.
pub(super) fn json_of(document: &RawDocument) -> io::Result<String> {
    let mut out = Vec::with_capacity(document.as_bytes().len() * 5 / 4);
    push_document(&mut out, document, 0)?;
    Ok(String::from_utf8(out).expect("JSON is text"))
}

fn push_document(out: &mut Vec<u8>, document: &RawDocument, depth: usize) -> io::Result<()> {
    out.push(b'{');
    for element in document.iter_elements() {
        let element = element.map_err(io::Error::other)?;
        if depth == 0 && element.key() == "_id" {
            continue;
        }
        separate(out, b'{');
        push(out, element.key().as_str())?;
        out.push(b':');
        push_value(out, element.value().map_err(io::Error::other)?, depth + 1)?;
    }
    out.push(b'}');
    Ok(())
}

fn push_value(out: &mut Vec<u8>, value: RawBsonRef<'_>, depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other("too deep a document"));
    }
    match value {
        RawBsonRef::Document(document) => push_document(out, document, depth),
        RawBsonRef::Array(array) => {
            out.push(b'[');
            for value in array {
                separate(out, b'[');
                push_value(out, value.map_err(io::Error::other)?, depth + 1)?;
            }
            out.push(b']');
            Ok(())
        }
        RawBsonRef::String(text) => push(out, text),
        RawBsonRef::Boolean(value) => push(out, &value),
        RawBsonRef::Int32(value) => push(out, &value),
        RawBsonRef::Int64(value) => push(out, &value),
        RawBsonRef::Null | RawBsonRef::Undefined => push(out, &()),
        RawBsonRef::Double(value) if value.is_finite() => push(out, &value),
        // As such are read wherever Python has written them.
        RawBsonRef::Double(value) if value.is_nan() => push(out, "NaN"),
        RawBsonRef::Double(value) => push(out, if value > 0.0 { "Infinity" } else { "-Infinity" }),
        // Types that JSON does not have come from other producers only.
        other => push(out, &other),
    }
}

fn push(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    serde_json::to_writer(out, value).map_err(io::Error::other)
}

fn separate(out: &mut Vec<u8>, opening: u8) {
    if out.last() != Some(&opening) {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{DateTime, rawdoc};

    use super::*;

    #[test]
    fn what_json_does_not_have_is_told_as_text_or_as_extended_json() {
        let document = rawdoc! {
            "_id": 1,
            "numbers": [1_i32, 2_i64, 1000.0, 0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY],
            "at": DateTime::from_millis(0),
            "inner": { "_id": null, "a": [], "b": {}, "c{": [true] },
        };
        assert_eq!(
            json_of(&document).unwrap(),
            "{\"numbers\":[1,2,1000.0,0.1,\"NaN\",\"Infinity\",\"-Infinity\"],\
             \"at\":{\"$date\":{\"$numberLong\":\"0\"}},\
             \"inner\":{\"_id\":null,\"a\":[],\"b\":{},\"c{\":[true]}}"
        );
    }
}
