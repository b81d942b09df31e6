//! The context: it follows a future wherever it is polled, and goes elsewhere by a fork only.

use std::sync::Mutex;
use std::time::Duration;

use osprofiler::{Profiler, Trace, TraceExt, profiler};
use osprofiler_testkit::Capture;
use osprofiler_testkit::capture::tree;
use rayon::prelude::*;
use tokio::task::{JoinSet, yield_now};

/// The notifier is the process's: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a test within the point `root`, on a runtime with two workers; gives the tree.
fn traced<F: Future<Output = ()> + Send + 'static>(test: F) -> String {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let capture = Capture::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let profiler = Profiler::new("key", None, None);
    let test = profiler::Fork::from(profiler).scope(test.trace("root", ()));
    runtime.block_on(runtime.spawn(test)).unwrap();
    capture.tree()
}

async fn point(name: &'static str) {
    async {
        yield_now().await;
        drop(Trace::new("inner", ()));
        yield_now().await;
    }
    .trace(name, ())
    .await;
}

#[test]
fn an_await_does_not_end_a_point() {
    let seen = traced(async {
        point("a").await;
        point("b").await;
    });
    assert_eq!(seen, "root\n  a\n    inner\n  b\n    inner\n");
}

#[test]
fn joined_futures_do_not_become_each_others_parents() {
    let seen = traced(async {
        tokio::join!(point("a"), point("b"), async { drop(Trace::new("c", ())) });
    });
    assert_eq!(seen, "root\n  a\n    inner\n  b\n    inner\n  c\n");
}

#[test]
fn the_future_that_lost_a_race_is_closed_as_cancelled() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let capture = Capture::start();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let profiler = Profiler::new("key", None, None);
    let race = async {
        tokio::select! {
            biased;
            () = async {
                profiler::start("left open", ());
                std::future::pending::<()>().await;
            }.trace("loser", ()) => {}
            () = point("winner") => {}
        }
        drop(Trace::new("next", ()));
    };
    runtime.block_on(profiler::Fork::from(profiler).scope(race));
    assert_eq!(capture.tree(), "loser\n  left open\nwinner\n  inner\nnext\n");
    let records = capture.records();
    let of = |name| records.iter().rfind(|record| record.name == name).unwrap().info.to_json();
    assert_eq!(of("loser"), r#"{"cancelled":true}"#);
    assert_eq!(of("left open"), r#"{"left_open":true}"#);
}

/// Panics as it goes.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("on purpose");
        }
    }
}

#[test]
fn a_future_that_panics_as_it_goes_is_closed() {
    let seen = traced(async {
        let mut future = Box::pin(
            async {
                let _bomb = Bomb;
                std::future::pending::<()>().await;
            }
            .trace("bomb", ()),
        );
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(future)));
        assert!(caught.is_err());
        drop(Trace::new("next", ()));
    });
    assert_eq!(seen, "root\n  bomb\n  next\n");
}

#[test]
fn a_future_that_panics_is_closed_with_what_it_said() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let capture = Capture::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let profiler = Profiler::new("key", None, None);
    let failing = async {
        yield_now().await;
        panic!("number {}", 7);
    };
    let task = profiler::Fork::from(profiler).scope(failing.trace("failing", ()));
    assert!(runtime.block_on(runtime.spawn(task)).unwrap_err().is_panic());
    let stop = capture.records()[1].info.to_map();
    assert_eq!((&stop["etype"], &stop["message"]), (&"panic".into(), &"number 7".into()));
}

#[test]
fn a_future_that_fails_says_what_went_wrong() {
    let seen = traced(async {
        let parsed = async { "x".parse::<u8>() }.trace_result("parse", ()).await;
        assert!(parsed.is_err());
        async { "7".parse::<u8>() }.trace_result("parse", ()).await.unwrap();
    });
    assert_eq!(seen, "root\n  parse ! core::num::error::ParseIntError\n  parse\n");
}

/// Ready as often as it is asked.
struct AlwaysReady;

impl Future for AlwaysReady {
    type Output = ();

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        std::task::Poll::Ready(())
    }
}

#[test]
fn a_future_may_be_polled_after_it_was_ready_if_it_may_without_us() {
    let seen = traced(async {
        let mut future = std::pin::pin!(AlwaysReady.trace("once", ()).in_profiler());
        for _ in 0..3 {
            future.as_mut().await;
        }
    });
    assert_eq!(seen, "root\n  once\n");
}

#[test]
fn spawned_tasks_get_a_fork_by_one_short_call() {
    let seen = traced(async {
        let mut tasks = JoinSet::new();
        for _ in 0..3 {
            tasks.spawn(point("task").in_profiler());
        }
        tasks.spawn(async { drop(Trace::new("no fork, no point", ())) });
        tasks.join_all().await;
        tokio::task::spawn_blocking(profiler::fork().wrap(|| drop(Trace::new("blocking", ()))))
            .await
            .unwrap();
    });
    let task = "  task\n    inner\n".repeat(3);
    assert_eq!(seen, format!("root\n{task}  blocking\n"));
}

#[test]
fn rayon_gets_a_fork_by_one_short_call() {
    let seen = traced(async {
        let fork = profiler::fork();
        (0..20_u32).into_par_iter().for_each(|_| fork.run(|| drop(Trace::new("item", ()))));
        rayon::join(
            profiler::fork().wrap(|| drop(Trace::new("left", ()))),
            profiler::fork().wrap(|| drop(Trace::new("right", ()))),
        );
    });
    let mut lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines.remove(0), "root");
    lines.sort_unstable();
    assert_eq!(lines, [&["  item"; 20][..], &["  left", "  right"]].concat());
}

#[test]
fn a_pair_of_start_and_stop_may_span_an_await() {
    let seen = traced(async {
        profiler::start("a", ());
        for _ in 0..10 {
            yield_now().await;
        }
        drop(Trace::new("inner", ()));
        profiler::stop(());
        drop(Trace::new("after", ()));
    });
    assert_eq!(seen, "root\n  a\n    inner\n  after\n");
}

#[test]
fn a_profiler_that_is_made_inside_a_task_ends_with_it() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let capture = Capture::start();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let first = Profiler::new("key", None, None);
        profiler::Fork::from(first)
            .scope(async {
                profiler::init("key", Some("another".into()), None);
                point("of another").await;
            })
            .await;
        assert!(profiler::get().is_none());
    });
    assert!(capture.records().iter().all(|record| record.base_id == "another".into()));
    assert_eq!(capture.tree(), "of another\n  inner\n");
}

#[test]
fn a_thousand_tasks_on_two_workers_do_not_mix() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let capture = Capture::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..1000 {
            let profiler = Profiler::new("key", Some(format!("{task}").into()), None);
            let work = async {
                tokio::join!(point("a"), point("b"));
                tokio::time::sleep(Duration::from_micros(50)).await;
                tokio::spawn(point("c").in_profiler()).await.unwrap();
            };
            tasks.spawn(profiler::Fork::from(profiler).scope(work.trace("task", ())));
        }
        tasks.join_all().await;
    });
    let mut records = capture.records();
    records.sort_by_key(|record| record.base_id.clone());
    let traces: Vec<_> = records.chunk_by(|a, b| a.base_id == b.base_id).collect();
    assert_eq!(traces.len(), 1000);
    for trace in traces {
        let points = "  a\n    inner\n  b\n    inner\n  c\n    inner\n";
        assert_eq!(tree(trace), format!("task\n{points}"));
    }
}
