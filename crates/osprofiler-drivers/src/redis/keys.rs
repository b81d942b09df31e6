//! Names of keys, and where a cluster keeps them.

use osprofiler_wire::Id;

/// Every key of ours, and of the Python library.
pub(super) const ALL: &str = "osprofiler*";

const RECORDS: &str = "osprofiler_opt:";
const PARTS: &str = "osprofiler_summary:";
const FAILED: &str = "osprofiler_error:";
const LEGACY: &str = "osprofiler:";

/// The list of the records of a trace, newest first.
pub(super) fn records(base_id: &Id) -> String {
    named(RECORDS, base_id)
}

/// The list of what batches added to a trace; the Python library does not look at it.
pub(super) fn parts(base_id: &Id) -> String {
    named(PARTS, base_id)
}

/// What says that a point of the trace failed.
pub(super) fn failed(base_id: &Id) -> String {
    named(FAILED, base_id)
}

/// A pattern for the records of a trace that the Python library stored before version 2.3, each in
/// a key of its own; it may match those of other traces as well.
pub(super) fn legacy_pattern(base_id: &Id) -> String {
    let mut pattern = LEGACY.to_owned();
    for character in base_id.to_string().chars() {
        if "*?[]^\\".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern + "*"
}

fn named(prefix: &str, base_id: &Id) -> String {
    base_id.with_text(|text| [prefix, text].concat())
}

/// What a key is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The records of this trace.
    Records(Id),
    /// One record.
    Legacy(String),
    Other,
}

impl Key {
    pub(super) fn of(name: &[u8]) -> Self {
        let Ok(name) = std::str::from_utf8(name) else { return Self::Other };
        match name.strip_prefix(RECORDS) {
            Some(base_id) => Self::Records(base_id.into()),
            None if name.starts_with(LEGACY) => Self::Legacy(name.to_owned()),
            None => Self::Other,
        }
    }
}

/// The number of slots of a cluster.
pub(super) const SLOTS: u16 = 16384;

/// The slot of a key: CRC-16/XMODEM of what stands between its first braces, or else of all of it
/// (Redis cluster specification, "Key distribution model").
pub(super) fn slot(key: &[u8]) -> u16 {
    crc16(tag(key).unwrap_or(key)) % SLOTS
}

fn tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|byte| *byte == b'{')?;
    let tag = &key[open + 1..];
    let close = tag.iter().position(|byte| *byte == b'}')?;
    (close > 0).then(|| &tag[..close])
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart() {
        let id = Id::from("a:b");
        assert_eq!(Key::of(records(&id).as_bytes()), Key::Records(id.clone()));
        for name in [parts(&id), failed(&id), "osprofiler".into()] {
            assert_eq!(Key::of(name.as_bytes()), Key::Other);
        }
        let legacy = "osprofiler:a:b_t_2026".to_owned();
        assert_eq!(Key::of(legacy.as_bytes()), Key::Legacy(legacy.clone()));
        assert_eq!(Key::of(b"osprofiler_opt:\xff"), Key::Other);
    }

    #[test]
    fn an_id_is_no_pattern() {
        assert_eq!(legacy_pattern(&"a*[b]\\?".into()), r"osprofiler:a\*\[b\]\\\?*");
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        assert_eq!(slot(b"foo{bar}{zap}"), slot(b"bar"));
    }
}
