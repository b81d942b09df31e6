//! Which server is the master: its Sentinels know.

use super::config::{Config, Credentials, Server};
use super::connection::Connection;
use super::resp::{Commands, Replies, Reply};
use crate::{Error, ErrorKind};

/// Connects to the master that the first Sentinel with an answer names.
///
/// # Errors
///
/// That of the last one; but one that no retry mends is told before those that may pass.
pub(super) fn open_master(
    sentinels: &[Server],
    master: &str,
    credentials: Option<&Credentials>,
    config: &Config,
) -> Result<Connection, Error> {
    let mut failure = Error::new(ErrorKind::ConnectionString, "no Sentinel is named");
    for sentinel in sentinels {
        let found = find(sentinel, master, credentials, config)
            .and_then(|server| Connection::open(&server, config))
            .and_then(must_be_master);
        match found {
            Ok(connection) => return Ok(connection),
            Err(error) if !error.is_retryable() => return Err(error),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Where the master listens.
fn find(
    sentinel: &Server,
    master: &str,
    credentials: Option<&Credentials>,
    config: &Config,
) -> Result<Server, Error> {
    let what = "ask for the master";
    let mut connection = Connection::bare(sentinel, config)?;
    let question = Commands::one(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master]);
    let mut replies = connection.run(what, &question)?;
    // Most Sentinels have no password, and must not be told that of the servers.
    if let (true, Some(credentials)) = (wants_password(&replies), credentials) {
        connection.authenticate(credentials)?;
        replies = connection.run(what, &question)?;
    }
    if let Reply::Refusal(refusal) = &replies.all[0] {
        return Err(refusal.error(what, connection.place()));
    }
    let mut found = replies.texts(0).map(String::from_utf8_lossy);
    let name = found.next();
    let port = found.next().and_then(|port| port.parse().ok());
    name.zip(port).map(|(name, port)| Server::Tcp { name: name.into(), port }).ok_or_else(|| {
        let place = connection.place();
        Error::new(
            ErrorKind::NotFound,
            format!("{place} knows no master `{master}`; its name is the option `sentinel`"),
        )
    })
}

fn wants_password(replies: &Replies) -> bool {
    matches!(&replies.all[0], Reply::Refusal(refusal) if refusal.code() == "NOAUTH")
}

/// Sentinels may still name a server that was replaced.
fn must_be_master(mut connection: Connection) -> Result<Connection, Error> {
    let role = connection.run("open", &Commands::one(&["ROLE"]))?;
    // A user who may not ask will find out when they write.
    match role.texts(0).next() {
        Some(b"slave") => Err(Error::new(
            ErrorKind::Unavailable,
            format!("{} is not the master any more; try again", connection.place()),
        )),
        _ => Ok(connection),
    }
}
