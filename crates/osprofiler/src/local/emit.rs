//! From a point that started or stopped to wherever its record goes.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU8, Ordering};

use osprofiler_wire::{Id, Info, Phase, Record};

use crate::local::ring::{self, Entry};
use crate::notifier;
use crate::profiler::Profiler;

/// Where records go. Kept here in one byte so that the caller's thread asks nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Route {
    /// Nowhere: no notifier, or switched off.
    Nowhere,
    /// To a closure, at once.
    Closure,
    /// Into the thread's ring, for the background.
    Ring,
}

static ROUTE: AtomicU8 = AtomicU8::new(Route::Nowhere as u8);

/// Changes where the records of all threads go from now on.
pub(crate) fn set_route(route: Route) {
    ROUTE.store(route as u8, Ordering::Relaxed);
}

/// Makes the record of a point and sends it on its way.
pub(crate) fn emit(
    profiler: &Profiler,
    parent_id: &Id,
    phase: Phase,
    name: Cow<'static, str>,
    trace_id: &Id,
    info: Info,
) {
    let route = ROUTE.load(Ordering::Relaxed);
    if route == Route::Nowhere as u8 {
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
    if route == Route::Closure as u8 {
        notifier::notify(&entry.into_record(&notifier::origin()));
    } else if !ring::push(entry) {
        notifier::count_dropped_by_full_ring();
    }
}

impl Entry {
    pub(crate) fn into_record(self, origin: &std::sync::Arc<osprofiler_wire::Origin>) -> Record {
        Record {
            name: self.name,
            phase: self.phase,
            base_id: self.base_id,
            parent_id: self.parent_id,
            trace_id: self.trace_id,
            timestamp: self.timestamp,
            info: self.info,
            origin: origin.clone(),
            source: None,
        }
    }
}
