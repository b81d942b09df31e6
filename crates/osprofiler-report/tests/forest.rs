//! Trees of any form and size.

use std::collections::HashMap;

use osprofiler_report::text::{TextOptions, render_text};
use osprofiler_report::{Report, ReportBuilder, dot::render_dot, html::render_html, source};
use osprofiler_wire::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
struct AnyRecord {
    point: u8,
    /// Points 30 and above are never made; 0 is the trace.
    parent: u8,
    is_stop: bool,
    us: i64,
}

impl AnyRecord {
    fn json(&self) -> String {
        let phase = if self.is_stop { "stop" } else { "start" };
        json!({
            "name": format!("n{}-{phase}", self.point % 3),
            "base_id": "id0",
            "parent_id": format!("id{}", self.parent),
            "trace_id": format!("id{}", self.point),
            "timestamp": Timestamp::from_micros(self.us).to_string(),
            "info": {"host": "h"},
        })
        .to_string()
    }
}

fn any_records() -> impl Strategy<Value = Vec<AnyRecord>> {
    let record = (1..30_u8, 0..40_u8, any::<bool>(), 0..5_000_i64)
        .prop_map(|(point, parent, is_stop, us)| AnyRecord { point, parent, is_stop, us });
    proptest::collection::vec(record, 0..80)
}

fn report(records: &[AnyRecord]) -> Report {
    let texts: Vec<String> = records.iter().map(AnyRecord::json).collect();
    texts.iter().map(String::as_str).collect()
}

/// A point as the rules say, found the slow way.
struct Model {
    parent: u8,
    begin: i64,
    storage: usize,
}

/// What the last start says, or else the last stop; of the parent, what the first record says.
fn model(records: &[AnyRecord]) -> HashMap<u8, Model> {
    let mut points = HashMap::new();
    for (storage, record) in records.iter().enumerate() {
        let of_point = || records.iter().filter(|other| other.point == record.point);
        let begin = of_point().rfind(|other| !other.is_stop).or(of_point().next_back()).unwrap().us;
        points.entry(record.point).or_insert(Model { parent: record.parent, begin, storage });
    }
    points
}

/// The parent in the tree: none if it is unknown, or if the point comes first in a cycle.
fn expected_parent(points: &HashMap<u8, Model>, point: u8) -> Option<u8> {
    let parent = points[&point].parent;
    points.get(&parent)?;
    let mut cycle = vec![point];
    let mut at = parent;
    while at != point {
        // The way up ends, or turns round elsewhere.
        if !points.contains_key(&at) || cycle.contains(&at) {
            return Some(parent);
        }
        cycle.push(at);
        at = points[&at].parent;
    }
    let first = cycle.into_iter().min_by_key(|at| (points[at].begin, points[at].storage));
    (first != Some(point)).then_some(parent)
}

fn id(point: u8) -> String {
    format!("id{point}")
}

proptest! {
    #[test]
    fn every_point_is_in_the_tree_once_and_under_its_parent(records in any_records()) {
        let report = report(&records);
        let points = model(&records);
        prop_assert_eq!(report.len(), points.len());
        prop_assert_eq!(report.records(), records.len() as u64);

        let mut above: Vec<String> = Vec::new();
        let mut shown: HashMap<String, Option<String>> = HashMap::new();
        for row in report.rows() {
            above.truncate(row.depth);
            let parent = above.last().cloned();
            prop_assert_eq!(row.point.parent().map(|point| point.trace_id().to_string()), parent.clone());
            prop_assert_eq!(shown.insert(row.point.trace_id().to_string(), parent), None);
            above.push(row.point.trace_id().to_string());
        }
        prop_assert_eq!(shown.len(), points.len());
        for &point in points.keys() {
            prop_assert_eq!(&shown[&id(point)], &expected_parent(&points, point).map(id));
        }
    }

    #[test]
    fn siblings_are_ordered_by_microseconds(records in any_records()) {
        let report = report(&records);
        let starts = |points: &mut dyn Iterator<Item = osprofiler_report::Point<'_>>| {
            points.map(|point| (point.started_us(), point.index())).collect::<Vec<_>>()
        };
        prop_assert!(starts(&mut report.roots()).is_sorted());
        for point in report.points() {
            prop_assert!(starts(&mut point.children()).is_sorted());
        }
    }

    #[test]
    fn every_point_is_in_each_form_once(records in any_records()) {
        let report = report(&records);
        let json: Value = serde_json::from_str(&report.to_json()).unwrap();
        let count = |value: &Value| count_nodes(value) - 1;
        prop_assert_eq!(count(&json), report.len());
        prop_assert_eq!(json["info"]["points"].as_u64(), Some(report.len() as u64));
        let counted: u64 = report.stats().iter().map(|stats| stats.count).sum();
        prop_assert_eq!(counted, report.len() as u64);

        let shown = render_text(&report, &TextOptions { width: Some(80), color: true });
        let bars = shown.lines().filter(|line| line.matches('│').count() >= 2).count();
        prop_assert_eq!(bars, if report.is_empty() { 0 } else { report.len() + 1 });
        prop_assert_eq!(render_dot(&report).matches("[label=").count(), report.len());
    }

    #[test]
    fn times_add_up(records in any_records()) {
        let report = report(&records);
        for point in report.points() {
            prop_assert!((0..=report.duration_us()).contains(&point.started_us()));
            prop_assert!((0..=point.duration_us().unwrap_or(0).max(0)).contains(&point.self_us()));
        }
        prop_assert!((0..=report.duration_us()).contains(&report.outside_us()));
    }

    #[test]
    fn a_report_is_read_back_as_it_was(records in any_records()) {
        let json = report(&records).to_json();
        let mut builder = ReportBuilder::new();
        match source::records(&json, &mut |_, record| builder.add(record).unwrap()) {
            Ok(()) => {
                let again = builder.finish();
                let names = |report: &Report| {
                    let rows = report.rows().map(|row| (row.depth, row.point.trace_id().clone()));
                    rows.collect::<Vec<_>>()
                };
                prop_assert_eq!(again.len(), report(&records).len());
                if records.iter().all(|record| record.parent < record.point) {
                    prop_assert_eq!(names(&again), names(&report(&records)));
                }
            }
            Err(error) => prop_assert!(records.is_empty(), "{}", error),
        }
    }
}

fn count_nodes(node: &Value) -> usize {
    let children = node["children"].as_array().unwrap();
    1 + children.iter().map(count_nodes).sum::<usize>()
}

/// A chain of 20,000 points, and under its end many siblings: 100,000 in all.
fn large() -> ReportBuilder {
    let mut builder = ReportBuilder::new();
    for at in 1..100_000_u32 {
        let parent = (at - 1).min(20_000);
        for (phase, us) in [("start", at), ("stop", 200_000 - at)] {
            let record = format!(
                r#"{{"name":"n-{phase}","base_id":"0","parent_id":"{parent}","trace_id":"{at}","timestamp":"2026-01-01T00:00:00.{us:06}","info":{{"host":"h"}}}}"#
            );
            builder.add(&record).unwrap();
        }
    }
    builder
}

#[test]
fn depth_and_size_are_no_danger() {
    let report = large().finish();
    assert_eq!(report.rows().map(|row| row.depth).max(), Some(20_000));
    let shown = render_text(&report, &TextOptions { width: Some(80), color: false });
    assert_eq!(shown.lines().count(), 99_999 + 12);
    assert!(render_html(&report).ends_with("</html>\n"));
    assert_eq!(render_dot(&report).matches(" -> ").count(), 99_998);

    let json = report.to_json();
    let mut builder = ReportBuilder::new();
    source::records(&json, &mut |_, record| builder.add(record).unwrap()).unwrap();
    assert_eq!(builder.finish().to_json(), json);
}
