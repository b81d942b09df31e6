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
    pub(crate) moment: Moment,
}

/// What is told of a point, and when: in one word, since it is written for each record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(u64);

impl Moment {
    const STOP: u64 = 1 << 8;
    /// So many microseconds since the trace's anchor fit: nine years.
    const BITS_OF_MICROS: u32 = 48;

    #[inline]
    pub(crate) fn new(micros: u64, phase: Phase, extras: Extras) -> Self {
        let stop = match phase {
            Phase::Start => 0,
            Phase::Stop => Self::STOP,
        };
        Self(micros << (u64::BITS - Self::BITS_OF_MICROS) | stop | u64::from(extras.0))
    }

    /// Microseconds since the trace's anchor.
    #[inline]
    pub(crate) fn micros(self) -> u64 {
        self.0 >> (u64::BITS - Self::BITS_OF_MICROS)
    }

    #[inline]
    pub(crate) fn phase(self) -> Phase {
        if self.0 & Self::STOP == 0 { Phase::Start } else { Phase::Stop }
    }

    #[inline]
    pub(crate) fn extras(self) -> Extras {
        Extras(self.0 as u8)
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
    fn a_moment_comes_back() {
        let all = [Extras::TRACE, Extras::POINT, Extras::PARENT, Extras::NAME, Extras::INFO];
        let all = all.into_iter().fold(Extras::NONE, |extras, extra| extras.with(extra, true));
        for micros in [0, 1, u64::from(u32::MAX), 1 << 32, (1 << 48) - 1] {
            for phase in [Phase::Start, Phase::Stop] {
                for extras in [Extras::NONE, Extras::TRACE, Extras::INFO, all] {
                    let moment = Moment::new(micros, phase, extras);
                    assert_eq!(
                        (moment.micros(), moment.phase(), moment.extras()),
                        (micros, phase, extras)
                    );
                }
            }
        }
    }
}
