//! `otlp://HOST:PORT`, `otlps://`, `otlp+grpc://`, `otlp+grpcs://`: points as spans of OpenTelemetry,
//! for any of its collectors, for Jaeger, Tempo and others.
//!
//! It writes only; `jaeger://` reads. A span wants both records of its point, so records wait for
//! one another ([`halves`]), in the memory of the process and for a bounded time: a start that was
//! acknowledged and whose stop did not come yet is lost if the process is killed.

mod exporter;
mod halves;
mod requests;
mod span;
mod transport;
mod writer;

pub(crate) use transport::Target;
#[cfg(feature = "jaeger")]
pub(crate) use transport::headers;
pub(crate) use writer::open_writer;

use crate::{Capabilities, Driver, Error, ErrorKind};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &["otlp", "otlps", "otlp+https", "otlp+grpc", "otlp+grpcs"],
    capabilities: Capabilities {
        write: true,
        read: false,
        list: false,
        delete: false,
        shared: true,
        exact: false,
        immediate: false,
        any_id: true,
        any_text: true,
    },
    open_writer: |connection, _| open_writer(connection, &Target::of(connection)?),
    open_reader: |_, _| {
        Err(Error::new(
            ErrorKind::Unsupported,
            "`otlp` only writes; read what Jaeger holds with `jaeger://HOST:16686`",
        ))
    },
};
