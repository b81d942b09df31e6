//! The report for a terminal.
//!
//! The summary first, then a line for each point, then sums by name. The fixed columns, duration
//! and bar, are on the left, so that the tree may be cut at any width and the bars still align:
//!
//! ```text
//!  12.3 ms │  ▐███▌  │ ├─ wsgi GET /v3 · keystone/public on ctl1
//! ```
//!
//! Traced text is data. Whatever would control the terminal is shown as a symbol instead.

use std::borrow::Cow;
use std::fmt::{self, Write};

use unicode_width::UnicodeWidthChar;

use crate::clean::one_line;
use crate::units::{Micros, share};
use crate::{Detail, Point, Report, Row};

/// A narrower terminal gets lines of this many columns: less would tell nothing.
const MIN_WIDTH: usize = 40;
/// Columns of the bar where lines are not cut.
const UNCUT_BAR: usize = 32;
/// Columns of a level of the tree.
const LEVEL: usize = 3;

/// How to render a report as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns of the terminal, at least 40; lines are cut to it. With `None` lines are not cut,
    /// as it suits a file or a pipe.
    pub width: Option<usize>,
    /// Whether to use ANSI colours. Nothing is told by colour alone.
    pub color: bool,
}

/// Renders a report for a terminal.
///
/// ```
/// use osprofiler_report::{Report, text::{TextOptions, render_text}};
///
/// let records = [r#"{"name": "db-start", "base_id": "b", "trace_id": "t", "parent_id": "b",
///     "timestamp": "2016-04-18T17:42:10.774321", "info": {"db": {"statement": "SELECT 1"}}}"#];
/// let report: Report = records.into_iter().collect();
/// let shown = render_text(&report, &TextOptions { width: Some(80), color: false });
/// assert!(shown.contains("db SELECT 1  unfinished"));
/// ```
#[must_use]
pub fn render_text(report: &Report, options: &TextOptions) -> String {
    let mut out = String::new();
    write_text(report, options, &mut out).expect("a string takes any text");
    out
}

/// Writes a report for a terminal.
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn write_text(report: &Report, options: &TextOptions, out: &mut dyn Write) -> fmt::Result {
    let layout = Layout::new(report, options);
    summary(&layout, out)?;
    if report.is_empty() {
        return Ok(());
    }
    axis(&layout, out)?;
    let mut guides = Guides::default();
    for row in report.rows() {
        guides.enter(&row);
        point_line(&layout, &row, &guides, out)?;
    }
    names(&layout, out)
}

struct Layout<'a> {
    report: &'a Report,
    color: bool,
    /// Columns of a line.
    width: usize,
    /// Columns of the bar.
    bar: usize,
    /// Levels of the tree that are drawn.
    levels: usize,
}

impl<'a> Layout<'a> {
    fn new(report: &'a Report, options: &TextOptions) -> Self {
        let (width, bar) = match options.width {
            Some(width) => {
                let width = width.max(MIN_WIDTH);
                (width, (width / 5).min(40))
            }
            None => (usize::MAX, UNCUT_BAR),
        };
        Self {
            report,
            color: options.color,
            width,
            bar,
            // Half of what the fixed columns leave.
            levels: ((width - bar - FIXED) / 2 / LEVEL).min(32),
        }
    }

    fn line(&self) -> Line {
        Line { text: String::new(), left: self.width, color: self.color }
    }
}

/// Columns of the duration, and of what parts it, the bar and the tree.
const FIXED: usize = 8 + 4;

#[derive(Clone, Copy)]
enum Style {
    Plain,
    Dim,
    Name,
    Bar,
    Error,
    Warning,
}

impl Style {
    /// The parameter of the escape sequence "select graphic rendition".
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "2",
            Self::Name => "1",
            Self::Bar => "36",
            Self::Error => "31",
            Self::Warning => "33",
        }
    }
}

/// A line that never gets wider than it may.
struct Line {
    text: String,
    /// Columns left.
    left: usize,
    color: bool,
}

impl Line {
    /// Appends text, cut with `…` to what is left.
    fn push(&mut self, style: Style, text: &str) {
        let text = cut(text, self.left);
        let width = width(&text);
        if width == 0 {
            return;
        }
        self.left -= width;
        if self.color && !style.code().is_empty() {
            // Infallible, as are all writes to a string.
            let _ = write!(self.text, "\x1b[{}m{text}\x1b[0m", style.code());
        } else {
            self.text.push_str(&text);
        }
    }

    fn end(mut self, out: &mut dyn Write) -> fmt::Result {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
        out.write_str(&self.text)
    }
}

fn width_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// As much of `text` as fits into `columns`, with `…` in place of the rest.
fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    // A character takes at least a byte for each of its columns.
    if text.len() <= columns {
        return text.into();
    }
    let mut used = 0;
    // Where the text would have to be cut for the ellipsis to fit.
    let mut keep = 0;
    for (at, c) in text.char_indices() {
        if used < columns {
            keep = at;
        }
        used += width_of(c);
        if used > columns {
            let ellipsis = if columns == 0 { "" } else { "\u{2026}" };
            return format!("{}{ellipsis}", &text[..keep]).into();
        }
    }
    text.into()
}

fn summary(layout: &Layout<'_>, out: &mut dyn Write) -> fmt::Result {
    let report = layout.report;
    if let Some(base_id) = report.base_id() {
        // Not cut: half an id is of no use.
        let uncut = Layout { width: usize::MAX, ..*layout };
        let id = one_line(&base_id.to_string());
        pair(&uncut, "trace", Style::Name, &id, out)?;
    }
    let mut say = |key: &str, style, text: &str| pair(layout, key, style, text, out);
    if let Some((_, others)) = report.base_ids().split_first() {
        if !others.is_empty() {
            let text = format!("with records of {} other traces", others.len());
            say("mixed", Style::Warning, &text)?;
        }
        let started = report.started().to_string().replace('T', " ");
        say("started", Style::Plain, &format!("{started} UTC"))?;
        let duration = Micros(report.duration_us()).to_string();
        say("duration", Style::Name, &duration)?;
        let mut key = "services";
        for services in wrap(report.services(), layout.width - KEY) {
            say(std::mem::take(&mut key), Style::Plain, &services)?;
        }
    }
    say("points", Style::Plain, &report.len().to_string())?;
    for (key, count, style, meaning) in [
        ("errors", report.errors() as u64, Style::Error, ""),
        ("unfinished", report.unfinished() as u64, Style::Warning, ", without a stop record"),
        ("orphans", report.orphans() as u64, Style::Warning, ", whose parent is unknown"),
        ("unreadable", report.unreadable(), Style::Warning, ", left out"),
        ("dropped", report.dropped(), Style::Warning, " records: the trace is not whole"),
    ] {
        match count {
            0 if key == "errors" => say(key, Style::Plain, "0")?,
            0 => {}
            _ => say(key, style, &format!("{count}{meaning}"))?,
        }
    }
    Ok(())
}

fn pair(
    layout: &Layout<'_>,
    key: &str,
    style: Style,
    text: &str,
    out: &mut dyn Write,
) -> fmt::Result {
    let mut line = layout.line();
    line.push(Style::Dim, &format!("{key:<KEY$}"));
    line.push(style, text);
    line.end(out)
}

/// Columns of the keys of the summary.
const KEY: usize = 11;

/// Items on lines, with commas.
fn wrap(items: Vec<String>, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if width(line) + 3 + width(&item) <= columns => {
                line.push_str(", ");
                line.push_str(&item);
            }
            last => {
                if let Some(last) = last {
                    last.push(',');
                }
                lines.push(item);
            }
        }
    }
    lines
}

/// The line above the bars: the trace's time from end to end.
fn axis(layout: &Layout<'_>, out: &mut dyn Write) -> fmt::Result {
    out.write_char('\n')?;
    let end = Micros(layout.report.duration_us()).to_string();
    let mut line = layout.line();
    line.push(
        Style::Dim,
        &format!("{:>8} \u{2502}0{end:>1$}\u{2502} point", "duration", layout.bar - 1),
    );
    line.end(out)
}

/// Which ancestors of the point at hand have siblings to come.
#[derive(Default)]
struct Guides {
    open: Vec<bool>,
}

impl Guides {
    fn enter(&mut self, row: &Row<'_>) {
        self.open.truncate(row.depth);
        self.open.push(!row.is_last);
    }

    /// What stands before the name; beyond the levels that are drawn, the number of the level.
    fn draw(&self, levels: usize) -> String {
        let (last, above) = self.open.split_last().expect("a point was entered");
        let Some((_, above)) = above.split_first() else {
            return String::new();
        };
        let mut text = String::new();
        if above.len() + 1 > levels {
            let _ = write!(
                text,
                "{:<1$}",
                format!("\u{2026}{}", above.len() + 1),
                (levels - 1) * LEVEL
            );
            text.push(' ');
        } else {
            text.extend(above.iter().map(|open| if *open { "\u{2502}  " } else { "   " }));
        }
        text.push_str(if *last { "\u{251c}\u{2500} " } else { "\u{2514}\u{2500} " });
        text
    }
}

fn point_line(
    layout: &Layout<'_>,
    row: &Row<'_>,
    guides: &Guides,
    out: &mut dyn Write,
) -> fmt::Result {
    let point = row.point;
    let mut line = layout.line();
    let duration = point.duration_us().map_or("-".into(), |us| Micros(us).to_string());
    line.push(Style::Plain, &format!("{duration:>8} "));
    line.push(Style::Dim, "\u{2502}");
    let style = if point.is_error() { Style::Error } else { Style::Bar };
    line.push(style, &bar(point, layout.report.duration_us(), layout.bar));
    line.push(Style::Dim, "\u{2502} ");
    line.push(Style::Dim, &guides.draw(layout.levels));
    line.push(Style::Name, &one_line(point.name()));
    push_rest(&mut line, point);
    line.end(out)
}

/// Detail, place and marks share what is left. When it is short the marks come first, then the
/// place, since a detail still tells something when it is cut.
fn push_rest(line: &mut Line, point: Point<'_>) {
    /// Less of a detail is not worth its place.
    const MIN_DETAIL: usize = 6;
    let detail = point.detail();
    let wanted = detail.as_ref().map_or(0, |detail| 1 + width(detail.as_str()));

    let marks = fitting(line.left / 2, |brief| marks(point, brief));
    let for_marks = width(&marks).min(line.left.saturating_mul(2) / 3);
    let left = line.left - for_marks;
    let for_place = left.saturating_sub(wanted).max(left / 5 * 3);
    let mut place = fitting(for_place, |brief| match point.place(brief) {
        place if place.is_empty() => place,
        place => format!(" \u{b7} {place}"),
    });
    if width(&place) > for_place {
        place.clear();
    }
    let for_detail = left - width(&place);
    if let Some(detail) = detail.filter(|_| for_detail > MIN_DETAIL) {
        let text = format!(" {}", fit(&detail, for_detail - 1));
        line.push(Style::Plain, &cut(&text, for_detail));
    }
    line.push(Style::Dim, &place);
    let style = if point.is_error() { Style::Error } else { Style::Warning };
    line.push(style, &marks);
}

/// The text in full if it fits, or else in brief.
fn fitting(columns: usize, text: impl Fn(bool) -> String) -> String {
    let full = text(false);
    if width(&full) <= columns { full } else { text(true) }
}

fn fit(detail: &Detail, columns: usize) -> Cow<'_, str> {
    if width(detail.as_str()) <= columns { detail.as_str().into() } else { detail.brief() }
}

/// What is wrong with a point, in words.
fn marks(point: Point<'_>, brief: bool) -> String {
    let mut text = String::new();
    for mark in point.marks() {
        text.push_str("  ");
        text.push_str(mark);
    }
    if let Some(error) = point.error() {
        text.push_str("  error: ");
        text.push_str(&error.one_line(brief));
    }
    text
}

/// Blocks that fill the left of a cell, by eighths.
const LEFT: [char; 9] = [
    ' ', '\u{258f}', '\u{258e}', '\u{258d}', '\u{258c}', '\u{258b}', '\u{258a}', '\u{2589}',
    '\u{2588}',
];
const FULL: char = '\u{2588}';
const RIGHT_HALF: char = '\u{2590}';
const RIGHT_EIGHTH: char = '\u{2595}';
/// The time after the start of a point that did not stop.
const OPEN: char = '\u{2591}';

/// A point on the trace's time, `cells` columns wide. The shortest point shows.
fn bar(point: Point<'_>, whole_us: i64, cells: usize) -> String {
    let extent = point.extent_us();
    let (from, to) = (eighths(extent.start, whole_us, cells), eighths(extent.end, whole_us, cells));
    // A point at the very end has its mark in the last cell.
    let from = from.min(cells * 8 - 1);
    let to = to.max(from + 1);
    let mut bar: Vec<char> = (0..cells).map(|cell| block(from, to, cell * 8)).collect();
    if point.is_unfinished() {
        bar[from / 8 + 1..].fill(OPEN);
    }
    bar.into_iter().collect()
}

/// The share of the whole that has passed at `us`, in eighths of a cell.
fn eighths(us: i64, whole_us: i64, cells: usize) -> usize {
    let all = i128::try_from(cells * 8).expect("a bar is short");
    let passed = i128::from(us) * all / i128::from(whole_us.max(1));
    usize::try_from(passed.clamp(0, all)).expect("clamped")
}

/// What to draw in the cell that begins at eighth `at`. There are blocks for every left part of a
/// cell, but only two for a right part.
fn block(from: usize, to: usize, at: usize) -> char {
    let (from, to) = (from.max(at) - at, to.min(at + 8).saturating_sub(at));
    match (from, to) {
        _ if from >= to => ' ',
        (0..=2, 8) => FULL,
        (0..=3, _) => LEFT[to - from],
        _ if to - from == 1 => RIGHT_EIGHTH,
        _ => RIGHT_HALF,
    }
}

/// Columns of the numbers behind a name.
const NUMBERS: usize = 33;

/// Sums by name, the largest first.
fn names(layout: &Layout<'_>, out: &mut dyn Write) -> fmt::Result {
    out.write_char('\n')?;
    let report = layout.report;
    let whole = report.duration_us();
    let stats = report.stats_by_self();
    let longest = stats.iter().map(|stats| width(&one_line(stats.name))).max();
    let name_width = longest.unwrap_or(0).max(10).min(layout.width.min(70) - NUMBERS);
    let mut say = |style, name: &str, count: &str, total: &str, own: &str, share: &str| {
        let name = cut(name, name_width);
        let pad = " ".repeat(name_width - width(&name));
        let mut line = layout.line();
        line.push(style, &format!("{name}{pad} {count:>7} {total:>8} {own:>8} {share:>6}"));
        line.end(out)
    };
    say(Style::Dim, "name", "count", "total", "self", "share")?;
    for stats in stats {
        say(
            Style::Plain,
            &one_line(stats.name),
            &stats.count.to_string(),
            &Micros(stats.duration_us).to_string(),
            &Micros(stats.self_us).to_string(),
            &share(stats.self_us, whole),
        )?;
    }
    let outside = report.outside_us();
    say(Style::Dim, "(no point)", "", "", &Micros(outside).to_string(), &share(outside, whole))?;
    let mut note = layout.line();
    note.push(Style::Dim, "self: time not covered by children; share: of the trace's duration");
    note.end(out)
}
