//! The per-request context itself: what it holds, and nothing of where it is attached.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use osprofiler_wire::{HmacKey, Id, SignedContext, TraceContext};

use crate::local::clock::Anchor;
use crate::local::ids::{self, PointId};
use crate::losses::Pending;
use crate::propagation::Link;

/// The context of one request: the trace, the HMAC key in force, and where in the trace we are.
///
/// A value is a snapshot: [`profiler::get`](crate::profiler::get) gives it for the current point. It
/// is cheap to clone and may be sent anywhere; attached elsewhere, points go on under the point of
/// the snapshot.
#[derive(Clone)]
pub struct Profiler {
    trace: Arc<TraceState>,
    parent: Place,
    place: Place,
    // Ids of these two.
    parent_id: Id,
    id: Id,
}

/// Where in its trace a profiler or a point stands: at a point that this process made, or else where
/// `number` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) sequence: Option<NonZeroU64>,
    pub(crate) number: u32,
}

impl Place {
    /// Where the trace entered this process: under the caller's point, or at its root.
    pub(crate) const ENTRY: Self = Self { sequence: None, number: 0 };
    /// At the root.
    pub(crate) const BASE: Self = Self { sequence: None, number: 1 };
}

impl From<PointId> for Place {
    #[inline]
    fn from(PointId { sequence, number }: PointId) -> Self {
        Self { sequence: Some(sequence), number }
    }
}

/// What is the same for all points of a trace in this process.
pub(crate) struct TraceState {
    base_id: Id,
    entry_id: Id,
    key: HmacKey,
    link: Option<Box<Link>>,
    anchor: Anchor,
    /// Tells it from any other trace of this process.
    serial: NonZeroU64,
    /// What was dropped of it and not told of yet.
    pub(crate) losses: Pending,
}

impl TraceState {
    pub(crate) fn base_id(&self) -> &Id {
        &self.base_id
    }

    #[inline]
    pub(crate) fn serial(&self) -> NonZeroU64 {
        self.serial
    }

    #[inline]
    pub(crate) fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    pub(crate) fn id_of(&self, place: Place) -> Id {
        match place {
            Place { sequence: Some(sequence), number } => PointId { sequence, number }.to_id(),
            Place::BASE => self.base_id.clone(),
            _ => self.entry_id.clone(),
        }
    }
}

impl Profiler {
    /// Makes the context of a trace: of a new one if `base_id` is `None`, else of the one that a
    /// caller began. `parent_id` is the caller's point; without one, the trace itself.
    ///
    /// Nothing is attached yet, see [`attach`](Self::attach).
    pub fn new(hmac_key: impl Into<HmacKey>, base_id: Option<Id>, parent_id: Option<Id>) -> Self {
        Self::entering(hmac_key.into(), base_id, parent_id, None)
    }

    /// [`new`](Self::new), for a request that also said where in another trace it came from.
    pub(crate) fn entering(
        key: HmacKey,
        base_id: Option<Id>,
        parent_id: Option<Id>,
        link: Option<Box<Link>>,
    ) -> Self {
        let base_id = base_id.unwrap_or_else(|| PointId::fresh().to_id());
        let trace = TraceState {
            entry_id: parent_id.unwrap_or_else(|| base_id.clone()),
            base_id,
            key,
            link,
            anchor: Anchor::now(),
            serial: ids::serial(),
            losses: Pending::default(),
        };
        Self::at(Arc::new(trace), Place::BASE, Place::ENTRY)
    }

    /// The context at a place of a trace.
    pub(crate) fn at(trace: Arc<TraceState>, parent: Place, place: Place) -> Self {
        Self { parent, place, parent_id: trace.id_of(parent), id: trace.id_of(place), trace }
    }

    /// The id of the trace.
    #[must_use]
    pub fn base_id(&self) -> &Id {
        self.trace.base_id()
    }

    /// The id of the point around the current one.
    #[must_use]
    pub fn parent_id(&self) -> &Id {
        &self.parent_id
    }

    /// The id of the current point.
    #[must_use]
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The HMAC key in force: the one that the caller signed with.
    #[must_use]
    pub fn hmac_key(&self) -> &HmacKey {
        &self.trace.key
    }

    /// Where the request came from in the trace of another tracing system, if it said so, and if that
    /// is not where this trace says it came from.
    #[must_use]
    pub fn link(&self) -> Option<&Link> {
        let TraceState { base_id, entry_id, link, .. } = &*self.trace;
        let entry = || TraceContext { base_id: base_id.clone(), parent_id: entry_id.clone() };
        link.as_deref().filter(|link| !link.is_at(&entry()))
    }

    /// What travels to a callee: the trace, and the current point as the callee's parent.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        TraceContext { base_id: self.base_id().clone(), parent_id: self.id.clone() }
    }

    /// [`context`](Self::context), packed and signed with the key in force.
    #[must_use]
    pub fn sign(&self) -> SignedContext {
        self.hmac_key().sign(&self.context())
    }

    /// What else came with the request, in the words of another tracing system.
    pub(crate) fn besides(&self) -> Option<&Link> {
        self.trace.link.as_deref()
    }

    pub(crate) fn trace(&self) -> &Arc<TraceState> {
        &self.trace
    }

    pub(crate) fn parent(&self) -> Place {
        self.parent
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }
}

impl fmt::Debug for Profiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profiler")
            .field("base_id", self.base_id())
            .field("parent_id", &self.parent_id)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
