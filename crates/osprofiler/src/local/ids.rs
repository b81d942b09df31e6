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

thread_local! {
    // Each for itself: what is written as one and read as two, or the other way, waits for itself.
    /// The sequence of this thread, and the number of its last point.
    static SEQUENCE: Cell<Option<NonZeroU64>> = const { Cell::new(None) };
    static NUMBER: Cell<u32> = const { Cell::new(0) };
    /// In which generation of forks it was begun: the child of one must not go on with its parent's.
    static GENERATION: Cell<u32> = const { Cell::new(0) };
}

/// Keeps apart what other processes and machines make.
static KEY: LazyLock<[u64; 2]> = LazyLock::new(|| [random(), random()]);

impl PointId {
    /// Makes an id that nobody else has.
    #[inline]
    pub(crate) fn fresh() -> Self {
        match (current_sequence(), NUMBER.get().checked_add(1)) {
            (Some(sequence), Some(number)) => {
                NUMBER.set(number);
                Self { sequence, number }
            }
            _ => Self::first(),
        }
    }

    /// Begins a sequence.
    #[cold]
    fn first() -> Self {
        fork::watch();
        let sequence = NonZeroU64::new(random()).unwrap_or(NonZeroU64::MIN);
        SEQUENCE.set(Some(sequence));
        NUMBER.set(1);
        GENERATION.set(fork::generation());
        Self { sequence, number: 1 }
    }

    /// The id as everybody else knows it: a UUID of version 4.
    pub(crate) fn to_id(self) -> Id {
        Sequence::new(self.sequence).id(self.number)
    }
}

/// The sequence of the points that this thread makes; none before the first.
#[inline]
fn current_sequence() -> Option<NonZeroU64> {
    SEQUENCE.get().filter(|_| GENERATION.get() == fork::generation())
}

/// The sequence of the points that this thread makes, begun if need be.
pub(crate) fn sequence() -> NonZeroU64 {
    current_sequence().unwrap_or_else(|| PointId::first().sequence)
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
        let [high, low] = self.seeds.map(|seed| nth_of_sequence(seed, number));
        Id::from_random(u128::from(high) << 64 | u128::from(low))
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
        NUMBER.set(u32::MAX);
        let next = PointId::fresh();
        assert_ne!(next.sequence, first.sequence);
        assert_eq!(next.number, 1);
    }
}
