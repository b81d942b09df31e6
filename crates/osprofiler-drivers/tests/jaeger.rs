//! Jaeger: what `otlp://` writes is read back through `jaeger://`, from a real one.

#![cfg(feature = "jaeger")]

mod common;

use common::services::{self, url};
use osprofiler_testkit::drivers;

/// The connection string of the suite: what waits for its other half does not wait long, and lists go
/// back to the fixed dates of the suite.
fn jaeger(service: &str) -> Option<String> {
    Some(format!("{}&wait=1&lookback=1e9", url(service, "jaeger")?))
}

#[test]
fn jaeger_passes_the_suite() {
    let Some(jaeger) = jaeger("jaeger") else { return };
    let outcome = drivers::run(&jaeger);
    let deletes = |case: &&&str| case.contains("deleted");
    assert_eq!(outcome.skipped.iter().filter(|case| !deletes(case)).count(), 0, "{outcome:?}");
}

#[test]
fn an_outage_loses_nothing_that_was_acknowledged() {
    let Some(jaeger) = jaeger("jaeger-badger") else { return };
    drivers::outage(
        &jaeger,
        || services::stop("jaeger-badger"),
        || services::start("jaeger-badger"),
    );
}
