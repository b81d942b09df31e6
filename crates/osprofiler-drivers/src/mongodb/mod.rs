//! `mongodb://`, `mongodb+srv://`: a document for each record, as the Python library stores them.
//!
//! Any server that speaks MongoDB's protocol will do: nothing is asked of it but inserts, finds by
//! an index, and deletes. `docs/drivers/mongodb.md` specifies the collections for other tools.
//!
//! - A batch is one message; what is acknowledged is as durable as the write concern says.
//! - Both indexes are made by the writer: the Python library makes none.
//! - A list walks back in time, and reads the records of the traces it lists.
//! - What a document cannot hold (odd keys, large numbers, 16 MiB) is kept as JSON text beside it.

mod document;
mod json;
mod reader;
mod store;
mod writer;

use crate::{Capabilities, Driver};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &["mongodb", "mongodb+srv"],
    capabilities: Capabilities {
        write: true,
        read: true,
        list: true,
        delete: true,
        shared: true,
        exact: false,
        immediate: true,
        any_id: true,
        any_text: true,
    },
    open_writer: |connection, options| {
        Ok(Box::new(writer::MongoWriter::open(connection, options)?))
    },
    open_reader: |connection, _| Ok(Box::new(reader::MongoReader::open(connection)?)),
};
