//! Instruction counts of the short scenarios, and their allocations: a regression shows whatever the
//! machine is doing.
//!
//! This program runs again under valgrind with two numbers of operations, and what is more in the
//! longer run is divided by the number of operations more. Valgrind's processor has no time stamp
//! counter to rely on, so clocks are read in the slower way. The limits are a few instructions above
//! what is counted on x86-64: who makes something faster lowers them, who makes it slower has a
//! reason.

use std::fs;
use std::process::Command;
use std::sync::Barrier;
use std::thread;

use osprofiler_benches::{Bench, start_job};

use crate::libraries::{self, Library, ours};
use crate::{off, on};

/// What is counted, and the greatest number of instructions per operation: on the caller's thread,
/// and on all threads.
struct Limit {
    scenario: &'static str,
    caller: u64,
    all: u64,
}

/// Edit here.
const LIMITS: &[Limit] = &[
    Limit { scenario: "off: start and stop", caller: 16, all: 16 },
    Limit { scenario: "off: guard", caller: 22, all: 22 },
    Limit { scenario: "off: attribute", caller: 10, all: 10 },
    Limit { scenario: "on: empty, nested", caller: 900, all: 1_600 },
    Limit { scenario: "on: attributes, nested", caller: 1_850, all: 2_850 },
];

/// All that is off, one after the other.
const OFF: &str = "off";

pub(crate) fn run(bench: &mut Bench) {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return bench.say("SKIPPED: instruction counts, for there is no valgrind");
    }
    let mut report = String::from(
        "### instructions per operation\n\n|  | caller | limit | all threads | limit |\n\
         |---|---:|---:|---:|---:|\n",
    );
    let mut over = Vec::new();
    for Limit { scenario, caller: caller_limit, all: all_limit } in LIMITS {
        let [caller, all] = count(scenario);
        report += &format!("| {scenario} | {caller} | {caller_limit} | {all} | {all_limit} |\n");
        if caller > *caller_limit || all > *all_limit {
            over.push(scenario);
        }
    }
    bench.say(&report);
    assert!(over.is_empty(), "more instructions than the limits say: {over:?}");
    let [less, more] = runs(OFF).map(|count| allocations(OFF, count));
    assert_eq!(less, more, "what is off allocates");
    bench.say("What is off allocates nothing.");
}

/// The two numbers of operations, or of bursts.
fn runs(scenario: &str) -> [u64; 2] {
    if scenario.starts_with("off") { [1_000, 101_000] } else { [2, 12] }
}

/// Instructions per operation: on the caller's thread, and on all.
fn count(scenario: &str) -> [u64; 2] {
    let [less, more] = runs(scenario);
    let (before, after) = (instructions(scenario, less), instructions(scenario, more));
    let operations = (more - less) * operations_per_run(scenario);
    [0, 1].map(|at| (after[at].saturating_sub(before[at]) + operations / 2) / operations)
}

/// Instructions of a run: of the caller's thread, and of all but the first, which sets the scene.
fn instructions(scenario: &str, count: u64) -> [u64; 2] {
    let folder = tempfile::tempdir().expect("a folder for what valgrind writes");
    let out = format!("--callgrind-out-file={}", folder.path().join("out").display());
    run_job(&["valgrind", "--tool=callgrind", "--separate-threads=yes", &out], scenario, count);
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
    assert!(of_caller > 0, "`{CALLER}` is nowhere to be found");
    [of_caller, of_all]
}

/// Allocations of a run.
fn allocations(scenario: &str, count: u64) -> u64 {
    let wrapper = ["valgrind", "--tool=memcheck", "--leak-check=no", "--run-libc-freeres=no"];
    let log = run_job(&wrapper, scenario, count);
    // total heap usage: 1,234 allocs, 1,230 frees, 56,789 bytes allocated
    let usage = log.split("total heap usage: ").nth(1).expect("valgrind's summary");
    usage.split(" allocs").next().expect("a number").replace(',', "").parse().expect("a number")
}

fn run_job(wrapper: &[&str], scenario: &str, count: u64) -> String {
    let job = start_job(wrapper, "count", &[scenario, &count.to_string()]);
    let job = job.and_then(|mut job| job.output()).expect("valgrind");
    let log = String::from_utf8_lossy(&job.stderr).into_owned();
    assert!(job.status.success(), "{scenario}: {log}");
    log
}

fn operations_per_run(scenario: &str) -> u64 {
    if scenario.starts_with("off") { 1 } else { TRACES * on::NESTED.points }
}

/// Traces of a burst, which fits into a ring.
const TRACES: u64 = on::BURST_RECORDS / 2 / on::NESTED.points;

/// Runs a scenario so often.
pub(crate) fn job(args: &[String]) {
    // It measures the time stamp counter for as long as that takes, once in a process.
    let _ = quanta::Clock::new();
    let (scenario, count) = (args[0].as_str(), args[1].parse().expect("a count"));
    match scenario {
        "off: start and stop" => on_a_thread(|| repeat(off::start_and_stop, count)),
        "off: guard" => on_a_thread(|| repeat(off::guard, count)),
        "off: attribute" => on_a_thread(|| repeat(off::attribute, count)),
        OFF => {
            let points = [off::start_and_stop, off::guard, off::attribute];
            points.iter().for_each(|point| repeat(*point, count));
        }
        "on: empty, nested" => bursts(&ours::Ours::new(), on::NESTED, count),
        "on: attributes, nested" => bursts(&ours::Ours::new(), on::WITH_ATTRIBUTES, count),
        _ => panic!("unknown scenario `{scenario}`"),
    }
}

fn bursts(library: &dyn Library, shape: on::Shape, count: u64) {
    libraries::install();
    library.nested();
    let check = on::Check::begin(Some(library));
    // The pauses are made here, so that they are not counted. Everything is slow under valgrind.
    let turn = Barrier::new(2);
    let caller = || {
        for _ in 0..count {
            (0..TRACES).for_each(|_| (shape.record)(library));
            turn.wait();
            turn.wait();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| the_caller(&caller));
        for _ in 0..count {
            turn.wait();
            thread::sleep(5 * on::PAUSE);
            turn.wait();
        }
    });
    check.end(count * TRACES * shape.points);
}

fn repeat(operation: fn(), count: u64) {
    (0..count).for_each(|_| operation());
}

/// By this name the caller's thread is known.
const CALLER: &str = "the_caller";

#[inline(never)]
fn the_caller(work: &(dyn Fn() + Sync)) {
    work();
}

fn on_a_thread(work: impl Fn() + Sync) {
    thread::scope(|scope| {
        scope.spawn(|| the_caller(&work));
    });
}
