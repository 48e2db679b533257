//! From the file's words to the flat table.

use std::str::FromStr;

use super::element::{
    Class, Composition, Counts, Element, Encoding, Length, Pad, Prefix, PrefixEncoding, Scale, Sensitivity,
    Side, Subfield, SubfieldLayout, TextPad,
};
use super::file::{DialectFile, ElementFile, LayoutFile, SubfieldFile};
use super::presence::Need;
use crate::charset::Charset;
use crate::error::DialectError;
use crate::message::SMALL_DIGITS_MAX;
use crate::{BODY_BYTES_MAX, DE_MAX, De};

/// The most places a length prefix may have.
pub(super) const PREFIX_PLACES_MAX: usize = 6;
/// What a part says that has no length of its own.
pub(super) const NO_PREFIX: &str = "none";
/// The most units of a part that takes what is left: packed digits of the longest body.
const REST_MAX: usize = 2 * BODY_BYTES_MAX;

/// What elements inherit from the head of the file.
pub(super) struct Defaults {
    pub(super) dialect: String,
    charset: Charset,
    numeric: Encoding,
    track: Encoding,
    text: Encoding,
    binary: Encoding,
    pub(super) prefix: PrefixEncoding,
    pad_fixed: Side,
    pad_variable: Side,
    fill: u8,
}

/// A word that has a table of meanings.
pub(super) trait Word: Sized + Copy + 'static {
    const EXPECTED: &'static str;
    const WORDS: &'static [(&'static str, Self)];
}

impl Word for Encoding {
    const EXPECTED: &'static str = "ascii, ebcdic, bcd, raw, hex, ebcdic-hex";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ascii", Self::Ascii),
        ("ebcdic", Self::Ebcdic),
        ("bcd", Self::Bcd),
        ("raw", Self::Raw),
        ("hex", Self::Hex),
        ("ebcdic-hex", Self::EbcdicHex),
    ];
}

impl Word for PrefixEncoding {
    const EXPECTED: &'static str = "ascii, ebcdic, bcd, binary, hex";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ascii", Self::Ascii),
        ("ebcdic", Self::Ebcdic),
        ("bcd", Self::Bcd),
        ("binary", Self::Binary),
        ("hex", Self::Hex),
    ];
}

impl Word for Counts {
    const EXPECTED: &'static str = "units, bytes, nibbles, characters, inclusive";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("units", Self::Units),
        ("bytes", Self::WireBytes),
        ("nibbles", Self::Nibbles),
        ("characters", Self::Characters),
        ("inclusive", Self::Inclusive),
    ];
}

impl Word for Side {
    const EXPECTED: &'static str = "left, right";
    const WORDS: &'static [(&'static str, Self)] = &[("left", Self::Left), ("right", Self::Right)];
}

impl Word for Need {
    const EXPECTED: &'static str = "optional, forbidden";
    const WORDS: &'static [(&'static str, Self)] =
        &[("optional", Self::Optional), ("forbidden", Self::Forbidden)];
}

impl Word for Sensitivity {
    const EXPECTED: &'static str = "open, pan, track, secret";
    const WORDS: &'static [(&'static str, Self)] =
        &[("open", Self::Open), ("pan", Self::Pan), ("track", Self::Track), ("secret", Self::Secret)];
}

impl Defaults {
    pub(super) fn of(file: &DialectFile) -> Result<Self, DialectError> {
        let name = &file.name;
        let encoding = &file.encoding;
        let charset = file.charset.as_deref().unwrap_or("ascii");
        let charset =
            Charset::from_name(charset).ok_or_else(|| unknown(name, "charset", charset, Charset::NAMES))?;
        let text = if charset.is_ebcdic() { Encoding::Ebcdic } else { Encoding::Ascii };
        Ok(Self {
            dialect: name.clone(),
            charset,
            numeric: word_or(name, "encoding.numeric", encoding.numeric.as_deref(), Encoding::Ascii)?,
            track: word_or(name, "encoding.track", encoding.track.as_deref(), Encoding::Ascii)?,
            text: word_or(name, "encoding.text", encoding.text.as_deref(), text)?,
            binary: word_or(name, "encoding.binary", encoding.binary.as_deref(), Encoding::Raw)?,
            prefix: word_or(name, "encoding.prefix", encoding.prefix.as_deref(), PrefixEncoding::Ascii)?,
            pad_fixed: word_or(name, "pad.fixed", file.pad.fixed.as_deref(), Side::Left)?,
            pad_variable: word_or(name, "pad.variable", file.pad.variable.as_deref(), Side::Right)?,
            fill: fill(name, "pad.fill", file.pad.fill.as_deref(), 0)?,
        })
    }

    /// Compiles one element; nothing when the file removes it with `format = "absent"`.
    pub(super) fn element(&self, key: &str, file: ElementFile) -> Result<Option<Element>, DialectError> {
        let de = self.number(key)?;
        if file.format == "absent" {
            return Ok(None);
        }
        if file.optional.is_some() {
            let path = format!("elements.{key}.optional");
            return Err(unknown(&self.dialect, path, "optional", "nothing: the bitmap says what is there"));
        }
        self.value(&format!("elements.{key}"), de, 0, file).map(Some)
    }

    /// Compiles an element, or a part at `depth` of composites.
    pub(super) fn value(
        &self,
        at: &str,
        de: De,
        depth: usize,
        file: ElementFile,
    ) -> Result<Element, DialectError> {
        let path = |what: &str| format!("{at}.{what}");
        let format = Format::parse(&file.format)
            .ok_or_else(|| unknown(&self.dialect, path("format"), &file.format, FORMAT_EXPECTED))?;
        let default = match format.class {
            Class::Numeric | Class::SignedAmount => self.numeric,
            Class::Track => self.track,
            Class::Alpha | Class::AlphaNumeric | Class::Text => self.text,
            Class::Binary => self.binary,
        };
        let encoding = self.word(path("encoding"), file.encoding.as_deref(), default)?;
        if !fits(format.class, encoding) {
            let given = file.encoding.unwrap_or_else(|| format!("{encoding:?}"));
            let expected =
                "raw, hex or ebcdic-hex for b; ascii, ebcdic or bcd for digits; ascii or ebcdic for text";
            return Err(unknown(&self.dialect, path("encoding"), &given, expected));
        }
        let length = self.length(&path, de, &format, encoding, &file)?;
        let pad_default = match length {
            Length::Fixed(_) => self.pad_fixed,
            Length::Variable { .. } => self.pad_variable,
        };
        let side = self.word(path("pad"), file.pad.as_deref(), pad_default)?;
        let charset = match file.charset.as_deref() {
            None => self.charset,
            Some(name) => Charset::from_name(name)
                .ok_or_else(|| unknown(&self.dialect, path("charset"), name, Charset::NAMES))?,
        };
        let sensitivity = self.word(path("sensitive"), file.sensitive.as_deref(), Sensitivity::Open)?;
        let charset = match encoding {
            // A single element in the other alphabet of a mixed dialect.
            Encoding::Ebcdic if !charset.is_ebcdic() => Charset::Cp1047,
            Encoding::Ascii if charset.is_ebcdic() => Charset::Latin1,
            _ => charset,
        };
        // For text `fill` is a character; for digits a nibble.
        let is_text = matches!(format.class, Class::Alpha | Class::AlphaNumeric | Class::Text);
        let (nibble, character) =
            if is_text { (None, file.fill.as_deref()) } else { (file.fill.as_deref(), None) };
        let pad = Pad { side, fill: fill(&self.dialect, &path("fill"), nibble, self.fill)? };
        let text_pad = TextPad {
            side: self.word(path("pad"), file.pad.as_deref().filter(|_| is_text), Side::Right)?,
            fill: self.fill_character(path("fill"), character, charset)?,
        };
        Ok(Element {
            de,
            name: file.name.as_str().into(),
            name_zh: file.zh.as_deref().map(Into::into),
            class: format.class,
            encoding,
            length,
            pad,
            text_pad,
            charset,
            sensitivity,
            composition: self.composition(at, format.class, encoding, depth, file)?,
        })
    }

    fn number(&self, key: &str) -> Result<De, DialectError> {
        let value = key
            .parse::<usize>()
            .map_err(|_| unknown(&self.dialect, "elements", key, "a data element number"))?;
        self.in_range(format!("elements.{key}"), value, 2, usize::from(DE_MAX))?;
        Ok(value as De)
    }

    fn length(
        &self,
        path: &impl Fn(&str) -> String,
        de: De,
        format: &Format,
        value: Encoding,
        file: &ElementFile,
    ) -> Result<Length, DialectError> {
        if !format.variable {
            self.in_range(path("format"), format.length, 1, BODY_BYTES_MAX)?;
            return Ok(Length::Fixed(format.length as u32));
        }
        if file.prefix.as_deref() == Some(NO_PREFIX) && de == 0 {
            // A part that takes what is left.
            self.in_range(path("format"), format.length, 1, REST_MAX)?;
            let prefix = Prefix { encoding: PrefixEncoding::Binary, places: 0, counts: Counts::Units };
            return Ok(Length::Variable { max: format.length as u32, prefix });
        }
        let encoding = self.word(path("prefix"), file.prefix.as_deref(), self.prefix)?;
        let counts = self.word(path("counts"), file.counts.as_deref(), Counts::Units)?;
        self.in_range(path("format"), format.places, 1, PREFIX_PLACES_MAX)?;
        let representable = match encoding {
            PrefixEncoding::Binary => 256usize.pow(format.places.min(4) as u32) - 1,
            PrefixEncoding::Hex => 16usize.pow(format.places as u32) - 1,
            PrefixEncoding::Ascii | PrefixEncoding::Ebcdic | PrefixEncoding::Bcd => {
                10usize.pow(format.places as u32) - 1
            }
        };
        // The most units whose number, as the prefix counts it, it can still write.
        let scale = Scale::of(format.class, value);
        let most = match counts {
            Counts::Units | Counts::Characters => representable,
            Counts::WireBytes => scale.units(representable),
            // The largest number may end inside a unit.
            Counts::Nibbles => (0..4)
                .find_map(|less| scale.units_of_nibbles(representable.saturating_sub(less)))
                .unwrap_or_default(),
            Counts::Inclusive => representable - encoding_bytes(encoding, format.places),
        };
        self.in_range(path("format"), format.length, 1, most)?;
        if counts == Counts::Characters && (!file.subfields.is_empty() || !file.layouts.is_empty()) {
            return Err(unknown(&self.dialect, path("counts"), "characters", "bytes: it has subfields"));
        }
        let prefix = Prefix { encoding, places: format.places as u8, counts };
        Ok(Length::Variable { max: format.length as u32, prefix })
    }

    /// One character that is one byte in the character set; a space unless the element says otherwise.
    fn fill_character(&self, key: String, given: Option<&str>, charset: Charset) -> Result<u8, DialectError> {
        let Some(given) = given else { return Ok(charset.space()) };
        let mut encoded = Vec::new();
        match (charset.encode(given, &mut encoded), encoded.as_slice()) {
            (Ok(()), [byte]) if given.chars().count() == 1 => Ok(*byte),
            _ => Err(unknown(&self.dialect, key, given, "one character of one byte")),
        }
    }

    fn composition(
        &self,
        at: &str,
        class: Class,
        encoding: Encoding,
        depth: usize,
        file: ElementFile,
    ) -> Result<Composition, DialectError> {
        match file.tlv.as_deref() {
            // Bytes as they are have the fast walk; hexadecimal is read through.
            Some("ber") if depth == 0 && encoding == Encoding::Raw && file.parts.is_empty() => {
                return Ok(Composition::BerTlv);
            }
            Some("ber") => return self.composite(at, "ber", class, encoding, depth, file),
            Some(other) => return Err(unknown(&self.dialect, format!("{at}.tlv"), other, "ber")),
            None => {}
        }
        if let Some(inside) = file.inside.clone() {
            return self.composite(at, &inside, class, encoding, depth, file);
        }
        self.nothing_inside(at, &file)?;
        let mut layouts = file.layouts;
        if !file.subfields.is_empty() {
            let all = LayoutFile {
                mti: Vec::new(),
                length: None,
                repeat_from: file.repeat_from,
                subfields: file.subfields,
            };
            layouts.push(all);
        }
        if layouts.is_empty() {
            return Ok(Composition::Primitive);
        }
        if depth > 0 {
            let expected = "inside = \"positional\" and parts, within a composite";
            return Err(unknown(&self.dialect, format!("{at}.subfields"), "subfields", expected));
        }
        let layouts: Result<Box<[_]>, _> =
            layouts.into_iter().map(|layout| self.layout(at, layout)).collect();
        Ok(Composition::Positional(layouts?))
    }

    fn layout(&self, at: &str, file: LayoutFile) -> Result<SubfieldLayout, DialectError> {
        let path = format!("{at}.layouts");
        let count = file.subfields.len();
        self.in_range(format!("{path}.subfields"), count, 1, usize::from(u8::MAX))?;
        if let Some(from) = file.repeat_from {
            self.in_range(format!("{path}.repeat_from"), from, 1, count)?;
        }
        let mtis: Result<Box<[u16]>, _> = file
            .mti
            .iter()
            .map(|text| match crate::Mti::from_str(text) {
                Ok(mti) => Ok(mti.as_u16()),
                Err(_) => Err(unknown(&self.dialect, format!("{path}.mti"), text, "four digits")),
            })
            .collect();
        let subfields: Result<Box<[Subfield]>, _> =
            file.subfields.into_iter().map(|subfield| self.subfield(at, subfield)).collect();
        // Files count from one, as messages do.
        let repeat_from = file.repeat_from.map(|from| from - 1);
        Ok(SubfieldLayout { mtis: mtis?, units: file.length, subfields: subfields?, repeat_from })
    }

    fn subfield(&self, at: &str, file: SubfieldFile) -> Result<Subfield, DialectError> {
        let path = format!("{at}.subfields.format");
        let format = Format::parse(&file.format)
            .ok_or_else(|| unknown(&self.dialect, path.as_str(), &file.format, FORMAT_EXPECTED))?;
        let max = match format.class {
            Class::Numeric | Class::SignedAmount | Class::Track => SMALL_DIGITS_MAX,
            Class::Alpha | Class::AlphaNumeric | Class::Text | Class::Binary => BODY_BYTES_MAX,
        };
        self.in_range(path.clone(), format.length, 1, max)?;
        Ok(Subfield {
            name: file.name.into(),
            name_zh: file.zh.map(Into::into),
            class: format.class,
            length: format.length as u32,
            sensitivity: self.word(path, file.sensitive.as_deref(), Sensitivity::Open)?,
        })
    }

    pub(super) fn word<W: Word>(
        &self,
        key: String,
        given: Option<&str>,
        default: W,
    ) -> Result<W, DialectError> {
        word_or(&self.dialect, key, given, default)
    }

    pub(super) fn in_range(
        &self,
        key: String,
        value: usize,
        min: usize,
        max: usize,
    ) -> Result<(), DialectError> {
        if (min..=max).contains(&value) {
            return Ok(());
        }
        Err(DialectError::OutOfRange { dialect: self.dialect.clone(), key, value, min, max })
    }
}

pub(super) fn word_or<W: Word>(
    dialect: &str,
    key: impl Into<String>,
    given: Option<&str>,
    default: W,
) -> Result<W, DialectError> {
    let Some(given) = given else { return Ok(default) };
    let found = W::WORDS.iter().find(|(word, _)| *word == given);
    found.map(|(_, value)| *value).ok_or_else(|| unknown(dialect, key, given, W::EXPECTED))
}

pub(super) fn unknown(
    dialect: &str,
    key: impl Into<String>,
    value: &str,
    expected: &'static str,
) -> DialectError {
    let value = value.chars().take(64).collect();
    DialectError::UnknownValue { dialect: dialect.to_owned(), key: key.into(), value, expected }
}

fn fill(dialect: &str, key: &str, given: Option<&str>, default: u8) -> Result<u8, DialectError> {
    let Some(given) = given else { return Ok(default) };
    let nibble = u8::from_str_radix(given, 16).ok().filter(|_| given.len() == 1);
    nibble.ok_or_else(|| unknown(dialect, key, given, "one hexadecimal digit"))
}

const fn encoding_bytes(encoding: PrefixEncoding, places: usize) -> usize {
    Prefix { encoding, places: places as u8, counts: Counts::Units }.bytes()
}

const fn fits(class: Class, encoding: Encoding) -> bool {
    match class {
        Class::Binary => matches!(encoding, Encoding::Raw | Encoding::Hex | Encoding::EbcdicHex),
        Class::Numeric | Class::SignedAmount | Class::Track => {
            matches!(encoding, Encoding::Ascii | Encoding::Ebcdic | Encoding::Bcd)
        }
        Class::Alpha | Class::AlphaNumeric | Class::Text => {
            matches!(encoding, Encoding::Ascii | Encoding::Ebcdic)
        }
    }
}

const FORMAT_EXPECTED: &str = "class and length as in n6, ans..25, z..104 LLL, b8, or absent";

/// `n6`, `ans..999`, `b..255 LLL`: class, fixed or variable, length, places of the prefix.
pub(super) struct Format {
    class: Class,
    variable: bool,
    length: usize,
    places: usize,
    /// The places are written out: `n..9 LL`.
    pub(super) says_places: bool,
}

impl Format {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (body, places) = match text.trim().split_once(' ') {
            Some((body, places)) if places.bytes().all(|b| b == b'L') => (body, Some(places.len())),
            Some(_) => return None,
            None => (text.trim(), None),
        };
        let at = body.find(|c: char| c == '.' || c.is_ascii_digit())?;
        let (class, length) = body.split_at(at);
        let class = match class {
            "n" => Class::Numeric,
            "x+n" => Class::SignedAmount,
            "z" => Class::Track,
            "a" => Class::Alpha,
            "an" | "anp" => Class::AlphaNumeric,
            "ans" | "ns" | "s" => Class::Text,
            "b" => Class::Binary,
            _ => return None,
        };
        let digits = length.trim_start_matches('.');
        let variable = digits.len() < length.len();
        if digits.is_empty()
            || digits.len() > PREFIX_PLACES_MAX
            || !digits.bytes().all(|b| b.is_ascii_digit())
        {
            return None;
        }
        if places.is_some() && !variable {
            return None;
        }
        let says_places = places.is_some();
        let places = places.unwrap_or(digits.len());
        Some(Self { class, variable, length: digits.parse().ok()?, places, says_places })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_in_the_notation_of_the_standard() {
        let cases = [
            ("n6", Class::Numeric, false, 6, 1),
            ("n..19", Class::Numeric, true, 19, 2),
            ("z..104 LLL", Class::Track, true, 104, 3),
            ("x+n9", Class::SignedAmount, false, 9, 1),
            ("ans...999", Class::Text, true, 999, 3),
            ("b..255 LLL", Class::Binary, true, 255, 3),
        ];
        for (text, class, variable, length, places) in cases {
            let format = Format::parse(text).unwrap();
            assert_eq!(
                (format.class, format.variable, format.length, format.places),
                (class, variable, length, places)
            );
        }
        for bad in ["", "n", "q6", "n6 LL", "n..", "n..19 X", "n1234567", "6"] {
            assert!(Format::parse(bad).is_none(), "{bad:?}");
        }
    }
}
