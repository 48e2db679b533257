//! Replies that mostly echo: which runs of a request's bytes they take is worked out once per bitmap.

use std::ops::Range;
use std::sync::OnceLock;

use crate::builder::{put_bitmaps, put_mti};
use crate::dialect::Rule;
use crate::error::BuildError;
use crate::parse::passes;
use crate::{BODY_BYTES_MAX, De, Dialect, Message};

/// Bitmaps of requests that a plan remembers; replies to others are built element by element.
const CUTS_MAX: usize = 8;
/// Runs and answers in one reply.
const PIECES_MAX: usize = 24;

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
    reply: [u64; 3],
    count: usize,
    pieces: [Piece; PIECES_MAX],
}

/// A place in a request: the step of its shape, and the offset there.
type Place = (usize, usize);

#[derive(Clone, Copy, Debug)]
enum Piece {
    /// The request's bytes from one place to another, or to the end.
    Run(Place, Option<Place>),
    /// The answer of this index.
    Answer(usize),
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
        let mut cut =
            Cut { request: request.words, reply: [0; 3], count: 0, pieces: [Piece::Answer(0); PIECES_MAX] };
        let mut answers = self.answers.iter().copied().enumerate().peekable();
        let mut run: Option<(Place, usize)> = None;
        let place_after = |rank: usize| shape.place(rank).filter(|_| rank < usize::from(shape.count()));
        for (rank, de) in request.elements().enumerate() {
            while let Some((index, answer)) = answers.next_if(|(_, answer)| *answer <= de) {
                if let Some((from, next)) = run.take() {
                    cut.push(Piece::Run(from, place_after(next)))?;
                }
                cut.push(Piece::Answer(index))?;
                cut.reply[usize::from(answer - 1) / 64] |= bit(answer);
            }
            if self.echo[usize::from(de - 1) / 64] & bit(de) != 0 {
                cut.reply[usize::from(de - 1) / 64] |= bit(de);
                let from = run.map_or(shape.place(rank)?, |(from, _)| from);
                run = Some((from, rank + 1));
            } else if let Some((from, next)) = run.take() {
                cut.push(Piece::Run(from, place_after(next)))?;
            }
        }
        if let Some((from, next)) = run {
            cut.push(Piece::Run(from, place_after(next)))?;
        }
        for (index, answer) in answers {
            cut.push(Piece::Answer(index))?;
            cut.reply[usize::from(answer - 1) / 64] |= bit(answer);
        }
        Some(cut)
    }

    #[inline]
    fn write_cut(&self, cut: &Cut, request: &Message<'_, '_>, out: &mut Vec<u8>, answers: &[&[u8]]) {
        put_mti(self.dialect, request.mti().reply(), out);
        put_bitmaps(self.dialect, &cut.reply, out);
        let body = request.body();
        let offset = |(step, offset): Place| usize::from(request.starts[step]) + offset;
        for piece in &cut.pieces[..cut.count] {
            match *piece {
                Piece::Run(from, to) => {
                    let end = to.map_or(usize::from(request.end), offset);
                    out.extend_from_slice(body.get(offset(from)..end).unwrap_or_default());
                }
                Piece::Answer(index) => out.extend_from_slice(answers[index]),
            }
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
    fn push(&mut self, piece: Piece) -> Option<()> {
        *self.pieces.get_mut(self.count)? = piece;
        self.count += 1;
        Some(())
    }
}

/// The element's bit in its word.
const fn bit(de: De) -> u64 {
    1 << (63 - (de - 1) % 64)
}
