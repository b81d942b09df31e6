//! The point that a span is.

use std::cell::RefCell;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};

use osprofiler_wire::Info;
use serde_json::value::RawValue;
use tracing::span::Id;

use super::fields::Fields;
use crate::local::scope::{Base, Scope};
use crate::local::slot;
use crate::outcome;

/// The spans of this process that are points.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Whether any span is a point, on whatever thread.
#[inline]
pub(super) fn are_any() -> bool {
    COUNT.load(Ordering::Relaxed) != 0
}

/// The point that a span is, kept in its extensions.
///
/// Nothing is done here that calls code of others (a notifier, a `Debug` of theirs): the extensions are
/// locked meanwhile, and they may come back through `tracing`.
pub(super) struct SpanPoint {
    /// The scope that holds the point, while the span is not entered.
    held: Option<Scope>,
    /// At the point, for scopes where it is entered once more, and for spans that name it as parent.
    place: Base,
    stop: Stop,
}

/// What the stop record will say.
#[derive(Default)]
struct Stop {
    fields: Info,
    failure: Info,
    events: Vec<Info>,
    events_left_out: usize,
}

impl SpanPoint {
    /// Begins a point in a scope of its own.
    pub(super) fn begin(base: Base, name: &'static str, info: Info) -> Self {
        let mut scope = Scope::at(base);
        scope.begin(name.into(), info);
        COUNT.fetch_add(1, Ordering::Relaxed);
        Self { place: scope.fork(), held: Some(scope), stop: Stop::default() }
    }

    /// A scope to enter the span with.
    pub(super) fn take_scope(&mut self) -> Scope {
        self.held.take().unwrap_or_else(|| Scope::at(self.below()))
    }

    /// Where a point below it is to begin.
    pub(super) fn below(&self) -> Base {
        self.place.clone()
    }

    /// Takes back a scope that the span was entered with, if it holds the point.
    pub(super) fn give_back(&mut self, scope: Scope) -> Result<(), Scope> {
        if !scope.is_begun() {
            return Err(scope);
        }
        self.held = Some(scope);
        Ok(())
    }

    /// Records fields whose values came late.
    pub(super) fn record(&mut self, fields: &Fields) {
        self.stop.fields.merge(&fields.info);
    }

    /// Marks the point as failed. What said so first counts: it is nearest to the cause.
    pub(super) fn fail(&mut self, etype: &str, message: &str) {
        if self.stop.failure.is_empty() {
            self.stop.failure = outcome::failure(etype, message);
        }
    }

    pub(super) fn add_event(&mut self, event: Info, at_most: usize) {
        if self.stop.events.len() < at_most {
            self.stop.events.push(event);
        } else {
            self.stop.events_left_out += 1;
        }
    }

    /// When something happens in the trace of the point, as text.
    pub(super) fn timestamp(&self) -> String {
        self.place.timestamp().to_string()
    }

    /// Ends the point.
    pub(super) fn end(mut self) {
        let info = mem::take(&mut self.stop).into_info();
        if let Some(mut scope) = self.held.take() {
            // Nothing is in the slot meanwhile: what a notifier does now is not recorded.
            slot::without(|| scope.end(info));
        }
    }
}

impl Drop for SpanPoint {
    fn drop(&mut self) {
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stop {
    fn into_info(self) -> Info {
        let mut tracing = Info::new();
        if !self.fields.is_empty() {
            tracing.set_info("fields", &self.fields);
        }
        if !self.events.is_empty() {
            let raw = |event: &Info| RawValue::from_string(event.to_json()).ok();
            tracing.set("events", &self.events.iter().filter_map(raw).collect::<Vec<_>>());
        }
        if self.events_left_out > 0 {
            tracing.set("events_left_out", &self.events_left_out);
        }
        let mut info = Info::new();
        if !tracing.is_empty() {
            info.set_info("tracing", &tracing);
        }
        info.merge(&self.failure);
        info
    }
}

thread_local! {
    /// The spans that this thread has entered, by what their scopes were pushed as. Often, but not
    /// always, the last one that was entered is the first one to be left.
    static ENTERED: RefCell<Vec<(Id, u64)>> = const { RefCell::new(Vec::new()) };
}

/// Goes on within a span.
pub(super) fn enter(span: &Id, scope: Scope) {
    let serial = slot::push(scope);
    // A thread that is shutting down has no slot any more, so there is nothing to leave.
    let _ = ENTERED.try_with(|entered| entered.borrow_mut().push((span.clone(), serial)));
}

/// Goes on without a span; gives the scope with which it was entered.
pub(super) fn leave(span: &Id) -> Option<Scope> {
    let left = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        let at = entered.iter().rposition(|(id, _)| id == span)?;
        Some(entered.remove(at).1)
    });
    slot::take(left.ok().flatten()?)
}
