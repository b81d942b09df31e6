//! What the Python library made of the same records. Known differences are taken out here, each
//! by a function that names it; `docs/report.md` lists them.

use std::fs;
use std::path::PathBuf;

use osprofiler_report::{Report, source};
use serde_json::{Map, Value};

fn data(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn report_of(text: &str) -> Report {
    let mut builder = osprofiler_report::ReportBuilder::new();
    source::records(text, &mut |_, json| builder.add(json).unwrap()).unwrap();
    builder.finish()
}

fn json_of(report: &Report) -> Value {
    parse_deep(&report.to_json())
}

/// The golden trees are deeper than `serde_json` reads by itself, but not endlessly so.
fn parse_deep(json: &str) -> Value {
    use serde_json::de::{Deserializer, StrRead};
    let mut reader = Deserializer::new(StrRead::new(json));
    reader.disable_recursion_limit();
    let value = serde::Deserialize::deserialize(&mut reader).unwrap();
    reader.end().unwrap();
    value
}

/// Leaves the keys that the Python library writes.
fn without_additions(node: &mut Value) {
    retain(node, &["info", "children", "stats", "trace_id", "parent_id"]);
    if node.get("trace_id").is_none() {
        retain(&mut node["info"], &["name", "started", "finished", "last_trace_started"]);
    }
    if let Some(stats) = node.get_mut("stats") {
        for sums in stats.as_object_mut().unwrap().values_mut() {
            retain(sums, &["count", "duration"]);
        }
    }
    for child in node["children"].as_array_mut().unwrap() {
        without_additions(child);
    }
}

fn retain(object: &mut Value, keys: &[&str]) {
    let object = object.as_object_mut().unwrap();
    object.retain(|key, _| keys.contains(&&**key));
}

/// The Python library cuts names at the first dash.
fn cut_names(node: &mut Value) {
    let cut = |name: &str| name.split('-').next().unwrap().to_owned();
    let name = &mut node["info"]["name"];
    *name = cut(name.as_str().unwrap()).into();
    if let Some(stats) = node.get_mut("stats") {
        let mut merged: Map<String, Value> = Map::new();
        for (name, sums) in stats.as_object().unwrap() {
            let into = merged
                .entry(cut(name))
                .or_insert_with(|| serde_json::json!({"count": 0, "duration": 0}));
            for key in ["count", "duration"] {
                into[key] = (into[key].as_i64().unwrap() + sums[key].as_i64().unwrap()).into();
            }
        }
        *stats = merged.into();
    }
    node["children"].as_array_mut().unwrap().iter_mut().for_each(cut_names);
}

/// The Python library does not show points that enclose themselves.
fn drop_cycles(node: &mut Value) {
    let children = node["children"].as_array_mut().unwrap();
    children.retain(|child| child.get("cycle").is_none());
    children.iter_mut().for_each(drop_cycles);
}

fn as_upstream(report: &Report) -> Value {
    let mut json = json_of(report);
    drop_cycles(&mut json);
    without_additions(&mut json);
    cut_names(&mut json);
    json
}

fn assert_same(found: &Value, expected: &Value, what: &str) {
    let pretty = |value| serde_json::to_string_pretty(value).unwrap();
    if found != expected {
        let (found, expected) = (pretty(found), pretty(expected));
        let at =
            found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
        let from = at.unwrap_or(0).saturating_sub(5);
        let part = |text: &str| text.lines().skip(from).take(15).collect::<Vec<_>>().join("\n");
        panic!("{what}, line {from}: found\n{}\nexpected\n{}", part(&found), part(&expected));
    }
}

#[test]
fn every_golden_report_is_the_same() {
    let cases = data("golden/reports.jsonl");
    assert!(cases.lines().count() > 20);
    for case in cases.lines() {
        let case = parse_deep(case);
        let report = report_of(&case["records"].to_string());
        let name = case["name"].as_str().unwrap();
        assert_eq!(report.base_id().unwrap().to_string(), case["base_id"]);
        assert_same(&as_upstream(&report), &case["report"], name);
    }
}

const TRACES: [&str; 5] =
    ["image-list", "server-create", "server-create-novalidhost", "token-issue", "volume-create"];

#[test]
fn every_real_trace_is_the_same() {
    for name in TRACES {
        let report = report_of(&data(&format!("traces/{name}.records.jsonl")));
        let expected = parse_deep(&data(&format!("traces/{name}.upstream.json")));
        assert_same(&as_upstream(&report), &expected, name);
    }
}

#[test]
fn a_report_can_be_read_back() {
    for name in TRACES {
        let report = report_of(&data(&format!("traces/{name}.records.jsonl")));
        let ours = report.to_json();
        assert_eq!(report_of(&ours).to_json(), ours, "{name}");
        let theirs = data(&format!("traces/{name}.upstream.json"));
        assert_same(&json_of(&report_of(&theirs)), &json_of(&report), name);
    }
}

#[test]
fn the_example_in_the_docs_is_true() {
    let page = data("../../docs/report.md");
    let block = |kind: &str| page.split(kind).nth(1).unwrap().split("```").next().unwrap();
    let expected = parse_deep(block("```json\n"));
    assert_same(&json_of(&report_of(block("```jsonl\n"))), &expected, "docs");
}
