//! Options that are unknown, twice there, or malformed.

use osprofiler::{trace, trace_impl};

#[trace(hide_arg)]
fn unknown() {}

#[trace(hide_args, hide_args)]
fn twice() {}

#[trace("")]
fn empty_name() {}

#[trace(name = "db")]
fn named_name() {}

#[trace(db)]
fn name_without_quotes() {}

#[trace("db" hide_args)]
fn no_comma() {}

#[trace(42)]
fn number() {}

#[trace(hide_args = maybe)]
fn neither() {}

#[trace(skip, hide_args)]
fn skipped_and_not() {}

#[trace(skip = a)]
fn skips_by_value(a: u32) {}

#[trace(show)]
fn shows_nothing(a: u32) {}

#[trace(skip(c, a), show(d))]
fn skips_another(a: u32, (_, b): (u32, u32)) {}

#[trace(skip(a))]
fn skips_of_none() {}

struct Shop;

impl Shop {
    #[trace(skip(self))]
    fn method(&self, a: u32) {}
}

#[trace_impl(trace_all)]
impl Shop {}

#[trace_impl(skip)]
impl Shop {}

#[trace_impl(skip(price))]
impl Shop {
    pub fn sell(&self, item: u32, name: &str) {}
}

#[trace_impl(trace_private)]
impl Clone for Shop {
    fn clone(&self) -> Self {
        Shop
    }
}

fn main() {}
