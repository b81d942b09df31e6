//! `elasticsearch://` and `opensearch://`, against real nodes of both.

#![cfg(feature = "elasticsearch")]

mod common;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use common::upstream::{TRACES, comparable, python_with, report_of, trace, trace_file};
use common::{read, reader, record, services, writer};
use osprofiler_drivers::{ErrorKind, ListQuery, Options, TraceSummary, open_writer};
use osprofiler_testkit::drivers;
use osprofiler_wire::{Info, Phase, Record, RecordView, Timestamp};
use serde_json::{Value, json};

#[test]
fn opensearch_passes_the_suite() {
    let Some(url) = services::url("opensearch", "opensearch") else { return };
    assert_eq!(drivers::run(&url).skipped, [""; 0]);
}

#[test]
fn elasticsearch_passes_the_suite() {
    let _shared = shared();
    let Some(url) = services::url("elasticsearch", "elasticsearch") else { return };
    assert_eq!(drivers::run(&url).skipped, [""; 0]);
}

#[test]
fn what_was_acknowledged_outlives_the_server() {
    // Nobody else needs the server meanwhile.
    let _alone = ELASTICSEARCH.write().unwrap_or_else(PoisonError::into_inner);
    let Some(url) = services::url("elasticsearch", "elasticsearch") else { return };
    let (stop, start) = (|| services::stop("elasticsearch"), || services::start("elasticsearch"));
    drivers::outage(&url, stop, start);
}

#[test]
fn elasticsearch_as_a_scheme_may_point_at_opensearch() {
    let Some(place) = Place::new("opensearch", "opensearch") else { return };
    let url = place.url("").replace("opensearch://", "elasticsearch://");
    writer(&url).unwrap().write(&[record("kolla", 0)]).unwrap();
    assert_eq!(read(&mut *reader(&url).unwrap(), "kolla").unwrap().len(), 1);
}

#[test]
fn users_have_passwords_and_servers_certificates() {
    let Some(place) = Place::new("opensearch-secure", "secure") else { return };
    let url = place.url("");
    let records = [record("secure", 0), record("secure", 1)];
    let mut writer = writer(&url).unwrap();
    writer.write(&records).unwrap();
    let mut reader = reader(&url).unwrap();
    assert_eq!(read(&mut *reader, "secure").unwrap(), texts(&records));
    assert_eq!(reader.list(&ListQuery::default()).unwrap().len(), 1);
    assert!(writer.delete(&"secure".into()).unwrap());

    for (from, to, expected) in [
        (":hush@", ":wrong@", "HTTP 401"),
        ("nova:hush@", "", "HTTP 401"),
        // Its certificate is not one that the system knows.
        ("ca=", "timeout=5&cert=&key=&ca=/dev/null#", "cannot use"),
        ("osprofiler-notifications", "secrets", "HTTP 403"),
    ] {
        assert!(url.contains(from), "{url}");
        let said = drivers::refusal(&url.replace(from, to), "hush");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_server_whose_certificate_nobody_vouches_for_is_not_talked_to() {
    let Some(url) = services::url("opensearch-secure", "secure") else { return };
    let untrusted = url.split('?').next().unwrap();
    let error = writer(untrusted).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    let said = format!("{error} {error:?}");
    assert!(said.contains("UnknownIssuer") && !said.contains("hush"), "{said}");
    writer(&format!("{untrusted}?insecure=true")).unwrap();
    // And without TLS at all.
    let plain = services::url("opensearch-secure", "plain").unwrap();
    assert!(writer(&plain).is_err());
}

#[test]
fn a_cluster_keeps_the_order_of_traces_in_many_shards() {
    let Some(place) = Place::new("opensearch-cluster", "cluster") else { return };
    let url = place.url("&shards=3&replicas=1");
    let ids: Vec<String> = (0..30).map(|at| format!("trace-{at}")).collect();
    let mut records: Vec<Record> = Vec::new();
    for at in 0..20 {
        // Times run backwards: the order of storage is another one.
        records.extend(ids.iter().map(|base_id| record(base_id, -at)));
    }
    let mut writer = writer(&url).unwrap();
    records.chunks(100).for_each(|batch| writer.write(batch).unwrap());
    let health = place.curl("GET", "_cluster/health/INDEX", "");
    assert_eq!(
        (&health["active_primary_shards"], &health["number_of_nodes"]),
        (&3.into(), &3.into())
    );
    let mut reader = reader(&url).unwrap();
    for base_id in &ids {
        let own = records.iter().filter(|record| record.base_id.to_string() == *base_id);
        let own: Vec<String> = own.map(Record::to_json).collect();
        assert_eq!(read(&mut *reader, base_id).unwrap(), own);
    }
    let listed = reader.list(&ListQuery::default()).unwrap();
    assert_eq!(listed.len(), ids.len());
    assert!(listed.iter().all(|trace| (trace.points, trace.duration_us) == (20, 19)));
}

#[test]
fn a_node_that_is_down_is_passed_over() {
    let Some(place) = Place::new("opensearch", "opensearch") else { return };
    let url = place.url("").replace("://", "://127.0.0.1:1,");
    writer(&url).unwrap().write(&[record("failover", 0)]).unwrap();
    assert_eq!(read(&mut *reader(&url).unwrap(), "failover").unwrap().len(), 1);
}

#[test]
fn a_day_has_an_index_of_its_own() {
    for server in ["opensearch", "elasticsearch"] {
        let _shared = shared();
        let Some(place) = Place::new(server, server) else { return };
        let url = place.url("&layout=daily");
        let midnight = Timestamp::parse("2026-01-03T00:00:00").unwrap().as_micros();
        let mut records: Vec<Record> = (-3..3).map(|at| record("midnight", at)).collect();
        for (record, micros) in records.iter_mut().zip(midnight - 3..) {
            record.timestamp = Timestamp::from_micros(micros);
        }
        let mut writer = writer(&url).unwrap();
        writer.write(&records).unwrap();
        // What comes again is known, whatever the day.
        writer.write(&records).unwrap();
        let mut reader = reader(&place.url("")).unwrap();
        assert_eq!(read(&mut *reader, "midnight").unwrap(), texts(&records), "{server}");
        let indices = place.indices();
        let names = ["2026.01.02", "2026.01.03"].map(|day| format!("{}-{day}", place.index));
        assert_eq!(indices, names, "{server}");
        let listed = reader.list(&ListQuery::default()).unwrap();
        assert_eq!((listed.len(), listed[0].points, listed[0].duration_us), (1, 6, 5));
        assert!(writer.delete(&"midnight".into()).unwrap());
        assert_eq!(reader.list(&ListQuery::default()).unwrap(), []);
    }
}

#[test]
fn a_data_stream_takes_records_and_gives_them_back() {
    let Some(place) = Place::new("opensearch", "opensearch") else { return };
    let url = place.url("&layout=stream");
    let foreign = r#"{ "record": 7, "base_id":"stream","trace_id":"t","name":"x-stop","timestamp":"2026-01-02 12:00:00"}"#;
    let foreign = Record::from(&RecordView::parse(foreign).unwrap());
    let records = [record("stream", 0), record("stream", 1), foreign];
    let mut writer = writer(&url).unwrap();
    for _ in 0..2 {
        writer.write(&records).unwrap();
    }
    let stream = place.curl("GET", "_data_stream/INDEX-stream", "");
    assert_eq!(stream["data_streams"][0]["template"], format!("{}-stream", place.index));
    let mut reader = reader(&url).unwrap();
    assert_eq!(read(&mut *reader, "stream").unwrap(), texts(&records));
    let listed = reader.list(&ListQuery::default()).unwrap();
    assert_eq!((listed[0].points, listed[0].duration_us), (2, 1));
    assert!(writer.delete(&"stream".into()).unwrap());
    assert_eq!(read(&mut *reader, "stream").unwrap(), [""; 0]);
}

#[test]
fn infos_of_different_types_are_not_refused_and_make_no_fields() {
    for server in ["opensearch", "elasticsearch"] {
        let _shared = shared();
        let Some(place) = Place::new(server, server) else { return };
        let records = clashing();
        writer(&place.url("")).unwrap().write(&records).unwrap();
        let mut reader = reader(&place.url("")).unwrap();
        assert_eq!(sorted(read(&mut *reader, "clash").unwrap()), sorted(texts(&records)));
        let errors = reader.list(&ListQuery::default()).unwrap()[0].errors;
        assert_eq!(errors, 4, "{server}: an etype is one, whatever its type");
        let fields = place.curl("GET", "INDEX/_mapping", "").to_string();
        assert!(!fields.contains("statement") && !fields.contains("key-1"), "{fields}");
    }
}

#[test]
fn an_index_with_fields_of_its_own_takes_all_records() {
    for server in ["opensearch", "elasticsearch"] {
        let _shared = shared();
        let Some(place) = Place::new(server, server) else { return };
        place.make_as_the_python_library_does(1);
        let records = clashing();
        let mut writer = writer(&place.url("")).unwrap();
        writer.write(&records).unwrap();
        writer.write(&records).unwrap();
        let mut reader = reader(&place.url("")).unwrap();
        let found = read(&mut *reader, "clash").unwrap();
        assert_eq!(sorted(found), sorted(texts(&records)), "{server}");
        let listed = reader.list(&ListQuery::default()).unwrap();
        let ours = listed.iter().find(|trace| trace.base_id == "clash".into()).unwrap();
        // Nine starts and four stops; such an index does not know that an etype may be `null`.
        assert_eq!((ours.points, ours.errors), (9, 3), "{server}");
    }
}

#[test]
fn what_the_python_library_wrote_in_many_shards_is_read_listed_and_deleted() {
    for server in ["opensearch", "elasticsearch"] {
        let _shared = shared();
        let Some(place) = Place::new(server, server) else { return };
        place.make_as_the_python_library_does(5);
        let url = place.url("");
        let mut reader = reader(&url).unwrap();
        for (base_id, points) in [("8f3c-aa", 400), ("8f3c-bb", 2), ("8f3c", 1)] {
            let found = read(&mut *reader, base_id).unwrap();
            let distinct: HashSet<&String> = found.iter().collect();
            assert_eq!((found.len(), distinct.len()), (2 * points, 2 * points), "{base_id}");
        }
        let list = |set: &dyn Fn(&mut ListQuery)| {
            let mut query = ListQuery::default();
            set(&mut query);
            let traces = common::reader(&url).unwrap().list(&query).unwrap();
            traces.into_iter().map(|trace| trace.base_id.to_string()).collect::<Vec<_>>()
        };
        let noon = record("", 0).timestamp;
        assert_eq!(list(&|_| ()), ["8f3c", "8f3c-bb", "8f3c-aa"]);
        assert_eq!(list(&|query| query.limit = Some(1)), ["8f3c"]);
        assert_eq!(list(&|query| query.errors_only = true), ["8f3c-bb"]);
        assert_eq!(list(&|query| query.service = Some("8f3c-aa".into())), ["8f3c-aa"]);
        assert_eq!(list(&|query| query.name = Some("db".into())).len(), 3);
        assert_eq!(list(&|query| query.min_duration_us = Some(799_000)), ["8f3c-aa"]);
        assert_eq!(list(&|query| query.min_duration_us = Some(799_001)), [""; 0]);
        assert_eq!(list(&|query| query.until = Some(noon)), [""; 0]);
        let second = |micros| Timestamp::from_micros(noon.as_micros() + 1_000_000 + micros);
        assert_eq!(list(&|query| query.since = Some(second(0))), ["8f3c", "8f3c-bb"]);
        assert_eq!(list(&|query| query.since = Some(second(1))), ["8f3c"]);
        let mut writer = writer(&url).unwrap();
        assert!(writer.delete(&"8f3c".into()).unwrap());
        assert_eq!(list(&|_| ()), ["8f3c-bb", "8f3c-aa"]);
    }
}

#[test]
fn we_and_the_python_library_show_what_the_other_wrote() {
    let _shared = shared();
    let Some(interpreter) = services::url("elasticsearch", "python") else { return };
    let [theirs, ours] = [TRACES[3], TRACES[4]];
    // Whoever comes first makes the index, and so chooses how its fields are stored.
    for we_come_first in [true, false] {
        let place = Place::new("elasticsearch", "elasticsearch").unwrap();
        let upstream = |arguments: &[&str]| {
            let arguments = [&[arguments[0], &place.url], &arguments[1..]].concat();
            python_with(&interpreter, &json!({"index_name": place.index}), &arguments)
        };
        let put_ours = || writer(&place.url("")).unwrap().write(&trace(ours)).unwrap();
        if we_come_first {
            put_ours();
        }
        upstream(&["put", &trace_file(theirs)]);
        if !we_come_first {
            put_ours();
        }
        let mut reader = reader(&place.url("")).unwrap();
        let mut listed = reader.list(&ListQuery::default()).unwrap();
        listed.sort_by_key(|summary| summary.points);
        for (summary, name) in listed.iter().zip([theirs, ours]) {
            let records = trace(name);
            let base_id = records[0].base_id.to_string();
            assert_eq!(summary.base_id, records[0].base_id);
            assert_eq!((summary.points, summary.unfinished), (records.len() as u64 / 2, 0));
            let found = read(&mut *reader, &base_id).unwrap();
            let expected = report_of(&texts(&records));
            assert_eq!(report_of(&found), expected, "our report of {name}");
            let shown: Vec<Value> = serde_json::from_str(&upstream(&["show", &base_id])).unwrap();
            assert_eq!(comparable(shown[0].clone()), expected, "their report of {name}");
        }
        assert_eq!(listed.len(), 2);
        assert_eq!(
            read(&mut *reader, &listed[1].base_id.to_string()).unwrap(),
            texts(&trace(ours))
        );
    }
}

#[test]
fn failed_traces_are_noted_for_the_python_library() {
    let _shared = shared();
    let Some(place) = Place::new("elasticsearch", "elasticsearch") else { return };
    let mut failed = record("failed", 1);
    failed.phase = Phase::Stop;
    failed.info = Info::new().with("etype", "KeyError");
    let mut options = Options::default();
    options.filter_error_trace = true;
    let url = place.url("").parse().unwrap();
    let mut writer = open_writer(&url, &options).unwrap();
    writer.write(&[record("fine", 0), failed.clone()]).unwrap();
    place.curl("POST", "INDEX-error/_refresh", "");
    let noted = place.curl("GET", "INDEX-error/_search", "");
    assert_eq!(noted["hits"]["total"]["value"], 1);
    let expected = json!({"base_id": "failed", "timestamp": failed.timestamp.to_string()});
    assert_eq!(noted["hits"]["hits"][0]["_source"], expected);
    assert!(writer.delete(&"failed".into()).unwrap());
    place.curl("POST", "INDEX-error/_refresh", "");
    assert_eq!(place.curl("GET", "INDEX-error/_count", "")["count"], 0);
}

#[test]
fn a_template_that_somebody_made_is_left_alone() {
    let Some(place) = Place::new("opensearch", "opensearch") else { return };
    let theirs = json!({"index_patterns": [format!("{}*", place.index)], "priority": 300,
        "template": {"settings": {"index.number_of_shards": 2}}});
    place.curl("PUT", "_index_template/INDEX", &theirs.to_string());
    let url = place.url("&shards=4");
    writer(&url).unwrap().write(&[record("theirs", 0)]).unwrap();
    let settings = place.curl("GET", "INDEX/_settings", "");
    assert_eq!(settings[&place.index]["settings"]["index"]["number_of_shards"], "2");
    assert_eq!(read(&mut *reader(&url).unwrap(), "theirs").unwrap().len(), 1);
}

#[test]
fn nothing_is_there_before_somebody_wrote() {
    let Some(place) = Place::new("opensearch", "opensearch") else { return };
    let mut reader = reader(&place.url("")).unwrap();
    assert_eq!(read(&mut *reader, "any").unwrap(), [""; 0]);
    assert_eq!(reader.list(&ListQuery::default()).unwrap(), [] as [TraceSummary; 0]);
}

#[test]
fn an_id_that_is_too_long_is_an_error_and_the_others_are_stored() {
    let Some(place) = Place::new("opensearch", "opensearch") else { return };
    let long = record(&"x".repeat(40_000), 0);
    let mut writer = writer(&place.url("")).unwrap();
    let error = writer.write(&[record("short", 0), long, record("short", 1)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains("refuses 1 of them"), "{error}");
    assert_eq!(read(&mut *reader(&place.url("")).unwrap(), "short").unwrap().len(), 2);
}

#[test]
fn an_api_key_is_sent_and_never_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("elasticsearch://{}?api_key=aHVzaA==", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 2000];
        let length = stream.read(&mut request).unwrap();
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let error = writer(&url).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(!format!("{error} {error:?}").contains("aHVzaA"), "{error}");
    let request = asked.join().unwrap();
    assert!(request.contains("authorization: ApiKey aHVzaA==\r\n"), "{request}");
}

#[test]
fn options_that_make_no_sense_are_named() {
    for (options, expected) in [
        ("indx=a", "unknown option `indx`"),
        ("layout=hourly", "expected `single`, `daily` or `stream` as `layout`"),
        ("index=A", "as `index`"),
        ("shards=few", "expected a number as `shards`"),
    ] {
        let error = writer(&format!("opensearch://127.0.0.1:1?{options}")).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionString);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// Held for writing by the test that stops the server.
static ELASTICSEARCH: RwLock<()> = RwLock::new(());

fn shared() -> RwLockReadGuard<'static, ()> {
    ELASTICSEARCH.read().unwrap_or_else(PoisonError::into_inner)
}

/// An index of its own on a server, and all that begins like it; removed in the end.
struct Place {
    url: String,
    index: String,
}

impl Place {
    fn new(service: &str, name: &str) -> Option<Self> {
        let url = services::url(service, name)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        Some(Self { url, index: format!("osprofiler-notifications.{now}") })
    }

    /// The connection string with more options.
    fn url(&self, options: &str) -> String {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{separator}index={}{options}", self.url, self.index)
    }

    /// Asks the server, in whose path `INDEX` stands for the index.
    fn curl(&self, method: &str, path: &str, body: &str) -> Value {
        let (scheme, rest) = self.url.split_once("://").unwrap();
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let place = match place.rsplit_once('@') {
            Some((user, hosts)) => format!("{user}@{}", hosts.split(',').next().unwrap()),
            None => place.split(',').next().unwrap().to_owned(),
        };
        let scheme = if scheme.ends_with("+https") { "https" } else { "http" };
        let url = format!("{scheme}://{place}/{}", path.replace("INDEX", &self.index));
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "60", "-X", method, &url]);
        if let Some(ca) = options.strip_prefix("ca=") {
            curl.args(["--cacert", ca]);
        }
        if !body.is_empty() {
            curl.args(["-H", "content-type: application/json", "-d", body]);
        }
        let done = curl.output().expect("curl is installed");
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{url}: {}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{url}: {error}: {said}"))
    }

    /// The indices that begin like this one.
    fn indices(&self) -> Vec<String> {
        let found = self.curl("GET", "INDEX*/_settings", "");
        let mut names: Vec<String> = found.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    }

    /// Makes the index with some traces in it, whose fields have the types that the server gives them.
    fn make_as_the_python_library_does(&self, shards: u32) {
        let settings = json!({"settings": {"number_of_shards": shards, "number_of_replicas": 0}});
        self.curl("PUT", "INDEX", &settings.to_string());
        let mut lines = String::new();
        for (seconds, (base_id, points)) in
            (0..).zip([("8f3c-aa", 400), ("8f3c-bb", 2), ("8f3c", 1)])
        {
            for at in 0..points {
                for (ms, phase) in [(0, Phase::Start), (1_000, Phase::Stop)] {
                    let at_us = seconds * 1_000_000 + 2_000 * at + ms;
                    let time = record("", at_us).timestamp;
                    let mut info =
                        json!({"host": "ctl1", "db": {"statement": "SELECT", "params": {}}});
                    if phase == Phase::Stop && base_id == "8f3c-bb" {
                        info = json!({"host": "ctl1", "etype": "KeyError"});
                    }
                    let document = json!({"name": format!("db{}", phase.suffix()), "base_id": base_id,
                        "parent_id": base_id, "trace_id": format!("{base_id}.{at}"),
                        "timestamp": time.to_string(), "info": info, "project": "nova",
                        "service": base_id});
                    lines.push_str("{\"index\":{}}\n");
                    lines.push_str(&document.to_string());
                    lines.push('\n');
                }
            }
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines).unwrap();
        let body = format!("@{}", file.path().display());
        let (_, place) = self.url.split_once("://").unwrap();
        let url = format!("http://{place}/{}/_bulk", self.index);
        let done = Command::new("curl")
            .args([
                "-sSf",
                "-H",
                "content-type: application/x-ndjson",
                "--data-binary",
                &body,
                &url,
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(said.contains(r#""errors":false"#), "{said}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        self.curl("DELETE", "_data_stream/INDEX-stream", "");
        for index in self.indices() {
            self.curl("DELETE", &index, "");
        }
        for kind in ["_index_template", "_template"] {
            self.curl("DELETE", &format!("{kind}/INDEX"), "");
            self.curl("DELETE", &format!("{kind}/INDEX-stream"), "");
        }
    }
}

/// Records whose infos have the same keys with values of other types, as those of many services do.
fn clashing() -> Vec<Record> {
    let values = [
        json!({"statement": {"a": [1]}}),
        json!("text"),
        json!(7),
        json!([{"x": 1}, 2]),
        json!({"host": {"name": "h"}}),
    ];
    let mut records: Vec<Record> = Vec::new();
    for (at, value) in (0..).zip(&values) {
        let mut start = record("clash", at);
        start.info = Info::new().with("db", value).with(&format!("key-{at}"), value);
        records.push(start);
    }
    for (at, etype) in
        (10..).zip([json!("KeyError"), json!(null), json!({"name": "x"}), json!([7, "y"])])
    {
        let mut stop = record("clash", at);
        stop.phase = Phase::Stop;
        stop.info = Info::new().with("etype", &etype);
        records.push(stop);
    }
    for odd in [
        r#"{"base_id":"clash","name":"a-start","name":"b-start","trace_id":"20","timestamp":"2026-01-02T12:00:00.000000"}"#,
        r#"{"base_id":"clash","name":"c-start","trace_id":21,"timestamp":"2026-01-02 12:00:00","info":["x"]}"#,
        r#"{"base_id":"clash","name":"d-start","trace_id":"22","timestamp":"2026-01-02T12:00:00.000000","info":{"":1}}"#,
        r#"{"base_id":"clash","name":"e-start","trace_id":"23","timestamp":"2026-01-02T12:00:00.000000","project":{"a":1}}"#,
    ] {
        records.push(Record::from(&RecordView::parse(odd).unwrap()));
    }
    records
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(Record::to_json).collect()
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}
