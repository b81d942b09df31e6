//! `jaeger://HOST:PORT`, `jaeger+https://`: traces read back from Jaeger's query API; as a writer
//! another name of `otlp://`, since operators still have it in their configuration.
//!
//! Our own spans come back as the records they were made of, spans of the existing Python library and
//! of other OpenTelemetry services as records that say the same.

mod api;
mod reader;
mod search;

use std::sync::Once;

use osprofiler_wire::Timestamp;

use crate::address::Address;
use crate::otlp::{self, Target};
use crate::{Capabilities, ConnectionString, Driver, Error, Options, Reader, Writer};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &["jaeger", "jaeger+https"],
    capabilities: Capabilities {
        write: true,
        read: true,
        list: true,
        delete: false,
        shared: true,
        exact: false,
        immediate: false,
        any_id: true,
        any_text: true,
    },
    open_writer,
    open_reader,
};

const QUERY_PORT: u16 = 16686;
const OTLP_PORT: u16 = 4318;
/// Ports of the agent and the collector that took Jaeger's own formats: they tell nothing of where
/// its API and OTLP are.
const OLD_PORTS: [u16; 5] = [5775, 6831, 6832, 14250, 14268];

fn open_writer(connection: &ConnectionString, _: &Options) -> Result<Box<dyn Writer>, Error> {
    static WARN: Once = Once::new();
    WARN.call_once(|| {
        log::warn!(
            "`jaeger://` writes OTLP, as Jaeger wants it today; say `otlp://HOST:{OTLP_PORT}`"
        );
    });
    let mut address = Address::of(connection)?;
    let port = address.parsed("otlp_port", "a port")?.unwrap_or(OTLP_PORT);
    address.option("lookback");
    address.hosts = vec![address.first_server()];
    address.hosts[0].port = Some(port);
    address.path = String::new();
    let target = Target { address, is_grpc: false, is_tls: is_tls(connection) };
    otlp::open_writer(connection, &target)
}

fn open_reader(connection: &ConnectionString, _: &Options) -> Result<Box<dyn Reader>, Error> {
    let mut address = Address::of(connection)?;
    for host in &mut address.hosts {
        host.port = host.port.filter(|port| !OLD_PORTS.contains(port));
    }
    // One connection string serves both: these are the writer's.
    for option in ["compression", "names", "otlp_port", "prefix", "wait"] {
        address.option(option);
    }
    let reader = reader::JaegerReader::new(&address, is_tls(connection))?;
    address.finish()?;
    Ok(Box::new(reader))
}

fn is_tls(connection: &ConnectionString) -> bool {
    connection.scheme() == "jaeger+https"
}

/// Microseconds.
fn later(at: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_add(micros))
}
