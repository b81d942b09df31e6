//! Several processes at one store, and processes that are killed.
//!
//! The program starts itself as a writer, which says on its standard output how many batches were
//! acknowledged.

#![allow(clippy::print_stdout, reason = "a writer speaks to its test that way")]

mod common;

use std::collections::HashSet;
use std::env;
use std::error::Error as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use common::{read, reader, record, writer};
use osprofiler_drivers::ListQuery;
use osprofiler_wire::{Record, RecordView};

const RECORDS_PER_BATCH: i64 = 20;

fn main() {
    let args: Vec<String> = env::args().collect();
    if let [_, flag, connection, base_id, batches] = &args[..]
        && flag == "--write"
    {
        return write_batches(connection, base_id, batches.parse().unwrap());
    }
    if let [_, flag, connection, base_id] = &args[..]
        && flag == "--delete"
    {
        return delete(connection, base_id);
    }
    let tests: [(&str, fn()); 7] = [
        ("processes_that_write_at_once_lose_nothing", processes_that_write_at_once_lose_nothing),
        ("processes_may_make_the_store_at_once", processes_may_make_the_store_at_once),
        ("a_reader_reads_whole_batches_while_others_write", whole_batches_while_others_write),
        ("an_sqlite_store_survives_writers_that_are_killed", sqlite_survives_killed_writers),
        ("a_file_survives_writers_that_are_killed", file_survives_killed_writers),
        ("a_file_keeps_its_owner_when_a_trace_is_deleted", file_keeps_its_owner),
        ("the_default_store_is_in_the_data_folder", the_default_store_is_in_the_data_folder),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
}

/// What a started process does: writes batches of its own trace and of one that all share.
fn write_batches(connection: &str, base_id: &str, batches: i64) {
    let mut writer = writer(connection).unwrap();
    for batch in 0..batches {
        let mut records = batch_of(base_id, batch);
        records.push(Record { base_id: "shared".into(), ..records[0].clone() });
        writer.write(&records).unwrap();
        println!("{}", batch + 1);
    }
}

/// What a started process does: deletes a trace, and says what came of it.
fn delete(connection: &str, base_id: &str) {
    match writer(connection).unwrap().delete(&base_id.into()) {
        Ok(deleted) => println!("{deleted}"),
        Err(error) => println!("{error}: {}", error.source().unwrap()),
    }
}

fn batch_of(base_id: &str, batch: i64) -> Vec<Record> {
    let first = batch * RECORDS_PER_BATCH;
    (first..first + RECORDS_PER_BATCH).map(|at| record(base_id, at)).collect()
}

/// A started process; it does not outlive its test.
struct Started(Child);

impl Started {
    fn new(connection: &str, base_id: &str, batches: i64) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--write", connection, base_id, &batches.to_string()]);
        Self::from(command)
    }

    fn from(mut command: Command) -> Self {
        Self(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    fn succeed(mut self) {
        let acknowledged = self.acknowledged();
        assert!(self.0.wait().unwrap().success(), "it ended after {acknowledged} batches");
    }

    /// Kills it; gives the number of batches that were acknowledged.
    fn kill(mut self) -> i64 {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        self.acknowledged()
    }

    fn acknowledged(&mut self) -> i64 {
        let output = BufReader::new(self.0.stdout.as_mut().unwrap());
        output.lines().last().map_or(0, |line| line.unwrap().parse().unwrap())
    }

    /// Waits until the first batch is acknowledged.
    fn wait_for_first(&mut self) {
        // One byte at a time, so that nothing is buffered and lost.
        let output = self.0.stdout.as_mut().unwrap();
        let mut byte = [0];
        while byte != *b"\n" {
            std::io::Read::read_exact(output, &mut byte).unwrap();
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn connection(scheme: &str, folder: &Path) -> String {
    format!("{scheme}://{}", folder.join("traces").display())
}

fn assert_batches(found: &[String], base_id: &str, batches: i64) {
    let found: HashSet<&str> = found.iter().map(String::as_str).collect();
    for batch in 0..batches {
        for record in batch_of(base_id, batch) {
            assert!(found.contains(&*record.to_json()), "batch {batch} of {batches} is lost");
        }
    }
}

fn processes_that_write_at_once_lose_nothing() {
    const PROCESSES: usize = 5;
    const BATCHES: i64 = 40;
    for scheme in ["sqlite", "file"] {
        let folder = tempfile::tempdir().unwrap();
        let store = connection(scheme, folder.path());
        let started: Vec<Started> = (0..PROCESSES)
            .map(|at| Started::new(&store, &format!("writer-{at}"), BATCHES))
            .collect();
        started.into_iter().for_each(Started::succeed);

        let mut reader = reader(&store).unwrap();
        for at in 0..PROCESSES {
            let base_id = format!("writer-{at}");
            assert_batches(&read(&mut *reader, &base_id).unwrap(), &base_id, BATCHES);
        }
        let shared = usize::try_from(BATCHES).unwrap() * PROCESSES;
        assert_eq!(read(&mut *reader, "shared").unwrap().len(), shared);
        let summaries = reader.list(&ListQuery::default()).unwrap();
        assert_eq!(summaries.len(), PROCESSES + 1);
        let summary = summaries.iter().find(|summary| summary.base_id == "shared".into());
        assert_eq!(summary.unwrap().points, shared as u64, "points of the shared trace");
    }
}

fn processes_may_make_the_store_at_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let store = connection("sqlite", &folder.path().join("new/folder"));
        let started: Vec<Started> =
            (0..6).map(|at| Started::new(&store, &format!("writer-{at}"), 1)).collect();
        started.into_iter().for_each(Started::succeed);
        assert_eq!(read(&mut *reader(&store).unwrap(), "shared").unwrap().len(), 6);
    }
}

fn whole_batches_while_others_write() {
    const BATCHES: i64 = 100;
    let folder = tempfile::tempdir().unwrap();
    for scheme in ["sqlite", "file"] {
        let store = connection(scheme, &folder.path().join(scheme));
        let mut started = Started::new(&store, "writer", BATCHES);
        started.wait_for_first();
        let mut reader = reader(&store).unwrap();
        let mut batches = 0;
        while batches < BATCHES {
            let found = read(&mut *reader, "writer").unwrap();
            batches = i64::try_from(found.len()).unwrap() / RECORDS_PER_BATCH;
            let whole: Vec<String> =
                (0..batches).flat_map(|at| batch_of("writer", at)).map(|r| r.to_json()).collect();
            assert!(found == whole, "after {batches} batches");
            assert_eq!(reader.list(&ListQuery::default()).unwrap().len(), 2);
        }
        started.succeed();
    }
}

/// Kills writers of one store in the middle of writing, and looks for what they acknowledged.
fn survive_killed_writers(store: &str, check: impl Fn()) {
    let mut acknowledged = Vec::new();
    for round in 0..20 {
        let base_id = format!("writer-{round}");
        let mut started = Started::new(store, &base_id, 1_000_000);
        started.wait_for_first();
        thread::sleep(Duration::from_micros(7_300 * round));
        let batches = started.kill().max(1);
        // The first to open the store after the death is a reader, which must not need a writer.
        let found = read(&mut *reader(store).unwrap(), &base_id).unwrap();
        assert_batches(&found, &base_id, batches);
        for json in &found {
            RecordView::parse(json).unwrap();
        }
        check();
        acknowledged.push((base_id, batches));
    }
    let mut reader = reader(store).unwrap();
    for (base_id, batches) in acknowledged {
        assert_batches(&read(&mut *reader, &base_id).unwrap(), &base_id, batches);
    }
}

fn sqlite_survives_killed_writers() {
    let folder = tempfile::tempdir().unwrap();
    survive_killed_writers(&connection("sqlite", folder.path()), || {
        let db = rusqlite::Connection::open(folder.path().join("traces")).unwrap();
        let checked: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(checked, "ok");
    });
}

fn file_survives_killed_writers() {
    let folder = tempfile::tempdir().unwrap();
    survive_killed_writers(&connection("file", folder.path()), || {});
}

#[cfg(unix)]
fn file_keeps_its_owner() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    use std::os::unix::process::CommandExt;

    const SERVICE: u32 = 54_321;
    const OTHER: u32 = 54_322;
    let folder = tempfile::tempdir().unwrap();
    let store = connection("file", folder.path());
    let path = folder.path().join("traces");
    writer(&store).unwrap().write(&batch_of("b", 0)).unwrap();
    writer(&store).unwrap().write(&batch_of("c", 0)).unwrap();
    if chown(&path, Some(SERVICE), Some(SERVICE)).is_err() {
        println!("SKIPPED: only root can give files away");
        return;
    }
    assert!(writer(&store).unwrap().delete(&"b".into()).unwrap());
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (SERVICE, SERVICE));
    assert_eq!(metadata.mode() & 0o777, 0o600);

    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let before = fs::read(&path).unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args(["--delete", &store, "c"])
        .uid(OTHER)
        .gid(OTHER)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("given to user 54321 and group 54321"), "{said}");
    assert!(fs::read(&path).unwrap() == before, "nothing is deleted");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no copy is left");
}

#[cfg(not(unix))]
fn file_keeps_its_owner() {}

fn the_default_store_is_in_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--write", "sqlite://", "writer", "1"]).env("XDG_DATA_HOME", folder.path());
    Started::from(command).succeed();
    let store = format!("sqlite://{}", folder.path().join("osprofiler/traces.db").display());
    assert_eq!(read(&mut *reader(&store).unwrap(), "shared").unwrap().len(), 1);
    std::io::stdout().flush().unwrap();
}
