//! Hexadecimal digits in lower case.
//!
//! Both directions compute digits instead of looking them up: the compiler does that for many at a
//! time.

/// The two digits of each byte.
pub(crate) fn encode<const N: usize>(bytes: &[u8; N]) -> [[u8; 2]; N] {
    let digit = |nibble| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    bytes.map(|byte| [digit(byte >> 4), digit(byte & 0x0f)])
}

/// The digits as text.
pub(crate) fn text<const N: usize>(bytes: &[u8; N]) -> String {
    let digits = encode(bytes);
    str::from_utf8(digits.as_flattened()).expect("hexadecimal digits are ASCII").to_owned()
}

/// The byte of each two digits; `None` if there is anything else, upper case included.
pub(crate) fn decode<const N: usize>(digits: &[[u8; 2]; N]) -> Option<[u8; N]> {
    const ODD: u8 = 0x10;
    let mut nibbles = *digits;
    let mut all = 0;
    for nibble in nibbles.as_flattened_mut() {
        *nibble = match (nibble.wrapping_sub(b'0'), nibble.wrapping_sub(b'a')) {
            (number @ 0..10, _) => number,
            (_, letter @ 0..6) => letter + 10,
            _ => ODD,
        };
        all |= *nibble;
    }
    if all >= ODD {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(nibbles) {
        *byte = high << 4 | low;
    }
    Some(bytes)
}

/// Reads exactly twice as many digits as there are bytes.
pub(crate) fn digits<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks();
    decode(pairs.try_into().ok().filter(|_| rest.is_empty())?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn digits_are_those_that_rust_writes(byte: u8) {
            let [digits] = encode(&[byte]);
            prop_assert_eq!(std::str::from_utf8(&digits), Ok(&*format!("{byte:02x}")));
            prop_assert_eq!(decode(&[digits]), Some([byte]));
        }

        #[test]
        fn only_lower_case_digits_are_read(pair: [u8; 2]) {
            let known = pair.iter().all(|digit| b"0123456789abcdef".contains(digit));
            prop_assert_eq!(decode(&[pair]).is_some(), known);
        }

        #[test]
        fn only_so_many_digits_are_read(text in "[0-9a-f]{0,9}") {
            prop_assert_eq!(digits::<3>(text.as_bytes()).is_some(), text.len() == 6);
        }
    }
}
