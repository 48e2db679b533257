//! From bytes to an index, in one pass and without allocating.

mod element;
mod head;
mod skim;

use crate::dialect::Encoding;
use crate::error::{ElementPath, ParseError, ParseErrorKind};
use crate::{BODY_BYTES_MAX, De, Dialect, Message, Mti, words};
pub(crate) use element::{element_bytes, packed_digits, passes, prefix_value, read_element};
pub(crate) use head::hex_nibble;
pub(crate) use head::third_encoding;
use head::{read_bitmap, read_bitmaps, read_mti};

/// Where and why parsing stopped.
type Stop = (ElementPath, usize, ParseErrorKind);

impl Dialect {
    /// Parses a message body: the bytes from the message type on, without length, TPDU or header.
    ///
    /// Lengths, digits and the bitmap are all checked, so that the accessors of [`Message`] cannot fail on
    /// them. Nothing is allocated.
    ///
    /// # Errors
    /// The first thing that does not follow the dialect, with its element and offset.
    pub fn parse<'d, 'a>(&'d self, body: &'a [u8]) -> Result<Message<'d, 'a>, ParseError> {
        let mut message = Message::empty(self, body);
        match index(self, body, &mut message) {
            Ok(()) => Ok(message),
            Err(stop) => Err(self.parse_error(stop)),
        }
    }

    /// As [`Dialect::parse`], keeping the elements before the one that could not be read.
    ///
    /// The message is complete when there is no error. With an error in the message type, the message has
    /// type `0000` and no elements.
    pub fn parse_partial<'d, 'a>(&'d self, body: &'a [u8]) -> (Message<'d, 'a>, Option<ParseError>) {
        let mut message = Message::empty(self, body);
        let stop = index(self, body, &mut message).err();
        let error = stop.map(|stop| self.parse_error(stop));
        (message, error)
    }

    /// As [`Dialect::parse_partial`] by the table alone: the measure of every shortcut.
    pub(crate) fn parse_by_table<'d, 'a>(&'d self, body: &'a [u8]) -> (Message<'d, 'a>, Option<ParseError>) {
        let mut message = Message::empty(self, body);
        let stop = index_by_table(self, body, &mut message).err();
        let error = stop.map(|stop| self.parse_error(stop));
        (message, error)
    }

    #[cold]
    fn parse_error(&self, (element, offset, kind): Stop) -> ParseError {
        ParseError { dialect: self.name_arc(), element, offset, kind }
    }
}

/// By the shape of the bitmap when it is known, else run by run, learning the shape, else by the table.
#[inline(always)]
fn index<'d>(dialect: &'d Dialect, body: &[u8], message: &mut Message<'d, '_>) -> Result<(), Stop> {
    let is_read =
        index_by_shape(dialect, body, message).is_some() || skim::index(dialect, body, message).is_some();
    // What the short ways refuse goes through the table, which says why.
    if is_read { Ok(()) } else { index_by_table(dialect, body, message) }
}

/// Nothing, and a message as it was, when the table must be asked.
#[inline(always)]
fn index_by_shape<'d>(dialect: &'d Dialect, body: &[u8], message: &mut Message<'d, '_>) -> Option<()> {
    if body.len() > BODY_BYTES_MAX {
        return None;
    }
    let (mti, at) = match dialect.mti {
        Encoding::Bcd => (Mti::from_bcd(u16::from_be_bytes(*body.first_chunk()?))?, 2),
        Encoding::Ascii => (Mti::from_ascii(*body.first_chunk()?)?, 4),
        _ => read_mti(dialect.mti, body).ok()?,
    };
    let (shape, bitmaps) = dialect.shapes.find(dialect, body.get(at..)?)?;
    let at = at + bitmaps;
    let end = shape.index(dialect, body, at, &mut message.starts)?;
    message.mti = mti;
    message.words = shape.words();
    message.shape = Some(shape);
    message.count = shape.count();
    message.end = end as u16;
    Some(())
}

#[inline(never)]
fn index_by_table(dialect: &Dialect, body: &[u8], message: &mut Message<'_, '_>) -> Result<(), Stop> {
    if body.len() > BODY_BYTES_MAX {
        let kind = ParseErrorKind::BodyTooLong { length: body.len(), max: BODY_BYTES_MAX };
        return Err((ElementPath::Mti, BODY_BYTES_MAX, kind));
    }
    let (mti, mut at) = read_mti(dialect.mti, body)?;
    message.mti = mti;
    let mut announced = [0u64; 3];
    read_bitmaps(dialect, body, &mut announced, &mut at)?;
    message.end = at as u16;
    for word_index in 0..announced.len() {
        let mut rest = announced[word_index];
        while let Some(lead) = words::take_first(&mut rest) {
            let de = word_index * 64 + lead as usize + 1;
            let layout = &dialect.layouts[de];
            let end = read_element(dialect, layout, de as De, body, at)?;
            if let Some(start) = message.starts.get_mut(usize::from(message.count)) {
                *start = at as u16;
            }
            words::set(&mut message.words, de as De);
            message.count += 1;
            message.end = end as u16;
            if dialect.third == Some(de as De) {
                announced[2] = read_bitmap(third_encoding(dialect, de as De), body, at)
                    .map_err(|kind| (ElementPath::De(de as De), at, kind))?;
            }
            at = end;
        }
    }
    if at < body.len() {
        return Err((ElementPath::End, at, ParseErrorKind::TrailingBytes { have: body.len() - at }));
    }
    Ok(())
}
