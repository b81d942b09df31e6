//! OSProfiler.

use std::time::Duration;

use osprofiler::{HmacKey, Id, Profiler, Record, Trace, info, notifier};
use osprofiler_drivers::{Error, Writer};

use super::{DEPTH, Library, Values, WIDTH, work};

pub(crate) const THREADS: &str = "osprofiler";

const PATIENCE: Duration = Duration::from_secs(20);

/// A back end that does nothing.
struct Nothing;

impl Writer for Nothing {
    fn write(&mut self, _: &[Record]) -> Result<(), Error> {
        Ok(())
    }

    fn delete(&mut self, _: &Id) -> Result<bool, Error> {
        Ok(false)
    }
}

pub(super) fn install() {
    notifier::set_origin("bench", "hot_path");
    // Dropped, it only flushes.
    drop(notifier::create_with("nothing", || Ok(Box::new(Nothing))));
}

pub(crate) struct Ours {
    key: HmacKey,
}

impl Ours {
    pub(crate) fn new() -> Self {
        Self { key: HmacKey::new("SECRET_KEY") }
    }

    pub(crate) fn profiler(&self) -> Profiler {
        Profiler::new(self.key.clone(), None, None)
    }
}

impl Library for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn threads(&self) -> &'static str {
        THREADS
    }

    fn nested(&self) {
        #[inline(never)]
        fn nest(depth: u64) {
            let _point = Trace::new("point", ());
            work();
            if depth > 0 {
                nest(depth - 1);
            }
        }
        let _attached = self.profiler().attach();
        nest(DEPTH);
    }

    fn wide(&self) {
        #[inline(never)]
        fn point() {
            let _point = Trace::new("point", ());
            work();
        }
        let _attached = self.profiler().attach();
        let _root = Trace::new("root", ());
        for _ in 0..WIDTH {
            point();
        }
    }

    fn with_attributes(&self, values: Values<'_>) {
        #[inline(never)]
        fn nest(depth: u64, values: Values<'_>) {
            let Values { method, path, statement } = values;
            let info = info! { "method" => method, "path" => path, "statement" => statement };
            let _point = Trace::new("point", info);
            work();
            if depth > 0 {
                nest(depth - 1, values);
            }
        }
        let _attached = self.profiler().attach();
        nest(DEPTH, values);
    }

    fn delivered(&self) -> Option<u64> {
        notifier::flush(PATIENCE).expect("nothing is dropped");
        let records = notifier::stats().delivered;
        assert!(records.is_multiple_of(2), "a point is two records");
        Some(records / 2)
    }
}
