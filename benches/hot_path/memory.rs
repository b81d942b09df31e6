//! Memory while a back end never answers: every thread records far more than there is room for.

use std::sync::Barrier;
use std::time::Duration;
use std::{fs, thread};

use osprofiler::{Id, Profiler, Record, Trace, info, notifier};
use osprofiler_benches::{Bench, start_job};
use osprofiler_drivers::{Error, Writer};

/// Bytes of a thread's ring at most.
const THREAD: u64 = 64 << 10;

/// Full rings that wait to be emptied at most.
const FULL_RINGS: u64 = 512;

/// Records in batches at most: eight that wait, one that is being written and one in the making, of
/// 4,096 each; and the bytes of one with what goes along with it.
const RECORDS_IN_BATCHES: u64 = 10 * 4096;
const RECORD: u64 = 256;

/// Bytes of infos at most.
const INFOS: u64 = 64 << 20;

/// What the allocator may take in addition, for each byte that is in use.
const ALLOCATOR: f64 = 0.25;

/// Points that each thread records: several times what there is room for.
const POINTS: u64 = 20_000;

const THREADS: u64 = 64;
const INFO: usize = 1000;

/// Points that nearly fill one ring.
const POINTS_OF_A_RING: u64 = 500;

/// The points are recorded in so many slices.
const SLICES: u64 = 20;

pub(crate) fn run(bench: &mut Bench) {
    let rings = grow(0, POINTS_OF_A_RING);
    let empty = grow(0, POINTS);
    let with_infos = grow(INFO, POINTS);
    let in_all = RECORDS_IN_BATCHES * RECORD + (FULL_RINGS + THREADS) * THREAD;
    let rows = [
        ("each thread, its ring nearly full", rings.further / THREADS, THREAD),
        ("in all, empty", empty.at_first, in_all),
        ("in all, with infos", with_infos.at_first, in_all + INFOS),
    ];
    let mut report = format!(
        "### memory: a back end that never answers, {POINTS} points on each of {THREADS} threads, \
         infos of {INFO} bytes\n\n|  | grown by, KiB | bound, KiB |\n|---|---:|---:|"
    );
    for (name, grown, bound) in rows {
        report += &format!("\n| {name} | {} | {} |", grown >> 10, bound >> 10);
    }
    bench.say(&report);
    for (name, grown, bound) in rows {
        let allowed = bound as f64 * (1.0 + ALLOCATOR);
        assert!(grown as f64 <= allowed, "{name}: {grown} bytes are more than {bound}");
    }
    let [(_, thread, thread_bound), _, (_, process, process_bound)] = rows;
    bench.bar("memory_thread_bytes", thread as f64, thread_bound as f64, 1.0);
    bench.bar("memory_process_bytes", process as f64, process_bound as f64, 1.0);
}

/// Bytes by which a process has grown.
struct Grown {
    /// When so many threads had recorded.
    at_first: u64,
    /// When as many others had, after all batches were full.
    further: u64,
}

/// Has another process record so many points on each thread.
fn grow(info: usize, points: u64) -> Grown {
    let job = start_job(&[], "hang", &[&info.to_string(), &points.to_string()])
        .and_then(|mut job| job.output());
    let job = job.expect("this program again");
    assert!(job.status.success(), "memory: {}", String::from_utf8_lossy(&job.stderr));
    let printed = String::from_utf8_lossy(&job.stdout).into_owned();
    let mut bytes = printed.split_whitespace().map(|bytes| bytes.parse().expect("bytes"));
    let mut next = || bytes.next().expect("two numbers");
    Grown { at_first: next(), further: next() }
}

/// A back end that never answers.
struct Hanging;

impl Writer for Hanging {
    fn write(&mut self, _: &[Record]) -> Result<(), Error> {
        loop {
            thread::park();
        }
    }

    fn delete(&mut self, _: &Id) -> Result<bool, Error> {
        Ok(false)
    }
}

/// Records, first on some threads and then on as many others, and prints the bytes
/// by which the process has grown each time.
pub(crate) fn job(args: &[String]) {
    let info: usize = args[0].parse().expect("bytes");
    let points: u64 = args[1].parse().expect("points");
    let text = "x".repeat(info);
    std::mem::forget(notifier::create_with("hanging", || Ok(Box::new(Hanging))));
    let turns = [(); 2].map(|()| Barrier::new(THREADS as usize + 1));
    let end = Barrier::new(2 * THREADS as usize + 1);
    thread::scope(|scope| {
        for turn in &turns {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    // A thread that has not recorded yet, and has done what threads do.
                    record(0, &text);
                    turn.wait();
                    turn.wait();
                    for _ in 0..SLICES {
                        record(points / SLICES, &text);
                        // Meanwhile the drainer comes by.
                        thread::sleep(Duration::from_millis(20));
                    }
                    turn.wait();
                    // What a thread that ends gives back is no part of it.
                    end.wait();
                });
            }
        }
        for turn in &turns {
            turn.wait();
        }
        for turn in &turns {
            let before = resident();
            turn.wait();
            turn.wait();
            println!("{}", resident() - before);
        }
        end.wait();
    });
    let recorded = 2 * 2 * THREADS * points;
    let dropped = notifier::stats().dropped();
    if points == POINTS {
        assert!(dropped > recorded / 2, "there was room for most");
    } else {
        assert_eq!(dropped, 0, "there was room for all");
    }
}

fn record(points: u64, text: &str) {
    let _attached = Profiler::new("SECRET_KEY", None, None).attach();
    for _ in 0..points {
        if text.is_empty() {
            drop(Trace::new("point", ()));
        } else {
            drop(Trace::new("point", info! { "text" => text }));
        }
    }
}

/// Bytes of memory that the process has in use.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("pages");
    pages * rustix::param::page_size() as u64
}
