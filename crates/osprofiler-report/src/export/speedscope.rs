//! The file format of speedscope: `docs/exports.md`.

use std::collections::HashMap;
use std::io::{self, Write};

use super::lanes::{Lane, Lanes, label};
use crate::Report;
use crate::json::json_string;

/// Writes a report as a file of <https://www.speedscope.app>: a profile for each lane of each service.
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn write_speedscope(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let lanes = Lanes::of(report);
    let mut frames = Frames::default();
    let name = report.base_id().map(|id| format!("trace {id}")).unwrap_or_default();
    write!(
        out,
        concat!(
            r#"{{"$schema":"https://www.speedscope.app/file-format-schema.json","#,
            r#""exporter":"osprofiler@{}","name":{},"activeProfileIndex":0,"profiles":["#
        ),
        env!("CARGO_PKG_VERSION"),
        json_string(&name)
    )?;
    for (at, lane) in lanes.lanes.iter().enumerate() {
        out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        let process = &lanes.processes[lane.process];
        let name = match lane.number {
            0 => process.clone(),
            number => format!("{process}, at the same time ({})", number + 1),
        };
        write_profile(&name, lane, &mut frames, &mut out)?;
    }
    out.write_all(b"],\"shared\":{\"frames\":[")?;
    for (at, frame) in frames.names.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}{{\"name\":{}}}", json_string(frame))?;
    }
    out.write_all(b"]}}\n")?;
    out.flush()
}

fn write_profile(
    name: &str,
    lane: &Lane<'_>,
    frames: &mut Frames,
    out: &mut dyn Write,
) -> io::Result<()> {
    let start = lane.spans.iter().map(|span| span.extent_us.start).min().unwrap_or(0);
    let end = lane.spans.iter().map(|span| span.extent_us.end).max().unwrap_or(0);
    write!(
        out,
        r#"{{"type":"evented","name":{},"unit":"microseconds","startValue":{start},"endValue":{end},"events":["#,
        json_string(name)
    )?;
    let mut comma = "";
    let mut open: Vec<(usize, i64)> = Vec::new();
    let mut event = |kind: char, frame: usize, at: i64| {
        write!(out, r#"{comma}{{"type":"{kind}","frame":{frame},"at":{at}}}"#)?;
        comma = ",";
        Ok::<(), io::Error>(())
    };
    for span in &lane.spans {
        for (frame, at) in open.drain(span.depth..).rev() {
            event('C', frame, at)?;
        }
        let frame = frames.index(label(span.point));
        event('O', frame, span.extent_us.start)?;
        open.push((frame, span.extent_us.end));
    }
    for (frame, at) in open.drain(..).rev() {
        event('C', frame, at)?;
    }
    out.write_all(b"]}")
}

#[derive(Default)]
struct Frames {
    names: Vec<String>,
    known: HashMap<String, usize>,
}

impl Frames {
    fn index(&mut self, name: String) -> usize {
        *self.known.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            self.names.len() - 1
        })
    }
}
