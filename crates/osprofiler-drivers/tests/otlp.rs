//! `otlp://` and its kin: what a real Jaeger shows of the spans, and what receivers may answer.

#![cfg(feature = "jaeger")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::services::url;
use common::{read, reader, writer};
use osprofiler_drivers::{ErrorKind, ListQuery, Options, open_writer};
use osprofiler_testkit::drivers;
use osprofiler_wire::{Id, Info, Origin, Phase, Record, Timestamp};
use serde_json::Value;

const NOON: i64 = 1_767_355_200_000_000;

/// An id that no other test uses.
fn fresh_id() -> Id {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Id::from_random(now.as_nanos() << 32 ^ u128::from(std::process::id()))
}

fn record(base_id: &Id, parent_id: &Id, trace_id: &Id, phase: Phase, at: i64) -> Record {
    Record {
        name: "l3-agent-start".into(),
        phase,
        base_id: base_id.clone(),
        parent_id: parent_id.clone(),
        trace_id: trace_id.clone(),
        timestamp: Timestamp::from_micros(NOON + at),
        info: Info::new(),
        origin: Arc::new(Origin {
            project: Some("nova".into()),
            service: Some("api".into()),
            host: "ctl1".into(),
        }),
        source: None,
    }
}

/// Start and stop of a point below another one.
fn point(base_id: &Id, parent_id: &Id, start: Info, stop: Info, at: i64) -> [Record; 2] {
    let trace_id = fresh_id();
    let record =
        |phase, info, at| Record { info, ..record(base_id, parent_id, &trace_id, phase, at) };
    [record(Phase::Start, start, at), record(Phase::Stop, stop, at + 7)]
}

fn dictionary(key: &str, fields: &[(&str, &str)]) -> Info {
    let fields = fields.iter().fold(Info::new(), |info, (key, value)| info.with(key, value));
    Info::new().with_info(key, fields)
}

/// What Jaeger shows of a trace, by the names of the points, once there are so many spans.
fn spans(base_id: &Id, expected: usize) -> Vec<Value> {
    let query = url("jaeger", "jaeger").unwrap();
    let place = query.strip_prefix("jaeger://").unwrap().split('?').next().unwrap();
    let id = base_id.to_string().replace('-', "");
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let asked = Command::new("curl")
            .args(["--silent", &format!("http://{place}/api/traces/{id}?raw=true")])
            .output()
            .unwrap();
        let answer: Value = serde_json::from_slice(&asked.stdout).unwrap();
        let spans = answer["data"][0]["spans"].as_array().cloned().unwrap_or_default();
        if spans.len() >= expected || Instant::now() > deadline {
            assert_eq!(spans.len(), expected, "{answer}");
            return spans;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn tag<'a>(tags: &'a Value, key: &str) -> &'a Value {
    let found = tags.as_array().unwrap().iter().find(|tag| tag["key"] == key);
    found.map_or(&Value::Null, |tag| &tag["value"])
}

/// A request that runs SQL, calls another service, and fails in a function.
fn request(base_id: &Id) -> Vec<Record> {
    let path = "/v2.1/servers/7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c/os-interface/42";
    let served = dictionary(
        "request",
        &[("method", "PUT"), ("path", path), ("query", "a=1"), ("scheme", "http")],
    );
    let answered = Info::new().with_info("response", Info::new().with("status_code", &503));
    let [mut start, mut stop] = point(base_id, base_id, served, answered, 0);
    (start.name, stop.name) = ("wsgi".into(), "wsgi".into());
    stop.timestamp = Timestamp::from_micros(NOON + 900);
    let own = start.trace_id.clone();
    let sql = dictionary("db", &[("statement", "(select 1"), ("params", "{}")]);
    let call = dictionary(
        "requests",
        &[
            ("method", "GET"),
            ("hostname", "glance"),
            ("path", "/v2"),
            ("query", ""),
            ("port", "9292"),
            ("scheme", "https"),
        ],
    );
    let missing = Info::new().with_info("requests", Info::new().with("status_code", &404));
    let function = dictionary("function", &[("name", "nova.compute.boot"), ("args", "(1,)")]);
    let failed = Info::new().with("etype", "KeyError").with("message", "'x'");
    let mut records = vec![start];
    records.extend(point(base_id, &own, sql, Info::new(), 10));
    records.extend(point(base_id, &own, call, missing, 20));
    records.extend(point(base_id, &own, function, failed, 30));
    records.push(stop);
    records
}

/// Name, kind, parent and whether it failed, of each span in the order of time.
fn outline(spans: &[Value]) -> Vec<String> {
    let mut spans: Vec<&Value> = spans.iter().collect();
    spans.sort_by_key(|span| span["startTime"].as_i64());
    let line = |span: &&Value| {
        let parent = &span["references"][0]["spanID"];
        let is_below_first = *parent == spans[0]["spanID"];
        let error = if tag(&span["tags"], "error") == true { " failed" } else { "" };
        let place = match parent {
            Value::Null => "root",
            _ if is_below_first => "below",
            _ => "elsewhere",
        };
        format!(
            "{} {} {place}{error}",
            span["operationName"].as_str().unwrap(),
            tag(&span["tags"], "span.kind").as_str().unwrap()
        )
    };
    spans.iter().map(line).collect()
}

const OUTLINE: [&str; 4] = [
    "PUT /v2.1/servers/{id}/os-interface/{id} server root failed",
    "SELECT client below",
    "GET glance client below failed",
    "l3-agent-start internal below failed",
];

#[test]
fn spans_are_what_users_of_opentelemetry_expect() {
    for way in ["http", "grpc", "secure-http", "secure-grpc"] {
        for options in ["", "compression=gzip"] {
            let Some(way) = url("jaeger", way) else { return };
            let mark = if way.contains('?') { "&" } else { "?" };
            let base_id = fresh_id();
            let records = request(&base_id);
            writer(&format!("{way}{mark}{options}")).unwrap().write(&records).unwrap();
            let spans = spans(&base_id, 4);
            assert_eq!(outline(&spans), OUTLINE, "{way}");
        }
    }
}

#[test]
fn spans_have_the_attributes_of_the_conventions() {
    let Some(http) = url("jaeger", "http") else { return };
    let base_id = fresh_id();
    writer(&http).unwrap().write(&request(&base_id)).unwrap();
    let mut spans = spans(&base_id, 4);
    spans.sort_by_key(|span| span["startTime"].as_i64());
    let expected = [
        (0, "http.request.method", Value::from("PUT")),
        (0, "url.query", "a=1".into()),
        (0, "http.response.status_code", 503.into()),
        (0, "osprofiler.name", "wsgi".into()),
        (1, "db.query.text", "(select 1".into()),
        (1, "db.operation.name", "SELECT".into()),
        (2, "server.address", "glance".into()),
        (2, "server.port", 9292.into()),
        (2, "url.path", "/v2".into()),
        (2, "url.query", Value::Null),
        (2, "http.response.status_code", 404.into()),
        (3, "code.function.name", "nova.compute.boot".into()),
        (3, "error.type", "KeyError".into()),
        (3, "otel.status_description", "'x'".into()),
    ];
    for (at, key, value) in expected {
        assert_eq!(*tag(&spans[at]["tags"], key), value, "{key} of {}", spans[at]);
    }
    let exception = &spans[3]["logs"][0];
    assert_eq!(tag(&exception["fields"], "exception.type"), "KeyError");
    assert_eq!(tag(&exception["fields"], "exception.message"), "'x'");
    assert_eq!(exception["timestamp"], NOON + 37);
    assert_eq!(
        (spans[0]["startTime"].as_i64(), spans[0]["duration"].as_i64()),
        (Some(NOON), Some(900))
    );
}

#[test]
fn a_request_that_came_from_another_trace_links_to_it() {
    let Some(otlp) = url("jaeger", "http") else { return };
    let base_id = fresh_id();
    let link = Info::new()
        .with("trace_id", "0af7651916cd43dd8448eb211c80319c")
        .with("span_id", "b7ad6b7169203331")
        .with("tracestate", "rojo=1");
    let [start, stop] =
        point(&base_id, &base_id, Info::new().with_info("link", link), Info::new(), 0);
    writer(&otlp).unwrap().write(&[start, stop]).unwrap();
    let references = &spans(&base_id, 1)[0]["references"];
    assert_eq!(references[0]["traceID"], "0af7651916cd43dd8448eb211c80319c", "{references}");
    assert_eq!(references[0]["spanID"], "b7ad6b7169203331");
    assert_eq!(references[0]["refType"], "FOLLOWS_FROM");
}

#[test]
fn names_may_be_those_of_the_python_library() {
    let Some(http) = url("jaeger", "http") else { return };
    let base_id = fresh_id();
    let connection = format!("{http}?names=python&prefix=region1");
    writer(&connection).unwrap().write(&request(&base_id)).unwrap();
    let mut names: Vec<_> =
        spans(&base_id, 4).iter().map(|span| span["operationName"].to_string()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            r#""REQUESTS_GET_glance""#,
            r#""SQL_SELECT""#,
            r#""WSGI_PUT_/v2.1/servers/7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c/os-interface/42""#,
            r#""l3-agent-start""#,
        ]
    );
    let listed = Command::new("curl").args(["--silent", &services_page()]).output().unwrap();
    let services = String::from_utf8(listed.stdout).unwrap();
    assert!(services.contains(r#""region1-nova-api""#), "{services}");
}

fn services_page() -> String {
    let query = url("jaeger", "jaeger").unwrap();
    query.replace("jaeger://", "http://").replace('?', "/api/services?")
}

#[test]
fn a_start_that_waits_goes_out_and_its_point_is_whole_in_the_end() {
    let Some(jaeger) = url("jaeger", "jaeger") else { return };
    let connection = format!("{jaeger}&wait=0.3");
    let base_id = fresh_id();
    let [start, stop] = point(&base_id, &base_id, Info::new().with("a", &1), Info::new(), 0);
    let mut writer = writer(&connection).unwrap();
    writer.write(std::slice::from_ref(&start)).unwrap();
    let unfinished = spans(&base_id, 1).remove(0);
    assert_eq!(tag(&unfinished["tags"], "osprofiler.phase"), "start");
    assert_eq!(unfinished["duration"], 0);
    let found = read(&mut *reader(&connection).unwrap(), &base_id.to_string()).unwrap();
    assert_eq!(found, [start.to_json()]);
    writer.write(std::slice::from_ref(&stop)).unwrap();
    let both = spans(&base_id, 2);
    assert_eq!(both[0]["spanID"], both[1]["spanID"]);
    assert!(both.iter().any(|span| span["duration"] == 7), "{both:?}");
    let found = read(&mut *reader(&connection).unwrap(), &base_id.to_string()).unwrap();
    assert_eq!(found, [start.to_json(), stop.to_json()], "each record once");
}

#[test]
fn a_start_that_waits_goes_out_when_all_is_flushed() {
    let Some(http) = url("jaeger", "http") else { return };
    let folder = tempfile::tempdir().unwrap();
    let spill = folder.path().join("spill").display().to_string();
    for connection in [http.clone(), format!("{http}?spill={spill}")] {
        let base_id = fresh_id();
        let [start, stop] = point(&base_id, &base_id, Info::new(), Info::new(), 0);
        let mut writer = writer(&connection).unwrap();
        writer.write(std::slice::from_ref(&start)).unwrap();
        writer.flush().unwrap();
        assert_eq!(tag(&spans(&base_id, 1)[0]["tags"], "osprofiler.phase"), "start");
        writer.flush().unwrap();
        writer.write(std::slice::from_ref(&stop)).unwrap();
        spans(&base_id, 2);
    }
}

#[test]
fn a_start_that_waits_goes_out_when_all_is_flushed_again() {
    let is_busy = Arc::new(AtomicBool::new(true));
    let shared = is_busy.clone();
    let receiver = Receiver::new(move |_| if shared.load(Ordering::Relaxed) { BUSY } else { DONE });
    let [start, _] = point(&fresh_id(), &fresh_id(), Info::new(), Info::new(), 0);
    let mut first = writer(&receiver.connection()).unwrap();
    first.write(std::slice::from_ref(&start)).unwrap();
    let error = first.flush().unwrap_err();
    assert!(error.is_retryable(), "{error}");
    drop(first);
    assert_eq!(receiver.asked(&id(&start)), 1);
    is_busy.store(false, Ordering::Relaxed);
    writer(&receiver.connection()).unwrap().flush().unwrap();
    assert_eq!(receiver.asked(&id(&start)), 2);
}

#[test]
fn a_start_that_went_out_long_ago_is_no_second_start() {
    let Some(jaeger) = url("jaeger", "jaeger") else { return };
    let connection = format!("{jaeger}&wait=0.1");
    let base_id = fresh_id();
    let [start, _] = point(&base_id, &base_id, Info::new(), Info::new(), 0);
    let mut writer = writer(&connection).unwrap();
    for _ in 0..3 {
        writer.write(std::slice::from_ref(&start)).unwrap();
        thread::sleep(Duration::from_millis(400));
    }
    drop(writer);
    spans(&base_id, 1);
}

#[test]
fn halves_meet_whoever_writes_them() {
    let Some(jaeger) = url("jaeger", "jaeger") else { return };
    let base_id = fresh_id();
    let points: Vec<[Record; 2]> =
        (0..100).map(|at| point(&base_id, &base_id, Info::new(), Info::new(), at)).collect();
    let connection = format!("{jaeger}&wait=50");
    let half = |at: usize| points.iter().map(|point| point[at].clone()).collect::<Vec<_>>();
    let (starts, mut stops) = (half(0), half(1));
    stops.reverse();
    let mut writers = [writer(&connection).unwrap(), writer(&connection).unwrap()];
    let [first, second] = &mut writers;
    thread::scope(|scope| {
        scope.spawn(|| starts.chunks(7).for_each(|batch| first.write(batch).unwrap()));
        scope.spawn(|| stops.chunks(3).for_each(|batch| second.write(batch).unwrap()));
    });
    // Before either is closed: nothing waits any more.
    let spans = spans(&base_id, 100);
    assert!(spans.iter().all(|span| span["duration"] == 7));
}

#[test]
fn a_large_batch_goes_in_requests_that_receivers_take() {
    let Some(grpc) = url("jaeger", "grpc") else { return };
    let base_id = fresh_id();
    // 12 MB that no compression makes small, for a receiver that takes 4 MiB.
    let mut noise = 1_u64;
    let mut text = || -> String {
        let mut next = || {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            char::from(b' ' + (noise % 95) as u8)
        };
        (0..1_000_000).map(|_| next()).collect()
    };
    let records: Vec<Record> = (0..12)
        .flat_map(|at| {
            point(&base_id, &base_id, Info::new().with("text", &text()), Info::new(), at)
        })
        .collect();
    writer(&grpc).unwrap().write(&records).unwrap();
    spans(&base_id, 12);
}

#[test]
fn what_is_wrong_is_said_without_secrets() {
    for way in ["secure-http", "secure-grpc", "secure-jaeger"] {
        let Some(right) = url("jaeger", way) else { return };
        let said = drivers::refusal(&right.replace("nova:hush", "nova:sesame"), "sesame");
        assert!(said.contains("nova:***@127.0.0.1"), "{said}");
        let untrusted = right.split("ca=").next().unwrap();
        let said = drivers::refusal(untrusted, "hush");
        assert!(said.contains("no TLS with it") && said.contains("`ca=PATH`"), "{said}");
    }
    for (way, path) in [("http", "/nowhere"), ("jaeger", "/nowhere")] {
        let right = url("jaeger", way).unwrap();
        let (place, options) = right.split_once('?').unwrap_or((&right, ""));
        let wrong = format!("{place}{path}?{options}&header=X-Token:sesame");
        if way == "jaeger" {
            // It is the path of the query API, and nothing to OTLP.
            let failure = reader(&wrong).unwrap().list(&ListQuery::default()).unwrap_err();
            assert!(!failure.to_string().contains("sesame"), "{failure}");
        } else {
            let said = drivers::refusal(&wrong, "sesame");
            assert!(said.contains("HTTP 404") && said.contains("header=***"), "{said}");
        }
    }
}

#[test]
fn any_certificate_is_fine_for_those_who_say_so() {
    for way in ["secure-http", "secure-grpc"] {
        let Some(way) = url("jaeger", way) else { return };
        let base_id = fresh_id();
        let insecure = format!("{}insecure=true", way.split("ca=").next().unwrap());
        writer(&insecure).unwrap().write(&request(&base_id)).unwrap();
        spans(&base_id, 4);
    }
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for (connection, expected) in [
        ("otlp://h?headers=a", "unknown option `headers`"),
        ("otlp://h?header=a", "expected `NAME:VALUE` as `header`"),
        ("otlp+grpc://h?header=a%20b:c", "expected `NAME:VALUE` as `header`"),
        ("otlp://h?names=short", "expected `otel` or `python` as `names`"),
        ("otlp://h?compression=zip", "expected `gzip` or `none` as `compression`"),
        ("otlp://h?wait=long", "expected a number of seconds as `wait`"),
        ("jaeger://h?otlp_port=x", "expected a port as `otlp_port`"),
    ] {
        let error = writer(connection).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionString, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = reader("otlp://h").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("jaeger://"), "{error}");
}

#[test]
fn a_receiver_that_is_not_there_may_come() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let records = request(&fresh_id());
    for scheme in ["otlp", "otlp+grpc", "otlps", "otlp+grpcs"] {
        let asked = Instant::now();
        let error =
            writer(&format!("{scheme}://127.0.0.1:{port}")).unwrap().write(&records).unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    }
}

#[test]
fn a_receiver_that_hangs_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let records = request(&fresh_id());
    for scheme in ["otlp", "otlp+grpc", "otlps", "otlp+grpcs"] {
        let connection = format!("{scheme}://127.0.0.1:{port}?timeout=0.5");
        let asked = Instant::now();
        let error = writer(&connection).unwrap().write(&records).unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    }
}

#[test]
fn a_connection_that_breaks_during_a_request_may_be_made_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // HTTP/2's settings: none.
            stream.write_all(b"\0\0\0\x04\0\0\0\0\0").unwrap();
            let (mut request, mut piece) = (String::new(), [0; 1024]);
            while !request.contains("marker") {
                let size = stream.read(&mut piece).unwrap();
                request += &String::from_utf8_lossy(&piece[..size]);
            }
        }
    });
    let base_id = fresh_id();
    // Closed when all of it is read, and reset when there is more.
    for rest in [0, 60_000] {
        let info = Info::new().with("marker", &"x".repeat(rest));
        let records = point(&base_id, &base_id, info, Info::new(), 0);
        let connection = format!("otlp+grpc://127.0.0.1:{port}");
        let error = writer(&connection).unwrap().write(&records).unwrap_err();
        assert!(error.is_retryable(), "{error}");
    }
}

/// A receiver that answers as real ones do when they are in need only.
struct Receiver {
    port: u16,
    /// What it was sent; texts of spans are in there as they are.
    requests: Arc<Mutex<Vec<String>>>,
}

type Answer = dyn Fn(&str) -> &'static [u8] + Send + Sync;

impl Receiver {
    fn new(answer: impl Fn(&str) -> &'static [u8] + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let (answer, seen): (Arc<Answer>, _) = (Arc::new(answer), requests.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, seen) = (answer.clone(), seen.clone());
                thread::spawn(move || serve(stream.unwrap(), &*answer, &seen));
            }
        });
        Self { port, requests }
    }

    fn connection(&self) -> String {
        format!("otlp://127.0.0.1:{}", self.port)
    }

    /// How many requests had a text in them.
    fn asked(&self, text: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|request| request.contains(text)).count()
    }
}

fn serve(mut stream: TcpStream, answer: &Answer, seen: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    let mut piece = [0; 1 << 16];
    while let Ok(size @ 1..) = stream.read(&mut piece) {
        request.extend_from_slice(&piece[..size]);
        if is_whole(&request) {
            let text = String::from_utf8_lossy(&request).into_owned();
            let answer = answer(&text);
            seen.lock().unwrap().push(text);
            stream.write_all(answer).unwrap();
            request.clear();
        }
    }
}

fn answering(answer: &'static [u8]) -> String {
    Receiver::new(move |_| answer).connection()
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    request.len() >= end + 4 + length.parse::<usize>().unwrap()
}

#[test]
fn a_refusal_that_does_not_end_is_read_no_further_than_it_is_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = format!("otlp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let _ = client.read(&mut [0; 1 << 16]).unwrap();
        client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        while client.write_all(&[b'x'; 1 << 16]).is_ok() {}
    });
    let error = writer(&connection).unwrap().write(&request(&fresh_id())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    assert!(error.to_string().contains("HTTP 400 xxx"), "{error}");
}

#[test]
fn a_receiver_that_is_busy_may_be_asked_again() {
    for answer in [
        &b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"[..],
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nbusy",
    ] {
        let error = writer(&answering(answer)).unwrap().write(&request(&fresh_id())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
}

const DONE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
/// `partial_success { rejected_spans: 3, error_message: "too old" }`
const PARTLY: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n\x0a\x0b\x08\x03\x12\x07too old";
const TOO_LARGE: &[u8] = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";

#[test]
fn spans_that_are_rejected_are_told_and_not_sent_again() {
    let error = writer(&answering(PARTLY)).unwrap().write(&request(&fresh_id())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains("rejects 3 of 4 spans: too old"), "{error}");
    // A warning only: nothing was rejected.
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n\x0a\x09\x12\x07too old";
    writer(&answering(answer)).unwrap().write(&request(&fresh_id())).unwrap();
}

/// Starts of so many points, each too large to share a request.
fn large_starts(base_id: &Id, count: i64) -> Vec<Record> {
    let info = Info::new().with("text", &"x".repeat(2 << 20));
    let start = |at| point(base_id, base_id, info.clone(), Info::new(), at)[0].clone();
    (0..count).map(start).collect()
}

fn id(record: &Record) -> String {
    record.trace_id.to_string()
}

#[test]
fn a_start_that_is_refused_is_asked_for_once_and_holds_up_no_other() {
    let base_id = fresh_id();
    let starts = large_starts(&base_id, 9);
    let refused = id(&starts[4]);
    let receiver =
        Receiver::new(move |request| if request.contains(&refused) { TOO_LARGE } else { DONE });
    let mut writer = writer(&format!("{}?wait=0.2", receiver.connection())).unwrap();
    writer.write(&starts).unwrap();
    thread::sleep(Duration::from_secs(3));
    let asked: Vec<_> = starts.iter().map(|start| receiver.asked(&id(start))).collect();
    assert_eq!(asked, [1; 9]);
}

#[test]
fn a_start_that_no_receiver_takes_holds_up_no_other() {
    let Some(grpc) = url("jaeger", "grpc") else { return };
    let base_id = fresh_id();
    let mut starts: Vec<Record> = (0..40)
        .map(|at| point(&base_id, &base_id, Info::new(), Info::new(), at)[0].clone())
        .collect();
    // The receiver takes 4 MiB.
    starts[20].info = Info::new().with("text", &"x".repeat(5 << 20));
    let mut writer = writer(&format!("{grpc}?wait=0.2")).unwrap();
    writer.write(&starts).unwrap();
    spans(&base_id, 39);
    thread::sleep(Duration::from_secs(2));
    spans(&base_id, 39);
}

#[test]
fn a_point_that_is_too_large_is_refused_for_good() {
    let Some(grpc) = url("jaeger", "grpc") else { return };
    let base_id = fresh_id();
    let info = Info::new().with("text", &"x".repeat(5 << 20));
    let large = point(&base_id, &base_id, info, Info::new(), 0);
    let error = writer(&grpc).unwrap().write(&large).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
}

#[test]
fn what_waits_fails_no_batch_however_much_it_is() {
    let base_id = fresh_id();
    let starts = large_starts(&base_id, 33);
    let old: Vec<String> = starts.iter().map(id).collect();
    let receiver =
        Receiver::new(
            move |request| {
                if old.iter().any(|id| request.contains(id)) { BUSY } else { DONE }
            },
        );
    let mut writer = writer(&receiver.connection()).unwrap();
    writer.write(&starts).unwrap();
    let whole = point(&base_id, &base_id, Info::new(), Info::new(), 50);
    writer.write(&whole).unwrap();
    assert_eq!(receiver.asked(&id(&whole[0])), 1);
    // There is no room for it to wait.
    let [start, _] = point(&base_id, &base_id, Info::new(), Info::new(), 60);
    writer.write(std::slice::from_ref(&start)).unwrap();
    assert_eq!(receiver.asked(&id(&start)), 1);
}

#[test]
fn what_waits_outlives_a_batch_that_is_refused() {
    let base_id = fresh_id();
    for (refusal, expected) in [(PARTLY, 0), (TOO_LARGE, 1)] {
        let receiver =
            Receiver::new(move |request| if request.contains(r#""old""#) { refusal } else { DONE });
        let connection = format!("{}?wait=0.3", receiver.connection());
        let mut first = writer(&connection).unwrap();
        let [early, mut late] = point(&base_id, &base_id, Info::new(), Info::new(), 0);
        late.info = Info::new().with("old", &true);
        let [start, stop] = point(&base_id, &base_id, Info::new(), Info::new(), 10);
        first.write(std::slice::from_ref(&early)).unwrap();
        let error = first.write(&[late, start.clone()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
        drop(first);
        let mut next = writer(&connection).unwrap();
        next.write(std::slice::from_ref(&stop)).unwrap();
        assert_eq!(receiver.asked(&id(&start)), 1, "start and stop together");
        thread::sleep(Duration::from_secs(1));
        assert_eq!(receiver.asked(&id(&start)), 1);
        assert_eq!(receiver.asked(&id(&early)), 1 + expected, "again if nothing of it was taken");
    }
}

#[test]
fn what_is_no_receiver_is_named() {
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>hi</html>";
    let error = writer(&answering(page)).unwrap().write(&request(&fresh_id())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains("is it OTLP?"), "{error}");
}

#[test]
fn a_spill_file_holds_what_a_receiver_that_is_away_does_not_take() {
    let Some(jaeger) = url("jaeger", "jaeger") else { return };
    let folder = tempfile::tempdir().unwrap();
    let spill = folder.path().join("spill").display().to_string();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let base_id = fresh_id();
    let away = format!("otlp://127.0.0.1:{port}?spill={spill}");
    writer(&away).unwrap().write(&request(&base_id)).unwrap();
    let back = format!("{jaeger}&spill={spill}");
    let mut writer = open_writer(&back.parse().unwrap(), &Options::default()).unwrap();
    while writer.catch_up().is_some() {
        thread::sleep(Duration::from_millis(20));
    }
    drop(writer);
    assert_eq!(outline(&spans(&base_id, 4)), OUTLINE);
}
