//! What a stored key is for, and with which cipher.

use crate::block::Sm4Cipher;
use crate::des_key::{DesKey, kcv};
use crate::error::{KeyError, UsageCode};
use crate::mac::hmac::hmac_sha256;

use super::aes_kcv;

/// What a key is for. A key opens for its own usage only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeyUsage {
    /// Terminal master key: wraps a terminal's working keys.
    Tmk,
    /// Zone master key: wraps keys exchanged with a network or an issuer.
    Zmk,
    /// PIN key of a terminal (PIK, TPK).
    Pik,
    /// PIN key of a zone (ZPK).
    Zpk,
    /// MAC key of a terminal or link (MAK, TAK).
    Mak,
    /// Track data key of a terminal.
    Tdk,
    /// PIN verification key, Visa PVV.
    Pvk,
    /// PIN verification key, IBM 3624.
    PvkIbm,
    /// Card verification key (CVK pair).
    Cvk,
    /// Key that seals card numbers at rest.
    DataKey,
    /// Key of the card hash.
    CardHash,
    /// DUKPT base derivation key.
    Bdk,
    /// EMV issuer master key for application cryptograms.
    EmvAc,
    /// EMV issuer master key for secure messaging, confidentiality.
    EmvSmc,
    /// EMV issuer master key for secure messaging, integrity.
    EmvSmi,
    /// A component of a key that its custodians bring together: it opens and makes nothing by itself.
    Component,
}

impl KeyUsage {
    /// Every usage.
    pub const ALL: [Self; 16] = [
        Self::Tmk,
        Self::Zmk,
        Self::Pik,
        Self::Zpk,
        Self::Mak,
        Self::Tdk,
        Self::Pvk,
        Self::PvkIbm,
        Self::Cvk,
        Self::DataKey,
        Self::CardHash,
        Self::Bdk,
        Self::EmvAc,
        Self::EmvSmc,
        Self::EmvSmi,
        Self::Component,
    ];

    /// The usage under our own LMK. Where TR-31 has one code for two of ours (a TMK and a
    /// ZMK are both `K0`), the numeric codes it leaves to the maker keep them apart.
    #[must_use]
    pub const fn stored_code(self) -> UsageCode {
        UsageCode(match self {
            Self::Tmk => *b"51",
            Self::Zmk => *b"52",
            Self::Pik => *b"71",
            Self::Zpk => *b"72",
            Self::DataKey => *b"21",
            Self::Tdk => *b"23",
            Self::Mak => *b"M0",
            Self::Pvk => *b"V2",
            Self::PvkIbm => *b"V1",
            Self::Cvk => *b"C0",
            Self::CardHash => *b"M7",
            Self::Bdk => *b"B0",
            Self::EmvAc => *b"E0",
            Self::EmvSmc => *b"E1",
            Self::EmvSmi => *b"E2",
            Self::Component => *b"91",
        })
    }

    /// The TR-31 code for a block that leaves the house.
    #[must_use]
    pub const fn tr31_code(self) -> UsageCode {
        match self {
            Self::Tmk | Self::Zmk => UsageCode(*b"K0"),
            Self::Pik | Self::Zpk => UsageCode(*b"P0"),
            Self::Tdk | Self::DataKey => UsageCode(*b"D0"),
            other => other.stored_code(),
        }
    }

    /// Mode of use: what the holder may do with the key.
    #[must_use]
    pub const fn mode_of_use(self) -> u8 {
        match self {
            Self::Tmk | Self::Zmk | Self::Pik | Self::Zpk | Self::Tdk | Self::DataKey => b'B',
            Self::Mak | Self::Pvk | Self::PvkIbm | Self::Cvk | Self::CardHash => b'C',
            Self::Bdk | Self::EmvAc | Self::EmvSmc | Self::EmvSmi | Self::Component => b'X',
        }
    }

    /// The name as configuration spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tmk => "tmk",
            Self::Zmk => "zmk",
            Self::Pik => "pik",
            Self::Zpk => "zpk",
            Self::Mak => "mak",
            Self::Tdk => "tdk",
            Self::Pvk => "pvk",
            Self::PvkIbm => "pvk-ibm",
            Self::Cvk => "cvk",
            Self::DataKey => "data-key",
            Self::CardHash => "card-hash",
            Self::Bdk => "bdk",
            Self::EmvAc => "emv-ac",
            Self::EmvSmc => "emv-smc",
            Self::EmvSmi => "emv-smi",
            Self::Component => "component",
        }
    }
}

/// Which cipher a wrapped key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAlgorithm {
    /// Single DES: 8 bytes.
    Des,
    /// Triple DES: 16 or 24 bytes.
    Tdes,
    /// AES: 16, 24 or 32 bytes.
    Aes,
    /// HMAC: 16 to 64 bytes.
    Hmac,
    /// SM4: 16 bytes.
    Sm4,
}

impl KeyAlgorithm {
    /// The character of a key block; `4` is our own for SM4.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Des => b'D',
            Self::Tdes => b'T',
            Self::Aes => b'A',
            Self::Hmac => b'H',
            Self::Sm4 => b'4',
        }
    }

    /// The cipher of this character.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Des, Self::Tdes, Self::Aes, Self::Hmac, Self::Sm4].into_iter().find(|each| each.code() == code)
    }

    /// The field's usual check value: zeros enciphered; for AES the CMAC of zeros; an HMAC key
    /// has none, and shows the HMAC of nothing. People compare the first 3 bytes.
    ///
    /// # Errors
    /// [`KeyError::Length`] when `key` does not fit.
    pub fn check_value(self, key: &[u8]) -> Result<[u8; 4], KeyError> {
        let start = |bytes: &[u8]| [bytes[0], bytes[1], bytes[2], bytes[3]];
        Ok(match self {
            Self::Des | Self::Tdes => start(&kcv(&DesKey::from_slice(key)?)),
            Self::Aes => start(&aes_kcv(key)?),
            Self::Hmac => start(&hmac_sha256(key, b"")),
            Self::Sm4 => start(&Sm4Cipher::new(key)?.encrypt_block([0; 16])),
        })
    }

    /// Strength of a key of so many bytes, in bits (NIST SP 800-57: triple DES has 80 with two keys and 112 with three).
    #[must_use]
    pub fn strength_bits(self, bytes: usize) -> u16 {
        match (self, bytes) {
            (Self::Des, _) => 56,
            (Self::Tdes, 24) => 112,
            (Self::Tdes, _) => 80,
            (Self::Sm4, _) => 128,
            (Self::Aes | Self::Hmac, bytes) => u16::try_from(8 * bytes.min(32)).unwrap_or(256),
        }
    }

    /// Whether a key may travel under another: no key goes under a weaker one.
    ///
    /// # Errors
    /// [`KeyError::Stronger`].
    pub fn check_under(self, bytes: usize, under: Self, under_bytes: usize) -> Result<(), KeyError> {
        let (key_bits, under_bits) = (self.strength_bits(bytes), under.strength_bits(under_bytes));
        if key_bits > under_bits { Err(KeyError::Stronger { key_bits, under_bits }) } else { Ok(()) }
    }

    /// Whether a key of this many bytes fits.
    #[must_use]
    pub fn takes(self, bytes: usize) -> bool {
        match self {
            Self::Des => bytes == 8,
            Self::Tdes => matches!(bytes, 16 | 24),
            Self::Aes => matches!(bytes, 16 | 24 | 32),
            Self::Hmac => (16..=64).contains(&bytes),
            Self::Sm4 => bytes == 16,
        }
    }
}
