//! What a list shows of a trace.

use osprofiler_wire::{Id, Timestamp};
use serde::Serialize;

/// What a list shows of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraceSummary {
    /// The trace.
    pub base_id: Id,
    /// Timestamp of the earliest record.
    #[serde(rename = "timestamp", serialize_with = "as_text")]
    pub started: Timestamp,
    /// Microseconds from the earliest record to the latest.
    pub duration_us: i64,
    /// Points, finished or not.
    pub points: u64,
    /// Points without a stop record, so far.
    pub unfinished: u64,
    /// Points that failed: their stop record holds an `etype`.
    pub errors: u64,
    /// The point that started first.
    pub root: Root,
}

/// The point of a trace that started first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Root {
    /// Its name.
    pub name: String,
    /// Its project.
    pub project: Option<String>,
    /// Its service.
    pub service: Option<String>,
    /// Its host.
    pub host: Option<String>,
    /// Method and path, if it is a request, such as `GET /v3`.
    pub request: Option<String>,
}

fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}
