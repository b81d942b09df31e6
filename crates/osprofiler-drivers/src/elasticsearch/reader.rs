use osprofiler_wire::Id;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::client::{Client, of_trace};
use super::document::record_of;
use super::list;
use crate::{ConnectionString, Error, ErrorKind, ListQuery, Reader, TraceSummary};

const WHAT: &str = "read a trace from";
/// Records of the first page, which is all of most traces. It tells how large they are; the server has to
/// hold a page in memory.
const FIRST_PAGE: usize = 2500;
/// The most records of a page that a server gives.
const LARGEST_PAGE: usize = 10_000;
/// About so much text makes a page.
const PAGE_BYTES: usize = 8 << 20;

pub(super) struct ElasticsearchReader {
    client: Client,
}

impl ElasticsearchReader {
    pub(super) fn open(connection: &ConnectionString) -> Result<Self, Error> {
        Ok(Self { client: Client::new(connection)? })
    }
}

impl Reader for ElasticsearchReader {
    fn read(&mut self, base_id: &Id, visit: &mut dyn FnMut(&str)) -> Result<(), Error> {
        self.client.refresh(WHAT)?;
        let mut size = FIRST_PAGE;
        let mut after = None;
        loop {
            let answer = self.client.search(WHAT, &page_of(base_id, size, after.take()))?;
            let page: Page<'_> = serde_json::from_slice(&answer.body).map_err(|cause| {
                let why = "it gave an answer that makes no sense";
                self.client.error(ErrorKind::Storage, WHAT, why).with_source(cause)
            })?;
            let hits = page.hits.hits;
            hits.iter().for_each(|hit| visit(&record_of(hit.source.get())));
            match hits.last() {
                Some(last) if hits.len() == size => after = Some(last.sort.to_owned()),
                _ => return Ok(()),
            }
            let bytes_of_record = answer.body.len() / hits.len() + 1;
            size = (PAGE_BYTES / bytes_of_record).clamp(1, LARGEST_PAGE);
        }
    }

    fn list(&mut self, query: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
        list::list(&self.client, query)
    }
}

/// A page of the records of a trace, from behind that place on.
fn page_of(base_id: &Id, size: usize, after: Option<Box<RawValue>>) -> Value {
    let mut body = json!({
        "size": size,
        "track_total_hits": false,
        "query": of_trace(base_id),
        // The order of storage. What the Python library wrote, or what is in a stream, may be in
        // several shards that count each for itself: there point and name tell the records apart.
        "sort": [
            {"_index": "asc"},
            {"_seq_no": "asc"},
            {"trace_id.keyword": {"order": "asc", "unmapped_type": "keyword"}},
            {"name.keyword": {"order": "asc", "unmapped_type": "keyword"}},
        ],
    });
    if let Some(after) = after {
        body["search_after"] = json!(after);
    }
    body
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    hits: Hits<'a>,
}

#[derive(Deserialize)]
struct Hits<'a> {
    #[serde(borrow)]
    hits: Vec<Hit<'a>>,
}

#[derive(Deserialize)]
struct Hit<'a> {
    #[serde(borrow, rename = "_source")]
    source: &'a RawValue,
    #[serde(borrow)]
    sort: &'a RawValue,
}
