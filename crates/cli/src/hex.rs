//! Hexadecimal, as people type it and read it.

use anyhow::{Context, Result, ensure};

/// Two capitals a byte, as check values, keys and messages are written.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Digits to bytes; white space is ignored.
pub(crate) fn unhex(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    ensure!(digits.len().is_multiple_of(2), "an odd number of hexadecimal digits: {}", digits.len());
    let value = |position: usize| {
        let digit = digits[position] as char;
        let value =
            digit.to_digit(16).with_context(|| format!("position {position}: not a hexadecimal digit"))?;
        anyhow::Ok(value as u8)
    };
    (0..digits.len() / 2).map(|i| Ok(value(2 * i)? << 4 | value(2 * i + 1)?)).collect()
}
