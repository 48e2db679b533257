//! What a host asks of the switch about the link itself: sign-on, sign-off, echo.

use super::read::network_code;
use crate::dialect::iso::{Edition, result};
use switchyard_domain::ResponseCode;
use switchyard_wire::{BuildError, Message};

/// A network request, in the core's numbers.
const REQUEST: u16 = 800;
/// DE 70 of 1987.
pub const SIGN_ON: u16 = 1;
/// DE 70 of 1987.
pub const SIGN_OFF: u16 = 2;
/// DE 70 of 1987: a new PIN key. It is answered once the key was looked at, and not here.
pub const KEY_CHANGE: u16 = 161;
/// DE 70 of 1987.
pub const ECHO: u16 = 301;
const KNOWN: [u16; 3] = [SIGN_ON, SIGN_OFF, ECHO];

/// Appends the answer to a host's network request: an approval to one of the kinds above, 12 to another. Nothing, by
/// `None`, for a message that is no such request. Says what was approved, by its DE 70 of 1987.
///
/// # Errors
/// [`BuildError`] when an element does not take its value; `out` is as it was before.
pub fn answer_network(
    message: &Message<'_, '_>,
    out: &mut Vec<u8>,
) -> Option<Result<Option<u16>, BuildError>> {
    let edition = Edition::of(message.dialect())?;
    let mti = message.mti();
    if mti.is_response() || edition.number(mti) != Some(REQUEST) {
        return None;
    }
    let asked = network_code(message, edition).ok().flatten().filter(|code| KNOWN.contains(code));
    let code = if asked.is_some() { ResponseCode::APPROVED } else { ResponseCode::INVALID_TRANSACTION };
    let built = message.dialect().build(out, mti.reply(), |builder| {
        // What it is about stands in DE 24 since 1993 and in DE 70 before; what is absent is not echoed.
        builder.echo(message, 7)?.echo(message, 11)?.echo(message, 24)?;
        result::write(builder, edition, mti.class(), code)?;
        builder.echo(message, 70).map(|_| ())
    });
    Some(built.map(|_: std::ops::Range<usize>| asked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::iso::link::{function, read_answer};
    use switchyard_wire::{Dialect, Mti};

    /// A message about the link, as a host of this edition would send it.
    fn network(dialect: &Dialect, mti: u16, code: Option<u16>) -> Vec<u8> {
        let mut body = Vec::new();
        let mut builder = dialect.builder(&mut body, Mti::new(mti));
        builder.digits(7, b"1123085500").unwrap().number(11, 77).unwrap();
        match code {
            Some(code) if mti < 0x1000 => builder.number(70, u64::from(code)).map(|_| ()).unwrap(),
            Some(code) => builder.number(24, function::of_network(code)).map(|_| ()).unwrap(),
            None => {}
        }
        builder.finish().unwrap();
        body
    }

    #[test]
    fn network_requests_are_answered_and_nothing_else_is() {
        for (dialect, mti, code, expected) in [
            ("iso87-ascii", 0x0800, Some(1), Some("00")),
            ("iso87-ascii", 0x0800, Some(301), Some("00")),
            ("iso87-ascii", 0x0800, Some(161), Some("12")),
            ("iso87-ascii", 0x0800, None, Some("12")),
            ("iso87-ascii", 0x0810, Some(1), None),
            ("iso87-ascii", 0x0200, None, None),
            ("iso93-binary", 0x1804, Some(301), Some("00")),
            ("iso93-binary", 0x1804, Some(161), Some("12")),
            ("iso2003-ascii", 0x2804, Some(1), Some("00")),
            ("iso2003-ascii", 0x2814, Some(1), None),
        ] {
            let dialect = Dialect::builtin(dialect).unwrap();
            let body = network(dialect, mti, code);
            let mut out = Vec::new();
            let answered = answer_network(&dialect.parse(&body).unwrap(), &mut out);
            assert_eq!(answered.is_some(), expected.is_some(), "{mti:04x} {code:?}");
            let approved = answered.and_then(|built| built.unwrap());
            assert_eq!(approved, code.filter(|_| expected == Some("00")), "what is done about it");
            if let Some(expected) = expected {
                let answer = read_answer(&dialect.parse(&out).unwrap()).unwrap();
                assert_eq!((answer.mti, answer.stan.map(|stan| stan.get())), (810, Some(77)));
                assert_eq!(answer.code.map(|code| code.to_string()).as_deref(), Some(expected), "{code:?}");
                assert_eq!(answer.network_code, code);
            }
        }
    }
}
