//! The working keys of a UnionPay sign-on: DE 62 of the 0810.
//!
//! | bytes | content |
//! |---|---|
//! | 24 | PIK 8, check 4, MAK 8, check 4 |
//! | 40 | PIK 16, check 4, MAK 8, 8 zero bytes, check 4; or MAK 16, check 4 |
//! | 56 | PIK 24, check 4, MAK 24, check 4 |
//! | 60 | the 40 bytes, TDK 16, check 4 |
//! | 84 | the 56 bytes, TDK 24, check 4 |
//!
//! Keys are enciphered under the TMK block by block; a check value is the first 4 bytes of
//! 8 zero bytes enciphered under the clear key. A MAK for SM4 or AES has 16 bytes in the place of a
//! double-length one, and the check value of its own cipher: the sources are silent on it, and this
//! keeps the three keys of 16 + 4 bytes that they name for SM4.

use crate::block::TdesCipher;
use crate::constant_time_eq;
use crate::des_key::{DesKey, kcv, wrap_des_ecb};
use crate::error::KeyError;
use crate::lmk::KeyAlgorithm;
use crate::mac::MacAlgorithm;
use switchyard_domain::TerminalMac;

/// How long the MAK of a 40 or 60-byte block is; a configured property of the terminal's
/// profile, because the two shapes cannot be told apart for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MakLength {
    /// 8 bytes, then 8 zero bytes; check value by single DES.
    Single,
    /// 16 bytes; check value by triple DES. X9.19 needs it.
    Double,
}

impl MakLength {
    /// Bytes of the key.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Single => 8,
            Self::Double => 16,
        }
    }
}

/// What the MACs of a terminal's profile are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacProfile {
    /// How they are made.
    pub algorithm: MacAlgorithm,
    /// How long the key is.
    pub length: MakLength,
    /// The cipher that the key is for.
    pub cipher: KeyAlgorithm,
}

impl From<TerminalMac> for MacProfile {
    fn from(mac: TerminalMac) -> Self {
        use MakLength::{Double, Single};
        let (algorithm, length, cipher) = match mac {
            TerminalMac::CupEcb => (MacAlgorithm::CupEcb, Single, KeyAlgorithm::Des),
            TerminalMac::CupEcbDouble => (MacAlgorithm::CupEcb, Double, KeyAlgorithm::Tdes),
            TerminalMac::X99 => (MacAlgorithm::X99, Single, KeyAlgorithm::Des),
            TerminalMac::X919 => (MacAlgorithm::X919, Double, KeyAlgorithm::Tdes),
            TerminalMac::CmacTdes => (MacAlgorithm::CmacTdes, Double, KeyAlgorithm::Tdes),
            TerminalMac::CmacAes => (MacAlgorithm::CmacAes, Double, KeyAlgorithm::Aes),
            TerminalMac::Sm4 => (MacAlgorithm::Sm4Cup, Double, KeyAlgorithm::Sm4),
        };
        Self { algorithm, length, cipher }
    }
}

/// Which working key a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkingKeyKind {
    /// PIN key (PIK, TPK).
    Pik,
    /// MAC key (MAK, TAK).
    Mak,
    /// Track data key (TDK).
    Tdk,
}

impl std::fmt::Display for WorkingKeyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pik => "pik",
            Self::Mak => "mak",
            Self::Tdk => "tdk",
        })
    }
}

/// Why a block of working keys cannot be built or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkingKeyError {
    /// DE 62 has none of the five lengths.
    #[error("working keys of {have} bytes, needs 24, 40, 56, 60 or 84")]
    Length {
        /// Bytes given.
        have: usize,
    },
    /// The three keys' lengths fit no layout.
    #[error("pik {pik}, mak {mak}, tdk {tdk:?} bytes: no such layout")]
    Layout {
        /// Bytes of the PIN key.
        pik: usize,
        /// Bytes of the MAC key.
        mak: usize,
        /// Bytes of the track key, if any.
        tdk: Option<usize>,
    },
    /// The 8 bytes behind a single-length MAK are not zero: probably a double-length one.
    #[error("filler behind the mak is not zero: is the profile mak = double?")]
    Filler,
    /// The unwrapped key does not have the check value that came with it: wrong TMK.
    #[error("check value of the {0} differs")]
    CheckValue(WorkingKeyKind),
}

/// The three keys of a session, in clear.
#[derive(Debug)]
pub struct WorkingKeys {
    /// PIN key.
    pub pik: DesKey,
    /// MAC key.
    pub mak: DesKey,
    /// Track data key, in the layouts of 60 and 84 bytes.
    pub tdk: Option<DesKey>,
}

/// A key enciphered under the TMK, and its check value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedPart {
    /// The key under the TMK.
    pub wrapped: Vec<u8>,
    /// First 4 bytes of its check value.
    pub check_value: [u8; 4],
}

impl WrappedPart {
    /// Enciphers `key`, a key for `algorithm`, under `wrapping`.
    ///
    /// # Errors
    /// [`KeyError::Length`] when the key does not fit its algorithm or has no length of a DES key.
    pub fn new(wrapping: &TdesCipher, algorithm: KeyAlgorithm, key: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { wrapped: wrap_des_ecb(wrapping, key)?, check_value: algorithm.check_value(key)? })
    }
}

/// Builds and opens DE 62.
#[derive(Debug)]
pub struct WorkingKeyBlock;

impl WorkingKeyBlock {
    /// Wraps the keys under `tmk`. The layout follows from the keys' lengths.
    ///
    /// # Errors
    /// [`WorkingKeyError::Layout`] when the lengths fit none.
    pub fn build(
        tmk: &DesKey,
        pik: &DesKey,
        mak: &DesKey,
        tdk: Option<&DesKey>,
    ) -> Result<Vec<u8>, WorkingKeyError> {
        let wrapping = TdesCipher::new(tmk);
        let part = |key: &DesKey| WrappedPart {
            wrapped: key.wrap_ecb(&wrapping).as_bytes().to_vec(),
            check_value: kcv(key),
        };
        Self::assemble(&part(pik), &part(mak), tdk.map(part).as_ref())
    }

    /// The block of keys that somebody else wrapped. The layout follows from their lengths.
    ///
    /// # Errors
    /// As [`WorkingKeyBlock::build`].
    pub fn assemble(
        pik: &WrappedPart,
        mak: &WrappedPart,
        tdk: Option<&WrappedPart>,
    ) -> Result<Vec<u8>, WorkingKeyError> {
        let len = |part: &WrappedPart| part.wrapped.len();
        let filler: &[u8] = match (len(pik), len(mak), tdk.map(len)) {
            (8, 8, None) | (16, 16, None | Some(16)) | (24, 24, None | Some(24)) => &[],
            (16, 8, None | Some(16)) => &[0; 8],
            (pik, mak, tdk) => return Err(WorkingKeyError::Layout { pik, mak, tdk }),
        };
        let mut block = Vec::with_capacity(84);
        for (part, filler) in [(Some(pik), &[][..]), (Some(mak), filler), (tdk, &[])] {
            if let Some(part) = part {
                block.extend_from_slice(&part.wrapped);
                block.extend_from_slice(filler);
                block.extend_from_slice(&part.check_value);
            }
        }
        Ok(block)
    }

    /// Unwraps DE 62 under `tmk` and checks every check value. `mak` is read for blocks of
    /// 40 and 60 bytes only.
    ///
    /// # Errors
    /// [`WorkingKeyError`] names what is wrong, and with which key.
    pub fn open(tmk: &DesKey, bytes: &[u8], mak: MakLength) -> Result<WorkingKeys, WorkingKeyError> {
        Self::open_with(tmk, bytes, mak, KeyAlgorithm::Tdes)
    }

    /// [`WorkingKeyBlock::open`] for a MAK of another cipher, whose check value is then made with it.
    ///
    /// # Errors
    /// As [`WorkingKeyBlock::open`].
    pub fn open_with(
        tmk: &DesKey,
        bytes: &[u8],
        mak: MakLength,
        mak_algorithm: KeyAlgorithm,
    ) -> Result<WorkingKeys, WorkingKeyError> {
        let (pik_bytes, mak_bytes, filler_bytes) = match (bytes.len(), mak) {
            (24, _) => (8, 8, 0),
            (40 | 60, MakLength::Single) => (16, 8, 8),
            (40 | 60, MakLength::Double) => (16, 16, 0),
            (56 | 84, _) => (24, 24, 0),
            (have, _) => return Err(WorkingKeyError::Length { have }),
        };
        let (wrapping, des) = (TdesCipher::new(tmk), KeyAlgorithm::Tdes);
        let (pik, rest) = take(&wrapping, bytes, (pik_bytes, 0), WorkingKeyKind::Pik, des)?;
        let (mak, rest) =
            take(&wrapping, rest, (mak_bytes, filler_bytes), WorkingKeyKind::Mak, mak_algorithm)?;
        let tdk = if rest.is_empty() {
            None
        } else {
            Some(take(&wrapping, rest, (pik_bytes, 0), WorkingKeyKind::Tdk, des)?.0)
        };
        Ok(WorkingKeys { pik, mak, tdk })
    }
}

/// Unwraps one key with its filler and check value, and gives what follows.
fn take<'a>(
    wrapping: &TdesCipher,
    bytes: &'a [u8],
    (key_bytes, filler_bytes): (usize, usize),
    kind: WorkingKeyKind,
    algorithm: KeyAlgorithm,
) -> Result<(DesKey, &'a [u8]), WorkingKeyError> {
    let short = || WorkingKeyError::Length { have: bytes.len() };
    let (wrapped, rest) = bytes.split_at_checked(key_bytes).ok_or_else(short)?;
    let (filler, rest) = rest.split_at_checked(filler_bytes).ok_or_else(short)?;
    let (check, rest) = rest.split_at_checked(4).ok_or_else(short)?;
    if filler.iter().any(|&b| b != 0) {
        return Err(WorkingKeyError::Filler);
    }
    let key = DesKey::unwrap_ecb(wrapping, wrapped).map_err(|_: KeyError| short())?;
    let expected = algorithm.check_value(key.expose()).map_err(|_: KeyError| short())?;
    if !constant_time_eq(&expected, check) {
        return Err(WorkingKeyError::CheckValue(kind));
    }
    Ok((key, rest))
}
