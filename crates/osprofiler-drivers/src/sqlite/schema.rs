//! The tables, and whose they are. Specified in `docs/drivers/sqlite.md`.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::{BUSY_TIMEOUT, error, not_sqlite};
use crate::{Error, ErrorKind};

/// `PRAGMA application_id` of a store: `OSPr` in ASCII.
const APPLICATION_ID: i32 = 0x4f53_5072;
/// `PRAGMA user_version` of the tables below.
const VERSION: i32 = 2;

pub(super) const TABLES: &str = "
    CREATE TABLE trace (
        id INTEGER PRIMARY KEY,
        base_id ANY NOT NULL UNIQUE,
        started_us INTEGER NOT NULL,
        ended_us INTEGER NOT NULL,
        starts INTEGER NOT NULL,
        stops INTEGER NOT NULL,
        errors INTEGER NOT NULL,
        kinds INTEGER NOT NULL,
        root_name TEXT NOT NULL,
        root_project TEXT,
        root_service TEXT,
        root_host TEXT,
        root_request TEXT,
        root_us INTEGER NOT NULL,
        root_is_stop INTEGER NOT NULL,
        root_is_nested INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX trace_started ON trace (started_us);
    CREATE INDEX trace_failed ON trace (started_us) WHERE errors > 0;
    CREATE TABLE kinds (
        id INTEGER PRIMARY KEY,
        kinds TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE block (
        id INTEGER PRIMARY KEY,
        records BLOB NOT NULL
    ) STRICT;
    CREATE TABLE chunk (
        trace INTEGER NOT NULL,
        first_us INTEGER NOT NULL,
        block INTEGER NOT NULL,
        start INTEGER NOT NULL,
        length INTEGER NOT NULL,
        PRIMARY KEY (trace, first_us, block)
    ) STRICT, WITHOUT ROWID;
";

/// What a file is.
#[derive(PartialEq)]
pub(super) enum Contents {
    /// Nothing is in it yet.
    Nothing,
    /// A store of this version.
    Traces,
}

/// Finds out what the file is, without changing it.
///
/// # Errors
///
/// If it is a store of another version, or not a store.
pub(super) fn contents(db: &Connection, path: &Path) -> Result<Contents, Error> {
    // SQLite takes such a file for an empty one. (Its smallest page has 512 bytes.)
    if fs::metadata(path).is_ok_and(|file| (1..512).contains(&file.len())) {
        return Err(not_sqlite(path));
    }
    let read = db.query_row(
        // One statement sees one moment: another process may be making the tables.
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
         FROM pragma_application_id, pragma_user_version",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i32>(2)?)),
    );
    match read.map_err(|cause| error(path, "open", cause))? {
        (APPLICATION_ID, VERSION, _) => Ok(Contents::Traces),
        (0, 0, 0) => Ok(Contents::Nothing),
        (APPLICATION_ID, version, _) => Err(Error::new(
            ErrorKind::Storage,
            format!(
                "`{}` is a trace store of version {version}, expected {VERSION}; \
                 use the release of OSProfiler that wrote it, or another file",
                path.display()
            ),
        )),
        _ => Err(Error::new(
            ErrorKind::Storage,
            format!(
                "`{}` is an SQLite file of another program, expected a trace store; \
                 it is left as it is: use another file",
                path.display()
            ),
        )),
    }
}

/// Makes sure that the file is a store of this version.
pub(super) fn prepare(db: &mut Connection, path: &Path) -> Result<(), Error> {
    let failed = |cause| error(path, "create the tables of", cause);
    if contents(db, path)? == Contents::Traces {
        return Ok(());
    }
    use_wal(db).map_err(failed)?;
    let transaction = Transaction::new(db, TransactionBehavior::Immediate).map_err(failed)?;
    // Another process may have been faster.
    if contents(&transaction, path)? == Contents::Nothing {
        transaction.execute_batch(TABLES).map_err(failed)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        transaction.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

/// Lets readers read while a process writes. The file keeps the setting.
fn use_wal(db: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        // SQLite does not wait here when two processes change the mode at once.
        match db.pragma_update(None, "journal_mode", "wal") {
            Err(cause)
                if cause.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < deadline =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}
