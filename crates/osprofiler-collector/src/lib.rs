//! The server of OSProfiler: traces of any back end as a page and over a JSON API.
//!
//! **Depend on this crate** if you put the page and the API into a program of your own; the program
//! `osprofiler ui` is a thin cover over it. **Do not** to read traces: `osprofiler-drivers` and
//! `osprofiler-report` do that without a server.
//!
//! It reads, and stores nothing. Whoever may talk to it may read every trace of its back end, so it
//! listens on loopback unless it is told otherwise, and elsewhere wants a [`Token`].
//! `docs/api.md` specifies the API.
//!
//! # Example
//!
//! ```
//! use osprofiler_collector::{Server, Settings};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let mut settings = Settings::new("memory://example".parse()?);
//! settings.listen = "127.0.0.1:0".parse()?;
//! let server = Server::bind(settings).await?;
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! // Until somebody says that it is enough.
//! server.run(async {}).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod access;
mod api;
mod cache;
mod error;
mod page;
mod server;
mod store;
mod token;

pub use error::StartError;
pub use server::{Server, Settings};
pub use token::Token;
