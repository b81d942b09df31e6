//! Cross-service request profiling.

#[cfg(feature = "macros")]
#[doc(hidden)]
#[path = "macro_support.rs"]
pub mod __private;
mod background;
pub mod future;
mod into_info;
mod local;
pub mod notifier;
mod outcome;
pub mod profiler;
mod trace;

#[cfg(feature = "macros")]
pub use osprofiler_wire::{
    HmacKey, HmacKeys, Id, Info, Origin, Phase, Record, SignedContext, Timestamp, TraceContext,
};

pub use crate::future::TraceExt;
pub use crate::into_info::IntoInfo;
pub use crate::profiler::Profiler;
pub use crate::trace::Trace;
