//! Messages whose bitmap is not known: neighbours of one class are checked together.
//!
//! What is not right is left to the table, which reads element by element and says where and why.

use super::element::{passes, read_element};
use super::head::{read_bitmaps, read_mti};
use crate::dialect::{Check, Layout, Rule, Scale};
use crate::{BODY_BYTES_MAX, De, Dialect, Message, words};

/// Fixed elements one after another whose bytes have the same rule.
struct Run<'t> {
    start: usize,
    layout: Option<&'t Layout>,
}

impl<'t> Run<'t> {
    /// Checks what the run has up to `end`, and begins another there.
    #[inline(always)]
    fn close(&mut self, body: &[u8], end: usize, next: Option<&'t Layout>) -> Option<()> {
        if let Some(layout) = self.layout {
            let value = body.get(self.start..end)?;
            // Whether packed digits have a filler is in the number of units.
            if !passes(layout, value, layout.units as usize) {
                return None;
            }
        }
        (self.start, self.layout) = (end, next);
        Some(())
    }
}

/// Nothing, and a message without elements, when the table must be asked.
#[inline(never)]
pub(super) fn index<'d>(dialect: &'d Dialect, body: &[u8], message: &mut Message<'d, '_>) -> Option<()> {
    // What a third bitmap inside an element announces is known only when that element is read.
    if body.len() > BODY_BYTES_MAX || dialect.third.is_some() {
        return None;
    }
    let (mti, bitmaps_at) = read_mti(dialect.mti, body).ok()?;
    let (mut announced, mut at) = ([0; 3], bitmaps_at);
    read_bitmaps(dialect, body, &mut announced, &mut at).ok()?;
    let bitmaps = body.get(bitmaps_at..at)?;
    let mut starts = message.starts.iter_mut();
    let mut count = 0;
    let mut run = Run { start: at, layout: None };
    for (index, word) in announced.iter().enumerate() {
        let mut rest = *word;
        while let Some(lead) = words::take_first(&mut rest) {
            let de = index * 64 + lead as usize + 1;
            if let Some(start) = starts.next() {
                *start = at as u16;
            }
            count += 1;
            let layout = dialect.layouts.get(de)?;
            if layout.rule != Rule::Fixed {
                run.close(body, at, None)?;
                at = variable(dialect, layout, de as De, body, at)?;
                run.start = at;
                continue;
            }
            let joins =
                run.layout.is_some_and(|first| first.check == layout.check) && is_by_byte(layout.check);
            if !joins {
                run.close(body, at, Some(layout))?;
            }
            at += layout.bytes as usize;
        }
    }
    run.close(body, at, None)?;
    if at != body.len() {
        return None;
    }
    (message.mti, message.words, message.count, message.end) = (mti, announced, count, at as u16);
    dialect.shapes.learn(dialect, &announced, bitmaps);
    Some(())
}

/// Whether the rule is one for each byte, so that it holds for two elements when it holds for their bytes.
const fn is_by_byte(check: Check) -> bool {
    matches!(
        check,
        Check::Any | Check::AsciiDigits | Check::EbcdicDigits | Check::AsciiPrintable | Check::AsciiHex
    )
}

/// The offset after a variable element.
#[inline(always)]
fn variable(dialect: &Dialect, layout: &Layout, de: De, body: &[u8], at: usize) -> Option<usize> {
    let digit = |byte: u8| usize::from(byte.wrapping_sub(b'0'));
    let (units, start) = match (layout.rule, layout.prefix_bytes, body.get(at..)?) {
        (Rule::AsciiPrefix, 2, [tens, ones, ..]) if digit(*tens) <= 9 && digit(*ones) <= 9 => {
            (digit(*tens) * 10 + digit(*ones), at + 2)
        }
        _ => return long_variable(dialect, layout, de, body, at),
    };
    let end = start + if layout.scale == Scale::One { units } else { layout.scale.bytes(units) };
    let value = body.get(start..end)?;
    if units <= layout.units as usize && passes(layout, value, units) { Some(end) } else { None }
}

#[inline(never)]
fn long_variable(dialect: &Dialect, layout: &Layout, de: De, body: &[u8], at: usize) -> Option<usize> {
    read_element(dialect, layout, de, body, at).ok()
}
