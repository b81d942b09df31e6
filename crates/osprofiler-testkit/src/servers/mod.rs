//! The suite that every middleware of an HTTP server must pass.
//!
//! A test starts a server with the middleware and the routes of [`routes`], and hands its address to
//! [`run`]. Requests come byte for byte, over HTTP/1.1, from threads of the suite's own. For examples
//! see `tests/servers` of the crate `osprofiler`: a middleware of your own is tested in the same way.
//!
//! Points of the whole process are captured, so suites take turns.

mod cases;
mod client;
pub mod routes;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use osprofiler::propagation::KeyRing;
use osprofiler::{Phase, Record};

use self::client::Client;
use crate::Capture;
use crate::drivers::Outcome;

/// What a server and its middleware can, of what not all can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abilities {
    /// The middleware sees the route that was taken.
    pub routes: bool,
    /// The server drops the handler of a request when its client goes away.
    pub cancels: bool,
    /// A handler that panics takes only its connection with it.
    pub survives_panics: bool,
}

impl Default for Abilities {
    /// Everything.
    fn default() -> Self {
        Self { routes: true, cancels: true, survives_panics: true }
    }
}

/// Runs the suite against a server: its middleware accepts the keys of `keys`, which the suite
/// replaces, and sends the trace's id with responses.
///
/// # Panics
///
/// If a case fails, after running the others; names those that failed.
pub fn run(address: SocketAddr, keys: &KeyRing, abilities: Abilities) -> Outcome {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server { client: Client { address }, keys, capture: Capture::start() };
    let mut outcome = Outcome::default();
    let mut failed = Vec::new();
    for case in cases::CASES {
        if !(case.is_possible)(&abilities) {
            outcome.skipped.push(case.name);
            continue;
        }
        keys.replace(KEY);
        let _ = server.capture.take();
        match catch_unwind(AssertUnwindSafe(|| (case.check)(&server))) {
            Ok(()) => outcome.passed.push(case.name),
            Err(_) => failed.push(case.name),
        }
    }
    assert!(failed.is_empty(), "the server fails the suite in {failed:?}");
    outcome
}

/// The key that the server accepts.
const KEY: &str = "key";

/// How long a point may take to be closed after its response was read.
const CLOSES_WITHIN: Duration = Duration::from_secs(10);

/// The server under test.
struct Server<'a> {
    client: Client,
    keys: &'a KeyRing,
    capture: Capture,
}

impl Server<'_> {
    /// The records since it was last asked, as soon as every point is closed.
    fn records(&self) -> Vec<Record> {
        let end = Instant::now() + CLOSES_WITHIN;
        while Instant::now() < end && has_open_points(&self.capture.records()) {
            thread::sleep(Duration::from_millis(2));
        }
        self.capture.take()
    }

    /// Waits until so many points have begun.
    fn wait_for_starts(&self, count: usize) {
        let end = Instant::now() + CLOSES_WITHIN;
        let starts = || self.capture.records().iter().filter(|r| r.phase == Phase::Start).count();
        while starts() < count {
            assert!(Instant::now() < end, "{} of {count} points have begun", starts());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn has_open_points(records: &[Record]) -> bool {
    let ids = |phase: Phase| -> BTreeSet<String> {
        records.iter().filter(|r| r.phase == phase).map(|r| r.trace_id.to_string()).collect()
    };
    ids(Phase::Start) != ids(Phase::Stop)
}
