use std::io::Read;
use std::path::Path;

use osprofiler_wire::{Id, Timestamp};
use rusqlite::{Connection, OpenFlags};

use super::schema::{self, Contents};
use super::{BUSY_TIMEOUT, Store, error};
use crate::{Error, ErrorKind, ListQuery, Reader, TraceSummary, files};

const CHUNKS_OF_TRACE: &str = "
    SELECT chunk.id FROM chunk JOIN trace ON trace.id = chunk.trace
    WHERE trace.base_id = ?1 ORDER BY chunk.id";
// Two texts, so that SQLite sees which index serves it.
const LIST: &str = "
    SELECT * FROM trace WHERE started_us >= ?1
    ORDER BY started_us DESC, id DESC LIMIT ?2";
const LIST_FAILED: &str = "
    SELECT * FROM trace WHERE errors > 0 AND started_us >= ?1
    ORDER BY started_us DESC, id DESC LIMIT ?2";

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
        let mut damaged = 0;
        let mut visit_lines = |chunk: &[u8]| match decompress(chunk) {
            Some(lines) => lines.split_terminator('\n').for_each(&mut *visit),
            None => damaged += 1,
        };
        let chunks = visit_chunks(&mut self.store.db, base_id, &mut visit_lines)
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

/// Bytes of a chunk's lines at most. A writer fills one with 1 MiB, and a record of its own size may
/// come on top; what claims to be more was made to fill the reader's memory.
const MAX_LINES_LEN: u64 = 256 << 20;

/// The lines of a chunk; `None` if it is damaged.
fn decompress(chunk: &[u8]) -> Option<String> {
    let mut lines = String::new();
    let decoder = zstd::Decoder::new(chunk).ok()?;
    decoder.take(MAX_LINES_LEN + 1).read_to_string(&mut lines).ok()?;
    (lines.len() as u64 <= MAX_LINES_LEN).then_some(lines)
}

/// Visits the chunks of a trace one by one, all of one moment; gives their number.
fn visit_chunks(
    db: &mut Connection,
    base_id: &Id,
    visit: &mut dyn FnMut(&[u8]),
) -> rusqlite::Result<usize> {
    let transaction = db.transaction()?;
    // The keys alone are sorted: a trace may have more chunks than fit in memory.
    let keys: Vec<i64> = transaction
        .prepare_cached(CHUNKS_OF_TRACE)?
        .query_map([base_id.to_string()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut find = transaction.prepare_cached("SELECT records FROM chunk WHERE id = ?1")?;
    for key in &keys {
        find.query_row([key], |row| {
            visit(row.get_ref(0)?.as_blob()?);
            Ok(())
        })?;
    }
    Ok(keys.len())
}

fn list(db: &Connection, query: &ListQuery) -> rusqlite::Result<Vec<TraceSummary>> {
    let sql = if query.errors_only { LIST_FAILED } else { LIST };
    let since = query.since.map_or(i64::MIN, Timestamp::as_micros);
    // A negative limit is none.
    let limit = query.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(-1));
    db.prepare_cached(sql)?
        .query_map([since, limit], |row| {
            let base_id: String = row.get("base_id")?;
            Ok(schema::tally_of(row)?.summary(base_id.into()))
        })?
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_chunk_that_was_made_to_fill_the_memory_is_damaged() {
        let of = |len| zstd::encode_all(io::repeat(b'x').take(len), 1).unwrap();
        assert_eq!(decompress(&of(1000)).map(|lines| lines.len()), Some(1000));
        assert_eq!(decompress(&of(MAX_LINES_LEN + 1)), None);
        assert_eq!(decompress(b"no chunk"), None);
    }

    #[test]
    fn lists_and_reads_use_an_index() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(schema::TABLES).unwrap();
        for (sql, expected) in [
            (LIST, &["trace_started"][..]),
            (LIST_FAILED, &["trace_failed"]),
            (CHUNKS_OF_TRACE, &["sqlite_autoindex_trace_1", "chunk_trace", "ORDER BY"]),
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
