//! OpenTelemetry's SDK, with its batch processor and default configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::trace::{TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter};
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{DEPTH, Library, Values, WIDTH, work};

pub(crate) const THREADS: &str = "OpenTelemetry";

/// An exporter that does nothing but count.
#[derive(Clone, Debug, Default)]
struct Counter(Arc<AtomicU64>);

impl SpanExporter for Counter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// A provider, and how much it has exported.
pub(crate) struct Provider {
    provider: SdkTracerProvider,
    exported: Counter,
}

impl Provider {
    /// One that records every request.
    pub(crate) fn always() -> Self {
        Self::with(Sampler::AlwaysOn)
    }

    /// One that records no request.
    pub(crate) fn never() -> Self {
        Self::with(Sampler::AlwaysOff)
    }

    fn with(sampler: Sampler) -> Self {
        let exported = Counter::default();
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_batch_exporter(exported.clone())
            .build();
        Self { provider, exported }
    }

    pub(crate) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("bench")
    }

    /// A subscriber for `tracing` that hands on to this provider.
    pub(crate) fn dispatch(&self) -> Dispatch {
        let layer = tracing_opentelemetry::layer().with_tracer(self.tracer());
        Dispatch::new(tracing_subscriber::registry().with(layer))
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.provider.force_flush().expect("the exporter does not fail");
        self.exported.0.load(Ordering::Relaxed)
    }
}

pub(crate) struct Sdk {
    provider: Provider,
    pub(crate) tracer: SdkTracer,
}

impl Sdk {
    pub(crate) fn new() -> Self {
        let provider = Provider::always();
        Self { tracer: provider.tracer(), provider }
    }
}

fn attributes(values: Values<'_>) -> [KeyValue; 3] {
    let Values { method, path, statement } = values;
    [
        KeyValue::new("method", method.to_owned()),
        KeyValue::new("path", path.to_owned()),
        KeyValue::new("statement", statement.to_owned()),
    ]
}

impl Library for Sdk {
    fn name(&self) -> &'static str {
        "opentelemetry_sdk"
    }

    fn threads(&self) -> &'static str {
        THREADS
    }

    fn nested(&self) {
        #[inline(never)]
        fn nest(tracer: &SdkTracer, depth: u64) {
            tracer.in_span("point", |_| {
                work();
                if depth > 0 {
                    nest(tracer, depth - 1);
                }
            });
        }
        nest(&self.tracer, DEPTH);
    }

    fn wide(&self) {
        #[inline(never)]
        fn span(tracer: &SdkTracer) {
            tracer.in_span("point", |_| work());
        }
        self.tracer.in_span("root", |_| {
            for _ in 0..WIDTH {
                span(&self.tracer);
            }
        });
    }

    fn with_attributes(&self, values: Values<'_>) {
        #[inline(never)]
        fn nest(tracer: &SdkTracer, depth: u64, values: Values<'_>) {
            let span =
                tracer.span_builder("point").with_attributes(attributes(values)).start(tracer);
            let _entered = Context::current_with_span(span).attach();
            work();
            if depth > 0 {
                nest(tracer, depth - 1, values);
            }
        }
        nest(&self.tracer, DEPTH, values);
    }

    fn delivered(&self) -> Option<u64> {
        Some(self.provider.delivered())
    }
}
