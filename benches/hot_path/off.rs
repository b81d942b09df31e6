//! Nobody traces: what a point costs the requests that it is not for.
//!
//! Each runner is a call of a function that is not inlined and holds one point of the library. The
//! floor is such a function with the least that a switch can cost, a thread-local read and a branch.

use std::cell::Cell;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};

use fastrace::local::LocalSpan;
use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use osprofiler::{Trace, info, profiler};
use osprofiler_benches::{Bench, Runner, Table, runner};

use crate::libraries::{self, VALUES, Values, otel, work};

const FLOOR: &str = "floor: call, thread-local read, branch";
const OURS: [(&str, fn()); 3] = [
    ("ours: start and stop", start_and_stop),
    ("ours: guard", guard),
    ("ours: attribute", attribute),
];

pub(crate) fn run(bench: &mut Bench) {
    libraries::install();
    let table = nobody_traces(bench);
    let floor = table.median(FLOOR, "ns");
    let peers = ["fastrace: local span", "fastrace: attribute", "tracing: no subscriber"];
    let best_peer = peers.map(|peer| table.median(peer, "ns")).into_iter().fold(f64::MAX, f64::min);
    for ((name, _), [to_floor, to_peers]) in OURS.iter().zip([
        ["off_start_stop", "off_start_stop_to_best_peer"],
        ["off_guard", "off_guard_to_best_peer"],
        ["off_attribute", "off_attribute_to_best_peer"],
    ]) {
        let ours = table.median(name, "ns");
        bench.bar(to_floor, ours, floor, 1.4);
        bench.bar(to_peers, ours, best_peer, 1.0);
    }
    nobody_polls(bench);
    not_sampled(bench);
}

fn nobody_traces(bench: &Bench) -> Table {
    let no_sdk = opentelemetry::global::tracer("bench");
    bench.race(
        "off: nobody traces",
        &mut [
            runner("floor: empty loop", || black_box(())),
            runner("floor: call", call),
            runner(FLOOR, floor),
            runner(OURS[0].0, start_and_stop),
            runner(OURS[1].0, guard),
            runner(OURS[2].0, attribute),
            runner("ours: guard, three attributes", guard_with_info),
            runner("fastrace: local span", fastrace_span),
            runner("fastrace: attribute", fastrace_attribute),
            // Only as long as nothing has set one in this process: this group comes first.
            runner("tracing: no subscriber", tracing_span),
            runner("opentelemetry: no SDK", move || no_sdk.in_span("point", |_| work())),
        ],
    )
}

/// The attribute on an async function, off, polled by hand: without a runtime's noise.
fn nobody_polls(bench: &Bench) {
    bench.race(
        "off: attribute on an async function, polled once by hand",
        &mut [
            runner("floor: no attribute", poll_none),
            runner("ours", poll_ours),
            runner("fastrace", poll_fastrace),
        ],
    );
}

/// The tracer is there, and this request is not to be recorded.
fn not_sampled(bench: &Bench) {
    let unsampled = otel::Provider::never();
    let (tracer, dispatch) = (unsampled.tracer(), unsampled.dispatch());
    let root =
        fastrace::Span::root("root", fastrace::collector::SpanContext::random().sampled(false));
    let otel_root = opentelemetry::Context::new().with_span(tracer.start("root"));
    bench.race(
        "off: this request is not sampled",
        &mut [
            runner("ours: guard (not attached)", guard),
            in_scope("fastrace: local span", || root.set_local_parent(), fastrace_span),
            in_scope(
                "opentelemetry",
                || otel_root.clone().attach(),
                || tracer.in_span("point", |_| work()),
            ),
            in_scope(
                "tracing-opentelemetry",
                || (tracing::dispatcher::set_default(&dispatch), otel_root.clone().attach()),
                tracing_span,
            ),
        ],
    );
}

/// A runner of an operation within what `enter` makes, which costs the round nothing to speak of.
fn in_scope<'a, G>(
    name: &str,
    enter: impl Fn() -> G + 'a,
    operation: impl Fn() + 'a,
) -> Runner<'a> {
    Runner::new(name, move |count| {
        let _entered = enter();
        for _ in 0..count {
            operation();
        }
    })
}

#[inline(never)]
pub(crate) fn poll_none() {
    poll(plain_async());
}

#[inline(never)]
pub(crate) fn poll_ours() {
    poll(our_async());
}

#[inline(never)]
pub(crate) fn poll_fastrace() {
    poll(fastrace_async());
}

fn poll(future: impl Future) {
    let _ = black_box(pin!(future).poll(&mut Context::from_waker(Waker::noop())));
}

#[inline(never)]
fn call() {
    work();
}

thread_local! {
    static IS_TRACING: Cell<bool> = const { Cell::new(false) };
}

#[inline(never)]
pub(crate) fn floor() {
    if IS_TRACING.get() {
        never();
    }
    work();
}

#[cold]
#[inline(never)]
fn never() {
    IS_TRACING.set(false);
}

#[inline(never)]
pub(crate) fn start_and_stop() {
    profiler::start("point", ());
    work();
    profiler::stop(());
}

#[inline(never)]
pub(crate) fn guard() {
    let _point = Trace::new("point", ());
    work();
}

#[inline(never)]
fn guard_with_info() {
    let Values { method, path, statement } = black_box(VALUES);
    let info = info! { "method" => method, "path" => path, "statement" => statement };
    let _point = Trace::new("point", info);
    work();
}

#[inline(never)]
#[osprofiler::trace("point")]
pub(crate) fn attribute() {
    work();
}

#[inline(never)]
pub(crate) fn fastrace_span() {
    let _span = LocalSpan::enter_with_local_parent("point");
    work();
}

#[inline(never)]
#[fastrace::trace(short_name = true)]
pub(crate) fn fastrace_attribute() {
    work();
}

#[inline(never)]
fn tracing_span() {
    let _span = tracing::info_span!("point").entered();
    work();
}

async fn plain_async() {
    work();
}

#[osprofiler::trace("point")]
async fn our_async() {
    work();
}

#[fastrace::trace(short_name = true)]
async fn fastrace_async() {
    work();
}
