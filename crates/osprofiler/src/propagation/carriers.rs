//! What carries headers.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::marker::PhantomData;

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

    /// The values of all headers of a name; if not said otherwise, what [`get`](Self::get) gives.
    fn get_all(&self, name: &str) -> Vec<&[u8]> {
        self.get(name).into_iter().collect()
    }
}

/// Headers that some library's messages have, as pairs of names and values: reads whatever can be
/// iterated.
///
/// ```
/// use osprofiler::propagation::{self, KeyRing, Pairs};
///
/// # let keys = KeyRing::parse("SECRET_KEY");
/// // Such as those of a Kafka client, whose values are bytes or nothing:
/// let headers: Vec<(String, Option<Vec<u8>>)> = Vec::new();
/// let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref().unwrap_or(b"")));
/// if let Some(profiler) = propagation::extract(&Pairs::new(pairs), &keys) {
///     let _attached = profiler.attach();
/// }
/// ```
///
/// To write, [`headers`](super::headers) gives pairs as well.
#[derive(Clone, Debug)]
pub struct Pairs<'a, I> {
    pairs: I,
    _borrowed: PhantomData<&'a ()>,
}

impl<'a, I, N, V> Pairs<'a, I>
where
    I: Iterator<Item = (&'a N, &'a V)> + Clone,
    N: AsRef<[u8]> + ?Sized + 'a,
    V: AsRef<[u8]> + ?Sized + 'a,
{
    /// Makes a carrier of names and values, each text or bytes.
    pub fn new(pairs: I) -> Self {
        Self { pairs, _borrowed: PhantomData }
    }
}

impl<'a, I, N, V> Extractor for Pairs<'a, I>
where
    I: Iterator<Item = (&'a N, &'a V)> + Clone,
    N: AsRef<[u8]> + ?Sized + 'a,
    V: AsRef<[u8]> + ?Sized + 'a,
{
    fn get(&self, name: &str) -> Option<&[u8]> {
        only(named(self.pairs.clone(), name))
    }

    fn get_all(&self, name: &str) -> Vec<&[u8]> {
        named(self.pairs.clone(), name).collect()
    }
}

/// The values of this name.
fn named<'a, N, V>(
    pairs: impl Iterator<Item = (&'a N, &'a V)>,
    name: &str,
) -> impl Iterator<Item = &'a [u8]>
where
    N: AsRef<[u8]> + ?Sized + 'a,
    V: AsRef<[u8]> + ?Sized + 'a,
{
    let is_named = |(key, _): &(&N, &V)| key.as_ref().eq_ignore_ascii_case(name.as_bytes());
    pairs.filter(is_named).map(|(_, value)| value.as_ref())
}

impl<S: BuildHasher> Injector for HashMap<String, String, S> {
    fn set(&mut self, name: &'static str, value: String) {
        self.insert(name.to_owned(), value);
    }
}

impl<S: BuildHasher> Extractor for HashMap<String, String, S> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        only(named(self.iter(), name))
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
        only(named(self.iter().map(|(key, value)| (key, value)), name))
    }

    fn get_all(&self, name: &str) -> Vec<&[u8]> {
        named(self.iter().map(|(key, value)| (key, value)), name).collect()
    }
}

/// The item, if it is the only one: of two headers of one name neither is to be trusted.
pub(crate) fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let item = items.next()?;
    items.next().is_none().then_some(item)
}

#[cfg(test)]
mod tests {
    use super::super::TRACE_INFO_HEADER;
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

    #[test]
    fn pairs_of_anything_are_read_alike() {
        let bytes = [(b"X-Trace-Info", b"a"), (b"X-TRACE-INFO", b"b")];
        let pairs = Pairs::new(bytes.iter().map(|(name, value)| (*name, *value)));
        assert_eq!(pairs.get(TRACE_INFO_HEADER), None);
        assert_eq!(pairs.get_all(TRACE_INFO_HEADER), [b"a", b"b"]);
        let texts = HashMap::from([("x-trace-info", "c")]);
        let pairs = Pairs::new(texts.iter().map(|(name, value)| (*name, *value)));
        assert_eq!(pairs.get(TRACE_INFO_HEADER), Some(&b"c"[..]));
    }
}
