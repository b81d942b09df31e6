//! Traces that go through services with OpenTelemetry: its own crates read what we send, and send what
//! we read.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use osprofiler::propagation::{self, Format, KeyRing};
use osprofiler::{Id, Profiler, Trace, notifier};
use osprofiler_drivers::{Options, open_reader};
use osprofiler_report::{Point, Report, ReportBuilder};

#[path = "../../crates/osprofiler-drivers/tests/common/services.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod services;

const BASE: &str = "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c";

type Headers = HashMap<String, String>;

/// What our side sends from a point of the trace.
fn sent(base_id: &str, parent_id: &str) -> Headers {
    let _attached = Profiler::new("key", Some(base_id.into()), Some(parent_id.into())).attach();
    let mut headers = Headers::new();
    propagation::inject(&mut headers);
    headers
}

#[test]
fn opentelemetry_reads_what_we_send() {
    for (base_id, parent_id, trace, span) in [
        (BASE, BASE, "7d28af6a79ae40f38a562a6e1c8f1e0c", "8a562a6e1c8f1e0c"),
        (BASE, "00f067aa0ba902b7", "7d28af6a79ae40f38a562a6e1c8f1e0c", "00f067aa0ba902b7"),
        // No UUIDs.
        ("a", "a", "d228cb696f1a8caf78912b704e4a8964", "78912b704e4a8964"),
    ] {
        let context = TraceContextPropagator::new().extract(&sent(base_id, parent_id));
        let span_context = context.span().span_context().clone();
        assert!(span_context.is_valid() && span_context.is_remote() && span_context.is_sampled());
        assert_eq!(span_context.trace_id().to_string(), trace);
        assert_eq!(span_context.span_id().to_string(), span);
        assert_eq!(span_context.trace_state().get("osprofiler"), Some(span));
    }
}

#[test]
fn we_read_what_opentelemetry_sends() {
    let state = TraceState::from_key_value([("rojo", "1"), ("tenant@vendor", "2 3")]).unwrap();
    let trace_id = TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap();
    let span_id = SpanId::from_hex("b7ad6b7169203331").unwrap();
    let theirs = SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, true, state);
    let context = Context::new().with_remote_span_context(theirs);
    let mut headers = sent(BASE, BASE);
    TraceContextPropagator::new().inject_context(&context, &mut headers);

    let profiler = propagation::extract(&headers, &KeyRing::parse("key")).unwrap();
    let link = profiler.link().unwrap();
    assert_eq!(link.parent().trace_id, trace_id.to_bytes());
    assert_eq!(link.parent().span_id, span_id.to_bytes());
    assert!(link.parent().sampled);
    assert_eq!(link.state().as_str(), "rojo=1,tenant@vendor=2 3");
}

#[test]
#[expect(deprecated, reason = "the crate is, for its exporter; no other one has a B3 propagator")]
fn b3_is_spoken_both_ways() {
    use opentelemetry_zipkin::{B3Encoding, Propagator as B3Propagator};

    let trace_id = TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap();
    let span_id = SpanId::from_hex("b7ad6b7169203331").unwrap();
    let theirs =
        SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, true, TraceState::default());
    let their_context = Context::new().with_remote_span_context(theirs);
    for (format, encoding) in
        [(Format::B3, B3Encoding::SingleHeader), (Format::B3Multi, B3Encoding::MultipleHeader)]
    {
        let propagator = B3Propagator::with_encoding(encoding);
        format.switch(true);
        let mut headers = sent(BASE, "00f067aa0ba902b7");

        let context = propagator.extract(&headers);
        let span_context = context.span().span_context().clone();
        assert!(span_context.is_remote() && span_context.is_sampled());
        assert_eq!(span_context.trace_id().to_string(), BASE.replace('-', ""));
        assert_eq!(span_context.span_id().to_string(), "00f067aa0ba902b7");

        // Theirs replaces ours, as in a proxy of theirs that knows nothing else.
        headers.remove("traceparent");
        propagator.inject_context(&their_context, &mut headers);
        let profiler = propagation::extract(&headers, &KeyRing::parse("key")).unwrap();
        format.switch(false);
        let parent = profiler.link().unwrap().parent();
        assert_eq!((parent.trace_id, parent.span_id), (trace_id.to_bytes(), span_id.to_bytes()));
        assert!(parent.sampled);
    }
}

/// A service with OpenTelemetry, which sends its spans to the same place as we our points.
fn their_service(receiver: &str) -> SdkTracerProvider {
    // The whole workspace built at once has a client that wants to know whose TLS to use.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{receiver}/v1/traces"))
        .build()
        .unwrap();
    SdkTracerProvider::builder()
        .with_simple_exporter(exporter)
        .with_resource(Resource::builder().with_service_name("theirs").build())
        .build()
}

/// What it does for a request: a span below the caller's, and a request to the next service.
fn handle(provider: &SdkTracerProvider, headers: &Headers) -> Headers {
    let propagator = TraceContextPropagator::new();
    let caller = propagator.extract(headers);
    let span = provider.tracer("theirs").build_with_context(
        provider
            .tracer("theirs")
            .span_builder("their work")
            .with_attributes([KeyValue::new("a", 1)]),
        &caller,
    );
    let mut sent = Headers::new();
    propagator.inject_context(&caller.with_span(span), &mut sent);
    sent
}

fn read(connection: &str, base_id: &Id, points: usize) -> Report {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let connection = connection.parse().unwrap();
        let mut reader = open_reader(&connection, &Options::default()).unwrap();
        let mut builder = ReportBuilder::new();
        reader.read(base_id, &mut |json| builder.add(json).unwrap()).unwrap();
        let report = builder.finish();
        if report.points().count() == points || Instant::now() > deadline {
            return report;
        }
        sleep(Duration::from_millis(50));
    }
}

fn push_tree(out: &mut String, point: Point<'_>, depth: usize) {
    let service = point.service().unwrap_or_default();
    out.push_str(&format!("{}{} ({service})\n", "  ".repeat(depth), point.name()));
    point.children().for_each(|child| push_tree(out, child, depth + 1));
}

#[test]
fn a_trace_through_a_service_with_opentelemetry_is_one_tree() {
    let Some(jaeger) = services::url("jaeger", "jaeger") else { return };
    let receiver = services::url("jaeger", "http").unwrap().replacen("otlp", "http", 1);
    let provider = their_service(&receiver);
    let base_id = Profiler::new("key", None, None).base_id().clone();

    notifier::set_origin("shop", "ours");
    let guard = notifier::create(&jaeger).unwrap();
    {
        let _attached = Profiler::new("key", Some(base_id.clone()), None).attach();
        let _request = Trace::new("request", ());
        let _call = Trace::new("call", ());
        let mut headers = Headers::new();
        propagation::inject(&mut headers);

        // It passes on what it knows: `traceparent` and `tracestate`. Our next service has to trust it.
        let passed_on = handle(&provider, &headers);
        let keys = KeyRing::parse("key");
        assert!(propagation::extract(&passed_on, &keys).is_none());
        keys.trust_unsigned(true);
        let _below = propagation::extract(&passed_on, &keys).unwrap().attach();
        drop(Trace::new("further down", ()));
    }
    provider.shutdown().unwrap();
    drop(guard);

    let mut tree = String::new();
    let report = read(&jaeger, &base_id, 4);
    report.roots().for_each(|root| push_tree(&mut tree, root, 0));
    let expected =
        "request (ours)\n  call (ours)\n    their work (theirs)\n      further down (ours)\n";
    assert_eq!(tree, expected);
}
