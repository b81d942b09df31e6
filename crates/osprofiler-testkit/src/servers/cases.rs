//! The cases of the suite.

use std::io::{Read, Write};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use osprofiler::{Id, Phase, Record, profiler};
use serde_json::{Map, Value, json};

use super::client::signed;
use super::routes::{ROW_TAKES, ROWS};
use super::{Abilities, KEY, Server};
use crate::capture::tree;

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) is_possible: fn(&Abilities) -> bool,
    pub(super) check: fn(&Server<'_>),
}

macro_rules! cases {
    ($($check:ident $(: $needed:ident)?;)*) => {
        &[$(Case {
            name: stringify!($check),
            is_possible: |_can| true $(&& _can.$needed)?,
            check: $check,
        }),*]
    };
}

pub(super) const CASES: &[Case] = cases! {
    a_request_without_headers_is_served_untraced;
    a_signed_request_becomes_a_point_with_all_that_is_done_for_it;
    forged_headers_are_served_untraced;
    adversarial_headers_come_out_as_stated;
    the_key_that_matched_is_in_force;
    the_point_tells_the_request_and_the_response;
    the_route_is_told_as_well_as_the_path: routes;
    secrets_in_the_query_are_masked;
    sizes_of_both_bodies_are_told;
    what_was_not_found_is_no_error;
    a_status_of_5xx_is_an_error;
    the_trace_id_is_sent_only_to_those_who_signed;
    a_body_is_within_the_point_to_its_last_byte;
    a_body_that_fails_closes_the_point_with_the_error;
    the_answer_to_head_is_whole_without_a_body;
    a_panic_closes_the_point_with_what_it_said: survives_panics;
    a_client_that_goes_away_closes_the_point: cancels;
    a_client_that_goes_away_within_the_body_closes_the_point;
    a_request_does_not_inherit_the_trace_of_the_one_before;
    switched_off_at_run_time_a_signed_request_is_untraced;
    a_hundred_requests_at_once_do_not_mix;
};

fn a_request_without_headers_is_served_untraced(server: &Server<'_>) {
    let response = server.client.get("/items/7");
    assert_eq!((response.status, &*response.body), (200, "7 untraced"));
    assert_eq!(tree(&server.records()), "");
}

fn a_signed_request_becomes_a_point_with_all_that_is_done_for_it(server: &Server<'_>) {
    let response = server.client.get_signed("/items/7", KEY, "base");
    assert_eq!((response.status, &*response.body), (200, "7 key"));
    let records = server.records();
    assert_eq!(tree(&records), "wsgi\n  check 7\n  read 7\n    row 7\n");
    assert!(records.iter().all(|record| record.base_id == Id::from("base")));
    assert_eq!(records[0].parent_id, Id::from("caller"));
}

fn forged_headers_are_served_untraced(server: &Server<'_>) {
    let forged = server.client.get_signed("/items/7", "another key", "base");
    assert_eq!((forged.status, &*forged.body), (200, "7 untraced"));
    let mut headers = signed(KEY, "base");
    let digit = headers.len() - 3;
    headers[digit] = if headers[digit] == b'0' { b'1' } else { b'0' };
    assert_eq!(server.client.send("GET /items/7", &headers, "").body, "7 untraced");
    assert_eq!(tree(&server.records()), "");
}

fn adversarial_headers_come_out_as_stated(server: &Server<'_>) {
    let vectors = include_str!("../../../../tests/data/golden/headers-adversarial.json");
    let cases: Vec<Value> = serde_json::from_str(vectors).expect("the vectors are JSON");
    let mut sent = 0;
    for case in cases.iter().filter(|case| case["http"] == true) {
        let name = &case["name"];
        server.keys.replace(case["hmac_keys"].as_str().expect("keys"));
        let headers: Vec<u8> =
            case["headers"].as_array().expect("headers").iter().flat_map(header_line).collect();
        let response = server.client.send("GET /items/7", &headers, "");
        let allowed = case["statuses"].as_array().expect("statuses");
        // Such a server knows the route: 404 stands for any answer in the vectors.
        let status = response.status;
        assert!(status == 200 || allowed.contains(&status.into()), "{name}: status {status}");
        let records = server.records();
        if case["grade"] == "must" {
            let expected = &case["expected"];
            assert_eq!(became(&records, expected), *expected, "{name}: {}", case["why"]);
        }
        if let Some(never) = case["never_base_id"].as_str() {
            assert!(records.iter().all(|record| record.base_id != Id::from(never)), "{name}");
        }
        sent += 1;
    }
    assert!(sent > 30, "{sent}");
}

fn header_line(header: &Value) -> Vec<u8> {
    let decode = |text: &Value| STANDARD.decode(text.as_str().expect("base64")).expect("base64");
    let value = match &header[1] {
        Value::Array(pieces) => pieces
            .iter()
            .flat_map(|piece| {
                let times = piece[1].as_u64().and_then(|times| usize::try_from(times).ok());
                decode(&piece[0]).repeat(times.expect("times"))
            })
            .collect(),
        text => decode(text),
    };
    [header[0].as_str().expect("a name").as_bytes(), b": ", &value, b"\r\n"].concat()
}

/// What became of a request, in the words of the vectors.
fn became(records: &[Record], expected: &Value) -> Value {
    let Some(start) = records.first() else {
        return json!({"traced": false, "base_id": null, "parent_id": null});
    };
    let named = |id: &Id, expected: &Value| {
        let text = id.to_string();
        match expected.as_str() {
            Some("(new)") if id.uuid_bytes().is_some() => "(new)".to_owned(),
            Some("(base_id)") if *id == start.base_id => "(base_id)".to_owned(),
            Some("(large)") if text.len() > 2000 => "(large)".to_owned(),
            _ => text,
        }
    };
    json!({
        "traced": true,
        "base_id": named(&start.base_id, &expected["base_id"]),
        "parent_id": named(&start.parent_id, &expected["parent_id"]),
    })
}

fn the_key_that_matched_is_in_force(server: &Server<'_>) {
    server.keys.replace("new,old");
    assert_eq!(server.client.get_signed("/items/7", "old", "base").body, "7 old");
}

fn the_point_tells_the_request_and_the_response(server: &Server<'_>) {
    server.client.get_signed("/items/7?limit=1&all", KEY, "base");
    let records = server.records();
    let mut request = infos(&records).0;
    request["request"].as_object_mut().expect("a request").remove("route");
    let told =
        json!({"path": "/items/7", "query": "limit=1&all", "method": "GET", "scheme": "http"});
    assert_eq!(request["request"], told);
    let response = infos(&records).1;
    assert_eq!(response["response"], json!({"status_code": 200, "size": 5}));
    assert_eq!(response.get("etype"), None);
}

/// Start info and stop info of the request's point.
fn infos(records: &[Record]) -> (Map<String, Value>, Map<String, Value>) {
    let info = |phase| {
        let mut of_point = records.iter().filter(|r| r.name == "wsgi" && r.phase == phase);
        of_point.next().unwrap_or_else(|| panic!("{phase:?}: {records:?}")).info.to_map()
    };
    (info(Phase::Start), info(Phase::Stop))
}

fn the_route_is_told_as_well_as_the_path(server: &Server<'_>) {
    server.client.get_signed("/items/7", KEY, "base");
    let (start, stop) = infos(&server.records());
    // A middleware around the router learns it with the response.
    let route = start["request"].get("route").or_else(|| stop["request"].get("route"));
    let route = route.and_then(Value::as_str).expect("a route");
    assert!(route.starts_with("/items/") && route.contains("id"), "{route}");
    assert_eq!(start["request"]["path"], "/items/7");
}

fn secrets_in_the_query_are_masked(server: &Server<'_>) {
    server.client.get_signed("/items/7?limit=1&api_key=hush", KEY, "base");
    let records = server.records();
    assert_eq!(infos(&records).0["request"]["query"], "limit=1&api_key=***");
    assert!(!format!("{records:?}").contains("hush"));
}

fn sizes_of_both_bodies_are_told(server: &Server<'_>) {
    let headers = [&signed(KEY, "base")[..], b"Content-Length: 11\r\n"].concat();
    assert_eq!(server.client.send("POST /upload", &headers, "hello world").body, "11");
    let (start, stop) = infos(&server.records());
    assert_eq!((&start["request"]["size"], &stop["response"]["size"]), (&json!(11), &json!(2)));
}

fn what_was_not_found_is_no_error(server: &Server<'_>) {
    assert_eq!(server.client.get_signed("/nowhere", KEY, "base").status, 404);
    let records = server.records();
    assert_eq!(tree(&records), "wsgi\n");
    assert_eq!(infos(&records).1["response"]["status_code"], 404);
}

fn a_status_of_5xx_is_an_error(server: &Server<'_>) {
    assert_eq!(server.client.get_signed("/broken", KEY, "base").status, 503);
    let records = server.records();
    assert_eq!(tree(&records), "wsgi ! HTTP 503\n");
    let stop = infos(&records).1;
    assert_eq!(stop["response"]["status_code"], 503);
    assert_eq!(stop["message"], "Service Unavailable");
}

fn the_trace_id_is_sent_only_to_those_who_signed(server: &Server<'_>) {
    let trace_id =
        |response: super::client::Response| response.header("x-trace-id").map(ToOwned::to_owned);
    let traced = trace_id(server.client.get_signed("/items/7", KEY, "base"));
    assert_eq!(traced.as_deref(), Some("base"));
    assert_eq!(trace_id(server.client.get_signed("/items/7", "another key", "base")), None);
    assert_eq!(trace_id(server.client.get("/items/7")), None);
    // What cannot be a header is not sent, and harms nothing.
    let odd = server.client.get_signed("/items/7", KEY, "a\r\nb: c");
    assert_eq!((odd.status, trace_id(odd)), (200, None));
}

fn a_body_is_within_the_point_to_its_last_byte(server: &Server<'_>) {
    let response = server.client.get_signed("/rows", KEY, "base");
    assert!(response.body.contains("row0") && response.body.contains("row2"), "{response:?}");
    let records = server.records();
    assert_eq!(tree(&records), "wsgi\n  row 0\n  row 1\n  row 2\n");
    assert_eq!(infos(&records).1["response"], json!({"status_code": 200, "size": 4 * ROWS}));
    let (start, stop) = (&records[0].timestamp, &records[records.len() - 1].timestamp);
    let took = stop.as_micros() - start.as_micros();
    assert!(took >= i64::try_from(ROW_TAKES.as_micros()).unwrap_or_default() * 3, "{took}");
}

fn a_body_that_fails_closes_the_point_with_the_error(server: &Server<'_>) {
    server.client.get_signed("/fails", KEY, "base");
    let stop = infos(&server.records()).1;
    assert!(stop.contains_key("etype"), "{stop:?}");
    assert_eq!(stop["response"]["status_code"], 200);
}

fn the_answer_to_head_is_whole_without_a_body(server: &Server<'_>) {
    let response = server.client.send("HEAD /items/7", &signed(KEY, "base"), "");
    let stop = infos(&server.records()).1;
    assert_eq!(stop["response"], json!({"status_code": response.status, "size": 0}));
    assert_eq!(stop.get("cancelled"), None);
}

fn a_panic_closes_the_point_with_what_it_said(server: &Server<'_>) {
    server.client.get_signed("/panics", KEY, "base");
    let records = server.records();
    assert_eq!(tree(&records), "wsgi ! panic\n");
    assert_eq!(infos(&records).1["message"], "a handler's panic");
    assert_eq!(server.client.get("/items/7").status, 200, "it serves on");
}

fn a_client_that_goes_away_closes_the_point(server: &Server<'_>) {
    let stream = server.client.begin("GET /waits", KEY, "base");
    server.wait_for_starts(2);
    drop(stream);
    let records = server.records();
    assert_eq!(tree(&records), "wsgi\n  wait\n");
    assert_eq!(infos(&records).1["cancelled"], true);
}

fn a_client_that_goes_away_within_the_body_closes_the_point(server: &Server<'_>) {
    let mut stream = server.client.begin("GET /rows", KEY, "base");
    // The first bytes of the head, and gone.
    let _ = stream.read(&mut [0; 16]);
    drop(stream);
    let records = server.records();
    assert!(tree(&records).starts_with("wsgi\n  row 0\n"), "{}", tree(&records));
    // Whether it was cancelled or went into the system's buffers first, it is closed.
    assert_eq!(infos(&records).1["response"]["status_code"], 200);
}

fn a_request_does_not_inherit_the_trace_of_the_one_before(server: &Server<'_>) {
    let mut stream = server.client.begin("GET /items/1", KEY, "base");
    let read = read_until(&mut stream, "1 key");
    let second = b"GET /items/2 HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    assert!(stream.write_all(second).is_ok(), "the connection lives on after {read}");
    read_until(&mut stream, "2 untraced");
    assert_eq!(tree(&server.records()), "wsgi\n  check 1\n  read 1\n    row 1\n");
}

fn read_until(stream: &mut impl Read, end: &str) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 1024];
    while !String::from_utf8_lossy(&read).contains(end) {
        let count = stream.read(&mut buffer).expect("the server answers");
        assert!(count > 0, "{}", String::from_utf8_lossy(&read));
        read.extend(&buffer[..count]);
    }
    String::from_utf8_lossy(&read).into_owned()
}

fn switched_off_at_run_time_a_signed_request_is_untraced(server: &Server<'_>) {
    profiler::disable();
    let response = server.client.get_signed("/items/7", KEY, "base");
    profiler::enable();
    assert_eq!(response.body, "7 untraced");
    assert_eq!(tree(&server.records()), "");
}

fn a_hundred_requests_at_once_do_not_mix(server: &Server<'_>) {
    thread::scope(|scope| {
        for n in 0..100 {
            scope.spawn(move || {
                let response =
                    server.client.get_signed(&format!("/items/{n}"), KEY, &format!("base {n}"));
                assert_eq!(response.body, format!("{n} key"));
            });
        }
    });
    let records = server.records();
    for n in 0..100 {
        let base = Id::from(format!("base {n}"));
        let own: Vec<Record> = records.iter().filter(|r| r.base_id == base).cloned().collect();
        let expected = format!("wsgi\n  check {n}\n  read {n}\n    row {n}\n");
        assert_eq!(tree(&own), expected);
    }
}
