//! Signed headers: pack, sign, verify, unpack. The format is `docs/headers.md`.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Id;
use crate::json::push_python_str;

/// Name of the header that carries the packed trace context.
pub const TRACE_INFO_HEADER: &str = "X-Trace-Info";
/// Name of the header that carries the signature.
pub const TRACE_HMAC_HEADER: &str = "X-Trace-HMAC";

/// Length in bytes beyond which a packed context is refused before any work. Ours take 180; ids of
/// other producers may be long, but have no reason to be longer than this.
pub const MAX_INFO_LEN: usize = 16 * 1024;

/// Length of a signature: the digest of SHA-1 in hexadecimal.
const HMAC_TEXT_LEN: usize = 40;

/// What travels to a callee: the trace, and the point that becomes the callee's parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub base_id: Id,
    /// The sender's current point.
    pub parent_id: Id,
}

impl TraceContext {
    /// Packs the context: URL-safe base64, padded, of JSON in Python's spelling.
    #[must_use]
    pub fn pack(&self) -> String {
        let mut json = String::with_capacity(112);
        json.push_str("{\"base_id\": ");
        self.base_id.with_text(|id| push_python_str(&mut json, id));
        json.push_str(", \"parent_id\": ");
        self.parent_id.with_text(|id| push_python_str(&mut json, id));
        json.push('}');
        URL_SAFE.encode(json)
    }
}

/// The values of the two headers. `Debug` does not show the signature: it switches tracing on.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedContext {
    /// Value of [`TRACE_INFO_HEADER`].
    pub info: String,
    /// Value of [`TRACE_HMAC_HEADER`].
    pub hmac: String,
}

impl fmt::Debug for SignedContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedContext").field("info", &self.info).finish_non_exhaustive()
    }
}

/// A shared secret, ready to sign. Cheap to clone; wiped from memory when the last clone goes.
///
/// `Debug` does not show it.
#[derive(Clone)]
pub struct HmacKey(Arc<Prepared>);

struct Prepared {
    /// The state of the HMAC after the key, so that a signature does not start from it each time.
    mac: Hmac<Sha1>,
    secret: Zeroizing<Box<str>>,
}

impl HmacKey {
    /// Prepares a key; its bytes are those of the text in UTF-8.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(Arc::new(Prepared {
            mac: Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length"),
            secret: Zeroizing::new(secret.into()),
        }))
    }

    /// The secret itself. The Python services' RPC context carries it in clear; nothing else may.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0.secret
    }

    /// Packs and signs a context.
    #[must_use]
    pub fn sign(&self, context: &TraceContext) -> SignedContext {
        let info = context.pack();
        let digits = self.hmac_text(info.as_bytes());
        let hmac = std::str::from_utf8(&digits).expect("hexadecimal digits are ASCII").to_owned();
        SignedContext { info, hmac }
    }

    /// The signature of a packed context: HMAC-SHA1 in lower-case hexadecimal.
    fn hmac_text(&self, info: &[u8]) -> [u8; HMAC_TEXT_LEN] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let digest = self.0.mac.clone().chain_update(info).finalize().into_bytes();
        let mut text = [0; HMAC_TEXT_LEN];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(digest) {
            *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0x0f)]];
        }
        text
    }
}

impl From<&str> for HmacKey {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl From<String> for HmacKey {
    fn from(secret: String) -> Self {
        let secret = Zeroizing::new(secret);
        Self::new(&secret)
    }
}

impl PartialEq for HmacKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl Eq for HmacKey {}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(***)")
    }
}

/// The keys that a service accepts: several while one is being rolled over, none to trace nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HmacKeys(Vec<HmacKey>);

impl HmacKeys {
    /// Reads the option `hmac_keys`: keys separated by commas, spaces around them and empty ones
    /// ignored.
    ///
    /// ```
    /// use osprofiler_wire::HmacKeys;
    /// assert_eq!(HmacKeys::parse(" key-a , ,key b,, ").iter().count(), 2);
    /// assert!(HmacKeys::parse("").first().is_none());
    /// ```
    #[must_use]
    pub fn parse(list: &str) -> Self {
        list.split(',').map(str::trim).filter(|key| !key.is_empty()).map(HmacKey::new).collect()
    }

    /// The key to sign with where no other is in force.
    #[must_use]
    pub fn first(&self) -> Option<&HmacKey> {
        self.0.first()
    }

    /// The keys in the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &HmacKey> {
        self.0.iter()
    }

    /// Checks the values of the two headers and unpacks the context.
    ///
    /// Each key is tried in turn, each signature compared in constant time. Spaces around `hmac`
    /// do not count.
    ///
    /// # Errors
    ///
    /// Says which check failed; for the operator's eyes only, a peer is told nothing.
    pub fn verify(&self, info: &[u8], hmac: &[u8]) -> Result<Verified<'_>, VerifyError> {
        if self.0.is_empty() {
            return Err(VerifyError::NoKeys);
        }
        if info.len() > MAX_INFO_LEN {
            return Err(VerifyError::TooLong);
        }
        let hmac = hmac.trim_ascii();
        if hmac.len() != HMAC_TEXT_LEN {
            return Err(VerifyError::Signature);
        }
        let key = self
            .iter()
            .find(|key| key.hmac_text(info).ct_eq(hmac).into())
            .ok_or(VerifyError::Signature)?;
        let (base_id, parent_id) = unpack(info)?;
        Ok(Verified { base_id, parent_id, key })
    }
}

impl From<&str> for HmacKeys {
    fn from(list: &str) -> Self {
        Self::parse(list)
    }
}

impl FromIterator<HmacKey> for HmacKeys {
    fn from_iter<I: IntoIterator<Item = HmacKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

/// A context whose signature was right.
#[derive(Debug)]
pub struct Verified<'a> {
    /// The trace; if `None`, the caller leaves it to the callee to make an id.
    pub base_id: Option<Id>,
    /// The point that becomes the parent; if `None`, the trace itself.
    pub parent_id: Option<Id>,
    /// The key that matched. It stays in force: what goes on from here is signed with it.
    pub key: &'a HmacKey,
}

/// Why a context was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Longer than [`MAX_INFO_LEN`].
    #[error("the packed context is longer than {MAX_INFO_LEN} bytes")]
    TooLong,
    /// There are no keys at all: nothing is ever traced.
    #[error("no key is configured, or profiling is not enabled")]
    NoKeys,
    /// No key gives this signature.
    #[error("no configured key gives this signature")]
    Signature,
    /// Signed, but not base64.
    #[error("the signed context is not base64")]
    Base64,
    /// Signed, but not a JSON object.
    #[error("the signed context is not a JSON object")]
    Json,
    /// Signed, but with a key that is not part of the format.
    #[error("the signed context holds an unknown key")]
    UnknownKey,
    /// Signed, but without `base_id`.
    #[error("the signed context holds no `base_id`")]
    NoBaseId,
    /// Signed, but with an id that is not text.
    #[error("the signed context holds an id that is not text")]
    IdType,
}

/// Unpacks a context. Of a repeated key the last counts; an empty id is as good as none.
fn unpack(info: &[u8]) -> Result<(Option<Id>, Option<Id>), VerifyError> {
    let json = decode_base64(info).ok_or(VerifyError::Base64)?;
    let members: Map<String, Value> =
        serde_json::from_slice(&json).map_err(|_| VerifyError::Json)?;
    // A sender's own `hmac_key` counts for nothing: the key in force is the one that matched.
    if members.keys().any(|key| !matches!(key.as_str(), "base_id" | "parent_id" | "hmac_key")) {
        return Err(VerifyError::UnknownKey);
    }
    let id = |value: &Value| match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok((!text.is_empty()).then(|| Id::from(text.as_str()))),
        _ => Err(VerifyError::IdType),
    };
    let base_id = id(members.get("base_id").ok_or(VerifyError::NoBaseId)?)?;
    let parent_id = members.get("parent_id").map_or(Ok(None), id)?;
    Ok((base_id, parent_id))
}

/// Decodes base64 as liberally as Python does: of either alphabet, what is in neither is skipped,
/// and whatever follows the padding is not read.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    if let Ok(bytes) = URL_SAFE.decode(text) {
        return Some(bytes);
    }
    let mut digits = Vec::with_capacity(text.len());
    let mut padding = 0;
    for byte in text {
        match byte {
            b'=' => padding += 1,
            _ if padding > 0 && (digits.len() + padding).is_multiple_of(4) => break,
            b'+' => digits.push(b'-'),
            b'/' => digits.push(b'_'),
            b'-' | b'_' => digits.push(*byte),
            _ if byte.is_ascii_alphanumeric() => digits.push(*byte),
            _ => {}
        }
    }
    let missing = (4 - digits.len() % 4) % 4;
    (padding >= missing).then(|| URL_SAFE_NO_PAD.decode(digits).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn verify(payload: &Value) -> Result<(Option<String>, Option<String>), VerifyError> {
        let keys = HmacKeys::parse("k1,k2");
        let info = URL_SAFE.encode(payload.to_string());
        let hmac = keys.first().unwrap().hmac_text(info.as_bytes());
        let verified = keys.verify(info.as_bytes(), &hmac)?;
        let text = |id: Option<Id>| id.map(|id| id.to_string());
        Ok((text(verified.base_id), text(verified.parent_id)))
    }

    #[test]
    fn the_worked_value_of_the_format() {
        let id = Id::from("7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c");
        let signed =
            HmacKey::new("SECRET_KEY").sign(&TraceContext { base_id: id.clone(), parent_id: id });
        assert_eq!(
            signed.info,
            concat!(
                "eyJiYXNlX2lkIjogIjdkMjhhZjZhLTc5YWUtNDBmMy04YTU2LTJhNmUxYzhmMWUwYyIsICJwYXJlbnRf",
                "aWQiOiAiN2QyOGFmNmEtNzlhZS00MGYzLThhNTYtMmE2ZTFjOGYxZTBjIn0="
            )
        );
        assert_eq!(signed.hmac, "f904508e639d53f82d5f021dda2289d4046a20c7");
    }

    #[test]
    fn second_key_is_accepted_during_rollover_and_stays_in_force() {
        let keys = HmacKeys::parse("new,old");
        let context = TraceContext { base_id: "b".into(), parent_id: "p".into() };
        let signed = HmacKey::new("old").sign(&context);
        let verified = keys.verify(signed.info.as_bytes(), signed.hmac.as_bytes()).unwrap();
        assert_eq!(verified.key.expose(), "old");
    }

    #[test]
    fn only_the_keys_of_the_format_are_accepted() {
        let both = json!({"base_id": "b", "parent_id": "p"});
        assert_eq!(verify(&both), Ok((Some("b".into()), Some("p".into()))));
        assert_eq!(verify(&json!({"base_id": "b"})), Ok((Some("b".into()), None)));
        assert_eq!(
            verify(&json!({"base_id": "b", "parent_id": null})),
            Ok((Some("b".into()), None))
        );
        assert_eq!(verify(&json!({"base_id": "", "hmac_key": "k"})), Ok((None, None)));
        assert_eq!(verify(&json!({"parent_id": "p"})), Err(VerifyError::NoBaseId));
        assert_eq!(verify(&json!({"base_id": "b", "colour": 1})), Err(VerifyError::UnknownKey));
        assert_eq!(verify(&json!({"base_id": 5})), Err(VerifyError::IdType));
        assert_eq!(verify(&json!([{"base_id": "b"}])), Err(VerifyError::Json));
    }

    #[test]
    fn a_wrong_signature_is_refused() {
        let keys = HmacKeys::parse("k");
        let signed = keys
            .first()
            .unwrap()
            .sign(&TraceContext { base_id: "b".into(), parent_id: "b".into() });
        let info = signed.info.as_bytes();
        for hmac in [
            "",
            &signed.hmac[..39],
            &format!("{}0", signed.hmac),
            &signed.hmac.to_uppercase(),
            &"é".repeat(20),
        ] {
            assert_eq!(keys.verify(info, hmac.as_bytes()).unwrap_err(), VerifyError::Signature);
        }
        assert!(keys.verify(info, format!(" \t{} ", signed.hmac).as_bytes()).is_ok());
        let none = HmacKeys::default();
        assert_eq!(none.verify(info, signed.hmac.as_bytes()).unwrap_err(), VerifyError::NoKeys);
        let long = vec![b'A'; MAX_INFO_LEN + 1];
        assert_eq!(keys.verify(&long, signed.hmac.as_bytes()).unwrap_err(), VerifyError::TooLong);
    }

    #[test]
    fn base64_is_read_as_python_reads_it() {
        // Produced by base64.urlsafe_b64decode of CPython 3.11.
        for (text, decoded) in [
            ("AQID", Some(&[1, 2, 3][..])),
            ("AQ==", Some(&[1])),
            ("AQ====", Some(&[1])),
            ("AQ", None),
            ("AQ=", None),
            ("A", None),
            ("A===", None),
            ("+/+/", Some(&[251, 255, 191])),
            ("-_-_", Some(&[251, 255, 191])),
            (" A Q\nI!D ", Some(&[1, 2, 3])),
            ("AQ==AQID", Some(&[1])),
            ("", Some(&[])),
        ] {
            assert_eq!(decode_base64(text.as_bytes()).as_deref(), decoded, "{text:?}");
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(
            format!("{:?}", HmacKeys::parse("hush,quiet")),
            "HmacKeys([HmacKey(***), HmacKey(***)])"
        );
    }

    proptest! {
        #[test]
        fn what_is_signed_is_verified(secret in ".+", base in ".+", parent in ".+") {
            let key = HmacKey::new(&secret);
            let context = TraceContext { base_id: base.as_str().into(), parent_id: parent.as_str().into() };
            let signed = key.sign(&context);
            let keys = HmacKeys::from_iter([HmacKey::new("another"), key]);
            let verified = keys.verify(signed.info.as_bytes(), signed.hmac.as_bytes()).unwrap();
            prop_assert_eq!(verified.base_id, Some(context.base_id));
            prop_assert_eq!(verified.parent_id, Some(context.parent_id));
        }

        #[test]
        fn any_signed_bytes_are_survived(info: Vec<u8>) {
            let keys = HmacKeys::parse("k");
            let hmac = keys.first().unwrap().hmac_text(&info);
            let _ = keys.verify(&info, &hmac);
        }
    }
}
