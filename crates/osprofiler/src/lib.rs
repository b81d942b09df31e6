//! Cross-service request profiling: one request, switched on by whoever holds a key, traced through
//! every service it crosses. For all others a point is one load and one branch.
//!
//! **Depend on this crate** to add trace points to a library or a service. To read or to store
//! records, depend on `osprofiler-drivers` and `osprofiler-report`; for the formats alone, on
//! `osprofiler-wire`.
//!
//! # Libraries
//!
//! A library adds points and nothing else; whether anybody listens is the application's affair.
//! Depend on it with `default-features = false, features = ["macros"]`, so that an application can
//! leave every point out of its build (feature `enable`).
//!
//! There are four ways to add a point:
//!
//! ```
//! use osprofiler::{Trace, TraceExt, info, profiler, trace, trace_impl};
//!
//! # struct Row;
//! # #[derive(Debug)] struct Error;
//! # impl std::fmt::Display for Error {
//! #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("no") }
//! # }
//! // 1. An attribute, on functions of any kind: name, arguments, and the error if it fails.
//! #[trace("rpc")]
//! async fn reserve(item: u32, count: u32) -> Result<(), Error> {
//!     // 2. A guard, for a block without an `.await`; and the same for a future.
//!     let checked = {
//!         let _point = Trace::new("check", info! { "item" => item });
//!         count > 0
//!     };
//!     query("SELECT 1").trace("db", info! { "db" => { "statement" => "SELECT 1" } }).await;
//!     if checked { Ok(()) } else { Err(Error) }
//! }
//! # async fn query(_: &str) -> Vec<Row> { Vec::new() }
//!
//! struct Stock;
//!
//! // 3. An attribute on an impl block, or on a trait, for all that is in it.
//! #[trace_impl("stock", hide_args)]
//! impl Stock {
//!     pub fn count(&self, item: u32) -> u32 {
//!         // 4. Start and stop.
//!         profiler::start("cache", ());
//!         let count = item % 7;
//!         profiler::stop(info! { "hit" => true });
//!         count
//!     }
//! }
//! # Stock.count(1);
//! ```
//!
//! # Applications
//!
//! An application says where records go and which keys it accepts, and lets its servers and clients
//! carry traces. Threads and spawned tasks do not inherit a profiler: one short call hands it over,
//! [`profiler::fork`] or [`TraceExt::in_profiler`]; `docs/context.md` has an example of each kind.
//!
//! ```
//! # #[cfg(all(feature = "axum", feature = "sqlite"))] {
//! use axum::{Router, routing::get};
//! use osprofiler::instrument::axum::ServerLayer;
//! use osprofiler::{Config, TraceExt};
//!
//! async fn handler() -> &'static str {
//!     tokio::spawn(async { /* belongs to the request's trace */ }.in_profiler());
//!     "hello"
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut config = Config::default();
//!     config.merge_env()?; // OSPROFILER_ENABLED=yes OSPROFILER_HMAC_KEYS=SECRET_KEY
//!     let profiling = config.start("shop", "api")?; // flushes at the end of main
//!     let app: Router = Router::new()
//!         .route("/", get(handler))
//!         .layer(ServerLayer::new(profiling.keys.clone()));
//!     // axum::serve(listener, app) ...
//!     # let _ = app;
//!     Ok(())
//! }
//! # main().unwrap();
//! # }
//! ```
//!
//! `osprofiler request --hmac-key SECRET_KEY http://...` then shows the trace of one request.
//!
//! # Off, in three ways
//!
//! | how | cost of a point |
//! |---|---|
//! | this thread or task has no profiler | a thread-local load and a branch |
//! | switched off for the process while it runs, [`profiler::disable`] | the same for all that begins from then on; traces that are under way make no more records |
//! | built without the feature `enable` | nothing |
//!
//! # Do no harm
//!
//! Nothing here returns an error into the traced program, panics into it or waits for a back end.
//! What cannot be kept is dropped, counted ([`notifier::stats`]) and told in its trace; our own
//! troubles go to the `log` crate.

#[cfg(feature = "macros")]
#[doc(hidden)]
#[path = "macro_support.rs"]
pub mod __private;
mod background;
mod config;
mod context;
pub mod future;
pub mod instrument;
mod into_info;
mod local;
mod losses;
pub mod notifier;
mod outcome;
pub mod profiler;
pub mod propagation;
mod state;
mod trace;
#[cfg(feature = "macros")]
mod traced_impl;
mod trouble;

#[cfg(feature = "macros")]
pub use osprofiler_macros::{trace, trace_impl};
pub use osprofiler_wire::{
    HmacKey, HmacKeys, Id, Info, Origin, Phase, Record, SignedContext, Timestamp, TraceContext,
};

pub use crate::config::{Config, ConfigError, Profiling};
pub use crate::context::Profiler;
pub use crate::future::TraceExt;
#[cfg(feature = "stream")]
pub use crate::future::TraceStreamExt;
pub use crate::into_info::IntoInfo;
pub use crate::trace::Trace;
#[cfg(feature = "macros")]
pub use crate::traced_impl::TracedImpl;

/// The README's example compiles.
#[cfg(all(doctest, feature = "axum", feature = "reqwest", feature = "sqlite", feature = "macros"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
