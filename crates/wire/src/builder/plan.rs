//! Many messages of one kind: what is the same in all of them is worked out once.

use std::ops::Range;

use super::{Plan, put_bitmaps, put_mti, put_short};
use crate::error::BuildError;
use crate::words::{self, Words};
use crate::{BODY_BYTES_MAX, De, Dialect, Mti};

/// A message type and three bitmaps in hexadecimal digits.
pub(crate) const HEAD_BYTES_MAX: usize = 64;

/// A message type with its bitmaps, as they stand on the wire.
#[derive(Debug)]
pub(crate) struct Heading {
    bytes: [u8; HEAD_BYTES_MAX],
    length: usize,
}

/// What an element is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'v> {
    /// As [`Builder::digits`](crate::Builder::digits) takes it.
    Digits(&'v [u8]),
    /// As [`Builder::number`](crate::Builder::number) takes it.
    Number(u64),
    /// As [`Builder::text`](crate::Builder::text) takes it.
    Text(&'v str),
    /// As [`Builder::bytes`](crate::Builder::bytes) takes it.
    Bytes(&'v [u8]),
}

/// How to build messages that all have one type and the same elements.
///
/// Nothing but the values is looked at for each message; [`Builder`](crate::Builder) is for everything else.
///
/// ```
/// use switchyard_wire::{BuildPlan, Dialect, Mti, Value};
///
/// let dialect = Dialect::builtin("iso87-ascii").expect("built in");
/// let plan = BuildPlan::new(dialect, Mti::new(0x0800), &[7, 11, 70])?;
/// let mut out = Vec::new();
/// plan.write(&mut out, &[Value::Digits(b"1122133000"), Value::Number(42), Value::Text("301")])?;
/// assert_eq!(out, b"0800822000000000000004000000000000001122133000000042301");
/// # Ok::<(), switchyard_wire::BuildError>(())
/// ```
#[derive(Debug)]
pub struct BuildPlan<'d> {
    dialect: &'d Dialect,
    mti: Mti,
    heading: Heading,
    elements: Box<[(De, Plan)]>,
}

impl Heading {
    pub(crate) fn new(dialect: &Dialect, mti: Mti, elements: &Words) -> Self {
        let mut written = Vec::with_capacity(HEAD_BYTES_MAX);
        put_mti(dialect, mti, &mut written);
        put_bitmaps(dialect, elements, &mut written);
        let mut bytes = [0; HEAD_BYTES_MAX];
        bytes.iter_mut().zip(&written).for_each(|(slot, byte)| *slot = *byte);
        Self { bytes, length: written.len() }
    }

    #[inline(always)]
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_short(&self.bytes, self.length, out);
    }
}

impl<'d> BuildPlan<'d> {
    /// Plans messages of a type that have these elements, ascending.
    ///
    /// # Errors
    /// [`BuildError::UnknownElement`] for an element that the dialect does not have, or one that a third bitmap inside
    /// an element announces, and that element; [`BuildError::OutOfOrder`] for elements that do not ascend.
    pub fn new(dialect: &'d Dialect, mti: Mti, elements: &[De]) -> Result<Self, BuildError> {
        let (mut set, mut after) = ([0; 3], 1);
        let mut plans = Vec::with_capacity(elements.len());
        for &de in elements {
            let is_open = dialect.third.is_none_or(|third| third != de && de <= 128);
            dialect.element(de).filter(|_| is_open).ok_or(BuildError::UnknownElement { de })?;
            if de <= after {
                return Err(BuildError::OutOfOrder { de, after });
            }
            after = de;
            words::set(&mut set, de);
            plans.push((de, dialect.plans.get(usize::from(de)).copied().unwrap_or_default()));
        }
        Ok(Self { dialect, mti, heading: Heading::new(dialect, mti, &set), elements: plans.into() })
    }

    /// Writes a message at the end of `out`; its range there. On an error `out` is left as it was.
    ///
    /// `values` are one for each element of the plan, in its order.
    ///
    /// # Errors
    /// [`BuildError::ValueCount`], those of the values, [`BuildError::BodyTooLong`].
    pub fn write(&self, out: &mut Vec<u8>, values: &[Value<'_>]) -> Result<Range<usize>, BuildError> {
        let (need, have) = (self.elements.len(), values.len());
        if need != have {
            return Err(BuildError::ValueCount { need, have });
        }
        let start = out.len();
        self.heading.put(out);
        for ((_, plan), value) in self.elements.iter().zip(values) {
            let is_written = match *value {
                Value::Digits(digits) => plan.put_digits(digits, out),
                Value::Number(number) => plan.put_number(number, out),
                Value::Text(text) => plan.put_text(text, out),
                Value::Bytes(bytes) => plan.put_bytes(bytes, out),
            };
            if !is_written {
                out.truncate(start);
                return self.write_slowly(out, values);
            }
        }
        let length = out.len() - start;
        if length > BODY_BYTES_MAX {
            out.truncate(start);
            return Err(BuildError::BodyTooLong { length, max: BODY_BYTES_MAX });
        }
        Ok(start..out.len())
    }

    /// By the builder, which knows every encoding and every error.
    #[inline(never)]
    fn write_slowly(&self, out: &mut Vec<u8>, values: &[Value<'_>]) -> Result<Range<usize>, BuildError> {
        self.dialect.build(out, self.mti, |builder| {
            self.elements.iter().zip(values).try_for_each(|(&(de, _), value)| {
                match *value {
                    Value::Digits(digits) => builder.digits(de, digits),
                    Value::Number(number) => builder.number(de, number),
                    Value::Text(text) => builder.text(de, text),
                    Value::Bytes(bytes) => builder.bytes(de, bytes),
                }
                .map(|_| ())
            })
        })
    }
}
