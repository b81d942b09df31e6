//! Which spans and events the layer gets to see.

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter};

use super::point;
use super::span::TARGET;
use crate::local::slot;
use crate::state;

/// Lets through what may concern a trace that is under way.
///
/// It is the filter of one layer, so that what it keeps back reaches all others.
pub(super) struct WhileTracing {
    pub(super) targets: Targets,
    /// Whether all events are wanted.
    pub(super) events: bool,
    /// Whether those of level `ERROR` are.
    pub(super) error_events: bool,
}

impl WhileTracing {
    #[inline]
    fn lets_through(&self, metadata: &Metadata<'_>) -> bool {
        let may_concern = slot::is_tracing() || point::are_any();
        // What a notifier does is not recorded.
        may_concern && !state::is_notifying() && self.wants(metadata)
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let is_wanted = metadata.is_span()
            || self.events
            || self.error_events && *metadata.level() == Level::ERROR;
        is_wanted
            && metadata.target() != TARGET
            && self.targets.would_enable(metadata.target(), metadata.level())
    }
}

impl<S: Subscriber> Filter<S> for WhileTracing {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.lets_through(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Asked once for each place in the code. "Sometimes" has `enabled` asked each time.
        if self.wants(metadata) { Interest::sometimes() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&self.targets)
    }
}

/// Keeps spans back from all layers where [`WhileTracing`] does.
pub(super) struct Gate(pub(super) WhileTracing);

impl<S: Subscriber> Layer<S> for Gate {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        !metadata.is_span() || self.0.lets_through(metadata)
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.is_span() {
            false => Interest::always(),
            true if self.0.wants(metadata) => Interest::sometimes(),
            true => Interest::never(),
        }
    }
}
