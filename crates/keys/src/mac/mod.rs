//! Message authentication codes.
//!
//! [`MacKey`] is what a link or a terminal session holds; the functions in the submodules are
//! the algorithms in full length, for callers that truncate for themselves.

mod cbc;
mod cmac;
pub mod hmac;
mod iso9797;
mod unionpay;

use zeroize::Zeroize;

use crate::block::{AesCipher, Sm4Cipher, TdesCipher};
use crate::des_key::DesKey;
use crate::error::KeyError;
use crate::secret::constant_time_eq;

pub use self::cmac::{aes_cmac, tdes_cmac};
pub use self::iso9797::{Padding, iso9797_alg1_aes, iso9797_alg1_tdes, iso9797_alg3};
pub use self::unionpay::{UnionPayBlock, unionpay_fold};

pub(crate) use self::cmac::{CmacKey, cmac};

use self::cbc::CbcMac;

/// Length of every [`Mac`], in bytes: that of DE 64 and DE 128.
pub const MAC_BYTES: usize = 8;

/// Fewest bytes of a truncated MAC: a forger who guesses at it is right once in four thousand million times.
pub const TRUNCATED_MAC_BYTES_MIN: usize = 4;

/// Which MAC a terminal or a link uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MacAlgorithm {
    /// UnionPay "ECB": XOR fold, two encryptions over the hex text, 8 ASCII hex characters.
    /// The fold does not depend on the order of the 8-byte blocks: prefer X9.19 or CMAC.
    CupEcb,
    /// ANSI X9.9: CBC with single DES, zero padding.
    X99,
    /// ANSI X9.19, the retail MAC: CBC with single DES, the last block under triple DES.
    X919,
    /// CMAC with AES (NIST SP 800-38B), truncated to 8 bytes.
    CmacAes,
    /// CMAC with triple DES.
    CmacTdes,
    /// The UnionPay shape over 16-byte blocks with SM4, 8 ASCII hex characters.
    Sm4Cup,
}

/// The 8 bytes of DE 64 or DE 128.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mac([u8; MAC_BYTES]);

impl Mac {
    /// A MAC that somebody else computed.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; MAC_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand in the field.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; MAC_BYTES] {
        &self.0
    }
}

impl std::fmt::Debug for Mac {
    /// Says nothing: a MAC in a log beside its message helps a forger.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mac(…)")
    }
}

/// A MAC key with its schedules expanded; shared by reference among threads.
#[derive(Debug)]
pub struct MacKey {
    algorithm: MacAlgorithm,
    schedule: Schedule,
}

#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "long-lived and used by reference; a box would cost a hop per block"
)]
enum Schedule {
    CupEcb(TdesCipher),
    /// First cipher for every block but the last, second for the last.
    Cbc(TdesCipher, TdesCipher),
    CmacAes(CmacKey<16, AesCipher>),
    CmacTdes(CmacKey<8, TdesCipher>),
    Sm4Cup(Sm4Cipher),
}

impl MacKey {
    /// Expands `key` for `algorithm`.
    ///
    /// An X9.9 key has 8 bytes; an X9.19 key 16, or 8, with which it equals X9.9. With a
    /// CUP ECB key of 16 bytes both encryptions are triple DES.
    ///
    /// # Errors
    /// [`KeyError::Length`] when `key` has no length the algorithm takes.
    pub fn new(algorithm: MacAlgorithm, key: &[u8]) -> Result<Self, KeyError> {
        let schedule = match algorithm {
            MacAlgorithm::CupEcb => Schedule::CupEcb(tdes(key)?),
            MacAlgorithm::X99 if key.len() != 8 => {
                return Err(KeyError::Length { need: "8", have: key.len() });
            }
            MacAlgorithm::X919 if !matches!(key.len(), 8 | 16) => {
                return Err(KeyError::Length { need: "8 or 16", have: key.len() });
            }
            MacAlgorithm::X99 | MacAlgorithm::X919 => Schedule::Cbc(tdes(&key[..8])?, tdes(key)?),
            MacAlgorithm::CmacAes => Schedule::CmacAes(CmacKey::new(AesCipher::new(key)?)),
            MacAlgorithm::CmacTdes => Schedule::CmacTdes(CmacKey::new(tdes(key)?)),
            MacAlgorithm::Sm4Cup => Schedule::Sm4Cup(Sm4Cipher::new(key)?),
        };
        Ok(Self { algorithm, schedule })
    }

    /// A key whose ciphers are somewhere else: `last` enciphers with the whole key, `inner` with its left half.
    ///
    /// # Errors
    /// [`KeyError::Input`] for an algorithm that is not one of triple DES.
    pub fn with_ciphers(
        algorithm: MacAlgorithm,
        inner: TdesCipher,
        last: TdesCipher,
    ) -> Result<Self, KeyError> {
        let schedule = match algorithm {
            MacAlgorithm::CupEcb => Schedule::CupEcb(last),
            MacAlgorithm::X99 | MacAlgorithm::X919 => Schedule::Cbc(inner, last),
            MacAlgorithm::CmacTdes => Schedule::CmacTdes(CmacKey::new(last)),
            MacAlgorithm::CmacAes | MacAlgorithm::Sm4Cup => return Err(KeyError::Input("mac algorithm")),
        };
        Ok(Self { algorithm, schedule })
    }

    /// [`MacKey::with_ciphers`] for CMAC with AES.
    #[must_use]
    pub fn with_aes(cipher: AesCipher) -> Self {
        Self { algorithm: MacAlgorithm::CmacAes, schedule: Schedule::CmacAes(CmacKey::new(cipher)) }
    }

    /// The algorithm this key was expanded for.
    #[must_use]
    pub const fn algorithm(&self) -> MacAlgorithm {
        self.algorithm
    }

    /// The MAC over `data`: for UnionPay the message from its MTI to the last byte before
    /// DE 64, without length prefix, TPDU and header. Does not allocate.
    #[must_use]
    pub fn compute(&self, data: &[u8]) -> Mac {
        self.compute_parts(&[data])
    }

    /// The MAC over the concatenation of `parts`, without joining them.
    #[must_use]
    pub fn compute_parts(&self, parts: &[&[u8]]) -> Mac {
        let mut mac = Mac([0; MAC_BYTES]);
        match &self.schedule {
            Schedule::CupEcb(cipher) => mac.0 = UnionPayBlock::<8>::compute(cipher, parts).field_64(),
            Schedule::Sm4Cup(cipher) => mac.0 = UnionPayBlock::<16>::compute(cipher, parts).field_64(),
            Schedule::Cbc(inner, last) => mac.0 = CbcMac::compute(inner, last, parts),
            Schedule::CmacTdes(key) => mac.0 = key.compute(parts),
            Schedule::CmacAes(key) => mac.0.copy_from_slice(&key.compute(parts)[..MAC_BYTES]),
        }
        mac
    }

    /// Whether `received` is the MAC over `data`, compared in constant time. A field that has
    /// not exactly 8 bytes is refused, so a truncated MAC never passes.
    #[must_use]
    pub fn verify(&self, data: &[u8], received: &[u8]) -> bool {
        self.verify_parts(&[data], received)
    }

    /// Whether `received` is the beginning of the MAC over `data`, compared in constant time: ISO 8583:2003 has room for
    /// four bytes in DE 64 and DE 128. Fewer than [`TRUNCATED_MAC_BYTES_MIN`] or more than all of it are refused. Only
    /// for dialects that truncate: where the field has room for the whole MAC, [`MacKey::verify`] takes nothing less.
    #[must_use]
    pub fn verify_truncated(&self, data: &[u8], received: &[u8]) -> bool {
        if !(TRUNCATED_MAC_BYTES_MIN..=MAC_BYTES).contains(&received.len()) {
            return false;
        }
        let mut expected = self.compute(data);
        let equal = constant_time_eq(&expected.0[..received.len()], received);
        expected.0.zeroize();
        equal
    }

    /// [`MacKey::verify`] over the concatenation of `parts`.
    #[must_use]
    pub fn verify_parts(&self, parts: &[&[u8]], received: &[u8]) -> bool {
        let mut expected = self.compute_parts(parts);
        let equal = constant_time_eq(&expected.0, received);
        expected.0.zeroize();
        equal
    }
}

fn tdes(key: &[u8]) -> Result<TdesCipher, KeyError> {
    Ok(TdesCipher::new(&DesKey::from_slice(key)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_mac_is_the_beginning_of_the_whole_and_long_enough() {
        let data = b"0200 and what follows";
        for (algorithm, key) in [
            (MacAlgorithm::CupEcb, &[0x1A; 8][..]),
            (MacAlgorithm::X919, &[0x2B; 16]),
            (MacAlgorithm::CmacTdes, &[0x3C; 16]),
            (MacAlgorithm::CmacAes, &[0x4D; 16]),
        ] {
            let key = MacKey::new(algorithm, key).unwrap();
            let whole = *key.compute(data).as_bytes();
            for len in 0..=MAC_BYTES {
                let long_enough = len >= TRUNCATED_MAC_BYTES_MIN;
                assert_eq!(key.verify_truncated(data, &whole[..len]), long_enough, "{algorithm:?} {len}");
                assert_eq!(key.verify(data, &whole[..len]), len == MAC_BYTES, "{algorithm:?} {len}");
            }
            assert!(!key.verify_truncated(data, &[&whole[..], &[0]].concat()));
            for bit in 0..32 {
                let mut flipped = whole;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(!key.verify_truncated(data, &flipped[..4]), "{algorithm:?} bit {bit}");
                assert!(!key.verify_truncated(data, &flipped), "{algorithm:?} bit {bit}");
            }
        }
    }
}
