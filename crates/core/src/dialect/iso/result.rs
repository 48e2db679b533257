//! Results: DE 39 of the three editions and the internal code, both ways.
//!
//! The internal code is UnionPay's, which is that of 1987 with a few of its own. An action code of 2003 is that of
//! 1993 with a digit put in, so that one table does for both.

use super::edition::Edition;
use switchyard_domain::ResponseCode;
use switchyard_wire::{BuildError, Builder, Message, MtiClass};

/// One result.
struct Row {
    /// Internal.
    code: &'static [u8; 2],
    /// 1987, where terminals of that edition do not know the internal one.
    iso87: &'static [u8; 2],
    /// 1993.
    action: u16,
}

const fn row(code: &'static [u8; 2], iso87: &'static [u8; 2], action: u16) -> Row {
    Row { code, iso87, action }
}

/// Results that have a code of their own. Of rows with one action code, the first reads it; of rows with one internal
/// code, the first writes it.
const ROWS: &[Row] = &[
    row(b"00", b"00", 0),
    row(b"08", b"08", 1),
    row(b"10", b"10", 2),
    row(b"11", b"11", 3),
    row(b"16", b"16", 4),
    row(b"05", b"05", 100),
    row(b"54", b"54", 101),
    row(b"59", b"59", 102),
    row(b"60", b"60", 103),
    row(b"62", b"62", 104),
    row(b"66", b"66", 105),
    row(b"75", b"75", 106),
    row(b"01", b"01", 107),
    row(b"02", b"02", 108),
    row(b"03", b"03", 109),
    row(b"13", b"13", 110),
    row(b"64", b"64", 110),
    row(b"14", b"14", 111),
    row(b"23", b"23", 113),
    row(b"39", b"39", 114),
    row(b"52", b"52", 114),
    row(b"53", b"53", 114),
    row(b"40", b"40", 115),
    row(b"51", b"51", 116),
    row(b"55", b"55", 117),
    row(b"56", b"56", 118),
    row(b"57", b"57", 119),
    row(b"58", b"58", 120),
    row(b"97", b"58", 120),
    row(b"61", b"61", 121),
    row(b"63", b"63", 122),
    row(b"65", b"65", 123),
    row(b"93", b"93", 124),
    row(b"04", b"04", 200),
    row(b"67", b"67", 200),
    row(b"33", b"33", 201),
    row(b"34", b"34", 202),
    row(b"35", b"35", 203),
    row(b"36", b"36", 204),
    row(b"37", b"37", 205),
    row(b"38", b"38", 206),
    row(b"07", b"07", 207),
    row(b"41", b"41", 208),
    row(b"43", b"43", 209),
    row(b"12", b"12", 902),
    row(b"19", b"19", 903),
    row(b"30", b"30", 904),
    row(b"31", b"31", 905),
    row(b"90", b"90", 906),
    row(b"91", b"91", 912),
    row(b"92", b"92", 908),
    row(b"15", b"15", 908),
    row(b"96", b"96", 909),
    row(b"68", b"68", 911),
    row(b"98", b"68", 911),
    row(b"94", b"94", 913),
    row(b"25", b"25", 914),
    row(b"95", b"95", 915),
    row(b"79", b"95", 915),
    row(b"A0", b"63", 916),
    row(b"77", b"63", 918),
    row(b"99", b"88", 919),
    row(b"88", b"88", 919),
    row(b"A7", b"96", 920),
    // Whoever is still at work does not know the outcome: it may be asked again, as after 06.
    row(b"06", b"06", 923),
    row(b"22", b"22", 923),
];

/// Action codes that are only read: what the sender meant more exactly changes nothing here.
const READ: &[(u16, &[u8; 2])] = &[
    (5, b"00"),
    (6, b"00"),
    (7, b"00"),
    (126, b"99"),
    (210, b"04"),
    (400, b"00"),
    (500, b"00"),
    (600, b"00"),
    (800, b"00"),
    (900, b"00"),
    (901, b"00"),
    (907, b"91"),
    (910, b"91"),
    (918, b"96"),
    (916, b"96"),
];

/// The action code of 1993 for a result in a message of a class: an approval is spelled after what was asked.
pub(super) fn action(code: ResponseCode, class: MtiClass) -> u16 {
    if code.is_approval() && code != ResponseCode::PARTIAL {
        return match class {
            MtiClass::Reversal => 400,
            MtiClass::FileAction => 300,
            MtiClass::Reconciliation => 500,
            MtiClass::Administrative => 600,
            MtiClass::Network => 800,
            MtiClass::Authorization | MtiClass::Financial | MtiClass::Fee | MtiClass::Other(_) => {
                ROWS.iter().find(|row| row.code == code.as_bytes()).map_or(0, |row| row.action)
            }
        };
    }
    ROWS.iter().find(|row| row.code == code.as_bytes()).map_or(100, |row| row.action)
}

/// An action code of 1993 as 2003 has it: 116 is 1016, 907 is 9107.
fn of_2003(action: u16) -> u16 {
    let (class, rest) = (action / 100, action % 100);
    class * 1_000 + rest + if class == 9 { 100 } else { 0 }
}

/// The action code of 1993 that a code of 2003 stands for; one that stands for none is read by its class.
fn to_1993(code: u16) -> u16 {
    let (class, rest) = (code / 1_000, code % 1_000);
    match (class, rest) {
        (9, 100..=199) => 900 + (rest - 100),
        (9, _) => 909,
        (_, 0..=99) => class * 100 + rest,
        // Private codes: those that keep the card do so, and a private approval is none.
        (2, _) => 200,
        _ => 100,
    }
}

/// The internal code for an action code of 1993. What has no row is read by its class, and never as an approval.
fn internal(action: u16) -> ResponseCode {
    let read = READ.iter().find(|(known, _)| *known == action).map(|(_, code)| **code);
    let code = read.or_else(|| ROWS.iter().find(|row| row.action == action).map(|row| *row.code));
    let code = code.unwrap_or(match action / 100 {
        2 => *b"04",
        9 => *b"96",
        _ => *b"05",
    });
    ResponseCode::try_from(&code[..]).unwrap_or(ResponseCode::DO_NOT_HONOUR)
}

/// DE 39 for a terminal of this edition.
pub(super) fn for_terminal(code: ResponseCode, edition: Edition) -> ResponseCode {
    if !edition.is_first() {
        return code;
    }
    if code.is_approval() && !code.as_bytes().iter().all(u8::is_ascii_digit) {
        return ResponseCode::APPROVED;
    }
    let known = ROWS.iter().find(|row| row.code == code.as_bytes()).map(|row| row.iso87);
    known.and_then(|code| ResponseCode::try_from(&code[..]).ok()).unwrap_or(code)
}

/// Writes DE 39. In 1987 the code is written as it is.
pub(super) fn write(
    builder: &mut Builder<'_, '_>,
    edition: Edition,
    class: MtiClass,
    code: ResponseCode,
) -> Result<(), BuildError> {
    match edition {
        Edition::Iso87 => builder.text(39, code.as_str())?,
        Edition::Iso93 => builder.number(39, u64::from(action(code, class)))?,
        Edition::Iso2003 => builder.number(39, u64::from(of_2003(action(code, class))))?,
    };
    Ok(())
}

/// Reads DE 39; nothing when it is absent or blank.
///
/// # Errors
/// Nothing inside when it is no code of the edition.
pub(super) fn read(message: &Message<'_, '_>, edition: Edition) -> Result<Option<ResponseCode>, ()> {
    if !message.has(39) {
        return Ok(None);
    }
    if edition.is_first() {
        let text = message.text(39).ok_or(())?;
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        return ResponseCode::try_from(text.as_bytes()).map(Some).map_err(|_| ());
    }
    let number = message.number(39).and_then(|number| u16::try_from(number).ok()).ok_or(())?;
    Ok(Some(internal(if edition == Edition::Iso2003 { to_1993(number) } else { number })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> ResponseCode {
        text.parse().unwrap()
    }

    #[test]
    fn the_mapping_of_the_reference_holds_both_ways() {
        for (two, action_code, four) in [
            ("00", 0, 0),
            ("10", 2, 2),
            ("05", 100, 1000),
            ("51", 116, 1016),
            ("55", 117, 1017),
            ("54", 101, 1001),
            ("14", 111, 1011),
            ("61", 121, 1021),
            ("65", 123, 1023),
            ("75", 106, 1006),
            ("41", 208, 2008),
            ("43", 209, 2009),
            ("30", 904, 9104),
            ("12", 902, 9102),
            ("25", 914, 9114),
            ("68", 911, 9111),
            ("91", 912, 9112),
            ("92", 908, 9108),
            ("94", 913, 9113),
            ("96", 909, 9109),
            ("99", 919, 9119),
        ] {
            let written = action(code(two), MtiClass::Financial);
            assert_eq!((written, of_2003(written)), (action_code, four), "{two}");
            assert_eq!(internal(action_code), code(two), "{action_code}");
            assert_eq!(internal(to_1993(four)), code(two), "{four}");
        }
    }

    #[test]
    fn one_way_codes_lose_detail_and_never_become_approvals() {
        for (two, action_code) in
            [("98", 911), ("A0", 916), ("77", 918), ("97", 120), ("22", 923), ("Z9", 100)]
        {
            assert_eq!(action(code(two), MtiClass::Financial), action_code, "{two}");
        }
        for (action_code, two) in
            [(907, "91"), (910, "91"), (923, "06"), (199, "05"), (299, "04"), (999, "96"), (99, "05")]
        {
            assert_eq!(internal(action_code), code(two), "{action_code}");
        }
        for private in [1_816, 1_833, 3_000, 7_777, 9_999] {
            assert!(!internal(to_1993(private)).is_approval(), "{private}");
        }
        assert!((0..10_000).filter(|n| internal(to_1993(*n)).is_approval()).count() < 20);
    }

    #[test]
    fn an_approval_is_spelled_after_what_was_asked() {
        for (class, spelled) in [
            (MtiClass::Authorization, 0),
            (MtiClass::Financial, 0),
            (MtiClass::FileAction, 300),
            (MtiClass::Reversal, 400),
            (MtiClass::Reconciliation, 500),
            (MtiClass::Network, 800),
        ] {
            assert_eq!(action(ResponseCode::APPROVED, class), spelled);
            assert_eq!(internal(spelled).is_approval(), class != MtiClass::FileAction);
        }
        assert_eq!(action(ResponseCode::PARTIAL, MtiClass::Financial), 2);
    }

    #[test]
    fn terminals_of_1987_hear_codes_that_they_know() {
        for (internal, heard) in
            [("98", "68"), ("A0", "63"), ("77", "63"), ("97", "58"), ("A7", "96"), ("51", "51"), ("A2", "00")]
        {
            assert_eq!(for_terminal(code(internal), Edition::Iso87), code(heard));
        }
    }
}
