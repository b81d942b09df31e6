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
        // A trace that is one page needs no place to go on from. To sort by that takes a third longer.
        let answer = self.client.search(WHAT, &page_of(base_id, FIRST_PAGE, &as_stored()))?;
        let hits = self.hits_of(&answer.body)?;
        if hits.len() < FIRST_PAGE {
            hits.iter().for_each(|hit| visit(&record_of(hit.source.get())));
            return Ok(());
        }
        let mut size = size_after(&answer.body, hits.len());
        let mut after: Option<Box<RawValue>> = None;
        loop {
            let mut page = page_of(base_id, size, &each_in_its_place());
            if let Some(after) = after.take() {
                page["search_after"] = json!(after);
            }
            let answer = self.client.search(WHAT, &page)?;
            let hits = self.hits_of(&answer.body)?;
            hits.iter().for_each(|hit| visit(&record_of(hit.source.get())));
            match hits.last() {
                Some(last) if hits.len() == size => after = Some(last.sort.to_owned()),
                _ => return Ok(()),
            }
            size = size_after(&answer.body, hits.len());
        }
    }

    fn list(&mut self, query: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
        list::list(&self.client, query)
    }
}

impl ElasticsearchReader {
    fn hits_of<'a>(&self, body: &'a [u8]) -> Result<Vec<Hit<'a>>, Error> {
        let page: Page<'_> = serde_json::from_slice(body).map_err(|cause| {
            let why = "it gave an answer that makes no sense";
            self.client.error(ErrorKind::Storage, WHAT, why).with_source(cause)
        })?;
        Ok(page.hits.hits)
    }
}

/// How many records the next page has, after one of so many.
fn size_after(body: &[u8], hits: usize) -> usize {
    let bytes_of_record = body.len() / hits + 1;
    (PAGE_BYTES / bytes_of_record).clamp(1, LARGEST_PAGE)
}

/// A page of the records of a trace.
fn page_of(base_id: &Id, size: usize, order: &[Value]) -> Value {
    json!({"size": size, "track_total_hits": false, "query": of_trace(base_id), "sort": order})
}

/// The order of storage.
fn as_stored() -> Vec<Value> {
    vec![json!({"_index": "asc"}), json!({"_seq_no": "asc"})]
}

/// The order of storage, and each record in a place of its own. What the Python library wrote, or what is
/// in a stream, may be in several shards that count each for itself: there point and name tell the
/// records apart.
fn each_in_its_place() -> Vec<Value> {
    let mut order = as_stored();
    for field in ["trace_id.keyword", "name.keyword"] {
        order.push(json!({field: {"order": "asc", "unmapped_type": "keyword"}}));
    }
    order
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
