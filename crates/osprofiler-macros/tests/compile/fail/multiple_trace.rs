//! Second points where a block forbids them.

use osprofiler::{trace, trace_impl};

struct Shop;

#[trace_impl("shop", allow_multiple_trace = false)]
impl Shop {
    #[trace("sell")]
    pub fn sell(&self) {}

    #[trace]
    pub fn buy(&self) {}
}

#[trace_impl("store", allow_multiple_trace = false)]
trait Store {
    #[trace]
    fn len(&self) -> usize {
        0
    }
}

fn main() {}
