//! The notifier that hands batches to a driver: what arrives, and what does not when it fails.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use osprofiler::notifier::{self, FlushError};
use osprofiler::{Id, Profiler, Record, Trace, info, profiler};
use osprofiler_drivers::{Error, ErrorKind, Options, Writer, open_reader};

const LONG: Duration = Duration::from_secs(20);

/// The notifier is the process's: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A back end made of a closure.
struct Back<F>(F);

impl<F: FnMut(&[Record]) -> Result<(), Error> + Send> Writer for Back<F> {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        (self.0)(records)
    }

    fn delete(&mut self, _: &Id) -> Result<bool, Error> {
        Ok(false)
    }
}

/// A back end that keeps something back until it is flushed, which may fail.
struct KeepingBack {
    kept: bool,
    failures: Arc<Mutex<Vec<ErrorKind>>>,
    arrived: Sender<()>,
}

impl Writer for KeepingBack {
    fn write(&mut self, _: &[Record]) -> Result<(), Error> {
        self.kept = true;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if let Some(kind) = self.failures.lock().unwrap().pop() {
            return Err(Error::new(kind, "on purpose"));
        }
        if std::mem::take(&mut self.kept) {
            self.arrived.send(()).unwrap();
        }
        Ok(())
    }

    fn delete(&mut self, _: &Id) -> Result<bool, Error> {
        Ok(false)
    }
}

#[test]
fn what_a_driver_keeps_back_is_flushed_too() {
    let _turn = turn();
    let (arrived, arrivals) = mpsc::channel();
    let failures = Arc::<Mutex<Vec<_>>>::default();
    let shared = failures.clone();
    let guard = notifier::create_with("test", move || {
        let (failures, arrived) = (shared.clone(), arrived.clone());
        Ok(Box::new(KeepingBack { kept: true, failures, arrived }))
    });
    // Nothing was opened yet, and nothing is for this.
    let _ = notifier::flush(LONG);
    assert_eq!(arrivals.try_iter().count(), 0);
    record_points(&new_profiler(), 1);
    assert_eq!(notifier::flush(LONG), Ok(()));
    assert_eq!(arrivals.try_iter().count(), 1);
    for (kind, expected) in
        [(ErrorKind::Unavailable, Ok(())), (ErrorKind::Storage, Err(FlushError::Failed))]
    {
        record_points(&new_profiler(), 1);
        failures.lock().unwrap().push(kind);
        assert_eq!(notifier::flush(LONG), expected);
        assert_eq!(arrivals.try_iter().count(), usize::from(expected.is_ok()));
    }
    record_points(&new_profiler(), 1);
    drop(guard);
    assert_eq!(arrivals.try_iter().count(), 1);
    notifier::clear();
}

/// Delivers to a back end that does what `write` says.
fn deliver_to(write: impl FnMut(&[Record]) -> Result<(), Error> + Send + 'static) {
    let write = Arc::new(Mutex::new(write));
    let guard = notifier::create_with("test", move || {
        let write = write.clone();
        Ok(Box::new(Back(move |records: &[Record]| {
            write.lock().unwrap_or_else(|poisoned| poisoned.into_inner())(records)
        })))
    });
    std::mem::forget(guard);
}

fn record_points(profiler: &Profiler, count: usize) {
    let _attached = profiler.attach();
    for _ in 0..count {
        drop(Trace::new("db", ()));
    }
}

fn new_profiler() -> Profiler {
    Profiler::new("key", None, None)
}

#[test]
fn records_reach_the_driver_and_are_all_there_after_a_flush() {
    let _turn = turn();
    notifier::set_origin("shop", "api");
    let guard = notifier::create("memory://background").unwrap();
    let profiler = new_profiler();
    let before = notifier::stats().delivered;
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| record_points(&profiler, 100));
        }
    });
    drop(guard);
    assert_eq!(notifier::stats().delivered - before, 800);

    let mut texts = Vec::new();
    let mut reader =
        open_reader(&"memory://background".parse().unwrap(), &Options::default()).unwrap();
    reader.read(profiler.base_id(), &mut |json| texts.push(json.to_owned())).unwrap();
    assert_eq!(texts.len(), 800);
    let host = gethostname::gethostname().into_string().unwrap();
    let tail = format!(r#""info":{{"host":"{host}"}},"project":"shop","service":"api"}}"#);
    assert!(texts.iter().all(|text| text.ends_with(&tail)), "{}", texts[0]);
    notifier::clear();
}

#[test]
fn a_start_arrives_within_half_a_second_though_its_thread_spins() {
    let _turn = turn();
    let (arrived, arrivals) = mpsc::channel();
    deliver_to(move |records| {
        for _ in records {
            let _ = arrived.send(Instant::now());
        }
        Ok(())
    });
    let done = &AtomicBool::new(false);
    thread::scope(|threads| {
        let (started, start) = mpsc::channel();
        threads.spawn(move || {
            let profiler = new_profiler();
            let _attached = profiler.attach();
            started.send(Instant::now()).unwrap();
            let _point = Trace::new("spinning", ());
            while !done.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let start = start.recv_timeout(LONG).unwrap();
        let arrival = arrivals.recv_timeout(LONG);
        done.store(true, Ordering::Relaxed);
        let took = arrival.unwrap().duration_since(start);
        assert!(took < Duration::from_millis(500), "{took:?}");
    });
    let _ = notifier::flush(LONG);
    notifier::clear();
}

#[test]
fn a_back_end_that_is_back_soon_loses_nothing() {
    let _turn = turn();
    let mut failures = 2;
    let (arrived, arrivals) = mpsc::channel();
    deliver_to(move |records| {
        if failures > 0 {
            failures -= 1;
            return Err(Error::new(ErrorKind::Unavailable, "on purpose"));
        }
        arrived.send(records.to_vec()).unwrap();
        Ok(())
    });
    let before = notifier::stats();
    let profiler = new_profiler();
    record_points(&profiler, 3);
    let _ = notifier::flush(LONG);
    // What was lost in another test may be told now.
    let ours = arrivals.try_iter().flatten().filter(|record| record.base_id == *profiler.base_id());
    assert_eq!(ours.count(), 6);
    assert_eq!(notifier::stats().dropped_failed, before.dropped_failed);
    notifier::clear();
}

#[test]
fn what_a_back_end_refuses_or_panics_at_is_dropped_and_counted() {
    let _turn = turn();
    for panics in [false, true] {
        let mut first = true;
        let (arrived, arrivals) = mpsc::channel();
        deliver_to(move |records| {
            if std::mem::take(&mut first) {
                assert!(!panics, "on purpose");
                return Err(Error::new(ErrorKind::Storage, "on purpose"));
            }
            arrived.send(records.len()).unwrap();
            Ok(())
        });
        let before = notifier::stats();
        record_points(&new_profiler(), 5);
        assert!(matches!(notifier::flush(LONG), Err(FlushError::Dropped(_))));
        assert_eq!(notifier::stats().dropped_failed - before.dropped_failed, 10);
        record_points(&new_profiler(), 1);
        let _ = notifier::flush(LONG);
        assert_eq!(notifier::stats().delivered - before.delivered, 2);
        // And the point that tells of the loss.
        assert_eq!(arrivals.try_iter().sum::<usize>(), 2 + 2);
    }
    notifier::clear();
}

#[test]
fn a_back_end_that_hangs_delays_nobody_and_memory_stays_bounded() {
    let _turn = turn();
    let (release, _gone) = deliver_to_one_that_hangs();
    let before = notifier::stats();
    let profiler = new_profiler();
    // Returns at all: the back end is let go further down only.
    record_points(&profiler, 400_000);
    let short = Duration::from_millis(100);
    assert_eq!(notifier::flush(short), Err(FlushError::Timeout(short)));
    let dropped = notifier::stats().dropped_no_room - before.dropped_no_room;
    // 512 full rings wait at most, and the one in use. Nine batches are under way, one in the making.
    assert!(dropped > 800_000 - 513 * 1024 - 11 * 4096, "{dropped}");
    drop(release);
    let _ = notifier::flush(LONG);
    let kept = notifier::stats().delivered - before.delivered;
    assert_eq!(kept + dropped, 800_000);
    notifier::clear();
}

/// Delivers to a back end that takes nothing until the sender is dropped. The receiver is disconnected
/// once that is replaced and has taken all that it was given.
fn deliver_to_one_that_hangs() -> (Sender<()>, Receiver<()>) {
    let (release, hung): (_, Receiver<()>) = mpsc::channel();
    let (alive, gone) = mpsc::channel();
    deliver_to(move |_| {
        let _alive = &alive;
        let _ = hung.recv();
        Ok(())
    });
    (release, gone)
}

#[test]
fn a_back_end_that_hangs_can_be_replaced() {
    let _turn = turn();
    let (release, gone) = deliver_to_one_that_hangs();
    let _ = notifier::flush(Duration::from_millis(1));
    record_points(&new_profiler(), 100_000);
    let (arrived, arrivals) = mpsc::channel();
    deliver_to(move |records| {
        for record in records {
            arrived.send(record.base_id.clone()).unwrap();
        }
        Ok(())
    });
    let profiler = new_profiler();
    record_points(&profiler, 5);
    // What the first one lost is reported, and no more than that.
    assert!(matches!(notifier::flush(LONG), Err(FlushError::Dropped(_))));
    let ours = arrivals.try_iter().filter(|base_id| base_id == profiler.base_id()).count();
    assert_eq!(ours, 10);
    assert_eq!(notifier::flush(LONG), Ok(()));
    notifier::clear();
    drop(release);
    assert_eq!(gone.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
}

/// The numbers in the points named `dropped`, of each of these traces in turn. (What was lost in another
/// test may be told as well.)
fn told(records: &[Record], of: &[&Profiler]) -> Vec<(Id, u64, u64)> {
    let ours = |id: &Id| of.iter().any(|profiler| profiler.base_id() == id);
    let points = records.iter().filter(|record| record.name == "dropped" && ours(&record.base_id));
    points
        .filter_map(|record| {
            let info = record.info.to_map();
            let count = |reason: &str| info.get("dropped")?[reason].as_u64();
            Some((record.base_id.clone(), count("no_room")?, count("failed")?))
        })
        .collect()
}

#[test]
fn what_is_dropped_is_told_in_its_trace() {
    let _turn = turn();
    let (release, hung): (_, Receiver<()>) = mpsc::channel();
    let (arrived, arrivals) = mpsc::channel();
    deliver_to(move |records| {
        let _ = hung.recv();
        arrived.send(records.to_vec()).unwrap();
        Ok(())
    });
    let before = notifier::stats();
    let (large, small, whole) = (new_profiler(), new_profiler(), new_profiler());
    record_points(&whole, 1);
    record_points(&large, 300_000);
    record_points(&small, 10);
    drop(release);
    let _ = notifier::flush(LONG);
    let lost = notifier::stats().dropped_no_room - before.dropped_no_room;
    let records: Vec<_> = arrivals.try_iter().flatten().collect();
    let kept = |profiler: &Profiler| {
        let ours = records.iter().filter(|record| record.base_id == *profiler.base_id());
        ours.filter(|record| record.name == "db").count() as u64
    };
    let expected = [(&large, 600_000), (&small, 20)]
        .map(|(profiler, made)| (profiler.base_id().clone(), made - kept(profiler), 0));
    assert_eq!(told(&records, &[&large, &small, &whole]), expected);
    assert_eq!(expected.iter().map(|(_, lost, _)| lost).sum::<u64>(), lost);
    assert_eq!(kept(&whole), 2);
    notifier::clear();
}

#[test]
fn losses_are_told_once_the_back_end_is_back() {
    let _turn = turn();
    let mut failures = 2;
    let (arrived, arrivals) = mpsc::channel();
    deliver_to(move |records| {
        if failures > 0 {
            failures -= 1;
            return Err(Error::new(ErrorKind::Storage, "on purpose"));
        }
        arrived.send(records.to_vec()).unwrap();
        Ok(())
    });
    let profiler = new_profiler();
    record_points(&profiler, 3);
    // The first failure is that of the records, the second one that of telling so.
    for _ in 0..2 {
        let _ = notifier::flush(LONG);
    }
    let _ = notifier::flush(LONG);
    let records: Vec<_> = arrivals.try_iter().flatten().collect();
    assert_eq!(told(&records, &[&profiler]), [(profiler.base_id().clone(), 0, 6)]);
    let ours = records.iter().filter(|record| record.base_id == *profiler.base_id());
    let times: Vec<_> = ours.map(|record| record.timestamp).collect();
    assert!(matches!(times[..], [start, stop] if start == stop), "it takes no time");
    notifier::clear();
}

#[test]
fn a_back_end_that_always_refuses_is_not_pressed() {
    let _turn = turn();
    let calls = Arc::new(AtomicUsize::new(0));
    deliver_to({
        let calls = calls.clone();
        move |_| {
            calls.fetch_add(1, Ordering::Relaxed);
            Err(Error::new(ErrorKind::Storage, "on purpose"))
        }
    });
    record_points(&new_profiler(), 5);
    thread::sleep(Duration::from_secs(1));
    // Ten times that the drainer comes by, for records and for what was lost of them.
    let calls = calls.load(Ordering::Relaxed);
    assert!((1..=25).contains(&calls), "{calls}");
    notifier::clear();
    deliver_to(|_| Ok(()));
    let _ = notifier::flush(LONG);
}

#[test]
fn large_infos_are_bounded_as_well() {
    let _turn = turn();
    let (release, _gone) = deliver_to_one_that_hangs();
    let before = notifier::stats();
    let profiler = new_profiler();
    let text = "x".repeat(1 << 20);
    for _ in 0..100 {
        let _attached = profiler.attach();
        profiler::start("large", info! { "text" => text });
    }
    let dropped = notifier::stats().dropped_no_room - before.dropped_no_room;
    assert!((36..=40).contains(&dropped), "{dropped}");
    drop(release);
    let _ = notifier::flush(LONG);
    assert_eq!(notifier::stats().delivered - before.delivered + dropped, 200);
    // The room is given back.
    record_points(&profiler, 1);
    assert_eq!(notifier::flush(LONG), Ok(()));
    notifier::clear();
}

#[test]
fn many_threads_lose_nothing_and_those_that_ended_are_bounded() {
    let _turn = turn();
    let count = |threads: usize| {
        let before = notifier::stats();
        let barrier = Barrier::new(threads);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    barrier.wait();
                    record_points(&new_profiler(), 5);
                    barrier.wait();
                });
            }
        });
        before
    };
    deliver_to(|_| Ok(()));
    let before = count(1500);
    assert_eq!(notifier::flush(LONG), Ok(()));
    assert_eq!(notifier::stats().delivered - before.delivered, 15_000);

    let (release, _gone) = deliver_to_one_that_hangs();
    let before = count(1500);
    let _ = notifier::flush(Duration::from_millis(500));
    drop(release);
    let _ = notifier::flush(LONG);
    let after = notifier::stats();
    let seen = after.delivered + after.dropped_no_room - before.delivered - before.dropped_no_room;
    assert_eq!(seen, 15_000);
    notifier::clear();
}

#[test]
fn a_connection_string_in_error_is_refused_at_once() {
    let error = notifier::create("reddis://:hush@h").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownScheme);
    assert!(!error.to_string().contains("hush"));
    assert!(notifier::create("hush").is_err());
}

#[test]
fn a_thread_that_ended_is_drained() {
    let _turn = turn();
    let (arrived, arrivals) = mpsc::channel();
    deliver_to(move |records| {
        arrived.send(records.len()).unwrap();
        Ok(())
    });
    for _ in 0..50 {
        thread::spawn(|| record_points(&new_profiler(), 2)).join().unwrap();
    }
    let _ = notifier::flush(LONG);
    assert_eq!(arrivals.try_iter().sum::<usize>(), 200);
    profiler::clean();
    notifier::clear();
}
