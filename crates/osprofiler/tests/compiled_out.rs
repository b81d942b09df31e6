//! The build without the feature `enable`: every call compiles, and does nothing.
//!
//! Run by itself: `cargo test -p osprofiler --no-default-features --features macros --test
//! compiled_out`. In any other build there is nothing to test here.

#![cfg(not(feature = "enable"))]

use std::sync::atomic::{AtomicBool, Ordering};

use osprofiler::{Profiler, Trace, TraceExt, notifier, profiler, propagation};

#[osprofiler::trace("traced", info = unreachable_info())]
fn traced(number: u32) -> u32 {
    number + 1
}

#[osprofiler::trace("traced")]
async fn traced_future(number: u32) -> u32 {
    number + 1
}

static BUILT: AtomicBool = AtomicBool::new(false);

fn unreachable_info() -> osprofiler::Info {
    BUILT.store(true, Ordering::Relaxed);
    osprofiler::Info::new()
}

#[test]
fn nothing_is_traced_and_everything_compiles() {
    notifier::set(|_| panic!("notified although every point is compiled out"));
    assert!(profiler::init("key", None, None).is_none());
    let _attached = Profiler::new("key", None, None).attach();
    assert!(!profiler::is_tracing() && profiler::get().is_none());

    profiler::start("a", unreachable_info);
    let mut guard = Trace::new("b", unreachable_info);
    guard.on_stop(unreachable_info);
    drop(guard);
    profiler::stop(unreachable_info);
    assert_eq!(traced(1), 2);
    assert!(propagation::headers().is_empty());

    let future =
        profiler::fork().scope(traced_future(1).trace("c", unreachable_info).in_profiler());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = std::pin::pin!(future).poll(&mut context);
    assert_eq!(polled, std::task::Poll::Ready(2));
    assert!(!BUILT.load(Ordering::Relaxed), "built although every point is compiled out");
    assert_eq!(notifier::stats(), notifier::Stats::default());
}
