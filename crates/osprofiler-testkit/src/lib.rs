//! The suites that every driver and every middleware must pass, and a notifier that keeps what it is
//! told.
//!
//! **Depend on this crate** in the tests of a driver that you write ([`drivers`]), of a middleware
//! ([`servers`]), or of a service whose points you want to see ([`Capture`]). What is here panics when something is wrong: it is
//! for tests only.

pub mod capture;
pub mod drivers;
pub mod servers;

pub use capture::{Capture, tree_with_infos};
