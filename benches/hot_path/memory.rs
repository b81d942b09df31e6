//! Memory while a back end never answers: every thread records far more than there is room for.

use std::sync::Barrier;
use std::time::Duration;
use std::{fs, thread};

use osprofiler::{Id, Profiler, Record, Trace, info, notifier};
use osprofiler_benches::{Bench, start_job};
use osprofiler_drivers::{Error, Writer};

/// Bytes of a thread's ring at most.
const THREAD: u64 = 64 << 10;

/// Records on their way to the back end at most: eight batches that wait, one that is being written
/// and one in the making, of 4,096 each.
const RECORDS_UNDER_WAY: u64 = 10 * 4096;

/// Bytes of infos at most.
const INFOS: u64 = 64 << 20;

/// What the allocator may take in addition, for each byte that is in use.
const ALLOCATOR: f64 = 0.25;

/// Points that each thread records: a hundred times what there is room for.
const POINTS: u64 = 20_000;

const THREADS: u64 = 64;
const FEW_THREADS: u64 = 16;
const INFO: usize = 1000;

pub(crate) fn run(bench: &mut Bench) {
    let (few, many) = (grow(FEW_THREADS, 0), grow(THREADS, 0));
    let with_infos = grow(THREADS, INFO);
    let process = RECORDS_UNDER_WAY * size_of::<Record>() as u64;
    let bound = process + THREADS * THREAD;
    let bound_with_infos = bound + INFOS;
    let per_thread = many.saturating_sub(few) / (THREADS - FEW_THREADS);
    bench.say(&format!(
        "### memory: a back end that never answers, {POINTS} points on each of {THREADS} threads\n\n\
         |  | grown by, KiB | bound, KiB |\n|---|---:|---:|\n\
         | empty | {} | {} |\n| infos of {INFO} bytes | {} | {} |\n\
         | each thread, empty ({THREADS} less {FEW_THREADS} threads) | {} | {} |",
        many >> 10, bound >> 10, with_infos >> 10, bound_with_infos >> 10, per_thread >> 10, THREAD >> 10,
    ));
    let allowed = |bound: u64| (bound as f64 * (1.0 + ALLOCATOR)) as u64;
    assert!(many <= allowed(bound), "{many} bytes are more than {bound}");
    assert!(
        with_infos <= allowed(bound_with_infos),
        "{with_infos} bytes are more than {bound_with_infos}"
    );
    bench.bar("memory_per_thread_kib", (per_thread >> 10) as f64, (THREAD >> 10) as f64, 1.0);
    bench.bar(
        "memory_process_kib",
        (with_infos >> 10) as f64,
        (bound_with_infos >> 10) as f64,
        1.0,
    );
}

/// Bytes by which a process grows in which so many threads record.
fn grow(threads: u64, info: usize) -> u64 {
    let args = [threads.to_string(), info.to_string()];
    let job = start_job(&[], "hang", &[&args[0], &args[1]]).and_then(|mut job| job.output());
    let job = job.expect("this program again");
    assert!(job.status.success(), "memory: {}", String::from_utf8_lossy(&job.stderr));
    String::from_utf8_lossy(&job.stdout).trim().parse().expect("a number of bytes")
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

/// Records on so many threads, and prints the bytes by which the process has grown.
pub(crate) fn job(args: &[String]) {
    let threads: usize = args[0].parse().expect("a count");
    let info: usize = args[1].parse().expect("bytes");
    std::mem::forget(notifier::create_with("hanging", || Ok(Box::new(Hanging))));
    let (start, end) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let text = "x".repeat(info);
                start.wait();
                record(&text);
                end.wait();
                // What a thread that ends gives back is no part of it.
                end.wait();
            });
        }
        let before = resident();
        start.wait();
        end.wait();
        // The drainer fills the queue meanwhile.
        thread::sleep(Duration::from_millis(500));
        println!("{}", resident().saturating_sub(before));
        end.wait();
    });
    assert!(notifier::stats().dropped() > 0, "there was room for all");
}

fn record(text: &str) {
    let _attached = Profiler::new("SECRET_KEY", None, None).attach();
    for _ in 0..POINTS {
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
