//! The hot path against its peers: see the README beside.
#![allow(clippy::print_stdout, reason = "a job prints what its parent is to read")]

mod asynchronous;
mod clocks;
mod counts;
mod headers;
mod ids;
mod layer;
mod libraries;
mod memory;
mod off;
mod on;
mod service;
mod threads;

use osprofiler_benches::{Group, Job, run};

/// In this order: what is off is measured before anything is switched on.
const GROUPS: &[Group] = &[
    ("off", off::run),
    ("clocks", clocks::run),
    ("on", on::run),
    ("async", asynchronous::run),
    ("threads", threads::run),
    ("headers", headers::run),
    ("layer", layer::run),
    ("service", service::run),
    ("ids", ids::run),
    ("memory", memory::run),
    ("counts", counts::run),
];

const JOBS: &[Job] =
    &[("ids", ids::job), ("hang", memory::job), ("count", counts::job), ("service", service::job)];

fn main() {
    run(GROUPS, JOBS);
}
