//! Application cryptograms: the card's request and the issuer's answer.

use crate::block::{TdesCipher, xor_into};
use crate::des_key::DesKey;
use crate::error::KeyError;
use crate::mac::{Padding, iso9797_alg3};
use crate::secret::constant_time_eq;

use super::keys::{
    icc_key_option_a, icc_key_option_a_with, icc_key_option_b, icc_key_option_b_with, session_key_common,
    session_key_mchip, session_key_pboc,
};

/// How a scheme derives the session key and pads the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CryptogramScheme {
    /// Visa cryptogram version 10: the card key itself, zero padding.
    VisaCvn10,
    /// Visa cryptogram version 18: common session key, bit padding.
    VisaCvn18,
    /// Visa cryptogram version 22: as 18, with an issuer application data of 32 bytes.
    VisaCvn22,
    /// Mastercard M/Chip cryptogram version 16.
    MChip16,
    /// PBOC and UnionPay.
    Pboc,
    /// EMV common session key over a card key by option B.
    CommonOptionB,
}

/// What of a request the key and the cryptogram depend on.
#[derive(Clone, Copy)]
pub struct CardRequest<'a> {
    /// Card number, ASCII digits.
    pub pan: &'a [u8],
    /// PAN sequence number, two ASCII digits.
    pub psn: &'a [u8; 2],
    /// Application transaction counter, tag 9F36.
    pub atc: [u8; 2],
    /// Unpredictable number, tag 9F37.
    pub unpredictable: [u8; 4],
    /// The values under the cryptogram, concatenated: 9F02 9F03 9F1A 95 5F2A 9A 9C 9F37 82
    /// 9F36, then the card verification results or the whole of 9F10 as the version has it.
    pub data: &'a [u8],
}

impl std::fmt::Debug for CardRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CardRequest(…)")
    }
}

impl CryptogramScheme {
    /// The card key under the issuer master key.
    ///
    /// # Errors
    /// As [`icc_key_option_a`].
    pub fn icc_key(self, imk: &DesKey, pan: &[u8], psn: &[u8; 2]) -> Result<DesKey, KeyError> {
        match self {
            Self::VisaCvn10 | Self::MChip16 | Self::Pboc => icc_key_option_a(imk, pan, psn),
            Self::VisaCvn18 | Self::VisaCvn22 | Self::CommonOptionB => icc_key_option_b(imk, pan, psn),
        }
    }

    /// [`CryptogramScheme::icc_key`] with a cipher.
    ///
    /// # Errors
    /// [`KeyError::Pan`] for the card.
    pub fn icc_key_with(self, imk: &TdesCipher, pan: &[u8], psn: &[u8; 2]) -> Result<DesKey, KeyError> {
        match self {
            Self::VisaCvn10 | Self::MChip16 | Self::Pboc => icc_key_option_a_with(imk, pan, psn),
            Self::VisaCvn18 | Self::VisaCvn22 | Self::CommonOptionB => icc_key_option_b_with(imk, pan, psn),
        }
    }

    /// The key the cryptogram is made with.
    ///
    /// # Errors
    /// [`KeyError::Length`] unless `icc_key` has 16 bytes.
    pub fn session_key(
        self,
        icc_key: &DesKey,
        atc: [u8; 2],
        unpredictable: [u8; 4],
    ) -> Result<DesKey, KeyError> {
        match self {
            Self::VisaCvn10 => Ok(icc_key.duplicate()),
            Self::VisaCvn18 | Self::VisaCvn22 | Self::CommonOptionB => {
                session_key_common(icc_key, [atc[0], atc[1], 0, 0, 0, 0, 0, 0])
            }
            Self::MChip16 => session_key_mchip(icc_key, atc, unpredictable),
            Self::Pboc => session_key_pboc(icc_key, atc),
        }
    }

    /// The key of the answer: M/Chip 16 answers under the card key.
    ///
    /// # Errors
    /// As [`CryptogramScheme::session_key`].
    pub fn arpc_key(self, icc_key: &DesKey, atc: [u8; 2]) -> Result<DesKey, KeyError> {
        match self {
            Self::MChip16 => Ok(icc_key.duplicate()),
            other => other.session_key(icc_key, atc, [0; 4]),
        }
    }

    /// Padding of the data under the cryptogram.
    #[must_use]
    pub const fn padding(self) -> Padding {
        match self {
            Self::VisaCvn10 => Padding::Zero,
            Self::VisaCvn18 | Self::VisaCvn22 | Self::MChip16 | Self::Pboc | Self::CommonOptionB => {
                Padding::Bit
            }
        }
    }
}

/// The cryptogram (ARQC, TC or AAC) that the card of `request` makes.
///
/// # Errors
/// [`KeyError::Length`] unless `imk` has 16 bytes, [`KeyError::Pan`] for the card number.
pub fn arqc(scheme: CryptogramScheme, imk: &DesKey, request: &CardRequest<'_>) -> Result<[u8; 8], KeyError> {
    arqc_of(scheme, &scheme.icc_key(imk, request.pan, request.psn)?, request)
}

/// [`arqc`] under the card key.
///
/// # Errors
/// [`KeyError::Length`] unless `icc_key` has 16 bytes.
pub fn arqc_of(
    scheme: CryptogramScheme,
    icc_key: &DesKey,
    request: &CardRequest<'_>,
) -> Result<[u8; 8], KeyError> {
    let session = scheme.session_key(icc_key, request.atc, request.unpredictable)?;
    iso9797_alg3(&session, scheme.padding(), request.data)
}

/// Whether `received` is the cryptogram of `request`, in constant time.
///
/// # Errors
/// As [`arqc`].
pub fn verify_arqc(
    scheme: CryptogramScheme,
    imk: &DesKey,
    request: &CardRequest<'_>,
    received: &[u8],
) -> Result<bool, KeyError> {
    Ok(constant_time_eq(&arqc(scheme, imk, request)?, received))
}

/// Issuer's answer, method 1: cryptogram XOR response code, enciphered. `response_code` is
/// DE 39 as the card gets it in tag 8A.
#[must_use]
pub fn arpc_method1(key: &DesKey, arqc: [u8; 8], response_code: [u8; 2]) -> [u8; 8] {
    let mut block = arqc;
    xor_into(&mut block, &response_code);
    TdesCipher::new(key).encrypt_block(block)
}

/// Issuer's answer, method 2: MAC of 4 bytes over cryptogram, card status update and up to
/// 8 bytes of proprietary data.
///
/// # Errors
/// [`KeyError::Length`] unless `key` has 16 bytes, [`KeyError::Input`] for more than 8 bytes.
pub fn arpc_method2(
    key: &DesKey,
    arqc: [u8; 8],
    status: [u8; 4],
    proprietary: &[u8],
) -> Result<[u8; 4], KeyError> {
    let mut data = [0; 20];
    data[..8].copy_from_slice(&arqc);
    data[8..12].copy_from_slice(&status);
    data.get_mut(12..12 + proprietary.len())
        .ok_or(KeyError::Input("proprietary authentication data"))?
        .copy_from_slice(proprietary);
    let mac = iso9797_alg3(key, Padding::Bit, &data[..12 + proprietary.len()])?;
    Ok([mac[0], mac[1], mac[2], mac[3]])
}
