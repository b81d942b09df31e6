//! Folded stacks, for flame graphs: `docs/exports.md`.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::clean::one_line;
use crate::{Point, Report};

/// Frames of a line. What is deeper counts for the last of them: lines would grow with the square of the
/// depth.
const MAX_FRAMES: usize = 500;

/// Writes a line for each stack of points: their names, the root's first, and how long the last one ran
/// by itself, in microseconds.
///
/// ```
/// use osprofiler_report::{Report, export};
///
/// let records = [r#"{"name": "db-start", "base_id": "b", "trace_id": "t", "service": "api",
///         "timestamp": "2016-04-18T17:42:10.000000"}"#,
///     r#"{"name": "db-stop", "base_id": "b", "trace_id": "t", "service": "api",
///         "timestamp": "2016-04-18T17:42:10.000042"}"#];
/// let report: Report = records.into_iter().collect();
/// let mut out = Vec::new();
/// export::write_folded(&report, &mut out)?;
/// assert_eq!(out, b"api:db 42\n");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn write_folded(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let stacks = Stacks::of(report);
    let mut out = io::BufWriter::new(out);
    for (at, stack) in stacks.stacks.iter().enumerate().filter(|(_, stack)| stack.self_us > 0) {
        writeln!(out, "{} {}", stacks.line(at), stack.self_us)?;
    }
    out.flush()
}

/// Equal stacks are one.
#[derive(Default)]
struct Stacks {
    stacks: Vec<Stack>,
    known: HashMap<(Option<usize>, String), usize>,
}

struct Stack {
    frame: String,
    below: Option<usize>,
    frames: usize,
    self_us: i64,
}

impl Stacks {
    fn of(report: &Report) -> Self {
        let mut stacks = Self::default();
        let mut stack_of = vec![0; report.len()];
        for row in report.rows() {
            let below = row.point.parent().map(|parent| stack_of[parent.index()]);
            let stack = stacks.push(below, row.point);
            stack_of[row.point.index()] = stack;
            stacks.stacks[stack].self_us += row.point.self_us();
        }
        stacks
    }

    /// The stack of a point on top of another.
    fn push(&mut self, below: Option<usize>, point: Point<'_>) -> usize {
        let frames = below.map_or(0, |below| self.stacks[below].frames);
        if let Some(below) = below.filter(|_| frames >= MAX_FRAMES) {
            return below;
        }
        let frame = frame(point);
        *self.known.entry((below, frame.clone())).or_insert_with(|| {
            self.stacks.push(Stack { frame, below, frames: frames + 1, self_us: 0 });
            self.stacks.len() - 1
        })
    }

    fn line(&self, stack: usize) -> String {
        let stacks = std::iter::successors(Some(stack), |&at| self.stacks[at].below);
        let mut frames: Vec<&str> = stacks.map(|at| &*self.stacks[at].frame).collect();
        frames.reverse();
        frames.join(";")
    }
}

/// `project/service:name`. Semicolons part frames.
fn frame(point: Point<'_>) -> String {
    let place = point.project_and_service().map(|place| format!("{place}:")).unwrap_or_default();
    one_line(&format!("{place}{}", point.name())).replace(';', ",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::lanes::tests::report;

    fn folded(report: &Report) -> String {
        let mut out = Vec::new();
        write_folded(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn time_that_children_share_counts_once() {
        let report = report(&[
            ("root", "b", "api", 0, Some(100)),
            ("a;b", "root", "api", 10, Some(50)),
            ("c", "root", "db", 40, Some(60)),
            ("instant", "root", "db", 60, Some(60)),
        ]);
        assert_eq!(folded(&report), "api:root 50\napi:root;api:a,b 40\napi:root;db:c 20\n");
    }

    #[test]
    fn depth_costs_no_square() {
        let ids: Vec<String> = (0..10_000).map(|at| format!("p{at}")).collect();
        let points: Vec<_> = (0..ids.len())
            .map(|at| {
                let parent = if at == 0 { "b" } else { &*ids[at - 1] };
                (&*ids[at], parent, "s", at as i64, Some(20_001 - at as i64))
            })
            .collect();
        let text = folded(&report(&points));
        assert_eq!(text.lines().count(), MAX_FRAMES);
        let sum: i64 =
            text.lines().map(|l| l.rsplit(' ').next().unwrap().parse::<i64>().unwrap()).sum();
        assert_eq!(sum, 20_001);
    }
}
