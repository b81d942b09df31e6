//! Keys that can be changed while a service runs.

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
pub struct KeyRing(Arc<RwLock<Arc<HmacKeys>>>);

impl KeyRing {
    /// Makes a ring of the keys in a list, see [`HmacKeys::parse`].
    #[must_use]
    pub fn parse(list: &str) -> Self {
        Self::from(HmacKeys::parse(list))
    }

    /// Accepts these keys from now on, and no others: a list as text, or those of a
    /// [`Config`](crate::Config) that was read again.
    pub fn replace(&self, keys: impl Into<HmacKeys>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys.into());
    }

    /// The keys as they are now.
    #[must_use]
    pub fn get(&self) -> Arc<HmacKeys> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl From<HmacKeys> for KeyRing {
    fn from(keys: HmacKeys) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(keys))))
    }
}
