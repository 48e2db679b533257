//! The card of a request before it is sealed.

use super::refusal::Refusal;
use super::wipe;
use std::fmt;
use switchyard_domain::{Expiry, Pan, Track2};

/// A card in clear, between the message and the seal.
#[derive(Debug, PartialEq, Eq)]
pub struct ClearCard {
    /// The number.
    pub pan: Pan,
    /// DE 14, or the track's date where DE 14 is absent.
    pub expiry: Option<Expiry>,
}

/// What a message says about the card.
#[derive(Debug, PartialEq, Eq)]
pub enum DraftCard {
    /// Nothing.
    Absent,
    /// The number is known.
    Clear(ClearCard),
    /// It is in a track that has to be deciphered first.
    Encrypted(EncryptedTrack),
}

/// Track 2 under a terminal's track key.
#[derive(PartialEq, Eq)]
pub struct EncryptedTrack {
    /// The packed nibbles as they came. Only 8 of the bytes are enciphered: the rest is in clear.
    packed: Vec<u8>,
    /// Nibbles of the track, without filler.
    nibbles: usize,
    /// DE 2, if it is there too.
    pan: Option<Pan>,
    /// DE 14.
    expiry: Option<Expiry>,
}

impl EncryptedTrack {
    pub(super) fn new(packed: &[u8], nibbles: usize, pan: Option<Pan>, expiry: Option<Expiry>) -> Self {
        Self { packed: packed.to_vec(), nibbles, pan, expiry }
    }
    /// The packed nibbles as they came, filler included.
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }
}
impl Drop for EncryptedTrack {
    fn drop(&mut self) {
        wipe(&mut self.packed);
    }
}
impl fmt::Debug for EncryptedTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptedTrack({} nibbles)", self.nibbles)
    }
}

impl DraftCard {
    /// From what is in clear; where both the number and the track are there they have to agree.
    pub(super) fn from_clear(
        pan: Option<Pan>,
        expiry: Option<Expiry>,
        track: Option<&Track2>,
    ) -> Result<Self, Refusal> {
        let Some(track) = track else {
            return Ok(pan.map_or(Self::Absent, |pan| Self::Clear(ClearCard { pan, expiry })));
        };
        let track_pan = track.pan().map_err(|_| Refusal::malformed(35))?;
        if pan.is_some_and(|pan| pan != track_pan) {
            return Err(Refusal::cards_differ());
        }
        Ok(Self::Clear(ClearCard { pan: track_pan, expiry: expiry.or_else(|| track.expiry()) }))
    }
    /// Replaces an enciphered track by its clear form and gives the track back; does nothing to a card
    /// that is in clear already.
    pub(super) fn decipher(&mut self, packed: &[u8]) -> Result<Option<Track2>, Refusal> {
        let Self::Encrypted(encrypted) = self else { return Ok(None) };
        let track = unpack(packed, encrypted.nibbles)?;
        let clear = Self::from_clear(None, encrypted.expiry, Some(&track))?;
        if let (Some(pan), Self::Clear(card)) = (&encrypted.pan, &clear)
            && *pan != card.pan
        {
            return Err(Refusal::cards_differ());
        }
        *self = clear;
        Ok(Some(track))
    }
    /// The expiry, as far as it is in clear.
    pub(super) fn expiry(&self) -> Option<Expiry> {
        match self {
            Self::Absent => None,
            Self::Clear(card) => card.expiry,
            Self::Encrypted(encrypted) => encrypted.expiry,
        }
    }
}

/// Track 2 from characters: UnionPay separates with `D`, some terminals with `F`, and both also appear as
/// filler behind the data.
pub(super) fn track_from_characters(characters: &[u8]) -> Result<Track2, Refusal> {
    let malformed = Refusal::malformed(35);
    let mut clear = [0; Track2::CHARACTERS_MAX];
    let mut len = 0;
    let mut has_separator = false;
    for &character in characters {
        let character = match character {
            b'0'..=b'9' => character,
            b'=' | b'D' | b'F' if !has_separator => {
                has_separator = true;
                b'='
            }
            b'=' | b'D' | b'F' => break,
            _ => return Err(malformed),
        };
        *clear.get_mut(len).ok_or(malformed)? = character;
        len += 1;
    }
    let track = Track2::new(&clear[..len]).map_err(|_| malformed);
    wipe(&mut clear);
    track
}

fn unpack(packed: &[u8], nibbles: usize) -> Result<Track2, Refusal> {
    let mut characters = [0; Track2::CHARACTERS_MAX];
    let out = characters.get_mut(..nibbles).ok_or(Refusal::malformed(35))?;
    for (index, slot) in out.iter_mut().enumerate() {
        let byte = packed.get(index / 2).ok_or(Refusal::malformed(35))?;
        let nibble = if index % 2 == 0 { byte >> 4 } else { byte & 0xF };
        *slot = b"0123456789ABCDEF"[usize::from(nibble)];
    }
    let track = track_from_characters(out);
    wipe(&mut characters);
    track
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_separators_and_filler_are_read() {
        for (characters, clear) in [
            (&b"6225880000000008=3012101"[..], &b"6225880000000008=3012101"[..]),
            (b"6225880000000008D3012101", b"6225880000000008=3012101"),
            (b"6225880000000008F3012101F", b"6225880000000008=3012101"),
        ] {
            assert_eq!(track_from_characters(characters).unwrap().characters(), clear);
        }
        assert!(track_from_characters(b"622588A000000008").is_err());
        assert!(track_from_characters(&[b'1'; 38]).is_err());
    }

    #[test]
    fn a_deciphered_track_replaces_itself_and_must_name_the_card_of_de_2() {
        let packed = [0x62, 0x25, 0x88, 0, 0, 0, 0, 0x08, 0xD3, 0x01, 0x21, 0x01, 0x10];
        let pan = || Pan::from_digits(b"6225880000000008").ok();
        let mut card = DraftCard::Encrypted(EncryptedTrack::new(&[0; 13], 25, pan(), None));
        let track = card.decipher(&packed).unwrap().unwrap();
        assert_eq!(track.characters(), b"6225880000000008=30121011");
        let expiry = "3012".parse().ok();
        assert_eq!(card, DraftCard::Clear(ClearCard { pan: pan().unwrap(), expiry }));
        assert!(card.decipher(&[]).unwrap().is_none(), "a clear card stays as it is");
        let other = Pan::from_digits(b"6225880000000016").ok();
        let mut card = DraftCard::Encrypted(EncryptedTrack::new(&[0; 13], 25, other, None));
        assert_eq!(card.decipher(&packed).unwrap_err(), Refusal::cards_differ());
        let mut card = DraftCard::Encrypted(EncryptedTrack::new(&[0; 13], 25, None, None));
        assert_eq!(card.decipher(&packed[..5]).unwrap_err(), Refusal::malformed(35));
        assert_eq!(format!("{card:?}"), "Encrypted(EncryptedTrack(25 nibbles))");
    }
}
