//! `file://PATH`: records as JSON lines, oldest first.
//!
//! What `cat`, `grep` and `jq` can read, for a few thousand traces: reading and listing go through
//! the whole file, deleting rewrites it.
//!
//! - A batch is one append under a lock of the file (`flock`), made durable before it is
//!   acknowledged. Any number of processes may write.
//! - A process that is killed may leave a torn line. It was not acknowledged: the next writer
//!   separates it from its own lines, and readers skip and count it.
//! - Lines with what Python writes although it is not JSON (`NaN`) are repaired as they are read.
//! - Readers wait for the batch that is being written, and then see what was there at that moment.
//! - The file may be moved away while processes write (to rotate it): the next batch starts anew.

mod reader;
mod writer;

use std::path::Path;

#[cfg(feature = "_address")]
pub(crate) use self::writer::FileWriter;
use crate::{Capabilities, ConnectionString, Driver, Error, ErrorKind};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &["file"],
    capabilities: Capabilities::ALL,
    open_writer: |connection, _| Ok(Box::new(writer::FileWriter::open(path_of(connection)?)?)),
    open_reader: |connection, _| Ok(Box::new(reader::FileReader::open(path_of(connection)?)?)),
};

fn path_of(connection: &ConnectionString) -> Result<&Path, Error> {
    connection.path().ok_or_else(|| {
        let scheme = connection.scheme();
        Error::new(
            ErrorKind::ConnectionString,
            format!(
                "the connection string `{scheme}://` names no file; expected one like \
                 `{scheme}:///var/lib/traces.jsonl`"
            ),
        )
    })
}
