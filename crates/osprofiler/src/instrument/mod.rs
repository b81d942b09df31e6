//! Points for free: what other libraries do, recorded.
//!
//! | module | feature | what |
//! |---|---|---|
//! | `tower` | `tower` | layers for servers and clients: axum, hyper, tonic |
//! | `reqwest` | `reqwest` | sending a traced request |

#[cfg(feature = "http")]
mod http_info;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "tower")]
pub mod tower;

use std::sync::atomic::{AtomicBool, Ordering};

/// Kinds of points that can be switched on and off while the program runs.
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
    /// Outgoing HTTP requests (option `trace_requests`). On at first. Headers are sent either way.
    HttpClient,
    /// SQL statements (option `trace_sqlalchemy`). Off at first: statements may hold secrets.
    Sql,
}

static HTTP_CLIENT: AtomicBool = AtomicBool::new(true);
static SQL: AtomicBool = AtomicBool::new(false);

impl Kind {
    /// Whether points of this kind are recorded.
    #[must_use]
    pub fn is_on(self) -> bool {
        self.cell().load(Ordering::Relaxed)
    }

    /// Switches points of this kind on or off.
    pub fn switch(self, on: bool) {
        self.cell().store(on, Ordering::Relaxed);
    }

    fn cell(self) -> &'static AtomicBool {
        match self {
            Self::HttpClient => &HTTP_CLIENT,
            Self::Sql => &SQL,
        }
    }
}
