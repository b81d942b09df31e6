//! From a point that started or stopped to wherever its record goes.

use std::borrow::Cow;

use osprofiler_wire::{Id, Info, Phase};

use crate::context::Profiler;
use crate::local::entry::Entry;
use crate::local::ring;
use crate::state::{self, Route};

/// Makes the record of a point and sends it on its way.
pub(crate) fn emit(
    profiler: &Profiler,
    parent_id: &Id,
    phase: Phase,
    name: Cow<'static, str>,
    trace_id: &Id,
    info: Info,
) {
    let route = state::route();
    if route == Route::Nowhere {
        return;
    }
    let entry = Entry {
        name,
        phase,
        base_id: profiler.base_id().clone(),
        parent_id: parent_id.clone(),
        trace_id: trace_id.clone(),
        info,
        // Last, so that our own work is not measured.
        timestamp: profiler.timestamp(),
    };
    if route == Route::Closure {
        state::notify(&entry.into_record(&state::origin()));
    } else {
        ring::push(entry);
    }
}
