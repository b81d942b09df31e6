//! What is particular to the SQLite store: whose file it is, its tables, damage to it.

#![cfg(feature = "sqlite")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{read, reader, record, writer};
use osprofiler_drivers::{Error, ErrorKind, ListQuery};
use osprofiler_wire::{Info, Record};
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
fn a_store_of_another_version_is_refused_and_left_as_it_is() {
    let (_folder, path, connection) = store();
    writer(&connection).unwrap().write(&[record("b", 0)]).unwrap();
    for version in [1, 3] {
        Connection::open(&path).unwrap().pragma_update(None, "user_version", version).unwrap();
        for error in refused(&path, &connection) {
            let expected = format!("version {version}, expected 2");
            assert!(error.to_string().contains(&expected), "{error}");
        }
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
    const UUID: &str = "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c";
    let (_folder, path, connection) = store();
    let records = [record("b", 0), record(UUID, 0), record("b", 1)];
    writer(&connection).unwrap().write(&records).unwrap();
    let db = Connection::open(&path).unwrap();
    for (base_id, expected) in [
        ("'b'", format!("{}\n{}\n", records[0].to_json(), records[2].to_json())),
        (&format!("x'{}'", UUID.replace('-', "")), format!("{}\n", records[1].to_json())),
    ] {
        let chunk = db.query_row(
            &format!(
                "SELECT records, start, length
                 FROM trace JOIN chunk ON chunk.trace = trace.id JOIN block ON block.id = chunk.block
                 WHERE base_id = {base_id} ORDER BY block"
            ),
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        );
        let (block, start, length): (Vec<u8>, usize, usize) = chunk.unwrap();
        let lines = String::from_utf8(zstd::decode_all(&block[..]).unwrap()).unwrap();
        assert_eq!(lines[start..start + length], expected);
    }
    let docs = fs::read_to_string("../../docs/drivers/sqlite.md").unwrap();
    let mut statements = db.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").unwrap();
    let statements = statements.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let one_space = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for sql in statements.map(Result::unwrap) {
        assert!(one_space(&docs).contains(&one_space(&sql)), "the docs lack {sql}");
    }
}

fn count(path: &Path, table: &str) -> usize {
    let db = Connection::open(path).unwrap();
    db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn a_large_trace_is_stored_in_pieces() {
    let (_folder, path, connection) = store();
    let mut records: Vec<_> = (0..30).map(|at| record("b", at)).collect();
    for record in &mut records {
        record.info = Info::new().with("text", &"x".repeat(40_000));
    }
    let mut writer = writer(&connection).unwrap();
    writer.write(&records).unwrap();
    assert_eq!(count(&path, "block"), 8, "1.2 MB, four records in each");
    writer.write(&records).unwrap();
    assert_eq!(count(&path, "block"), 8, "nothing is stored again");
    assert_eq!(read(&mut *reader(&connection).unwrap(), "b").unwrap().len(), 30);
}

#[test]
fn small_traces_of_a_batch_share_a_block() {
    let (_folder, path, connection) = store();
    let records: Vec<_> = (0..1000).map(|at| record(&format!("b{}", at % 100), at)).collect();
    let mut writer = writer(&connection).unwrap();
    writer.write(&records).unwrap();
    assert_eq!((count(&path, "trace"), count(&path, "block")), (100, 2));
    let mut reader = reader(&connection).unwrap();
    for at in [0, 50, 99] {
        let own: Vec<_> = records.iter().skip(at).step_by(100).map(Record::to_json).collect();
        assert_eq!(read(&mut *reader, &format!("b{at}")).unwrap(), own);
    }
}

#[test]
fn what_is_deleted_is_in_no_block_and_what_is_beside_it_stays() {
    let (_folder, path, connection) = store();
    let batch = ["keep", "gone", "also gone"].map(|base_id| record(base_id, 0));
    let mut writer = writer(&connection).unwrap();
    writer.write(&batch).unwrap();
    let lines = || -> String {
        let db = Connection::open(&path).unwrap();
        let block: Vec<u8> =
            db.query_row("SELECT records FROM block", [], |row| row.get(0)).unwrap();
        String::from_utf8(zstd::decode_all(&block[..]).unwrap()).unwrap()
    };
    assert!(lines().contains("gone"));
    assert!(writer.delete(&"gone".into()).unwrap());
    assert!(writer.delete(&"also gone".into()).unwrap());
    assert!(!lines().contains("gone"));
    assert_eq!(lines().trim(), batch[0].to_json());
    assert_eq!(read(&mut *reader(&connection).unwrap(), "keep").unwrap().len(), 1);
    assert!(writer.delete(&"keep".into()).unwrap());
    assert_eq!(["trace", "chunk", "block"].map(|table| count(&path, table)), [0; 3]);
}

#[test]
fn of_a_batch_that_comes_again_only_what_was_deleted_is_stored() {
    let (_folder, path, connection) = store();
    let batch = ["a", "b", "c"].map(|base_id| record(base_id, 0));
    let mut writer = writer(&connection).unwrap();
    writer.write(&batch).unwrap();
    assert!(writer.delete(&"b".into()).unwrap());
    for _ in 0..2 {
        writer.write(&batch).unwrap();
        assert_eq!(["trace", "chunk", "block"].map(|table| count(&path, table)), [3, 3, 2]);
    }
    let mut reader = reader(&connection).unwrap();
    for (base_id, record) in ["a", "b", "c"].iter().zip(&batch) {
        assert_eq!(read(&mut *reader, base_id).unwrap(), [record.to_json()]);
    }
    assert!(reader.list(&ListQuery::default()).unwrap().iter().all(|trace| trace.points == 1));
}

#[test]
fn damage_to_a_block_is_named_and_costs_nothing_else() {
    let (_folder, path, connection) = store();
    let mut writer = writer(&connection).unwrap();
    for at in 0..3 {
        writer.write(&[record("hurt", at), record("beside", at)]).unwrap();
        writer.write(&[record("sound", at)]).unwrap();
    }
    let db = Connection::open(&path).unwrap();
    let second = "id = (SELECT block FROM chunk JOIN trace ON trace.id = chunk.trace
                        WHERE base_id = 'hurt' ORDER BY block LIMIT 1 OFFSET 1)";
    let damages = [
        // A changed byte, a torn block, other bytes altogether.
        "SET records = CAST(substr(records, 1, 30) || x'00' || substr(records, 32) AS BLOB)",
        "SET records = CAST(substr(records, 1, 20) AS BLOB)",
        "SET records = x'00'",
    ];
    for damage in damages {
        db.execute(&format!("UPDATE block {damage} WHERE {second}"), []).unwrap();
        let mut reader = reader(&connection).unwrap();
        for base_id in ["hurt", "beside"] {
            let mut found = Vec::new();
            let error = reader
                .read(&base_id.into(), &mut |json| found.push(json.to_owned()))
                .expect_err("the damage is seen");
            let expected = format!("1 of the 3 chunks of trace `{base_id}` in `");
            assert!(error.to_string().starts_with(&expected), "{error}");
            assert_eq!(found, [record(base_id, 0).to_json(), record(base_id, 2).to_json()]);
        }
        assert_eq!(read(&mut *reader, "sound").unwrap().len(), 3);
        assert_eq!(reader.list(&ListQuery::default()).unwrap().len(), 3);
    }
    assert!(writer.delete(&"hurt".into()).unwrap(), "damage does not keep a trace");
    let mut reader = reader(&connection).unwrap();
    assert_eq!(read(&mut *reader, "hurt").unwrap(), [""; 0]);
    assert!(read(&mut *reader, "beside").is_err(), "its second chunk is still missed");
}

#[test]
fn places_outside_of_a_block_are_damage() {
    let (_folder, path, connection) = store();
    writer(&connection).unwrap().write(&[record("b", 0)]).unwrap();
    let db = Connection::open(&path).unwrap();
    for place in ["start = 1000000", "length = 1000000", "start = 9223372036854775807"] {
        db.execute(&format!("UPDATE chunk SET {place}"), []).unwrap();
        let error = read(&mut *reader(&connection).unwrap(), "b").unwrap_err();
        assert!(error.to_string().starts_with("1 of the 1 chunks of trace `b`"), "{error}");
    }
}
