//! The current scope of a thread, and what is done to it.

#[cfg_attr(feature = "enable", path = "enabled.rs")]
#[cfg_attr(not(feature = "enable"), path = "disabled.rs")]
mod place;

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use self::place::{is_tracing, swap, with};
use super::scope::Scope;

/// Runs `f` with nothing in the slot.
pub(crate) fn without<R>(f: impl FnOnce() -> R) -> R {
    let _aside = Aside(swap(None));
    f()
}

/// What is not in the slot for a while, and is put back whatever happens.
struct Aside(Option<Box<Scope>>);

impl Drop for Aside {
    fn drop(&mut self) {
        swap(self.0.take());
    }
}

/// Puts a scope on top of what is there; gives the serial by which to remove it.
pub(crate) fn push(mut scope: Box<Scope>) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let serial = NEXT.fetch_add(1, Ordering::Relaxed);
    scope.serial = Some(serial);
    scope.below = swap(None);
    swap(Some(scope));
    serial
}

/// Closes and removes the scope that was pushed, wherever it lies by now: guards may be dropped in
/// any order. Does nothing if it is not there any more.
pub(crate) fn remove(serial: u64) {
    let mut top = swap(None);
    let mut place = &mut top;
    while place.as_ref().is_some_and(|scope| scope.serial != Some(serial)) {
        place = &mut place.as_mut().expect("it is there").below;
    }
    if let Some(mut scope) = place.take() {
        // Nothing is in the slot meanwhile: what a notifier does now is not recorded.
        scope.close_all();
        *place = scope.below.take();
    }
    swap(top);
}

/// Closes and removes everything.
pub(crate) fn clear() {
    let mut top = swap(None);
    while let Some(mut scope) = top {
        scope.close_all();
        top = scope.below.take();
    }
}
