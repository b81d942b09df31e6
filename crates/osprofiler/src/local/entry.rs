//! What travels from a traced thread to the background.

use std::sync::Arc;

use osprofiler_wire::{Info, Phase};

use crate::context::TraceState;
use crate::local::ids::PointId;

/// A record on its way to the background, as small as can be: the more a ring holds, the less often
/// it has to be emptied. What is not the rule follows as [`Extra`]s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Name of the point, unless there is an [`Extra::Name`].
    pub(crate) name: &'static str,
    /// Number of the point in the sequence of the ring.
    pub(crate) number: u32,
    /// Number of its parent in the same sequence; 0 for the point under which the trace entered the
    /// process.
    pub(crate) parent: u32,
    pub(crate) at: SinceEntry,
    pub(crate) phase: Phase,
    pub(crate) extras: Extras,
}

/// Microseconds since the trace entered the process, in six bytes: nine years.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SinceEntry([u16; 3]);

impl SinceEntry {
    #[inline]
    pub(crate) fn from_micros(micros: u64) -> Self {
        Self([micros as u16, (micros >> 16) as u16, (micros >> 32) as u16])
    }

    pub(crate) fn as_micros(self) -> u64 {
        let [low, middle, high] = self.0.map(u64::from);
        high << 32 | middle << 16 | low
    }
}

/// Which extras an entry has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extras(u8);

impl Extras {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const TRACE: Self = Self(1);
    pub(crate) const POINT: Self = Self(1 << 1);
    pub(crate) const PARENT: Self = Self(1 << 2);
    pub(crate) const NAME: Self = Self(1 << 3);
    pub(crate) const INFO: Self = Self(1 << 4);

    /// That an entry has at most.
    pub(crate) const MAX_COUNT: usize = 5;

    /// Adds one if it is needed.
    #[inline]
    pub(crate) fn with(self, extra: Self, is_needed: bool) -> Self {
        if is_needed { Self(self.0 | extra.0) } else { self }
    }

    #[inline]
    pub(crate) fn has(self, extra: Self) -> bool {
        self.0 & extra.0 != 0
    }

    pub(crate) fn count(self) -> usize {
        self.0.count_ones() as usize
    }
}

/// What an entry may have besides, in this order.
pub(crate) enum Extra {
    /// The trace of this entry and of all that follow it in the ring, until the next that has one.
    Trace(Arc<TraceState>),
    /// The point, and then the parent, if another thread made it.
    Point(PointId),
    /// The name of the point, if it is not static.
    Name(String),
    /// The info, if there is one.
    Info(Info),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry>(), 32);
    }

    #[test]
    fn long_traces_keep_their_time() {
        for micros in [0, 1, u64::from(u32::MAX), 1 << 32, (1 << 48) - 1] {
            assert_eq!(SinceEntry::from_micros(micros).as_micros(), micros);
        }
    }
}
