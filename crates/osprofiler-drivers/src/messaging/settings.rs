//! What connection string and transport URL say.

use std::time::Duration;

use super::bus::Bus;
use super::notification::Envelope;
use super::topology::Topology;
use crate::address::Address;
use crate::{ConnectionString, Error, ErrorKind, Options};

/// Schemes that name the bus.
const OF_BUS: [&str; 4] = ["rabbit", "amqp", "amqps", "kombu"];

/// Options of oslo.messaging's transport URLs that mean nothing here: how its own client pools,
/// retries and receives. One URL is to do for both.
const OF_OTHERS: [&str; 12] = [
    "heartbeat_in_pthread",
    "heartbeat_rate",
    "kombu_compression",
    "kombu_failover_strategy",
    "kombu_reconnect_delay",
    "rabbit_ha_queues",
    "rabbit_interval_max",
    "rabbit_qos_prefetch_count",
    "rabbit_retry_backoff",
    "rabbit_retry_interval",
    "rabbit_transient_queues_ttl",
    "rpc_conn_pool_size",
];

/// Everything there is to know.
pub(super) struct Settings {
    pub(super) bus: Bus,
    pub(super) topology: Topology,
    pub(super) envelope: Envelope,
    /// Who says it; the host of the record if nobody is named.
    pub(super) publisher_id: Option<String>,
    /// How long to wait for more of a trace than what is there.
    pub(super) idle_timeout: Duration,
}

impl Settings {
    pub(super) fn of(connection: &ConnectionString, options: &Options) -> Result<Self, Error> {
        let own = Address::of(connection)?;
        let names_no_bus = own.hosts.is_empty() && connection.scheme() == "messaging";
        let transport = match &options.transport_url {
            Some(url) if names_no_bus => Some(transport(url)?),
            None if names_no_bus => return Err(own.wrong(NO_BUS)),
            _ => None,
        };
        let bus = transport.as_ref().unwrap_or(&own);
        let scheme = options.transport_url.as_ref().filter(|_| transport.is_some());
        let is_tls = scheme.unwrap_or(connection).scheme() == "amqps" || bus.flag("ssl")?;
        let settings = Self {
            bus: Bus::of(bus, is_tls)?,
            topology: Topology::of(&own, bus)?,
            envelope: Envelope::of(&own)?,
            publisher_id: own.option("publisher_id").map(str::to_owned),
            idle_timeout: options.idle_timeout.unwrap_or_default(),
        };
        for name in OF_OTHERS {
            bus.option(name);
        }
        bus.finish()?;
        own.finish()?;
        Ok(settings)
    }
}

const NO_BUS: &str = "it does not name the message bus; give the transport URL, \
                      or a connection string like `rabbit://user:password@host:5672/vhost`";

fn transport(url: &ConnectionString) -> Result<Address, Error> {
    if !OF_BUS.contains(&url.scheme()) {
        let scheme = url.scheme();
        let message = format!(
            "no driver for a transport URL `{scheme}://`; expected one like \
             `rabbit://user:password@host:5672/vhost`"
        );
        return Err(Error::new(ErrorKind::ConnectionString, message));
    }
    Address::of(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(connection: &str, transport_url: Option<&str>) -> Result<Settings, Error> {
        let transport_url = transport_url.map(|url| url.parse().unwrap());
        Settings::of(&connection.parse().unwrap(), &Options { transport_url, ..Options::default() })
    }

    fn refused(connection: &str, transport_url: Option<&str>) -> String {
        let error = settings(connection, transport_url).err().expect("it is refused");
        assert_eq!(error.kind(), ErrorKind::ConnectionString);
        error.to_string()
    }

    #[test]
    fn the_bus_comes_from_the_transport_url() {
        let url = "rabbit://nova:hush@mq1:5673,nova:hush@mq2//?ssl=1&heartbeat_rate=3";
        let found = settings("messaging://?exchange=nova", Some(url)).unwrap();
        assert_eq!(found.bus.to_string(), "nova at mq1:5673, mq2:5671 in `/`");
        assert_eq!(found.topology.exchange, "nova");
    }

    #[test]
    fn the_bus_may_be_named_by_the_connection_string() {
        for connection in ["rabbit://u:p@mq1/v", "messaging://u:p@mq1/v", "amqp://u:p@mq1/v"] {
            let found = settings(connection, Some("rabbit://other")).unwrap();
            assert_eq!(found.bus.to_string(), "u at mq1:5672 in `v`", "{connection}");
        }
        let found = settings("amqps://mq1", None).unwrap();
        assert_eq!(found.bus.to_string(), "guest at mq1:5671 in `/`");
    }

    #[test]
    fn the_virtual_host_is_read_as_oslo_messaging_reads_it() {
        for (path, vhost) in
            [("", "/"), ("/", "/"), ("//", "/"), ("/%2F", "/"), ("/nova", "nova"), ("/a/b", "a/b")]
        {
            let found = settings(&format!("rabbit://mq1{path}"), None).unwrap();
            assert_eq!(found.bus.to_string(), format!("guest at mq1:5672 in `{vhost}`"));
        }
    }

    #[test]
    fn a_bus_that_nobody_names_is_an_error_that_says_how() {
        assert!(refused("messaging://", None).contains("give the transport URL"));
        let error = refused("messaging://", Some("kafka://u:hush@k1"));
        assert!(error.contains("`kafka://`") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        for (query, expected) in [
            ("exchang=nova", "unknown option `exchang`"),
            ("exchange=", "a name as `exchange`"),
            ("envelope=v3", "`v1` or `v2` as `envelope`"),
            ("heartbeat=often", "as `heartbeat`"),
            ("durable=perhaps", "`true` or `false` as `durable`"),
        ] {
            let error = refused(&format!("rabbit://u:hush@mq1/?{query}"), None);
            assert!(error.contains(expected) && !error.contains("hush"), "{error}");
        }
        let long = "x".repeat(300);
        assert!(refused(&format!("rabbit://mq1/?topic={long}"), None).contains("255 bytes"));
    }

    #[test]
    fn the_names_of_oslo_messaging_options_are_understood() {
        let found = settings(
            "rabbit://mq1/?amqp_durable_queues=true&amqp_auto_delete=1&rabbit_quorum_queue=True\
             &heartbeat_timeout_threshold=30",
            None,
        );
        let topology = found.unwrap().topology;
        assert!(topology.is_durable && topology.is_auto_delete && topology.is_quorum);
    }
}
