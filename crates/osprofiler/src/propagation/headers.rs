//! The headers of `http`.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Extractor, Injector, only};

impl Injector for HeaderMap {
    fn set(&mut self, name: &'static str, value: String) {
        // What we inject is base64 or hexadecimal under a fixed name: both conversions succeed.
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            self.insert(name, value);
        }
    }
}

impl Extractor for HeaderMap {
    fn get(&self, name: &str) -> Option<&[u8]> {
        only(self.get_all(name).iter()).map(HeaderValue::as_bytes)
    }
}
