//! Where the steps of a message start: lengths are read here, and trusted only once the bytes were checked.

use super::{Shape, Starts};
use crate::bits::{Block, between};
use crate::dialect::{Check, Scale};
use crate::parse::{packed_digits, passes, read_element};
use crate::{De, Dialect};

/// A run of fixed elements, and the variable one after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Bytes of the fixed elements, and of the length prefix after them when it has a form of its own.
    pub(super) run: u16,
    /// Zero when the message ends with the run.
    pub(super) variable: De,
    pub(super) form: PrefixForm,
    /// Which of the last four bytes of the run are the length, and how many bits its digits are apart.
    pub(super) mask: u32,
    pub(super) apart: u32,
    /// What stands around its digits: the upper nibbles of characters, a zero before three packed digits.
    pub(super) zone_mask: u32,
    pub(super) zone: u32,
    /// The most units of the variable element.
    pub(super) max: u32,
    pub(super) block_count: u8,
    /// Whether a block has hexadecimal digits.
    pub(super) has_letters: bool,
    pub(super) check: Check,
    pub(super) pad_left: bool,
    /// The lowest byte that the variable element may have.
    pub(super) low: u8,
    /// Sixteen bytes that may be anything, then sixteen that may be above `low` by so much: from the length of
    /// the value on, it is the rule of the sixteen bytes that end with the value.
    pub(super) window: [u8; 32],
    /// Half bytes that a unit takes, and what rounds them up to a byte.
    pub(super) halves: u32,
    pub(super) round: u32,
}

/// How the length of the variable element is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PrefixForm {
    /// There is no variable element.
    #[default]
    None,
    /// Digits at the end of the run: the lower nibbles of characters, ASCII and EBCDIC alike, or packed.
    Digits,
    /// As the table has it.
    Other,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            run: 0,
            variable: 0,
            form: PrefixForm::None,
            mask: 0,
            apart: 8,
            zone_mask: 0,
            zone: 0,
            max: 0,
            halves: 2,
            round: 0,
            block_count: 0,
            has_letters: false,
            check: Check::Any,
            pad_left: false,
            low: 0,
            window: [0xFF; 32],
        }
    }
}

impl Step {
    /// How its units become bytes, when that is a multiplication.
    pub(super) fn scale(&mut self, scale: Scale) {
        (self.halves, self.round) = match scale {
            Scale::One | Scale::SignThenPacked => (2, 0),
            Scale::Packed => (1, 1),
            Scale::Double => (4, 0),
        };
    }
}

impl Shape {
    /// Writes where each step starts; where the last one ends. What is wrong with the bytes is added to `bad`,
    /// which lies in memory so that sixteen bytes of it are one store: the compiler makes vectors of those.
    #[inline(never)]
    pub(super) fn walk<const NIBBLES: bool>(
        &self,
        dialect: &Dialect,
        body: &[u8],
        mut at: usize,
        starts: &mut Starts,
        bad: &mut [u8; 16],
    ) -> Option<usize> {
        let steps = self.steps.get(..usize::from(self.step_count))?;
        let mut blocks = self.blocks.as_slice();
        // What is not a digit in a length prefix.
        let mut wrong = 0;
        for (step, start) in steps.iter().zip(starts.iter_mut()) {
            *start = at as u16;
            let before = body.get(..at + usize::from(step.run))?;
            if step.block_count > 0 {
                let (now, later) = blocks.split_at_checked(usize::from(step.block_count))?;
                blocks = later;
                let run = before.get(at..)?;
                if step.has_letters {
                    check_run::<true, true>(now, run, before, bad)?;
                } else {
                    check_run::<NIBBLES, false>(now, run, before, bad)?;
                }
            }
            at = before.len();
            if step.form == PrefixForm::Digits {
                // Message type and bitmap are longer than four bytes.
                let last = u32::from_be_bytes(*before.last_chunk()?);
                wrong |= (last & step.zone_mask) ^ step.zone;
                let last = last & step.mask;
                wrong |= (last >> 3) & ((last >> 2) | (last >> 1)) & 0x1111_1111;
                let digit = |place: u32| (last >> (place * step.apart)) & 0xF;
                let units = digit(0) + digit(1) * 10 + digit(2) * 100;
                if units > step.max {
                    return None;
                }
                at += ((units * step.halves + step.round) / 2) as usize;
                if step.check != Check::Any && !step.value_passes(body.get(..at)?, before.len(), bad) {
                    return None;
                }
            } else if step.form == PrefixForm::Other {
                at += other_bytes(dialect, step.variable, body, at)?;
            }
        }
        *starts.get_mut(steps.len())? = at as u16;
        if wrong == 0 { Some(at) } else { None }
    }

    /// Whether the fixed elements that have no rule for each byte are right.
    #[inline(never)]
    pub(super) fn odd_pass(&self, dialect: &Dialect, body: &[u8], starts: &Starts) -> bool {
        self.odd.iter().take(usize::from(self.odd_count)).all(|odd| {
            let at = usize::from(starts[usize::from(odd.step)] + odd.offset);
            let layout = dialect.layouts.get(usize::from(odd.de));
            let (Some(layout), Some(value)) = (layout, body.get(at..)) else { return false };
            let value = value.get(..layout.bytes as usize);
            value.is_some_and(|value| passes(layout, value, layout.units as usize))
        })
    }
}

impl Step {
    #[inline(always)]
    fn value_passes(&self, before: &[u8], start: usize, bad: &mut [u8; 16]) -> bool {
        let Some(value) = before.get(start..) else { return false };
        if self.check == Check::BcdDigits {
            return self.packed_passes(value, before.get(..start));
        }
        let (whole, rest) = value.as_chunks::<16>();
        let window = self.window.get(rest.len()..).and_then(|window| window.first_chunk::<16>());
        // A value within the first sixteen bytes of a message is the table's.
        let (Some(tail), Some(window)) = (before.last_chunk::<16>(), window) else { return false };
        between(tail, self.low, window, bad);
        if let Some(ranges) = self.window.last_chunk::<16>() {
            for bytes in whole {
                between(bytes, self.low, ranges, bad);
            }
        }
        true
    }

    #[inline(never)]
    fn packed_passes(&self, value: &[u8], before: Option<&[u8]>) -> bool {
        // Whether the number of digits is odd is in the last digit of their length.
        let is_odd = before.and_then(<[u8]>::last).is_some_and(|byte| byte & 1 == 1);
        packed_digits(self.pad_left, value, usize::from(is_odd))
    }
}

/// Checks the bytes of a run, which ends `before`.
#[inline(always)]
fn check_run<const NIBBLES: bool, const LETTERS: bool>(
    blocks: &[Block],
    run: &[u8],
    before: &[u8],
    bad: &mut [u8; 16],
) -> Option<()> {
    let mut run = run;
    for block in blocks {
        match run.split_first_chunk::<16>() {
            Some((bytes, rest)) => {
                block.check::<NIBBLES, LETTERS>(bytes, bad);
                run = rest;
            }
            // The last block is for the bytes that end with the run: none behind it are needed.
            None => block.check::<NIBBLES, LETTERS>(before.last_chunk()?, bad),
        }
    }
    Some(())
}

/// Out of the way of the loop, which needs the registers.
#[inline(never)]
fn other_bytes(dialect: &Dialect, de: De, body: &[u8], at: usize) -> Option<usize> {
    let layout = dialect.layouts.get(usize::from(de))?;
    read_element(dialect, layout, de, body.get(at..)?, 0).ok()
}
