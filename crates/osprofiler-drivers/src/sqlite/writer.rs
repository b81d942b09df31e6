use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use osprofiler_wire::{Id, Record};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::{BUSY_TIMEOUT, Store, error, schema};
use crate::summary::{Tally, TraceSummarizer};
use crate::{Error, ErrorKind, Writer, files};

/// Bytes of JSON lines after which a chunk is full, so that a large trace is read piece by piece.
const FULL_CHUNK_LEN: usize = 1 << 20;
/// Makes a tenth of the lines of a real trace (`docs/drivers.md`). Level 3 saves 3 % more in a fifth more time, level 5
/// saves 6 % in four times the time.
const COMPRESSION_LEVEL: i32 = 1;

pub(super) struct SqliteWriter {
    store: Store,
    compressor: Compressor<'static>,
}

impl SqliteWriter {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let compressor = compressor().map_err(compression_error)?;
        Ok(Self { store: Store::open(path, connect)?, compressor })
    }

    fn in_transaction<T>(
        &mut self,
        what: &str,
        run: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.store.refresh()?;
        Transaction::new(&mut self.store.db, TransactionBehavior::Immediate)
            .and_then(|transaction| {
                let done = run(&transaction)?;
                transaction.commit()?;
                Ok(done)
            })
            .map_err(|cause| error(&self.store.path, what, cause))
    }
}

impl Writer for SqliteWriter {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        // Other processes are kept waiting only once all is ready.
        let parts = parts_of(records, &mut self.compressor).map_err(compression_error)?;
        self.in_transaction("write to", |transaction| {
            parts.iter().try_for_each(|part| part.store(transaction))
        })
    }

    fn delete(&mut self, base_id: &Id) -> Result<bool, Error> {
        self.in_transaction("delete from", |transaction| {
            let base_id = base_id.to_string();
            transaction.execute(
                "DELETE FROM chunk WHERE trace = (SELECT id FROM trace WHERE base_id = ?1)",
                [&base_id],
            )?;
            let deleted =
                transaction.execute("DELETE FROM trace WHERE base_id = ?1", [&base_id])?;
            Ok(deleted > 0)
        })
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let mut db = open_private(path)?;
    db.busy_timeout(BUSY_TIMEOUT)
        // Acknowledged means durable; what is deleted is gone.
        .and_then(|()| db.pragma_update(None, "synchronous", "full"))
        .and_then(|()| db.pragma_update(None, "secure_delete", true))
        .map_err(|cause| error(path, "open", cause))?;
    schema::prepare(&mut db, path)?;
    Ok(db)
}

/// Opens the file, after making it if there is none.
fn open_private(path: &Path) -> Result<Connection, Error> {
    // Closing a file drops all locks that the process has on it (POSIX). Nobody in this process may
    // open the new file before the one that made it has closed it.
    static OPENING: Mutex<()> = Mutex::new(());
    let _guard = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    files::create_private(path)?;
    Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|cause| error(path, "open", cause))
}

fn compressor() -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(COMPRESSION_LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

fn compression_error(cause: io::Error) -> Error {
    Error::new(ErrorKind::Storage, "cannot compress records").with_source(cause)
}

/// What a batch holds of one trace, ready to be stored.
struct Part {
    base_id: Id,
    tally: Tally,
    /// Compressed JSON lines.
    chunks: Vec<Vec<u8>>,
}

/// Separates a batch by trace, and what is of one trace into chunks.
fn parts_of(records: &[Record], compressor: &mut Compressor<'_>) -> io::Result<Vec<Part>> {
    let mut of_trace: HashMap<&Id, Vec<&Record>> = HashMap::new();
    for record in records {
        of_trace.entry(&record.base_id).or_default().push(record);
    }
    let mut lines = String::new();
    of_trace
        .into_iter()
        .map(|(base_id, records)| {
            let mut summarizer = TraceSummarizer::default();
            let mut chunks = Vec::new();
            for record in records {
                summarizer.add(record);
                record.push_json(&mut lines);
                lines.push('\n');
                if lines.len() >= FULL_CHUNK_LEN {
                    chunks.push(compressor.compress(lines.as_bytes())?);
                    lines.clear();
                }
            }
            if !lines.is_empty() {
                chunks.push(compressor.compress(lines.as_bytes())?);
                lines.clear();
            }
            let tally = summarizer.into_tally().expect("a trace is known by a record");
            Ok(Part { base_id: base_id.clone(), tally, chunks })
        })
        .collect()
}

impl Part {
    fn store(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let base_id = self.base_id.to_string();
        let tally = match schema::find_tally(transaction, &base_id)? {
            Some((trace, _)) if self.is_stored(transaction, trace)? => return Ok(()),
            Some((_, stored)) => stored.merge(self.tally.clone()),
            None => self.tally.clone(),
        };
        let trace = schema::put_tally(transaction, &base_id, &tally)?;
        let mut insert = transaction
            .prepare_cached("INSERT INTO chunk (trace, checksum, records) VALUES (?1, ?2, ?3)")?;
        for chunk in &self.chunks {
            insert.execute(params![trace, checksum(chunk), chunk])?;
        }
        Ok(())
    }

    /// Whether this very part was stored before: its acknowledgement got lost.
    fn is_stored(&self, transaction: &Transaction<'_>, trace: i64) -> rusqlite::Result<bool> {
        let mut find = transaction.prepare_cached(
            "SELECT 1 FROM chunk WHERE trace = ?1 AND checksum = ?2 AND records = ?3",
        )?;
        for chunk in &self.chunks {
            if !find.exists(params![trace, checksum(chunk), chunk])? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The checksum of the lines, which ends a frame of `zstd` (RFC 8878, section 3.1.1).
fn checksum(chunk: &[u8]) -> u32 {
    chunk.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
