//! The names of the attributes that carry what a span has no place for, so that a trace can be read
//! back. `docs/drivers/otlp.md` specifies them.

/// The name of the instrumentation scope of our spans.
pub(crate) const SCOPE: &str = "osprofiler";

/// Of the resource: the project.
pub(crate) const PROJECT: &str = "osprofiler.project";
/// Of the resource: the service within the project.
pub(crate) const SERVICE: &str = "osprofiler.service";
/// Of the resource: the host.
pub(crate) const HOST: &str = "host.name";

/// The name of the point.
pub(crate) const NAME: &str = "osprofiler.name";
/// The id of the trace, if it is more than the bytes of the span's trace id.
pub(crate) const BASE_ID: &str = "osprofiler.base_id";
/// The id of the point.
pub(crate) const TRACE_ID: &str = "osprofiler.trace_id";
/// The id of the enclosing point, unless that is the trace itself.
pub(crate) const PARENT_ID: &str = "osprofiler.parent_id";
/// `start` or `stop`, if the other record is missing.
pub(crate) const PHASE: &str = "osprofiler.phase";
/// The info of the start record, as JSON; missing if it is empty.
pub(crate) const START_INFO: &str = "osprofiler.start.info";
/// The info of the stop record, as JSON; missing if it is empty.
pub(crate) const STOP_INFO: &str = "osprofiler.stop.info";
/// The whole start record, as JSON, if the rest does not say all of it.
pub(crate) const START_RECORD: &str = "osprofiler.start.record";
/// The whole stop record, as JSON, if the rest does not say all of it.
pub(crate) const STOP_RECORD: &str = "osprofiler.stop.record";
