//! Layers for servers and clients of the tower family: hyper and others. axum has
//! [layers of its own](crate::instrument#points-for-free).

mod client;
mod server;

pub use self::client::{Client, ClientFuture, ClientLayer};
pub use self::server::{Server, ServerFuture, ServerLayer};
pub use super::served::{Route, TRACE_ID_HEADER};
pub use super::watched::TracedBody;
