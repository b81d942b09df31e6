//! Elasticsearch and OpenSearch, each with a real node.
#![cfg(feature = "elasticsearch")]

mod common;

use common::services;
use osprofiler_testkit::drivers;

#[test]
fn opensearch_passes_the_suite() {
    let Some(url) = services::url("opensearch", "opensearch") else { return };
    assert_eq!(drivers::run(&url).skipped, [""; 0]);
}

#[test]
fn elasticsearch_passes_the_suite() {
    let Some(url) = services::url("elasticsearch", "elasticsearch") else { return };
    assert_eq!(drivers::run(&url).skipped, [""; 0]);
}
