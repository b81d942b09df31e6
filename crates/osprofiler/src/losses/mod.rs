//! What was dropped of a trace, so that its report does not pretend to be whole.
//!
//! Whoever drops a record counts it here. Once the back end takes records again, the background adds
//! a point to the trace that says how many are missing and why (`docs/record.md`).

/// What `pending` is made of; a model of it (`tests/losses.rs`) has others.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
}
mod pending;

use std::sync::Arc;

use osprofiler_wire::{Info, Origin, Phase, Record, Timestamp};

pub(crate) use self::pending::{Counts, Pending};
use crate::background;
use crate::context::TraceState;
use crate::local::ids::PointId;
use crate::state;

/// Name of the point that tells of losses.
const POINT: &str = "dropped";

/// Why a record is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// They come faster than the back end takes them.
    NoRoom,
    /// The back end failed.
    Failed,
}

/// Counts records that are dropped, of which the last was made at this time. It is called on traced
/// threads, and takes a lock for the first of a trace only.
pub(crate) fn count(trace: &Arc<TraceState>, records: usize, last: Timestamp, reason: Reason) {
    let records = records as u64;
    let counts = match reason {
        Reason::NoRoom => Counts { no_room: records, failed: 0 },
        Reason::Failed => Counts { no_room: 0, failed: records },
    };
    state::count_dropped(counts);
    have_told(trace, counts, last);
}

/// Has so many losses told, of which the last was at this time.
pub(crate) fn have_told(trace: &Arc<TraceState>, counts: Counts, last: Timestamp) {
    if trace.losses.add(counts, last.as_micros()) {
        background::tell_losses(trace.clone());
    }
}

/// The two records of the point that tells of losses, dated when the last of them happened.
pub(crate) fn point(
    trace: &TraceState,
    counts: Counts,
    last: Timestamp,
    origin: &Arc<Origin>,
) -> [Record; 2] {
    let dropped = Info::new().with("no_room", &counts.no_room).with("failed", &counts.failed);
    let start = Record {
        name: POINT.into(),
        phase: Phase::Start,
        base_id: trace.base_id().clone(),
        parent_id: trace.base_id().clone(),
        trace_id: PointId::fresh().to_id(),
        timestamp: last,
        info: Info::new().with_info("dropped", dropped),
        origin: origin.clone(),
        source: None,
    };
    let stop = Record { phase: Phase::Stop, info: Info::new(), ..start.clone() };
    [start, stop]
}
