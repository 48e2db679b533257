//! What a host asks of the switch about the link itself: sign-on, sign-off, echo.

use switchyard_domain::ResponseCode;
use switchyard_wire::{BuildError, Message, Mti};

/// A network request.
const REQUEST: Mti = Mti::new(0x0800);
/// DE 70: sign-on, sign-off, echo.
const KNOWN: [u64; 3] = [1, 2, 301];

/// Appends the answer to a host's network request: 00 to one of the kinds above, 12 to another. Nothing, by `None`, for
/// a message that is no such request. It changes nothing: whether the switch is signed on is for the host to say.
///
/// # Errors
/// [`BuildError`] when an element does not take its value; `out` is as it was before.
pub fn answer_network(message: &Message<'_, '_>, out: &mut Vec<u8>) -> Option<Result<(), BuildError>> {
    if message.mti() != REQUEST {
        return None;
    }
    let known = message.number(70).is_some_and(|code| KNOWN.contains(&code));
    let code = if known { ResponseCode::APPROVED } else { ResponseCode::INVALID_TRANSACTION };
    let built = message.dialect().build(out, REQUEST.reply(), |builder| {
        builder.echo(message, 7)?.echo(message, 11)?.bytes(39, code.as_bytes())?;
        builder.echo(message, 70).map(|_| ())
    });
    Some(built.map(|_: std::ops::Range<usize>| ()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_wire::Dialect;

    #[test]
    fn network_requests_are_answered_and_nothing_else_is() {
        for (mti, code, expected) in [
            (0x0800, Some(1), Some("00")),
            (0x0800, Some(301), Some("00")),
            (0x0800, Some(161), Some("12")),
            (0x0800, None, Some("12")),
            (0x0810, Some(1), None),
            (0x0200, None, None),
        ] {
            let dialect = Dialect::builtin("iso87-ascii").unwrap();
            let mut body = Vec::new();
            let mut builder = dialect.builder(&mut body, Mti::new(mti));
            builder.digits(7, b"1123085500").unwrap().number(11, 77).unwrap();
            if let Some(code) = code {
                builder.number(70, code).unwrap();
            }
            builder.finish().unwrap();
            let message = dialect.parse(&body).unwrap();
            let mut out = Vec::new();
            let answered = answer_network(&message, &mut out);
            assert_eq!(answered.is_some(), expected.is_some(), "{mti:04x} {code:?}");
            if let Some(expected) = expected {
                let answer = dialect.parse(&out).unwrap();
                assert_eq!((answer.mti(), answer.number(11)), (Mti::new(0x0810), Some(77)));
                assert_eq!(answer.text(39).as_deref(), Some(expected), "{code:?}");
                assert_eq!(answer.number(70), code);
            }
        }
    }
}
