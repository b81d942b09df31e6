//! fastrace, with its default configuration.

use std::sync::atomic::{AtomicU64, Ordering};

use fastrace::Span;
use fastrace::collector::{Config, Reporter, SpanContext, SpanRecord};
use fastrace::local::LocalSpan;

use super::{DEPTH, Library, Values, WIDTH, work};

pub(crate) const THREADS: &str = "fastrace";

static REPORTED: AtomicU64 = AtomicU64::new(0);

/// A reporter that does nothing but count.
struct Counter;

impl Reporter for Counter {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        REPORTED.fetch_add(spans.len() as u64, Ordering::Relaxed);
    }
}

pub(super) fn install() {
    fastrace::set_reporter(Counter, Config::default());
}

pub(crate) struct Fastrace;

pub(crate) fn root() -> Span {
    Span::root("root", SpanContext::random())
}

impl Library for Fastrace {
    fn name(&self) -> &'static str {
        "fastrace"
    }

    fn threads(&self) -> &'static str {
        THREADS
    }

    fn nested(&self) {
        #[inline(never)]
        fn nest(depth: u64) {
            let _span = LocalSpan::enter_with_local_parent("point");
            work();
            if depth > 1 {
                nest(depth - 1);
            }
        }
        let root = root();
        let _entered = root.set_local_parent();
        nest(DEPTH);
    }

    fn wide(&self) {
        #[inline(never)]
        fn span() {
            let _span = LocalSpan::enter_with_local_parent("point");
            work();
        }
        let root = root();
        let _entered = root.set_local_parent();
        for _ in 0..WIDTH {
            span();
        }
    }

    fn with_attributes(&self, values: Values<'_>) {
        fn properties(values: Values<'_>) -> [(&'static str, String); 3] {
            let Values { method, path, statement } = values;
            [
                ("method", method.to_owned()),
                ("path", path.to_owned()),
                ("statement", statement.to_owned()),
            ]
        }
        #[inline(never)]
        fn nest(depth: u64, values: Values<'_>) {
            let _span =
                LocalSpan::enter_with_local_parent("point").with_properties(|| properties(values));
            work();
            if depth > 1 {
                nest(depth - 1, values);
            }
        }
        let root = root().with_properties(|| properties(values));
        let _entered = root.set_local_parent();
        nest(DEPTH, values);
    }

    fn delivered(&self) -> Option<u64> {
        fastrace::flush();
        Some(REPORTED.load(Ordering::Relaxed))
    }
}
