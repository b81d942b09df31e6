//! The names of the attributes that carry what a span has no place for, so that a trace can be read
//! back. `docs/drivers/otlp.md` specifies them.

/// The name of the instrumentation scope of our spans.
pub const SCOPE: &str = "osprofiler";

/// Of the resource: the project.
pub const PROJECT: &str = "osprofiler.project";
/// Of the resource: the service within the project.
pub const SERVICE: &str = "osprofiler.service";
/// Of the resource: the host.
pub const HOST: &str = "host.name";

/// The name of the point.
pub const NAME: &str = "osprofiler.name";
/// The id of the trace, if it is more than the bytes of the span's trace id.
pub const BASE_ID: &str = "osprofiler.base_id";
/// The id of the point.
pub const TRACE_ID: &str = "osprofiler.trace_id";
/// The id of the enclosing point, unless that is the trace itself.
pub const PARENT_ID: &str = "osprofiler.parent_id";
/// `start` or `stop`, if the other record is missing.
pub const PHASE: &str = "osprofiler.phase";
/// The info of the start record, as JSON; missing if it is empty.
pub const START_INFO: &str = "osprofiler.start.info";
/// The info of the stop record, as JSON; missing if it is empty.
pub const STOP_INFO: &str = "osprofiler.stop.info";
/// The whole start record, as JSON, if the rest does not say all of it.
pub const START_RECORD: &str = "osprofiler.start.record";
/// The whole stop record, as JSON, if the rest does not say all of it.
pub const STOP_RECORD: &str = "osprofiler.stop.record";
