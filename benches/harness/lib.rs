//! The harness of the benchmarks: rounds in turn, medians, tables, bars.
//!
//! A scenario is a few *runners*, one for each implementation, which are measured in turn, round by
//! round, so that whatever else the machine does meets all of them. A [`Table`] shows the median of
//! the rounds, with the least and the greatest; a bar compares two medians of one run.

pub mod cpu;
mod samples;
mod table;

pub use samples::Samples;
pub use table::Table;

use std::process::{self, Command};
use std::time::{Duration, Instant};
use std::{env, io};

/// How long a round of a [race](Bench::race) takes, about.
const ROUND: Duration = Duration::from_millis(2);

/// A group of scenarios, as it is named on the command line.
pub type Group = (&'static str, fn(&mut Bench));

/// A part of a scenario that needs a process of its own: its name, and what it does with its
/// arguments.
pub type Job = (&'static str, fn(&[String]));

/// Runs the groups that the command line names, or all of them, and prints the bars at the end; or
/// the job, if this process was started for one.
#[allow(clippy::print_stderr, reason = "what a program says of its command line")]
pub fn run(groups: &[Group], jobs: &[Job]) {
    let mut args: Vec<String> = env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "--job") {
        let job = jobs.iter().find(|(name, _)| *name == args[1]).expect("a job of ours");
        return job.1(&args[2..]);
    }
    // `cargo bench` adds it.
    args.retain(|arg| arg != "--bench");
    let quick = args.iter().any(|arg| arg == "--quick");
    args.retain(|arg| arg != "--quick");
    let known: Vec<_> = groups.iter().map(|(group, _)| *group).collect();
    if let Some(name) = args.iter().find(|name| !known.contains(&name.as_str())) {
        eprintln!("unknown group `{name}`; there are `{}`", known.join("`, `"));
        process::exit(2);
    }
    let mut bench = Bench { quick, bars: Vec::new() };
    table::print_machine();
    let start = Instant::now();
    for (name, group) in groups {
        if args.is_empty() || args.iter().any(|arg| arg == name) {
            group(&mut bench);
        }
    }
    bench.say(&format!("{} s in all", start.elapsed().as_secs()));
    table::print_bars(&bench.bars);
}

/// Starts this program again, for a job; `wrapper` is a program that runs it, with its arguments.
///
/// # Errors
///
/// If it cannot be started.
pub fn start_job(wrapper: &[&str], job: &str, args: &[&str]) -> io::Result<Command> {
    let this = env::current_exe()?;
    let mut command = match wrapper {
        [] => Command::new(this),
        [program, before @ ..] => {
            let mut command = Command::new(program);
            command.args(before).arg(this);
            command
        }
    };
    command.args(["--job", job]).args(args);
    Ok(command)
}

/// One implementation in a race: runs so many operations, and says how long they took.
pub struct Runner<'a> {
    name: String,
    run: Box<dyn FnMut(u64) -> Duration + 'a>,
}

impl<'a> Runner<'a> {
    /// Makes a runner of a loop, which is told how often to run its operation.
    pub fn new(name: &str, mut run: impl FnMut(u64) + 'a) -> Self {
        Self::timed(name, move |count| {
            let start = Instant::now();
            run(count);
            start.elapsed()
        })
    }

    /// Makes a runner of a loop that takes the time itself, since not all it does is to be timed.
    pub fn timed(name: &str, run: impl FnMut(u64) -> Duration + 'a) -> Self {
        Self { name: name.to_owned(), run: Box::new(run) }
    }
}

/// Makes a runner of one operation.
pub fn runner<'a>(name: &str, mut operation: impl FnMut() + 'a) -> Runner<'a> {
    Runner::new(name, move |count| {
        for _ in 0..count {
            operation();
        }
    })
}

/// What was asked for, and which bars were measured.
pub struct Bench {
    quick: bool,
    bars: Vec<Bar>,
}

/// A figure of ours, held against a reference.
pub(crate) struct Bar {
    scenario: String,
    ours: f64,
    reference: f64,
    limit: f64,
}

impl Bench {
    /// Whether a smoke test is wanted and no figures to be quoted.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.quick
    }

    /// `full`, or `quick` for a smoke test.
    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Measures nanoseconds per operation of each runner in turn, over many short rounds.
    pub fn race(&self, title: &str, runners: &mut [Runner<'_>]) -> Table {
        let counts: Vec<u64> = runners.iter_mut().map(operations_per_round).collect();
        let mut turns: Vec<_> = runners.iter_mut().zip(counts).collect();
        let names: Vec<String> = turns.iter().map(|(runner, _)| runner.name.clone()).collect();
        let rows = in_turn(self.pick(51, 11), &mut turns, |(runner, count)| {
            [(runner.run)(*count).as_nanos() as f64 / *count as f64]
        });
        let mut table = Table::new(title, ["ns"]);
        for (name, samples) in names.iter().zip(rows) {
            table.add(name, samples);
        }
        table.print();
        table
    }

    /// Compares a figure of ours with a reference: less is better, `limit` is the greatest ratio.
    pub fn bar(&mut self, scenario: &str, ours: f64, reference: f64, limit: f64) {
        self.bars.push(Bar { scenario: scenario.to_owned(), ours, reference, limit });
    }

    /// Prints a remark.
    #[allow(clippy::print_stdout, reason = "it is what a benchmark is for")]
    pub fn say(&self, remark: &str) {
        println!("\n{remark}");
    }
}

/// Measures the subjects in turn, `rounds` times, beginning with another one each time; gives the
/// samples of each, a column for each figure that `measure` gives.
pub fn in_turn<S, const N: usize>(
    rounds: usize,
    subjects: &mut [S],
    mut measure: impl FnMut(&mut S) -> [f64; N],
) -> Vec<[Samples; N]> {
    let mut rows: Vec<[Samples; N]> =
        subjects.iter().map(|_| std::array::from_fn(|_| Samples::default())).collect();
    for round in 0..rounds {
        for turn in 0..subjects.len() {
            let at = (round + turn) % subjects.len();
            let figures = measure(&mut subjects[at]);
            for (samples, figure) in rows[at].iter_mut().zip(figures) {
                samples.push(figure);
            }
        }
    }
    rows
}

/// Warms the runner up, and finds out how many operations take a round.
fn operations_per_round(runner: &mut Runner<'_>) -> u64 {
    let mut count = 1;
    loop {
        let took = (runner.run)(count);
        if took > ROUND / 8 {
            let rounds = ROUND.as_nanos() as f64 / took.as_nanos() as f64;
            return ((count as f64 * rounds) as u64).max(1);
        }
        count *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_measured_in_turn_and_each_begins_a_round() {
        let mut seen = Vec::new();
        let rows = in_turn(2, &mut [10.0, 20.0], |subject| {
            seen.push(*subject);
            [*subject, 0.0]
        });
        assert_eq!(seen, [10.0, 20.0, 20.0, 10.0]);
        assert_eq!(rows[1][0].median(), 20.0);
    }
}
