//! The records in a file's text, whatever form it has.

use crate::clean::one_line;
use crate::foreign::Foreign;
use crate::scan::{elements, member, members, skip, string_end, value_end};

/// Finds the records in `text`, and calls `visit` with the line on which each begins (from 1) and
/// its JSON text.
///
/// The text has one of these forms, told by what it holds:
///
/// - records as JSON lines; blank lines do not count;
/// - a JSON array of records;
/// - a report as JSON, ours or the Python tool's, of any depth. Its records come in the order of
///   its tree, and those that were repeated or unreadable are not in it;
/// - spans of OpenTelemetry (OTLP JSON: a request, a list of them, or one on a line), of Jaeger (what its
///   page saves) or of Zipkin (version 2). The records say the same as the spans.
///
/// Whether each text is a record is for [`ReportBuilder::add`](crate::ReportBuilder::add) to say:
/// one that is not costs nothing but itself.
///
/// ```
/// use osprofiler_report::{ReportBuilder, source};
///
/// let text = r#"
/// {"name": "db-start", "base_id": "b", "trace_id": "t", "timestamp": "2016-04-18T17:42:10.774321"}
/// {"name": "db-st
/// "#;
/// let mut builder = ReportBuilder::new();
/// let mut bad_lines = Vec::new();
/// source::records(text, &mut |line, json| {
///     if builder.add(json).is_err() {
///         bad_lines.push(line);
///     }
/// })?;
/// assert_eq!((builder.finish().len(), bad_lines), (1, vec![3]));
/// # Ok::<(), source::SourceError>(())
/// ```
///
/// # Errors
///
/// If the text has none of these forms, or not a single record in it.
pub fn records(text: &str, visit: &mut dyn FnMut(usize, &str)) -> Result<(), SourceError> {
    let mut lines = LineCounter { text, at: 0, line: 1 };
    let mut found = 0_usize;
    let mut visit = |at: usize, json: &str| {
        found += 1;
        visit(lines.line_of(at), json);
    };
    let begin = skip(text, text.len() - text.trim_start_matches('\u{feff}').len(), b' ');
    let content = text[begin..].trim_ascii_end();
    let form = Form::of(content)?;
    match form {
        Form::Array => elements(content).for_each(|(at, json)| visit(begin + at, json)),
        Form::Report => payloads(content, |at, json| visit(begin + at, json)),
        Form::Single => visit(begin, content),
        Form::Foreign(foreign) => read_foreign(foreign, content, begin, &mut visit, text)?,
        Form::Lines => lines_of(content).for_each(|(at, json)| visit(begin + at, json)),
    }
    match (found, form) {
        (0, Form::Foreign(_)) => Err(SourceError::Empty("not a single span")),
        (0, Form::Array) => Err(SourceError::Empty("an empty array")),
        (0, _) => Err(SourceError::Empty("a report without records")),
        _ => Ok(()),
    }
}

/// Why there are no records in a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is not a single record in it.
    #[error(
        "found {0}, expected at least one record; check that the trace was recorded and written \
         to the end"
    )]
    Empty(&'static str),
    /// It holds spans of another tracer, which make no sense.
    #[error("line {line}: {cause}; expected {format}")]
    Spans {
        /// What it looks like.
        format: &'static str,
        /// The line in question, from 1.
        line: usize,
        /// What is wrong with it.
        cause: String,
    },
    /// The text has none of the forms.
    #[error(
        "found {0}, expected records as JSON lines, a JSON array of records, a report as \
         `trace show --json` writes it, or spans as OTLP, Jaeger or Zipkin JSON"
    )]
    Unknown(String),
}

#[derive(Clone, Copy)]
enum Form {
    Lines,
    Array,
    Report,
    Single,
    Foreign(Foreign),
}

impl Form {
    fn of(content: &str) -> Result<Self, SourceError> {
        let is_array = content.starts_with('[');
        if content.is_empty() {
            Err(SourceError::Empty("nothing"))
        } else if is_array
            && (elements(content).next().is_none()
                || elements(content).any(|(_, json)| is_record(json)))
        {
            Ok(Self::Array)
        } else if let Some(foreign) = Foreign::of(content) {
            Ok(Self::Foreign(foreign))
        } else if is_report(content) {
            Ok(Self::Report)
        } else if value_end(content, 0) == Some(content.len()) && is_record(content) {
            Ok(Self::Single)
        } else if content.lines().any(|line| is_record(line.trim_ascii())) {
            Ok(Self::Lines)
        } else {
            Err(SourceError::Unknown(describe(content)))
        }
    }
}

/// Reads spans: those of one JSON text, or if there are several, of the text of each line.
fn read_foreign(
    foreign: Foreign,
    content: &str,
    begin: usize,
    visit: &mut dyn FnMut(usize, &str),
    text: &str,
) -> Result<(), SourceError> {
    let is_one = value_end(content, 0).is_none_or(|end| end == content.len());
    let lines: Vec<(usize, &str)> =
        if is_one { vec![(0, content)] } else { lines_of(content).collect() };
    for (at, json) in lines {
        foreign.read(json, &mut |record| visit(begin + at, record)).map_err(|cause| {
            let before = LineCounter { text, at: 0, line: 1 }.line_of(begin + at);
            SourceError::Spans {
                format: foreign.name(),
                line: before + cause.line().saturating_sub(1),
                cause: what_is_wrong(&cause),
            }
        })?;
    }
    Ok(())
}

/// An error's text without the place, which is told as a line of the whole file.
fn what_is_wrong(error: &serde_json::Error) -> String {
    let text = one_line(&error.to_string());
    text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
}

/// A record always has a `trace_id`, a report never has, and a line that was cut may have lost it.
fn is_record(json: &str) -> bool {
    member(json, "trace_id").is_some()
}

/// Also of a report that was cut, what is there can be shown.
fn is_report(json: &str) -> bool {
    json.starts_with('{')
        && !is_record(json)
        && (member(json, "children").is_some() || json.contains(PAYLOAD))
}

/// How the key of a record begins in a report.
const PAYLOAD: &str = "\"meta.raw_payload.";

/// The records in a report, wherever they are: what stands between them is passed over, so depth
/// does not count.
fn payloads(report: &str, mut visit: impl FnMut(usize, &str)) {
    let mut at = 0;
    while let Some(quote) = report[at..].find('"').map(|len| at + len) {
        let Some(key_end) = string_end(report, quote) else {
            return;
        };
        at = key_end;
        let colon = skip(report, key_end, b' ');
        if !report[quote..].starts_with(PAYLOAD) || !report[colon..].starts_with(':') {
            continue;
        }
        let value = skip(report, colon + 1, b' ');
        let Some(end) = value_end(report, value) else {
            return;
        };
        visit(value, &report[value..end]);
        at = end;
    }
}

/// Lines that are not blank, each with its place.
fn lines_of(content: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    content.split_inclusive('\n').filter_map(move |line| {
        let from = at;
        at += line.len();
        let line = line.trim_ascii_end();
        (!line.is_empty()).then_some((from, line))
    })
}

/// Counts lines; asked for places further and further down.
struct LineCounter<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl LineCounter<'_> {
    fn line_of(&mut self, at: usize) -> usize {
        let passed = &self.text.as_bytes()[self.at..at];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.at = at;
        self.line
    }
}

/// Says what a text is that is none of ours.
fn describe(content: &str) -> String {
    let keys: Vec<String> = members(content).map(|(key, _)| format!("`{}`", brief(key))).collect();
    if content.starts_with('[') && value_end(content, 0) == Some(content.len()) {
        return "a JSON array without a record in it".into();
    }
    match keys.len() {
        0 => format!("text that begins with `{}`", brief(content)),
        1..=5 => format!("a JSON object of {}", keys.join(", ")),
        all => format!("a JSON object of {} and {} more", keys[..5].join(", "), all - 5),
    }
}

fn brief(text: &str) -> String {
    const MAX_CHARS: usize = 40;
    let text = one_line(text);
    match text.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => format!("{}\u{2026}", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = r#"{"trace_id":"a","info":{"x":"}"}}"#;
    const B: &str = "{\"trace_id\":\n\"b\"}";

    fn found(text: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        records(text, &mut |line, json| found.push((line, json.to_owned()))).unwrap();
        found
    }

    fn error(text: &str) -> String {
        records(text, &mut |_, _| {}).unwrap_err().to_string()
    }

    #[test]
    fn lines_blank_bad_and_good() {
        assert_eq!(
            found(&format!("\u{feff}\n{A}\r\n\n{{\"trace_id\": \"cut\n{A}")),
            [(2, A.into()), (4, "{\"trace_id\": \"cut".into()), (5, A.into())]
        );
        assert_eq!(found(&format!("oops\n{A}\n"))[1], (2, A.into()));
        assert_eq!(found(&format!("{{\"trace_id\": \"cut\n{A}"))[1], (2, A.into()));
    }

    #[test]
    fn a_single_record_may_take_several_lines() {
        assert_eq!(found(&format!("\n {B}\n")), [(2, B.into())]);
    }

    #[test]
    fn arrays() {
        assert_eq!(
            found(&format!("\n[{B},\n{A}, 7]")),
            [(2, B.into()), (4, A.into()), (4, "7".into())]
        );
        // Cut off in the middle.
        assert_eq!(found(&format!("[{A},{A},{{\"na")).len(), 2);
    }

    #[test]
    fn reports_of_any_depth() {
        let depth = 100_000;
        let open = format!("{{\"info\": {{\"meta.raw_payload.x-start\" : {A}}}, \"children\": [");
        let report = open.repeat(depth) + &"]}".repeat(depth);
        let found = found(&report);
        assert_eq!(found.len(), depth);
        assert!(found.iter().all(|(line, json)| (*line, &**json) == (1, A)));
        assert_eq!(self::found(&report[..open.len() * depth / 2]).len(), depth / 2);
    }

    #[test]
    fn a_report_without_records_says_so() {
        assert!(
            error(r#"{"info": {}, "children": [], "stats": {}}"#)
                .starts_with("found a report without records")
        );
        assert!(error("[ ]").starts_with("found an empty array"));
        assert!(error(" \n").starts_with("found nothing, expected at least one record"));
    }

    #[test]
    fn what_is_none_of_them_is_named() {
        for (text, found) in [
            ("<!DOCTYPE html>\n<html>", "text that begins with `<!DOCTYPE html> <html>`"),
            ("{\"a\": 1, \"b\": [2]}", "a JSON object of `a`, `b`"),
            ("[INFO] \u{1b}[2J", "text that begins with `[INFO] \u{241b}[2J`"),
            ("[1, 2]", "a JSON array without a record in it"),
            ("{}", "text that begins with `{}`"),
        ] {
            assert!(
                error(text).starts_with(&format!("found {found}, expected records")),
                "{}",
                error(text)
            );
        }
    }

    proptest! {
        #[test]
        fn anything_is_survived(text in r#"(\{"trace_id":"a"\}|"meta.raw_payload.x":|"children":|[\[\]{}",:\\ \n]|a|密|.)*"#) {
            let _ = records(&text, &mut |line, _| assert!(line > 0));
        }
    }
}
