//! `osprofiler trace import`: records from files into a back end.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, bail};
use osprofiler_drivers::{ErrorKind, Writer};
use osprofiler_report::source;
use osprofiler_wire::{Id, Record, RecordError, RecordView, json};
use serde_json::Value;

use crate::args::{ImportArgs, StoreArgs};
use crate::commands::show::read_text;
use crate::output;

/// Records that are written at once at most.
const BATCH: usize = 10_000;

pub(crate) fn import(args: &ImportArgs) -> anyhow::Result<()> {
    let mut import = Import::default();
    for file in &args.files {
        import.read(file)?;
    }
    import.store(&args.store)?;
    let traces = import.traces.len();
    output::write(None, |out| {
        writeln!(
            out,
            "{} of {} imported, {} already there",
            counted(import.stored, "record"),
            counted(traces, "trace"),
            import.known
        )
    })?;
    match import.unreadable {
        0 => Ok(()),
        unreadable => bail!("{} skipped, see above", counted(unreadable, "record")),
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[derive(Default)]
struct Import {
    /// The traces in the order in which they were met.
    order: Vec<Id>,
    traces: HashMap<Id, Vec<Record>>,
    stored: usize,
    known: usize,
    unreadable: usize,
}

impl Import {
    fn read(&mut self, file: &Path) -> anyhow::Result<()> {
        let name = file.display();
        let text = read_text(&file.to_string_lossy())?;
        source::records(&text, &mut |line, json| match read_record(json) {
            Ok(record) => self.add(record),
            Err(error) => {
                self.unreadable += 1;
                output::complain(&format!("`{name}` line {line}: {error}; skipped"));
            }
        })
        .with_context(|| format!("`{name}`"))
    }

    fn add(&mut self, record: Record) {
        let records = self.traces.entry(record.base_id.clone()).or_insert_with(|| {
            self.order.push(record.base_id.clone());
            Vec::new()
        });
        records.push(record);
    }

    /// Stores what is not there yet: to import a file again, or another that overlaps, changes
    /// nothing.
    fn store(&mut self, store: &StoreArgs) -> anyhow::Result<()> {
        let mut writer = store.writer()?;
        let mut reader = if_supported(store.reader())?;
        for base_id in &self.order {
            let records = self.traces.get_mut(base_id).expect("each has an entry");
            let before = records.len();
            let mut known = HashSet::new();
            if let Some(reader) = &mut reader {
                let read = reader.read(base_id, &mut |json| {
                    known.insert(normal_form(json));
                });
                if_supported(read.map_err(anyhow::Error::from))?;
            }
            records.retain(|record| known.insert(normal_form(&record.to_json())));
            write_batches(&mut *writer, records)?;
            self.stored += records.len();
            self.known += before - records.len();
        }
        Ok(())
    }
}

/// Reads a record, if need be after mending what Python writes although it is not JSON.
fn read_record(json: &str) -> Result<Record, RecordError> {
    RecordView::parse(json)
        .map(|view| Record::from(&view))
        .or_else(|_| RecordView::parse(&json::repair(json)).map(|view| Record::from(&view)))
}

/// The same text for the same record, however it is indented and its keys are ordered.
fn normal_form(json: &str) -> String {
    serde_json::from_str::<Value>(json).map_or_else(|_| json.to_owned(), |value| value.to_string())
}

/// `None` from a back end that cannot do that.
fn if_supported<T>(done: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
    match done {
        Err(error) if is_unsupported(&error) => Ok(None),
        done => done.map(Some),
    }
}

fn is_unsupported(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<osprofiler_drivers::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::Unsupported)
}

fn write_batches(writer: &mut dyn Writer, records: &[Record]) -> anyhow::Result<()> {
    records.chunks(BATCH).try_for_each(|batch| writer.write(batch)).map_err(Into::into)
}
