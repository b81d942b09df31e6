//! What is printed: Markdown, to be pasted into the README as it is, and the bars.
#![allow(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::fmt::Write as _;
use std::{fs, thread};

use crate::{Bar, Samples};

/// A row for each implementation, a column for each figure.
pub struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<(String, Vec<Samples>)>,
}

impl Table {
    /// Makes a table without rows.
    pub fn new<const N: usize>(title: &str, columns: [&'static str; N]) -> Self {
        Self { title: title.to_owned(), columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn add<const N: usize>(&mut self, name: &str, samples: [Samples; N]) {
        self.rows.push((name.to_owned(), samples.to_vec()));
    }

    /// The median in a row and a column.
    ///
    /// # Panics
    ///
    /// If there is no such cell.
    #[must_use]
    pub fn median(&self, row: &str, column: &str) -> f64 {
        let column = self.columns.iter().position(|name| *name == column);
        let row = self.rows.iter().find(|(name, _)| name == row);
        match (row, column) {
            (Some((_, samples)), Some(column)) => samples[column].median(),
            _ => panic!("no such row or column in `{}`", self.title),
        }
    }

    /// Prints the table: of each figure the median, and least to greatest.
    pub fn print(&self) {
        println!("\n### {}\n\n{}", self.title, self.text());
    }

    fn text(&self) -> String {
        let mut text = String::from("|  |");
        for column in &self.columns {
            let _ = write!(text, " {column} | min..max |");
        }
        text.push_str("\n|---|");
        text.push_str(&"---:|---:|".repeat(self.columns.len()));
        for (name, samples) in &self.rows {
            let _ = write!(text, "\n| {name} |");
            for samples in samples {
                let (min, max) = samples.range();
                let median = figure(samples.median());
                let _ = write!(text, " {median} | {}..{} |", figure(min), figure(max));
            }
        }
        text
    }
}

/// A figure with as many digits as mean anything.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Prints what the figures were measured on.
pub(crate) fn print_machine() {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown CPU", |(_, model)| model);
    let cores = thread::available_parallelism().map_or(0, usize::from);
    println!("Measured on {model}, {cores} cores.");
}

/// Prints a line for each bar.
pub(crate) fn print_bars(bars: &[Bar]) {
    println!();
    for Bar { scenario, ours, reference, limit } in bars {
        let ratio = ours / reference;
        println!(
            "BAR {scenario} ours={} reference={} ratio={ratio:.2} limit={limit:.2} {}",
            figure(*ours),
            figure(*reference),
            if ratio <= *limit { "ok" } else { "short" }
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new("on", ["caller", "CPU"]);
        table.add("ours", [[1.0, 2.0, 30.0], [100.4; 3]].map(Samples::from_iter));
        assert_eq!(
            table.text(),
            "|  | caller | min..max | CPU | min..max |\n|---|---:|---:|---:|---:|\n\
             | ours | 2.00 | 1.00..30.0 | 100 | 100..100 |"
        );
        assert_eq!(table.median("ours", "caller"), 2.0);
    }
}
