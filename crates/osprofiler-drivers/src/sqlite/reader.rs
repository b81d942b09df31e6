use std::path::Path;

use osprofiler_wire::{Id, Timestamp};
use rusqlite::{Connection, OpenFlags, named_params};

use super::schema::{self, Contents};
use super::{BUSY_TIMEOUT, Store, blocks, error, summaries};
use crate::{Error, ErrorKind, ListQuery, Reader, TraceSummary, files};

pub(super) struct SqliteReader {
    store: Store,
}

impl SqliteReader {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self { store: Store::open(path, connect)? })
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    files::must_exist(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)
        .and_then(|db| db.busy_timeout(BUSY_TIMEOUT).map(|()| db))
        .map_err(|cause| error(path, "open", cause))?;
    match schema::contents(&db, path)? {
        Contents::Traces => Ok(db),
        Contents::Nothing => Err(Error::new(
            ErrorKind::NotFound,
            format!("`{}` is empty; trace something first", path.display()),
        )),
    }
}

impl Reader for SqliteReader {
    fn read(&mut self, base_id: &Id, visit: &mut dyn FnMut(&str)) -> Result<(), Error> {
        self.store.refresh()?;
        let path = &self.store.path;
        let (chunks, damaged) = visit_chunks(&mut self.store.db, base_id, visit)
            .map_err(|cause| error(path, &format!("read trace `{base_id}` from"), cause))?;
        if damaged > 0 {
            return Err(Error::new(
                ErrorKind::Storage,
                format!(
                    "{damaged} of the {chunks} chunks of trace `{base_id}` in `{}` are damaged; \
                     the others were read",
                    path.display()
                ),
            ));
        }
        Ok(())
    }

    fn list(&mut self, query: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
        self.store.refresh()?;
        list(&self.store.db, query)
            .map_err(|cause| error(&self.store.path, "list the traces of", cause))
    }
}

/// Visits the lines of a trace chunk by chunk, all of one moment; gives the number of chunks, and of
/// those that are damaged.
fn visit_chunks(
    db: &mut Connection,
    base_id: &Id,
    visit: &mut dyn FnMut(&str),
) -> rusqlite::Result<(usize, usize)> {
    let transaction = db.transaction()?;
    let chunks = blocks::chunks_of(&transaction, base_id)?;
    let mut damaged = 0;
    for chunk in &chunks {
        match blocks::lines_at(&transaction, chunk)? {
            Some(lines) => lines.split_terminator('\n').for_each(&mut *visit),
            None => damaged += 1,
        }
    }
    Ok((chunks.len(), damaged))
}

fn list(db: &Connection, query: &ListQuery) -> rusqlite::Result<Vec<TraceSummary>> {
    let keys = summaries::keys_of_matching_kinds(db, query)?;
    let (since, until) =
        (query.since.map(Timestamp::as_micros), query.until.map(Timestamp::as_micros));
    // A negative limit is none.
    let limit = query.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(-1));
    db.prepare_cached(&list_sql(query))?
        .query_map(
            named_params! {
                ":since": since.unwrap_or(i64::MIN),
                // No instant is later than the last one, which no trace has.
                ":until": until.unwrap_or(i64::MAX),
                ":least": query.min_duration_us.unwrap_or(0),
                ":kinds": serde_json::to_string(&keys).expect("a list of numbers"),
                ":limit": limit,
            },
            |row| Ok(summaries::tally_of(row)?.summary(summaries::id_of(row)?)),
        )?
        .collect()
}

/// Holds only the conditions that are asked for, so that SQLite sees which index serves it.
fn list_sql(query: &ListQuery) -> String {
    let failed = if query.errors_only { "errors > 0 AND" } else { "" };
    let kinds = if query.asks_for_kinds() {
        "AND kinds IN (SELECT value FROM json_each(:kinds))"
    } else {
        // The parameter has to occur.
        "AND :kinds NOT NULL"
    };
    format!(
        "SELECT * FROM trace
        WHERE {failed} started_us >= :since AND started_us < :until
            AND ended_us - started_us >= :least {kinds}
        ORDER BY started_us DESC, id DESC LIMIT :limit"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_reads_use_an_index() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(schema::TABLES).unwrap();
        let of_one_kind = ListQuery { name: Some("db".into()), ..ListQuery::default() };
        let failed = ListQuery { errors_only: true, ..ListQuery::default() };
        for (sql, expected) in [
            (list_sql(&ListQuery::default()).as_str(), &["trace_started"][..]),
            (&list_sql(&failed), &["trace_failed"]),
            (&list_sql(&of_one_kind), &["trace_started", "LIST SUBQUERY", "json_each", "BLOOM"]),
            (
                blocks::CHUNKS_OF_TRACE,
                &["chunk USING PRIMARY KEY", "SCALAR", "sqlite_autoindex_trace_1", "ORDER BY"],
            ),
        ] {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps: Vec<String> =
                plan.raw_query().mapped(|row| row.get(3)).map(Result::unwrap).collect();
            assert_eq!(steps.len(), expected.len(), "{steps:?}");
            for (step, expected) in steps.iter().zip(expected) {
                assert!(step.contains(expected), "{steps:?}");
            }
        }
    }
}
