//! W3C Trace Context, and B3 on request: sent besides our headers, read to link, trusted only if the
//! operator says so.

use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard};

use http::{HeaderMap, Request, Response};
use osprofiler::instrument::tower::ServerLayer;
use osprofiler::propagation::{self, Extractor, Format, KeyRing};
use osprofiler::{Id, Profiler, Record, Trace};
use osprofiler_testkit::Capture;
use osprofiler_wire::w3c;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const NOT_SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const BASE: &str = "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c";

/// The notifier and the formats are the process's: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> (MutexGuard<'static, ()>, Capture) {
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    (turn, Capture::start())
}

type Headers = Vec<(String, String)>;

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The headers of a caller in the trace [`BASE`], ours alone.
fn signed() -> Headers {
    let signed = Profiler::new("key", Some(BASE.into()), Some("caller".into())).sign();
    vec![
        pair(propagation::TRACE_INFO_HEADER, &signed.info),
        pair(propagation::TRACE_HMAC_HEADER, &signed.hmac),
    ]
}

/// Serves a request with these headers; gives what its handler would send on.
fn serve(headers: &[(String, String)], keys: &KeyRing) -> HeaderMap {
    let mut request = Request::get("/");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let sent = Mutex::new(HeaderMap::new());
    let service = ServerLayer::new(keys.clone()).layer(service_fn(async |_: Request<()>| {
        propagation::inject(&mut *sent.lock().unwrap());
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(service.oneshot(request.body(()).unwrap())).unwrap();
    sent.into_inner().unwrap()
}

fn link(records: &[Record]) -> Value {
    records[0].info.to_map().get("link").cloned().unwrap_or_default()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn the_current_point_is_sent_with_the_ids_of_its_span() {
    let (_turn, capture) = turn();
    let _attached = Profiler::new("key", Some(BASE.into()), None).attach();
    let mut headers = Headers::new();
    {
        let _point = Trace::new("call", ());
        propagation::inject(&mut headers);
        assert_eq!(
            headers.iter().map(|(name, _)| &**name).collect::<Vec<_>>(),
            ["X-Trace-Info", "X-Trace-HMAC", "traceparent", "tracestate"]
        );
    }
    let point = &capture.records()[0].trace_id;
    let span: String = w3c::span_id(point).iter().map(|byte| format!("{byte:02x}")).collect();
    let sent =
        [format!("00-7d28af6a79ae40f38a562a6e1c8f1e0c-{span}-01"), format!("osprofiler={span}")];
    assert_eq!([headers[2].1.clone(), headers[3].1.clone()], sent);
    assert!(point.to_string().replace('-', "").ends_with(&span));
}

#[test]
fn nothing_is_sent_where_nothing_is_traced_or_the_format_is_off() {
    let (_turn, _capture) = turn();
    assert!(propagation::headers().is_empty());
    let _attached = Profiler::new("key", None, None).attach();
    assert_eq!(propagation::headers().len(), 4);
    Format::W3c.switch(false);
    let names: Vec<_> = propagation::headers().into_iter().map(|(name, _)| name).collect();
    Format::W3c.switch(true);
    assert_eq!(names, [propagation::TRACE_INFO_HEADER, propagation::TRACE_HMAC_HEADER]);
}

#[test]
fn what_comes_with_a_signed_request_is_recorded_as_a_link() {
    let (_turn, capture) = turn();
    let keys = KeyRing::parse("key");
    let mut headers = signed();
    headers.push(pair("Traceparent", PARENT));
    headers.push(pair("tracestate", "rojo=1,osprofiler=2"));
    headers.push(pair("tracestate", "congo=3"));
    let sent = serve(&headers, &keys);
    let records = capture.take();
    let expected = json!({
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "sampled": true,
        "tracestate": "rojo=1,congo=3",
    });
    assert_eq!(link(&records), expected);
    // The trace is the one that was signed, and what others left for another does not go on.
    assert_eq!((&records[0].base_id, &records[0].parent_id), (&BASE.into(), &"caller".into()));
    assert!(text(&sent, "traceparent").starts_with("00-7d28af6a79ae40f38a562a6e1c8f1e0c-"));
    assert!(!text(&sent, "tracestate").contains("rojo"));
}

#[test]
fn what_others_left_for_the_same_trace_goes_on() {
    let (_turn, capture) = turn();
    let mut headers = signed();
    headers.push(pair("traceparent", "00-7d28af6a79ae40f38a562a6e1c8f1e0c-b7ad6b7169203331-00"));
    headers.push(pair("tracestate", "rojo=1,congo=3"));
    let sent = serve(&headers, &KeyRing::parse("key"));
    assert_eq!(link(&capture.take())["sampled"], false);
    let own = format!("osprofiler={}", &text(&sent, "traceparent")[36..52]);
    assert_eq!(text(&sent, "tracestate"), format!("{own},rojo=1,congo=3"));
}

#[test]
fn between_our_own_services_there_is_no_link() {
    let (_turn, capture) = turn();
    let mut headers = Headers::new();
    {
        let _attached = Profiler::new("key", Some(BASE.into()), Some(BASE.into())).attach();
        let _point = Trace::new("call", ());
        propagation::inject(&mut headers);
    }
    headers.retain(|(name, _)| name != "tracestate");
    headers.push(pair("tracestate", "rojo=1"));
    let sent = serve(&headers, &KeyRing::parse("key"));
    assert_eq!(capture.tree(), "call\n  wsgi\n");
    assert_eq!(link(&capture.records()[2..]), Value::Null);
    assert!(text(&sent, "tracestate").ends_with(",rojo=1"));
}

#[test]
fn what_makes_no_sense_is_not_recorded() {
    let (_turn, capture) = turn();
    let keys = KeyRing::parse("key");
    let once = [pair("traceparent", PARENT)];
    let twice = [once[0].clone(), once[0].clone()];
    let upper = [pair("traceparent", &PARENT.to_uppercase())];
    for besides in [&twice[..], &upper] {
        serve(&[signed(), besides.to_vec()].concat(), &keys);
        assert_eq!(link(&capture.take()), Value::Null, "{besides:?}");
    }
    // A list that makes no sense takes nothing else with it.
    let state = pair("tracestate", "no list");
    serve(&[signed(), once.to_vec(), vec![state]].concat(), &keys);
    let link = link(&capture.take());
    assert_eq!((&link["span_id"], link.get("tracestate")), (&json!("b7ad6b7169203331"), None));
}

#[test]
fn a_request_that_nobody_signed_is_not_traced() {
    let (_turn, capture) = turn();
    let sent = serve(&[pair("traceparent", PARENT)], &KeyRing::parse("key"));
    assert!(capture.records().is_empty() && sent.is_empty());
}

#[test]
fn the_operator_may_trust_a_request_that_nobody_signed() {
    let (_turn, capture) = turn();
    let keys = KeyRing::parse("first, second");
    keys.trust_unsigned(true);
    let state = pair("tracestate", "rojo=1");
    let mut headers = vec![pair("traceparent", PARENT), state];
    // A signature that is not accepted is none.
    headers.extend(signed());
    let sent = serve(&headers, &keys);
    let start = &capture.take()[0];
    assert_eq!(start.base_id, Id::from("0af76519-16cd-43dd-8448-eb211c80319c"));
    assert_eq!(w3c::span_id(&start.parent_id), [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
    assert!(start.info.to_map().get("link").is_none(), "the parent says it all");

    // It is signed for those further down with the first key, in the same trace.
    let info = Extractor::get(&sent, propagation::TRACE_INFO_HEADER).unwrap();
    let hmac = Extractor::get(&sent, propagation::TRACE_HMAC_HEADER).unwrap();
    let verified = KeyRing::parse("first").get();
    let verified = verified.verify(info, hmac).unwrap();
    assert_eq!(verified.base_id.as_ref(), Some(&start.base_id));
    assert_eq!(verified.parent_id.as_ref(), Some(&start.trace_id));
    assert!(text(&sent, "traceparent").starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
    assert!(text(&sent, "tracestate").ends_with(",rojo=1"));
}

#[test]
fn trust_needs_a_key_and_a_sender_that_records() {
    let (_turn, capture) = turn();
    let keys = KeyRing::default();
    keys.trust_unsigned(true);
    serve(&[pair("traceparent", PARENT)], &keys);
    keys.replace("key");
    serve(&[pair("traceparent", NOT_SAMPLED)], &keys);
    serve(&[], &keys);
    Format::W3c.switch(false);
    serve(&[pair("traceparent", PARENT)], &keys);
    Format::W3c.switch(true);
    assert!(capture.records().is_empty());
    serve(&[pair("traceparent", PARENT)], &keys);
    assert_eq!(capture.tree(), "wsgi\n");
    keys.trust_unsigned(false);
    serve(&[pair("traceparent", PARENT)], &keys);
    assert_eq!(capture.tree(), "wsgi\n");
}

const B3: &str = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90";

/// The formats are as they are at first again when this goes.
struct Spoken;

impl Spoken {
    fn only(formats: &[Format]) -> Self {
        Format::ALL.iter().for_each(|format| format.switch(formats.contains(format)));
        Self
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        Format::ALL.iter().for_each(|format| format.switch(*format == Format::W3c));
    }
}

fn several(state: &[(&str, &str)]) -> Headers {
    let place =
        [("X-B3-TraceId", "80f198ee56343ba864fe8b2a57d3eff7"), ("X-B3-SpanId", "e457b5a2e4d86bd1")];
    place.iter().chain(state).map(|(name, value)| pair(name, value)).collect()
}

#[test]
fn b3_is_neither_sent_nor_read_unless_it_is_on() {
    let (_turn, capture) = turn();
    let keys = KeyRing::parse("key");
    keys.trust_unsigned(true);
    let headers = [several(&[("X-B3-Sampled", "1")]), vec![pair("b3", B3)]].concat();
    assert!(serve(&headers, &keys).is_empty() && capture.records().is_empty());
    let sent = serve(&[signed(), headers].concat(), &keys);
    assert_eq!(link(&capture.records()), Value::Null);
    assert!(sent.keys().all(|name| !name.as_str().contains("b3")), "{sent:?}");
}

#[test]
fn all_formats_name_the_same_place() {
    let (_turn, _capture) = turn();
    let _spoken = Spoken::only(&Format::ALL);
    let _attached = Profiler::new("key", Some(BASE.into()), None).attach();
    let _point = Trace::new("call", ());
    let mut headers = HeaderMap::new();
    propagation::inject(&mut headers);
    let parent = text(&headers, "traceparent");
    let ids = parent.strip_prefix("00-").and_then(|rest| rest.strip_suffix("-01")).unwrap();
    assert_eq!(text(&headers, "b3"), format!("{ids}-1"));
    let several = ["x-b3-traceid", "x-b3-spanid", "x-b3-sampled"].map(|name| text(&headers, name));
    assert_eq!(several.join("-"), format!("{ids}-1"));
    assert!(!headers.contains_key("x-b3-parentspanid"));
}

#[test]
fn b3_that_comes_with_a_signed_request_is_recorded_as_a_link() {
    let (_turn, capture) = turn();
    let keys = KeyRing::parse("key");
    let one = |value: &str| vec![pair("B3", value)];
    for (format, headers, sampled) in [
        (Format::B3, one(B3), true),
        (Format::B3, one(&B3[..49]), false),
        (Format::B3Multi, several(&[]), false),
        (Format::B3Multi, several(&[("X-B3-Flags", "1")]), true),
        (Format::B3Multi, several(&[("X-B3-Sampled", "0")]), false),
    ] {
        let _spoken = Spoken::only(&[format]);
        serve(&[signed(), headers].concat(), &keys);
        let expected = json!({
            "trace_id": "80f198ee56343ba864fe8b2a57d3eff7",
            "span_id": "e457b5a2e4d86bd1",
            "sampled": sampled,
        });
        assert_eq!(link(&capture.take()), expected);
    }
}

#[test]
fn the_first_format_that_says_something_counts() {
    let (_turn, capture) = turn();
    let _spoken = Spoken::only(&Format::ALL);
    let keys = KeyRing::parse("key");
    let b3 = pair("b3", "0af7651916cd43dd8448eb211c80319c-0000000000000002-1");
    let mut headers = [signed(), several(&[]), vec![b3, pair("traceparent", PARENT)]].concat();
    let expected = ["b7ad6b7169203331", "0000000000000002", "e457b5a2e4d86bd1"];
    for span_id in expected {
        serve(&headers, &keys);
        assert_eq!(link(&capture.take())["span_id"], span_id);
        headers.pop();
    }
}

#[test]
fn b3_is_trusted_only_if_the_operator_says_so_and_the_sender_records() {
    let (_turn, capture) = turn();
    let keys = KeyRing::parse("key");
    let one = |value: &str| vec![pair("b3", value)];
    let cases = [
        (Format::B3, one(B3), true),
        (Format::B3, one(&format!("{}-d", &B3[..49])), true),
        (Format::B3, one(&format!("{}-0", &B3[..49])), false),
        (Format::B3, one(&B3[..49]), false),
        (Format::B3, one("0"), false),
        (Format::B3, one("1"), false),
        (Format::B3, [one(B3), one(B3)].concat(), false),
        (Format::B3, several(&[("X-B3-Sampled", "1")]), false),
        (Format::B3Multi, several(&[("X-B3-Sampled", "1")]), true),
        (Format::B3Multi, several(&[("X-B3-Flags", "1")]), true),
        (Format::B3Multi, several(&[("X-B3-Sampled", "0")]), false),
        (Format::B3Multi, several(&[("X-B3-Sampled", "1"), ("X-B3-Sampled", "1")]), false),
        (Format::B3Multi, several(&[]), false),
        (Format::B3Multi, one(B3), false),
    ];
    for (format, headers, records) in cases {
        let _spoken = Spoken::only(&[format]);
        keys.trust_unsigned(false);
        assert!(serve(&headers, &keys).is_empty() && capture.records().is_empty());
        keys.trust_unsigned(true);
        let sent = serve(&headers, &keys);
        let records_made = capture.take();
        assert_eq!(!records_made.is_empty(), records, "{headers:?}");
        if let Some(start) = records_made.first() {
            assert_eq!(start.base_id, Id::from("80f198ee-5634-3ba8-64fe-8b2a57d3eff7"));
            assert_eq!(start.parent_id, Id::from("e457b5a2e4d86bd1"));
            let trace = if format == Format::B3 { "b3" } else { "x-b3-traceid" };
            assert!(text(&sent, trace).starts_with("80f198ee56343ba864fe8b2a57d3eff7"));
        }
    }
}
