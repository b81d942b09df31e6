//! The bounded queue from one thread to the background.

use std::cell::RefCell;
use std::mem::size_of;
use std::sync::atomic::{AtomicUsize, Ordering};

use rtrb::{Consumer, Producer, RingBuffer};

use crate::background;
use crate::local::entry::Entry;

/// Bytes that a thread's ring may take, infos aside.
const RING_BYTES: usize = 60 * 1024;

/// Records that a thread's ring holds.
pub(crate) const RING_RECORDS: usize = RING_BYTES / size_of::<Entry>();

thread_local! {
    static RING: RefCell<Option<Producer<Entry>>> = const { RefCell::new(None) };
}

/// Rings of the process at most, those of threads that have ended and wait to be drained included:
/// 60 MiB, should a back end hang in a program that starts a thread for every request.
const MAX_RINGS: usize = 1024;

static RINGS: AtomicUsize = AtomicUsize::new(0);

/// Puts an entry into this thread's ring; false if it is full, and the entry is lost.
pub(crate) fn push(entry: Entry) -> bool {
    RING.try_with(|slot| {
        let mut slot = slot.borrow_mut();
        if slot.is_none() {
            *slot = new_ring();
        }
        let Some(ring) = slot.as_mut() else { return false };
        let pushed = ring.push(entry).is_ok();
        // The background comes by in its own time; it is called only when that may be too late.
        if ring.slots() == RING_RECORDS / 2 {
            background::wake();
        }
        pushed
    })
    .unwrap_or(false)
}

/// Makes a ring, if there are not too many.
fn new_ring() -> Option<Producer<Entry>> {
    if RINGS.fetch_add(1, Ordering::Relaxed) >= MAX_RINGS {
        release();
        return None;
    }
    let (producer, consumer): (_, Consumer<Entry>) = RingBuffer::new(RING_RECORDS);
    background::adopt(consumer);
    Some(producer)
}

/// Takes notice that a ring is gone.
pub(crate) fn release() {
    RINGS.fetch_sub(1, Ordering::Relaxed);
}
