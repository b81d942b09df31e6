//! What a connection string says.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::address::{Address, Host, Secret, TIMEOUT};
use crate::tls::Tls;
use crate::{ConnectionString, Error, Options};

/// The name that Sentinels know their master by, unless somebody says otherwise.
const MASTER: &str = "mymaster";
const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// How to reach the back end, and what to do there.
pub(super) struct Config {
    pub(super) topology: Topology,
    pub(super) credentials: Option<Credentials>,
    pub(super) db: u32,
    /// `None`: in the clear.
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) timeout: Duration,
    /// Seconds after which a trace goes away that nobody writes to.
    pub(super) expire: Option<u32>,
    /// The connection string as it may be shown.
    pub(super) shown: String,
}

/// Which servers there are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Topology {
    Server(Server),
    /// Sentinels that know which server is the master of that name.
    Sentinels {
        sentinels: Vec<Server>,
        master: String,
        credentials: Option<Credentials>,
    },
    /// Some servers of a cluster, which know the others.
    Cluster(Vec<Server>),
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Server {
    Tcp { name: String, port: u16 },
    Unix(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    /// The server's `default` user if `None`.
    pub(super) user: Option<String>,
    pub(super) password: Secret,
}

impl Config {
    /// What the connection string leaves open, the options of the configuration may say.
    pub(super) fn of(connection: &ConnectionString, options: &Options) -> Result<Self, Error> {
        let address = Address::of(connection)?;
        let master = options.sentinel_service_name.as_deref().unwrap_or(MASTER);
        let topology = topology_of(connection.scheme(), &address, master)?;
        let has_sentinels = matches!(topology, Topology::Sentinels { .. });
        let has_tls = connection.scheme() == "rediss" || address.flag("ssl")?;
        let tls = Tls::if_on(&address, has_tls, "`rediss://` or `ssl=true`")?;
        let socket_timeout = address.limit("socket_timeout")?;
        let of_options = options.socket_timeout.filter(|it| has_sentinels && !it.is_zero());
        let timeout = address.limit("timeout")?.or(socket_timeout).or(of_options);
        // Kolla-Ansible writes it. Retrying is the notifier's business.
        address.flag("retry_on_timeout")?;
        let config = Self {
            credentials: Credentials::of(&address, "username", "password"),
            db: db_of(&address, &topology)?,
            tls: has_tls.then(|| tls.client_config().map(Arc::new)).transpose()?,
            timeout: timeout.unwrap_or(TIMEOUT),
            expire: address.parsed("expire", "a number of seconds")?.filter(|expire| *expire > 0),
            shown: address.shown().to_owned(),
            topology,
        };
        // Asked for everywhere, so that an error names every option there is.
        for name in ["sentinel", "sentinel_fallback"] {
            address.option(name);
        }
        address.finish()?;
        Ok(config)
    }
}

impl Credentials {
    /// Those before the hosts, or those of two options.
    fn of(address: &Address, user: &'static str, password: &'static str) -> Option<Self> {
        let of_options = address.option(password).map(Secret::new);
        let password = of_options.or_else(|| address.password.clone());
        let user = address.option(user).map(str::to_owned).or_else(|| address.user.clone());
        password
            .filter(|password| !password.expose().is_empty())
            // Servers before version 6 know no users, not even that one.
            .map(|password| Self { user: user.filter(|user| user != "default"), password })
    }
}

fn topology_of(scheme: &str, address: &Address, master: &str) -> Result<Topology, Error> {
    let servers = |port| -> Vec<Server> {
        address.servers().iter().map(|host| Server::of(host, port)).collect()
    };
    // Asked for in any case, so that they count as known.
    let sentinel_credentials = Credentials::of(address, "sentinel_username", "sentinel_password");
    match (scheme, address.option("sentinel")) {
        ("rediscluster", _) => Ok(Topology::Cluster(servers(REDIS_PORT))),
        ("redissentinel", _) | ("redis" | "rediss", Some(_)) => {
            let master = address.option("sentinel").unwrap_or(master).to_owned();
            let mut sentinels = servers(SENTINEL_PORT);
            for text in address.all_of("sentinel_fallback") {
                sentinels.push(Server::of(&address.host(text)?, SENTINEL_PORT));
            }
            Ok(Topology::Sentinels { sentinels, master, credentials: sentinel_credentials })
        }
        ("redis+unix" | "unix", _) => match socket_of(address) {
            Some(path) => Ok(Topology::Server(Server::Unix(path))),
            None => Err(address.wrong("expected the path of a socket, like `redis+unix:///run/redis.sock`")),
        },
        _ => match (socket_of(address), address.hosts.as_slice()) {
            (Some(path), _) => Ok(Topology::Server(Server::Unix(path))),
            (None, [_, _, ..]) => Err(address.wrong(
                "expected one host; several are a `rediscluster`, or Sentinels with `?sentinel=NAME`",
            )),
            _ => Ok(Topology::Server(Server::of(&address.first_server(), REDIS_PORT))),
        },
    }
}

/// The path of a socket: there is no host, and the path is no number of a database.
fn socket_of(address: &Address) -> Option<PathBuf> {
    let is_path = address.database().is_some_and(|path| path.parse::<u32>().is_err());
    (address.hosts.is_empty() && is_path).then(|| PathBuf::from(&address.path))
}

fn db_of(address: &Address, topology: &Topology) -> Result<u32, Error> {
    let of_option = address.parsed("db", "the number of a database")?;
    let db = match (of_option, address.database()) {
        (Some(db), _) => db,
        (None, None) => 0,
        (None, Some(_)) if matches!(topology, Topology::Server(Server::Unix(_))) => 0,
        (None, Some(path)) => path.parse().map_err(|_| {
            address.wrong("expected the number of a database behind the host, like `/0`")
        })?,
    };
    if db > 0 && matches!(topology, Topology::Cluster(_)) {
        return Err(address.wrong("a cluster has no database but 0"));
    }
    Ok(db)
}

impl Server {
    fn of(host: &Host, port: u16) -> Self {
        Self::Tcp { name: host.name.clone(), port: host.port.unwrap_or(port) }
    }

    /// A server that this one speaks of; without a name, one on the same host.
    pub(super) fn beside(&self, name: &str, port: u16) -> Self {
        match self {
            Self::Tcp { name: own, .. } if name.is_empty() => Self::Tcp { name: own.clone(), port },
            _ => Self::Tcp { name: name.to_owned(), port },
        }
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { name, port } if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Tcp { name, port } => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_configuration_count_where_the_connection_string_says_nothing() {
        let options = Options {
            sentinel_service_name: Some("kolla".into()),
            socket_timeout: Some(Duration::from_millis(100)),
            ..Options::default()
        };
        for (text, name, timeout) in [
            ("redissentinel://h", Some("kolla"), Duration::from_millis(100)),
            ("redissentinel://h?sentinel=own&timeout=2", Some("own"), Duration::from_secs(2)),
            ("redis://h", None, TIMEOUT),
        ] {
            let config = Config::of(&text.parse().unwrap(), &options).unwrap();
            assert_eq!(config.timeout, timeout, "{text}");
            let master = match config.topology {
                Topology::Sentinels { master, .. } => Some(master),
                _ => None,
            };
            assert_eq!(master.as_deref(), name, "{text}");
        }
    }
}
