//! `sqlite://PATH`: one file, many processes. Without a path, the store of the user.
//!
//! The records of a trace that are written together are one row, JSON lines compressed by `zstd`;
//! a trace has one row of summary besides. So a trace is found at once, and a list never touches
//! a record. `docs/drivers.md` specifies the tables for other tools.
//!
//! - Any number of processes may write and read at once (WAL); a writer waits its turn.
//! - A batch is one transaction and durable when acknowledged (`synchronous=FULL`). A process may be
//!   killed at any time: the next one opens the store without a repair.
//! - A batch that is written again, as it was, changes nothing.
//! - It wants batches: per batch it waits for the disk, per trace in it two rows change.
//! - Deleting frees the space for later traces; the file does not shrink.

mod reader;
mod schema;
mod writer;

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use rusqlite::ErrorCode;

use crate::{Capabilities, ConnectionString, Driver, Error, ErrorKind, default_connection_string};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &["sqlite"],
    capabilities: Capabilities {
        write: true,
        read: true,
        list: true,
        delete: true,
        shared: true,
    },
    open_writer: |connection, _| {
        Ok(Box::new(writer::SqliteWriter::open(&*path_of(
            connection,
        )?)?))
    },
    open_reader: |connection, _| {
        Ok(Box::new(reader::SqliteReader::open(&*path_of(
            connection,
        )?)?))
    },
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
    Ok(if path.is_relative() {
        Path::new(".").join(path).into()
    } else {
        path
    })
}

/// An error of SQLite; `what` was being done to the store at `path`.
fn error(path: &Path, what: &str, cause: rusqlite::Error) -> Error {
    let path = path.display();
    let (kind, message) = match cause.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            ErrorKind::Unavailable,
            format!(
                "cannot {what} `{path}`: other processes kept it locked for {} s; try again",
                BUSY_TIMEOUT.as_secs()
            ),
        ),
        Some(ErrorCode::NotADatabase) => (
            ErrorKind::Storage,
            format!("`{path}` is not an SQLite file; it is left as it is"),
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            ErrorKind::Storage,
            format!("cannot {what} `{path}`: it is damaged; `sqlite3 FILE .recover` may save it"),
        ),
        _ => (ErrorKind::Storage, format!("cannot {what} `{path}`")),
    };
    Error::new(kind, message).with_source(cause)
}
