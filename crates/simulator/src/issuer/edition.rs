//! What the editions of ISO 8583 spell differently, as a host reads and writes it. Written apart from the switch's own
//! translation, so that one is the other's test.

use switchyard_domain::{Currency, ResponseCode};
use switchyard_wire::{BuildError, Builder, Class, Dialect, Length, Message, Mti, MtiClass, MtiVersion};

/// Results and their action codes of 1993: for transactions, then for reversals and network management.
const ACTIONS: &[(&str, u64)] = &[
    ("00", 0),
    ("10", 2),
    ("12", 902),
    ("14", 111),
    ("22", 909),
    ("25", 914),
    ("30", 904),
    ("51", 116),
    ("54", 101),
    ("55", 117),
    ("61", 121),
    ("64", 110),
    ("91", 907),
    ("94", 913),
    ("96", 909),
    ("99", 126),
];

/// A new PIN key: DE 70 of 1987, DE 24 of later editions.
pub(super) const KEY_CHANGE: u64 = 161;
const KEY_CHANGE_FUNCTION: u64 = 811;

/// Condition code 06 of 1987: about a pre-authorization.
pub(super) const PREAUTH: u64 = 6;

pub(super) fn is_first(message: &Message<'_, '_>) -> bool {
    message.mti().version() == MtiVersion::Iso1987
}

/// DE 25 of 1987, or what DE 24 of later editions comes to.
pub(super) fn condition(message: &Message<'_, '_>) -> u64 {
    if is_first(message) {
        return message.number(25).unwrap_or(0);
    }
    match message.number(24) {
        Some(201 | 202) => PREAUTH,
        _ => 0,
    }
}

/// DE 70 of 1987, or what DE 24 of later editions comes to.
pub(super) fn network_code(message: &Message<'_, '_>) -> Option<u64> {
    if is_first(message) {
        return message.number(70);
    }
    match message.number(24)? {
        801 => Some(1),
        KEY_CHANGE_FUNCTION => Some(KEY_CHANGE),
        802 => Some(2),
        831 => Some(301),
        other => Some(other),
    }
}

/// By which a message is named later: DE 7 of 1987, DE 12 with its date of later editions.
pub(super) fn moment(message: &Message<'_, '_>) -> Option<u64> {
    message.number(if is_first(message) { 7 } else { 12 })
}

/// MTI, DE 11 and moment of the message that this one names: DE 90 of 1987, DE 56 of later editions.
pub(super) fn original(message: &Message<'_, '_>) -> Option<(u16, u32, u64)> {
    let mut buffer = [0; 48];
    let (de, stan, moment) = match message.mti().version() {
        MtiVersion::Iso1987 => (90, 6, 10),
        MtiVersion::Iso1993 => (56, 6, 12),
        MtiVersion::Iso2003 | MtiVersion::Other(_) => (56, 12, 14),
    };
    let digits = std::str::from_utf8(message.digits(de, &mut buffer)?).ok()?;
    Some((
        u16::from_str_radix(digits.get(..4)?, 16).ok()? & 0xFFF0,
        digits.get(4..4 + stan)?.parse().ok()?,
        digits.get(4 + stan..4 + stan + moment)?.parse().ok()?,
    ))
}

/// What a reversal leaves of its original: DE 95 of 1987, and with DE 24 = 401 DE 4 of later editions, whose DE 30 has to be
/// more.
pub(super) fn standing(message: &Message<'_, '_>) -> Result<Option<u64>, ()> {
    let amount = message.amount().map_err(|_| ())?.map(|amount| amount.minor);
    let stands = if is_first(message) {
        let Some(text) = message.text(95) else { return Ok(None) };
        text.get(..12).and_then(|digits| digits.parse().ok()).ok_or(())?
    } else if message.number(24) == Some(401) {
        let mut buffer = [0; 32];
        let digits = message.digits(30, &mut buffer).and_then(|digits| std::str::from_utf8(digits).ok());
        let skip = if message.mti().version() == MtiVersion::Iso2003 { 4 } else { 0 };
        let whole: u64 = digits.and_then(|d| d.get(skip..skip + 12)?.parse().ok()).ok_or(())?;
        return amount.filter(|stands| *stands < whole).map(Some).ok_or(());
    } else {
        return Ok(None);
    };
    amount.filter(|whole| stands < *whole).map(|_| Some(stands)).ok_or(())
}

/// Writes DE 39.
pub(super) fn write_code(
    builder: &mut Builder<'_, '_>,
    request: &Message<'_, '_>,
    code: ResponseCode,
) -> Result<(), BuildError> {
    let mti = request.mti();
    if is_first(request) {
        return builder.text(39, code.as_str()).map(|_| ());
    }
    let action = match mti.class() {
        MtiClass::Reversal if code == ResponseCode::APPROVED => 400,
        MtiClass::Network if code == ResponseCode::APPROVED => 800,
        MtiClass::Administrative if code == ResponseCode::APPROVED => 600,
        _ => ACTIONS.iter().find(|(known, _)| *known == code.as_str()).map_or(100, |(_, action)| *action),
    };
    let action = match (mti.version(), action / 100) {
        (MtiVersion::Iso2003, 9) => 9_100 + action % 100,
        (MtiVersion::Iso2003, class) => class * 1_000 + action % 100,
        _ => action,
    };
    builder.number(39, action).map(|_| ())
}

/// DE 39 of a switch's answer about the link itself.
pub(super) fn code(message: &Message<'_, '_>) -> Option<ResponseCode> {
    match message.mti().version() {
        MtiVersion::Iso1987 => message.text(39)?.parse().ok(),
        MtiVersion::Iso1993 | MtiVersion::Iso2003 | MtiVersion::Other(_) => {
            let approved = matches!(message.number(39)?, 800 | 8_000);
            Some(if approved { ResponseCode::APPROVED } else { ResponseCode::SYSTEM_MALFUNCTION })
        }
    }
}

/// Writes a key: digits in DE 120 of 1987, bytes in DE 96 of later editions.
pub(super) fn write_key(
    builder: &mut Builder<'_, '_>,
    is_first: bool,
    cargo: &[u8],
) -> Result<(), BuildError> {
    if is_first {
        return builder.text(120, &crate::hex::encode(cargo)).map(|_| ());
    }
    builder.bytes(96, cargo).map(|_| ())
}

/// Whether a question about a key brings one.
pub(super) fn has_key(message: &Message<'_, '_>) -> bool {
    message.has(if is_first(message) { 120 } else { 96 })
}

/// A message that brings the switch a key.
pub(super) fn key_change(dialect: &'static Dialect, stan: u64, cargo: &[u8]) -> Result<Vec<u8>, BuildError> {
    let (mti, is_first) = match dialect.element(39).map(|element| element.length()) {
        Some(Length::Fixed(2)) => (0x0800, true),
        Some(Length::Fixed(3)) => (0x1804, false),
        Some(_) | None => (0x2804, false),
    };
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, Mti::new(mti));
    builder.digits(7, &crate::clock::now().transmission_digits())?.number(11, stan)?;
    if is_first {
        builder.number(70, KEY_CHANGE)?;
    } else {
        builder.number(24, KEY_CHANGE_FUNCTION)?;
    }
    write_key(&mut builder, is_first, cargo)?;
    builder.finish()?;
    Ok(body)
}

/// Whether DE 22 says that a chip was read, with or without contact.
pub(super) fn was_read_by_chip(message: &Message<'_, '_>) -> bool {
    match message.mti().version() {
        MtiVersion::Iso1987 => matches!(message.number(22).map(|mode| mode / 10), Some(5 | 7)),
        MtiVersion::Iso1993 => {
            let code = message.text(22);
            matches!(code.as_deref().and_then(|code| code.as_bytes().get(6)), Some(b'5' | b'M'))
        }
        MtiVersion::Iso2003 | MtiVersion::Other(_) => {
            let code = message.bytes_owned(22);
            code.and_then(|code| code.first().copied()).is_some_and(|way| way & (1 << 5 | 1 << 1) != 0)
        }
    }
}

/// DE 55: bytes, or hexadecimal digits where the dialect has characters only.
pub(super) fn read_chip(message: &Message<'_, '_>) -> Option<Vec<u8>> {
    match message.bytes_owned(55) {
        Some(bytes) => Some(bytes.to_vec()),
        None => crate::hex::decode(&message.text(55)?),
    }
}

/// Writes DE 55.
pub(super) fn write_chip(builder: &mut Builder<'_, '_>, chip: &[u8]) -> Result<(), BuildError> {
    let takes_bytes = builder.dialect().element(55).is_some_and(|element| element.class() == Class::Binary);
    if takes_bytes {
        return builder.bytes(55, chip).map(|_| ());
    }
    builder.text(55, &crate::hex::encode(chip)).map(|_| ())
}

/// DE 54: account type 10 (savings), amount type 02 (available), currency, exponent in 2003, sign, twelve digits.
pub(super) fn balance_text(request: &Message<'_, '_>, minor: u64) -> String {
    let exponent = if request.mti().version() == MtiVersion::Iso2003 { "2" } else { "" };
    format!("1002{:03}{exponent}C{minor:012}", Currency::CNY.numeric())
}
