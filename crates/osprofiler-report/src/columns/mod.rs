//! A trace as columns: what the page reads. The format is described in `docs/columns.md`.

mod choose;
mod records;
mod texts;

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use osprofiler_wire::Id;
use serde_json::json;

use self::choose::{Chosen, choose};
use self::records::Blocks;
use self::texts::Texts;
use crate::tree::NONE;
use crate::{Detail, Point, Report};

/// The version of the format, which is in its header.
pub const VERSION: u32 = 1;

/// Characters of a detail or an error that are kept in the columns; the records have them all.
const MAX_TEXT: usize = 1 << 16;

const MAGIC: &[u8; 8] = b"OSPCOLS1";

/// What of a trace is written.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ColumnsOptions<'a> {
    /// Whether the texts of the records go along; true unless set.
    pub records: bool,
    /// Only this point and what is below it.
    pub below: Option<Point<'a>>,
    /// Only so many points, those of the upper levels first. At least all those of the first level
    /// are written.
    pub max_points: usize,
}

impl Default for ColumnsOptions<'_> {
    fn default() -> Self {
        Self { records: true, below: None, max_points: usize::MAX }
    }
}

/// Writes a report as columns.
///
/// ```
/// use osprofiler_report::{Report, columns};
///
/// let records = [r#"{"name": "db-start", "base_id": "b", "trace_id": "t",
///     "timestamp": "2016-04-18T17:42:10.774321", "info": {}}"#];
/// let report: Report = records.into_iter().collect();
/// let mut out = Vec::new();
/// columns::write_columns(&report, &columns::ColumnsOptions::default(), &mut out)?;
/// assert!(out.starts_with(b"OSPCOLS1"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn write_columns(
    report: &Report,
    options: &ColumnsOptions<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows = choose(report, options);
    let mut columns = Columns::default();
    for (row, chosen) in rows.iter().enumerate() {
        columns.add(row, chosen);
        if options.records {
            columns.blocks.add(report, chosen)?;
        }
    }
    columns.write(report, out)
}

/// The columns, in the order in which they are written.
const NAMES: [&str; 13] = [
    "parent", "start", "duration", "flags", "name", "project", "service", "host", "kind", "detail",
    "brief", "error", "left_out",
];

#[derive(Default)]
struct Columns {
    columns: [Vec<u8>; NAMES.len()],
    texts: Texts,
    /// Texts of the parents that are no points in this file, by root.
    root_parents: Vec<u8>,
    ids: Vec<u8>,
    last_start: i64,
    points: usize,
    blocks: Blocks,
}

impl Columns {
    fn add(&mut self, row: usize, chosen: &Chosen<'_>) {
        let point = chosen.point;
        let up = if chosen.parent == NONE { 0 } else { row as u64 - u64::from(chosen.parent) };
        let start = point.started_us();
        let duration = point.finished_us().map_or(0, |finished| finished - start);
        let detail = point.detail();
        let kind = detail.as_ref().map_or(0, kind_of);
        let texts = &mut self.texts;
        let values = [
            up,
            zigzag(start - self.last_start),
            zigzag(duration),
            flags(point),
            texts.index(Some(point.name())),
            texts.index(point.project()),
            texts.index(point.service()),
            texts.index(point.host()),
            kind,
            texts.index(detail.as_ref().map(|detail| cut(detail.as_str()))),
            texts.index(detail.as_ref().map(Detail::brief).as_deref().map(cut)),
            texts.index(point.error().map(|error| error.one_line(false)).as_deref().map(cut)),
            chosen.left_out,
        ];
        for (column, value) in self.columns.iter_mut().zip(values) {
            push_varint(column, value);
        }
        if chosen.parent == NONE {
            push_varint(&mut self.root_parents, texts.index(Some(&point.parent_id().to_string())));
        }
        push_id(&mut self.ids, point.trace_id(), texts);
        self.last_start = start;
        self.points += 1;
    }

    fn write(self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        let (block_points, block_sizes, records) = self.blocks.finish()?;
        let (text_sizes, texts) = self.texts.finish();
        let named = NAMES.into_iter().zip(self.columns).chain([
            ("root_parent", self.root_parents),
            ("block_points", block_points),
            ("block_size", block_sizes),
            ("text_size", text_sizes),
            ("texts", texts),
        ]);
        let mut sizes = Vec::new();
        let mut columns = ZlibEncoder::new(Vec::new(), Compression::best());
        for (name, column) in named {
            sizes.push((name, column.len()));
            columns.write_all(&column)?;
        }
        let columns = columns.finish()?;
        let header = json!({
            "version": VERSION,
            "base_id": report.base_id(),
            "base_ids": report.base_ids().len(),
            "started": report.started().to_string(),
            "started_us": report.started().as_micros(),
            "duration_us": report.duration_us(),
            "outside_us": report.outside_us(),
            "records": report.records(),
            "unreadable": report.unreadable(),
            "dropped": report.dropped(),
            "points_in_trace": report.len(),
            "points": self.points,
            "columns": sizes,
            "columns_size": columns.len(),
            "ids_size": self.ids.len(),
            "records_size": records.len(),
        })
        .to_string();
        out.write_all(MAGIC)?;
        let size = u32::try_from(header.len()).map_err(io::Error::other)?;
        out.write_all(&size.to_le_bytes())?;
        for part in [header.as_bytes(), &columns, &self.ids, &records] {
            out.write_all(part)?;
        }
        Ok(())
    }
}

/// Bits of the column `flags`.
fn flags(point: Point<'_>) -> u64 {
    [
        point.is_error(),
        point.is_unfinished(),
        point.is_start_missing(),
        point.is_orphan(),
        point.is_in_cycle(),
        point.trace_id().uuid_bytes().is_none(),
    ]
    .into_iter()
    .enumerate()
    .map(|(bit, is_so)| u64::from(is_so) << bit)
    .sum()
}

fn kind_of(detail: &Detail) -> u64 {
    match detail {
        Detail::Request(_) => 1,
        Detail::Statement(_) => 2,
        Detail::Function(_) => 3,
        Detail::Dropped(_) => 4,
        Detail::Other(_) => 5,
        Detail::Command(_) => 6,
    }
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(MAX_TEXT).map_or(text, |(at, _)| &text[..at])
}

/// Sixteen bytes: those of a UUID, else the index of a text, which a flag tells.
fn push_id(ids: &mut Vec<u8>, id: &Id, texts: &mut Texts) {
    ids.extend(id.uuid_bytes().unwrap_or_else(|| {
        let index = id.with_text(|id| texts.index(Some(id)));
        u128::from(index).to_le_bytes()
    }));
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A signed number such that near 0 is short.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}
