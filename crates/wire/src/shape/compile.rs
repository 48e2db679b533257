//! From a bitmap to the rules of the bytes behind it.

use super::step::{PrefixForm, Step};
use super::{BLOCKS_MAX, Head, ODD_MAX, Odd, PLACES, RANKS, STEPS_MAX, Shape};
use crate::bits::{Block, ByteRule};
use crate::dialect::{Check, Layout, Rule, Scale};
use crate::words::{self, Words};
use crate::{DE_MAX, De, Dialect};

/// Bytes of one run.
const RUN_BYTES_MAX: usize = 512;

/// The rules of a run that is being put together.
struct Run {
    step: Step,
    rules: [ByteRule; RUN_BYTES_MAX],
}

impl Default for Run {
    fn default() -> Self {
        Self { step: Step::default(), rules: [ByteRule::ANY; RUN_BYTES_MAX] }
    }
}

impl Shape {
    /// Nothing when the bitmap has more of something than there is room for.
    pub(super) fn compile(dialect: &Dialect, present: &Words, head: Head) -> Option<Self> {
        let mut shape = Self {
            number: 0,
            head,
            words: *present,
            count: 0,
            steps: [Step::default(); STEPS_MAX],
            step_count: 0,
            blocks: [Block::ANY; BLOCKS_MAX],
            has_nibbles: false,
            odd: [Odd::default(); ODD_MAX],
            odd_count: 0,
            places: [(0, 0); PLACES],
            ranks: [0; RANKS],
        };
        let mut run = Run::default();
        let mut block_count = 0;
        for de in 1..=DE_MAX {
            shape.ranks[usize::from(de)] = shape.count as u8;
            if !words::has(present, de) {
                continue;
            }
            let layout = dialect.layouts.get(usize::from(de))?;
            *shape.places.get_mut(usize::from(shape.count))? = (shape.step_count, run.step.run);
            shape.count += 1;
            if layout.rule != Rule::Fixed {
                run.end_with(de, layout)?;
                shape.push(&mut run, &mut block_count)?;
            } else if is_odd(layout.check) {
                let odd = Odd { de, step: shape.step_count, offset: run.step.run };
                *shape.odd.get_mut(usize::from(shape.odd_count))? = odd;
                shape.odd_count += 1;
                run.add(layout.bytes as usize, |_| ByteRule::ANY)?;
            } else {
                run.add(layout.bytes as usize, |index| rule_of(layout, index))?;
            }
        }
        if run.step.run > 0 {
            shape.push(&mut run, &mut block_count)?;
        }
        *shape.places.get_mut(usize::from(shape.count))? = (shape.step_count, 0);
        shape.ranks[RANKS - 1] = shape.count as u8;
        Some(shape)
    }

    /// Writes the run's blocks, and begins another run.
    fn push(&mut self, run: &mut Run, block_count: &mut usize) -> Option<()> {
        let bytes = usize::from(run.step.run);
        let rules = run.rules.get(..bytes)?;
        if rules.iter().any(|rule| !rule.is_any()) {
            for index in 0..bytes.div_ceil(16) {
                // The last block is for the bytes that end with the run, of which some may be before it.
                let end = bytes.min(index * 16 + 16);
                let block = self.blocks.get_mut(*block_count)?;
                let places = (0..16).rev().zip(rules[..end].iter().rev());
                places.for_each(|(place, rule)| block.set(place, *rule));
                self.has_nibbles |= block.has_nibbles();
                run.step.has_letters |= block.has_letters();
                *block_count += 1;
                run.step.block_count += 1;
            }
        }
        *self.steps.get_mut(usize::from(self.step_count))? = run.step;
        self.step_count += 1;
        *run = Run::default();
        Some(())
    }
}

impl Run {
    /// Adds bytes at the end of the run.
    fn add(&mut self, bytes: usize, rule: impl Fn(usize) -> ByteRule) -> Option<()> {
        let at = usize::from(self.step.run);
        let rules = self.rules.get_mut(at..at + bytes)?;
        rules.iter_mut().enumerate().for_each(|(index, slot)| *slot = rule(index));
        self.step.run = (at + bytes) as u16;
        Some(())
    }

    /// Ends the run with a variable element.
    fn end_with(&mut self, de: De, layout: &Layout) -> Option<()> {
        let (low, high) = match layout.check {
            Check::AsciiDigits => (b'0', b'9'),
            Check::EbcdicDigits => (0xF0, 0xF9),
            Check::AsciiPrintable => (b' ', b'~'),
            _ => (0, 0xFF),
        };
        let is_plain = low > 0 || matches!(layout.check, Check::Any | Check::BcdDigits);
        let prefix = usize::from(layout.prefix_bytes);
        let (form, mask, apart) = match (layout.rule, prefix) {
            (Rule::Absent, _) => return None,
            _ if !is_plain || layout.scale == Scale::SignThenPacked => (PrefixForm::Other, 0, 0),
            (Rule::AsciiPrefix | Rule::EbcdicPrefix, 1..=3) => (PrefixForm::Digits, 0x0F0F_0F0F, 8),
            // Four packed digits of which the first is zero: no maximum is above 999 then.
            (Rule::BcdPrefix, 1..=2) if layout.units <= 999 => (PrefixForm::Digits, 0xFFFF_FFFF, 4),
            _ => (PrefixForm::Other, 0, 0),
        };
        let step = &mut self.step;
        (step.variable, step.form) = (de, form);
        (step.mask, step.apart, step.max) = (mask, apart, layout.units);
        step.scale(layout.scale);
        if form == PrefixForm::Digits {
            let bytes = u32::MAX >> (32 - 8 * prefix);
            step.mask &= bytes;
            (step.zone_mask, step.zone) = match (layout.rule, prefix) {
                (Rule::AsciiPrefix, _) => (0xF0F0_F0F0 & bytes, 0x3030_3030 & bytes),
                (Rule::EbcdicPrefix, _) => (0xF0F0_F0F0 & bytes, 0xF0F0_F0F0 & bytes),
                // Only three of four packed digits are read.
                (_, 2) => (0xF000, 0),
                _ => (0, 0),
            };
            self.add(prefix, |_| ByteRule::ANY)?;
            (self.step.check, self.step.pad_left) = (layout.check, layout.pad_left);
        }
        self.step.low = low;
        self.step.window[16..].fill(high - low);
        Some(())
    }
}

/// Whether the check is more than a rule for each byte.
const fn is_odd(check: Check) -> bool {
    matches!(check, Check::AsciiSigned | Check::EbcdicSigned | Check::BcdSigned | Check::EbcdicHex)
}

/// The rule of one byte of a fixed element.
fn rule_of(layout: &Layout, index: usize) -> ByteRule {
    let is_half = layout.units & 1 == 1;
    let is_last = index + 1 == layout.bytes as usize;
    match layout.check {
        Check::AsciiDigits => ByteRule::range(b'0', b'9'),
        Check::EbcdicDigits => ByteRule::range(0xF0, 0xF9),
        Check::AsciiPrintable => ByteRule::range(b' ', b'~'),
        Check::AsciiHex => ByteRule { letters: true, ..ByteRule::range(b'0', b'9') },
        // The nibble that fills an odd number of digits may be anything.
        Check::BcdDigits if is_half && layout.pad_left && index == 0 => {
            ByteRule { nibble: 9, ..ByteRule::ANY }
        }
        Check::BcdDigits if is_half && !layout.pad_left && is_last => ByteRule::range(0, 0x9F),
        Check::BcdDigits => ByteRule { nibble: 9, ..ByteRule::range(0, 0x99) },
        Check::Any | Check::AsciiSigned | Check::EbcdicSigned | Check::BcdSigned | Check::EbcdicHex => {
            ByteRule::ANY
        }
    }
}
