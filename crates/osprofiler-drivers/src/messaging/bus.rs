//! The connection to the broker.

#[cfg(test)]
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties, ErrorKind as Cause};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::transport;
use crate::address::{Address, CONNECT_TIMEOUT, Host, Secret};
use crate::error::brief;
use crate::tls::{self, Tls};
use crate::{Error, ErrorKind};

/// How long to wait for a goodbye.
const CLOSES_WITHIN: Duration = Duration::from_secs(1);
/// How often each side shows that it is there, in seconds, unless the option `heartbeat` says otherwise.
const HEARTBEAT: u16 = 60;

/// Where the brokers of a cluster are, and who we are to them.
pub(super) struct Bus {
    /// At least one.
    hosts: Vec<Host>,
    vhost: String,
    user: String,
    password: Secret,
    tls: Option<Arc<ClientConfig>>,
    heartbeat: u16,
    pub(super) timeout: Duration,
    /// What errors call it; without secrets.
    place: String,
}

impl Bus {
    pub(super) fn of(address: &Address, is_tls: bool) -> Result<Self, Error> {
        let tls = Tls::if_on(address, is_tls, "`amqps://` or `ssl=true`")?;
        let either =
            |name, other| Ok(address.parsed(name, SECONDS)?.or(address.parsed(other, SECONDS)?));
        let heartbeat: Result<Option<u16>, Error> =
            either("heartbeat", "heartbeat_timeout_threshold");
        let port = if is_tls { 5671 } else { 5672 };
        let mut hosts = address.servers();
        for host in &mut hosts {
            host.port.get_or_insert(port);
        }
        let named = address.path.strip_prefix('/').filter(|path| !path.is_empty());
        let guest = || Secret::new("guest");
        Ok(Self {
            hosts,
            vhost: named.unwrap_or("/").to_owned(),
            user: address.user.clone().unwrap_or_else(|| "guest".to_owned()),
            password: address.password.clone().unwrap_or_else(guest),
            tls: if is_tls { Some(Arc::new(tls.client_config()?)) } else { None },
            heartbeat: heartbeat?.unwrap_or(HEARTBEAT),
            timeout: address.timeout()?,
            place: address.shown().to_owned(),
        })
    }

    /// Connects to the first host that answers. From then on the others have their turn: the next
    /// call begins with the one that answered.
    pub(super) async fn connect(&mut self) -> Result<Connection, Error> {
        let mut failure = None;
        for at in 0..self.hosts.len() {
            match self.connect_to(&self.hosts[at]).await {
                Ok(connection) => {
                    self.hosts.rotate_left(at);
                    return Ok(connection);
                }
                Err(error) => {
                    // They are one cluster: what one refuses, all refuse.
                    let is_refused = !error.is_retryable();
                    failure = Some(error);
                    if is_refused {
                        break;
                    }
                }
            }
        }
        Err(failure.unwrap_or_else(|| self.unavailable("it names no host")))
    }

    async fn connect_to(&self, host: &Host) -> Result<Connection, Error> {
        let (to, tls) = (host.clone(), self.tls.clone());
        let connect = async move |_, _| {
            let connected = timeout(CONNECT_TIMEOUT, transport::connect(&to, tls.clone())).await;
            Ok(AsyncTcpStream::Plain(connected.map_err(io::Error::from)??))
        };
        let properties = ConnectionProperties::default().with_connection_name("osprofiler".into());
        let runtime = transport::runtime();
        let connection = Connection::connector(self.uri(host), runtime, connect, properties);
        // The handshake comes on top of what `connect` is given.
        match timeout(2 * CONNECT_TIMEOUT, connection).await {
            Ok(connection) => connection.map_err(|cause| self.error("connect to", cause)),
            Err(_) => Err(self.unavailable("it did not answer in time")),
        }
    }

    fn uri(&self, host: &Host) -> AMQPUri {
        AMQPUri {
            // Streams are ours.
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: self.user.clone(),
                    password: self.password.expose().to_owned(),
                },
                host: host.name.clone(),
                port: host.port.unwrap_or_default(),
            },
            vhost: self.vhost.clone(),
            query: AMQPQueryString { heartbeat: Some(self.heartbeat), ..Default::default() },
        }
    }

    /// Opens a channel. A broker closes the channel of what it refuses, so each question that may be
    /// answered by no gets one of its own.
    pub(super) async fn channel(&self, connection: &Connection) -> Result<Channel, Error> {
        connection.create_channel().await.map_err(|cause| self.error("use", cause))
    }

    /// What a future gives, if it does so in time.
    pub(super) async fn in_time<T>(
        &self,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match timeout(self.timeout, future).await {
            Ok(result) => result,
            Err(_) => Err(self.unavailable("it did not answer in time")),
        }
    }

    pub(super) fn unavailable(&self, what: &str) -> Error {
        Error::new(ErrorKind::Unavailable, format!("`{}`: {what}", self.place))
    }

    /// The error that the client's is; `what` was to be done, such as `connect to`.
    pub(super) fn error(&self, what: &str, cause: lapin::Error) -> Error {
        if let Cause::IOError(io) = cause.kind()
            && let Some(trouble) = tls::trouble(&**io)
        {
            let message = format!("cannot {what} `{}`: {trouble}", self.place);
            return Error::new(ErrorKind::Denied, message).with_source(cause);
        }
        let (kind, hint) = match cause.kind() {
            Cause::ProtocolError(refusal) => {
                kind_of(refusal.get_id(), refusal.get_message().as_str())
            }
            Cause::AuthProviderError(_)
            | Cause::InvalidProtocolVersion(_)
            | Cause::ParsingError(_)
            | Cause::SerialisationError(_) => (ErrorKind::Storage, ""),
            _ => (ErrorKind::Unavailable, ""),
        };
        let said = match cause.kind() {
            Cause::ProtocolError(refusal) => refusal.get_message().to_string(),
            Cause::IOError(io) => io.to_string(),
            _ => cause.to_string(),
        };
        let said = brief(&said);
        Error::new(kind, format!("cannot {what} `{}`: {said}{hint}", self.place)).with_source(cause)
    }
}

const SECONDS: &str = "a number of seconds up to 65535";

/// The kind of a refusal by its number, and what to do about it.
fn kind_of(id: u16, said: &str) -> (ErrorKind, &'static str) {
    match id {
        403 => (ErrorKind::Denied, "; check user, password and permissions"),
        404 => (ErrorKind::NotFound, ""),
        // Of a virtual host.
        530 if said.contains("not found") => (ErrorKind::NotFound, "; check the virtual host"),
        530 => (ErrorKind::Denied, "; check the user's permissions in the virtual host"),
        // Locked, going down, out of something, in disorder.
        320 | 405 | 506 | 541 => (ErrorKind::Unavailable, ""),
        _ => (ErrorKind::Storage, ""),
    }
}

/// Says goodbye, so that the broker need not complain of a client that is gone.
pub(super) async fn close(connection: Connection) {
    // If it is gone already, so much the better.
    let _ = timeout(CLOSES_WITHIN, connection.close(200, "OK".into())).await;
}

#[cfg(test)]
impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.hosts.iter().map(|host| host.with_port(0)).collect();
        write!(f, "{} at {} in `{}`", self.user, hosts.join(", "), self.vhost)
    }
}
