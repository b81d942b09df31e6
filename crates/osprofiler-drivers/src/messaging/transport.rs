//! What a connection runs over: TCP, or TLS with the options that all drivers have.
//!
//! The client takes the streams of any runtime. Its own TLS would bring another trust store and keys in
//! formats of old, so this is tokio with streams of ours.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_compat::Compat;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_util::Stream as Sequence;
use futures_util::io::{AsyncRead as Read, AsyncWrite as Write};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::address::Host;

/// A stream of either kind.
pub(super) type Stream = Compat<Box<dyn Duplex>>;

pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Connects to a host, whose port is given, and agrees on TLS if it is to be used.
pub(super) async fn connect(host: &Host, tls: Option<Arc<ClientConfig>>) -> io::Result<Stream> {
    let tcp = TcpStream::connect((&*host.name, host.port.unwrap_or_default())).await?;
    tcp.set_nodelay(true)?;
    let Some(config) = tls else { return Ok(Compat::new(Box::new(tcp))) };
    let name = ServerName::try_from(host.name.clone()).map_err(io::Error::other)?;
    Ok(Compat::new(Box::new(TlsConnector::from(config).connect(name, tcp).await?)))
}

/// The current runtime, for the client.
pub(super) fn runtime() -> Runtime<RuntimeParts<Tokio, Streams>> {
    Runtime::new(RuntimeParts::new(Tokio::current(), Streams(Tokio::current())))
}

/// Tokio's timers, and streams of ours.
#[derive(Clone, Debug)]
pub(super) struct Streams(Tokio);

impl Reactor for Streams {
    type TcpStream = Stream;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: io::Read + io::Write + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl Read + Write + Send + Unpin + 'static> {
        // The client opens no sockets but by `connect`.
        Err::<Stream, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Sequence<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
        let host = Host { name: address.ip().to_string(), port: Some(address.port()) };
        async move { connect(&host, None).await }
    }
}
