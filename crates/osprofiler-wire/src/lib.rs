//! The formats that every OSProfiler program shares.
//!
//! **Depend on this crate** if you write a driver, a collector or a tool that reads or writes
//! records, or a client in need of signed headers and nothing else. **Do not** depend on it to
//! instrument a service: use `osprofiler`, which re-exports what you need of it.
//!
//! There is no I/O here, no global, no clock and no randomness: the same input gives the same
//! output, byte for byte. The formats are those of the Python `osprofiler` library; they are
//! specified with worked values in `docs/record.md` and `docs/headers.md`.
//!
//! | module | what |
//! |---|---|
//! | [`id`] | [`Id`]: a UUID in 16 bytes, or any other text |
//! | [`timestamp`] | [`Timestamp`]: microseconds of UTC |
//! | [`info`] | [`Info`]: the caller's dictionary, kept as JSON text |
//! | [`record`] | [`Record`] as we make it, [`RecordView`] as we find it |
//! | [`sign`] | [`HmacKey`], [`HmacKeys`]: pack, sign, verify, unpack |
//! | [`w3c`] | `traceparent` and `tracestate`, and a point's ids as OpenTelemetry has them |
//! | [`b3`] | the headers of Zipkin, `b3` and `x-b3-...` |
//! | `spans` | from spans of OpenTelemetry to records, with feature `spans` |
//! | [`json`] | Python's way of writing JSON, and repairing what it should not have written |
//!
//! # Example
//!
//! A caller signs its trace context, a callee that knows the key accepts it, and writes a record:
//!
//! ```
//! use std::sync::Arc;
//! use osprofiler_wire::{HmacKeys, Info, Origin, Phase, Record, Timestamp, TraceContext};
//!
//! let base_id = "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c";
//! let caller = HmacKeys::parse("SECRET_KEY");
//! let context = TraceContext { base_id: base_id.into(), parent_id: base_id.into() };
//! let headers = caller.first().unwrap().sign(&context);
//! assert_eq!(headers.hmac, "f904508e639d53f82d5f021dda2289d4046a20c7");
//!
//! let callee = HmacKeys::parse("a new key, SECRET_KEY");
//! let verified = callee.verify(headers.info.as_bytes(), headers.hmac.as_bytes()).unwrap();
//! assert_eq!(verified.base_id.unwrap(), context.base_id);
//!
//! let record = Record {
//!     name: "db".into(),
//!     phase: Phase::Start,
//!     base_id: context.base_id.clone(),
//!     parent_id: context.parent_id,
//!     trace_id: "0e2fd56b-b2cd-4d5b-ba0a-5ac6fd6b8e1d".into(),
//!     timestamp: Timestamp::parse("2016-04-18T17:42:10.774321").unwrap(),
//!     info: Info::new().with("db", &serde_json::json!({"statement": "SELECT 1"})),
//!     origin: Arc::new(Origin { host: "ctl1".into(), ..Origin::default() }),
//!     source: None,
//! };
//! assert!(record.to_json().starts_with(r#"{"name":"db-start","base_id":"7d28af6a-"#));
//! ```

pub mod b3;
mod hex;
mod hmac;
pub mod id;
pub mod info;
pub mod json;
pub mod record;
pub mod sign;
#[cfg(feature = "spans")]
pub mod spans;
pub mod timestamp;
pub mod w3c;

pub use id::Id;
pub use info::Info;
pub use record::{Origin, Phase, Record, RecordError, RecordView};
pub use sign::{HmacKey, HmacKeys, SignedContext, TraceContext, Verified, VerifyError};
pub use timestamp::Timestamp;
