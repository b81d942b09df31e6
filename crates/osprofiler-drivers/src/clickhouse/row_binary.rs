//! ClickHouse's format `RowBinary`: values one behind the other, in the order of columns. Numbers are
//! little-endian, texts have their length before them (LEB128).

/// Appends rows.
#[derive(Default)]
pub(super) struct Encoder(pub(super) Vec<u8>);

impl Encoder {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    pub(super) fn text(&mut self, text: &str) {
        let mut len = text.len();
        while len >= 0x80 {
            self.0.push(len as u8 | 0x80);
            len >>= 7;
        }
        self.0.push(len as u8);
        self.bytes(text.as_bytes());
    }

    pub(super) fn nullable(&mut self, text: Option<&str>) {
        self.flag(text.is_none());
        if let Some(text) = text {
            self.text(text);
        }
    }
}

/// Takes values off rows; `None` if there is something else, or nothing left.
pub(super) struct Decoder<'a>(pub(super) &'a [u8]);

impl<'a> Decoder<'a> {
    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let (mut len, mut shift) = (0, 0);
        loop {
            let [byte] = self.array()?;
            len |= usize::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    pub(super) fn nullable(&mut self) -> Option<Option<&'a str>> {
        match self.array()? {
            [0] => Some(Some(self.text()?)),
            _ => Some(None),
        }
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (value, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let long = "é".repeat(10_000);
        let mut rows = Encoder::default();
        for text in ["", "a\0b", &long] {
            rows.text(text);
            rows.nullable(Some(text));
        }
        rows.nullable(None);
        rows.bytes(&7_u64.to_le_bytes());
        rows.bytes(&(-7_i64).to_le_bytes());
        let mut rows = Decoder(&rows.0);
        for text in ["", "a\0b", &long] {
            assert_eq!((rows.text(), rows.nullable()), (Some(text), Some(Some(text))));
        }
        assert_eq!((rows.nullable(), rows.u64(), rows.i64()), (Some(None), Some(7), Some(-7)));
        assert!(rows.is_at_end());
        assert_eq!((rows.u64(), rows.text(), rows.nullable()), (None, None, None));
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for bytes in [&[5, b'x'][..], &[0x80], &[1, 0xff], &[0xff; 20]] {
            assert_eq!(Decoder(bytes).text(), None, "{bytes:?}");
        }
    }
}
