//! The command line of OSProfiler.

fn main() {}
