use std::collections::HashSet;
use std::str;

use osprofiler_wire::{Id, RecordView};

use super::keys::{self, Key};
use super::resp::{Commands, Replies, Reply};
use super::{Store, parts};
use crate::records::with_record;
use crate::{Error, ListQuery, Reader, Summarizer, TraceSummary};

/// Records that are asked for at once.
const PAGE: usize = 4096;
/// Traces whose parts are asked for at once.
const LISTED_AT_ONCE: usize = 1000;
/// Traces, or records in keys of their own, whose text is asked for at once.
const READ_AT_ONCE: usize = 50;

const LIST: &str = "list the traces of";

pub(super) struct RedisReader {
    store: Store,
    skipped: u64,
}

impl RedisReader {
    pub(super) fn new(store: Store) -> Self {
        Self { store, skipped: 0 }
    }

    /// The summaries of traces whose parts tell of all records; gives the other traces.
    fn list_parts(
        &mut self,
        traces: &[Id],
        query: &ListQuery,
        list: &mut Vec<TraceSummary>,
    ) -> Result<Vec<Id>, Error> {
        let mut others = Vec::new();
        for traces in traces.chunks(LISTED_AT_ONCE) {
            let mut commands = Commands::default();
            for base_id in traces {
                commands.add(&["LLEN", &keys::records(base_id)]);
                commands.add(&["LRANGE", &keys::parts(base_id), "0", "-1"]);
            }
            let replies = self.store.run(LIST, &commands)?;
            for (base_id, at) in traces.iter().zip((0..).step_by(2)) {
                let records = match &replies.all[at] {
                    Reply::Number(records) => u64::try_from(*records).unwrap_or(0),
                    _ => {
                        self.skipped += 1;
                        0
                    }
                };
                match parts::tally(replies.texts(at + 1).rev(), records) {
                    _ if records == 0 => {}
                    None => others.push(base_id.clone()),
                    Some(tally) => {
                        let kinds = tally.kinds.clone();
                        let summary = tally.summary(base_id.clone());
                        if query.matches(&summary, &kinds.0) {
                            list.push(summary);
                        }
                    }
                }
            }
        }
        Ok(others)
    }

    /// Sums up traces from their records.
    fn sum_up(&mut self, traces: &[Id], summarizer: &mut Summarizer) -> Result<(), Error> {
        for traces in traces.chunks(READ_AT_ONCE) {
            let mut commands = Commands::default();
            traces.iter().for_each(|base_id| add_page(&mut commands, base_id, 0));
            let replies = self.store.run(LIST, &commands)?;
            for (at, base_id) in traces.iter().enumerate() {
                for json in replies.texts(at) {
                    self.skipped += u64::from(!with_view(json, |view| summarizer.add_view(view)));
                }
                if replies.texts(at).count() == PAGE {
                    let skipped = self.visit_pages(LIST, base_id, 1, &mut |json| {
                        with_view(json, |view| summarizer.add_view(view))
                    })?;
                    self.skipped += skipped;
                }
            }
        }
        Ok(())
    }

    /// Visits the records of a trace, oldest first, from a page on; gives the number of those that
    /// are none.
    fn visit_pages(
        &mut self,
        what: &str,
        base_id: &Id,
        first: usize,
        visit: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<u64, Error> {
        let mut skipped = 0;
        for page in first.. {
            let mut commands = Commands::default();
            add_page(&mut commands, base_id, page);
            let replies = self.store.run(what, &commands)?;
            for json in replies.texts(0).rev() {
                skipped += u64::from(!visit(json));
            }
            if replies.texts(0).count() < PAGE {
                break;
            }
        }
        Ok(skipped)
    }
}

impl Reader for RedisReader {
    fn read(&mut self, base_id: &Id, visit: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let what = format!("read trace `{base_id}` from");
        let mut found = false;
        self.skipped = self.visit_pages(&what, base_id, 0, &mut |json| {
            found = true;
            with_text(json, |text| visit(text))
        })?;
        if !found {
            for (_, json) in legacy_of(&mut self.store, &what, base_id)? {
                visit(&json);
            }
        }
        Ok(())
    }

    fn list(&mut self, query: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
        self.skipped = 0;
        let (mut traces, mut legacy) = (HashSet::new(), HashSet::new());
        self.store.scan(LIST, keys::ALL, &mut |key| match Key::of(key) {
            Key::Records(base_id) => drop(traces.insert(base_id)),
            Key::Legacy(key) => drop(legacy.insert(key)),
            Key::Other => {}
        })?;
        let mut list = Vec::new();
        let with_list: Vec<Id> = traces.iter().cloned().collect();
        let others = self.list_parts(&with_list, query, &mut list)?;
        let mut summarizer = Summarizer::default();
        self.sum_up(&others, &mut summarizer)?;
        let legacy: Vec<String> = legacy.into_iter().collect();
        self.skipped += visit_keys(&mut self.store, LIST, &legacy, &mut |_, view| {
            if !traces.contains(&view.base_id) {
                summarizer.add_view(view);
            }
        })?;
        list.extend(summarizer.into_list(query));
        query.cut(&mut list);
        Ok(list)
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// The records, oldest first, of a trace that the Python library stored before version 2.3, and
/// their keys.
pub(super) fn legacy_of(
    store: &mut Store,
    what: &str,
    base_id: &Id,
) -> Result<Vec<(String, String)>, Error> {
    let mut keys = HashSet::new();
    store.scan(what, &keys::legacy_pattern(base_id), &mut |key| {
        if let Key::Legacy(key) = Key::of(key) {
            keys.insert(key);
        }
    })?;
    let keys: Vec<String> = keys.into_iter().collect();
    let mut found = Vec::new();
    visit_keys(store, what, &keys, &mut |key, view| {
        if view.base_id == *base_id {
            found.push((view.timestamp, key.to_owned(), view.json.to_owned()));
        }
    })?;
    found.sort();
    Ok(found.into_iter().map(|(_, key, json)| (key, json)).collect())
}

/// Visits the records that have keys of their own; gives the number of those that are none.
fn visit_keys(
    store: &mut Store,
    what: &str,
    keys: &[String],
    visit: &mut dyn FnMut(&str, &RecordView<'_>),
) -> Result<u64, Error> {
    let mut skipped = 0;
    for keys in keys.chunks(READ_AT_ONCE) {
        let mut commands = Commands::default();
        keys.iter().for_each(|key| commands.add(&["GET", key]));
        let replies: Replies = store.run(what, &commands)?;
        for (key, reply) in keys.iter().zip(&replies.all) {
            if *reply != Reply::Nothing {
                let is_record = with_view(replies.text(reply), |view| visit(key, view));
                skipped += u64::from(!is_record);
            }
        }
    }
    Ok(skipped)
}

/// Adds what asks for a page of a list, counted from its old end: there, pages stay where they are
/// when records come in.
fn add_page(commands: &mut Commands, base_id: &Id, page: usize) {
    let (first, last) = (page * PAGE + PAGE, page * PAGE + 1);
    commands.add(&["LRANGE", &keys::records(base_id), &format!("-{first}"), &format!("-{last}")]);
}

/// Calls `f` with the text of a record; says whether it may be one.
fn with_text(json: &[u8], f: impl FnOnce(&str)) -> bool {
    match str::from_utf8(json) {
        Ok(text) if text.contains("NaN") || text.contains("Infinity") => {
            with_view(json, |view| f(view.json))
        }
        // Looking closer would take longer than reading it.
        Ok(text) if text.trim_ascii().starts_with('{') && text.trim_ascii().ends_with('}') => {
            f(text);
            true
        }
        _ => false,
    }
}

/// Calls `f` if this is a record, says whether it is.
fn with_view(json: &[u8], f: impl FnOnce(&RecordView<'_>)) -> bool {
    str::from_utf8(json).is_ok_and(|text| with_record(text, f).is_some())
}
