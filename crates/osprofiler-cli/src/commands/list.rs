//! `osprofiler trace list`: what traces there are, newest first.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use osprofiler_drivers::{ListQuery, TraceSummary};
use osprofiler_report::clean::one_line;
use osprofiler_report::units::Micros;

use crate::args::ListArgs;
use crate::output;
use crate::store::complain_of_skipped;

pub(crate) fn list(args: &ListArgs) -> anyhow::Result<()> {
    let query = query(args);
    let mut reader = args.store.reader()?;
    let traces = reader.list(&query)?;
    complain_of_skipped(&*reader);
    if traces.is_empty() && !args.json {
        let kind = if args.error_trace { "traces with errors" } else { "traces" };
        let like_that = if is_filtered(&query) { " like that" } else { "" };
        output::say(&format!("no {kind}{like_that} in `{}`", args.store.connection()?));
        return Ok(());
    }
    output::write(None, |out| {
        if args.json {
            serde_json::to_writer_pretty(&mut *out, &traces)?;
            writeln!(out)
        } else {
            writeln!(out, "{}", table(&traces))
        }
    })
}

fn query(args: &ListArgs) -> ListQuery {
    let mut query = ListQuery::default();
    query.errors_only = args.error_trace;
    query.limit = args.limit;
    (query.since, query.until) = (args.since, args.until);
    query.min_duration_us =
        args.min_duration.map(|least| i64::try_from(least.as_micros()).unwrap_or(i64::MAX));
    query.project.clone_from(&args.project);
    query.service.clone_from(&args.service);
    query.name.clone_from(&args.name);
    query
}

/// Whether there may be traces that it does not ask for, besides those without errors.
fn is_filtered(query: &ListQuery) -> bool {
    let texts = [&query.project, &query.service, &query.name];
    texts.iter().any(|text| text.is_some())
        || query.since.is_some()
        || query.until.is_some()
        || query.min_duration_us.is_some()
}

/// Column of the root.
const ROOT: usize = 5;

fn table(traces: &[TraceSummary]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = output::terminal_width() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    table.set_header(["TRACE", "STARTED (UTC)", "DURATION", "POINTS", "ERRORS", "ROOT"]);
    for trace in traces {
        table.add_row([
            Cell::new(one_line(&trace.base_id.to_string())),
            Cell::new(started(trace)),
            Cell::new(duration(trace)),
            Cell::new(trace.points),
            Cell::new(trace.errors),
            Cell::new(one_line(&root(trace))),
        ]);
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        if matches!(at, 2..=4) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        // An id is there to be copied, a time to be compared: what wraps is the root.
        if at < ROOT {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.trim_fmt()
}

/// Whole seconds tell traces apart; the rest is in the JSON.
fn started(trace: &TraceSummary) -> String {
    let text = trace.started.to_string().replace('T', " ");
    text.split('.').next().unwrap_or_default().to_owned()
}

fn duration(trace: &TraceSummary) -> String {
    let so_far = if trace.unfinished > 0 { " so far" } else { "" };
    format!("{}{so_far}", Micros(trace.duration_us))
}

/// The point that came first: what was asked for, and of whom.
fn root(trace: &TraceSummary) -> String {
    let root = &trace.root;
    let place: Vec<&str> =
        [&root.project, &root.service].into_iter().flatten().map(String::as_str).collect();
    let words = [Some(root.name.as_str()), root.request.as_deref()];
    let what: Vec<&str> = words.into_iter().flatten().collect();
    if place.is_empty() {
        what.join(" ")
    } else {
        format!("{}  {}", what.join(" "), place.join("/"))
    }
}
