//! Examples of OSProfiler, each a program of one file: `cargo run --release --example NAME -- ARGS`.
//!
//! | example | shows |
//! |---|---|
//! | `traced_server` | an axum service with our layer, and a notifier of its own |
//! | `nats` | a trace over a bus that we have no integration for: request and reply over NATS |
//! | `write_trace` | a trace made with `start` and `stop`, into any back end |
//! | `sign_headers` | signed headers with nothing but `osprofiler-wire` |

/// The examples of a page about all kinds of jobs.
#[cfg(doctest)]
#[doc = include_str!("../docs/context.md")]
struct KeepingTheContext;
