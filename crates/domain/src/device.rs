//! What terminals are given to work with, and what they say about themselves.

use crate::ids::{BatchNumber, MerchantIndex, Stan, TerminalIndex, TransactionId};
use serde::{Deserialize, Serialize};

/// Longest content of one download, and of a status: what DE 62 holds beside its first bytes.
pub const DOWNLOAD_BYTES_MAX: usize = 500;
/// Most downloads of one kind that a terminal is given: it counts them with two digits. It is given no more than the limits
/// of the three scopes together, whatever is set where.
pub const DOWNLOADS_MAX: usize = 99;
/// Most downloads of one kind that are everybody's.
pub const DOWNLOADS_OF_ALL_MAX: usize = DOWNLOADS_MAX - DOWNLOADS_OF_MERCHANT_MAX - DOWNLOADS_OF_TERMINAL_MAX;
/// Most downloads of one kind that are a merchant's own.
pub const DOWNLOADS_OF_MERCHANT_MAX: usize = 20;
/// Most downloads of one kind that are a terminal's own.
pub const DOWNLOADS_OF_TERMINAL_MAX: usize = 20;
/// Most downloads of merchants and terminals in all: a name for every shop and some more, 100 MB at the very most.
pub const DOWNLOAD_OVERRIDES_MAX: usize = 200_000;

/// What is downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DownloadKind {
    /// 参数: values of terminal parameters, by their two-digit code.
    Parameter,
    /// 公钥: keys of certification authorities, by the application provider (RID) and index.
    CaKey,
    /// IC 卡参数: applications of chips, by their identifier (AID).
    Aid,
}

/// Whom something to download is for. A terminal's own replaces its merchant's of the same kind and name, and that
/// everybody's: the order is the one in which they are laid over each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DownloadScope {
    /// Every terminal.
    Everybody,
    /// The terminals that are this merchant's at the moment.
    Merchant(MerchantIndex),
    /// One terminal.
    Terminal(TerminalIndex),
}

/// What a terminal is given of a kind, in 64 bits: two that are told apart differ. It is compared with what the same terminal
/// had, and proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DownloadDigest(pub u64);

/// One thing that terminals download.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Download {
    /// What it is.
    pub kind: DownloadKind,
    /// Its value: characters of a parameter, else BER-TLV objects.
    pub content: Vec<u8>,
    /// A parameter's two digits; RID and index (6 bytes); an AID (5 to 16 bytes).
    pub name: Vec<u8>,
}

/// Why something cannot be downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// No terminal would know what to do with it.
    #[error("terminal parameter {}{} is not known", char::from(.code[0]), char::from(.code[1]))]
    Parameter {
        /// Its code.
        code: [u8; 2],
    },
    /// A terminal takes as many characters as the parameter has.
    #[error("the value has {have} characters and needs {need}")]
    Length {
        /// Characters given.
        have: usize,
        /// Characters of this parameter.
        need: usize,
    },
    /// Characters that a parameter does not take.
    #[error("the value has to be digits")]
    Digits,
    /// Not a sequence of BER-TLV objects with definite lengths.
    #[error("not BER-TLV")]
    Tlv,
    /// An object that is needed is absent or of another length.
    #[error("object {tag:X} is missing or of a wrong length")]
    Object {
        /// Its tag.
        tag: u16,
    },
    /// Longer than a message takes.
    #[error("longer than {DOWNLOAD_BYTES_MAX} bytes")]
    TooLong,
}

impl DownloadScope {
    /// Most downloads of one kind.
    pub fn limit(self) -> usize {
        match self {
            Self::Everybody => DOWNLOADS_OF_ALL_MAX,
            Self::Merchant(_) => DOWNLOADS_OF_MERCHANT_MAX,
            Self::Terminal(_) => DOWNLOADS_OF_TERMINAL_MAX,
        }
    }
}

impl DownloadDigest {
    /// That of nothing at all.
    pub const NOTHING: Self = Self(0);

    /// That of one download.
    pub fn of(name: &[u8], content: &[u8]) -> Self {
        let length = [name.len().min(usize::from(u8::MAX)) as u8];
        Self(fnv(fnv(fnv(0xcbf2_9ce4_8422_2325, &length), name), content))
    }
    /// That of this and one more behind it.
    #[must_use]
    pub fn and(self, next: Self) -> Self {
        Self(fnv(self.0, &next.0.to_be_bytes()))
    }
}

/// FNV-1a: it stands in records, and depends on nothing that a build could change.
fn fnv(sum: u64, bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(sum, step)
}

/// Codes of the parameters, how many characters each has, and whether these are digits.
const PARAMETERS: [(&[u8; 2], usize, bool); 13] = [
    // Which transactions the terminal offers: 32 hexadecimal digits.
    (b"11", 32, false),
    // Seconds to wait for an answer, and how often to try.
    (b"12", 2, true),
    (b"13", 1, true),
    // Telephone numbers.
    (b"14", 14, false),
    (b"15", 14, false),
    (b"16", 14, false),
    (b"17", 14, false),
    // Whether tips are offered, and up to how many per cent.
    (b"18", 1, true),
    (b"19", 2, true),
    // Whether card numbers may be typed in, and whether it signs off by itself.
    (b"20", 1, true),
    (b"21", 1, true),
    // The merchant's name, and how often an offline sale is tried again.
    (b"22", 40, false),
    (b"23", 1, true),
];

/// How many characters a parameter has, and whether these are digits.
fn form_of(code: [u8; 2]) -> Result<(usize, bool), DownloadError> {
    let known = PARAMETERS.into_iter().find(|(known, ..)| **known == code);
    known.map(|(_, need, digits)| (need, digits)).ok_or(DownloadError::Parameter { code })
}

impl DownloadKind {
    /// All kinds, in the order in which a terminal is told that something is new.
    pub const ALL: [Self; 3] = [Self::Parameter, Self::CaKey, Self::Aid];

    /// Sixth digit of the header of an answer that tells a terminal to download this.
    pub fn requirement(self) -> u8 {
        match self {
            Self::Parameter => 1,
            Self::CaKey => 4,
            Self::Aid => 5,
        }
    }
}

impl Download {
    /// A terminal parameter; a value that is too short is filled with blanks where it is no number.
    ///
    /// # Errors
    /// [`DownloadError::Parameter`], [`DownloadError::Length`], [`DownloadError::Digits`].
    pub fn parameter(code: [u8; 2], value: &[u8]) -> Result<Self, DownloadError> {
        let (need, digits) = form_of(code)?;
        let mut content = value.to_vec();
        if !digits && content.len() < need {
            content.resize(need, b' ');
        }
        let download = Self { kind: DownloadKind::Parameter, name: code.to_vec(), content };
        download.check().map(|()| download)
    }

    /// A CA key or an application, named by what its own objects say.
    ///
    /// # Errors
    /// [`DownloadError::Tlv`], [`DownloadError::Object`], [`DownloadError::TooLong`].
    pub fn objects(kind: DownloadKind, content: Vec<u8>) -> Result<Self, DownloadError> {
        let name = name_of(kind, &content)?;
        let download = Self { kind, name, content };
        download.check().map(|()| download)
    }

    /// Whether it is what its kind and name say.
    ///
    /// # Errors
    /// [`DownloadError`] by what is wrong with it.
    pub fn check(&self) -> Result<(), DownloadError> {
        if self.content.len() > DOWNLOAD_BYTES_MAX {
            return Err(DownloadError::TooLong);
        }
        if self.kind != DownloadKind::Parameter {
            let named = name_of(self.kind, &self.content)?;
            return if named == self.name { Ok(()) } else { Err(DownloadError::Object { tag: 0x9F06 }) };
        }
        let code: [u8; 2] = self.name.as_slice().try_into().unwrap_or(*b"??");
        let (need, digits) = form_of(code)?;
        if self.content.len() != need {
            return Err(DownloadError::Length { have: self.content.len(), need });
        }
        if digits && !self.content.iter().all(u8::is_ascii_digit) {
            return Err(DownloadError::Digits);
        }
        Ok(())
    }

    /// What stands of it in a list that a terminal asks for, to see what is new.
    pub fn summary(&self) -> Vec<u8> {
        let shown: &[u16] = match self.kind {
            DownloadKind::Parameter => return self.name.clone(),
            DownloadKind::CaKey => &[0x9F06, 0x9F22, 0xDF05],
            DownloadKind::Aid => &[0x9F06],
        };
        let mut rest = self.content.as_slice();
        let mut summary = Vec::new();
        while let Some((tag, _, after)) = object(rest) {
            if shown.contains(&tag) {
                summary.extend_from_slice(&rest[..rest.len() - after.len()]);
            }
            rest = after;
        }
        summary
    }
}

/// The name in the objects of a CA key or an application; also of a terminal's question, which has no others.
///
/// # Errors
/// [`DownloadError::Tlv`] and [`DownloadError::Object`].
pub fn name_of(kind: DownloadKind, content: &[u8]) -> Result<Vec<u8>, DownloadError> {
    let (mut provider, mut index, mut rest) = (None, None, content);
    while !rest.is_empty() {
        let (tag, value, after) = object(rest).ok_or(DownloadError::Tlv)?;
        match tag {
            0x9F06 => provider = Some(value),
            0x9F22 => index = Some(value),
            _ => {}
        }
        rest = after;
    }
    let aid = provider.ok_or(DownloadError::Object { tag: 0x9F06 })?;
    match (kind, index) {
        (DownloadKind::CaKey, Some([index])) if aid.len() == 5 => Ok([aid, &[*index]].concat()),
        (DownloadKind::CaKey, Some([_])) => Err(DownloadError::Object { tag: 0x9F06 }),
        (DownloadKind::CaKey, _) => Err(DownloadError::Object { tag: 0x9F22 }),
        (DownloadKind::Aid, _) if (5..=16).contains(&aid.len()) => Ok(aid.to_vec()),
        (DownloadKind::Aid | DownloadKind::Parameter, _) => Err(DownloadError::Object { tag: 0x9F06 }),
    }
}

/// What each entry of a list is asked for by: its own objects, from one 9F06 to the next.
///
/// # Errors
/// [`DownloadError::Tlv`] and [`DownloadError::Object`].
pub fn entries_of(kind: DownloadKind, list: &[u8]) -> Result<Vec<&[u8]>, DownloadError> {
    let (mut entries, mut begin, mut rest) = (Vec::new(), 0, list);
    while !rest.is_empty() {
        let at = list.len() - rest.len();
        let (tag, _, after) = object(rest).ok_or(DownloadError::Tlv)?;
        if tag == 0x9F06 && at > 0 {
            entries.push(&list[begin..at]);
            begin = at;
        }
        rest = after;
    }
    if begin < list.len() {
        entries.push(&list[begin..]);
    }
    entries.iter().try_for_each(|entry| name_of(kind, entry).map(drop))?;
    Ok(entries)
}

/// Parameters as they follow each other in DE 62.
///
/// # Errors
/// [`DownloadError`] of the first that is none.
pub fn parameters_of(mut data: &[u8]) -> Result<Vec<Download>, DownloadError> {
    let mut found = Vec::new();
    while let Some((code, rest)) = data.split_first_chunk::<2>() {
        let (need, _) = form_of(*code)?;
        let (value, after) =
            rest.split_at_checked(need).ok_or(DownloadError::Length { have: rest.len(), need })?;
        found.push(Download::parameter(*code, value)?);
        data = after;
    }
    if data.is_empty() { Ok(found) } else { Err(DownloadError::Tlv) }
}

/// The first BER-TLV object: its tag of one or two bytes, its value, and what follows.
fn object(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (tag, rest) = match bytes {
        [first, second, rest @ ..] if first & 0x1F == 0x1F => {
            if second & 0x80 != 0 {
                return None;
            }
            (u16::from_be_bytes([*first, *second]), rest)
        }
        [first, rest @ ..] => (u16::from(*first), rest),
        [] => return None,
    };
    let (length, rest) = match rest {
        [length @ ..=0x7F, rest @ ..] => (usize::from(*length), rest),
        [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    rest.split_at_checked(length).map(|(value, after)| (tag, value, after))
}

/// What a chip made of its issuer's scripts, as its terminal tells it (0620).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScriptReport {
    /// Batch of the message.
    pub batch: BatchNumber,
    /// Its trace number.
    pub stan: Stan,
    /// The transaction whose answer had the scripts; absent when it is not known here.
    pub transaction: Option<TransactionId>,
    /// Tag DF31: five bytes a script, what was done and where it failed.
    pub results: Vec<u8>,
    /// Tag 95: terminal verification results.
    pub verification: Option<[u8; 5]>,
    /// Tag 9F36: the card's transaction counter.
    pub counter: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA_KEY: &[u8] =
        b"\x9F\x06\x05\xA0\x00\x00\x03\x33\x9F\x22\x01\x0B\xDF\x05\x0420301231\xDF\x02\x01\x07";

    #[test]
    fn parameters_have_their_lengths() {
        let set = |code: &[u8; 2], value: &str| Download::parameter(*code, value.as_bytes());
        assert_eq!(set(b"12", "60").unwrap().content, b"60");
        assert_eq!(set(b"22", "Tea House").unwrap().content.len(), 40);
        assert_eq!(set(b"12", "6"), Err(DownloadError::Length { have: 1, need: 2 }));
        assert_eq!(set(b"13", "x"), Err(DownloadError::Digits));
        let two = [&b"1260"[..], b"22", &[b'x'; 40]].concat();
        assert_eq!(
            parameters_of(&two).unwrap(),
            [set(b"12", "60").unwrap(), set(b"22", &"x".repeat(40)).unwrap()]
        );
        assert!(parameters_of(&two[..10]).is_err());
        assert_eq!(set(b"77", "1"), Err(DownloadError::Parameter { code: *b"77" }));
    }

    #[test]
    fn what_is_given_is_told_apart_by_its_digest() {
        let one = |name: &str, content: &str| DownloadDigest::of(name.as_bytes(), content.as_bytes());
        let both = |a: DownloadDigest, b: DownloadDigest| DownloadDigest::NOTHING.and(a).and(b);
        let all = [
            DownloadDigest::NOTHING,
            DownloadDigest::NOTHING.and(one("12", "60")),
            DownloadDigest::NOTHING.and(one("12", "61")),
            DownloadDigest::NOTHING.and(one("1", "260")),
            both(one("12", "60"), one("13", "3")),
            both(one("13", "3"), one("12", "60")),
            both(one("12", "60"), one("12", "60")),
        ];
        for (at, digest) in all.iter().enumerate() {
            assert!(!all[..at].contains(digest), "{at}");
        }
        assert_eq!(all[1], DownloadDigest(0xc63e_5794_50a8_6528), "records have it: it stays");
    }

    #[test]
    fn objects_name_themselves() {
        // A date of four bytes in BCD; the text above has eight characters and a length of four.
        let broken = Download::objects(DownloadKind::CaKey, CA_KEY.to_vec());
        assert!(broken.is_err(), "{broken:?}");
        let whole = [&CA_KEY[..12], b"\xDF\x05\x04\x20\x30\x12\x31\xDF\x02\x01\x07"].concat();
        let key = Download::objects(DownloadKind::CaKey, whole.clone()).unwrap();
        assert_eq!(key.name, b"\xA0\x00\x00\x03\x33\x0B");
        assert_eq!(key.summary(), whole[..19], "without the modulus");
        let aid = Download::objects(
            DownloadKind::Aid,
            b"\x9F\x06\x07\xA0\x00\x00\x03\x33\x01\x01\xDF\x01\x01\x00".to_vec(),
        );
        assert_eq!(aid.unwrap().name, b"\xA0\x00\x00\x03\x33\x01\x01");
        let missing = Err(DownloadError::Object { tag: 0x9F22 });
        assert_eq!(Download::objects(DownloadKind::CaKey, whole[..8].to_vec()), missing);
        assert_eq!(Download::objects(DownloadKind::Aid, b"\x9F\x06\x30".to_vec()), Err(DownloadError::Tlv));
        let list = [key.summary(), key.summary()].concat();
        let entries = entries_of(DownloadKind::CaKey, &list).unwrap();
        assert_eq!(entries, [key.summary(), key.summary()]);
        assert!(entries_of(DownloadKind::CaKey, &list[1..]).is_err());
        let other = Download { name: b"\xA0\x00\x00\x03\x33\x0C".to_vec(), ..key };
        assert_eq!(other.check(), Err(DownloadError::Object { tag: 0x9F06 }));
    }
}
