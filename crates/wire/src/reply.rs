//! Replies that mostly echo: which runs of a request's bytes they take is worked out once per bitmap.

use std::ops::Range;
use std::sync::OnceLock;

use crate::builder::{put_bitmaps, put_mti};
use crate::dialect::Rule;
use crate::error::BuildError;
use crate::message::INDEXED_MAX;
use crate::parse::passes;
use crate::{BODY_BYTES_MAX, De, Dialect, Message};

/// Bitmaps of requests that a plan remembers; replies to others are built element by element.
const CUTS_MAX: usize = 8;
/// Runs and answers in one reply.
const PIECES_MAX: usize = 24;
/// Three bitmaps in hexadecimal digits.
const BITMAPS_BYTES_MAX: usize = 48;

/// How to answer requests of one dialect: what is echoed, and which fixed elements are new.
///
/// ```
/// use switchyard_wire::{Dialect, ReplyPlan};
///
/// let dialect = Dialect::builtin("iso87-ascii").expect("built in");
/// let plan = ReplyPlan::new(dialect, &[11, 41], &[39])?;
/// let request = dialect.parse(b"02000020000000800000000042TERM0001").expect("a request");
/// let mut out = Vec::new();
/// plan.write(&request, &mut out, &[b"00"])?;
/// assert_eq!(out, b"0210002000000280000000004200TERM0001");
/// # Ok::<(), switchyard_wire::BuildError>(())
/// ```
#[derive(Debug)]
pub struct ReplyPlan<'d> {
    dialect: &'d Dialect,
    echo: [u64; 3],
    answers: Box<[De]>,
    cuts: [OnceLock<Cut>; CUTS_MAX],
}

/// What a reply to requests with one bitmap is made of.
#[derive(Debug)]
struct Cut {
    request: [u64; 3],
    /// The reply's elements, and its bitmaps as they are written.
    reply: [u64; 3],
    bitmaps: [u8; BITMAPS_BYTES_MAX],
    bitmaps_bytes: usize,
    count: usize,
    pieces: [Piece; PIECES_MAX],
}

/// A place in a request: the step of its shape, and the offset there.
type Place = (u8, u16);

/// The request's bytes from one place to another, or an answer.
#[derive(Clone, Copy, Debug)]
struct Piece {
    from: Place,
    to: Place,
    answer: Option<u8>,
}

impl<'d> ReplyPlan<'d> {
    /// Plans replies that echo what of `echo` a request has, and carry `answers` besides, ascending.
    ///
    /// # Errors
    /// [`BuildError::UnknownElement`] for an element that the dialect does not have, or an answer that is not of
    /// fixed length, or one that a third bitmap inside an element announces; [`BuildError::OutOfOrder`] for answers that do not ascend.
    pub fn new(dialect: &'d Dialect, echo: &[De], answers: &[De]) -> Result<Self, BuildError> {
        let mut words = [0; 3];
        for de in echo {
            dialect.element(*de).ok_or(BuildError::UnknownElement { de: *de })?;
            // A third bitmap inside an element would have to be made anew for every reply.
            if dialect.third.is_some_and(|third| third == *de || *de > 128) {
                return Err(BuildError::UnknownElement { de: *de });
            }
            words[usize::from(de - 1) / 64] |= bit(*de);
        }
        let mut after = 1;
        for &de in answers {
            let is_fixed =
                dialect.layouts.get(usize::from(de)).is_some_and(|layout| layout.rule == Rule::Fixed);
            if !is_fixed || (dialect.third.is_some() && de > 128) {
                return Err(BuildError::UnknownElement { de });
            }
            if de <= after {
                return Err(BuildError::OutOfOrder { de, after });
            }
            after = de;
            // An answer takes the place of an echo.
            words[usize::from(de - 1) / 64] &= !bit(de);
        }
        Ok(Self { dialect, echo: words, answers: answers.into(), cuts: Default::default() })
    }

    /// Writes the reply at the end of `out`; its range there. On an error `out` is left as it was.
    ///
    /// `answers` are the bytes of the wire, in the order of the plan.
    ///
    /// # Errors
    /// [`BuildError::TooShort`], [`BuildError::TooLong`] and [`BuildError::BadCharacter`] for an answer that its
    /// element cannot carry, or that is missing; [`BuildError::BodyTooLong`].
    pub fn write(
        &self,
        request: &Message<'_, '_>,
        out: &mut Vec<u8>,
        answers: &[&[u8]],
    ) -> Result<Range<usize>, BuildError> {
        let start = out.len();
        self.check(answers)?;
        match self.cut(request) {
            Some(cut) => self.write_cut(cut, request, out, answers),
            None => self.write_each(request, out, answers),
        }
        let length = out.len() - start;
        if length > BODY_BYTES_MAX {
            out.truncate(start);
            return Err(BuildError::BodyTooLong { length, max: BODY_BYTES_MAX });
        }
        Ok(start..out.len())
    }

    fn check(&self, answers: &[&[u8]]) -> Result<(), BuildError> {
        for (index, &de) in self.answers.iter().enumerate() {
            let layout = &self.dialect.layouts[usize::from(de)];
            let value = answers.get(index).copied().unwrap_or_default();
            let (need, have) = (layout.bytes as usize, value.len());
            if have < need {
                return Err(BuildError::TooShort { de, need, have });
            }
            if have > need {
                return Err(BuildError::TooLong { de, length: have, max: need });
            }
            if !passes(layout, value, layout.units as usize) {
                let class = self.dialect.element(de).map_or("", |element| element.class().as_str());
                return Err(BuildError::BadCharacter { de, position: 0, class });
            }
        }
        Ok(())
    }

    /// The cut for the request's bitmap, made when there is none and there is room.
    #[inline]
    fn cut(&self, request: &Message<'_, '_>) -> Option<&Cut> {
        if request.shape.is_none() || !std::ptr::eq(request.dialect(), self.dialect) {
            return None;
        }
        for slot in &self.cuts {
            match slot.get() {
                Some(cut) if cut.request == request.words => return Some(cut),
                Some(_) => {}
                None => {
                    let _ = slot.set(self.make_cut(request)?);
                    return slot.get().filter(|cut| cut.request == request.words);
                }
            }
        }
        None
    }

    #[cold]
    fn make_cut(&self, request: &Message<'_, '_>) -> Option<Cut> {
        let shape = request.shape?;
        let mut cut = Cut {
            request: request.words,
            reply: [0; 3],
            bitmaps: [0; BITMAPS_BYTES_MAX],
            bitmaps_bytes: 0,
            count: 0,
            pieces: [Piece { from: (0, 0), to: (0, 0), answer: None }; PIECES_MAX],
        };
        let mut answers = self.answers.iter().copied().zip(0u8..).peekable();
        let mut run: Option<Piece> = None;
        for (rank, de) in request.elements().enumerate() {
            while let Some((answer, index)) = answers.next_if(|(answer, _)| *answer <= de) {
                cut.push(run.take())?;
                cut.answer(answer, index)?;
            }
            if self.echo[usize::from(de - 1) / 64] & bit(de) != 0 {
                cut.reply[usize::from(de - 1) / 64] |= bit(de);
                let (from, to) = (shape.place(rank)?, shape.place(rank + 1)?);
                run = Some(Piece { to, ..run.unwrap_or(Piece { from, to, answer: None }) });
            } else {
                cut.push(run.take())?;
            }
        }
        cut.push(run)?;
        for (answer, index) in answers {
            cut.answer(answer, index)?;
        }
        let mut bitmaps = Vec::with_capacity(BITMAPS_BYTES_MAX);
        put_bitmaps(self.dialect, &cut.reply, &mut bitmaps);
        cut.bitmaps.get_mut(..bitmaps.len())?.copy_from_slice(&bitmaps);
        cut.bitmaps_bytes = bitmaps.len();
        Some(cut)
    }

    #[inline(always)]
    fn write_cut(&self, cut: &Cut, request: &Message<'_, '_>, out: &mut Vec<u8>, answers: &[&[u8]]) {
        put_mti(self.dialect, request.mti().reply(), out);
        out.extend_from_slice(cut.bitmaps.get(..cut.bitmaps_bytes).unwrap_or_default());
        let body = request.body();
        let offset = |(step, offset): Place| {
            usize::from(request.starts[usize::from(step) % INDEXED_MAX]) + usize::from(offset)
        };
        for piece in cut.pieces.iter().take(cut.count) {
            let bytes = match piece.answer {
                None => body.get(offset(piece.from)..offset(piece.to)),
                Some(index) => answers.get(usize::from(index)).copied(),
            };
            out.extend_from_slice(bytes.unwrap_or_default());
        }
    }

    /// The same, element by element.
    #[inline(never)]
    fn write_each(&self, request: &Message<'_, '_>, out: &mut Vec<u8>, answers: &[&[u8]]) {
        let mut words = [0; 3];
        for (word, (has, echo)) in words.iter_mut().zip(request.words.iter().zip(&self.echo)) {
            *word = has & echo;
        }
        self.answers.iter().for_each(|de| words[usize::from(de - 1) / 64] |= bit(*de));
        put_mti(self.dialect, request.mti().reply(), out);
        put_bitmaps(self.dialect, &words, out);
        for de in 2..=crate::DE_MAX {
            if let Some(index) = self.answers.iter().position(|answer| *answer == de) {
                out.extend_from_slice(answers[index]);
            } else if words[usize::from(de - 1) / 64] & bit(de) != 0 {
                out.extend_from_slice(request.wire(de).unwrap_or_default());
            }
        }
    }
}

impl Cut {
    fn push(&mut self, piece: Option<Piece>) -> Option<()> {
        if let Some(piece) = piece {
            *self.pieces.get_mut(self.count)? = piece;
            self.count += 1;
        }
        Some(())
    }

    fn answer(&mut self, de: De, index: u8) -> Option<()> {
        self.reply[usize::from(de - 1) / 64] |= bit(de);
        self.push(Some(Piece { from: (0, 0), to: (0, 0), answer: Some(index) }))
    }
}

/// The element's bit in its word.
const fn bit(de: De) -> u64 {
    1 << (63 - (de - 1) % 64)
}
