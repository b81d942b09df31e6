//! Keys that can be changed while a service runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use osprofiler_wire::HmacKeys;

/// The HMAC keys that a service accepts, shared by everything that checks headers.
///
/// Clones are the same ring: replace the keys in one, and all servers of the process accept the new
/// ones from the next request on, without a restart. While keys are rolled over, a ring holds both
/// the old one and the new one. Without any key nothing is ever traced.
///
/// ```
/// use osprofiler::propagation::KeyRing;
///
/// let keys = KeyRing::parse("old");
/// // ... later, when the configuration is read again:
/// keys.replace("new, old");
/// ```
#[derive(Clone, Debug, Default)]
pub struct KeyRing(Arc<Ring>);

#[derive(Debug, Default)]
struct Ring {
    keys: RwLock<Arc<HmacKeys>>,
    trusts_unsigned: AtomicBool,
}

impl KeyRing {
    /// Makes a ring of the keys in a list, see [`HmacKeys::parse`].
    #[must_use]
    pub fn parse(list: &str) -> Self {
        Self::from(HmacKeys::parse(list))
    }

    /// Accepts these keys from now on, and no others: a list as text, or those of a
    /// [`Config`](crate::Config) that was read again.
    pub fn replace(&self, keys: impl Into<HmacKeys>) {
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys.into());
    }

    /// The keys as they are now.
    #[must_use]
    pub fn get(&self) -> Arc<HmacKeys> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Traces from now on, or no more, also requests that nobody signed but whose sender says that it
    /// records them, in one of the [formats](super::Format) that are on: a `traceparent` with the sampled
    /// flag. The trace is the sender's, the point goes
    /// below the sender's span, and what is sent on is signed with the first key of the ring; without
    /// any, nothing is traced.
    ///
    /// **Whoever can send a header then switches tracing on**, here and in all services that know the
    /// key: each request that is recorded costs time and room. Do this only where none but your own
    /// services can get through, or behind a proxy that strips the headers.
    pub fn trust_unsigned(&self, trust: bool) {
        self.0.trusts_unsigned.store(trust, Ordering::Relaxed);
    }

    pub(super) fn trusts_unsigned(&self) -> bool {
        self.0.trusts_unsigned.load(Ordering::Relaxed)
    }
}

impl From<HmacKeys> for KeyRing {
    fn from(keys: HmacKeys) -> Self {
        Self(Arc::new(Ring { keys: RwLock::new(Arc::new(keys)), ..Ring::default() }))
    }
}
