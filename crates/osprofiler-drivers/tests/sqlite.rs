//! What is particular to the SQLite store: whose file it is, its tables, damage to it.

#![cfg(feature = "sqlite")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{read, reader, record, writer};
use osprofiler_drivers::{Error, ErrorKind, ListQuery};
use osprofiler_wire::Info;
use rusqlite::Connection;
use tempfile::TempDir;

fn store() -> (TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.db");
    let connection = format!("sqlite://{}", path.display());
    (folder, path, connection)
}

/// Opens the file in both ways, expects both to fail and the folder to stay as it is.
fn refused(path: &Path, connection: &str) -> [Error; 2] {
    let before = fs::read(path).unwrap();
    let errors = [writer(connection).err().unwrap(), reader(connection).err().unwrap()];
    assert!(fs::read(path).unwrap() == before, "it is left as it was");
    for error in &errors {
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    errors
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_as_it_is() {
    let (_folder, path, connection) = store();
    writer(&connection).unwrap().write(&[record("b", 0)]).unwrap();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    for error in refused(&path, &connection) {
        assert!(error.to_string().contains("version 2, expected 1"), "{error}");
    }
}

#[test]
fn an_sqlite_file_of_another_program_is_refused_and_left_as_it_is() {
    let (_folder, path, connection) = store();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE cats (name TEXT)").unwrap();
    for error in refused(&path, &connection) {
        assert!(error.to_string().contains("another program"), "{error}");
    }
}

#[test]
fn a_file_that_is_not_of_sqlite_is_refused_and_left_as_it_is() {
    for text in ["x", &"Dear diary, today I traced a request. ".repeat(200)] {
        let (_folder, path, connection) = store();
        fs::write(&path, text).unwrap();
        for error in refused(&path, &connection) {
            assert!(error.to_string().contains("not an SQLite file"), "{error}");
        }
    }
}

#[test]
fn a_reader_of_a_missing_store_says_what_to_do_and_makes_nothing() {
    let (folder, _path, connection) = store();
    let error = reader(&connection).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("check the connection string"), "{error}");
    assert_eq!(files_in(folder.path()), [""; 0].map(PathBuf::from));
}

#[test]
fn an_empty_file_becomes_a_store() {
    let (_folder, path, connection) = store();
    fs::write(&path, "").unwrap();
    assert_eq!(reader(&connection).err().unwrap().kind(), ErrorKind::NotFound);
    writer(&connection).unwrap().write(&[record("b", 0)]).unwrap();
    assert_eq!(read(&mut *reader(&connection).unwrap(), "b").unwrap().len(), 1);
}

#[cfg(unix)]
#[test]
fn a_store_that_was_removed_is_missed_by_those_who_have_it_open() {
    let (folder, _path, connection) = store();
    let mut writer = writer(&connection).unwrap();
    writer.write(&[record("b", 0)]).unwrap();
    let mut reader = reader(&connection).unwrap();
    files_in(folder.path()).iter().for_each(|path| fs::remove_file(path).unwrap());
    let error = read(&mut *reader, "b").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);

    writer.write(&[record("b", 1)]).unwrap();
    assert_eq!(read(&mut *reader, "b").unwrap(), [record("b", 1).to_json()]);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_what_is_made() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("new");
    let _writer = writer(&format!("sqlite://{}", made.join("deep/t.db").display())).unwrap();
    assert_eq!(mode(&made), 0o700);
    assert_eq!(mode(&made.join("deep")), 0o700);
    for path in files_in(&made.join("deep")) {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn the_tables_are_those_of_the_docs() {
    let (_folder, path, connection) = store();
    let records = [record("b", 0), record("b", 1)];
    writer(&connection).unwrap().write(&records).unwrap();
    let db = Connection::open(&path).unwrap();
    let chunk: Vec<u8> = db
        .query_row(
            "SELECT records FROM chunk JOIN trace ON trace.id = chunk.trace
             WHERE base_id = 'b' ORDER BY chunk.id",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let lines = String::from_utf8(zstd::decode_all(&chunk[..]).unwrap()).unwrap();
    assert_eq!(lines, format!("{}\n{}\n", records[0].to_json(), records[1].to_json()));
    let docs = fs::read_to_string("../../docs/drivers.md").unwrap();
    let mut statements = db.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").unwrap();
    let statements = statements.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let one_space = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for sql in statements.map(Result::unwrap) {
        assert!(one_space(&docs).contains(&one_space(&sql)), "the docs lack {sql}");
    }
}

#[test]
fn a_large_trace_is_stored_in_pieces() {
    let (_folder, path, connection) = store();
    let mut records: Vec<_> = (0..30).map(|at| record("b", at)).collect();
    for record in &mut records {
        record.info = Info::new().with("text", &"x".repeat(100_000));
    }
    writer(&connection).unwrap().write(&records).unwrap();
    let chunks: usize = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM chunk", [], |row| row.get(0))
        .unwrap();
    assert_eq!(chunks, 3, "3 MB in pieces of 1 MiB");
    assert_eq!(read(&mut *reader(&connection).unwrap(), "b").unwrap().len(), 30);
}

#[test]
fn damage_to_a_chunk_is_named_and_costs_nothing_else() {
    let (_folder, path, connection) = store();
    let mut writer = writer(&connection).unwrap();
    for at in 0..3 {
        writer.write(&[record("hurt", at), record("sound", at)]).unwrap();
    }
    let db = Connection::open(&path).unwrap();
    let second = "id = (SELECT chunk.id FROM chunk JOIN trace ON trace.id = chunk.trace
                        WHERE base_id = 'hurt' ORDER BY chunk.id LIMIT 1 OFFSET 1)";
    let damages = [
        // A changed byte, a torn chunk, other bytes altogether.
        "substr(records, 1, 30) || x'00' || substr(records, 32)",
        "substr(records, 1, 20)",
        "x'00'",
    ];
    for damage in damages {
        db.execute(
            &format!("UPDATE chunk SET records = CAST({damage} AS BLOB) WHERE {second}"),
            [],
        )
        .unwrap();
        let mut reader = reader(&connection).unwrap();
        let mut found = Vec::new();
        let error = reader
            .read(&"hurt".into(), &mut |json| found.push(json.to_owned()))
            .expect_err("the damage is seen");
        assert!(error.to_string().starts_with("1 of the 3 chunks of trace `hurt` in `"), "{error}");
        assert_eq!(found, [record("hurt", 0).to_json(), record("hurt", 2).to_json()]);
        assert_eq!(read(&mut *reader, "sound").unwrap().len(), 3);
        assert_eq!(reader.list(&ListQuery::default()).unwrap().len(), 2);
    }
}
