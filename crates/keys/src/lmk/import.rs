//! What is asked of a key block from elsewhere before its key is taken in.

use super::{KeyAlgorithm, KeyAttributes, KeyUsage};
use crate::error::KeyError;
use crate::tr31::Unwrapped;

/// Mode of use `N`: no restriction beside the usage.
const UNRESTRICTED: u8 = b'N';
/// First character of the version of a component (X9.143).
const COMPONENT: u8 = b'c';

impl KeyAttributes {
    /// What is bound to a key that came in a TR-31 block for `usage`, under a key of `under`'s cipher and bytes.
    ///
    /// A mode of use that grants less than the usage needs is refused, and not widened. A version that is no number is
    /// not kept.
    ///
    /// # Errors
    /// [`KeyError::Usage`] when the block is for something else, [`KeyError::ModeOfUse`], [`KeyError::Component`]
    /// and [`KeyError::Stronger`] as they say, [`KeyError::Malformed`] for a cipher that is not known.
    pub fn of_import(
        unwrapped: &Unwrapped,
        (under, under_bytes): (KeyAlgorithm, usize),
        usage: KeyUsage,
    ) -> Result<Self, KeyError> {
        let Unwrapped { header, key } = unwrapped;
        if header.usage != usage.tr31_code() {
            return Err(KeyError::Usage { need: usage.name(), have: header.usage });
        }
        let (need, have) = (usage.mode_of_use(), header.mode_of_use);
        if have != need && have != UNRESTRICTED {
            return Err(KeyError::ModeOfUse { need: char::from(need), have: char::from(have) });
        }
        if header.key_version[0] == COMPONENT {
            return Err(KeyError::Component);
        }
        let algorithm = KeyAlgorithm::from_code(header.algorithm).ok_or(KeyError::Malformed { offset: 7 })?;
        algorithm.check_under(key.len(), under, under_bytes)?;
        let version = match header.key_version {
            [tens @ b'0'..=b'9', units @ b'0'..=b'9'] => 10 * (tens - b'0') + units - b'0',
            _ => 0,
        };
        Ok(Self { algorithm, version, exportable: header.exportability == b'E' })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tr31::{self, Header, Version};

    const KEY: [u8; 16] = *b"\x01\x23\x45\x67\x89\xAB\xCD\xEF\xFE\xDC\xBA\x98\x76\x54\x32\x10";

    /// What comes of importing a zone PIN key after `change` to its header, under an AES key of `bytes`.
    fn imported(
        bytes: usize,
        key: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> Result<KeyAttributes, KeyError> {
        let kbpk: Vec<u8> = (1..=bytes as u8).collect();
        let algorithm = if key.len() == 32 { b'A' } else { b'T' };
        let mut header = Header::new(Version::D, KeyUsage::Zpk.tr31_code(), algorithm, b'B', b'E');
        change(&mut header);
        let unwrapped = tr31::unwrap(&kbpk, &tr31::wrap(&kbpk, &header, key).unwrap()).unwrap();
        KeyAttributes::of_import(&unwrapped, (KeyAlgorithm::Aes, bytes), KeyUsage::Zpk)
    }

    #[test]
    fn every_word_of_the_header_of_a_key_block_counts() {
        let with = |change: fn(&mut Header)| imported(16, &KEY, change);
        let whole = KeyAttributes { algorithm: KeyAlgorithm::Tdes, version: 0, exportable: true };
        assert_eq!(with(|_| {}), Ok(whole));
        assert_eq!(with(|header| header.mode_of_use = b'N'), Ok(whole));
        assert_eq!(with(|header| header.key_version = *b"17"), Ok(KeyAttributes { version: 17, ..whole }));
        assert_eq!(with(|header| header.key_version = *b"a1"), Ok(whole));
        let mode = |have| Err(KeyError::ModeOfUse { need: 'B', have });
        assert_eq!(with(|header| header.mode_of_use = b'D'), mode('D'));
        assert_eq!(with(|header| header.mode_of_use = b'V'), mode('V'));
        assert_eq!(with(|header| header.key_version = *b"c1"), Err(KeyError::Component));
        let usage = KeyUsage::Mak.tr31_code();
        let refused = Err(KeyError::Usage { need: "zpk", have: usage });
        assert_eq!(imported(16, &KEY, |header| header.usage = usage), refused);
        let aes: Vec<u8> = (0..32).collect();
        let stronger = Err(KeyError::Stronger { key_bits: 256, under_bits: 128 });
        assert_eq!(imported(16, &aes, |_| {}), stronger);
        assert!(imported(32, &aes, |_| {}).is_ok());
    }

    #[test]
    fn no_key_goes_under_a_weaker_one() {
        use KeyAlgorithm::{Aes, Des, Hmac, Sm4, Tdes};
        let ascending = [
            (Des, 8),
            (Tdes, 16),
            (Tdes, 24),
            (Aes, 16),
            (Sm4, 16),
            (Hmac, 16),
            (Aes, 24),
            (Aes, 32),
            (Hmac, 64),
        ];
        for (place, (key, bytes)) in ascending.into_iter().enumerate() {
            for (beside, (under, under_bytes)) in ascending.into_iter().enumerate() {
                let same = key.strength_bits(bytes) == under.strength_bits(under_bytes);
                let may = key.check_under(bytes, under, under_bytes).is_ok();
                assert_eq!(may, same || place < beside, "{key:?} {bytes} under {under:?} {under_bytes}");
            }
        }
    }
}
