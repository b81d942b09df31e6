//! `ceilometer://HOST:PORT`: traces that Ceilometer collected, read from its events API, or from that
//! of Panko, which had it later.
//!
//! Read-only: services send their records over the message bus, Ceilometer's agent makes events of
//! them and stores those. `docs/drivers/ceilometer.md` says how to set it up.
//!
//! - A record comes back as it was sent if the agent stores raw events; otherwise it is made anew of
//!   the event's traits, which hold less of it.
//! - There is no list of traces: listing goes through the events, newest first, until it has seen
//!   enough.
//! - Releases of 2014 kept samples instead of events; they are asked if there are no events.

mod api;
mod keystone;
mod reader;
mod records;
mod settings;

use crate::{Capabilities, Driver, Error, ErrorKind};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &["ceilometer", "ceilometer+https", "panko", "panko+https"],
    capabilities: Capabilities {
        write: false,
        read: true,
        list: true,
        delete: false,
        shared: true,
        exact: false,
        immediate: false,
        any_id: false,
        any_text: false,
    },
    open_writer: |connection, _| {
        let message = format!(
            "cannot write to `{connection}`: Ceilometer gets its events from the message bus; \
             write to `messaging://` instead"
        );
        Err(Error::new(ErrorKind::Unsupported, message))
    },
    open_reader: |connection, _| {
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let settings = settings::Settings::of(connection, &environment)?;
        Ok(Box::new(reader::CeilometerReader::open(&settings)?))
    },
};
