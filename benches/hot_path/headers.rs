//! Signed headers, made and verified, against the same scheme by other means and against the
//! unsigned `traceparent` of others.

mod reference;

use std::collections::HashMap;
use std::hint::black_box;

use fastrace::collector::SpanContext as FastraceContext;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use osprofiler_benches::{Bench, runner};
use osprofiler_wire::{HmacKey, HmacKeys, Id, SignedContext, TraceContext};

use self::reference::{Ids, Mac, Ring, RustCrypto};

const SECRET: &str = "SECRET_KEY";
const BASE_ID: &str = "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c";
const PARENT_ID: &str = "1c8f1e0c-79ae-40f3-8a56-2a6e7d28af6a";
const OURS: &str = "ours";
const STACK: &str = "this scheme, stack buffers, RustCrypto";
const OTEL: &str = "unsigned traceparent: opentelemetry";
const LIMIT: f64 = 1.15;

pub(crate) fn run(bench: &mut Bench) {
    let key = HmacKey::new(SECRET);
    let context = TraceContext { base_id: Id::from(BASE_ID), parent_id: Id::from(PARENT_ID) };
    let signed = key.sign(&context);
    assert_the_references_speak_the_same(&signed);
    make(bench, &key, &context);
    verify(bench, &signed);
    refuse(bench, &signed);
}

fn make(bench: &mut Bench, key: &HmacKey, context: &TraceContext) {
    let ids = Ids::new(BASE_ID, PARENT_ID);
    let (rust, ring) = (RustCrypto::new(SECRET), Ring::new(SECRET));
    let (propagator, otel) = (TraceContextPropagator::new(), otel_context());
    let fastrace = FastraceContext::random();
    let table = bench.race(
        "headers: make",
        &mut [
            runner(OURS, || drop(black_box(key.sign(black_box(context))))),
            runner("this scheme, plainly", || {
                drop(black_box(reference::make_plainly(SECRET, black_box(&ids))));
            }),
            runner(STACK, || {
                black_box(reference::make(&rust, black_box(&ids)));
            }),
            runner("this scheme, stack buffers, ring", || {
                black_box(reference::make(&ring, black_box(&ids)));
            }),
            runner(OTEL, || {
                let mut headers = HashMap::new();
                propagator.inject_context(black_box(&otel), &mut headers);
                drop(black_box(headers));
            }),
            runner("unsigned traceparent: fastrace", || {
                drop(black_box(black_box(&fastrace).encode_w3c_traceparent()));
            }),
        ],
    );
    let ours = table.median(OURS, "ns");
    bench.bar("headers_make", ours, table.median(STACK, "ns"), LIMIT);
    bench.bar("headers_make_to_unsigned_otel", ours, table.median(OTEL, "ns"), 1.0);
}

fn verify(bench: &mut Bench, signed: &SignedContext) {
    let keys = HmacKeys::parse(SECRET);
    let (rust, ring) = (RustCrypto::new(SECRET), Ring::new(SECRET));
    let (info, hmac) = (signed.info.as_bytes(), signed.hmac.as_bytes());
    let (propagator, headers) = (TraceContextPropagator::new(), otel_headers());
    let traceparent = FastraceContext::random().encode_w3c_traceparent();
    let table = bench.race(
        "headers: verify",
        &mut [
            runner(OURS, || drop(black_box(keys.verify(black_box(info), black_box(hmac))))),
            runner("this scheme, plainly", || {
                drop(black_box(reference::verify_plainly(
                    SECRET,
                    black_box(info),
                    black_box(hmac),
                )));
            }),
            runner(STACK, || {
                black_box(reference::verify(&rust, black_box(info), black_box(hmac)));
            }),
            runner("this scheme, stack buffers, ring", || {
                black_box(reference::verify(&ring, black_box(info), black_box(hmac)));
            }),
            runner(OTEL, || drop(black_box(propagator.extract(black_box(&headers))))),
            runner("unsigned traceparent: fastrace", || {
                black_box(FastraceContext::decode_w3c_traceparent(black_box(&traceparent)));
            }),
        ],
    );
    let ours = table.median(OURS, "ns");
    bench.bar("headers_verify", ours, table.median(STACK, "ns"), LIMIT);
    bench.bar("headers_verify_to_unsigned_otel", ours, table.median(OTEL, "ns"), 1.0);
}

fn refuse(bench: &Bench, signed: &SignedContext) {
    let keys = HmacKeys::parse("another key");
    let rust = RustCrypto::new("another key");
    let (info, hmac) = (signed.info.as_bytes(), signed.hmac.as_bytes());
    let long = vec![b'A'; 16 * 1024 + 1];
    assert!(keys.verify(info, hmac).is_err());
    assert!(reference::verify(&rust, info, hmac).is_none());
    bench.race(
        "headers: refuse",
        &mut [
            runner("ours, signed with another key", || {
                drop(black_box(keys.verify(black_box(info), black_box(hmac))));
            }),
            runner("stack buffers, signed with another key", || {
                black_box(reference::verify(&rust, black_box(info), black_box(hmac)));
            }),
            runner("ours, too long", || {
                drop(black_box(keys.verify(black_box(&long), black_box(hmac))));
            }),
            runner("ours, signature too short", || {
                drop(black_box(keys.verify(black_box(info), black_box(&hmac[1..]))));
            }),
        ],
    );
}

/// A reference that does something else, or nothing, would be a comparison with nothing.
fn assert_the_references_speak_the_same(signed: &SignedContext) {
    fn of<M: Mac>(mac: &M, ids: &Ids, signed: &SignedContext) {
        let made = reference::make(mac, ids);
        assert_eq!(
            (&made.info[..], &made.hmac[..]),
            (signed.info.as_bytes(), signed.hmac.as_bytes())
        );
        assert_eq!(reference::verify(mac, &made.info, &made.hmac).as_ref(), Some(ids));
        let mut forged = made.hmac;
        forged[7] ^= 1;
        assert_eq!(reference::verify(mac, &made.info, &forged), None);
    }
    let ids = Ids::new(BASE_ID, PARENT_ID);
    of(&RustCrypto::new(SECRET), &ids, signed);
    of(&Ring::new(SECRET), &ids, signed);
    let plain = reference::make_plainly(SECRET, &ids);
    assert_eq!((&plain.0, &plain.1), (&signed.info, &signed.hmac));
    let (info, hmac) = (plain.0.as_bytes(), plain.1.as_bytes());
    let verified = reference::verify_plainly(SECRET, info, hmac).expect("it is signed");
    assert_eq!(verified, (BASE_ID.to_owned(), PARENT_ID.to_owned()));
    assert!(reference::verify_plainly("another key", info, hmac).is_none());
}

fn otel_context() -> opentelemetry::Context {
    let ids = Ids::new(BASE_ID, PARENT_ID);
    let parent = u64::from_be_bytes(*ids.parent_id.first_chunk().expect("16 bytes"));
    opentelemetry::Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from_bytes(ids.base_id),
        SpanId::from_bytes(parent.to_be_bytes()),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    ))
}

fn otel_headers() -> HashMap<String, String> {
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&otel_context(), &mut headers);
    assert_eq!(headers["traceparent"].len(), 55);
    headers
}
