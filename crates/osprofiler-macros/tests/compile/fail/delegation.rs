//! Traits that cannot be delegated.

use std::rc::Rc;

use osprofiler::trace_impl;

#[trace_impl]
trait Compare {
    fn same(&self, other: &Self) -> bool;

    fn neighbours(&self) -> Vec<Self>
    where
        Self: Sized;

    fn apply(&self, f: &dyn Fn(&Self));

    fn copy(&self) -> u32
    where
        Self: Clone;
}

#[trace_impl]
trait Related {
    type Builder: Into<Self>
    where
        Self: Sized;
}

#[trace_impl]
trait Counted {
    fn counted(self: Rc<Self>) -> usize;
}

#[trace_impl]
unsafe trait Unsafe {}

#[trace_impl(trace_private)]
trait Private {}

#[trace_impl]
trait Generated {
    something!();
}

trait Printed {
    fn print(&self);
}

#[trace_impl]
trait Report: Printed {
    fn report(&self);
}

fn main() {}
