//! Runs the examples as users run them.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use osprofiler_drivers::{Options, open_reader};
use osprofiler_report::{Point, Report, ReportBuilder};
use osprofiler_wire::{HmacKey, Id, TraceContext};
use serde_json::{Value, json};

/// Cargo builds examples beside the tests, and names the folder after them.
fn example(name: &str) -> Command {
    let mut path: PathBuf = env::current_exe().unwrap();
    path.pop();
    path.pop();
    Command::new(path.join("examples").join(name))
}

fn golden(name: &str) -> String {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/golden");
    fs::read_to_string(data.join(name)).unwrap()
}

#[test]
fn sign_headers_makes_the_headers_of_the_python_library() {
    let mut child =
        example("sign_headers").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let vectors: Vec<Value> =
        golden("headers.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut stdin = child.stdin.take().unwrap();
    for vector in &vectors {
        let parent_id = match &vector["init_parent_id"] {
            Value::Null => Value::Null,
            _ => vector["parent_id"].clone(),
        };
        let request = json!({
            "key": vector["key"], "base_id": vector["base_id"], "parent_id": parent_id,
        });
        writeln!(stdin, "{request}").unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), vectors.len());
    for (answer, vector) in answers.lines().zip(&vectors) {
        let answer: Value = serde_json::from_str(answer).unwrap();
        for header in ["X-Trace-Info", "X-Trace-HMAC"] {
            assert_eq!(answer[header], vector[header], "vector {}", vector["n"]);
        }
    }
}

/// A point and what is below it, in the words of `fixed-trace.json`.
fn described(point: Point<'_>) -> Value {
    let info = |record: Option<&str>| {
        let mut record: Value = serde_json::from_str(record.unwrap()).unwrap();
        record["info"].as_object_mut().unwrap().remove("host").expect("the host is always there");
        record["info"].clone()
    };
    json!({
        "name": point.name(),
        "start": info(point.start_json()),
        "stop": info(point.stop_json()),
        "children": point.children().map(described).collect::<Vec<_>>(),
    })
}

fn read(connection: &str, base_id: &str) -> Report {
    let connection = connection.parse().unwrap();
    let mut reader = open_reader(&connection, &Options::default()).unwrap();
    let mut builder = ReportBuilder::new();
    reader.read(&base_id.into(), &mut |json| builder.add(json).unwrap()).unwrap();
    builder.finish()
}

#[test]
fn write_trace_stores_the_fixed_trace_in_any_back_end() {
    let folder = tempfile::tempdir().unwrap();
    for scheme in ["sqlite", "file"] {
        let connection = format!("{scheme}://{}", folder.path().join(scheme).display());
        let status = example("write_trace")
            .args(["--connection-string", &connection, "--base-id", "my-trace"])
            .args(["--hmac-key", "SECRET_KEY", "--filter-error-trace"])
            .status()
            .unwrap();
        assert!(status.success(), "{scheme}");

        let report = read(&connection, "my-trace");
        let fixed: Value = serde_json::from_str(&golden("fixed-trace.json")).unwrap();
        let tree: Vec<Value> = report.roots().map(described).collect();
        assert_eq!(Value::from(tree), fixed["tree"]);
        let root = report.roots().next().unwrap();
        assert_eq!((root.project(), root.service()), (Some("conf-project"), Some("conf-service")));
        assert_eq!(root.parent_id(), &Id::from("my-trace"));
        // 3 ms before each of three children, 5 ms in each of two, 3 ms before the last stop.
        assert!(report.duration_us() >= 22_000, "{}", report.duration_us());
    }
}

#[test]
fn write_trace_fails_if_the_trace_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    for connection in [format!("sqlite://{}", folder.path().display()), "reddis://h".to_owned()] {
        let output = example("write_trace")
            .args(["--connection-string", &connection, "--base-id", "b", "--hmac-key", "k"])
            .output()
            .unwrap();
        assert!(!output.status.success(), "{connection}");
    }
}

/// Ends a process when the test does, however it does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(port: u16, headers: &str) -> String {
    // The server needs a moment to listen.
    let mut stream = (0..100)
        .find_map(|_| {
            TcpStream::connect(("127.0.0.1", port))
                .inspect_err(|_| sleep(Duration::from_millis(50)))
                .ok()
        })
        .expect("the server listens within five seconds");
    write!(stream, "GET /a/path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")
        .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn traced_server_writes_a_line_for_each_record_of_a_signed_request() {
    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("records.jsonl");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _server = Running(
        example("traced_server")
            .args(["--port", &port.to_string(), "--hmac-keys", "new, old", "--records"])
            .arg(&records)
            .spawn()
            .unwrap(),
    );
    let context = TraceContext { base_id: "base".into(), parent_id: "caller".into() };
    for key in ["old", "wrong"] {
        let signed = HmacKey::new(key).sign(&context);
        let headers = format!("X-Trace-Info: {}\r\nX-Trace-HMAC: {}\r\n", signed.info, signed.hmac);
        let response = get(port, &headers);
        assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
        assert!(response.ends_with("GET /a/path\n"), "{response}");
    }
    let written = fs::read_to_string(records).unwrap();
    let names: Vec<String> = written
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].to_string())
        .collect();
    assert_eq!(names, ["\"wsgi-start\"", "\"wsgi-stop\""]);
}
