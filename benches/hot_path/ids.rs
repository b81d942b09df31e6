//! Ids: what one costs, and that no two are the same.

use std::cell::Cell;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::exit;
use std::thread;

use fork::Fork;
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use osprofiler::{HmacKey, Id, Profiler};
use osprofiler_benches::{Bench, runner, start_job};

const WITH: &str = "ours: a profiler with a fresh id";
const WITHOUT: &str = "ours: a profiler with an id that is given";

const THREADS: usize = 4;
const CHILDREN: usize = 4;

/// Ids that each child of a fork makes.
const IDS_OF_CHILD: usize = 250_000;

/// Nanoseconds that an id may cost.
const GOAL: f64 = 10.0;

pub(crate) fn run(bench: &mut Bench) {
    let key = HmacKey::new("SECRET_KEY");
    let id = Id::from("7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c");
    let profiler = |base_id| drop(black_box(Profiler::new(key.clone(), base_id, None)));
    let table = bench.race(
        "ids",
        &mut [
            runner(WITH, || profiler(black_box(None))),
            runner(WITHOUT, || profiler(black_box(Some(id.clone())))),
            runner("floor: thread-local small generator", || {
                black_box(small_id());
            }),
            runner("uuid crate, version 4", || {
                black_box(uuid::Uuid::new_v4());
            }),
            runner("fastrace, 64 bits", || {
                black_box(fastrace::collector::SpanId::random());
            }),
            runner("opentelemetry, 128 bits", || {
                black_box(RandomIdGenerator::default().new_trace_id());
            }),
        ],
    );
    // There is no other way to ask for one.
    let ours = table.median(WITH, "ns") - table.median(WITHOUT, "ns");
    bench.bar("id", ours, GOAL, 1.0);
    bench.bar("id_to_uuid_crate", ours, table.median("uuid crate, version 4", "ns"), 1.0);
    assert_unique(bench);
}

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0x7d28_af6a_79ae_40f3) };
}

/// Twice the smallest generator that is any good (SplitMix64).
#[inline(never)]
fn small_id() -> [u64; 2] {
    [(); 2].map(|()| {
        let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        STATE.set(state);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    })
}

/// In a process of its own: one that is to fork must have no other threads.
fn assert_unique(bench: &Bench) {
    let folder = tempfile::tempdir().expect("a folder for what the children make");
    let ids = bench.pick(100_000_000, 2_000_000).to_string();
    let folder = folder.path().to_str().expect("text");
    let job = start_job(&[], "ids", &[&ids, folder]).and_then(|mut job| job.output());
    let job = job.expect("this program again");
    assert!(job.status.success(), "ids: {}", String::from_utf8_lossy(&job.stderr));
    bench.say(String::from_utf8_lossy(&job.stdout).trim());
}

/// Makes ids, in children of a fork as well, and panics if two are the same.
pub(crate) fn job(args: &[String]) {
    let (count, folder) = (args[0].parse::<usize>().expect("a count"), Path::new(&args[1]));
    // The children inherit a generator that has been in use.
    let mut runs = vec![make(1_000)];
    let children: Vec<_> =
        (0..CHILDREN).map(|child| start_child(&folder.join(child.to_string()))).collect();
    runs.push(make(IDS_OF_CHILD));
    for (file, child) in children {
        assert_eq!(fork::waitpid(child).expect("a child"), 0, "a child failed");
        let bytes = fs::read(file).expect("what the child made");
        runs.push(bytes.as_chunks::<16>().0.iter().map(|id| u128::from_be_bytes(*id)).collect());
    }
    runs.extend(make_on_threads(count));
    let total: usize = runs.iter().map(Vec::len).sum();
    assert!(total >= count);
    assert_no_duplicates(runs);
    println!(
        "{total} ids of {THREADS} threads, a parent and {CHILDREN} children of forks: all differ"
    );
}

fn make(count: usize) -> Vec<u128> {
    let key = HmacKey::new("SECRET_KEY");
    let id = |_| {
        let profiler = Profiler::new(key.clone(), None, None);
        u128::from_be_bytes(profiler.base_id().uuid_bytes().expect("ours are UUIDs"))
    };
    (0..count).map(id).collect()
}

fn start_child(file: &Path) -> (std::path::PathBuf, i32) {
    match fork::fork().expect("a child") {
        Fork::Parent(child) => (file.to_owned(), child),
        Fork::Child => {
            let ids = make(IDS_OF_CHILD).iter().flat_map(|id| id.to_be_bytes()).collect::<Vec<_>>();
            exit(i32::from(fs::write(file, ids).is_err()));
        }
    }
}

fn make_on_threads(count: usize) -> Vec<Vec<u128>> {
    let run = || {
        let mut ids = make(count / THREADS);
        ids.sort_unstable();
        ids
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// Merges the runs, which are sorted first where they are not yet.
fn assert_no_duplicates(mut runs: Vec<Vec<u128>>) {
    for run in &mut runs {
        run.sort_unstable();
        run.reverse();
    }
    let mut last = None;
    while let Some(least) =
        runs.iter().enumerate().filter_map(|(at, run)| Some((*run.last()?, at))).min()
    {
        assert_ne!(last, Some(least.0), "an id was made twice");
        last = Some(least.0);
        runs[least.1].pop();
    }
}
