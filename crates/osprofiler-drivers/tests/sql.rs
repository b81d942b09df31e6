//! `mysql://`, `postgresql://` and their kin, against real servers.

#![cfg(feature = "sql")]

mod common;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;

use common::services::{self, url};
use common::upstream::{comparable, python, report_of, trace, trace_file};
use common::{read, reader, record, writer};
use osprofiler_drivers::{ErrorKind, ListQuery, TraceSummary};
use osprofiler_testkit::drivers;
use osprofiler_wire::{Id, Info, Phase, Record, RecordView, Timestamp};
use serde_json::Value;

/// A server: its name, and the lock that is held by those who use it, and alone by those who stop it.
struct Server {
    name: &'static str,
    lock: RwLock<()>,
}

static MARIADB: Server = Server { name: "mariadb", lock: RwLock::new(()) };
static POSTGRESQL: Server = Server { name: "postgresql", lock: RwLock::new(()) };

impl Server {
    fn share(&self) -> RwLockReadGuard<'static, ()> {
        self.lock().read().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> RwLockWriteGuard<'static, ()> {
        self.lock().write().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> &'static RwLock<()> {
        if self.name == MARIADB.name { &MARIADB.lock } else { &POSTGRESQL.lock }
    }

    /// An empty database that no other test uses.
    fn database(&self, name: &str) -> Option<String> {
        self.database_of(name, "")
    }

    fn database_of(&self, name: &str, options: &str) -> Option<String> {
        let connection = url(self.name, self.name)?;
        let name = format!("osprofiler_{name}");
        cli(&connection, &format!("DROP DATABASE IF EXISTS {name}"));
        cli(&connection, &format!("CREATE DATABASE {name} {options}"));
        Some(connection.replace("/osprofiler", &format!("/{name}")))
    }
}

/// What the server's own client says, a row a line, without the names of columns.
fn cli(connection: &str, statement: &str) -> String {
    let url = connection.split('?').next().unwrap();
    let mut client = if url.starts_with("postgres") {
        let mut client = Command::new("psql");
        client.args([url, "--no-psqlrc", "--tuples-only", "--no-align", "--command", statement]);
        client
    } else {
        let rest = url.split_once("://").unwrap().1;
        let parts: Vec<&str> = rest.split([':', '@', '/']).collect();
        let [user, password, host, port, database] = parts[..] else { panic!("{url}") };
        let mut client = Command::new("mariadb");
        client
            .args(["--no-defaults", "--skip-column-names", "--user", user, "--host", host])
            .args(["--port", port, &format!("--password={password}")])
            .args([&format!("--execute={statement}"), database]);
        client
    };
    let run = client.output().unwrap();
    assert!(run.status.success(), "{statement}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap().trim().to_owned()
}

/// Start and stop of one point.
fn point(base_id: &str, at: i64) -> Vec<Record> {
    let start = record(base_id, at);
    let stop = Record {
        phase: Phase::Stop,
        timestamp: Timestamp::from_micros(start.timestamp.as_micros() + 700),
        ..start.clone()
    };
    vec![start, stop]
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(Record::to_json).collect()
}

fn list(connection: &str) -> Vec<TraceSummary> {
    reader(connection).unwrap().list(&ListQuery::default()).unwrap()
}

/// A test for each of the servers.
macro_rules! on_both_servers {
    ($($(#[$attribute:meta])* $test:ident($share:ident),)*) => {
        mod mariadb { $(
            #[test]
            fn $test() {
                let _guard = super::MARIADB.$share();
                super::$test(&super::MARIADB);
            }
        )* }
        mod postgresql { $(
            #[test]
            fn $test() {
                let _guard = super::POSTGRESQL.$share();
                super::$test(&super::POSTGRESQL);
            }
        )* }
    };
}

on_both_servers! {
    the_suite_is_passed(share),
    tls_is_spoken_with_those_who_are_trusted_only(share),
    a_server_that_goes_away_is_missed_and_found_again(take),
    a_wrong_password_is_refused(share),
    a_database_that_is_not_there_is_said_to_be(share),
    a_user_who_may_only_read_is_told_so(share),
    a_reader_makes_no_tables(share),
    writers_that_come_first_at_the_same_time_make_the_tables_once(share),
    traces_of_the_python_library_are_shown_and_listed(share),
    a_trace_may_be_written_by_us_and_by_the_python_library(share),
    what_a_column_cannot_hold_does_not_get_lost(share),
    what_columns_without_unicode_cannot_hold_does_not_get_lost(share),
    a_record_that_comes_again_in_another_batch_is_counted_once(share),
    a_list_does_not_read_the_records_that_we_wrote(share),
    tables_that_somebody_dropped_are_made_anew(share),
    a_row_that_is_no_record_is_skipped_and_counted(share),
}

fn the_suite_is_passed(server: &Server) {
    let Some(connection) = server.database("suite") else { return };
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}

fn tls_is_spoken_with_those_who_are_trusted_only(server: &Server) {
    let Some(trusting) = url(server.name, "tls") else { return };
    let records = point("tls", 0);
    let mut writer = writer(&trusting).unwrap();
    writer.write(&records).unwrap();
    let untrusting = trusting.split('?').next().unwrap().to_owned() + "?tls=true";
    let said = drivers::refusal(&untrusting, "hush");
    assert!(said.contains("certificate") && said.contains("`ca=PATH`"), "{said}");
    let careless = untrusting.replace("tls=true", "insecure=true");
    assert_eq!(read(&mut *reader(&careless).unwrap(), "tls").unwrap(), texts(&records));
    assert!(writer.delete(&"tls".into()).unwrap());
}

fn a_server_that_goes_away_is_missed_and_found_again(server: &Server) {
    let Some(connection) = server.database("outage") else { return };
    drivers::outage(&connection, || services::stop(server.name), || services::start(server.name));
}

fn a_wrong_password_is_refused(server: &Server) {
    let Some(connection) = url(server.name, server.name) else { return };
    let said = drivers::refusal(&connection.replace(":hush@", ":blurted@"), "blurted");
    assert!(said.contains("`") && said.contains("nova:***@127.0.0.1"), "{said}");
    assert!(said.contains("check user, password and rights"), "{said}");
}

fn a_database_that_is_not_there_is_said_to_be(server: &Server) {
    let Some(connection) = url(server.name, server.name) else { return };
    let missing = connection.replace("/osprofiler", "/osprofiler_nowhere");
    let said = drivers::refusal(&missing, "hush");
    assert!(said.contains("osprofiler_nowhere") && said.contains("create it first"), "{said}");
    assert_eq!(reader(&missing).err().unwrap().kind(), ErrorKind::NotFound);
}

fn a_user_who_may_only_read_is_told_so(server: &Server) {
    let Some(connection) = server.database("readable") else { return };
    let readable = connection.replace("//nova:", "//reader:");
    assert_eq!(writer(&readable).err().unwrap().kind(), ErrorKind::Denied);
    let records = point("a", 0);
    writer(&connection).unwrap().write(&records).unwrap();
    let mut reader = reader(&readable).unwrap();
    assert_eq!(read(&mut *reader, "a").unwrap(), texts(&records));
    assert_eq!(reader.list(&ListQuery::default()).unwrap().len(), 1);
    let error = writer(&readable).unwrap().write(&records).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
}

fn a_reader_makes_no_tables(server: &Server) {
    let Some(connection) = server.database("empty") else { return };
    let error = reader(&connection).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("there is no table `data`"), "{error}");
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'data'";
    let here = if server.name == MARIADB.name { " AND table_schema = DATABASE()" } else { "" };
    assert_eq!(cli(&connection, &format!("{tables}{here}")), "0");
}

fn writers_that_come_first_at_the_same_time_make_the_tables_once(server: &Server) {
    let Some(connection) = server.database("fresh") else { return };
    thread::scope(|scope| {
        for at in 0..4 {
            let connection = &connection;
            scope.spawn(move || writer(connection).unwrap().write(&point("a", at)).unwrap());
        }
    });
    assert_eq!(list(&connection)[0].points, 4);
}

fn traces_of_the_python_library_are_shown_and_listed(server: &Server) {
    let (Some(theirs), Some(ours)) = (server.database("theirs"), server.database("ours")) else {
        return;
    };
    let interpreter = url(server.name, "python").unwrap();
    let upstream = |connection: &str, command: &str, more: &[String]| {
        let mut arguments = vec![command, connection];
        arguments.extend(more.iter().map(String::as_str));
        python(&interpreter, &arguments)
    };
    // Of the real traces the smallest: the existing library waits for the disk with each record.
    let names = ["image-list", "token-issue"];
    let traces = names.map(trace);
    let base_ids: Vec<String> = traces.iter().map(|trace| trace[0].base_id.to_string()).collect();
    upstream(&theirs, "put", &names.map(trace_file));
    let mut writer = writer(&ours).unwrap();
    traces
        .iter()
        .flat_map(|trace| trace.chunks(100))
        .for_each(|batch| writer.write(batch).unwrap());
    for connection in [&theirs, &ours] {
        let shown: Vec<Value> =
            serde_json::from_str(&upstream(connection, "show", &base_ids)).unwrap();
        let mut reader = reader(connection).unwrap();
        for ((trace, base_id), shown) in traces.iter().zip(&base_ids).zip(shown) {
            let expected = report_of(&texts(trace));
            let found = read(&mut *reader, base_id).unwrap();
            // What has the form of Python's JSON comes back so, from either.
            assert!(found == texts(trace), "the records of {base_id} in {connection}");
            let found = report_of(&found);
            // Not `assert_eq`: nobody wants to read megabytes.
            assert!(found == expected, "our report of {base_id} in {connection}");
            let expected = as_their_driver_has_it(expected, connection == &theirs);
            assert!(comparable(shown) == expected, "their report of {base_id} in {connection}");
        }
    }
    assert_eq!(list(&theirs), list(&ours));
    assert_eq!(list(&ours).len(), names.len());
    let listed: Value = serde_json::from_str(&upstream(&ours, "list", &[])).unwrap();
    assert_eq!(listed["all"].as_array().unwrap().len(), names.len());
}

/// The existing library's SQL driver shows of a record only what has no column, and as the host of a
/// record that it wrote itself the one that it was configured with; here that is none.
fn as_their_driver_has_it(mut report: Value, is_written_by_it: bool) -> Value {
    fn adapt(node: &mut Value, is_written_by_it: bool) {
        if node.get("trace_id").is_some() {
            let info = node["info"].as_object_mut().unwrap();
            if is_written_by_it {
                info["host"] = Value::Null;
            }
            for (_, record) in info.iter_mut().filter(|(key, _)| key.starts_with("meta.")) {
                record.as_object_mut().unwrap().retain(|key, _| key == "info");
            }
        }
        let children = node["children"].as_array_mut().unwrap();
        children.iter_mut().for_each(|child| adapt(child, is_written_by_it));
    }
    adapt(&mut report, is_written_by_it);
    report
}

fn a_trace_may_be_written_by_us_and_by_the_python_library(server: &Server) {
    let Some(connection) = server.database("both") else { return };
    let interpreter = url(server.name, "python").unwrap();
    let trace = || python(&interpreter, &["trace", &connection, "both"]);
    // A reader of a time when only they had been here.
    trace();
    let mut early = reader(&connection).unwrap();
    let mut listed = |points| {
        let listed = early.list(&ListQuery::default()).unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].points, listed[0].unfinished), (points, 0));
        (listed[0].errors, listed[0].root.request.clone())
    };
    assert_eq!(listed(3), (1, Some("POST /v2.1/servers".to_owned())));
    let records = point("both", 0);
    writer(&connection).unwrap().write(&records).unwrap();
    // Ours are dated earlier.
    assert_eq!(listed(4), (1, None));
    // They go on, with the column that we added.
    trace();
    assert_eq!(listed(7), (2, None));
    let found = read(&mut *reader(&connection).unwrap(), "both").unwrap();
    assert_eq!(found.len(), 14);
    assert_eq!(found[6..8], texts(&records));
    // What Python writes although it is not JSON is repaired.
    assert!(found.iter().any(|json| json.contains(r#""load": "NaN""#)), "{found:?}");
    let shown = python(&interpreter, &["show", &connection, "both"]);
    let shown: Vec<Value> = serde_json::from_str(&shown.replace("NaN", "\"NaN\"")).unwrap();
    assert_eq!(shown[0]["stats"], report_of(&found)["stats"]);
    assert_eq!(shown[0]["children"].as_array().unwrap().len(), 3);
}

fn what_a_column_cannot_hold_does_not_get_lost(server: &Server) {
    let Some(connection) = server.database("long") else { return };
    everything_comes_back(&connection);
    // The existing library sees a record all the same.
    writer(&connection).unwrap().write(&odd_records()[..1]).unwrap();
    let name = cli(&connection, "SELECT name FROM data");
    assert!(name.ends_with("é-start") && name.chars().count() == 255, "{name}");
}

fn what_columns_without_unicode_cannot_hold_does_not_get_lost(server: &Server) {
    let options = if server.name == MARIADB.name {
        "CHARACTER SET latin1"
    } else {
        "ENCODING LATIN1 TEMPLATE template0"
    };
    let Some(connection) = server.database_of("latin1", options) else { return };
    // In a table that the existing library made; one of ours is always Unicode in MariaDB.
    python(&url(server.name, "python").unwrap(), &["trace", &connection, "first"]);
    everything_comes_back(&connection);
    let listed = list(&connection);
    assert_eq!((listed.len(), listed[0].points), (1, 3));
}

/// Records with texts and ids that are too long, that few columns have the characters of, or that
/// some collation takes for one another.
fn odd_records() -> Vec<Record> {
    let long = "é".repeat(300);
    let odd = ["", "x", "\0", "sha256:0"].map(|end| {
        let mut record = record(&format!("{long}{end}"), 0);
        record.name = long.clone().into();
        record.parent_id = Id::from(format!("{long}p"));
        record.timestamp = Timestamp::from_micros(i64::MAX / 2);
        record.info = Info::new().with(&long, "🔑\0");
        record
    });
    let alike = ["a", "A", "ä", "a ", " a", "a\0", "é", "e\u{301}", "🔑", "密", "sha256:0", ""];
    odd.into_iter().chain(alike.map(|base_id| record(base_id, 1))).collect()
}

fn everything_comes_back(connection: &str) {
    let records = odd_records();
    let mut writer = writer(connection).unwrap();
    writer.write(&records).unwrap();
    let mut reader = reader(connection).unwrap();
    let listed = reader.list(&ListQuery::default()).unwrap();
    for record in &records {
        let base_id = record.base_id.to_string();
        assert_eq!(read(&mut *reader, &base_id).unwrap(), [record.to_json()], "{base_id:?}");
        let of_it: Vec<_> =
            listed.iter().filter(|summary| summary.base_id == record.base_id).collect();
        assert_eq!(of_it.len(), 1, "{base_id:?}");
        assert_eq!((of_it[0].points, &*of_it[0].root.name), (1, &*record.name));
    }
    for record in &records {
        assert!(writer.delete(&record.base_id).unwrap(), "{:?}", record.base_id);
    }
    let left = cli(connection, "SELECT count(*) FROM data WHERE summarized IS NOT NULL");
    assert_eq!(left, "0");
}

fn a_record_that_comes_again_in_another_batch_is_counted_once(server: &Server) {
    let Some(connection) = server.database("again") else { return };
    let mut writer = writer(&connection).unwrap();
    let mut failed = point("a", 0);
    failed[1].info = Info::new().with("etype", "KeyError");
    let other = point("a", 1);
    writer.write(&failed).unwrap();
    // In another company, in another order, a part of it.
    writer.write(&[&other[..], &failed].concat()).unwrap();
    writer.write(&[other[1].clone(), failed[1].clone(), record("a", 2)]).unwrap();
    writer.write(&failed[1..]).unwrap();
    let summary = &list(&connection)[0];
    assert_eq!((summary.points, summary.unfinished, summary.errors), (3, 1, 1));
}

fn a_list_does_not_read_the_records_that_we_wrote(server: &Server) {
    let Some(connection) = server.database("summaries") else { return };
    writer(&connection).unwrap().write(&point("a", 0)).unwrap();
    let expected = list(&connection);
    assert_eq!(expected.len(), 1);
    cli(&connection, "DELETE FROM data");
    assert_eq!(list(&connection), expected);
}

fn tables_that_somebody_dropped_are_made_anew(server: &Server) {
    let Some(connection) = server.database("dropped") else { return };
    let mut early = writer(&connection).unwrap();
    for tables in ["data", "osprofiler_trace", "data, osprofiler_trace"] {
        early.write(&point("a", 0)).unwrap();
        cli(&connection, &format!("DROP TABLE {tables}"));
        let error = early.write(&point("a", 0)).unwrap_err();
        assert!(error.is_retryable(), "{error}");
        // As the notifier does it.
        early = writer(&connection).unwrap();
    }
    early.write(&point("a", 0)).unwrap();
    assert_eq!(list(&connection)[0].points, 1);
}

fn a_row_that_is_no_record_is_skipped_and_counted(server: &Server) {
    let Some(connection) = server.database("odd") else { return };
    let records = point("a", 0);
    writer(&connection).unwrap().write(&records).unwrap();
    let columns = "(base_id, trace_id, name, timestamp, data)";
    for values in [
        "'a', NULL, 'db-start', '2026-01-02T03:04:05.000000', '{}'",
        "'a', 't', 'db-start', 'yesterday', '{}'",
        "'a', 't', 'db-start', '2026-01-02T03:04:05.000000', '\"[1]\"'",
        // What others may have written so.
        "'a', 't', 'db-start', '2026-01-02T03:04:05.000000', '{\"info\": {\"x\": 1}, \"more\": 2}'",
    ] {
        cli(&connection, &format!("INSERT INTO data {columns} VALUES ({values})"));
    }
    let mut reader = reader(&connection).unwrap();
    let found = read(&mut *reader, "a").unwrap();
    assert_eq!(reader.skipped(), 3);
    assert_eq!(found[..2], texts(&records));
    let view = RecordView::parse(&found[2]).unwrap();
    assert_eq!(view.info_text(&["x"]).as_deref(), Some("1"));
    assert!(found[2].contains(r#""more": 2"#), "{}", found[2]);
    let listed = reader.list(&ListQuery::default()).unwrap();
    assert_eq!((listed.len(), reader.skipped()), (1, 2), "a list does not look into every `data`");
    assert_eq!((listed[0].points, listed[0].unfinished), (2, 1));
}

#[test]
fn a_record_that_mariadb_does_not_take_is_refused_and_the_server_stays() {
    let _guard = MARIADB.share();
    let Some(connection) = MARIADB.database("large") else { return };
    let mut large = record("a", 0);
    large.info = Info::new().with("text", &"x".repeat(17 << 20));
    let mut writer = writer(&connection).unwrap();
    let error = writer.write(&[large.clone()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains("`max_allowed_packet`"), "{error}");
    writer.write(&point("a", 1)).unwrap();
    // Nor does it take others with it.
    let error = writer.write(&[&[large], &point("b", 0)[..]].concat()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    let points: Vec<u64> = list(&connection).iter().map(|summary| summary.points).collect();
    assert_eq!(points, [1, 1]);
}

#[test]
fn of_several_servers_one_that_takes_records_gets_them() {
    let _guard = POSTGRESQL.share();
    let Some(connection) = POSTGRESQL.database("several") else { return };
    let standby = standby_of(&connection);
    let host = connection.split(['@', '/']).nth(3).unwrap();
    let both = connection.replace(host, &format!("{standby},{host}"));
    // When there are no tables yet, and when there are.
    for at in 0..2 {
        writer(&both).unwrap().write(&point("a", at)).unwrap();
    }
    let mut reader = reader(&both).unwrap();
    assert_eq!(read(&mut *reader, "a").unwrap().len(), 4);
    let error = writer(&connection.replace(host, &standby)).unwrap().write(&point("a", 2));
    let error = error.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("read-only"), "{error}");
}

/// Another address of the server, at which it is read-only as a standby is: what a client says first
/// gets one more setting on its way.
fn standby_of(connection: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = connection.split(['@', '/']).nth(3).unwrap().to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            relay(client.unwrap(), TcpStream::connect(&server).unwrap());
        }
    });
    address
}

fn relay(mut client: TcpStream, mut server: TcpStream) {
    // Its length, a version, names and values that end with a zero, and one more zero.
    let mut length = [0; 4];
    client.read_exact(&mut length).unwrap();
    let mut said = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
    client.read_exact(&mut said).unwrap();
    said.pop();
    said.extend(b"options\0-c default_transaction_read_only=on\0\0");
    let length = u32::try_from(said.len() + 4).unwrap();
    server.write_all(&length.to_be_bytes()).unwrap();
    server.write_all(&said).unwrap();
    let ends =
        |from: &TcpStream, to: &TcpStream| (from.try_clone().unwrap(), to.try_clone().unwrap());
    for (mut from, mut to) in [ends(&client, &server), ends(&server, &client)] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
