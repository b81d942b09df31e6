//! Taking notice of a fork.
//!
//! The child of a fork has its parent's memory, and so would go on with the parent's ids. Asking for
//! the process id would tell, but that is a system call, which costs more than three points do.

#[cfg(unix)]
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counted up in the child of a fork.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Which generation this process is, if [`watch`] was called before a fork. The child's is another
/// than its parent's.
#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Makes forks noticed from here on.
pub(crate) fn watch() {
    #[cfg(unix)]
    {
        static WATCH: Once = Once::new();
        WATCH.call_once(|| {
            // SAFETY: pthread_atfork(3) keeps the function that it is given until the program ends,
            // and so does a function last; glibc forgets it if a library that we are part of is
            // unloaded. The child calls it where only what is async-signal-safe may be done: it changes
            // three atomic numbers, no more, and cannot unwind. It takes no arguments and returns nothing, as
            // its type says.
            #[allow(unsafe_code)]
            let failed = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
            if failed != 0 {
                crate::trouble::error(format_args!(
                    "no memory to watch for forks: a child of one may repeat ids"
                ));
            }
        });
    }
}

#[cfg(unix)]
extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    crate::state::forget_driver();
    super::clock::forget_reading();
}
