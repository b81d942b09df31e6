//! Ids as OpenTelemetry has them: 16 bytes for a trace, 8 for a point.

use crate::{Id, hex};

/// The id of a trace, from a `base_id`: the bytes of the UUID in any of its forms, or a hash of any
/// other text. Never zero.
#[must_use]
pub fn trace_id(base_id: &Id) -> [u8; 16] {
    let bits = base_id.with_text(|text| uuid(text).filter(|bits| *bits != 0));
    bits.unwrap_or_else(|| hash(base_id)).to_be_bytes()
}

/// The id of a span, from the id of a point: the lower half of what [`trace_id`] would be; or what it
/// says itself, if it is the id of a span, 16 hexadecimal digits in lower case. Never zero.
#[must_use]
pub fn span_id(id: &Id) -> [u8; 8] {
    let lower = |bits: u128| Some(bits as u64).filter(|half| *half != 0);
    let known = id.with_text(|text| span(text).map(u128::from).or_else(|| uuid(text)));
    known.and_then(lower).or_else(|| lower(hash(id))).unwrap_or(1).to_be_bytes()
}

/// The id of a span of somebody else, as it is written everywhere.
fn span(text: &str) -> Option<u64> {
    hex::digits(text.as_bytes()).map(u64::from_be_bytes)
}

/// The UUID that a text is in any of its forms, as the Python library takes them: upper case,
/// without dashes, in braces, as a URN.
fn uuid(text: &str) -> Option<u128> {
    let text = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let text = text.trim_matches(['{', '}']);
    let mut digits = 0;
    let mut bits = 0;
    for character in text.chars().filter(|character| *character != '-') {
        digits += 1;
        bits = bits << 4 | u128::from(character.to_digit(16)?);
        if digits > 32 {
            return None;
        }
    }
    (digits == 32).then_some(bits)
}

/// FNV-1a of 128 bits: short to say, so that others can do the same. It tells texts apart that do
/// not want to be mistaken for one another; whoever reads a trace goes by its text besides.
fn hash(id: &Id) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let step = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(PRIME);
    id.with_text(|text| text.bytes().fold(OFFSET, step)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BITS: u128 = 0x7d28_af6a_79ae_40f3_8a56_2a6e_1c8f_1e0c;

    #[test]
    fn a_uuid_gives_its_bytes_in_any_form() {
        for text in [
            "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c",
            "7D28AF6A-79AE-40F3-8A56-2A6E1C8F1E0C",
            "7d28af6a79ae40f38a562a6e1c8f1e0c",
            "{7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c}",
            "urn:uuid:7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c",
        ] {
            assert_eq!(trace_id(&text.into()), BITS.to_be_bytes(), "{text}");
            assert_eq!(span_id(&text.into()), (BITS as u64).to_be_bytes(), "{text}");
        }
    }

    #[test]
    fn other_texts_are_hashed() {
        // The test vector of the FNV specification for "a".
        let hashed = 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964_u128;
        assert_eq!(trace_id(&"a".into()), hashed.to_be_bytes());
        assert_eq!(span_id(&"a".into()), (hashed as u64).to_be_bytes());
        assert_ne!(trace_id(&"b".into()), hashed.to_be_bytes());
    }

    #[test]
    fn the_id_of_a_span_stays() {
        let id = |text: &str| span_id(&text.into());
        assert_eq!(id("00f067aa0ba902b7"), 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
        for text in ["00F067AA0BA902B7", "0f067aa0ba902b7", "000f067aa0ba902b7"] {
            assert_eq!(id(text), (hash(&text.into()) as u64).to_be_bytes(), "{text}");
        }
    }

    #[test]
    fn no_id_is_zero() {
        let nil = Id::from_uuid_bytes([0; 16]);
        assert_ne!(trace_id(&nil), [0; 16]);
        assert_ne!(span_id(&nil), [0; 8]);
        let half: Id = "7d28af6a-79ae-40f3-0000-000000000000".into();
        assert_ne!(span_id(&half), [0; 8]);
        assert_ne!(span_id(&"0000000000000000".into()), [0; 8]);
    }
}
