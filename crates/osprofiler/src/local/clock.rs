//! Timestamps that are comparable between hosts and never run backwards within a trace.
//!
//! All records of a trace in this process are dated from one [`Anchor`]: a wall clock, and what a
//! counter said then. The counter is the processor's (TSC), which takes a third of the time of the
//! operating system's clock. Several times a second the background reads both, and finds how long a
//! tick lasts ([`Calibration`]); a trace begins with its last reading, and so reads no clock to
//! begin with. Until there is one, and wherever the counter cannot be trusted, the operating system's
//! clocks are read instead.

use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant, SystemTime};

use osprofiler_wire::Timestamp;

use crate::local::latest::Latest;

/// Where the processor has no steady counter, this one reads the operating system's clock.
static COUNTER: LazyLock<quanta::Clock> = LazyLock::new(quanta::Clock::new);

/// The processor's counter, for a thread to keep.
pub(crate) fn counter() -> quanta::Clock {
    COUNTER.clone()
}

/// What the background has read last: microseconds of the wall clock, the counter at that moment, and
/// the microseconds that a tick lasts, in units of 2^-64.
static READING: Latest =
    Latest { version: AtomicU64::new(1), numbers: [const { AtomicU64::new(0) }; 3] };

/// The wall clock shortly before a trace entered this process, and the monotonic clock of that moment.
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
    /// For a trace that begins now.
    #[inline]
    pub(crate) fn now() -> Self {
        let Some([wall_us, since, tick]) = READING.get() else { return Self::of_os() };
        Self { wall_us: wall_us as i64, monotonic: Monotonic::Counter { since, tick } }
    }

    #[cold]
    fn of_os() -> Self {
        Self { wall_us: wall_us(), monotonic: Monotonic::Os(Instant::now()) }
    }

    /// Microseconds since then.
    pub(crate) fn elapsed_us(&self) -> u64 {
        self.elapsed_us_by(&COUNTER)
    }

    /// [`elapsed_us`](Self::elapsed_us) by a [`counter`] that is at hand.
    #[inline(always)]
    pub(crate) fn elapsed_us_by(&self, counter: &quanta::Clock) -> u64 {
        match self.monotonic {
            Monotonic::Counter { since, tick } => {
                let ticks = counter.raw().saturating_sub(since);
                // The upper half of the product: the units of `tick` are gone.
                ((u128::from(ticks) * u128::from(tick)) >> 64) as u64
            }
            Monotonic::Os(since) => elapsed_since(since),
        }
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        self.after_us(self.elapsed_us())
    }

    /// The time so many microseconds after.
    #[inline]
    pub(crate) fn after_us(&self, elapsed_us: u64) -> Timestamp {
        Timestamp::from_micros(self.wall_us.saturating_add_unsigned(elapsed_us))
    }
}

/// Microseconds of the wall clock.
fn wall_us() -> i64 {
    let wall = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(wall.as_micros()).unwrap_or(i64::MAX)
}

#[cold]
fn elapsed_since(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Goes back to the operating system's clocks: in the child of a fork, where nobody reads them
/// several times a second. Async-signal-safe.
pub(crate) fn forget_reading() {
    READING.clear();
}

/// The operating system's clock sources that are nothing but this counter: the same for all
/// processors, and steady.
const STEADY_SOURCES: [&str; 2] = ["tsc", "arch_sys_counter"];

/// Where Linux says which clock source it trusts.
const SOURCE_FILE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// A tick is measured at least so exactly; a reading that was interrupted waits for longer.
const PRECISION: f64 = 4e-6;

/// A tick is measured over at least this long.
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
    /// What was measured, in units of 2^-64 microseconds; 0 while nothing is known.
    tick: u64,
}

impl Calibration {
    /// `None` if the operating system does not trust the counter, so that we do not either.
    ///
    /// Takes up to 200 milliseconds, in which `quanta` gets to know the counter.
    pub(crate) fn start() -> Option<Self> {
        let source = std::fs::read_to_string(SOURCE_FILE).ok()?;
        STEADY_SOURCES.contains(&source.trim_end()).then(|| Self::from(Reading::take()))
    }

    /// Reads the clocks again, for the traces that begin from now on; to be called now and then.
    pub(crate) fn refresh(&mut self) {
        let now = Reading::take();
        self.tick = self.measure(now);
        match self.tick {
            0 => READING.clear(),
            tick => READING.set([now.wall_us as u64, now.ticks, tick]),
        }
    }

    /// How long a tick is.
    fn measure(&mut self, now: Reading) -> u64 {
        if now.at - self.last.at < MIN_SPAN {
            return self.tick;
        }
        if !now.is_exact_since(&self.last) {
            // The first one may have been interrupted.
            if self.tick == 0 && now.gap < self.last.gap {
                *self = Self::from(now);
            }
            return self.tick;
        }
        let drift = now.tick_since(&self.last) / self.tick as f64 - 1.0;
        if self.tick != 0 && drift.abs() > MAX_DRIFT {
            *self = Self::from(now);
            return 0;
        }
        self.last = now;
        let first = self.first;
        if now.at - self.next.at > MAX_SPAN {
            self.first = std::mem::replace(&mut self.next, now);
        }
        now.tick_since(&first) as u64
    }
}

impl From<Reading> for Calibration {
    fn from(now: Reading) -> Self {
        Self { first: now, next: now, last: now, tick: 0 }
    }
}

/// What all clocks said at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    wall_us: i64,
    ticks: u64,
    /// How long the moment was.
    gap: Duration,
}

impl Reading {
    fn take() -> Self {
        let read = |_| {
            let at = Instant::now();
            let wall_us = wall_us();
            let ticks = COUNTER.raw();
            Self { at, wall_us, ticks, gap: at.elapsed() }
        };
        (0..8).map(read).min_by_key(|reading| reading.gap).expect("there are eight")
    }

    /// Whether a tick can be measured from `earlier` to this.
    fn is_exact_since(&self, earlier: &Self) -> bool {
        let error = (earlier.gap + self.gap).as_secs_f64();
        error <= PRECISION * (self.at - earlier.at).as_secs_f64()
    }

    /// How long a tick was from `earlier` to this, in units of 2^-64 microseconds.
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
            while READING.get().is_none() {
                thread::sleep(Duration::from_millis(20));
                calibration.refresh();
            }
        }
        let (before, anchor, after) = (wall_us(), Anchor::now(), wall_us());
        let now = anchor.timestamp().as_micros();
        assert!((before - 10..=after + 1_000).contains(&now), "{before} {now} {after}");
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
            wall_us: 0,
            ticks: from.ticks + second * ticks_per_second,
            gap: Duration::ZERO,
        })
    }

    #[test]
    fn a_counter_that_changes_is_not_trusted_until_it_is_known_again() {
        let from = Reading { at: Instant::now(), wall_us: 0, ticks: 0, gap: Duration::ZERO };
        let mut calibration = Calibration::from(from);
        let mut measure = |now| {
            calibration.tick = calibration.measure(now);
            calibration.tick
        };
        let micros = |tick: u64| tick as f64 / 2_f64.powi(64);
        let mut last = from;
        for now in readings(from, 2_000_000_000) {
            let tick = measure(now);
            last = now;
            assert!((micros(tick) - 0.000_5).abs() < 1e-12, "{}", micros(tick));
        }
        let mut slower = readings(last, 1_000_000_000);
        assert_eq!(measure(slower.next().unwrap()), 0);
        let tick = measure(slower.next().unwrap());
        assert!((micros(tick) - 0.001).abs() < 1e-12, "{}", micros(tick));
    }

    #[test]
    fn a_reading_that_was_interrupted_has_to_be_longer_ago() {
        let at = Instant::now();
        let reading = |second, gap_us| Reading {
            at: at + Duration::from_secs(second),
            wall_us: 0,
            ticks: second * 1_000_000,
            gap: Duration::from_micros(gap_us),
        };
        let mut calibration = Calibration::from(reading(0, 1_000));
        assert_eq!(calibration.measure(reading(1, 10)), 0, "the first one is replaced");
        assert_eq!(calibration.measure(reading(2, 1_000)), 0, "this one is not used");
        assert_eq!(calibration.measure(reading(4, 10)), 0, "three seconds are too few");
        assert_ne!(calibration.measure(reading(7, 10)), 0);
    }
}
