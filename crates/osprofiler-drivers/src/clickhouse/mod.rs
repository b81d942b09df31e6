//! `clickhouse://HOST/DATABASE`: the store for many records, over ClickHouse's HTTP interface.
//!
//! Records are rows of one table, sorted by trace, so that a trace is one range of it. A view makes
//! a row of summary of what each batch holds of each trace, for lists. Both tables forget what comes
//! again: rows that are equal in their keys become one. Specified in `docs/drivers/clickhouse.md`.

mod reader;
mod row_binary;
mod schema;
mod server;
mod writer;

use crate::{Capabilities, Driver};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &["clickhouse", "clickhouse+https"],
    capabilities: Capabilities::ALL,
    open_writer: |connection, _| Ok(Box::new(writer::ClickHouseWriter::open(connection)?)),
    open_reader: |connection, _| Ok(Box::new(reader::ClickHouseReader::open(connection)?)),
};
