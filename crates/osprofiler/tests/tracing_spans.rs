//! Points as spans: what other layers see of them.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use osprofiler::instrument::tracing::{layer, point_span, visible};
use osprofiler::{Profiler, Trace, TraceExt, profiler};
use osprofiler_testkit::Capture;
use tokio::task::yield_now;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber, info, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// The notifier is the process's: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// What the layer below was told: the spans around each event, outermost first, and what it says.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Another layer, such as one that writes a log.
struct Log;

/// The fields of a span or an event, without ids, which differ each time.
#[derive(Default)]
struct Shown {
    text: String,
    trace_id: String,
    base_id: String,
}

impl Visit for Shown {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "trace_id" => self.trace_id = format!("{value:?}"),
            "base_id" => self.base_id = format!("{value:?}"),
            _ => self.text = format!("{value:?}").replace('"', ""),
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut shown = Shown::default();
        attributes.record(&mut shown);
        context.span(id).unwrap().extensions_mut().insert(shown);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = String::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            line +=
                &format!("{}({})/", span.name(), span.extensions().get::<Shown>().unwrap().text);
        }
        let mut shown = Shown::default();
        event.record(&mut shown);
        LINES.lock().unwrap().push(line + &shown.text);
    }
}

/// The subscriber of all threads; with our own layer too.
static SUBSCRIBER: LazyLock<()> = LazyLock::new(|| {
    let subscriber = tracing_subscriber::registry().with(Log).with(layer());
    tracing::subscriber::set_global_default(subscriber).unwrap();
});

fn turn() -> (MutexGuard<'static, ()>, Capture) {
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    LazyLock::force(&SUBSCRIBER);
    lines();
    (turn, Capture::start())
}

fn lines() -> Vec<String> {
    std::mem::take(&mut LINES.lock().unwrap())
}

#[test]
fn guards_and_plain_points_are_seen_as_spans() {
    let (_turn, capture) = turn();
    let _attached = Profiler::new("key", None, None).attach();
    {
        let _point = Trace::new("a", ());
        let _span = point_span().entered();
        info!("1");
        profiler::start("b", ());
        point_span().in_scope(|| info!("2"));
        profiler::stop(());
        info_span!("c").in_scope(|| info!("3"));
        info!("4");
    }
    info!("5");
    assert_eq!(lines(), ["point(a)/1", "point(a)/point(b)/2", "point(a)/c()/3", "point(a)/4", "5"]);
    // What is recorded is what it would be without.
    assert_eq!(capture.tree(), "a\n  b\n  c\n");
}

#[test]
fn the_span_has_the_ids_of_the_point() {
    let (_turn, capture) = turn();
    let _attached = Profiler::new("key", Some("base".into()), None).attach();
    let point = Trace::new("a", ());
    let span = point_span();
    assert_eq!(span.metadata().unwrap().target(), "osprofiler::point");
    let ids = span.with_subscriber(|(id, subscriber)| {
        let registry = subscriber.downcast_ref::<tracing_subscriber::Registry>().unwrap();
        let span = registry.span(id).unwrap();
        let extensions = span.extensions();
        let shown = extensions.get::<Shown>().unwrap();
        (shown.trace_id.clone(), shown.base_id.clone())
    });
    drop(point);
    let id = capture.records()[0].trace_id.to_string();
    assert_eq!(ids, Some((id, "base".to_owned())));
}

#[test]
fn futures_are_seen_on_whatever_thread_they_are_polled() {
    let (_turn, capture) = turn();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let work = |name: &'static str| {
        let steps = async move {
            for _ in 0..20 {
                info!("{name}");
                yield_now().await;
            }
        };
        profiler::Fork::from(Profiler::new("key", None, None)).scope(visible(steps).trace(name, ()))
    };
    let tasks = ["a", "b", "c"].map(|name| runtime.spawn(work(name)));
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    let lines = lines();
    assert_eq!(lines.len(), 60);
    for line in lines {
        let name = line.chars().last().unwrap();
        assert_eq!(line, format!("point({name})/{name}"));
    }
    let mut roots: Vec<_> = capture.tree().lines().map(str::to_owned).collect();
    roots.sort();
    assert_eq!(roots, ["a", "b", "c"]);
}

#[test]
fn a_future_that_is_dropped_goes_within_the_span() {
    struct Told;
    impl Drop for Told {
        fn drop(&mut self) {
            info!("dropped");
        }
    }
    let (_turn, _capture) = turn();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _attached = Profiler::new("key", None, None).attach();
    let waits = async {
        let _told = Told;
        std::future::pending::<()>().await;
    };
    runtime.block_on(async {
        let mut future = Box::pin(visible(waits).trace("a", ()));
        tokio::select! {
            biased;
            () = &mut future => {}
            () = yield_now() => {}
        }
    });
    assert_eq!(lines(), ["point(a)/dropped"]);
}

#[test]
fn there_is_no_span_where_nothing_is_traced() {
    let (_turn, _capture) = turn();
    assert!(point_span().is_none());
    let attached = Profiler::new("key", None, None).attach();
    assert!(!point_span().is_none());
    profiler::disable();
    assert!(point_span().is_none());
    profiler::enable();
    drop(attached);
    assert!(point_span().is_none());
}

#[test]
fn a_subscriber_that_panics_leaves_the_points_as_they_are() {
    struct Panics;
    impl<S: Subscriber> Layer<S> for Panics {
        fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
            panic!("of the subscriber");
        }
    }
    let (_turn, capture) = turn();
    let subscriber = Arc::new(tracing_subscriber::registry().with(Panics));
    tracing::subscriber::with_default(subscriber, || {
        let _attached = Profiler::new("key", None, None).attach();
        let _point = Trace::new("a", ());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(point_span()))).is_err());
        drop(Trace::new("b", ()));
    });
    assert!(profiler::get().is_none());
    assert_eq!(capture.tree(), "a\n  b\n");
}
