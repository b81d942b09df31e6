//! Carrying a trace from caller to callee.
//!
//! The caller [`inject`]s the headers of its current point into whatever carries its request; the
//! callee [`extract`]s them, and goes on under that point if one of its keys gives the signature.
//! Anything with names and values is a carrier; `http::HeaderMap` is one with the feature `http`.
//! For the RPC context of the Python services see [`rpc`].
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

#[cfg(feature = "http")]
mod headers;
mod keys;
pub mod rpc;

use std::collections::HashMap;
use std::hash::BuildHasher;

use osprofiler_wire::SignedContext;
pub use osprofiler_wire::sign::{TRACE_HMAC_HEADER, TRACE_INFO_HEADER};

pub use self::keys::KeyRing;
use crate::profiler::{self, Profiler};

/// Something that takes headers.
pub trait Injector {
    /// Sets a header, replacing one of the same name.
    fn set(&mut self, name: &'static str, value: String);
}

/// Something that holds headers.
pub trait Extractor {
    /// The value of a header, whose name may differ in case; `None` if there is none, or more than
    /// one.
    fn get(&self, name: &str) -> Option<&[u8]>;
}

/// The headers of the current point; `None` if this thread is not tracing.
#[must_use]
pub fn headers() -> Option<SignedContext> {
    profiler::get().filter(|_| profiler::is_enabled()).map(|profiler| profiler.sign())
}

/// Puts the headers of the current point into a carrier. Does nothing if this thread is not
/// tracing.
pub fn inject(carrier: &mut (impl Injector + ?Sized)) {
    if let Some(SignedContext { info, hmac }) = headers() {
        carrier.set(TRACE_INFO_HEADER, info);
        carrier.set(TRACE_HMAC_HEADER, hmac);
    }
}

/// Makes a profiler of what a caller injected, if one of `keys` gives the signature.
///
/// Without the headers this costs one look-up. A refusal is silent, except for a line in the log at
/// debug level that says which check failed.
#[must_use]
pub fn extract(carrier: &(impl Extractor + ?Sized), keys: &KeyRing) -> Option<Profiler> {
    let info = carrier.get(TRACE_INFO_HEADER)?;
    let hmac = carrier.get(TRACE_HMAC_HEADER)?;
    if !profiler::is_enabled() {
        return None;
    }
    let keys = keys.get();
    match keys.verify(info, hmac) {
        Ok(verified) => {
            Some(Profiler::new(verified.key.clone(), verified.base_id, verified.parent_id))
        }
        Err(refusal) => {
            log::debug!("trace headers refused: {refusal}");
            None
        }
    }
}

impl<S: BuildHasher> Injector for HashMap<String, String, S> {
    fn set(&mut self, name: &'static str, value: String) {
        self.insert(name.to_owned(), value);
    }
}

impl<S: BuildHasher> Extractor for HashMap<String, String, S> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        only(self.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)))
            .map(|(_, value)| value.as_bytes())
    }
}

impl Injector for Vec<(String, String)> {
    fn set(&mut self, name: &'static str, value: String) {
        self.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.push((name.to_owned(), value));
    }
}

impl Extractor for Vec<(String, String)> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        only(self.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)))
            .map(|(_, value)| value.as_bytes())
    }
}

/// The item, if it is the only one: of two headers of one name neither is to be trusted.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let item = items.next()?;
    items.next().is_none().then_some(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_is_there_twice_is_not_read() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![pair("x-trace-info", "a"), pair("X-Trace-HMAC", "b")];
        assert_eq!(headers.get(TRACE_INFO_HEADER), Some(&b"a"[..]));
        headers.push(pair("X-TRACE-INFO", "a"));
        assert_eq!(headers.get(TRACE_INFO_HEADER), None);
        headers.set(TRACE_INFO_HEADER, "c".to_owned());
        assert_eq!(headers.get(TRACE_INFO_HEADER), Some(&b"c"[..]));
    }
}
