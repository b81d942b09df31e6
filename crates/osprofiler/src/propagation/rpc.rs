//! The trace as the RPC context of the Python services carries it.

use std::fmt;

use osprofiler_wire::Id;
use serde::{Deserialize, Serialize};

use crate::profiler::{self, Profiler};

/// Key of the RPC context under which [`TraceInfo`] travels.
pub const TRACE_INFO_KEY: &str = "trace_info";

/// The trace as the RPC context of the Python services carries it (`docs/headers.md`).
///
/// **It holds the HMAC key in clear**, because the Python services expect it there: use it on a bus
/// that you trust and where one of them is at the other end. Between services of your own,
/// [`inject`](super::inject) headers into the message instead.
///
/// ```
/// use osprofiler::propagation::rpc::{TRACE_INFO_KEY, TraceInfo};
/// use osprofiler::profiler;
/// use serde_json::{Map, Value};
///
/// // The caller:
/// profiler::init("SECRET_KEY", Some("base".into()), None);
/// let mut context = Map::new();
/// if let Some(trace_info) = TraceInfo::current() {
///     context.insert(TRACE_INFO_KEY.to_owned(), serde_json::to_value(trace_info)?);
/// }
///
/// // The callee:
/// # profiler::clean();
/// if let Some(trace_info) = TraceInfo::from_context(&context) {
///     let _attached = trace_info.into_profiler().attach();
///     # assert_eq!(profiler::get().unwrap().base_id(), &"base".into());
/// }
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceInfo {
    /// The HMAC key in force, in clear.
    pub hmac_key: String,
    /// The trace.
    pub base_id: Id,
    /// The sender's current point; if there is none, the trace itself.
    #[serde(default)]
    pub parent_id: Option<Id>,
}

impl TraceInfo {
    /// That of the current point; `None` if this thread is not tracing.
    #[must_use]
    pub fn current() -> Option<Self> {
        let profiler = profiler::get().filter(|_| profiler::is_enabled())?;
        Some(Self {
            hmac_key: profiler.hmac_key().expose().to_owned(),
            base_id: profiler.base_id().clone(),
            parent_id: Some(profiler.id().clone()),
        })
    }

    /// That of an RPC context; `None` if it holds none, or one that makes no sense.
    #[must_use]
    pub fn from_context(context: &serde_json::Map<String, serde_json::Value>) -> Option<Self> {
        Self::deserialize(context.get(TRACE_INFO_KEY)?).ok()
    }

    /// The profiler that goes on under the sender's point.
    #[must_use]
    pub fn into_profiler(self) -> Profiler {
        Profiler::new(self.hmac_key, Some(self.base_id), self.parent_id)
    }
}

impl fmt::Debug for TraceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceInfo")
            .field("base_id", &self.base_id)
            .field("parent_id", &self.parent_id)
            .finish_non_exhaustive()
    }
}
