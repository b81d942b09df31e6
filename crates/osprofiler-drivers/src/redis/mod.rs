//! `redis://`: Redis and Valkey: one server, a master that Sentinels name, or a cluster.
//!
//! The records of a trace are a list, as the Python library has them, newest first; beside it is a
//! list of our own that says what each batch added to the trace, so that traces can be listed
//! without reading their records. `docs/drivers/redis.md` specifies the keys for other tools.
//!
//! - Any number of processes may write and read at once; a batch is one round trip.
//! - What another program put into a list is noticed, and such a trace is summed up from its records.
//! - What is acknowledged is as durable as the server makes it (`appendonly`, `appendfsync`).
//! - Keys stay until they are deleted, unless `expire` is given.
//!
//! We speak the protocol ourselves: a server that hangs is noticed once, not once for each command
//! of a batch, and records are read where they arrive, in a third of the time of the usual client.

mod cluster;
mod config;
mod connection;
mod keys;
mod parts;
mod reader;
mod resp;
mod sentinel;
mod store;
mod writer;

use crate::{Capabilities, Driver, Error, ErrorKind};

use config::Config;
use store::Store;

pub(crate) const DRIVER: Driver = Driver {
    schemes: &["redis", "rediss", "redis+unix", "unix", "redissentinel", "rediscluster"],
    capabilities: Capabilities::ALL,
    open_writer: |connection, options| {
        let store = Store::open(Config::of(connection, options)?)?;
        Ok(Box::new(writer::RedisWriter::new(store, options)))
    },
    open_reader: |connection, options| {
        let store = Store::open(Config::of(connection, options)?)?;
        Ok(Box::new(reader::RedisReader::new(store)))
    },
};

/// What a server said instead of doing what it was asked to, such as `LOADING Redis is loading`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal(String);

impl Refusal {
    fn of(text: &str) -> Self {
        // What follows may be a password, or a record.
        let text = text.split_once(", with args").map_or(text, |(before, _)| before);
        Self(text.to_owned())
    }

    /// The word that it begins with.
    fn code(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    /// Whether the key holds something else than it should.
    fn is_about_type(&self) -> bool {
        self.code() == "WRONGTYPE"
    }

    fn kind(&self) -> ErrorKind {
        match self.code() {
            "NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED" => ErrorKind::Denied,
            "LOADING" | "BUSY" | "MASTERDOWN" | "READONLY" | "CLUSTERDOWN" | "TRYAGAIN"
            | "MOVED" | "ASK" | "OOM" | "MISCONF" | "NOREPLICAS" => ErrorKind::Unavailable,
            _ if self.0.contains("max number of clients") => ErrorKind::Unavailable,
            _ if self.0.contains("DB index") => ErrorKind::NotFound,
            // Servers before version 6.
            _ if self.0.contains("invalid password") || self.0.contains("AUTH") => {
                ErrorKind::Denied
            }
            _ => ErrorKind::Storage,
        }
    }

    /// The error that it is; `server` refused to do `what`.
    fn error(&self, what: &str, server: &str) -> Error {
        let hint = match self.kind() {
            ErrorKind::Denied => "; check user, password and what the user may do",
            ErrorKind::NotFound => "; check the number of the database",
            ErrorKind::Unavailable => "; try again",
            _ => "",
        };
        Error::new(self.kind(), format!("cannot {what} {server}: it says `{}`{hint}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_whether_a_retry_can_help() {
        for (text, kind) in [
            ("WRONGPASS invalid username-password pair or user is disabled.", ErrorKind::Denied),
            ("NOAUTH Authentication required.", ErrorKind::Denied),
            ("ERR invalid password", ErrorKind::Denied),
            ("NOPERM this user has no permissions to run the 'lpush' command", ErrorKind::Denied),
            ("ERR DB index is out of range", ErrorKind::NotFound),
            ("OOM command not allowed when used memory > 'maxmemory'.", ErrorKind::Unavailable),
            ("READONLY You can't write against a read only replica.", ErrorKind::Unavailable),
            ("ERR max number of clients reached", ErrorKind::Unavailable),
            ("WRONGTYPE Operation against a key", ErrorKind::Storage),
            ("ERR syntax error", ErrorKind::Storage),
        ] {
            assert_eq!(Refusal::of(text).kind(), kind, "{text}");
        }
    }

    #[test]
    fn a_refusal_shows_neither_passwords_nor_records() {
        let text = "ERR unknown command 'AUTH', with args beginning with: 'nova' 'hush' ";
        let error = Refusal::of(text).error("open", "`redis://h`").to_string();
        assert!(error.contains("unknown command 'AUTH'") && !error.contains("hush"), "{error}");
    }
}
