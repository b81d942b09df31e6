//! W3C Trace Context: where in a trace OpenTelemetry's services say they are.
//!
//! The format is <https://www.w3.org/TR/trace-context/>; how it goes with ours is in `docs/headers.md`.

mod ids;
mod traceparent;
mod tracestate;

pub use self::ids::{span_id, trace_id};
pub use self::traceparent::Traceparent;
pub use self::tracestate::Tracestate;

/// Name of the header that says where in its trace the sender is.
pub const TRACEPARENT_HEADER: &str = "traceparent";
/// Name of the header in which tracing systems leave what they want to find again.
pub const TRACESTATE_HEADER: &str = "tracestate";
