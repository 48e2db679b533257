//! One terminal of a fleet and the people in front of it.

use super::config::FleetConfig;
use super::deck::Deck;
use super::originals::{Open, Originals};
use super::report::{FleetFault, FleetOutcome, Part};
use super::scenario::Scenario;
use crate::clock;
use crate::error::SimError;
use crate::journal::EntryMode;
use crate::random::Random;
use crate::terminal::{CloseMode, Done, FinalState, Order, Tamper, Terminal};
use crate::world::{Concealed, DemoCard};
use std::sync::Arc;
use std::time::Duration;
use switchyard_domain::{BatchVerdict, ResponseCode, TransactionKind};
use tokio::time::{Instant, sleep};

/// Amounts of a sale, minor units.
const AMOUNT_MINOR: (u64, u64) = (100, 50_000);
/// Without a PIN a card is held near for at most this much.
const CONTACTLESS_MINOR_MAX: u64 = 30_000;
/// Consecutive failures after which a terminal gives up.
const FAILURES_MAX: u32 = 5;
/// Pause before a sign-on is tried again; it grows with every failure.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Worker {
    pub(super) index: usize,
    pub(super) terminal: Terminal,
    pub(super) config: Arc<FleetConfig>,
    pub(super) deck: Arc<Deck>,
    pub(super) random: Random,
    pub(super) originals: Originals,
    pub(super) part: Part,
    /// Scenarios that this terminal has to play, whatever the draw says.
    pub(super) forced: Vec<Scenario>,
}

impl Worker {
    /// Signs on, recovers, does its share, closes, signs off.
    pub(super) async fn run(mut self, share: u64, deadline: Option<Instant>) -> (Part, Terminal) {
        if let Err(error) = self.shift(share, deadline).await {
            self.fault("shift", None, "goes on", &error.to_string());
        }
        for done in self.terminal.abandon() {
            self.record(&done, Scenario::Normal, false);
        }
        self.part.messages = self.terminal.counts().sent;
        (self.part, self.terminal)
    }

    async fn shift(&mut self, share: u64, deadline: Option<Instant>) -> Result<(), SimError> {
        self.recover().await?;
        let mut failures = 0;
        for _ in 0..share {
            if deadline.is_some_and(|at| Instant::now() >= at) {
                break;
            }
            if self.terminal.is_batch_full() {
                self.close(CloseMode::True).await?;
            }
            match self.next_order().await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    self.fault("order", None, "an answer", &error.to_string());
                    if failures >= FAILURES_MAX {
                        return Err(error);
                    }
                }
            }
            for done in self.terminal.take_ended() {
                self.record(&done, Scenario::Normal, false);
            }
            if let Some(pace) = self.config.pace {
                sleep(pace).await;
            }
        }
        if self.config.close_at_end { self.end().await } else { Ok(()) }
    }

    /// Signs on and ends what a journal left open; a switch that has just started gets some time.
    async fn recover(&mut self) -> Result<(), SimError> {
        let mut failures = 0;
        loop {
            match self.terminal.recover().await {
                Ok(recovered) => {
                    for done in recovered.ended {
                        self.part.recovered += 1;
                        self.record(&done, Scenario::Normal, false);
                    }
                    self.part.batches.extend(recovered.closed);
                    return Ok(());
                }
                // To connect has its own patience, which is spent then.
                Err(error @ SimError::Io { .. }) => return Err(error),
                Err(error) if failures >= FAILURES_MAX => return Err(error),
                Err(_) => {
                    failures += 1;
                    sleep(RETRY_PAUSE * failures).await;
                }
            }
        }
    }

    async fn end(&mut self) -> Result<(), SimError> {
        let lies = self.index < self.config.unbalanced;
        self.close(if lies { CloseMode::OmitOneSale } else { CloseMode::True }).await?;
        self.terminal.sign_off().await?;
        if self.config.mischief.each_once && self.index < 2 && self.terminal.spec().speech.carries_mac {
            let order = self.sale(Scenario::SignedOff);
            self.carry_out(order, Scenario::SignedOff, None).await?;
        }
        Ok(())
    }

    async fn close(&mut self, mode: CloseMode) -> Result<(), SimError> {
        let report = self.terminal.close_batch(mode).await?;
        let expected = if report.cases == 0 { BatchVerdict::Balanced } else { BatchVerdict::Unbalanced };
        if report.verdict != expected {
            self.fault("close", None, &expected.to_string(), &report.verdict.to_string());
        }
        self.part.batches.push(report);
        Ok(())
    }

    async fn next_order(&mut self) -> Result<(), SimError> {
        let scenario =
            self.forced.pop().unwrap_or_else(|| Scenario::draw(&mut self.random, &self.config.mischief));
        // Without a MAC there is none to be wrong.
        let carries_mac = self.terminal.spec().speech.carries_mac;
        let scenario = if scenario == Scenario::BadMac && !carries_mac { Scenario::Normal } else { scenario };
        if scenario != Scenario::Normal {
            let order = self.sale(scenario);
            return self.carry_out(order, scenario, None).await;
        }
        let Some(kind) = self.draw_kind() else {
            self.part.echoes += 1;
            return self.terminal.echo_test().await;
        };
        // UnionPay's dialect of terminals has no hold that is told.
        let has_none = kind == TransactionKind::PreAuthAdvice && !self.terminal.spec().speech.is_generic();
        let kind = if has_none { TransactionKind::PreAuth } else { kind };
        let batch = self.terminal.batch();
        match self.originals.take(kind, batch, &mut self.random) {
            Some(open) => {
                let order = self.follow_up(kind, &open);
                self.carry_out(order, scenario, Some(open)).await
            }
            None => {
                // What has nothing to follow becomes a sale.
                let kind = if kind.follows_another() { TransactionKind::Sale } else { kind };
                let order = self.fresh(kind);
                self.carry_out(order, scenario, None).await
            }
        }
    }

    async fn carry_out(
        &mut self,
        order: Order,
        scenario: Scenario,
        followed: Option<Open>,
    ) -> Result<(), SimError> {
        let done = self.terminal.transact(&order).await?;
        let is_linked = !order.card.on_us;
        if let Some(code) = done.code
            && !scenario.accepts(code, is_linked, &self.terminal.spec().speech)
        {
            self.fault(
                &name(scenario, order.kind),
                Some(&done),
                &scenario.expected().join(" or "),
                code.as_str(),
            );
        }
        if scenario == Scenario::LostReply && done.state != FinalState::Reversed {
            self.fault(&name(scenario, order.kind), Some(&done), "reversed", &format!("{:?}", done.state));
        }
        let is_unrecorded = done.code.is_some_and(is_stateless) || order.tamper == Tamper::Truncate;
        self.record(&done, scenario, is_unrecorded);
        let is_kept = done.code.is_some_and(|code| !is_stateless(code) && !is_busy(code));
        if scenario == Scenario::Repeat && is_kept {
            match self.terminal.repeat_last(&order, &done).await {
                Ok(()) => self.part.repeats += 1,
                Err(error) => self.fault("repeat", Some(&done), "the same reply", &error.to_string()),
            }
        }
        self.originals.ended(&order, &done, followed);
        Ok(())
    }

    fn record(&mut self, done: &Done, scenario: Scenario, unrecorded: bool) {
        self.part.outcomes.push(FleetOutcome {
            tid: self.terminal.spec().tid,
            batch: done.batch,
            stan: done.stan,
            kind: done.kind,
            amount_minor: done.amount_minor,
            code: done.code,
            rrn: done.rrn,
            state: done.state,
            scenario,
            unrecorded,
        });
    }

    fn fault(&mut self, scenario: &str, done: Option<&Done>, expected: &str, got: &str) {
        self.part.fault(FleetFault {
            tid: self.terminal.spec().tid,
            scenario: scenario.to_owned(),
            stan: done.map(|done| done.stan),
            expected: expected.to_owned(),
            got: got.to_owned(),
        });
    }

    /// Nothing is an echo test.
    fn draw_kind(&mut self) -> Option<TransactionKind> {
        let mix = self.config.mix;
        let weights = [
            (Some(TransactionKind::Sale), mix.sale),
            (Some(TransactionKind::BalanceInquiry), mix.inquiry),
            (Some(TransactionKind::Void), mix.void),
            (Some(TransactionKind::Refund), mix.refund),
            (Some(TransactionKind::PreAuth), mix.pre_auth),
            (Some(TransactionKind::PreAuthVoid), mix.pre_auth_void),
            (Some(TransactionKind::Completion), mix.completion),
            (Some(TransactionKind::CompletionVoid), mix.completion_void),
            (Some(TransactionKind::CashAdvance), mix.cash_advance),
            (Some(TransactionKind::OfflineSale), mix.offline),
            (Some(TransactionKind::CompletionAdvice), mix.completion_advice),
            (Some(TransactionKind::Tip), mix.tip),
            (Some(TransactionKind::CardRepayment), mix.card_repayment),
            (Some(TransactionKind::TopUp), mix.top_up),
            (Some(TransactionKind::PreAuthAdvice), mix.pre_auth_advice),
            (None, mix.echo),
        ];
        let total: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut left = self.random.below(total.max(1));
        for (kind, weight) in weights {
            if left < u64::from(weight) {
                return kind;
            }
            left -= u64::from(weight);
        }
        Some(TransactionKind::Sale)
    }

    /// A sale that goes wrong as `scenario` wants.
    fn sale(&mut self, scenario: Scenario) -> Order {
        let mut order = self.fresh(TransactionKind::Sale);
        let special = match scenario {
            Scenario::PoorCard => self.deck.poor.clone(),
            Scenario::ExpiredCard => self.deck.expired.clone(),
            Scenario::WrongPin => self.deck.mistyped.clone(),
            Scenario::UnknownCard => Some(Arc::clone(&self.deck.unknown)),
            Scenario::UnknownIssuer => Some(Arc::clone(&self.deck.unrouted)),
            Scenario::Normal
            | Scenario::BadMac
            | Scenario::UnknownTerminal
            | Scenario::Truncated
            | Scenario::LostReply
            | Scenario::Repeat
            | Scenario::SignedOff => None,
        };
        if let Some(card) = special {
            order.entry = EntryMode::Stripe;
            order.pin = Some(card.pin.clone());
            order.card = card;
            // More than the poor card has.
            order.amount_minor = order.amount_minor.max(2_000);
        }
        if scenario == Scenario::WrongPin {
            order.entry = EntryMode::Stripe;
            order.pin = Some(Concealed::new(mistype(&order.card)));
        }
        order.tamper = match scenario {
            Scenario::BadMac => Tamper::Mac,
            Scenario::UnknownTerminal => Tamper::TerminalId,
            Scenario::Truncated => Tamper::Truncate,
            Scenario::LostReply => Tamper::HangUp,
            Scenario::SignedOff => Tamper::SignedOff,
            _ => Tamper::None,
        };
        order
    }

    fn fresh(&mut self, kind: TransactionKind) -> Order {
        let card =
            self.random.pick(&self.deck.good).map_or_else(|| Arc::clone(&self.deck.unknown), Arc::clone);
        let amount_minor = match kind {
            TransactionKind::BalanceInquiry => 0,
            _ => self.random.between(AMOUNT_MINOR.0, AMOUNT_MINOR.1),
        };
        let entry = match self.random.below(10) {
            0..4 => EntryMode::Stripe,
            4..7 => EntryMode::Contact,
            7..9 if kind == TransactionKind::Sale && amount_minor <= CONTACTLESS_MINOR_MAX => {
                EntryMode::Contactless
            }
            7..9 => EntryMode::Contact,
            _ if kind == TransactionKind::Sale => EntryMode::Manual,
            _ => EntryMode::Stripe,
        };
        let pin = match entry {
            // What the terminal has approved by itself is told without one.
            EntryMode::Stripe | EntryMode::Contact if !kind.is_advice() => Some(card.pin.clone()),
            EntryMode::Stripe | EntryMode::Contact | EntryMode::Contactless | EntryMode::Manual => None,
        };
        Order { kind, amount_minor, card, entry, pin, original: None, tamper: Tamper::None, at: clock::now() }
    }

    fn follow_up(&mut self, kind: TransactionKind, open: &Open) -> Order {
        let left = open.amount_minor - open.refunded_minor;
        let amount_minor = match kind {
            TransactionKind::Refund => self.random.between(1, left),
            // 115 % rounds down: more would be refused.
            TransactionKind::Tip => self.random.between(1, (open.amount_minor / 5).max(1)),
            TransactionKind::Completion | TransactionKind::CompletionAdvice => {
                self.random.between(open.amount_minor / 2 + 1, open.amount_minor * 115 / 100)
            }
            _ => open.amount_minor,
        };
        Order {
            kind,
            amount_minor,
            card: Arc::clone(&open.card),
            entry: EntryMode::Manual,
            pin: None,
            original: Some(open.original.clone()),
            tamper: Tamper::None,
            at: clock::now(),
        }
    }
}

/// Codes with which a switch refuses without keeping a record.
fn is_stateless(code: ResponseCode) -> bool {
    matches!(code.as_bytes(), b"A0" | b"30" | b"97" | b"58" | b"77")
}

/// Load that was shed is not remembered: the repeat is a new request.
fn is_busy(code: ResponseCode) -> bool {
    matches!(code.as_bytes(), b"96" | b"90")
}

/// Another PIN of the same length.
fn mistype(card: &DemoCard) -> String {
    card.pin.expose().chars().map(|c| if c == '9' { '0' } else { char::from(c as u8 + 1) }).collect()
}

fn name(scenario: Scenario, kind: TransactionKind) -> String {
    format!("{scenario:?} {kind:?}")
}
