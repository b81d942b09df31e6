//! Files of other tracers become reports that say the same.

use osprofiler_report::text::{TextOptions, render_text};
use osprofiler_report::{Report, ReportBuilder, source};
use proptest::prelude::*;

fn report(text: &str) -> Report {
    let mut builder = ReportBuilder::new();
    source::records(text, &mut |_, json| builder.add(json).unwrap()).unwrap();
    builder.finish()
}

/// The tree as text, without the table below it.
fn tree(text: &str) -> String {
    let shown = render_text(&report(text), &TextOptions::default());
    let rows = shown.lines().skip_while(|line| !line.starts_with("duration │")).skip(1);
    let rows = rows.take_while(|line| !line.is_empty());
    rows.map(|row| row.rsplit('│').next().unwrap().trim_end().to_owned() + "\n").collect()
}

fn error(text: &str) -> String {
    source::records(text, &mut |_, _| {}).unwrap_err().to_string()
}

const OTLP: &str = r#"{"resourceSpans": [{
  "resource": {"attributes": [
    {"key": "service.name", "value": {"stringValue": "shop"}},
    {"key": "host.name", "value": {"stringValue": "h1"}}]},
  "scopeSpans": [{"scope": {"name": "lib"}, "spans": [
    {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "GET /x",
     "kind": 2, "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000",
     "attributes": [{"key": "http.request.method", "value": {"stringValue": "GET"}},
                    {"key": "url.path", "value": {"stringValue": "/x"}},
                    {"key": "http.response.status_code", "value": {"intValue": "500"}}],
     "status": {"code": 2, "message": "boom"}},
    {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b175",
     "parentSpanId": "eee19b7ec3c1b174", "name": "query", "kind": "SPAN_KIND_CLIENT",
     "startTimeUnixNano": 1544712660100000000, "endTimeUnixNano": 1544712660200000000,
     "attributes": [{"key": "db.query.text", "value": {"stringValue": "SELECT 1"}}]},
    {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b176",
     "parentSpanId": "eee19b7ec3c1b174", "name": "open", "startTimeUnixNano": "1544712660300000000"}
]}]}]}"#;

#[test]
fn otlp_in_one_piece_in_a_list_and_in_lines() {
    let line = OTLP.replace('\n', " ");
    let whole = tree(OTLP);
    for part in ["GET /x", "500", "shop on h1", "boom", "query SELECT 1", "open", "unfinished"] {
        assert!(whole.contains(part), "{part}: {whole}");
    }
    assert_eq!(whole.lines().count(), 3);
    assert_eq!(tree(&format!("[{OTLP}]")), whole);
    assert_eq!(
        tree(&format!("{line}\n\n{}\n", line.replace("0c\"", "0d\"").replace("eee1", "fff1")))
            .lines()
            .count(),
        6
    );
    assert_eq!(report(OTLP).duration_us(), 1_000_000);
    assert_eq!(report(OTLP).base_id().unwrap().to_string(), "5b8efff7-9803-8103-d269-b633813fc60c");
}

#[test]
fn an_id_that_is_not_hexadecimal_stays_as_it_is() {
    let base64 = OTLP.replace("5b8efff798038103d269b633813fc60c", "W47/95gDgQPSabYzgT/GDA==");
    assert_eq!(report(&base64).base_id().unwrap().to_string(), "W47/95gDgQPSabYzgT/GDA==");
    assert_eq!(tree(&base64), tree(OTLP));
}

#[test]
fn what_jaeger_saves() {
    let trace = r#"{"traceID": "a1", "spans": [
        {"traceID": "a1", "spanID": "1", "operationName": "root", "startTime": 10, "duration": 50,
         "processID": "p1", "tags": [{"key": "error", "type": "bool", "value": true}], "logs": []},
        {"traceID": "a1", "spanID": "2", "operationName": "child", "startTime": 20, "duration": 5,
         "references": [{"refType": "CHILD_OF", "traceID": "a1", "spanID": "1"}], "processID": "p2"},
        {"traceID": "a1", "spanID": "3", "operationName": "ours", "startTime": 30, "duration": 5,
         "references": [{"refType": "CHILD_OF", "traceID": "a1", "spanID": "2"}], "processID": "p2",
         "tags": [{"key": "osprofiler.trace_id", "type": "string", "value": "point-7"},
                  {"key": "osprofiler.name", "type": "string", "value": "db-x"}]}],
        "processes": {"p1": {"serviceName": "api"}, "p2": {"serviceName": "stock"}}}"#;
    let answer = format!("{{\"data\": [{trace}], \"total\": 0, \"errors\": null}}");
    let whole = tree(&answer);
    let rows: Vec<&str> = whole.lines().map(str::trim).collect();
    assert_eq!(rows.len(), 3, "{whole}");
    assert!(rows[0].starts_with("root") && rows[0].contains("api"), "{whole}");
    assert!(rows[1].contains("child") && rows[1].contains("stock"), "{whole}");
    assert!(rows[2].contains("db-x"), "{whole}");
    assert_eq!(tree(trace), whole);
    assert_eq!(tree(&format!("[{trace}]")), whole);
    assert_eq!(report(&answer).errors(), 1);
}

#[test]
fn zipkin_with_spans_that_two_services_share() {
    let spans = r#"[
        {"traceId": "1", "id": "a", "name": "get", "kind": "CLIENT", "timestamp": 100, "duration": 90,
         "localEndpoint": {"serviceName": "web", "ipv4": "10.0.0.1"}},
        {"traceId": "1", "id": "a", "shared": true, "name": "get", "kind": "SERVER", "timestamp": 110,
         "duration": 50, "localEndpoint": {"serviceName": "api"}, "tags": {"error": "no such item"},
         "annotations": [{"timestamp": 115, "value": "cache miss"}]},
        {"traceId": "1", "id": "b", "parentId": "a", "name": "select", "timestamp": 120, "duration": 9,
         "localEndpoint": {"serviceName": "api"}}]"#;
    let whole = tree(spans);
    let depth = |name: &str| whole.lines().position(|row| row.contains(name)).unwrap();
    assert_eq!((depth("web"), depth("api"), depth("select")), (0, 1, 2), "{whole}");
    assert!(whole.contains("no such item"), "{whole}");
    assert_eq!(report(spans).errors(), 1);
    assert_eq!(tree(&format!("[{spans}]")), whole);
    let select = report(spans).points().last().unwrap().parent_id().to_string();
    assert_eq!(select, "a-served");
}

#[test]
fn what_makes_no_sense_says_where_and_what_was_expected() {
    let broken = OTLP.replace("\"name\": \"query\"", "\"name\": 7");
    let said = error(&broken);
    assert!(
        said.starts_with("line 13: invalid type: integer `7`, expected a string; expected OTLP"),
        "{said}"
    );
    let line = OTLP.replace('\n', " ");
    let said = error(&format!("{line}\n{}", line.replace("\"5b", "7, \"5b")));
    assert!(said.starts_with("line 2: "), "{said}");
    assert!(error(r#"{"resourceSpans": []}"#).starts_with("found not a single span"));
    let said = error(r#"[{"traceId": "1", "id": 2}]"#);
    assert!(said.contains("expected a string") && said.ends_with("JSON of Zipkin"), "{said}");
}

#[test]
fn hostile_files_are_survived() {
    let deep = "[".repeat(100_000);
    let bidi = OTLP.replace("SELECT 1", "\u{202e}</script><b>");
    assert!(!tree(&bidi).contains('\u{202e}'));
    for text in [
        OTLP.replace("\"SELECT 1\"", &format!("{deep}{}", "]".repeat(100_000))),
        OTLP.replace("1544712660000000000", "99999999999999999999999999"),
        OTLP.replace("1544712661000000000", "-1"),
        OTLP.replace("eee19b7ec3c1b175", "eee19b7ec3c1b174"),
        OTLP[..OTLP.len() / 2].to_owned(),
        format!("{{\"data\": {deep}"),
        format!(
            "[{{\"traceId\": \"\", \"id\": \"\", \"parentId\": \"\", \"timestamp\": {}}}]",
            i64::MIN
        ),
        format!(
            "[{{\"traceId\": \"\", \"id\": \"x\", \"timestamp\": {0}, \"duration\": {0}}}]",
            i64::MAX
        ),
        r#"{"data": [{"traceID": "zz", "spans": [], "processes": {}}]}"#.to_owned(),
    ] {
        let mut builder = ReportBuilder::new();
        // Instants beyond the years that a record can tell are unreadable, and counted.
        let _ = source::records(&text, &mut |_, json| drop(builder.add(json)));
        let report = builder.finish();
        assert!(report.to_json().starts_with('{'));
        assert!(!render_text(&report, &TextOptions::default()).is_empty());
    }
}

proptest! {
    #[test]
    fn anything_is_survived(
        text in r#"[\[{](\{"traceId":"1","id":"a"|"resourceSpans":|"data":|"spans":|"traceID":|"scopeSpans":|"startTimeUnixNano":|"timestamp":|[\[\]{}",: ]|[0-9]{1,20}|a|密)*"#
    ) {
        let mut builder = ReportBuilder::new();
        if source::records(&text, &mut |_, json| drop(builder.add(json))).is_err() {
            return Ok(());
        }
        let report = builder.finish().to_json();
        prop_assert_eq!(report.chars().next(), Some('{'));
    }
}
