//! `clickhouse://`, against a real server of 2018 and the engine of today.

#![cfg(feature = "clickhouse")]

mod common;

use std::fs;
use std::process::Command;
use std::thread;

use common::services::url;
use common::{read, reader, record, writer};
use osprofiler_drivers::{ErrorKind, ListQuery};
use osprofiler_testkit::drivers;
use osprofiler_wire::{Record, RecordView};

/// Debian's server, and the engine of today.
const SERVERS: [&str; 2] = ["clickhouse", "clickhouse-current"];

/// A database that only one test uses, empty, on each server that runs.
fn databases(test: &str) -> Vec<String> {
    SERVERS.iter().filter_map(|server| database(server, test)).collect()
}

fn database(server: &str, test: &str) -> Option<String> {
    let url = url(server, "clickhouse")?;
    sql(&url, &format!("DROP DATABASE IF EXISTS {test}"));
    sql(&url, &format!("CREATE DATABASE {test}"));
    Some(url.replace("/traces", &format!("/{test}")))
}

/// What the server says to a statement.
fn sql(connection: &str, statement: &str) -> String {
    let (_, rest) = connection.split_once("://").unwrap();
    let (host, database) = rest.split('?').next().unwrap().split_once('/').unwrap();
    let url = format!("http://{host}/?database={database}");
    let done = Command::new("curl").args(["-sS", &url, "--data-binary", statement]).output();
    let said = String::from_utf8(done.unwrap().stdout).unwrap();
    assert!(!said.starts_with("Code: "), "{said}");
    said.trim().to_owned()
}

#[test]
fn the_server_of_2018_passes_the_suite() {
    let Some(connection) = url("clickhouse", "clickhouse") else { return };
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}

#[test]
fn the_engine_of_today_passes_the_suite() {
    let Some(connection) = url("clickhouse-current", "clickhouse") else { return };
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}

#[test]
fn real_traces_come_back_byte_for_byte_with_a_password_and_over_tls() {
    for (server, name) in
        [("clickhouse", "password"), ("clickhouse", "tls"), ("clickhouse-current", "password")]
    {
        let Some(connection) = url(server, name) else { continue };
        let mut writer = writer(&connection).unwrap();
        let mut reader = reader(&connection).unwrap();
        for trace in ["server-create", "token-issue"] {
            let path = format!("../../tests/data/traces/{trace}.records.jsonl");
            let text = fs::read_to_string(path).unwrap();
            let records: Vec<Record> =
                text.lines().map(|line| (&RecordView::parse(line).unwrap()).into()).collect();
            records.chunks(100).for_each(|batch| writer.write(batch).unwrap());
            let base_id = &records[0].base_id;
            assert!(read(&mut *reader, &base_id.to_string()).unwrap().iter().eq(text.lines()));
            let list = reader.list(&ListQuery::default()).unwrap();
            let summary = list.iter().find(|summary| summary.base_id == *base_id).unwrap();
            assert_eq!(summary.points, records.len() as u64 / 2, "{trace} in {connection}");
            assert_eq!((summary.unfinished, summary.errors), (0, 0));
            assert_eq!(summary.root.request.as_deref(), Some("GET /v3"));
            assert!(writer.delete(base_id).unwrap());
        }
    }
}

#[test]
fn writers_may_make_the_tables_at_the_same_time() {
    for connection in databases("at_once") {
        thread::scope(|scope| {
            for at in 0..4 {
                let connection = &connection;
                scope.spawn(move || writer(connection).unwrap().write(&[record("b", at)]).unwrap());
            }
        });
        assert_eq!(read(&mut *reader(&connection).unwrap(), "b").unwrap().len(), 4);
    }
}

#[test]
fn tables_that_somebody_dropped_are_made_anew() {
    for connection in databases("dropped") {
        let mut early = writer(&connection).unwrap();
        for name in ["osprofiler_traces_of_records", "osprofiler_traces", "osprofiler_records"] {
            sql(&connection, &format!("DROP TABLE {name}"));
        }
        let error = early.write(&[record("b", 0)]).unwrap_err();
        assert!(error.is_retryable(), "{error}");
        // As the notifier does it.
        writer(&connection).unwrap().write(&[record("b", 0)]).unwrap();
        let mut reader = reader(&connection).unwrap();
        assert_eq!(reader.list(&ListQuery::default()).unwrap()[0].points, 1);
        sql(&connection, "DROP TABLE osprofiler_records");
        let error = read(&mut *reader, "b").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}

#[test]
fn what_comes_again_is_one_row_in_the_end() {
    for connection in databases("again") {
        let batch: Vec<Record> = (0..10).map(|at| record("b", at)).collect();
        let texts: Vec<String> = batch.iter().map(Record::to_json).collect();
        for _ in 0..3 {
            writer(&connection).unwrap().write(&batch).unwrap();
        }
        let check = || {
            let mut reader = reader(&connection).unwrap();
            assert_eq!(read(&mut *reader, "b").unwrap(), texts);
            assert_eq!(reader.list(&ListQuery::default()).unwrap()[0].points, 10);
        };
        check();
        for (table, rows) in [("osprofiler_records", "10"), ("osprofiler_traces", "1")] {
            sql(&connection, &format!("OPTIMIZE TABLE {table} FINAL"));
            assert_eq!(sql(&connection, &format!("SELECT count() FROM {table}")), rows);
        }
        check();
    }
}

#[test]
fn rows_that_others_insert_are_read_and_listed() {
    for connection in databases("others") {
        drop(writer(&connection).unwrap());
        let json = record("b", 0).to_json();
        sql(
            &connection,
            &format!(
                "INSERT INTO osprofiler_records (base_id, timestamp_us, day, name, trace_id, record)
                VALUES ('b', 1767355200000000, today(), 'db', 't', '{json}')"
            ),
        );
        let mut reader = reader(&connection).unwrap();
        assert_eq!(read(&mut *reader, "b").unwrap(), [json]);
        let list = reader.list(&ListQuery::default()).unwrap();
        assert_eq!((list[0].points, list[0].root.name.as_str()), (1, "db"));
    }
}

#[test]
fn a_trace_is_found_by_the_index_of_its_partition() {
    let Some(connection) = database("clickhouse-current", "found") else { return };
    let mut writer = writer(&connection).unwrap();
    for trace in 0..20 {
        let batch: Vec<Record> =
            (0..1000).map(|at| record(&format!("trace {trace}"), at)).collect();
        writer.write(&batch).unwrap();
    }
    sql(&connection, "OPTIMIZE TABLE osprofiler_records FINAL");
    let answer = sql(
        &connection,
        "SELECT count() FROM osprofiler_records WHERE base_id = 'trace 7' FORMAT JSON",
    );
    let rows_read = answer.split("\"rows_read\": ").nth(1).unwrap();
    let rows_read: u32 = rows_read.split(',').next().unwrap().parse().unwrap();
    assert!(rows_read <= 3 * 1024, "{rows_read} of 20,000 rows are read");
}

#[test]
fn records_go_after_some_days() {
    let Some(connection) = database("clickhouse-current", "days") else { return };
    for days in [30, 7] {
        let with_ttl = format!("{connection}?ttl={days}d");
        writer(&with_ttl).unwrap().write(&[record("b", 0)]).unwrap();
        assert_eq!(read(&mut *reader(&with_ttl).unwrap(), "b").unwrap().len(), 1);
        for table in ["osprofiler_records", "osprofiler_traces"] {
            let said = sql(&connection, &format!("SHOW CREATE TABLE {table}"));
            assert!(said.contains(&format!("TTL day + toIntervalDay({days})")), "{said}");
        }
    }
    let long_past =
        "INSERT INTO osprofiler_records (base_id, day, record) VALUES ('old', '2001-01-01', '')";
    sql(&connection, long_past);
    for table in ["osprofiler_records", "osprofiler_traces"] {
        sql(&connection, &format!("OPTIMIZE TABLE {table} FINAL"));
        let left = sql(&connection, &format!("SELECT DISTINCT base_id FROM {table}"));
        assert_eq!(left, "b");
    }
}

#[test]
fn the_server_may_gather_what_many_write() {
    let Some(connection) = database("clickhouse-current", "gather") else { return };
    let connection = format!("{connection}?async_insert=true");
    thread::scope(|scope| {
        for at in 0..4 {
            let connection = &connection;
            scope.spawn(move || {
                writer(connection).unwrap().write(&[record("b", at), record("c", at)]).unwrap();
            });
        }
    });
    let mut reader = reader(&connection).unwrap();
    assert_eq!(read(&mut *reader, "b").unwrap().len(), 4);
    let list = reader.list(&ListQuery::default()).unwrap();
    assert_eq!(list.iter().map(|summary| summary.points).collect::<Vec<_>>(), [4, 4]);
}

#[test]
fn a_server_that_cannot_do_what_is_asked_says_so() {
    let Some(connection) = database("clickhouse", "old") else { return };
    let error = writer(&format!("{connection}?ttl=30d")).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("ClickHouse 18.16.1 does not know `ttl`"), "{error}");
    let error = writer(&format!("{connection}?async_insert=true")).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("18.16.1 does not know `async_insert`"), "{error}");
}

#[test]
fn a_user_who_may_only_read_reads_and_is_told_so_when_writing() {
    let Some(all) = url("clickhouse", "clickhouse") else { return };
    let readonly = url("clickhouse", "readonly").unwrap();
    writer(&all).unwrap().write(&[record("readable", 0)]).unwrap();
    let mut reader = reader(&readonly).unwrap();
    assert_eq!(read(&mut *reader, "readable").unwrap(), [record("readable", 0).to_json()]);
    assert!(!reader.list(&ListQuery::default()).unwrap().is_empty());
    let written = writer(&readonly).and_then(|mut writer| writer.write(&[record("b", 0)]));
    let error = written.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(writer(&all).unwrap().delete(&"readable".into()).unwrap());
}

#[test]
fn what_is_wrong_is_said_and_no_password() {
    for server in SERVERS {
        let Some(connection) = url(server, "clickhouse") else { continue };
        let place = connection.strip_prefix("clickhouse://").unwrap();
        for (wrong, expected) in [
            (format!("clickhouse://nova:sesame@{place}"), "check user and password"),
            (format!("clickhouse://nobody:sesame@{place}"), "check user and password"),
            (
                format!("clickhouse://{}", place.replace("/traces", "/nowhere")),
                "create the database",
            ),
            (format!("clickhouse://{place}?ttl=sesam"), "like `30d`"),
            (format!("clickhouse://{place}?tll=30d"), "unknown option `tll`"),
        ] {
            let said = drivers::refusal(&wrong, "sesame");
            assert!(said.contains(expected), "{said}");
        }
    }
}

#[test]
fn a_certificate_that_nobody_trusts_is_refused_unless_told_otherwise() {
    let Some(connection) = url("clickhouse", "tls") else { return };
    let untrusted = connection.split('?').next().unwrap();
    let said = drivers::refusal(untrusted, "sesame");
    assert!(said.contains("certificate"), "{said}");
    drop(writer(&format!("{untrusted}?insecure=true")).unwrap());
}

#[test]
fn a_reader_before_the_first_writer_is_told_so() {
    for connection in databases("early") {
        let error = read(&mut *reader(&connection).unwrap(), "b").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("the first writer makes the tables"), "{error}");
    }
}
