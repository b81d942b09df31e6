//! The report as JSON, `docs/report.md`: the keys and values of the Python library, and more.

use std::fmt::{self, Write as _};
use std::io;

use osprofiler_wire::{Id, Phase};

use crate::detail::info;
use crate::report::rows;
use crate::scan::member;
use crate::{NameStats, Point, Report};

/// How much text is gathered before it is written.
const CHUNK: usize = 1 << 16;

impl Report {
    /// Writes the report as JSON, in pieces of some 64 KiB, with a line for each point.
    ///
    /// ```
    /// use osprofiler_report::Report;
    ///
    /// let records = [r#"{"name": "db-start", "base_id": "b", "trace_id": "t", "parent_id": "b",
    ///     "timestamp": "2016-04-18T17:42:10.774321", "info": {"host": "ctl1"}}"#];
    /// let report: Report = records.into_iter().collect();
    /// let mut json = Vec::new();
    /// report.write_json(&mut json)?;
    /// let json: serde_json::Value = serde_json::from_slice(&json)?;
    /// assert_eq!(json["children"][0]["info"]["name"], "db");
    /// assert_eq!(json["children"][0]["unfinished"], true);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If `out` cannot be written to.
    pub fn write_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        let mut text = String::with_capacity(2 * CHUNK);
        self.head(&mut text);
        let children = self.children_by_ms();
        let mut open = 0;
        for row in rows(self, &children) {
            if row.depth == open {
                text.push('\n');
            } else {
                close(&mut text, open - row.depth);
                text.push_str(",\n");
            }
            push_node(&mut text, row.point);
            text.push_str(r#","children":["#);
            open = row.depth + 1;
            if text.len() >= CHUNK {
                out.write_all(text.as_bytes())?;
                text.clear();
            }
        }
        close(&mut text, open);
        self.foot(&mut text);
        out.write_all(text.as_bytes())
    }

    /// The report as JSON in memory; see [`write_json`](Self::write_json).
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = Vec::with_capacity(CHUNK);
        self.write_json(&mut out).expect("memory can be written to");
        String::from_utf8(out).expect("strings were written")
    }

    fn head(&self, text: &mut String) {
        let ms = |us: Option<i64>| Optional(us.map(|us| us / 1000));
        let us = (!self.is_empty()).then_some(self.duration_us());
        push(
            text,
            format_args!(
                r#"{{"info":{{"name":"total","started":0,"finished":{},"last_trace_started":{}"#,
                ms(us),
                ms(self.last_started_us())
            ),
        );
        if let Some(base_id) = self.base_id() {
            text.push_str(r#","base_id":"#);
            push_id(text, base_id);
            push(text, format_args!(r#","timestamp":"{}""#, self.started()));
        }
        push(
            text,
            format_args!(
                concat!(
                    r#","duration_us":{},"points":{},"records":{},"errors":{},"unfinished":{},"#,
                    r#""orphans":{},"unreadable":{},"dropped":{}}},"children":["#
                ),
                self.duration_us(),
                self.len(),
                self.records(),
                self.errors(),
                self.unfinished(),
                self.orphans(),
                self.unreadable(),
                self.dropped()
            ),
        );
    }

    fn foot(&self, text: &mut String) {
        text.push_str("],\"stats\":{");
        for (at, stats) in self.stats().iter().enumerate() {
            text.push_str(if at == 0 { "\n" } else { ",\n" });
            push_stats(text, stats);
        }
        text.push_str("}}\n");
    }
}

impl Point<'_> {
    /// The point as a node of the report, `docs/report.md`, without the `children`.
    ///
    /// ```
    /// use osprofiler_report::Report;
    ///
    /// let records = [r#"{"name": "db-start", "base_id": "b", "trace_id": "t", "parent_id": "b",
    ///     "timestamp": "2016-04-18T17:42:10.774321"}"#];
    /// let report: Report = records.into_iter().collect();
    /// let json = report.roots().next().unwrap().to_json();
    /// let json: serde_json::Value = serde_json::from_str(&json)?;
    /// assert_eq!((&json["trace_id"], &json["children"]), (&"t".into(), &().into()));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn to_json(self) -> String {
        let mut text = String::new();
        push_node(&mut text, self);
        text.push('}');
        text
    }
}

fn close(text: &mut String, nodes: usize) {
    text.extend(std::iter::repeat_n("]}", nodes));
}

/// A node, but for its children and its end.
fn push_node(text: &mut String, point: Point<'_>) {
    text.push_str(r#"{"info":{"name":"#);
    push_str(text, point.name());
    for (key, value) in
        [("project", point.project()), ("service", point.service()), ("host", point.host())]
    {
        push(text, format_args!(r#","{key}":"#));
        match value {
            Some(value) => push_str(text, value),
            None => text.push_str("null"),
        }
    }
    let mut payloads = [(Phase::Start, point.start_json()), (Phase::Stop, point.stop_json())];
    // Whoever reads the records out of this text gets them in the order of storage.
    if point.came_stop_first() {
        payloads.reverse();
    }
    for (phase, json) in payloads {
        if let Some(json) = json {
            push_payload(text, point.name(), phase, json);
        }
    }
    let started_us = point.started_us();
    let finished_us = point.finished_us();
    push(
        text,
        format_args!(
            r#","started":{},"finished":{}"#,
            started_us / 1000,
            finished_us.unwrap_or(started_us) / 1000
        ),
    );
    if let Some(stop) = point.stop_json() {
        text.push_str(r#","exception":"#);
        let etype = point.is_error().then(|| member(info(stop), "etype"));
        text.push_str(etype.flatten().unwrap_or("\"None\""));
    }
    text.push_str(r#"},"trace_id":"#);
    push_id(text, point.trace_id());
    text.push_str(r#","parent_id":"#);
    push_id(text, point.parent_id());
    push(text, format_args!(r#","started_us":{started_us}"#));
    if let Some(us) = finished_us {
        push(text, format_args!(r#","finished_us":{us}"#));
    }
    if let Some(us) = point.duration_us() {
        push(text, format_args!(r#","duration_us":{us}"#));
    }
    for (key, is_so) in [
        ("start_missing", point.is_start_missing()),
        ("unfinished", point.is_unfinished()),
        ("orphan", point.is_orphan()),
        ("cycle", point.is_in_cycle()),
    ] {
        if is_so {
            push(text, format_args!(r#","{key}":true"#));
        }
    }
}

fn push_payload(text: &mut String, name: &str, phase: Phase, json: &str) {
    text.push_str(",\"meta.raw_payload.");
    push_str_inside(text, name);
    text.push_str(phase.suffix());
    text.push_str("\":");
    text.push_str(json);
}

fn push_stats(text: &mut String, stats: &NameStats<'_>) {
    push_str(text, stats.name);
    push(
        text,
        format_args!(
            concat!(
                r#":{{"count":{},"duration":{},"duration_us":{},"self_us":{},"#,
                r#""errors":{},"unfinished":{}}}"#
            ),
            stats.count,
            stats.duration_ms,
            stats.duration_us,
            stats.self_us,
            stats.errors,
            stats.unfinished
        ),
    );
}

fn push_id(text: &mut String, id: &Id) {
    id.with_text(|id| push_str(text, id));
}

/// A text as a JSON string, quotes included.
pub(crate) fn json_string(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    push_str(&mut text, value);
    text
}

fn push_str(text: &mut String, value: &str) {
    text.push('"');
    push_str_inside(text, value);
    text.push('"');
}

fn push_str_inside(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\0'..='\x1f' => push(text, format_args!("\\u{:04x}", u32::from(c))),
            _ => text.push(c),
        }
    }
}

fn push(text: &mut String, arguments: fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string takes any text");
}

struct Optional(Option<i64>);

impl fmt::Display for Optional {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str("null"),
        }
    }
}
