//! A report in the formats of other tools: `docs/exports.md`.

mod folded;
mod lanes;
mod perfetto;
mod records;
mod speedscope;
mod svg;

use std::fmt;
use std::io;
use std::str::FromStr;

use crate::Report;
use crate::dot::render_dot;
use crate::html::render_html;
use crate::text::{TextOptions, render_text};

pub use folded::write_folded;
pub use perfetto::write_perfetto;
pub use records::write_records;
pub use speedscope::write_speedscope;
pub use svg::write_svg;

/// A format that a report can be written in.
///
/// ```
/// use osprofiler_report::{Report, export::Format};
///
/// let records = [r#"{"name": "db-start", "base_id": "b", "trace_id": "t",
///     "timestamp": "2016-04-18T17:42:10.774321"}"#];
/// let report: Report = records.into_iter().collect();
/// let format: Format = "records".parse()?;
/// let mut out = Vec::new();
/// format.write(&report, &mut out)?;
/// assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
/// assert!("pdf".parse::<Format>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A tree for a terminal.
    Text,
    /// The report as JSON, `docs/report.md`.
    Json,
    /// The records as JSON lines, `docs/record.md`.
    Records,
    /// One page that needs nothing but a browser.
    Html,
    /// A graph for Graphviz.
    Dot,
    /// The waterfall as a drawing.
    Svg,
    /// Stacks with their self times, for flame graphs.
    Folded,
    /// A file for speedscope.
    Speedscope,
    /// Trace events for Perfetto and Chrome.
    Perfetto,
}

impl Format {
    /// All there are.
    pub const ALL: &[Self] = &[
        Self::Text,
        Self::Json,
        Self::Records,
        Self::Html,
        Self::Dot,
        Self::Svg,
        Self::Folded,
        Self::Speedscope,
        Self::Perfetto,
    ];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Records => "records",
            Self::Html => "html",
            Self::Dot => "dot",
            Self::Svg => "svg",
            Self::Folded => "folded",
            Self::Speedscope => "speedscope",
            Self::Perfetto => "perfetto",
        }
    }

    /// What the name of a file ends in, behind the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json => "json",
            Self::Records => "jsonl",
            Self::Html => "html",
            Self::Dot => "dot",
            Self::Svg => "svg",
            Self::Folded => "folded",
            Self::Speedscope => "speedscope.json",
            Self::Perfetto => "perfetto.json",
        }
    }

    /// The media type, for HTTP.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Text | Self::Dot | Self::Folded => "text/plain; charset=utf-8",
            Self::Json | Self::Speedscope | Self::Perfetto => "application/json",
            Self::Svg => "image/svg+xml",
            Self::Records => "application/jsonl; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// Writes a report.
    ///
    /// # Errors
    ///
    /// If `out` cannot be written to.
    pub fn write(self, report: &Report, mut out: &mut dyn io::Write) -> io::Result<()> {
        match self {
            Self::Text => out.write_all(render_text(report, &TextOptions::default()).as_bytes()),
            Self::Json => report.write_json(&mut out),
            Self::Records => write_records(report, out),
            Self::Html => out.write_all(render_html(report).as_bytes()),
            Self::Dot => out.write_all(render_dot(report).as_bytes()),
            Self::Svg => write_svg(report, out),
            Self::Folded => write_folded(report, out),
            Self::Speedscope => write_speedscope(report, out),
            Self::Perfetto => write_perfetto(report, out),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().find(|format| format.name() == text).copied().ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|format| format.name()).collect();
            format!("unknown format `{text}`; expected one of {}", names.join(", "))
        })
    }
}
