//! From values to bytes, straight into the caller's buffer.

use std::ops::Range;

mod bitmap;
mod copy;
mod encode;
mod lane;
mod long;
mod plan;

use crate::dialect::Element;
use crate::error::BuildError;
use crate::parse::{element_bytes, third_encoding};
use crate::{BODY_BYTES_MAX, De, Dialect, Message, Mti, words};
use bitmap::{announced, bitmap, bitmap_as};
pub(crate) use bitmap::{put_bitmaps, put_mti};
pub(crate) use copy::{copy, put_short};
pub(crate) use encode::{bad_digit, fill_up, put_digits, put_hex, put_number, put_prefix};
pub(crate) use lane::Plan;
pub(crate) use plan::Heading;
pub use plan::{BuildPlan, Value};

/// Writes one message at the end of a buffer.
///
/// Elements are given in ascending order, each once. The bitmap is filled in by [`Builder::finish`]. What a
/// failed or abandoned builder wrote stays in the buffer: [`Dialect::build`] and
/// [`Framing::try_write`](crate::Framing::try_write) take it back, so that half a message is never sent.
///
/// ```
/// use switchyard_wire::{Dialect, Mti};
///
/// let dialect = Dialect::builtin("iso87-ascii").expect("built in");
/// let mut out = Vec::new();
/// let mut builder = dialect.builder(&mut out, Mti::new(0x0800));
/// builder.number(11, 42)?.number(70, 301)?;
/// let body = builder.finish()?;
/// assert_eq!(&out[body], b"080080200000000000000400000000000000000042301");
/// # Ok::<(), switchyard_wire::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Builder<'d, 'b> {
    dialect: &'d Dialect,
    out: &'b mut Vec<u8>,
    start: usize,
    bitmap_at: usize,
    /// Bitmaps that have room in the buffer.
    bitmaps: usize,
    words: [u64; 3],
    last: De,
    /// The last element that may come without more ado: none once one is reserved or the message is finished.
    open: De,
    reserved: Option<De>,
    is_finished: bool,
}

type Step<'s, 'd, 'b> = Result<&'s mut Builder<'d, 'b>, BuildError>;

impl Dialect {
    /// Starts a message at the end of `out`.
    pub fn builder<'d, 'b>(&'d self, out: &'b mut Vec<u8>, mti: Mti) -> Builder<'d, 'b> {
        let start = out.len();
        put_mti(self, mti, out);
        let bitmap_at = out.len();
        let bitmaps = self.bitmaps_min;
        out.resize(bitmap_at + bitmaps * self.bitmap_bytes(), 0);
        Builder {
            dialect: self,
            out,
            start,
            bitmap_at,
            bitmaps,
            words: [0; 3],
            last: 1,
            open: bitmap::reach(bitmaps),
            reserved: None,
            is_finished: false,
        }
    }
}

impl Dialect {
    /// Writes a message at the end of `out`; on an error `out` is left as it was.
    ///
    /// # Errors
    /// Those of `fill`, and of [`Builder::finish`].
    pub fn build<E: From<BuildError>>(
        &self,
        out: &mut Vec<u8>,
        mti: Mti,
        fill: impl FnOnce(&mut Builder<'_, '_>) -> Result<(), E>,
    ) -> Result<Range<usize>, E> {
        let start = out.len();
        let mut builder = self.builder(out, mti);
        let built = fill(&mut builder).and_then(|()| {
            let end = builder.out.len();
            // `fill` may have finished the message itself, with a MAC.
            if builder.is_finished { Ok(start..end) } else { Ok(builder.finish()?) }
        });
        if built.is_err() {
            out.truncate(start);
        }
        built
    }
}

impl<'d, 'b> Builder<'d, 'b> {
    /// Writes ASCII digits; for tracks also the separator, `=` or `D`, and for `x+n` the sign first.
    ///
    /// # Errors
    /// A fixed element takes exactly its length ([`BuildError::TooShort`], [`BuildError::TooLong`]);
    /// [`BuildError::BadCharacter`] for what is not a digit.
    pub fn digits(&mut self, de: De, digits: &[u8]) -> Step<'_, 'd, 'b> {
        if let Some(plan) = self.plan(de)
            && plan.put_digits(digits, self.out)
        {
            return Ok(self.planned(de));
        }
        let element = self.begin(de)?;
        self.put_digits(element, digits)
    }

    /// Writes a number, zero-padded to the length of a fixed element.
    ///
    /// # Errors
    /// As [`Builder::digits`].
    pub fn number(&mut self, de: De, number: u64) -> Step<'_, 'd, 'b> {
        if let Some(plan) = self.plan(de)
            && plan.put_number(number, self.out)
        {
            return Ok(self.planned(de));
        }
        self.number_slowly(de, number)
    }

    /// Writes text in the element's character set, filled as the dialect says when it is fixed: with spaces on the
    /// right unless it says otherwise.
    ///
    /// For numeric elements the text is digits.
    ///
    /// # Errors
    /// [`BuildError::TooLong`] counts encoded bytes; [`BuildError::BadCharacter`] for what the set or the
    /// class does not have.
    pub fn text(&mut self, de: De, text: &str) -> Step<'_, 'd, 'b> {
        if let Some(plan) = self.plan(de)
            && plan.put_text(text, self.out)
        {
            return Ok(self.planned(de));
        }
        self.text_slowly(de, text)
    }

    /// Writes the bytes of a binary element; for text, bytes that are in its character set already.
    ///
    /// # Errors
    /// A fixed binary element takes exactly its length.
    pub fn bytes(&mut self, de: De, bytes: &[u8]) -> Step<'_, 'd, 'b> {
        if let Some(plan) = self.plan(de)
            && plan.put_bytes(bytes, self.out)
        {
            return Ok(self.planned(de));
        }
        self.bytes_slowly(de, bytes)
    }

    /// Copies an element of another message; does nothing when it is absent there.
    ///
    /// Within one dialect the bytes of the wire are copied as they are, filler included; between dialects the
    /// value is written anew.
    ///
    /// # Errors
    /// Between dialects, those of the value; [`BuildError::OutOfOrder`] always.
    pub fn echo(&mut self, from: &Message<'_, '_>, de: De) -> Step<'_, 'd, 'b> {
        let Some(range) = from.range(de) else { return Ok(self) };
        if std::ptr::eq(from.dialect(), self.dialect) {
            if self.plan(de).is_none() {
                self.begin(de)?;
            }
            copy(from.body(), range, self.out);
            return self.end(de);
        }
        if let Some(bytes) = from.bytes_owned(de) {
            return self.bytes(de, &bytes);
        }
        let text = from.text(de).unwrap_or_default();
        self.text(de, &text)
    }

    /// Writes a value of `units` that is encoded already.
    pub(crate) fn verbatim(&mut self, de: De, units: usize, value: &[u8]) -> Step<'_, 'd, 'b> {
        let element = self.begin(de)?;
        self.prefix(element, units, value);
        self.out.extend_from_slice(value);
        self.end(de)
    }

    /// The dialect that it writes.
    pub fn dialect(&self) -> &'d Dialect {
        self.dialect
    }

    /// Announces an element that is written next, and fills in the bitmap, so that
    /// [`Builder::body_so_far`] is what a MAC in that element covers.
    ///
    /// # Errors
    /// [`BuildError::UnknownElement`], [`BuildError::OutOfOrder`].
    pub fn reserve(&mut self, de: De) -> Step<'_, 'd, 'b> {
        self.begin(de)?;
        words::set(&mut self.words, de);
        (self.reserved, self.open) = (Some(de), 0);
        self.write_bitmaps();
        Ok(self)
    }

    /// The body from the message type to the last byte written; the bitmap is complete after
    /// [`Builder::reserve`] only.
    pub fn body_so_far(&self) -> &[u8] {
        &self.out[self.start..]
    }

    /// Ends the message; its range in the buffer.
    ///
    /// # Errors
    /// [`BuildError::ReservedUnwritten`], [`BuildError::BodyTooLong`]; [`BuildError::Finished`] the second time.
    pub fn finish(&mut self) -> Result<Range<usize>, BuildError> {
        if self.is_finished {
            return Err(BuildError::Finished);
        }
        if let Some(de) = self.reserved {
            return Err(BuildError::ReservedUnwritten { de });
        }
        let length = self.out.len() - self.start;
        if length > BODY_BYTES_MAX {
            return Err(BuildError::BodyTooLong { length, max: BODY_BYTES_MAX });
        }
        self.write_bitmaps();
        (self.is_finished, self.open) = (true, 0);
        Ok(self.start..self.out.len())
    }

    /// Ends the message with a MAC in `de`, computed by `mac` over everything before it; the bitmap already
    /// has its bit then, as the verifier will see it.
    ///
    /// # Errors
    /// As [`Builder::bytes`] and [`Builder::finish`].
    pub fn finish_with_mac<M: AsRef<[u8]>>(
        &mut self,
        de: De,
        mac: impl FnOnce(&[u8]) -> M,
    ) -> Result<Range<usize>, BuildError> {
        self.reserve(de)?;
        let mac = mac(self.body_so_far());
        self.bytes(de, mac.as_ref())?;
        self.finish()
    }

    /// The short way of an element that may come now, when it has one.
    #[inline(always)]
    fn plan(&self, de: De) -> Option<&'d Plan> {
        let plan = self.dialect.plans.get(usize::from(de))?;
        if de > self.last && de <= self.open && plan.is_some() { Some(plan) } else { None }
    }

    /// Checks that the element may come now and makes room for its bitmap.
    #[inline]
    fn begin(&mut self, de: De) -> Result<&'d Element, BuildError> {
        if self.is_finished {
            return Err(BuildError::Finished);
        }
        let element = self.dialect.element(de).ok_or(BuildError::UnknownElement { de })?;
        if de <= self.last || self.reserved.is_some_and(|reserved| reserved != de) {
            return Err(BuildError::OutOfOrder { de, after: self.reserved.unwrap_or(self.last) });
        }
        let needed = usize::from(de - 1) / 64 + 1;
        if needed > self.bitmaps {
            self.add_bitmaps(needed);
        }
        Ok(element)
    }

    #[cold]
    fn add_bitmaps(&mut self, needed: usize) {
        if let Some(third) = self.dialect.third.filter(|_| needed > 2) {
            let needed = usize::from(third - 1) / 64 + 1;
            if needed > self.bitmaps {
                self.grow_bitmaps(needed);
            }
            return self.add_third(third);
        }
        self.grow_bitmaps(needed);
    }

    /// Makes room for the element that holds the third bitmap, where it is not written yet.
    fn add_third(&mut self, third: De) {
        if words::has(&self.words, third) {
            return;
        }
        let at = self.third_at(third);
        let bytes = self.dialect.layouts[usize::from(third)].bytes as usize;
        let end = self.out.len();
        self.out.resize(end + bytes, 0);
        self.out.copy_within(at..end, at + bytes);
        words::set(&mut self.words, third);
    }

    /// Where an element stands or would stand, found by walking over those before it.
    fn third_at(&self, third: De) -> usize {
        let mut at = self.bitmap_at + self.bitmaps * self.dialect.bitmap_bytes();
        for de in 2..third {
            if words::has(&self.words, de) {
                let rest = self.out.get(at..).unwrap_or_default();
                at += element_bytes(self.dialect, de, rest).unwrap_or_default();
            }
        }
        at
    }

    fn grow_bitmaps(&mut self, needed: usize) {
        let unit = self.dialect.bitmap_bytes();
        let at = self.bitmap_at + self.bitmaps * unit;
        let grown = (needed - self.bitmaps) * unit;
        let end = self.out.len();
        self.out.resize(end + grown, 0);
        self.out.copy_within(at..end, at + grown);
        self.out[at..at + grown].fill(0);
        self.bitmaps = needed;
        self.open = bitmap::reach(needed);
    }

    /// An element was written that [`Builder::plan`] gave: nothing is reserved then.
    #[inline(always)]
    fn planned(&mut self, de: De) -> &mut Self {
        words::set(&mut self.words, de);
        self.last = de;
        self
    }

    #[inline]
    fn end(&mut self, de: De) -> Step<'_, 'd, 'b> {
        words::set(&mut self.words, de);
        self.last = de;
        if self.reserved.is_some() {
            (self.reserved, self.open) = (None, bitmap::reach(self.bitmaps));
        }
        Ok(self)
    }

    fn write_bitmaps(&mut self) {
        let unit = self.dialect.bitmap_bytes();
        for index in 0..self.bitmaps {
            let word = announced(self.dialect, &self.words, self.bitmaps, index);
            let at = self.bitmap_at + index * unit;
            let (digits, bytes) = bitmap(self.dialect, word);
            self.out[at..at + unit].copy_from_slice(&digits[..bytes]);
        }
        let Some(third) = self.dialect.third else { return };
        if words::has(&self.words, third) {
            let at = self.third_at(third);
            let (digits, bytes) = bitmap_as(third_encoding(self.dialect, third), self.words[2]);
            if let Some(slot) = self.out.get_mut(at..at + bytes) {
                slot.copy_from_slice(&digits[..bytes]);
            }
        }
    }
}
