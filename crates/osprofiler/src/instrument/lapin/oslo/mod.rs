//! The RPC of oslo.messaging, which OpenStack's services speak: calling one, and being one.
//!
//! The trace travels in the request context, as those services carry it. **It holds the HMAC key in
//! clear**: use this on a bus that you trust, with OpenStack's services at the other end. The format is
//! in `docs/instrument/rpc.md`.
//!
//! ```no_run
//! use osprofiler::instrument::lapin::oslo::{Client, Failure, Server, Target};
//! use serde_json::{Map, json};
//!
//! # async fn f(connection: lapin::Connection) -> Result<(), Box<dyn std::error::Error>> {
//! // Calls a method of nova's conductor:
//! let client = Client::open(&connection, "nova").await?;
//! let conductor = Target::new("conductor").version("3.0");
//! let pong = client.call(&conductor, "ping", json!({"arg": "hello"}), Map::new()).await?;
//!
//! // Serves others, until it is dropped:
//! let server = Server::open(&connection, "shop", "stock", "host-1").await?;
//! server
//!     .serve(async |call| match &*call.method {
//!         "count" => Ok(json!(7)),
//!         other => Err(Failure::new("builtins", "AttributeError", format!("no method `{other}`"))),
//!     })
//!     .await?;
//! # Ok(())
//! # }
//! ```

mod client;
mod envelope;
mod failure;
mod server;

pub use self::client::{CallError, Client};
pub use self::failure::Failure;
pub use self::server::{Call, Server};

/// Whom a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    topic: String,
    server: Option<String>,
    version: Option<String>,
    namespace: Option<String>,
    is_fanout: bool,
}

impl Target {
    /// Any of the servers of a topic.
    #[must_use]
    pub fn new(topic: impl Into<String>) -> Self {
        Self { topic: topic.into(), server: None, version: None, namespace: None, is_fanout: false }
    }

    /// This one of the topic's servers.
    #[must_use]
    pub fn server(mut self, server: impl Into<String>) -> Self {
        self.server = Some(server.into());
        self
    }

    /// The version of the interface that is called, such as `1.4`; without one, `1.0`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// The namespace of the method.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// All of the topic's servers; only for casts.
    #[must_use]
    pub fn fanout(mut self) -> Self {
        self.is_fanout = true;
        self
    }

    /// The routing key of its messages.
    fn routing_key(&self) -> String {
        match &self.server {
            Some(server) => format!("{}.{server}", self.topic),
            None => self.topic.clone(),
        }
    }
}
