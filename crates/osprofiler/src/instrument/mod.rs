//! Points for free: what other libraries do, recorded.
//!
//! | module, feature | what |
//! |---|---|
//! | `actix_web`, `actix-web` | the middleware of an actix-web server |
//! | `axum` | the layer of an axum server |
//! | `diesel` | SQL statements: all its databases |
//! | `lapin` | messages over AMQP, and the RPC of oslo.messaging |
//! | `redis`, `redis-client` | Redis commands |
//! | `reqwest` | sending a traced request |
//! | `reqwest_middleware`, `reqwest-middleware` | the same as a middleware |
//! | `rusqlite` | SQL statements: SQLite |
//! | `sqlx` | SQL statements: pools, connections, transactions |
//! | `tonic` | layers for gRPC servers and clients |
//! | `tower` | layers for servers and clients: hyper, hyper-util and others |
//! | `tracing` | a layer that makes points of the spans of `tracing` |
//! | `ureq` | the middleware of a blocking client |

#[cfg(feature = "actix-web")]
pub mod actix_web;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "diesel")]
pub mod diesel;
#[cfg(any(feature = "tower", feature = "reqwest", feature = "ureq"))]
mod http_info;
#[cfg(feature = "lapin")]
pub mod lapin;
#[cfg(any(feature = "tower", feature = "reqwest", feature = "ureq"))]
mod query;
#[cfg(feature = "redis-client")]
pub mod redis;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "reqwest-middleware")]
pub mod reqwest_middleware;
#[cfg(feature = "rusqlite")]
pub mod rusqlite;
#[cfg(feature = "tower")]
mod served;
#[cfg(feature = "_sql")]
#[allow(dead_code, reason = "each library uses some of it")]
pub mod sql;
#[cfg(feature = "sqlx")]
pub mod sqlx;
#[cfg(feature = "tonic")]
pub mod tonic;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "tracing")]
pub mod tracing;
#[cfg(feature = "ureq")]
pub mod ureq;
#[cfg(feature = "tower")]
mod watched;

use std::sync::atomic::{AtomicBool, Ordering};

/// Kinds of points that can be switched on and off while the program runs.
///
/// They are the points that come with a library, for nearly no code: what a service asks others for.
/// Whatever the switch says, the trace goes along, so that the points of a callee hang below the
/// caller's. What a service is asked for itself (`wsgi`, a served RPC) has no switch, nor have points
/// that somebody wrote.
///
/// The switches are the process's. [`Config::start`](crate::Config::start) sets them.
///
/// ```
/// use osprofiler::instrument::Kind;
///
/// assert!(!Kind::Sql.is_on());
/// Kind::Sql.switch(true);
/// assert!(Kind::Sql.is_on());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// HTTP calls: outgoing requests (option `trace_requests`). On at first.
    HttpClient,
    /// RPC calls, over gRPC or a message bus (option `trace_rpc`). On at first.
    Rpc,
    /// DB API calls: what is asked of a database, but by its first word (`SELECT`) instead of the
    /// statement; also taking connections, and transactions (option `trace_db`). On at first.
    Db,
    /// Driver calls: commands to other back ends, such as Redis (option `trace_driver`). On at first.
    Driver,
    /// SQL statements: the text of what is asked of a database (option `trace_sqlalchemy`). Off at
    /// first: statements may hold secrets.
    Sql,
}

/// Whether each kind is on, in the order of their declaration.
static ON: [AtomicBool; 5] = [
    AtomicBool::new(true),
    AtomicBool::new(true),
    AtomicBool::new(true),
    AtomicBool::new(true),
    AtomicBool::new(false),
];

impl Kind {
    /// Whether points of this kind are recorded.
    #[must_use]
    #[inline]
    pub fn is_on(self) -> bool {
        ON[self as usize].load(Ordering::Relaxed)
    }

    /// Switches points of this kind on or off.
    pub fn switch(self, on: bool) {
        ON[self as usize].store(on, Ordering::Relaxed);
    }
}
