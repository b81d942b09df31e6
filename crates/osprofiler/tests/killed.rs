//! A process that is killed has lost no more than half a second.

use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use std::{env, thread};

use osprofiler::{Timestamp, Trace, notifier, profiler};
use osprofiler_drivers::{Options, open_reader};
use osprofiler_wire::RecordView;

/// Where the process that is to be killed stores its records; nothing in the one that kills it.
const STORE: &str = "OSPROFILER_TEST_KILLED_STORE";

const BASE_ID: &str = "killed";

#[test]
fn a_process_that_is_killed_has_lost_half_a_second_at_most() {
    if let Ok(store) = env::var(STORE) {
        record_for_ever(&store);
    }
    let dir = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}/traces.db", dir.path().display());
    let mut process = Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_process_that_is_killed_has_lost_half_a_second_at_most"])
        .env(STORE, &store)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_secs(2));
    process.kill().unwrap();
    let killed = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    process.wait().unwrap();

    let mut last = Timestamp::from_micros(0);
    let mut records = 0;
    open_reader(&store.parse().unwrap(), &Options::default())
        .unwrap()
        .read(&BASE_ID.into(), &mut |json| {
            last = last.max(RecordView::parse(json).unwrap().timestamp);
            records += 1;
        })
        .unwrap();
    assert!(records > 100, "{records}");
    let lost = killed.saturating_sub(Duration::from_micros(last.as_micros().try_into().unwrap()));
    assert!(lost < Duration::from_millis(500), "{lost:?}");
}

/// A point every millisecond, within one that does not end.
fn record_for_ever(store: &str) -> ! {
    let _notifier = notifier::create(store).unwrap();
    profiler::init("SECRET_KEY", Some(BASE_ID.into()), None);
    let _unfinished = Trace::new("unfinished", ());
    loop {
        drop(Trace::new("tick", ()));
        thread::sleep(Duration::from_millis(1));
    }
}
