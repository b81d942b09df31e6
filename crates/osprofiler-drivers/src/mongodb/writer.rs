use std::collections::BTreeMap;

use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::error::{Error as MongoError, ErrorKind as MongoErrorKind, IndexedWriteError};
use mongodb::{Collection, IndexModel};
use osprofiler_wire::{Id, Record, RecordView, Timestamp};

use super::document::{self, Packed};
use super::store::{Store, kind_of};
use crate::{ConnectionString, Error, ErrorKind, Options, Writer};

pub(super) struct MongoWriter {
    store: Store,
    keeps_errors: bool,
}

impl MongoWriter {
    pub(super) fn open(connection: &ConnectionString, options: &Options) -> Result<Self, Error> {
        let store = Store::open(connection)?;
        make_indices(&store)?;
        Ok(Self { store, keeps_errors: options.filter_error_trace })
    }

    /// Stores documents; gives the places of those that the server does not take.
    fn insert(&self, packed: impl Iterator<Item = Packed>) -> Result<Vec<usize>, Error> {
        let (mut documents, mut parts) = (Vec::new(), Vec::new());
        for packed in packed {
            documents.push(packed.document);
            parts.extend(packed.parts);
        }
        // A record is there only once its parts are.
        if !parts.is_empty() {
            make_index(&self.store, &self.store.parts, doc! { "base_id": 1 })?;
            let refused = self.insert_into(&self.store.parts, &parts)?;
            if !refused.is_empty() {
                return Err(self.store.refusal(WRITE, "it refuses a part of a large record"));
            }
        }
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        self.insert_into(&self.store.records, &documents)
    }

    fn insert_into(
        &self,
        collection: &Collection<RawDocumentBuf>,
        documents: &[RawDocumentBuf],
    ) -> Result<Vec<usize>, Error> {
        // What the server does not take must not keep it from taking the rest.
        let insert = collection.insert_many(documents).ordered(false).into_future();
        let inserted = async {
            match insert.await {
                Ok(_) => Ok(Vec::new()),
                Err(cause) => refused_of(&cause).ok_or(cause),
            }
        };
        self.store.wait(WRITE, inserted)
    }

    /// Notes the traces in which a point failed, as the Python library does.
    fn note_errors(&self, failed: impl Iterator<Item = (Id, Timestamp)>) -> Result<(), Error> {
        for (base_id, at) in failed.collect::<BTreeMap<_, _>>() {
            let noted = doc! { "$set": { "timestamp": at.to_string() } };
            let update = self.store.errors.update_one(of_trace(&base_id), noted).upsert(true);
            self.store.wait(WRITE, update.into_future())?;
        }
        Ok(())
    }
}

const WRITE: &str = "write records to";

/// The places of the documents that the server does not take for what they are, if that is all that
/// is wrong.
fn refused_of(cause: &MongoError) -> Option<Vec<usize>> {
    let MongoErrorKind::InsertMany(failure) = &*cause.kind else { return None };
    let errors =
        failure.write_errors.as_deref().filter(|_| failure.write_concern_error.is_none())?;
    let is_refusal = |error: &IndexedWriteError| kind_of(error.code) == ErrorKind::Storage;
    errors.iter().all(is_refusal).then(|| errors.iter().map(|error| error.index).collect())
}

impl Writer for MongoWriter {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        let texts: Vec<String> = records.iter().map(Record::to_json).collect();
        let packed = records.iter().zip(&texts).map(|(record, text)| document::pack(record, text));
        let refused = self.insert(packed)?;
        // A server may have limits of its own.
        let as_texts = refused.iter().map(|at| document::pack_text(&records[*at], &texts[*at]));
        if let Some(at) = self.insert(as_texts)?.first() {
            let trace_id = &records[refused[*at]].trace_id;
            return Err(self
                .store
                .refusal(WRITE, &format!("it refuses the record of point `{trace_id}`")));
        }
        if self.keeps_errors {
            let failed = records.iter().zip(&texts).filter(|(_, text)| has_failed(text));
            self.note_errors(failed.map(|(record, _)| (record.base_id.clone(), record.timestamp)))?;
        }
        Ok(())
    }

    fn delete(&mut self, base_id: &Id) -> Result<bool, Error> {
        let mut deleted = 0;
        for collection in [&self.store.parts, &self.store.errors, &self.store.records] {
            let delete = collection.delete_many(of_trace(base_id));
            deleted = self.store.wait("delete a trace of", delete.into_future())?.deleted_count;
        }
        Ok(deleted > 0)
    }
}

pub(super) fn of_trace(base_id: &Id) -> Document {
    doc! { "base_id": base_id.to_string() }
}

/// Whether the Python library takes it for the record of a failure.
fn has_failed(text: &str) -> bool {
    text.contains("\"etype\"")
        && RecordView::parse(text)
            .is_ok_and(|view| view.etype.is_some_and(|etype| etype.get() != "null"))
}

/// Makes the indices for reading a trace and for listing. Does nothing if they are there.
fn make_indices(store: &Store) -> Result<(), Error> {
    // One by one: FerretDB fails at two in one command.
    make_index(store, &store.records, doc! { "base_id": 1, "timestamp": 1 })?;
    make_index(store, &store.records, doc! { "timestamp": 1, "base_id": 1 })
}

fn make_index(
    store: &Store,
    collection: &Collection<RawDocumentBuf>,
    keys: Document,
) -> Result<(), Error> {
    let made = collection.create_index(IndexModel::builder().keys(keys).build());
    bearable(store.wait("make an index in", made.into_future()).map(drop))
}

/// A user who may only insert, or a server that does not like an index, is no reason to lose
/// records. Who may not even do that is told so when they are written.
fn bearable(made: Result<(), Error>) -> Result<(), Error> {
    made.or_else(|error| match error.kind() {
        ErrorKind::Denied | ErrorKind::Storage => Ok(()),
        _ => Err(error),
    })
}
