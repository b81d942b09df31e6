//! What Jaeger's page saves and its query API answers: `{"data": [TRACE, ...]}`, the list alone, or a trace.

use osprofiler_wire::spans::Trace;
use serde::Deserialize;

use crate::scan::member;

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Vec<Trace<'a>>,
}

pub(super) fn traces(json: &str) -> serde_json::Result<Vec<Trace<'_>>> {
    if json.starts_with('[') {
        serde_json::from_str(json)
    } else if member(json, "data").is_some() {
        serde_json::from_str::<Answer<'_>>(json).map(|answer| answer.data)
    } else {
        serde_json::from_str(json).map(|trace| vec![trace])
    }
}
