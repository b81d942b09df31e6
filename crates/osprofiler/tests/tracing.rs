//! Spans of `tracing` as points: one context with our own, on any thread, and no other layer disturbed.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::task::{Context, Waker};
use std::thread;

use osprofiler::instrument::tracing::{Points, layer};
use osprofiler::{Phase, Profiler, Record, Trace, TraceExt, profiler, propagation};
use osprofiler_testkit::Capture;
use osprofiler_testkit::capture::tree;
use serde_json::{Value, json};
use tokio::task::{JoinSet, yield_now};
use tracing::{Instrument, Level, Span, debug_span, error, info, info_span, span, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// The notifier is the process's: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// The subscriber of all threads.
static SUBSCRIBER: LazyLock<()> = LazyLock::new(|| {
    tracing_subscriber::registry().with(Points::default().events(2).layer()).init()
});

fn turn() -> (MutexGuard<'static, ()>, Capture) {
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    LazyLock::force(&SUBSCRIBER);
    (turn, Capture::start())
}

/// Runs a test within the point `root`; gives the records.
fn traced(test: impl FnOnce()) -> Vec<Record> {
    let (_turn, capture) = turn();
    {
        let _attached = Profiler::new("key", None, None).attach();
        let _root = Trace::new("root", ());
        test();
    }
    assert!(profiler::get().is_none(), "something is left in the slot");
    capture.take()
}

/// Runs a test within the point `root`, on a runtime with two workers; gives the tree.
fn traced_on_workers<F: Future<Output = ()> + Send + 'static>(test: F) -> String {
    let (_turn, capture) = turn();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let test = profiler::Fork::from(Profiler::new("key", None, None)).scope(test.trace("root", ()));
    runtime.block_on(runtime.spawn(test)).unwrap();
    capture.tree()
}

fn info_of(records: &[Record], name: &str, phase: Phase) -> Value {
    let record = records.iter().find(|record| record.name == name && record.phase == phase);
    Value::Object(record.unwrap_or_else(|| panic!("no {name}")).info.to_map())
}

async fn work(name: &'static str) {
    yield_now().await;
    drop(Trace::new(name, ()));
    yield_now().await;
}

#[test]
fn spans_and_points_hang_below_one_another() {
    let records = traced(|| {
        info_span!("a").in_scope(|| {
            let _point = Trace::new("b", ());
            let span = info_span!("c").entered();
            profiler::start("d", ());
            info_span!("e").in_scope(|| ());
            profiler::stop(());
            drop(span);
        });
        drop(Trace::new("f", ()));
    });
    assert_eq!(tree(&records), "root\n  a\n    b\n      c\n        d\n          e\n  f\n");
}

#[test]
fn fields_keep_their_types() {
    let records = traced(|| {
        let error: &(dyn std::error::Error + 'static) = &std::fmt::Error;
        let late = info_span!(
            target: "shop::db",
            "query",
            sql = "SELECT 1",
            rows = 3,
            big = u64::MAX,
            share = 0.5,
            cached = false,
            shown = %7,
            debug = ?Some("x"),
            nothing = tracing::field::Empty,
        );
        late.record("nothing", -1);
        late.record("nothing", -2);
        drop(late);
        info_span!("failed", error).in_scope(|| ());
    });
    let mut start = info_of(&records, "query", Phase::Start);
    let line = start["tracing"].as_object_mut().unwrap().remove("line").unwrap();
    assert!(line.is_u64());
    let fields = json!({
        "sql": "SELECT 1", "rows": 3, "big": u64::MAX, "share": 0.5, "cached": false, "shown": "7",
        "debug": "Some(\"x\")",
    });
    let file = "crates/osprofiler/tests/tracing.rs";
    let expected = json!({"target": "shop::db", "level": "INFO", "file": file, "fields": fields});
    assert_eq!(start["tracing"], expected);
    let stop = info_of(&records, "query", Phase::Stop);
    assert_eq!(stop, json!({"tracing": {"fields": {"nothing": -2}}}));
    let failed = info_of(&records, "failed", Phase::Stop);
    let message = std::fmt::Error.to_string();
    assert_eq!(failed, json!({"etype": "tracing", "message": message}));
}

#[test]
fn an_event_of_level_error_fails_the_point_around_it() {
    #[tracing::instrument(err)]
    fn parse(text: &str) -> Result<u8, std::num::ParseIntError> {
        text.parse()
    }
    let records = traced(|| {
        drop(parse("x"));
        drop(parse("7"));
        info_span!("connect").in_scope(|| {
            info_span!(parent: None, "elsewhere").in_scope(|| warn!("never mind"));
            debug_span!("not a point").in_scope(|| error!(error = "no route", "cannot connect"));
            error!("and then this");
        });
    });
    assert_eq!(
        tree(&records),
        "root\n  parse ! tracing\n  parse\n  connect ! tracing\nelsewhere\n"
    );
    let stop = info_of(&records, "parse", Phase::Stop);
    assert_eq!(stop["message"], "invalid digit found in string");
    let stop = info_of(&records, "connect", Phase::Stop);
    assert_eq!(stop["message"], "cannot connect: no route");
}

#[test]
fn events_come_along_if_they_are_asked_for_and_not_more_than_that() {
    let records = traced(|| {
        info_span!("a").in_scope(|| {
            info!(n = 1, "first");
            warn!(target: "other", "second");
            for n in 0..3 {
                info!(n);
            }
            tracing::debug!("not of this level");
        });
    });
    let stop = info_of(&records, "a", Phase::Stop);
    let events = stop["tracing"]["events"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["fields"], json!({"message": "first", "n": 1}));
    assert_eq!((&events[1]["level"], &events[1]["target"]), (&json!("WARN"), &json!("other")));
    assert_eq!(events[0]["timestamp"].as_str().unwrap().len(), "2016-04-18T17:42:10.774321".len());
    assert_eq!(stop["tracing"]["events_left_out"], 3);
}

#[test]
fn without_being_asked_for_events_are_no_errors_and_are_not_recorded() {
    let (_turn, capture) = turn();
    let quiet = tracing_subscriber::registry().with(Points::default().error_events(false).layer());
    tracing::subscriber::with_default(quiet, || {
        let _attached = Profiler::new("key", None, None).attach();
        info_span!("a").in_scope(|| error!("no"));
    });
    assert_eq!(info_of(&capture.take(), "a", Phase::Stop), json!({}));
}

#[test]
fn targets_and_levels_say_which_spans_are_points() {
    let (_turn, capture) = turn();
    let targets = "info,shop=debug,shop::noise=off".parse().unwrap();
    let points = Points::default().targets(targets);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(points.layer()), || {
        let _attached = Profiler::new("key", None, None).attach();
        let spans = [
            info_span!("a"),
            debug_span!("no"),
            debug_span!(target: "shop::db", "b"),
            span!(target: "shop", Level::TRACE, "no"),
            tracing::error_span!(target: "shop::noise", "no"),
        ];
        // What is left out does not part those around it from those within.
        let _entered: Vec<_> = spans.into_iter().map(Span::entered).collect();
        drop(Trace::new("c", ()));
    });
    assert_eq!(capture.tree(), "a\nb\n  c\n");
}

#[test]
fn a_span_that_was_made_before_the_trace_is_no_point_of_it() {
    let (_turn, capture) = turn();
    let before = info_span!("before");
    let _attached = Profiler::new("key", None, None).attach();
    before.in_scope(|| drop(Trace::new("a", ())));
    assert_eq!(capture.tree(), "a\n");
}

#[test]
fn a_span_keeps_its_profiler_on_another_thread() {
    let records = traced(|| {
        let span = info_span!("outer");
        thread::spawn(move || {
            assert!(profiler::get().is_none());
            {
                let _entered = span.entered();
                drop(Trace::new("point", ()));
                info_span!("inner").in_scope(|| assert!(!propagation::headers().is_empty()));
            }
            assert!(profiler::get().is_none());
        })
        .join()
        .unwrap();
    });
    assert_eq!(tree(&records), "root\n  outer\n    point\n    inner\n");
}

#[test]
fn a_span_that_is_entered_elsewhere_puts_back_what_was_there() {
    let records = traced(|| {
        let span = info_span!("span");
        let other = Profiler::new("key", Some("other".into()), None);
        let _attached = other.attach();
        span.in_scope(|| drop(Trace::new("in the span's trace", ())));
        drop(Trace::new("in the other trace", ()));
    });
    let (other, own): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|record| record.base_id == "other".into());
    assert_eq!(tree(&own), "root\n  span\n    in the span's trace\n");
    assert_eq!(tree(&other), "in the other trace\n");
}

#[test]
fn a_parent_that_is_named_is_the_parent() {
    let records = traced(|| {
        let parent = info_span!("parent");
        let id = parent.id();
        {
            let _point = Trace::new("current", ());
            info_span!(parent: &parent, "a").in_scope(|| drop(Trace::new("in a", ())));
            info_span!(parent: None, "root of its own").in_scope(|| ());
        }
        // Also where nothing is traced.
        thread::spawn(move || {
            info_span!(parent: id, "b").in_scope(|| drop(Trace::new("in b", ())));
            assert!(info_span!("not traced").in_scope(|| profiler::get().is_none()));
        })
        .join()
        .unwrap();
        parent.in_scope(|| drop(Trace::new("c", ())));
    });
    let expected = "root\n  parent\n    a\n      in a\n    b\n      in b\n    c\n  current\n\
                    root of its own\n";
    assert_eq!(tree(&records), expected);
}

#[test]
fn spans_may_be_entered_twice_and_left_in_any_order() {
    let records = traced(|| {
        let (a, b) = (info_span!("a"), info_span!("b"));
        let first = a.enter();
        let second = a.enter();
        let third = b.enter();
        drop(Trace::new("1", ()));
        drop(first);
        drop(Trace::new("2", ()));
        drop(third);
        drop(Trace::new("3", ()));
        drop(second);
        drop(Trace::new("4", ()));
    });
    assert_eq!(tree(&records), "root\n  a\n    3\n  b\n    1\n    2\n  4\n");
}

#[test]
fn a_span_may_be_entered_on_two_threads_at_once() {
    let records = traced(|| {
        let span = info_span!("span");
        let _entered = span.enter();
        profiler::start("open", ());
        thread::scope(|scope| {
            scope.spawn(|| span.in_scope(|| drop(Trace::new("there", ()))));
        });
        drop(Trace::new("here", ()));
        profiler::stop(());
    });
    assert_eq!(tree(&records), "root\n  span\n    open\n      here\n    there\n");
}

#[test]
fn a_span_that_is_leaked_stays_unfinished_and_harms_nobody() {
    let records = traced(|| {
        let leaked = info_span!("leaked");
        leaked.in_scope(|| drop(Trace::new("in it", ())));
        std::mem::forget(leaked);
        let entered = info_span!("left entered");
        thread::spawn(|| std::mem::forget(entered.entered())).join().unwrap();
        drop(Trace::new("next", ()));
    });
    assert_eq!(tree(&records), "root\n  leaked ...\n    in it\n  left entered ...\n  next\n");
}

#[test]
fn a_span_that_is_closed_on_another_thread_is_closed() {
    let records = traced(|| {
        let span = info_span!("span");
        span.in_scope(|| profiler::start("left open", ()));
        thread::spawn(move || drop(span)).join().unwrap();
    });
    assert_eq!(tree(&records), "root\n  span\n    left open\n");
    assert_eq!(info_of(&records, "left open", Phase::Stop), json!({"left_open": true}));
}

#[test]
fn instrumented_futures_need_nothing_else() {
    let seen = traced_on_workers(async {
        tokio::join!(
            work("1").instrument(info_span!("a")),
            async {
                work("2").await;
                work("3").instrument(info_span!("c")).await;
            }
            .instrument(info_span!("b")),
        );
        tokio::spawn(work("4").instrument(info_span!("task"))).await.unwrap();
        work("5").await;
    });
    let expected = "root\n  a\n    1\n  b\n    2\n    c\n      3\n  task\n    4\n  5\n";
    assert_eq!(seen, expected);
}

#[test]
fn a_pair_of_start_and_stop_may_span_an_await_within_a_span() {
    let seen = traced_on_workers(
        async {
            profiler::start("a", ());
            for _ in 0..10 {
                yield_now().await;
            }
            drop(Trace::new("inner", ()));
            profiler::stop(());
            work("b").trace("traced", ()).await;
        }
        .instrument(info_span!("never entered while nothing is traced")),
    );
    // The future was instrumented before there was a trace: no point.
    assert_eq!(seen, "root\n  a\n    inner\n  traced\n    b\n");
    let seen = traced_on_workers(async {
        async {
            profiler::start("a", ());
            for _ in 0..10 {
                yield_now().await;
            }
            drop(Trace::new("inner", ()));
            profiler::stop(());
        }
        .instrument(info_span!("span"))
        .await;
    });
    assert_eq!(seen, "root\n  span\n    a\n      inner\n");
}

#[test]
fn the_future_that_lost_a_race_closes_its_span() {
    let seen = traced_on_workers(async {
        let losing =
            std::future::pending::<()>().trace("inner", ()).instrument(info_span!("loser"));
        tokio::select! {
            biased;
            () = losing => {}
            () = work("1").instrument(info_span!("winner")) => {}
        }
        drop(Trace::new("next", ()));
    });
    assert_eq!(seen, "root\n  loser\n    inner\n  winner\n    1\n  next\n");
}

#[test]
fn a_future_that_moves_between_threads_keeps_its_span() {
    let records = traced(|| {
        let mut future = Box::pin(
            async {
                for step in ["1", "2", "3"] {
                    drop(Trace::new(step, ()));
                    yield_now().await;
                }
            }
            .instrument(info_span!("span")),
        );
        for _ in 0..4 {
            future = thread::spawn(move || {
                let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(profiler::get().is_none());
                future
            })
            .join()
            .unwrap();
        }
    });
    assert_eq!(tree(&records), "root\n  span\n    1\n    2\n    3\n");
}

#[test]
fn a_thousand_instrumented_tasks_on_two_workers_do_not_mix() {
    let (_turn, capture) = turn();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..1000 {
            let profiler = Profiler::new("key", Some(format!("{task}").into()), None);
            let request = async {
                tokio::join!(
                    work("1").instrument(info_span!("a")),
                    work("2").instrument(info_span!("b")),
                );
                tokio::spawn(work("3").instrument(info_span!("c"))).await.unwrap();
            };
            tasks.spawn(profiler::Fork::from(profiler).scope(request.trace("request", ())));
        }
        tasks.join_all().await;
    });
    let mut records = capture.take();
    records.sort_by_key(|record| record.base_id.clone());
    let traces: Vec<_> = records.chunk_by(|a, b| a.base_id == b.base_id).collect();
    assert_eq!(traces.len(), 1000);
    for trace in traces {
        assert_eq!(tree(trace), "request\n  a\n    1\n  b\n    2\n  c\n    3\n");
    }
}

/// A layer that counts what it sees.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<&'static str>>>);

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        _: &span::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        self.0.lock().unwrap().push(attributes.metadata().name());
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        self.0.lock().unwrap().push(event.metadata().target());
    }
}

#[test]
fn other_layers_see_what_they_would_see_without_ours() {
    let (_turn, _capture) = turn();
    let run = || {
        for name in [None, Some(Profiler::new("key", None, None))] {
            let _attached = name.map(|profiler| profiler.attach());
            debug_span!("debug").in_scope(|| tracing::trace!(target: "trace", "x"));
            info_span!(target: "off", "off").in_scope(|| error!(target: "error", "x"));
        }
    };
    let (alone, above, below) = (Seen::default(), Seen::default(), Seen::default());
    let subscriber = tracing_subscriber::registry().with(alone.clone());
    tracing::subscriber::with_default(subscriber, run);
    let points = Points::default().targets("info,off=off".parse().unwrap());
    let subscriber =
        tracing_subscriber::registry().with(below.clone()).with(points.layer()).with(above.clone());
    tracing::subscriber::with_default(subscriber, run);
    let alone = alone.0.lock().unwrap();
    assert_eq!(*alone, ["debug", "trace", "off", "error"].repeat(2));
    assert_eq!((&*below.0.lock().unwrap(), &*above.0.lock().unwrap()), (&*alone, &*alone));
}

/// Comes back through `tracing` wherever it is shown.
struct Noisy;

impl std::fmt::Debug for Noisy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        error!("while it is shown");
        info_span!("while it is shown").in_scope(|| f.write_str("noisy"))
    }
}

struct Panicking;

impl std::fmt::Debug for Panicking {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("on purpose")
    }
}

#[test]
fn a_value_that_makes_trouble_while_it_is_shown_makes_none_for_us() {
    let records = traced(|| {
        let span = info_span!("span", early = ?Noisy, late = tracing::field::Empty);
        let _entered = span.enter();
        span.record("late", tracing::field::debug(Noisy));
        info!(value = ?Noisy);
        info_span!("next", value = ?Panicking).in_scope(|| ());
    });
    let start = info_of(&records, "span", Phase::Start);
    assert_eq!(start["tracing"]["fields"]["early"], "noisy");
    let next = info_of(&records, "next", Phase::Start);
    assert_eq!(next["tracing"]["fields"]["value"], "<panicked while formatting>");
}

#[test]
fn a_notifier_that_speaks_tracing_itself_is_survived() {
    let (_turn, _capture) = turn();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    osprofiler::notifier::set(move |record| {
        info_span!("from the notifier").in_scope(|| error!("told"));
        kept.lock().unwrap().push(record.clone());
    });
    {
        let _attached = Profiler::new("key", None, None).attach();
        info_span!("a").in_scope(|| drop(Trace::new("b", ())));
    }
    assert_eq!(tree(&seen.lock().unwrap()), "a\n  b\n");
}

#[test]
fn the_usual_layer_makes_points() {
    let (_turn, capture) = turn();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer()), || {
        let _attached = Profiler::new("key", None, None).attach();
        info_span!("a").in_scope(|| info!("not recorded"));
    });
    assert_eq!(info_of(&capture.records(), "a", Phase::Stop), json!({}));
}
