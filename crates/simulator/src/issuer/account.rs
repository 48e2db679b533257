//! A cardholder's account at the simulated issuer.

use super::request::{IssuerRequest, PinEntry};
use crate::error::SimError;
use crate::world::DemoCard;
use switchyard_domain::{Expiry, ResponseCode, TransactionKind};
use switchyard_keys::pin::Pin;

/// One card and its money.
#[derive(Debug)]
pub struct Account {
    routing_key: u64,
    expiry: Expiry,
    pin: Pin,
    /// Can fall below zero: undoing a refund does not ask.
    balance_minor: i64,
    held_minor: i64,
}

impl Account {
    /// The account of a card of the demo world.
    ///
    /// # Errors
    /// [`SimError::World`] for the number or the balance, [`SimError::Pin`] for the PIN.
    pub fn of(card: &DemoCard) -> Result<Self, SimError> {
        Ok(Self {
            routing_key: card.number()?.routing_key(),
            expiry: card.expiry,
            pin: Pin::new(card.pin.expose().as_bytes())?,
            balance_minor: i64::try_from(card.balance_minor)
                .map_err(|_| SimError::World { what: "balance" })?,
            held_minor: 0,
        })
    }
    pub(super) fn routing_key(&self) -> u64 {
        self.routing_key
    }
    /// What can be spent.
    pub(super) fn available_minor(&self) -> u64 {
        u64::try_from(self.balance_minor - self.held_minor).unwrap_or(0)
    }
    /// Expiry and PIN of a request that the cardholder makes.
    pub(super) fn check_card(
        &self,
        request: &IssuerRequest,
        year_month: [u8; 4],
    ) -> Result<(), ResponseCode> {
        let other_expiry = request.expiry.is_some_and(|expiry| expiry != self.expiry);
        if other_expiry || self.expiry.is_before(year_month) {
            return Err(ResponseCode::EXPIRED_CARD);
        }
        match &request.pin {
            PinEntry::None => Ok(()),
            PinEntry::Clear(pin) if pin.matches(&self.pin) => Ok(()),
            PinEntry::Clear(_) => Err(ResponseCode::WRONG_PIN),
            PinEntry::Unreadable => Err(ResponseCode::PIN_FORMAT),
        }
    }
    /// Moves the money of a transaction; `held_minor` is the hold that it follows.
    pub(super) fn apply(
        &mut self,
        kind: TransactionKind,
        amount_minor: u64,
        held_minor: u64,
    ) -> Result<(), ResponseCode> {
        let freed = if kind.captures() { held_minor } else { 0 };
        let takes = kind.buys() || kind.captures() || kind.holds() || kind == TransactionKind::Tip;
        if takes && self.available_minor().saturating_add(freed) < amount_minor {
            return Err(ResponseCode::INSUFFICIENT_FUNDS);
        }
        self.shift(kind, amount_minor, held_minor, 1);
        Ok(())
    }
    /// Moves the money of what was approved without asking: there is nothing left to decide.
    pub(super) fn force(&mut self, kind: TransactionKind, amount_minor: u64, held_minor: u64) {
        self.shift(kind, amount_minor, held_minor, 1);
    }
    /// Moves it back.
    pub(super) fn undo(&mut self, kind: TransactionKind, amount_minor: u64, held_minor: u64) {
        self.shift(kind, amount_minor, held_minor, -1);
    }
    fn shift(&mut self, kind: TransactionKind, amount_minor: u64, held_minor: u64, sign: i64) {
        // DE 4 has twelve digits: both fit by far.
        let (amount, held) = (sign * amount_minor as i64, sign * held_minor as i64);
        match kind {
            TransactionKind::Sale
            | TransactionKind::OfflineSale
            | TransactionKind::CashAdvance
            | TransactionKind::CardRepayment
            | TransactionKind::TopUp
            | TransactionKind::Tip => self.balance_minor -= amount,
            TransactionKind::Void | TransactionKind::Refund | TransactionKind::CompletionVoid => {
                self.balance_minor += amount;
            }
            TransactionKind::PreAuth | TransactionKind::PreAuthAdvice => self.held_minor += amount,
            TransactionKind::PreAuthVoid => self.held_minor -= held,
            TransactionKind::Completion | TransactionKind::CompletionAdvice => {
                self.held_minor -= held;
                self.balance_minor -= amount;
            }
            TransactionKind::BalanceInquiry => {}
        }
    }
}
