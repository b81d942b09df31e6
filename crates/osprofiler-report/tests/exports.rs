//! The formats of other tools, made of real traces and checked by the rules of those tools.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use osprofiler_report::export::Format;
use osprofiler_report::{Report, source};
use serde_json::Value;

const TRACES: [&str; 5] =
    ["image-list", "server-create", "server-create-novalidhost", "token-issue", "volume-create"];

fn records(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/traces");
    fs::read_to_string(folder.join(format!("{name}.records.jsonl"))).unwrap()
}

fn reports() -> impl Iterator<Item = (&'static str, Report)> {
    TRACES.iter().map(|name| (*name, records(name).lines().collect()))
}

fn exported(report: &Report, format: Format) -> String {
    let mut out = Vec::new();
    format.write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(report: &Report, format: Format) -> Value {
    serde_json::from_str(&exported(report, format)).unwrap()
}

#[test]
fn records_come_out_as_they_went_in() {
    for (name, report) in reports() {
        assert_eq!(exported(&report, Format::Records), records(name));
    }
    let pretty = "{\n\"name\": \"a-start\", \"base_id\": \"b\", \"trace_id\": \"t\",\r\n\
                  \"timestamp\": \"2016-04-18T17:42:10\", \"info\": {\"x\": \"a\\nb\"}}";
    let mut report = osprofiler_report::ReportBuilder::new();
    source::records(pretty, &mut |_, json| report.add(json).unwrap()).unwrap();
    let line = exported(&report.finish(), Format::Records);
    assert_eq!(line.lines().count(), 1);
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(value(&line), value(pretty));
}

#[test]
fn folded_stacks_add_up_to_the_self_times() {
    for (name, report) in reports() {
        let mut sum = 0;
        let mut stacks = HashSet::new();
        let text = exported(&report, Format::Folded);
        for line in text.lines() {
            let (stack, us) = line.rsplit_once(' ').unwrap();
            assert!(stacks.insert(stack), "{name}: {stack} comes twice");
            assert!(stack.split(';').all(|frame| !frame.is_empty()), "{name}: {line}");
            sum += us.parse::<i64>().unwrap();
        }
        assert_eq!(sum, report.points().map(|point| point.self_us()).sum::<i64>(), "{name}");
    }
}

/// What speedscope's importer demands of an evented profile: events in the order of time, each close
/// closes the frame that was opened last, everything is closed, frames exist.
#[test]
fn speedscope_profiles_are_balanced_and_in_order() {
    for (name, report) in reports() {
        let file = json(&report, Format::Speedscope);
        assert_eq!(file["$schema"], "https://www.speedscope.app/file-format-schema.json");
        let frames = file["shared"]["frames"].as_array().unwrap();
        assert!(frames.iter().all(|frame| frame["name"].is_string()));
        let mut opened = 0;
        for profile in file["profiles"].as_array().unwrap() {
            assert_eq!(
                (&profile["type"], &profile["unit"]),
                (&"evented".into(), &"microseconds".into())
            );
            let bound = |key: &str| profile[key].as_i64().unwrap();
            let mut now = bound("startValue");
            let mut open = Vec::new();
            for event in profile["events"].as_array().unwrap() {
                let at = event["at"].as_i64().unwrap();
                assert!((now..=bound("endValue")).contains(&at), "{name}: {event}");
                now = at;
                let frame = event["frame"].as_u64().unwrap();
                assert!((frame as usize) < frames.len());
                match event["type"].as_str().unwrap() {
                    "O" => {
                        opened += 1;
                        open.push(frame);
                    }
                    "C" => assert_eq!(open.pop(), Some(frame), "{name}: {event}"),
                    other => panic!("{other}"),
                }
            }
            assert!(open.is_empty(), "{name}");
        }
        assert_eq!(opened, report.len(), "{name}");
    }
}

/// What Perfetto demands: slices of a track nest, and an arrow has two ends, within slices.
#[test]
fn perfetto_tracks_are_nested() {
    for (name, report) in reports() {
        let file = json(&report, Format::Perfetto);
        let events = file["traceEvents"].as_array().unwrap();
        let mut tracks: HashMap<(u64, u64), Vec<(i64, i64)>> = HashMap::new();
        let mut arrows: HashMap<u64, Vec<&str>> = HashMap::new();
        let track =
            |event: &Value| (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
        let of = |phase: &'static str| events.iter().filter(move |event| event["ph"] == phase);
        for slice in of("X") {
            let from = slice["ts"].as_i64().unwrap();
            let us = slice["dur"].as_i64().unwrap();
            assert!(us >= 0 && slice["name"].is_string(), "{slice}");
            tracks.entry(track(slice)).or_default().push((from, from + us));
        }
        assert_eq!(tracks.values().map(Vec::len).sum::<usize>(), report.len(), "{name}");
        for (track, slices) in &tracks {
            let mut open: Vec<i64> = Vec::new();
            assert!(slices.is_sorted_by_key(|(from, _)| *from));
            for (from, to) in slices {
                while open.last().is_some_and(|end| end <= from) {
                    open.pop();
                }
                assert!(open.last().is_none_or(|end| end >= to), "{name}: {track:?} at {from}");
                open.push(*to);
            }
        }
        for phase in ["s", "f"] {
            for arrow in of(phase) {
                arrows.entry(arrow["id"].as_u64().unwrap()).or_default().push(phase);
                let at = arrow["ts"].as_i64().unwrap();
                let slices = &tracks[&track(arrow)];
                assert!(slices.iter().any(|(from, to)| (*from..=*to).contains(&at)), "{arrow}");
            }
        }
        assert!(arrows.values().all(|ends| *ends == ["s", "f"]), "{name}");
        let named: HashSet<_> = of("M").filter_map(|event| event["tid"].as_u64()).collect();
        assert_eq!(named.len(), tracks.len(), "{name}");
    }
}

#[test]
fn drawings_are_xml_with_a_row_for_each_point() {
    for (name, report) in reports() {
        let svg = exported(&report, Format::Svg);
        let document =
            roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{name}: {error}"));
        let rows = document.descendants().filter(|node| node.has_tag_name("g")).count();
        assert_eq!(rows, report.len().min(1000), "{name}");
        assert!(!document.descendants().any(|node| node.has_tag_name("script")));
    }
}

#[test]
fn nothing_at_all_is_written_in_every_format() {
    let report: Report = std::iter::empty().collect();
    for format in Format::ALL {
        let text = exported(&report, *format);
        assert!(matches!(format, Format::Folded | Format::Records) == text.is_empty(), "{format}");
        if matches!(format, Format::Speedscope | Format::Perfetto | Format::Json) {
            serde_json::from_str::<Value>(&text).unwrap();
        }
        assert_eq!(format.name().parse(), Ok(*format));
    }
}

#[test]
fn a_trace_that_is_deep_is_written_in_every_format() {
    let lines: Vec<String> = (0..10_000)
        .flat_map(|at| {
            let parent = if at == 0 { "b".to_owned() } else { format!("p{}", at - 1) };
            ["start", "stop"].map(|phase| {
                let us = if phase == "start" { at } else { 20_000 - at };
                format!(
                    r#"{{"name":"n-{phase}","base_id":"b","trace_id":"p{at}","parent_id":"{parent}","timestamp":"2026-01-01T00:00:00.{us:06}"}}"#
                )
            })
        })
        .collect();
    let report: Report = lines.iter().map(String::as_str).collect();
    for format in
        [Format::Folded, Format::Speedscope, Format::Perfetto, Format::Svg, Format::Records]
    {
        let size = exported(&report, format).len();
        assert!((1_000..20_000_000).contains(&size), "{format}: {size}");
    }
}
