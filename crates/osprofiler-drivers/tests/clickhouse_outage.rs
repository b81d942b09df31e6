//! The servers of `clickhouse://` go away and come back; the other tests would miss them meanwhile.

#![cfg(feature = "clickhouse")]

mod common;

use common::services::{start, stop, url};
use osprofiler_testkit::drivers;

#[test]
fn a_server_may_go_away_and_come_back() {
    for server in ["clickhouse", "clickhouse-current"] {
        let Some(connection) = url(server, "clickhouse") else { continue };
        drivers::outage(&connection, || stop(server), || start(server));
    }
}
