//! The example that speaks over NATS, as users run it, with a real server.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use osprofiler_drivers::{Options, open_reader};
use osprofiler_report::{Point, Report, ReportBuilder};

#[path = "../../crates/osprofiler-drivers/tests/common/services.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod services;

/// The example, with a server, a store and a key.
fn example(server: &str, store: &Path, key: &str) -> Command {
    // Cargo builds examples beside the tests.
    let mut path: PathBuf = env::current_exe().unwrap();
    path.pop();
    path.pop();
    let mut command = Command::new(path.join("examples/nats"));
    command.args(["--server", server, "--hmac-key", key]);
    command.args(["--connection-string", &format!("sqlite://{}", store.display())]);
    command
}

/// Ends the service when the test does, however it does.
struct Serving(Child);

impl Serving {
    fn start(mut service: Command) -> Self {
        let mut child = service.arg("serve").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let serving = Self(child);
        assert_eq!(line, "ready\n");
        serving
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks the service; gives the trace's id, and the answer.
fn call(mut caller: Command, item: &str) -> (String, String) {
    let output = caller.args(["call", item]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut lines = printed.lines().map(str::to_owned);
    (lines.next().unwrap(), lines.next().unwrap())
}

/// The trace, as soon as so many points are there, or after a while.
fn read(store: &Path, base_id: &str, points: usize) -> Report {
    let deadline = Instant::now() + Duration::from_secs(10);
    let connection = format!("sqlite://{}", store.display()).parse().unwrap();
    loop {
        let mut reader = open_reader(&connection, &Options::default()).unwrap();
        let mut builder = ReportBuilder::new();
        reader.read(&base_id.into(), &mut |json| builder.add(json).unwrap()).unwrap();
        let report = builder.finish();
        let stopped = report.points().filter(|point| point.stop_json().is_some()).count();
        if stopped == points || Instant::now() > deadline {
            return report;
        }
        sleep(Duration::from_millis(50));
    }
}

fn push_tree(out: &mut String, point: Point<'_>, depth: usize) {
    let service = point.service().unwrap_or_default();
    out.push_str(&format!("{}{} ({service})\n", "  ".repeat(depth), point.name()));
    point.children().for_each(|child| push_tree(out, child, depth + 1));
}

fn tree(report: &Report) -> String {
    let mut tree = String::new();
    report.roots().for_each(|root| push_tree(&mut tree, root, 0));
    tree
}

#[test]
fn a_request_over_nats_is_one_trace_if_both_have_the_key() {
    let Some(server) = services::url("nats", "nats") else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("traces.db");
    let _serving = Serving::start(example(&server, &store, "SECRET_KEY"));

    let (base_id, answer) = call(example(&server, &store, "SECRET_KEY"), "7");
    assert_eq!(answer, "700");
    let seen = tree(&read(&store, &base_id, 3));
    assert_eq!(seen, "rpc (api)\n  rpc (stock)\n    look up (stock)\n");

    // Who has another key is served as well; the service makes no points of it.
    let (untrusted, answer) = call(example(&server, &store, "another key"), "8");
    assert_eq!(answer, "800");
    let (base_id, _) = call(example(&server, &store, "SECRET_KEY"), "9");
    // What the service stores is in order: had it stored something of the former, it were there now.
    assert_eq!(read(&store, &base_id, 3).points().count(), 3);
    assert_eq!(tree(&read(&store, &untrusted, 1)), "rpc (api)\n");
}
