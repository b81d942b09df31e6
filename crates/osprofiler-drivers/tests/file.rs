//! What is particular to files of JSON lines: torn lines, other lines, files that move.

#![cfg(feature = "file")]

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;

use common::{read, reader, record, writer};
use osprofiler_drivers::{ErrorKind, ListQuery};
use osprofiler_wire::{Info, Phase};
use tempfile::TempDir;

fn store() -> (TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.jsonl");
    let connection = format!("file://{}", path.display());
    (folder, path, connection)
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_torn_line_is_separated_from_the_next_and_skipped() {
    let (_folder, path, connection) = store();
    let mut writer = writer(&connection).unwrap();
    let mut reader = reader(&connection).unwrap();
    writer.write(&[record("b", 0)]).unwrap();
    let torn = record("b", 1).to_json();
    append(&path, &torn.as_bytes()[..100]);
    assert_eq!(read(&mut *reader, "b").unwrap().len(), 1);
    assert_eq!(reader.skipped(), 1);

    writer.write(&[record("b", 2)]).unwrap();
    let expected = [record("b", 0).to_json(), record("b", 2).to_json()];
    assert_eq!(read(&mut *reader, "b").unwrap(), expected);
    assert_eq!(reader.skipped(), 1);
    assert_eq!(reader.list(&ListQuery::default()).unwrap()[0].points, 2);
    assert_eq!(reader.skipped(), 1);
}

#[test]
fn lines_that_are_no_records_are_skipped_counted_and_kept() {
    let (_folder, path, connection) = store();
    let mut writer = writer(&connection).unwrap();
    writer.write(&[record("b", 0), record("c", 0)]).unwrap();
    append(&path, b"# a remark\n\n\xff\xfe\n[1]\r\n");
    append(&path, format!("{}\r\n", record("b", 1).to_json()).as_bytes());
    let mut reader = reader(&connection).unwrap();
    assert_eq!(reader.list(&ListQuery::default()).unwrap().len(), 2);
    assert_eq!(reader.skipped(), 3);
    assert_eq!(read(&mut *reader, "b").unwrap().len(), 2);

    assert!(writer.delete(&"b".into()).unwrap());
    let rest = format!("{}\n# a remark\n\n", record("c", 0).to_json());
    assert_eq!(fs::read(&path).unwrap(), [rest.as_bytes(), b"\xff\xfe\n[1]\r\n"].concat());
}

#[test]
fn what_python_writes_although_it_is_not_json_is_read_listed_and_deleted() {
    let (_folder, path, connection) = store();
    let mut writer = writer(&connection).unwrap();
    let [mut stop, mut repaired] = [record("b", 0), record("b", 0)];
    for (record, load) in [(&mut stop, "0"), (&mut repaired, "\"NaN\"")] {
        record.phase = Phase::Stop;
        record.info = Info::from_json(&format!(r#"{{"etype":"E","load":{load}}}"#)).unwrap();
    }
    let odd = stop.to_json().replace("\"load\":0", "\"load\":NaN");
    append(&path, format!("{odd}\n").as_bytes());
    let mut reader = reader(&connection).unwrap();
    assert_eq!(read(&mut *reader, "b").unwrap(), [repaired.to_json()]);
    assert_eq!(reader.skipped(), 0);
    let summaries = reader.list(&ListQuery::default()).unwrap();
    assert_eq!((summaries[0].points, summaries[0].errors, reader.skipped()), (1, 1, 0));

    assert!(writer.delete(&"b".into()).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn what_is_skipped_is_counted_anew_by_each_call() {
    let (folder, path, connection) = store();
    writer(&connection).unwrap().write(&[record("b", 0)]).unwrap();
    append(&path, b"# b\n# of no trace\n# a\\b\n");
    let mut reader = reader(&connection).unwrap();
    assert_eq!(reader.skipped(), 0);
    reader.list(&ListQuery::default()).unwrap();
    assert_eq!(reader.skipped(), 3);
    read(&mut *reader, "b").unwrap();
    assert_eq!(reader.skipped(), 2, "the id, and an escape which may be one");
    fs::rename(&path, folder.path().join("away")).unwrap();
    assert!(read(&mut *reader, "b").is_err());
    assert_eq!(reader.skipped(), 0);
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link_when_a_trace_is_deleted() {
    let (folder, path, connection) = store();
    let target = folder.path().join("target.jsonl");
    fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    let mut writer = writer(&connection).unwrap();
    writer.write(&[record("b", 0), record("c", 0)]).unwrap();
    assert!(writer.delete(&"b".into()).unwrap());
    assert!(path.is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap(), format!("{}\n", record("c", 0).to_json()));
}

#[test]
fn the_next_batch_starts_a_new_file_when_the_old_was_moved_away() {
    let (folder, path, connection) = store();
    let mut writer = writer(&connection).unwrap();
    writer.write(&[record("b", 0)]).unwrap();
    fs::rename(&path, folder.path().join("old")).unwrap();
    writer.write(&[record("b", 1)]).unwrap();
    let found = read(&mut *reader(&connection).unwrap(), "b").unwrap();
    assert_eq!(found, [record("b", 1).to_json()]);
}

#[test]
fn nothing_is_lost_by_those_who_write_while_another_deletes() {
    let (folder, path, connection) = store();
    thread::scope(|scope| {
        for base_id in ["a", "b", "c"] {
            let connection = &connection;
            scope.spawn(move || {
                let mut writer = writer(connection).unwrap();
                (0..60).for_each(|at| writer.write(&[record(base_id, at)]).unwrap());
            });
        }
        scope.spawn(|| {
            let mut writer = writer(&connection).unwrap();
            for at in 0..60 {
                writer.write(&[record("deleted", at)]).unwrap();
                assert!(writer.delete(&"deleted".into()).unwrap());
            }
        });
    });
    let mut reader = reader(&connection).unwrap();
    for base_id in ["a", "b", "c"] {
        assert_eq!(read(&mut *reader, base_id).unwrap().len(), 60);
    }
    assert_eq!(read(&mut *reader, "deleted").unwrap().len(), 0);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(left, [path], "the copy was moved into place");
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_a_file_unless_somebody_allowed_it() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path, connection) = store();
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let mut writer = writer(&connection).unwrap();
    writer.write(&[record("b", 0)]).unwrap();
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(writer.delete(&"b".into()).unwrap());
    assert_eq!(mode(), 0o640);
}

#[test]
fn a_connection_string_without_a_path_is_refused() {
    let error = writer("file://").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionString);
    assert!(error.to_string().contains("names no file"), "{error}");
}
