//! Streams: they carry a profiler like futures, for the length of each poll.

use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use osprofiler::profiler::Fork;
use osprofiler::{Profiler, Trace, TraceExt, TraceStreamExt, profiler};
use osprofiler_testkit::{Capture, tree_with_infos};
use tokio::task::yield_now;

/// The notifier is the process's: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a test within the point `root`, on a runtime with two workers; gives the tree with its infos.
fn traced<F: Future<Output = ()> + Send + 'static>(test: F) -> String {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let capture = Capture::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let test = Fork::from(Profiler::new("key", None, None)).scope(test.trace("root", ()));
    runtime.block_on(runtime.spawn(test)).unwrap();
    tree_with_infos(&capture.records())
}

/// Two items, each with a point of its own, and a wait around it.
fn rows() -> BoxStream<'static, u32> {
    let rows = stream::iter(0..2).then(async |row| {
        yield_now().await;
        drop(Trace::new(format!("row {row}"), ()));
        yield_now().await;
        row
    });
    rows.boxed()
}

fn poll<S: Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
    stream.poll_next_unpin(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_stream_is_a_point_from_its_first_poll_to_its_end() {
    let seen = traced(async {
        let mut rows = rows().trace("rows", ());
        drop(Trace::new("before", ()));
        while let Some(row) = rows.next().await {
            drop(Trace::new(format!("used {row}"), ()));
        }
        drop(Trace::new("after", ()));
    });
    let rows = "  rows\n    row 0\n    row 1\n";
    assert_eq!(seen, format!("root\n  before\n{rows}  used 0\n  used 1\n  after\n"));
}

#[test]
fn a_stream_that_is_dropped_early_is_closed_as_cancelled() {
    let seen = traced(async {
        assert_eq!(rows().trace("rows", ()).next().await, Some(0));
        // It has not begun.
        drop(rows().trace("unused", ()));
        let all = rows().trace("all", ());
        assert_eq!(all.count().await, 2);
    });
    let cancelled = "  rows -> {\"cancelled\":true}\n    row 0\n";
    assert_eq!(seen, format!("root\n{cancelled}  all\n    row 0\n    row 1\n"));
}

#[test]
fn errors_are_items_like_others() {
    let seen = traced(async {
        let items = ["7", "x", "8"].map(str::parse::<u8>);
        let parsed = stream::iter(items.clone()).trace("parse", ()).in_profiler();
        assert_eq!(parsed.collect::<Vec<_>>().await, items);
    });
    assert_eq!(seen, "root\n  parse\n");
}

#[test]
fn a_stream_goes_on_in_its_profiler_whoever_polls_it() {
    let seen = traced(async {
        let mut rows = rows().trace("rows", ()).in_profiler();
        // Two tasks, neither of which is within the trace; the second one is in another.
        let reader = tokio::spawn(async move {
            assert_eq!(rows.next().await, Some(0));
            drop(Trace::new("of nobody", ()));
            rows
        });
        let mut rows = reader.await.unwrap();
        let other = Fork::from(Profiler::new("key", None, None));
        let read = async move {
            assert_eq!(rows.next().await, Some(1));
            drop(Trace::new("of another trace", ()));
            assert_eq!(rows.next().await, None);
        };
        tokio::spawn(other.scope(read)).await.unwrap();
    });
    assert_eq!(seen, "root\n  rows\n    row 0\n    row 1\nof another trace\n");
}

#[test]
fn streams_of_several_traces_in_one_task_do_not_mix() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let capture = Capture::start();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let of = |trace: &str| {
        let fork = Fork::from(Profiler::new("key", Some(trace.into()), None));
        fork.run(|| rows().trace(trace.to_owned(), ()).in_profiler())
    };
    let merged = stream::select(of("a"), of("b"));
    assert_eq!(runtime.block_on(merged.count()), 4);
    let records = capture.records();
    for trace in ["a", "b"] {
        let mut own = records.clone();
        own.retain(|record| record.base_id == trace.into());
        assert_eq!(tree_with_infos(&own), format!("{trace}\n  row 0\n  row 1\n"));
    }
}

#[test]
fn a_pair_of_start_and_stop_may_span_items() {
    let seen = traced(async {
        let items = stream::iter(0..3).inspect(|item| match item {
            0 => profiler::start("both", ()),
            1 => drop(Trace::new("inner", ())),
            _ => profiler::stop(()),
        });
        assert_eq!(items.trace("items", ()).count().await, 3);
        profiler::start("around", ());
        let left_open = stream::once(async { profiler::start("left open", ()) });
        assert_eq!(left_open.in_profiler().count().await, 1);
        profiler::stop(());
    });
    let items = "  items\n    both\n      inner\n";
    let around = "  around\n    left open -> {\"left_open\":true}\n";
    assert_eq!(seen, format!("root\n{items}{around}"));
}

#[test]
fn a_stream_that_panics_is_closed_with_what_it_said() {
    let seen = traced(async {
        let failing = stream::iter(0..2).map(|item| assert_eq!(item, 0, "on purpose"));
        let mut failing = failing.trace("failing", ());
        assert_eq!(poll(&mut failing), Poll::Ready(Some(())));
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(&mut failing)));
        assert!(caught.is_err());
        drop(failing);
        drop(Trace::new("next", ()));
    });
    let message = "assertion `left == right` failed: on purpose\\n  left: 1\\n right: 0";
    let failing = format!("  failing -> {{\"etype\":\"panic\",\"message\":\"{message}\"}}\n");
    assert_eq!(seen, format!("root\n{failing}  next\n"));
}

/// A stream that makes a point as it is dropped, and is asked for more after its end.
struct Ends(&'static AtomicBool);

impl Stream for Ends {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<()>> {
        drop(Trace::new("polled", ()));
        match self.0.swap(true, Ordering::Relaxed) {
            true => Poll::Ready(None),
            false => Poll::Ready(Some(())),
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        drop(Trace::new("dropped", ()));
    }
}

#[test]
fn what_is_done_as_a_stream_is_dropped_is_within_its_point() {
    static ENDED: AtomicBool = AtomicBool::new(false);
    let seen = traced(async {
        let mut early = Ends(&ENDED).trace("early", ());
        assert_eq!(poll(&mut early), Poll::Ready(Some(())));
        drop(early);
    });
    assert_eq!(seen, "root\n  early -> {\"cancelled\":true}\n    polled\n    dropped\n");
}

#[test]
fn a_stream_may_be_polled_after_its_end_if_it_may_without_us() {
    static ENDED: AtomicBool = AtomicBool::new(false);
    let seen = traced(async {
        let mut ends = Ends(&ENDED).trace("ends", ()).in_profiler();
        assert_eq!(poll(&mut ends), Poll::Ready(Some(())));
        assert_eq!(poll(&mut ends), Poll::Ready(None));
        assert_eq!(poll(&mut ends), Poll::Ready(None));
    });
    // What it does after its end is nobody's.
    assert_eq!(seen, "root\n  ends\n    polled\n    polled\n");
}

#[test]
fn a_stream_that_nobody_traces_is_just_a_stream() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let capture = Capture::start();
    let mut items = stream::iter(0..2).trace("items", ()).in_profiler();
    assert_eq!(items.size_hint(), (2, Some(2)));
    assert_eq!(poll(&mut items), Poll::Ready(Some(0)));
    // A profiler that is there by now is the poller's.
    let _attached = Profiler::new("key", None, None).attach();
    assert_eq!(poll(&mut items), Poll::Ready(Some(1)));
    assert_eq!(items.size_hint(), (0, Some(0)));
    assert_eq!(poll(&mut items), Poll::Ready(None));
    assert!(capture.records().is_empty());
}
