//! Unsafe functions are traced, and stay unsafe.

#![deny(warnings)]

use osprofiler::{TracedImpl, trace, trace_impl};

#[trace]
unsafe fn read(from: *const u32) -> u32 {
    // SAFETY: the caller's.
    unsafe { *from }
}

#[trace]
async unsafe fn read_later(from: &u32) -> u32 {
    // SAFETY: a reference is valid.
    unsafe { read(from) }
}

#[trace_impl]
trait Read {
    unsafe fn read(&self) -> u32;
    async unsafe fn read_later(&self) -> u32;
}

struct One;

impl Read for One {
    unsafe fn read(&self) -> u32 {
        1
    }

    async unsafe fn read_later(&self) -> u32 {
        1
    }
}

fn main() {
    let one = 1;
    // SAFETY: nothing here relies on anything.
    unsafe {
        assert_eq!(read(&one), 1);
        assert_eq!(TracedImpl::new(One).read(), 1);
        drop(read_later(&one));
        drop(TracedImpl::new(One).read_later());
    }
}
