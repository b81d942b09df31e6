//! What is spoken besides our own headers, so that services with another tracing join in.

use std::sync::atomic::{AtomicU8, Ordering};

use osprofiler_wire::w3c::{TRACEPARENT_HEADER, TRACESTATE_HEADER, Traceparent, Tracestate};
use osprofiler_wire::{Id, Info, TraceContext, b3};

use super::{Extractor, KeyRing};
use crate::Profiler;

/// Formats of other tracing systems, spoken besides our own headers: what we send lets their spans
/// hang below our points, what we receive is recorded as a [`Link`].
///
/// The switches are the process's. [`Config::start`](crate::Config::start) sets them if the option
/// `propagators` is given.
///
/// ```
/// use osprofiler::propagation::Format;
///
/// assert!(Format::W3c.is_on());
/// Format::W3c.switch(false);
/// assert!(!Format::W3c.is_on());
/// Format::B3.switch(true);
/// # Format::B3.switch(false);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// W3C Trace Context: `traceparent` and `tracestate`. On at first.
    W3c = 1,
    /// B3 in one header, `b3`.
    B3 = 2,
    /// B3 in several headers, `x-b3-...`.
    B3Multi = 4,
}

/// The formats that are on, a bit for each.
static ON: AtomicU8 = AtomicU8::new(Format::W3c as u8);

impl Format {
    /// All formats, in the order in which they are read: the first that says something counts.
    pub const ALL: [Self; 3] = [Self::W3c, Self::B3, Self::B3Multi];

    /// The name of the format in the option `propagators`, as OpenTelemetry calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::W3c => "tracecontext",
            Self::B3 => "b3",
            Self::B3Multi => "b3multi",
        }
    }

    /// Whether the format is spoken.
    #[must_use]
    pub fn is_on(self) -> bool {
        ON.load(Ordering::Relaxed) & self as u8 != 0
    }

    /// Speaks the format from now on, or does not.
    pub fn switch(self, on: bool) {
        if on {
            ON.fetch_or(self as u8, Ordering::Relaxed);
        } else {
            ON.fetch_and(!(self as u8), Ordering::Relaxed);
        }
    }

    fn on() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|format| format.is_on())
    }

    fn read(self, carrier: &(impl Extractor + ?Sized)) -> Option<Link> {
        let parent = match self {
            Self::W3c => Traceparent::parse(carrier.get(TRACEPARENT_HEADER)?),
            Self::B3 => b3::parse(carrier.get(b3::B3_HEADER)?),
            Self::B3Multi => b3::parse_multi(|name| carrier.get(name)),
        }?;
        let state = match self {
            Self::W3c => Tracestate::parse(carrier.get_all(TRACESTATE_HEADER)),
            Self::B3 | Self::B3Multi => None,
        };
        Some(Link { parent, state: state.unwrap_or_default() })
    }

    fn write(
        self,
        here: Traceparent,
        state: &Tracestate,
        set: &mut impl FnMut(&'static str, String),
    ) {
        match self {
            Self::W3c => {
                set(TRACEPARENT_HEADER, here.to_header());
                set(TRACESTATE_HEADER, state.to_header(here.span_id));
            }
            Self::B3 => set(b3::B3_HEADER, b3::to_header(&here)),
            Self::B3Multi => {
                b3::to_headers(&here).into_iter().for_each(|(name, value)| set(name, value));
            }
        }
    }
}

/// Where in the trace of another tracing system the sender of a request was.
///
/// It is recorded in the info of the request's point, if that is not below this place anyhow, and
/// changes nothing else, unless [unsigned requests are trusted](KeyRing::trust_unsigned).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    parent: Traceparent,
    state: Tracestate,
}

impl Link {
    /// What a carrier holds in one of the formats that are on.
    pub(super) fn of(carrier: &(impl Extractor + ?Sized)) -> Option<Box<Self>> {
        Format::on().find_map(|format| format.read(carrier)).map(Box::new)
    }

    /// The trace, the sender's span, and whether the sender records.
    #[must_use]
    pub fn parent(&self) -> Traceparent {
        self.parent
    }

    /// What other tracing systems left in `tracestate`.
    #[must_use]
    pub fn state(&self) -> &Tracestate {
        &self.state
    }

    /// Whether this is the same place as a trace context is.
    pub(crate) fn is_at(&self, context: &TraceContext) -> bool {
        let Traceparent { trace_id, span_id, .. } = Traceparent::of(context);
        (trace_id, span_id) == (self.parent.trace_id, self.parent.span_id)
    }

    /// The info that says so: `link: {trace_id, span_id, sampled, tracestate}`, without the last one
    /// if there was none.
    #[must_use]
    pub fn info(&self) -> Info {
        let mut link = Info::new()
            .with("trace_id", &self.parent.trace_id_text())
            .with("span_id", &self.parent.span_id_text())
            .with("sampled", &self.parent.sampled);
        if !self.state.as_str().is_empty() {
            link.set("tracestate", self.state.as_str());
        }
        Info::new().with_info("link", link)
    }
}

/// Hands the headers of all formats that are on to `set`.
pub(super) fn write(profiler: &Profiler, mut set: impl FnMut(&'static str, String)) {
    if Format::on().next().is_none() {
        return;
    }
    let here = Traceparent::of(&profiler.context());
    let nothing = Tracestate::default();
    // What was left for another trace is of no use in this one.
    let state = profiler
        .besides()
        .filter(|link| link.parent.trace_id == here.trace_id)
        .map_or(&nothing, Link::state);
    Format::on().for_each(|format| format.write(here, state, &mut set));
}

/// The profiler for a request that nobody signed and whose sender says that it records.
#[cold]
pub(super) fn unsigned(carrier: &(impl Extractor + ?Sized), keys: &KeyRing) -> Option<Profiler> {
    let link = Link::of(carrier).filter(|link| link.parent.sampled)?;
    let key = keys.get().first()?.clone();
    let base_id = Id::from_uuid_bytes(link.parent.trace_id);
    // Such an id is the span's for whoever makes spans of points.
    let parent_id = Id::from(link.parent.span_id_text());
    Some(Profiler::entering(key, Some(base_id), Some(parent_id), Some(link)))
}
