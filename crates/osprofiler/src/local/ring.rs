//! The bounded queue from one thread to the background.

use std::cell::RefCell;
use std::mem::size_of;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::background;
use crate::local::entry::Entry;
use crate::state;

/// Bytes that a thread's ring may take, infos aside.
const RING_BYTES: usize = 60 * 1024;

/// Records that a thread's ring holds.
pub(crate) const RING_RECORDS: usize = RING_BYTES / size_of::<Entry>();

thread_local! {
    static RING: RefCell<Option<Producer<Entry>>> = const { RefCell::new(None) };
}

/// Puts an entry into this thread's ring. If it is full, or infos take too much room, the entry is
/// dropped and counted.
pub(crate) fn push(entry: Entry) {
    let bytes = entry.info.json_len();
    if !state::reserve(bytes) {
        return state::count_dropped_without_room(1);
    }
    let pushed = RING.try_with(|slot| {
        let mut slot = slot.borrow_mut();
        let ring = slot.get_or_insert_with(new_ring);
        let pushed = ring.push(entry).is_ok();
        // The background comes by in its own time; it is called only when that may be too late.
        if ring.slots() == RING_RECORDS / 2 {
            background::wake();
        }
        pushed
    });
    if pushed != Ok(true) {
        state::release(bytes);
        state::count_dropped_without_room(1);
    }
}

fn new_ring() -> Producer<Entry> {
    let (producer, consumer): (_, Consumer<Entry>) = RingBuffer::new(RING_RECORDS);
    background::adopt(consumer);
    producer
}
