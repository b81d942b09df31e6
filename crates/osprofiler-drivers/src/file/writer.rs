use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use osprofiler_wire::{Id, Record};

use super::reader::is_of_trace;
use crate::files::{self, FileId};
use crate::{Error, Writer};

pub(crate) struct FileWriter {
    path: PathBuf,
    /// The lines of a batch; kept for its memory.
    lines: String,
}

impl FileWriter {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let writer = Self { path: path.to_owned(), lines: String::new() };
        writer.lock()?;
        Ok(writer)
    }

    /// Opens the file and locks it until it is closed.
    fn lock(&self) -> Result<File, Error> {
        loop {
            files::create_private(&self.path)?;
            let locked = OpenOptions::new().read(true).append(true).open(&self.path);
            match locked.and_then(|file| self.locked(file)) {
                Ok(Some(file)) => return Ok(file),
                // It was moved away or replaced while we waited for the lock.
                Ok(None) => {}
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(self.error("cannot open", cause)),
            }
        }
    }

    fn locked(&self, file: File) -> io::Result<Option<File>> {
        file.lock()?;
        let is_still_there = FileId::at(&self.path)? == Some(FileId::of(&file.metadata()?));
        Ok(is_still_there.then_some(file))
    }

    fn append(&self, mut file: File) -> io::Result<()> {
        if is_torn(&mut file)? {
            file.write_all(b"\n")?;
        }
        file.write_all(self.lines.as_bytes())?;
        file.sync_data()
    }

    /// Copies the lines of other traces into a new file, which then takes the place of the old.
    fn rewrite_without(&self, base_id: &Id, file: &File) -> io::Result<bool> {
        // Where links lead to: a link is not to be replaced by a file.
        let path = fs::canonicalize(&self.path)?;
        let mut name = OsString::from(&path);
        name.push(".rewrite");
        let rewrite = PathBuf::from(name);
        let result = copy_without(base_id, file, &rewrite).and_then(|found| {
            if found {
                fs::rename(&rewrite, &path)?;
                files::sync_folder(&path).map_err(io::Error::other)?;
            }
            Ok(found)
        });
        if !matches!(result, Ok(true)) {
            // Whether it can be removed changes nothing: the next rewrite replaces it.
            let _ = fs::remove_file(&rewrite);
        }
        result
    }

    fn error(&self, what: &str, cause: io::Error) -> Error {
        files::error(&format!("{what} `{}`", self.path.display()), cause)
    }
}

impl Writer for FileWriter {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        self.lines.clear();
        for record in records {
            record.push_json(&mut self.lines);
            self.lines.push('\n');
        }
        let file = self.lock()?;
        self.append(file).map_err(|cause| self.error("cannot write to", cause))
    }

    fn delete(&mut self, base_id: &Id) -> Result<bool, Error> {
        let file = self.lock()?;
        self.rewrite_without(base_id, &file).map_err(|cause| self.error("cannot rewrite", cause))
    }
}

/// Whether the last line has no end: whoever wrote it was killed, or the disk was full.
fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Gives the copy to the owner and the group of the original, who are to read and write it.
#[cfg(unix)]
fn keep_owner(copy: &File, original: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let made = copy.metadata()?;
    let (uid, gid) = (original.uid(), original.gid());
    if (made.uid(), made.gid()) == (uid, gid) {
        return Ok(());
    }
    fchown(copy, Some(uid), Some(gid)).map_err(|cause| {
        io::Error::new(
            cause.kind(),
            format!(
                "the copy cannot be given to user {uid} and group {gid}, who own the file ({cause}); \
                 delete as its owner"
            ),
        )
    })
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Says whether there was a line of the trace. What is no record is copied as it is.
fn copy_without(base_id: &Id, file: &File, to: &Path) -> io::Result<bool> {
    // Only the holder of the lock comes here: what lies there was left by one that was killed.
    match fs::remove_file(to) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let copy = files::create_new_private(to)?;
    let metadata = file.metadata()?;
    keep_owner(&copy, &metadata)?;
    copy.set_permissions(metadata.permissions())?;
    let mut copy = BufWriter::new(copy);
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    let mut found = false;
    while lines.read_until(b'\n', &mut line)? > 0 {
        if is_of_trace(&line, base_id) {
            found = true;
        } else {
            copy.write_all(&line)?;
        }
        line.clear();
    }
    copy.into_inner()?.sync_all()?;
    Ok(found)
}
