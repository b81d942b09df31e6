//! Records to test with, and short ways to write and read them.

#![allow(dead_code, reason = "each file of tests uses some of it")]

pub(crate) mod services;
pub(crate) mod upstream;

use std::sync::Arc;

use osprofiler_drivers::{
    ConnectionString, Error, Options, Reader, Writer, open_reader, open_writer,
};
use osprofiler_wire::{Id, Info, Origin, Phase, Record, Timestamp};

/// The start record of point `at` of a trace.
pub(crate) fn record(base_id: &str, at: i64) -> Record {
    Record {
        name: "db".into(),
        phase: Phase::Start,
        base_id: base_id.into(),
        parent_id: base_id.into(),
        trace_id: Id::from(format!("{base_id}.{at}")),
        timestamp: Timestamp::from_micros(1_767_355_200_000_000 + at),
        info: Info::new().with("db", &format!("SELECT {at}")),
        origin: Arc::new(Origin { host: "ctl1".into(), ..Origin::default() }),
        source: None,
    }
}

pub(crate) fn writer(connection: &str) -> Result<Box<dyn Writer>, Error> {
    open_writer(&parse(connection), &Options::default())
}

pub(crate) fn reader(connection: &str) -> Result<Box<dyn Reader>, Error> {
    open_reader(&parse(connection), &Options::default())
}

/// The records of a trace as they are stored.
pub(crate) fn read(reader: &mut dyn Reader, base_id: &str) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    reader.read(&base_id.into(), &mut |json| found.push(json.to_owned()))?;
    Ok(found)
}

fn parse(connection: &str) -> ConnectionString {
    connection.parse().unwrap()
}
