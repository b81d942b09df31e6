//! Writes one known trace into any back end, with nothing but `start` and `stop`.
//!
//! ```sh
//! cargo run --release --example write_trace -- \
//!     --connection-string sqlite:///tmp/traces.db --hmac-key SECRET_KEY --base-id my-trace
//! osprofiler trace show --connection-string sqlite:///tmp/traces.db my-trace
//! ```

use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use osprofiler::{Id, Info, notifier, profiler};
use osprofiler_drivers::{ConnectionString, Options};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The points that are written.
const TRACE: &str = include_str!("../tests/data/golden/fixed-trace.json");

/// How long the back end may take for all of them.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Parser)]
struct Args {
    /// Back end to write to
    #[arg(long)]
    connection_string: ConnectionString,

    /// Id of the trace
    #[arg(long)]
    base_id: String,

    /// HMAC key of the profiler
    #[arg(long)]
    hmac_key: String,

    /// Message bus of a back end whose connection string does not name it
    #[arg(long)]
    transport_url: Option<ConnectionString>,

    /// Keep a list of the traces with errors, in a back end that needs one
    #[arg(long)]
    filter_error_trace: bool,
}

#[derive(Deserialize)]
struct FixedTrace {
    project: Box<str>,
    service: Box<str>,
    tree: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    name: String,
    start: Map<String, Value>,
    stop: Map<String, Value>,
    children: Vec<Point>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let trace: FixedTrace = serde_json::from_str(TRACE)?;

    let mut options = Options::default();
    options.filter_error_trace = args.filter_error_trace;
    options.transport_url = args.transport_url;
    notifier::set_origin(&trace.project, &trace.service);
    let _notifier = notifier::create_from(args.connection_string, options)?;

    profiler::init(args.hmac_key.as_str(), Some(Id::from(args.base_id)), None);
    trace.tree.iter().for_each(emit);
    profiler::clean();

    notifier::flush(PATIENCE).context("the trace is not stored")
}

/// Emits a point and what is below it, with pauses so that every duration is known.
fn emit(point: &Point) {
    profiler::start(point.name.clone(), Info::from(point.start.clone()));
    for child in &point.children {
        sleep(Duration::from_millis(3));
        emit(child);
    }
    sleep(Duration::from_millis(match point.name.as_str() {
        "db" => 5,
        "wsgi" => 3,
        _ => 0,
    }));
    profiler::stop(Info::from(point.stop.clone()));
}
