//! Columns hold what the report holds, and the records as they came.
//!
//! Read by a decoder of our own that follows `docs/columns.md`, and nothing else.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::Read;

use flate2::read::ZlibDecoder;
use osprofiler_report::columns::{ColumnsOptions, write_columns};
use osprofiler_report::{Point, Report, ReportBuilder, source};
use serde_json::{Value, json};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data");

/// A file, taken apart.
#[derive(Debug, PartialEq)]
struct Decoded {
    header: Value,
    columns: HashMap<String, Vec<u64>>,
    texts: Vec<String>,
    ids: Vec<[u8; 16]>,
    /// Start and stop record of each point, shortened.
    records: Vec<[String; 2]>,
}

impl Decoded {
    fn text(&self, column: &str, row: usize) -> &str {
        match self.columns[column][row] {
            0 => "",
            index => &self.texts[index as usize - 1],
        }
    }

    fn parent(&self, row: usize) -> Option<usize> {
        match self.columns["parent"][row] {
            0 => None,
            up => Some(row - up as usize),
        }
    }
}

fn columns_of(report: &Report, options: &ColumnsOptions<'_>) -> Decoded {
    let mut file = Vec::new();
    write_columns(report, options, &mut file).unwrap();
    decode(&file)
}

fn decode(file: &[u8]) -> Decoded {
    let (magic, rest) = file.split_at(8);
    assert_eq!(magic, b"OSPCOLS1");
    let (size, rest) = rest.split_at(4);
    let size = u32::from_le_bytes(size.try_into().unwrap()) as usize;
    let (header, mut rest) = rest.split_at(size);
    let mut header: Value = serde_json::from_slice(header).unwrap();
    let mut part = |key: &str| {
        let size = header[key].as_u64().unwrap() as usize;
        header.as_object_mut().unwrap().remove(key);
        let (part, behind) = rest.split_at(size);
        rest = behind;
        part
    };
    let columns = inflated(part("columns_size"));
    let ids = part("ids_size").as_chunks().0.to_vec();
    let mut blocks = part("records_size");
    assert!(rest.is_empty());

    let mut named = HashMap::new();
    let mut at = 0;
    for column in header["columns"].as_array().unwrap() {
        let size = column[1].as_u64().unwrap() as usize;
        named.insert(column[0].as_str().unwrap().to_owned(), &columns[at..at + size]);
        at += size;
    }
    let mut all_texts = named.remove("texts").unwrap();
    let numbers: HashMap<_, _> =
        named.into_iter().map(|(name, bytes)| (name, varints(bytes))).collect();
    let mut text = |size: &u64| take_text(&mut all_texts, *size);
    let texts = numbers["text_size"].iter().map(&mut text).collect();
    let mut records = Vec::new();
    for (&points, &size) in numbers["block_points"].iter().zip(&numbers["block_size"]) {
        let (block, behind) = blocks.split_at(size as usize);
        blocks = behind;
        let block = inflated(block);
        let mut block = &block[..];
        for _ in 0..points {
            let sizes = [varint(&mut block), varint(&mut block)];
            records.push(sizes.map(|size| take_text(&mut block, size)));
        }
    }
    Decoded { header, columns: numbers, texts, ids, records }
}

fn inflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ZlibDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

fn take_text(bytes: &mut &[u8], size: u64) -> String {
    let (text, behind) = bytes.split_at(size as usize);
    *bytes = behind;
    String::from_utf8(text.to_vec()).unwrap()
}

fn varints(mut bytes: &[u8]) -> Vec<u64> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        out.push(varint(&mut bytes));
    }
    out
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, behind) = bytes.split_first().unwrap();
        *bytes = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("a number of more than 64 bits");
}

fn signed(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn trace(name: &str) -> Report {
    let text = fs::read_to_string(format!("{DATA}/traces/{name}.records.jsonl")).unwrap();
    let mut builder = ReportBuilder::new();
    source::records(&text, &mut |_, json| builder.add(json).unwrap()).unwrap();
    builder.finish()
}

fn tree(edges: &[(&str, &str)]) -> Report {
    let mut builder = ReportBuilder::new();
    for (us, (parent, own)) in edges.iter().enumerate() {
        let record = json!({
            "name": "n-start", "base_id": "b", "parent_id": parent, "trace_id": own, "info": {},
            "timestamp": format!("2026-01-01T00:00:00.{us:06}"),
        });
        builder.add(&record.to_string()).unwrap();
    }
    builder.finish()
}

#[test]
fn every_point_has_its_place_its_times_and_its_texts() {
    let report = trace("server-create");
    let decoded = columns_of(&report, &ColumnsOptions::default());
    let mut start = 0;
    let mut rows: Vec<Point<'_>> = Vec::new();
    for (row, point) in report.rows().map(|row| row.point).enumerate() {
        start += signed(decoded.columns["start"][row]);
        assert_eq!(start, point.started_us());
        assert_eq!(Some(signed(decoded.columns["duration"][row])), point.duration_us());
        assert_eq!(decoded.text("name", row), point.name());
        assert_eq!(decoded.text("project", row), point.project().unwrap());
        assert_eq!(decoded.text("service", row), point.service().unwrap());
        assert_eq!(decoded.text("host", row), point.host().unwrap());
        assert_eq!(decoded.text("detail", row), point.detail().unwrap().as_str());
        assert_eq!(decoded.ids[row], point.trace_id().uuid_bytes().unwrap());
        let parent = decoded.parent(row).map(|row| rows[row].trace_id());
        assert_eq!(parent, point.parent().map(Point::trace_id));
        rows.push(point);
    }
    assert_eq!(decoded.header["points"], rows.len());
    assert_eq!(decoded.header["duration_us"], report.duration_us());
}

#[test]
fn records_come_back_as_they_came() {
    let report = trace("server-create-novalidhost");
    let decoded = columns_of(&report, &ColumnsOptions::default());
    for (row, point) in report.rows().map(|row| row.point).enumerate() {
        for (short, json) in
            decoded.records[row].iter().zip([point.start_json(), point.stop_json()])
        {
            let json = json.unwrap();
            let record: Value = serde_json::from_str(json).unwrap();
            let quoted = |key: &str| format!("\"{}\"", record[key].as_str().unwrap());
            let whole = short
                .replace('\u{1}', &quoted("base_id"))
                .replace('\u{2}', &quoted("trace_id"))
                .replace('\u{3}', &quoted("parent_id"))
                .replace('\u{4}', &quoted("timestamp"));
            assert_eq!(whole, json);
            assert!(short.len() + 130 < json.len(), "{short}");
        }
    }
}

#[test]
fn ids_that_are_no_uuids_are_texts_and_stay_in_the_records() {
    let report = tree(&[("b", "a"), ("a", "c")]);
    let decoded = columns_of(&report, &ColumnsOptions::default());
    assert_eq!(decoded.columns["flags"], [34, 34], "no UUID, unfinished");
    let id = |row: usize| u32::from_le_bytes(decoded.ids[row][..4].try_into().unwrap());
    assert_eq!(decoded.texts[id(1) as usize - 1], "c");
    assert!(decoded.records[1][0].contains(r#""trace_id":"c""#), "{:?}", decoded.records);
    assert_eq!(decoded.records[1][1], "", "there is no stop record");
    assert_eq!(decoded.text("root_parent", 0), "b");
}

#[test]
fn upper_levels_are_kept_and_the_others_counted() {
    let report =
        tree(&[("b", "a"), ("a", "b1"), ("a", "b2"), ("b1", "c"), ("c", "d"), ("b2", "e")]);
    let mut options = ColumnsOptions::default();
    for (max_points, expected) in [
        (6, vec![0, 0, 0, 0, 0, 0]),
        (5, vec![0, 0, 1, 0, 0]),
        (4, vec![0, 2, 1]),
        (1, vec![5]),
        (0, vec![5]),
    ] {
        options.max_points = max_points;
        let decoded = columns_of(&report, &options);
        assert_eq!(decoded.columns["left_out"], expected, "{max_points}");
        assert_eq!(decoded.header["points_in_trace"], 6);
    }
}

#[test]
fn a_part_is_a_point_and_what_is_below_it() {
    let report =
        tree(&[("b", "a"), ("a", "b1"), ("a", "b2"), ("b1", "c"), ("c", "d"), ("b2", "e")]);
    let mut options = ColumnsOptions::default();
    options.records = false;
    options.below = report.points().find(|point| point.trace_id().to_string() == "b1");
    let decoded = columns_of(&report, &options);
    let ids: BTreeSet<&str> = decoded.texts.iter().map(String::as_str).collect();
    assert_eq!(decoded.columns["parent"], [0, 1, 1]);
    assert!(ids.is_superset(&BTreeSet::from(["b1", "c", "d"])) && !ids.contains("e"));
    assert_eq!((decoded.text("root_parent", 0), decoded.records.len()), ("a", 0));

    options.max_points = 0;
    let decoded = columns_of(&report, &options);
    assert_eq!(decoded.columns["left_out"], [0, 1], "a part has at least two levels");
}

/// The file is what the tests of the page read. After a change of the format, it is made anew:
/// `cargo run -p osprofiler-report --example page tests/data/traces/token-issue.records.jsonl
/// tests/data/token-issue.columns`.
#[test]
fn the_file_that_the_page_is_tested_with_is_up_to_date() {
    let file = fs::read(format!("{DATA}/token-issue.columns")).unwrap();
    let report = trace("token-issue");
    assert!(decode(&file) == columns_of(&report, &ColumnsOptions::default()));
}
