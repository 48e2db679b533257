//! What a dialect says of the inside of a composite.

use super::key::{Key, Tag};
use crate::charset::{ascii_to_ebcdic, ebcdic_to_ascii};
use crate::dialect::Layout;
use crate::{Charset, Element, Encoding, PrefixEncoding};

/// Composites inside composites, this deep; constructed BER-TLV objects count.
pub const COMPOSITE_DEPTH_MAX: usize = 8;

/// Bitmaps of a bitmapped composite, in words of 64 bits.
pub(crate) const BITMAP_WORDS_MAX: usize = 3;

/// The inside of an element or of a part: how its parts are found, and which are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composite {
    pub(crate) kind: Kind,
    /// What stands before the tags or the bitmap, where something does.
    pub(crate) head: Option<Box<Head>>,
    /// What a dataset by bits is that nothing is said of.
    pub(crate) other: Option<Box<PartSpec>>,
    /// By key.
    pub(crate) parts: Vec<PartSpec>,
}

/// How the parts of a composite are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One after another, until the value ends.
    Positional {
        /// Index of the first part of a group that repeats.
        repeat_from: Option<usize>,
    },
    /// Each after its tag.
    Tagged(TagRule),
    /// Those whose bit is set.
    Bitmapped(BitmapRule),
    /// BER-TLV objects.
    Ber,
    /// Datasets of ISO 8583:2003: identifier, two bytes of length, then BER-TLV or [`Kind::Dbm`].
    Datasets,
    /// The inside of a dataset by bits: two bytes of bitmap, further ones of a byte while the first bit is set,
    /// BER-TLV objects behind the parts when the last bit is.
    Dbm,
}

/// How tags and lengths are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagRule {
    /// Characters, digits or bytes of a tag.
    pub width: u8,
    /// ASCII, EBCDIC, BCD or raw.
    pub encoding: Encoding,
    /// The length that every part has, known or not. Without it each part is as its format says, and a tag
    /// that is not known cannot be read past.
    pub length: Option<TagLength>,
    /// Whether the length stands before the tag.
    pub is_length_first: bool,
}

/// A length beside a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagLength {
    /// Encoding of its digits.
    pub encoding: PrefixEncoding,
    /// Digits; bytes when binary.
    pub places: u8,
    /// What it counts.
    pub counts: TagCounts,
}

impl TagLength {
    /// Bytes on the wire.
    pub(crate) const fn bytes(&self) -> usize {
        self.encoding.bytes(self.places)
    }
}

/// What the length beside a tag counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagCounts {
    /// Units of the value: digits, characters, bytes.
    Units,
    /// Bytes of the value on the wire.
    Bytes,
    /// Bytes of the value and of the tag.
    Tag,
    /// Bytes of the value, of the tag and of the length itself.
    All,
}

/// How the bitmap of a composite is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitmapRule {
    /// Raw, hex or ebcdic-hex.
    pub encoding: Encoding,
    /// Bytes of one bitmap: eight, or sixteen where there are always 128 bits.
    pub bytes: u8,
    /// Bitmaps that are always there.
    pub min: u8,
    /// Bitmaps possible; with more than one the first bit of each announces the next and is no part.
    pub max: u8,
}

/// Identifiers of datasets up to this one are BER-TLV, those above go by bits (ISO 8583:2003).
pub(crate) const LAST_OF_TAGS: u8 = 0x70;

/// A part before the tags or the bitmap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub(crate) part: PartSpec,
    /// Of tags: absent when the first byte is a digit of their alphabet.
    pub(crate) is_optional: bool,
}

/// What a dialect says of one part.
#[derive(Clone, Debug)]
pub struct PartSpec {
    pub(crate) key: Key,
    /// Names, class, encoding, length and inside; the number means nothing.
    pub(crate) element: Element,
    pub(crate) layout: Layout,
    /// It has its own length in spite of one beside the tag.
    pub(crate) has_own_length: bool,
}

impl PartialEq for PartSpec {
    fn eq(&self, other: &Self) -> bool {
        // The layout follows from the element.
        self.key == other.key && self.element == other.element && self.has_own_length == other.has_own_length
    }
}

impl Eq for PartSpec {}

impl PartSpec {
    /// What the part is called in its composite.
    pub fn key(&self) -> Key {
        self.key
    }

    /// Names, class, encoding and length.
    pub fn element(&self) -> &Element {
        &self.element
    }
}

impl TagRule {
    /// Bytes of a tag on the wire.
    pub(crate) const fn bytes(&self) -> usize {
        match self.encoding {
            Encoding::Bcd => (self.width as usize).div_ceil(2),
            _ => self.width as usize,
        }
    }

    /// The key that the bytes of a tag stand for.
    pub(crate) fn key(&self, bytes: &[u8]) -> Option<Key> {
        if self.encoding == Encoding::Raw {
            return Tag::new(bytes).map(Key::Hex);
        }
        let mut text = [0; super::key::TAG_BYTES_MAX];
        let text = text.get_mut(..usize::from(self.width))?;
        let skip = bytes.len() * 2 - text.len().min(bytes.len() * 2);
        let mut is_plain = self.encoding != Encoding::Bcd || skip == 0 || bytes.first()? >> 4 == 0;
        for (index, slot) in text.iter_mut().enumerate() {
            *slot = match self.encoding {
                Encoding::Bcd => {
                    let byte = *bytes.get((index + skip) / 2)?;
                    let nibble = if (index + skip) & 1 == 0 { byte >> 4 } else { byte & 0xF };
                    if nibble <= 9 { b'0' + nibble } else { b'A' + nibble - 10 }
                }
                Encoding::Ebcdic => ebcdic_to_ascii(*bytes.get(index)?),
                Encoding::Ascii | Encoding::Raw | Encoding::Hex | Encoding::EbcdicHex => *bytes.get(index)?,
            };
            is_plain &= slot.is_ascii_alphanumeric();
        }
        if is_plain { Tag::new(text).map(Key::Text) } else { Tag::new(bytes).map(Key::Odd) }
    }

    /// The key of a tag written in a path or in a dialect file.
    pub(crate) fn key_of(&self, text: &str) -> Option<Key> {
        if let Some(odd) = text.strip_prefix('~') {
            let bytes = crate::json::unhex(odd).filter(|bytes| bytes.len() == self.bytes())?;
            return self.key(&bytes);
        }
        if self.encoding == Encoding::Raw {
            let bytes = crate::json::unhex(text).filter(|bytes| bytes.len() == self.bytes())?;
            return Tag::new(&bytes).map(Key::Hex);
        }
        let fits = text.len() == usize::from(self.width)
            && text.bytes().all(|byte| match self.encoding {
                Encoding::Bcd => matches!(byte, b'0'..=b'9' | b'A'..=b'F'),
                // The letters that the alphabet here knows.
                Encoding::Ebcdic => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
                _ => byte.is_ascii_alphanumeric(),
            });
        if fits { Tag::new(text.as_bytes()).map(Key::Text) } else { None }
    }

    /// Appends a tag.
    pub(crate) fn put(&self, key: Key, out: &mut Vec<u8>) {
        let (Key::Text(tag) | Key::Hex(tag) | Key::Odd(tag) | Key::Tail(tag)) = key else { return };
        let text = tag.as_bytes();
        match (key, self.encoding) {
            (Key::Text(_), Encoding::Bcd) => {
                let nibble = |digit: u8| crate::parse::hex_nibble(Encoding::Hex, digit).unwrap_or_default();
                let (first, rest) = text.split_at(text.len() & 1);
                out.extend(first.iter().map(|digit| nibble(*digit)));
                let (pairs, _) = rest.as_chunks::<2>();
                out.extend(pairs.iter().map(|&[high, low]| nibble(high) << 4 | nibble(low)));
            }
            (Key::Text(_), Encoding::Ebcdic) => out.extend(text.iter().copied().map(ascii_to_ebcdic)),
            _ => out.extend_from_slice(text),
        }
    }

    /// The character set of parts that are not known: that of the tags.
    pub(crate) const fn unknown_charset(&self) -> Charset {
        match self.encoding {
            Encoding::Ebcdic => Charset::Cp1047,
            _ => Charset::Latin1,
        }
    }

    /// Whether a part that is not known is shown as characters.
    pub(crate) const fn is_text(&self) -> bool {
        matches!(self.encoding, Encoding::Ascii | Encoding::Ebcdic)
    }
}

impl BitmapRule {
    /// Bytes of one bitmap on the wire.
    pub(crate) const fn wire_bytes(&self) -> usize {
        match self.encoding {
            Encoding::Raw => self.bytes as usize,
            _ => self.bytes as usize * 2,
        }
    }

    /// Whether the first bit of each bitmap announces the next.
    pub(crate) const fn is_chained(&self) -> bool {
        self.max > 1
    }
}

impl Composite {
    /// How its parts are found.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The parts that are known.
    pub fn parts(&self) -> &[PartSpec] {
        &self.parts
    }

    pub(crate) fn part(&self, key: Key) -> Option<&PartSpec> {
        let found = self.parts.binary_search_by(|part| part.key.cmp(&key));
        match (found, key) {
            (Ok(index), _) => self.parts.get(index),
            (Err(_), Key::Hex(id)) if id.number() > u64::from(LAST_OF_TAGS) => self.other.as_deref(),
            (Err(_), _) => None,
        }
    }

    /// The part at a position, repeats unrolled, and its number.
    pub(crate) fn position(&self, index: usize, repeat_from: Option<usize>) -> Option<(&PartSpec, Key)> {
        if let Some(part) = self.parts.get(index) {
            return Some((part, part.key));
        }
        let from = repeat_from?;
        let group = self.parts.len().checked_sub(from).filter(|group| *group > 0)?;
        let part = self.parts.get(from + (index - from) % group)?;
        let Key::Number(last) = self.parts.last()?.key else { return None };
        let beyond = u16::try_from(index + 1 - self.parts.len()).ok()?;
        Some((part, Key::Number(last.checked_add(beyond)?)))
    }

    /// The key of a part written in a path or in a dialect file.
    pub(crate) fn key_of(&self, text: &str) -> Option<Key> {
        let hex = |text: &str, max: usize| {
            let bytes = crate::json::unhex(text).filter(|bytes| (1..=max).contains(&bytes.len()))?;
            Tag::new(&bytes)
        };
        let ber =
            |text: &str| hex(text, super::ber::TAG_BYTES).filter(|tag| super::ber::is_tag(tag.as_bytes()));
        let number = || {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with("00");
            text.parse().ok().filter(|_| is_number).map(Key::Number)
        };
        match self.kind {
            Kind::Positional { .. } => number(),
            Kind::Bitmapped(_) => number().filter(|key| *key != Key::Number(0) || self.head.is_some()),
            // The part before the tags has no tag.
            Kind::Tagged(_) if self.head.is_some() && text == "0" => Some(Key::Number(0)),
            Kind::Tagged(rule) => rule.key_of(text),
            Kind::Ber => ber(text).map(Key::Hex),
            Kind::Datasets => hex(text, 1).map(Key::Hex),
            Kind::Dbm => match text.strip_prefix('t') {
                Some(tag) => ber(tag).map(Key::Tail),
                None => number(),
            },
        }
    }
}

/// BER-TLV of which nothing is declared.
pub(crate) static BER: Composite = Composite { kind: Kind::Ber, head: None, other: None, parts: Vec::new() };
