//! The API over a real store, by HTTP.

mod common;

use std::path::Path;
use std::time::Duration;

use common::{Place, Running, point, serve};
use osprofiler_collector::{Server, Settings};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const TRACES: [&str; 5] =
    ["image-list", "server-create", "server-create-novalidhost", "token-issue", "volume-create"];

impl Running {
    async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    /// The kind and the message of an error.
    async fn error(&self, path: &str, status: u16) -> (String, String) {
        let response = self.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        let error: Value = response.json().await.unwrap();
        let text = |key: &str| error["error"][key].as_str().unwrap().to_owned();
        (text("kind"), text("message"))
    }
}

/// The records of a real trace.
fn records(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/traces");
    std::fs::read_to_string(folder.join(format!("{name}.records.jsonl"))).unwrap()
}

fn base_id(lines: &str) -> String {
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    first["base_id"].as_str().unwrap().to_owned()
}

fn ids(page: &Value) -> Vec<String> {
    let traces = page["traces"].as_array().unwrap();
    traces.iter().map(|trace| trace["base_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn real_traces_are_listed_newest_first_and_filtered() {
    let place = Place::new();
    TRACES.iter().for_each(|name| place.write(&records(name)));
    let server = place.serve().await;
    let all = server.json("api/v1/traces").await;
    assert_eq!((ids(&all).len(), &all["next"]), (TRACES.len(), &Value::Null));
    let times: Vec<&str> = all["traces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["timestamp"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    for (filter, expected) in [
        (format!("since={}", times[1]), &ids(&all)[..2]),
        (format!("until={}", times[1]), &ids(&all)[2..]),
        ("limit=1".into(), &ids(&all)[..1]),
    ] {
        assert_eq!(
            ids(&server.json(&format!("api/v1/traces?{filter}")).await),
            expected,
            "{filter}"
        );
    }
    let long = server.json("api/v1/traces?min_duration_us=1000000").await;
    assert!((1..TRACES.len()).contains(&ids(&long).len()));
    let failed = server.json("api/v1/traces?errors=true").await;
    assert_eq!(ids(&failed), [base_id(&records("server-create-novalidhost"))]);
    let cinder = "api/v1/traces?project=cinder&service=cinder-volume&name=driver";
    assert_eq!(ids(&server.json(cinder).await), [base_id(&records("volume-create"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_traces_are_paged_through_each_once() {
    let place = Place::new();
    // Many start in the same microsecond, some of them on the edge of a page.
    let lines: String = (0..1000_i64)
        .map(|at| point(&format!("trace {at:04}"), &format!("point {at}"), "x", at / 7, Some(5)))
        .collect();
    place.write(&lines);
    let server = place.serve().await;
    for limit in [3, 64, 1000] {
        let mut seen: Vec<String> = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = server.json(&format!("api/v1/traces?limit={limit}{cursor}")).await;
            seen.extend(ids(&page));
            let Some(next) = page["next"].as_str() else { break };
            assert_eq!(ids(&page).len(), limit);
            cursor = format!("&cursor={}", next.replace(' ', "%20"));
        }
        let mut expected: Vec<i64> = (0..1000).collect();
        expected.sort_by_key(|at| (-(at / 7), *at));
        let expected: Vec<String> = expected.iter().map(|at| format!("trace {at:04}")).collect();
        assert_eq!(seen, expected, "limit {limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_is_the_report_and_its_points_are_found() {
    let place = Place::new();
    place.write(&records("token-issue"));
    let server = place.serve().await;
    let id = base_id(&records("token-issue"));
    let report = server.json(&format!("api/v1/traces/{id}?format=json")).await;
    assert_eq!(report["info"]["base_id"], id);
    let root = &report["children"][1];
    let child = &root["children"][0];
    let point = child["trace_id"].as_str().unwrap();
    let found = server.json(&format!("api/v1/traces/{id}/points/{point}")).await;
    assert_eq!(found["ancestors"], serde_json::json!([root["trace_id"]]));
    assert_eq!(found["point"]["info"], child["info"]);
    assert_eq!(found["children"], child["children"].as_array().unwrap().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_as_they_were_stored() {
    let place = Place::new();
    let lines = records("server-create");
    place.write(&lines);
    let server = place.serve().await;
    let response = server.get(&format!("api/v1/traces/{}/records", base_id(&lines))).await;
    assert_eq!(response.headers()["content-type"], "application/jsonl; charset=utf-8");
    assert_eq!(response.text().await.unwrap(), lines);
    let (kind, _) = server.error("api/v1/traces/nobody/records", 404).await;
    assert_eq!(kind, "not_found");
}

/// The next event of a stream: its name and its data.
async fn next_event(response: &mut reqwest::Response, text: &mut String) -> (String, Value) {
    loop {
        if let Some((event, rest)) = text.clone().split_once("\n\n") {
            *text = rest.to_owned();
            let line = |key: &str| event.lines().find_map(|line| line.strip_prefix(key));
            if let (Some(name), Some(data)) = (line("event: "), line("data: ")) {
                return (name.to_owned(), serde_json::from_str(data).unwrap());
            }
            continue;
        }
        let chunk = tokio::time::timeout(Duration::from_secs(20), response.chunk()).await;
        let chunk = chunk.expect("an event in time").unwrap().expect("more of the stream");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_grows_is_told_as_it_grows() {
    let place = Place::new();
    place.write(&point("b", "one", "b", 0, None));
    let server = place.serve().await;
    let mut events = server.get("api/v1/traces/b/events").await;
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    let (name, data) = next_event(&mut events, &mut text).await;
    assert_eq!((&*name, &data["points"], &data["unfinished"]), ("trace", &1.into(), &1.into()));
    place.write(&point("b", "two", "one", 10, Some(20)));
    let (_, data) = next_event(&mut events, &mut text).await;
    assert_eq!(
        (&data["points"], &data["records"], &data["duration_us"]),
        (&2.into(), &3.into(), &30.into())
    );
    // What is shown next is what was told.
    let report = server.json("api/v1/traces/b?format=json").await;
    assert_eq!(report["info"]["points"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_traces_are_told_as_they_come_and_who_waits_for_one_is_told_too() {
    let place = Place::new();
    place.write(&point("old", "one", "old", 0, Some(1)));
    let server = place.serve().await;
    let mut list = server.get("api/v1/traces/events").await;
    let mut trace = server.get("api/v1/traces/new/events").await;
    let (mut list_text, mut trace_text) = (String::new(), String::new());
    let (name, data) = next_event(&mut list, &mut list_text).await;
    assert_eq!((&*name, ids(&data)), ("traces", vec!["old".to_owned()]));
    let (name, data) = next_event(&mut trace, &mut trace_text).await;
    assert_eq!((&*name, &data["error"]["kind"]), ("problem", &"not_found".into()));
    place.write(&point("new", "two", "new", 5, Some(1)));
    assert_eq!(ids(&next_event(&mut list, &mut list_text).await.1), ["new"]);
    assert_eq!(next_event(&mut trace, &mut trace_text).await.0, "trace");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_ends_though_somebody_is_told_live() {
    let settings = {
        let mut settings = Settings::new("memory://ends".parse().unwrap());
        settings.listen.set_port(0);
        settings
    };
    let server = Server::bind(settings).await.unwrap();
    let url = server.url();
    let (enough, told) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async { drop(told.await) }));
    let mut events = reqwest::get(format!("{url}api/v1/traces/events")).await.unwrap();
    drop(enough);
    let ended = tokio::time::timeout(Duration::from_secs(4), running).await;
    ended.expect("before the grace is over").unwrap().unwrap();
    while events.chunk().await.unwrap().is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_watchers_than_there_are_places() {
    let place = Place::new();
    let server = place.serve().await;
    let mut watchers = Vec::new();
    for _ in 0..64 {
        watchers.push(server.get("api/v1/traces/x/events").await);
    }
    assert_eq!(server.error("api/v1/traces/x/events", 503).await.0, "busy");
    // A place is free as soon as its watcher has gone.
    drop(watchers.pop());
    let again = async {
        while server.get("api/v1/traces/x/events").await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.expect("a place in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_back_end_without_a_trace_is_an_empty_list() {
    let place = Place::new();
    let server = place.serve().await;
    assert_eq!(ids(&server.json("api/v1/traces").await), [""; 0]);
    let (kind, message) = server.error("api/v1/traces/nobody", 404).await;
    assert_eq!(kind, "not_found");
    assert!(!message.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_is_and_can_do_is_told_without_secrets() {
    let place = Place::new();
    let server = place.serve().await;
    let about = server.json("api/v1/about").await;
    assert_eq!((&about["api"], &about["capabilities"]["list"]), (&1.into(), &true.into()));
    let mut settings = Settings::new("memory://x?password=hush".parse().unwrap());
    settings.listen = "127.0.0.1:0".parse().unwrap();
    let server = serve(settings).await;
    let about = server.json("api/v1/about").await;
    assert_eq!(about["connection_string"], "memory://x?password=***");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_said_in_one_line() {
    let place = Place::new();
    place.write(&point("b", "t", "b", 0, Some(1)));
    let server = place.serve().await;
    for (path, status, said) in [
        ("traces?since=yesterday", 400, "`since` is `yesterday`, expected UTC like"),
        ("traces?limit=many", 400, "limit: invalid digit"),
        ("traces?sort=name", 400, "unknown field `sort`, expected one of `since`"),
        ("traces?cursor=x", 400, "expected the `next` of the page before"),
        ("traces/b?format=pdf", 400, "unknown format `pdf`; expected one of text, json"),
        ("traces/b/points/x", 404, "no point `x`"),
        ("nowhere", 404, "nothing is at this path"),
    ] {
        let (_, message) = server.error(&format!("api/v1/{path}"), status).await;
        assert!(message.contains(said) && !message.contains('\n'), "{path}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_text_is_an_id() {
    let place = Place::new();
    let server = place.serve().await;
    for (id, path) in [
        ("../../etc/passwd", "..%2F..%2Fetc%2Fpasswd"),
        ("</script><img onerror=x>", "%3C%2Fscript%3E%3Cimg%20onerror%3Dx%3E"),
        ("events", "%65vents"),
        ("\u{202e}密\"'", "%E2%80%AE%E5%AF%86%22%27"),
        ("a?b#c&d%2F", "a%3Fb%23c%26d%252F"),
    ] {
        place.write(&point(id, "t", id, 0, Some(1)));
        let report = server.json(&format!("api/v1/traces/{path}?format=json")).await;
        assert_eq!(report["info"]["base_id"], id);
        let response = server.get(&format!("api/v1/traces/{path}?format=records")).await;
        let name = response.headers()["content-disposition"].to_str().unwrap().to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let name = name.strip_prefix("attachment; filename=\"").unwrap().strip_suffix('"').unwrap();
        assert!(name.starts_with("trace-") && name.chars().all(plain), "{name}");
    }
}

/// The header of columns.
fn header(columns: &[u8]) -> Value {
    assert!(columns.starts_with(b"OSPCOLS1"));
    let size = u32::from_le_bytes(columns[8..12].try_into().unwrap()) as usize;
    serde_json::from_slice(&columns[12..12 + size]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_comes_as_columns_in_whole_or_in_parts() {
    let place = Place::new();
    let lines = records("server-create");
    place.write(&lines);
    let server = place.serve().await;
    let trace = format!("api/v1/traces/{}", base_id(&lines));
    let report = server.json(&format!("{trace}?format=json")).await;
    let columns = async |path: String| server.get(&path).await.bytes().await.unwrap();
    let whole = columns(trace.clone()).await;
    assert_eq!(header(&whole)["points"], report["info"]["points"]);
    assert_eq!(header(&whole)["records_size"], 0);
    let with_records = columns(format!("{trace}?format=columns&records=true")).await;
    assert!(header(&with_records)["records_size"].as_u64() > Some(1000));
    let few = columns(format!("{trace}?max_points=50")).await;
    assert!(header(&few)["points"].as_u64() <= Some(50) && few.len() < whole.len());

    let largest = report["children"].as_array().unwrap().iter().max_by_key(|root| count(root));
    let root = largest.unwrap();
    let below = format!("{trace}/points/{}/subtree", root["trace_id"].as_str().unwrap());
    assert_eq!(header(&columns(below).await)["points"], count(root));
    server.error(&format!("{trace}/points/nobody/subtree"), 404).await;
}

/// Number of points of a subtree.
fn count(node: &Value) -> usize {
    1 + node["children"].as_array().unwrap().iter().map(count).sum::<usize>()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_shown_and_not_stored() {
    let place = Place::new();
    let server = place.serve().await;
    let post = async |query: &str, file: String| {
        let url = format!("{}api/v1/view{query}", server.url);
        reqwest::Client::new().post(url).body(file).send().await.unwrap()
    };
    let lines = records("token-issue");
    let columns = post("", lines.clone()).await.bytes().await.unwrap();
    assert_eq!(header(&columns)["base_id"], base_id(&lines));
    assert!(header(&columns)["records_size"].as_u64() > Some(1000));
    let report = post("?format=json", lines.clone()).await.text().await.unwrap();
    // What was written is read again.
    assert_eq!(post("?format=json", report.clone()).await.text().await.unwrap(), report);
    let cut = post("", lines + "{\"trace_id\": 7}").await;
    let incomplete = cut.headers()["osprofiler-incomplete"].to_str().unwrap();
    assert!(
        incomplete.starts_with("line 109: ") && incomplete.ends_with("; shown without it"),
        "{incomplete}"
    );
    let refused = post("", "<html>".into()).await;
    assert_eq!(refused.status(), 400);
    let error: Value = refused.json().await.unwrap();
    let said = error["error"]["message"].as_str().unwrap();
    assert!(said.starts_with("found text that begins with `<html>`, expected"), "{said}");
    assert_eq!(ids(&server.json("api/v1/traces").await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_too_large_is_refused() {
    let place = Place::new();
    let server = place.serve().await;
    let url = format!("{}api/v1/view", server.url);
    let refused =
        reqwest::Client::new().post(url).body(vec![b' '; (256 << 20) + 1]).send().await.unwrap();
    assert_eq!(refused.status(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_do_not_come_hold_up_no_others() {
    let place = Place::new();
    let server = place.serve().await;
    let address = server.url.trim_start_matches("http://").trim_end_matches('/');
    let mut silent = Vec::new();
    for _ in 0..2 {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let head =
            format!("POST /api/v1/view HTTP/1.1\r\nhost: {address}\r\ncontent-length: 9\r\n\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        silent.push(connection);
    }
    let post = reqwest::Client::new().post(format!("{}api/v1/view", server.url));
    let answer = post.body(records("token-issue")).timeout(Duration::from_secs(60)).send().await;
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_back_end_that_only_writes_is_refused_at_once() {
    let refused = Server::bind(Settings::new("nothing://x".parse().unwrap())).await;
    let message = refused.err().unwrap().to_string();
    assert!(message.contains("unknown driver scheme `nothing`"), "{message}");
}
