//! The suite that every driver must pass.
//!
//! [`run`] opens a connection string again and again, as programs would, and checks what the
//! driver's [`Capabilities`] promise. The back end may hold other traces, and others may write to
//! it meanwhile: each case makes ids of its own and removes its traces if the driver can.
//!
//! ```
//! let outcome = osprofiler_testkit::drivers::run("memory://suite");
//! assert!(outcome.skipped.is_empty(), "it can do everything: {:?}", outcome.skipped);
//! ```
//!
//! A driver whose back end is a server is tested against a real one. If there is none, say so
//! loudly: a suite that did not run has proven nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use osprofiler_drivers::{
    Capabilities, ConnectionString, Driver, ListQuery, Options, Reader, TraceSummary, Writer,
    open_reader, open_writer,
};
use osprofiler_wire::{Id, Info, Origin, Phase, Record, RecordView, Timestamp};
use serde_json::{Map, Value, json};

/// The cases of the suite that were run, and those that the driver does not claim to pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Passed.
    pub passed: Vec<&'static str>,
    /// Not run, for want of a capability.
    pub skipped: Vec<&'static str>,
}

/// Runs the suite against the back end of a connection string.
///
/// # Panics
///
/// If a case fails, after running the others; names those that failed. Also if the connection
/// string has no driver in this build.
pub fn run(connection: &str) -> Outcome {
    let connection: ConnectionString = connection.parse().expect("a connection string");
    run_cases(&Store::of(&connection, &|| writer_of(&connection)))
}

/// Opens the way by which records come to a back end; several threads may do it at once.
pub type OpenWriter<'a> = &'a (dyn Fn() -> Box<dyn Writer> + Sync);

/// Runs the suite against a back end that its driver can but read; `open_writer` opens the way by
/// which records come there.
///
/// # Panics
///
/// As [`run`] does.
pub fn run_reader(connection: &str, open_writer: OpenWriter<'_>) -> Outcome {
    let connection: ConnectionString = connection.parse().expect("a connection string");
    let mut store = Store::of(&connection, open_writer);
    store.capabilities.write = true;
    run_cases(&store)
}

fn run_cases(store: &Store<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut failed = Vec::new();
    for case in CASES {
        if !(case.is_possible)(&store.capabilities) {
            outcome.skipped.push(case.name);
            continue;
        }
        match catch_unwind(AssertUnwindSafe(|| (case.check)(store))) {
            Ok(()) => outcome.passed.push(case.name),
            Err(_) => failed.push(case.name),
        }
    }
    assert!(failed.is_empty(), "`{}` fails the suite in {failed:?}", store.connection);
    outcome
}

/// How long a back end may take to show what it acknowledged, if not at once.
const SETTLES_WITHIN: Duration = Duration::from_secs(15);
/// How long a call may take to fail.
const FAILS_WITHIN: Duration = Duration::from_secs(40);

struct Case {
    name: &'static str,
    is_possible: fn(&Capabilities) -> bool,
    check: fn(&Store<'_>),
}

macro_rules! cases {
    ($($check:ident: $($needed:ident)+;)*) => {
        &[$(Case {
            name: stringify!($check),
            is_possible: |can| $(can.$needed)&&+,
            check: $check,
        }),*]
    };
}

const CASES: &[Case] = cases! {
    what_is_written_is_read_back_in_order: write read;
    infos_of_any_shape_come_back: write read;
    what_other_producers_add_is_kept: write read;
    odd_texts_come_back: write read;
    odd_ids_come_back: write read any_id;
    records_of_the_same_instant_are_all_kept: write read;
    a_batch_of_many_traces_is_taken_apart: write read;
    ids_that_look_alike_do_not_mix: write read any_id;
    nothing_is_read_of_an_unknown_trace: write read;
    an_empty_batch_is_fine: write;
    a_writer_that_was_closed_leaves_everything: write read;
    others_see_what_was_acknowledged: write read;
    writers_at_the_same_time_lose_nothing: write read;
    a_trace_of_one_record_is_listed: write list;
    a_list_tells_what_a_trace_was: write list;
    a_list_is_newest_first: write list;
    a_list_can_be_cut: write list;
    a_list_can_be_of_failures_only: write list;
    a_list_can_be_of_traces_that_took_long: write list;
    a_list_can_be_of_points_of_a_kind: write list;
    records_may_come_in_any_order: write read list;
    records_that_come_again_do_no_harm: write read list;
    ids_that_look_alike_are_listed_apart: write list any_id;
    a_deleted_trace_is_gone_and_the_others_stay: write read list delete;
    ids_that_look_alike_are_deleted_apart: write read delete any_id;
    a_deleted_trace_may_be_written_again: write read list delete;
    // Last: back ends that cannot delete, and read all in order to find one, have it in their way.
    large_infos_come_back: write read;
    ten_thousand_points_come_back: write read;
};

/// The back end under test.
struct Store<'a> {
    connection: &'a ConnectionString,
    capabilities: Capabilities,
    open_writer: OpenWriter<'a>,
}

fn writer_of(connection: &ConnectionString) -> Box<dyn Writer> {
    open_writer(connection, &Options::default()).expect("a writer opens")
}

impl<'a> Store<'a> {
    fn of(connection: &'a ConnectionString, open_writer: OpenWriter<'a>) -> Self {
        let capabilities = Driver::of(connection).expect("a driver of this build").capabilities;
        Self { connection, capabilities, open_writer }
    }

    fn writer(&self) -> Box<dyn Writer> {
        (self.open_writer)()
    }

    fn reader(&self) -> Box<dyn Reader> {
        open_reader(self.connection, &Options::default()).expect("a reader opens")
    }

    fn write(&self, records: &[Record]) {
        self.writer().write(records).expect("a batch is written");
    }

    /// Reads a trace until it is as expected, or the back end had its time.
    fn check(&self, base_id: &Id, expected: &[String]) {
        self.check_with(&mut *self.reader(), base_id, expected);
    }

    fn check_with(&self, reader: &mut dyn Reader, base_id: &Id, expected: &[String]) {
        let expected = self.comparable(expected);
        let found = self.settled(|| {
            let found = self.comparable(&read(reader, base_id));
            (found == expected).then_some(()).ok_or(found)
        });
        if let Err(found) = found {
            panic!("trace {base_id:?} is read\n{}", difference(&found, &expected));
        }
    }

    /// Reads a trace until it has so many records, or the back end had its time.
    fn check_count(&self, base_id: &Id, expected: usize) -> Vec<String> {
        let found = self.settled(|| {
            let found = self.read(base_id);
            if found.len() == expected { Ok(found) } else { Err(found.len()) }
        });
        found.unwrap_or_else(|found| {
            panic!("trace {base_id:?} has {found} records, expected {expected}")
        })
    }

    fn read(&self, base_id: &Id) -> Vec<String> {
        read(&mut *self.reader(), base_id)
    }

    /// Tries until it is right, or the back end had its time.
    fn settled<T, E>(&self, mut attempt: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        let deadline = Instant::now() + SETTLES_WITHIN;
        loop {
            match attempt() {
                Err(_) if !self.capabilities.immediate && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(50));
                }
                result => return result,
            }
        }
    }

    /// Records as this back end may be expected to give them back.
    fn comparable(&self, records: &[String]) -> Vec<String> {
        if self.capabilities.exact {
            return records.to_vec();
        }
        let mut records: Vec<String> = records.iter().map(|json| normalized(json)).collect();
        records.sort();
        records
    }

    /// The summaries of some traces, in the order of the list, once it is as expected.
    fn check_list(&self, query: &ListQuery, ids: &[Id], expected: &[Id]) {
        let found = self.settled(|| {
            let found = ids_of(self.list_of(query, ids));
            (found == expected).then_some(()).ok_or(found)
        });
        if let Err(found) = found {
            panic!("{query:?} lists {found:?}, expected {expected:?} of {ids:?}");
        }
    }

    /// The summaries of some traces, in the order of the list.
    fn list_of(&self, query: &ListQuery, ids: &[Id]) -> Vec<TraceSummary> {
        let mut summaries = self.reader().list(query).expect("traces are listed");
        summaries.retain(|summary| ids.contains(&summary.base_id));
        summaries
    }

    /// Lists a trace until its summary is as expected, or the back end had its time.
    fn check_summary(&self, base_id: &Id, is_expected: impl Fn(&TraceSummary) -> bool) {
        let found = self.settled(|| {
            let found = self.list_of(&ListQuery::default(), std::slice::from_ref(base_id));
            match found.as_slice() {
                [summary] if is_expected(summary) => Ok(()),
                _ => Err(found),
            }
        });
        if let Err(found) = found {
            panic!("trace {base_id:?} is listed as {found:?}");
        }
    }

    fn clean_up(&self, ids: &[Id]) {
        if self.capabilities.delete {
            let mut writer = self.writer();
            for base_id in ids {
                writer.delete(base_id).expect("a trace is deleted");
            }
        }
    }
}

fn read(reader: &mut dyn Reader, base_id: &Id) -> Vec<String> {
    let mut found = Vec::new();
    reader.read(base_id, &mut |json| found.push(json.to_owned())).expect("a trace is read");
    found
}

/// What a record says, whatever its text: fields that are missing and fields that are `null` are the
/// same, and so are texts that mean the same instant.
fn normalized(json: &str) -> String {
    let view = RecordView::parse(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let mut fields: Map<String, Value> = serde_json::from_str(json).expect("an object");
    fields.retain(|_, value| !value.is_null());
    for (key, text) in [
        ("base_id", view.base_id.to_string()),
        ("parent_id", view.parent_id.to_string()),
        ("trace_id", view.trace_id.to_string()),
        ("timestamp", view.timestamp.to_string()),
    ] {
        fields.insert(key.into(), text.into());
    }
    Value::Object(fields).to_string()
}

/// What differs first, cut to what a person can read.
fn difference(found: &[String], expected: &[String]) -> String {
    let brief = |json: Option<&String>| {
        json.map_or("nothing".to_owned(), |json| json.chars().take(500).collect())
    };
    let longer = 0..found.len().max(expected.len());
    let at = longer.into_iter().find(|at| found.get(*at) != expected.get(*at)).unwrap_or_default();
    format!(
        "  found {} records, expected {}; they differ at {at}:\n  {}\n  {}",
        found.len(),
        expected.len(),
        brief(found.get(at)),
        brief(expected.get(at))
    )
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(Record::to_json).collect()
}

/// An id that no other run of the suite makes.
fn fresh_id() -> Id {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_nanos();
    let made = u128::from(MADE.fetch_add(1, Ordering::Relaxed));
    // The process and the count are in the half that the time, shifted, leaves free.
    Id::from_random((now << 48) ^ (u128::from(std::process::id()) << 16) ^ made)
}

/// An instant that no other case uses, later than all traces of the day, as `since` of a list; and later
/// than those of the run before, which are still there if the back end forgets nothing.
fn fresh_instant() -> Timestamp {
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let taken = TAKEN.fetch_add(20_000_000, Ordering::Relaxed);
    let day = 86_400_000_000;
    Timestamp::from_micros(i64::try_from(now.as_micros()).expect("a clock of our era") + day)
        .later(i64::try_from(taken).expect("a few minutes"))
}

trait Later {
    fn later(self, micros: i64) -> Self;
}

impl Later for Timestamp {
    fn later(self, micros: i64) -> Self {
        Self::from_micros(self.as_micros() + micros)
    }
}

const NOON: Timestamp = Timestamp::from_micros(1_767_355_200_000_000);

fn origin() -> Arc<Origin> {
    Arc::new(Origin {
        project: Some("nova".into()),
        service: Some("api".into()),
        host: "ctl1".into(),
    })
}

fn record(base_id: &Id, trace_id: &Id, phase: Phase, timestamp: Timestamp) -> Record {
    Record {
        name: "db".into(),
        phase,
        base_id: base_id.clone(),
        parent_id: base_id.clone(),
        trace_id: trace_id.clone(),
        timestamp,
        info: Info::new(),
        origin: origin(),
        source: None,
    }
}

/// Start and stop of one point that takes `micros`.
fn point(base_id: &Id, at: Timestamp, micros: i64) -> [Record; 2] {
    let trace_id = fresh_id();
    [
        record(base_id, &trace_id, Phase::Start, at),
        record(base_id, &trace_id, Phase::Stop, at.later(micros)),
    ]
}

fn found(json: &str) -> Record {
    Record::from(&RecordView::parse(json).expect("a record"))
}

fn what_is_written_is_read_back_in_order(store: &Store<'_>) {
    let base_id = fresh_id();
    let mut records = Vec::new();
    for at in 0..50 {
        let [mut start, stop] = point(&base_id, NOON.later(at * 1000), 700);
        start.name = format!("l3-agent.{at}").into();
        start.info = Info::new()
            .with("db", &format!("SELECT {at} /* \"quoted\" \\ \t\r\n */"))
            .with("numbers", &(i64::MIN, u64::MAX, 1.5e-300, true, None::<u8>));
        records.extend([start, stop]);
    }
    let mut writer = store.writer();
    for batch in records.chunks(7) {
        writer.write(batch).expect("a batch is written");
    }
    store.check(&base_id, &texts(&records));
    store.clean_up(&[base_id]);
}

fn what_other_producers_add_is_kept(store: &Store<'_>) {
    let base_id = fresh_id();
    let json = format!(
        "{{\"extra\": {{\"deep\": [1, 2.50, 1e3]}},  \"name\": \"wsgi-start\", \
         \"info\": [\"no dictionary\"], \"base_id\": \"{base_id}\", \"trace_id\": 5, \
         \"timestamp\": \"2026-01-02 03:04:05\", \"project\": null, \"trace_id\": \"again\"}}"
    );
    store.write(&[found(&json)]);
    store.check(&base_id, &[json]);
    store.clean_up(&[base_id]);
}

/// Texts that the back end may be expected to hold.
fn odd_texts(store: &Store<'_>) -> impl Iterator<Item = &'static str> {
    let any_text = store.capabilities.any_text;
    ODD_TEXTS.iter().copied().filter(move |text| any_text || !text.contains('\0'))
}

fn odd_texts_come_back(store: &Store<'_>) {
    let base_id = fresh_id();
    let mut records = Vec::new();
    for text in odd_texts(store) {
        let mut start = record(&base_id, &fresh_id(), Phase::Start, NOON);
        start.name = text.into();
        start.info = Info::new().with(text, text);
        start.origin = Arc::new(Origin {
            project: Some(text.into()),
            service: Some(text.into()),
            host: text.into(),
        });
        let nul = if store.capabilities.any_text { "\\u0000" } else { "" };
        let escaped = format!(
            r#"{{"name": "\u00e9\ud83d\udd11{nul}-start", "base_id": "{base_id}",
                "trace_id": "{}", "timestamp": "2026-01-02T03:04:05.000000"}}"#,
            fresh_id()
        );
        records.extend([start, found(&escaped)]);
    }
    store.write(&records);
    store.check(&base_id, &texts(&records));
    store.clean_up(&[base_id]);
}

fn odd_ids_come_back(store: &Store<'_>) {
    let base_id = fresh_id();
    let mut records = Vec::new();
    for text in odd_texts(store) {
        let mut start = record(&base_id, &Id::from(text), Phase::Start, NOON);
        start.parent_id = Id::from(text);
        records.push(start);
    }
    store.write(&records);
    store.check(&base_id, &texts(&records));
    store.clean_up(&[base_id]);
}

fn infos_of_any_shape_come_back(store: &Store<'_>) {
    let base_id = fresh_id();
    let start = |at| record(&base_id, &fresh_id(), Phase::Start, NOON.later(at));
    let mut records = vec![start(0)];
    // The same key with values of many types, as services have it.
    for (at, value) in (1..).zip([
        json!(null),
        json!(true),
        json!(7),
        json!(0.1),
        json!(u64::MAX),
        json!("text"),
        json!("2026-01-02T03:04:05"),
        json!([]),
        json!([1, "mixed", null, {}]),
        json!({}),
        json!({"deep": {"deeper": {"deepest": [[[]]]}}}),
        json!({"dots.in.keys": 1, "$dollar": 2, "": 3, "@at": 4, "_under": 5, "type": "x"}),
    ]) {
        let mut start = start(at);
        start.info = Info::new().with("value", &value);
        records.push(start);
    }
    store.write(&records);
    store.check(&base_id, &texts(&records));
    store.clean_up(&[base_id]);
}

fn ten_thousand_points_come_back(store: &Store<'_>) {
    let base_id = fresh_id();
    let points: Vec<Record> =
        (0..10_000).flat_map(|at| point(&base_id, NOON.later(at), 1)).collect();
    let mut writer = store.writer();
    for batch in points.chunks(1000) {
        writer.write(batch).expect("a batch is written");
    }
    store.check(&base_id, &texts(&points));
    if store.capabilities.list {
        store.check_summary(&base_id, |summary| {
            (summary.points, summary.unfinished, summary.duration_us) == (10_000, 0, 10_000)
        });
    }
    store.clean_up(&[base_id]);
}

fn records_of_the_same_instant_are_all_kept(store: &Store<'_>) {
    let base_id = fresh_id();
    let records: Vec<Record> =
        (0..300).map(|_| record(&base_id, &fresh_id(), Phase::Start, NOON)).collect();
    store.write(&records[..150]);
    store.write(&records[150..]);
    store.check(&base_id, &texts(&records));
    store.clean_up(&[base_id]);
}

const ODD_TEXTS: &[&str] = &[
    "",
    " ",
    "é",
    "e\u{301}",
    "密码",
    "🔑 and 👩‍👩‍👧",
    "\0",
    "a\0b",
    "\u{7f}\u{85}\u{2028}\u{feff}",
    "line\nline\r\nline",
    "'; DROP TABLE trace; --",
    "\"\\\"",
    "%s %n ${x} {{x}} <script>",
    "NaN",
    "null",
    "../../etc/passwd",
];

fn large_infos_come_back(store: &Store<'_>) {
    let base_id = fresh_id();
    let records: Vec<Record> = (0..6)
        .map(|at| {
            let mut start = record(&base_id, &fresh_id(), Phase::Start, NOON.later(at));
            start.info = Info::new().with("text", &large_text(at.unsigned_abs()));
            start
        })
        .collect();
    store.write(&records[..5]);
    store.write(&records[5..]);
    store.check(&base_id, &texts(&records));
    store.clean_up(&[base_id]);
}

/// A megabyte that no compression makes small.
fn large_text(seed: u64) -> String {
    let mut state = seed + 1;
    (0..1 << 20)
        .map(|_| {
            // xorshift64 (Marsaglia 2003).
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b' ' + u8::try_from(state % 95).expect("less than 95"))
        })
        .collect()
}

fn a_batch_of_many_traces_is_taken_apart(store: &Store<'_>) {
    let ids: Vec<Id> = (0..20).map(|_| fresh_id()).collect();
    let of_all: Vec<Record> =
        (0..200).map(|at| record(&ids[at % 20], &fresh_id(), Phase::Start, NOON)).collect();
    store.write(&of_all);
    let mut reader = store.reader();
    for base_id in &ids {
        let own: Vec<Record> =
            of_all.iter().filter(|record| record.base_id == *base_id).cloned().collect();
        store.check_with(&mut *reader, base_id, &texts(&own));
    }
    store.clean_up(&ids);
}

/// Ids that a careless query, pattern or key takes for one another.
fn look_alikes() -> Vec<Id> {
    let id = fresh_id().to_string();
    let mut alike: Vec<String> = vec![
        // All of the time, so that no other run has it.
        id[..24].into(),
        id[..35].into(),
        id[19..].into(),
        format!("{id}0"),
        format!("{id} "),
        format!(" {id}"),
        format!("{id}\n"),
        format!("{id}\n{id}"),
        format!("{}%", &id[..35]),
        format!("{}_", &id[..35]),
        format!("{}*", &id[..35]),
        format!("{}?", &id[..35]),
        format!("{}.", &id[..35]),
        format!("%{id}%"),
        format!("{id}'"),
        format!("{id}' OR '1'='1"),
        format!("\"{id}\""),
        format!("\\{id}"),
        format!("{id}/x"),
        format!("{id}:x"),
        format!("é{id}"),
        format!("e\u{301}{id}"),
        id.to_uppercase(),
        id.replace('-', ""),
        // The same groups in another order.
        format!("{}-{}-{}", &id[19..23], &id[..18], &id[24..]),
    ];
    alike.push(id);
    alike.iter().map(|id| Id::from(id.as_str())).collect()
}

fn write_look_alikes(store: &Store<'_>) -> Vec<Id> {
    let ids = look_alikes();
    let mut writer = store.writer();
    for (at, base_id) in (0_i64..).zip(&ids) {
        writer.write(&point(base_id, NOON, at)).expect("a batch is written");
    }
    ids
}

fn ids_that_look_alike_do_not_mix(store: &Store<'_>) {
    let ids = write_look_alikes(store);
    for base_id in &ids {
        for json in &store.check_count(base_id, 2) {
            assert_eq!(RecordView::parse(json).expect("a record").base_id, *base_id);
        }
    }
    store.clean_up(&ids);
}

fn ids_that_look_alike_are_listed_apart(store: &Store<'_>) {
    let ids = write_look_alikes(store);
    let mut expected: Vec<(Id, u64, i64)> =
        ids.iter().cloned().zip(0..).map(|(base_id, at)| (base_id, 1, at)).collect();
    expected.sort();
    let told = |summary: TraceSummary| (summary.base_id, summary.points, summary.duration_us);
    let settled = store.settled(|| {
        let found = store.list_of(&ListQuery::default(), &ids);
        let mut found: Vec<_> = found.into_iter().map(told).collect();
        found.sort();
        if found == expected { Ok(()) } else { Err(found) }
    });
    if let Err(found) = settled {
        panic!("listed are {found:?}, expected {expected:?}");
    }
    store.clean_up(&ids);
}

fn ids_that_look_alike_are_deleted_apart(store: &Store<'_>) {
    let ids = write_look_alikes(store);
    let mut writer = store.writer();
    for base_id in &ids {
        // What the deletion of another one took with it would be missing now, and stay so.
        store.check_count(base_id, 2);
        assert!(writer.delete(base_id).expect("a trace is deleted"), "{base_id:?} was there");
    }
    ids.iter().for_each(|base_id| drop(store.check_count(base_id, 0)));
}

fn nothing_is_read_of_an_unknown_trace(store: &Store<'_>) {
    let known = fresh_id();
    store.write(&point(&known, NOON, 1));
    store.check_count(&known, 2);
    let mut unknown = vec![fresh_id()];
    if store.capabilities.any_id {
        unknown.extend(["", "%", "*", "\0"].map(Id::from));
    }
    for unknown in unknown {
        assert_eq!(store.read(&unknown), Vec::<String>::new(), "{unknown:?}");
    }
    store.clean_up(&[known]);
}

fn an_empty_batch_is_fine(store: &Store<'_>) {
    let mut writer = store.writer();
    writer.write(&[]).expect("an empty batch is written");
    writer.write(&[]).expect("and another");
}

fn a_writer_that_was_closed_leaves_everything(store: &Store<'_>) {
    let base_id = fresh_id();
    let mut expected = Vec::new();
    for at in 0..5 {
        let records = point(&base_id, NOON.later(at), 1);
        expected.extend(texts(&records));
        store.write(&records);
    }
    store.check(&base_id, &expected);
    store.clean_up(&[base_id]);
}

fn others_see_what_was_acknowledged(store: &Store<'_>) {
    let base_id = fresh_id();
    let mut writers = [store.writer(), store.writer()];
    let mut readers = [store.reader(), store.reader()];
    let mut expected = Vec::new();
    for at in 0..10 {
        let records = point(&base_id, NOON.later(at), 1);
        let writer = &mut writers[usize::from(at % 2 == 0)];
        writer.write(&records).expect("a batch is written");
        expected.extend(texts(&records));
        for reader in &mut readers {
            store.check_with(&mut **reader, &base_id, &expected);
        }
    }
    store.clean_up(&[base_id]);
}

fn writers_at_the_same_time_lose_nothing(store: &Store<'_>) {
    const THREADS: usize = 6;
    const BATCHES: i64 = 15;
    let shared = fresh_id();
    let own: Vec<Id> = (0..THREADS).map(|_| fresh_id()).collect();
    thread::scope(|scope| {
        for own in &own {
            let shared = &shared;
            scope.spawn(move || {
                let mut writer = store.writer();
                for at in 0..BATCHES {
                    let mut records = point(own, NOON.later(at), 1).to_vec();
                    records.extend(point(shared, NOON.later(at), 1));
                    writer.write(&records).expect("a batch is written beside others");
                }
            });
        }
    });
    let batches = usize::try_from(BATCHES).expect("a few");
    for own in &own {
        store.check_count(own, 2 * batches);
    }
    let mut all = store.check_count(&shared, 2 * batches * THREADS);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 2 * batches * THREADS, "no record was written over another");
    if store.capabilities.list {
        store.check_summary(&shared, |summary| {
            (summary.points, summary.unfinished) == ((batches * THREADS) as u64, 0)
        });
    }
    store.clean_up(&own);
    store.clean_up(&[shared]);
}

fn a_trace_of_one_record_is_listed(store: &Store<'_>) {
    let (started, stopped) = (fresh_id(), fresh_id());
    store.write(&[
        record(&started, &fresh_id(), Phase::Start, NOON),
        record(&stopped, &fresh_id(), Phase::Stop, NOON),
    ]);
    for (base_id, unfinished) in [(&started, 1), (&stopped, 0)] {
        store.check_summary(base_id, |summary| {
            (summary.points, summary.unfinished, summary.errors) == (1, unfinished, 0)
                && (summary.started, summary.duration_us) == (NOON, 0)
                && summary.root.name == "db"
        });
    }
    store.clean_up(&[started, stopped]);
}

/// A request that calls two points, one of which fails and one of which hangs.
fn request(base_id: &Id) -> (Vec<Record>, TraceSummary) {
    let [mut outer_start, outer_stop] = point(base_id, NOON, 900);
    let [mut failing_start, mut failing_stop] = point(base_id, NOON.later(10), 50);
    let mut hanging = record(base_id, &fresh_id(), Phase::Start, NOON.later(100));
    for nested in [&mut failing_start, &mut failing_stop, &mut hanging] {
        nested.parent_id = outer_start.trace_id.clone();
    }
    let info = Info::new().with("method", "POST").with("path", "/v2.1/servers");
    outer_start.name = "wsgi".into();
    outer_start.info = Info::new().with_info("request", info);
    failing_stop.info = Info::new().with("etype", "KeyError").with("message", "'x'");
    let mut summary = TraceSummary::new(base_id.clone(), NOON);
    (summary.duration_us, summary.points, summary.unfinished, summary.errors) = (900, 3, 1, 1);
    summary.root.name = "wsgi".into();
    summary.root.project = Some("nova".into());
    summary.root.service = Some("api".into());
    summary.root.host = Some("ctl1".into());
    summary.root.request = Some("POST /v2.1/servers".into());
    (vec![outer_start, failing_start, failing_stop, hanging, outer_stop], summary)
}

fn a_list_tells_what_a_trace_was(store: &Store<'_>) {
    let (at_once, one_by_one) = (fresh_id(), fresh_id());
    let (records, expected) = request(&at_once);
    store.write(&records);
    store.check_summary(&at_once, |summary| *summary == expected);

    let (records, expected) = request(&one_by_one);
    let mut writer = store.writer();
    for record in &records {
        writer.write(std::slice::from_ref(record)).expect("a batch is written");
    }
    store.check_summary(&one_by_one, |summary| *summary == expected);
    store.clean_up(&[at_once, one_by_one]);
}

/// Writes one trace a second, from `at` on, in an order of their own; gives them newest first.
fn write_apart(store: &Store<'_>, at: Timestamp) -> Vec<Id> {
    let mut ids: Vec<Id> = (0..5).map(|_| fresh_id()).collect();
    let mut writer = store.writer();
    for second in [3, 0, 4, 1, 2] {
        let base_id = &ids[usize::try_from(second).expect("a few")];
        let records = point(base_id, at.later(second * 1_000_000), 1);
        writer.write(&records).expect("a batch is written");
    }
    ids.reverse();
    ids
}

fn query(set: impl FnOnce(&mut ListQuery)) -> ListQuery {
    let mut query = ListQuery::default();
    set(&mut query);
    query
}

fn ids_of(summaries: Vec<TraceSummary>) -> Vec<Id> {
    summaries.into_iter().map(|summary| summary.base_id).collect()
}

fn a_list_is_newest_first(store: &Store<'_>) {
    let ids = write_apart(store, NOON);
    store.check_list(&ListQuery::default(), &ids, &ids);
    // What comes in later does not make a trace newer, what is earlier makes it older.
    store.write(&point(&ids[4], NOON.later(9_000_000), 1));
    store.write(&point(&ids[0], NOON.later(-9_000_000), 1));
    let now = [&ids[1..], &ids[..1]].concat();
    store.check_list(&ListQuery::default(), &ids, &now);
    store.clean_up(&ids);
}

fn a_list_can_be_cut(store: &Store<'_>) {
    let at = fresh_instant();
    let ids = write_apart(store, at);
    let check = |since, limit, expected: &[Id]| {
        let query = query(|query| (query.since, query.limit) = (Some(since), limit));
        store.check_list(&query, &ids, expected);
    };
    check(at, None, &ids);
    check(at, Some(2), &ids[..2]);
    check(at, Some(usize::MAX), &ids);
    check(at, Some(0), &[]);
    // The first instant is part of it, the last one is not.
    check(at.later(2_000_000), None, &ids[..3]);
    check(at.later(2_000_001), None, &ids[..2]);
    for (until, expected) in [(4_000_000, &ids[1..3]), (4_000_001, &ids[..3]), (2_000_000, &[])] {
        let query = query(|query| {
            (query.since, query.until) = (Some(at.later(2_000_000)), Some(at.later(until)));
        });
        store.check_list(&query, &ids, expected);
    }
    let few = query(|query| query.limit = Some(3));
    assert_eq!(store.reader().list(&few).expect("traces are listed").len(), 3);
    store.clean_up(&ids);
}

fn a_list_can_be_of_traces_that_took_long(store: &Store<'_>) {
    let ids = [fresh_id(), fresh_id(), fresh_id()];
    for (seconds, (base_id, micros)) in (0..).zip(ids.iter().zip([100, 5_000, 2_000_000])) {
        store.write(&point(base_id, NOON.later(-seconds * 1_000_000), micros));
    }
    for (least, expected) in
        [(0, &ids[..]), (100, &ids), (101, &ids[1..]), (5_001, &ids[2..]), (2_000_001, &[])]
    {
        store.check_list(&query(|query| query.min_duration_us = Some(least)), &ids, expected);
    }
    store.clean_up(&ids);
}

fn a_list_can_be_of_points_of_a_kind(store: &Store<'_>) {
    // Names that no other trace has.
    let unique = |word: &str| format!("{word}-{}", fresh_id());
    let (nova, glance, api, db) =
        (unique("nova"), unique("glance"), unique("api"), unique("l3-db"));
    let mixed = [fresh_id(), fresh_id(), fresh_id()];
    let origin = |project: &str, service: &str| {
        let (project, service) = (Some(project.into()), Some(service.into()));
        Arc::new(Origin { project, service, host: "ctl1".into() })
    };
    for (seconds, (base_id, kinds)) in (0..).zip(mixed.iter().zip([
        &[(&nova, &api, "wsgi"), (&nova, &api, db.as_str())][..],
        &[(&glance, &api, "wsgi")],
        &[(&nova, &nova, "wsgi"), (&glance, &api, db.as_str())],
    ])) {
        for (project, service, name) in kinds {
            let mut records = point(base_id, NOON.later(-seconds * 1_000_000), 1);
            for record in &mut records {
                record.origin = origin(project, service);
                record.name = (*name).to_owned().into();
            }
            store.write(&records);
        }
    }
    let [both, other, third] = &mixed;
    let check =
        |project: Option<&str>, service: Option<&str>, name: Option<&str>, expected: &[&Id]| {
            let query = query(|query| {
                query.project = project.map(str::to_owned);
                query.service = service.map(str::to_owned);
                query.name = name.map(str::to_owned);
            });
            let expected: Vec<Id> = expected.iter().copied().cloned().collect();
            store.check_list(&query, &mixed, &expected);
        };
    check(Some(&nova), None, None, &[both, third]);
    check(Some(&glance), None, None, &[other, third]);
    check(None, Some(&api), None, &[both, other, third]);
    check(None, None, Some(&db), &[both, third]);
    check(Some(&nova), Some(&api), None, &[both]);
    // One point has to have them all.
    check(Some(&nova), None, Some(&db), &[both]);
    check(Some(&glance), Some(&api), Some(&db), &[third]);
    check(Some(&nova[..nova.len() - 1]), None, None, &[]);
    check(None, None, Some("%"), &[]);
    store.clean_up(&mixed);
}

fn a_list_can_be_of_failures_only(store: &Store<'_>) {
    let ids = write_apart(store, NOON);
    for base_id in [&ids[1], &ids[3]] {
        let [start, mut stop] = point(base_id, NOON.later(5_000_000), 1);
        stop.info = Info::new().with("etype", "KeyError");
        store.write(&[start, stop]);
    }
    let failures = query(|query| query.errors_only = true);
    let expected = [ids[1].clone(), ids[3].clone()];
    store.check_list(&failures, &ids, &expected);
    let later = query(|query| {
        (query.errors_only, query.since) = (true, Some(NOON.later(3_000_000)));
    });
    store.check_list(&later, &ids, &expected[..1]);
    store.clean_up(&ids);
}

fn records_may_come_in_any_order(store: &Store<'_>) {
    let ids: Vec<Id> = [1, 2, 5]
        .into_iter()
        .map(|size| {
            let base_id = fresh_id();
            // Stops before starts, children before their parents.
            let (mut records, expected) = request(&base_id);
            records.reverse();
            let mut writer = store.writer();
            for batch in records.chunks(size) {
                writer.write(batch).expect("a batch is written");
            }
            store.check(&base_id, &texts(&records));
            store.check_summary(&base_id, |summary| *summary == expected);
            base_id
        })
        .collect();
    store.clean_up(&ids);
}

fn records_that_come_again_do_no_harm(store: &Store<'_>) {
    let (base_id, other) = (fresh_id(), fresh_id());
    let (mut records, expected) = request(&base_id);
    records.push(records[0].clone());
    let mut batch = records.clone();
    batch.extend(point(&other, NOON, 1));
    for _ in 0..3 {
        store.write(&batch);
    }
    let without_repeats = |records: Vec<String>| {
        let mut records: Vec<String> = records.iter().map(|json| normalized(json)).collect();
        records.sort();
        records.dedup();
        records
    };
    let written = without_repeats(texts(&records));
    let settled = store.settled(|| {
        let found = without_repeats(store.read(&base_id));
        if found == written { Ok(()) } else { Err(found) }
    });
    assert_eq!(settled, Ok(()));
    store.check_summary(&base_id, |summary| *summary == expected);
    store.check_summary(&other, |summary| summary.points == 1);
    store.clean_up(&[base_id, other]);
}

fn a_deleted_trace_is_gone_and_the_others_stay(store: &Store<'_>) {
    let ids = write_apart(store, NOON);
    ids.iter().for_each(|base_id| drop(store.check_count(base_id, 2)));
    let mut writer = store.writer();
    assert!(writer.delete(&ids[2]).expect("a trace is deleted"));
    assert!(!writer.delete(&ids[2]).expect("nothing is deleted"), "it is gone already");
    assert!(!writer.delete(&fresh_id()).expect("nothing is deleted"), "it never was");
    let left = [&ids[..2], &ids[3..]].concat();
    for (base_id, expected) in left.iter().map(|base_id| (base_id, 2)).chain([(&ids[2], 0)]) {
        store.check_count(base_id, expected);
    }
    store.check_list(&ListQuery::default(), &ids, &left);
    store.clean_up(&left);
}

fn a_deleted_trace_may_be_written_again(store: &Store<'_>) {
    let base_id = fresh_id();
    let mut early = store.writer();
    let (records, _) = request(&base_id);
    early.write(&records).expect("a batch is written");
    store.check_count(&base_id, records.len());
    assert!(store.writer().delete(&base_id).expect("a trace is deleted"));
    let again = point(&base_id, NOON, 5);
    early.write(&again).expect("a batch is written by a writer that knew the old trace");
    store.check(&base_id, &texts(&again));
    store.check_summary(&base_id, |summary| {
        (summary.points, summary.errors, summary.duration_us) == (1, 0, 5)
    });
    store.clean_up(&[base_id]);
}

/// Checks that a driver bears its back end going away and coming back.
///
/// `stop` and `start` stop and start the server, with the data it had. What was acknowledged must be
/// there in the end; what was not must have failed with an error that may be retried.
///
/// # Panics
///
/// If it does not.
pub fn outage(connection: &str, stop: impl FnOnce(), start: impl FnOnce()) {
    let connection: ConnectionString = connection.parse().expect("a connection string");
    let open_writer = || writer_of(&connection);
    let store = Store::of(&connection, &open_writer);
    let capabilities = store.capabilities;
    let base_id = fresh_id();
    let (before, lost, after) =
        (point(&base_id, NOON, 1), point(&base_id, NOON, 2), point(&base_id, NOON, 3));
    let mut writer = store.writer();
    let mut reader = capabilities.read.then(|| store.reader());
    writer.write(&before).expect("a batch is written");
    stop();
    let asked = Instant::now();
    let error = writer.write(&lost).expect_err("nothing is acknowledged by nobody");
    assert!(error.is_retryable(), "`{error}` may be retried");
    assert!(asked.elapsed() < FAILS_WITHIN, "the error took {:?}", asked.elapsed());
    if let Some(reader) = &mut reader {
        let error = reader.read(&base_id, &mut |_| ()).expect_err("nobody answers");
        assert!(error.is_retryable(), "`{error}` may be retried");
    }
    start();
    // As the notifier does it: a writer that failed is opened anew.
    drop(writer);
    store.writer().write(&after).expect("a batch is written by a writer that is opened anew");
    if capabilities.read {
        let expected = texts(&[before, after].concat());
        store.check(&base_id, &expected);
        let mut reader = reader.expect("a reader of before");
        store.check_with(&mut *reader, &base_id, &expected);
    }
    store.clean_up(&[base_id]);
}

/// Checks that a connection string that its back end refuses (a wrong password, a database that is
/// not there, a certificate that nobody trusts) fails soon, with one line that shows no secret and
/// that trying again is not said to help.
///
/// # Panics
///
/// If it does not; or if the back end takes it.
#[must_use = "what it says is to be checked"]
pub fn refusal(connection: &str, secret: &str) -> String {
    let connection: ConnectionString = connection.parse().expect("a connection string");
    let driver = Driver::of(&connection).expect("a driver of this build");
    let records = point(&fresh_id(), NOON, 1);
    let asked = Instant::now();
    let mut errors = Vec::new();
    if driver.capabilities.write {
        let written = open_writer(&connection, &Options::default())
            .and_then(|mut writer| writer.write(&records));
        errors.push(written.expect_err("the back end refuses records"));
    }
    if driver.capabilities.read {
        let read = open_reader(&connection, &Options::default())
            .and_then(|mut reader| reader.read(&records[0].base_id, &mut |_| ()));
        errors.push(read.expect_err("the back end refuses to be read"));
    }
    assert!(asked.elapsed() < FAILS_WITHIN, "the errors took {:?}", asked.elapsed());
    let mut said = String::new();
    for error in errors {
        said = error.to_string();
        let mut all = format!("{error:?} {said}");
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            all.push_str(&error.to_string());
            cause = error.source();
        }
        assert!(!all.contains(secret), "a secret is shown");
        assert!(!said.contains('\n'), "one line: {said}");
        assert!(!error.is_retryable(), "trying again does not help: {said}");
    }
    said
}
