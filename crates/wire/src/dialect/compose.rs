//! From the file's words to what is inside an element.

use super::compile::{Defaults, Format, NO_PREFIX, PREFIX_PLACES_MAX, Word, unknown};
use super::element::{Class, Composition, Encoding, Layout, PrefixEncoding};
use super::file::{ElementFile, PartBitmapFile, TagFile};
use crate::composite::{
    BITMAP_WORDS_MAX, BitmapRule, COMPOSITE_DEPTH_MAX, Composite, Head, Key, Kind, PartSpec, TAG_BYTES_MAX,
    TagCounts, TagLength, TagRule,
};
use crate::error::DialectError;
use crate::{BODY_BYTES_MAX, Length};

impl Word for TagCounts {
    const EXPECTED: &'static str = "units, bytes, tag, all";
    const WORDS: &'static [(&'static str, Self)] =
        &[("units", Self::Units), ("bytes", Self::Bytes), ("tag", Self::Tag), ("all", Self::All)];
}

/// Which of tag and length stands first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Tag,
    Length,
}

impl Word for First {
    const EXPECTED: &'static str = "tag, length";
    const WORDS: &'static [(&'static str, Self)] = &[("tag", Self::Tag), ("length", Self::Length)];
}

const KINDS: &str = "positional, tagged, bitmap, ber, datasets, dbm";

impl Defaults {
    /// Compiles the inside of an element at `at`, or of a part at `depth`.
    pub(super) fn composite(
        &self,
        at: &str,
        word: &str,
        class: Class,
        encoding: Encoding,
        depth: usize,
        mut file: ElementFile,
    ) -> Result<Composition, DialectError> {
        let path = |what: &str| format!("{at}.{what}");
        self.in_range(path("inside (depth of composites)"), depth + 1, 1, COMPOSITE_DEPTH_MAX)?;
        if matches!(class, Class::Numeric | Class::SignedAmount | Class::Track) || encoding == Encoding::Bcd {
            let expected = "class b or one of text around parts";
            return Err(unknown(&self.dialect, path("format"), &file.format, expected));
        }
        let kind = self.kind(at, word, &mut file)?;
        if !file.subfields.is_empty() || !file.layouts.is_empty() {
            return Err(unknown(&self.dialect, path("subfields"), word, "parts, which a composite has"));
        }
        let head = match file.head.take() {
            Some(head) => {
                match kind {
                    // The head is called 0, as a tag of one digit might be.
                    Kind::Tagged(rule) => {
                        self.in_range(path("tag.width"), usize::from(rule.width), 2, TAG_BYTES_MAX)?;
                    }
                    Kind::Bitmapped(_) if head.optional.is_none() => {}
                    _ => {
                        let expected = "a composite of tags, or of bits and not optional";
                        return Err(unknown(&self.dialect, path("head"), word, expected));
                    }
                }
                Some(Box::new(self.head(at, depth, *head)?))
            }
            None => None,
        };
        let mut composite = Composite { kind, head, other: None, parts: Vec::new() };
        if let Some(other) = file.other.take() {
            if kind != Kind::Datasets {
                return Err(unknown(&self.dialect, path("other"), word, "datasets"));
            }
            // What it is called does not matter: it is found when nothing else is.
            composite.other = Some(Box::new(self.part(at, "71", &composite, depth, *other)?));
        }
        for (key, part) in std::mem::take(&mut file.parts) {
            if part.format != "absent" {
                let part = self.part(at, &key, &composite, depth, part)?;
                composite.parts.push(part);
            }
        }
        composite.parts.sort_by_key(|part| part.key);
        self.positions(at, &composite)?;
        Ok(Composition::Composite(Box::new(composite)))
    }

    /// Refuses words about the inside of an element that has none.
    pub(super) fn nothing_inside(&self, at: &str, file: &ElementFile) -> Result<(), DialectError> {
        let given = [
            ("tag", file.tag.is_some()),
            ("bitmap", file.bitmap.is_some()),
            ("head", file.head.is_some()),
            ("other", file.other.is_some()),
            ("parts", !file.parts.is_empty()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((word, _)) => Err(unknown(&self.dialect, format!("{at}.{word}"), word, "inside = with it")),
            None => Ok(()),
        }
    }

    fn kind(&self, at: &str, word: &str, file: &mut ElementFile) -> Result<Kind, DialectError> {
        let kind = match word {
            "positional" => {
                let repeat_from = file.repeat_from.map(|from| from.saturating_sub(1));
                self.in_range(format!("{at}.parts"), file.parts.len(), 1, usize::from(u8::MAX))?;
                let last = file.parts.len() - 1;
                self.in_range(format!("{at}.repeat_from"), repeat_from.unwrap_or(0), 0, last)?;
                return self.unused(at, file, Kind::Positional { repeat_from });
            }
            "tagged" => Kind::Tagged(self.tag_rule(at, file.tag.take().unwrap_or_default())?),
            "bitmap" => Kind::Bitmapped(self.bitmap_rule(at, file.bitmap.take().unwrap_or_default())?),
            "ber" => Kind::Ber,
            "datasets" => Kind::Datasets,
            "dbm" => Kind::Dbm,
            other => return Err(unknown(&self.dialect, format!("{at}.inside"), other, KINDS)),
        };
        if file.repeat_from.is_some() {
            let expected = "inside = \"positional\" with it";
            return Err(unknown(&self.dialect, format!("{at}.repeat_from"), word, expected));
        }
        self.unused(at, file, kind)
    }

    /// Refuses a rule of another kind of composite than this.
    fn unused(&self, at: &str, file: &ElementFile, kind: Kind) -> Result<Kind, DialectError> {
        let left = [("tag", file.tag.is_some()), ("bitmap", file.bitmap.is_some())];
        match left.iter().find(|(_, is_given)| *is_given) {
            Some((word, _)) => {
                Err(unknown(&self.dialect, format!("{at}.{word}"), word, "inside = \"tagged\" or \"bitmap\""))
            }
            None => Ok(kind),
        }
    }

    fn tag_rule(&self, at: &str, file: TagFile) -> Result<TagRule, DialectError> {
        let path = |what: &str| format!("{at}.tag.{what}");
        self.in_range(path("width"), file.width, 1, TAG_BYTES_MAX)?;
        let encoding = self.word(path("encoding"), file.encoding.as_deref(), Encoding::Ascii)?;
        if matches!(encoding, Encoding::Hex | Encoding::EbcdicHex) {
            let given = file.encoding.unwrap_or_default();
            return Err(unknown(&self.dialect, path("encoding"), &given, "ascii, ebcdic, bcd, raw"));
        }
        let default = match encoding {
            Encoding::Ebcdic => PrefixEncoding::Ebcdic,
            Encoding::Bcd => PrefixEncoding::Bcd,
            Encoding::Raw => PrefixEncoding::Binary,
            Encoding::Ascii | Encoding::Hex | Encoding::EbcdicHex => PrefixEncoding::Ascii,
        };
        let length = match file.length.as_deref() {
            None => None,
            Some(places) => {
                if !places.bytes().all(|byte| byte == b'L') {
                    return Err(unknown(&self.dialect, path("length"), places, "L to LLLLLL"));
                }
                self.in_range(path("length"), places.len(), 1, PREFIX_PLACES_MAX)?;
                Some(TagLength {
                    encoding: self.word(path("prefix"), file.prefix.as_deref(), default)?,
                    places: places.len() as u8,
                    counts: self.word(path("counts"), file.counts.as_deref(), TagCounts::Units)?,
                })
            }
        };
        let is_length_first = self.word(path("first"), file.first.as_deref(), First::Tag)? == First::Length;
        let needs_length = is_length_first || file.prefix.is_some() || file.counts.is_some();
        if length.is_none() && needs_length {
            return Err(unknown(&self.dialect, path("length"), "", "L to LLLLLL"));
        }
        Ok(TagRule { width: file.width as u8, encoding, length, is_length_first })
    }

    fn bitmap_rule(&self, at: &str, file: PartBitmapFile) -> Result<BitmapRule, DialectError> {
        let path = |what: &str| format!("{at}.bitmap.{what}");
        let encoding = self.word(path("encoding"), file.encoding.as_deref(), Encoding::Raw)?;
        if !matches!(encoding, Encoding::Raw | Encoding::Hex | Encoding::EbcdicHex) {
            let given = file.encoding.unwrap_or_default();
            return Err(unknown(&self.dialect, path("encoding"), &given, "raw, hex, ebcdic-hex"));
        }
        let room = BITMAP_WORDS_MAX * 8;
        let (bytes, min, max) = (file.bytes.unwrap_or(8), file.min.unwrap_or(1), file.max.unwrap_or(1));
        self.in_range(path("bytes"), bytes, 1, room)?;
        self.in_range(path("max"), max, 1, room / bytes)?;
        self.in_range(path("min"), min, 1, max)?;
        Ok(BitmapRule { encoding, bytes: bytes as u8, min: min as u8, max: max as u8 })
    }

    fn head(&self, at: &str, depth: usize, mut file: ElementFile) -> Result<Head, DialectError> {
        let is_optional = file.optional.take().unwrap_or_default();
        let element = self.value(&format!("{at}.head"), 0, depth + 1, file)?;
        let layout = Layout::of(&element);
        let part = PartSpec { key: Key::Number(0), element, layout, has_own_length: true };
        Ok(Head { part, is_optional })
    }

    fn part(
        &self,
        at: &str,
        key: &str,
        composite: &Composite,
        depth: usize,
        mut file: ElementFile,
    ) -> Result<PartSpec, DialectError> {
        let path = format!("{at}.parts.{key}");
        let named = composite.key_of(key).filter(|_| composite.head.is_none() || key != "0");
        let Some(named) = named else {
            let expected = "a number for positions and bits, a tag of the width, hexadecimal for BER-TLV";
            return Err(unknown(&self.dialect, path, key, expected));
        };
        self.reachable(&path, composite, named)?;
        if file.optional.is_some() {
            return Err(unknown(&self.dialect, path, "optional", "it at a head only"));
        }
        if file.format.is_empty() && matches!(composite.kind, Kind::Ber | Kind::Datasets | Kind::Dbm) {
            // The length stands in the object: nothing more need be said of bytes.
            file.format = format!("b..{BODY_BYTES_MAX}");
            file.encoding.get_or_insert_with(|| "raw".to_owned());
            file.prefix = Some(NO_PREFIX.to_owned());
        }
        let says_places = Format::parse(&file.format).is_some_and(|format| format.says_places);
        let says_prefix = says_places || file.prefix.is_some();
        let has_own_length = match composite.kind {
            Kind::Tagged(rule) => rule.length.is_none() || says_prefix,
            Kind::Positional { .. } | Kind::Bitmapped(_) => true,
            Kind::Dbm => matches!(named, Key::Number(_)),
            Kind::Ber | Kind::Datasets => false,
        };
        if !has_own_length && !says_prefix {
            // Lengths of more digits than a prefix of its own could have are well.
            file.prefix = Some(NO_PREFIX.to_owned());
        }
        if let Kind::Tagged(TagRule { is_length_first: true, .. }) = composite.kind
            && has_own_length
        {
            return Err(unknown(&self.dialect, path, &file.format, "no length of its own after a length"));
        }
        let element = self.value(&path, 0, depth + 1, file)?;
        let layout = Layout::of(&element);
        Ok(PartSpec { key: named, element, layout, has_own_length })
    }

    /// A bit must exist, and not be one that announces something.
    fn reachable(&self, path: &str, composite: &Composite, key: Key) -> Result<(), DialectError> {
        let Key::Number(number) = key else { return Ok(()) };
        let number = usize::from(number);
        let (max, is_free) = match composite.kind {
            Kind::Bitmapped(rule) => {
                let bits = usize::from(rule.bytes) * 8;
                (bits * usize::from(rule.max), !rule.is_chained() || number % bits != 1)
            }
            Kind::Dbm => (BITMAP_WORDS_MAX * 64, number != 1 && (number <= 16 || number % 8 != 1)),
            Kind::Positional { .. } | Kind::Tagged(_) | Kind::Ber | Kind::Datasets => return Ok(()),
        };
        self.in_range(path.to_owned(), number, 1, max)?;
        if is_free {
            return Ok(());
        }
        Err(unknown(&self.dialect, path, &number.to_string(), "a bit that does not announce a bitmap"))
    }

    /// Only the last position may take what is left.
    fn positions(&self, at: &str, composite: &Composite) -> Result<(), DialectError> {
        let Kind::Positional { repeat_from } = composite.kind else { return Ok(()) };
        self.in_range(format!("{at}.parts"), composite.parts.len(), 1, usize::from(u8::MAX))?;
        let takes_rest = |part: &PartSpec| matches!(part.element.length(), Length::Variable { prefix, .. } if prefix.places == 0);
        let count = composite.parts.len() - usize::from(repeat_from.is_none());
        if let Some(part) = composite.parts[..count].iter().find(|part| takes_rest(part)) {
            let path = format!("{at}.parts.{}.prefix", part.key);
            return Err(unknown(&self.dialect, path, NO_PREFIX, "it at the last part only"));
        }
        Ok(())
    }
}
