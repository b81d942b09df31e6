//! `redis://` and its kin, against real servers.

#![cfg(feature = "redis")]

mod common;

use common::services::url;
use osprofiler_testkit::drivers;

#[test]
fn redis_passes_the_suite() {
    let Some(connection) = url("redis", "redis") else { return };
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}

#[test]
fn a_password_tls_and_a_socket_pass_the_suite() {
    for name in ["password", "tls", "unix"] {
        let Some(connection) = url("redis", name) else { return };
        assert_eq!(drivers::run(&connection).skipped, [""; 0]);
    }
}

#[test]
fn a_cluster_passes_the_suite() {
    let Some(connection) = url("redis-cluster", "cluster") else { return };
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}

#[test]
fn a_master_that_sentinels_name_passes_the_suite() {
    for name in ["sentinel", "kolla"] {
        let Some(connection) = url("redis-sentinel", name) else { return };
        assert_eq!(drivers::run(&connection).skipped, [""; 0]);
    }
}
