//! The page that shows a trace in a browser.
//!
//! It is built from `web/` (see there) into one file, which is embedded here: script and style are
//! allowed by their hashes, and nothing else is. The trace goes along as [`columns`](crate::columns) in
//! base64, which holds nothing that a browser could take for markup.

use std::fmt::{self, Write};

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;

use crate::Report;
use crate::clean::harmless;
use crate::columns::{ColumnsOptions, write_columns};

/// Built by `npm run build` in `web/`.
const PAGE: &str = include_str!("../../../web/dist/page.html");

/// Renders a report as a page that needs no network and asks for none.
///
/// ```
/// use osprofiler_report::{Report, html::render_html};
///
/// let records = [r#"{"name": "<img onerror=alert()>-start", "base_id": "b", "trace_id": "t",
///     "timestamp": "2016-04-18T17:42:10.774321", "info": {}}"#];
/// let report: Report = records.into_iter().collect();
/// let page = render_html(&report);
/// assert!(page.contains("<title>Trace b</title>"));
/// assert!(!page.contains("onerror=alert"));
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
    let mut columns = Vec::new();
    write_columns(report, &ColumnsOptions::default(), &mut columns).map_err(|_| fmt::Error)?;
    write_page(&title, "'none'", &columns, out)
}

/// The page without a trace, for a server: it asks its own origin for what it shows.
///
/// The server's API is described in `docs/api.md`.
#[must_use]
pub fn app_page() -> String {
    let mut out = String::new();
    write_page("OSProfiler", "'self'", &[], &mut out).expect("a string takes any text");
    out
}

fn write_page(title: &str, connect: &str, columns: &[u8], out: &mut dyn Write) -> fmt::Result {
    let mut rest = PAGE;
    for (place, value) in [
        ("{{connect}}", &connect as &dyn fmt::Display),
        ("{{title}}", &Escaped(title)),
        ("{{columns}}", &Base64Display::new(columns, &STANDARD)),
    ] {
        let (before, after) = rest.split_once(place).ok_or(fmt::Error)?;
        write!(out, "{before}{value}")?;
        rest = after;
    }
    out.write_str(rest)
}

/// Text that may hold anything, made safe between tags.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                _ => f.write_char(harmless(c))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_ends_no_tag() {
        let all: String = ('\0'..=char::MAX).collect();
        let escaped = Escaped(&all).to_string();
        assert!(!escaped.contains(['<', '>', '\0']));
        assert_eq!(escaped.matches('&').count(), 3);
        assert_eq!(Escaped("</title>\u{202e}&").to_string(), "&lt;/title&gt;\u{fffd}&amp;");
    }

    #[test]
    fn only_the_server_s_page_may_ask_for_anything() {
        let report: Report = [].into_iter().collect();
        assert!(render_html(&report).contains("connect-src 'none'"));
        assert!(app_page().contains("connect-src 'self'"));
        assert!(app_page().contains("id=\"columns\"></script>"));
    }
}
