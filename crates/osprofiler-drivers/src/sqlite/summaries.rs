//! Table `trace`: a row of summary for each trace.

use osprofiler_wire::{Id, Timestamp};
use rusqlite::types::{FromSqlError, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Statement, params};

use crate::ListQuery;
use crate::summary::{First, Kinds, Rank, Root, Tally};

const INSERT: &str = "
    INSERT INTO trace (
        base_id, started_us, ended_us, starts, stops, errors, kinds,
        root_name, root_project, root_service, root_host, root_request,
        root_us, root_is_stop, root_is_nested
    ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
    ON CONFLICT (base_id) DO NOTHING";
const UPDATE: &str = "
    UPDATE trace SET
        started_us = ?2, ended_us = ?3, starts = ?4, stops = ?5, errors = ?6, kinds = ?7,
        root_name = ?8, root_project = ?9, root_service = ?10, root_host = ?11,
        root_request = ?12, root_us = ?13, root_is_stop = ?14, root_is_nested = ?15
    WHERE base_id = ?1";

/// The statement that [`insert`] takes: looking it up for every trace would be a tenth of its cost.
pub(super) fn prepare_insert(db: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    db.prepare_cached(INSERT)
}

/// Writes the summary of a trace; false, and nothing changes, if it has one already.
pub(super) fn insert(
    db: &Connection,
    statement: &mut Statement<'_>,
    base_id: &Id,
    tally: &Tally,
) -> rusqlite::Result<bool> {
    Ok(execute(db, statement, base_id, tally)? > 0)
}

/// Writes the summary of a trace in place of the one it has.
pub(super) fn update(db: &Connection, base_id: &Id, tally: &Tally) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(UPDATE)?;
    execute(db, &mut statement, base_id, tally).map(drop)
}

fn execute(
    db: &Connection,
    statement: &mut Statement<'_>,
    base_id: &Id,
    tally: &Tally,
) -> rusqlite::Result<usize> {
    let Tally { started, ended, starts, stops, errors, kinds, first: First { rank, root } } = tally;
    statement.execute(params![
        StoredId::of(base_id),
        started.as_micros(),
        ended.as_micros(),
        starts,
        stops,
        errors,
        key_of_kinds(db, kinds)?,
        root.name,
        root.project,
        root.service,
        root.host,
        root.request,
        rank.at.as_micros(),
        rank.is_stop,
        rank.is_nested,
    ])
}

/// Finds the summary of a trace, and the key of its row.
pub(super) fn find(db: &Connection, base_id: &Id) -> rusqlite::Result<Option<(i64, Tally)>> {
    const FIND: &str = "
        SELECT trace.*, kinds.kinds AS kinds_text FROM trace JOIN kinds ON kinds.id = trace.kinds
        WHERE base_id = ?1";
    db.prepare_cached(FIND)?
        .query_row([StoredId::of(base_id)], |row| {
            let kinds = kinds_of(row.get_ref("kinds_text")?)?;
            Ok((row.get("id")?, Tally { kinds, ..tally_of(row)? }))
        })
        .optional()
}

/// Finds the key of a set of kinds, or makes it one. There are few: traces of the same sort of
/// request have the same.
fn key_of_kinds(db: &Connection, kinds: &Kinds) -> rusqlite::Result<i64> {
    let text = serde_json::to_string(kinds).expect("a list of texts");
    let key = db
        .prepare_cached("SELECT id FROM kinds WHERE kinds = ?1")?
        .query_row([&text], |row| row.get(0))
        .optional()?;
    if let Some(key) = key {
        return Ok(key);
    }
    db.prepare_cached("INSERT INTO kinds (kinds) VALUES (?1)")?.insert([&text])
}

/// The keys of the sets of kinds that a list asks for.
pub(super) fn keys_of_matching_kinds(
    db: &Connection,
    query: &ListQuery,
) -> rusqlite::Result<Vec<i64>> {
    let mut statement = db.prepare_cached("SELECT id, kinds FROM kinds")?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        if query.matches_kinds(&kinds_of(row.get_ref("kinds")?)?.0) {
            keys.push(row.get("id")?);
        }
    }
    Ok(keys)
}

fn kinds_of(text: ValueRef<'_>) -> rusqlite::Result<Kinds> {
    let kinds = serde_json::from_str(text.as_str()?);
    Ok(kinds.map_err(|cause| FromSqlError::Other(Box::new(cause)))?)
}

/// Reads the summary in a row of `trace`, without the kinds.
pub(super) fn tally_of(row: &Row<'_>) -> rusqlite::Result<Tally> {
    let at = |column| row.get(column).map(Timestamp::from_micros);
    Ok(Tally {
        started: at("started_us")?,
        ended: at("ended_us")?,
        starts: row.get("starts")?,
        stops: row.get("stops")?,
        errors: row.get("errors")?,
        kinds: Kinds::default(),
        first: First {
            rank: Rank {
                is_stop: row.get("root_is_stop")?,
                at: at("root_us")?,
                is_nested: row.get("root_is_nested")?,
            },
            root: Root {
                name: row.get("root_name")?,
                project: row.get("root_project")?,
                service: row.get("root_service")?,
                host: row.get("root_host")?,
                request: row.get("root_request")?,
            },
        },
    })
}

/// An id as it is stored: the bytes of a UUID, which take half the space in the index, or text.
pub(super) enum StoredId {
    Uuid([u8; 16]),
    Text(String),
}

impl StoredId {
    pub(super) fn of(id: &Id) -> Self {
        id.uuid_bytes().map_or_else(|| Self::Text(id.to_string()), Self::Uuid)
    }
}

impl ToSql for StoredId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Uuid(bytes) => ValueRef::Blob(bytes),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// Reads the id in a row of `trace`.
pub(super) fn id_of(row: &Row<'_>) -> rusqlite::Result<Id> {
    Ok(match row.get_ref("base_id")? {
        ValueRef::Blob(bytes) => Id::from_uuid_bytes(
            bytes.try_into().map_err(|cause| FromSqlError::Other(Box::new(cause)))?,
        ),
        text => text.as_str()?.into(),
    })
}
