//! Timestamps that are comparable between hosts and never run backwards within a trace.
//!
//! All records of a trace in this process are dated from one [`Anchor`]: the wall clock at which the
//! trace entered the process, and what a counter said then. The counter is the processor's (TSC),
//! which takes a third of the time of the operating system's clock; how long one of its ticks lasts
//! is found by the background, which compares the two ([`Calibration`]). Until that is known, and
//! wherever the counter cannot be trusted, the operating system's monotonic clock stands in.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use osprofiler_wire::Timestamp;

/// Where the processor has no steady counter, this one reads the operating system's clock.
static COUNTER: LazyLock<quanta::Clock> = LazyLock::new(quanta::Clock::new);

/// Microseconds that a tick lasts, in units of 2^-64; 0 while that is not known.
static TICK: AtomicU64 = AtomicU64::new(0);

/// The wall clock when a trace entered this process, and the monotonic clock of that moment.
///
/// A wall clock that is set meanwhile changes no duration; the next trace starts from the new time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    wall_us: i64,
    monotonic: Monotonic,
}

#[derive(Clone, Copy, Debug)]
enum Monotonic {
    Counter { since: u64, tick: u64 },
    Os(Instant),
}

impl Anchor {
    pub(crate) fn now() -> Self {
        let wall = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            wall_us: i64::try_from(wall.as_micros()).unwrap_or(i64::MAX),
            monotonic: match TICK.load(Ordering::Acquire) {
                0 => Monotonic::Os(Instant::now()),
                tick => Monotonic::Counter { since: COUNTER.raw(), tick },
            },
        }
    }

    /// Microseconds since then.
    #[inline]
    pub(crate) fn elapsed_us(&self) -> u64 {
        match self.monotonic {
            Monotonic::Counter { since, tick } => {
                let ticks = COUNTER.raw().saturating_sub(since);
                // The upper half of the product: the units of `tick` are gone.
                ((u128::from(ticks) * u128::from(tick)) >> 64) as u64
            }
            Monotonic::Os(since) => u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX),
        }
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        self.after_us(self.elapsed_us())
    }

    /// The time so many microseconds after.
    pub(crate) fn after_us(&self, elapsed_us: u64) -> Timestamp {
        Timestamp::from_micros(self.wall_us.saturating_add_unsigned(elapsed_us))
    }
}

/// The operating system's clock sources that are nothing but this counter: the same for all
/// processors, and steady.
const STEADY_SOURCES: [&str; 2] = ["tsc", "arch_sys_counter"];

/// Where Linux says which clock source it trusts.
const SOURCE_FILE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// A reading of both clocks takes no longer than this, else it was interrupted.
const MAX_GAP: Duration = Duration::from_nanos(200);

/// A tick is measured over at least this long: with [`MAX_GAP`], right to four in a million.
const MIN_SPAN: Duration = Duration::from_millis(100);

/// A tick is measured over at most twice this long, so that it follows the operating system's clock
/// when that is adjusted.
const MAX_SPAN: Duration = Duration::from_secs(60);

/// How far the counter may run from what was measured. The operating system's clock is adjusted by
/// less, but a virtual machine that moves to another host may find another counter there.
const MAX_DRIFT: f64 = 0.001;

/// Measures how long a tick of the counter lasts.
#[derive(Debug)]
pub(crate) struct Calibration {
    /// Where the measurement in force begins.
    first: Reading,
    /// Where the next one will begin.
    next: Reading,
    last: Reading,
}

impl Calibration {
    /// `None` if the operating system does not trust the counter, so that we do not either.
    ///
    /// Takes up to 200 milliseconds, in which `quanta` gets to know the counter.
    pub(crate) fn start() -> Option<Self> {
        let source = std::fs::read_to_string(SOURCE_FILE).ok()?;
        STEADY_SOURCES.contains(&source.trim_end()).then(|| Self::from(Reading::take()))
    }

    /// Measures again, to be called now and then.
    pub(crate) fn refresh(&mut self) {
        TICK.store(self.measure(Reading::take(), TICK.load(Ordering::Relaxed)), Ordering::Relaxed);
    }

    /// How long a tick is, in the units of [`TICK`], where `tick` was measured before.
    fn measure(&mut self, now: Reading, tick: u64) -> u64 {
        if now.gap > MAX_GAP || now.at - self.last.at < MIN_SPAN {
            return tick;
        }
        let drift = now.tick_since(&self.last) / tick as f64 - 1.0;
        if self.first.gap > MAX_GAP || (tick != 0 && drift.abs() > MAX_DRIFT) {
            *self = Self::from(now);
            return 0;
        }
        let tick = now.tick_since(&self.first) as u64;
        self.last = now;
        if now.at - self.next.at > MAX_SPAN {
            self.first = std::mem::replace(&mut self.next, now);
        }
        tick
    }
}

impl From<Reading> for Calibration {
    fn from(now: Reading) -> Self {
        Self { first: now, next: now, last: now }
    }
}

/// What both clocks said at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    ticks: u64,
    /// How long the moment was.
    gap: Duration,
}

impl Reading {
    fn take() -> Self {
        let read = |_| {
            let at = Instant::now();
            let ticks = COUNTER.raw();
            Self { at, ticks, gap: at.elapsed() }
        };
        (0..8).map(read).min_by_key(|reading| reading.gap).expect("there are eight")
    }

    /// How long a tick was from `earlier` to this, in the units of [`TICK`].
    fn tick_since(&self, earlier: &Self) -> f64 {
        let micros = (self.at - earlier.at).as_secs_f64() * 1e6;
        micros / self.ticks.saturating_sub(earlier.ticks).max(1) as f64 * 2_f64.powi(64)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_counter_keeps_time_with_the_operating_system() {
        if let Some(mut calibration) = Calibration::start() {
            while TICK.load(Ordering::Relaxed) == 0 {
                thread::sleep(Duration::from_millis(20));
                calibration.refresh();
            }
        }
        let anchor = Anchor::now();
        let timed = || (Instant::now(), anchor.elapsed_us(), Instant::now());
        let (from, began, inner_from) = timed();
        thread::sleep(Duration::from_millis(300));
        let (inner_to, ended, to) = timed();
        let took = Duration::from_micros(ended - began);
        let tolerance = Duration::from_micros(10);
        assert!(took + tolerance >= inner_to - inner_from, "{took:?}");
        assert!(took <= to - from + tolerance, "{took:?}");
    }

    /// A minute of readings, one a second, of a counter of so many ticks a second.
    fn readings(from: Reading, ticks_per_second: u64) -> impl Iterator<Item = Reading> {
        (1..=60).map(move |second| Reading {
            at: from.at + Duration::from_secs(second),
            ticks: from.ticks + second * ticks_per_second,
            gap: Duration::ZERO,
        })
    }

    #[test]
    fn a_counter_that_changes_is_not_trusted_until_it_is_known_again() {
        let from = Reading { at: Instant::now(), ticks: 0, gap: Duration::ZERO };
        let mut calibration = Calibration::from(from);
        let micros = |tick: u64| tick as f64 / 2_f64.powi(64);
        let (mut tick, mut last) = (0, from);
        for now in readings(from, 2_000_000_000) {
            tick = calibration.measure(now, tick);
            last = now;
            assert!((micros(tick) - 0.000_5).abs() < 1e-12, "{}", micros(tick));
        }
        let mut slower = readings(last, 1_000_000_000);
        assert_eq!(calibration.measure(slower.next().unwrap(), tick), 0);
        let tick = calibration.measure(slower.next().unwrap(), 0);
        assert!((micros(tick) - 0.001).abs() < 1e-12, "{}", micros(tick));
    }

    #[test]
    fn a_reading_that_was_interrupted_does_not_count() {
        let at = Instant::now();
        let gap = Duration::from_millis(1);
        let mut calibration = Calibration::from(Reading { at, ticks: 0, gap });
        let at = |second| at + Duration::from_secs(second);
        let good =
            |second| Reading { at: at(second), ticks: second * 1_000_000, gap: Duration::ZERO };
        assert_eq!(calibration.measure(good(1), 0), 0, "the first one does not count");
        assert_eq!(calibration.measure(Reading { gap, ..good(2) }, 0), 0);
        assert_ne!(calibration.measure(good(3), 0), 0);
    }
}
