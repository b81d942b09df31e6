use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use osprofiler_wire::{Id, Record};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use zstd::bulk::Compressor;

use super::batch::Batch;
use super::summaries::StoredId;
use super::{BUSY_TIMEOUT, Store, blocks, error, schema};
use crate::records::{are_of_one_trace, by_trace};
use crate::{Error, ErrorKind, Writer, files};

/// Pages (of 4 KiB) in the log after which they are moved into the store. The new ids of a batch are
/// all over their index, so a page is moved for many batches at once.
const CHECKPOINT_PAGES: u32 = 4000;

pub(super) struct SqliteWriter {
    store: Store,
    compressor: Compressor<'static>,
}

impl SqliteWriter {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let compressor = blocks::compressor().map_err(compression_error)?;
        Ok(Self { store: Store::open(path, connect)?, compressor })
    }
}

impl Writer for SqliteWriter {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let sorted = by_trace(records);
        let traces = sorted.chunk_by(|a, b| are_of_one_trace(a, b));
        let compressor = &mut self.compressor;
        // Other processes are kept waiting only once all is ready.
        let batch = Batch::pack(traces, compressor).map_err(compression_error)?;
        in_transaction(&mut self.store, "write to", |db| batch.store(db, compressor))
    }

    fn delete(&mut self, base_id: &Id) -> Result<bool, Error> {
        let compressor = &mut self.compressor;
        in_transaction(&mut self.store, "delete from", |db| delete(db, base_id, compressor))
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let mut db = open_private(path)?;
    db.busy_timeout(BUSY_TIMEOUT)
        // Acknowledged means durable; what is deleted is gone.
        .and_then(|()| db.pragma_update(None, "synchronous", "full"))
        .and_then(|()| db.pragma_update(None, "secure_delete", true))
        .and_then(|()| db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES))
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

/// Runs a transaction on the store that is at its path now.
fn in_transaction<T>(
    store: &mut Store,
    what: &str,
    run: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> Result<T, Error> {
    store.refresh()?;
    Transaction::new(&mut store.db, TransactionBehavior::Immediate)
        .and_then(|transaction| {
            let done = run(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
        .map_err(|cause| error(&store.path, what, cause))
}

fn compression_error(cause: io::Error) -> Error {
    Error::new(ErrorKind::Storage, "cannot compress records").with_source(cause)
}

/// Deletes a trace. Its lines are blanked out of blocks that hold those of other traces too.
fn delete(
    db: &Connection,
    base_id: &Id,
    compressor: &mut Compressor<'_>,
) -> rusqlite::Result<bool> {
    for chunk in blocks::chunks_of(db, base_id)? {
        blocks::blank(db, &chunk, compressor)?;
    }
    db.execute(
        "DELETE FROM chunk WHERE trace = (SELECT id FROM trace WHERE base_id = ?1)",
        [StoredId::of(base_id)],
    )?;
    let deleted = db.execute("DELETE FROM trace WHERE base_id = ?1", [StoredId::of(base_id)])?;
    Ok(deleted > 0)
}
