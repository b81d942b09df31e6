//! What travels from a traced thread to the background.

use std::borrow::Cow;
use std::sync::Arc;

use osprofiler_wire::{Id, Info, Origin, Phase, Record, Timestamp};

/// A record on its way to the background, which adds what is the same for the whole process.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Cow<'static, str>,
    pub(crate) phase: Phase,
    pub(crate) base_id: Id,
    pub(crate) parent_id: Id,
    pub(crate) trace_id: Id,
    pub(crate) timestamp: Timestamp,
    pub(crate) info: Info,
}

impl Entry {
    pub(crate) fn into_record(self, origin: &Arc<Origin>) -> Record {
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
