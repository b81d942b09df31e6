//! Items that cannot be traced.

use osprofiler::{trace, trace_impl};

#[trace]
struct Type;

/// Documented.
#[trace]
pub const NUMBER: u32 = 1;

#[trace]
impl Type {
    fn method(&self) {}
}

#[trace]
pub const fn constant() -> u32 {
    1
}

trait Store {
    #[trace]
    fn required(&self);
}

#[trace_impl]
/// Documented.
pub fn function() {}

#[trace_impl]
struct Other;

fn main() {}
