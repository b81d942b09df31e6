//! Our own troubles, to the application's log.
//!
//! A logger may panic. It must do so neither into the traced program nor into the background, which
//! would be gone then, and with it what it has in its hands.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Records, or the hope of any, are lost.
pub(crate) fn error(text: fmt::Arguments<'_>) {
    say(|| log::error!("{text}"));
}

/// All is well again.
pub(crate) fn info(text: fmt::Arguments<'_>) {
    say(|| log::info!("{text}"));
}

fn say(log: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(log)) {
        // What it holds may panic as it goes.
        std::mem::forget(panic);
    }
}
