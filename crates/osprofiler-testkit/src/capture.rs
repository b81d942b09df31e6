//! A notifier that keeps what it is told, and shows it as a tree.

use std::sync::{Arc, Mutex, PoisonError};

use osprofiler::{Id, Phase, Record, notifier};

/// Keeps every record of this process.
///
/// The notifier is one for the process, so a test that captures needs a process of its own: one
/// test a file, or tests that take turns.
///
/// ```
/// use osprofiler::{Trace, profiler};
/// use osprofiler_testkit::Capture;
///
/// let capture = Capture::start();
/// profiler::init("SECRET_KEY", None, None);
/// {
///     let _outer = Trace::new("wsgi", ());
///     let _inner = Trace::new("db", ());
/// }
/// assert_eq!(capture.tree(), "wsgi\n  db\n");
/// ```
#[derive(Clone, Debug)]
pub struct Capture(Arc<Mutex<Vec<Record>>>);

impl Capture {
    /// Sets the notifier of the process to one that keeps records.
    #[must_use]
    pub fn start() -> Self {
        let records = Arc::new(Mutex::new(Vec::new()));
        let kept = records.clone();
        notifier::set(move |record| lock(&kept).push(record.clone()));
        Self(records)
    }

    /// The records until now, in the order in which they were made.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        lock(&self.0).clone()
    }

    /// Takes the records until now out.
    #[must_use]
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut lock(&self.0))
    }

    /// The points until now, see [`tree`].
    #[must_use]
    pub fn tree(&self) -> String {
        tree(&self.records())
    }
}

fn lock(records: &Mutex<Vec<Record>>) -> std::sync::MutexGuard<'_, Vec<Record>> {
    records.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows records as an indented tree of names, a line for each point in the order of their starts.
///
/// A point that has not stopped ends in ` ...`, one that failed in ` !` and the type of its error.
#[must_use]
pub fn tree(records: &[Record]) -> String {
    let starts: Vec<&Record> =
        records.iter().filter(|record| record.phase == Phase::Start).collect();
    let mut out = String::new();
    for root in &starts {
        if !starts.iter().any(|other| other.trace_id == root.parent_id) {
            push_point(&mut out, root, &starts, records, 0);
        }
    }
    out
}

fn push_point(out: &mut String, point: &Record, starts: &[&Record], all: &[Record], depth: usize) {
    out.push_str(&"  ".repeat(depth));
    out.push_str(&point.name);
    match stop_of(&point.trace_id, all) {
        None => out.push_str(" ..."),
        Some(stop) => {
            if let Some(etype) = stop.info.to_map().get("etype").and_then(|etype| etype.as_str()) {
                out.push_str(" ! ");
                out.push_str(etype);
            }
        }
    }
    out.push('\n');
    for child in starts.iter().filter(|child| child.parent_id == point.trace_id) {
        push_point(out, child, starts, all, depth + 1);
    }
}

fn stop_of<'a>(id: &Id, records: &'a [Record]) -> Option<&'a Record> {
    records.iter().find(|record| record.phase == Phase::Stop && record.trace_id == *id)
}
