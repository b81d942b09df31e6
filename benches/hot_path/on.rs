//! Everything is traced, and the back end does nothing.
//!
//! What the caller pays is wall time on its thread, over bursts of whole requests. CPU in all is that
//! and what the library's threads spend on it, to the end of the flush after the last burst.
//! Between bursts everybody gets the same pause, as there is between requests; a round of which anything
//! was lost ends the program.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use osprofiler_benches::{Bench, Table, cpu, in_turn};

use crate::libraries::{self, DEPTH, Library, VALUES, WIDTH};

/// Records of a burst: the thousand points that are half of what fits into the queue of OpenTelemetry.
pub(crate) const BURST_RECORDS: u64 = 2_000;

/// Time between bursts: 200,000 points a second on a thread, which is a busy one.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);

/// Traces at the beginning of a burst that are not timed, since others have had the caches.
pub(crate) const WARM_UP: u64 = 10;

/// A trace of some shape.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) title: &'static str,
    pub(crate) record: fn(&dyn Library),
    pub(crate) points: u64,
}

pub(crate) const NESTED: Shape = Shape {
    title: "on: empty, a root and 10 nested",
    record: |library| library.nested(),
    points: DEPTH + 1,
};
pub(crate) const WIDE: Shape = Shape {
    title: "on: empty, a root and 100 side by side",
    record: |library| library.wide(),
    points: WIDTH + 1,
};
pub(crate) const WITH_ATTRIBUTES: Shape = Shape {
    title: "on: three string attributes, a root and 10 nested",
    record: |library| library.with_attributes(black_box(VALUES)),
    points: DEPTH + 1,
};

pub(crate) fn run(bench: &mut Bench) {
    let libraries = libraries::all();
    let nested = race(bench, &libraries, NESTED);
    bar(bench, &nested, "on_nested_caller", "caller ns", 0.65);
    bar(bench, &nested, "on_nested_cpu", "CPU ns", 0.5);
    race(bench, &libraries, WIDE);
    let with_attributes = race(bench, &libraries, WITH_ATTRIBUTES);
    bar(bench, &with_attributes, "on_attributes_caller", "caller ns", 0.5);
    bar(bench, &with_attributes, "on_attributes_cpu", "CPU ns", 0.5);
}

fn bar(bench: &mut Bench, table: &Table, scenario: &'static str, column: &str, limit: f64) {
    let (ours, fastrace) = (table.median("ours", column), table.median("fastrace", column));
    bench.bar(scenario, ours, fastrace, limit);
}

fn race(bench: &Bench, libraries: &[Box<dyn Library>], shape: Shape) -> Table {
    let bursts = bench.pick(60, 5);
    let mut subjects: Vec<_> = libraries.iter().map(|library| &**library).collect();
    let rows = in_turn(bench.pick(9, 3), &mut subjects, |library| round(*library, shape, bursts));
    let mut table = Table::new(shape.title, ["caller ns", "CPU ns"]);
    for (library, samples) in libraries.iter().zip(rows) {
        table.add(library.name(), samples);
    }
    table.print();
    table
}

/// Nanoseconds per point: of the caller, and of CPU in all.
fn round(library: &dyn Library, shape: Shape, bursts: u64) -> [f64; 2] {
    let traces = (BURST_RECORDS / 2 - WARM_UP * NESTED.points) / shape.points;
    let points = WARM_UP * NESTED.points + traces * shape.points;
    let mut timed = Duration::ZERO;
    let spent_elsewhere = elsewhere(library, bursts * points, || {
        for _ in 0..bursts {
            timed += burst(library, shape, traces, || ());
            pause();
        }
    });
    let caller = per(timed, bursts * traces * shape.points);
    [caller, caller + spent_elsewhere]
}

/// Leaves the background its time. Awake, as a thread that has requests to serve is: one that slept
/// finds cold caches and a slow processor, which would be most of what is measured then.
pub(crate) fn pause() {
    let since = Instant::now();
    while since.elapsed() < PAUSE {
        std::hint::spin_loop();
    }
}

/// Sees to it that nothing is lost.
pub(crate) struct Check<'a> {
    library: Option<&'a dyn Library>,
    delivered_before: u64,
}

impl<'a> Check<'a> {
    pub(crate) fn begin(library: Option<&'a dyn Library>) -> Self {
        let delivered_before = library.and_then(Library::delivered).unwrap_or(0);
        Self { library, delivered_before }
    }

    /// Waits until all is delivered. Panics if ours has lost points; of the others it is said, as they
    /// have queues to be overrun if the machine does not let their threads run.
    pub(crate) fn end(self, points: u64) {
        let delivered = self.library.and_then(Library::delivered);
        let delivered = delivered.map(|delivered| delivered - self.delivered_before);
        let name = self.library.map_or("none", Library::name);
        let delivered = delivered.unwrap_or(points);
        assert!(name != "ours" || delivered == points, "{delivered} of {points} points arrived");
        if delivered != points {
            let _ = writeln!(io::stderr(), "{name} delivered {delivered} of {points} points");
        }
    }
}

/// Records a few traces to warm up, calls `ready` and records so many more; how long these took.
pub(crate) fn burst(
    library: &dyn Library,
    shape: Shape,
    traces: u64,
    ready: impl Fn(),
) -> Duration {
    let mut took = Duration::ZERO;
    library.enter(&mut || {
        for _ in 0..WARM_UP {
            library.nested();
        }
        ready();
        let start = Instant::now();
        for _ in 0..traces {
            (shape.record)(library);
        }
        took = start.elapsed();
    });
    took
}

/// CPU time per point of all threads of the process but this one, while `work` records so many
/// points and until they are delivered. The threads of other libraries do not count.
pub(crate) fn elsewhere(library: &dyn Library, points: u64, work: impl FnOnce()) -> f64 {
    let check = Check::begin(Some(library));
    let foreign = || cpu::of_thread() + libraries::cpu_of_others(Some(library));
    let spent = || cpu::of_process().saturating_sub(foreign());
    let before = spent();
    work();
    check.end(points);
    per(spent().saturating_sub(before), points)
}

pub(crate) fn per(duration: Duration, points: u64) -> f64 {
    duration.as_nanos() as f64 / points as f64
}
