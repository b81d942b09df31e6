//! `osprofiler trace show`: one trace, in one of its formats.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use osprofiler_drivers::{ListQuery, Reader};
use osprofiler_report::dot::render_dot;
use osprofiler_report::export::Format;
use osprofiler_report::text::{TextOptions, render_text};
use osprofiler_report::{Report, ReportBuilder, source};
use osprofiler_wire::Id;

use crate::args::{FormatArgs, ShowArgs, StoreArgs};
use crate::output;
use crate::store::{complain_of_skipped, read_report};

pub(crate) fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let trace = &args.trace;
    if trace == "-" || Path::new(trace).exists() {
        return write_report(&read_file(trace)?, &args.format);
    }
    match read_store(trace, &args.store) {
        // Any text is an id; but what looks like a path was meant to be one.
        Err(_) if looks_like_path(trace) => write_report(&read_file(trace)?, &args.format),
        Err(error) => Err(error),
        Ok((report, read)) => {
            write_report(&report, &args.format)?;
            read.context("this is not all of the trace")
        }
    }
}

/// Writes a report as it was asked for.
pub(crate) fn write_report(report: &Report, format: &FormatArgs) -> anyhow::Result<()> {
    if let Some(file) = &format.render_dot {
        draw(&render_dot(report), file)?;
        if format.given().is_none() && format.out.is_none() {
            return Ok(());
        }
    }
    output::write(format.out.as_deref(), |out| match format.given().unwrap_or(Format::Text) {
        Format::Text => out.write_all(render_text(report, &text_options(format)).as_bytes()),
        other => other.write(report, out),
    })
}

fn text_options(format: &FormatArgs) -> TextOptions {
    match format.out {
        Some(_) => TextOptions::default(),
        None => TextOptions { width: output::terminal_width(), color: output::has_color() },
    }
}

fn looks_like_path(trace: &str) -> bool {
    let suffix = Path::new(trace).extension();
    suffix.is_some_and(|suffix| suffix == "json" || suffix == "jsonl") || trace.contains('/')
}

/// Reads all of a file, or of standard input if it is `-`. What is not UTF-8, such as a character cut
/// in half by a process that was killed, costs its record, not the file.
pub(super) fn read_text(path: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if path == "-" {
        io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        bytes = fs::read(path).with_context(|| format!("cannot read `{path}`"))?;
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn read_file(path: &str) -> anyhow::Result<Report> {
    let text = read_text(path)?;
    let mut builder = ReportBuilder::new();
    let mut first_bad = None;
    source::records(&text, &mut |line, json| {
        if let Err(error) = builder.add(json) {
            first_bad.get_or_insert((line, error));
        }
    })
    .with_context(|| format!("`{path}`"))?;
    let report = builder.finish();
    match first_bad {
        Some((line, error)) if report.is_empty() => bail!("`{path}` line {line}: {error}"),
        Some((line, error)) => {
            output::complain(&format!("`{path}` line {line}: {error}; shown without it"));
        }
        None => {}
    }
    Ok(report)
}

/// A trace, and whether that is all of it.
type Found = (Report, Result<(), osprofiler_drivers::Error>);

fn read_store(trace: &str, store: &StoreArgs) -> anyhow::Result<Found> {
    let mut reader = store.reader()?;
    let given = Id::from(trace);
    let canonical = canonical_uuid(trace).filter(|id| *id != given);
    for id in [Some(given), canonical].into_iter().flatten() {
        let (report, read) = read_report(&mut *reader, &id);
        complain_of_skipped(&*reader);
        if !report.is_empty() {
            return Ok((report, read));
        }
        read?;
    }
    bail!("{}", not_found(trace, &mut *reader, store)?)
}

/// Says why there may be no such trace, and what to do.
fn not_found(trace: &str, reader: &mut dyn Reader, store: &StoreArgs) -> anyhow::Result<String> {
    let place = store.connection()?;
    let mut newest = ListQuery::default();
    newest.limit = Some(1);
    let hint = if reader.list(&newest).is_ok_and(|traces| traces.is_empty()) {
        "which holds no traces at all; is it the one the services write to?"
    } else {
        "the request may not have been traced (did the services know the HMAC key?), or its \
         records may still be on their way"
    };
    Ok(format!("no trace `{trace}` in `{place}`, {hint}"))
}

/// A UUID in another spelling (capital letters, without dashes), in the one we know.
fn canonical_uuid(text: &str) -> Option<Id> {
    let digits: String = text.trim().to_ascii_lowercase().replace('-', "");
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    Some(parts.join("-").into())
}

/// Has Graphviz draw a graph into a file.
fn draw(dot: &str, file: &Path) -> anyhow::Result<()> {
    let format = file.extension().and_then(|suffix| suffix.to_str()).unwrap_or("pdf");
    let mut child = Command::new("dot")
        .arg(format!("-T{format}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run `dot`; install Graphviz, or use `--dot` and draw it elsewhere")?;
    let mut stdin = child.stdin.take().context("`dot` has no standard input")?;
    let dot = dot.to_owned();
    let feed = std::thread::spawn(move || stdin.write_all(dot.as_bytes()));
    let drawn = child.wait_with_output().context("cannot run `dot`")?;
    // If `dot` did not read it all, it has said why.
    let _ = feed.join();
    if !drawn.status.success() {
        let said = String::from_utf8_lossy(&drawn.stderr);
        let first = said.lines().next().unwrap_or("it did not say why").to_owned();
        bail!("`dot` cannot draw `{}`: {first}", file.display());
    }
    output::write(Some(file), |out| out.write_all(&drawn.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_of_a_uuid_are_understood() {
        let canonical = Id::from("7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c");
        for text in ["7D28AF6A-79AE-40F3-8A56-2A6E1C8F1E0C", "7d28af6a79ae40f38a562a6e1c8f1e0c"] {
            assert_eq!(canonical_uuid(text), Some(canonical.clone()), "{text}");
        }
        for text in ["", "x", "7d28af6a", "密"] {
            assert_eq!(canonical_uuid(text), None, "{text}");
        }
    }
}
