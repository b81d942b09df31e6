//! `mongodb://`, against a real server.

#![cfg(feature = "mongodb")]

mod common;

use std::process::Command;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use common::services::{self, url};
use common::upstream::{TRACES, comparable, python, report_of, trace, trace_file};
use common::{read, reader, record, writer};
use osprofiler_drivers::{ErrorKind, ListQuery, Options, TraceSummary, open_writer};
use osprofiler_testkit::drivers;
use osprofiler_wire::{Id, Info, Phase, Record, RecordView, Timestamp};
use serde_json::{Value, json};

/// Held by those who use the server, and alone by those who stop it.
static SERVER: RwLock<()> = RwLock::new(());

fn share() -> RwLockReadGuard<'static, ()> {
    SERVER.read().unwrap_or_else(PoisonError::into_inner)
}

fn take() -> RwLockWriteGuard<'static, ()> {
    SERVER.write().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn ferretdb_passes_the_suite() {
    let _guard = share();
    let Some(connection) = url("mongodb", "mongodb") else { return };
    // Apart from the other tests, and without what earlier runs left: FerretDB looks at all documents
    // of a collection for each question.
    let interpreter = url("mongodb", "python").unwrap();
    pymongo(&interpreter, &connection, "db.client.drop_database('suite')");
    let connection = format!("{connection}?database=suite&timeout=120");
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}

#[test]
fn tls_is_verified_unless_told_otherwise() {
    let _guard = share();
    let Some(connection) = url("mongodb", "tls") else { return };
    let (place, ca) = connection.split_once("&ca=").unwrap();
    let records = point("tls");
    for connection in [
        connection.clone(),
        connection.replace("127.0.0.1", "localhost").replace("tls=true&", ""),
        format!("{place}&tlsCAFile={ca}"),
        format!("{place}&insecure=true"),
    ] {
        let mut writer = writer(&connection).unwrap();
        writer.write(&records).unwrap();
        let found = read(&mut *reader(&connection).unwrap(), "tls").unwrap();
        assert_eq!(found.len(), records.len(), "{connection}");
        assert!(writer.delete(&"tls".into()).unwrap());
    }
    let said = drivers::refusal(place, "hush");
    assert!(said.contains("check `ca`"), "{said}");
}

#[test]
fn what_the_server_refuses_is_told_and_secrets_are_not() {
    let _guard = share();
    let Some(connection) = url("mongodb", "mongodb") else { return };
    let wrong_password = connection.replace("hush", "f0rgotten");
    for (connection, expected) in [
        (wrong_password.clone(), "check user and password"),
        (wrong_password.replace("nova", "nobody"), "check user and password"),
        // There, nobody is known.
        (connection.replace("hush", "f0rgotten") + "?authSource=traces", "check user and password"),
        (connection.replace("nova:hush@", ""), "check user and password"),
    ] {
        let said = drivers::refusal(&connection, "f0rgotten");
        assert!(said.contains(expected) && said.contains("127.0.0.1"), "{said}");
    }
}

#[test]
fn connection_strings_that_make_no_sense_are_refused() {
    for (connection, expected) in [
        ("mongodb://u:f0rg/ot?ten@h:1/", "a port"),
        ("mongodb://u:f0rgotten@h/?colour=red", "colour is an invalid option"),
        ("mongodb://u:f0rgotten@h/?w=-1", "w"),
        ("mongodb://u:f0rgotten@h/?timeout=soon", "a number of seconds as `timeout`"),
        ("mongodb://u:f0rgotten@h/?cert=/a&key=/b", "one PEM file with both"),
        ("mongodb://u:f0rgotten@h/?ca=/nowhere.pem", "/nowhere.pem"),
        ("mongodb://", ""),
    ] {
        let error = reader(connection).err().unwrap_or_else(|| panic!("{connection}"));
        assert_eq!(error.kind(), ErrorKind::ConnectionString, "{error}");
        let said = format!("{error} {error:?}");
        assert!(said.contains(expected) && !said.contains("f0rg"), "{said}");
    }
}

#[test]
fn a_server_that_nobody_has_fails_soon_and_may_be_tried_again() {
    for connection in ["mongodb://127.0.0.1:1/", "mongodb+srv://traces.invalid/"] {
        let asked = Instant::now();
        let error = writer(connection).err().unwrap();
        assert!(error.is_retryable(), "{error}");
        assert!(asked.elapsed() < Duration::from_secs(12), "it took {:?}", asked.elapsed());
    }
}

#[test]
fn a_server_that_goes_away_and_comes_back_keeps_what_it_acknowledged() {
    let _guard = take();
    let Some(connection) = url("mongodb", "mongodb") else { return };
    drivers::outage(&connection, || services::stop("mongodb"), || services::start("mongodb"));
}

#[test]
fn traces_of_the_python_library_are_shown_and_listed() {
    let _guard = share();
    let Some(connection) = url("mongodb", "mongodb") else { return };
    let interpreter = url("mongodb", "python").unwrap();
    let traces = TRACES.map(trace);
    let ids: Vec<Id> = traces.iter().map(|trace| trace[0].base_id.clone()).collect();
    let base_ids: Vec<String> = ids.iter().map(Id::to_string).collect();
    let files = TRACES.map(trace_file);
    let arguments = |command: &'static str, more: &[String]| {
        let all = [command, &connection].into_iter().map(str::to_owned);
        let all: Vec<String> = all.chain(more.iter().cloned()).collect();
        python(&interpreter, &all.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mut writer = writer(&connection).unwrap();
    clean(&connection, &ids);
    let check = || {
        let shown: Vec<Value> = serde_json::from_str(&arguments("show", &base_ids)).unwrap();
        let mut reader = reader(&connection).unwrap();
        for ((trace, base_id), shown) in traces.iter().zip(&base_ids).zip(shown) {
            let expected = report_of(&texts(trace));
            let found = read(&mut *reader, base_id).unwrap();
            assert_eq!(report_of(&found), expected, "our report of {base_id}");
            assert_eq!(comparable(shown), expected, "their report of {base_id}");
        }
        list(&connection, &ids)
    };
    arguments("put", &files);
    let of_theirs = check();
    assert_eq!(of_theirs.len(), TRACES.len());
    clean(&connection, &ids);
    traces.iter().for_each(|trace| writer.write(trace).unwrap());
    assert_eq!(check(), of_theirs);
    let listed: Value = serde_json::from_str(&arguments("list", &[])).unwrap();
    let listed: Vec<&str> = listed["all"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trace| trace["base_id"].as_str().unwrap())
        .collect();
    assert!(base_ids.iter().all(|base_id| listed.contains(&base_id.as_str())), "{listed:?}");
    clean(&connection, &ids);
}

#[test]
fn a_trace_may_be_written_by_us_and_by_the_python_library() {
    let _guard = share();
    let Some(connection) = url("mongodb", "mongodb") else { return };
    let interpreter = url("mongodb", "python").unwrap();
    let ids = [Id::from("both")];
    clean(&connection, &ids);
    // FerretDB does not take NaN.
    python(&interpreter, &["trace", &connection, "both", "0.5"]);
    assert_eq!(list(&connection, &ids)[0].root.request.as_deref(), Some("POST /v2.1/servers"));
    let mut options = Options::default();
    options.filter_error_trace = true;
    let mut writer = open_writer(&connection.parse().unwrap(), &options).unwrap();
    let mut records = point("both");
    records[1].info = Info::new().with("etype", "KeyError");
    writer.write(&records).unwrap();
    let summary = &list(&connection, &ids)[0];
    assert_eq!((summary.points, summary.unfinished, summary.errors), (4, 0, 2));
    let found = read(&mut *reader(&connection).unwrap(), "both").unwrap();
    assert_eq!(found.len(), 8);
    assert!(found.iter().any(|json| json.contains(r#""load":0.5"#)), "{found:?}");
    let shown = python(&interpreter, &["show", &connection, "both"]);
    let shown: Vec<Value> = serde_json::from_str(&shown).unwrap();
    assert_eq!(comparable(shown[0].clone()), report_of(&found));
    // Both noted the failure in the same place.
    let listed = python(&interpreter, &["list", &connection]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let failed = listed["failed"].as_array().unwrap();
    let noted: Vec<&Value> = failed.iter().filter(|trace| trace["base_id"] == "both").collect();
    let at = records[1].timestamp.to_string();
    assert_eq!(noted, [&json!({"base_id": "both", "timestamp": at})]);
    clean(&connection, &ids);
}

#[test]
fn records_that_a_document_cannot_hold_are_kept_whole() {
    let _guard = share();
    let Some(connection) = url("mongodb", "mongodb") else { return };
    let deep = "[".repeat(110) + &"]".repeat(110);
    let infos = [
        r#"{"db.statement": 1, "fits": {"a": 2}, "host": "ctl1"}"#.to_owned(),
        r#"{"value": {"$dollar": 1}}"#.to_owned(),
        r#"{"value": {"nul\u0000key": 1}}"#.to_owned(),
        r#"{"value": [1, {"twice": 1, "twice": 2}]}"#.to_owned(),
        r#"{"value": 18446744073709551615, "other": 123456789012345678901234567890}"#.to_owned(),
        r#"{"value": "half a pair: \ud800"}"#.to_owned(),
        format!(r#"{{"value": {deep}}}"#),
        // 18 MB: no server takes such a document.
        format!(r#"{{"value": "{}", "etype": "KeyError"}}"#, "é".repeat(9_000_000)),
    ];
    let mut expected: Vec<String> = (0..)
        .zip(infos)
        .map(|(at, info)| {
            format!(
                r#"{{"name": "db-stop", "base_id": "odd", "trace_id": "{at}", "info": {info}, "timestamp": "2026-01-02T03:04:05.00000{at}"}}"#
            )
        })
        .collect();
    expected.push(expected[0].replace("\"name\"", "\"_id\": 7, \"name\""));
    let records: Vec<Record> =
        expected.iter().map(|json| Record::from(&RecordView::parse(json).unwrap())).collect();
    let mut writer = writer(&connection).unwrap();
    let ids = [Id::from("odd")];
    clean(&connection, &ids);
    writer.write(&records).unwrap();
    let mut found = read(&mut *reader(&connection).unwrap(), "odd").unwrap();
    found.sort();
    expected.sort();
    assert!(found == expected, "{} records of {}", found.len(), expected.len());
    let summary = &list(&connection, &ids)[0];
    assert_eq!((summary.points, summary.errors, summary.duration_us), (8, 1, 7));
    // Those who know nothing of it find the rest.
    let interpreter = url("mongodb", "python").unwrap();
    assert_eq!(
        stored(&interpreter, &connection, "odd", "0"),
        json!({"fits": {"a": 2}, "host": "ctl1"})
    );
    assert!(writer.delete(&ids[0]).unwrap());
    assert_eq!(count_parts(&interpreter, &connection), 0);
}

/// The info of a record as the server has it.
fn stored(interpreter: &str, connection: &str, base_id: &str, trace_id: &str) -> Value {
    let found = pymongo(
        interpreter,
        connection,
        &format!(
            "db.profiler.find_one({{'base_id': '{base_id}', 'trace_id': '{trace_id}'}})['info']"
        ),
    );
    serde_json::from_str(&found).unwrap()
}

fn count_parts(interpreter: &str, connection: &str) -> usize {
    pymongo(interpreter, connection, "db.profiler_part.count_documents({})").trim().parse().unwrap()
}

/// Asks the server with its usual Python client.
fn pymongo(interpreter: &str, connection: &str, expression: &str) -> String {
    let program = format!(
        "import json, sys, pymongo\n\
         db = pymongo.MongoClient(sys.argv[1]).osprofiler\n\
         print(json.dumps({expression}))"
    );
    let run = Command::new(interpreter).args(["-c", &program, connection]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn the_indices_that_reads_and_lists_want_are_made() {
    let _guard = share();
    let Some(connection) = url("mongodb", "mongodb") else { return };
    writer(&connection).unwrap();
    let interpreter = url("mongodb", "python").unwrap();
    let keys = "[dict(index['key']) for index in db.profiler.list_indexes()]";
    let keys: Value = serde_json::from_str(&pymongo(&interpreter, &connection, keys)).unwrap();
    for expected in [json!({"base_id": 1, "timestamp": 1}), json!({"timestamp": 1, "base_id": 1})] {
        assert!(keys.as_array().unwrap().contains(&expected), "{keys}");
    }
}

/// Start and stop of one point.
fn point(base_id: &str) -> Vec<Record> {
    let start = record(base_id, 0);
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

fn list(connection: &str, ids: &[Id]) -> Vec<TraceSummary> {
    let mut list = reader(connection).unwrap().list(&ListQuery::default()).unwrap();
    list.retain(|summary| ids.contains(&summary.base_id));
    list
}

fn clean(connection: &str, ids: &[Id]) {
    let mut writer = writer(connection).unwrap();
    for base_id in ids {
        writer.delete(base_id).unwrap();
    }
}
