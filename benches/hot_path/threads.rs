//! One thread and two threads at once: they must not get into each other's way.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use osprofiler_benches::{Bench, Table, in_turn};

use crate::libraries::{self, Library};
use crate::on::{self, BURST_RECORDS, NESTED};

const ONE: &str = "one thread, ns";
const TWO: &str = "two threads, ns";

/// Nanoseconds of wall time per point, for each of two threads.
const GOAL: f64 = 50.0;

/// Twice the points in so much of the time is 1.8 times the throughput.
const SLOWER: f64 = 2.0 / 1.8;

pub(crate) fn run(bench: &mut Bench) {
    let libraries = libraries::all();
    let bursts = bench.pick(60, 5);
    let mut subjects: Vec<_> = libraries.iter().map(|library| &**library).collect();
    let rows = in_turn(bench.pick(9, 3), &mut subjects, |library| {
        [1, 2].map(|threads| round(*library, threads, bursts))
    });
    let mut table = Table::new("on: threads at once, a root and 10 nested, wall time", [ONE, TWO]);
    for (library, samples) in libraries.iter().zip(rows) {
        table.add(library.name(), samples);
    }
    table.print();
    let (one, two) = (table.median("ours", ONE), table.median("ours", TWO));
    bench.bar("two_threads_wall", two, GOAL, 1.0);
    bench.bar("two_threads_to_one", two, one, SLOWER);
    bench.bar("two_threads_to_fastrace", two, table.median("fastrace", TWO), 1.0);
}

/// Nanoseconds per point of each thread, on average.
fn round(library: &dyn Library, threads: usize, bursts: u64) -> f64 {
    // Two threads together make a burst.
    let traces = BURST_RECORDS / 4 / NESTED.points;
    let timed = traces - on::WARM_UP;
    let points = threads as u64 * traces * NESTED.points;
    let nanos = AtomicU64::new(0);
    // The threads, and this one, which makes the pauses.
    let turn = Barrier::new(threads + 1);
    let ready: Vec<AtomicUsize> = (0..bursts).map(|_| AtomicUsize::new(0)).collect();
    let run = || {
        for ready in &ready {
            let took = on::burst(library, NESTED, timed, || wait_for_all(ready, threads));
            nanos.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
            turn.wait();
            turn.wait();
        }
    };
    on::elsewhere(library, bursts * points, || {
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(run);
            }
            for _ in 0..bursts {
                turn.wait();
                on::pause();
                turn.wait();
            }
        });
    });
    let timed_points = bursts * threads as u64 * timed * NESTED.points;
    on::per(Duration::from_nanos(nanos.into_inner()), timed_points)
}

/// Spins until all threads are here: a barrier would wake them one after the other.
fn wait_for_all(ready: &AtomicUsize, threads: usize) {
    ready.fetch_add(1, Ordering::AcqRel);
    while ready.load(Ordering::Acquire) < threads {
        std::hint::spin_loop();
    }
}
