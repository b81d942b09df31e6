//! `mysql://`, `mariadb://`, `postgresql://` and what SQLAlchemy calls them: the table `data` of the
//! existing library, and beside it a table of summaries.
//!
//! - A record is a row of `data`, as the existing library writes and reads it. What its columns cannot
//!   hold, such as an id of more than 255 characters, stands in the column `data` besides.
//! - A list reads `osprofiler_trace`, a row for each trace, and never a record. Rows that the existing
//!   library wrote are in no summary (their `summarized` is null): their traces are summed up while
//!   they are listed.
//! - A batch is one transaction: all of it is stored, or nothing.
//! - A record that comes again is stored again; a list counts its point once.
//!
//! `docs/drivers/sql.md` specifies the tables for other tools.

mod connection;
mod options;
mod reader;
mod rows;
mod schema;
mod summaries;
mod writer;

use crate::{Capabilities, Driver};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &[
        "mysql",
        "mysql+pymysql",
        "mysql+mysqldb",
        "mariadb",
        "postgresql",
        "postgresql+psycopg2",
        "postgres",
    ],
    capabilities: Capabilities::ALL,
    open_writer: |connection, _| Ok(Box::new(writer::SqlWriter::open(connection)?)),
    open_reader: |connection, _| Ok(Box::new(reader::SqlReader::open(connection)?)),
};
