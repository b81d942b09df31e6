//! What runs on the caller's thread.
//!
//! One trace point passes through these files in this order: the [`slot`] tells whether this thread
//! is tracing at all; the [`scope`] found there gives the point an id ([`ids`]), its parent and its
//! time ([`clock`]); and [`emit`] hands the record on, either to a closure at once or as an [`entry`]
//! into the thread's [`ring`], from where the background takes it.

/// What `latest` is made of; a model of it (`tests/latest.rs`) has others.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
}
pub(crate) mod clock;
pub(crate) mod emit;
pub(crate) mod entry;
pub(crate) mod fork;
pub(crate) mod ids;
mod latest;
pub(crate) mod ring;
pub(crate) mod scope;
pub(crate) mod slot;
