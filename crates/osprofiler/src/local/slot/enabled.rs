//! The place of the current scope: one per thread, empty if the thread is not tracing.

use std::cell::Cell;

use crate::local::scope::Scope;

thread_local! {
    // Apart from the scope because it needs no destructor, so that asking costs one load.
    static TRACING: Cell<bool> = const { Cell::new(false) };
    static SCOPE: Cell<Option<Box<Scope>>> = const { Cell::new(None) };
}

/// Whether this thread has a scope.
#[inline(always)]
pub(crate) fn is_tracing() -> bool {
    TRACING.get()
}

/// Installs a scope, or none; gives back what was there.
///
/// A thread that is shutting down has no slot any more; it is not tracing.
pub(crate) fn swap(scope: Option<Box<Scope>>) -> Option<Box<Scope>> {
    SCOPE
        .try_with(|slot| {
            TRACING.set(scope.is_some());
            slot.replace(scope)
        })
        .ok()
        .flatten()
}

/// Calls `f` with the scope of this thread.
///
/// `None` if there is none, or if this is called from within another `with`: meanwhile the slot is
/// empty.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&mut Scope) -> R) -> Option<R> {
    /// Puts the scope back whatever happens.
    struct Taken<'a>(&'a Cell<Option<Box<Scope>>>, Option<Box<Scope>>);

    impl Drop for Taken<'_> {
        #[inline]
        fn drop(&mut self) {
            TRACING.set(true);
            self.0.set(self.1.take());
        }
    }

    SCOPE
        .try_with(|slot| {
            let mut taken = Taken(slot, Some(slot.take()?));
            taken.1.as_deref_mut().map(f)
        })
        .ok()
        .flatten()
}
