//! The clear part of a key block.
//!
//! | characters | content |
//! |---|---|
//! | 0 | version `A` to `E` |
//! | 1–4 | length of the whole block, decimal |
//! | 5–6 | key usage |
//! | 7 | algorithm: `A` AES, `D` DES, `T` triple DES, `H` HMAC … |
//! | 8 | mode of use |
//! | 9–10 | key version |
//! | 11 | exportability |
//! | 12–13 | number of optional blocks, decimal |
//! | 14–15 | reserved, `00` |

use crate::error::{KeyError, UsageCode};

use super::KEY_BLOCK_BYTES_MAX;

const FIXED_HEADER_BYTES: usize = 16;

/// How a key block is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Triple DES, key variants. Read only.
    A,
    /// Triple DES, derived keys.
    B,
    /// Triple DES, key variants; A with another letter. Read only.
    C,
    /// AES in CBC, derived keys.
    D,
    /// AES in counter mode (ISO 20038), derived keys. Read only.
    E,
}

impl Version {
    pub(crate) const fn letter(self) -> u8 {
        match self {
            Self::A => b'A',
            Self::B => b'B',
            Self::C => b'C',
            Self::D => b'D',
            Self::E => b'E',
        }
    }

    /// Length of the MAC behind the ciphertext, in bytes.
    const fn mac_bytes(self) -> usize {
        match self {
            Self::A | Self::C => 4,
            Self::B => 8,
            Self::D | Self::E => 16,
        }
    }

    /// The ciphertext is a multiple of this.
    const fn block_bytes(self) -> usize {
        match self {
            Self::A | Self::B | Self::C => 8,
            Self::D => 16,
            Self::E => 1,
        }
    }

    pub(super) const fn header_bytes(self) -> usize {
        FIXED_HEADER_BYTES
    }
}

/// An optional block: two characters of identifier, then text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionalBlock {
    /// Identifier, such as `KS` (key serial number).
    pub id: [u8; 2],
    /// Content, ASCII.
    pub data: Vec<u8>,
}

/// What a key block says in clear about its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// How the block is protected.
    pub version: Version,
    /// What the key is for.
    pub usage: UsageCode,
    /// Algorithm the key is for.
    pub algorithm: u8,
    /// What may be done with it: `E` encipher, `D` decipher, `B` both, `C` compute and
    /// verify, `G` compute, `V` verify, `X` derive, `N` anything.
    pub mode_of_use: u8,
    /// `00` when unused.
    pub key_version: [u8; 2],
    /// `E` under a trusted key, `N` not, `S` to anyone with the key.
    pub exportability: u8,
    /// Optional blocks in order, padding (`PB`) included when read.
    pub optional: Vec<OptionalBlock>,
}

impl Header {
    /// A header without optional blocks.
    #[must_use]
    pub const fn new(
        version: Version,
        usage: UsageCode,
        algorithm: u8,
        mode_of_use: u8,
        exportability: u8,
    ) -> Self {
        Self {
            version,
            usage,
            algorithm,
            mode_of_use,
            key_version: *b"00",
            exportability,
            optional: Vec::new(),
        }
    }

    /// The header as text, for a block of `ciphertext_bytes` of ciphertext.
    pub(super) fn encode(&self, ciphertext_bytes: usize) -> Result<Vec<u8>, KeyError> {
        let mut out = vec![self.version.letter(), 0, 0, 0, 0];
        out.extend_from_slice(self.usage.as_bytes());
        out.extend_from_slice(&[self.algorithm, self.mode_of_use]);
        out.extend_from_slice(&self.key_version);
        out.push(self.exportability);
        let mut optional = self.optional.iter().map(encode_optional).collect::<Result<Vec<_>, _>>()?.concat();
        let mut count = self.optional.len();
        let multiple = self.version.block_bytes().max(8);
        if optional.len() % multiple != 0 {
            // A padding block has 4 characters of its own.
            let mut pad = multiple - optional.len() % multiple;
            if pad < 4 {
                pad += multiple;
            }
            optional.extend_from_slice(format!("PB{pad:02X}").as_bytes());
            optional.resize(optional.len() + pad - 4, b'0');
            count += 1;
        }
        if count > 99 {
            return Err(KeyError::Input("number of optional blocks"));
        }
        out.extend_from_slice(format!("{count:02}00").as_bytes());
        out.extend_from_slice(&optional);
        let total = out.len() + 2 * (ciphertext_bytes + self.version.mac_bytes());
        if total > KEY_BLOCK_BYTES_MAX || !out[5..].iter().all(|b| (0x20..0x7F).contains(b)) {
            return Err(KeyError::Input("key block header"));
        }
        out[1..5].copy_from_slice(format!("{total:04}").as_bytes());
        Ok(out)
    }
}

fn encode_optional(block: &OptionalBlock) -> Result<Vec<u8>, KeyError> {
    let mut out = block.id.to_vec();
    match block.data.len() {
        short @ 0..=251 => out.extend_from_slice(format!("{:02X}", short + 4).as_bytes()),
        long @ 252..=9000 => out.extend_from_slice(format!("0004{:04X}", long + 10).as_bytes()),
        _ => return Err(KeyError::Input("optional block")),
    }
    out.extend_from_slice(&block.data);
    Ok(out)
}

/// A key block taken apart, nothing checked but its shape.
pub(super) struct Parsed<'a> {
    pub(super) header: Header,
    /// The header with its optional blocks, as text: it is under the MAC.
    pub(super) header_text: &'a [u8],
    pub(super) ciphertext: Vec<u8>,
    pub(super) mac: Vec<u8>,
}

pub(super) fn parse(block: &[u8]) -> Result<Parsed<'_>, KeyError> {
    let malformed = |offset| KeyError::Malformed { offset };
    let fixed = block.first_chunk::<FIXED_HEADER_BYTES>().ok_or(malformed(block.len()))?;
    if let Some(offset) = block.iter().position(|b| !(0x20..0x7F).contains(b)) {
        return Err(malformed(offset));
    }
    let version = match fixed[0] {
        b'A' => Version::A,
        b'B' => Version::B,
        b'C' => Version::C,
        b'D' => Version::D,
        b'E' => Version::E,
        _ => return Err(malformed(0)),
    };
    if decimal(&fixed[1..5]) != Some(block.len()) {
        return Err(malformed(1));
    }
    let count = decimal(&fixed[12..14]).ok_or(malformed(12))?;
    let (optional, end) = parse_optional(block, count)?;
    let hex = &block[end..];
    let mac_start = hex.len().checked_sub(2 * version.mac_bytes()).ok_or(malformed(block.len()))?;
    let ciphertext = unhex(&hex[..mac_start]).ok_or(malformed(end))?;
    if ciphertext.is_empty() || ciphertext.len() % version.block_bytes() != 0 {
        return Err(malformed(end));
    }
    Ok(Parsed {
        header: Header {
            version,
            usage: UsageCode([fixed[5], fixed[6]]),
            algorithm: fixed[7],
            mode_of_use: fixed[8],
            key_version: [fixed[9], fixed[10]],
            exportability: fixed[11],
            optional,
        },
        header_text: &block[..end],
        ciphertext,
        mac: unhex(&hex[mac_start..]).ok_or(malformed(end + mac_start))?,
    })
}

/// Reads `count` optional blocks; gives them and where they end.
fn parse_optional(block: &[u8], count: usize) -> Result<(Vec<OptionalBlock>, usize), KeyError> {
    let mut optional = Vec::new();
    let mut offset = FIXED_HEADER_BYTES;
    for _ in 0..count {
        let malformed = KeyError::Malformed { offset };
        let start = block.get(offset..offset + 4).ok_or(malformed.clone())?;
        let mut head = 4;
        let mut len = hexadecimal(&start[2..]).ok_or(malformed.clone())?;
        if len == 0 {
            // The long form: how many characters the length has, then the length.
            let width = block.get(offset + 4..offset + 6).and_then(hexadecimal).ok_or(malformed.clone())?;
            head = 6 + width;
            len = block.get(offset + 6..offset + head).and_then(hexadecimal).ok_or(malformed.clone())?;
        }
        if len < head {
            return Err(malformed);
        }
        let data = block.get(offset + head..offset + len).ok_or(malformed)?;
        optional.push(OptionalBlock { id: [start[0], start[1]], data: data.to_vec() });
        offset += len;
    }
    Ok((optional, offset))
}

fn decimal(text: &[u8]) -> Option<usize> {
    text.iter().try_fold(0_usize, |sum, b| b.is_ascii_digit().then(|| sum * 10 + usize::from(b - b'0')))
}

fn hexadecimal(text: &[u8]) -> Option<usize> {
    if text.is_empty() || text.len() > 6 {
        return None;
    }
    text.iter().try_fold(0_usize, |sum, &b| Some(sum * 16 + char::from(b).to_digit(16)? as usize))
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_chunks::<2>().0.iter().map(|pair| hexadecimal(pair).map(|byte| byte as u8)).collect()
}
