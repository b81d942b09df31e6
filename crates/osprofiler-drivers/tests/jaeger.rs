//! `jaeger://`: what is written is read back, from a real Jaeger, whoever wrote it.

#![cfg(feature = "jaeger")]

mod common;

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::services::{self, url};
use common::upstream::{TRACES, python, report_of, trace, trace_file};
use common::{read, reader, record, writer};
use osprofiler_drivers::{ErrorKind, ListQuery, Reader};
use osprofiler_testkit::drivers;
use osprofiler_wire::{Id, Origin, Phase, Record, Timestamp};
use serde_json::{Value, json};

/// Held by those who stop the one on disk.
static ON_DISK: Mutex<()> = Mutex::new(());

/// The connection string of the suite: what waits for its other half does not wait long, and lists go
/// back to the fixed dates of the suite.
fn jaeger(service: &str) -> Option<String> {
    Some(format!("{}&wait=1&lookback=1e9", url(service, "jaeger")?))
}

/// The records of a trace once there are so many.
fn records(reader: &mut dyn Reader, base_id: &str, expected: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let found = read(reader, base_id).unwrap();
        if found.len() >= expected || Instant::now() > deadline {
            assert_eq!(found.len(), expected, "{found:?}");
            return found.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A UUID that no other test uses.
fn fresh_id() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Id::from_random(now.as_nanos() << 32).to_string()
}

#[test]
fn jaeger_passes_the_suite() {
    let Some(jaeger) = jaeger("jaeger") else { return };
    let outcome = drivers::run(&jaeger);
    let deletes = |case: &&&str| case.contains("deleted");
    assert_eq!(outcome.skipped.iter().filter(|case| !deletes(case)).count(), 0, "{outcome:?}");
}

#[test]
fn an_outage_loses_nothing_that_was_acknowledged() {
    let _guard = ON_DISK.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(jaeger) = jaeger("jaeger-badger") else { return };
    drivers::outage(
        &jaeger,
        || services::stop("jaeger-badger"),
        || services::start("jaeger-badger"),
    );
}

#[test]
fn a_start_outlives_the_writer_that_failed_to_bring_its_stop() {
    let _guard = ON_DISK.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(connection) = url("jaeger-badger", "jaeger") else { return };
    let base_id = fresh_id();
    let start = record(&base_id, 0);
    let stop = Record {
        phase: Phase::Stop,
        timestamp: Timestamp::from_micros(start.timestamp.as_micros() + 5),
        ..start.clone()
    };
    let mut early = writer(&connection).unwrap();
    early.write(std::slice::from_ref(&start)).unwrap();
    services::stop("jaeger-badger");
    let error = early.write(std::slice::from_ref(&stop)).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    drop(early);
    services::start("jaeger-badger");
    writer(&connection).unwrap().write(std::slice::from_ref(&stop)).unwrap();
    let found = records(&mut *reader(&connection).unwrap(), &base_id, 2);
    let json = |record: &Record| -> Value { serde_json::from_str(&record.to_json()).unwrap() };
    assert_eq!(found, [json(&start), json(&stop)]);
}

#[test]
fn real_traces_come_back_as_they_were() {
    let Some(jaeger) = jaeger("jaeger") else { return };
    let mut writer = writer(&jaeger).unwrap();
    let traces = TRACES.map(trace);
    traces
        .iter()
        .flat_map(|trace| trace.chunks(100))
        .for_each(|batch| writer.write(batch).unwrap());
    drop(writer);
    let mut reader = reader(&jaeger).unwrap();
    for trace in &traces {
        let base_id = trace[0].base_id.to_string();
        records(&mut *reader, &base_id, trace.len());
        let found = read(&mut *reader, &base_id).unwrap();
        let texts: Vec<String> = trace.iter().map(Record::to_json).collect();
        assert_eq!(report_of(&found), report_of(&texts), "{base_id}");
    }
}

#[test]
fn what_the_python_library_exports_is_shown() {
    let (Some(http), Some(jaeger)) = (url("jaeger", "http"), url("jaeger", "jaeger")) else {
        return;
    };
    let interpreter = url("jaeger", "python").unwrap();
    let base_id = fresh_id();
    python(&interpreter, &["trace", &http, &base_id]);
    let mut reader = reader(&jaeger).unwrap();
    let found = records(&mut *reader, &base_id, 6);
    let one = |name: &str| found.iter().find(|record| record["name"] == name).unwrap();
    let (request, sql, failed) = (one("wsgi-start"), one("db-start"), one("rpc-stop"));
    assert_eq!((&request["project"], &request["service"]), (&json!("nova"), &json!("api")));
    assert_eq!(request["parent_id"], json!(base_id));
    let told = &request["info"]["request"];
    assert_eq!(
        *told,
        json!({"method": "POST", "path": "/v2.1/servers", "query": "", "scheme": "http"})
    );
    assert_eq!(sql["parent_id"], request["trace_id"]);
    assert_eq!(sql["info"]["db"], json!({"statement": "SELECT 'é密🔑'", "params": "{}"}));
    assert_eq!(failed["parent_id"], request["trace_id"]);
    assert_eq!(
        (&failed["info"]["etype"], &failed["info"]["message"]),
        (&json!("KeyError"), &json!("x"))
    );
    let mut query = ListQuery::default();
    (query.service, query.limit) = (Some("api".into()), Some(5));
    (query.errors_only, query.name) = (true, Some("wsgi".into()));
    let listed = reader.list(&query).unwrap();
    let summary = listed.iter().find(|summary| summary.base_id.to_string() == base_id).unwrap();
    assert_eq!((summary.points, summary.errors), (3, 1));
    assert_eq!(summary.root.request.as_deref(), Some("POST /v2.1/servers"));
}

#[test]
fn real_traces_exported_by_the_python_library_have_their_points() {
    let (Some(http), Some(jaeger)) = (url("jaeger", "http"), url("jaeger", "jaeger")) else {
        return;
    };
    let interpreter = url("jaeger", "python").unwrap();
    // Another trace than the one that we write ourselves.
    let folder = tempfile::tempdir().unwrap();
    let (name, base_id) = ("image-list", fresh_id());
    let own = trace(name)[0].base_id.to_string();
    let file = folder.path().join("records.jsonl");
    fs::write(&file, fs::read_to_string(trace_file(name)).unwrap().replace(&own, &base_id))
        .unwrap();
    python(&interpreter, &["put", &http, file.to_str().unwrap()]);
    let expected: Vec<Value> = fs::read_to_string(&file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|record: &Value| record["name"].as_str().unwrap().ends_with("-start"))
        .collect();
    let found = records(&mut *reader(&jaeger).unwrap(), &base_id, 2 * expected.len());
    // Of a UUID the library sends the lower half.
    let half = |id: &Value| {
        let digits = id.as_str().unwrap().replace('-', "");
        digits[digits.len() - 16..].to_owned()
    };
    let known = |record: &Value| {
        let mut told = record["info"].clone();
        told.as_object_mut()
            .unwrap()
            .retain(|key, _| ["request", "requests", "db"].contains(&key.as_str()));
        let is_root = record["parent_id"] == base_id.as_str();
        let parent = (!is_root).then(|| half(&record["parent_id"]));
        (half(&record["trace_id"]), parent, told.to_string())
    };
    let sorted = |records: &[Value]| {
        let mut known: Vec<_> = records.iter().map(known).collect();
        known.sort();
        known
    };
    let starts: Vec<Value> = found
        .into_iter()
        .filter(|record| record["name"].as_str().unwrap().ends_with("-start"))
        .collect();
    assert_eq!(sorted(&starts), sorted(&expected));
}

/// Two services with OpenTelemetry's own library: a server span in one trace with a point of ours, a
/// call below it, and SQL that fails.
const OTHER_SERVICE: &str = r#"
import sys
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

url, base_id, parent = sys.argv[1:]
provider = TracerProvider(resource=Resource({"service.name": "shop", "host.name": "web1"}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(url + "/v1/traces")))
tracer = provider.get_tracer("shop.tracing")
short = lambda id: int(id.replace("-", "")[-16:], 16)
above = SpanContext(int(base_id.replace("-", ""), 16), short(parent), True, TraceFlags(1))
context = trace.set_span_in_context(trace.NonRecordingSpan(above))
request = {"http.request.method": "GET", "url.path": "/cart", "url.scheme": "https", "user.id": 7}
with tracer.start_as_current_span("GET /cart", context, SpanKind.SERVER, request) as served:
    served.add_event("cache miss", {"key": "cart:7"})
    served.set_attribute("http.response.status_code", 200)
    call = {"http.request.method": "POST", "server.address": "pay", "server.port": 443, "url.scheme": "https"}
    with tracer.start_as_current_span("POST", kind=SpanKind.CLIENT, attributes=call):
        pass
    try:
        with tracer.start_as_current_span("SELECT", attributes={"db.query.text": "SELECT 1"}):
            raise KeyError("x")
    except KeyError:
        pass
"#;

#[test]
fn spans_of_other_services_are_points_of_the_same_trace() {
    let (Some(http), Some(jaeger)) = (url("jaeger", "http"), url("jaeger", "jaeger")) else {
        return;
    };
    let interpreter = url("jaeger", "python").unwrap();
    let (base_id, own) = (fresh_id(), fresh_id());
    let start = Record { trace_id: own.as_str().into(), ..record(&base_id, 0) };
    let stop = Record { phase: Phase::Stop, ..start.clone() };
    writer(&jaeger).unwrap().write(&[start, stop]).unwrap();
    let ran = Command::new(interpreter)
        .args(["-c", OTHER_SERVICE, &http.replace("otlp://", "http://"), &base_id, &own])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let found = records(&mut *reader(&jaeger).unwrap(), &base_id, 8);
    let one = |name: &str| found.iter().find(|record| record["name"] == name).unwrap();
    let (request, answer) = (one("GET /cart-start"), one("GET /cart-stop"));
    assert_eq!(request["parent_id"], own.as_str());
    assert_eq!((&request["service"], &request["info"]["host"]), (&json!("shop"), &json!("web1")));
    let told = &request["info"]["request"];
    assert_eq!(*told, json!({"method": "GET", "path": "/cart", "scheme": "https"}));
    assert_eq!(request["info"]["attributes"]["user.id"], 7);
    assert_eq!(answer["info"]["response"], json!({"status_code": 200}));
    assert_eq!(answer["info"]["events"][0]["event"], "cache miss");
    assert_eq!(answer["info"]["events"][0]["key"], "cart:7");
    assert_eq!(answer["info"]["etype"], Value::Null);
    let call = one("POST-start");
    assert_eq!(call["parent_id"], request["trace_id"]);
    assert_eq!(call["info"]["requests"]["hostname"], "pay");
    let sql = one("SELECT-stop");
    assert_eq!(
        (&sql["info"]["etype"], &sql["info"]["message"]),
        (&json!("KeyError"), &json!("'x'"))
    );
    assert_eq!(one("SELECT-start")["info"]["db"], json!({"statement": "SELECT 1"}));
}

#[test]
fn lists_find_more_traces_than_an_answer_holds() {
    // Not among those of the suite, which lists all of them again and again.
    let _guard = ON_DISK.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(jaeger) = jaeger("jaeger-badger") else { return };
    let project = format!("many-{}", fresh_id());
    let ids: Vec<String> = (0..2300).map(|_| fresh_id()).collect();
    let records = (0..).zip(&ids).flat_map(|(at, base_id)| {
        // Many of them at the same instant.
        let mut start = record(base_id, (at / 1200) * 1_000_000);
        start.origin =
            Arc::new(Origin { project: Some(project.as_str().into()), ..Origin::default() });
        [start.clone(), Record { phase: Phase::Stop, ..start }]
    });
    writer(&jaeger).unwrap().write(&records.collect::<Vec<_>>()).unwrap();
    let mut reader = reader(&jaeger).unwrap();
    let mut query = ListQuery::default();
    query.project = Some(project);
    let deadline = Instant::now() + Duration::from_secs(15);
    let all = loop {
        let all = reader.list(&query).unwrap();
        if all.len() == ids.len() || Instant::now() > deadline {
            break all;
        }
    };
    assert_eq!(all.len(), ids.len());
    query.limit = Some(400);
    let some = reader.list(&query).unwrap();
    assert_eq!(some, all[..400]);
}

#[test]
fn ids_in_other_forms_find_the_spans_of_others() {
    let (Some(http), Some(jaeger)) = (url("jaeger", "http"), url("jaeger", "jaeger")) else {
        return;
    };
    let interpreter = url("jaeger", "python").unwrap();
    let upper = fresh_id().to_uppercase();
    python(&interpreter, &["trace", &http, &upper]);
    let found = records(&mut *reader(&jaeger).unwrap(), &upper, 6);
    assert!(found.iter().all(|record| record["base_id"] == upper.as_str()));
}

#[test]
fn a_server_that_is_no_jaeger_is_named() {
    // What takes OTLP knows no traces.
    let Some(http) = url("jaeger", "http") else { return };
    let mut reader = reader(&http.replace("otlp://", "jaeger://")).unwrap();
    let error = read(&mut *reader, &fresh_id()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("HTTP 404"), "{error}");
}
