use std::collections::HashSet;
use std::mem;

use mongodb::Cursor;
use mongodb::action::Find;
use mongodb::bson::{Document, RawDocument, RawDocumentBuf, doc};
use mongodb::error::Error as MongoError;
use osprofiler_wire::{Id, RecordView, Timestamp};

use super::document::{PARTS, TEXT, part_id};
use super::json::json_of;
use super::store::Store;
use super::writer::of_trace;
use crate::{ConnectionString, Error, ListQuery, Reader, Summarizer, TraceSummary};

/// Documents that the server sends in one message, unless they are large.
const BATCH: u32 = 5000;
/// Bytes of documents that are held at once.
const CHUNK: usize = 4 << 20;
/// Traces that are summarized at once: at least as many as are asked for, and at most. They double
/// where filters leave few of them.
const FEWEST_TRACES: usize = 20;
const MOST_TRACES: usize = 10_000;

pub(super) struct MongoReader {
    store: Store,
    skipped: u64,
}

impl MongoReader {
    pub(super) fn open(connection: &ConnectionString) -> Result<Self, Error> {
        Ok(Self { store: Store::open(connection)?, skipped: 0 })
    }

    /// The summaries of some traces, of those that are as asked for.
    fn summaries_of(
        &mut self,
        traces: Vec<String>,
        query: &ListQuery,
    ) -> Result<Vec<TraceSummary>, Error> {
        let mut summarizer = Summarizer::default();
        let find = self.store.records.find(doc! { "base_id": { "$in": traces } });
        let mut chunks = Chunks::open(&self.store, LIST, find.projection(summary_fields()))?;
        while let Some(documents) = chunks.next()? {
            for document in &documents {
                // What is too large for a document tells enough without its text.
                let text = match document.get_str(TEXT) {
                    Ok(text) => text.to_owned(),
                    Err(_) => json_of(document).unwrap_or_default(),
                };
                match RecordView::parse(&text) {
                    Ok(view) => summarizer.add_view(&view),
                    Err(_) => self.skipped += 1,
                }
            }
        }
        Ok(summarizer.into_list(query))
    }
}

const LIST: &str = "list the traces of";

impl Reader for MongoReader {
    fn read(&mut self, base_id: &Id, visit: &mut dyn FnMut(&str)) -> Result<(), Error> {
        self.skipped = 0;
        let what = format!("read trace `{base_id}` from");
        let find = self.store.records.find(of_trace(base_id));
        let mut chunks = Chunks::open(&self.store, &what, find)?;
        while let Some(documents) = chunks.next()? {
            for document in &documents {
                visit(&text_of(&self.store, &what, document)?);
            }
        }
        Ok(())
    }

    /// Walks back in time over the records, and summarizes the traces that it meets. A trace that it
    /// did not meet has no record that is later than the last one it saw, so it did not start later.
    fn list(&mut self, query: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
        self.skipped = 0;
        let limit = query.limit.unwrap_or(usize::MAX);
        let unlimited = ListQuery { limit: None, ..query.clone() };
        let (mut list, mut met, mut waiting) = (Vec::new(), HashSet::new(), Vec::new());
        let mut at_once = limit.clamp(FEWEST_TRACES, MOST_TRACES);
        let store = self.store.clone();
        let find = store.records.find(walk_filter(query)).projection(walk_fields());
        let mut chunks = Chunks::open(&store, LIST, find.sort(doc! { "timestamp": -1 }))?;
        'walk: while let Some(documents) = chunks.next()? {
            for document in &documents {
                let Ok(base_id) = document.get_str("base_id") else {
                    self.skipped += 1;
                    continue;
                };
                if met.contains(base_id) {
                    continue;
                }
                met.insert(base_id.to_owned());
                waiting.push(base_id.to_owned());
                if waiting.len() < at_once {
                    continue;
                }
                at_once = MOST_TRACES.min(2 * at_once);
                list.extend(self.summaries_of(mem::take(&mut waiting), &unlimited)?);
                let at = document.get_str("timestamp").ok().and_then(Timestamp::parse);
                let is_later = |summary: &&TraceSummary| at.is_some_and(|at| summary.started > at);
                if list.iter().filter(is_later).count() >= limit {
                    break 'walk;
                }
            }
        }
        if !waiting.is_empty() {
            list.extend(self.summaries_of(waiting, &unlimited)?);
        }
        query.cut(&mut list);
        Ok(list)
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// What records a trace that is to be listed has at least one of.
fn walk_filter(query: &ListQuery) -> Document {
    let mut filter = Document::new();
    let mut time = Document::new();
    if let Some(since) = query.since {
        time.insert("$gte", since.to_string());
    }
    let of_first_record = !query.errors_only && !query.asks_for_kinds();
    if let Some(until) = query.until.filter(|_| of_first_record) {
        time.insert("$lt", until.to_string());
    }
    if !time.is_empty() {
        filter.insert("timestamp", time);
    }
    if query.errors_only {
        filter.insert("info.etype", doc! { "$exists": true });
    }
    if let Some(project) = &query.project {
        filter.insert("project", project);
    }
    if let Some(service) = &query.service {
        filter.insert("service", service);
    }
    if let Some(name) = &query.name {
        let names = vec![name.clone(), format!("{name}-start"), format!("{name}-stop")];
        filter.insert("name", doc! { "$in": names });
    }
    filter
}

fn walk_fields() -> Document {
    doc! { "_id": 0, "base_id": 1, "timestamp": 1 }
}

/// What a summary is made of.
fn summary_fields() -> Document {
    doc! {
        "_id": 0, "name": 1, "base_id": 1, "trace_id": 1, "parent_id": 1, "timestamp": 1,
        "project": 1, "service": 1, "info.host": 1, "info.etype": 1,
        "info.request.method": 1, "info.request.path": 1, TEXT: 1,
    }
}

/// The documents that the server finds, some at a time.
struct Chunks<'s> {
    store: &'s Store,
    what: &'s str,
    cursor: Cursor<RawDocumentBuf>,
}

impl<'s> Chunks<'s> {
    fn open(
        store: &'s Store,
        what: &'s str,
        find: Find<'_, RawDocumentBuf>,
    ) -> Result<Self, Error> {
        let cursor = store.wait(what, find.batch_size(BATCH).into_future())?;
        Ok(Self { store, what, cursor })
    }

    fn next(&mut self) -> Result<Option<Vec<RawDocumentBuf>>, Error> {
        let documents = self.store.wait(self.what, chunk(&mut self.cursor))?;
        Ok(Some(documents).filter(|documents| !documents.is_empty()))
    }
}

async fn chunk(cursor: &mut Cursor<RawDocumentBuf>) -> Result<Vec<RawDocumentBuf>, MongoError> {
    let (mut documents, mut bytes) = (Vec::new(), 0);
    while bytes < CHUNK && cursor.advance().await? {
        let document = cursor.current();
        bytes += document.as_bytes().len();
        documents.push(document.to_owned());
    }
    Ok(documents)
}

/// The text of a record.
fn text_of(store: &Store, what: &str, document: &RawDocument) -> Result<String, Error> {
    if let Ok(text) = document.get_str(TEXT) {
        return Ok(text.to_owned());
    }
    if let Ok(parts) = document.get_i32(PARTS) {
        return text_in_parts(store, what, document, parts);
    }
    json_of(document)
        .map_err(|cause| store.refusal(what, "a document makes no sense").with_source(cause))
}

fn text_in_parts(
    store: &Store,
    what: &str,
    document: &RawDocument,
    parts: i32,
) -> Result<String, Error> {
    let damaged = || store.refusal(what, "a part of a large record is missing");
    let record = document.get_object_id("_id").map_err(|_| damaged())?;
    let mut text = String::new();
    for at in 0..usize::try_from(parts).unwrap_or_default() {
        let find = store.parts.find_one(doc! { "_id": part_id(&record, at) });
        let part = store.wait(what, find.into_future())?.ok_or_else(damaged)?;
        text.push_str(part.get_str("text").map_err(|_| damaged())?);
    }
    Ok(text)
}
