//! The hot path against its peers: see the README beside.

mod headers;
mod libraries;
mod off;
mod on;
mod threads;

use osprofiler_benches::{Group, run};

/// In this order: what is off is measured before anything is switched on.
const GROUPS: &[Group] =
    &[("off", off::run), ("on", on::run), ("threads", threads::run), ("headers", headers::run)];

fn main() {
    run(GROUPS, &[]);
}
