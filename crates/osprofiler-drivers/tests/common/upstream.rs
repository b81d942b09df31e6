//! Reports of the existing Python library, beside ours.

use std::fs;
use std::process::Command;

use osprofiler_report::ReportBuilder;
use osprofiler_wire::{Record, RecordView};
use serde_json::{Map, Value, json};

/// Real traces in `tests/data`.
pub(crate) const TRACES: [&str; 5] =
    ["image-list", "server-create", "server-create-novalidhost", "token-issue", "volume-create"];

/// The records of a real trace, oldest first.
pub(crate) fn trace(name: &str) -> Vec<Record> {
    let path = trace_file(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().map(|line| Record::from(&RecordView::parse(line).unwrap())).collect()
}

pub(crate) fn trace_file(name: &str) -> String {
    format!("{}/../../tests/data/traces/{name}.records.jsonl", env!("CARGO_MANIFEST_DIR"))
}

/// Runs `upstream.py`; gives what it prints.
pub(crate) fn python(interpreter: &str, arguments: &[&str]) -> String {
    python_with(interpreter, &json!({}), arguments)
}

/// The same; its drivers are told these options.
pub(crate) fn python_with(interpreter: &str, options: &Value, arguments: &[&str]) -> String {
    let program = format!("{}/tests/common/upstream.py", env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(interpreter);
    python.arg(program).args(arguments).env("DRIVER_OPTIONS", options.to_string());
    let run = python.output().unwrap();
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(run.stdout).unwrap()
}

/// The report that we make of records, as far as the Python library's has it.
pub(crate) fn report_of(records: &[String]) -> Value {
    let mut builder = ReportBuilder::new();
    records.iter().for_each(|json| builder.add(json).unwrap());
    let mut report = serde_json::from_str(&builder.finish().to_json()).unwrap();
    leave_common(&mut report);
    comparable(report)
}

/// A report with siblings in an order of their own: we sort by microseconds, the Python library by
/// milliseconds and then as they are stored.
pub(crate) fn comparable(mut report: Value) -> Value {
    sort_children(&mut report);
    report
}

fn sort_children(node: &mut Value) {
    let children = node["children"].as_array_mut().unwrap();
    children.sort_by_key(|child| child["trace_id"].to_string());
    children.iter_mut().for_each(sort_children);
}

/// Leaves what the Python library writes too; it cuts names at the first dash.
fn leave_common(node: &mut Value) {
    let is_top = node.get("trace_id").is_none();
    retain(node, &["info", "children", "stats", "trace_id", "parent_id"]);
    if is_top {
        retain(&mut node["info"], &["name", "started", "finished", "last_trace_started"]);
    }
    let name = cut(node["info"]["name"].as_str().unwrap());
    node["info"]["name"] = name.into();
    if let Some(stats) = node.get_mut("stats") {
        *stats = merged(stats);
    }
    node["children"].as_array_mut().unwrap().iter_mut().for_each(leave_common);
}

fn merged(stats: &Value) -> Value {
    let mut merged: Map<String, Value> = Map::new();
    for (name, sums) in stats.as_object().unwrap() {
        let into = merged.entry(cut(name)).or_insert_with(|| json!({"count": 0, "duration": 0}));
        for key in ["count", "duration"] {
            into[key] = (into[key].as_i64().unwrap() + sums[key].as_i64().unwrap()).into();
        }
    }
    merged.into()
}

fn cut(name: &str) -> String {
    name.split('-').next().unwrap_or_default().to_owned()
}

fn retain(object: &mut Value, keys: &[&str]) {
    object.as_object_mut().unwrap().retain(|key, _| keys.contains(&key.as_str()));
}
