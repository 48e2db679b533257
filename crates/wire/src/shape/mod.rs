//! Bitmaps seen before, compiled: adjacent fixed elements are one bounds check and one comparison of bytes.
//!
//! A link carries a few dozen bitmaps over and over. For each, the fixed elements between two variable ones
//! are a run whose bytes all have a known rule, checked sixteen at a time, and the length prefix that ends the
//! run is checked with it. A message that does not pass goes through the table from the start, so that errors
//! are the table's, and so does every message whose bitmap is not known. Nothing of a message is remembered but
//! which elements it had.

use std::sync::OnceLock;

mod compile;
mod step;

use crate::bits::Block;
use crate::dialect::Encoding;
use crate::message::INDEXED_MAX;
use crate::{De, Dialect};
use step::Step;

/// Bitmaps that a dialect remembers; messages with others are read by the table.
pub(crate) const SHAPES_MAX: usize = 64;
/// Places where a bitmap may be remembered.
const PROBES_MAX: usize = 4;
/// Runs of fixed elements, each with the variable element after it.
const STEPS_MAX: usize = 24;
/// Sixteens of checked bytes in fixed elements.
const BLOCKS_MAX: usize = 24;
/// Fixed elements whose bytes do not each have a rule of their own: signed, EBCDIC hexadecimal.
const ODD_MAX: usize = 16;
/// Where the steps of a message start; after the last, where it ends.
type Starts = [u16; INDEXED_MAX];
/// Elements of a message, and the end after them.
const PLACES: usize = INDEXED_MAX + 1;
/// Numbers that an element may have, and the first after them.
const RANKS: usize = 194;

/// The bitmaps that a dialect has seen: room is made with the dialect, so that learning allocates nothing.
#[derive(Debug)]
pub(crate) struct Shapes {
    slots: Box<[OnceLock<Shape>; SHAPES_MAX]>,
}

/// A bitmap, compiled.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Which of the dialect's it is.
    number: u8,
    head: Head,
    words: [u64; 3],
    count: u16,
    steps: [Step; STEPS_MAX],
    step_count: u8,
    /// Rules of fixed elements and of length prefixes, in the order of the steps.
    blocks: [Block; BLOCKS_MAX],
    has_nibbles: bool,
    odd: [Odd; ODD_MAX],
    odd_count: u8,
    /// For each element in order: the step it is in, and its offset there.
    places: [(u8, u16); PLACES],
    /// For each element by number, how many stand before it.
    ranks: [u8; RANKS],
}

/// A fixed element whose bytes do not each have a rule of their own.
#[derive(Clone, Copy, Debug, Default)]
struct Odd {
    de: De,
    step: u8,
    offset: u16,
}

/// Bitmaps as they stand on the wire: comparing them spares decoding them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    first: [u64; 2],
    /// Zero when there is no second.
    second: [u64; 2],
    /// Bytes of these bitmaps.
    bytes: usize,
}

impl Default for Shapes {
    fn default() -> Self {
        let slots: Box<[OnceLock<Shape>]> = std::iter::repeat_with(OnceLock::new).take(SHAPES_MAX).collect();
        Self { slots: slots.try_into().expect("the iterator makes as many as there are slots") }
    }
}

impl Shapes {
    /// The compiled shape of the bitmaps that stand at the start of `rest`, if it is known, and their bytes.
    #[inline(always)]
    pub(crate) fn find(&self, dialect: &Dialect, rest: &[u8]) -> Option<(&Shape, usize)> {
        let head = Head::read(dialect, rest)?;
        let home = head.home();
        for probe in 0..PROBES_MAX {
            let shape = self.slots[(home + probe) % SHAPES_MAX].get()?;
            if shape.head.first == head.first && shape.head.second == head.second {
                return Some((shape, head.bytes));
            }
        }
        None
    }

    /// Remembers bitmaps while there is room: `wire` are their bytes.
    pub(crate) fn learn(&self, dialect: &Dialect, words: &[u64; 3], wire: &[u8]) {
        // A third bitmap is too rare to be worth a place.
        let Some(head) = Head::read(dialect, wire).filter(|head| head.bytes == wire.len()) else { return };
        let home = head.home();
        for probe in 0..PROBES_MAX {
            let number = (home + probe) % SHAPES_MAX;
            let slot = &self.slots[number];
            match slot.get() {
                Some(shape) if shape.head == head => return,
                Some(_) => {}
                None => {
                    if let Some(mut shape) = Shape::compile(dialect, words, head) {
                        shape.number = number as u8;
                        // When another thread was first with another bitmap, this one is learned next time.
                        let _ = slot.set(shape);
                    }
                    return;
                }
            }
        }
    }
}

impl Head {
    #[inline(always)]
    fn read(dialect: &Dialect, rest: &[u8]) -> Option<Self> {
        let min = dialect.bitmaps_min;
        match dialect.bitmap {
            Encoding::Raw => {
                let first = [u64::from_le_bytes(*rest.first_chunk()?), 0];
                if first[0] & 0x80 == 0 && min == 1 {
                    return Some(Self { first, second: [0; 2], bytes: 8 });
                }
                let second = [u64::from_le_bytes(*rest.get(8..)?.first_chunk()?), 0];
                Some(Self { first, second, bytes: 16 })
            }
            encoding => {
                let first = words(rest.first_chunk()?);
                let byte = first[0] as u8;
                let is_ebcdic = encoding == Encoding::EbcdicHex;
                let continues = if is_ebcdic { !(0xF0..0xF8).contains(&byte) } else { byte >= b'8' };
                if !continues && min == 1 {
                    return Some(Self { first, second: [0; 2], bytes: 16 });
                }
                Some(Self { first, second: words(rest.get(16..)?.first_chunk()?), bytes: 32 })
            }
        }
    }

    /// Where a bitmap is looked for first.
    #[inline(always)]
    fn home(&self) -> usize {
        let [[a, b], [c, d]] = [self.first, self.second];
        let mixed = a ^ b.rotate_left(28) ^ c.rotate_left(17) ^ d.rotate_left(45);
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as usize
    }
}

#[inline(always)]
fn words(bytes: &[u8; 16]) -> [u64; 2] {
    let (halves, _) = bytes.as_chunks::<8>();
    [u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1])]
}

impl Shape {
    /// Which of the dialect's shapes it is, below [`SHAPES_MAX`].
    #[inline]
    pub(crate) fn number(&self) -> usize {
        usize::from(self.number)
    }

    /// Elements in the bitmap.
    #[inline]
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// The elements, without the bits that only announce a bitmap.
    #[inline]
    pub(crate) fn words(&self) -> [u64; 3] {
        self.words
    }

    /// How many elements stand before `de`.
    #[inline]
    pub(crate) fn rank(&self, de: De) -> usize {
        usize::from(self.ranks[usize::from(de).min(RANKS - 1)])
    }

    /// Where the element is, and where it ends; nothing when the bitmap does not have it.
    #[inline(always)]
    pub(crate) fn span(&self, de: De) -> Option<((u8, u16), (u8, u16))> {
        let [rank, next] = *self.ranks.get(usize::from(de)..)?.first_chunk()?;
        if rank == next {
            return None;
        }
        let [from, to] = *self.places.get(usize::from(rank)..)?.first_chunk()?;
        Some((from, to))
    }

    /// Where the element at `rank` is: its step, and its offset there. For the rank after the last it is the
    /// step after the last, which starts where the message ends.
    #[inline]
    pub(crate) fn place(&self, rank: usize) -> Option<(u8, u16)> {
        self.places.get(rank).copied()
    }

    /// Checks the elements from `at` on and writes where each step starts; the offset after the last.
    ///
    /// Nothing when anything is wrong, or when the bytes end early.
    #[inline(always)]
    pub(crate) fn index(
        &self,
        dialect: &Dialect,
        body: &[u8],
        at: usize,
        starts: &mut Starts,
    ) -> Option<usize> {
        let mut bad = [0; 16];
        let end = if self.has_nibbles {
            self.walk::<true>(dialect, body, at, starts, &mut bad)
        } else {
            self.walk::<false>(dialect, body, at, starts, &mut bad)
        }?;
        let is_right = end == body.len() && u128::from_ne_bytes(bad) == 0;
        if is_right && (self.odd_count == 0 || self.odd_pass(dialect, body, starts)) {
            Some(end)
        } else {
            None
        }
    }
}
