//! What a record costs to write: acknowledged, in batches as the notifier makes them.

use std::process::Command;
use std::time::Instant;

use osprofiler_benches::{Bench, Table, in_turn};
use osprofiler_drivers::{Options, open_writer};
use osprofiler_wire::Record;

use crate::{BackEnd, records, services};

/// Records in a batch.
const BATCH: usize = 1000;
/// Points of a trace; a batch has 50 traces.
const POINTS: u64 = 10;

pub(crate) fn race(bench: &mut Bench, back_end: &BackEnd, url: &str) {
    let upstream = back_end
        .upstream
        .and_then(|upstream| Some((upstream(url), services::url(back_end.server, "python")?)));
    let batches = bench.pick(20, 2);
    let count = bench.pick(2000, 100);
    let mut ours = || of_ours(url, batches);
    let mut theirs = || {
        let (url, python) = upstream.as_ref().expect("it is asked for only then");
        of_upstream(python, url, count)
    };
    let mut runners: Vec<(&str, &mut dyn FnMut() -> f64)> = vec![("ours", &mut ours)];
    if upstream.is_some() {
        runners.push(("Python osprofiler", &mut theirs));
    }
    let rows = in_turn(bench.pick(5, 1), &mut runners, |(_, measure)| [measure()]);
    let mut table =
        Table::new(&format!("{}: a record written and acknowledged", back_end.server), ["us"]);
    for ((name, _), samples) in runners.iter().zip(rows) {
        table.add(name, samples);
    }
    table.print();
    if upstream.is_some() {
        let (ours, theirs) = (table.median("ours", "us"), table.median("Python osprofiler", "us"));
        bench.bar(&format!("write_{}", back_end.server), ours, theirs, back_end.write_bar);
    }
}

/// Microseconds a record.
fn of_ours(url: &str, batches: usize) -> f64 {
    let connection = url.parse().expect("a connection string");
    let batches: Vec<Vec<Record>> = (0..batches)
        .map(|_| {
            let mut batch = Vec::new();
            while batch.len() < BATCH {
                batch.extend(records::trace(POINTS));
            }
            batch
        })
        .collect();
    let mut writer = open_writer(&connection, &Options::default()).expect("the server takes us");
    // The first one pays for the connection, as it does in the other library.
    writer.write(&records::trace(1)).expect("records are taken");
    let start = Instant::now();
    for batch in &batches {
        writer.write(batch).expect("records are taken");
    }
    let count: usize = batches.iter().map(Vec::len).sum();
    start.elapsed().as_secs_f64() * 1e6 / count as f64
}

/// Microseconds a record.
fn of_upstream(python: &str, url: &str, count: usize) -> f64 {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/drivers/upstream.py");
    let done = Command::new(python).args([script, url, &count.to_string()]).output();
    let done = done.expect("Python runs");
    let said = String::from_utf8_lossy(&done.stdout);
    let seconds: Result<f64, _> = said.trim().parse();
    let seconds = seconds
        .unwrap_or_else(|_| panic!("it fails: {said}{}", String::from_utf8_lossy(&done.stderr)));
    seconds * 1e6 / count as f64
}
