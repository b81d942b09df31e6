//! Ids of traces and points.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{hex, json};

/// Length of a UUID as text.
pub const UUID_TEXT_LEN: usize = 36;

/// Where the dashes of a UUID stand in its text.
const DASHES: [usize; 4] = [8, 13, 18, 23];
/// Where each byte of a UUID stands in its text.
const PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// The id of a trace (`base_id`) or of a point (`trace_id`, `parent_id`).
///
/// The ids we make are random UUIDs (version 4) and take 16 bytes. Any other text is accepted from
/// outside and comes back as it was: only a UUID in its canonical form (lower case, with dashes) is
/// kept as bytes. Two ids are equal if their texts are.
///
/// ```
/// use osprofiler_wire::Id;
///
/// let ours = Id::from("7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c");
/// assert!(ours.uuid_bytes().is_some());
/// assert_eq!(ours.to_string(), "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c");
///
/// let theirs = Id::from("7D28AF6A-79AE-40F3-8A56-2A6E1C8F1E0C");
/// assert_ne!(ours, theirs);
/// assert_eq!(theirs.to_string(), "7D28AF6A-79AE-40F3-8A56-2A6E1C8F1E0C");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(Repr);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Repr {
    /// The two halves of its bytes as big-endian numbers, which are aligned: an id is copied often.
    Uuid(u64, u64),
    Text(Arc<str>),
}

impl Id {
    /// Makes a version 4 UUID (RFC 9562, section 5.4) of 128 random bits.
    ///
    /// This crate has no source of randomness; six of the bits are overwritten by version and
    /// variant.
    ///
    /// ```
    /// use osprofiler_wire::Id;
    /// assert_eq!(Id::from_random(0).to_string(), "00000000-0000-4000-8000-000000000000");
    /// ```
    #[must_use]
    #[inline]
    pub fn from_random(bits: u128) -> Self {
        let version_4 = ((bits >> 64) as u64 & !0xf000) | 0x4000;
        let variant = (bits as u64 & (u64::MAX >> 2)) | 1 << 63;
        Self(Repr::Uuid(version_4, variant))
    }

    /// Makes the id whose [`uuid_bytes`](Self::uuid_bytes) these are.
    #[must_use]
    pub const fn from_uuid_bytes(bytes: [u8; 16]) -> Self {
        let bits = u128::from_be_bytes(bytes);
        Self(Repr::Uuid((bits >> 64) as u64, bits as u64))
    }

    /// Reads a UUID in canonical form.
    pub(crate) fn from_uuid_text(text: &[u8; UUID_TEXT_LEN]) -> Option<Self> {
        if DASHES.iter().any(|&at| text[at] != b'-') {
            return None;
        }
        let mut digits = [[0; 2]; 16];
        for (pair, at) in digits.iter_mut().zip(PAIRS) {
            *pair = [text[at], text[at + 1]];
        }
        hex::decode(&digits).map(Self::from_uuid_bytes)
    }

    /// Returns the 16 bytes if this is a UUID in canonical form.
    #[must_use]
    pub fn uuid_bytes(&self) -> Option<[u8; 16]> {
        match &self.0 {
            Repr::Uuid(high, low) => Some(uuid_bytes(*high, *low)),
            Repr::Text(_) => None,
        }
    }

    /// Calls `f` with the id as text, without allocating.
    pub fn with_text<R>(&self, f: impl FnOnce(&str) -> R) -> R {
        match &self.0 {
            Repr::Uuid(high, low) => {
                let text = uuid_text(&uuid_bytes(*high, *low));
                f(std::str::from_utf8(&text).expect("hexadecimal digits and dashes are ASCII"))
            }
            Repr::Text(text) => f(text),
        }
    }

    /// Appends the id as a JSON string.
    pub(crate) fn push_json(&self, out: &mut String) {
        match &self.0 {
            Repr::Uuid(..) => self.with_text(|text| {
                out.push('"');
                out.push_str(text);
                out.push('"');
            }),
            Repr::Text(text) => json::push_str(out, text),
        }
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        let uuid = text.as_bytes().try_into().ok().and_then(Self::from_uuid_text);
        uuid.unwrap_or_else(|| Self(Repr::Text(text.into())))
    }
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.pad(text))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| write!(f, "Id({text:?})"))
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

fn uuid_bytes(high: u64, low: u64) -> [u8; 16] {
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

pub(crate) fn uuid_text(bytes: &[u8; 16]) -> [u8; UUID_TEXT_LEN] {
    let mut text = [b'-'; UUID_TEXT_LEN];
    for (at, [high, low]) in PAIRS.into_iter().zip(hex::encode(bytes)) {
        text[at] = high;
        text[at + 1] = low;
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_canonical_form_is_kept_as_bytes() {
        for text in [
            "",
            "x",
            "7d28af6a79ae40f38a562a6e1c8f1e0c",
            "7D28af6a-79ae-40f3-8a56-2a6e1c8f1e0c",
            "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0",
            "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0g",
            "7d28af6a079ae-40f3-8a56-2a6e1c8f1e0c",
            "{d28af6a-79ae-40f3-8a56-2a6e1c8f1e0}",
            "密密密密密密密密密密密密",
        ] {
            let id = Id::from(text);
            assert_eq!(id.uuid_bytes(), None, "{text}");
            assert_eq!(id.to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn random_ids_are_uuids_of_version_4(bits: u128) {
            let text = Id::from_random(bits).to_string();
            prop_assert_eq!(&text[14..15], "4");
            prop_assert!("89ab".contains(&text[19..20]));
            prop_assert_eq!(Id::from(text.as_str()), Id::from_random(bits));
        }

        #[test]
        fn what_nearly_is_a_uuid_comes_back(text in "[0-9a-gA-]{8}-[0-9a-f]{4}-[0-9a-f]{4}[-0][0-9a-f]{4}-[0-9a-g]{12}") {
            let id = Id::from(text.as_str());
            let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
            let canonical = digits.len() == 32
                && text.as_bytes()[18] == b'-'
                && digits.iter().all(|digit| b"0123456789abcdef".contains(digit));
            prop_assert_eq!(id.uuid_bytes().is_some(), canonical);
            prop_assert_eq!(id.to_string(), text);
        }

        #[test]
        fn every_text_comes_back(text in ".*") {
            prop_assert_eq!(Id::from(text.as_str()).to_string(), text);
        }
    }
}
