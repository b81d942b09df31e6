//! Fresh ids.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::process;
use std::time::SystemTime;

use osprofiler_wire::Id;
use rand::rngs::{SmallRng, SysRng};
use rand::{Rng, SeedableRng};

thread_local! {
    static GENERATOR: RefCell<Option<Generator>> = const { RefCell::new(None) };
}

struct Generator {
    /// 256 bits of state: sequences of different threads do not meet.
    random: SmallRng,
    /// The process that seeded it: the child of a fork must not go on with its parent's sequence.
    pid: u32,
}

/// Makes an id that nobody else has: a random UUID of version 4.
pub(crate) fn fresh() -> Id {
    let bits = GENERATOR.try_with(|slot| {
        let mut slot = slot.borrow_mut();
        let random = &mut slot.get_or_insert_with(Generator::new).random;
        u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())
    });
    Id::from_random(bits.unwrap_or_else(|_| Generator::new().random.next_u64().into()))
}

/// Takes notice of a fork. Called where a trace enters the process or a thread, since asking for the
/// process id costs more than an id does.
pub(crate) fn check_fork() {
    let _ = GENERATOR.try_with(|slot| {
        slot.borrow_mut().take_if(|generator| generator.pid != process::id());
    });
}

impl Generator {
    fn new() -> Self {
        // Without the kernel's randomness, the standard library's (seeded once a process) and the
        // time still make ids that differ.
        let random = SmallRng::try_from_rng(&mut SysRng).unwrap_or_else(|_| {
            SmallRng::seed_from_u64(RandomState::new().hash_one(SystemTime::now()))
        });
        Self { random, pid: process::id() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    #[test]
    fn ids_of_all_threads_differ() {
        let threads: Vec<_> = (0..8)
            .map(|_| thread::spawn(|| (0..50_000).map(|_| fresh()).collect::<Vec<_>>()))
            .collect();
        let ids: HashSet<Id> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 8 * 50_000);
        assert!(ids.iter().all(|id| id.uuid_bytes().is_some_and(|bytes| bytes[6] >> 4 == 4)));
    }
}
