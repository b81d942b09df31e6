//! `messaging://`, `rabbit://`: notifications on RabbitMQ, as the services of OpenStack send them.
//!
//! A record is a notification of oslo.messaging on a topic exchange, and waits in the queue
//! `profiler.info` until somebody takes it. Reading takes nothing: the messages are looked at and
//! go back to where they were. A queue cannot forget a trace, so there is no delete.

mod bus;
mod hold;
mod notification;
mod publisher;
mod reader;
mod settings;
mod topology;
mod transport;
mod writer;

use crate::{Capabilities, Driver};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &["messaging", "rabbit", "amqp", "amqps"],
    capabilities: Capabilities {
        write: true,
        read: true,
        list: true,
        delete: false,
        shared: true,
        exact: true,
        immediate: true,
        any_id: true,
        any_text: true,
    },
    open_writer: |connection, options| {
        Ok(Box::new(writer::MessagingWriter::open(connection, options)?))
    },
    open_reader: |connection, options| {
        Ok(Box::new(reader::MessagingReader::open(connection, options)?))
    },
};
