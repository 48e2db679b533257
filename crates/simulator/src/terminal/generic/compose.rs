//! Requests of a generic terminal.

use super::elements::{Elements, digits, local};
use super::{mti, original_element, request_mti, selector};
use crate::error::SimError;
use crate::journal::{EntryMode, OriginalRef};
use crate::terminal::ask::Asking;
use crate::terminal::chip;
use crate::terminal::compose::{Composer, UNKNOWN_TERMINAL, UploadItem, service_account};
use crate::terminal::order::{Order, Tamper};
use crate::terminal::script::ScriptRun;
use switchyard_domain::{BatchTotals, Currency, Stan, Timestamp, TransactionKind};
use switchyard_wire::{Envelope, EnvelopeKind, MtiVersion};

/// DE 3 of a reconciliation that ends an upload.
const UPLOAD_END: u64 = 960_000;
/// Numbers and amounts of a reconciliation: credits, debits; what was reversed is not counted at all.
const NUMBERS: [u8; 2] = [74, 76];
const AMOUNTS: [u8; 2] = [86, 88];
/// Type of an amount in DE 54: a tip.
const TIP: &str = "44";
/// Bytes of DE 74 of 2003.
const PACKED_BYTES: usize = 78;

/// What DE 39 of 1987 and DE 25 since say of a reversal's reason.
const REASONS: [(&str, &str, u64); 4] =
    [("98", "68", 4_021), ("96", "96", 4_002), ("A0", "63", 4_020), ("06", "06", 4_000)];

/// A [`Composer`] whose terminal speaks a generic dialect.
pub(in crate::terminal) struct GenericComposer<'c> {
    pub(in crate::terminal) composer: &'c Composer<'c>,
}

impl GenericComposer<'_> {
    fn version(&self) -> MtiVersion {
        self.composer.terminal.speech.version()
    }
    fn is_first(&self) -> bool {
        self.version() == MtiVersion::Iso1987
    }

    pub(in crate::terminal) fn transaction(&self, order: &Order, stan: Stan) -> Result<Vec<u8>, SimError> {
        let chosen = selector(order.kind);
        let is_chip = matches!(order.entry, EntryMode::Contact | EntryMode::Contactless);
        let card = order.card.as_ref();
        let mut elements = self.of(stan, order.at, order.tamper);
        let has_track = order.entry != EntryMode::Manual;
        if !has_track || is_chip || order.kind.is_advice() {
            elements.text(2, card.pan.expose());
        }
        elements.number(3, chosen.processing_code);
        if order.kind != TransactionKind::BalanceInquiry {
            self.amount(&mut elements, order.amount_minor);
        }
        if matches!(order.entry, EntryMode::Manual | EntryMode::Contact) {
            elements.text(14, digits(card.expiry.digits()));
        }
        self.entry_mode(&mut elements, order);
        if is_chip {
            elements.number(23, 1);
        }
        match (self.is_first(), chosen.is_covered) {
            (true, covered) => elements.number(25, if covered { 6 } else { 0 }),
            (false, true) => elements.number(24, 202),
            (false, false) => elements.number(24, if chosen.mti == 100 { 100 } else { 200 }),
        };
        if has_track {
            elements.text(35, card.track2().expose());
        }
        if let Some(account) = service_account(order.kind) {
            elements.text(48, account);
        }
        if let Some(original) = &order.original {
            self.original(&mut elements, order.kind, original);
        }
        if let Some(pin) = &order.pin {
            let keys = self.composer.keys.ok_or(SimError::NotSignedOn)?;
            elements.bytes(52, keys.pin_block(pin.expose(), card)?);
        }
        if order.kind == TransactionKind::Tip {
            self.part(&mut elements, TIP, order.amount_minor);
        }
        if is_chip {
            elements.bytes(55, chip::request_tags(self.composer.terminal, order, stan)?);
        }
        let mut body = self.build(Asking::Transaction(order.kind), &elements, order.tamper)?;
        if order.tamper == Tamper::Truncate {
            body.truncate(body.len() / 2);
        }
        self.frame(&body)
    }

    pub(in crate::terminal) fn reversal(
        &self,
        order: &Order,
        stan: Stan,
        reason: &str,
        stands_minor: Option<u64>,
    ) -> Result<Vec<u8>, SimError> {
        let chosen = selector(order.kind);
        let mut elements = self.of(stan, self.composer.now, Tamper::None);
        elements.text(2, order.card.pan.expose()).number(3, chosen.processing_code);
        self.reversed_amount(&mut elements, order.amount_minor, stands_minor);
        let (_, code, action) =
            REASONS.iter().find(|(known, ..)| *known == reason).unwrap_or(&REASONS[REASONS.len() - 1]);
        if self.is_first() {
            elements.text(39, *code);
        } else {
            elements.number(24, if stands_minor.is_some() { 401 } else { 400 }).number(25, *action);
        }
        self.named(&mut elements, chosen.mti, stan, order.at);
        let body = self.build(Asking::Reversal(order.kind), &elements, Tamper::None)?;
        self.frame(&body)
    }

    /// Sign-on, sign-off, echo: no MAC.
    pub(in crate::terminal) fn management(&self, asking: Asking, stan: Stan) -> Result<Vec<u8>, SimError> {
        let mut elements = self.of(stan, self.composer.now, Tamper::None);
        let (first, later) = match asking {
            Asking::SignOn => (1, 801),
            Asking::SignOff => (2, 802),
            _ => (301, 831),
        };
        if self.is_first() {
            elements.number(70, first);
        } else {
            elements.number(24, later);
        }
        let speech = self.composer.terminal.speech;
        let body = elements.build(speech.tables()?, request_mti(self.version(), asking), None)?;
        self.frame(&body)
    }

    /// Totals that are to be compared, or that end the batch whatever comes out.
    pub(in crate::terminal) fn totals(
        &self,
        asking: Asking,
        stan: Stan,
        totals: &BatchTotals,
    ) -> Result<Vec<u8>, SimError> {
        let sides =
            [[totals.domestic.credit, totals.foreign.credit], [totals.domestic.debit, totals.foreign.debit]];
        let numbers = sides.map(|[own, foreign]| u64::from(own.count + foreign.count));
        let amounts = sides.map(|[own, foreign]| own.amount_minor + foreign.amount_minor);
        self.reconciliation(asking, stan, numbers, amounts)
    }
    pub(in crate::terminal) fn upload_end(&self, stan: Stan, count: usize) -> Result<Vec<u8>, SimError> {
        self.reconciliation(Asking::UploadEnd, stan, [0, count as u64], [0, 0])
    }
    fn reconciliation(
        &self,
        asking: Asking,
        stan: Stan,
        numbers: [u64; 2],
        amounts: [u64; 2],
    ) -> Result<Vec<u8>, SimError> {
        let mut elements = self.of(stan, self.composer.now, Tamper::None);
        if asking == Asking::UploadEnd {
            elements.number(3, UPLOAD_END);
        }
        if !self.is_first() {
            elements.number(24, 500);
        }
        if self.version() == MtiVersion::Iso2003 {
            let [credits, debits] = numbers;
            let [credit, debit] = amounts;
            let mut text = format!(
                "{credits:010}{:010}{debits:010}{:010}{credit:016}{:016}{debit:016}{:016}",
                0, 0, 0, 0
            );
            text.push_str(&"0".repeat(2 * PACKED_BYTES - text.len()));
            elements.bytes(74, crate::hex::decode(&text).ok_or(SimError::World { what: "totals" })?);
        } else {
            for (de, number) in NUMBERS.into_iter().zip(numbers).chain(AMOUNTS.into_iter().zip(amounts)) {
                elements.number(de, number);
            }
        }
        let body = self.build(asking, &elements, Tamper::None)?;
        self.frame(&body)
    }

    /// One transaction of the batch, named as a reversal names it.
    pub(in crate::terminal) fn upload(&self, stan: Stan, item: &UploadItem) -> Result<Vec<u8>, SimError> {
        let mut elements = self.of(stan, self.composer.now, Tamper::None);
        elements.text(2, item.pan.expose());
        self.amount(&mut elements, item.amount_minor);
        self.named(&mut elements, 200, item.stan, item.at);
        let body = self.build(Asking::Upload, &elements, Tamper::None)?;
        self.frame(&body)
    }

    /// What a chip made of the scripts in the answer to a transaction, which DE 90 or 56 names.
    pub(in crate::terminal) fn script_result(
        &self,
        stan: Stan,
        run: &ScriptRun,
    ) -> Result<Vec<u8>, SimError> {
        let mut elements = self.of(stan, self.composer.now, Tamper::None);
        elements.bytes(55, Composer::script_tags(run));
        self.named(&mut elements, selector(run.kind).mti, run.stan, run.at);
        let body = self.build(Asking::ScriptResult, &elements, Tamper::None)?;
        self.frame(&body)
    }

    /// What every message has.
    fn of(&self, stan: Stan, at: Timestamp, tamper: Tamper) -> Elements {
        let terminal = self.composer.terminal;
        let tid = if tamper == Tamper::TerminalId { UNKNOWN_TERMINAL } else { terminal.tid.as_str() };
        let mut elements = Elements::default();
        elements.moment(self.version(), at).number(11, u64::from(stan.get()));
        elements.text(41, tid).text(42, terminal.mid.as_str());
        elements
    }
    /// DE 4 and its currency: in 2003 they are one element.
    fn amount(&self, elements: &mut Elements, minor: u64) {
        let currency = Currency::CNY;
        if self.version() == MtiVersion::Iso2003 {
            let (code, exponent) = (currency.numeric(), currency.exponent());
            elements.text(4, format!("{code:03}{exponent}{minor:012}"));
        } else {
            elements.text(4, format!("{minor:012}")).text(49, format!("{:03}", currency.numeric()));
        }
    }
    /// The amount of a reversal. Where a part stands, DE 95 has it in 1987; since 1993 DE 4 has, and DE 30 the whole.
    fn reversed_amount(&self, elements: &mut Elements, whole: u64, stands: Option<u64>) {
        let Some(stands) = stands else { return self.amount(elements, whole) };
        let currency = Currency::CNY;
        match self.version() {
            MtiVersion::Iso1987 | MtiVersion::Other(_) => {
                self.amount(elements, whole);
                elements.text(95, format!("{stands:012}{:012}C{:08}C{:08}", 0, 0, 0));
            }
            MtiVersion::Iso1993 => {
                self.amount(elements, stands);
                elements.text(30, format!("{whole:012}{:012}", 0));
            }
            MtiVersion::Iso2003 => {
                self.amount(elements, stands);
                let (code, exponent) = (currency.numeric(), currency.exponent());
                elements.text(30, format!("{code:03}{exponent}{whole:012}{:016}", 0));
            }
        }
    }
    /// DE 54: what a part of DE 4 is, or all of it.
    fn part(&self, elements: &mut Elements, kind: &str, minor: u64) {
        let (code, exponent) = (Currency::CNY.numeric(), Currency::CNY.exponent());
        let exponent =
            if self.version() == MtiVersion::Iso2003 { exponent.to_string() } else { String::new() };
        elements.text(54, format!("00{kind}{code:03}{exponent}D{minor:012}"));
    }
    /// DE 22: three digits; twelve characters; sixteen bytes of bits.
    fn entry_mode(&self, elements: &mut Elements, order: &Order) {
        let (mode, input, bit) = match order.entry {
            EntryMode::Manual => (1, '1', 2),
            EntryMode::Stripe => (2, '2', 4),
            EntryMode::Contact => (5, '5', 5),
            EntryMode::Contactless => (7, 'M', 1),
        };
        let has_pin = order.pin.is_some();
        match self.version() {
            MtiVersion::Iso1987 | MtiVersion::Other(_) => {
                elements.number(22, mode * 10 + if has_pin { 1 } else { 2 });
            }
            MtiVersion::Iso1993 => {
                elements.text(22, format!("000001{input}{}0000", u8::from(has_pin)));
            }
            MtiVersion::Iso2003 => {
                let mut bits = [0; 16];
                (bits[0], bits[4]) = (1 << bit, if has_pin { 1 << 3 } else { 1 });
                elements.bytes(22, bits);
            }
        }
    }
    /// What an order follows: what can be followed for weeks by its reference, holds by their code, and the rest by
    /// trace number and moment.
    fn original(&self, elements: &mut Elements, kind: TransactionKind, original: &OriginalRef) {
        let first_class = match kind {
            TransactionKind::PreAuthVoid
            | TransactionKind::Completion
            | TransactionKind::CompletionAdvice => {
                elements.text(38, original.auth.clone().unwrap_or_default());
                100
            }
            _ => 200,
        };
        match original.at {
            Some(at) if kind != TransactionKind::Refund => {
                self.named(elements, first_class, original.stan, at);
            }
            Some(_) | None => {
                elements.text(37, original.rrn.as_str());
            }
        }
    }
    /// DE 90 or 56.
    fn named(&self, elements: &mut Elements, number: u16, stan: Stan, at: Timestamp) {
        let version = self.version();
        let type_digits = digits(&mti(version, number).to_ascii());
        let stan = u64::from(stan.get());
        let text = match version {
            MtiVersion::Iso1987 | MtiVersion::Other(_) => {
                let moment = digits(&at.transmission_digits());
                format!("{type_digits}{stan:06}{moment}{:022}", 0)
            }
            MtiVersion::Iso1993 => format!("{type_digits}{stan:06}{}00", local(version, at)),
            MtiVersion::Iso2003 => format!("{type_digits}{stan:012}{}", local(version, at)),
        };
        elements.text(original_element(version), text);
    }

    fn build(&self, asking: Asking, elements: &Elements, tamper: Tamper) -> Result<Vec<u8>, SimError> {
        let speech = self.composer.terminal.speech;
        let mac = match (speech.carries_mac, self.composer.keys) {
            (false, _) => None,
            (true, Some(keys)) => Some((&keys.mac, tamper == Tamper::Mac)),
            (true, None) => return Err(SimError::NotSignedOn),
        };
        elements.build(speech.tables()?, request_mti(self.version(), asking), mac)
    }
    fn frame(&self, body: &[u8]) -> Result<Vec<u8>, SimError> {
        let speech = self.composer.terminal.speech;
        let has_tpdu = matches!(
            speech.envelope,
            EnvelopeKind::Tpdu | EnvelopeKind::TpduHeader | EnvelopeKind::TpduVersion
        );
        let has_header = matches!(speech.envelope, EnvelopeKind::TpduHeader | EnvelopeKind::Header);
        let envelope = Envelope {
            tpdu: has_tpdu.then_some(self.composer.terminal.tpdu.0),
            header: has_header.then_some([0x60, 0x31, 0x00, 0x31, 0x10, 0x00]),
            version: (speech.envelope == EnvelopeKind::TpduVersion).then_some([0x01, 0x00]),
            ..Envelope::default()
        };
        let mut out = Vec::with_capacity(body.len() + 16);
        speech.framing.write(&mut out, |out| {
            envelope.write(out);
            out.extend_from_slice(body);
        })?;
        Ok(out)
    }
}
