//! The libraries that are compared, each with a back end that does nothing but count, and each doing
//! the same work in its own idiom.

pub(crate) mod fast;
pub(crate) mod otel;
pub(crate) mod ours;
pub(crate) mod spans;

use std::hint::black_box;
use std::sync::Once;
use std::time::Duration;

use osprofiler_benches::cpu;

/// Points of a trace of which each is within the one before, besides the root.
pub(crate) const DEPTH: u64 = 10;

/// Points of a trace that are side by side under the root.
pub(crate) const WIDTH: u64 = 100;

/// What is recorded with a point: text that the caller only lends.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) statement: &'a str,
}

/// About 10, 20 and 40 bytes.
pub(crate) const VALUES: Values<'static> = Values {
    method: "get_server",
    path: "/v2.1/servers/detail",
    statement: "SELECT id, name FROM servers WHERE id=?",
};

/// A library at work. Each method but the last records one trace, from entering it to leaving it.
pub(crate) trait Library: Sync {
    fn name(&self) -> &'static str;

    /// How the names of its threads begin.
    fn threads(&self) -> &'static str;

    /// Does the work with this library in force on this thread.
    fn enter(&self, work: &mut dyn FnMut()) {
        work();
    }

    /// A root and [`DEPTH`] points, one within another.
    fn nested(&self);

    /// A root and [`WIDTH`] points side by side.
    fn wide(&self);

    /// [`nested`](Self::nested), with three attributes on each point.
    fn with_attributes(&self, values: Values<'_>);

    /// Waits until all that was recorded has reached the back end; how many points that are since the
    /// process began, if the library records anything.
    fn delivered(&self) -> Option<u64>;
}

/// All libraries, ours first.
pub(crate) fn all() -> Vec<Box<dyn Library>> {
    install();
    vec![
        Box::new(ours::Ours::new()),
        Box::new(fast::Fastrace),
        Box::new(spans::Registry::new()),
        Box::new(otel::Sdk::new()),
        Box::new(spans::Bridge::new()),
    ]
}

/// Gives those that have one back end for the whole process theirs.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        ours::install();
        fast::install();
    });
}

/// CPU time of the threads of all libraries but this one; of all, if there is none.
pub(crate) fn cpu_of_others(library: Option<&dyn Library>) -> Duration {
    let own = library.map(Library::threads);
    let others = [ours::THREADS, fast::THREADS, otel::THREADS];
    let others: Vec<_> = others.into_iter().filter(|prefix| Some(*prefix) != own).collect();
    cpu::of_threads_named(&others)
}

/// What is traced.
#[inline(always)]
pub(crate) fn work() {
    black_box(());
}
