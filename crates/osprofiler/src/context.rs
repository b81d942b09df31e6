//! The per-request context itself: what it holds, and nothing of where it is attached.

use std::fmt;
use std::sync::Arc;

use osprofiler_wire::{HmacKey, Id, SignedContext, Timestamp, TraceContext};

use crate::local::clock::Anchor;
use crate::local::ids;

/// The context of one request: the trace, the HMAC key in force, and where in the trace we are.
///
/// A value is a snapshot: [`profiler::get`](crate::profiler::get) gives it for the current point. It
/// is cheap to clone and may be sent anywhere; attached elsewhere, points go on under the point of
/// the snapshot.
#[derive(Clone)]
pub struct Profiler {
    trace: Arc<TraceState>,
    parent_id: Id,
    id: Id,
}

/// What is the same for all points of a trace in this process.
struct TraceState {
    base_id: Id,
    key: HmacKey,
    anchor: Anchor,
}

impl Profiler {
    /// Makes the context of a trace: of a new one if `base_id` is `None`, else of the one that a
    /// caller began. `parent_id` is the caller's point; without one, the trace itself.
    ///
    /// Nothing is attached yet, see [`attach`](Self::attach).
    pub fn new(hmac_key: impl Into<HmacKey>, base_id: Option<Id>, parent_id: Option<Id>) -> Self {
        ids::check_fork();
        let base_id = base_id.unwrap_or_else(ids::fresh);
        let id = parent_id.unwrap_or_else(|| base_id.clone());
        Self {
            parent_id: base_id.clone(),
            id,
            trace: Arc::new(TraceState { base_id, key: hmac_key.into(), anchor: Anchor::now() }),
        }
    }

    /// The id of the trace.
    #[must_use]
    pub fn base_id(&self) -> &Id {
        &self.trace.base_id
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

    pub(crate) fn timestamp(&self) -> Timestamp {
        self.trace.anchor.timestamp()
    }

    /// The same trace, elsewhere in it.
    pub(crate) fn below(&self, parent_id: Id, id: Id) -> Self {
        Self { trace: self.trace.clone(), parent_id, id }
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
