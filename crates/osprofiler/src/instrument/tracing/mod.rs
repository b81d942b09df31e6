//! Points of spans: whatever speaks `tracing` speaks OSProfiler, and the other way round.
//!
//! [`layer`] is a layer for `tracing_subscriber` that makes a point of each span which begins while
//! something is traced. It goes beside others and takes nothing from them:
//!
//! ```
//! use tracing_subscriber::layer::SubscriberExt;
//! use tracing_subscriber::util::SubscriberInitExt;
//!
//! tracing_subscriber::registry().with(osprofiler::instrument::tracing::layer()).init();
//!
//! #[tracing::instrument]
//! async fn price(item: u32) -> u32 {
//!     tracing::info!("asked for");
//!     item * 100
//! }
//! ```
//!
//! # One context
//!
//! A span that has a point *is* the current point while it is entered: points that are begun within
//! hang below it, and what is sent to other services names it. It keeps its profiler on whatever thread
//! it is entered, so a task needs no other hand-over: `tokio::spawn(work().instrument(span))`. Its
//! parent is the point that is current where it is made, or the span that it names itself
//! (`parent: &span`); a span that says it has none (`parent: None`) hangs where the trace entered the
//! process. It stops when the last handle of it is dropped, wherever that is; one that is leaked stays
//! unfinished.
//!
//! # What it costs
//!
//! Where nothing is traced, ours is one question for each span: whether this thread has a profiler, or
//! any span of the process is a point, because a span on any thread may name one of these as its parent.
//! `tracing_subscriber` makes the span all the same, for its other layers; where none of them wants
//! spans, [`Points::only_layer`] does without.
//!
//! # What is recorded
//!
//! The point has the span's name, and its start `tracing: {target, level, file, line, fields}`; see
//! `docs/record.md`. What is recorded later is in the stop. A span with a field `error` failed, and so
//! did one within which an event of level `ERROR` was told, as `#[instrument(err)]` does.
//!
//! # The other way round
//!
//! Where other layers are to see which point their events and spans belong to, [`point_span`] gives the
//! current point as a span, and [`visible`] has a future run within one.

mod fields;
mod filter;
mod layer;
mod point;
mod span;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use self::filter::{Gate, WhileTracing};
use self::layer::PointLayer;
pub use self::span::{point_span, visible};

/// The layer with what is usual: spans of level `INFO` and above.
pub fn layer<S>() -> impl Layer<S> + Send + Sync + 'static
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    Points::default().layer()
}

/// Which spans become points, and what is recorded of them.
///
/// ```
/// use osprofiler::instrument::tracing::Points;
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let points = Points::default().targets("info,sqlx=off,shop=debug".parse()?).events(32);
/// let subscriber = tracing_subscriber::registry().with(points.layer());
/// # let _ = subscriber;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until its layer is added to a subscriber"]
pub struct Points {
    targets: Targets,
    max_events: usize,
    error_events: bool,
}

impl Default for Points {
    fn default() -> Self {
        Self {
            targets: Targets::new().with_default(LevelFilter::INFO),
            max_events: 0,
            error_events: true,
        }
    }
}

impl Points {
    /// Makes points of spans of these targets and levels, and of no others; likewise with events.
    pub fn targets(mut self, targets: Targets) -> Self {
        self.targets = targets;
        self
    }

    /// Records the first so many events within a span on the stop of its point, and how many were left
    /// out. None unless this is called.
    pub fn events(mut self, at_most: usize) -> Self {
        self.max_events = at_most;
        self
    }

    /// Whether the point of a span fails by an event of level `ERROR` within it: `etype` is then the
    /// target of the event, `message` what it says. So it is unless this says otherwise.
    pub fn error_events(mut self, fail: bool) -> Self {
        self.error_events = fail;
        self
    }

    /// The layer.
    pub fn layer<S>(self) -> impl Layer<S> + Send + Sync + 'static
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Self { max_events, error_events, .. } = self;
        PointLayer { max_events, error_events }.with_filter(self.filter())
    }

    /// The layer where no other one wants spans: none is made unless it becomes a point, **for any
    /// layer**. Log lines of a layer beside it then name no spans but those of requests that are traced.
    pub fn only_layer<S>(self) -> impl Layer<S> + Send + Sync + 'static
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let gate = Gate(self.filter());
        self.layer().and_then(gate)
    }

    fn filter(&self) -> WhileTracing {
        let Self { targets, max_events, error_events } = self.clone();
        WhileTracing { targets, events: max_events > 0, error_events }
    }
}
