//! Requests as a UnionPay terminal sends them; those of generic terminals are next door.

use super::ask::Asking;
use super::chip;
use super::generic::GenericComposer;
use super::keys::SessionKeys;
use super::order::{Order, Tamper, selector};
use super::script::ScriptRun;
use crate::error::SimError;
use crate::journal::EntryMode;
use crate::world::DemoTerminal;
use switchyard_domain::{BatchNumber, BatchTotals, Side, Stan, Timestamp, TransactionKind};
use switchyard_keys::track;
use switchyard_wire::{Builder, Dialect, Envelope, Framing, Mti};

/// F53: X9.8 with the card number, double-length keys, track in clear.
const SECURITY_PIN: &[u8] = b"2600000000000000";
/// The same with the track enciphered.
const SECURITY_PIN_TRACK: &[u8] = b"2610000000000000";
/// No PIN, the track enciphered.
const SECURITY_TRACK: &[u8] = b"0610000000000000";
/// 60.4 and 60.5: stripe, chip and contactless; no special condition.
const CAPABILITY: &str = "60";
const OPERATOR: &str = "01 ";
const CURRENCY: &str = "156";
const MAC_BYTES: usize = 8;
/// Transactions of one 0320.
const UPLOAD_ITEMS_MAX: usize = 8;
/// A terminal number that no world has.
pub(crate) const UNKNOWN_TERMINAL: &str = "ZZ999999";

/// One transaction of an upload.
#[derive(Debug, Clone)]
pub struct UploadItem {
    /// Whether it counts among the foreign cards.
    pub is_foreign: bool,
    /// Trace number.
    pub stan: Stan,
    /// The card.
    pub pan: crate::world::Concealed,
    /// Minor units.
    pub amount_minor: u64,
    /// When it was asked for.
    pub at: Timestamp,
}

/// Builds requests of one terminal in one batch.
#[derive(Debug, Clone, Copy)]
pub struct Composer<'a> {
    /// Who sends.
    pub terminal: &'a DemoTerminal,
    /// DE 60.2.
    pub batch: BatchNumber,
    /// For MAC, PIN and track; a sign-on needs none.
    pub keys: Option<&'a SessionKeys>,
    /// The time of day, for generic messages that are no transaction.
    pub now: Timestamp,
}

/// The UnionPay dialect.
pub(crate) fn dialect() -> &'static Dialect {
    Dialect::builtin("unionpay-pos").expect("the dialect ships with the codec")
}

impl Composer<'_> {
    /// A financial request.
    ///
    /// # Errors
    /// [`SimError::NotSignedOn`] where it needs keys, [`SimError::Build`] when an element does not take its value.
    pub fn transaction(&self, order: &Order, stan: Stan) -> Result<Vec<u8>, SimError> {
        if let Some(generic) = self.generic() {
            return generic.transaction(order, stan);
        }
        let selector = selector(order.kind);
        let is_chip = matches!(order.entry, EntryMode::Contact | EntryMode::Contactless);
        let card = order.card.as_ref();
        let mut body = Vec::with_capacity(400);
        let mut b = dialect().builder(&mut body, selector.mti);
        if order.entry != EntryMode::Stripe
            || matches!(order.kind, TransactionKind::OfflineSale | TransactionKind::Tip)
        {
            b.digits(2, card.pan.expose().as_bytes())?;
        }
        b.number(3, selector.processing_code)?;
        if order.kind != TransactionKind::BalanceInquiry {
            b.number(4, order.amount_minor)?;
        }
        b.digits(11, &stan.digits())?;
        if matches!(order.entry, EntryMode::Manual | EntryMode::Contact) {
            b.digits(14, card.expiry.digits())?;
        }
        b.digits(22, entry_mode(order).as_bytes())?;
        if is_chip {
            b.number(23, 1)?;
        }
        b.number(25, selector.condition)?;
        if order.pin.is_some() {
            b.number(26, 6)?;
        }
        let has_track = order.entry != EntryMode::Manual;
        if has_track {
            b.digits(35, card.track2().expose().as_bytes())?;
        }
        self.original_reference(&mut b, order)?;
        self.terminal_fields(&mut b, order.tamper)?;
        if let Some(account) = service_account(order.kind) {
            b.digits(48, account.as_bytes())?;
        }
        b.text(49, CURRENCY)?;
        if let Some(pin) = &order.pin {
            b.bytes(52, &self.keys()?.pin_block(pin.expose(), card)?)?;
        }
        let is_enciphered = has_track && self.terminal.track_key;
        match (order.pin.is_some(), is_enciphered) {
            (true, true) => drop(b.digits(53, SECURITY_PIN_TRACK)?),
            (true, false) => drop(b.digits(53, SECURITY_PIN)?),
            (false, true) => drop(b.digits(53, SECURITY_TRACK)?),
            (false, false) => {}
        }
        if is_chip {
            b.bytes(55, &chip::request_tags(self.terminal, order, stan)?)?;
        }
        self.own_fields(&mut b, order)?;
        if matches!(order.kind, TransactionKind::Refund | TransactionKind::OfflineSale | TransactionKind::Tip)
        {
            b.text(63, "CUP")?;
        }
        b.bytes(64, &[0; MAC_BYTES])?.finish()?;
        self.seal(&mut body, is_enciphered)?;
        tamper(&mut body, order.tamper);
        self.frame(&body, is_chip)
    }

    /// A reversal that leaves so much of an order.
    ///
    /// # Errors
    /// [`SimError::Limit`] where the dialect has no such message, and as [`Composer::reversal`].
    pub fn reversal_of_part(
        &self,
        order: &Order,
        stan: Stan,
        reason: &str,
        stands_minor: u64,
    ) -> Result<Vec<u8>, SimError> {
        let generic = self.generic().ok_or(SimError::Limit { what: "reversals of a part" })?;
        generic.reversal(order, stan, reason, Some(stands_minor))
    }
    /// A 0400 with the original's trace number, amount, F3 and F60; `reason` is F39.
    ///
    /// # Errors
    /// [`SimError::NotSignedOn`] where it needs keys, [`SimError::Build`] when an element does not take its value.
    pub fn reversal(&self, order: &Order, stan: Stan, reason: &str) -> Result<Vec<u8>, SimError> {
        if let Some(generic) = self.generic() {
            return generic.reversal(order, stan, reason, None);
        }
        let selector = selector(order.kind);
        let mut body = Vec::with_capacity(200);
        let mut b = dialect().builder(&mut body, Mti::new(0x0400));
        b.digits(2, order.card.pan.expose().as_bytes())?;
        b.number(3, selector.processing_code)?.number(4, order.amount_minor)?.digits(11, &stan.digits())?;
        b.digits(22, entry_mode(order).as_bytes())?.number(25, selector.condition)?;
        if let (TransactionKind::PreAuthVoid | TransactionKind::Completion, Some(original)) =
            (order.kind, &order.original)
        {
            b.text(38, original.auth.as_deref().unwrap_or_default())?;
        }
        b.text(39, reason)?;
        self.terminal_fields(&mut b, Tamper::None)?;
        b.text(49, CURRENCY)?;
        self.own_fields(&mut b, order)?;
        b.bytes(64, &[0; MAC_BYTES])?.finish()?;
        self.seal(&mut body, false)?;
        self.frame(&body, false)
    }

    /// 0800: 003, or 004 where the profile has a track key.
    ///
    /// # Errors
    /// [`SimError::NotSignedOn`] where it needs keys, [`SimError::Build`] when an element does not take its value.
    pub fn sign_on(&self, stan: Stan) -> Result<Vec<u8>, SimError> {
        if let Some(generic) = self.generic() {
            return generic.management(Asking::SignOn, stan);
        }
        let code = if self.terminal.track_key { "004" } else { "003" };
        self.management(0x0800, Some(stan), code, true)
    }
    /// 0820, 002.
    ///
    /// # Errors
    /// [`SimError::NotSignedOn`] where it needs keys, [`SimError::Build`] when an element does not take its value.
    pub fn sign_off(&self, stan: Stan) -> Result<Vec<u8>, SimError> {
        if let Some(generic) = self.generic() {
            return generic.management(Asking::SignOff, stan);
        }
        self.management(0x0820, Some(stan), "002", false)
    }
    /// 0820, 301, which has no trace number in UnionPay's dialect.
    ///
    /// # Errors
    /// [`SimError::NotSignedOn`] where it needs keys, [`SimError::Build`] when an element does not take its value.
    pub fn echo_test(&self, stan: Stan) -> Result<Vec<u8>, SimError> {
        if let Some(generic) = self.generic() {
            return generic.management(Asking::Echo, stan);
        }
        self.management(0x0820, None, "301", false)
    }
    /// 0800 or 0820 of a download, with F62 where the step has one.
    ///
    /// # Errors
    /// [`SimError::Build`] when an element does not take its value.
    pub fn download(&self, mti: u16, stan: Stan, code: &str, de62: &[u8]) -> Result<Vec<u8>, SimError> {
        let mut body = Vec::with_capacity(80);
        let mut b = dialect().builder(&mut body, Mti::new(mti));
        b.digits(11, &stan.digits())?;
        self.terminal_fields(&mut b, Tamper::None)?;
        b.digits(60, format!("00{}{code}", self.batch).as_bytes())?;
        if !de62.is_empty() {
            b.bytes(62, de62)?;
        }
        b.finish()?;
        self.frame(&body, false)
    }
    /// 0620, 951: what a chip made of the scripts in the answer to an earlier transaction.
    ///
    /// # Errors
    /// [`SimError::NotSignedOn`] where it needs keys, [`SimError::Build`] when an element does not take its value.
    pub fn script_result(&self, stan: Stan, run: &ScriptRun) -> Result<Vec<u8>, SimError> {
        if let Some(generic) = self.generic() {
            return generic.script_result(stan, run);
        }
        let mut body = Vec::with_capacity(160);
        let mut b = dialect().builder(&mut body, Mti::new(0x0620));
        b.digits(11, &stan.digits())?;
        self.terminal_fields(&mut b, Tamper::None)?;
        b.bytes(55, &Self::script_tags(run))?;
        b.digits(60, format!("00{}951", self.batch).as_bytes())?;
        b.digits(61, format!("{}{}{}", run.batch, run.stan, run.date).as_bytes())?;
        b.bytes(64, &[0; MAC_BYTES])?.finish()?;
        self.seal(&mut body, false)?;
        self.frame(&body, true)
    }
    fn management(
        &self,
        mti: u16,
        stan: Option<Stan>,
        code: &str,
        has_operator: bool,
    ) -> Result<Vec<u8>, SimError> {
        let mut body = Vec::with_capacity(80);
        let mut b = dialect().builder(&mut body, Mti::new(mti));
        if let Some(stan) = stan {
            b.digits(11, &stan.digits())?;
        }
        self.terminal_fields(&mut b, Tamper::None)?;
        b.digits(60, format!("00{}{code}", self.batch).as_bytes())?;
        if has_operator {
            b.text(63, OPERATOR)?;
        }
        b.finish()?;
        self.frame(&body, false)
    }

    /// 0500 with the terminal's totals.
    ///
    /// # Errors
    /// [`SimError::NotSignedOn`] where it needs keys, [`SimError::Build`] when an element does not take its value.
    pub fn settlement(&self, stan: Stan, totals: &BatchTotals) -> Result<Vec<u8>, SimError> {
        if let Some(generic) = self.generic() {
            return generic.totals(Asking::Totals, stan, totals);
        }
        let mut body = Vec::with_capacity(120);
        let mut b = dialect().builder(&mut body, Mti::new(0x0500));
        b.digits(11, &stan.digits())?;
        self.terminal_fields(&mut b, Tamper::None)?;
        b.digits(48, totals_digits(totals).as_bytes())?.text(49, CURRENCY)?;
        b.digits(60, format!("00{}201", self.batch).as_bytes())?.text(63, OPERATOR)?.finish()?;
        self.frame(&body, false)
    }
    /// x520: totals that end the batch whatever the host has. UnionPay has no such message.
    ///
    /// # Errors
    /// [`SimError::Limit`] for a UnionPay terminal, [`SimError::NotSignedOn`] where it needs keys, [`SimError::Build`] when
    /// an element does not take its value.
    pub fn settlement_told(&self, stan: Stan, totals: &BatchTotals) -> Result<Vec<u8>, SimError> {
        let generic = self.generic().ok_or(SimError::Limit { what: "totals that are told" })?;
        generic.totals(Asking::TotalsTold, stan, totals)
    }
    /// 0320, 201: at most [`Composer::upload_items_max`] transactions.
    ///
    /// # Errors
    /// [`SimError::NotSignedOn`] where it needs keys, [`SimError::Build`] when an element does not take its value.
    pub fn upload(&self, stan: Stan, items: &[UploadItem]) -> Result<Vec<u8>, SimError> {
        if let Some(generic) = self.generic() {
            return match items {
                [item] => generic.upload(stan, item),
                _ => Err(SimError::Limit { what: "one transaction an upload" }),
            };
        }
        let mut digits = format!("{:02}", items.len());
        for item in items {
            let kind = if item.is_foreign { "01" } else { "00" };
            digits += &format!("{kind}{}{:0>20}{:012}", item.stan, item.pan.expose(), item.amount_minor);
        }
        self.upload_message(stan, &digits, "201")
    }
    /// 0320 that ends an upload: 202 after an unbalanced close.
    ///
    /// # Errors
    /// [`SimError::NotSignedOn`] where it needs keys, [`SimError::Build`] when an element does not take its value.
    pub fn upload_end(&self, stan: Stan, count: usize) -> Result<Vec<u8>, SimError> {
        if let Some(generic) = self.generic() {
            return generic.upload_end(stan, count);
        }
        self.upload_message(stan, &format!("{count:04}"), "202")
    }
    fn upload_message(&self, stan: Stan, digits: &str, code: &str) -> Result<Vec<u8>, SimError> {
        let mut body = Vec::with_capacity(260);
        let mut b = dialect().builder(&mut body, Mti::new(0x0320));
        b.digits(11, &stan.digits())?;
        self.terminal_fields(&mut b, Tamper::None)?;
        b.digits(48, digits.as_bytes())?
            .digits(60, format!("00{}{code}", self.batch).as_bytes())?
            .finish()?;
        self.frame(&body, false)
    }

    /// Transactions that one message of an upload holds.
    pub fn upload_items_max(&self) -> usize {
        if self.terminal.speech.is_generic() { 1 } else { UPLOAD_ITEMS_MAX }
    }
    fn generic(&self) -> Option<GenericComposer<'_>> {
        self.terminal.speech.is_generic().then_some(GenericComposer { composer: self })
    }
    fn keys(&self) -> Result<&SessionKeys, SimError> {
        self.keys.ok_or(SimError::NotSignedOn)
    }
    /// F37 and F38 of what follows another transaction.
    fn original_reference(&self, b: &mut Builder<'_, '_>, order: &Order) -> Result<(), SimError> {
        let Some(original) = &order.original else { return Ok(()) };
        match order.kind {
            TransactionKind::Void
            | TransactionKind::CompletionVoid
            | TransactionKind::Refund
            | TransactionKind::Tip => {
                b.bytes(37, original.rrn.as_bytes())?;
            }
            TransactionKind::PreAuthVoid
            | TransactionKind::Completion
            | TransactionKind::CompletionAdvice => {
                b.text(38, original.auth.as_deref().unwrap_or_default())?;
            }
            TransactionKind::Sale
            | TransactionKind::OfflineSale
            | TransactionKind::CashAdvance
            | TransactionKind::CardRepayment
            | TransactionKind::TopUp
            | TransactionKind::BalanceInquiry
            | TransactionKind::PreAuth
            | TransactionKind::PreAuthAdvice => {}
        }
        Ok(())
    }
    fn terminal_fields(&self, b: &mut Builder<'_, '_>, tamper: Tamper) -> Result<(), SimError> {
        let tid = if tamper == Tamper::TerminalId { UNKNOWN_TERMINAL } else { self.terminal.tid.as_str() };
        b.text(41, tid)?.text(42, self.terminal.mid.as_str())?;
        Ok(())
    }
    /// F60 and F61.
    fn own_fields(&self, b: &mut Builder<'_, '_>, order: &Order) -> Result<(), SimError> {
        let type_code = selector(order.kind).type_code;
        b.digits(60, format!("{type_code:02}{}000{CAPABILITY}", self.batch).as_bytes())?;
        if let Some(original) = &order.original {
            b.digits(61, format!("{}{}{}", original.batch, original.stan, original.date).as_bytes())?;
        }
        Ok(())
    }
    /// Enciphers the track where the profile does, then writes the MAC over what is sent.
    fn seal(&self, body: &mut [u8], enciphers_track: bool) -> Result<(), SimError> {
        let keys = self.keys()?;
        if enciphers_track {
            let tdk = keys.track.as_ref().ok_or(SimError::NotSignedOn)?;
            let (start, len) = {
                let message = dialect().parse(body)?;
                let raw = message.raw(35).unwrap_or_default();
                let wire = message.wire(35).unwrap_or_default();
                (message.offset(35).unwrap_or_default() + wire.len() - raw.len(), raw.len())
            };
            track::encrypt_in_place(tdk, &mut body[start..start + len])?;
        }
        let covered = body.len() - MAC_BYTES;
        let mac = keys.mac.compute(&body[..covered]);
        body[covered..].copy_from_slice(mac.as_bytes());
        Ok(())
    }
    fn frame(&self, body: &[u8], is_chip: bool) -> Result<Vec<u8>, SimError> {
        let class = if is_chip { 0x61 } else { 0x60 };
        let envelope = Envelope {
            tpdu: Some(self.terminal.tpdu.0),
            header: Some([class, 0x31, 0x00, 0x31, 0x10, 0x00]),
            ..Envelope::default()
        };
        let mut out = Vec::with_capacity(body.len() + 16);
        Framing::Len2BeExclusive.write(&mut out, |out| {
            envelope.write(out);
            out.extend_from_slice(body);
        })?;
        Ok(out)
    }
}

/// Whom a value-added payment is for: a telephone, or a test card.
pub(crate) fn service_account(kind: TransactionKind) -> Option<&'static str> {
    match kind {
        TransactionKind::TopUp => Some("13800138000"),
        TransactionKind::CardRepayment => Some("6225880000000008"),
        _ => None,
    }
}

/// F22: how the card was read, and whether a PIN follows.
fn entry_mode(order: &Order) -> String {
    let card = match order.entry {
        EntryMode::Manual => "01",
        EntryMode::Stripe => "02",
        EntryMode::Contact => "05",
        EntryMode::Contactless => "07",
    };
    format!("{card}{}", if order.pin.is_some() { 1 } else { 2 })
}

fn tamper(body: &mut Vec<u8>, tamper: Tamper) {
    match tamper {
        Tamper::Mac => {
            if let Some(last) = body.last_mut() {
                *last ^= 0x01;
            }
        }
        Tamper::Truncate => body.truncate(body.len().saturating_sub(MAC_BYTES + 3)),
        Tamper::None | Tamper::TerminalId | Tamper::HangUp | Tamper::SignedOff | Tamper::Cryptogram => {}
    }
}

/// F48 of a 0500: 62 digits.
pub(crate) fn totals_digits(totals: &BatchTotals) -> String {
    let side = |side: &Side| format!("{:012}{:03}", side.amount_minor, side.count);
    [&totals.domestic, &totals.foreign]
        .iter()
        .map(|sums| format!("{}{}0", side(&sums.debit), side(&sums.credit)))
        .collect()
}
