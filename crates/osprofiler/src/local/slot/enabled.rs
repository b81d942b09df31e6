//! The place of the current scope: one per thread, empty if the thread is not tracing.

use std::cell::{Cell, RefCell};

use crate::local::scope::Scope;

thread_local! {
    // Apart from the scope because it needs no destructor, so that asking costs one load.
    static TRACING: Cell<bool> = const { Cell::new(false) };
    static SCOPE: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// Whether this thread has a scope.
#[inline(always)]
pub(crate) fn is_tracing() -> bool {
    TRACING.get()
}

/// Exchanges what is in the slot for what is in `place`.
///
/// Nothing is exchanged within [`with`]: what is done there is not recorded. A thread that is shutting
/// down has no slot any more; it is not tracing.
#[inline]
pub(crate) fn exchange(place: &mut Option<Scope>) {
    let _ = SCOPE.try_with(|slot| {
        if let Ok(mut slot) = slot.try_borrow_mut() {
            std::mem::swap(&mut *slot, place);
            TRACING.set(slot.is_some());
        }
    });
}

/// Calls `f` with the scope of this thread.
///
/// `None` if there is none, or if this is called from within another `with`.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&mut Scope) -> R) -> Option<R> {
    SCOPE.try_with(|slot| slot.try_borrow_mut().ok()?.as_mut().map(f)).ok().flatten()
}
