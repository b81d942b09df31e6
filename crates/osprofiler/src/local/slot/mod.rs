//! The current scope of a thread, and what is done to it.

#[cfg_attr(feature = "enable", path = "enabled.rs")]
#[cfg_attr(not(feature = "enable"), path = "disabled.rs")]
mod place;

use std::cell::Cell;

pub(crate) use self::place::{exchange, is_tracing, with};
use super::scope::Scope;

/// What is in the slot for a while, and then what was there before again, whatever happens. Meanwhile
/// that is where this came from.
pub(crate) struct Installed<'a>(&'a mut Option<Scope>);

impl<'a> Installed<'a> {
    #[inline]
    pub(crate) fn new(scope: &'a mut Option<Scope>) -> Self {
        exchange(scope);
        Self(scope)
    }
}

impl Drop for Installed<'_> {
    #[inline]
    fn drop(&mut self) {
        exchange(self.0);
    }
}

/// Runs `f` with nothing in the slot.
pub(crate) fn without<R>(f: impl FnOnce() -> R) -> R {
    let mut nothing = None;
    let _installed = Installed::new(&mut nothing);
    f()
}

/// Puts this into the slot; gives back what was there.
fn swap(mut scope: Option<Scope>) -> Option<Scope> {
    exchange(&mut scope);
    scope
}

/// Puts this into the slot, where nothing is.
pub(crate) fn fill(scope: Scope) {
    swap(Some(scope));
}

thread_local! {
    /// The serial of the next scope that is pushed on this thread.
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// Puts a scope on top of what is there; gives the serial by which to remove it.
pub(crate) fn push(mut scope: Scope) -> u64 {
    let serial = NEXT.replace(NEXT.get() + 1);
    scope.serial = Some(serial);
    if is_tracing() {
        scope.below = swap(None).map(Box::new);
    }
    swap(Some(scope));
    serial
}

/// Takes out the scope that was pushed; `None` if it is not there any more.
#[cfg(feature = "tracing")]
pub(crate) fn take(serial: u64) -> Option<Scope> {
    let mut top = swap(None)?;
    if top.serial == Some(serial) {
        swap(top.below.take().map(|below| *below));
        return Some(top);
    }
    let taken = unlink(&mut top, serial);
    swap(Some(top));
    taken
}

/// Closes and removes the scope that was pushed. Does nothing if it is not there any more.
pub(crate) fn remove(serial: u64) {
    let Some(mut top) = swap(None) else { return };
    if top.serial == Some(serial) {
        // Nothing is in the slot meanwhile: what a notifier does now is not recorded.
        top.close_all();
        swap(top.below.take().map(|below| *below));
        return;
    }
    if let Some(mut scope) = unlink(&mut top, serial) {
        scope.close_all();
    }
    swap(Some(top));
}

/// Takes a scope out from below another, wherever it lies by now: guards may be dropped in any order.
fn unlink(top: &mut Scope, serial: u64) -> Option<Scope> {
    let mut place = &mut top.below;
    while place.as_ref().is_some_and(|scope| scope.serial != Some(serial)) {
        place = &mut place.as_mut().expect("it is there").below;
    }
    let mut scope = place.take()?;
    *place = scope.below.take();
    Some(*scope)
}

/// Closes and removes everything.
pub(crate) fn clear() {
    let mut top = swap(None);
    while let Some(mut scope) = top {
        scope.close_all();
        top = scope.below.take().map(|below| *below);
    }
}
