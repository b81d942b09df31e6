//! What a trace of 1,000 points costs to read, out of 10,000 traces.

use std::process::{Command, Stdio};
use std::time::Instant;

use osprofiler_benches::{Bench, Table, in_turn};
use osprofiler_drivers::{ListQuery, Options, Reader, open_reader, open_writer};
use osprofiler_wire::Id;

use crate::{BackEnd, records};

const POINTS: u64 = 1000;
const CLIENT: &str = "the server's client, each further time";
/// How many times the server's client reads more in the long run than in the short one: what it takes
/// to start and connect, which is more than to read and never the same, falls out of the difference.
const FURTHER: usize = 10;

pub(crate) fn race(bench: &mut Bench, back_end: &BackEnd, url: &str) {
    let Some(raw_read) = back_end.raw_read else { return };
    let connection = url.parse().expect("a connection string");
    let base_id = fill(bench, url);
    let mut reader = open_reader(&connection, &Options::default()).expect("the server takes us");
    let expected = 2 * usize::try_from(POINTS).expect("a few");
    let id = base_id.to_string();
    let mut ours = || {
        let start = Instant::now();
        let mut found = 0;
        reader.read(&base_id, &mut |_| found += 1).expect("a trace is read");
        assert_eq!(found, expected, "records of the trace");
        start.elapsed().as_secs_f64() * 1e3
    };
    let [once, often] = [1, 1 + FURTHER].map(|times| raw_read(url, &id, times));
    let mut raw = || (milliseconds_of(&often) - milliseconds_of(&once)) / FURTHER as f64;
    let mut runners: [(&str, &mut dyn FnMut() -> f64); 2] =
        [("ours", &mut ours), (CLIENT, &mut raw)];
    let rows = in_turn(bench.pick(11, 3), &mut runners, |(_, measure)| [measure()]);
    let title = format!("{}: a trace of {POINTS} points, out of 10,000 traces", back_end.server);
    let mut table = Table::new(&title, ["ms"]);
    for ((name, _), samples) in runners.iter().zip(rows) {
        table.add(name, samples);
    }
    for (name, samples) in list_times(bench, &mut *reader) {
        table.add(name, samples);
    }
    table.print();
    let (ours, raw) = (table.median("ours", "ms"), table.median(CLIENT, "ms"));
    bench.bar(&format!("read_{}", back_end.server), ours, raw, 2.0);
}

/// Fills the back end up to 10,000 traces of two points, and writes the large one among them.
fn fill(bench: &Bench, url: &str) -> Id {
    let connection = url.parse().expect("a connection string");
    let mut writer = open_writer(&connection, &Options::default()).expect("the server takes us");
    let large = records::trace(POINTS);
    for at in 0..bench.pick(20, 1) {
        let batch: Vec<_> = (0..500).flat_map(|_| records::trace(2)).collect();
        writer.write(&batch).expect("records are taken");
        if at == 10 || bench.is_quick() {
            writer.write(&large).expect("records are taken");
        }
    }
    large[0].base_id.clone()
}

fn list_times(
    bench: &Bench,
    reader: &mut dyn Reader,
) -> Vec<(&'static str, [osprofiler_benches::Samples; 1])> {
    let mut newest = ListQuery::default();
    newest.limit = Some(20);
    let queries = [("list of all", ListQuery::default()), ("list of the newest 20", newest)];
    let mut list = |query: &ListQuery| {
        let start = Instant::now();
        reader.list(query).expect("traces are listed");
        start.elapsed().as_secs_f64() * 1e3
    };
    queries
        .iter()
        .map(|(name, query)| {
            let mut rows = in_turn(bench.pick(5, 1), &mut [query], |query| [list(query)]);
            (*name, rows.remove(0))
        })
        .collect()
}

fn milliseconds_of(program: &[String]) -> f64 {
    let start = Instant::now();
    let mut command = Command::new(&program[0]);
    let status = command.args(&program[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("the client is installed").success(), "{} fails", program[0]);
    start.elapsed().as_secs_f64() * 1e3
}
