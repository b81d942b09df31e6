//! Table `trace`: a row of summary for each trace.

use osprofiler_wire::{Id, Timestamp};
use rusqlite::types::{FromSqlError, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Statement, params};

use crate::summary::{First, Rank, Root, Tally};

const INSERT: &str = "
    INSERT INTO trace (
        base_id, started_us, ended_us, starts, stops, errors,
        root_name, root_project, root_service, root_host, root_request,
        root_us, root_is_stop, root_is_nested
    ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
    ON CONFLICT (base_id) DO NOTHING";
const UPDATE: &str = "
    UPDATE trace SET
        started_us = ?2, ended_us = ?3, starts = ?4, stops = ?5, errors = ?6,
        root_name = ?7, root_project = ?8, root_service = ?9, root_host = ?10,
        root_request = ?11, root_us = ?12, root_is_stop = ?13, root_is_nested = ?14
    WHERE base_id = ?1";

/// The statement that [`insert`] takes: looking it up for every trace would be a tenth of its cost.
pub(super) fn prepare_insert(db: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    db.prepare_cached(INSERT)
}

/// Writes the summary of a trace; false, and nothing changes, if it has one already.
pub(super) fn insert(
    statement: &mut Statement<'_>,
    base_id: &Id,
    tally: &Tally,
) -> rusqlite::Result<bool> {
    Ok(execute(statement, base_id, tally)? > 0)
}

/// Writes the summary of a trace in place of the one it has.
pub(super) fn update(db: &Connection, base_id: &Id, tally: &Tally) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(UPDATE)?;
    execute(&mut statement, base_id, tally).map(drop)
}

fn execute(statement: &mut Statement<'_>, base_id: &Id, tally: &Tally) -> rusqlite::Result<usize> {
    let Tally { started, ended, starts, stops, errors, first: First { rank, root } } = tally;
    statement.execute(params![
        StoredId::of(base_id),
        started.as_micros(),
        ended.as_micros(),
        starts,
        stops,
        errors,
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
    db.prepare_cached("SELECT * FROM trace WHERE base_id = ?1")?
        .query_row([StoredId::of(base_id)], |row| Ok((row.get("id")?, tally_of(row)?)))
        .optional()
}

/// Reads the summary in a row of `trace`.
pub(super) fn tally_of(row: &Row<'_>) -> rusqlite::Result<Tally> {
    let at = |column| row.get(column).map(Timestamp::from_micros);
    Ok(Tally {
        started: at("started_us")?,
        ended: at("ended_us")?,
        starts: row.get("starts")?,
        stops: row.get("stops")?,
        errors: row.get("errors")?,
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
