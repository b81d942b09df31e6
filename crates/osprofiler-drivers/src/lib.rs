//! Drivers: from a connection string to a place where records are written and read.
//!
//! **Depend on this crate** if you write a tool that reads traces from a back end, or a program
//! that stores them; **do not** to instrument a service: `osprofiler` does it for you, behind
//! features of the same names.
//!
//! A driver is a value of [`Driver`]: the schemes it answers to, what its back end can do, and how
//! to open it. Writing and reading are two traits, [`Writer`] and [`Reader`], since few programs
//! do both. What records mean belongs to neither: they are stored and given back.
//!
//! | connection string | feature | what |
//! |---|---|---|
//! | `ceilometer://HOST` | `ceilometer` | the events of Ceilometer or Panko; read-only |
//! | `clickhouse://HOST/DATABASE` | `clickhouse` | ClickHouse, for many records |
//! | `elasticsearch://HOST`, `opensearch://HOST` | `elasticsearch` | Elasticsearch, OpenSearch |
//! | `jaeger://HOST` | `jaeger` | Jaeger: reads its query API, writes OTLP |
//! | `otlp://HOST:PORT`, `otlp+grpc://` | `otlp` | spans of OpenTelemetry; writes only |
//! | `sqlite://PATH` | `sqlite` | one file, many processes; [without a path](default_connection_string) the user's own |
//! | `file://PATH` | `file` | records as JSON lines |
//! | `rabbit://HOST/VHOST`, `messaging://` | `messaging` | notifications on RabbitMQ, as OpenStack's services send them |
//! | `mysql://HOST/DATABASE`, `postgresql://HOST/DATABASE` | `sql` | a MySQL, a MariaDB or a PostgreSQL |
//! | `loginsight://USER:PASSWORD@HOST` | `loginsight` | VMware Log Insight |
//! | `mongodb://HOST` | `mongodb` | MongoDB, or a server that speaks its protocol |
//! | `redis://HOST:PORT/DB` | `redis` | Redis or Valkey: one server, with Sentinels, or a cluster |
//! | `memory://NAME` | `memory` | a store of this process, for tests |
//!
//! # Example
//!
//! ```
//! use osprofiler_drivers::{open_reader, open_writer, ConnectionString, ListQuery, Options};
//! use osprofiler_wire::{Record, RecordView};
//!
//! let text = r#"{"name": "db-start", "base_id": "b", "trace_id": "t",
//!                "timestamp": "2016-04-18T17:42:10.774321", "info": {"host": "ctl1"}}"#;
//! let record = Record::from(&RecordView::parse(text)?);
//!
//! let store: ConnectionString = "memory://example".parse()?;
//! open_writer(&store, &Options::default())?.write(&[record])?;
//!
//! let mut reader = open_reader(&store, &Options::default())?;
//! assert_eq!(reader.list(&ListQuery::default())?[0].points, 1);
//! let mut found = Vec::new();
//! reader.read(&"b".into(), &mut |json| found.push(json.to_owned()))?;
//! assert_eq!(found.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "_address")]
#[cfg_attr(not(feature = "all"), allow(dead_code, reason = "each driver uses some of it"))]
mod address;
#[cfg(feature = "ceilometer")]
mod ceilometer;
#[cfg(feature = "clickhouse")]
mod clickhouse;
mod connection;
mod driver;
#[cfg(feature = "elasticsearch")]
mod elasticsearch;
mod error;
#[cfg(feature = "file")]
mod file;
#[cfg(any(feature = "file", feature = "sqlite"))]
mod files;
#[cfg(feature = "_http")]
#[cfg_attr(not(feature = "all"), allow(dead_code, reason = "each driver uses some of it"))]
mod http;
#[cfg(feature = "jaeger")]
mod jaeger;
#[cfg(feature = "loginsight")]
mod loginsight;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "messaging")]
mod messaging;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(any(feature = "file", feature = "sqlite"))]
#[cfg_attr(not(feature = "all"), allow(dead_code, reason = "each driver uses some of it"))]
mod records;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "_runtime")]
#[cfg_attr(not(feature = "all"), allow(dead_code, reason = "each driver uses some of it"))]
mod runtime;
#[cfg(feature = "_address")]
mod spill;
#[cfg(feature = "sql")]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod summary;
#[cfg(feature = "_tls")]
#[cfg_attr(not(feature = "all"), allow(dead_code, reason = "each driver uses some of it"))]
mod tls;

pub use connection::{ConnectionString, default_connection_string};
pub use driver::{
    Capabilities, Driver, ListQuery, Options, Reader, Writer, drivers, open_reader, open_writer,
};
pub use error::{Error, ErrorKind};
pub use summary::{Root, Summarizer, TraceSummary};
