//! The fields of a command, taken from the front.

use crate::hex;

/// Error codes that the commands share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(pub(super) u8);

impl Code {
    pub(super) const NOT_VERIFIED: Self = Self(1);
    pub(super) const FIRST_KEY: Self = Self(10);
    pub(super) const SECOND_KEY: Self = Self(11);
    pub(super) const MALFORMED: Self = Self(15);
    pub(super) const PIN_BLOCK: Self = Self(20);
    pub(super) const PIN_FORMAT: Self = Self(23);
    pub(super) const KEY_SCHEME: Self = Self(26);
    pub(super) const NOT_EXPORTABLE: Self = Self(29);
    pub(super) const COMMAND_DISABLED: Self = Self(68);
}

/// What is left of a command.
#[derive(Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Code> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Code::MALFORMED)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Code> {
        self.take(N)?.try_into().map_err(|_| Code::MALFORMED)
    }

    pub(super) fn one(&mut self) -> Result<u8, Code> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn digits(&mut self, count: usize) -> Result<&'a [u8], Code> {
        let taken = self.take(count)?;
        if taken.iter().all(u8::is_ascii_digit) { Ok(taken) } else { Err(Code::MALFORMED) }
    }

    /// A decimal number of `count` digits.
    pub(super) fn number(&mut self, count: usize) -> Result<usize, Code> {
        Ok(self.digits(count)?.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
    }

    /// `N` bytes written as hexadecimal digits.
    pub(super) fn hex<const N: usize>(&mut self) -> Result<[u8; N], Code> {
        let text = str::from_utf8(self.take(2 * N)?).map_err(|_| Code::MALFORMED)?;
        hex::decode(text).and_then(|bytes| bytes.try_into().ok()).ok_or(Code::MALFORMED)
    }

    /// A length of `count` hexadecimal digits, and as many bytes.
    pub(super) fn counted(&mut self, count: usize) -> Result<&'a [u8], Code> {
        let text = str::from_utf8(self.take(count)?).map_err(|_| Code::MALFORMED)?;
        let len = usize::from_str_radix(text, 16).map_err(|_| Code::MALFORMED)?;
        self.take(len)
    }

    /// Whether the next character is this one; then it is taken.
    pub(super) fn skip(&mut self, character: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == character => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// What stands before the delimiter, which is taken too.
    pub(super) fn until(&mut self, delimiter: u8) -> Result<&'a [u8], Code> {
        let at = self.0.iter().position(|b| *b == delimiter).ok_or(Code::MALFORMED)?;
        let taken = self.take(at)?;
        self.take(1)?;
        Ok(taken)
    }

    /// A key with its scheme in front.
    pub(super) fn key(&mut self) -> Result<&'a [u8], Code> {
        let len = match self.0.first().ok_or(Code::MALFORMED)? {
            b'S' | b'R' => {
                let text = self.0.get(2..6).and_then(|text| str::from_utf8(text).ok());
                1 + text.and_then(|text| text.parse::<usize>().ok()).ok_or(Code::MALFORMED)?
            }
            b'U' | b'X' => 33,
            b'T' | b'Y' => 49,
            b'Z' => 17,
            _ => 16,
        };
        self.take(len)
    }

    /// The number of a local master key, of which there is one, and nothing behind it.
    pub(super) fn end(mut self) -> Result<(), Code> {
        if self.skip(b'%') {
            self.digits(2)?;
        }
        if self.0.is_empty() { Ok(()) } else { Err(Code::MALFORMED) }
    }
}
