//! A server: where it listens, and how it ends.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::{Router, middleware};
use osprofiler_drivers::{ConnectionString, Options};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::access::{Access, guard};
use crate::api::{self, Api};
use crate::page::Page;
use crate::store::Store;
use crate::{StartError, Token};

/// What a server serves, where, and to whom.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The back end whose traces it shows.
    pub connection: ConnectionString,
    /// What the driver is told besides.
    pub options: Options,
    /// Where it listens: [`Settings::LOOPBACK`] unless told otherwise.
    pub listen: SocketAddr,
    /// What must be shown to be let in. Elsewhere than on loopback there is always one: it is made if
    /// none is given.
    pub token: Option<Token>,
}

impl Settings {
    /// The address of a server that was told none; only programs of this machine reach it.
    pub const LOOPBACK: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8680);

    /// A server for this machine, without a token.
    #[must_use]
    pub fn new(connection: ConnectionString) -> Self {
        Self { connection, options: Options::default(), listen: Self::LOOPBACK, token: None }
    }
}

/// A server that listens, and answers as soon as it [runs](Self::run).
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    token: Option<Token>,
    store: Arc<Store>,
}

/// How long requests have to end when the server does.
const GRACE: Duration = Duration::from_secs(5);

impl Server {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// If the connection string names no driver that reads, or the address cannot be listened on.
    pub async fn bind(settings: Settings) -> Result<Self, StartError> {
        let store = Arc::new(Store::new(settings.connection, settings.options)?);
        let token = match settings.token {
            None if !settings.listen.ip().is_loopback() => Some(Token::random()?),
            token => token,
        };
        let address = settings.listen;
        let listener = TcpListener::bind(address).await;
        let listener = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) =
            listener.map_err(|source| StartError::Listen { address, source })?;
        Ok(Self { listener, address, token, store })
    }

    /// Where to open it, with the token if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.token {
            Some(token) => format!("http://{}/?token={}", self.address, token.expose()),
            None => format!("http://{}/", self.address),
        }
    }

    /// Answers until `enough` is over; requests have five seconds to end then.
    ///
    /// # Errors
    ///
    /// If the system does not let it accept connections.
    pub async fn run(self, enough: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let (end, ending) = watch::channel(false);
        let mut told = ending.clone();
        let access = Arc::new(Access::new(self.address, self.token));
        let page = Page::new();
        let app = Router::new()
            .route("/", get(async move || page.answer()))
            .nest("/api/v1", api::router(Api::new(self.store, ending)))
            .layer(middleware::from_fn_with_state(access, guard));
        // Nothing ends before those who are told live are sent home.
        let late = async move {
            enough.await;
            end.send_replace(true);
            tokio::time::sleep(GRACE).await;
        };
        let served = axum::serve(self.listener, app).with_graceful_shutdown(async move {
            // Fails only if nobody can say so any more.
            let _ = told.wait_for(|ended| *ended).await;
        });
        tokio::select! {
            served = served => served,
            () = late => Ok(()),
        }
    }
}
