//! From a point that started or stopped to wherever its record goes.

use std::sync::Arc;

use osprofiler_wire::{Info, Phase, Record};

use crate::context::TraceState;
use crate::local::scope::Open;
use crate::local::{ring, slot};
use crate::state::{self, Route};

/// Makes the record of a point and sends it on its way.
#[inline(always)]
pub(super) fn emit(trace: &Arc<TraceState>, point: &Open, phase: Phase, info: Info) {
    let is_done =
        state::is_route(Route::Ring) && info.is_empty() && ring::push_plain(trace, point, phase);
    if !is_done {
        emit_any(trace, point, phase, info);
    }
}

#[inline(never)]
fn emit_any(trace: &Arc<TraceState>, point: &Open, phase: Phase, info: Info) {
    if state::is_route(Route::Ring) {
        ring::push(trace, point, phase, info);
    } else if state::is_route(Route::Closure) {
        notify(trace, point, phase, info);
    }
}

#[cold]
fn notify(trace: &TraceState, point: &Open, phase: Phase, info: Info) {
    let record = Record {
        name: point.name.clone(),
        phase,
        base_id: trace.base_id().clone(),
        parent_id: trace.id_of(point.parent),
        trace_id: point.id.to_id(),
        info,
        origin: state::origin(),
        source: None,
        // Last, so that our own work is not measured.
        timestamp: trace.anchor().timestamp(),
    };
    // Nothing is in the slot meanwhile: what the closure does is not recorded.
    slot::without(|| state::notify(&record));
}
