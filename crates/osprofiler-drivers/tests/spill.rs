//! Records wait in a file while their back end is away.

#![cfg(feature = "redis")]

mod common;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{read, reader, record, writer};
use osprofiler_drivers::{ErrorKind, Writer};
use osprofiler_wire::{Info, Record};

/// A real Redis that a test starts and kills; its data is lost with it.
struct Redis {
    port: u16,
    process: Option<Child>,
}

impl Redis {
    /// A place for one; it does not run yet. `None`, loudly, where Redis is not installed.
    fn absent() -> Option<Self> {
        // `services::url` says loudly what is missing.
        common::services::url("redis", "redis")?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Some(Self { port, process: None })
    }

    fn start(&mut self) {
        self.start_with(&[]);
    }

    fn start_with(&mut self, arguments: &[&str]) {
        let process = Command::new("redis-server")
            .args(["--save", "", "--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(arguments)
            .stdout(Stdio::null())
            .spawn();
        self.process = Some(process.unwrap());
        until(|| TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    fn spilling(&self, path: &Path) -> String {
        format!("{}?spill={}", self.url(), path.display())
    }

    fn ids_of(&self, base_id: &str) -> Vec<String> {
        let mut found = read(&mut *reader(&self.url()).unwrap(), base_id).unwrap();
        found.sort();
        found
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

fn until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "it takes too long");
        thread::sleep(Duration::from_millis(20));
    }
}

fn catch_up(writer: &mut dyn Writer) {
    until(|| writer.catch_up().is_none());
}

fn texts(records: &[Record]) -> Vec<String> {
    let mut texts: Vec<String> = records.iter().map(Record::to_json).collect();
    texts.sort();
    texts
}

#[test]
fn nothing_is_lost_while_the_back_end_is_away_and_all_is_written_once() {
    let Some(mut redis) = Redis::absent() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spill.jsonl");
    let records: Vec<Record> = (0..3000).map(|at| record("b", at)).collect();

    // It was never there; then it comes, goes, and comes again.
    let mut writer = writer(&redis.spilling(&path)).unwrap();
    writer.write(&records[..1000]).unwrap();
    assert!(writer.catch_up().is_some(), "something waits");
    redis.start();
    catch_up(&mut *writer);
    assert_eq!(redis.ids_of("b"), texts(&records[..1000]));
    writer.write(&records[1000..1500]).unwrap();
    assert_eq!(redis.ids_of("b"), texts(&records[..1500]), "it goes straight there");

    redis.stop();
    writer.write(&records[1500..2000]).unwrap();
    writer.write(&records[2000..]).unwrap();
    redis.start();
    catch_up(&mut *writer);
    assert_eq!(redis.ids_of("b"), texts(&records[1500..]), "the new server has the rest");
    assert!(fs::metadata(&path).map_or(0, |file| file.len()) == 0);
    assert!(!folder.path().join("spill.jsonl.replay").exists());
}

#[test]
fn another_process_goes_on_where_one_was_killed() {
    let Some(mut redis) = Redis::absent() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spill.jsonl");
    let records: Vec<Record> = (0..10).map(|at| record("b", at)).collect();
    let line = |record: &Record| record.to_json() + "\n";
    let replayed: String = records[..4].iter().map(line).collect();
    // Four of six were acknowledged, and four more spilled since; the last line is torn.
    let replay: String = records[..6].iter().map(line).collect();
    fs::write(folder.path().join("spill.jsonl.replay"), replay).unwrap();
    fs::write(folder.path().join("spill.jsonl.lock"), format!("{}\n", replayed.len())).unwrap();
    let spilled: String = records[6..].iter().map(line).collect();
    fs::write(&path, spilled + "{\"name\": \"db-st").unwrap();

    redis.start();
    let mut writer = writer(&redis.spilling(&path)).unwrap();
    catch_up(&mut *writer);
    assert_eq!(redis.ids_of("b"), texts(&records[4..]));
}

#[test]
fn processes_that_share_a_file_replay_it_once() {
    let Some(mut redis) = Redis::absent() else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = redis.spilling(&folder.path().join("spill.jsonl"));
    let ids: Vec<String> = (0..4).map(|at| format!("b{at}")).collect();
    let mut writers: Vec<_> = ids.iter().map(|_| writer(&url).unwrap()).collect();
    for (writer, id) in writers.iter_mut().zip(&ids) {
        let records: Vec<Record> = (0..500).map(|at| record(id, at)).collect();
        writer.write(&records).unwrap();
    }
    redis.start();
    thread::scope(|scope| {
        for writer in &mut writers {
            scope.spawn(move || catch_up(&mut **writer));
        }
    });
    for id in &ids {
        assert_eq!(redis.ids_of(id).len(), 500);
    }
}

#[test]
fn records_wait_for_a_server_that_lets_nobody_in() {
    let Some(mut redis) = Redis::absent() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spill.jsonl");
    let records: Vec<Record> = (0..5).map(|at| record("b", at)).collect();
    redis.start();
    let mut writer = writer(&redis.spilling(&path)).unwrap();
    redis.stop();
    writer.write(&records[..2]).unwrap();
    redis.start_with(&["--requirepass", "hush"]);
    thread::sleep(Duration::from_secs(2));
    assert!(writer.catch_up().is_some(), "they still wait");
    writer.write(&records[2..]).unwrap();
    assert!(!folder.path().join("spill.jsonl.refused").exists());

    redis.stop();
    redis.start();
    catch_up(&mut *writer);
    assert_eq!(redis.ids_of("b"), texts(&records));
}

#[test]
fn a_server_that_does_not_let_us_in_yet_is_waited_for_as_well() {
    let Some(mut redis) = Redis::absent() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spill.jsonl");
    let records: Vec<Record> = (0..5).map(|at| record("b", at)).collect();
    redis.start_with(&["--requirepass", "hush"]);
    let mut writer = writer(&redis.spilling(&path)).unwrap();
    writer.write(&records).unwrap();
    redis.stop();
    redis.start();
    catch_up(&mut *writer);
    assert_eq!(redis.ids_of("b"), texts(&records));
}

#[test]
fn a_connection_string_that_makes_no_sense_is_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spill.jsonl");
    let error = common::writer(&format!("redis://h/zero?spill={}", path.display())).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionString, "{error}");
}

#[test]
fn what_the_server_never_takes_is_set_aside_and_nothing_else() {
    let Some(mut redis) = Redis::absent() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spill.jsonl");
    let good: Vec<Record> = (0..50).map(|at| record("good", at)).collect();
    let bad: Vec<Record> = (0..3).map(|at| record("bad", at)).collect();
    let mut writer = writer(&redis.spilling(&path)).unwrap();
    writer.write(&[&good[..20], &bad, &good[20..]].concat()).unwrap();
    redis.start();
    let client = |arguments: &[&str]| {
        let port = redis.port.to_string();
        let done = Command::new("redis-cli").args(["-p", &port]).args(arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    // Something else is where the records of this trace belong.
    client(&["set", "osprofiler_opt:bad", "of others"]);
    catch_up(&mut *writer);

    let mut stored = redis.ids_of("good");
    stored.dedup();
    assert_eq!(stored, texts(&good));
    let refused = fs::read_to_string(folder.path().join("spill.jsonl.refused")).unwrap();
    let mut refused: Vec<&str> = refused.lines().collect();
    refused.sort_unstable();
    assert_eq!(refused, texts(&bad));
}

#[test]
fn a_replay_lets_others_write_between_its_batches() {
    let Some(mut redis) = Redis::absent() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spill.jsonl");
    let mut writer = writer(&redis.spilling(&path)).unwrap();
    let records: Vec<Record> = (0..2500).map(|at| record("old", at)).collect();
    writer.write(&records).unwrap();
    redis.start();
    until(|| writer.catch_up() == Some(Duration::ZERO));
    assert_eq!(redis.ids_of("old").len(), 1000, "a batch of those that wait");
    writer.write(&[record("new", 0)]).unwrap();
    assert_eq!(redis.ids_of("new").len(), 1);
    catch_up(&mut *writer);
    assert_eq!(redis.ids_of("old").len(), 2500);
}

#[test]
fn a_replay_takes_few_large_records_at_a_time() {
    let Some(mut redis) = Redis::absent() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(&redis.spilling(&folder.path().join("spill.jsonl"))).unwrap();
    let info = Info::new().with("text", &"x".repeat(1 << 20));
    let large = |at| Record { info: info.clone(), ..record("large", at) };
    writer.write(&(0..20).map(large).collect::<Vec<_>>()).unwrap();
    redis.start();
    until(|| writer.catch_up() == Some(Duration::ZERO));
    assert_eq!(redis.ids_of("large").len(), 8, "8 MiB at a time");
    catch_up(&mut *writer);
    assert_eq!(redis.ids_of("large").len(), 20);
}

#[test]
fn a_full_file_refuses_more_and_says_so() {
    let Some(redis) = Redis::absent() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spill.jsonl");
    let url = format!("{}&spill_max=2000", redis.spilling(&path));
    let mut writer = writer(&url).unwrap();
    let error = (0..100).find_map(|at| writer.write(&[record("b", at)]).err()).unwrap();
    assert!(error.is_retryable() && error.to_string().contains("spill_max"), "{error}");
    assert!(error.to_string().contains("cannot reach `redis://"), "and why: {error}");
    assert!(fs::metadata(&path).unwrap().len() < 2500);
}

#[test]
fn a_bound_that_is_no_number_is_refused() {
    let error = writer("redis://127.0.0.1/0?spill=/tmp/x&spill_max=hush").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionString);
    assert!(error.to_string().contains("number of bytes"), "{error}");
}
