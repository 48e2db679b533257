//! Cryptograms of the embedded issuer's cards, as a device with its master key looks at them.

use switchyard_core::{ChipOutcome, Financial};
use switchyard_domain::Pan;
use switchyard_keys::emv::{CardRequest, CryptogramScheme, arpc_method1, arqc};
use switchyard_keys::{DesKey, KeyError};
use switchyard_wire::Tlvs;

const SCHEME: CryptogramScheme = CryptogramScheme::Pboc;
/// What the card is told in the answer: approved.
const APPROVED: [u8; 2] = *b"00";
/// Tags under the cryptogram, in their order; card verification results out of 9F10 follow them.
const SIGNED: [u32; 10] = [0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37, 0x82, 0x9F36];
const RESULTS: std::ops::Range<usize> = 3..7;

/// Whether the cryptogram is the card's own, over what it holds and the amount that is asked for.
pub(crate) fn look(master: &DesKey, request: &Financial) -> ChipOutcome {
    let (Some(card), Some(emv)) = (&request.card, &request.emv) else { return ChipOutcome::Failed };
    let Some(chip) = Chip::read(emv) else { return ChipOutcome::Malformed };
    if chip.amount != packed(request.amount.minor) {
        return ChipOutcome::Wrong;
    }
    let sequence = request.card_sequence.unwrap_or(0) % 100;
    let psn = [b'0' + (sequence / 10) as u8, b'0' + (sequence % 10) as u8];
    let mut digits = [0; Pan::DIGITS_MAX];
    let len = card.pan.write_digits(&mut digits);
    let (pan, atc, unpredictable) = (&digits[..len], chip.counter, chip.unpredictable);
    let asked = CardRequest { pan, psn: &psn, atc, unpredictable, data: &chip.signed };
    match arqc(SCHEME, master, &asked) {
        Ok(own) if own == chip.cryptogram => answer(master, &asked, own).unwrap_or(ChipOutcome::Failed),
        Ok(_) => ChipOutcome::Wrong,
        Err(_) => ChipOutcome::Failed,
    }
}

/// Tag 91: the answer to this cryptogram.
fn answer(master: &DesKey, asked: &CardRequest<'_>, cryptogram: [u8; 8]) -> Result<ChipOutcome, KeyError> {
    let key = SCHEME.arpc_key(&SCHEME.icc_key(master, asked.pan, asked.psn)?, asked.atc)?;
    let mut out = vec![0x91, 10];
    out.extend(arpc_method1(&key, cryptogram, APPROVED));
    out.extend(APPROVED);
    Ok(ChipOutcome::Right(out))
}

/// What of DE 55 a cryptogram depends on.
struct Chip {
    cryptogram: [u8; 8],
    counter: [u8; 2],
    unpredictable: [u8; 4],
    amount: [u8; 6],
    signed: Vec<u8>,
}

impl Chip {
    fn read(emv: &[u8]) -> Option<Self> {
        let objects: Vec<_> = Tlvs::new(emv).collect::<Result<_, _>>().ok()?;
        let value = |tag: u32| objects.iter().find(|object| object.tag == tag).map(|object| object.value);
        let mut signed = Vec::with_capacity(40);
        for tag in SIGNED {
            signed.extend_from_slice(value(tag)?);
        }
        signed.extend_from_slice(value(0x9F10)?.get(RESULTS)?);
        Some(Self {
            cryptogram: value(0x9F26)?.try_into().ok()?,
            counter: value(0x9F36)?.try_into().ok()?,
            unpredictable: value(0x9F37)?.try_into().ok()?,
            amount: value(0x9F02)?.try_into().ok()?,
            signed,
        })
    }
}

/// Twelve digits, two a byte.
fn packed(mut minor: u64) -> [u8; 6] {
    let mut out = [0; 6];
    for byte in out.iter_mut().rev() {
        *byte = (((minor / 10 % 10) << 4) | (minor % 10)) as u8;
        minor /= 100;
    }
    out
}
