//! The report as a graph for Graphviz.
//!
//! For traces of some hundred points: the tools that draw it are slow beyond.

use std::fmt::{self, Write};

use crate::clean::one_line;
use crate::{Point, Report};

/// Characters of a line in a node.
const MAX_LINE: usize = 80;

/// Renders a report as a directed graph: a node for each point, an edge from parent to child.
///
/// ```
/// use osprofiler_report::{Report, dot::render_dot};
///
/// let records = [r#"{"name": "db-start", "base_id": "b", "trace_id": "t", "service": "api",
///     "timestamp": "2016-04-18T17:42:10.774321", "info": {"db": {"statement": "SELECT \"1\""}}}"#];
/// let report: Report = records.into_iter().collect();
/// let dot = render_dot(&report);
/// assert!(dot.contains(r#"p0 [label="api:db - unfinished\nSELECT \"1\"", style=dashed]"#));
/// ```
#[must_use]
pub fn render_dot(report: &Report) -> String {
    let mut out = String::new();
    write_dot(report, &mut out).expect("a string takes any text");
    out
}

/// Writes a report as a directed graph.
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn write_dot(report: &Report, out: &mut dyn Write) -> fmt::Result {
    out.write_str("digraph {\n  node [shape=box, fontname=\"sans-serif\"]\n")?;
    if let Some(base_id) = report.base_id() {
        let text = format!("trace {base_id} - {}", Millis(report.duration_us()));
        writeln!(out, "  label={}\n  labelloc=t", Quoted(&[text]))?;
    }
    for row in report.rows() {
        node(row.point, out)?;
        if let Some(parent) = row.point.parent() {
            writeln!(out, "  p{} -> p{}", parent.index(), row.point.index())?;
        }
    }
    out.write_str("}\n")
}

fn node(point: Point<'_>, out: &mut dyn Write) -> fmt::Result {
    let mut first = String::new();
    if let Some(service) = point.service() {
        first.push_str(service);
        first.push(':');
    }
    first.push_str(point.name());
    first.push_str(" - ");
    first += &match point.duration_us() {
        Some(us) => Millis(us).to_string(),
        None if point.is_unfinished() => "unfinished".into(),
        None => "start missing".into(),
    };
    let mut lines = vec![first];
    lines.extend(point.detail().map(|detail| detail.brief().into_owned()));
    lines.extend(point.error().map(|error| format!("error: {}", error.one_line(true))));
    let style = match (point.is_error(), point.is_unfinished()) {
        (true, _) => ", color=red, fontcolor=red",
        (_, true) => ", style=dashed",
        _ => "",
    };
    writeln!(out, "  p{} [label={}{style}]", point.index(), Quoted(&lines))
}

/// Lines of any text as one label.
struct Quoted<'a>(&'a [String]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for (at, line) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\\n")?;
            }
            let line = one_line(line);
            for c in line.chars().take(MAX_LINE) {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    // Graphviz reads HTML entities in labels.
                    '&' => f.write_str("&amp;")?,
                    _ => f.write_char(c)?,
                }
            }
            if line.chars().nth(MAX_LINE).is_some() {
                f.write_char('\u{2026}')?;
            }
        }
        f.write_char('"')
    }
}

/// Microseconds as milliseconds, to the microsecond.
struct Millis(i64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let us = self.0.unsigned_abs();
        let decimals = format!(".{:03}", us % 1000);
        let decimals = decimals.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{sign}{}{decimals} ms", us / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_have_the_decimals_they_need() {
        for (us, text) in [
            (0, "0 ms"),
            (5, "0.005 ms"),
            (1_500, "1.5 ms"),
            (20_000, "20 ms"),
            (-1_001, "-1.001 ms"),
        ] {
            assert_eq!(Millis(us).to_string(), text);
        }
    }

    #[test]
    fn a_label_holds_any_text() {
        let lines = ["a\"]; x [label=\"\\".to_owned(), "b\nc\u{1b}&quot;".to_owned()];
        assert_eq!(
            Quoted(&lines).to_string(),
            "\"a\\\"]; x [label=\\\"\\\\\\nb c\u{241b}&amp;quot;\""
        );
    }
}
