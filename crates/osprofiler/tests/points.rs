//! The plain calls and the guard, as a synchronous notifier sees them.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use osprofiler::{Id, Info, Phase, Profiler, Record, Trace, info, profiler};
use osprofiler_testkit::Capture;

/// The notifier is the process's: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

fn traced(work: impl FnOnce()) -> Capture {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let capture = Capture::start();
    profiler::init("SECRET_KEY", Some("base".into()), Some("caller".into()));
    work();
    profiler::clean();
    capture
}

#[test]
fn points_nest_to_any_depth() {
    let capture = traced(|| {
        for depth in 0..1000 {
            profiler::start(format!("p{depth}"), ());
        }
        for _ in 0..1000 {
            profiler::stop(());
        }
    });
    let records = capture.records();
    assert_eq!(records.len(), 2000);
    assert_eq!(records[0].parent_id, Id::from("caller"));
    for pair in records[..1000].windows(2) {
        assert_eq!(pair[1].parent_id, pair[0].trace_id);
        assert!(pair[1].timestamp >= pair[0].timestamp);
    }
    for (start, stop) in records[..1000].iter().zip(records[1000..].iter().rev()) {
        assert_eq!((&start.trace_id, &start.parent_id), (&stop.trace_id, &stop.parent_id));
        assert_eq!((start.name.clone(), stop.phase), (stop.name.clone(), Phase::Stop));
        assert_eq!(stop.base_id, Id::from("base"));
    }
}

#[test]
fn stop_without_start_is_ignored() {
    let capture = traced(|| {
        profiler::stop(());
        {
            let _guard = Trace::new("guard", ());
            profiler::stop(());
            profiler::start("db", ());
            profiler::stop(());
            profiler::stop(());
        }
        profiler::start("after", ());
        profiler::stop(());
    });
    assert_eq!(capture.tree(), "guard\n  db\nafter\n");
}

#[test]
fn a_start_that_nobody_stopped_is_no_parent_of_what_follows() {
    let capture = traced(|| {
        {
            let _guard = Trace::new("outer", ());
            profiler::start("forgotten", ());
        }
        let _guard = Trace::new("next", ());
    });
    assert_eq!(capture.tree(), "outer\n  forgotten\nnext\n");
}

#[test]
fn guards_close_by_their_own_handle() {
    let capture = traced(|| {
        let outer = Trace::new("outer", ());
        let inner = Trace::new("inner", ());
        drop(outer);
        let child = Trace::new("child of inner", ());
        drop(child);
        drop(inner);
        drop(Trace::new("next", ()));
    });
    assert_eq!(capture.tree(), "outer\n  inner\n    child of inner\nnext\n");
    let records = capture.records();
    for start in records.iter().filter(|record| record.phase == Phase::Start) {
        let is_stop =
            |record: &&Record| record.trace_id == start.trace_id && record.phase == Phase::Stop;
        assert_eq!(records.iter().find(is_stop).unwrap().parent_id, start.parent_id);
    }
}

#[test]
fn what_is_open_when_the_profiler_is_cleaned_is_closed() {
    let capture = traced(|| {
        profiler::start("a", ());
        profiler::start("b", ());
    });
    let records = capture.records();
    assert_eq!(capture.tree(), "a\n  b\n");
    assert_eq!(records[2].info.to_json(), r#"{"left_open":true}"#);
}

#[test]
fn info_is_built_only_while_tracing() {
    let built = Cell::new(0);
    let build = || {
        built.set(built.get() + 1);
        Info::new()
    };
    let use_it_everywhere = || {
        profiler::start("db", build);
        profiler::stop(build);
        let mut guard = Trace::new("db", build);
        guard.on_stop(build);
    };
    let capture = traced(|| {
        let turned_off = Profiler::new("SECRET_KEY", None, None);
        profiler::clean();
        use_it_everywhere();
        assert_eq!(built.get(), 0, "built although nobody traces");
        let _attached = turned_off.attach();
        use_it_everywhere();
        assert_eq!(built.get(), 4);
        profiler::start(
            "db",
            info! { "db" => { "statement" => "SELECT 1", "params" => (1, "x") } },
        );
        profiler::stop(info! { "rows" => 3 });
    });
    let infos: Vec<String> = capture.records().iter().map(|record| record.info.to_json()).collect();
    assert_eq!(
        infos[infos.len() - 2..],
        [r#"{"db":{"statement":"SELECT 1","params":[1,"x"]}}"#, r#"{"rows":3}"#]
    );
}

#[test]
fn a_panic_in_an_info_does_not_reach_the_caller() {
    let capture = traced(|| {
        profiler::start("db", || panic!("on purpose"));
        profiler::stop(());
    });
    assert_eq!(capture.records()[0].info.to_json(), r#"{"info":"<panicked>"}"#);
}

#[test]
fn a_panic_closes_its_points_as_failed() {
    let capture = traced(|| {
        let caught = std::panic::catch_unwind(|| {
            let _outer = Trace::new("outer", ());
            let _inner = Trace::new("inner", ());
            panic!("on purpose");
        });
        assert!(caught.is_err());
        drop(Trace::new("next", ()));
    });
    assert_eq!(capture.tree(), "outer ! panic\n  inner ! panic\nnext\n");
}

#[test]
fn a_failed_guard_says_what_went_wrong() {
    let capture = traced(|| {
        let mut guard = Trace::new("parse", ());
        guard.fail(&"x".parse::<u8>().unwrap_err());
    });
    let stop = capture.records()[1].info.to_map();
    assert_eq!(stop["etype"], "core::num::error::ParseIntError");
    assert_eq!(stop["message"], "invalid digit found in string");
}

#[test]
fn init_keeps_a_profiler_of_the_same_trace_and_replaces_one_of_another() {
    let capture = traced(|| {
        profiler::start("first", ());
        let again = profiler::init("other", Some("base".into()), None).unwrap();
        assert_eq!(again.hmac_key().expose(), "SECRET_KEY");
        assert_ne!(again.id(), again.base_id());
        let other = profiler::init("other", Some("another base".into()), None).unwrap();
        assert_eq!((other.base_id(), other.id()), (&"another base".into(), &"another base".into()));
        profiler::start("second", ());
        profiler::stop(());
    });
    let records = capture.records();
    assert_eq!(capture.tree(), "first\nsecond\n");
    assert_eq!(records[1].info.to_json(), r#"{"left_open":true}"#);
    assert_eq!(records[2].base_id, Id::from("another base"));
}

#[test]
fn ids_are_those_of_the_enclosing_points() {
    traced(|| {
        let outside = profiler::get().unwrap();
        assert_eq!((outside.parent_id(), outside.id()), (&"base".into(), &"caller".into()));
        let _outer = Trace::new("outer", ());
        let outer = profiler::get().unwrap();
        assert_eq!(outer.parent_id(), &"caller".into());
        let _inner = Trace::new("inner", ());
        let inner = profiler::get().unwrap();
        assert_eq!(inner.parent_id(), outer.id());
        assert_eq!(inner.context().parent_id, *inner.id());
    });
}

#[test]
fn an_attached_profiler_gives_back_what_was_there() {
    let capture = traced(|| {
        let _outer = Trace::new("outer", ());
        {
            let other = osprofiler::Profiler::new("k", Some("b2".into()), Some("p2".into()));
            let _attached = other.attach();
            profiler::start("elsewhere", ());
        }
        drop(Trace::new("inner", ()));
    });
    let records = capture.records();
    assert_eq!(records[1].base_id, Id::from("b2"));
    assert_eq!(records[3].parent_id, records[0].trace_id);
}

#[test]
fn guards_of_profilers_may_be_dropped_in_any_order() {
    traced(|| {
        profiler::clean();
        let base = || profiler::get().map(|profiler| profiler.base_id().to_string());
        let profiler = |id: &str| Profiler::new("k", Some(id.into()), None);

        let mut guard = profiler("first").attach();
        for id in ["second", "third"] {
            guard = profiler(id).attach();
            assert_eq!(base().as_deref(), Some(id));
        }
        drop(guard);
        assert_eq!(base(), None);

        let outer = profiler("outer").attach();
        let middle = profiler("middle").attach();
        let inner = profiler("inner").attach();
        drop(middle);
        assert_eq!(base().as_deref(), Some("inner"));
        drop(outer);
        assert_eq!(base().as_deref(), Some("inner"));
        profiler::init("k", Some("in between".into()), None);
        drop(inner);
        assert_eq!(base().as_deref(), Some("in between"));
        profiler::clean();
        assert_eq!(base(), None);
    });
}

#[test]
fn a_thread_gets_a_fork_and_goes_on_under_the_current_point() {
    let capture = traced(|| {
        let _outer = Trace::new("outer", ());
        std::thread::scope(|threads| {
            for _ in 0..2 {
                let fork = profiler::fork();
                threads.spawn(move || fork.run(|| drop(Trace::new("thread", ()))));
            }
            threads.spawn(|| drop(Trace::new("no fork, no point", ())));
        });
    });
    assert_eq!(capture.tree(), "outer\n  thread\n  thread\n");
}

#[test]
fn a_notifier_that_panics_harms_nobody() {
    traced(|| {
        osprofiler::notifier::set(|_| panic!("on purpose"));
        let before = osprofiler::notifier::stats();
        profiler::start("db", ());
        profiler::stop(());
        let dropped = osprofiler::notifier::stats().dropped_failed - before.dropped_failed;
        assert_eq!(dropped, 2);
        let capture = Capture::start();
        drop(Trace::new("after", ()));
        assert_eq!(capture.tree(), "after\n");
    });
}

#[test]
fn points_inside_the_notifier_are_not_recorded() {
    traced(|| {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        osprofiler::notifier::set(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            drop(Trace::new("inside", ()));
            assert!(profiler::get().is_none());
        });
        drop(Trace::new("db", ()));
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn a_notifier_that_takes_the_thread_over_does_not_end_the_trace() {
    let capture = traced(|| {
        let capture = Capture::start();
        let kept = Mutex::new(Vec::new());
        osprofiler::notifier::set(move |record| {
            // Locked again by a record from within, this would hang.
            kept.lock().unwrap().push(record.clone());
            profiler::clean();
            profiler::init("SECRET_KEY", Some("another".into()), None);
            drop(Trace::new("inside", ()));
        });
        profiler::start("left open", ());
        let _attached = Profiler::new("SECRET_KEY", None, None).attach();
        profiler::start("left open as well", ());
        drop(_attached);
        assert!(profiler::is_tracing());
        assert_eq!(profiler::get().unwrap().base_id(), &"base".into());
        drop(capture);
    });
    assert!(capture.records().is_empty());
}

/// Makes a point when it goes.
struct PointOnDrop;

impl Drop for PointOnDrop {
    fn drop(&mut self) {
        drop(Trace::new("gone", ()));
        osprofiler::notifier::set_origin("shop", "api");
    }
}

#[test]
fn a_notifier_may_record_when_it_goes() {
    traced(|| {
        let owned = PointOnDrop;
        osprofiler::notifier::set(move |_| {
            let _ = &owned;
        });
        let capture = Capture::start();
        assert_eq!(capture.tree(), "gone\n");
    });
}

#[test]
fn a_fork_of_nothing_records_nothing_wherever_it_runs() {
    let capture = traced(|| {
        let fork = std::thread::spawn(profiler::fork).join().unwrap();
        fork.run(|| drop(Trace::new("not of this trace", ())));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let task = std::pin::pin!(fork.scope(async { drop(Trace::new("nor this", ())) }));
        assert!(task.poll(&mut context).is_ready());
        drop(Trace::new("of this trace", ()));
    });
    assert_eq!(capture.tree(), "of this trace\n");
}

#[test]
fn switched_off_nothing_is_attached_and_nothing_recorded() {
    let capture = traced(|| {
        let profiler = profiler::get().unwrap();
        profiler::start("before", ());
        profiler::disable();
        profiler::stop(());
        drop(Trace::new("off", ()));
        profiler::clean();
        assert!(profiler::init("k", None, None).is_none());
        let _attached = profiler.attach();
        assert!(profiler::get().is_none());
        profiler::enable();
        let _attached = profiler.attach();
        drop(Trace::new("on", ()));
    });
    assert_eq!(capture.tree(), "before ...\non\n");
}
