//! `sqlite://PATH`: one file, many processes. Without a path, the store of the user.
//!
//! What is written together is stored together: JSON lines, sorted by trace and compressed by `zstd`
//! in blocks, each of which holds a few dozen small traces or a piece of a large one. A trace has one
//! row of summary besides, and a row for each place of its lines. So a trace is found at once, and a
//! list never touches a record. `docs/drivers/sqlite.md` specifies the tables for other tools.
//!
//! - Any number of processes may write and read at once (WAL); a writer waits its turn.
//! - A batch is one transaction and durable when acknowledged (`synchronous=FULL`). A process may be
//!   killed at any time: the next one opens the store without a repair.
//! - What a batch holds of a trace changes nothing when it is written again as it was.
//! - It wants batches: per batch it waits for the disk, per trace in it two rows and an index change.
//! - Deleting frees the space for later traces; the file does not shrink.

mod batch;
mod blocks;
mod reader;
mod schema;
mod summaries;
mod writer;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use crate::files::{self, FileId};
use crate::{Capabilities, ConnectionString, Driver, Error, ErrorKind, default_connection_string};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &["sqlite"],
    capabilities: Capabilities::ALL,
    open_writer: |connection, _| Ok(Box::new(writer::SqliteWriter::open(&path_of(connection)?)?)),
    open_reader: |connection, _| Ok(Box::new(reader::SqliteReader::open(&path_of(connection)?)?)),
};

/// How long to wait for other processes; each holds the lock for milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

fn path_of(connection: &ConnectionString) -> Result<Cow<'_, Path>, Error> {
    let path = match connection.path() {
        Some(path) => Cow::Borrowed(path),
        None => {
            let default = default_connection_string()?;
            Cow::Owned(Path::new(default.expose_rest()).to_owned())
        }
    };
    // SQLite would make something else of `:memory:` or `file:traces.db`.
    Ok(if path.is_relative() { Path::new(".").join(path).into() } else { path })
}

/// An open store.
struct Store {
    db: Connection,
    path: PathBuf,
    /// The file that was at `path` before it was opened, if it was not made then.
    id: Option<FileId>,
    connect: Connect,
}

type Connect = fn(&Path) -> Result<Connection, Error>;

impl Store {
    fn open(path: &Path, connect: Connect) -> Result<Self, Error> {
        let before = file_at(path)?;
        let db = connect(path)?;
        Ok(Self { db, path: path.to_owned(), id: before.or(file_at(path)?), connect })
    }

    /// Opens the store anew if another file, or none, is where it was: nobody would find what is
    /// written to a file that was removed.
    fn refresh(&mut self) -> Result<(), Error> {
        if file_at(&self.path)? != self.id {
            *self = Self::open(&self.path, self.connect)?;
        }
        Ok(())
    }
}

fn file_at(path: &Path) -> Result<Option<FileId>, Error> {
    FileId::at(path)
        .map_err(|cause| files::error(&format!("cannot open `{}`", path.display()), cause))
}

/// An error of SQLite; `what` was being done to the store at `path`.
fn error(path: &Path, what: &str, cause: rusqlite::Error) -> Error {
    let place = path.display();
    let (kind, message) = match cause.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            ErrorKind::Unavailable,
            format!(
                "cannot {what} `{place}`: other processes kept it locked for {} s; try again",
                BUSY_TIMEOUT.as_secs()
            ),
        ),
        Some(ErrorCode::NotADatabase) => return not_sqlite(path).with_source(cause),
        Some(ErrorCode::DatabaseCorrupt) => (
            ErrorKind::Storage,
            format!("cannot {what} `{place}`: it is damaged; `sqlite3 FILE .recover` may save it"),
        ),
        _ => (ErrorKind::Storage, format!("cannot {what} `{place}`")),
    };
    Error::new(kind, message).with_source(cause)
}

fn not_sqlite(path: &Path) -> Error {
    let path = path.display();
    Error::new(
        ErrorKind::Storage,
        format!("`{path}` is not an SQLite file; it is left as it is: use another file"),
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn a_store_that_others_keep_locked_may_be_tried_again() {
        for (code, is_retryable) in [
            (ffi::SQLITE_BUSY, true),
            (ffi::SQLITE_LOCKED, true),
            (ffi::SQLITE_FULL, false),
            (ffi::SQLITE_CORRUPT, false),
        ] {
            let cause = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let error = error(Path::new("/var/t.db"), "write to", cause);
            assert_eq!(error.is_retryable(), is_retryable, "{error}");
            assert!(error.to_string().starts_with("cannot write to `/var/t.db`"), "{error}");
        }
    }

    #[test]
    fn names_that_sqlite_has_a_meaning_for_are_files() {
        for (text, path) in [
            ("sqlite://:memory:", "./:memory:"),
            ("sqlite://file:t.db?mode=ro", "./file:t.db?mode=ro"),
            ("sqlite:///var/t.db", "/var/t.db"),
        ] {
            assert_eq!(path_of(&text.parse().unwrap()).unwrap(), Path::new(path));
        }
    }
}
