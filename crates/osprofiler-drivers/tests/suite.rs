//! Every driver passes the suite, and skips nothing of it.

use osprofiler_testkit::drivers;

#[test]
fn the_memory_driver_passes_the_suite() {
    assert_eq!(drivers::run("memory://suite").skipped, [""; 0]);
}

#[test]
fn the_file_driver_passes_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let connection = format!("file://{}", folder.path().join("new/traces.jsonl").display());
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}

#[test]
fn the_sqlite_driver_passes_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let connection = format!("sqlite://{}", folder.path().join("new/traces.db").display());
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}
