//! From a connection string to servers and how to reach them.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::address::{Address, CONNECT_TIMEOUT, Host, Secret};
use crate::tls::Tls;
use crate::{ConnectionString, Error};

/// The servers of a connection string, to be tried in turn.
pub(super) struct Options {
    pub(super) servers: Vec<ServerOptions>,
    pub(super) connect_timeout: Duration,
    pub(super) timeout: Duration,
    /// What errors call the place; without secrets.
    pub(super) place: String,
}

/// How to reach a server.
pub(super) enum ServerOptions {
    MySql(MySqlConnectOptions),
    Postgres(PgConnectOptions),
}

impl Options {
    /// # Errors
    ///
    /// If the connection string makes no sense.
    pub(super) fn of(connection: &ConnectionString) -> Result<Self, Error> {
        let address = Address::of(connection)?;
        let Some(database) = address.database() else {
            return Err(
                address.wrong("expected a database behind the server, as in `//host/traces`")
            );
        };
        let hosts = address.servers();
        let servers = if connection.scheme().starts_with("postgres") {
            let tls = PostgresTls::of(&address)?;
            hosts.iter().map(|host| postgres(&address, host, database, &tls)).collect()
        } else {
            let tls = MySqlTls::of(&address)?;
            hosts.iter().map(|host| mysql(&address, host, database, &tls)).collect()
        };
        let options = Self {
            servers,
            connect_timeout: address.limit("connect_timeout")?.unwrap_or(CONNECT_TIMEOUT),
            timeout: address.timeout()?,
            place: address.shown().to_owned(),
        };
        address.finish()?;
        Ok(options)
    }
}

fn mysql(address: &Address, host: &Host, database: &str, tls: &MySqlTls) -> ServerOptions {
    // SQLAlchemy's strings name a character set; ours is one that holds any text.
    let _ = address.option("charset");
    let mut options = MySqlConnectOptions::new()
        .host(&host.name)
        .port(host.port.unwrap_or(3306))
        .database(database)
        .ssl_mode(tls.mode)
        .disable_statement_logging();
    if let Some(user) = &address.user {
        options = options.username(user);
    }
    if let Some(password) = &address.password {
        options = options.password(Secret::expose(password));
    }
    if let Some(path) = address.option("unix_socket") {
        options = options.socket(path);
    }
    if let Some(ca) = &tls.files.ca {
        options = options.ssl_ca(ca);
    }
    if let Some((cert, key)) = &tls.files.identity {
        options = options.ssl_client_cert(cert).ssl_client_key(key);
    }
    ServerOptions::MySql(options)
}

fn postgres(address: &Address, host: &Host, database: &str, tls: &PostgresTls) -> ServerOptions {
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&host.name)
        .port(host.port.unwrap_or(5432))
        .database(database)
        .application_name("osprofiler")
        .ssl_mode(tls.mode)
        .disable_statement_logging();
    if let Some(user) = &address.user {
        options = options.username(user);
    }
    if let Some(password) = &address.password {
        options = options.password(Secret::expose(password));
    }
    if let Some(path) = address.option("host") {
        options = options.host(path);
    }
    if let Some(ca) = &tls.files.ca {
        options = options.ssl_root_cert(ca);
    }
    if let Some((cert, key)) = &tls.files.identity {
        options = options.ssl_client_cert(cert).ssl_client_key(key);
    }
    ServerOptions::Postgres(options)
}

struct MySqlTls {
    mode: MySqlSslMode,
    files: Tls,
}

impl MySqlTls {
    fn of(address: &Address) -> Result<Self, Error> {
        let files = files(address, ["ssl_ca", "ssl_cert", "ssl_key"])?;
        let mode = if files.insecure {
            MySqlSslMode::Required
        } else if address.flag("tls")? || files.ca.is_some() || files.identity.is_some() {
            MySqlSslMode::VerifyIdentity
        } else {
            MySqlSslMode::Disabled
        };
        Ok(Self { mode, files })
    }
}

struct PostgresTls {
    mode: PgSslMode,
    files: Tls,
}

impl PostgresTls {
    fn of(address: &Address) -> Result<Self, Error> {
        let files = files(address, ["sslrootcert", "sslcert", "sslkey"])?;
        let asked = address.parsed("sslmode", "a mode of libpq, such as `verify-full`,")?;
        let mode = if files.insecure {
            PgSslMode::Require
        } else if let Some(mode) = asked {
            mode
        } else if address.flag("tls")? || files.ca.is_some() || files.identity.is_some() {
            PgSslMode::VerifyFull
        } else {
            PgSslMode::Disable
        };
        Ok(Self { mode, files })
    }
}

/// The options of TLS, under our names or under those of the existing library's clients.
fn files(address: &Address, [ca, cert, key]: [&'static str; 3]) -> Result<Tls, Error> {
    let mut tls = Tls::of(address)?;
    let path = |name| address.option(name).map(PathBuf::from);
    tls.ca = tls.ca.or(path(ca));
    tls.identity = tls.identity.or(path(cert).zip(path(key)));
    Ok(tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mysql_mode(text: &str) -> MySqlSslMode {
        match &Options::of(&text.parse().unwrap()).unwrap().servers[0] {
            ServerOptions::MySql(options) => options.get_ssl_mode(),
            ServerOptions::Postgres(_) => panic!("`{text}` is MySQL's"),
        }
    }

    fn postgres_mode(text: &str) -> PgSslMode {
        match &Options::of(&text.parse().unwrap()).unwrap().servers[0] {
            ServerOptions::Postgres(options) => options.get_ssl_mode(),
            ServerOptions::MySql(_) => panic!("`{text}` is PostgreSQL's"),
        }
    }

    #[test]
    fn tls_verifies_the_server_unless_told_otherwise() {
        assert!(matches!(mysql_mode("mysql://h/d"), MySqlSslMode::Disabled));
        for options in ["tls=true", "ca=/c.pem", "ssl_ca=/c.pem", "cert=/c.pem&key=/k.pem"] {
            let mode = mysql_mode(&format!("mariadb://h/d?{options}&charset=utf8"));
            assert!(matches!(mode, MySqlSslMode::VerifyIdentity), "{options}");
        }
        assert!(matches!(mysql_mode("mysql://h/d?insecure=true"), MySqlSslMode::Required));

        assert!(matches!(postgres_mode("postgres://h/d"), PgSslMode::Disable));
        for options in ["tls=true", "ca=/c.pem", "sslrootcert=/c.pem", "sslmode=verify-full"] {
            let mode = postgres_mode(&format!("postgresql+psycopg2://h/d?{options}"));
            assert!(matches!(mode, PgSslMode::VerifyFull), "{options}");
        }
        assert!(matches!(postgres_mode("postgres://h/d?insecure=true"), PgSslMode::Require));
        assert!(matches!(postgres_mode("postgres://h/d?sslmode=require"), PgSslMode::Require));
    }

    #[test]
    fn what_makes_no_sense_is_refused_without_a_secret() {
        for (text, expected) in [
            ("mysql://nova:hush@h", "expected a database"),
            ("mysql://nova:hush@h/", "expected a database"),
            ("mysql://nova:hush@h/d?sslmode=require", "unknown option `sslmode`"),
            ("postgres://nova:hush@h/d?sslmode=maybe", "expected a mode of libpq"),
            ("postgres://nova:hush@h/d?timeout=soon", "expected a number of seconds"),
            ("postgres://nova:hush@h/d?charset=utf8", "unknown option `charset`"),
        ] {
            let error = Options::of(&text.parse().unwrap()).err().unwrap().to_string();
            assert!(error.contains(expected) && !error.contains("hush"), "{error}");
        }
    }
}
