//! The suites that every driver and every middleware must pass.
