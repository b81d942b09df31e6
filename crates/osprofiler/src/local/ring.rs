//! The bounded queue from one thread to the background.

use std::borrow::Cow;
use std::cell::RefCell;
use std::mem::size_of;

use osprofiler_wire::{Id, Info, Phase, Timestamp};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::background;

/// Bytes that a thread's ring may take, infos aside.
const RING_BYTES: usize = 60 * 1024;

/// Records that a thread's ring holds.
pub(crate) const RING_RECORDS: usize = RING_BYTES / size_of::<Entry>();

/// A record on its way to the background, which adds what is the same for the whole process.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Cow<'static, str>,
    pub(crate) phase: Phase,
    pub(crate) base_id: Id,
    pub(crate) parent_id: Id,
    pub(crate) trace_id: Id,
    pub(crate) timestamp: Timestamp,
    pub(crate) info: Info,
}

thread_local! {
    static RING: RefCell<Option<Producer<Entry>>> = const { RefCell::new(None) };
}

/// Puts an entry into this thread's ring; false if it is full, and the entry is lost.
pub(crate) fn push(entry: Entry) -> bool {
    RING.try_with(|slot| {
        let mut slot = slot.borrow_mut();
        let ring = slot.get_or_insert_with(new_ring);
        let pushed = ring.push(entry).is_ok();
        // The background comes by in its own time; it is called only when that may be too late.
        if ring.slots() == RING_RECORDS / 2 {
            background::wake();
        }
        pushed
    })
    .unwrap_or(false)
}

fn new_ring() -> Producer<Entry> {
    let (producer, consumer): (_, Consumer<Entry>) = RingBuffer::new(RING_RECORDS);
    background::adopt(consumer);
    producer
}
