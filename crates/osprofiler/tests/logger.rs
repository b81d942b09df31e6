//! An application's logger that panics harms nobody.

use std::time::Duration;

use log::{Log, Metadata};
use osprofiler::notifier::{self, FlushError};
use osprofiler::{Id, Record, profiler};
use osprofiler_drivers::{Error, ErrorKind, Writer};

struct Panicking;

impl Log for Panicking {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &log::Record<'_>) {
        panic!("the disk is full")
    }

    fn flush(&self) {}
}

/// A back end that refuses its first batch, which is said in the log.
struct Refusing {
    has_refused: bool,
}

impl Writer for Refusing {
    fn write(&mut self, _: &[Record]) -> Result<(), Error> {
        if std::mem::replace(&mut self.has_refused, true) {
            return Ok(());
        }
        panic!("a driver that panics is one that refuses")
    }

    fn delete(&mut self, _: &Id) -> Result<bool, Error> {
        Err(Error::new(ErrorKind::Unsupported, "a store that keeps nothing"))
    }
}

#[test]
fn a_logger_that_panics_costs_no_more_than_what_it_was_to_log() {
    log::set_logger(&Panicking).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    std::panic::set_hook(Box::new(|_| {}));

    let mut opened = 0;
    let guard = notifier::create_with("refusing", move || {
        opened += 1;
        Ok(Box::new(Refusing { has_refused: opened > 1 }))
    });
    let _profiler = profiler::init("SECRET_KEY", None, None);
    let flush = || notifier::flush(Duration::from_secs(10));
    profiler::start("first", ());
    assert_eq!(flush(), Err(FlushError::Dropped(1)));
    profiler::stop(());
    assert_eq!(flush(), Ok(()));
    assert_eq!(notifier::stats().dropped_failed, 1);
    assert_eq!(notifier::stats().delivered, 1);
    profiler::clean();
    drop(guard);
}
