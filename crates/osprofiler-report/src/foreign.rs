//! Files of other tracers, brought into the form in which the drivers get spans.

mod jaeger;
mod otlp;
mod zipkin;

use osprofiler_wire::spans::{Trace, records};

use crate::scan::{elements, member};

/// What a file of another tracer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Of OpenTelemetry: requests of its protocol, as JSON.
    Otlp,
    /// What Jaeger's page saves.
    Jaeger,
    /// Version 2 of Zipkin's.
    Zipkin,
}

impl Foreign {
    /// Tells it by the keys of a JSON text, or of the first of its elements.
    pub(crate) fn of(json: &str) -> Option<Self> {
        let has = |key| member(json, key).is_some();
        if json.starts_with('[') {
            return Self::of(elements(json).next()?.1);
        }
        if has("resourceSpans") {
            Some(Self::Otlp)
        } else if has("spans") && has("traceID") {
            Some(Self::Jaeger)
        } else if has("data") {
            elements(member(json, "data")?).next().and_then(|(_, trace)| Self::of(trace))
        } else if has("traceId") && has("id") {
            Some(Self::Zipkin)
        } else {
            None
        }
    }

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Otlp => "OTLP JSON",
            Self::Jaeger => "JSON of Jaeger",
            Self::Zipkin => "JSON of Zipkin",
        }
    }

    /// Calls `visit` with the JSON text of each record.
    pub(crate) fn read(self, json: &str, visit: &mut dyn FnMut(&str)) -> serde_json::Result<()> {
        match self {
            Self::Otlp => visit_all(&otlp::traces(json)?, visit),
            Self::Jaeger => visit_all(&jaeger::traces(json)?, visit),
            Self::Zipkin => visit_all(&zipkin::traces(json)?, visit),
        }
        Ok(())
    }
}

fn visit_all(traces: &[Trace<'_>], visit: &mut dyn FnMut(&str)) {
    for trace in traces {
        records(trace, None).iter().for_each(|record| visit(&record.to_json()));
    }
}

/// The trace with this id, which is appended if there is none.
fn trace_of<'t, 'a>(traces: &'t mut Vec<Trace<'a>>, id: &str) -> &'t mut Trace<'a> {
    let at = traces.iter().rposition(|trace| trace.trace_id == id);
    let at = at.unwrap_or_else(|| {
        traces.push(Trace { trace_id: id.to_owned().into(), ..Trace::default() });
        traces.len() - 1
    });
    &mut traces[at]
}
