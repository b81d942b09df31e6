//! The JSON trace events of Perfetto and Chrome: `docs/exports.md`.

use std::io::{self, Write};

use super::lanes::{Lanes, Span, label};
use crate::clean::one_line;
use crate::json::json_string;
use crate::{Point, Report};

/// Writes a report for <https://ui.perfetto.dev> or `chrome://tracing`: a process for each service on
/// each host, with a track for each of its lanes, and arrows from caller to callee.
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn write_perfetto(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut events = Events { out: io::BufWriter::new(out), is_first: true };
    let lanes = Lanes::of(report);
    let id = report.base_id().map(ToString::to_string).unwrap_or_default();
    write!(
        events.out,
        r#"{{"displayTimeUnit":"ms","otherData":{{"base_id":{},"started":"{}"}},"traceEvents":["#,
        json_string(&id),
        report.started()
    )?;
    for (process, name) in lanes.processes.iter().enumerate() {
        let (pid, name) = (process + 1, json_string(name));
        events.add(&format!(
            r#"{{"ph":"M","name":"process_name","pid":{pid},"args":{{"name":{name}}}}}"#
        ))?;
    }
    for (lane, tid) in lanes.lanes.iter().zip(1..) {
        let pid = lane.process + 1;
        let name = if lane.number == 0 { "calls" } else { "at the same time" };
        events.add(&format!(
            r#"{{"ph":"M","name":"thread_name","pid":{pid},"tid":{tid},"args":{{"name":"{name}"}}}}"#
        ))?;
        for span in &lane.spans {
            events.add(&slice(span, pid, tid))?;
        }
    }
    for arrow in report.points().filter_map(|point| arrow(point, &lanes)) {
        events.add(&arrow)?;
    }
    events.out.write_all(b"\n]}\n")?;
    events.out.flush()
}

struct Events<'a> {
    out: io::BufWriter<&'a mut dyn Write>,
    is_first: bool,
}

impl Events<'_> {
    fn add(&mut self, event: &str) -> io::Result<()> {
        let comma = if std::mem::take(&mut self.is_first) { "\n" } else { ",\n" };
        write!(self.out, "{comma}{event}")
    }
}

fn slice(span: &Span<'_>, pid: usize, tid: usize) -> String {
    let point = span.point;
    let extent = &span.extent_us;
    let mut arguments = format!(r#""id":{}"#, json_string(&point.trace_id().to_string()));
    let mut argument = |key: &str, text: &str| {
        arguments += &format!(r#","{key}":{}"#, json_string(text));
    };
    if let Some(detail) = point.detail() {
        argument("detail", detail.as_str());
    }
    if let Some(error) = point.error() {
        argument("error", &error.one_line(false));
    }
    point.marks().for_each(|mark| argument("mark", mark));
    format!(
        r#"{{"ph":"X","name":{},"cat":{},"pid":{pid},"tid":{tid},"ts":{},"dur":{},"args":{{{arguments}}}}}"#,
        json_string(&label(point)),
        json_string(&one_line(point.name())),
        extent.start,
        extent.end - extent.start
    )
}

/// From a point to one that it encloses on another track.
fn arrow(point: Point<'_>, lanes: &Lanes<'_>) -> Option<String> {
    let parent = point.parent()?;
    let (from, to) = (lanes.lane_of[parent.index()], lanes.lane_of[point.index()]);
    let (id, at) = (point.index(), point.started_us());
    // An arrow begins within a slice.
    if from == to || !(parent.started_us()..=parent.extent_us().end).contains(&at) {
        return None;
    }
    let end = |phase: &str, lane: usize| {
        let pid = lanes.lanes[lane].process + 1;
        format!(
            r#"{{"ph":{phase},"name":"call","cat":"call","id":{id},"pid":{pid},"tid":{},"ts":{at}}}"#,
            lane + 1
        )
    };
    Some(format!("{},\n{}", end(r#""s""#, from), end(r#""f","bp":"e""#, to)))
}
