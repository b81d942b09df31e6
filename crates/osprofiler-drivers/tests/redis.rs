//! `redis://` and its kin, against real servers.

#![cfg(feature = "redis")]

mod common;

use std::process::Command;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use common::services::{self, url};
use common::upstream::{TRACES, comparable, python, report_of, trace, trace_file};
use common::{read, reader, record, writer};
use osprofiler_drivers::{ErrorKind, ListQuery, Options, TraceSummary, open_writer};
use osprofiler_testkit::drivers;
use osprofiler_wire::{Id, Info, Phase, Record, Timestamp};
use serde_json::Value;

/// Held by those who use the one server, and alone by those who stop it.
static SERVER: RwLock<()> = RwLock::new(());
/// The same for what Sentinels watch, and for the cluster.
static WATCHED: RwLock<()> = RwLock::new(());
static CLUSTER: RwLock<()> = RwLock::new(());

fn share(lock: &'static RwLock<()>) -> RwLockReadGuard<'static, ()> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn take(lock: &'static RwLock<()>) -> RwLockWriteGuard<'static, ()> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// A database of the one server that no other test uses, emptied.
fn database(number: u32) -> Option<String> {
    let connection = url("redis", "redis")?;
    let connection = format!("{}/{number}", connection.strip_suffix("/0").unwrap());
    cli(&connection, &["FLUSHDB"]);
    Some(connection)
}

/// What the server's own client says.
fn cli(connection: &str, command: &[&str]) -> String {
    try_cli(connection, command).unwrap_or_else(|errors| panic!("{command:?}: {errors}"))
}

fn try_cli(connection: &str, command: &[&str]) -> Result<String, String> {
    let connection = connection.split('?').next().unwrap();
    let run = Command::new("redis-cli").args(["-u", connection]).args(command).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if run.status.success() { Ok(text(&run.stdout)) } else { Err(text(&run.stderr)) }
}

/// `HOST:PORT` of each server that a connection string names.
fn servers(connection: &str) -> Vec<String> {
    let rest = connection.split("://").nth(1).unwrap();
    let hosts = rest.split(['/', '?']).next().unwrap().rsplit('@').next().unwrap();
    hosts.split(',').map(|host| format!("redis://{host}")).collect()
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

fn failed_point(base_id: &str) -> Vec<Record> {
    let mut records = point(base_id);
    records[1].info = Info::new().with("etype", "KeyError");
    records
}

fn list(connection: &str) -> Vec<TraceSummary> {
    reader(connection).unwrap().list(&ListQuery::default()).unwrap()
}

fn ids(list: &[TraceSummary]) -> Vec<String> {
    let mut ids: Vec<String> = list.iter().map(|summary| summary.base_id.to_string()).collect();
    ids.sort();
    ids
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(Record::to_json).collect()
}

#[test]
fn redis_passes_the_suite() {
    let _guard = share(&SERVER);
    let Some(connection) = url("redis", "redis") else { return };
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}

#[test]
fn tls_passes_the_suite() {
    let _guard = share(&SERVER);
    let Some(connection) = url("redis", "tls") else { return };
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}

#[test]
fn a_cluster_passes_the_suite() {
    let _guard = share(&CLUSTER);
    let Some(connection) = url("redis-cluster", "cluster") else { return };
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}

#[test]
fn a_master_that_sentinels_name_passes_the_suite() {
    let _guard = share(&WATCHED);
    let Some(connection) = url("redis-sentinel", "sentinel") else { return };
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}

#[test]
fn every_way_to_name_a_server_leads_to_the_same_traces() {
    let _guard = share(&SERVER);
    let Some(plain) = database(1) else { return };
    let server = plain.strip_suffix("/1").unwrap();
    let tls = url("redis", "tls").unwrap().replace("/0?", "/1?");
    let files = tls.split_once("ca=").unwrap().1.strip_suffix("/ca.pem").unwrap();
    let unix = url("redis", "unix").unwrap();
    let socket = unix.strip_prefix("redis+unix://").unwrap();
    for (at, connection) in [
        plain.clone(),
        format!("{server}?db=1&timeout=5"),
        plain.replace("redis://", "redis://:@"),
        url("redis", "password").unwrap().replace("/0", "/1"),
        format!("{server}?db=1&username=nova&password=hush"),
        format!("{tls}&cert={files}/client.pem&key={files}/client.key"),
        tls.replace("ca=", "insecure=true&ca="),
        tls.replace("rediss://", "redis://") + "&ssl=true",
        tls.replace("127.0.0.1", "localhost"),
        format!("{unix}?db=1"),
        format!("unix://{socket}?db=1"),
        format!("redis://{socket}?db=1"),
    ]
    .iter()
    .enumerate()
    {
        let base_id = format!("trace{at}");
        let records = point(&base_id);
        writer(connection).unwrap().write(&records).unwrap();
        assert_eq!(read(&mut *reader(connection).unwrap(), &base_id).unwrap(), texts(&records));
        assert_eq!(list(&plain).len(), at + 1, "{connection}");
    }
}

#[test]
fn kollas_sentinel_strings_lead_to_the_master() {
    let _guard = share(&WATCHED);
    let Some(kolla) = url("redis-sentinel", "kolla") else { return };
    let records = point("kolla");
    let mut writer = writer(&kolla).unwrap();
    writer.write(&records).unwrap();
    // The first one need not be there: `sentinel_fallback` has the others.
    let first = kolla.split_once('@').unwrap().1.split_once('?').unwrap().0;
    let others = kolla.replacen(first, "127.0.0.1:1", 1);
    assert_eq!(read(&mut *reader(&others).unwrap(), "kolla").unwrap(), texts(&records));
    assert!(writer.delete(&"kolla".into()).unwrap());
}

#[test]
fn what_a_server_refuses_is_told_and_secrets_are_not() {
    let _guard = (share(&SERVER), share(&WATCHED), share(&CLUSTER));
    let (Some(redis), Some(sentinel), Some(cluster)) =
        (url("redis", "redis"), url("redis-sentinel", "sentinel"), url("redis-cluster", "cluster"))
    else {
        return;
    };
    let tls = url("redis", "tls").unwrap();
    let wrong_password = url("redis", "password").unwrap().replace("hush", "f0rgotten");
    for (connection, expected) in [
        (wrong_password.clone(), "WRONGPASS"),
        (wrong_password.replace("nova", "nobody"), "WRONGPASS"),
        (redis.replace("/0", "/99"), "check the number of the database"),
        (sentinel.replace("hush", "f0rgotten"), "WRONGPASS"),
        (sentinel.replace("default:hush@", ""), "NOAUTH"),
        (sentinel.replace("=kolla", "=nobody"), "knows no master `nobody`"),
        (tls.split('?').next().unwrap().to_owned(), "name its authority with `ca=PATH`"),
        (cluster.replace("://", "://nova:f0rgotten@"), "WRONGPASS"),
    ] {
        let said = drivers::refusal(&connection, "f0rgotten");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn connection_strings_that_make_no_sense_are_refused() {
    for (connection, expected) in [
        ("redis://h/traces", "the number of a database"),
        ("redis://h1,h2/0", "expected one host"),
        ("rediscluster://h/1", "no database but 0"),
        ("redis+unix://", "path of a socket"),
        ("redis://h?sentinel=a&sentinel_fallback=h2:x", "a port"),
        ("redis://h?expire=soon", "a number of seconds as `expire`"),
        ("redis://h?colour=red", "unknown option `colour`; there are `ca`, `cert`, `db`, `expire`"),
        ("rediss://h?ca=/nowhere.pem", "cannot use `/nowhere.pem`"),
    ] {
        let error = reader(connection).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionString, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_server_that_goes_away_and_comes_back_keeps_what_it_acknowledged() {
    let _guard = take(&SERVER);
    let Some(connection) = url("redis", "redis") else { return };
    drivers::outage(&connection, || services::stop("redis"), || services::start("redis"));
}

#[test]
fn a_cluster_that_goes_away_and_comes_back_keeps_what_it_acknowledged() {
    let _guard = take(&CLUSTER);
    let Some(connection) = url("redis-cluster", "cluster") else { return };
    let (stop, start) = (|| services::stop("redis-cluster"), || services::start("redis-cluster"));
    drivers::outage(&connection, stop, start);
}

#[test]
fn records_of_many_megabytes_are_written_together() {
    let _guard = share(&SERVER);
    let Some(connection) = database(14) else { return };
    let text = "x".repeat(5_000_000);
    let records: Vec<Record> = (0..8)
        .map(|at| Record { info: Info::new().with("text", &text), ..record("large", at) })
        .collect();
    writer(&connection).unwrap().write(&records).unwrap();
    let found = read(&mut *reader(&connection).unwrap(), "large").unwrap();
    assert!(found == texts(&records), "{} records", found.len());
    assert_eq!(list(&connection)[0].points, 8);
    cli(&connection, &["FLUSHDB"]);
}

#[test]
fn a_server_that_hangs_costs_one_timeout() {
    let _guard = take(&SERVER);
    let Some(connection) = database(2) else { return };
    let connection = format!("{connection}?timeout=0.3");
    let mut writer = writer(&connection).unwrap();
    let info = cli(&connection, &["INFO", "server"]);
    let process = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap();
    let signal = |name| Command::new("kill").args([name, process.trim()]).status().unwrap();
    let batch: Vec<Record> = (0..500).flat_map(|at| point(&at.to_string())).collect();
    signal("-STOP");
    let asked = Instant::now();
    let errors = [writer.write(&batch).unwrap_err(), reader(&connection).err().unwrap()];
    let took = asked.elapsed();
    signal("-CONT");
    for error in errors {
        assert!(error.is_retryable(), "{error}");
        assert!(error.to_string().contains("no answer within 0.3 s"), "{error}");
    }
    assert!(took < Duration::from_secs(3), "{took:?}");
    // The batch may have come through: it is the same batch again.
    writer.write(&batch).unwrap();
    let summaries = list(&connection);
    assert_eq!(summaries.len(), 500);
    assert!(summaries.iter().all(|summary| summary.points == 1));
}

#[test]
fn a_master_that_is_replaced_is_left_for_the_new_one() {
    let _guard = take(&WATCHED);
    let Some(connection) = url("redis-sentinel", "kolla") else { return };
    let sentinel = servers(&url("redis-sentinel", "sentinel").unwrap()).remove(0);
    let replicated = |server: &str| {
        let info = cli(server, &["INFO", "replication"]);
        let of = |name: &str| {
            let (_, rest) = info.split_once(name)?;
            rest.split([',', '\r', '\n']).next()
        };
        info.contains("state=online") && of("master_repl_offset:") == of(",offset=")
    };
    let old = master(&sentinel);
    cli(&old, &["FLUSHALL"]);
    let mut writer = writer(&connection).unwrap();
    let mut reader = reader(&connection).unwrap();
    writer.write(&point("first")).unwrap();

    // The master is made a replica: it takes no more records.
    wait_until("Sentinels begin", || cli(&sentinel, &["SENTINEL", "FAILOVER", "kolla"]) == "OK");
    let is_replica = || try_cli(&old, &["ROLE"]).is_ok_and(|role| role.starts_with("slave"));
    wait_until("the master is none", is_replica);
    let error = writer.write(&point("second")).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    wait_until("the writer has moved on", || writer.write(&point("second")).is_ok());

    // The master dies. What no replica has is lost with it: that is Redis.
    let new = master(&sentinel);
    wait_until("the replica has all", || replicated(&new));
    let _ = try_cli(&new, &["SHUTDOWN", "NOSAVE"]);
    let error = writer.write(&point("third")).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(!error.to_string().contains("hush"), "{error}");
    wait_until("the replica is the master", || writer.write(&point("third")).is_ok());
    // A connection of before is closed by then, or broken.
    let _ = read(&mut *reader, "first");
    for base_id in ["first", "second", "third"] {
        assert_eq!(read(&mut *reader, base_id).unwrap(), texts(&point(base_id)));
    }
    services::start("redis-sentinel");
}

/// Which server is the master.
fn master(sentinel: &str) -> String {
    let address = cli(sentinel, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "kolla"]);
    format!("redis://default:hush@{}", address.replace('\n', ":"))
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "it takes too long until {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_cluster_that_moves_a_slot_is_followed() {
    let _guard = take(&CLUSTER);
    let Some(connection) = url("redis-cluster", "cluster") else { return };
    let nodes = servers(&connection);
    let base_id = "moved";
    let mut early = writer(&connection).unwrap();
    let mut early_reader = reader(&connection).unwrap();
    early.delete(&base_id.into()).unwrap();
    let key = format!("osprofiler_opt:{base_id}");
    let slot = cli(&nodes[0], &["CLUSTER", "KEYSLOT", &key]);
    let owns = |node: &String| !cli(node, &["LLEN", &key]).starts_with("MOVED");
    let from = nodes.iter().position(owns).unwrap();
    let (to, third) = ((from + 1) % 3, (from + 2) % 3);
    let set = |node: usize, what: &str, other: usize| {
        let other = cli(&nodes[other], &["CLUSTER", "MYID"]);
        assert_eq!(cli(&nodes[node], &["CLUSTER", "SETSLOT", &slot, what, &other]), "OK");
    };
    let begin = |from: usize, to: usize| {
        set(to, "IMPORTING", from);
        set(from, "MIGRATING", to);
    };
    let end = |from: usize, to: usize| {
        // The new place first: by taking the slot it gets the last word.
        for node in [to, from, third] {
            set(node, "NODE", to);
        }
    };
    let records = point(base_id);
    // While it is being moved, what is new goes to the new place.
    begin(from, to);
    early.write(&records[..1]).unwrap();
    assert_eq!(cli(&nodes[from], &["CLUSTER", "COUNTKEYSINSLOT", &slot]), "0");
    assert_eq!(read(&mut *early_reader, base_id).unwrap(), texts(&records[..1]));
    end(from, to);
    early.write(&records[1..]).unwrap();
    assert_eq!(read(&mut *early_reader, base_id).unwrap(), texts(&records));
    let summary = early_reader.list(&ListQuery::default()).unwrap();
    let summary = summary.iter().find(|summary| summary.base_id == Id::from(base_id)).unwrap();
    assert_eq!((summary.points, summary.unfinished), (1, 0));
    assert!(early.delete(&base_id.into()).unwrap());
    begin(to, from);
    end(to, from);
}

#[test]
fn traces_of_the_python_library_are_shown_and_listed() {
    let _guard = share(&SERVER);
    let (Some(theirs), Some(ours)) = (database(3), database(4)) else { return };
    let interpreter = url("redis", "python").unwrap();
    let upstream = |connection: &str, command: &str, more: &[String]| {
        let mut arguments = vec![command, connection];
        arguments.extend(more.iter().map(String::as_str));
        python(&interpreter, &arguments)
    };
    let traces = TRACES.map(trace);
    let base_ids: Vec<String> = traces.iter().map(|trace| trace[0].base_id.to_string()).collect();
    let files = TRACES.map(trace_file);
    upstream(&theirs, "put", &files);
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
            assert_eq!(report_of(&found), expected, "our report of {base_id} in {connection}");
            assert_eq!(comparable(shown), expected, "their report of {base_id} in {connection}");
        }
    }
    assert_eq!(list(&theirs), list(&ours));
    assert_eq!(list(&ours).len(), TRACES.len());
    let listed: Value = serde_json::from_str(&upstream(&ours, "list", &[])).unwrap();
    assert_eq!(listed["all"].as_array().unwrap().len(), TRACES.len());
}

#[test]
fn a_trace_may_be_written_by_us_and_by_the_python_library() {
    let _guard = share(&SERVER);
    let Some(connection) = database(5) else { return };
    let interpreter = url("redis", "python").unwrap();
    python(&interpreter, &["trace", &connection, "both"]);
    let summary = &list(&connection)[0];
    assert_eq!((summary.points, summary.unfinished, summary.errors), (3, 0, 1));
    assert_eq!(summary.root.request.as_deref(), Some("POST /v2.1/servers"));
    let records = point("both");
    writer(&connection).unwrap().write(&records).unwrap();
    let summary = &list(&connection)[0];
    assert_eq!((summary.points, summary.unfinished, summary.errors), (4, 0, 1));
    let found = read(&mut *reader(&connection).unwrap(), "both").unwrap();
    assert_eq!(found.len(), 8);
    assert_eq!(found[6..], texts(&records));
    // What Python writes although it is not JSON is repaired.
    assert!(found.iter().any(|json| json.contains(r#""load": "NaN""#)), "{found:?}");
    let shown = python(&interpreter, &["show", &connection, "both"]);
    let shown: Vec<Value> = serde_json::from_str(&shown.replace("NaN", "\"NaN\"")).unwrap();
    assert_eq!(comparable(shown[0].clone()), report_of(&found));
}

#[test]
fn a_list_does_not_read_the_records_that_we_wrote() {
    let _guard = share(&SERVER);
    let Some(connection) = database(6) else { return };
    let mut writer = writer(&connection).unwrap();
    let batch = [point("a"), failed_point("b")].concat();
    writer.write(&batch).unwrap();
    let expected = list(&connection);
    assert_eq!(expected.len(), 2);
    for base_id in ["a", "b"] {
        cli(&connection, &["LSET", &format!("osprofiler_opt:{base_id}"), "0", "unreadable"]);
    }
    assert_eq!(list(&connection), expected);
    // Nor when a batch was written again, because its acknowledgement got lost.
    writer.write(&batch).unwrap();
    assert_eq!(list(&connection), expected);
    // One record of somebody else, and all are looked at.
    cli(&connection, &["LPUSH", "osprofiler_opt:a", "unreadable as well"]);
    let mut reader = reader(&connection).unwrap();
    assert_eq!(ids(&reader.list(&ListQuery::default()).unwrap()), ["a", "b"]);
    assert_eq!(reader.skipped(), 2);
}

#[test]
fn records_from_before_lists_are_read_listed_and_deleted() {
    let _guard = share(&SERVER);
    let Some(connection) = database(7) else { return };
    for base_id in ["old", "old*", "older"] {
        for (at, json) in texts(&point(base_id)).iter().enumerate().rev() {
            cli(&connection, &["SET", &format!("osprofiler:{base_id}_{at}"), json]);
        }
    }
    assert_eq!(ids(&list(&connection)), ["old", "old*", "older"]);
    let mut reader = reader(&connection).unwrap();
    for base_id in ["old", "old*", "older"] {
        assert_eq!(read(&mut *reader, base_id).unwrap(), texts(&point(base_id)));
    }
    let mut writer = writer(&connection).unwrap();
    assert!(writer.delete(&"old".into()).unwrap() && !writer.delete(&"old".into()).unwrap());
    assert_eq!(ids(&list(&connection)), ["old*", "older"]);
}

#[test]
fn keys_that_hold_something_else_hide_no_trace() {
    let _guard = share(&SERVER);
    let Some(connection) = database(8) else { return };
    writer(&connection).unwrap().write(&point("good")).unwrap();
    cli(&connection, &["SET", "osprofiler_opt:text", "x"]);
    cli(&connection, &["LPUSH", "osprofiler_opt:senseless", "x", "{}"]);
    cli(&connection, &["LPUSH", "osprofiler:list", "x"]);
    cli(&connection, &["SADD", "osprofiler_summary:good", "x"]);
    let mut reader = reader(&connection).unwrap();
    assert_eq!(ids(&reader.list(&ListQuery::default()).unwrap()), ["good"]);
    assert_eq!(reader.skipped(), 4);
    assert_eq!(read(&mut *reader, "good").unwrap().len(), 2);
    let error = writer(&connection).unwrap().write(&point("text")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
}

#[test]
fn traces_go_away_when_they_expire() {
    let _guard = share(&SERVER);
    let Some(connection) = database(9) else { return };
    let keys = ["opt", "summary", "error"].map(|name| format!("osprofiler_{name}:t"));
    let mut options = Options::default();
    options.filter_error_trace = true;
    let write = |expire: &str| {
        let connection = format!("{connection}{expire}").parse().unwrap();
        open_writer(&connection, &options).unwrap().write(&failed_point("t")).unwrap();
    };
    write("");
    for key in &keys {
        assert_eq!(cli(&connection, &["TTL", key]), "-1", "{key} stays");
    }
    write("?expire=100");
    for key in &keys {
        let left: i64 = cli(&connection, &["TTL", key]).parse().unwrap();
        assert!((90..=100).contains(&left), "{key}: {left}");
    }
    write("?expire=1");
    wait_until("they are gone", || cli(&connection, &["DBSIZE"]) == "0");
    assert_eq!(list(&connection), []);
}

#[test]
fn failed_traces_are_told_to_the_python_library() {
    let _guard = share(&SERVER);
    let Some(connection) = database(10) else { return };
    let mut options = Options::default();
    options.filter_error_trace = true;
    let mut writer = open_writer(&connection.parse().unwrap(), &options).unwrap();
    writer.write(&[point("fine"), failed_point("failed \"é\"")].concat()).unwrap();
    let interpreter = url("redis", "python").unwrap();
    let listed = python(&interpreter, &["list", &connection]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["failed"].as_array().unwrap().len(), 1);
    assert_eq!(listed["failed"][0]["base_id"], "failed \"é\"");
    assert_eq!(listed["failed"][0]["timestamp"], "2026-01-02T12:00:00.000700");
    assert!(writer.delete(&"failed \"é\"".into()).unwrap());
    assert!(writer.delete(&"fine".into()).unwrap());
    assert_eq!(cli(&connection, &["DBSIZE"]), "0");
}

#[test]
fn a_trace_of_many_pages_comes_back_in_order() {
    let _guard = share(&SERVER);
    let Some(connection) = database(11) else { return };
    let records: Vec<Record> = (0..4096 * 2 + 1).map(|at| record("long", at)).collect();
    let mut writer = writer(&connection).unwrap();
    let mut reader = reader(&connection).unwrap();
    let mut written = 0;
    for size in [4095, 1, 1, 4095, 1] {
        writer.write(&records[written..written + size]).unwrap();
        written += size;
        assert!(read(&mut *reader, "long").unwrap() == texts(&records[..written]), "{written}");
    }
}
