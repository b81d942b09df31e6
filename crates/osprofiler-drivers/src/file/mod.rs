//! `file://PATH`: records as JSON lines, oldest first.
//!
//! What `cat`, `grep` and `jq` can read, for a few thousand traces: reading and listing go through
//! the whole file, deleting rewrites it.
//!
//! - A batch is one append under a lock of the file (`flock`), made durable before it is
//!   acknowledged. Any number of processes may write.
//! - A process that is killed may leave a torn line. It was not acknowledged: the next writer
//!   parts it from its own lines, and readers skip and count it.
//! - Readers wait for the batch that is being written, and then see what was there at that moment.
//! - The file may be moved away while processes write (to rotate it): the next batch starts anew.

mod reader;
mod writer;

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::{Capabilities, Driver, files};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &["file"],
    capabilities: Capabilities {
        write: true,
        read: true,
        list: true,
        delete: true,
        shared: true,
    },
    open_writer: |connection, _| {
        Ok(Box::new(writer::FileWriter::open(files::required_path(
            connection,
        )?)?))
    },
    open_reader: |connection, _| {
        Ok(Box::new(reader::FileReader::open(files::required_path(
            connection,
        )?)?))
    },
};

/// Whether `path` still leads to the file that is open: another process may have replaced it.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let here = file.metadata()?;
        match fs::metadata(path) {
            Ok(there) => Ok((here.dev(), here.ino()) == (there.dev(), there.ino())),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(cause),
        }
    }
    // Elsewhere a file that is open cannot be replaced.
    #[cfg(not(unix))]
    fs::metadata(path)
        .and_then(|_| file.metadata())
        .map(|_| true)
}
