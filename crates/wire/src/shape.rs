//! Bitmaps seen before, compiled: adjacent fixed elements are one bounds check and one comparison of bytes.
//!
//! A link carries a few dozen bitmaps over and over. For each, the fixed elements between two variable ones
//! are a run whose bytes all have a known rule, checked sixteen at a time. A message that does not pass goes
//! through the table from the start, so that errors are the table's, and so is every message whose bitmap is
//! not known. Nothing of a message is remembered but which elements it had.

use std::sync::OnceLock;

use crate::bits::{Block, from_hex, not_digits, not_printable};
use crate::dialect::{Check, Layout, Rule, Scale};
use crate::message::INDEXED_MAX;
use crate::parse::{packed_digits, passes, read_element};
use crate::{De, Dialect};

/// Bitmaps that a dialect remembers; messages with others are read by the table.
const SHAPES_MAX: usize = 64;
/// Places where a bitmap may be remembered.
const PROBES_MAX: usize = 4;
/// Runs of fixed elements, each with the variable element after it.
const STEPS_MAX: usize = 24;
/// Sixteens of checked bytes in fixed elements.
const BLOCKS_MAX: usize = 24;
/// Fixed elements whose bytes do not each have a rule of their own: hexadecimal, signed.
const ODD_MAX: usize = 16;

/// The bitmaps that a dialect has seen: room is made with the dialect, so that learning allocates nothing.
#[derive(Debug)]
pub(crate) struct Shapes {
    slots: Box<[OnceLock<Shape>; SHAPES_MAX]>,
}

/// A bitmap, compiled.
#[derive(Debug)]
pub(crate) struct Shape {
    words: [u64; 3],
    count: u16,
    step_count: u8,
    steps: [Step; STEPS_MAX],
    blocks: [Block; BLOCKS_MAX],
    odd: [(De, u16); ODD_MAX],
    /// For each element in order: the step it is in, and its offset there.
    places: [(u8, u16); INDEXED_MAX],
}

/// A run of fixed elements, and the variable one after it.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// Bytes of the fixed elements.
    bytes: u16,
    block_count: u8,
    odd_count: u8,
    /// Whether a block has a rule for lower nibbles.
    has_nibbles: bool,
    /// Zero when the message ends with the run.
    variable: De,
    prefix: PrefixForm,
    scale: Scale,
    check: Check,
    pad_left: bool,
    /// The most units of the variable element.
    max: u16,
}

/// Length prefixes worth a branch of their own.
#[derive(Clone, Copy, Debug, Default)]
enum PrefixForm {
    /// As the table has it.
    #[default]
    Other,
    Ascii2,
    Ascii3,
    Bcd1,
    Bcd2,
}

impl Default for Shapes {
    fn default() -> Self {
        let slots: Box<[OnceLock<Shape>]> = std::iter::repeat_with(OnceLock::new).take(SHAPES_MAX).collect();
        Self { slots: slots.try_into().expect("the iterator makes as many as there are slots") }
    }
}

impl Shapes {
    /// The compiled bitmap, if it is known.
    #[inline(always)]
    pub(crate) fn find(&self, words: &[u64; 3]) -> Option<&Shape> {
        let home = home(words);
        for probe in 0..PROBES_MAX {
            let shape = self.slots[(home + probe) % SHAPES_MAX].get()?;
            if shape.words == *words {
                return Some(shape);
            }
        }
        None
    }

    /// Remembers a bitmap while there is room.
    pub(crate) fn learn(&self, dialect: &Dialect, words: &[u64; 3]) {
        let home = home(words);
        for probe in 0..PROBES_MAX {
            let slot = &self.slots[(home + probe) % SHAPES_MAX];
            match slot.get() {
                Some(shape) if shape.words == *words => return,
                Some(_) => {}
                None => {
                    if let Some(shape) = Shape::compile(dialect, words) {
                        // When another thread was first with another bitmap, this one is learned next time.
                        let _ = slot.set(shape);
                    }
                    return;
                }
            }
        }
    }
}

/// Where a bitmap is looked for first.
#[inline]
fn home(words: &[u64; 3]) -> usize {
    let mixed = words[0] ^ words[1].rotate_left(21) ^ words[2].rotate_left(42);
    (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as usize
}

impl Shape {
    /// Elements in the bitmap.
    #[inline]
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// Where the element at `rank` is: its step, and its offset there.
    #[inline]
    pub(crate) fn place(&self, rank: usize) -> Option<(usize, usize)> {
        self.places.get(rank).map(|(step, offset)| (usize::from(*step), usize::from(*offset)))
    }

    /// Checks the elements from `at` on and writes where each step starts; the offset after the last.
    ///
    /// Nothing when anything is wrong, or when the bytes end early.
    #[inline(never)]
    pub(crate) fn index(
        &self,
        dialect: &Dialect,
        body: &[u8],
        mut at: usize,
        starts: &mut [u16; INDEXED_MAX],
    ) -> Option<usize> {
        let mut blocks = self.blocks.as_slice();
        let mut odd = self.odd.as_slice();
        let steps = self.steps.get(..usize::from(self.step_count))?;
        for (step, start) in steps.iter().zip(starts) {
            *start = at as u16;
            let rest = body.get(at..)?;
            let (now, later) = blocks.split_at_checked(usize::from(step.block_count))?;
            blocks = later;
            if !all_pass(now, step.has_nibbles, rest) {
                return None;
            }
            let (run, rest) = rest.split_at_checked(usize::from(step.bytes))?;
            if step.odd_count > 0 {
                let (now, later) = odd.split_at_checked(usize::from(step.odd_count))?;
                odd = later;
                if !odd_pass(dialect, now, run) {
                    return None;
                }
            }
            at += run.len();
            if step.variable != 0 {
                at += step.variable_bytes(dialect, rest)?;
            }
        }
        Some(at)
    }

    /// Nothing when the bitmap has more of something than there is room for.
    fn compile(dialect: &Dialect, words: &[u64; 3]) -> Option<Self> {
        let mut shape = Self {
            words: *words,
            count: 0,
            step_count: 0,
            steps: [Step::default(); STEPS_MAX],
            places: [(0, 0); INDEXED_MAX],
            odd: [(0, 0); ODD_MAX],
            blocks: [Block::ANY; BLOCKS_MAX],
        };
        let (mut odd_count, mut block_count) = (0, 0);
        let mut step = Step::default();
        for de in (0..192u8).filter(|bit| words[usize::from(bit / 64)] >> (63 - bit % 64) & 1 == 1) {
            let de = de + 1;
            let layout = dialect.layouts.get(usize::from(de))?;
            *shape.places.get_mut(usize::from(shape.count))? = (shape.step_count, step.bytes);
            shape.count += 1;
            if layout.rule != Rule::Fixed {
                block_count += usize::from(step.block_count);
                step.follow_with(de, layout)?;
                shape.push(std::mem::take(&mut step))?;
                continue;
            }
            if is_odd(layout.check) {
                *shape.odd.get_mut(odd_count)? = (de, step.bytes);
                (odd_count, step.odd_count) = (odd_count + 1, step.odd_count + 1);
            } else {
                let blocks = shape.blocks.get_mut(block_count..)?;
                let reach = rule_bytes(layout, usize::from(step.bytes), blocks)?;
                step.block_count = step.block_count.max(reach);
                step.has_nibbles |= layout.check == Check::BcdDigits;
            }
            step.bytes = step.bytes.checked_add(u16::try_from(layout.bytes).ok()?)?;
        }
        if step.bytes > 0 {
            shape.push(step)?;
        }
        Some(shape)
    }

    fn push(&mut self, step: Step) -> Option<()> {
        *self.steps.get_mut(usize::from(self.step_count))? = step;
        self.step_count += 1;
        Some(())
    }
}

impl Step {
    /// Ends the run with a variable element.
    fn follow_with(&mut self, de: De, layout: &Layout) -> Option<()> {
        let is_plain = matches!(
            layout.check,
            Check::Any | Check::AsciiDigits | Check::AsciiPrintable | Check::BcdDigits
        );
        self.variable = de;
        self.prefix = match (layout.rule, layout.prefix_bytes) {
            (Rule::Absent, _) => return None,
            _ if !is_plain || layout.scale == Scale::SignThenPacked => PrefixForm::Other,
            (Rule::AsciiPrefix, 2) => PrefixForm::Ascii2,
            (Rule::AsciiPrefix, 3) => PrefixForm::Ascii3,
            (Rule::BcdPrefix, 1) => PrefixForm::Bcd1,
            (Rule::BcdPrefix, 2) => PrefixForm::Bcd2,
            _ => PrefixForm::Other,
        };
        (self.scale, self.check, self.pad_left) = (layout.scale, layout.check, layout.pad_left);
        self.max = u16::try_from(layout.units).unwrap_or(u16::MAX);
        Some(())
    }

    /// Bytes of the variable element at the start of `rest`, its prefix included; nothing when it is wrong.
    #[inline(always)]
    fn variable_bytes(&self, dialect: &Dialect, rest: &[u8]) -> Option<usize> {
        // Each digit is checked: what wraps is above nine.
        let ascii = |byte: u8| byte.wrapping_sub(b'0');
        let (units, prefix, is_number) = match self.prefix {
            PrefixForm::Other => return self.other_bytes(dialect, rest),
            PrefixForm::Ascii2 => {
                let [tens, ones] = rest.first_chunk::<2>()?.map(ascii);
                (usize::from(tens) * 10 + usize::from(ones), 2, tens.max(ones) <= 9)
            }
            PrefixForm::Ascii3 => {
                let [hundreds, tens, ones] = rest.first_chunk::<3>()?.map(ascii);
                let units = usize::from(hundreds) * 100 + usize::from(tens) * 10 + usize::from(ones);
                (units, 3, hundreds.max(tens).max(ones) <= 9)
            }
            PrefixForm::Bcd1 => {
                let byte = *rest.first()?;
                let units = usize::from(byte >> 4) * 10 + usize::from(byte & 0xF);
                (units, 1, byte <= 0x99 && byte & 0xF <= 9)
            }
            PrefixForm::Bcd2 => {
                let [high, low] = *rest.first_chunk::<2>()?;
                let units = usize::from(high >> 4) * 1000
                    + usize::from(high & 0xF) * 100
                    + usize::from(low >> 4) * 10
                    + usize::from(low & 0xF);
                (units, 2, high.max(low) <= 0x99 && (high & 0xF).max(low & 0xF) <= 9)
            }
        };
        if !is_number || units > usize::from(self.max) {
            return None;
        }
        let bytes = match self.scale {
            Scale::One => units,
            Scale::Packed => units.div_ceil(2),
            Scale::Double => units * 2,
            Scale::SignThenPacked => return None,
        };
        let end = prefix + bytes;
        let value = rest.get(prefix..end)?;
        if self.check == Check::Any || self.allows(value, units) { Some(end) } else { None }
    }

    /// Whether the bytes of the variable element are right: by itself, so that the loop over the steps keeps
    /// its registers.
    #[inline(never)]
    fn allows(&self, value: &[u8], units: usize) -> bool {
        match self.check {
            Check::AsciiDigits => !not_digits(value, b'0'),
            Check::AsciiPrintable => !not_printable(value),
            _ => packed_digits(self.pad_left, value, units),
        }
    }

    #[inline(never)]
    fn other_bytes(&self, dialect: &Dialect, rest: &[u8]) -> Option<usize> {
        let layout = dialect.layouts.get(usize::from(self.variable))?;
        read_element(dialect, layout, self.variable, rest, 0).ok()
    }
}

/// Whether the fixed elements that have no rule for each byte are right.
#[inline(never)]
fn odd_pass(dialect: &Dialect, odd: &[(De, u16)], run: &[u8]) -> bool {
    odd.iter().all(|(de, offset)| {
        let (Some(layout), Some(value)) =
            (dialect.layouts.get(usize::from(*de)), run.get(usize::from(*offset)..))
        else {
            return false;
        };
        if layout.check == Check::AsciiHex
            && let Some(digits) = value.first_chunk::<16>()
            && layout.bytes == 16
        {
            return from_hex(digits).is_some();
        }
        value.get(..layout.bytes as usize).is_some_and(|value| passes(layout, value, layout.units as usize))
    })
}

/// Whether the bytes from the start of `rest` are what the blocks allow; past its end anything is.
#[inline(always)]
fn all_pass(blocks: &[Block], has_nibbles: bool, rest: &[u8]) -> bool {
    match (blocks, has_nibbles) {
        ([], _) => true,
        _ if rest.len() < blocks.len() * 16 => short_passes(blocks, rest),
        (_, false) => whole_pass::<false>(blocks, rest),
        (_, true) => whole_pass::<true>(blocks, rest),
    }
}

/// A function of its own, because only a loop with nothing else in it becomes vector instructions.
#[inline(never)]
fn whole_pass<const NIBBLES: bool>(blocks: &[Block], rest: &[u8]) -> bool {
    let mut bad = [0; 16];
    blocks
        .iter()
        .zip(rest.as_chunks::<16>().0)
        .for_each(|(block, bytes)| block.check::<NIBBLES>(bytes, &mut bad));
    u128::from_ne_bytes(bad) == 0
}

/// The same where the message ends inside the last block.
#[inline(never)]
fn short_passes(blocks: &[Block], rest: &[u8]) -> bool {
    let (whole, tail) = rest.as_chunks::<16>();
    let mut bad = [0; 16];
    blocks.iter().zip(whole).for_each(|(block, bytes)| block.check::<true>(bytes, &mut bad));
    // Bytes that are missing are found missing by the caller; here only those that are there count.
    if let Some(block) = blocks.get(whole.len()) {
        let mut bytes = block.low;
        bytes[..tail.len()].copy_from_slice(tail);
        block.check::<true>(&bytes, &mut bad);
    }
    bad == [0; 16]
}

/// Whether the check is more than a rule for each byte.
const fn is_odd(check: Check) -> bool {
    matches!(
        check,
        Check::AsciiSigned | Check::EbcdicSigned | Check::BcdSigned | Check::AsciiHex | Check::EbcdicHex
    )
}

/// Writes the rules of an element's bytes, the first at `first`; how many blocks they reach into.
fn rule_bytes(layout: &Layout, first: usize, blocks: &mut [Block]) -> Option<u8> {
    let bytes = layout.bytes as usize;
    let is_half = layout.units & 1 == 1;
    for index in 0..bytes {
        let (low, range, nibble) = match layout.check {
            Check::AsciiDigits => (b'0', 9, 0x0F),
            Check::EbcdicDigits => (0xF0, 9, 0x0F),
            Check::AsciiPrintable => (b' ', b'~' - b' ', 0x0F),
            // The nibble that fills an odd number of digits may be anything.
            Check::BcdDigits if is_half && layout.pad_left && index == 0 => (0, 0xFF, 9),
            Check::BcdDigits if is_half && !layout.pad_left && index + 1 == bytes => (0, 0x9F, 0x0F),
            Check::BcdDigits => (0, 0x99, 9),
            _ => return Some(0),
        };
        let at = first + index;
        let block = blocks.get_mut(at / 16)?;
        (block.low[at % 16], block.range[at % 16], block.nibble[at % 16]) = (low, range, nibble);
    }
    u8::try_from((first + bytes).div_ceil(16)).ok()
}
