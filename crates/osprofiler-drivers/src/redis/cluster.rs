//! A cluster: which of its masters has a key, and what to do where that has changed.

use super::config::{Config, Server};
use super::connection::Connection;
use super::keys;
use super::resp::{Commands, Replies, Reply};
use crate::{Error, ErrorKind};

/// How often a command is sent on to another server.
const MAX_REDIRECTS: usize = 5;

pub(super) struct Cluster {
    nodes: Vec<Node>,
    /// The place in `nodes` of the master that has the slot.
    slots: Vec<Option<usize>>,
}

struct Node {
    server: Server,
    /// Opened when it is needed.
    connection: Option<Connection>,
}

impl Cluster {
    /// Asks the first server with an answer who has what.
    ///
    /// # Errors
    ///
    /// If none answers, or one does not let us in.
    pub(super) fn open(servers: &[Server], config: &Config) -> Result<Self, Error> {
        let mut failure = Error::new(ErrorKind::ConnectionString, "no server is named");
        for server in servers {
            match Self::of(server, config) {
                Ok(cluster) => return Ok(cluster),
                Err(error) if !error.is_retryable() => return Err(error),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn of(server: &Server, config: &Config) -> Result<Self, Error> {
        let mut connection = Connection::open(server, config)?;
        let question = Commands::one(&["CLUSTER", "SLOTS"]);
        let replies = connection.ask("ask for the slots of", &question)?;
        let node = Node { server: server.clone(), connection: Some(connection) };
        let mut cluster = Self { nodes: vec![node], slots: vec![None; keys::SLOTS.into()] };
        let Reply::List(ranges) = &replies.all[0] else { return Ok(cluster) };
        for range in ranges {
            cluster.add(range, &replies, server);
        }
        Ok(cluster)
    }

    /// Takes in `[first slot, last slot, [host, port, ...] of the master, ...]`.
    fn add(&mut self, range: &Reply, replies: &Replies, asked: &Server) -> Option<()> {
        let Reply::List(range) = range else { return None };
        let [Reply::Number(first), Reply::Number(last), Reply::List(master), ..] = range.as_slice()
        else {
            return None;
        };
        let [name, Reply::Number(port), ..] = master.as_slice() else { return None };
        let name = std::str::from_utf8(replies.text(name)).ok()?;
        let node = self.node_of(asked.beside(name, u16::try_from(*port).ok()?));
        let slots = usize::try_from(*first).ok()?..=usize::try_from(*last).ok()?;
        self.slots.get_mut(slots)?.fill(Some(node));
        Some(())
    }

    /// The servers that have slots.
    pub(super) fn masters(&self) -> Vec<usize> {
        let mut masters: Vec<usize> = self.slots.iter().flatten().copied().collect();
        masters.sort_unstable();
        masters.dedup();
        masters
    }

    /// The connection to a server.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub(super) fn connection(
        &mut self,
        node: usize,
        config: &Config,
    ) -> Result<&mut Connection, Error> {
        let Node { server, connection } = &mut self.nodes[node];
        Ok(match connection {
            Some(connection) => connection,
            None => connection.insert(Connection::open(server, config)?),
        })
    }

    /// Runs commands where their keys are, those of a key in their order.
    ///
    /// # Errors
    ///
    /// If a server does not answer. Replies that were not read are lost with their connections: the
    /// cluster is to be opened anew.
    pub(super) fn run(
        &mut self,
        what: &str,
        commands: &Commands,
        config: &Config,
    ) -> Result<Replies, Error> {
        let mut of_nodes = vec![Vec::new(); self.nodes.len()];
        for command in 0..commands.len() {
            of_nodes[self.node_with(commands.slot_of(command), config)?].push(command);
        }
        for (node, of_node) in of_nodes.iter().enumerate().filter(|(_, all)| !all.is_empty()) {
            let bytes: Vec<&[u8]> = of_node.iter().map(|&at| commands.bytes_of(at)).collect();
            self.connection(node, config)?.send(what, &bytes.concat())?;
        }
        let mut replies = Replies::default();
        for (node, of_node) in of_nodes.iter().enumerate().filter(|(_, all)| !all.is_empty()) {
            let connection = self.connection(node, config)?;
            of_node.iter().try_for_each(|_| connection.receive(what, &mut replies))?;
        }
        replies.put(&of_nodes.concat());
        for command in 0..commands.len() {
            self.follow(what, command, commands, &mut replies, config)?;
        }
        Ok(replies)
    }

    /// Sends a command on as long as the reply is that another server has the key.
    fn follow(
        &mut self,
        what: &str,
        command: usize,
        commands: &Commands,
        replies: &mut Replies,
        config: &Config,
    ) -> Result<(), Error> {
        for _ in 0..MAX_REDIRECTS {
            let Some(redirect) = Redirect::of(&replies.all[command]) else { break };
            let slot = commands.slot_of(command);
            let asked = self.nodes[self.node_with(slot, config)?].server.clone();
            let node = self.node_of(asked.beside(&redirect.name, redirect.port));
            if redirect.is_for_good {
                self.slots[usize::from(slot)] = Some(node);
            }
            let connection = self.connection(node, config)?;
            if !redirect.is_for_good {
                connection.ask(what, &Commands::one(&["ASKING"]))?;
            }
            connection.send(what, commands.bytes_of(command))?;
            connection.receive(what, replies)?;
            replies.all.swap_remove(command);
        }
        Ok(())
    }

    fn node_with(&self, slot: u16, config: &Config) -> Result<usize, Error> {
        self.slots[usize::from(slot)].ok_or_else(|| {
            let place = &config.shown;
            Error::new(
                ErrorKind::Unavailable,
                format!("no server of `{place}` has slot {slot}; try again when it is whole"),
            )
        })
    }

    fn node_of(&mut self, server: Server) -> usize {
        let known = self.nodes.iter().position(|node| node.server == server);
        known.unwrap_or_else(|| {
            self.nodes.push(Node { server, connection: None });
            self.nodes.len() - 1
        })
    }
}

/// Who has a key instead: `MOVED 3999 127.0.0.1:6381`, or `ASK` while it is being moved.
#[derive(Debug, PartialEq, Eq)]
struct Redirect {
    /// Empty: the host that said it.
    name: String,
    port: u16,
    is_for_good: bool,
}

impl Redirect {
    fn of(reply: &Reply) -> Option<Self> {
        let Reply::Refusal(refusal) = reply else { return None };
        let is_for_good = match refusal.code() {
            "MOVED" => true,
            "ASK" => false,
            _ => return None,
        };
        let (name, port) = refusal.0.split(' ').nth(2)?.rsplit_once(':')?;
        Some(Self { name: name.to_owned(), port: port.parse().ok()?, is_for_good })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Refusal;
    use super::*;

    #[test]
    fn redirects_are_told_from_other_refusals() {
        let of = |text: &str| Redirect::of(&Reply::Refusal(Refusal::of(text)));
        let to =
            |name: &str, port, is_for_good| Some(Redirect { name: name.into(), port, is_for_good });
        assert_eq!(of("MOVED 3999 127.0.0.1:6381"), to("127.0.0.1", 6381, true));
        assert_eq!(of("ASK 3999 ::1:6381"), to("::1", 6381, false));
        assert_eq!(of("MOVED 3999 :6381"), to("", 6381, true));
        assert_eq!(of("TRYAGAIN Multiple keys request"), None);
        assert_eq!(of("MOVED nonsense"), None);
        assert_eq!(Redirect::of(&Reply::Number(1)), None);
    }
}
