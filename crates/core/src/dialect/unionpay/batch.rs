//! DE 48 of settlement and batch upload, both ways.
//!
//! | message | digits |
//! |---|---|
//! | 0500, 0510 | domestic, then foreign: debit amount 12, debit count 3, credit amount 12, credit count 3, result 1 |
//! | 0320, 60.3 = 201 | count 2, then up to 8 times card kind 2, STAN 6, card number 20, amount 12 |
//! | 0320, 60.3 = 202 or 207 | count 4 |

use crate::dialect::Refusal;
use crate::dialect::draft::UploadedDraft;
use switchyard_domain::{BatchSums, BatchTotals, BatchVerdict, Pan, Side, Stan};

/// Digits of the totals.
pub(super) const TOTALS_DIGITS: usize = 62;
/// Most transactions in one upload.
pub(super) const UPLOAD_ITEMS_MAX: usize = 8;
/// Digits of one uploaded transaction.
pub(super) const ITEM_DIGITS: usize = 40;
/// Most digits of DE 48.
pub(super) const DIGITS_MAX: usize = 2 + UPLOAD_ITEMS_MAX * ITEM_DIGITS;

const MALFORMED: Refusal =
    Refusal { code: switchyard_domain::ResponseCode::FORMAT_ERROR, why: crate::dialect::Why::Malformed(48) };
const AMOUNT_DIGITS: usize = 12;
const COUNT_DIGITS: usize = 3;
const COUNT_MAX: u32 = 999;

/// Takes digits from the front.
struct Digits<'a>(&'a [u8]);
impl<'a> Digits<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(head)
    }
    fn number(&mut self, count: usize) -> Result<u64, Refusal> {
        number(self.take(count)?).ok_or(MALFORMED)
    }
}

/// A number of at most 19 digits.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Reads a terminal's totals; it sends the result digits as 0 and they say nothing.
pub(super) fn read_totals(digits: &[u8]) -> Result<BatchTotals, Refusal> {
    if digits.len() != TOTALS_DIGITS {
        return Err(MALFORMED);
    }
    let mut digits = Digits(digits);
    let domestic = read_sums(&mut digits)?;
    let foreign = read_sums(&mut digits)?;
    Ok(BatchTotals { domestic, foreign })
}

fn read_sums(digits: &mut Digits<'_>) -> Result<BatchSums, Refusal> {
    let mut side = || -> Result<Side, Refusal> {
        let amount_minor = digits.number(AMOUNT_DIGITS)?;
        let count = digits.number(COUNT_DIGITS)? as u32;
        Ok(Side { amount_minor, count })
    };
    let sums = BatchSums { debit: side()?, credit: side()? };
    digits.number(1)?;
    Ok(sums)
}

/// Writes the host's totals with the verdict after each half. What does not fit its digits is written as
/// all nines: the terminal then sees a difference, never a smaller sum that happens to agree.
pub(super) fn write_totals(totals: &BatchTotals, verdict: BatchVerdict) -> [u8; TOTALS_DIGITS] {
    let mut out = [b'0'; TOTALS_DIGITS];
    let mut rest = out.as_mut_slice();
    for sums in [&totals.domestic, &totals.foreign] {
        for side in [&sums.debit, &sums.credit] {
            rest = put(rest, side.amount_minor, AMOUNT_DIGITS);
            rest = put(rest, u64::from(side.count.min(COUNT_MAX)), COUNT_DIGITS);
        }
        rest = put(rest, u64::from(verdict.digit() - b'0'), 1);
    }
    out
}

/// Writes `width` digits at the front of `out` and gives what follows; nines where the value does not fit.
pub(super) fn put(out: &mut [u8], value: u64, width: usize) -> &mut [u8] {
    let (field, rest) = out.split_at_mut(width);
    let mut value = value.min(10_u64.pow(width as u32) - 1);
    for slot in field.iter_mut().rev() {
        *slot = b'0' + (value % 10) as u8;
        value /= 10;
    }
    rest
}

/// Reads uploaded stripe transactions. Terminals send either as many as they announce or always eight with
/// the rest zero.
pub(super) fn read_items(digits: &[u8]) -> Result<Vec<UploadedDraft>, Refusal> {
    let mut digits = Digits(digits);
    let count = digits.number(2)? as usize;
    let fits = digits.0.len() == count * ITEM_DIGITS || digits.0.len() == UPLOAD_ITEMS_MAX * ITEM_DIGITS;
    if count > UPLOAD_ITEMS_MAX || !fits {
        return Err(MALFORMED);
    }
    (0..count).map(|_| read_item(&mut digits)).collect()
}

fn read_item(digits: &mut Digits<'_>) -> Result<UploadedDraft, Refusal> {
    if !matches!(digits.take(2)?, b"00" | b"01") {
        return Err(MALFORMED);
    }
    let stan = Stan::try_from(digits.number(6)?).map_err(|_| MALFORMED)?;
    let field = digits.take(20)?;
    let zeros = field.iter().take_while(|digit| **digit == b'0').count();
    let pan = match &field[zeros..] {
        [] => None,
        number => Some(Pan::from_digits(number).map_err(|_| MALFORMED)?),
    };
    Ok(UploadedDraft { stan, amount_minor: digits.number(AMOUNT_DIGITS)?, pan })
}

/// Reads the count of an upload's end.
pub(super) fn read_end(digits: &[u8]) -> Result<u32, Refusal> {
    if digits.len() != 4 {
        return Err(MALFORMED);
    }
    number(digits).map(|count| count as u32).ok_or(MALFORMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_survive_both_ways() {
        let side = |amount_minor, count| Side { amount_minor, count };
        let totals = BatchTotals {
            domestic: BatchSums { debit: side(7, 7), credit: side(999_999_999_999, 999) },
            foreign: BatchSums { debit: side(0, 0), credit: side(12, 1) },
        };
        for (verdict, digit) in
            [(BatchVerdict::Balanced, b'1'), (BatchVerdict::Unbalanced, b'2'), (BatchVerdict::Error, b'3')]
        {
            let digits = write_totals(&totals, verdict);
            assert_eq!((digits[30], digits[61]), (digit, digit));
            assert_eq!(read_totals(&digits).unwrap(), totals);
        }
        assert_eq!(read_totals(&[b'0'; 61]).unwrap_err(), MALFORMED);
        assert_eq!(read_totals(&[b'A'; 62]).unwrap_err(), MALFORMED);
    }

    #[test]
    fn totals_that_do_not_fit_are_nines() {
        let mut totals = BatchTotals::default();
        totals.domestic.debit = Side { amount_minor: u64::MAX, count: 1_000 };
        assert!(write_totals(&totals, BatchVerdict::Error).starts_with(b"999999999999999000"));
    }

    #[test]
    fn items_come_as_announced_or_as_eight() {
        let item = "00000042".to_owned() + "0000" + "6225880000000008" + "000000001250";
        let two = format!("02{item}{}", item.replace("6225880000000008", "0000000000000000"));
        for digits in [two.clone(), two + &"0".repeat(240)] {
            let items = read_items(digits.as_bytes()).unwrap();
            assert_eq!(items.len(), 2);
            assert_eq!((items[0].stan.get(), items[0].amount_minor), (42, 1_250));
            assert_eq!(items[0].pan, Pan::from_digits(b"6225880000000008").ok());
            assert_eq!(items[1].pan, None);
        }
        assert!(read_items(b"00").unwrap().is_empty());
        for bad in
            ["", "0", "01", "09", "99", &format!("01{}", item.replacen("00", "02", 1)), &format!("01{item}0")]
        {
            assert_eq!(read_items(bad.as_bytes()).unwrap_err(), MALFORMED, "{bad}");
        }
        assert_eq!(read_end(b"0123"), Ok(123));
        assert_eq!(read_end(b"123"), Err(MALFORMED));
    }
}
