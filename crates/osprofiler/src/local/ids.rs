//! Fresh ids.
//!
//! A thread numbers the points that it makes. The UUID of a point follows from the number, a random
//! number of the thread's own and a random key of the process, and is made where it is needed: in
//! the background, or for a header. So a point costs its thread no more than counting.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::num::NonZeroU64;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use osprofiler_wire::Id;
use rand::TryRng;
use rand::rngs::SysRng;

use crate::local::fork;

/// A point that this process made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PointId {
    /// Random; that of the thread which made the point.
    pub(crate) sequence: NonZeroU64,
    /// Counted from 1.
    pub(crate) number: u32,
}

/// Where a thread stands. Each for itself: what is written as one and read as two, or the other way,
/// waits for itself.
struct Numbering {
    /// The sequence of this thread.
    sequence: Cell<Option<NonZeroU64>>,
    /// The number of its last point.
    number: Cell<u32>,
    /// In which generation of forks it was begun: the child of one must not go on with its parent's.
    generation: Cell<u32>,
}

thread_local! {
    static NUMBERING: Numbering = const {
        Numbering { sequence: Cell::new(None), number: Cell::new(0), generation: Cell::new(0) }
    };
}

/// Keeps apart what other processes and machines make.
static KEY: LazyLock<[u64; 2]> = LazyLock::new(|| [random(), random()]);

impl PointId {
    /// Makes an id that nobody else has.
    #[inline]
    pub(crate) fn fresh() -> Self {
        NUMBERING.with(|numbering| {
            match (numbering.current_sequence(), numbering.number.get().checked_add(1)) {
                (Some(sequence), Some(number)) => {
                    numbering.number.set(number);
                    Self { sequence, number }
                }
                _ => numbering.begin(),
            }
        })
    }

    /// The id as everybody else knows it: a UUID of version 4.
    pub(crate) fn to_id(self) -> Id {
        Sequence::new(self.sequence).id(self.number)
    }
}

impl Numbering {
    /// None before the first point.
    #[inline]
    fn current_sequence(&self) -> Option<NonZeroU64> {
        self.sequence.get().filter(|_| self.generation.get() == fork::generation())
    }

    /// Begins a sequence; gives its first point.
    #[cold]
    fn begin(&self) -> PointId {
        fork::watch();
        let sequence = NonZeroU64::new(random()).unwrap_or(NonZeroU64::MIN);
        self.sequence.set(Some(sequence));
        self.number.set(1);
        self.generation.set(fork::generation());
        PointId { sequence, number: 1 }
    }
}

/// The sequence of the points that this thread makes, begun if need be.
pub(crate) fn sequence() -> NonZeroU64 {
    NUMBERING.with(|numbering| {
        numbering.current_sequence().unwrap_or_else(|| numbering.begin().sequence)
    })
}

/// A number that nothing else in this process has.
#[inline]
pub(crate) fn serial() -> NonZeroU64 {
    /// Threads have the upper half, and count in the lower one.
    static NEXT: AtomicU32 = AtomicU32::new(1);
    thread_local! {
        static LAST: Cell<u64> = const { Cell::new(u64::MAX) };
    }
    LAST.with(|last| {
        let next = match last.get() as u32 {
            u32::MAX => u64::from(NEXT.fetch_add(1, Ordering::Relaxed)) << 32,
            _ => last.get() + 1,
        };
        last.set(next);
        NonZeroU64::new(next).unwrap_or(NonZeroU64::MAX)
    })
}

/// The points of one sequence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence {
    /// Of the two halves of the UUIDs.
    seeds: [u64; 2],
}

impl Sequence {
    pub(crate) fn new(sequence: NonZeroU64) -> Self {
        Self { seeds: KEY.map(|key| mix(key ^ sequence.get())) }
    }

    /// The id of the point that has this number.
    #[inline]
    pub(crate) fn id(&self, number: u32) -> Id {
        Id::from_random(self.bits(number))
    }

    /// The random bits that make it.
    #[inline]
    pub(crate) fn bits(&self, number: u32) -> u128 {
        let [high, low] = self.seeds.map(|seed| nth_of_sequence(seed, number));
        u128::from(high) << 64 | u128::from(low)
    }
}

/// The random number that SplitMix64 gives as its `number`th from this seed on: Steele, Lea, Flood,
/// "Fast splittable pseudorandom number generators", OOPSLA 2014. No two of a seed are the same.
fn nth_of_sequence(seed: u64, number: u32) -> u64 {
    const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    mix(seed.wrapping_add(GOLDEN_GAMMA.wrapping_mul(number.into())))
}

/// The mixing function of SplitMix64, a bijection.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A number from the kernel. If that has none to give, the standard library's randomness (seeded once
/// a process) and the time still make numbers that differ.
fn random() -> u64 {
    SysRng.try_next_u64().unwrap_or_else(|_| RandomState::new().hash_one(SystemTime::now()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    #[test]
    fn ids_of_all_threads_differ() {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                thread::spawn(|| (0..50_000).map(|_| PointId::fresh().to_id()).collect::<Vec<_>>())
            })
            .collect();
        let ids: HashSet<Id> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 8 * 50_000);
        assert!(ids.iter().all(|id| id.uuid_bytes().is_some_and(|bytes| bytes[6] >> 4 == 4)));
    }

    #[test]
    fn every_bit_of_an_id_is_one_in_half_of_them() {
        const IDS: u32 = 100_000;
        let mut ones = [0_u32; 128];
        for _ in 0..IDS {
            let bits = u128::from_be_bytes(PointId::fresh().to_id().uuid_bytes().unwrap());
            for (at, ones) in ones.iter_mut().enumerate() {
                *ones += u32::from(bits >> at & 1 == 1);
            }
        }
        let odd: Vec<_> = (0..128)
            // Six standard deviations of a fair coin.
            .filter(|&at| ones[at].abs_diff(IDS / 2) > 6 * 158)
            .collect();
        // Version and variant: 0100 and 10.
        assert_eq!(odd, [62, 63, 76, 77, 78, 79]);
    }

    #[test]
    fn a_sequence_that_is_used_up_is_followed_by_another() {
        let first = PointId::fresh();
        NUMBERING.with(|numbering| numbering.number.set(u32::MAX));
        let next = PointId::fresh();
        assert_ne!(next.sequence, first.sequence);
        assert_eq!(next.number, 1);
    }
}
