//! What the switch asks an issuer, read from a message of any dialect.

use super::keys::PinKeys;
use super::{billing, edition};
use switchyard_domain::{Expiry, Pan, ResponseCode, Rrn, TransactionKind};
use switchyard_keys::pin::Pin;
use switchyard_wire::{Message, MtiClass, Tlvs};

const TAG_SCRIPT_RESULTS: u32 = 0xDF31;
/// Cryptogram, application data, counter, unpredictable number, amount.
const TAGS_OF_CRYPTOGRAM: [u32; 5] = [0x9F26, 0x9F10, 0x9F36, 0x9F37, 0x9F02];

/// By this a request is found again: message type without the repeat digit, DE 11, DE 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginalKey {
    /// Message type of the first send, BCD.
    pub mti: u16,
    /// DE 11.
    pub stan: u32,
    /// DE 7; since 1993 DE 12, by which a later message names this one.
    pub transmitted: u64,
}

/// The class of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// It moves or holds money, or asks for the balance.
    Transaction(TransactionKind),
    /// It undoes an earlier one.
    Reversal,
    /// It tells what a chip made of a script.
    ScriptResult,
}

/// DE 52.
#[derive(Debug)]
pub enum PinEntry {
    /// Absent.
    None,
    /// Deciphered.
    Clear(Pin),
    /// No PIN block under the link's key and this card.
    Unreadable,
}

/// A request to the issuer.
#[derive(Debug)]
pub struct IssuerRequest {
    /// By which its repeat, and its reversal, find it.
    pub key: OriginalKey,
    /// DE 37.
    pub rrn: Rrn,
    /// What is asked.
    pub kind: RequestKind,
    /// The card.
    pub pan: Pan,
    /// DE 4, zero when absent.
    pub amount_minor: u64,
    /// What stands after a reversal of a part: DE 95, or DE 4 with DE 24 = 401.
    pub stands_minor: Option<u64>,
    /// DE 14.
    pub expiry: Option<Expiry>,
    /// DE 52.
    pub pin: PinEntry,
    /// DE 90; since 1993 DE 56.
    pub original: Option<OriginalKey>,
    /// It was approved without asking: refusing it would change nothing.
    pub is_advice: bool,
    /// DE 55 is there: a chip can be sent scripts.
    pub has_chip: bool,
    /// The card was read by its chip, and DE 55 has not what an issuer proves that by.
    pub lacks_cryptogram: bool,
    /// Tag DF31 of DE 55.
    pub script_results: Option<Vec<u8>>,
}

impl IssuerRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// DE 39 of the refusal: 30 for a missing element and for a billing that does not add up, 12 for a transaction that nobody offers.
    pub fn read(message: &Message<'_, '_>, keys: &mut PinKeys) -> Result<Self, ResponseCode> {
        let format = ResponseCode::FORMAT_ERROR;
        let mti = message.mti();
        let mut buffer = [0; 20];
        let pan = message.digits(2, &mut buffer).and_then(|d| Pan::from_digits(d).ok()).ok_or(format)?;
        let code = message.number(3).ok_or(format)?;
        let amount_minor = message.amount().map_err(|_| format)?.map_or(0, |amount| amount.minor);
        if !billing::adds_up(message) {
            return Err(format);
        }
        let rrn = message.text(37).and_then(|text| text.parse::<Rrn>().ok()).ok_or(format)?;
        let original = read_original(message);
        let is_reversal = mti.class() == MtiClass::Reversal;
        let function = mti.as_u16() & 0xF0;
        let kind = match mti.class() {
            MtiClass::Reversal => RequestKind::Reversal,
            MtiClass::Administrative if function == 0x20 => RequestKind::ScriptResult,
            class => RequestKind::Transaction(
                transaction(class, function, code, edition::condition(message), original.is_some())
                    .ok_or(ResponseCode::INVALID_TRANSACTION)?,
            ),
        };
        let chip = edition::read_chip(message);
        let mut digits = [0; 8];
        let expiry = message.digits(14, &mut digits).and_then(|d| Expiry::try_from(d).ok());
        Ok(Self {
            key: OriginalKey {
                mti: mti.as_u16() & 0xFFF0,
                stan: message.number(11).ok_or(format)? as u32,
                transmitted: edition::moment(message).ok_or(format)?,
            },
            rrn,
            kind,
            pin: read_pin(message, keys, &pan),
            pan,
            amount_minor,
            stands_minor: edition::standing(message).map_err(|()| format)?.filter(|_| is_reversal),
            expiry,
            original,
            is_advice: function == 0x20 && message.has(39) && !is_reversal,
            has_chip: chip.is_some(),
            lacks_cryptogram: edition::was_read_by_chip(message) && !chip.as_deref().is_some_and(proves),
            script_results: chip.as_deref().and_then(script_results),
        })
    }
}

fn transaction(
    class: MtiClass,
    function: u16,
    processing_code: u64,
    condition: u64,
    has_original: bool,
) -> Option<TransactionKind> {
    match (class, function, processing_code, condition) {
        (MtiClass::Authorization, 0x00 | 0x20, 30_000, _) => Some(TransactionKind::PreAuth),
        (MtiClass::Authorization, 0x00, 200_000, _) => Some(TransactionKind::PreAuthVoid),
        (MtiClass::Financial, 0x00, 310_000, _) => Some(TransactionKind::BalanceInquiry),
        (MtiClass::Financial, 0x00, 0, 6) => Some(TransactionKind::Completion),
        (MtiClass::Financial, 0x00, 0, _) if !has_original => Some(TransactionKind::Sale),
        (MtiClass::Financial, 0x00, 200_000, 6) => Some(TransactionKind::CompletionVoid),
        (MtiClass::Financial, 0x00, 200_000, _) => Some(TransactionKind::Void),
        (MtiClass::Financial, 0x20, 200_000, _) => Some(TransactionKind::Refund),
        (MtiClass::Financial, 0x20, 0, 6) => Some(TransactionKind::CompletionAdvice),
        (MtiClass::Financial, 0x20, 0, _) if has_original => Some(TransactionKind::Tip),
        (MtiClass::Financial, 0x20, 0, _) => Some(TransactionKind::OfflineSale),
        (MtiClass::Financial, 0x00 | 0x20, 10_000, _) => Some(TransactionKind::CashAdvance),
        (MtiClass::Financial, 0x00 | 0x20, 500_000, _) => Some(TransactionKind::CardRepayment),
        (MtiClass::Financial, 0x00 | 0x20, 510_000, _) => Some(TransactionKind::TopUp),
        _ => None,
    }
}

fn read_pin(message: &Message<'_, '_>, keys: &mut PinKeys, pan: &Pan) -> PinEntry {
    let Some(block) = message.bytes_owned(52) else { return PinEntry::None };
    let Ok(block) = <[u8; 8]>::try_from(&*block) else { return PinEntry::Unreadable };
    keys.open(block, pan)
}

/// Whether chip data has a cryptogram and what that was made over.
fn proves(chip: &[u8]) -> bool {
    let tags: Vec<u32> = Tlvs::new(chip).map_while(Result::ok).map(|object| object.tag).collect();
    TAGS_OF_CRYPTOGRAM.iter().all(|tag| tags.contains(tag))
}

/// What a chip made of scripts.
fn script_results(chip: &[u8]) -> Option<Vec<u8>> {
    let found = Tlvs::new(chip).map_while(Result::ok).find(|object| object.tag == TAG_SCRIPT_RESULTS)?;
    Some(found.value.to_vec())
}

fn read_original(message: &Message<'_, '_>) -> Option<OriginalKey> {
    let (mti, stan, transmitted) = edition::original(message)?;
    Some(OriginalKey { mti, stan, transmitted })
}
