//! `loginsight://USER:PASSWORD@HOST`: VMware Log Insight (Aria Operations for Logs), as the Python
//! library uses it: an event for each record. `docs/drivers/loginsight.md` specifies the events.
//!
//! - Everything goes over TLS, which is verified unless told otherwise.
//! - A session that has run out is begun anew.
//! - A record that is larger than a field may be is spread over several events.
//! - The server searches for words, and gives 20,000 events at once: a reader looks at what it is
//!   given, and asks for what is older.

mod client;
mod event;
mod reader;
mod writer;

use crate::{Capabilities, Driver};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &["loginsight"],
    capabilities: Capabilities {
        write: true,
        read: true,
        list: false,
        delete: false,
        shared: true,
        exact: false,
        immediate: false,
        any_id: false,
        any_text: true,
    },
    open_writer: |connection, _| Ok(Box::new(writer::LogInsightWriter::open(connection)?)),
    open_reader: |connection, _| Ok(Box::new(reader::LogInsightReader::open(connection)?)),
};
