//! Signed headers: pack, sign, verify, unpack. The format is `docs/headers.md`.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::hmac::{HMAC_LEN, PreparedKey};
use crate::id::{UUID_TEXT_LEN, uuid_text};
use crate::json::push_python_str;
use crate::{Id, hex};

/// Name of the header that carries the packed trace context.
pub const TRACE_INFO_HEADER: &str = "X-Trace-Info";
/// Name of the header that carries the signature.
pub const TRACE_HMAC_HEADER: &str = "X-Trace-HMAC";

/// Length in bytes beyond which a packed context is refused before any work. Ours take 140; ids of
/// other producers may be long, but have no reason to be longer than this.
pub const MAX_INFO_LEN: usize = 16 * 1024;

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
        match (self.base_id.uuid_bytes(), self.parent_id.uuid_bytes()) {
            (Some(base_id), Some(parent_id)) => pack_two_uuids(&base_id, &parent_id),
            _ => self.pack_any(),
        }
    }

    fn pack_any(&self) -> String {
        let mut json = String::with_capacity(112);
        json.push_str("{\"base_id\": ");
        self.base_id.with_text(|id| push_python_str(&mut json, id));
        json.push_str(", \"parent_id\": ");
        self.parent_id.with_text(|id| push_python_str(&mut json, id));
        json.push('}');
        URL_SAFE.encode(json)
    }
}

// The JSON of two UUIDs, which nearly all contexts are; Python writes it to the byte as we do.
const HEAD: &[u8; 13] = b"{\"base_id\": \"";
const MIDDLE: &[u8; 17] = b"\", \"parent_id\": \"";
const TAIL: &[u8; 2] = b"\"}";
const TWO_UUIDS_LEN: usize = HEAD.len() + MIDDLE.len() + TAIL.len() + 2 * UUID_TEXT_LEN;
/// Length of that JSON in base64.
const TWO_UUIDS_PACKED_LEN: usize = TWO_UUIDS_LEN.div_ceil(3) * 4;

fn two_uuids(base_id: &[u8; 16], parent_id: &[u8; 16]) -> [u8; TWO_UUIDS_LEN] {
    let mut json = [0; TWO_UUIDS_LEN];
    let mut rest = &mut json[..];
    for part in [&HEAD[..], &uuid_text(base_id), MIDDLE, &uuid_text(parent_id), TAIL] {
        let (here, after) = rest.split_at_mut(part.len());
        here.copy_from_slice(part);
        rest = after;
    }
    json
}

fn pack_two_uuids(base_id: &[u8; 16], parent_id: &[u8; 16]) -> String {
    let mut packed = [0; TWO_UUIDS_PACKED_LEN];
    URL_SAFE
        .encode_slice(two_uuids(base_id, parent_id), &mut packed)
        .expect("the buffer has the length");
    ascii(&packed)
}

fn ascii(text: &[u8]) -> String {
    str::from_utf8(text).expect("base64 and hexadecimal are ASCII").to_owned()
}

/// Unpacks the JSON of two UUIDs; `None` if it is anything else.
fn unpack_two_uuids(info: &[u8]) -> Option<(Id, Id)> {
    if info.len() != TWO_UUIDS_PACKED_LEN {
        return None;
    }
    let mut json = [0; TWO_UUIDS_PACKED_LEN / 4 * 3];
    let len = URL_SAFE.decode_slice(info, &mut json).ok()?;
    let (base_id, rest) = json[..len].strip_prefix(HEAD)?.split_first_chunk()?;
    let (parent_id, rest) = rest.strip_prefix(MIDDLE)?.split_first_chunk()?;
    (rest == TAIL).then_some((Id::from_uuid_text(base_id)?, Id::from_uuid_text(parent_id)?))
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
    key: PreparedKey,
    secret: Zeroizing<Box<str>>,
}

impl HmacKey {
    /// Prepares a key; its bytes are those of the text in UTF-8.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(Arc::new(Prepared {
            key: PreparedKey::new(secret.as_bytes()),
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
        let hmac = hex::text(&self.hmac(info.as_bytes()));
        SignedContext { info, hmac }
    }

    /// The signature of a packed context: HMAC-SHA1.
    fn hmac(&self, info: &[u8]) -> [u8; HMAC_LEN] {
        self.0.key.sign(info)
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
        let key = parse_hmac(hmac)
            .and_then(|hmac| self.iter().find(|key| same(&key.hmac(info), &hmac)))
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

/// Reads the value of [`TRACE_HMAC_HEADER`].
fn parse_hmac(text: &[u8]) -> Option<[u8; HMAC_LEN]> {
    let (digits, []) = text.trim_ascii().as_chunks::<2>() else { return None };
    hex::decode::<HMAC_LEN>(digits.try_into().ok()?)
}

/// Compares two signatures in constant time, four bytes in one step.
fn same(left: &[u8; HMAC_LEN], right: &[u8; HMAC_LEN]) -> bool {
    let words = |hmac: &[u8; HMAC_LEN]| {
        let mut words = [0; HMAC_LEN / 4];
        for (word, four) in words.iter_mut().zip(hmac.as_chunks::<4>().0) {
            *word = u32::from_ne_bytes(*four);
        }
        words
    };
    words(left)[..].ct_eq(&words(right)[..]).into()
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
    if let Some((base_id, parent_id)) = unpack_two_uuids(info) {
        return Ok((Some(base_id), Some(parent_id)));
    }
    unpack_any(info)
}

fn unpack_any(info: &[u8]) -> Result<(Option<Id>, Option<Id>), VerifyError> {
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
        let hmac = hex::encode(&keys.first().unwrap().hmac(info.as_bytes()));
        let verified = keys.verify(info.as_bytes(), hmac.as_flattened())?;
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
            let hmac = hex::encode(&keys.first().unwrap().hmac(&info));
            let _ = keys.verify(&info, hmac.as_flattened());
        }

        #[test]
        fn two_uuids_are_packed_like_any_two_ids(base_id: u128, parent_id: u128) {
            let [base_id, parent_id] = [base_id, parent_id].map(Id::from_random);
            let context = TraceContext { base_id, parent_id };
            prop_assert_eq!(context.pack(), context.pack_any());
            let ids = (context.base_id.clone(), context.parent_id.clone());
            prop_assert_eq!(unpack_two_uuids(context.pack().as_bytes()), Some(ids));
        }

        #[test]
        fn what_nearly_is_two_uuids_is_unpacked_like_anything_else(
            at in 0..TWO_UUIDS_LEN,
            byte in prop::sample::select(b"0aA-\"\\ ,}{:\xff".to_vec()),
        ) {
            let mut json = two_uuids(&[0xab; 16], &[0x12; 16]);
            json[at] = byte;
            let info = URL_SAFE.encode(json);
            prop_assert_eq!(unpack(info.as_bytes()), unpack_any(info.as_bytes()));
        }

        #[test]
        fn odd_base64_of_two_uuids_is_unpacked_like_anything_else(
            at in 0..TWO_UUIDS_PACKED_LEN,
            byte: u8,
        ) {
            let mut info = URL_SAFE.encode(two_uuids(&[0xab; 16], &[0x12; 16])).into_bytes();
            info[at] = byte;
            prop_assert_eq!(unpack(&info), unpack_any(&info));
        }

        #[test]
        fn signatures_are_the_same_only_if_all_bytes_are(left: [u8; HMAC_LEN], at in 0..HMAC_LEN, flip in 1..=255_u8) {
            let mut right = left;
            prop_assert!(same(&left, &right));
            right[at] ^= flip;
            prop_assert!(!same(&left, &right));
        }
    }
}
