//! From points to the requests that carry them, none larger than receivers take.

use std::ops::Range;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use osprofiler_wire::Origin;
use prost::Message;

use super::halves::Point;
use super::span::{self, Names};
use osprofiler_wire::spans::attributes::SCOPE;

/// Receivers of gRPC take 4 MiB unless told otherwise.
const MAX_BYTES: usize = 3 << 20;

/// Spans to be sent at once.
pub(super) struct Request {
    /// Which points they are of.
    pub(super) points: Range<usize>,
    pub(super) body: ExportTraceServiceRequest,
}

/// Makes the requests of a batch, in the order of its points.
pub(super) struct Requests<'a> {
    names: Names,
    prefix: Option<&'a str>,
    whole: Vec<Request>,
    /// The spans of the next one, by their origins, of which there are few.
    groups: Vec<(&'a Origin, ResourceSpans)>,
    bytes: usize,
    /// The points that have a span already.
    points: usize,
}

impl<'a> Requests<'a> {
    pub(super) fn of(
        points: &'a [Point<'_>],
        names: Names,
        prefix: Option<&'a str>,
    ) -> Vec<Request> {
        let (whole, groups) = (Vec::new(), Vec::new());
        let mut requests = Self { names, prefix, whole, groups, bytes: 0, points: 0 };
        points.iter().for_each(|point| requests.add(point));
        requests.end();
        requests.whole
    }

    fn add(&mut self, point: &'a Point<'_>) {
        let span = span::span(point, self.names);
        let bytes = span.encoded_len();
        if self.bytes + bytes > MAX_BYTES {
            self.end();
        }
        self.bytes += bytes;
        self.points += 1;
        self.spans_of(span::origin(point)).push(span);
    }

    fn spans_of(
        &mut self,
        origin: &'a Origin,
    ) -> &mut Vec<opentelemetry_proto::tonic::trace::v1::Span> {
        let known = self.groups.iter().position(|(known, _)| {
            // The origin of a process is one value, which all its records share.
            std::ptr::eq(*known, origin) || *known == origin
        });
        let at = known.unwrap_or_else(|| {
            self.groups.push((origin, self.group(origin)));
            self.groups.len() - 1
        });
        &mut self.groups[at].1.scope_spans[0].spans
    }

    fn group(&self, origin: &Origin) -> ResourceSpans {
        let scope = InstrumentationScope {
            name: SCOPE.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        ResourceSpans {
            resource: Some(span::resource(origin, self.prefix)),
            scope_spans: vec![ScopeSpans { scope: Some(scope), ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }
    }

    fn end(&mut self) {
        if !self.groups.is_empty() {
            let resource_spans = self.groups.drain(..).map(|(_, spans)| spans).collect();
            let first = self.whole.last().map_or(0, |request| request.points.end);
            let body = ExportTraceServiceRequest { resource_spans };
            self.whole.push(Request { points: first..self.points, body });
            self.bytes = 0;
        }
    }
}
