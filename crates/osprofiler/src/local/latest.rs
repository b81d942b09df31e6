//! A few numbers that belong together: one thread writes them, all read them, nobody waits.

use super::atomic::{AtomicU64, Ordering, fence};

/// The numbers that were set last: a sequence lock whose readers go without rather than wait.
pub(crate) struct Latest {
    /// Odd while there are none, or others are being written.
    pub(super) version: AtomicU64,
    pub(super) numbers: [AtomicU64; 3],
}

impl Latest {
    /// The numbers; none if there are none, or if others are being written.
    #[inline]
    pub(crate) fn get(&self) -> Option<[u64; 3]> {
        let version = self.version.load(Ordering::Acquire);
        if version % 2 == 1 {
            return None;
        }
        let [one, two, three] = &self.numbers;
        let numbers = [one, two, three].map(|number| number.load(Ordering::Relaxed));
        // Whoever has read a number of the next version finds its number below.
        fence(Ordering::Acquire);
        (self.version.load(Ordering::Relaxed) == version).then_some(numbers)
    }

    /// Sets them; only one thread does.
    pub(crate) fn set(&self, numbers: [u64; 3]) {
        let writing = self.version.load(Ordering::Relaxed) | 1;
        self.version.store(writing, Ordering::Relaxed);
        // Before any number.
        fence(Ordering::Release);
        for (number, new) in self.numbers.iter().zip(numbers) {
            number.store(new, Ordering::Relaxed);
        }
        self.version.store(writing.wrapping_add(1), Ordering::Release);
    }

    /// Has none from here on, until others are set. Async-signal-safe.
    pub(crate) fn clear(&self) {
        self.version.fetch_or(1, Ordering::Relaxed);
    }
}
