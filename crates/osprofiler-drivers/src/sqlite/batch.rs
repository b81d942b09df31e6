//! Batches, taken apart by trace and packed into blocks.

use std::io;

use osprofiler_wire::{Record, Timestamp};
use rusqlite::{Connection, Statement};
use zstd::bulk::Compressor;

use super::blocks::{self, Place, compression_failed};
use super::summaries;
use crate::summary::{Tally, TraceSummarizer};

/// A batch that is ready to be stored: what it holds of each trace, and the blocks with all lines.
#[derive(Default)]
pub(super) struct Batch<'a> {
    parts: Vec<Part<'a>>,
    blocks: Vec<Vec<u8>>,
}

/// What a batch holds of one trace.
struct Part<'a> {
    records: &'a [&'a Record],
    tally: Tally,
    chunks: Vec<Chunk<'a>>,
}

/// What a block holds of one trace.
struct Chunk<'a> {
    records: &'a [&'a Record],
    /// The place of the block in its batch.
    block: usize,
    /// Where the lines are in the block.
    start: usize,
    length: usize,
}

impl<'a> Batch<'a> {
    /// Puts the records of each trace into blocks.
    pub(super) fn pack(
        traces: impl Iterator<Item = &'a [&'a Record]>,
        compressor: &mut Compressor<'_>,
    ) -> io::Result<Self> {
        let mut batch = Self::default();
        let mut lines = String::new();
        for records in traces {
            let mut chunks = Vec::new();
            let mut left = records;
            while !left.is_empty() {
                let start = lines.len();
                let (records, rest) = left.split_at(push_chunk(&mut lines, left));
                left = rest;
                let (block, length) = (batch.blocks.len(), lines.len() - start);
                chunks.push(Chunk { records, block, start, length });
                if lines.len() >= blocks::FULL_LEN {
                    batch.blocks.push(compressor.compress(lines.as_bytes())?);
                    lines.clear();
                }
            }
            batch.parts.push(Part { records, tally: tally_of(records), chunks });
        }
        if !lines.is_empty() {
            batch.blocks.push(compressor.compress(lines.as_bytes())?);
        }
        Ok(batch)
    }

    /// Stores what is not stored yet.
    pub(super) fn store(
        mut self,
        db: &Connection,
        compressor: &mut Compressor<'_>,
    ) -> rusqlite::Result<()> {
        let mut insert = summaries::prepare_insert(db)?;
        let keys = self.parts.iter().map(|part| part.store_summary(db, &mut insert));
        let keys = keys.collect::<rusqlite::Result<Vec<Option<i64>>>>()?;
        if keys.contains(&None) {
            // Its acknowledgement got lost, or a part of it was deleted.
            let fresh = self.parts.iter().zip(&keys).filter(|(_, key)| key.is_some());
            self = Self::pack(fresh.map(|(part, _)| part.records), compressor)
                .map_err(compression_failed)?;
        }
        let blocks = self.blocks.iter().map(|block| blocks::insert(db, block));
        let blocks = blocks.collect::<rusqlite::Result<Vec<i64>>>()?;
        let mut insert = blocks::prepare_insert_chunk(db)?;
        for (part, trace) in self.parts.iter().zip(keys.into_iter().flatten()) {
            for chunk in &part.chunks {
                let Chunk { block, start, length, .. } = *chunk;
                let place = Place { block: blocks[block], start, length };
                blocks::insert_chunk(&mut insert, trace, chunk.first(), &place)?;
            }
        }
        Ok(())
    }
}

/// Appends the lines of the first records, as many as make a block full; gives their number. What
/// a batch holds of a trace is cut in the same places whatever else is in the batch.
fn push_chunk(lines: &mut String, records: &[&Record]) -> usize {
    let full = lines.len() + blocks::FULL_LEN;
    for (at, record) in records.iter().enumerate() {
        record.push_json(lines);
        lines.push('\n');
        if lines.len() >= full {
            return at + 1;
        }
    }
    records.len()
}

fn tally_of(records: &[&Record]) -> Tally {
    let mut summarizer = TraceSummarizer::with_capacity(records.len());
    records.iter().for_each(|record| summarizer.add(record));
    summarizer.into_tally().expect("a trace is known by a record")
}

impl Part<'_> {
    /// Adds it to the summary of its trace, and gives the key of that; `None` if this very part was
    /// stored before.
    fn store_summary(
        &self,
        db: &Connection,
        insert: &mut Statement<'_>,
    ) -> rusqlite::Result<Option<i64>> {
        let base_id = &self.records[0].base_id;
        if summaries::insert(db, insert, base_id, &self.tally)? {
            return Ok(Some(db.last_insert_rowid()));
        }
        let Some((trace, stored)) = summaries::find(db, base_id)? else {
            return Err(rusqlite::Error::QueryReturnedNoRows);
        };
        for chunk in &self.chunks {
            if !chunk.is_stored(db, trace)? {
                summaries::update(db, base_id, &stored.merge(self.tally.clone()))?;
                return Ok(Some(trace));
            }
        }
        Ok(None)
    }
}

impl Chunk<'_> {
    /// The timestamp of its first record, which nearly always tells it from others of its trace.
    fn first(&self) -> Timestamp {
        self.records[0].timestamp
    }

    fn is_stored(&self, db: &Connection, trace: i64) -> rusqlite::Result<bool> {
        let mut lines = String::new();
        push_chunk(&mut lines, self.records);
        blocks::has_chunk(db, trace, self.first(), lines.as_bytes())
    }
}
