//! Counting from many threads, telling from one.

use super::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// Records that were dropped and not told of yet.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    no_room: AtomicU64,
    failed: AtomicU64,
    /// When the last of them was made, in microseconds since the epoch.
    last_us: AtomicI64,
    /// Whether somebody is about to tell.
    is_known: AtomicBool,
}

/// How many records were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) no_room: u64,
    pub(crate) failed: u64,
}

impl Pending {
    /// Adds to what there is to tell; says whether the caller has to see to it that it is told.
    #[must_use]
    pub(crate) fn add(&self, counts: Counts, last_us: i64) -> bool {
        self.no_room.fetch_add(counts.no_room, Ordering::Relaxed);
        self.failed.fetch_add(counts.failed, Ordering::Relaxed);
        self.last_us.fetch_max(last_us, Ordering::Relaxed);
        // Whoever reads this there sees what was added here.
        !self.is_known.swap(true, Ordering::AcqRel)
    }

    /// Takes what there is to tell, and when the last of it happened.
    pub(crate) fn take(&self) -> (Counts, i64) {
        // First: what is added from here on has to be seen to anew.
        self.is_known.swap(false, Ordering::AcqRel);
        let counts = Counts {
            no_room: self.no_room.swap(0, Ordering::Relaxed),
            failed: self.failed.swap(0, Ordering::Relaxed),
        };
        (counts, self.last_us.load(Ordering::Relaxed))
    }
}
