use std::collections::HashSet;

use osprofiler_wire::Id;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::Client;
use super::event::{Found, Joiner};
use crate::records::with_record;
use crate::{ConnectionString, Error, ErrorKind, ListQuery, Reader, TraceSummary};

/// The most events that the server gives.
const LIMIT: usize = 20_000;
/// Milliseconds that it may search.
const SEARCH_MS: u32 = 25_000;

pub(super) struct LogInsightReader {
    client: Client,
}

impl LogInsightReader {
    pub(super) fn open(connection: &ConnectionString) -> Result<Self, Error> {
        Ok(Self { client: Client::open(connection)? })
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    events: Vec<Box<RawValue>>,
    /// `false` if the time was too short to search all.
    #[serde(default = "yes")]
    complete: bool,
}

fn yes() -> bool {
    true
}

impl LogInsightReader {
    /// The events that a trace may have, newest first.
    fn events_of(&mut self, base_id: &Id, what: &str) -> Result<Vec<Found>, Error> {
        let id = base_id.to_string();
        let id = utf8_percent_encode(&id, NON_ALPHANUMERIC);
        let mut events = Vec::new();
        let (mut until, mut seen): (Option<i64>, HashSet<String>) = (None, HashSet::new());
        loop {
            let older = until.map_or(String::new(), |until| format!("/timestamp/LE+{until}"));
            let path = format!(
                "api/v1/events/base_id/CONTAINS+{id}/timestamp/GT+0{older}?limit={LIMIT}&timeout={SEARCH_MS}"
            );
            let page: Page = self.client.query(what, &path)?.json(self.client.http())?;
            if !page.complete {
                let why = "the time was too short to search all events";
                return Err(self.client.error(ErrorKind::Unavailable, what, why));
            }
            let is_last = page.events.len() < LIMIT;
            let found: Vec<(Found, &str)> = page
                .events
                .iter()
                .filter_map(|json| Some((serde_json::from_str(json.get()).ok()?, json.get())))
                .collect();
            let oldest = found.iter().map(|(event, _)| event.timestamp).min();
            // Of the last millisecond there may be more than was given.
            let again: HashSet<String> = found
                .iter()
                .filter(|(event, _)| Some(event.timestamp) == oldest)
                .map(|(_, json)| (*json).to_owned())
                .collect();
            events.extend(
                found.into_iter().filter(|(_, json)| !seen.contains(*json)).map(|(event, _)| event),
            );
            if is_last {
                return Ok(events);
            }
            if oldest == until {
                let why = "it has more events of one millisecond than it gives";
                return Err(self.client.error(ErrorKind::Storage, what, why));
            }
            (until, seen) = (oldest, again);
        }
    }
}

impl Reader for LogInsightReader {
    fn read(&mut self, base_id: &Id, visit: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let what = format!("read trace `{base_id}` from");
        let mut joiner = Joiner::default();
        for event in self.events_of(base_id, &what)?.iter().rev() {
            if let Some(text) = joiner.add(event) {
                visit_own(&text, base_id, visit);
            }
        }
        match joiner.incomplete() {
            0 => Ok(()),
            records => {
                let why = format!("parts of {records} large records are missing");
                Err(self.client.error(ErrorKind::Storage, &what, &why))
            }
        }
    }

    fn list(&mut self, _: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
        let why = "its API searches events, and knows of no traces; read one by its id";
        Err(self.client.error(ErrorKind::Unsupported, "list the traces of", why))
    }
}

/// Visits a record if it is of the trace: the search is by words.
fn visit_own(text: &str, base_id: &Id, visit: &mut dyn FnMut(&str)) {
    with_record(text, |view| {
        if view.base_id == *base_id {
            visit(view.json);
        }
    });
}
