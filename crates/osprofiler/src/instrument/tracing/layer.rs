//! From the life of a span to that of a point.

use osprofiler_wire::Info;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::fields::Fields;
use super::point::{self, SpanPoint};
use crate::local::scope::Base;
use crate::local::slot;

/// Makes points of the spans that its filter lets through.
pub(super) struct PointLayer {
    pub(super) max_events: usize,
    pub(super) error_events: bool,
}

impl<S> Layer<S> for PointLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(base) = base_of(attributes, &context) else { return };
        let metadata = attributes.metadata();
        let fields = Fields::of(|visit| attributes.record(visit));
        let info = Info::new().with_info("tracing", described(metadata, &fields.info));
        let mut point = SpanPoint::begin(base, metadata.name(), info);
        if let Some(error) = &fields.error {
            point.fail(metadata.target(), error);
        }
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(point);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        // A value is shown before anything is locked: its `Debug` is somebody else's.
        if with_point(id, &context, |_| ()).is_none() {
            return;
        }
        let fields = Fields::of(|visit| values.record(visit));
        let target = context.metadata(id).map_or("", Metadata::target);
        with_point(id, &context, |point| {
            point.record(&fields);
            if let Some(error) = &fields.error {
                point.fail(target, error);
            }
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(id) = point_around(event, &context) else { return };
        let Some(timestamp) = with_point(&id, &context, |point| point.timestamp()) else { return };
        let fields = Fields::of(|visit| event.record(visit));
        let metadata = event.metadata();
        let told = Info::new()
            .with("timestamp", &timestamp)
            .with("level", metadata.level().as_str())
            .with("target", metadata.target())
            .with_info("fields", fields.info.clone());
        let fails = self.error_events && *metadata.level() == Level::ERROR;
        let said = fails.then(|| fields.said());
        with_point(&id, &context, |point| {
            if self.max_events > 0 {
                point.add_event(told, self.max_events);
            }
            if let Some(said) = &said {
                point.fail(metadata.target(), said);
            }
        });
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(scope) = with_point(id, &context, SpanPoint::take_scope) {
            point::enter(id, scope);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(scope) = point::leave(id) else { return };
        let mut scope = Some(scope);
        with_point(id, &context, |point| {
            scope = scope.take().and_then(|scope| point.give_back(scope).err());
        });
        if let Some(mut scope) = scope {
            slot::without(|| scope.close_all());
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let point = context.span(&id).and_then(|span| span.extensions_mut().remove::<SpanPoint>());
        if let Some(point) = point {
            point.end();
        }
    }
}

/// Where the point of a new span is to begin; none if it belongs to no trace.
fn base_of<S>(attributes: &Attributes<'_>, context: &Context<'_, S>) -> Option<Base>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    if attributes.is_root() {
        return slot::with(|scope| scope.entry());
    }
    let named = attributes.parent().and_then(|parent| {
        let mut around = context.span(parent)?.scope();
        around.find_map(|span| span.extensions().get().map(SpanPoint::below))
    });
    named.or_else(|| slot::with(|scope| scope.fork()))
}

/// The innermost span around an event that is a point.
fn point_around<S>(event: &Event<'_>, context: &Context<'_, S>) -> Option<Id>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut around = context.event_scope(event)?;
    around.find(|span| span.extensions().get::<SpanPoint>().is_some()).map(|span| span.id())
}

/// Calls `f` with the point of a span, if it has one.
fn with_point<S, R>(
    id: &Id,
    context: &Context<'_, S>,
    f: impl FnOnce(&mut SpanPoint) -> R,
) -> Option<R>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let span = context.span(id)?;
    let mut extensions = span.extensions_mut();
    extensions.get_mut().map(f)
}

fn described(metadata: &Metadata<'_>, fields: &Info) -> Info {
    let mut info =
        Info::new().with("target", metadata.target()).with("level", metadata.level().as_str());
    if let Some(file) = metadata.file() {
        info.set("file", file);
    }
    if let Some(line) = metadata.line() {
        info.set("line", &line);
    }
    if !fields.is_empty() {
        info.set_info("fields", fields);
    }
    info
}
