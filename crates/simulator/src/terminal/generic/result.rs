//! What DE 39 says to a terminal of an edition. Several results of a switch may be spelled alike.

use switchyard_domain::ResponseCode;
use switchyard_wire::MtiVersion;

/// A switch's result, what a terminal of 1987 hears, and the action code of 1993. Of rows that are spelled alike the
/// first one reads them.
const RESULTS: &[(&[u8; 2], &[u8; 2], u64)] = &[
    (b"00", b"00", 0),
    (b"08", b"08", 1),
    (b"10", b"10", 2),
    (b"11", b"11", 3),
    (b"16", b"16", 4),
    (b"05", b"05", 100),
    (b"54", b"54", 101),
    (b"59", b"59", 102),
    (b"62", b"62", 104),
    (b"75", b"75", 106),
    (b"01", b"01", 107),
    (b"03", b"03", 109),
    (b"13", b"13", 110),
    (b"64", b"64", 110),
    (b"14", b"14", 111),
    (b"40", b"40", 115),
    (b"51", b"51", 116),
    (b"55", b"55", 117),
    (b"57", b"57", 119),
    (b"58", b"58", 120),
    (b"97", b"58", 120),
    (b"61", b"61", 121),
    (b"65", b"65", 123),
    (b"41", b"41", 208),
    (b"43", b"43", 209),
    (b"12", b"12", 902),
    (b"30", b"30", 904),
    (b"90", b"90", 906),
    (b"92", b"92", 908),
    (b"15", b"15", 908),
    (b"96", b"96", 909),
    (b"68", b"68", 911),
    (b"98", b"68", 911),
    (b"91", b"91", 912),
    (b"94", b"94", 913),
    (b"25", b"25", 914),
    (b"95", b"95", 915),
    (b"79", b"95", 915),
    (b"A0", b"63", 916),
    (b"77", b"63", 918),
    (b"88", b"88", 919),
    (b"99", b"88", 919),
    (b"A7", b"96", 920),
    (b"22", b"22", 923),
    (b"06", b"06", 923),
];
/// Approvals that are spelled after what was asked, and totals that differ.
const BY_CLASS: [(u64, &[u8; 2]); 7] =
    [(300, b"00"), (400, b"00"), (500, b"00"), (504, b"95"), (501, b"95"), (600, b"00"), (800, b"00")];

/// The result behind DE 39 of an answer; nothing when it is none.
pub(super) fn read(version: MtiVersion, text: &str) -> Option<ResponseCode> {
    if version == MtiVersion::Iso1987 {
        let known = RESULTS.iter().find(|(_, first, _)| *first == text.as_bytes());
        return known.map_or_else(|| text.parse().ok(), |(code, ..)| ResponseCode::try_from(&code[..]).ok());
    }
    let number: u64 = text.parse().ok()?;
    let action = match version {
        MtiVersion::Iso2003 => number / 1_000 * 100 + number % 100,
        _ => number,
    };
    let by_class = BY_CLASS.iter().find(|(known, _)| *known == action).map(|(_, code)| *code);
    let code =
        by_class.or_else(|| RESULTS.iter().find(|(.., known)| *known == action).map(|(code, ..)| *code));
    // What nobody knows is no approval.
    ResponseCode::try_from(&code.unwrap_or(b"05")[..]).ok()
}

/// What a terminal understands when the switch means `code`: results that its edition spells alike are one to it.
pub fn heard_as(version: MtiVersion, code: ResponseCode) -> ResponseCode {
    let Some((_, first, action)) = RESULTS.iter().find(|(known, ..)| *known == code.as_bytes()) else {
        return if version == MtiVersion::Iso1987 { code } else { ResponseCode::DO_NOT_HONOUR };
    };
    let heard =
        RESULTS.iter().find(
            |(_, other, known)| {
                if version == MtiVersion::Iso1987 { other == first } else { known == action }
            },
        );
    heard.and_then(|(code, ..)| ResponseCode::try_from(&code[..]).ok()).unwrap_or(code)
}
