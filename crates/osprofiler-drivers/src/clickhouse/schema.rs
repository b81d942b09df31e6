//! The tables, and what makes one of the other. Specified in `docs/drivers/clickhouse.md`.

use super::server::Server;
use crate::address::Address;
use crate::{Error, ErrorKind};

pub(super) const RECORDS: &str = "osprofiler_records";
pub(super) const TRACES: &str = "osprofiler_traces";
const VIEW: &str = "osprofiler_traces_of_records";

/// The columns of a record, in the order in which a writer sends them.
const COLUMNS: [Column; 15] = [
    Column { name: "base_id", kind: "String", plain: "String" },
    Column { name: "timestamp_us", kind: "Int64 CODEC(Delta, ZSTD(1))", plain: "Int64" },
    Column { name: "batch", kind: "UInt64 CODEC(Delta, ZSTD(1))", plain: "UInt64" },
    Column { name: "place", kind: "UInt32 CODEC(Delta, ZSTD(1))", plain: "UInt32" },
    Column { name: "day", kind: "Date", plain: "Date" },
    Column { name: "is_stop", kind: "UInt8", plain: "UInt8" },
    Column { name: "name", kind: "LowCardinality(String)", plain: "String" },
    Column { name: "project", kind: NULLABLE_WORD, plain: "Nullable(String)" },
    Column { name: "service", kind: NULLABLE_WORD, plain: "Nullable(String)" },
    Column { name: "host", kind: NULLABLE_WORD, plain: "Nullable(String)" },
    Column { name: "trace_id", kind: "String CODEC(ZSTD(1))", plain: "String" },
    Column { name: "parent_id", kind: "String CODEC(ZSTD(1))", plain: "String" },
    Column { name: "failed", kind: "UInt8", plain: "UInt8" },
    Column { name: "request", kind: "Nullable(String)", plain: "Nullable(String)" },
    Column { name: "record", kind: "String CODEC(ZSTD(1))", plain: "String" },
];
const NULLABLE_WORD: &str = "LowCardinality(Nullable(String))";

struct Column {
    name: &'static str,
    kind: &'static str,
    /// On a server before 20.
    plain: &'static str,
}

/// What makes one row of `osprofiler_traces` of what a batch holds of a trace. The expressions are
/// those of `summary.rs`.
fn view() -> String {
    const RANK: &str = "(is_stop, timestamp_us, parent_id != base_id)";
    let rank = |at| format!("tupleElement(min({RANK}), {at})");
    // In a tuple, or those that are NULL would be passed over.
    let root =
        |at| format!("tupleElement(argMin((name, project, service, host, request), {RANK}), {at})");
    format!(
        "CREATE MATERIALIZED VIEW IF NOT EXISTS {VIEW} TO {TRACES} AS
        SELECT base_id, sum(cityHash64(record)) AS part, min(day) AS day,
            min(timestamp_us) AS started_us, max(timestamp_us) AS ended_us,
            uniqExactIf(trace_id, is_stop = 0) AS starts,
            uniqExactIf(trace_id, is_stop = 1) AS stops,
            uniqExactIf(trace_id, failed = 1) AS errors,
            groupUniqArray([project, service, name]) AS kinds,
            {} AS root_is_stop, {} AS root_us, {} AS root_is_nested,
            {} AS root_name, {} AS root_project, {} AS root_service, {} AS root_host,
            {} AS root_request
        FROM {RECORDS} GROUP BY base_id, batch",
        rank(1),
        rank(2),
        rank(3),
        root(1),
        root(2),
        root(3),
        root(4),
        root(5)
    )
}

/// Days after which records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ttl(u16);

impl Ttl {
    /// Takes the option `ttl`.
    pub(super) fn of(address: &Address) -> Result<Option<Self>, Error> {
        let Some(text) = address.option("ttl") else { return Ok(None) };
        let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
        let days = days.filter(|days| *days > 0);
        days.map(|days| Some(Self(days)))
            .ok_or_else(|| address.wrong("expected a number of days like `30d` as `ttl`"))
    }

    fn expression(self) -> String {
        format!("day + toIntervalDay({})", self.0)
    }
}

/// What a server can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    text: String,
    major: u32,
}

impl Version {
    fn of(text: &str) -> Self {
        let major = text.split('.').next().and_then(|major| major.parse().ok());
        Self { text: text.to_owned(), major: major.unwrap_or_default() }
    }

    /// Whether its tables can compress each column as suits it, and forget by themselves.
    fn is_current(&self) -> bool {
        self.major >= 20
    }

    /// Whether it can gather the batches of many writers.
    pub(super) fn gathers(&self) -> bool {
        self.major >= 22
    }

    /// The error about an option that it does not know.
    pub(super) fn does_not_know(&self, option: &str, since: u32) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!(
                "ClickHouse {} does not know `{option}`, expected {since} or later; leave it out",
                self.text
            ),
        )
    }
}

/// Makes what is missing of the tables, and says what the server can do.
pub(super) fn prepare(server: &Server, ttl: Option<Ttl>) -> Result<Version, Error> {
    const WHAT: &str = "look for the tables of";
    let (mut version, mut tables) = (Version::of(""), 0);
    let query = format!(
        "SELECT version(), count() FROM system.tables
        WHERE database = currentDatabase() AND name IN ('{RECORDS}', '{TRACES}', '{VIEW}')"
    );
    server.query(WHAT, &query, |row| {
        version = Version::of(row.text()?);
        tables = row.u64()?;
        Some(())
    })?;
    if ttl.is_some() && !version.is_current() {
        return Err(version.does_not_know("ttl", 20));
    }
    if tables < 3 {
        for statement in [records_table(&version, ttl), traces_table(ttl), view()] {
            server.execute("create the tables of", &statement)?;
        }
    }
    if let Some(ttl) = ttl {
        keep_for(server, ttl)?;
    }
    Ok(version)
}

/// Sets the days of tables that were made with others.
fn keep_for(server: &Server, ttl: Ttl) -> Result<(), Error> {
    let expression = ttl.expression();
    let mut other = Vec::new();
    let query = format!(
        "SELECT name FROM system.tables
        WHERE database = currentDatabase() AND name IN ('{RECORDS}', '{TRACES}')
            AND position(create_table_query, '{expression}') = 0"
    );
    server.query("look for the tables of", &query, |row| {
        other.push(row.text()?.to_owned());
        Some(())
    })?;
    for table in other {
        let statement = format!("ALTER TABLE {table} MODIFY TTL {expression}");
        server.execute("set how long to keep records in", &statement)?;
    }
    Ok(())
}

fn records_table(version: &Version, ttl: Option<Ttl>) -> String {
    let columns = COLUMNS.map(|column| {
        let kind = if version.is_current() { column.kind } else { column.plain };
        format!("{} {kind}", column.name)
    });
    format!(
        "CREATE TABLE IF NOT EXISTS {RECORDS} ({}) ENGINE = ReplacingMergeTree PARTITION BY day
        ORDER BY (base_id, timestamp_us, cityHash64(record)) {}
        SETTINGS {GRANULARITY}{}",
        columns.join(", "),
        ttl_clause(ttl),
        // All of a day goes at once.
        if version.is_current() { ", ttl_only_drop_parts = 1" } else { "" }
    )
}

fn traces_table(ttl: Option<Ttl>) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {TRACES} (
            base_id String, part UInt64, day Date, started_us Int64, ended_us Int64,
            starts UInt64, stops UInt64, errors UInt64, kinds Array(Array(Nullable(String))),
            root_is_stop UInt8, root_us Int64, root_is_nested UInt8,
            root_name String, root_project Nullable(String), root_service Nullable(String),
            root_host Nullable(String), root_request Nullable(String)
        ) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(day) ORDER BY (base_id, part) {}
        SETTINGS {GRANULARITY}",
        ttl_clause(ttl)
    )
}

/// Granules (what is read at least) of an eighth of what is usual: most traces are small.
const GRANULARITY: &str = "index_granularity = 1024";

fn ttl_clause(ttl: Option<Ttl>) -> String {
    ttl.map_or(String::new(), |ttl| format!("TTL {}", ttl.expression()))
}

/// What a writer sends rows with.
pub(super) fn insert() -> String {
    let names = COLUMNS.map(|column| column.name);
    format!("INSERT INTO {RECORDS} ({}) FORMAT RowBinary", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_those_of_the_docs() {
        let bare = |text: &str| text.split_whitespace().collect::<String>();
        let docs = std::fs::read_to_string("../../docs/drivers/clickhouse.md").unwrap();
        for table in [records_table(&Version::of("26.9"), None), traces_table(None)] {
            assert!(bare(&docs).contains(&bare(&table)), "the docs lack {table}");
        }
    }

    #[test]
    fn versions_are_told_apart() {
        for (text, is_current) in [
            ("18.16.1", false),
            ("19.17.2.4", false),
            ("20.1.1", true),
            ("26.9.2.1", true),
            ("", false),
        ] {
            assert_eq!(Version::of(text).is_current(), is_current, "{text}");
        }
    }

    #[test]
    fn a_time_to_live_is_a_number_of_days() {
        let ttl = |text: &str| {
            let connection = format!("clickhouse://h/?ttl={text}").parse().unwrap();
            Ttl::of(&Address::of(&connection).unwrap())
        };
        assert_eq!(ttl("30d").unwrap(), Some(Ttl(30)));
        for text in ["", "30", "0d", "-1d", "d", "1w", "99999d"] {
            assert!(ttl(text).unwrap_err().to_string().contains("like `30d` as `ttl`"), "{text}");
        }
    }
}
