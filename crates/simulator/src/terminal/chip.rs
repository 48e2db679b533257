//! F55 of a chip card. Cards of the embedded issuer have a chip key and make true cryptograms; where a card has none, the
//! cryptogram is made up, and nobody who holds the issuer's keys would accept it. Everything else is as a terminal
//! sends it.

use super::order::{Order, Tamper};
use crate::error::SimError;
use crate::random::Random;
use crate::world::{CARD_SEQUENCE, CHIP_SCHEME, DemoTerminal};
use switchyard_domain::Stan;
use switchyard_keys::emv::{CardRequest, arqc_of};

/// Issuer application data; bytes 3 to 6 are the card verification results.
const APPLICATION_DATA: [u8; 7] = [0x07, 0x01, 0x01, 0x03, 0xA0, 0xB8, 0x02];
const VERIFICATION_RESULTS: std::ops::Range<usize> = 3..7;
/// Terminal verification results, date, type, currency, interchange profile and country of every request.
const RESULTS: [u8; 5] = [0x00, 0x00, 0x04, 0x08, 0x00];
const DATE: [u8; 3] = [0x30, 0x01, 0x01];
const PURCHASE: [u8; 1] = [0x00];
const CURRENCY: [u8; 2] = [0x01, 0x56];
const PROFILE: [u8; 2] = [0x7C, 0x00];
const COUNTRY: [u8; 2] = [0x01, 0x56];
const OTHER_AMOUNT: [u8; 6] = [0; 6];

/// BER-TLV of the request: one terminal, trace number and amount always give the same bytes, so that a
/// repeat is identical.
///
/// # Errors
/// [`SimError::Key`] when the card's chip key is none.
pub(crate) fn request_tags(terminal: &DemoTerminal, order: &Order, stan: Stan) -> Result<Vec<u8>, SimError> {
    let seed =
        terminal.tid.as_bytes().iter().fold(u64::from(stan.get()), |s, b| s.wrapping_mul(31) + u64::from(*b));
    let mut random = Random::part(seed, order.amount_minor);
    let made_up = random.next().to_be_bytes();
    let unpredictable = (random.next() as u32).to_be_bytes();
    let counter = ((stan.get() & 0x7FFF) as u16 + 1).to_be_bytes();
    let amount = bcd12(order.amount_minor);
    let mut cryptogram = match &order.card.chip_key {
        Some(key) => {
            let data = [
                &amount[..],
                &OTHER_AMOUNT,
                &COUNTRY,
                &RESULTS,
                &CURRENCY,
                &DATE,
                &PURCHASE,
                &unpredictable,
                &PROFILE,
                &counter,
                &APPLICATION_DATA[VERIFICATION_RESULTS],
            ]
            .concat();
            let pan = order.card.pan.expose().as_bytes();
            let request = CardRequest { pan, psn: CARD_SEQUENCE, atc: counter, unpredictable, data: &data };
            arqc_of(CHIP_SCHEME, &key.des(), &request)?
        }
        None => made_up,
    };
    cryptogram[7] ^= u8::from(order.tamper == Tamper::Cryptogram);
    let mut out = Vec::with_capacity(160);
    let mut put = |tag: &[u8], value: &[u8]| {
        out.extend_from_slice(tag);
        out.push(value.len() as u8);
        out.extend_from_slice(value);
    };
    put(&[0x9F, 0x26], &cryptogram);
    put(&[0x9F, 0x27], &[0x80]);
    put(&[0x9F, 0x10], &APPLICATION_DATA);
    put(&[0x9F, 0x37], &unpredictable);
    put(&[0x9F, 0x36], &counter);
    put(&[0x95], &RESULTS);
    put(&[0x9A], &DATE);
    put(&[0x9C], &PURCHASE);
    put(&[0x9F, 0x02], &amount);
    put(&[0x5F, 0x2A], &CURRENCY);
    put(&[0x82], &PROFILE);
    put(&[0x9F, 0x1A], &COUNTRY);
    put(&[0x9F, 0x03], &OTHER_AMOUNT);
    put(&[0x9F, 0x33], &[0xE0, 0xE1, 0xC8]);
    put(&[0x9F, 0x34], &[0x42, 0x03, 0x00]);
    put(&[0x9F, 0x35], &[0x22]);
    put(&[0x9F, 0x1E], terminal.tid.as_bytes());
    put(&[0x84], &[0xA0, 0x00, 0x00, 0x03, 0x33, 0x01, 0x01, 0x01]);
    put(&[0x9F, 0x09], &[0x00, 0x20]);
    put(&[0x9F, 0x41], &stan_counter(stan));
    Ok(out)
}

fn bcd12(mut value: u64) -> [u8; 6] {
    let mut out = [0; 6];
    for byte in out.iter_mut().rev() {
        *byte = (((value / 10 % 10) << 4) | (value % 10)) as u8;
        value /= 100;
    }
    out
}

fn stan_counter(stan: Stan) -> [u8; 4] {
    let six = bcd12(u64::from(stan.get()));
    [six[2], six[3], six[4], six[5]]
}
