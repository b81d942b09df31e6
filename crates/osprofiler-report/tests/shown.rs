//! What people see: text, HTML, DOT.

use osprofiler_report::text::{TextOptions, render_text};
use osprofiler_report::{Report, dot::render_dot, html::render_html};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

/// Second 10 and so many microseconds.
fn record(name: &str, ids: [&str; 2], us: u32, info: Value) -> String {
    json!({
        "name": name,
        "base_id": "trace-1",
        "parent_id": ids[0],
        "trace_id": ids[1],
        "timestamp": format!("2016-04-18T17:42:10.{us:06}"),
        "project": "nova",
        "service": if ids[1].starts_with('c') { "conductor" } else { "api" },
        "info": info,
    })
    .to_string()
}

fn sample() -> Vec<String> {
    vec![
        record(
            "wsgi-start",
            ["trace-1", "a"],
            0,
            json!({"host": "ctl1", "request": {"method": "POST", "path": "/servers", "query": ""}}),
        ),
        record(
            "db-start",
            ["a", "b"],
            10_000,
            json!({"host": "ctl1", "db": {"statement": "SELECT a,\n  b FROM t WHERE c = 1"}}),
        ),
        record("db-stop", ["a", "b"], 10_400, json!({"host": "ctl1"})),
        record(
            "rpc-start",
            ["a", "c"],
            20_000,
            json!({"host": "ctl2", "function": {"name": "nova.conductor.Manager.build"}}),
        ),
        record("lock-start", ["c", "c1"], 40_000, json!({"host": "ctl2"})),
        record(
            "rpc-stop",
            ["a", "c"],
            90_000,
            json!({"host": "ctl2", "etype": "nova.exception.NoValidHost", "message": "none left"}),
        ),
        record("late-start", ["gone", "d"], 95_000, json!({"host": "ctl1"})),
        record("late-stop", ["gone", "d"], 96_000, json!({"host": "ctl1"})),
        record("wsgi-stop", ["trace-1", "a"], 100_000, json!({"host": "ctl1"})),
        "broken".to_owned(),
    ]
}

fn report(records: &[String]) -> Report {
    records.iter().map(String::as_str).collect()
}

fn text(report: &Report, width: Option<usize>) -> String {
    render_text(report, &TextOptions { width, color: false })
}

#[test]
fn text_at_80_columns() {
    let expected = "\
trace      trace-1
started    2016-04-18 17:42:10.000000 UTC
duration   100 ms
services   nova/api, nova/conductor
points     5
errors     1
unfinished 1, without a stop record
orphans    1, whose parent is unknown
unreadable 1, left out

duration │0         100 ms│ point
  100 ms │████████████████│ wsgi POST /servers · nova/api on ctl1
  400 us │ ▕              │ ├─ db SELECT a, b FROM t WHERE c = 1
 70.0 ms │   ███████████▍ │ └─ rpc Manager.build  error: NoValidHost: none left
       - │      ▏░░░░░░░░░│    └─ lock  unfinished
 1.00 ms │               ▏│ late · nova/api on ctl1  orphan

name         count    total     self  share
rpc              1  70.0 ms  70.0 ms  70.0%
wsgi             1   100 ms  29.6 ms  29.6%
late             1  1.00 ms  1.00 ms   1.0%
db               1   400 us   400 us   0.4%
lock             1        0        0   0.0%
(no point)                         0   0.0%
self: time not covered by children; share: of the trace's duration
";
    let shown = text(&report(&sample()), Some(80));
    assert_eq!(shown, expected, "\n{shown}");
}

#[test]
fn uncut_text_keeps_everything() {
    let shown = text(&report(&sample()), None);
    assert!(
        shown.contains(
            "rpc nova.conductor.Manager.build · nova/conductor on ctl2  \
         error: nova.exception.NoValidHost: none left\n"
        ),
        "{shown}"
    );
}

#[test]
fn color_adds_escapes_and_nothing_else() {
    let report = report(&sample());
    let options = TextOptions { width: Some(100), color: true };
    let mut shown = render_text(&report, &options);
    assert!(shown.contains("\x1b[31m  error: "), "{shown}");
    for code in ["0", "1", "2", "31", "33", "36"] {
        shown = shown.replace(&format!("\x1b[{code}m"), "");
    }
    assert_eq!(shown, text(&report, Some(100)));
}

#[test]
fn no_records_are_no_danger() {
    let empty = report(&[]);
    assert_eq!(text(&empty, Some(80)), "points     0\nerrors     0\n");
    assert!(render_html(&empty).contains("Empty trace"));
    assert!(render_dot(&empty).starts_with("digraph {"));
    let json: Value = serde_json::from_str(&empty.to_json()).unwrap();
    assert_eq!(json["info"]["finished"], Value::Null);
    assert_eq!(json["children"], json!([]));
}

/// Text that would break out of whatever shows it.
const HOSTILE: &str = "</pre></style></title><script>alert(1)</script><img src=x onerror=y>\
    \" onmouseover=\"z\" ' --> ]]> \\ \x1b[2J\x1b]0;t\x07 \u{202e}\u{9b}31m 密\u{301}🔑\r\n\0 &lt; $&";

fn hostile() -> Report {
    let start = json!({
        "name": format!("{HOSTILE}-start"),
        "base_id": HOSTILE,
        "parent_id": "p",
        "trace_id": format!("t{HOSTILE}"),
        "timestamp": "2016-04-18T17:42:10.000000",
        "project": HOSTILE,
        "service": HOSTILE,
        "info": {"host": HOSTILE, HOSTILE: HOSTILE},
    });
    let mut records = Vec::new();
    for (at, info) in [
        json!({"host": HOSTILE, HOSTILE: HOSTILE}),
        json!({"request": {"method": HOSTILE, "path": HOSTILE, "query": HOSTILE}}),
        json!({"requests": {"hostname": HOSTILE, "port": HOSTILE, "path": HOSTILE}}),
        json!({"db": {"statement": HOSTILE}}),
        json!({"function": {"name": HOSTILE}}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut record = start.clone();
        record["info"] = info;
        record["trace_id"] = format!("{at}{HOSTILE}").into();
        records.push(record.to_string());
        record["name"] = format!("{HOSTILE}-stop").into();
        record["info"] = json!({"etype": HOSTILE, "message": HOSTILE, "host": HOSTILE,
            "requests": {"status_code": HOSTILE}});
        records.push(record.to_string());
    }
    let mut odd = start.clone();
    odd["trace_id"] = "odd".into();
    records.push(odd.to_string());
    odd["name"] = format!("{HOSTILE}-stop").into();
    odd["info"] = json!({"etype": {HOSTILE: [HOSTILE]}});
    records.push(odd.to_string());
    report(&records)
}

/// What of a page does not come from `web/`: its title, and the trace in base64.
fn traced_part(page: &str) -> String {
    let between = |from: &str, to: &str| {
        let rest = page.split_once(from).expect(from).1;
        rest.split_once(to).expect(to).0.to_owned()
    };
    between("<title>", "</title>") + &between("id=\"columns\">", "</script>")
}

#[test]
fn hostile_text_stays_text_in_html() {
    let page = render_html(&hostile());
    let traced = traced_part(&page);
    assert!(!traced.contains(['<', '>', '\u{202e}']) && !traced.chars().any(char::is_control));
    let of_nothing = render_html(&report(&[]));
    let ours = page.len() - traced.len();
    assert_eq!(ours, of_nothing.len() - traced_part(&of_nothing).len());
}

#[test]
fn a_page_forbids_whatever_is_elsewhere() {
    let page = render_html(&report(&sample()));
    let policy = page.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
    let policy = policy.split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(policy.ends_with("connect-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.contains("src=\"") && !page.contains("@import"));
    // `url(#arrow)` is in the page itself.
    assert!(!page.replace("url(#", "").contains("url("));
}

#[test]
fn hostile_text_stays_text_in_a_terminal() {
    for width in [None, Some(0), Some(40), Some(120)] {
        let shown = text(&hostile(), width);
        assert!(!shown.chars().any(|c| c != '\n' && c.is_control()));
        assert!(!shown.contains('\u{202e}'));
        // One line a point, whatever line ends it holds.
        assert_eq!(shown.lines().filter(|line| line.contains("│ ")).count(), 1 + 6);
    }
}

#[test]
fn hostile_text_stays_in_its_label() {
    let dot = render_dot(&hostile());
    for line in dot.lines().filter(|line| line.contains("label=\"")) {
        let inside = line.split_once("label=\"").unwrap().1;
        let mut escaped = false;
        let end = inside
            .find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })
            .unwrap();
        let rest = &inside[end + 1..];
        assert!(rest.is_empty() || rest == ", color=red, fontcolor=red]", "{rest}");
    }
}

#[test]
fn graph_of_the_sample() {
    let dot = render_dot(&report(&sample()));
    for line in [
        r#"  p0 [label="api:wsgi - 100 ms\nPOST /servers"]"#,
        r#"  p1 [label="api:db - 0.4 ms\nSELECT … FROM t WHERE c = 1"]"#,
        "  p0 -> p1",
        r#"  p2 [label="conductor:rpc - 70 ms\nManager.build\nerror: NoValidHost: none left", color=red, fontcolor=red]"#,
        r#"  p3 [label="conductor:lock - unfinished", style=dashed]"#,
        "  p2 -> p3",
        r#"  p4 [label="api:late - 1 ms"]"#,
    ] {
        assert!(dot.lines().any(|found| found == line), "{line}\n{dot}");
    }
}

#[test]
fn lines_are_never_wider_than_the_terminal() {
    let mut records = sample();
    for at in 0..60 {
        let (parent, own) = (format!("deep{at}"), format!("deep{}", at + 1));
        let info =
            json!({"host": format!("密{at}"), "request": {"path": "/密密密密密密密".repeat(9)}});
        records.push(record("深い-start", [&parent, &own], 50_000 + at, info));
    }
    let report = report(&records);
    for width in 40..140 {
        for line in text(&report, Some(width)).lines() {
            assert!(line.width() <= width, "{width}: {line}");
        }
    }
    let shown = text(&report, Some(80));
    assert!(shown.contains("…59"), "levels have numbers where lines end\n{shown}");
}

#[test]
fn what_was_dropped_is_said_first() {
    let record = |name: &str, id: &str, info: &str| {
        format!(
            r#"{{"name":"{name}","base_id":"b","parent_id":"b","trace_id":"{id}",
            "timestamp":"2026-01-02T03:04:05.000000","info":{info}}}"#
        )
    };
    let lost = r#"{"dropped":{"no_room":12,"failed":30},"host":"ctl1"}"#;
    let other = r#"{"dropped":{"no_room":"many"}}"#;
    let mut records = vec![
        record("dropped-start", "t1", lost),
        record("dropped-stop", "t1", "{}"),
        record("db-start", "t2", lost),
        record("dropped-start", "t3", other),
    ];
    // Stored twice, as a retry may.
    records.push(records[0].clone());
    let report = report(&records);
    assert_eq!(report.dropped(), 42);
    let text = text(&report, Some(80));
    assert!(text.contains("\ndropped    42 records: the trace is not whole\n"), "{text}");
    assert!(text.contains("dropped no_room=12 failed=30"), "{text}");
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["info"]["dropped"], 42);
}
