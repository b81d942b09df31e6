//! Instruction counts of the short scenarios, of ours and of the fastest peer, and our allocations: a
//! regression shows whatever the machine is doing, and a ratio has no noise.
//!
//! This program runs again under valgrind with two numbers of runs, and what is more in the longer one
//! is divided by the number of operations more. What a wait for memory or for another processor costs
//! is not counted. Limits are a few instructions above what is counted on x86-64: who makes something
//! faster lowers them, who makes it slower has a reason.

use std::fs;
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use osprofiler_benches::{Bench, start_job};

use crate::libraries::{self, Library, fast, ours};
use crate::on::{NESTED, Shape, WIDE, WITH_ATTRIBUTES};
use crate::{asynchronous, off, on};

/// What is counted.
struct Subject {
    scenario: &'static str,
    who: &'static str,
    run: fn(u64),
    /// How often `run` runs, in the shorter and in the longer of the two.
    runs: [u64; 2],
    /// Operations of a run.
    operations: u64,
    /// The greatest number of instructions per operation of ours: on the caller's thread, and on all.
    limits: Option<[u64; 2]>,
}

const OURS: &str = "ours";
const FASTRACE: &str = "fastrace";
/// The least that a switch can cost, or the same without a point.
const FLOOR: &str = "floor";

const START_STOP: &str = "off: start and stop";
const GUARD: &str = "off: guard";
const ATTRIBUTE: &str = "off: attribute";
const OFF_ASYNC: &str = "off: attribute on an async function";
const ON_ASYNC: &str = "on: async across an await, a task for each point";

/// The limits are edited here.
fn subjects() -> Vec<Subject> {
    vec![
        off(START_STOP, FLOOR, |runs| on_a_thread(runs, off::floor), None),
        off(START_STOP, OURS, |runs| on_a_thread(runs, off::start_and_stop), Some([15, 15])),
        off(START_STOP, FASTRACE, |runs| on_a_thread(runs, off::fastrace_span), None),
        off(GUARD, FLOOR, |runs| on_a_thread(runs, off::floor), None),
        off(GUARD, OURS, |runs| on_a_thread(runs, off::guard), Some([10, 10])),
        off(GUARD, FASTRACE, |runs| on_a_thread(runs, off::fastrace_span), None),
        off(ATTRIBUTE, FLOOR, |runs| on_a_thread(runs, off::floor), None),
        off(ATTRIBUTE, OURS, |runs| on_a_thread(runs, off::attribute), Some([10, 10])),
        off(ATTRIBUTE, FASTRACE, |runs| on_a_thread(runs, off::fastrace_attribute), None),
        off(OFF_ASYNC, FLOOR, |runs| on_a_thread(runs, off::poll_none), None),
        off(OFF_ASYNC, OURS, |runs| on_a_thread(runs, off::poll_ours), Some([50, 50])),
        off(OFF_ASYNC, FASTRACE, |runs| on_a_thread(runs, off::poll_fastrace), None),
        on(NESTED, OURS, |runs| bursts(&ours::Ours::new(), NESTED, runs), Some([640, 1_130])),
        on(NESTED, FASTRACE, |runs| bursts(&fast::Fastrace, NESTED, runs), None),
        on(WIDE, OURS, |runs| bursts(&ours::Ours::new(), WIDE, runs), Some([515, 970])),
        on(WIDE, FASTRACE, |runs| bursts(&fast::Fastrace, WIDE, runs), None),
        on(
            WITH_ATTRIBUTES,
            OURS,
            |runs| bursts(&ours::Ours::new(), WITH_ATTRIBUTES, runs),
            Some([1_600, 2_550]),
        ),
        on(WITH_ATTRIBUTES, FASTRACE, |runs| bursts(&fast::Fastrace, WITH_ATTRIBUTES, runs), None),
        tasks(FLOOR, |runs| asynchronous::count(None, runs), None),
        tasks(OURS, |runs| asynchronous::count(Some(OURS), runs), Some([0, 5_900])),
        tasks(FASTRACE, |runs| asynchronous::count(Some(FASTRACE), runs), None),
    ]
}

fn off(
    scenario: &'static str,
    who: &'static str,
    run: fn(u64),
    limits: Option<[u64; 2]>,
) -> Subject {
    Subject { scenario, who, run, runs: [1_000, 101_000], operations: 1, limits }
}

fn on(shape: Shape, who: &'static str, run: fn(u64), limits: Option<[u64; 2]>) -> Subject {
    let operations = traces(shape) * shape.points;
    Subject { scenario: shape.title, who, run, runs: [2, 12], operations, limits }
}

fn tasks(who: &'static str, run: fn(u64), limits: Option<[u64; 2]>) -> Subject {
    let operations = asynchronous::TASKS;
    Subject { scenario: ON_ASYNC, who, run, runs: [2, 12], operations, limits }
}

/// Bars of the timed scenarios, on instructions: ours to fastrace's, with what `FLOOR` takes left out.
const BARS: [(&str, &str, usize, f64); 5] = [
    ("counts_on_nested_caller", NESTED.title, 0, 0.65),
    ("counts_on_nested_all", NESTED.title, 1, 0.5),
    ("counts_on_attributes_caller", WITH_ATTRIBUTES.title, 0, 0.5),
    ("counts_on_attributes_all", WITH_ATTRIBUTES.title, 1, 0.5),
    ("counts_on_async_to_fastrace", ON_ASYNC, 1, 0.3),
];

pub(crate) fn run(bench: &mut Bench) {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return bench.say("SKIPPED: instruction counts, for there is no valgrind");
    }
    let mut report = String::from(
        "### instructions per operation\n\n|  |  | caller | limit | all threads | limit |\n\
         |---|---|---:|---:|---:|---:|\n",
    );
    let mut over = Vec::new();
    let mut counts = Vec::new();
    for (at, subject) in subjects().iter().enumerate() {
        let Subject { scenario, who, limits, .. } = subject;
        let [caller, all] = count(at, subject);
        let [caller_limit, all_limit] = limits
            .map_or(["", ""].map(String::from), |limits| limits.map(|limit| limit.to_string()));
        report +=
            &format!("| {scenario} | {who} | {caller} | {caller_limit} | {all} | {all_limit} |\n");
        if limits.is_some_and(|limits| caller > limits[0] || all > limits[1]) {
            over.push(*scenario);
        }
        counts.push(((*scenario, *who), [caller, all]));
    }
    bench.say(&report);
    for (bar, scenario, column, limit) in BARS {
        let of = |who| {
            let found = counts.iter().find(|(subject, _)| *subject == (scenario, who));
            found.map_or(0.0, |(_, counts)| counts[column] as f64)
        };
        bench.bar(bar, of(OURS) - of(FLOOR), of(FASTRACE) - of(FLOOR), limit);
    }
    assert!(over.is_empty(), "more instructions than the limits say: {over:?}");
    let [less, more] = [1_000, 101_000].map(|runs| allocations(ALL_OFF, runs));
    assert_eq!(less, more, "what is off allocates");
    bench.say("What is off allocates nothing.");
}

/// Instructions per operation: on the caller's thread, and on all.
fn count(at: usize, subject: &Subject) -> [u64; 2] {
    let [before, after] = subject.runs.map(|runs| instructions(&at.to_string(), runs));
    let operations = (subject.runs[1] - subject.runs[0]) * subject.operations;
    [0, 1].map(|at| (after[at].saturating_sub(before[at]) + operations / 2) / operations)
}

/// Instructions: of the caller's thread, and of all but the first, which sets the scene.
fn instructions(subject: &str, runs: u64) -> [u64; 2] {
    let folder = tempfile::tempdir().expect("a folder for what valgrind writes");
    let out = format!("--callgrind-out-file={}", folder.path().join("out").display());
    run_job(&["valgrind", "--tool=callgrind", "--separate-threads=yes", &out], subject, runs);
    let (mut of_caller, mut of_all) = (0, 0);
    for file in fs::read_dir(folder.path()).expect("what valgrind wrote") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("text");
        let field = |key| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        let total = field("totals:").and_then(|total| total.parse().ok()).unwrap_or(0);
        if field("thread:") != Some("1") {
            of_all += total;
        }
        if text.contains(CALLER) {
            of_caller += total;
        }
    }
    [of_caller, of_all]
}

/// Allocations of a run.
fn allocations(subject: &str, runs: u64) -> u64 {
    let wrapper = ["valgrind", "--tool=memcheck", "--leak-check=no", "--run-libc-freeres=no"];
    let log = run_job(&wrapper, subject, runs);
    // total heap usage: 1,234 allocs, 1,230 frees, 56,789 bytes allocated
    let usage = log.split("total heap usage: ").nth(1).expect("valgrind's summary");
    usage.split(" allocs").next().expect("a number").replace(',', "").parse().expect("a number")
}

fn run_job(wrapper: &[&str], subject: &str, runs: u64) -> String {
    let job = start_job(wrapper, "count", &[subject, &runs.to_string()]);
    let job = job.and_then(|mut job| job.output()).expect("valgrind");
    let log = String::from_utf8_lossy(&job.stderr).into_owned();
    assert!(job.status.success(), "{subject}: {log}");
    log
}

/// All of ours that is off, one after the other.
const ALL_OFF: &str = "off";

/// Runs a subject, by its place in the list, so often.
pub(crate) fn job(args: &[String]) {
    // It measures the time stamp counter for as long as that takes, once in a process.
    let _ = quanta::Clock::new();
    let runs = args[1].parse().expect("a count");
    if args[0] == ALL_OFF {
        let points = [off::start_and_stop, off::guard, off::attribute];
        return points.iter().for_each(|point| repeat(runs, *point));
    }
    let at: usize = args[0].parse().expect("a subject's place");
    (subjects()[at].run)(runs);
}

/// Traces of a burst of a thousand points.
fn traces(shape: Shape) -> u64 {
    on::BURST_RECORDS / 2 / shape.points
}

fn bursts(library: &dyn Library, shape: Shape, runs: u64) {
    libraries::install();
    get_ready();
    library.nested();
    let check = on::Check::begin(Some(library));
    // The pauses are made here, so that they are not counted. Everything is slow under valgrind.
    let turn = Barrier::new(2);
    let caller = || {
        for _ in 0..runs {
            (0..traces(shape)).for_each(|_| (shape.record)(library));
            turn.wait();
            turn.wait();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| the_caller(&caller));
        for _ in 0..runs {
            turn.wait();
            thread::sleep(5 * on::PAUSE);
            turn.wait();
        }
    });
    check.end(runs * traces(shape) * shape.points);
}

/// Waits until the processor's counter is known, which takes longer when reading it does: from then on
/// what is counted is what runs in production.
pub(crate) fn get_ready() {
    thread::sleep(Duration::from_secs(5));
}

fn repeat(runs: u64, operation: fn()) {
    (0..runs).for_each(|_| operation());
}

/// By this name the caller's thread is known.
const CALLER: &str = "the_caller";

#[inline(never)]
fn the_caller(work: &(dyn Fn() + Sync)) {
    work();
}

fn on_a_thread(runs: u64, operation: fn()) {
    thread::scope(|scope| {
        scope.spawn(|| the_caller(&|| repeat(runs, operation)));
    });
}
