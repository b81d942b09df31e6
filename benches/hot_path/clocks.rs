//! Clock reads: what every record needs one of.

use std::hint::black_box;
use std::time::{Instant, SystemTime};

use osprofiler_benches::{Bench, runner};

pub(crate) fn run(bench: &mut Bench) {
    let counter = quanta::Clock::new();
    bench.race(
        "floors: clock reads",
        &mut [
            runner("Instant::now", || {
                black_box(Instant::now());
            }),
            runner("SystemTime::now", || {
                black_box(SystemTime::now());
            }),
            runner("time stamp counter, raw (quanta)", || {
                black_box(counter.raw());
            }),
        ],
    );
}
