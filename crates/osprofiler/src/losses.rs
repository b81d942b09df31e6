//! What was dropped of a trace, so that its report does not pretend to be whole.
//!
//! Whoever drops a record counts it here. Once the back end takes records again, the background adds
//! a point to the trace that says how many are missing and why (`docs/record.md`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use osprofiler_wire::{Info, Origin, Phase, Record, Timestamp};

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

/// Records of a trace that were dropped and not told of yet.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    no_room: AtomicU64,
    failed: AtomicU64,
    /// When the last of them was made, in microseconds since the epoch.
    last_us: AtomicI64,
    /// Whether the background knows that there is something to tell.
    is_known: AtomicBool,
}

/// How many records were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) no_room: u64,
    pub(crate) failed: u64,
}

/// Counts a record that is dropped. Neither locks nor waits: it is called on traced threads.
pub(crate) fn count(trace: &Arc<TraceState>, at: Timestamp, reason: Reason) {
    let losses = &trace.losses;
    let counts = match reason {
        Reason::NoRoom => Counts { no_room: 1, failed: 0 },
        Reason::Failed => Counts { no_room: 0, failed: 1 },
    };
    losses.last_us.fetch_max(at.as_micros(), Ordering::Relaxed);
    losses.add(counts);
    state::count_dropped(counts);
    make_known(trace);
}

/// Counts what was to be told and could not.
pub(crate) fn give_back(trace: &Arc<TraceState>, counts: Counts) {
    trace.losses.add(counts);
    make_known(trace);
}

/// Makes sure that the background tells of what was lost of a trace.
fn make_known(trace: &Arc<TraceState>) {
    if !trace.losses.is_known.swap(true, Ordering::AcqRel) {
        background::tell_losses(trace.clone());
    }
}

/// The two records of the point that tells of losses, dated when the last of them happened.
pub(crate) fn point(trace: &TraceState, counts: Counts, origin: &Arc<Origin>) -> [Record; 2] {
    let dropped = Info::new().with("no_room", &counts.no_room).with("failed", &counts.failed);
    let start = Record {
        name: POINT.into(),
        phase: Phase::Start,
        base_id: trace.base_id().clone(),
        parent_id: trace.base_id().clone(),
        trace_id: PointId::fresh().to_id(),
        timestamp: Timestamp::from_micros(trace.losses.last_us.load(Ordering::Relaxed)),
        info: Info::new().with_info("dropped", dropped),
        origin: origin.clone(),
        source: None,
    };
    let stop = Record { phase: Phase::Stop, info: Info::new(), ..start.clone() };
    [start, stop]
}

impl Losses {
    fn add(&self, counts: Counts) {
        self.no_room.fetch_add(counts.no_room, Ordering::Relaxed);
        self.failed.fetch_add(counts.failed, Ordering::Relaxed);
    }

    /// Takes what there is to tell. Whatever is lost from here on is made known anew.
    pub(crate) fn take(&self) -> Counts {
        self.is_known.store(false, Ordering::Release);
        Counts {
            no_room: self.no_room.swap(0, Ordering::Relaxed),
            failed: self.failed.swap(0, Ordering::Relaxed),
        }
    }
}
