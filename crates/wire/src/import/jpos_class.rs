//! What the classes of jPOS say.

/// What a field packager's class says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Takes no bytes.
    Nothing,
    Value(ValueClass),
    /// A value with a tag of its own, inside a packager of tags.
    Tagged(TagClass),
    /// A bitmap; whether its first bit is an ordinary one.
    Bitmap(&'static str, bool),
    /// A count of bytes, then as many as there may be at most.
    Counted,
    /// Whatever is left of a composite: class and encoding.
    Rest(&'static str, &'static str),
    /// Known, and not a thing that a dialect can say.
    Inexpressible(&'static str),
}

/// A value without a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueClass {
    pub(super) class: &'static str,
    pub(super) encoding: &'static str,
    /// Encoding and places.
    pub(super) prefix: Option<(&'static str, usize)>,
    pub(super) counts: Option<&'static str>,
    pub(super) fill: Option<&'static str>,
    /// The length is in digits of bytes: half of it are bytes.
    pub(super) is_halved: bool,
    /// What the dialect does not say in the same way.
    pub(super) warning: Option<&'static str>,
}

/// A value with a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TagClass {
    /// None where the packager around says it.
    pub(super) width: Option<usize>,
    pub(super) tag: &'static str,
    pub(super) places: usize,
    pub(super) prefix: &'static str,
    /// The length stands first and counts the tag.
    pub(super) is_length_first: bool,
    pub(super) class: &'static str,
    pub(super) encoding: &'static str,
}

const PLAIN: ValueClass = ValueClass {
    class: "ans",
    encoding: "ascii",
    prefix: None,
    counts: None,
    fill: None,
    is_halved: false,
    warning: None,
};

/// What [`Class::Rest`] is at the level of the message.
pub(super) const TAKES_THE_REST: &str = "takes whatever is left, which an element cannot";
const BITMAP_OF_DIGITS: &str = "is a bitmap of 16 bits that goes on in digits";
const ENDS_AT_TOKEN: &str = "ends at a character, not after a length";
const SIGN_IN_LAST_DIGIT: &str = "has its sign in the last digit, which is shown as the character that it is";
const SHOWS_FILLER: &str = "counts bytes: an odd number of digits is read with its filler F";
const PADS_WHAT_IT_WRITES: &str = "is filled with spaces by jPOS when it is written";

impl Class {
    /// Nothing when the class is not known.
    pub(super) fn of(name: &str) -> Option<Self> {
        let value = |class, encoding| Some(Self::Value(ValueClass { class, encoding, ..PLAIN }));
        match name {
            "IF_NOP" | "IF_UNUSED" => Some(Self::Nothing),
            "IF_TBASE" | "IF_TCHAR" | "IF_FSTCHAR" | "IF_FSTBINARY" | "IFA_FST" => {
                Some(Self::Inexpressible(ENDS_AT_TOKEN))
            }
            "IF_FCHAR" | "IFA_FCHAR" => Some(Self::Rest("ans", "ascii")),
            "IF_FBINARY" => Some(Self::Rest("b", "raw")),
            "X92_BITMAP" => Some(Self::Inexpressible(BITMAP_OF_DIGITS)),
            "IF_CHAR" | "IFA_CHAR" => value("ans", "ascii"),
            "IFE_CHAR" | "IF_ECHAR" => value("ans", "ebcdic"),
            // The one character of Mastercard's category; a packager of tags says that it may be absent.
            "IFMC_TCC" => value("an", "ascii"),
            "IFEMC_TCC" => value("an", "ebcdic"),
            "IFA_NUMERIC" | "IFA_AMOUNT2003" => value("n", "ascii"),
            "IFE_NUMERIC" => value("n", "ebcdic"),
            "IFB_NUMERIC" | "IFB_AMOUNT2003" => value("n", "bcd"),
            "IFA_AMOUNT" => value("x+n", "ascii"),
            "IFE_AMOUNT" => value("x+n", "ebcdic"),
            "IFB_AMOUNT" => value("x+n", "bcd"),
            "IFA_BINARY" => value("b", "hex"),
            "IFB_BINARY" => value("b", "raw"),
            "IFE_BINARY" => value("b", "ebcdic-hex"),
            "IFB_FNUMERIC" => {
                Some(Self::Value(ValueClass { class: "n", encoding: "bcd", fill: Some("F"), ..PLAIN }))
            }
            "IFB_HEX" => {
                Some(Self::Value(ValueClass { class: "b", encoding: "raw", is_halved: true, ..PLAIN }))
            }
            "IFE_SIGNED_NUMERIC" => Some(Self::Value(ValueClass {
                encoding: "ebcdic",
                warning: Some(SIGN_IN_LAST_DIGIT),
                ..PLAIN
            })),
            "IFB_LLHFBINARY" => Some(Self::Counted),
            "IFA_BITMAP" => Some(Self::Bitmap("hex", false)),
            "IFB_BITMAP" => Some(Self::Bitmap("raw", false)),
            "IFE_BITMAP" => Some(Self::Bitmap("ebcdic-hex", false)),
            "Base1_BITMAP126" => Some(Self::Bitmap("raw", true)),
            _ => {
                let tagged = || TagClass::of(name).map(Self::Tagged);
                ValueClass::variable(name).map(Self::Value).or_else(tagged)
            }
        }
    }
}

impl ValueClass {
    /// `IFB_LLHCHAR`: alphabet of the prefix, its places, `H` when it is binary, kind of the value.
    fn variable(name: &str) -> Option<Self> {
        let (alphabet, rest) = name.split_once('_')?;
        let (is_filled, rest) = rest.strip_prefix('F').map_or((false, rest), |rest| (true, rest));
        let places = rest.bytes().take_while(|byte| *byte == b'L').count();
        if !(1..=6).contains(&places) {
            return None;
        }
        let kind = &rest[places..];
        let is_hex = alphabet == "IFB" && kind == "HEX";
        let (is_binary, kind) = match kind.strip_prefix('H') {
            Some(kind) if alphabet == "IFB" && !is_hex => (true, kind),
            Some(_) if !is_hex => return None,
            _ => (false, kind),
        };
        // The value's alphabet is the prefix's unless the name has two.
        let (prefix, text, digits) = match alphabet {
            "IFA" => ("ascii", "ascii", "ascii"),
            "IFE" => ("ebcdic", "ebcdic", "ebcdic"),
            "IFB" if is_binary => ("binary", "ascii", "bcd"),
            "IFB" => ("bcd", "ascii", "bcd"),
            "IFEA" => ("ebcdic", "ascii", "ascii"),
            "IFAE" => ("ascii", "ebcdic", "ebcdic"),
            // EBCDIC lengths that count the bytes of packed digits.
            "IFEB" => ("ebcdic", "ascii", "bcd"),
            _ => return None,
        };
        let plain = Self { prefix: Some((prefix, places)), ..PLAIN };
        let value = match (kind, alphabet) {
            ("CHAR", "IFA") if is_filled => Self { warning: Some(PADS_WHAT_IT_WRITES), ..plain },
            ("NUM", "IFA") if is_filled => Self { warning: Some(PADS_WHAT_IT_WRITES), ..plain },
            ("NUM", "IFB") if is_filled => Self { class: "n", encoding: "bcd", fill: Some("F"), ..plain },
            _ if is_filled => return None,
            ("NUM", "IFEB") => Self {
                class: "z",
                encoding: "bcd",
                counts: Some("bytes"),
                fill: Some("F"),
                warning: Some(SHOWS_FILLER),
                ..plain
            },
            (_, "IFEB") => return None,
            ("CHAR", _) => Self { encoding: text, ..plain },
            ("ECHAR", "IFB") => Self { encoding: "ebcdic", ..plain },
            ("EBINARY", "IFE") => Self { encoding: "ebcdic", ..plain },
            ("NUM", _) => Self { class: "n", encoding: digits, ..plain },
            ("BNUM", "IFA") => Self { class: "n", encoding: "bcd", ..plain },
            ("BINARY", _) => Self { class: "b", encoding: "raw", ..plain },
            ("ABINARY", "IFA") => Self { class: "b", encoding: "hex", ..plain },
            // The length counts half bytes.
            ("HEX", _) => {
                Self { class: "b", encoding: "raw", counts: Some("nibbles"), is_halved: true, ..plain }
            }
            _ => return None,
        };
        // LL in binary is one byte, LLL two.
        let places = if is_binary { places.saturating_sub(1).max(1) } else { places };
        Some(Self { prefix: Some((prefix, places)), ..value })
    }
}

impl TagClass {
    fn of(name: &str) -> Option<Self> {
        let (alphabet, rest) = name.split_once('_')?;
        let tags = rest.bytes().take_while(|byte| *byte == b'T').count();
        let rest = &rest[tags..];
        let places = rest.bytes().take_while(|byte| *byte == b'L').count();
        let kind = &rest[places..];
        if !(1..=6).contains(&places) || (tags > 0) != (alphabet == "IFA") {
            return None;
        }
        let first = |tag, encoding| {
            Some(Self {
                width: Some(2),
                tag,
                places,
                prefix: tag,
                is_length_first: true,
                class: "ans",
                encoding,
            })
        };
        let after = |width, tag, prefix, encoding| {
            let class = "ans";
            Some(Self { width, tag, places, prefix, is_length_first: false, class, encoding })
        };
        let found = match (alphabet, places) {
            ("IFEP", 2) => first("ascii", "ascii"),
            ("IFEP", 3) => first("ebcdic", "ascii"),
            ("IFELPE", 3) => first("ebcdic", "ebcdic"),
            ("IFMC", 2 | 3) => after(Some(2), "ascii", "ascii", "ascii"),
            ("IFEMC", 2) => after(Some(2), "ascii", "ebcdic", "ebcdic"),
            ("IFEMC", 3) => after(Some(4), "ebcdic", "ebcdic", "ebcdic"),
            ("IFEPE", 2 | 3) => after(Some(places), "ebcdic", "ebcdic", "ebcdic"),
            ("IFIPM", 3) => after(Some(4), "ascii", "ascii", "ascii"),
            ("IFA", _) => after(Some(tags), "ascii", "ascii", "ascii"),
            // The packager around says how wide its tags are.
            ("IFTA", 2 | 3) => after(None, "ascii", "ascii", "ascii"),
            ("IFTB", 2) => after(None, "ascii", "bcd", "ascii"),
            _ => None,
        }?;
        match kind {
            "CHAR" if alphabet != "IFTB" => Some(found),
            "NUM" if alphabet == "IFTA" => Some(Self { class: "n", ..found }),
            "BINARY" if alphabet != "IFIPM" => Some(Self { class: "b", encoding: "raw", ..found }),
            _ => None,
        }
    }
}
