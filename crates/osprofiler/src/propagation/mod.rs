//! Carrying a trace from caller to callee.
//!
//! The caller [`inject`]s the headers of its current point into whatever carries its request; the
//! callee [`extract`]s them, and goes on under that point if one of its keys gives the signature.
//! Anything with names and values is a carrier; `http::HeaderMap` is one with the feature `http`.
//! Headers of other libraries are read through [`Pairs`] and written in a loop over [`headers`]. For
//! the RPC context of the Python services see [`rpc`].
//!
//! Besides our own headers W3C's `traceparent` is sent, so that OpenTelemetry's services appear below
//! our points; what comes in is recorded as a [`Link`]. See [`Format`], and `docs/headers.md`.
//!
//! ```
//! use std::collections::HashMap;
//! use osprofiler::propagation::{self, KeyRing};
//! use osprofiler::profiler;
//!
//! // The caller:
//! let mut headers: HashMap<String, String> = HashMap::new();
//! profiler::init("SECRET_KEY", None, None);
//! propagation::inject(&mut headers);
//! # let base_id = profiler::get().unwrap().base_id().clone();
//! # profiler::clean();
//!
//! // The callee:
//! let keys = KeyRing::parse("a new key, SECRET_KEY");
//! if let Some(profiler) = propagation::extract(&headers, &keys) {
//!     let _attached = profiler.attach();
//!     // what is done here belongs to the caller's trace
//!     # assert_eq!(profiler.base_id(), &base_id);
//! }
//! # else { panic!("not extracted") }
//! ```

mod carriers;
#[cfg(feature = "http")]
mod headers;
mod keys;
mod link;
pub mod rpc;

use osprofiler_wire::SignedContext;
pub use osprofiler_wire::sign::{TRACE_HMAC_HEADER, TRACE_INFO_HEADER};

#[cfg(any(feature = "http", feature = "lapin"))]
pub(crate) use self::carriers::only;
pub use self::carriers::{Extractor, Injector, Pairs};
pub use self::keys::KeyRing;
pub use self::link::{Format, Link};
use crate::profiler::{self, Profiler};

/// The headers of the current point as pairs of names and values, for carriers of any kind; none if
/// this thread is not tracing.
///
/// ```
/// use osprofiler::{profiler, propagation};
///
/// # let mut message: Vec<(&str, Vec<u8>)> = Vec::new();
/// profiler::init("SECRET_KEY", None, None);
/// for (name, value) in propagation::headers() {
///     message.push((name, value.into_bytes()));
/// }
/// # profiler::clean();
/// assert_eq!(message[0].0, "X-Trace-Info");
/// ```
#[must_use]
pub fn headers() -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    each(|name, value| headers.push((name, value)));
    headers
}

/// Puts the headers of the current point into a carrier. Does nothing if this thread is not
/// tracing.
pub fn inject(carrier: &mut (impl Injector + ?Sized)) {
    each(|name, value| carrier.set(name, value));
}

fn each(mut set: impl FnMut(&'static str, String)) {
    if let Some(profiler) = profiler::get().filter(|_| profiler::is_enabled()) {
        let SignedContext { info, hmac } = profiler.sign();
        set(TRACE_INFO_HEADER, info);
        set(TRACE_HMAC_HEADER, hmac);
        link::write(&profiler, set);
    }
}

/// Makes a profiler of what a caller injected, if one of `keys` gives the signature.
///
/// Without the headers this costs one look-up. A refusal is silent, except for a line in the log at
/// debug level that says which check failed.
#[must_use]
pub fn extract(carrier: &(impl Extractor + ?Sized), keys: &KeyRing) -> Option<Profiler> {
    match signed(carrier, keys) {
        None if keys.trusts_unsigned() && profiler::is_enabled() => link::unsigned(carrier, keys),
        signed => signed,
    }
}

fn signed(carrier: &(impl Extractor + ?Sized), keys: &KeyRing) -> Option<Profiler> {
    let info = carrier.get(TRACE_INFO_HEADER)?;
    let hmac = carrier.get(TRACE_HMAC_HEADER)?;
    if !profiler::is_enabled() {
        return None;
    }
    let keys = keys.get();
    match keys.verify(info, hmac) {
        Ok(verified) => {
            let key = verified.key.clone();
            let link = Link::of(carrier);
            Some(Profiler::entering(key, verified.base_id, verified.parent_id, link))
        }
        Err(refusal) => {
            log::debug!("trace headers refused: {refusal}");
            None
        }
    }
}
