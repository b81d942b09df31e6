use std::collections::HashSet;

use osprofiler_wire::{Id, RecordView};

use super::connection::{Connection, Row, Server};
use super::rows::{self, Alphabet};
use super::schema::Tables;
use super::summaries;
use crate::runtime::block_on;
use crate::{ConnectionString, Error, ListQuery, Reader, Summarizer, TraceSummary};

/// Records of the first page, which is all of most traces. It tells how large they are.
const FIRST_PAGE: usize = 2500;
const LARGEST_PAGE: usize = 10_000;
/// About so much text makes a page.
const PAGE_BYTES: usize = 8 << 20;
/// Traces without a summary whose records are fetched at a time.
const TRACES: usize = 256;

pub(super) struct SqlReader {
    server: Server,
    tables: Tables,
    skipped: u64,
}

impl SqlReader {
    pub(super) fn open(connection: &ConnectionString) -> Result<Self, Error> {
        let mut reader =
            Self { server: Server::of(connection)?, tables: Tables::default(), skipped: 0 };
        reader.find_tables()?;
        Ok(reader)
    }

    fn find_tables(&mut self) -> Result<(), Error> {
        let server = &mut self.server;
        self.tables = block_on(server.tables(false))?;
        self.tables.must_have_data(&self.server)
    }

    /// The next records of a trace, `size` at most, behind the row `last`.
    fn page(&mut self, key: &str, last: i64, size: usize) -> Result<Page, Error> {
        let server = &mut self.server;
        block_on(async move {
            let mut connection = server.connect().await?;
            let page = server.answer("read from", page(&mut connection, key, last, size)).await?;
            server.keep(connection);
            Ok(page)
        })
    }
}

/// Some records of a trace.
struct Page {
    records: Vec<String>,
    /// Rows that hold no record.
    skipped: u64,
    /// The last row, if there may be more behind it.
    last: Option<i64>,
}

async fn page(
    connection: &mut Connection,
    key: &str,
    last: i64,
    size: usize,
) -> sqlx::Result<Page> {
    let sql = format!(
        "SELECT {}, data, id FROM data WHERE base_id = ? AND id > ? ORDER BY id LIMIT ?",
        rows::READ
    );
    let limit = i64::try_from(size).unwrap_or(i64::MAX);
    let found = connection.fetch(&sql, &[key.into(), last.into(), limit.into()]).await?;
    let mut page = Page { records: Vec::with_capacity(found.len()), skipped: 0, last: None };
    for row in &found {
        // A collation may take other ids for this one.
        if row.text(1)? != Some(key) {
            continue;
        }
        match rows::json_of(row)? {
            Some(json) => page.records.push(json),
            None => page.skipped += 1,
        }
    }
    if found.len() == size {
        page.last = found.last().map(|row| row.number(9)).transpose()?;
    }
    Ok(page)
}

impl Reader for SqlReader {
    fn read(&mut self, base_id: &Id, visit: &mut dyn FnMut(&str)) -> Result<(), Error> {
        self.skipped = 0;
        let key = Alphabet { is_unicode: self.tables.is_unicode }.key(base_id);
        let (mut next, mut size) = (Some(i64::MIN), FIRST_PAGE);
        while let Some(last) = next {
            let page = self.page(&key, last, size)?;
            page.records.iter().for_each(|json| visit(json));
            self.skipped += page.skipped;
            next = page.last;
            let bytes: usize = page.records.iter().map(String::len).sum();
            let bytes_of_record = bytes / page.records.len().max(1) + 1;
            size = (PAGE_BYTES / bytes_of_record).clamp(1, LARGEST_PAGE);
        }
        Ok(())
    }

    fn list(&mut self, query: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
        // A writer may have made what was missing.
        if !self.tables.is_complete() {
            self.find_tables()?;
        }
        let (tables, server) = (self.tables, &mut self.server);
        let (listed, skipped) = block_on(async move {
            let mut connection = server.connect().await?;
            let listed = list(&mut connection, tables, query);
            let listed = server.answer("list the traces of", listed).await?;
            server.keep(connection);
            Ok(listed)
        })?;
        self.skipped = skipped;
        Ok(listed)
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// Lists traces; gives the number of rows that hold no record, too.
async fn list(
    connection: &mut Connection,
    tables: Tables,
    query: &ListQuery,
) -> sqlx::Result<(Vec<TraceSummary>, u64)> {
    let mut others = Others::default();
    others.sum_up(connection, tables).await?;
    let mut listed = Vec::new();
    if tables.has_summaries {
        for summary in summaries::list(connection, query, others.traces.len()).await? {
            if !others.traces.contains(&summary.base_id) {
                listed.push(summary.tally.summary(summary.base_id));
            }
        }
    }
    listed.extend(others.summarizer.into_list(query));
    query.cut(&mut listed);
    Ok((listed, others.skipped))
}

/// The traces that have rows which are in no summary, because the existing library wrote them.
#[derive(Default)]
struct Others {
    summarizer: Summarizer,
    traces: HashSet<Id>,
    skipped: u64,
}

impl Others {
    /// Sums up all rows of these traces.
    async fn sum_up(&mut self, connection: &mut Connection, tables: Tables) -> sqlx::Result<()> {
        let which = if tables.has_mark { "WHERE summarized IS NULL" } else { "" };
        let sql = format!("SELECT DISTINCT base_id FROM data {which}");
        let found = connection.fetch(&sql, &[]).await?;
        let mut keys = Vec::with_capacity(found.len());
        for row in &found {
            keys.extend(row.text(0)?);
        }
        // Of the infos, a summary wants failures and requests.
        let data = connection.dialect("data", "data::text");
        let sql = format!(
            "SELECT {}, CASE WHEN {data} LIKE '%etype%' OR {data} LIKE '%request%' THEN data END
             FROM data WHERE base_id",
            rows::READ
        );
        for keys in keys.chunks(TRACES) {
            for row in connection.fetch_of(&sql, keys).await? {
                self.add(&row)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, row: &Row) -> sqlx::Result<()> {
        let json = rows::json_of(row)?;
        match json.as_deref().map(RecordView::parse) {
            Some(Ok(view)) => {
                self.summarizer.add_view(&view);
                self.traces.insert(view.base_id);
            }
            _ => self.skipped += 1,
        }
        Ok(())
    }
}
