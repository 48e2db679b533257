//! Requests with every field overridable.

use super::{CARD_A, CARD_B, CRYPTOGRAM, ON_US, card_hash, card_ref, stan};
use switchyard_core::{Card, Financial, OriginalRef, Reversal};
use switchyard_domain::{
    Amount, AuthCode, Currency, Echo, Fingerprint, MessageClass, Pan, PinBlock, ReversalReason, Rrn,
    TransactionKind,
};

/// Short constructors.
pub(crate) mod named {
    use switchyard_domain::BatchNumber;

    pub(crate) fn batch(number: u32) -> BatchNumber {
        BatchNumber::try_from(u64::from(number)).unwrap()
    }
}

/// What a chip says that nobody may write down: a track.
const TRACK: [u8; 6] = [0x57, 4, 0x62, 0xD3, 0x01, 0x2F];

/// A transaction request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) terminal: usize,
    pub(crate) kind: TransactionKind,
    pub(crate) stan: u32,
    pub(crate) batch: u32,
    pub(crate) minor: u64,
    pub(crate) currency: Currency,
    pub(crate) card: Option<&'static str>,
    pub(crate) pin: bool,
    pub(crate) chip: bool,
    pub(crate) expiry: Option<&'static str>,
    pub(crate) original: OriginalRef,
    pub(crate) processing_code: u32,
    pub(crate) type_code: u8,
}

impl Ask {
    pub(crate) fn new(kind: TransactionKind, stan: u32, minor: u64, card: &'static str) -> Self {
        let (processing_code, type_code) = match kind {
            TransactionKind::Sale => (0, 22),
            TransactionKind::Void => (200_000, 23),
            TransactionKind::Refund => (200_000, 25),
            TransactionKind::BalanceInquiry => (310_000, 1),
            TransactionKind::PreAuth => (30_000, 10),
            TransactionKind::PreAuthVoid => (200_000, 11),
            TransactionKind::Completion => (0, 20),
            TransactionKind::CompletionVoid => (200_000, 21),
            TransactionKind::OfflineSale => (0, 30),
            TransactionKind::CompletionAdvice => (0, 24),
            TransactionKind::Tip => (0, 34),
            TransactionKind::CashAdvance => (10_000, 22),
            TransactionKind::CardRepayment => (500_000, 22),
            TransactionKind::TopUp => (510_000, 22),
            TransactionKind::PreAuthAdvice => (30_000, 2),
        };
        Self {
            terminal: 0,
            kind,
            stan,
            batch: 1,
            minor,
            currency: Currency::CNY,
            card: Some(card),
            pin: false,
            chip: false,
            expiry: None,
            original: OriginalRef::default(),
            processing_code,
            type_code,
        }
    }
    pub(crate) fn sale(stan: u32, minor: u64) -> Self {
        Self::new(TransactionKind::Sale, stan, minor, ON_US)
    }
    pub(crate) fn sale_a(stan: u32, minor: u64) -> Self {
        Self::new(TransactionKind::Sale, stan, minor, CARD_A)
    }
    pub(crate) fn sale_b(stan: u32, minor: u64) -> Self {
        Self::new(TransactionKind::Sale, stan, minor, CARD_B)
    }
    /// A follow-up of `self` that names it by reference (or by authorization code).
    pub(crate) fn follow(self, kind: TransactionKind, stan: u32, rrn: Rrn, code: Option<AuthCode>) -> Self {
        let by_code = kind == TransactionKind::PreAuthVoid || kind.captures();
        let original = OriginalRef {
            rrn: (!by_code).then_some(rrn),
            auth_code: code.filter(|_| by_code),
            ..OriginalRef::default()
        };
        Self {
            original,
            pin: false,
            terminal: self.terminal,
            batch: self.batch,
            ..Self::new(kind, stan, self.minor, "")
        }
        .card(self.card)
    }
    pub(crate) fn card(self, card: Option<&'static str>) -> Self {
        Self { card, ..self }
    }
    pub(crate) fn pin(self) -> Self {
        Self { pin: true, ..self }
    }
    pub(crate) fn minor(self, minor: u64) -> Self {
        Self { minor, ..self }
    }
    pub(crate) fn stan(self, stan: u32) -> Self {
        Self { stan, ..self }
    }
    pub(crate) fn batch(self, batch: u32) -> Self {
        Self { batch, ..self }
    }
    pub(crate) fn terminal(self, terminal: usize) -> Self {
        Self { terminal, ..self }
    }

    pub(crate) fn class(&self) -> MessageClass {
        match self.kind {
            TransactionKind::PreAuth | TransactionKind::PreAuthAdvice | TransactionKind::PreAuthVoid => {
                MessageClass::Authorization
            }
            _ => MessageClass::Financial,
        }
    }
    pub(crate) fn amount(&self) -> Amount {
        Amount::new(self.minor, self.currency)
    }
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            processing_code: self.processing_code,
            amount_minor: self.minor,
            card: self.card.map(card_hash),
            type_code: self.type_code,
            original: self.original.batch_stan,
            original_rrn: self.original.rrn,
        }
    }
    pub(crate) fn echo(&self) -> Echo {
        Echo {
            expiry: None,
            condition: Some(0),
            currency: Some(self.currency),
            security_control: None,
            de60: u64::from(self.batch),
            de60_digits: 11,
            entry_mode: Some(if self.pin { 21 } else { 22 }),
        }
    }
    pub(crate) fn financial(&self) -> Box<Financial> {
        Box::new(Financial {
            kind: self.kind,
            class: self.class(),
            stan: stan(self.stan),
            batch: named::batch(self.batch),
            amount: self.amount(),
            card: self.card.map(|pan| Card {
                pan: Pan::from_digits(pan.as_bytes()).unwrap(),
                reference: card_ref(pan),
                expiry: self.expiry.map(|e| e.parse().unwrap()),
            }),
            pin: self.pin.then_some(PinBlock([5; 8])),
            key_version: None,
            track2: None,
            service: None,
            emv: self.chip.then(|| [&TRACK[..], &CRYPTOGRAM].concat()),
            card_sequence: self.chip.then_some(1),
            chip_answer: None,
            original: self.original,
            fingerprint: self.fingerprint(),
            echo: self.echo(),
        })
    }
}

/// A terminal's reversal of what it asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Back {
    pub(crate) of: Ask,
    pub(crate) reason: ReversalReason,
    pub(crate) minor: u64,
    pub(crate) kind: TransactionKind,
}

impl Back {
    pub(crate) fn of(ask: &Ask) -> Self {
        Self { of: *ask, reason: ReversalReason::NoAnswer, minor: ask.minor, kind: ask.kind }
    }
    pub(crate) fn reversal(&self) -> Box<Reversal> {
        let of = &self.of;
        Box::new(Reversal {
            kind: self.kind,
            original_class: of.class(),
            stan: stan(of.stan),
            batch: named::batch(of.batch),
            amount: Amount::new(self.minor, of.currency),
            reason: self.reason,
            original_moment: None,
            fingerprint: Fingerprint { amount_minor: self.minor, ..of.fingerprint() },
            echo: of.echo(),
        })
    }
}
