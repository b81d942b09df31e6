use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use osprofiler_wire::{Id, Phase, Record};

use super::connection::{Connection, Server, Value, len_of};
use super::rows::{self, Alphabet};
use super::schema::Tables;
use super::summaries::{self, Summary};
use crate::runtime::block_on;
use crate::summary::TraceSummarizer;
use crate::{ConnectionString, Error, ErrorKind, Writer};

pub(super) struct SqlWriter {
    server: Server,
    tables: Tables,
}

impl SqlWriter {
    pub(super) fn open(connection: &ConnectionString) -> Result<Self, Error> {
        let mut server = Server::of(connection)?;
        block_on(async move {
            let tables = server.tables(true).await?;
            Ok(Self { server, tables })
        })
    }

    fn alphabet(&self) -> Alphabet {
        Alphabet { is_unicode: self.tables.is_unicode }
    }

    fn store(&mut self, batch: &Batch<'_>, rows: &[Vec<Value<'_>>]) -> Result<(), Error> {
        let server = &mut self.server;
        block_on(async move {
            let mut connection = server.connect().await?;
            server.answer("write to", batch.store(&mut connection, rows)).await?;
            server.keep(connection);
            Ok(())
        })
    }

    fn too_long(&self, bytes: usize) -> Error {
        let (place, most) = (self.server.place(), self.tables.max_len);
        Error::new(
            ErrorKind::Storage,
            format!(
                "a record of {bytes} bytes is more than `{place}` takes, {most}; the others of its batch \
                 are stored. MySQL and MariaDB take as many as their `max_allowed_packet` says"
            ),
        )
    }
}

impl Writer for SqlWriter {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let alphabet = self.alphabet();
        let (mut fitting, mut rows, mut longest) = (Vec::new(), Vec::new(), 0);
        for record in records {
            let row = rows::values_of(record, alphabet);
            longest = longest.max(len_of(&row));
            if len_of(&row) <= self.tables.max_len {
                fitting.push(record);
                rows.push(row);
            }
        }
        if !rows.is_empty() {
            self.store(&Batch::of(&fitting, alphabet), &rows)?;
        }
        if longest > self.tables.max_len { Err(self.too_long(longest)) } else { Ok(()) }
    }

    fn delete(&mut self, base_id: &Id) -> Result<bool, Error> {
        let key = self.alphabet().key(base_id);
        let server = &mut self.server;
        block_on(async move {
            let mut connection = server.connect().await?;
            let deleted = server.answer("delete from", delete(&mut connection, &key)).await?;
            server.keep(connection);
            Ok(deleted)
        })
    }
}

async fn delete(connection: &mut Connection, key: &str) -> sqlx::Result<bool> {
    connection.run("BEGIN").await?;
    let summaries = summaries::delete(connection, key).await?;
    // A collation may take other ids for this one.
    let sql = connection.dialect(
        "DELETE FROM data WHERE base_id = ? AND CAST(base_id AS BINARY) = ?",
        "DELETE FROM data WHERE base_id = ? AND base_id = ?",
    );
    let rows = connection.execute(sql, &[key.into(), key.into()]).await?;
    connection.run("COMMIT").await?;
    Ok(summaries + rows > 0)
}

/// A batch, taken apart by trace.
struct Batch<'r> {
    /// The records of each trace.
    traces: HashMap<&'r Id, Vec<&'r Record>>,
    /// What the batch says of each trace, sorted by key: two writers that have traces in common lock
    /// them in the same order.
    summaries: Vec<Summary>,
    alphabet: Alphabet,
    /// A number that no other batch has.
    number: i64,
}

impl<'r> Batch<'r> {
    fn of(records: &[&'r Record], alphabet: Alphabet) -> Self {
        let mut traces: HashMap<&Id, Vec<&Record>> = HashMap::new();
        for &record in records {
            traces.entry(&record.base_id).or_default().push(record);
        }
        let mut summaries: Vec<_> = traces
            .iter()
            .map(|(base_id, records)| {
                let mut summarizer = TraceSummarizer::with_capacity(records.len());
                records.iter().for_each(|record| summarizer.add(record));
                let tally = summarizer.into_tally().expect("a trace is known by a record");
                Summary::new((*base_id).clone(), tally, alphabet)
            })
            .collect();
        summaries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let number = RandomState::new().hash_one(records.len()).cast_signed();
        Self { traces, summaries, alphabet, number }
    }

    async fn store(
        &self,
        connection: &mut Connection,
        rows: &[Vec<Value<'_>>],
    ) -> sqlx::Result<()> {
        connection.run("BEGIN").await?;
        let known = summaries::insert(connection, &self.summaries, self.number).await?;
        if !known.is_empty() {
            let merged = self.merge(connection, known).await?;
            summaries::replace(connection, &merged, self.number).await?;
        }
        connection.append(rows::WRITTEN, &rows::TYPES, rows).await?;
        connection.run("COMMIT").await
    }

    /// Adds the batch to the summaries of traces that were known before it; a record that came before
    /// adds nothing.
    async fn merge(
        &self,
        connection: &mut Connection,
        known: Vec<Summary>,
    ) -> sqlx::Result<Vec<Summary>> {
        let records = || known.iter().flat_map(|summary| &self.traces[&summary.base_id]);
        let mut points: Vec<String> =
            records().map(|record| self.alphabet.key(&record.trace_id)).collect();
        points.sort_unstable();
        points.dedup();
        let points: Vec<&str> = points.iter().map(String::as_str).collect();
        let sql = "SELECT base_id, trace_id, name FROM data WHERE trace_id";
        let rows = connection.fetch_of(sql, &points).await?;
        let mut stored = HashSet::new();
        for row in &rows {
            if let (Some(base_id), Some(trace_id), Some(name)) =
                (row.text(0)?, row.text(1)?, row.text(2)?)
            {
                stored.insert((base_id, trace_id, Phase::split(name).1));
            }
        }
        let mut merged: Vec<Summary> = known
            .iter()
            .filter_map(|summary| {
                let mut fresh = TraceSummarizer::default();
                for record in &self.traces[&summary.base_id] {
                    let trace_id = self.alphabet.key(&record.trace_id);
                    if !stored.contains(&(&*summary.key, &*trace_id, record.phase)) {
                        fresh.add(record);
                    }
                }
                let tally = summary.tally.clone().merge(fresh.into_tally()?);
                Some(Summary { tally, ..summary.clone() })
            })
            .collect();
        merged.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(merged)
    }
}
