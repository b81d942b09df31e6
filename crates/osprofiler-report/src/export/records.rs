//! The records themselves, one on a line.

use std::io::{self, Write};

use crate::Report;

/// Writes the records that a report is made of as JSON lines, in the order of storage. Repeated and
/// unreadable ones are not in it.
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn write_records(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    for json in report.record_texts() {
        // What breaks lines is space: within a string, JSON has it escaped.
        for part in json.split_inclusive(['\n', '\r']) {
            match part.strip_suffix(['\n', '\r']) {
                Some(part) => write!(out, "{part} ")?,
                None => out.write_all(part.as_bytes())?,
            }
        }
        out.write_all(b"\n")?;
    }
    out.flush()
}
