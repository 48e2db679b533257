//! Criterion benches of Switchyard, one a room: `cargo bench -p switchyard-benches`.
//!
//! The messages that they time lie in `messages/*.hex`, so that any other library can be timed on the same
//! bytes. Wall time informs; it depends on the machine and on who else uses it.

/// An ASCII 0200 of ISO 8583:1987, 200 bytes, 16 elements.
pub const ASCII_0200: &str = include_str!("../messages/iso87-ascii-0200.hex");

/// The body of a UnionPay terminal's sale by magnetic stripe with PIN and MAC.
pub const UNIONPAY_SALE: &str = include_str!("../messages/unionpay-sale.hex");

/// The body of a UnionPay terminal's sale by chip: BCD, 230 bytes, DE 55 of 19 tags.
pub const UNIONPAY_CHIP_SALE: &str = include_str!("../messages/unionpay-chip-sale.hex");

/// The bytes of a message above.
///
/// # Panics
/// When it is not hexadecimal.
pub fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit") as u8;
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).map(digit).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
