//! `elasticsearch://HOST:PORT`, `opensearch://HOST:PORT`: Elasticsearch from 7, OpenSearch from 1.
//!
//! A record is a document, and its text the document's source, as the existing Python library writes
//! it. So both read what the other wrote. `docs/drivers/elasticsearch.md` specifies the indices.
//!
//! - Ids are matched whole, and an info is not indexed: no record is refused because the infos of
//!   other services have other types, and the number of fields does not grow. A record that an index
//!   refuses all the same (one that the Python library made, whose fields have the types that came
//!   first) is written with its text as one field.
//! - The id of a document follows from its record: what is written again changes nothing.
//! - Readers ask the server to show what it has (`_refresh`), so writers need not.
//! - The records of a trace are read in pages, sorted by the server's own sequence numbers. Those
//!   only grow: a page goes on behind the last one, and nothing is kept open at the server.
//! - Traces are listed by aggregations. Only of those that are listed a few records are looked at.

mod client;
mod document;
mod layout;
mod list;
mod reader;
mod writer;

use crate::{Capabilities, Driver};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &[
        "elasticsearch",
        "elasticsearch+http",
        "elasticsearch+https",
        "opensearch",
        "opensearch+https",
    ],
    capabilities: Capabilities::ALL,
    open_writer: |connection, options| {
        Ok(Box::new(writer::ElasticsearchWriter::open(connection, options)?))
    },
    open_reader: |connection, _| Ok(Box::new(reader::ElasticsearchReader::open(connection)?)),
};
