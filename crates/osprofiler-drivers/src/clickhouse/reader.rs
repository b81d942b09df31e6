use osprofiler_wire::{Id, Timestamp};

use super::row_binary::Decoder;
use super::schema::{RECORDS, TRACES, Ttl};
use super::server::{Server, quoted};
use crate::address::Address;
use crate::{ConnectionString, Error, ListQuery, Reader, Root, TraceSummary};

pub(super) struct ClickHouseReader {
    server: Server,
}

impl ClickHouseReader {
    pub(super) fn open(connection: &ConnectionString) -> Result<Self, Error> {
        let address = Address::of(connection)?;
        let server = Server::new(&address, connection.scheme().ends_with("+https"))?;
        // One connection string serves writers and readers.
        Ttl::of(&address)?;
        address.flag("async_insert")?;
        address.finish()?;
        Ok(Self { server })
    }
}

impl Reader for ClickHouseReader {
    fn read(&mut self, base_id: &Id, visit: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let base_id = base_id.with_text(quoted);
        // The summaries, which are few, say in which partitions to look. A record that came again may
        // be there twice until the server merges parts.
        let query = format!(
            "SELECT record FROM {RECORDS}
            WHERE base_id = {base_id} AND day IN (SELECT day FROM {TRACES} WHERE base_id = {base_id})
            ORDER BY batch, place LIMIT 1 BY record"
        );
        self.server.query("read a trace of", &query, |row| {
            visit(row.text()?);
            Some(())
        })
    }

    fn list(&mut self, query: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
        let mut summaries = Vec::new();
        if query.limit == Some(0) {
            return Ok(summaries);
        }
        self.server.query("list the traces of", &list_sql(query), |row| {
            summaries.push(summary_of(row)?);
            Some(())
        })?;
        Ok(summaries)
    }
}

/// Chooses traces by a few columns first, and reads the others of those only.
fn list_sql(query: &ListQuery) -> String {
    let conditions = conditions(query);
    let limit = query.limit.map_or(String::new(), |limit| format!("LIMIT {limit}"));
    let chosen = if conditions.is_empty() && limit.is_empty() {
        String::new()
    } else {
        let having = if conditions.is_empty() {
            String::new()
        } else {
            format!("HAVING {}", conditions.join(" AND "))
        };
        format!(
            "WHERE base_id IN (
                SELECT base_id FROM {TRACES} FINAL GROUP BY base_id {having}
                ORDER BY min(started_us) DESC, base_id {limit}
            )"
        )
    };
    format!(
        "SELECT base_id, min(started_us) AS started, max(ended_us), sum(starts), sum(stops), sum(errors),
            argMin(
                (root_name, root_project, root_service, root_host, root_request),
                (root_is_stop, root_us, root_is_nested)
            )
        FROM {TRACES} FINAL {chosen} GROUP BY base_id ORDER BY started DESC, base_id"
    )
}

/// What the rows of a trace have to be together.
fn conditions(query: &ListQuery) -> Vec<String> {
    let mut conditions = Vec::new();
    if let Some(since) = query.since {
        conditions.push(format!("min(started_us) >= {}", since.as_micros()));
    }
    if let Some(until) = query.until {
        conditions.push(format!("min(started_us) < {}", until.as_micros()));
    }
    if let Some(least) = query.min_duration_us {
        conditions.push(format!("max(ended_us) - min(started_us) >= {least}"));
    }
    if query.errors_only {
        conditions.push("sum(errors) > 0".to_owned());
    }
    if query.asks_for_kinds() {
        let asked = [&query.project, &query.service, &query.name];
        let asked = (1..).zip(asked).filter_map(|(at, text)| Some((at, text.as_deref()?)));
        let is: Vec<String> =
            asked.map(|(at, text)| format!("kind[{at}] = {}", quoted(text))).collect();
        let is = is.join(" AND ");
        conditions.push(format!("max(arrayExists(kind -> ifNull({is}, 0), kinds)) = 1"));
    }
    conditions
}

fn summary_of(row: &mut Decoder<'_>) -> Option<TraceSummary> {
    let base_id = Id::from(row.text()?);
    let (started, ended) = (row.i64()?, row.i64()?);
    let (starts, stops) = (row.u64()?, row.u64()?);
    let mut summary = TraceSummary::new(base_id, Timestamp::from_micros(started));
    summary.duration_us = ended.saturating_sub(started);
    summary.points = starts.max(stops);
    summary.unfinished = starts.saturating_sub(stops);
    summary.errors = row.u64()?;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    summary.root = Root {
        name: row.text()?.to_owned(),
        project: owned(row.nullable()?),
        service: owned(row.nullable()?),
        host: owned(row.nullable()?),
        request: owned(row.nullable()?),
    };
    Some(summary)
}
