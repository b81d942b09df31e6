//! Table `osprofiler_trace`: a row of summary for each trace.

use std::fmt::Write as _;

use osprofiler_wire::{Id, Timestamp};
use serde::{Deserialize, Serialize};

use super::connection::{Connection, Row, Value};
use super::rows::Alphabet;
use crate::ListQuery;
use crate::summary::{First, Kinds, Rank, Root, Tally};

const COLUMNS: &str =
    "base_id, full_id, batch, started_us, ended_us, starts, stops, errors, kinds, root";
const MYSQL_LOCK: &str = "ON DUPLICATE KEY UPDATE base_id = osprofiler_trace.base_id";
const POSTGRES_LOCK: &str = "ON CONFLICT (base_id) DO UPDATE SET base_id = excluded.base_id";

/// The summary of a trace, and where it is stored.
#[derive(Clone)]
pub(super) struct Summary {
    /// The id as it stands in a column.
    pub(super) key: String,
    /// The id itself.
    pub(super) base_id: Id,
    pub(super) tally: Tally,
}

impl Summary {
    /// What a batch says of a trace.
    pub(super) fn new(base_id: Id, tally: Tally, alphabet: Alphabet) -> Self {
        Self { key: alphabet.key(&base_id), base_id, tally }
    }
}

/// What tells of the root, as JSON.
#[derive(Serialize, Deserialize)]
struct RootFields {
    name: String,
    project: Option<String>,
    service: Option<String>,
    host: Option<String>,
    request: Option<String>,
    us: i64,
    is_stop: bool,
    is_nested: bool,
}

/// Writes the summaries of those traces that have none yet, and keeps all of them locked, so that a
/// trace is written by one writer at a time; gives those that there were, in no order.
pub(super) async fn insert(
    connection: &mut Connection,
    summaries: &[Summary],
    batch: i64,
) -> sqlx::Result<Vec<Summary>> {
    let lock = connection.dialect(MYSQL_LOCK, POSTGRES_LOCK);
    put(connection, summaries, batch, lock).await?;
    let keys: Vec<&str> = summaries.iter().map(|summary| summary.key.as_str()).collect();
    let sql = format!("SELECT {COLUMNS} FROM osprofiler_trace WHERE base_id");
    let mut found = Vec::new();
    for row in connection.fetch_of(&sql, &keys).await? {
        if row.number(2)? != batch {
            found.push(summary_of(&row)?);
        }
    }
    Ok(found)
}

/// Writes summaries in place of those that there are.
pub(super) async fn replace(
    connection: &mut Connection,
    summaries: &[Summary],
    batch: i64,
) -> sqlx::Result<()> {
    let columns = COLUMNS.split(", ").skip(2);
    let set: Vec<String> = match connection {
        Connection::MySql(_) => columns.map(|name| format!("{name} = VALUES({name})")).collect(),
        Connection::Postgres(_) => {
            columns.map(|name| format!("{name} = excluded.{name}")).collect()
        }
    };
    let begin =
        connection.dialect("ON DUPLICATE KEY UPDATE", "ON CONFLICT (base_id) DO UPDATE SET");
    put(connection, summaries, batch, &format!("{begin} {}", set.join(", "))).await
}

async fn put(
    connection: &mut Connection,
    summaries: &[Summary],
    batch: i64,
    or: &str,
) -> sqlx::Result<()> {
    let rows: Vec<_> = summaries.iter().map(|summary| values_of(summary, batch)).collect();
    connection.insert(&format!("osprofiler_trace ({COLUMNS})"), &rows, or).await
}

fn values_of(summary: &Summary, batch: i64) -> Vec<Value<'_>> {
    let Summary { key, base_id, tally } = summary;
    let First { rank, root } = &tally.first;
    let root = RootFields {
        name: root.name.clone(),
        project: root.project.clone(),
        service: root.service.clone(),
        host: root.host.clone(),
        request: root.request.clone(),
        us: rank.at.as_micros(),
        is_stop: rank.is_stop,
        is_nested: rank.is_nested,
    };
    let full_id = base_id.with_text(|id| (id != key).then(|| to_ascii_json(id)));
    let count = |count: u64| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
    vec![
        key.as_str().into(),
        Value::Text(full_id.map(Into::into)),
        batch.into(),
        tally.started.as_micros().into(),
        tally.ended.as_micros().into(),
        count(tally.starts),
        count(tally.stops),
        count(tally.errors),
        to_ascii_json(&tally.kinds).into(),
        to_ascii_json(&root).into(),
    ]
}

fn summary_of(row: &Row) -> sqlx::Result<Summary> {
    let text = |column: usize| {
        row.text(column)?
            .ok_or_else(|| sqlx::Error::Decode(format!("column {column} is null").into()))
    };
    let key = text(0)?.to_owned();
    let base_id = match row.text(1)? {
        Some(full_id) => read::<String>(full_id)?.into(),
        None => Id::from(key.as_str()),
    };
    let count = |column| Ok::<_, sqlx::Error>(row.number(column)?.unsigned_abs());
    let root: RootFields = read(text(9)?)?;
    let tally = Tally {
        started: Timestamp::from_micros(row.number(3)?),
        ended: Timestamp::from_micros(row.number(4)?),
        starts: count(5)?,
        stops: count(6)?,
        errors: count(7)?,
        kinds: read::<Kinds>(text(8)?)?,
        first: First {
            rank: Rank {
                is_stop: root.is_stop,
                at: Timestamp::from_micros(root.us),
                is_nested: root.is_nested,
            },
            root: Root {
                name: root.name,
                project: root.project,
                service: root.service,
                host: root.host,
                request: root.request,
            },
        },
    };
    Ok(Summary { key, base_id, tally })
}

/// Removes the summary of a trace; gives the number of those that there were.
pub(super) async fn delete(connection: &mut Connection, key: &str) -> sqlx::Result<u64> {
    connection.execute("DELETE FROM osprofiler_trace WHERE base_id = ?", &[key.into()]).await
}

/// Lists summaries, newest first; `more` of them than asked for.
pub(super) async fn list(
    connection: &mut Connection,
    query: &ListQuery,
    more: usize,
) -> sqlx::Result<Vec<Summary>> {
    // They are half of what a summary is, and wanted for one kind of question only.
    let columns =
        if query.asks_for_kinds() { COLUMNS } else { &COLUMNS.replace(" kinds,", " '[]',") };
    let mut sql = format!("SELECT {columns} FROM osprofiler_trace WHERE started_us >= ?");
    let mut values: Vec<Value<'_>> =
        vec![query.since.map_or(i64::MIN, Timestamp::as_micros).into()];
    if let Some(until) = query.until {
        sql.push_str(" AND started_us < ?");
        values.push(until.as_micros().into());
    }
    if let Some(least) = query.min_duration_us {
        sql.push_str(" AND ended_us - started_us >= ?");
        values.push(least.into());
    }
    if query.errors_only {
        sql.push_str(" AND errors > 0");
    }
    let kind = [&query.project, &query.service, &query.name];
    for text in kind.into_iter().flatten() {
        sql.push_str(" AND POSITION(? IN kinds) > 0");
        values.push(to_ascii_json(text).into());
    }
    sql.push_str(" ORDER BY started_us DESC, base_id");
    // Of a kind are those only that `matches_kinds` says so of.
    if let Some(limit) = query.limit.filter(|_| !query.asks_for_kinds()) {
        sql.push_str(" LIMIT ?");
        values.push(i64::try_from(limit.saturating_add(more)).unwrap_or(i64::MAX).into());
    }
    let rows = connection.fetch(&sql, &values).await?;
    let mut found = rows.iter().map(summary_of).collect::<sqlx::Result<Vec<_>>>()?;
    found.retain(|summary| query.matches_kinds(&summary.tally.kinds.0));
    Ok(found)
}

/// JSON in ASCII, which every column of text holds.
fn to_ascii_json(value: &(impl Serialize + ?Sized)) -> String {
    let json = serde_json::to_string(value).expect("texts and numbers have a JSON form");
    if json.is_ascii() {
        return json;
    }
    let mut ascii = String::with_capacity(json.len() * 2);
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(ascii, "\\u{unit:04x}").expect("a string takes any text");
            }
        }
    }
    ascii
}

fn read<'a, T: Deserialize<'a>>(json: &'a str) -> sqlx::Result<T> {
    serde_json::from_str(json).map_err(|cause| sqlx::Error::Decode(Box::new(cause)))
}
