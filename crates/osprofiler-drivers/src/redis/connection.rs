//! A connection to one server.

use std::io::{self, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::config::{Config, Credentials, Server};
use super::resp::{Commands, Replies, Reply};
use crate::address::CONNECT_TIMEOUT;
use crate::{Error, ErrorKind, tls};

/// Bytes that are read at once.
const BUFFER: usize = 1 << 16;

pub(super) struct Connection {
    stream: BufReader<Stream>,
    /// What errors call the server.
    place: String,
    timeout: Duration,
}

enum Stream {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Connection {
    /// Connects to a server that holds traces.
    ///
    /// # Errors
    ///
    /// If it cannot be reached, or does not let us in.
    pub(super) fn open(server: &Server, config: &Config) -> Result<Self, Error> {
        let mut connection = Self::bare(server, config)?;
        let mut commands = Commands::default();
        if let Some(credentials) = &config.credentials {
            add_auth(&mut commands, credentials);
        }
        if config.db > 0 {
            commands.add(&["SELECT", &config.db.to_string()]);
        }
        // Says whether it lets us in if it was told neither.
        commands.add(&["PING"]);
        connection.ask("open", &commands)?;
        Ok(connection)
    }

    /// Connects to a server, and says nothing yet.
    pub(super) fn bare(server: &Server, config: &Config) -> Result<Self, Error> {
        let place = match &config.shown {
            shown if shown.contains(&server.to_string()) => format!("`{shown}`"),
            shown => format!("{server} of `{shown}`"),
        };
        let timeout = config.timeout;
        let stream = Stream::open(server, config.tls.as_ref(), timeout)
            .map_err(|cause| unreachable("reach", &place, timeout.min(CONNECT_TIMEOUT), cause))?;
        Ok(Self { stream: BufReader::with_capacity(BUFFER, stream), place, timeout })
    }

    /// Says who we are.
    pub(super) fn authenticate(&mut self, credentials: &Credentials) -> Result<(), Error> {
        let mut commands = Commands::default();
        add_auth(&mut commands, credentials);
        self.ask("open", &commands).map(drop)
    }

    /// Runs commands none of which may be refused.
    pub(super) fn ask(&mut self, what: &str, commands: &Commands) -> Result<Replies, Error> {
        let replies = self.run(what, commands)?;
        for reply in &replies.all {
            if let Reply::Refusal(refusal) = reply {
                return Err(refusal.error(what, &self.place));
            }
        }
        Ok(replies)
    }

    /// Runs commands; a refusal is a reply. `what` is what an error says that cannot be done.
    pub(super) fn run(&mut self, what: &str, commands: &Commands) -> Result<Replies, Error> {
        self.send(what, commands.bytes())?;
        let mut replies = Replies::default();
        for _ in 0..commands.len() {
            self.receive(what, &mut replies)?;
        }
        Ok(replies)
    }

    pub(super) fn send(&mut self, what: &str, commands: &[u8]) -> Result<(), Error> {
        let stream = self.stream.get_mut();
        let sent = stream.write_all(commands).and_then(|()| stream.flush());
        sent.map_err(|cause| self.failure(what, cause))
    }

    /// Reads the next reply.
    pub(super) fn receive(&mut self, what: &str, replies: &mut Replies) -> Result<(), Error> {
        replies.read(&mut self.stream).map_err(|cause| self.failure(what, cause))
    }

    /// What errors call the server.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    fn failure(&self, what: &str, cause: io::Error) -> Error {
        unreachable(what, &self.place, self.timeout, cause)
    }
}

fn add_auth(commands: &mut Commands, Credentials { user, password }: &Credentials) {
    match user {
        Some(user) => commands.add(&["AUTH", user, password.expose()]),
        None => commands.add(&["AUTH", password.expose()]),
    }
}

/// The error of a server that does not answer, or is something else.
fn unreachable(what: &str, place: &str, timeout: Duration, cause: io::Error) -> Error {
    if let Some(trouble) = tls::trouble(&cause) {
        return Error::new(ErrorKind::Denied, format!("cannot {what} {place}: {trouble}"));
    }
    let (kind, hint) = match cause.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            let message = format!("no answer within {} s; try again", timeout.as_secs_f64());
            return Error::new(ErrorKind::Unavailable, format!("cannot {what} {place}: {message}"));
        }
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            (ErrorKind::Storage, "; check scheme, host and port")
        }
        io::ErrorKind::PermissionDenied => (ErrorKind::Denied, "; check who may use the socket"),
        _ => (ErrorKind::Unavailable, ""),
    };
    Error::new(kind, format!("cannot {what} {place}{hint}")).with_source(cause)
}

impl Stream {
    fn open(
        server: &Server,
        tls: Option<&Arc<ClientConfig>>,
        timeout: Duration,
    ) -> io::Result<Self> {
        let (name, port) = match server {
            Server::Tcp { name, port } => (name, *port),
            #[cfg(unix)]
            Server::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                return Ok(Self::Unix(stream));
            }
            #[cfg(not(unix))]
            Server::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        let stream = connect(name, port, timeout.min(CONNECT_TIMEOUT))?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        stream.set_nodelay(true)?;
        let Some(config) = tls else { return Ok(Self::Tcp(stream)) };
        let name = ServerName::try_from(name.clone())
            .map_err(|cause| io::Error::new(io::ErrorKind::InvalidInput, cause))?;
        let client = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(client, stream))))
    }
}

/// Connects to the first address of a host that can be reached.
fn connect(name: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::AddrNotAvailable, "the host has no address");
    for address in (name, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(cause) => failure = cause,
        }
    }
    Err(failure)
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.flush(),
        }
    }
}
