//! Lists of traces. The API finds traces by service and time only, and gives no more of them than
//! asked for, in no promised order: so time is searched in windows, newest first, and a window that
//! holds more than an answer does is parted in the middle of what the answer holds.

use std::collections::HashSet;

use osprofiler_wire::Timestamp;
use osprofiler_wire::spans::{Trace, records};

use super::api::Api;
use super::later;
use crate::{Error, ListQuery, Summarizer, TraceSummary};

/// How many traces to ask for at once.
const PAGE: usize = 1000;
/// How many of one instant.
const INSTANT: usize = 10_000;
/// Microseconds of the first window before now; each one after it is so many times as wide.
const FIRST: i64 = 60_000_000;
const GROWTH: i64 = 10;
/// Clocks of other hosts may be ahead.
const AHEAD: i64 = 7 * 86_400_000_000;

pub(super) fn list(
    api: &Api,
    query: &ListQuery,
    now: Timestamp,
    lookback_us: i64,
) -> Result<Vec<TraceSummary>, Error> {
    let mut search = Search { api, services: services(api, query)?, seen: HashSet::new() };
    let first = query.since.unwrap_or_else(|| later(now, lookback_us.saturating_neg()));
    let first = first.max(Timestamp::from_micros(0));
    // A point of the kind that is asked for may be later than the start of its trace.
    let last = query.until.filter(|_| !query.asks_for_kinds());
    let mut to = last.unwrap_or_else(|| later(now.max(first), AHEAD));
    let mut width = query.limit.map(|_| FIRST);
    let mut found: Vec<TraceSummary> = Vec::new();
    while to >= first && query.limit != Some(0) {
        let from = width.map_or(first, |width| later(to.min(now), -width).max(first));
        found.extend(search.window(query, from, to)?);
        let newer = found.iter().filter(|summary| summary.started >= from).count();
        if query.limit.is_some_and(|limit| newer >= limit) {
            break;
        }
        to = later(from, -1);
        width = width.map(|width| width.saturating_mul(GROWTH));
    }
    query.cut(&mut found);
    Ok(found)
}

/// The services that may have points that are asked for: their names hold ours (`otlp::span`).
fn services(api: &Api, query: &ListQuery) -> Result<Vec<String>, Error> {
    let mut services = api.services()?;
    let holds =
        |name: &str, part: &Option<String>| part.as_deref().is_none_or(|part| name.contains(part));
    services.retain(|name| holds(name, &query.project) && holds(name, &query.service));
    Ok(services)
}

struct Search<'a> {
    api: &'a Api,
    services: Vec<String>,
    /// The ids of the traces that were found.
    seen: HashSet<String>,
}

impl Search<'_> {
    /// The traces that are asked for, and that were not found before, with a span in a window.
    fn window(
        &mut self,
        query: &ListQuery,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<TraceSummary>, Error> {
        let mut summarizer = Summarizer::default();
        for service in std::mem::take(&mut self.services) {
            self.all(&service, from, to, &mut summarizer)?;
            self.services.push(service);
        }
        let mut all = query.clone();
        all.limit = None;
        Ok(summarizer.into_list(&all))
    }

    /// Adds those of one service.
    fn all(
        &mut self,
        service: &str,
        from: Timestamp,
        to: Timestamp,
        summarizer: &mut Summarizer,
    ) -> Result<(), Error> {
        // How often a window is parted is for the server to say, so not by recursion.
        let mut windows = vec![(from, to)];
        while let Some((from, to)) = windows.pop() {
            let limit = if from < to { PAGE } else { INSTANT };
            let page = self.api.search(service, from, to, limit)?;
            let traces = self.api.traces(&page)?;
            traces.iter().for_each(|trace| self.add(trace, summarizer));
            if traces.len() < limit || from >= to {
                continue;
            }
            let middle = middle(&traces, from, to);
            let (older, newer) =
                if middle > from { (later(middle, -1), middle) } else { (from, later(from, 1)) };
            windows.push((from, older));
            windows.push((newer, to));
        }
        Ok(())
    }

    fn add(&mut self, trace: &Trace<'_>, summarizer: &mut Summarizer) {
        if self.seen.insert(trace.trace_id.to_string()) {
            records(trace, None).iter().for_each(|record| summarizer.add(record));
        }
    }
}

/// The instant within a window before which about half of the traces start there.
fn middle(traces: &[Trace<'_>], from: Timestamp, to: Timestamp) -> Timestamp {
    let within = |trace: &Trace<'_>| {
        let starts = trace.spans.iter().map(|span| Timestamp::from_micros(span.start_time));
        starts.filter(|at| (from..=to).contains(at)).min()
    };
    let mut starts: Vec<Timestamp> = traces.iter().filter_map(within).collect();
    starts.sort_unstable();
    starts.get(starts.len() / 2).copied().unwrap_or(from)
}
