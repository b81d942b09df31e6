//! `ceilometer://`, against a real Panko behind a real Keystone; and all the way from the message bus
//! through Ceilometer's agent.

#![cfg(feature = "ceilometer")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use common::services::{self, url};
use common::upstream::{comparable, report_of, trace, trace_file};
use common::{read, reader, writer};
use osprofiler_drivers::{Error, ErrorKind, ListQuery, Writer};
use osprofiler_testkit::drivers;
use osprofiler_wire::{Id, Info, Origin, Phase, Record, Timestamp};
use serde_json::{Value, json};

/// Held by those who use the servers, and alone by those who stop them.
static SERVERS: RwLock<()> = RwLock::new(());
/// What former runs left is removed once.
static CLEARED: Once = Once::new();

fn share() -> RwLockReadGuard<'static, ()> {
    CLEARED.call_once(clear);
    SERVERS.read().unwrap_or_else(PoisonError::into_inner)
}

fn take() -> RwLockWriteGuard<'static, ()> {
    CLEARED.call_once(clear);
    SERVERS.write().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all events. The API has no list of traces: listing takes the longer the more there are.
fn clear() {
    if let Some(ingest) = told("ingest") {
        curl(&["--request", "DELETE", &ingest], "");
    }
}

fn told(name: &str) -> Option<String> {
    url("ceilometer", name)
}

/// Posts events as the agent's publisher does, to where it posts them.
struct Agent {
    url: String,
    /// Whether it stores raw events.
    stores_raw: bool,
}

impl Agent {
    fn new(stores_raw: bool) -> Option<Self> {
        Some(Self { url: told("ingest")?, stores_raw })
    }

    fn event(&self, record: &Record) -> Value {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let payload: Value = serde_json::from_str(&record.to_json()).unwrap();
        let message_id = format!("{}.{}", process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        json!({
            "message_id": format!("{message_id}.{}", record.trace_id).chars().take(50).collect::<String>(),
            "event_type": "profiler.api",
            "generated": Timestamp::from_micros(record.timestamp.as_micros() + 100).to_string(),
            "traits": traits(&payload),
            "raw": if self.stores_raw { json!({"payload": payload}) } else { json!({}) },
        })
    }
}

impl Writer for Agent {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        if !records.is_empty() {
            let events: Vec<Value> = records.iter().map(|record| self.event(record)).collect();
            post(&self.url, &serde_json::to_string(&events).unwrap());
        }
        Ok(())
    }

    fn delete(&mut self, _: &Id) -> Result<bool, Error> {
        unreachable!("the driver does not claim it")
    }
}

fn post(url: &str, body: &str) {
    curl(&["--data-binary", "@-", url], body);
}

fn curl(arguments: &[&str], body: &str) {
    let arguments = [&["--silent", "--show-error", "--fail"], arguments].concat();
    let mut curl = Command::new("curl").args(&arguments).stdin(Stdio::piped()).spawn().unwrap();
    curl.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    assert!(curl.wait().unwrap().success(), "{arguments:?}");
}

/// What the definitions of events that Ceilometer comes with leave of a record.
fn traits(payload: &Value) -> Vec<Value> {
    const STRING: u8 = 1;
    const DATETIME: u8 = 4;
    let of = |name: &str, kind: u8, pointer: &str| {
        let value = payload.pointer(pointer).filter(|value| !value.is_null())?;
        Some(json!([name, kind, cut(value)]))
    };
    let mut traits: Vec<Value> = ["project", "service", "name", "base_id", "trace_id", "parent_id"]
        .iter()
        .filter_map(|name| of(name, STRING, &format!("/{name}")))
        .collect();
    traits.extend(of("timestamp", DATETIME, "/timestamp"));
    traits.extend(of("host", STRING, "/info/host"));
    for name in ["path", "query", "method", "scheme"] {
        traits.extend(of(name, STRING, &format!("/info/request/{name}")));
    }
    for name in ["statement", "params"] {
        traits.extend(of(&format!("db.{name}"), STRING, &format!("/info/db/{name}")));
    }
    traits
}

/// Traits are texts of 255 characters at most.
fn cut(value: &Value) -> Value {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().take(255).collect::<String>().into()
}

fn fresh_id() -> Id {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Id::from_random((now.as_nanos() << 32) ^ u128::from(MADE.fetch_add(1, Ordering::Relaxed)))
}

fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(now.as_micros().try_into().unwrap())
}

/// Start and stop of a request.
fn point(base_id: &Id, at: Timestamp, micros: i64) -> Vec<Record> {
    let start = Record {
        name: "wsgi".into(),
        phase: Phase::Start,
        base_id: base_id.clone(),
        parent_id: base_id.clone(),
        trace_id: fresh_id(),
        timestamp: at,
        info: Info::new()
            .with_info("request", Info::new().with("method", "GET").with("path", "/v3")),
        origin: std::sync::Arc::new(Origin {
            project: Some("keystone".into()),
            service: Some("public".into()),
            host: "ctl1".into(),
        }),
        source: None,
    };
    let at = Timestamp::from_micros(at.as_micros() + micros);
    let stop = Record { phase: Phase::Stop, timestamp: at, info: Info::new(), ..start.clone() };
    vec![start, stop]
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(Record::to_json).collect()
}

/// The connection string with more options.
fn with(connection: &str, options: &str) -> String {
    format!("{connection}&{options}")
}

/// A connection string with a token, so that nobody has to log in.
fn token() -> String {
    let keystone = told("keystone").unwrap();
    let body = json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": "admin", "domain": {"id": "default"}, "password": "hush",
        }}},
        "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
    }});
    let arguments =
        ["--silent", "--include", "--json", &body.to_string(), &format!("{keystone}/auth/tokens")];
    let answer = Command::new("curl").args(arguments).output().unwrap().stdout;
    let answer = String::from_utf8(answer).unwrap();
    let header = answer.lines().find(|line| line.to_lowercase().starts_with("x-subject-token:"));
    header.unwrap().split_once(": ").unwrap().1.trim().to_owned()
}

/// The connection string without credentials.
fn open_place() -> Option<String> {
    let connection = told("panko")?;
    let place = connection.split_once('@').unwrap().1.split_once('?').unwrap().0.to_owned();
    Some(format!("ceilometer://{place}"))
}

#[test]
fn panko_passes_the_suite() {
    let _guard = take();
    let Some(place) = open_place() else { return };
    clear();
    let connection = format!("{place}?token={}", token());
    let outcome = drivers::run_reader(&connection, &|| Box::new(Agent::new(true).unwrap()));
    clear();
    let impossible = ["delete", "odd_ids", "look_alike"];
    for case in outcome.skipped {
        assert!(impossible.iter().any(|word| case.contains(word)), "{case} is skipped");
    }
}

#[test]
fn nothing_can_be_written() {
    let error = writer("ceilometer://panko:8977/?token=hush").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let said = error.to_string();
    assert!(said.contains("write to `messaging://` instead") && !said.contains("hush"), "{said}");
}

#[test]
fn pages_of_any_size_make_a_whole_trace() {
    let _guard = share();
    let (Some(connection), Some(mut agent)) = (told("panko"), Agent::new(true)) else { return };
    let base_id = fresh_id();
    // All of one instant: the end of a page is nowhere between two.
    let records: Vec<Record> = (0..25).flat_map(|_| point(&base_id, now(), 0)).collect();
    agent.write(&records).unwrap();
    for page in [7, 50, 51] {
        let mut reader = reader(&with(&connection, &format!("page={page}"))).unwrap();
        assert_eq!(read(&mut *reader, &base_id.to_string()).unwrap().len(), 50, "page={page}");
    }
}

#[test]
fn without_raw_events_a_trace_is_still_useful() {
    let _guard = share();
    let (Some(connection), Some(mut agent)) = (told("panko"), Agent::new(false)) else { return };
    let records = trace("image-list");
    let fresh = fresh_id();
    let records: Vec<Record> = records
        .into_iter()
        .map(|record| Record {
            parent_id: if record.parent_id == record.base_id {
                fresh.clone()
            } else {
                record.parent_id
            },
            base_id: fresh.clone(),
            source: None,
            ..record
        })
        .collect();
    agent.write(&records).unwrap();
    let mut reader = reader(&connection).unwrap();
    let found = read(&mut *reader, &fresh.to_string()).unwrap();
    let (found, expected) = (report_of(&found), report_of(&texts(&records)));
    assert_eq!(found["stats"], expected["stats"]);
    let bare = |mut report: Value| {
        leave_traits(&mut report);
        report
    };
    assert_eq!(bare(found), bare(expected));
}

/// Leaves what traits have of a record.
fn leave_traits(node: &mut Value) {
    let info = node["info"].as_object_mut().unwrap();
    info.remove("exception");
    for (key, record) in info.iter_mut().filter(|(key, _)| key.starts_with("meta.raw_payload")) {
        let info = record["info"].as_object_mut().unwrap_or_else(|| panic!("{key} has an info"));
        info.retain(|key, _| ["host", "request", "db"].contains(&key.as_str()));
        if let Some(db) = info.get_mut("db").and_then(Value::as_object_mut) {
            db.retain(|_, value| !value.is_null());
            db.values_mut().for_each(|value| *value = cut(value));
        }
    }
    node["children"].as_array_mut().unwrap().iter_mut().for_each(leave_traits);
}

#[test]
fn a_list_asks_for_no_more_than_it_needs_and_is_right() {
    let _guard = share();
    let (Some(connection), Some(mut agent)) = (told("panko"), Agent::new(true)) else { return };
    // Newer than all that other tests write.
    let year = 365 * 86_400_000_000;
    let start = Timestamp::from_micros(now().as_micros() + year);
    let later = |micros: i64| Timestamp::from_micros(start.as_micros() + micros);
    let ids: Vec<Id> = (0..6).map(|_| fresh_id()).collect();
    // The first lasts longer than all others: it is in the newest events, but is the oldest.
    agent.write(&point(&ids[0], start, 10_000_000)).unwrap();
    for (at, base_id) in (1..).zip(&ids[1..]) {
        for nested in 0..5 {
            agent.write(&point(base_id, later(at * 1_000_000 + nested), 100)).unwrap();
        }
    }
    let list = |query: &ListQuery| -> Vec<(Id, i64)> {
        let mut reader = reader(&with(&connection, "page=4")).unwrap();
        let found = reader.list(query).unwrap();
        found.into_iter().map(|trace| (trace.base_id, trace.duration_us)).collect()
    };
    let mut query = ListQuery::default();
    query.limit = Some(3);
    let newest: Vec<(Id, i64)> = ids[3..].iter().rev().map(|id| (id.clone(), 104)).collect();
    assert_eq!(list(&query), newest);
    query.limit = None;
    query.since = Some(later(4_000_000));
    assert_eq!(list(&query), newest[..2], "of the first only the end is that new");
    query.since = Some(start);
    query.min_duration_us = Some(105);
    assert_eq!(list(&query), [(ids[0].clone(), 10_000_000)]);
}

#[test]
fn a_token_a_password_and_an_application_credential_are_let_in() {
    let _guard = share();
    let (Some(by_password), Some(mut agent)) = (told("panko"), Agent::new(true)) else { return };
    let (place, keystone) = (open_place().unwrap(), told("keystone").unwrap());
    let credential = told("credential").unwrap();
    let (id, secret) = credential.split_once(' ').unwrap();
    let base_id = fresh_id();
    agent.write(&point(&base_id, now(), 1)).unwrap();
    for connection in [
        by_password,
        format!("{place}?token={}", token()),
        format!(
            "{place}?auth_url={keystone}&application_credential_id={id}&application_credential_secret={secret}"
        ),
    ] {
        let mut reader = reader(&connection).unwrap();
        assert_eq!(read(&mut *reader, &base_id.to_string()).unwrap().len(), 2);
    }
}

/// Runs a test of this file, which is ignored otherwise, in a process with an environment of its own.
fn in_environment(test: &str, variables: &[(&str, &str)]) {
    let mut run = Command::new(env::current_exe().unwrap());
    run.args([test, "--exact", "--ignored"]).envs(variables.iter().copied());
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{variables:?}: {said}");
}

#[test]
fn the_environment_of_openstack_clients_is_enough() {
    let _guard = share();
    let (Some(keystone), Some(mut agent)) = (told("keystone"), Agent::new(true)) else { return };
    let base_id = fresh_id();
    agent.write(&point(&base_id, now(), 1)).unwrap();
    let (base_id, token) = (base_id.to_string(), token());
    let common = [
        ("OS_AUTH_URL", keystone.as_str()),
        ("OS_REGION_NAME", "RegionOne"),
        ("TEST_BASE_ID", &base_id),
    ];
    let password = [
        ("OS_USERNAME", "admin"),
        ("OS_PASSWORD", "hush"),
        ("OS_PROJECT_NAME", "admin"),
        ("OS_USER_DOMAIN_NAME", "Default"),
        ("OS_PROJECT_DOMAIN_NAME", "Default"),
    ];
    let token = [("OS_TOKEN", token.as_str())];
    for login in [&password[..], &token] {
        in_environment("reads_by_its_environment", &[&common[..], login].concat());
    }
}

#[test]
#[ignore = "run by `the_environment_of_openstack_clients_is_enough`"]
fn reads_by_its_environment() {
    let mut reader = reader("ceilometer://").unwrap();
    assert_eq!(read(&mut *reader, &env::var("TEST_BASE_ID").unwrap()).unwrap().len(), 2);
}

#[test]
fn an_api_that_the_catalogue_does_not_have_is_an_error() {
    let _guard = share();
    let Some(keystone) = told("keystone") else { return };
    let elsewhere = format!("ceilometer://admin:hush@/?auth_url={keystone}&project=admin");
    let said = drivers::refusal(&with(&elsewhere, "region=Moon"), "hush");
    assert!(said.contains("no service of type `event` or `metering`"), "{said}");
    assert!(said.contains("region `Moon`"), "{said}");
    let error = reader(&with(&elsewhere, "region=RegionTwo")).unwrap();
    let error = { error }.list(&ListQuery::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "there is a place, but nobody: {error}");
}

#[test]
fn who_is_not_let_in_is_told_so() {
    let _guard = share();
    let Some(connection) = told("panko") else { return };
    let said = drivers::refusal(&connection.replace(":hush@", ":wrong-secret@"), "wrong-secret");
    assert!(said.contains("cannot log in at") && said.contains("HTTP 401"), "{said}");
    let place = open_place().unwrap();
    let said = drivers::refusal(&format!("{place}?token=wrong-secret"), "wrong-secret");
    assert!(said.contains("cannot read events from") && said.contains("HTTP 401"), "{said}");
    let said = drivers::refusal(&place, "hush");
    assert!(said.contains("HTTP 401"), "{said}");
    let said = drivers::refusal(&with(&connection, "project=nowhere"), "hush");
    assert!(said.contains("HTTP 401"), "{said}");
}

#[test]
fn a_server_of_another_kind_is_noticed() {
    let _guard = share();
    let Some(keystone) = told("keystone") else { return };
    let place = keystone.strip_prefix("http://").unwrap();
    let said = drivers::refusal(&format!("ceilometer://{place}?token=hush"), "hush");
    assert!(said.contains("HTTP 404"), "{said}");
}

#[test]
fn tls_is_verified_unless_told_otherwise() {
    let _guard = share();
    let (Some(connection), Some(mut agent)) = (told("tls"), Agent::new(true)) else { return };
    let base_id = fresh_id();
    agent.write(&point(&base_id, now(), 1)).unwrap();
    let (without_ca, _) = connection.split_once("&ca=").unwrap();
    for trusting in [connection.clone(), with(without_ca, "insecure=true")] {
        let mut reader = reader(&trusting).unwrap();
        assert_eq!(read(&mut *reader, &base_id.to_string()).unwrap().len(), 2);
    }
    let error = read(&mut *reader(without_ca).unwrap(), "b").unwrap_err();
    assert!(!error.to_string().contains("hush"), "{error}");
    let mut cause = std::error::Error::source(&error);
    let mut causes = String::new();
    while let Some(error) = cause {
        causes.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(causes.contains("certificate"), "{causes}");
}

#[test]
fn a_reader_survives_an_outage() {
    let _guard = take();
    let (Some(connection), Some(mut agent)) = (told("panko"), Agent::new(true)) else { return };
    let base_id = fresh_id();
    agent.write(&point(&base_id, now(), 1)).unwrap();
    let mut early = reader(&connection).unwrap();
    services::stop("ceilometer");
    let asked = Instant::now();
    let error = read(&mut *early, &base_id.to_string()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let error = reader(&connection).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(asked.elapsed() < Duration::from_secs(20));
    services::start("ceilometer");
    assert_eq!(read(&mut *early, &base_id.to_string()).unwrap().len(), 2);
}

#[test]
fn events_of_other_projects_are_found_on_request() {
    let _guard = share();
    let (Some(connection), Some(agent)) = (told("panko"), Agent::new(true)) else { return };
    let base_id = fresh_id();
    let mut event = agent.event(&point(&base_id, now(), 1)[0]);
    event["traits"].as_array_mut().unwrap().push(json!(["project_id", 1, "theirs"]));
    post(&agent.url, &json!([event]).to_string());
    for (options, expected) in [("page=9", 0), ("all_tenants=true", 1)] {
        let mut reader = reader(&with(&connection, options)).unwrap();
        assert_eq!(read(&mut *reader, &base_id.to_string()).unwrap().len(), expected);
    }
}

/// Answers requests as releases do that cannot be had any more; the first line and the body of a
/// request give status and body. Not a real server, hence little is tested with it.
fn old_server(answer: impl Fn(&str, &str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut first, mut length) = (String::new(), 0);
            stream.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let (status, text) = answer(&first, &String::from_utf8(body).unwrap());
            let head = format!("HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Length: ");
            let text = format!("{head}{}\r\n\r\n{text}", text.len());
            stream.get_mut().write_all(text.as_bytes()).unwrap();
        }
    });
    format!("ceilometer://{address}?token=t")
}

#[test]
fn a_server_without_pages_is_asked_for_all_events_at_once() {
    let event = |base_id: &str| {
        let payload = json!({
            "name": "db-start", "base_id": base_id, "trace_id": "t", "parent_id": base_id,
            "timestamp": "2015-08-01T12:00:00.000000", "info": {}, "project": null, "service": null,
        });
        json!([{
            "message_id": "m", "generated": "2015-08-01T12:00:00", "traits": [],
            "raw": {"payload": payload},
        }])
    };
    let strict = |unknown: &str, first: &str, answer: Value| {
        let refusal = || json!({"error_message": {"faultstring": "Unknown argument"}}).to_string();
        if first.contains(unknown) { (400, refusal()) } else { (200, answer.to_string()) }
    };
    // Ceilometer 5 and 4.
    let with_limit = old_server(move |first, _| strict("sort=", first, event("b")));
    let without = old_server(move |first, _| strict("limit=", first, event("b")));
    for connection in [with_limit, without] {
        let mut reader = reader(&connection).unwrap();
        assert_eq!(read(&mut *reader, "b").unwrap().len(), 1);
        let mut query = ListQuery::default();
        query.limit = Some(1);
        assert_eq!(reader.list(&query).unwrap().len(), 1);
    }
}

#[test]
fn a_server_that_kept_samples_is_asked_for_them() {
    let connection = old_server(|first, body| {
        if !first.starts_with("POST /v2/query/samples ") {
            return (404, String::new());
        }
        let body: Value = serde_json::from_str(body).unwrap();
        let filter: Value = serde_json::from_str(body["filter"].as_str().unwrap()).unwrap();
        let sample = json!({
            "timestamp": "2014-08-01T12:00:00", "resource_id": "profiler-b",
            "metadata": {
                "name": "db-start", "base_id": "b", "trace_id": "t", "parent_id": "b",
                "host": "api.ctl1", "event_type": "profiler.api", "info.host": "ctl1",
                "info.db:statement": "SELECT 1",
            },
        });
        let is_ours = filter == json!({"=": {"resource_id": "profiler-b"}});
        (200, if is_ours { json!([sample]) } else { json!([]) }.to_string())
    });
    let mut reader = reader(&connection).unwrap();
    let found = read(&mut *reader, "b").unwrap();
    let record: Value = serde_json::from_str(&found[0]).unwrap();
    assert_eq!(record["info"], json!({"host": "ctl1", "db": {"statement": "SELECT 1"}}));
    assert_eq!(read(&mut *reader, "other").unwrap().len(), 0);
    assert_eq!(reader.list(&ListQuery::default()).unwrap_err().kind(), ErrorKind::NotFound);
}

/// Runs `ceilometer.py`; gives what it prints.
fn python(interpreter: &str, arguments: &[&str]) -> String {
    let program = format!("{}/tests/common/ceilometer.py", env!("CARGO_MANIFEST_DIR"));
    let run = Command::new(interpreter).arg(program).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn what_services_send_over_the_bus_is_shown_by_us_and_by_the_python_library() {
    let _guard = share();
    let Some(connection) = told("panko") else { return };
    let bus = told("bus").unwrap();
    let (today, legacy) = (told("python-today").unwrap(), told("python").unwrap());
    // Of a trace that was not sent before.
    let base_id = fresh_id().to_string();
    let text = fs::read_to_string(trace_file("token-issue")).unwrap();
    let text = text.replace(&trace("token-issue")[0].base_id.to_string(), &base_id);
    let sent: Vec<String> = text.lines().map(str::to_owned).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, &text).unwrap();
    python(&today, &["put", &bus, file.path().to_str().unwrap()]);
    let mut reader = reader(&connection).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let found = loop {
        let found = read(&mut *reader, &base_id).unwrap();
        if found.len() >= sent.len() || Instant::now() > deadline {
            break found;
        }
        thread::sleep(Duration::from_millis(200));
    };
    let expected = report_of(&sent);
    assert_eq!(report_of(&found), expected, "{} of {} records", found.len(), sent.len());
    let keystone = told("keystone").unwrap();
    let shown: Vec<Value> =
        serde_json::from_str(&python(&legacy, &["show", &keystone, &base_id])).unwrap();
    assert_eq!(comparable(shown[0].clone()), expected);
}
