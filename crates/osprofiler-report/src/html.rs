//! The report as one HTML page, that opens anywhere and runs nothing.
//!
//! No script, no outside asset, and a content security policy that allows neither. All traced text
//! goes through one type that escapes it. The rows are flat, whatever the depth of the tree.

use std::fmt::{self, Display, Write};

use crate::clean::{harmless, one_line};
use crate::detail::info;
use crate::scan::{member, plain_text, push_pretty};
use crate::units::{Micros, share};
use crate::{Point, Report, Row};

/// Points that are put on a page; browsers get slow with more. The page says what it left out.
pub const MAX_ROWS: usize = 50_000;

/// Levels that are indented; beyond, rows say their level instead.
const MAX_INDENT: usize = 24;

/// Characters of a detail in a row. All of it is one click away.
const MAX_DETAIL: usize = 300;

const STYLE: &str = include_str!("page.css");

/// Renders a report as a page.
///
/// ```
/// use osprofiler_report::{Report, html::render_html};
///
/// let records = [r#"{"name": "<script>-start", "base_id": "b", "trace_id": "t",
///     "timestamp": "2016-04-18T17:42:10.774321", "info": {}}"#];
/// let report: Report = records.into_iter().collect();
/// let page = render_html(&report);
/// assert!(page.contains("&lt;script&gt;"));
/// assert!(!page.contains("<script>"));
/// ```
#[must_use]
pub fn render_html(report: &Report) -> String {
    let mut out = String::new();
    write_html(report, &mut out).expect("a string takes any text");
    out
}

/// Writes a report as a page.
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn write_html(report: &Report, out: &mut dyn Write) -> fmt::Result {
    let title = report.base_id().map_or("Empty trace".into(), |id| format!("Trace {id}"));
    write!(
        out,
        concat!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
            "<meta http-equiv=\"Content-Security-Policy\" ",
            "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
            "<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n"
        ),
        Escaped(&title),
        STYLE
    )?;
    summary(report, &title, out)?;
    if !report.is_empty() {
        names(report, out)?;
        points(report, out)?;
    }
    out.write_str("</body>\n</html>\n")
}

/// Text that may hold anything, made safe between tags and in quoted attributes.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' => f.write_char('\n')?,
                _ => f.write_char(harmless(c))?,
            }
        }
        Ok(())
    }
}

fn summary(report: &Report, title: &str, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "<header>\n<h1>{}</h1>\n<dl>", Escaped(title))?;
    let mut say = |key: &str, class: &str, value: &dyn Display| {
        let value = value.to_string();
        let value = Escaped(&value);
        writeln!(out, "<div><dt>{key}</dt><dd class=\"{class}\">{value}</dd></div>")
    };
    if !report.is_empty() {
        let started = report.started().to_string().replace('T', " ");
        say("started", "", &format_args!("{started} UTC"))?;
        say("duration", "", &Micros(report.duration_us()))?;
    }
    say("points", "", &report.len())?;
    let class = |count: u64, class| if count > 0 { class } else { "" };
    let errors = report.errors() as u64;
    say("errors", class(errors, "bad"), &errors)?;
    for (key, count) in [
        ("unfinished", report.unfinished() as u64),
        ("orphans", report.orphans() as u64),
        ("unreadable records", report.unreadable()),
        ("dropped records", report.dropped()),
        ("other traces", report.base_ids().len().saturating_sub(1) as u64),
    ] {
        if count > 0 {
            say(key, "odd", &count)?;
        }
    }
    if !report.is_empty() {
        say("services", "", &report.services().join(", "))?;
    }
    out.write_str("</dl>\n</header>\n")
}

fn names(report: &Report, out: &mut dyn Write) -> fmt::Result {
    out.write_str(
        "<section>\n<h2>By name</h2>\n<table>\n<tr><th scope=\"col\">name<th scope=\"col\">count\
         <th scope=\"col\">total<th scope=\"col\">self<th scope=\"col\">share</tr>\n",
    )?;
    let whole = report.duration_us();
    for stats in report.stats_by_self() {
        writeln!(
            out,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
            Escaped(&one_line(stats.name)),
            stats.count,
            Micros(stats.duration_us),
            Micros(stats.self_us),
            Escaped(&share(stats.self_us, whole))
        )?;
    }
    let outside = report.outside_us();
    writeln!(
        out,
        "<tr class=\"note\"><td>(no point)<td><td><td>{}<td>{}</tr>\n</table>",
        Micros(outside),
        Escaped(&share(outside, whole))
    )?;
    out.write_str(
        "<p class=\"note\">self: time not covered by children; share: of the trace's duration\
         </p>\n</section>\n",
    )
}

fn points(report: &Report, out: &mut dyn Write) -> fmt::Result {
    writeln!(
        out,
        concat!(
            "<section>\n<h2>Points</h2>\n<div class=\"grid head\"><span>point</span>",
            "<span class=\"place\">service and host, if new</span>",
            "<span class=\"took\">duration</span>",
            "<span class=\"axis\"><span>0</span><span>{}</span></span></div>"
        ),
        Micros(report.duration_us())
    )?;
    for row in report.rows().take(MAX_ROWS) {
        point(&row, report.duration_us(), out)?;
    }
    if report.len() > MAX_ROWS {
        writeln!(
            out,
            "<p class=\"odd\">The first {MAX_ROWS} of {} points are shown. The report as text or \
             JSON has them all.</p>",
            report.len()
        )?;
    }
    out.write_str("</section>\n")
}

fn point(row: &Row<'_>, whole_us: i64, out: &mut dyn Write) -> fmt::Result {
    let point = row.point;
    let class = match (point.is_error(), point.is_unfinished()) {
        (true, _) => "failed",
        (_, true) => "open",
        _ => "",
    };
    let extent = point.extent_us();
    // What did not stop is drawn to the end.
    let end = if point.is_unfinished() { whole_us } else { extent.end };
    write!(
        out,
        "<details class=\"{class}\" style=\"--d:{};--l:{};--w:{}\"><summary class=\"grid\">\
         <span class=\"point\">",
        row.depth.min(MAX_INDENT),
        Percent(extent.start, whole_us),
        Percent(end - extent.start, whole_us)
    )?;
    if row.depth > MAX_INDENT {
        write!(out, "<span class=\"level\">\u{2026}{}</span>", row.depth)?;
    }
    write!(out, "<span class=\"name\">{}</span>", Escaped(&one_line(point.name())))?;
    if let Some(detail) = point.detail() {
        let brief: String = detail.brief().chars().take(MAX_DETAIL).collect();
        write!(out, "<span class=\"detail\">{}</span>", Escaped(&brief))?;
    }
    marks(point, out)?;
    let duration = point.duration_us().map_or("-".into(), |us| Micros(us).to_string());
    writeln!(
        out,
        "</span><span class=\"place\">{}</span><span class=\"took\">{duration}</span>\
         <span class=\"time\"><i></i></span></summary><div class=\"more\">",
        Escaped(&point.place(false))
    )?;
    ids(point, out)?;
    for (phase, json) in [("start", point.start_json()), ("stop", point.stop_json())] {
        if let Some(json) = json {
            record(phase, json, out)?;
        }
    }
    out.write_str("</div></details>\n")
}

fn marks(point: Point<'_>, out: &mut dyn Write) -> fmt::Result {
    for mark in point.marks() {
        write!(out, "<span class=\"mark odd\">{mark}</span>")?;
    }
    match point.error() {
        Some(error) => {
            let text: String = error.one_line(true).chars().take(MAX_DETAIL).collect();
            write!(out, "<span class=\"mark bad\">error: {}</span>", Escaped(&text))
        }
        None => Ok(()),
    }
}

fn ids(point: Point<'_>, out: &mut dyn Write) -> fmt::Result {
    out.write_str("<dl>")?;
    for (key, value) in [
        ("trace_id", point.trace_id().to_string()),
        ("parent_id", point.parent_id().to_string()),
        ("project", point.project().unwrap_or("-").to_owned()),
        ("service", point.service().unwrap_or("-").to_owned()),
        ("host", point.host().unwrap_or("-").to_owned()),
        ("started", format!("+{}", Micros(point.started_us()))),
        ("self", Micros(point.self_us()).to_string()),
    ] {
        let value = one_line(&value);
        write!(out, "<div><dt>{key}</dt><dd>{}</dd></div>", Escaped(&value))?;
    }
    out.write_str("</dl>")
}

fn record(phase: &str, json: &str, out: &mut dyn Write) -> fmt::Result {
    let at = member(json, "timestamp").and_then(plain_text).unwrap_or_default();
    let mut pretty = String::new();
    push_pretty(&mut pretty, info(json));
    write!(out, "<h3>{phase} {}</h3><pre>{}</pre>", Escaped(&one_line(&at)), Escaped(&pretty))
}

/// A part of the whole, as CSS takes it.
struct Percent(i64, i64);

impl Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(part, whole) = *self;
        let hundredths = i128::from(part) * 10_000 / i128::from(whole.max(1));
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_ends_neither_a_tag_nor_an_attribute() {
        let all: String = ('\0'..=char::MAX).collect();
        let escaped = Escaped(&all).to_string();
        assert!(!escaped.contains(['<', '>', '"', '\'', '\0']));
        assert_eq!(escaped.matches('&').count(), 5);
        assert_eq!(
            Escaped("<a href='\u{202e}'>&").to_string(),
            "&lt;a href=&#39;\u{fffd}&#39;&gt;&amp;"
        );
    }

    #[test]
    fn parts_in_percent() {
        assert_eq!(Percent(1, 3).to_string(), "33.33");
        assert_eq!(Percent(5, 0).to_string(), "500.00");
        assert_eq!(Percent(0, 7).to_string(), "0.00");
    }
}
