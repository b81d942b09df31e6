//! Timestamps that are comparable between hosts and never run backwards within a trace.

use std::time::{Instant, SystemTime};

use osprofiler_wire::Timestamp;

/// The wall clock when a trace entered this process, and the monotonic clock of that moment.
///
/// All records of the trace in this process are dated from it, so a wall clock that is set
/// meanwhile changes no duration; the next trace starts from the new time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    wall_us: i64,
    monotonic: Instant,
}

impl Anchor {
    pub(crate) fn now() -> Self {
        let wall = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            wall_us: i64::try_from(wall.as_micros()).unwrap_or(i64::MAX),
            monotonic: Instant::now(),
        }
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        let since = i64::try_from(self.monotonic.elapsed().as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.wall_us.saturating_add(since))
    }
}
