//! Traced async functions on a runtime with two workers. A task awaits once, and so is polled twice,
//! by whichever worker comes first.
//!
//! The figure is CPU time of the whole process: a runtime's wall time tells of its scheduling. It is
//! held against the same tasks without a point.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fastrace::future::FutureExt as _;
use opentelemetry::Context;
use opentelemetry::trace::{FutureExt as _, TraceContextExt as _, Tracer as _};
use opentelemetry_sdk::trace::SdkTracer;
use osprofiler::TraceExt as _;
use osprofiler::profiler::Fork;
use osprofiler_benches::{Bench, Samples, Table, cpu, in_turn};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tracing::{Dispatch, Instrument as _};

use crate::counts;
use crate::libraries::{self, Library, fast, otel, ours, spans, work};
use crate::on::{self, BURST_RECORDS, Check, per};

const CPU: &str = "CPU ns";
const ABOVE: &str = "above none, ns";

/// Tasks of a burst that is recorded.
pub(crate) const TASKS: u64 = BURST_RECORDS / 2;

/// Tasks of a round of which nothing is recorded.
const TASKS_OFF: u64 = 5_000;

pub(crate) fn run(bench: &mut Bench) {
    libraries::install();
    nobody_traces(bench);
    all_are_traced(bench);
}

fn nobody_traces(bench: &mut Bench) {
    type Spawn = fn() -> JoinHandle<()>;
    let mut subjects: [(&str, Spawn); 3] = [
        ("no attribute", || tokio::spawn(plain())),
        ("ours", || tokio::spawn(our_attribute())),
        ("fastrace", || tokio::spawn(fastrace_attribute())),
    ];
    let runtime = runtime(None);
    let rows = in_turn(bench.pick(201, 15), &mut subjects, |(_, spawn)| {
        let spawn = *spawn;
        let before = cpu::of_process();
        block_on(&runtime, all((0..TASKS_OFF).map(move |_| spawn())));
        [per(cpu::of_process() - before, TASKS_OFF)]
    });
    let mut table = Table::new("off: attribute on an async function, a task each", [CPU]);
    for ((name, _), samples) in subjects.iter().zip(rows) {
        table.add(name, samples);
    }
    table.print();
    let none = table.median("no attribute", CPU);
    bench.bar("off_async", table.median("ours", CPU), none, 1.03);
}

fn all_are_traced(bench: &mut Bench) {
    let mut subjects: Vec<_> =
        subjects().into_iter().map(|subject| (subject.runtime(), subject)).collect();
    let bursts = bench.pick(60, 5);
    let rows = in_turn(bench.pick(9, 3), &mut subjects, |(runtime, subject)| {
        [subject.round(runtime, bursts)]
    });
    let none = rows[0][0].median();
    let mut table = Table::new("on: async across an await, a task for each point", [CPU, ABOVE]);
    for ((_, subject), [samples]) in subjects.iter().zip(rows) {
        let above: Samples = samples.map(|figure| figure - none);
        table.add(subject.name, [samples, above]);
    }
    table.print();
    let (ours, fastrace) = (table.median("ours", ABOVE), table.median("fastrace", ABOVE));
    bench.bar("on_async", ours, 300.0, 1.0);
    bench.bar("on_async_to_fastrace", ours, fastrace, 0.3);
}

/// How a library traces a burst of tasks.
struct Subject {
    name: &'static str,
    library: Option<Box<dyn Library>>,
    dispatch: Option<Dispatch>,
    /// Spawns so many tasks and waits for them; says how many points these are besides.
    burst: Box<dyn Fn(&Runtime) -> u64>,
}

impl Subject {
    /// A runtime whose workers have the subscriber that the library may need.
    fn runtime(&self) -> Runtime {
        runtime(self.dispatch.clone())
    }

    /// CPU nanoseconds per point.
    fn round(&self, runtime: &Runtime, bursts: u64) -> f64 {
        let library = self.library.as_deref();
        let check = Check::begin(library);
        let spent = || cpu::of_process().saturating_sub(libraries::cpu_of_others(library));
        let before = spent();
        let mut points = 0;
        let mut paused = Duration::ZERO;
        for _ in 0..bursts {
            points += TASKS + (self.burst)(runtime);
            let before = cpu::of_thread();
            on::pause();
            paused += cpu::of_thread() - before;
        }
        check.end(points);
        per(spent().saturating_sub(before + paused), points)
    }
}

/// Runs so many bursts of a library, or of none, with pauses for its background: for its instructions.
pub(crate) fn count(who: Option<&str>, runs: u64) {
    libraries::install();
    counts::get_ready();
    let name = who.unwrap_or("none");
    let subject = subjects().into_iter().find(|subject| subject.name == name).expect("a subject");
    let runtime = subject.runtime();
    let check = Check::begin(subject.library.as_deref());
    let mut points = 0;
    for _ in 0..runs {
        points += TASKS + (subject.burst)(&runtime);
        thread::sleep(5 * on::PAUSE);
    }
    check.end(points);
}

fn subjects() -> Vec<Subject> {
    let (sdk, bridge, registry) = (otel::Sdk::new(), spans::Bridge::new(), spans::Registry::new());
    let tracer = sdk.tracer.clone();
    vec![
        Subject { name: "none", library: None, dispatch: None, burst: Box::new(burst_of_none) },
        Subject {
            name: "ours",
            library: Some(Box::new(ours::Ours::new())),
            dispatch: None,
            burst: Box::new(burst_of_ours),
        },
        Subject {
            name: "fastrace",
            library: Some(Box::new(fast::Fastrace)),
            dispatch: None,
            burst: Box::new(burst_of_fastrace),
        },
        Subject {
            name: registry.name(),
            dispatch: Some(registry.dispatch()),
            library: Some(Box::new(registry)),
            burst: Box::new(burst_of_tracing),
        },
        Subject {
            name: "opentelemetry_sdk",
            library: Some(Box::new(sdk)),
            dispatch: None,
            burst: Box::new(move |runtime| burst_of_otel(runtime, tracer.clone())),
        },
        Subject {
            name: bridge.name(),
            dispatch: Some(bridge.dispatch()),
            library: Some(Box::new(bridge)),
            burst: Box::new(burst_of_tracing),
        },
    ]
}

fn burst_of_none(runtime: &Runtime) -> u64 {
    block_on(runtime, all((0..TASKS).map(|_| tokio::spawn(plain()))));
    0
}

fn burst_of_ours(runtime: &Runtime) -> u64 {
    let fork = Fork::from(ours::Ours::new().profiler());
    let tasks = (0..TASKS).map(|_| tokio::spawn(plain().trace("point", ()).in_profiler()));
    block_on(runtime, fork.scope(all(tasks)));
    0
}

fn burst_of_fastrace(runtime: &Runtime) -> u64 {
    let root = Arc::new(fast::root());
    let parent = root.clone();
    let tasks = (0..TASKS).map(move |_| {
        // Its attribute does not carry the parent along; and ours would record the function besides.
        tokio::spawn(plain().in_span(fastrace::Span::enter_with_parent("point", &parent)))
    });
    block_on(runtime, all(tasks));
    1
}

fn burst_of_otel(runtime: &Runtime, tracer: SdkTracer) -> u64 {
    let parent = Context::new().with_span(tracer.start("root"));
    let tasks = (0..TASKS).map(move |_| {
        let span = tracer.start_with_context("point", &parent);
        tokio::spawn(plain().with_context(parent.with_span(span)))
    });
    block_on(runtime, all(tasks));
    1
}

fn burst_of_tracing(runtime: &Runtime) -> u64 {
    block_on(runtime, async {
        let root = tracing::info_span!("root");
        let parent = root.clone();
        let tasks = (0..TASKS).map(move |_| {
            tokio::spawn(plain().instrument(tracing::info_span!(parent: &parent, "point")))
        });
        all(tasks).await;
    });
    1
}

/// Spawns each task and waits for all.
async fn all(tasks: impl Iterator<Item = JoinHandle<()>>) {
    let spawned: Vec<_> = tasks.collect();
    for task in spawned {
        task.await.expect("no panic");
    }
}

/// Runs a future on a worker, so that the tasks it spawns are that worker's.
fn block_on(runtime: &Runtime, future: impl Future<Output = ()> + Send + 'static) {
    runtime.block_on(runtime.spawn(future)).expect("no panic");
}

fn runtime(dispatch: Option<Dispatch>) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(move || {
            if let Some(dispatch) = &dispatch {
                // For as long as the thread lives.
                std::mem::forget(tracing::dispatcher::set_default(dispatch));
            }
        })
        .build()
        .expect("threads")
}

async fn plain() {
    work();
    tokio::task::yield_now().await;
    work();
}

#[osprofiler::trace("point")]
async fn our_attribute() {
    work();
    tokio::task::yield_now().await;
    work();
}

#[fastrace::trace(short_name = true)]
async fn fastrace_attribute() {
    work();
    tokio::task::yield_now().await;
    work();
}
