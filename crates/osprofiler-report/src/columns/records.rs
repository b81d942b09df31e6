//! The texts of the records, in blocks that are compressed each for itself.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use osprofiler_wire::{Id, Timestamp};

use super::choose::Chosen;
use super::push_varint;
use crate::Report;
use crate::tree::NONE;

/// Texts that are compressed together; one such block is read to show one point.
const BLOCK_BYTES: usize = 128 << 10;

/// Stand for what the columns know already. No JSON text holds these characters.
const BASE_ID: &str = "\u{1}";
const TRACE_ID: &str = "\u{2}";
const PARENT_ID: &str = "\u{3}";
const TIMESTAMP: &str = "\u{4}";

#[derive(Default)]
pub(super) struct Blocks {
    /// Points in each block that is done, and the size of each.
    points: Vec<u8>,
    sizes: Vec<u8>,
    compressed: Vec<u8>,
    open: Vec<u8>,
    in_open: u64,
}

impl Blocks {
    pub(super) fn add(&mut self, report: &Report, chosen: &Chosen<'_>) -> io::Result<()> {
        let point = chosen.point;
        let start = shortened(report, chosen, point.start_json(), point.started_us());
        let stopped_us = point.finished_us().unwrap_or_default();
        let stop = shortened(report, chosen, point.stop_json(), stopped_us);
        for text in [&start, &stop] {
            push_varint(&mut self.open, text.len() as u64);
        }
        self.open.extend(start.as_bytes());
        self.open.extend(stop.as_bytes());
        self.in_open += 1;
        if self.open.len() < BLOCK_BYTES { Ok(()) } else { self.close() }
    }

    fn close(&mut self) -> io::Result<()> {
        let from = self.compressed.len();
        let mut encoder = ZlibEncoder::new(&mut self.compressed, Compression::default());
        encoder.write_all(&self.open)?;
        encoder.finish()?;
        push_varint(&mut self.points, self.in_open);
        push_varint(&mut self.sizes, (self.compressed.len() - from) as u64);
        self.open.clear();
        self.in_open = 0;
        Ok(())
    }

    /// How many points are in each block, how many bytes each takes, and the blocks.
    pub(super) fn finish(mut self) -> io::Result<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        if self.in_open > 0 {
            self.close()?;
        }
        Ok((self.points, self.sizes, self.compressed))
    }
}

/// The text of a record without its ids and its time; empty if there is none.
fn shortened(report: &Report, chosen: &Chosen<'_>, json: Option<&str>, at_us: i64) -> String {
    let Some(json) = json else {
        return String::new();
    };
    let at = Timestamp::from_micros(report.started().as_micros() + at_us);
    let mut text = json.replace(&format!("\"{at}\""), TIMESTAMP);
    let parent_id = Some(chosen.point.parent_id()).filter(|_| chosen.parent != NONE);
    for (id, short) in [
        (report.base_id(), BASE_ID),
        (Some(chosen.point.trace_id()), TRACE_ID),
        (parent_id, PARENT_ID),
    ] {
        if let Some(id) = id.filter(|id| id.uuid_bytes().is_some()) {
            text = text.replace(&quoted(id), short);
        }
    }
    text
}

fn quoted(id: &Id) -> String {
    id.with_text(|id| format!("\"{id}\""))
}
