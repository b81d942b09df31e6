//! HMAC-SHA1 (RFC 2104) of a whole message, with a key that is prepared once.
//!
//! The `hmac` crate takes messages in pieces, for which it keeps and wipes a buffer: 185 ns for a
//! packed context, where its three blocks and the one behind them take 143 ns here.

use sha1::block_api::compress;
use sha1::{Digest as _, Sha1};
use zeroize::Zeroizing;

/// Length of a signature.
pub(crate) const HMAC_LEN: usize = 20;

const BLOCK_LEN: usize = 64;

type State = [u32; 5];

/// Where SHA-1 begins (FIPS 180-4, section 5.3.1).
const BEGIN: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// The two states of SHA-1 behind the key. Wiped from memory when it goes.
pub(crate) struct PreparedKey {
    inner: Zeroizing<State>,
    outer: Zeroizing<State>,
}

impl PreparedKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut block = Zeroizing::new([0; BLOCK_LEN]);
        if key.len() > BLOCK_LEN {
            block[..HMAC_LEN].copy_from_slice(&Sha1::digest(key));
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let behind = |pad: u8| {
            let padded = Zeroizing::new([block.map(|byte| byte ^ pad)]);
            let mut state = Zeroizing::new(BEGIN);
            compress(&mut state, &padded[..]);
            state
        };
        Self { inner: behind(0x36), outer: behind(0x5c) }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; HMAC_LEN] {
        finish(*self.outer, &finish(*self.inner, message))
    }
}

/// The digest of the one block that led to `state`, and of what follows it.
fn finish(mut state: State, message: &[u8]) -> [u8; HMAC_LEN] {
    let (blocks, rest) = message.as_chunks();
    compress(&mut state, blocks);
    // Behind the message come a bit, and at the end of a block its length in bits.
    let mut last = [[0; BLOCK_LEN]; 2];
    let fits_one = rest.len() + 1 + size_of::<u64>() <= BLOCK_LEN;
    let last = if fits_one { &mut last[..1] } else { &mut last[..] };
    let bytes = last.as_flattened_mut();
    bytes[..rest.len()].copy_from_slice(rest);
    bytes[rest.len()] = 0x80;
    let bits = 8 * (BLOCK_LEN + message.len()) as u64;
    *bytes.last_chunk_mut().expect("a block is longer") = bits.to_be_bytes();
    compress(&mut state, last);

    let mut digest = [0; HMAC_LEN];
    for (four, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *four = word.to_be_bytes();
    }
    digest
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::hex;

    fn sign(key: &[u8], message: &[u8]) -> String {
        let digits = hex::encode(&PreparedKey::new(key).sign(message));
        String::from_utf8(digits.as_flattened().to_vec()).unwrap()
    }

    #[test]
    fn the_worked_values_of_rfc_2202() {
        assert_eq!(sign(&[0x0b; 20], b"Hi There"), "b617318655057264e28bc0b6fb378c8ef146be00");
        assert_eq!(
            sign(b"Jefe", b"what do ya want for nothing?"),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        assert_eq!(
            sign(&[0xaa; 80], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "aa4ae5e15272d00e95705637ce8a3b55ed402112"
        );
    }

    fn of_the_crate(key: &[u8], message: &[u8]) -> [u8; HMAC_LEN] {
        let mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
        mac.chain_update(message).finalize().into_bytes().into()
    }

    #[test]
    fn messages_of_every_length_are_signed_as_by_the_crate() {
        for len in 0..=4 * BLOCK_LEN {
            let message = vec![0xa5; len];
            assert_eq!(PreparedKey::new(b"k").sign(&message), of_the_crate(b"k", &message));
            assert_eq!(PreparedKey::new(&message).sign(b"m"), of_the_crate(&message, b"m"));
        }
    }

    proptest! {
        #[test]
        fn anything_is_signed_as_by_the_crate(key in vec(any::<u8>(), 0..150), message: Vec<u8>) {
            prop_assert_eq!(PreparedKey::new(&key).sign(&message), of_the_crate(&key, &message));
        }
    }
}
