//! From a message to a [`Draft`].

use super::batch;
use super::table::{Action, Row, Selector, expects_answer, select};
use crate::dialect::card::{DraftCard, EncryptedTrack};
use crate::dialect::draft::{
    Draft, FinancialDraft, MacRequirement, Parsed, ReversalDraft, UploadDraft, UploadedDraft, class_of,
};
use crate::dialect::elements::Elements;
use crate::dialect::scripts::Scripts;
use crate::dialect::{Refusal, wipe};
use crate::input::{MasterKeyStep, OriginalRef, ScriptResult};
use std::ops::Range;
use switchyard_domain::{
    Amount, AuthCode, BatchNumber, Currency, Echo, Expiry, Fingerprint, MerchantId, PinBlock, ReversalReason,
    Rrn, Stan, TerminalId, TransactionKind,
};
use switchyard_wire::{De, Message};

/// Reads a request of a terminal.
///
/// # Errors
/// [`Refusal`] with 30 for an element that is missing or malformed, 12 for an unknown transaction, 40 for
/// one that the switch does not do. Ask [`Refusal::is_answered`] before answering.
pub fn read(message: &Message<'_, '_>) -> Result<Parsed, Refusal> {
    if !expects_answer(message.mti()) {
        return Err(Refusal::not_a_request(message.mti()));
    }
    let reader = Reader(message);
    let terminal = TerminalId::try_from(reader.required_bytes(41)?).map_err(|_| Refusal::malformed(41))?;
    let merchant = MerchantId::try_from(reader.required_bytes(42)?).map_err(|_| Refusal::malformed(42))?;
    let de60 = reader.de60()?;
    let row = select(reader.selector(&de60)?)?;
    if let Some(missing) = row.request.iter().find(|de| !message.has(**de)) {
        return Err(Refusal::missing(*missing));
    }
    if let Some(condition) = reader.optional_number(25)? {
        row.check_condition(condition as u8)?;
    }
    let mac =
        if row.needs_mac { MacRequirement::in_element(message, 64) } else { MacRequirement::NotRequired };
    let draft = reader.draft(row, &de60)?;
    Ok(Parsed { terminal, merchant, mac, draft })
}

/// The row of the table for a message, if it has one.
pub(super) fn row_of(message: &Message<'_, '_>) -> Option<&'static Row> {
    let reader = Reader(message);
    let de60 = reader.de60().ok()?;
    select(reader.selector(&de60).ok()?).ok()
}

/// DE 60 by its positions.
pub(super) struct De60 {
    /// 60.1.
    pub(super) type_code: u8,
    /// 60.2.
    pub(super) batch: BatchNumber,
    /// 60.3, three digits.
    pub(super) network_code: Option<u16>,
    /// All of it.
    number: u64,
    digits: u8,
}

/// Most digits of DE 60.
pub(super) const DE60_DIGITS_MAX: usize = 17;
/// Most digits of DE 61.
const DE61_DIGITS_MAX: usize = 29;

/// Reads elements; each method names the element in its error.
pub(super) struct Reader<'r, 'd, 'a>(pub(super) &'r Message<'d, 'a>);

impl Elements for Reader<'_, '_, '_> {
    fn message(&self) -> &Message<'_, '_> {
        self.0
    }
}

impl<'a> Reader<'_, '_, 'a> {
    fn required_bytes(&self, de: De) -> Result<&'a [u8], Refusal> {
        self.0.raw(de).ok_or(Refusal::missing(de))
    }
    pub(super) fn de60(&self) -> Result<De60, Refusal> {
        if !self.0.has(60) {
            return Err(Refusal::missing(60));
        }
        let malformed = Refusal::malformed(60);
        let mut buffer = [0; DE60_DIGITS_MAX];
        let digits = self.0.digits(60, &mut buffer).ok_or(malformed)?;
        let part = |range: Range<usize>| digits.get(range).and_then(batch::number);
        let batch = part(2..8).and_then(|batch| BatchNumber::try_from(batch).ok()).ok_or(malformed)?;
        Ok(De60 {
            type_code: part(0..2).ok_or(malformed)? as u8,
            batch,
            network_code: part(8..11).map(|code| code as u16),
            number: batch::number(digits).ok_or(malformed)?,
            digits: digits.len() as u8,
        })
    }
    fn selector(&self, de60: &De60) -> Result<Selector, Refusal> {
        let processing_code = self.optional_number(3)?.map(|code| code as u32);
        let mti = self.0.mti().as_u16();
        if processing_code.is_none() && matches!(mti, 0x0100 | 0x0200 | 0x0220 | 0x0400) {
            return Err(Refusal::missing(3));
        }
        // Management is told apart by 60.3 alone.
        if de60.network_code.is_none() && matches!(mti, 0x0320 | 0x0500 | 0x0800 | 0x0820) {
            return Err(Refusal::malformed(60));
        }
        Ok(Selector { mti, processing_code, type_code: de60.type_code, network_code: de60.network_code })
    }
    fn draft(&self, row: &Row, de60: &De60) -> Result<Draft, Refusal> {
        Ok(match row.action {
            Action::Financial(kind) => Draft::Financial(Box::new(self.financial(kind, de60)?)),
            Action::Reversal(kind) => Draft::Reversal(Box::new(self.reversal(kind, de60)?)),
            Action::SignOn(form) => Draft::SignOn { stan: self.stan()?, form },
            Action::SignOff => Draft::SignOff { stan: self.stan()? },
            Action::Echo => Draft::Echo,
            Action::Status => Draft::Status { status: self.required_bytes(62)?.to_vec() },
            Action::Download(kind, step) => Draft::Download { kind, step: self.download(kind, step)? },
            Action::MasterKey => Draft::MasterKey(MasterKeyStep::Fetch),
            Action::MasterKeyTaken => Draft::MasterKey(self.master_key_taken()?),
            Action::ScriptResult => {
                let Scripts { results, verification, counter } = self.scripts()?;
                let (stan, batch, original) = (self.stan()?, de60.batch, self.original()?);
                let result = ScriptResult { stan, batch, original, results, verification, counter };
                Draft::ScriptResult(Box::new(result))
            }
            Action::BatchTotals => {
                let mut buffer = [0; batch::DIGITS_MAX];
                let totals = batch::read_totals(self.digits(48, &mut buffer)?)?;
                Draft::BatchTotals { stan: self.stan()?, batch: de60.batch, totals, closes: false, moment: 0 }
            }
            Action::UploadItems | Action::UploadDetail | Action::UploadEnd => {
                let upload = self.upload(row.action)?;
                Draft::BatchUpload { stan: self.stan()?, batch: de60.batch, upload }
            }
        })
    }
    fn upload(&self, action: Action) -> Result<UploadDraft, Refusal> {
        if action == Action::UploadDetail {
            return Ok(UploadDraft::Items(vec![self.detail()?]));
        }
        let mut buffer = [0; batch::DIGITS_MAX];
        let digits = self.digits(48, &mut buffer)?;
        let upload = if action == Action::UploadEnd {
            batch::read_end(digits).map(|count| UploadDraft::End { count })
        } else {
            batch::read_items(digits).map(UploadDraft::Items)
        };
        wipe(&mut buffer);
        upload
    }
    /// One transaction as it was: its trace number is DE 61.2, or DE 11 where the terminal sends the
    /// original's there; its amount DE 4, or the chip's own (tag 9F02).
    fn detail(&self) -> Result<UploadedDraft, Refusal> {
        let stan = match self.original()?.batch_stan {
            Some((_, stan)) => stan,
            None => self.stan()?,
        };
        let amount_minor = match self.optional_number(4)? {
            Some(amount) => amount,
            None => self.chip_amount().ok_or(Refusal::missing(4))?,
        };
        let pan = match self.card(self.optional_number(53)?)? {
            DraftCard::Clear(card) => Some(card.pan),
            DraftCard::Absent | DraftCard::Encrypted(_) => None,
        };
        Ok(UploadedDraft { stan, amount_minor, pan })
    }
    fn chip_amount(&self) -> Option<u64> {
        let amount = self.0.tlv(55).map_while(Result::ok).find(|object| object.tag == 0x9F02)?;
        amount.value.iter().try_fold(0_u64, |value, byte| {
            let (high, low) = (byte >> 4, byte & 0xF);
            (high <= 9 && low <= 9).then_some(())?;
            value.checked_mul(100)?.checked_add(u64::from(high * 10 + low))
        })
    }
    fn financial(&self, kind: TransactionKind, de60: &De60) -> Result<FinancialDraft, Refusal> {
        let security_control = self.optional_number(53)?;
        let card = self.card(security_control)?;
        let track2 = match &card {
            DraftCard::Clear(_) => self.clear_track()?,
            DraftCard::Absent | DraftCard::Encrypted(_) => None,
        };
        if card == DraftCard::Absent && !kind.follows_another() {
            return Err(Refusal::no_card());
        }
        let currency = self.currency()?;
        let amount = match kind {
            TransactionKind::BalanceInquiry => Amount::new(0, currency),
            TransactionKind::Sale
            | TransactionKind::OfflineSale
            | TransactionKind::CashAdvance
            | TransactionKind::CardRepayment
            | TransactionKind::TopUp
            | TransactionKind::Tip
            | TransactionKind::CompletionAdvice
            | TransactionKind::Void
            | TransactionKind::Refund
            | TransactionKind::PreAuth
            | TransactionKind::PreAuthAdvice
            | TransactionKind::PreAuthVoid
            | TransactionKind::Completion
            | TransactionKind::CompletionVoid => Amount::new(self.required_number(4)?, currency),
        };
        let original = self.original()?;
        let pin = match self.0.has(52) {
            true => Some(PinBlock(self.required_bytes(52)?.try_into().map_err(|_| Refusal::malformed(52))?)),
            false => None,
        };
        Ok(FinancialDraft {
            kind,
            class: class_of(kind),
            stan: self.stan()?,
            batch: de60.batch,
            amount,
            pin,
            track2,
            service: self.service(kind)?,
            emv: self.0.raw(55).map(<[u8]>::to_vec),
            card_sequence: self.optional_number(23)?.map(|number| number as u16),
            fingerprint: self.fingerprint(de60, amount, &original)?,
            echo: self.echo(de60, security_control, card.expiry())?,
            card,
            original,
        })
    }
    fn reversal(&self, kind: TransactionKind, de60: &De60) -> Result<ReversalDraft, Refusal> {
        let security_control = self.optional_number(53)?;
        let card = self.card(security_control)?;
        let amount = Amount::new(self.required_number(4)?, self.currency()?);
        let reason = match self.required_bytes(39)? {
            b"98" => ReversalReason::NoAnswer,
            b"96" => ReversalReason::TerminalFault,
            b"A0" => ReversalReason::MacError,
            _ => ReversalReason::Other,
        };
        Ok(ReversalDraft {
            kind,
            original_class: class_of(kind),
            stan: self.stan()?,
            batch: de60.batch,
            amount,
            stands: None,
            reason,
            original_moment: None,
            fingerprint: self.fingerprint(de60, amount, &self.original()?)?,
            echo: self.echo(de60, security_control, card.expiry())?,
            card,
        })
    }
    /// DE 49; where a transaction does not need it, renminbi is meant.
    fn currency(&self) -> Result<Currency, Refusal> {
        match self.optional_number(49)? {
            Some(code) => Currency::from_numeric(code).ok_or(Refusal::malformed(49)),
            None => Ok(Currency::CNY),
        }
    }
    fn card(&self, security_control: Option<u64>) -> Result<DraftCard, Refusal> {
        let (pan, expiry) = (self.pan()?, self.expiry()?);
        if track_is_encrypted(security_control)
            && let (Some(packed), Some(nibbles)) = (self.0.raw(35), self.0.value_len(35))
        {
            return Ok(DraftCard::Encrypted(EncryptedTrack::new(packed, nibbles, pan, expiry)));
        }
        DraftCard::from_clear(pan, expiry, self.clear_track()?.as_ref())
    }
    /// DE 61, 37 and 38. Zeros and blanks stand for what the terminal does not know.
    fn original(&self) -> Result<OriginalRef, Refusal> {
        let mut original =
            OriginalRef { rrn: self.rrn()?, auth_code: self.auth_code()?, ..Default::default() };
        if self.0.has(61) {
            let mut buffer = [0; DE61_DIGITS_MAX];
            let digits = self.digits(61, &mut buffer)?;
            let part = |range: Range<usize>| digits.get(range).and_then(batch::number);
            let batch = part(0..6).and_then(|batch| BatchNumber::try_from(batch).ok());
            let stan = part(6..12).and_then(|stan| Stan::try_from(stan).ok());
            let pair = batch.zip(stan).ok_or(Refusal::malformed(61))?;
            original.batch_stan = Some(pair).filter(|(batch, stan)| batch.get() != 0 || stan.get() != 0);
            original.date = digits.get(12..16).and_then(|date| date.try_into().ok());
            original.date = original.date.filter(|date| date != b"0000");
        }
        Ok(original)
    }
    fn rrn(&self) -> Result<Option<Rrn>, Refusal> {
        let Some(raw) = self.0.raw(37).filter(|raw| !is_blank(raw)) else { return Ok(None) };
        Rrn::try_from(raw).map(Some).map_err(|_| Refusal::malformed(37))
    }
    fn auth_code(&self) -> Result<Option<AuthCode>, Refusal> {
        let Some(raw) = self.0.raw(38).filter(|raw| !is_blank(raw)) else { return Ok(None) };
        AuthCode::try_from(raw).map(Some).map_err(|_| Refusal::malformed(38))
    }
    fn fingerprint(
        &self,
        de60: &De60,
        amount: Amount,
        original: &OriginalRef,
    ) -> Result<Fingerprint, Refusal> {
        Ok(Fingerprint {
            processing_code: self.required_number(3)? as u32,
            amount_minor: amount.minor,
            card: None,
            type_code: de60.type_code,
            original: original.batch_stan,
            original_rrn: original.rrn,
        })
    }
    fn echo(
        &self,
        de60: &De60,
        security_control: Option<u64>,
        expiry: Option<Expiry>,
    ) -> Result<Echo, Refusal> {
        Ok(Echo {
            expiry,
            condition: self.optional_number(25)?.map(|condition| condition as u8),
            currency: Some(self.currency()?),
            security_control,
            de60: de60.number,
            de60_digits: de60.digits,
            entry_mode: self.optional_number(22)?.map(|mode| mode as u16),
        })
    }
}

/// Digit 3 of DE 53.
pub(super) fn track_is_encrypted(security_control: Option<u64>) -> bool {
    security_control.is_some_and(|control| control / 10_u64.pow(13) % 10 == 1)
}

fn is_blank(raw: &[u8]) -> bool {
    raw.iter().all(|byte| *byte == b' ')
}
