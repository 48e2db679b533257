//! From a frame to what it means.

use super::{Asked, Task, Till};
use crate::check::Breach;
use crate::env::Env;
use crate::schedule::{millis, seconds};
use switchyard_domain::{ResponseCode, TransactionKind};
use switchyard_simulator::terminal::{
    Composer, Done, FinalState, Order, PendingReversal, Reply, ScriptRun, SessionKeys, Tamper, is_reversible,
};
use switchyard_wire::Scan;

/// Largest reply that a terminal takes.
const FRAME_BYTES_MAX: usize = 4_096;

impl Till {
    /// A frame arrives on its line.
    pub(crate) fn hear(&mut self, env: &mut Env, line: u64, bytes: &[u8]) {
        if self.line != Some(line) {
            return;
        }
        let Some(asked) = self.asked.take() else { return };
        let Scan::Frame { start, end, .. } = self.spec.speech.framing.scan(bytes, FRAME_BYTES_MAX) else {
            return;
        };
        match Reply::read(&bytes[start..end], &self.spec, self.keys.as_ref(), &asked.expected) {
            // An answer to something else: it goes on waiting.
            Ok(None) => self.asked = Some(asked),
            Ok(Some(reply)) => {
                let code = reply.code.map_or(0, |code| u64::from(u16::from_be_bytes(*code.as_bytes())));
                env.note("terminal hears", [self.index as u64, u64::from(asked.stan.get()), code]);
                self.needs_sign_on |= reply.must_sign_on;
                self.understand(env, asked, &reply);
                self.pause_or_hurry(env);
            }
            Err(_) => {
                env.note("terminal does not trust", [self.index as u64, u64::from(asked.stan.get()), 0]);
                if let Some(pending) = &mut self.state.pending {
                    pending.reason = "A0";
                }
                self.unanswered(asked);
                self.pause_or_hurry(env);
            }
        }
    }

    fn pause_or_hurry(&mut self, env: &mut Env) {
        if self.is_quiet() {
            self.pause(env);
        } else {
            let wait = env.random.between(millis(5), seconds(1));
            self.wake_in(env, wait);
        }
    }

    fn understand(&mut self, env: &mut Env, asked: Asked, reply: &Reply) {
        match asked.task {
            Task::SignOn => self.signed_on(env, reply),
            Task::SignOff => self.needs_sign_on = true,
            Task::Echo => {}
            Task::Order { .. } => self.decided(env, asked, reply),
            Task::Again { heard, .. } => {
                // A refusal without a record (sign on again, busy) says nothing about the transaction.
                let again = (reply.code, reply.rrn, reply.amount_minor);
                if reply.rrn.is_some() && again != heard {
                    let found = format!("first {heard:?}, then {again:?}");
                    env.hold(Err(Breach { rule: "a repeat hears the same", found }));
                }
            }
            Task::Reversal => self.reversed(env, reply),
            Task::Download => self.loaded(env, reply),
            Task::Script(run) => self.script_heard(env, run, reply),
            Task::Status => env.tally.statuses += u64::from(reply.is_approved()),
            Task::Totals => self.compared(env, reply),
            Task::Told => {
                if reply.verdicts.is_some_and(|(domestic, foreign)| domestic != b'0' && foreign != b'0') {
                    env.tally.told_batches += 1;
                    self.enter_next_batch(env);
                }
            }
            Task::Upload => {
                let Some(closing) = self.closing.as_mut().filter(|_| reply.is_approved()) else { return };
                if let Some(parts) = &mut closing.upload
                    && !parts.is_empty()
                {
                    closing.uploaded += parts.remove(0).len();
                }
            }
            Task::UploadEnd => {
                if reply.is_approved() {
                    self.enter_next_batch(env);
                } else if reply.code == Some(ResponseCode::UPLOAD_MISMATCH) {
                    env.hold(Err(Breach {
                        rule: "batches add up",
                        found: "an upload was not counted right".into(),
                    }));
                }
            }
        }
    }

    fn signed_on(&mut self, env: &mut Env, reply: &Reply) {
        if !reply.is_approved() {
            return;
        }
        let keys = reply.keys.as_deref().map(|block| SessionKeys::open(&self.spec, block));
        // A generic dialect names no batch.
        let batch = reply.batch.or_else(|| self.spec.speech.is_generic().then_some(self.state.batch));
        let (Some(Ok(keys)), Some(batch)) = (keys, batch) else {
            let found = format!("terminal {}", self.index);
            return env.hold(Err(Breach { rule: "working keys can be opened", found }));
        };
        self.requirement = reply.requirement;
        self.keys = Some(keys);
        self.needs_sign_on = false;
        if batch != self.state.batch {
            // An answer to the close was lost: the host has closed the batch all the same.
            self.closing = None;
            env.tally.batches += 1;
            self.state.enter_batch(batch);
        }
    }

    /// The answer to a transaction.
    fn decided(&mut self, env: &mut Env, asked: Asked, reply: &Reply) {
        let Task::Order { order, followed } = &asked.task else { return };
        let Some(code) = reply.code else { return };
        let is_shut_out = reply.rrn.is_none() && reply.must_sign_on && order.tamper == Tamper::None;
        self.shut_out = if is_shut_out { self.shut_out + 1 } else { 0 };
        // Anybody can say no without a MAC, and who is busy with one copy of a request may have taken another.
        let is_final = reply.has_mac && reply.rrn.is_some();
        if !is_final {
            let harmless = code == ResponseCode::MALFUNCTION || code == ResponseCode::DUPLICATE;
            if harmless && reply.has_mac {
                self.state.pending = None;
                return self.believe(&asked, order.amount_minor, FinalState::Declined, Some((code, None)));
            }
            return self.unanswered(asked);
        }
        let approved = code.is_approval();
        env.tally.approved += u64::from(approved);
        let state = if approved { FinalState::Approved } else { FinalState::Declined };
        self.check_chip(env, order, approved);
        let whole = order.amount_minor;
        let order = &Order { amount_minor: reply.approved_minor(whole), ..order.clone() };
        env.tally.parts += u64::from(order.amount_minor < whole);
        self.believe(&asked, order.amount_minor, state, Some((code, reply.rrn)));
        let pending = self.state.pending.take();
        let done = done(&asked, order, reply, state);
        self.owed.extend(ScriptRun::of(&done, reply).map(|run| (run, None)));
        self.remember(order, &done, *followed);
        if approved && asked.batch == self.state.batch {
            self.state.count(order, asked.stan);
        }
        if approved && is_reversible(order.kind) && env.fault(env.plan.till.regret) {
            env.tally.till_regrets += 1;
            let reason = if env.random.chance(500) { "96" } else { "06" };
            // Of a part a terminal may name either amount.
            let amount_minor = if env.random.chance(500) { whole } else { order.amount_minor };
            let taken_back = Order { amount_minor, ..order.clone() };
            let stands_minor = self.part_to_leave(env, order);
            self.state.pending =
                pending.map(|pending| PendingReversal { reason, order: taken_back, stands_minor, ..pending });
        }
        let heard = (reply.code, reply.rrn, reply.amount_minor);
        let plain = order.tamper == Tamper::None;
        self.last = plain.then_some((asked, heard));
    }

    /// Nobody but the card makes its cryptogram, and its issuer looks at it where it has to decide.
    fn check_chip(&self, env: &mut Env, order: &Order, approved: bool) {
        let decided_here = order.card.on_us && !order.kind.follows_another() && !order.kind.is_advice();
        let wrong = order.tamper == Tamper::Cryptogram && order.card.chip_key.is_some();
        if approved && wrong && decided_here && env.plan.looks_at_chips {
            let found = format!("a {:?} of terminal {} was approved", order.kind, self.index);
            env.hold(Err(Breach { rule: "a wrong cryptogram is refused", found }));
        }
    }

    /// 00, 12 and 25 end a reversal; after anything else it is repeated.
    fn reversed(&mut self, env: &mut Env, reply: &Reply) {
        let over = reply.code.is_some_and(|code| matches!(code.as_bytes(), b"00" | b"12" | b"25"));
        if !over || !reply.has_mac {
            return;
        }
        let Some(pending) = self.state.pending.take() else { return };
        if let Some(stands_minor) = pending.stands_minor {
            // Who refuses it keeps the whole.
            if reply.is_approved() {
                env.tally.parts_back += 1;
                self.leave(&pending, stands_minor);
            }
            return;
        }
        self.state.uncount(pending.stan);
        self.forget(pending.batch, pending.stan);
        self.last = None;
        if let Some(believed) = self.believed.get_mut(&(pending.batch, pending.stan)) {
            believed.state = FinalState::Reversed;
        }
    }

    /// Less was sold than was approved, now and then: the minor units that are to stand.
    fn part_to_leave(&self, env: &mut Env, order: &Order) -> Option<u64> {
        let is_divisible = matches!(
            order.kind,
            TransactionKind::Sale | TransactionKind::CashAdvance | TransactionKind::PreAuth
        );
        let may = self.spec.speech.is_generic() && is_divisible && order.amount_minor > 1;
        (may && env.random.chance(500)).then(|| env.random.between(1, order.amount_minor - 1))
    }

    /// A part was taken back: the journal, the batch and what may follow are about the rest.
    fn leave(&mut self, pending: &PendingReversal, stands_minor: u64) {
        if let Some(believed) = self.believed.get_mut(&(pending.batch, pending.stan)) {
            believed.minor = stands_minor;
        }
        if pending.batch == self.state.batch {
            self.state.count(&Order { amount_minor: stands_minor, ..pending.order.clone() }, pending.stan);
        }
        self.left_of(pending.batch, pending.stan, stands_minor);
    }

    /// The host's verdict on the totals.
    fn compared(&mut self, env: &mut Env, reply: &Reply) {
        let Some((domestic, foreign)) = reply.verdicts.filter(|(d, f)| *d != b'0' && *f != b'0') else {
            return;
        };
        if (domestic, foreign) == (b'1', b'1') {
            return self.enter_next_batch(env);
        }
        let Some(closing) = &mut self.closing else { return };
        if closing.upload.is_none() {
            let items = self.state.upload(domestic != b'1', foreign != b'1', closing.omitted);
            let most =
                Composer { terminal: &self.spec, batch: self.state.batch, keys: None, now: env.till_clock() }
                    .upload_items_max();
            closing.upload = Some(items.chunks(most).map(<[_]>::to_vec).collect());
        }
    }

    fn enter_next_batch(&mut self, env: &mut Env) {
        if self.closing.take().is_some() {
            env.tally.batches += 1;
            self.state.enter_batch(self.state.batch.next());
        }
    }
}

fn done(asked: &Asked, order: &Order, reply: &Reply, state: FinalState) -> Done {
    Done {
        kind: order.kind,
        batch: asked.batch,
        stan: asked.stan,
        amount_minor: order.amount_minor,
        code: reply.code,
        rrn: reply.rrn,
        auth: reply.auth.clone(),
        date: reply.date.clone(),
        balance_minor: reply.balance_minor,
        at: order.at,
        state,
    }
}
