//! `mysql://`, `postgresql://` and their kin, against real servers.

#![cfg(feature = "sql")]

mod common;

use common::services::url;
use osprofiler_testkit::drivers;

#[test]
fn mariadb_passes_the_suite() {
    let Some(connection) = url("mariadb", "mariadb") else { return };
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}

#[test]
fn postgresql_passes_the_suite() {
    let Some(connection) = url("postgresql", "postgresql") else { return };
    assert_eq!(drivers::run(&connection).skipped, [""; 0]);
}
