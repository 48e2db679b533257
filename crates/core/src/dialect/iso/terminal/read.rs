//! From a message to a [`Draft`].

use super::select::{Action, Selector, expects_answer, select};
use super::totals;
use crate::dialect::Refusal;
use crate::dialect::card::DraftCard;
use crate::dialect::draft::{
    Draft, FinancialDraft, MacRequirement, Parsed, ReversalDraft, UploadDraft, UploadedDraft,
};
use crate::dialect::elements::Elements;
use crate::dialect::iso::{Edition, chip, entry, link, money, original};
use crate::dialect::scripts::Scripts;
use crate::input::{KeyForm, OriginalRef, ScriptResult};
use switchyard_domain::{
    Amount, AuthCode, BatchNumber, Currency, Echo, Expiry, Fingerprint, MerchantId, MessageClass, PinBlock,
    ReversalReason, Rrn, TerminalId, TransactionKind,
};
use switchyard_wire::{De, Message};

/// DE 25 of 1987 for everything about a pre-authorization.
const CONDITION_PREAUTH: u64 = 6;
/// DE 24 since 1993: an authorization came before.
const COVERED: [u64; 2] = [201, 202];
/// DE 24 since 1993: a part is reversed.
const PARTIAL_REVERSAL: u64 = 401;

/// Reads a request of a terminal.
///
/// # Errors
/// [`Refusal`] with 30 for an element that is missing or malformed and for another edition, 12 for an unknown
/// transaction, 40 for one that the switch does not do. Ask [`Refusal::is_answered`] before answering.
pub fn read(message: &Message<'_, '_>, edition: Edition) -> Result<Parsed, Refusal> {
    let mti = edition.number(message.mti()).filter(|mti| expects_answer(*mti));
    let mti = mti.ok_or(Refusal::not_a_request(message.mti()))?;
    let reader = Reader { message, edition, mti };
    let terminal = reader.characters(41, |bytes| TerminalId::try_from(bytes))?.ok_or(Refusal::missing(41))?;
    let merchant = reader.characters(42, |bytes| MerchantId::try_from(bytes))?.ok_or(Refusal::missing(42))?;
    let action = select(reader.selector()?)?;
    let mac = match action {
        Action::SignOn | Action::SignOff | Action::Echo => MacRequirement::NotRequired,
        Action::Financial(_)
        | Action::Reversal
        | Action::Totals { .. }
        | Action::Upload
        | Action::UploadEnd
        | Action::ScriptResult => MacRequirement::in_element(message, mac_element(message)),
    };
    Ok(Parsed { terminal, merchant, mac, draft: reader.draft(action)? })
}

/// The MAC is in the last element of the last bitmap.
fn mac_element(message: &Message<'_, '_>) -> De {
    if message.elements().any(|de| de > 64) { 128 } else { 64 }
}

struct Reader<'r, 'd, 'a> {
    message: &'r Message<'d, 'a>,
    edition: Edition,
    mti: u16,
}

impl Elements for Reader<'_, '_, '_> {
    fn message(&self) -> &Message<'_, '_> {
        self.message
    }
}

impl Reader<'_, '_, '_> {
    /// An element of characters; blanks are as good as nothing.
    fn characters<T, E>(
        &self,
        de: De,
        parse: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.message.text(de) else { return Ok(None) };
        let text = text.trim_end_matches(' ');
        if text.is_empty() {
            return Ok(None);
        }
        parse(text.as_bytes()).map(Some).map_err(|_| Refusal::malformed(de))
    }
    fn selector(&self) -> Result<Selector, Refusal> {
        let is_network = matches!(self.mti, 800 | 820);
        let (is_covered, network_code) = if self.edition.is_first() {
            (
                self.optional_number(25)? == Some(CONDITION_PREAUTH),
                self.optional_number(70)?.map(|code| code as u16),
            )
        } else {
            let function = self.optional_number(24)?;
            let code = function.and_then(|code| link::network_code(code as u16));
            (function.is_some_and(|function| COVERED.contains(&function)), code)
        };
        if is_network && network_code.is_none() {
            let de = if self.edition.is_first() { 70 } else { 24 };
            return Err(if self.message.has(de) { Refusal::unknown() } else { Refusal::missing(de) });
        }
        let (processing_code, is_tip) = (self.optional_number(3)?, self.is_tip()?);
        let has_chip = self.message.has(55);
        Ok(Selector { mti: self.mti, processing_code, is_covered, is_tip, has_chip, network_code })
    }
    /// The tip that DE 54 names, which DE 4 contains or is.
    fn tip(&self) -> Result<Option<Amount>, Refusal> {
        if self.mti / 100 != 2 {
            return Ok(None);
        }
        let Some(tip) = money::part(self.message, self.edition, money::TIP).map_err(Refusal::malformed)?
        else {
            return Ok(None);
        };
        let contains = |amount: Amount| amount.currency == tip.currency && amount.minor >= tip.minor;
        if self.amount()?.is_some_and(contains) { Ok(Some(tip)) } else { Err(Refusal::malformed(54)) }
    }
    fn is_tip(&self) -> Result<bool, Refusal> {
        let tip = self.tip()?;
        Ok(tip.is_some() && tip == self.amount()?)
    }
    fn draft(&self, action: Action) -> Result<Draft, Refusal> {
        let batch = BatchNumber::OPEN;
        Ok(match action {
            Action::Financial(kind) => Draft::Financial(Box::new(self.financial(kind)?)),
            Action::Reversal => Draft::Reversal(Box::new(self.reversal()?)),
            // Keys of double length: single DES is for those who cannot do otherwise.
            Action::SignOn => Draft::SignOn { stan: self.stan()?, form: KeyForm::Double },
            Action::SignOff => Draft::SignOff { stan: self.stan()? },
            Action::Echo => Draft::Echo,
            Action::Totals { closes } => {
                let totals = totals::read(self.message, self.edition)?;
                // Totals without a moment are taken: they are told from older ones less surely.
                let has_moment = self.edition.is_first() || self.message.has(12);
                let moment = if has_moment { self.moment()? } else { 0 };
                Draft::BatchTotals { stan: self.stan()?, batch, totals, closes, moment }
            }
            Action::UploadEnd => {
                let count = totals::count(&totals::read(self.message, self.edition)?);
                Draft::BatchUpload { stan: self.stan()?, batch, upload: UploadDraft::End { count } }
            }
            Action::ScriptResult => Draft::ScriptResult(Box::new(self.script_result()?)),
            Action::Upload => {
                let upload = UploadDraft::Items(vec![self.uploaded()?]);
                Draft::BatchUpload { stan: self.stan()?, batch, upload }
            }
        })
    }
    /// What a chip made of the scripts in the answer to the transaction that DE 90 or 56 names, or DE 37.
    fn script_result(&self) -> Result<ScriptResult, Refusal> {
        let original = self.original()?;
        if original.batch_stan.is_none() && original.rrn.is_none() {
            return Err(Refusal::missing(original::element(self.edition)));
        }
        let Scripts { results, verification, counter } =
            Scripts::read(&chip::read(self.message).ok_or(Refusal::malformed(55))?)?;
        let (stan, batch) = (self.stan()?, BatchNumber::OPEN);
        Ok(ScriptResult { stan, batch, original, results, verification, counter })
    }
    /// One transaction of the batch: under its own number, or under that which DE 90 or 56 names.
    fn uploaded(&self) -> Result<UploadedDraft, Refusal> {
        let stan = match self.named()? {
            Some(named) => named.stan,
            None => self.stan()?,
        };
        let amount_minor = self.amount()?.ok_or(Refusal::missing(4))?.minor;
        Ok(UploadedDraft { stan, amount_minor, pan: self.pan()? })
    }
    /// By what a later message names this one, and a repeat is told from another request: DE 12 since 1993; DE 7 in 1987,
    /// where a terminal that leaves it out is known by DE 13 and 12, and by nothing (zero) if it has neither.
    fn moment(&self) -> Result<u64, Refusal> {
        if !self.edition.is_first() {
            return self.required_number(12);
        }
        if let Some(moment) = self.optional_number(7)? {
            return Ok(moment);
        }
        let (date, time) = (self.optional_number(13)?, self.optional_number(12)?);
        Ok(date.zip(time).map_or(0, |(date, time)| date * 1_000_000 + time))
    }
    /// DE 4 and its currency; where the message does not say it, renminbi is meant.
    fn amount(&self) -> Result<Option<Amount>, Refusal> {
        let Some(minor) = money::read_minor(self.message).map_err(Refusal::malformed)? else {
            return Ok(None);
        };
        Ok(Some(Amount::new(minor, self.currency()?)))
    }
    fn currency(&self) -> Result<Currency, Refusal> {
        money::read_currency(self.message, self.edition)
            .map(|currency| currency.unwrap_or(Currency::CNY))
            .map_err(Refusal::malformed)
    }
    fn named(&self) -> Result<Option<original::Named>, Refusal> {
        original::read(self.message, self.edition).map_err(Refusal::malformed)
    }
    fn class(&self) -> MessageClass {
        if self.mti / 100 == 1 { MessageClass::Authorization } else { MessageClass::Financial }
    }
    fn financial(&self, kind: TransactionKind) -> Result<FinancialDraft, Refusal> {
        let track2 = self.clear_track()?;
        let card = DraftCard::from_clear(self.pan()?, self.expiry()?, track2.as_ref())?;
        if card == DraftCard::Absent && !kind.follows_another() {
            return Err(Refusal::no_card());
        }
        let amount = match kind {
            TransactionKind::BalanceInquiry => Amount::new(0, self.currency()?),
            _ => self.amount()?.ok_or(Refusal::missing(4))?,
        };
        let original = match kind {
            // Who approved it gave it a code.
            TransactionKind::PreAuthAdvice => {
                OriginalRef { auth_code: self.auth_code()?, ..OriginalRef::default() }
            }
            _ if kind.follows_another() => self.original()?,
            _ => OriginalRef::default(),
        };
        // A new total of what it names, with the tip in it? To take it for another sale would bill the sale twice.
        if kind == TransactionKind::OfflineSale && self.tip()?.is_some() && self.named()?.is_some() {
            return Err(Refusal::malformed(54));
        }
        Ok(FinancialDraft {
            kind,
            class: self.class(),
            stan: self.stan()?,
            batch: BatchNumber::OPEN,
            amount,
            pin: self.pin()?,
            track2,
            service: self.service(kind)?,
            emv: chip::read(self.message),
            card_sequence: self.optional_number(23)?.map(|sequence| sequence as u16),
            fingerprint: self.fingerprint(amount, &original)?,
            original,
            echo: self.echo(self.moment()?, amount.currency, card.expiry())?,
            card,
        })
    }
    fn pin(&self) -> Result<Option<PinBlock>, Refusal> {
        let Some(block) = self.message.bytes_owned(52) else { return Ok(None) };
        <[u8; 8]>::try_from(&*block).map(|block| Some(PinBlock(block))).map_err(|_| Refusal::malformed(52))
    }
    /// The original by DE 90 or 56, else by DE 37 and 38. Only where no element names it does DE 37 say which it is:
    /// otherwise it is the terminal's own reference.
    fn original(&self) -> Result<OriginalRef, Refusal> {
        let named = self.named()?;
        let rrn = if named.is_none() { self.characters(37, |bytes| Rrn::try_from(bytes))? } else { None };
        Ok(OriginalRef {
            batch_stan: named.map(|named| (BatchNumber::OPEN, named.stan)),
            moment: named.map(|named| named.moment),
            date: None,
            rrn,
            auth_code: self.auth_code()?,
        })
    }
    fn auth_code(&self) -> Result<Option<AuthCode>, Refusal> {
        self.characters(38, |bytes| AuthCode::try_from(bytes))
    }
    fn reversal(&self) -> Result<ReversalDraft, Refusal> {
        let named = self.named()?.ok_or(Refusal::missing(original::element(self.edition)))?;
        let original_class =
            if named.mti / 100 == 1 { MessageClass::Authorization } else { MessageClass::Financial };
        let track2 = self.clear_track()?;
        let card = DraftCard::from_clear(self.pan()?, self.expiry()?, track2.as_ref())?;
        let (amount, stands) = self.reversed()?;
        let kind = if original_class == MessageClass::Authorization {
            TransactionKind::PreAuth
        } else {
            TransactionKind::Sale
        };
        Ok(ReversalDraft {
            kind,
            original_class,
            stan: named.stan,
            batch: BatchNumber::OPEN,
            amount,
            stands,
            reason: self.reason()?,
            original_moment: Some(named.moment),
            // Asked or told, it is the same reversal; one of a part is told from another by what it leaves.
            fingerprint: Fingerprint {
                type_code: 0,
                ..self.fingerprint(stands.unwrap_or(amount), &OriginalRef::default())?
            },
            echo: self.echo(named.moment, amount.currency, card.expiry())?,
            card,
        })
    }
    /// The amount of a reversal's original, and what stands of it where only a part is taken back. In 1987 they are DE 4
    /// and DE 95; since 1993, with DE 24 = 401, DE 30 and DE 4. Where nothing stands it is a reversal of the whole.
    fn reversed(&self) -> Result<(Amount, Option<Amount>), Refusal> {
        let amount = self.amount()?.ok_or(Refusal::missing(4))?;
        let (de, whole, stands) = if self.edition.is_first() {
            let stands = money::read_replacement(self.message).map_err(Refusal::malformed)?;
            (95, amount, stands.unwrap_or(0))
        } else if self.optional_number(24)? == Some(PARTIAL_REVERSAL) {
            let whole = money::read_original_amount(self.message, self.edition, amount.currency);
            (30, whole.map_err(Refusal::malformed)?.ok_or(Refusal::missing(30))?, amount.minor)
        } else {
            (30, amount, 0)
        };
        match stands {
            0 => Ok((whole, None)),
            _ if stands < whole.minor => Ok((whole, Some(Amount::new(stands, whole.currency)))),
            _ => Err(Refusal::malformed(de)),
        }
    }
    /// DE 39 of 1987, DE 25 since.
    fn reason(&self) -> Result<ReversalReason, Refusal> {
        if self.edition.is_first() {
            let text = self.message.text(39);
            return Ok(match text.as_deref() {
                Some("68" | "91") => ReversalReason::NoAnswer,
                Some("22" | "96") => ReversalReason::TerminalFault,
                Some("63") => ReversalReason::MacError,
                _ => ReversalReason::Other,
            });
        }
        Ok(match self.optional_number(25)? {
            Some(4_006 | 4_021) => ReversalReason::NoAnswer,
            Some(4_002 | 4_007 | 4_013) => ReversalReason::TerminalFault,
            Some(4_020) => ReversalReason::MacError,
            _ => ReversalReason::Other,
        })
    }
    fn fingerprint(&self, amount: Amount, original: &OriginalRef) -> Result<Fingerprint, Refusal> {
        Ok(Fingerprint {
            processing_code: self.required_number(3)? as u32,
            amount_minor: amount.minor,
            card: None,
            // The function: a request is no repeat of an advice.
            type_code: (self.mti / 10 % 10) as u8,
            original: original.batch_stan,
            original_rrn: original.rrn,
        })
    }
    fn echo(&self, moment: u64, currency: Currency, expiry: Option<Expiry>) -> Result<Echo, Refusal> {
        let condition = if self.edition.is_first() { self.optional_number(25)? } else { None };
        Ok(Echo {
            expiry,
            condition: condition.map(|condition| condition as u8),
            currency: Some(currency),
            security_control: None,
            de60: moment,
            de60_digits: 0,
            entry_mode: entry::read(self.message).map_err(Refusal::malformed)?,
        })
    }
}
