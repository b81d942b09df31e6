//! Paths that cannot be: each gives one line that names the path.

#![cfg(all(feature = "file", feature = "sqlite"))]

mod common;

use std::error::Error as _;
use std::fs;

use common::{reader, writer};
use osprofiler_drivers::{Error, ErrorKind};

fn assert_one_line(error: &Error, kind: ErrorKind, path: &str) {
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{message}");
    assert!(message.contains(path) && !message.contains('\n'), "{message}");
}

#[test]
fn a_folder_is_not_taken_for_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for scheme in ["file", "sqlite"] {
        let connection = format!("{scheme}://{path}");
        for error in [writer(&connection).err().unwrap(), reader(&connection).err().unwrap()] {
            assert_one_line(&error, ErrorKind::ConnectionString, path);
            assert!(error.to_string().contains("is a folder, expected a file"), "{error}");
        }
    }
}

#[test]
fn a_file_is_not_taken_for_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.join("traces"), file.join("deep/traces")] {
        for scheme in ["file", "sqlite"] {
            let connection = format!("{scheme}://{}", path.display());
            for error in [writer(&connection).err().unwrap(), reader(&connection).err().unwrap()] {
                assert_one_line(&error, ErrorKind::Storage, file.to_str().unwrap());
                assert!(error.source().is_some(), "the cause is given");
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_where_nothing_can_be_made_is_named() {
    for scheme in ["file", "sqlite"] {
        let error = writer(&format!("{scheme}:///proc/self/traces")).err().unwrap();
        assert_one_line(&error, ErrorKind::Storage, "/proc/self/traces");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_of_the_batch() {
    let error = writer("file:///dev/full").unwrap().write(&[common::record("b", 0)]).unwrap_err();
    assert_one_line(&error, ErrorKind::Storage, "/dev/full");
}
