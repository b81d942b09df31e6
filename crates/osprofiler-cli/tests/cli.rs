//! The command line as users call it: what it prints where, and how it exits.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, Stdio};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// A folder of its own, with a store in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn osprofiler(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("osprofiler").unwrap();
        command
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("XDG_DATA_HOME", self.path("data"))
            .args(args);
        command
    }

    /// Runs a command that succeeds and says nothing besides its result; gives that.
    fn result(&self, args: &[&str]) -> String {
        let output = self.osprofiler(args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.is_empty(), "{args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that fails; gives the one line that says why.
    fn failure(&self, args: &[&str], code: i32) -> String {
        let output = self.osprofiler(args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!said.contains("panicked"), "{said}");
        said.trim().to_owned()
    }
}

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name).display().to_string()
}

const TRACES: [&str; 5] =
    ["image-list", "server-create", "server-create-novalidhost", "token-issue", "volume-create"];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What the report of the Python tool has of ours: additive keys and the name rule set aside.
fn agrees(theirs: &Value, ours: &Value, at: &str) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (key, value) in theirs {
                let own = ours.get(key).unwrap_or_else(|| panic!("{at}/{key} is missing"));
                agrees(value, own, &format!("{at}/{key}"));
            }
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            assert_eq!(theirs.len(), ours.len(), "{at}");
            for (index, (value, own)) in theirs.iter().zip(ours).enumerate() {
                agrees(value, own, &format!("{at}/{index}"));
            }
        }
        _ => assert_eq!(theirs, ours, "{at}"),
    }
}

#[test]
fn real_traces_are_imported_listed_and_shown_as_the_python_tool_shows_them() {
    let place = Place::new();
    for name in TRACES {
        let records = data(&format!("traces/{name}.records.jsonl"));
        let count = fs::read_to_string(&records).unwrap().lines().count();
        let said = place.result(&["trace", "import", &records]);
        assert_eq!(said, format!("{count} records of 1 trace imported, 0 already there\n"));

        let theirs: Value =
            json(&fs::read_to_string(data(&format!("traces/{name}.upstream.json"))).unwrap());
        let first = fs::read_to_string(&records).unwrap();
        let base_id = json(first.lines().next().unwrap())["base_id"].as_str().unwrap().to_owned();
        agrees(&theirs, &json(&place.result(&["trace", "show", "--json", &base_id])), name);

        let again = place.result(&["trace", "import", &records]);
        assert_eq!(again, format!("0 records of 1 trace imported, {count} already there\n"));
    }
    let listed = json(&place.result(&["trace", "list", "--json"]));
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), TRACES.len());
    let times: Vec<&str> = listed.iter().map(|t| t["timestamp"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    let with_errors = json(&place.result(&["trace", "list", "--json", "--error-trace"]));
    let expected = listed.iter().filter(|trace| trace["errors"] != 0).count();
    assert_eq!(with_errors.as_array().unwrap().len(), expected);
    assert!((1..TRACES.len()).contains(&expected));
}

#[test]
fn a_list_is_filtered() {
    let place = Place::new();
    for name in TRACES {
        place.result(&["trace", "import", &data(&format!("traces/{name}.records.jsonl"))]);
    }
    let listed = |filters: &[&str]| {
        let args = [&["trace", "list", "--json"], filters].concat();
        json(&place.result(&args)).as_array().unwrap().clone()
    };
    let all = listed(&[]);
    let times: Vec<&str> = all.iter().map(|trace| trace["timestamp"].as_str().unwrap()).collect();
    assert_eq!(listed(&["--since", times[1]]), all[..2]);
    assert_eq!(listed(&["--until", times[1]]), all[2..]);
    assert_eq!(listed(&["--since", times[3], "--until", times[0]]), all[1..4]);
    let long: Vec<Value> = all
        .iter()
        .filter(|trace| trace["duration_us"].as_i64() >= Some(1_000_000))
        .cloned()
        .collect();
    assert_eq!(listed(&["--min-duration", "1s"]), long);
    assert!((1..all.len()).contains(&long.len()));
    let of_cinder = listed(&["--project", "cinder"]);
    assert!((1..all.len()).contains(&of_cinder.len()));
    assert_eq!(
        listed(&["--project", "cinder", "--service", "cinder-volume", "--name", "driver"]),
        of_cinder
    );
    assert_eq!(listed(&["--project", "cinder", "--service", "osapi_compute"]), [Value::Null; 0]);
    let said = place.osprofiler(&["trace", "list", "--name", "hush"]).output().unwrap();
    assert!(String::from_utf8(said.stderr).unwrap().contains("no traces like that in `sqlite://"));
}

#[test]
fn a_file_is_shown_without_a_store_in_any_of_its_forms() {
    let place = Place::new();
    let records = data("traces/token-issue.records.jsonl");
    let report = place.result(&["trace", "show", "--json", &records]);
    fs::write(place.path("report.json"), &report).unwrap();
    let lines: Vec<Value> = fs::read_to_string(&records).unwrap().lines().map(json).collect();
    fs::write(place.path("array.json"), serde_json::to_string(&lines).unwrap()).unwrap();

    for file in ["report.json", "array.json"] {
        assert_eq!(
            json(&place.result(&["trace", "show", file, "--json"])),
            json(&report),
            "{file}"
        );
    }
    let theirs = place.result(&["trace", "show", &data("traces/token-issue.upstream.json")]);
    assert_eq!(theirs, place.result(&["trace", "show", &records]));
    let piped = place.osprofiler(&["trace", "show", "-"]).pipe_stdin(&records).unwrap().output();
    assert_eq!(String::from_utf8(piped.unwrap().stdout).unwrap(), theirs);
    assert!(!place.path("data").exists(), "showing a file made a store");
}

#[test]
fn every_format_is_written_to_a_file_whole_or_not_at_all() {
    let place = Place::new();
    let records = data("traces/token-issue.records.jsonl");
    for (format, begins) in [
        (&["--json"][..], "{"),
        (&["--html"], "<!DOCTYPE html>"),
        (&["--dot"], "digraph"),
        (&["--format", "text"], "trace"),
        (&["--format", "json"], "{"),
        (&["--format", "records"], "{\"name\""),
        (&["--format", "html"], "<!DOCTYPE html>"),
        (&["--format", "dot"], "digraph"),
        (&["--format", "svg"], "<svg"),
        (&["--format", "folded"], "keystone/public:wsgi"),
        (&["--format", "speedscope"], "{\"$schema\""),
        (&["--format", "perfetto"], "{\"displayTimeUnit\""),
        (&["--html", "--local-libs"], "<!DOCTYPE html>"),
        (&[], "trace"),
    ] {
        let args = [&["trace", "show", &records, "--out", "out"], format].concat();
        assert_eq!(place.result(&args), "");
        let written = fs::read_to_string(place.path("out")).unwrap();
        assert!(written.to_lowercase().starts_with(&begins.to_lowercase()), "{format:?}");
    }
    fs::create_dir(place.path("folder")).unwrap();
    let said = place.failure(&["trace", "show", &records, "--out", "folder"], 1);
    assert!(said.starts_with("osprofiler: cannot write `folder`:"), "{said}");
    let said = place.failure(&["trace", "show", &records, "--out", "no/such/file"], 1);
    assert!(said.starts_with("osprofiler: cannot write `no/such/file`:"), "{said}");
    let left: Vec<_> =
        fs::read_dir(place.0.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[cfg(unix)]
#[test]
fn a_file_that_is_replaced_keeps_its_permissions_and_a_link_its_target() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let place = Place::new();
    fs::write(place.path("private"), "old").unwrap();
    fs::set_permissions(place.path("private"), PermissionsExt::from_mode(0o600)).unwrap();
    symlink("private", place.path("link")).unwrap();
    let records = data("traces/token-issue.records.jsonl");
    place.result(&["trace", "show", &records, "--dot", "--out", "link"]);
    assert!(fs::symlink_metadata(place.path("link")).unwrap().is_symlink());
    assert!(fs::read_to_string(place.path("private")).unwrap().starts_with("digraph"));
    let mode = fs::metadata(place.path("private")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn any_text_is_an_id() {
    let place = Place::new();
    for id in [" padded ", "a/b", "x.json", "密"] {
        let record = format!(
            r#"{{"name": "db-start", "base_id": "{id}", "trace_id": "t", "timestamp": "2016-04-18T17:42:10.774321"}}"#
        );
        fs::write(place.path("records"), record).unwrap();
        place.result(&["trace", "import", "records"]);
        assert!(place.result(&["trace", "show", id]).contains("db"));
        place.result(&["trace", "delete", id]);
    }
}

#[test]
fn the_graph_is_drawn() {
    let place = Place::new();
    let records = data("traces/token-issue.records.jsonl");
    assert_eq!(place.result(&["trace", "show", &records, "--render-dot", "graph.svg"]), "");
    assert!(fs::read_to_string(place.path("graph.svg")).unwrap().contains("<svg"));
    place.result(&["trace", "show", &records, "--render-dot", "graph"]);
    assert!(fs::read(place.path("graph")).unwrap().starts_with(b"%PDF"));
    let said = place.failure(&["trace", "show", &records, "--render-dot", "graph.odd"], 1);
    assert!(said.contains("`dot` cannot draw `graph.odd`"), "{said}");
}

#[test]
fn a_mistake_in_the_call_is_one_line_and_exit_code_2() {
    let place = Place::new();
    for (args, said) in [
        (&["trace", "show"][..], "required arguments were not provided: <ID|FILE>"),
        (&["trace", "show", "x", "--json", "--dot"], "cannot be used with"),
        (&["trace", "shov", "x"], "unrecognized subcommand 'shov'"),
        (&["trace", "show", "x", "--nonsense"], "unexpected argument '--nonsense'"),
        (&["trace", "list", "--limit", "-1"], "see `osprofiler trace list --help`"),
        (&["trace", "show", "x", "--idle-timeout", "soon"], "expected a number of seconds"),
        (&["trace", "list", "--error-trace=perhaps"], "perhaps"),
        (&["headers"], "--hmac-key <KEY> (or `OSPROFILER_HMAC_KEY`)"),
        (&["headers", "--hmac-key", ""], "expected a key"),
        (&["headers", "--hmac-key", "a,b"], "without commas"),
        (&["headers", "--hmac-key", " a"], "without spaces"),
        (&["request", "--hmac-key", "k", "no url"], "invalid value for '<URL>'"),
        (&["request", "--hmac-key", "k", "http://me:hush@[bad"], "invalid value for '<URL>'"),
        (&["request", "--hmac-key", "k", "-H", "none", "http://x/"], "expected `Name: value`"),
    ] {
        let line = place.failure(args, 2);
        assert!(line.contains(said) && !line.contains("hush"), "{args:?}: {line}");
    }
    let line = place.failure(&["trace", "list", "--connection-string", "u:hush@host"], 2);
    assert!(line.contains("no scheme") && !line.contains("hush"), "{line}");
    for args in [&[][..], &["trace"]] {
        let output = place.osprofiler(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains("Usage: osprofiler"));
    }
}

#[test]
fn what_fails_is_one_line_that_says_what_to_do_and_exit_code_1() {
    let place = Place::new();
    fs::write(place.path("empty.json"), "").unwrap();
    fs::write(place.path("broken.json"), "{\"info\": ").unwrap();
    fs::write(place.path("other.json"), "{\"a\": 1}").unwrap();
    fs::write(place.path("binary.json"), [0xff, 0xfe, 0]).unwrap();
    fs::write(place.path("text.txt"), "hello").unwrap();
    for (args, said) in [
        (&["trace", "show", "x"][..], "osprofiler/traces.db"),
        (&["trace", "list"], "osprofiler/traces.db"),
        (&["trace", "delete", "x"], "osprofiler/traces.db"),
        (&["trace", "show", "missing.json"], "cannot read `missing.json`"),
        (&["trace", "show", "no/such"], "cannot read `no/such`"),
        (&["trace", "show", "empty.json"], "`empty.json`"),
        (&["trace", "show", "broken.json"], "`broken.json`"),
        (&["trace", "show", "other.json"], "`other.json`"),
        (&["trace", "show", "binary.json"], "`binary.json`"),
        (&["demo", "--connection-string", "sqlite:///dev/null/x.db"], "/dev/null/x.db"),
        (&["trace", "import", "text.txt"], "`text.txt`"),
        (
            &["trace", "show", "x", "--connection-string", "reddis://:hush@h"],
            "unknown driver scheme `reddis`",
        ),
        (&["trace", "show", "x", "--connection-string", "file://none.jsonl"], "none.jsonl"),
    ] {
        let line = place.failure(args, 1);
        assert!(line.contains(said) && !line.contains("hush"), "{args:?}: {line}");
    }
    assert!(!place.path("data").exists(), "reading made a store");
}

#[test]
fn bad_lines_cost_only_themselves() {
    let place = Place::new();
    let good = r#"{"name": "db-start", "base_id": "b", "trace_id": "t", "timestamp": "2016-04-18T17:42:10.774321", "info": {"x": NaN}}"#;
    fs::write(place.path("records.jsonl"), format!("{good}\n\nnonsense\n{{\"name\": \"db\n"))
        .unwrap();
    // A character cut in half, as a killed process leaves it.
    let mut file = fs::OpenOptions::new().append(true).open(place.path("records.jsonl")).unwrap();
    file.write_all(b"{\"name\": \"\xe5\xaf").unwrap();
    let output = place.osprofiler(&["trace", "import", "records.jsonl"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "1 record of 1 trace imported, 0 already there\n"
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`records.jsonl` line 3:") && said.contains("line 4:"), "{said}");
    assert!(said.ends_with("osprofiler: 3 records skipped, see above\n"), "{said}");
    assert!(place.result(&["trace", "show", "b"]).contains("unfinished"));
}

#[test]
fn of_a_damaged_trace_the_rest_is_shown_and_the_command_fails() {
    let place = Place::new();
    let store = format!("sqlite://{}", place.path("traces.db").display());
    let records = fs::read_to_string(data("traces/token-issue.records.jsonl")).unwrap();
    let (some, others) = records.split_at(records.match_indices('\n').nth(9).unwrap().0 + 1);
    for (name, part) in [("some.jsonl", some), ("others.jsonl", others)] {
        fs::write(place.path(name), part).unwrap();
        place.result(&["trace", "import", name, "--connection-string", &store]);
    }
    let db = rusqlite::Connection::open(place.path("traces.db")).unwrap();
    let torn =
        db.execute("UPDATE block SET records = x'00' WHERE id = (SELECT max(id) FROM block)", []);
    assert_eq!(torn.unwrap(), 1);

    let base_id = json(some.lines().next().unwrap())["base_id"].as_str().unwrap().to_owned();
    let show = ["trace", "show", &base_id, "--json", "--connection-string", &store];
    let output = place.osprofiler(&show).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not all of the trace") && said.lines().count() == 1, "{said}");
    let shown = json(&String::from_utf8(output.stdout).unwrap());
    assert!(!shown["children"].as_array().unwrap().is_empty());
}

#[test]
fn an_unknown_trace_is_not_found_and_another_spelling_is() {
    let place = Place::new();
    place.result(&["trace", "import", &data("traces/token-issue.records.jsonl")]);
    let line = place.failure(&["trace", "show", "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c"], 1);
    assert!(
        line.contains("no trace `7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c` in `sqlite://"),
        "{line}"
    );
    let listed = json(&place.result(&["trace", "list", "--json"]));
    let id = listed[0]["base_id"].as_str().unwrap();
    let shown = place.result(&["trace", "show", id]);
    assert_eq!(place.result(&["trace", "show", &id.to_uppercase()]), shown);
    assert_eq!(place.result(&["trace", "show", &id.replace('-', "")]), shown);

    assert_eq!(place.result(&["trace", "delete", id]), format!("deleted {id}\n"));
    assert!(place.failure(&["trace", "delete", id], 1).contains(&format!("no trace `{id}`")));
    assert!(place.failure(&["trace", "show", id], 1).contains("holds no traces at all"));
}

#[test]
fn the_list_is_a_table_with_one_line_a_trace() {
    let place = Place::new();
    let store = format!("file://{}", place.path("store.jsonl").display());
    for name in ["token-issue", "volume-create"] {
        let records = data(&format!("traces/{name}.records.jsonl"));
        place.result(&["trace", "import", "--connection-string", &store, &records]);
    }
    let mut list = place.osprofiler(&["trace", "list", "--limit", "1"]);
    let output = list.env("OSPROFILER_CONNECTION_STRING", &store).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(table.lines().count(), 2, "{table}");
    let all = place.result(&["trace", "list", "--connection-string", &store]);
    assert_eq!(all.lines().count(), 3, "{all}");
    assert!(all.contains("GET /v3") && all.contains("keystone/public"), "{all}");
}

#[test]
fn what_was_traced_does_not_control_the_terminal() {
    let place = Place::new();
    let hostile = "\\u001b[2J\\n\\r\\u0007\\u202e";
    let records = format!(
        r#"{{"name": "{hostile}-start", "base_id": "{hostile}", "trace_id": "{hostile}", "timestamp": "2016-04-18T17:42:10.774321", "project": "{hostile}", "service": "{hostile}", "info": {{"host": "{hostile}", "request": {{"method": "{hostile}", "path": "{hostile}"}}}}}}
{{"name": "x-start", "base_id": "b", "trace_id": "t", "timestamp": "{hostile}"}}
"#
    );
    fs::write(place.path("hostile.jsonl"), records).unwrap();
    for args in [
        &["trace", "import", "hostile.jsonl"][..],
        &["trace", "list"],
        &["trace", "show", "hostile.jsonl"],
        &["trace", "show", "\u{1b}[2J"],
    ] {
        let output = place.osprofiler(args).output().unwrap();
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text).unwrap();
            let controls = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!text.contains(controls), "{args:?}: {text:?}");
        }
    }
    assert_eq!(place.result(&["trace", "list"]).lines().count(), 2);
}

#[test]
fn records_that_are_there_in_another_spelling_are_not_imported_again() {
    let place = Place::new();
    place.result(&["trace", "import", &data("traces/token-issue.records.jsonl")]);
    let again = place.result(&["trace", "import", &data("traces/token-issue.upstream.json")]);
    assert_eq!(again, "0 records of 1 trace imported, 108 already there\n");
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let place = Place::new();
    let mut list =
        place.osprofiler(&["trace", "import", &data("traces/token-issue.records.jsonl")]);
    let output = list.env("OSPROFILER_CONNECTION_STRING", "").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(place.path("data/osprofiler/traces.db").exists());
}

#[test]
fn a_reader_who_leaves_early_is_no_failure() {
    let place = Place::new();
    let mut child = StdCommand::new(assert_cmd::cargo::cargo_bin("osprofiler"))
        .args(["trace", "show", "--json", &data("traces/server-create.records.jsonl")])
        .current_dir(place.0.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn headers_are_ready_for_curl() {
    let place = Place::new();
    let id = "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c";
    let mut headers = place.osprofiler(&["headers", "--base-id", id]);
    let output = headers.env("OSPROFILER_HMAC_KEY", "SECRET_KEY").output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].starts_with("X-Trace-Info: eyJiYXNlX2lkIjog"));
    assert_eq!(lines[1], "X-Trace-HMAC: f904508e639d53f82d5f021dda2289d4046a20c7");
    assert_eq!(lines.len(), 2);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, format!("to see the trace: osprofiler trace show {id}\n"));
}

#[test]
fn a_request_that_nobody_traces_is_reported_as_that() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = std::io::Read::read(&mut stream, &mut request).unwrap();
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let args = [
        "request",
        "--hmac-key",
        "hush",
        "-X",
        "PUT",
        "-d",
        "body",
        "-H",
        "A: b",
        "--wait",
        "1",
        &url,
    ];
    let output = place.osprofiler(&args).output().unwrap();
    let request = server.join().unwrap().to_lowercase();
    assert!(request.starts_with("put /x http/1.1"), "{request}");
    for part in ["\r\nx-trace-info: ", "\r\nx-trace-hmac: ", "\r\na: b\r\n", "\r\n\r\nbody"] {
        assert!(request.contains(part), "{request}");
    }
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("-> 404 Not Found in ") && said.contains("no record of trace"), "{said}");
    assert!(!said.contains("hush"));

    let url = "http://me:hush@127.0.0.1:1/?token=hush";
    let said = place.failure(&["request", "--hmac-key", "k", url], 1);
    assert!(said.contains("GET http://127.0.0.1:1/ failed"), "{said}");
}

#[test]
fn signed_headers_do_not_follow_a_redirect() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = std::io::Read::read(&mut stream, &mut request).unwrap();
        let answer = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        drop(stream);
        listener.set_nonblocking(true).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        listener.accept().is_err()
    });
    let output = place.osprofiler(&["request", "--hmac-key", "k", "--wait", "1", &url]).output();
    assert!(server.join().unwrap(), "the redirect was followed");
    assert!(String::from_utf8(output.unwrap().stderr).unwrap().contains("-> 302 Found"));
}

#[test]
fn a_signed_request_to_a_service_shows_its_trace() {
    let place = Place::new();
    let store = format!("sqlite://{}", place.path("traces.db").display());
    let mut service = StdCommand::new(assert_cmd::cargo::cargo_bin("osprofiler"))
        .args(["demo-service", "stock"])
        .env("OSPROFILER_ENABLED", "yes")
        .env("OSPROFILER_HMAC_KEYS", "old,key")
        .env("OSPROFILER_TRACE_SQLALCHEMY", "yes")
        .env("OSPROFILER_CONNECTION_STRING", &store)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(service.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let url = format!("http://{}/items/7", address.trim());

    let args = ["request", "--hmac-key", "key", "--connection-string", &store, &url];
    let output = place.osprofiler(&args).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(
        shown.contains("wsgi GET /items/7 -> 200") && shown.contains("db SELECT name"),
        "{shown}"
    );
    let json_of = [&args[..5], &["--json", &url]].concat();
    let output = place.osprofiler(&json_of).output().unwrap();
    assert_eq!(json(&String::from_utf8(output.stdout).unwrap())["stats"]["db"]["count"], 1);

    let wrong =
        ["request", "--hmac-key", "wrong", "--wait", "1", "--connection-string", &store, &url];
    assert_eq!(place.osprofiler(&wrong).output().unwrap().status.code(), Some(1));
    drop(service.stdin.take());
    assert!(service.wait().unwrap().success());
}

#[test]
fn the_demo_shows_one_tree_of_three_services() {
    let place = Place::new();
    let mut demo = place.osprofiler(&["demo"]);
    let output = demo.env("TMPDIR", place.0.path()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    for service in ["shop/api", "shop/worker", "shop/stock"] {
        assert!(shown.contains(service), "{shown}");
    }
    let after = |word: &str| shown.lines().find_map(|line| line.strip_prefix(word)).unwrap();
    let id = after("again:  osprofiler trace show ");
    let report = json(&place.result(&["trace", "show", "--json", id]));
    assert_eq!(report["children"].as_array().unwrap().len(), 1);
    assert_eq!(report["stats"]["db"]["count"], 13);
    assert!(fs::read_to_string(after("page:   ")).unwrap().contains(id));
}

#[test]
fn version_and_help_are_no_failures() {
    let place = Place::new();
    for flag in ["-v", "--version"] {
        assert_eq!(place.result(&[flag]), concat!("osprofiler ", env!("CARGO_PKG_VERSION"), "\n"));
    }
    for args in [&["-h"][..], &["trace", "--help"], &["trace", "show", "-h"]] {
        assert!(place.result(args).contains("Usage: osprofiler"));
    }
}
