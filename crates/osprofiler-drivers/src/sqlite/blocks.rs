//! Tables `block` and `chunk`: the JSON lines of what is written together, compressed together, and
//! where those of each trace are in it.
//!
//! A small trace alone is too short to compress well, and would cost the time of ten.

use std::io;
use std::ops::Range;

use osprofiler_wire::{Id, Timestamp};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Statement, params};
use zstd::bulk::Compressor;
use zstd::zstd_safe::{self, CParameter};

use super::summaries::StoredId;

/// Bytes of lines after which a block is full. Reading a trace takes its blocks apart: 40 us each.
pub(super) const FULL_LEN: usize = 120 << 10;
/// Bytes of a block's lines at most. A writer makes them twice [`FULL_LEN`], and a record of its own
/// size may come on top; what claims to be more was made to fill the reader's memory.
const MAX_LEN: usize = 256 << 20;
/// Level 3 takes twice the time and saves nothing; level -5 takes two thirds of it, and the blocks
/// are two thirds larger.
const COMPRESSION_LEVEL: i32 = 1;

pub(super) const CHUNKS_OF_TRACE: &str = "
    SELECT block, start, length FROM chunk
    WHERE trace = (SELECT id FROM trace WHERE base_id = ?1) ORDER BY block";

/// Where the lines of a chunk are.
pub(super) struct Place {
    /// The key of the block.
    pub(super) block: i64,
    pub(super) start: usize,
    pub(super) length: usize,
}

impl Place {
    fn range(&self) -> Range<usize> {
        self.start..self.start.saturating_add(self.length)
    }

    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { block: row.get(0)?, start: row.get(1)?, length: row.get(2)? })
    }
}

pub(super) fn compressor() -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(COMPRESSION_LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

/// The lines of a block; `None` if it is damaged.
fn decompress(block: &[u8]) -> Option<Vec<u8>> {
    let len = zstd_safe::get_frame_content_size(block).ok().flatten()?;
    let len = usize::try_from(len).ok().filter(|len| *len <= MAX_LEN)?;
    zstd::bulk::decompress(block, len).ok()
}

/// Stores a block; gives its key.
pub(super) fn insert(db: &Connection, block: &[u8]) -> rusqlite::Result<i64> {
    db.prepare_cached("INSERT INTO block (records) VALUES (?1)")?.insert([block])
}

/// The statement that [`insert_chunk`] takes.
pub(super) fn prepare_insert_chunk(db: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    db.prepare_cached("INSERT INTO chunk VALUES (?1, ?2, ?3, ?4, ?5)")
}

/// Stores where a chunk of a trace is, whose first record is of that instant.
pub(super) fn insert_chunk(
    statement: &mut Statement<'_>,
    trace: i64,
    first: Timestamp,
    place: &Place,
) -> rusqlite::Result<()> {
    let Place { block, start, length } = place;
    statement.execute(params![trace, first.as_micros(), block, start, length]).map(drop)
}

/// Where the lines of a trace are, in the order of storage.
pub(super) fn chunks_of(db: &Connection, base_id: &Id) -> rusqlite::Result<Vec<Place>> {
    db.prepare_cached(CHUNKS_OF_TRACE)?.query_map([StoredId::of(base_id)], Place::of)?.collect()
}

/// Whether a trace has a chunk of these very lines.
pub(super) fn has_chunk(
    db: &Connection,
    trace: i64,
    first: Timestamp,
    lines: &[u8],
) -> rusqlite::Result<bool> {
    let mut candidates = db.prepare_cached(
        "SELECT block, start, length FROM chunk
         WHERE trace = ?1 AND first_us = ?2 AND length = ?3",
    )?;
    let candidates =
        candidates.query_map(params![trace, first.as_micros(), lines.len()], Place::of)?;
    for place in candidates {
        let place = place?;
        let block = read(db, &place)?;
        if block.as_ref().and_then(|block| block.get(place.range())) == Some(lines) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The lines of a chunk; `None` if its block is damaged.
pub(super) fn lines_at(db: &Connection, place: &Place) -> rusqlite::Result<Option<String>> {
    let block = read(db, place)?.unwrap_or_default();
    Ok(block.get(place.range()).and_then(|lines| String::from_utf8(lines.to_vec()).ok()))
}

/// Overwrites the lines of a chunk: those of other traces may be in its block too.
pub(super) fn blank(
    db: &Connection,
    place: &Place,
    compressor: &mut Compressor<'_>,
) -> rusqlite::Result<()> {
    // A damaged block has nothing to keep.
    let mut lines = read(db, place)?.unwrap_or_default();
    if let Some(deleted) = lines.get_mut(place.range()) {
        deleted.fill(b'\n');
    }
    if lines.iter().all(|byte| *byte == b'\n') {
        db.execute("DELETE FROM block WHERE id = ?1", [place.block])?;
    } else {
        let block = compressor.compress(&lines).map_err(compression_failed)?;
        db.execute("UPDATE block SET records = ?2 WHERE id = ?1", params![place.block, block])?;
    }
    Ok(())
}

/// The lines of the block that a chunk is in; `None` if it is damaged or gone.
fn read(db: &Connection, place: &Place) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT records FROM block WHERE id = ?1")?
        .query_row([place.block], |row| Ok(decompress(row.get_ref(0)?.as_blob()?)))
        .optional()
        .map(Option::flatten)
}

/// An error of the compressor, in the middle of a transaction.
pub(super) fn compression_failed(cause: io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(cause.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_was_made_to_fill_the_memory_is_damaged() {
        let of = |len| zstd::bulk::compress(&vec![b'x'; len], 1).unwrap();
        assert_eq!(decompress(&of(1000)).map(|lines| lines.len()), Some(1000));
        assert_eq!(decompress(&of(MAX_LEN + 1)), None);
        assert_eq!(decompress(b"no block"), None);
    }
}
