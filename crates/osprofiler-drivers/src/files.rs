//! What the drivers that keep files have in common: who may see them, and what an error says.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use crate::{Error, ErrorKind};

/// Makes sure that there is a file, which only its owner can read if it is made here, as traces
/// hold secrets. So are the folders above it that are missing.
pub(crate) fn create_private(path: &Path) -> Result<(), Error> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        private_folders().create(folder).map_err(|cause| {
            error(&format!("cannot create folder `{}`", folder.display()), cause)
        })?;
    }
    match create_new_private(path) {
        // The name itself has to survive a power cut as well.
        Ok(_) => sync_folder(path),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => must_be_file(path),
        Err(cause) => Err(error(&format!("cannot create `{}`", path.display()), cause)),
    }
}

/// Makes a file that only its owner can read; fails if there is one.
pub(crate) fn create_new_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes what was done to the entry of `path` in its folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    // Other systems cannot open a folder as a file.
    #[cfg(unix)]
    File::open(folder_of(path)).and_then(|folder| folder.sync_all()).map_err(|cause| {
        error(&format!("cannot make `{}` durable in its folder", path.display()), cause)
    })?;
    Ok(())
}

/// Fails unless there is a file to read.
pub(crate) fn must_exist(path: &Path) -> Result<(), Error> {
    match fs::metadata(path) {
        Ok(_) => must_be_file(path),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "there is no trace store at `{}`; it is created when the first trace is written: \
                 check the connection string, or trace something",
                path.display()
            ),
        )),
        Err(cause) => Err(error(&format!("cannot open `{}`", path.display()), cause)),
    }
}

/// Tells a file from another that took its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Self(metadata.dev(), metadata.ino())
        }
        // Elsewhere a file that is open cannot be replaced.
        #[cfg(not(unix))]
        {
            let _ = metadata;
            Self(0, 0)
        }
    }

    /// Which file `path` leads to; `None` if there is none.
    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self::of(&metadata))),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause),
        }
    }
}

/// An error of the file system; `what` names the path.
pub(crate) fn error(what: &str, cause: io::Error) -> Error {
    Error::new(ErrorKind::Storage, what).with_source(cause)
}

fn must_be_file(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Err(Error::new(
            ErrorKind::ConnectionString,
            format!("`{}` is a folder, expected a file; add a file name to it", path.display()),
        ));
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn private_folders() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}
