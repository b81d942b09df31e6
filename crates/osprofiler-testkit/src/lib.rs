//! The suites that every driver and every middleware must pass.

pub mod capture;

pub use capture::Capture;
