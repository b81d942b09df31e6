//! A point as a span, for other layers to see.

use tracing::{Instrument, Span, info_span};

use crate::local::slot;
use crate::state;

/// The target of these spans, by which our own layer knows that they are points already.
pub(super) const TARGET: &str = "osprofiler::point";

/// The current point as a span, for other layers to see: of the target `osprofiler::point` and level
/// `INFO`, named `point`, with the fields `name`, `trace_id` (the id of the point) and `base_id`.
///
/// What other layers are told while it is entered is told within the point. Nothing is recorded for it,
/// and where nothing is traced there is no span. A point that was opened elsewhere, such as on the
/// thread that this one goes on from, has no `name` here.
///
/// ```
/// use osprofiler::Trace;
/// use osprofiler::instrument::tracing::point_span;
///
/// let _point = Trace::new("price", ());
/// let _span = point_span().entered();
/// tracing::info!("a log line names the point");
/// ```
///
/// As any span, it must not stay entered across an `.await`; futures have [`visible`].
#[must_use]
pub fn point_span() -> Span {
    if !slot::is_tracing() || !state::is_enabled() {
        return Span::none();
    }
    let here = slot::with(|scope| (scope.name(), scope.profiler()));
    // The subscriber is somebody else's: it is not called within `with`.
    here.map_or_else(Span::none, |(name, profiler)| {
        info_span!(
            target: TARGET,
            "point",
            name = name.as_deref(),
            trace_id = %profiler.id(),
            base_id = %profiler.base_id(),
        )
    })
}

/// Runs a future within the [span](point_span) of the point that is current at its first poll: each
/// poll, on whatever thread, and its drop.
///
/// ```
/// use osprofiler::TraceExt;
/// use osprofiler::instrument::tracing::visible;
///
/// # async fn price() {}
/// # async fn f() {
/// visible(price()).trace("price", ()).await;
/// # }
/// ```
pub async fn visible<F: Future>(future: F) -> F::Output {
    future.instrument(point_span()).await
}
