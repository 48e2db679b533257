//! Totals of a reconciliation.
//!
//! | edition | numbers | amounts |
//! |---|---|---|
//! | 1987, 1993 | DE 74 credits, 75 their reversals, 76 debits, 77 their reversals | DE 86 to 89 in the same order |
//! | 2003 | DE 74, 78 bytes of packed digits: four times 10 digits | four times 16 digits behind them, then zeros |
//!
//! The sources at hand give only the length of DE 74 of 2003: its inside is Switchyard's. What was reversed is taken
//! off; cards are not told apart by where they come from, so that all stands on the domestic side.

use crate::dialect::Refusal;
use crate::dialect::iso::Edition;
use switchyard_domain::{BatchSums, BatchTotals, Side};
use switchyard_wire::{BuildError, Builder, De, Message};

/// Numbers and amounts: credits, their reversals, debits, their reversals.
const NUMBERS: [De; 4] = [74, 75, 76, 77];
const AMOUNTS: [De; 4] = [86, 87, 88, 89];
const NUMBER_DIGITS: usize = 10;
const AMOUNT_DIGITS: usize = 16;
/// Bytes of DE 74 of 2003.
const PACKED_BYTES: usize = 78;

/// Reads a terminal's totals.
pub(super) fn read(message: &Message<'_, '_>, edition: Edition) -> Result<BatchTotals, Refusal> {
    let (numbers, amounts) = match edition {
        Edition::Iso87 | Edition::Iso93 => (elements(message, NUMBERS)?, elements(message, AMOUNTS)?),
        Edition::Iso2003 => packed(message)?,
    };
    let side = |at: usize, de: De| -> Result<Side, Refusal> {
        let net = |values: &[u64; 4]| values[at].checked_sub(values[at + 1]);
        let count = net(&numbers).and_then(|count| u32::try_from(count).ok());
        let (count, amount_minor) = count.zip(net(&amounts)).ok_or(Refusal::malformed(de))?;
        Ok(Side { amount_minor, count })
    };
    let debits = if edition == Edition::Iso2003 { 74 } else { 76 };
    let domestic = BatchSums { credit: side(0, 74)?, debit: side(2, debits)? };
    Ok(BatchTotals { domestic, foreign: BatchSums::default() })
}

/// An absent element is zero: terminals leave out what did not happen. One of the numbers has to be there.
fn elements(message: &Message<'_, '_>, elements: [De; 4]) -> Result<[u64; 4], Refusal> {
    if elements == NUMBERS && !elements.iter().any(|de| message.has(*de)) {
        return Err(Refusal::missing(74));
    }
    let mut values = [0; 4];
    for (value, de) in values.iter_mut().zip(elements) {
        if message.has(de) {
            *value = message.number(de).ok_or(Refusal::malformed(de))?;
        }
    }
    Ok(values)
}

fn packed(message: &Message<'_, '_>) -> Result<([u64; 4], [u64; 4]), Refusal> {
    let bytes = message.bytes_owned(74).ok_or(Refusal::missing(74))?;
    let mut digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    let mut values = |count: usize| -> Option<[u64; 4]> {
        let mut out = [0_u64; 4];
        for value in &mut out {
            for _ in 0..count {
                let digit = digits.next().filter(|digit| *digit <= 9)?;
                *value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
            }
        }
        Some(out)
    };
    let numbers = values(NUMBER_DIGITS).ok_or(Refusal::malformed(74))?;
    Ok((numbers, values(AMOUNT_DIGITS).ok_or(Refusal::malformed(74))?))
}

/// How many transactions the totals are about: what the end of an upload counts.
pub(super) fn count(totals: &BatchTotals) -> u32 {
    totals.domestic.credit.count.saturating_add(totals.domestic.debit.count)
}

/// The host's totals: credits and debits of both sides, nothing as reversed.
fn values(totals: &BatchTotals) -> ([u64; 4], [u64; 4]) {
    let BatchSums { debit, credit } = totals.undivided().domestic;
    ([u64::from(credit.count), 0, u64::from(debit.count), 0], [credit.amount_minor, 0, debit.amount_minor, 0])
}

/// Writes an element of the host's totals.
pub(super) fn write(
    builder: &mut Builder<'_, '_>,
    edition: Edition,
    de: De,
    totals: &BatchTotals,
) -> Result<(), BuildError> {
    let (numbers, amounts) = values(totals);
    if de == 97 {
        return write_net(builder, edition, amounts[0], amounts[2]);
    }
    if edition == Edition::Iso2003 {
        return if de == 74 { write_packed(builder, &numbers, &amounts) } else { Ok(()) };
    }
    let find = |elements: [De; 4], values: [u64; 4]| {
        elements.iter().position(|known| *known == de).map(|place| values[place])
    };
    match find(NUMBERS, numbers).or_else(|| find(AMOUNTS, amounts)) {
        Some(value) => builder.number(de, value).map(|_| ()),
        None => Ok(()),
    }
}

/// Debits less credits: D and the rest where cardholders paid more than they got.
fn write_net(
    builder: &mut Builder<'_, '_>,
    edition: Edition,
    credits: u64,
    debits: u64,
) -> Result<(), BuildError> {
    let digits = if edition == Edition::Iso2003 { 20 } else { 16 };
    let sign = if credits > debits { 'C' } else { 'D' };
    builder.digits(97, format!("{sign}{:0digits$}", debits.abs_diff(credits)).as_bytes()).map(|_| ())
}

fn write_packed(
    builder: &mut Builder<'_, '_>,
    numbers: &[u64; 4],
    amounts: &[u64; 4],
) -> Result<(), BuildError> {
    let mut text = String::with_capacity(2 * PACKED_BYTES);
    numbers.iter().for_each(|number| text.push_str(&format!("{number:0NUMBER_DIGITS$}")));
    amounts.iter().for_each(|amount| text.push_str(&format!("{amount:0AMOUNT_DIGITS$}")));
    let mut packed = [0; PACKED_BYTES];
    for (slot, pair) in packed.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *slot = (pair[0] - b'0') << 4 | (pair[1] - b'0');
    }
    builder.bytes(74, &packed).map(|_| ())
}
