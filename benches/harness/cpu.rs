//! CPU time: of the process, of this thread, of threads by name.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of the process until now.
#[must_use]
pub fn of_process() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// CPU time of this thread until now.
#[must_use]
pub fn of_thread() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).expect("CPU time is not negative")
}

/// CPU time until now of the threads that live and whose name begins with one of `prefixes`.
///
/// Libraries have threads that wake up now and then; what those of one spend must not be put on the
/// bill of another.
///
/// # Panics
///
/// If the kernel does not tell.
#[must_use]
pub fn of_threads_named(prefixes: &[&str]) -> Duration {
    let threads = fs::read_dir("/proc/self/task").expect("Linux");
    let of_thread = |thread: fs::DirEntry| {
        // It may end meanwhile.
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        let counts = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let wanted = prefixes.iter().any(|prefix| name.starts_with(prefix));
        wanted.then(|| counts.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()))?
    };
    Duration::from_nanos(threads.flatten().filter_map(of_thread).sum())
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_is_found_by_its_name() {
        let spin = || {
            while of_thread() < Duration::from_millis(5) {
                black_box(0);
            }
            (of_threads_named(&["spin"]), of_threads_named(&["other"]))
        };
        let spinner = thread::Builder::new().name("spinner".into()).spawn(spin).unwrap();
        let (named, other) = spinner.join().unwrap();
        assert!(named >= Duration::from_millis(4), "{named:?}");
        assert_eq!(other, Duration::ZERO);
        assert!(of_process() >= Duration::from_millis(5));
    }
}
