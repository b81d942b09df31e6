//! The back end, whatever it consists of.

use super::cluster::Cluster;
use super::config::{Config, Topology};
use super::connection::Connection;
use super::resp::{Commands, Replies, Reply};
use super::sentinel;
use crate::Error;

/// Keys that a server looks at for one reply of a scan: about a millisecond of its time.
const SCAN_COUNT: &str = "5000";

/// The back end; what broke is opened anew when it is needed again.
pub(super) struct Store {
    pub(super) config: Config,
    link: Option<Link>,
}

enum Link {
    Server(Connection),
    Cluster(Cluster),
}

impl Store {
    /// Opens the back end.
    ///
    /// # Errors
    ///
    /// If it cannot be reached, or does not let us in.
    pub(super) fn open(config: Config) -> Result<Self, Error> {
        let link = Some(Link::open(&config)?);
        Ok(Self { config, link })
    }

    /// Runs commands, each on a key. `what` is what an error says that cannot be done.
    ///
    /// # Errors
    ///
    /// If a server does not answer or refuses, unless because a key holds something else than it
    /// should: that is a reply.
    pub(super) fn run(&mut self, what: &str, commands: &Commands) -> Result<Replies, Error> {
        self.with_link(|link, config| {
            let replies = match link {
                Link::Server(connection) => connection.run(what, commands)?,
                Link::Cluster(cluster) => cluster.run(what, commands, config)?,
            };
            for reply in &replies.all {
                match reply {
                    Reply::Refusal(refusal) if !refusal.is_about_type() => {
                        return Err(refusal.error(what, &format!("`{}`", config.shown)));
                    }
                    _ => {}
                }
            }
            Ok(replies)
        })
    }

    /// Visits the names of the keys that match a pattern, some of them several times.
    ///
    /// # Errors
    ///
    /// If a server does not answer or refuses.
    pub(super) fn scan(
        &mut self,
        what: &str,
        pattern: &str,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Error> {
        self.with_link(|link, config| match link {
            Link::Server(connection) => scan(connection, what, pattern, visit),
            Link::Cluster(cluster) => cluster
                .masters()
                .into_iter()
                .try_for_each(|node| scan(cluster.connection(node, config)?, what, pattern, visit)),
        })
    }

    fn with_link<T>(
        &mut self,
        run: impl FnOnce(&mut Link, &Config) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Link::open(&self.config)?,
        };
        let done = run(&mut link, &self.config)?;
        // Not after an error: replies may be under way, or another server may be the master.
        self.link = Some(link);
        Ok(done)
    }
}

impl Link {
    fn open(config: &Config) -> Result<Self, Error> {
        Ok(match &config.topology {
            Topology::Server(server) => Self::Server(Connection::open(server, config)?),
            Topology::Sentinels { sentinels, master, credentials } => Self::Server(
                sentinel::open_master(sentinels, master, credentials.as_ref(), config)?,
            ),
            Topology::Cluster(servers) => Self::Cluster(Cluster::open(servers, config)?),
        })
    }
}

fn scan(
    connection: &mut Connection,
    what: &str,
    pattern: &str,
    visit: &mut dyn FnMut(&[u8]),
) -> Result<(), Error> {
    let mut cursor = "0".to_owned();
    loop {
        let command = Commands::one(&["SCAN", &cursor, "MATCH", pattern, "COUNT", SCAN_COUNT]);
        let replies = connection.ask(what, &command)?;
        let Reply::List(reply) = &replies.all[0] else { return Ok(()) };
        let [next, Reply::List(keys)] = reply.as_slice() else { return Ok(()) };
        keys.iter().for_each(|key| visit(replies.text(key)));
        cursor = String::from_utf8_lossy(replies.text(next)).into_owned();
        if cursor == "0" {
            return Ok(());
        }
    }
}
