//! The scheme of the headers by other means: as one would write it, and as fast as it can be
//! written by hand for the ids that we make.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::hmac as ring_hmac;
use serde::Serialize;
use sha1::Sha1;
use uuid::Uuid;

/// Length of the JSON text of two UUIDs, and of its base64.
const JSON_LEN: usize = 104;
const INFO_LEN: usize = 140;

/// What is around the ids, as they are spelt by every producer.
const BEFORE_BASE_ID: &[u8] = b"{\"base_id\": \"";
const BEFORE_PARENT_ID: &[u8] = b"\", \"parent_id\": \"";
const AFTER: &[u8] = b"\"}";

/// The two ids of a context, both UUIDs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) base_id: [u8; 16],
    pub(super) parent_id: [u8; 16],
}

impl Ids {
    pub(super) fn new(base_id: &str, parent_id: &str) -> Self {
        let bytes = |id: &str| *Uuid::parse_str(id).expect("a UUID").as_bytes();
        Self { base_id: bytes(base_id), parent_id: bytes(parent_id) }
    }
}

/// As a serializer sees it.
#[derive(Serialize)]
struct Packed<'a> {
    base_id: &'a str,
    parent_id: &'a str,
}

/// HMAC-SHA1 with a key that is prepared once.
pub(super) trait Mac {
    fn tag(&self, message: &[u8]) -> [u8; 20];
    fn is_tag(&self, message: &[u8], tag: &[u8; 20]) -> bool;
}

pub(super) struct RustCrypto(Hmac<Sha1>);

impl RustCrypto {
    pub(super) fn new(secret: &str) -> Self {
        Self(Hmac::new_from_slice(secret.as_bytes()).expect("a key of any length"))
    }
}

impl Mac for RustCrypto {
    fn tag(&self, message: &[u8]) -> [u8; 20] {
        self.0.clone().chain_update(message).finalize().into_bytes().into()
    }

    fn is_tag(&self, message: &[u8], tag: &[u8; 20]) -> bool {
        self.0.clone().chain_update(message).verify(tag.into()).is_ok()
    }
}

pub(super) struct Ring(ring_hmac::Key);

impl Ring {
    pub(super) fn new(secret: &str) -> Self {
        let algorithm = ring_hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
        Self(ring_hmac::Key::new(algorithm, secret.as_bytes()))
    }
}

impl Mac for Ring {
    fn tag(&self, message: &[u8]) -> [u8; 20] {
        ring_hmac::sign(&self.0, message).as_ref().try_into().expect("SHA-1")
    }

    fn is_tag(&self, message: &[u8], tag: &[u8; 20]) -> bool {
        ring_hmac::verify(&self.0, message, tag).is_ok()
    }
}

/// The values of the two headers.
pub(super) struct Made {
    pub(super) info: [u8; INFO_LEN],
    pub(super) hmac: [u8; 40],
}

/// Packs and signs, with buffers on the stack.
pub(super) fn make(mac: &impl Mac, ids: &Ids) -> Made {
    let mut json = [0; JSON_LEN];
    json[..13].copy_from_slice(BEFORE_BASE_ID);
    push_uuid(&ids.base_id, &mut json[13..49]);
    json[49..66].copy_from_slice(BEFORE_PARENT_ID);
    push_uuid(&ids.parent_id, &mut json[66..102]);
    json[102..].copy_from_slice(AFTER);
    let mut made = Made { info: [0; INFO_LEN], hmac: [0; 40] };
    URL_SAFE.encode_slice(json, &mut made.info).expect("it has the length of any two UUIDs");
    push_hex(&mac.tag(&made.info), &mut made.hmac);
    made
}

/// Verifies and unpacks, with buffers on the stack.
pub(super) fn verify(mac: &impl Mac, info: &[u8], hmac: &[u8]) -> Option<Ids> {
    if info.len() != INFO_LEN || !mac.is_tag(info, &tag_of(hmac)?) {
        return None;
    }
    let mut json = [0; JSON_LEN + 1];
    let len = URL_SAFE.decode_slice(info, &mut json).ok()?;
    let (base_id, rest) = json[..len].strip_prefix(BEFORE_BASE_ID)?.split_first_chunk::<36>()?;
    let (parent_id, rest) = rest.strip_prefix(BEFORE_PARENT_ID)?.split_first_chunk::<36>()?;
    let bytes = |id: &[u8; 36]| Some(*Uuid::try_parse_ascii(id).ok()?.as_bytes());
    (rest == AFTER).then_some(Ids { base_id: bytes(base_id)?, parent_id: bytes(parent_id)? })
}

fn push_uuid(id: &[u8; 16], out: &mut [u8]) {
    Uuid::from_bytes_ref(id).hyphenated().encode_lower(out);
}

fn push_hex(bytes: &[u8; 20], out: &mut [u8; 40]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0x0f)]];
    }
}

fn tag_of(hex: &[u8]) -> Option<[u8; 20]> {
    let hex: &[u8; 40] = hex.try_into().ok()?;
    let mut tag = [0; 20];
    for (byte, [high, low]) in tag.iter_mut().zip(hex.as_chunks::<2>().0) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(tag)
}

fn digit(hex: u8) -> Option<u8> {
    match hex {
        b'0'..=b'9' => Some(hex - b'0'),
        b'a'..=b'f' => Some(hex - b'a' + 10),
        _ => None,
    }
}

/// Packs and signs as one would write it.
pub(super) fn make_plainly(secret: &str, ids: &Ids) -> (String, String) {
    let id = |bytes: &[u8; 16]| Uuid::from_bytes(*bytes).to_string();
    // The spaces are part of the format, and serde_json has no way to write them.
    let json = serde_json::to_string(&Packed {
        base_id: &id(&ids.base_id),
        parent_id: &id(&ids.parent_id),
    });
    let json = json.expect("text").replace(":", ": ").replace(",", ", ");
    let info = URL_SAFE.encode(json);
    let hmac = tag_plainly(secret, info.as_bytes());
    (info, hmac)
}

/// Verifies and unpacks as one would write it.
pub(super) fn verify_plainly(secret: &str, info: &[u8], hmac: &[u8]) -> Option<(String, String)> {
    // Not in constant time, as it is often written.
    if tag_plainly(secret, info).as_bytes() != hmac {
        return None;
    }
    let json: serde_json::Value = serde_json::from_slice(&URL_SAFE.decode(info).ok()?).ok()?;
    let id = |key: &str| Some(json.get(key)?.as_str()?.to_owned());
    Some((id("base_id")?, id("parent_id")?))
}

fn tag_plainly(secret: &str, message: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
