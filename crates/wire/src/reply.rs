//! Replies that mostly echo: which runs of a request's bytes they take is worked out once per bitmap.

use std::ops::Range;
use std::sync::OnceLock;

use crate::builder::{Heading, copy, put_bitmaps, put_mti, put_prefix};
use crate::dialect::{Class, Length, Rule, Scale};
use crate::error::BuildError;
use crate::parse::passes;
use crate::shape::SHAPES_MAX;
use crate::words::{self, Words};
use crate::{BODY_BYTES_MAX, De, Dialect, Message, Mti};

/// How to answer requests of one dialect: what is echoed, and which elements are new.
///
/// Answers may be of variable length, and each may be left out of a reply.
///
/// ```
/// use switchyard_wire::{Dialect, ReplyPlan};
///
/// let dialect = Dialect::builtin("iso87-ascii").expect("built in");
/// let plan = ReplyPlan::new(dialect, &[11, 41], &[39, 44])?;
/// let request = dialect.parse(b"02000020000000800000000042TERM0001").expect("a request");
/// let mut out = Vec::new();
/// plan.write(&request, &mut out, &[Some(b"00"), None])?;
/// assert_eq!(out, b"0210002000000280000000004200TERM0001");
/// out.clear();
/// plan.write(&request, &mut out, &[Some(b"51"), Some(b"CALL")])?;
/// assert_eq!(out, b"0210002000000290000000004251TERM000104CALL");
/// # Ok::<(), switchyard_wire::BuildError>(())
/// ```
#[derive(Debug)]
pub struct ReplyPlan<'d> {
    dialect: &'d Dialect,
    echo: Words,
    answers: Box<[De]>,
    /// By the number of the request's shape; replies to other requests are built element by element.
    cuts: [OnceLock<Cut>; SHAPES_MAX],
}

/// What a reply to requests with one bitmap is made of.
#[derive(Debug)]
struct Cut {
    /// The type of requests whose reply has this head.
    request: Mti,
    /// Message type and bitmaps, when no answer is left out.
    heading: Heading,
    /// The elements, when no answer is left out.
    elements: Words,
    pieces: Box<[Piece]>,
}

/// A place in a request: the step of its shape, and the offset there.
type Place = (u8, u16);

#[derive(Clone, Copy, Debug)]
enum Piece {
    /// The request's bytes from one place to another.
    Echo(Place, Place),
    /// An answer, by its place in the plan.
    Answer(De, u8),
}

impl<'d> ReplyPlan<'d> {
    /// Plans replies that echo what of `echo` a request has, and carry `answers` besides, ascending.
    ///
    /// An element that is in both is echoed by no reply.
    ///
    /// # Errors
    /// [`BuildError::UnknownElement`] for an element that the dialect does not have, for one that a third bitmap
    /// inside an element announces, and for an answer of packed digits behind a length, whose bytes do not say how
    /// many digits they are; [`BuildError::OutOfOrder`] for answers that do not ascend.
    pub fn new(dialect: &'d Dialect, echo: &[De], answers: &[De]) -> Result<Self, BuildError> {
        // A third bitmap inside an element would have to be made anew for every reply.
        let is_open = |de: De| dialect.third.is_none_or(|third| third != de && de <= 128);
        let known =
            |de: De| dialect.element(de).filter(|_| is_open(de)).ok_or(BuildError::UnknownElement { de });
        let mut set = [0; 3];
        for &de in echo {
            known(de)?;
            words::set(&mut set, de);
        }
        let mut after = 1;
        for &de in answers {
            let element = known(de)?;
            let is_packed = matches!(element.length, Length::Variable { .. })
                && !matches!(Scale::of(element.class, element.encoding), Scale::One | Scale::Double);
            if is_packed {
                return Err(BuildError::UnknownElement { de });
            }
            if de <= after {
                return Err(BuildError::OutOfOrder { de, after });
            }
            after = de;
            words::clear(&mut set, de);
        }
        let cuts = [const { OnceLock::new() }; SHAPES_MAX];
        Ok(Self { dialect, echo: set, answers: answers.into(), cuts })
    }

    /// Writes the reply at the end of `out`; its range there. On an error `out` is left as it was.
    ///
    /// `answers` are in the order of the plan: the bytes of the wire without a length before them, or nothing where
    /// the reply does not have the element. Those at the end may be missing.
    ///
    /// # Errors
    /// [`BuildError::TooShort`], [`BuildError::TooLong`] and [`BuildError::BadCharacter`] for an answer that its
    /// element cannot carry; [`BuildError::BodyTooLong`].
    pub fn write(
        &self,
        request: &Message<'_, '_>,
        out: &mut Vec<u8>,
        answers: &[Option<&[u8]>],
    ) -> Result<Range<usize>, BuildError> {
        let start = out.len();
        let written = match self.cut(request) {
            Some(cut) => self.write_cut(cut, request, out, answers),
            None => self.write_each(request, out, answers),
        };
        let length = out.len() - start;
        if written.is_ok() && length <= BODY_BYTES_MAX {
            return Ok(start..out.len());
        }
        out.truncate(start);
        written.and(Err(BuildError::BodyTooLong { length, max: BODY_BYTES_MAX }))
    }

    /// The cut for the request's bitmap, made when it is the first with this one.
    #[inline]
    fn cut(&self, request: &Message<'_, '_>) -> Option<&Cut> {
        let shape = request.shape.filter(|_| std::ptr::eq(request.dialect(), self.dialect))?;
        let slot = self.cuts.get(shape.number())?;
        slot.get().or_else(|| Some(slot.get_or_init(|| self.make_cut(request))))
    }

    #[cold]
    fn make_cut(&self, request: &Message<'_, '_>) -> Cut {
        let mut pieces = Vec::new();
        let mut run: Option<(Place, Place)> = None;
        let elements = self.elements(request, |_| true);
        for de in words::elements(elements) {
            if let Some(index) = self.answer(de) {
                pieces.extend(run.take().map(|(from, to)| Piece::Echo(from, to)));
                pieces.push(Piece::Answer(de, index as u8));
            } else if let Some((from, to)) = request.shape.and_then(|shape| shape.span(de)) {
                run = match run {
                    Some((first, end)) if end == from => Some((first, to)),
                    other => {
                        pieces.extend(other.map(|(from, to)| Piece::Echo(from, to)));
                        Some((from, to))
                    }
                };
            }
        }
        pieces.extend(run.map(|(from, to)| Piece::Echo(from, to)));
        let heading = Heading::new(self.dialect, request.mti().reply(), &elements);
        Cut { request: request.mti(), heading, elements, pieces: pieces.into() }
    }

    /// The elements of a reply, with those answers that are given.
    fn elements(&self, request: &Message<'_, '_>, is_given: impl Fn(usize) -> bool) -> Words {
        let mut elements = self.echo;
        elements.iter_mut().zip(&request.words).for_each(|(echo, has)| *echo &= has);
        let given = self.answers.iter().enumerate().filter(|(index, _)| is_given(*index));
        given.for_each(|(_, de)| words::set(&mut elements, *de));
        elements
    }

    /// The place of an answer in the plan.
    fn answer(&self, de: De) -> Option<usize> {
        self.answers.iter().position(|answer| *answer == de)
    }

    fn put_head(&self, request: Mti, elements: &Words, out: &mut Vec<u8>) {
        put_mti(self.dialect, request.reply(), out);
        put_bitmaps(self.dialect, elements, out);
    }

    #[inline(always)]
    fn write_cut(
        &self,
        cut: &Cut,
        request: &Message<'_, '_>,
        out: &mut Vec<u8>,
        answers: &[Option<&[u8]>],
    ) -> Result<(), BuildError> {
        let is_whole = answers.len() >= self.answers.len() && answers.iter().all(Option::is_some);
        if is_whole && cut.request == request.mti() {
            cut.heading.put(out);
        } else if is_whole {
            self.put_head(request.mti(), &cut.elements, out);
        } else {
            let elements = self.elements(request, |index| answers.get(index).is_some_and(Option::is_some));
            self.put_head(request.mti(), &elements, out);
        }
        for piece in &cut.pieces {
            match *piece {
                Piece::Echo(from, to) => {
                    copy(request.body(), request.placed(from)..request.placed(to), out);
                }
                Piece::Answer(de, index) => {
                    if let Some(Some(value)) = answers.get(usize::from(index)) {
                        self.put_answer(de, value, out)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The same, element by element.
    #[inline(never)]
    fn write_each(
        &self,
        request: &Message<'_, '_>,
        out: &mut Vec<u8>,
        answers: &[Option<&[u8]>],
    ) -> Result<(), BuildError> {
        let elements = self.elements(request, |index| answers.get(index).is_some_and(Option::is_some));
        self.put_head(request.mti(), &elements, out);
        for de in words::elements(elements) {
            match self.answer(de).and_then(|index| answers.get(index).copied().flatten()) {
                Some(value) => self.put_answer(de, value, out)?,
                None => out.extend_from_slice(request.wire(de).unwrap_or_default()),
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn put_answer(&self, de: De, value: &[u8], out: &mut Vec<u8>) -> Result<(), BuildError> {
        let is_put = self.dialect.plans.get(usize::from(de)).is_some_and(|plan| plan.put_wire(value, out));
        if is_put { Ok(()) } else { self.put_slowly(de, value, out) }
    }

    /// An answer in any encoding, and what is wrong with one.
    #[inline(never)]
    fn put_slowly(&self, de: De, value: &[u8], out: &mut Vec<u8>) -> Result<(), BuildError> {
        let layout = &self.dialect.layouts[usize::from(de)];
        let element = self.dialect.element(de).ok_or(BuildError::UnknownElement { de })?;
        if layout.rule == Rule::Fixed {
            let (need, have) = (layout.bytes as usize, value.len());
            if have < need {
                return Err(BuildError::TooShort { de, need, have });
            }
            if have > need {
                return Err(BuildError::TooLong { de, length: have, max: need });
            }
            if !passes(layout, value, layout.units as usize) {
                return Err(self.bad_character(de));
            }
            out.extend_from_slice(value);
            return Ok(());
        }
        let units = if layout.scale == Scale::Double { value.len() / 2 } else { value.len() };
        let length = if element.class == Class::Binary { units } else { element.counted(value) };
        let max = element.len_max();
        if length > max {
            return Err(BuildError::TooLong { de, length, max });
        }
        if layout.scale.bytes(units) != value.len() || !passes(layout, value, units) {
            return Err(self.bad_character(de));
        }
        let at = out.len();
        out.resize(at + usize::from(layout.prefix_bytes), 0);
        put_prefix(element, units, value, &mut out[at..]);
        out.extend_from_slice(value);
        Ok(())
    }

    #[cold]
    fn bad_character(&self, de: De) -> BuildError {
        let class = self.dialect.element(de).map_or("", |element| element.class().as_str());
        BuildError::BadCharacter { de, position: 0, class }
    }
}
