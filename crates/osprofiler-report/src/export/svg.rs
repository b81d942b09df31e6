//! The waterfall as a drawing: `docs/exports.md`.

use std::fmt::{self, Display};
use std::io::{self, Write};

use super::lanes::label;
use crate::clean::one_line;
use crate::units::Micros;
use crate::{Point, Report, Row};

/// Points that are drawn; of more, those that took longest, with what encloses them.
const MAX_ROWS: usize = 1000;
const ROW: usize = 18;
const TOP: usize = 44;
/// Where the bars begin, and how wide they are together.
const LEFT: usize = 480;
const WIDTH: usize = 700;
const TIME: usize = 80;
const INDENT: usize = 10;
/// Levels that are indented.
const MAX_INDENT: usize = 20;
/// Characters that fit beside the bars.
const LABEL_CHARS: usize = 62;
/// Colours of services, told apart by those who see colours differently too (Okabe and Ito).
const COLORS: [&str; 7] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f7f7f"];

/// Writes a report as a drawing: a row for each point, with its bar in the time of the trace.
///
/// ```
/// use osprofiler_report::{Report, export};
///
/// let records = [r#"{"name": "<script>-start", "base_id": "b", "trace_id": "t",
///     "timestamp": "2016-04-18T17:42:10.774321"}"#];
/// let report: Report = records.into_iter().collect();
/// let mut out = Vec::new();
/// export::write_svg(&report, &mut out)?;
/// assert!(String::from_utf8(out).unwrap().contains("&lt;script&gt;"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn write_svg(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let is_drawn = choose(report);
    let rows: Vec<Row<'_>> = report.rows().filter(|row| is_drawn[row.point.index()]).collect();
    let left_out = report.len() - rows.len();
    let height = TOP + ROW * (rows.len() + usize::from(left_out > 0)) + 8;
    let width = LEFT + WIDTH + TIME;
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">"#
    )?;
    writeln!(out, r##"<rect width="100%" height="100%" fill="#ffffff"/>"##)?;
    head(report, height, &mut out)?;
    let services = report.services();
    for (at, row) in rows.iter().enumerate() {
        draw(row, TOP + at * ROW, report, &services, &mut out)?;
    }
    if left_out > 0 {
        let y = TOP + rows.len() * ROW + 13;
        writeln!(
            out,
            r##"<text x="8" y="{y}" fill="#666666">{left_out} shorter points are not drawn</text>"##
        )?;
    }
    writeln!(out, "</svg>")?;
    out.flush()
}

/// Which points are drawn.
fn choose(report: &Report) -> Vec<bool> {
    let mut is_drawn = vec![report.len() <= MAX_ROWS; report.len()];
    if report.len() <= MAX_ROWS {
        return is_drawn;
    }
    let mut longest: Vec<Point<'_>> = report.points().collect();
    longest.sort_by_key(|point| {
        let extent = point.extent_us();
        extent.start - extent.end
    });
    let mut left = MAX_ROWS;
    for point in longest {
        let new: Vec<Point<'_>> = std::iter::successors(Some(point), |point| point.parent())
            .take_while(|point| !is_drawn[point.index()])
            .take(left + 1)
            .collect();
        if new.len() > left {
            break;
        }
        left -= new.len();
        new.iter().for_each(|point| is_drawn[point.index()] = true);
    }
    is_drawn
}

fn head(report: &Report, height: usize, out: &mut dyn Write) -> io::Result<()> {
    let id = report.base_id().map(ToString::to_string).unwrap_or_default();
    let title = format!("trace {id}, {}, {} UTC", Micros(report.duration_us()), report.started());
    writeln!(out, "<title>{}</title>", Escaped(&title))?;
    writeln!(out, r#"<text x="8" y="16" font-weight="bold">{}</text>"#, Escaped(&title))?;
    for quarter in 0..=4 {
        let x = LEFT + WIDTH * quarter / 4;
        let us = Micros(report.duration_us() / 4 * quarter as i64);
        writeln!(
            out,
            r##"<path d="M{x} {TOP}V{height}" stroke="#dddddd"/><text x="{x}" y="36" text-anchor="middle" fill="#666666">{us}</text>"##
        )?;
    }
    Ok(())
}

fn draw(
    row: &Row<'_>,
    y: usize,
    report: &Report,
    services: &[String],
    out: &mut dyn Write,
) -> io::Result<()> {
    let point = row.point;
    let extent = point.extent_us();
    let whole = report.duration_us().max(1) as f64;
    let place = |us: i64| us as f64 / whole * WIDTH as f64;
    let (x, width) = (place(extent.start), place(extent.end - extent.start).max(1.0));
    let indent = INDENT * row.depth.min(MAX_INDENT);
    let text = label(point);
    let max_chars = LABEL_CHARS - row.depth.min(MAX_INDENT) * 3 / 2;
    let is_cut = text.chars().nth(max_chars).is_some();
    let short: String = text.chars().take(max_chars).chain(is_cut.then_some('\u{2026}')).collect();
    let time = point.duration_us().map_or("unfinished".to_owned(), |us| Micros(us).to_string());
    let color = color(point, services);
    let (fill, style) = match (point.is_error(), point.is_unfinished()) {
        (true, _) => ("#b00020", r##" stroke="#b00020" stroke-width="2""##),
        (_, true) => ("#000000", r##" stroke="#000000" stroke-dasharray="3 2""##),
        _ => ("#000000", ""),
    };
    let error = point.error().map(|error| format!("\n{}", error.one_line(false)));
    let hint = format!("{text}\n{time}\n{}{}", place_of(point), error.unwrap_or_default());
    writeln!(
        out,
        r#"<g><title>{}</title><text x="{}" y="{}" fill="{fill}">{}</text><rect x="{:.1}" y="{}" width="{width:.1}" height="{}" fill="{color}"{style}/><text x="{:.1}" y="{}">{}</text></g>"#,
        Escaped(&hint),
        8 + indent,
        y + 13,
        Escaped(&short),
        LEFT as f64 + x,
        y + 3,
        ROW - 6,
        LEFT as f64 + (x + width).min(WIDTH as f64) + 4.0,
        y + 13,
        Escaped(&time)
    )
}

fn place_of(point: Point<'_>) -> String {
    let host = point.host().map(|host| format!(" on {}", one_line(host)));
    format!("{}{}", point.project_and_service().unwrap_or_default(), host.unwrap_or_default())
}

fn color(point: Point<'_>, services: &[String]) -> &'static str {
    let service = point.project_and_service();
    let at = services.iter().position(|known| Some(known) == service.as_ref());
    at.map_or("#7f7f7f", |at| COLORS[at % COLORS.len()])
}

/// Any text as text of XML.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                // No characters of XML.
                '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                '\n' => f.write_char(c)?,
                _ => f.write_char(crate::clean::harmless(c))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::lanes::tests::report;

    fn drawn(report: &Report) -> String {
        let mut out = Vec::new();
        write_svg(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn any_text_is_text() {
        let all: String = ('\0'..=char::MAX).filter(|c| *c != '\n').collect();
        let escaped = Escaped(&all).to_string();
        assert!(
            !escaped.contains(['<', '>', '"', '\u{ffff}']) && !escaped.contains(char::is_control)
        );
        let hostile = "</text><script>alert(1)</script>\u{202e}";
        let svg = drawn(&report(&[(hostile, "b", "</g>\"&", 0, Some(1))]));
        assert!(!svg.contains("<script") && !svg.contains("</g>\"") && !svg.contains('\u{202e}'));
        assert!(svg.contains("&lt;/text&gt;&lt;script&gt;alert(1)"));
    }

    #[test]
    fn of_many_points_the_longest_are_drawn_with_what_encloses_them() {
        let ids: Vec<String> = (0..5000).map(|at| format!("p{at}")).collect();
        let mut points =
            vec![("root", "b", "api", 0, Some(1)), ("wrap", "root", "api", 0, Some(0))];
        points.extend(ids.iter().zip(0..).map(|(id, at)| (&**id, "wrap", "api", at, Some(2 * at))));
        let svg = drawn(&report(&points));
        assert_eq!(svg.matches("<g>").count(), MAX_ROWS);
        assert!(svg.contains(">p4999<") && svg.contains(">wrap<") && !svg.contains(">p5<"));
        assert!(svg.contains("4002 shorter points are not drawn"));
    }
}
