//! What customers and cashiers want of a terminal.

use super::{Closing, Task, Till};
use crate::env::Env;
use crate::schedule::{millis, seconds};
use std::sync::Arc;
use switchyard_domain::{BatchNumber, Stan, TransactionKind};
use switchyard_simulator::journal::{EntryMode, OriginalRef};
use switchyard_simulator::random::Random;
use switchyard_simulator::terminal::{Done, FinalState, Order, Tamper};
use switchyard_simulator::world::{Concealed, DemoCard};

/// Originals that it remembers; the oldest go first.
const OPEN_MAX: usize = 40;
/// Refusals of a signed-on terminal's transactions after which it closes its batch: a generic dialect names none, so that
/// the terminal cannot be told otherwise that its batch takes nothing more.
const SHUT_OUT_MAX: u32 = 3;
/// A batch is closed with this many transactions at the latest.
const BATCH_MAX: usize = 60;

/// Something that can be followed.
#[derive(Debug, Clone)]
pub(super) struct Open {
    kind: TransactionKind,
    original: OriginalRef,
    card: Arc<DemoCard>,
    minor: u64,
    refunded: u64,
}

const FIRST: [TransactionKind; 11] = [
    TransactionKind::Sale,
    TransactionKind::Sale,
    TransactionKind::Sale,
    TransactionKind::PreAuth,
    TransactionKind::PreAuth,
    TransactionKind::BalanceInquiry,
    TransactionKind::OfflineSale,
    TransactionKind::OfflineSale,
    TransactionKind::CashAdvance,
    TransactionKind::CardRepayment,
    TransactionKind::TopUp,
];

/// What may follow a transaction.
fn followers(kind: TransactionKind) -> &'static [TransactionKind] {
    match kind {
        TransactionKind::Sale => &[TransactionKind::Void, TransactionKind::Refund, TransactionKind::Tip],
        TransactionKind::OfflineSale | TransactionKind::CashAdvance => {
            &[TransactionKind::Void, TransactionKind::Refund]
        }
        TransactionKind::CardRepayment | TransactionKind::TopUp => &[TransactionKind::Refund],
        TransactionKind::PreAuth | TransactionKind::PreAuthAdvice => &[
            TransactionKind::PreAuthVoid,
            TransactionKind::Completion,
            TransactionKind::Completion,
            TransactionKind::CompletionAdvice,
        ],
        TransactionKind::Completion | TransactionKind::CompletionAdvice => {
            &[TransactionKind::CompletionVoid, TransactionKind::Refund]
        }
        TransactionKind::Void
        | TransactionKind::Refund
        | TransactionKind::BalanceInquiry
        | TransactionKind::PreAuthVoid
        | TransactionKind::CompletionVoid
        | TransactionKind::Tip => &[],
    }
}

impl Till {
    /// The next thing to do: what is owed first, then whatever somebody wants.
    pub(super) fn proceed(&mut self, env: &mut Env) {
        if env.draining && self.is_quiet() && self.batch_is_empty() {
            return;
        }
        if self.needs_sign_on || self.keys.is_none() {
            return self.ask(env, Task::SignOn, None);
        }
        if self.state.pending.is_some() {
            env.tally.reversals += 1;
            return self.ask(env, Task::Reversal, None);
        }
        if self.closing.is_none() && self.spec.speech.is_generic() && self.shut_out >= SHUT_OUT_MAX {
            // Totals that were long on their way have shut the batch: the true ones close it.
            self.shut_out = 0;
            env.tally.shut_batches += 1;
            return self.close_batch(env);
        }
        if self.closing.is_none()
            && let Some(asked) = self.insists.take()
        {
            return self.ask(env, asked.task.clone(), Some(asked));
        }
        if self.closing.is_none()
            && let Some((run, _)) = self.owed.front().cloned()
        {
            return self.ask(env, Task::Script(run), None);
        }
        if self.closing.is_some() {
            return self.go_on_closing(env);
        }
        if env.draining {
            return self.close_batch(env);
        }
        if self.loading.is_some() {
            return self.ask(env, Task::Download, None);
        }
        self.serve(env);
    }

    /// Pauses before the next customer.
    pub(super) fn pause(&mut self, env: &mut Env) {
        let longest = if env.draining { seconds(2) } else { env.plan.pause_max };
        let wait = env.random.between(millis(10), longest);
        self.wake_in(env, wait);
    }

    pub(super) fn batch_is_empty(&self) -> bool {
        let totals = self.state.totals(None);
        let sides =
            [totals.domestic.debit, totals.domestic.credit, totals.foreign.debit, totals.foreign.credit];
        sides.iter().all(|side| side.count == 0)
    }

    fn batch_count(&self) -> usize {
        let totals = self.state.totals(None);
        [totals.domestic, totals.foreign]
            .iter()
            .map(|sums| (sums.debit.count + sums.credit.count) as usize)
            .sum()
    }

    fn serve(&mut self, env: &mut Env) {
        if env.fault(env.plan.till.power_loss) {
            env.tally.till_power_losses += 1;
            if let Some(line) = self.line.take() {
                env.disconnect(line);
            }
            self.keys = None;
            self.loading = None;
            return self.pause(env);
        }
        if self.last.is_some() && env.fault(env.plan.till.repeat) {
            return self.repeat(env);
        }
        match env.random.below(100) {
            0 => self.ask(env, Task::Echo, None),
            1 => self.ask(env, Task::SignOff, None),
            2 => self.ask(env, Task::SignOn, None),
            6 if !self.spec.speech.is_generic() => self.ask(env, Task::Status, None),
            7..=9 if self.has_to_load() => {
                self.begin_loading();
                self.ask(env, Task::Download, None);
            }
            3..=5 => self.close_batch(env),
            _ if self.batch_count() >= BATCH_MAX => self.close_batch(env),
            draw => {
                let follows = draw < 48 && !self.open.is_empty();
                let (order, followed) = if follows { self.follow(env) } else { (self.first(env), None) };
                env.tally.transactions += 1;
                self.ask(env, Task::Order { order, followed }, None);
            }
        }
    }

    fn repeat(&mut self, env: &mut Env) {
        let Some((asked, heard)) = self.last.take() else { return };
        let Task::Order { order, .. } = &asked.task else { return };
        env.tally.till_repeats += 1;
        let task = Task::Again { order: order.clone(), heard };
        self.ask(env, task, Some(asked));
    }

    fn close_batch(&mut self, env: &mut Env) {
        let forgets = env.fault(env.plan.till.miscount);
        let omitted = if forgets { self.state.any_debit() } else { None };
        if let Some(stan) = omitted {
            env.tally.till_miscounts += 1;
            self.miscounted.insert((self.state.batch, stan));
        }
        let tells = self.spec.speech.is_generic() && env.fault(env.plan.till.tells);
        if tells && omitted.is_some() {
            // Nothing is uploaded: the host cannot know which one it is.
            let batch = self.state.batch;
            let all = self.state.upload(true, true, None);
            self.miscounted.extend(all.iter().map(|item| (batch, item.stan)));
        }
        self.closing = Some(Closing {
            totals: self.state.totals(omitted),
            tells,
            omitted,
            totals_stan: None,
            upload: None,
            uploaded: 0,
        });
        self.go_on_closing(env);
    }

    fn go_on_closing(&mut self, env: &mut Env) {
        let Some(closing) = &self.closing else { return };
        let task = match &closing.upload {
            None if closing.tells => Task::Told,
            None => Task::Totals,
            Some(parts) if parts.is_empty() => Task::UploadEnd,
            Some(_) => Task::Upload,
        };
        self.ask(env, task, None);
    }

    /// A customer who buys, reserves or asks.
    fn first(&self, env: &mut Env) -> Order {
        let kind = FIRST[env.random.below(FIRST.len() as u64) as usize];
        let card = Arc::clone(&self.cards[env.random.below(self.cards.len() as u64) as usize]);
        let offline = kind == TransactionKind::OfflineSale;
        env.tally.offline_sales += u64::from(offline);
        let minor = match env.random.below(20) {
            0 => env.random.between(1, 3),
            1 => env.random.between(4_900_000, 5_100_000),
            _ => env.random.between(100, 50_000),
        };
        let inquiry = kind == TransactionKind::BalanceInquiry;
        let mut order = Order {
            kind,
            amount_minor: if inquiry { 0 } else { minor },
            entry: entry(&mut env.random),
            pin: (inquiry || !offline && env.random.chance(600)).then(|| card.pin.clone()),
            card,
            original: None,
            tamper: Tamper::None,
            at: env.till_clock(),
        };
        self.spoil(env, &mut order);
        order
    }

    fn spoil(&self, env: &mut Env, order: &mut Order) {
        if order.pin.is_some() && env.fault(env.plan.till.wrong_pin) {
            env.tally.till_wrong_pins += 1;
            order.pin = Some(Concealed::new("000001"));
        }
        if self.spec.speech.carries_mac && env.fault(env.plan.till.bad_mac) {
            env.tally.till_bad_macs += 1;
            order.tamper = Tamper::Mac;
        } else if matches!(order.entry, EntryMode::Contact | EntryMode::Contactless)
            && env.fault(self.bad_chip_chance(env, order))
        {
            env.tally.till_bad_chips += 1;
            order.tamper = Tamper::Cryptogram;
        }
    }

    /// Few cards are on us, and their cryptograms alone are looked at here: they are wrong more often than others'.
    fn bad_chip_chance(&self, env: &Env, order: &Order) -> u16 {
        let usual = env.plan.till.bad_chip;
        let is_looked_at = env.plan.looks_at_chips && order.card.on_us && order.card.chip_key.is_some();
        if is_looked_at { usual.max(30) * 4 } else { usual }
    }

    /// Something that follows what was approved before, now and then for more than there is.
    fn follow(&mut self, env: &mut Env) -> (Order, Option<usize>) {
        let at = env.random.below(self.open.len() as u64) as usize;
        let open = self.open[at].clone();
        let kinds = followers(open.kind);
        let kind = kinds[env.random.below(kinds.len() as u64) as usize];
        // The generic dialects of terminals have no tips.
        let is_tip = kind == TransactionKind::Tip;
        let kind = if is_tip && self.spec.speech.is_generic() { TransactionKind::Refund } else { kind };
        let left = open.minor - open.refunded;
        let greedy = env.fault(env.plan.till.greedy);
        env.tally.till_greedy += u64::from(greedy);
        let extra = if greedy { env.random.between(1, open.minor) } else { 0 };
        let minor = match kind {
            TransactionKind::Refund => env.random.between(1, left.max(1)) + extra,
            TransactionKind::Tip => env.random.between(1, (open.minor * 20 / 100).max(1)) + extra,
            TransactionKind::Completion | TransactionKind::CompletionAdvice => {
                env.random.between(1, (open.minor * 115 / 100).max(1)) + extra
            }
            _ => open.minor + extra,
        };
        let order = Order {
            kind,
            amount_minor: minor,
            entry: if kind == TransactionKind::Completion {
                EntryMode::Manual
            } else {
                entry(&mut env.random)
            },
            pin: None,
            card: Arc::clone(&open.card),
            original: Some(open.original),
            tamper: Tamper::None,
            at: env.till_clock(),
        };
        (order, Some(at))
    }

    /// Keeps what can be followed, and forgets what is used up. A place that moved meanwhile is only worse luck.
    pub(super) fn remember(&mut self, order: &Order, done: &Done, followed: Option<usize>) {
        if let (Some(at), FinalState::Approved) = (followed, done.state)
            && at < self.open.len()
            && Some(&self.open[at].original) == order.original.as_ref()
        {
            let open = &mut self.open[at];
            if order.kind == TransactionKind::Refund {
                open.refunded = (open.refunded + order.amount_minor).min(open.minor);
            } else if order.kind != TransactionKind::Tip && !self.keeps_the_used() {
                self.open.remove(at);
            }
        }
        let Some(original) = done.as_original() else { return };
        if followers(order.kind).is_empty() {
            return;
        }
        if self.open.len() >= OPEN_MAX {
            self.open.remove(0);
        }
        let (card, minor) = (Arc::clone(&order.card), order.amount_minor);
        self.open.push(Open { kind: order.kind, original, card, minor, refunded: 0 });
    }

    /// Every third terminal forgets nothing, and asks again for what it had: the switch has to say no.
    fn keeps_the_used(&self) -> bool {
        self.index % 3 == 2
    }

    /// Of what was approved a part was taken back: the rest can be followed.
    pub(super) fn left_of(&mut self, batch: BatchNumber, stan: Stan, minor: u64) {
        let place = (batch, stan);
        let same = |open: &&mut Open| (open.original.batch, open.original.stan) == place;
        self.open.iter_mut().filter(same).for_each(|open| open.minor = minor);
    }

    /// What was approved is taken back and cannot be followed any more.
    pub(super) fn forget(&mut self, batch: BatchNumber, stan: Stan) {
        if !self.keeps_the_used() {
            self.open.retain(|open| (open.original.batch, open.original.stan) != (batch, stan));
        }
    }
}

fn entry(random: &mut Random) -> EntryMode {
    [EntryMode::Stripe, EntryMode::Contact, EntryMode::Contactless, EntryMode::Manual]
        [random.below(4) as usize]
}
