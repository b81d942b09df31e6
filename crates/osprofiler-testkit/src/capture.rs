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
    tree_with(records, |start, stop| {
        let etype = stop.map(|stop| stop.info.to_map().remove("etype"));
        match etype {
            None => format!("{} ...", start.name),
            Some(None) => start.name.to_string(),
            Some(Some(etype)) => format!("{} ! {}", start.name, etype.as_str().unwrap_or_default()),
        }
    })
}

/// [`tree`], with the infos of a point's start and stop behind its name.
///
/// ```
/// use osprofiler::{Trace, info, profiler};
/// use osprofiler_testkit::{Capture, tree_with_infos};
///
/// let capture = Capture::start();
/// profiler::init("SECRET_KEY", None, None);
/// Trace::new("db", info! { "db" => { "statement" => "SELECT 1" } }).on_stop(info! { "rows" => 1 });
/// let tree = tree_with_infos(&capture.records());
/// assert_eq!(tree, "db {\"db\":{\"statement\":\"SELECT 1\"}} -> {\"rows\":1}\n");
/// ```
#[must_use]
pub fn tree_with_infos(records: &[Record]) -> String {
    let text = |record: &Record| match record.info.is_empty() {
        true => String::new(),
        false => record.info.to_json(),
    };
    tree_with(records, |start, stop| {
        let mut line = format!("{} {}", start.name, text(start)).trim_end().to_owned();
        match stop.map(text) {
            None => line.push_str(" ..."),
            Some(info) if info.is_empty() => {}
            Some(info) => line = line + " -> " + &info,
        }
        line
    })
}

/// Shows records as an indented tree, a line for each point in the order of their starts: what
/// `describe` makes of its start and its stop.
#[must_use]
pub fn tree_with(
    records: &[Record],
    describe: impl Fn(&Record, Option<&Record>) -> String,
) -> String {
    let starts: Vec<&Record> =
        records.iter().filter(|record| record.phase == Phase::Start).collect();
    let is_root = |point: &&Record| !starts.iter().any(|other| other.trace_id == point.parent_id);
    let mut out = String::new();
    let mut open: Vec<(usize, &Record)> =
        starts.iter().copied().filter(is_root).map(|root| (0, root)).rev().collect();
    while let Some((depth, point)) = open.pop() {
        out.push_str(&"  ".repeat(depth));
        out.push_str(&describe(point, stop_of(&point.trace_id, records)));
        out.push('\n');
        let children = starts.iter().rev().filter(|child| child.parent_id == point.trace_id);
        open.extend(children.map(|child| (depth + 1, *child)));
    }
    out
}

fn stop_of<'a>(id: &Id, records: &'a [Record]) -> Option<&'a Record> {
    records.iter().find(|record| record.phase == Phase::Stop && record.trace_id == *id)
}
