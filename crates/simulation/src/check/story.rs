//! The plainest account of what the records on the disk say, kept apart from the core's own.

use super::given::Given;
use super::{Breach, Checked, ensure};
use crate::plan::StandInLimits;
use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::{
    AccountId, AccountKind, AdviceReason, Amount, BatchCase, BatchNumber, BatchSide, Entry, HoldId,
    LinkIndex, LinkOrder, Movement, Outcome, Phase, Record, ReplyFacts, RequestKey, ResponseCode,
    ReversalEffect, Rrn, SafEntry, SafId, SafKind, ScriptReport, Stamped, Stan, TerminalIndex, TerminalOrder,
    Timestamp, TransactionId, TransactionKind, TransactionOpened, UpstreamRef,
};

/// A completion may be this many percent of its hold.
const COMPLETION_PERCENT_MAX: u64 = 115;
/// A tip may be this many percent of its sale.
const TIP_PERCENT_MAX: u64 = 20;

/// A transaction as the records tell it.
#[derive(Debug, Clone)]
pub(crate) struct Tale {
    pub(crate) opened: TransactionOpened,
    pub(crate) outcome: Outcome,
    pub(crate) reply: Option<ReplyFacts>,
    /// A reversal was refused with 25 although it stands: an operator's case.
    pub(crate) refused: bool,
    /// Minor units that follow-ups took, and those on their way.
    followed: u64,
    /// A void or completion took it, or is on its way.
    ended: bool,
    /// A tip came on top of it.
    /// Minor units of its tip, 0 without one.
    tip_minor: u64,
    /// Minor units that the terminal asked for, where the issuer approved a part of them.
    pub(crate) asked: u64,
    /// Approved without asking the issuer, who is told of it.
    pub(crate) advised: Option<AdviceReason>,
}

/// Everything that the records told so far.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) transactions: BTreeMap<TransactionId, Tale>,
    pub(crate) by_key: BTreeMap<RequestKey, TransactionId>,
    /// Answers that were recorded, by reference.
    replies: BTreeMap<Rrn, ReplyFacts>,
    pub(crate) references: BTreeSet<Rrn>,
    saf: BTreeMap<SafId, SafEntry>,
    saf_ever: BTreeSet<SafId>,
    pub(crate) dead_letters: u64,
    pub(crate) unresolved: usize,
    wanted: BTreeSet<TransactionId>,
    /// Net credit in minor units.
    balances: BTreeMap<AccountId, i128>,
    holds: BTreeMap<HoldId, (AccountId, u64)>,
    held: BTreeMap<AccountId, u64>,
    /// Differences found at the end of an upload.
    pub(crate) cases: BTreeSet<(TerminalIndex, BatchNumber, Stan)>,
    /// Batches of which something was uploaded.
    pub(crate) uploaded: BTreeSet<(TerminalIndex, BatchNumber)>,
    pub(crate) last_at: Timestamp,
    pub(crate) batches_closed: u64,
    pub(crate) days: u64,
    /// What a card may spend on a business day, as it was ordered.
    pub(crate) card_day_minor: Option<u64>,
    /// Terminals that operators have disabled, and links that take no new transactions.
    disabled: BTreeSet<TerminalIndex>,
    closed: BTreeSet<LinkIndex>,
    pub(crate) over_limit: u64,
    /// What may be approved while an issuer is away, as it was ordered.
    pub(crate) stand_in: Option<StandInLimits>,
    pub(crate) stood_in: u64,
    pub(crate) rerouted: u64,
    /// What chips made of scripts, as their issuers are told.
    pub(crate) scripts: BTreeMap<TransactionId, Vec<u8>>,
    pub(super) given: Given,
    /// What each terminal said about itself last.
    pub(crate) reported: BTreeMap<TerminalIndex, Vec<u8>>,
}

impl Story {
    /// Takes the next record.
    pub(crate) fn take(&mut self, stamped: &Stamped) -> Checked {
        ensure(stamped.at >= self.last_at, "time goes forward", || {
            format!("record at {} after {}", stamped.at.0, self.last_at.0)
        })?;
        self.last_at = stamped.at;
        if let Some(entry) = stamped.record.entry() {
            self.post(entry)?;
        }
        self.given.take(&stamped.record);
        self.tell(&stamped.record)
    }

    fn tell(&mut self, record: &Record) -> Checked {
        match record {
            Record::Opened(opened) => self.open(opened, Outcome::Pending, None, None),
            Record::Decided { opened, outcome, reply, movement, .. } => {
                ensure(opened.rrn == reply.rrn, "one reference", || format!("{} {}", opened.rrn, reply.rrn))?;
                self.open(opened, *outcome, Some(*reply), None)?;
                self.moved(opened, *outcome, movement.as_ref())
            }
            Record::Advised { opened, why, reply, movement, saf, .. } => {
                ensure(opened.rrn == reply.rrn, "one reference", || format!("{} {}", opened.rrn, reply.rrn))?;
                self.open(opened, Outcome::Approved, Some(*reply), Some(*why))?;
                self.queue(Some(saf))?;
                self.moved(opened, Outcome::Approved, movement.as_ref())
            }
            Record::PartlyApproved { transaction, amount } => self.take_part(*transaction, *amount),
            Record::Rerouted { transaction, upstream } => self.reroute(*transaction, *upstream),
            Record::Resolved { transaction, outcome, reply, movement, saf, .. } => {
                self.resolve(*transaction, *outcome, *reply, movement.as_ref(), saf.as_ref())
            }
            Record::ReversalTaken { original, effect, reply, movement, saf, entry, .. } => {
                self.reference(reply.rrn, reply)?;
                let moves = movement.is_some() || !entry.is_empty() || saf.is_some();
                self.reverse(*original, *effect, moves)?;
                self.queue(saf.as_ref())
            }
            Record::PartReversed { original, stands, reply, movements, saf, .. } => {
                self.reference(reply.rrn, reply)?;
                self.give_back_part(*original, *stands, movements.as_ref())?;
                self.queue(saf.as_ref())
            }
            Record::ReversalQueued { saf } => self.queue(Some(saf)),
            Record::ScriptQueued { saf, report } => self.tell_script(saf, report),
            Record::SafDelivered { id, .. } => self.delivered(*id),
            Record::SafDeadLettered { id, .. } => {
                self.dead_letters += 1;
                self.unqueue(*id).map(drop)
            }
            Record::LateAnswer { transaction, cancels: Some(id), .. } => {
                self.unqueue(*id)?;
                self.end_unknown(*transaction, Outcome::Declined)
            }
            Record::BatchReconciled { verdict, reply, .. } => {
                self.batches_closed += u64::from(*verdict == switchyard_domain::BatchVerdict::Balanced);
                self.reference(reply.rrn, reply)
            }
            Record::BatchUploadEnded { terminal, batch, cases, reply, .. } => {
                self.batches_closed += 1;
                self.compared(*terminal, *batch, cases);
                self.reference(reply.rrn, reply)
            }
            Record::BatchCompared { terminal, batch, cases } => {
                self.compared(*terminal, *batch, cases);
                Ok(())
            }
            Record::SignedOn { reply, .. }
            | Record::SignedOff { reply, .. }
            | Record::ScriptReported { reply, .. } => self.reference(reply.rrn, reply),
            Record::DayCut { .. }
            | Record::TerminalOrdered { .. }
            | Record::LinkOrdered { .. }
            | Record::BatchUploaded { .. }
            | Record::TerminalReported { .. } => {
                self.ordered(record);
                Ok(())
            }
            Record::HoldExpired { transaction, .. } => self.hold_expired(*transaction),
            _ => Ok(()),
        }
    }

    /// Nobody completed a pre-authorization in time.
    fn hold_expired(&mut self, id: TransactionId) -> Checked {
        let whole = !std::mem::replace(&mut self.tale(id)?.ended, true);
        ensure(whole, "a hold is used once", || format!("hold of {id} expired after its end"))
    }

    fn compared(&mut self, terminal: TerminalIndex, batch: BatchNumber, cases: &[BatchCase]) {
        self.cases.extend(cases.iter().map(|case| (terminal, batch, case.stan)));
    }

    /// What an operator wants from here on, and what a terminal says of itself and its batch.
    fn ordered(&mut self, record: &Record) {
        match record {
            Record::BatchUploaded { terminal, batch, .. } => {
                self.uploaded.insert((*terminal, *batch));
            }
            Record::DayCut { .. } => self.days += 1,
            Record::TerminalReported { terminal, status } => {
                self.reported.insert(*terminal, status.clone());
            }
            Record::TerminalOrdered { terminal, order: TerminalOrder::Disable, .. } => {
                self.disabled.insert(*terminal);
            }
            Record::TerminalOrdered { terminal, order: TerminalOrder::Enable, .. } => {
                self.disabled.remove(terminal);
            }
            Record::LinkOrdered { link, order: LinkOrder::Down | LinkOrder::Drain, .. } => {
                self.closed.insert(*link);
            }
            Record::LinkOrdered { link, order: LinkOrder::Up, .. } => {
                self.closed.remove(link);
            }
            _ => {}
        }
    }

    /// Whether an answer that leaves is one that was recorded.
    pub(crate) fn knows_reply(&self, facts: &ReplyFacts) -> bool {
        let same = |known: &ReplyFacts| known.code == facts.code && known.auth_code == facts.auth_code;
        self.replies.get(&facts.rrn).is_some_and(same)
    }
    /// Whether an entry was ever queued.
    pub(crate) fn knew_saf(&self, id: SafId) -> bool {
        self.saf_ever.contains(&id)
    }
    pub(crate) fn saf_waiting(&self) -> usize {
        self.saf.len()
    }
    /// Accounts with their net credit, those at zero left out.
    pub(crate) fn balances(&self) -> impl Iterator<Item = (AccountId, i128)> + '_ {
        self.balances.iter().filter(|(_, minor)| **minor != 0).map(|(account, minor)| (*account, *minor))
    }
    pub(crate) fn holds(&self) -> usize {
        self.holds.len()
    }

    fn tale(&mut self, id: TransactionId) -> Result<&mut Tale, Breach> {
        let missing = || Breach { rule: "records follow", found: format!("{id} was never opened") };
        self.transactions.get_mut(&id).ok_or_else(missing)
    }

    fn reference(&mut self, rrn: Rrn, reply: &ReplyFacts) -> Checked {
        ensure(self.references.insert(rrn), "a reference is given once", || format!("{rrn} again"))?;
        self.replies.insert(rrn, *reply);
        Ok(())
    }

    fn open(
        &mut self,
        opened: &TransactionOpened,
        outcome: Outcome,
        reply: Option<ReplyFacts>,
        advised: Option<AdviceReason>,
    ) -> Checked {
        let id = opened.id;
        ensure(id.0 == self.transactions.len() as u64, "records follow", || format!("{id} is not next"))?;
        ensure(self.references.insert(opened.rrn), "a reference is given once", || opened.rrn.to_string())?;
        let first = self.by_key.insert(opened.key, id).is_none();
        ensure(first, "one request, one effect", || format!("{id} is a second transaction under its key"))?;
        if let Some(reply) = reply {
            self.replies.insert(reply.rrn, reply);
        }
        self.obeyed(opened, advised.is_some())?;
        if advised == Some(AdviceReason::IssuerAway) {
            self.stood_in += 1;
            self.within_stand_in(opened)?;
        }
        if outcome != Outcome::Declined {
            self.within_limit(opened)?;
            self.claim(opened)?;
        } else {
            let limit = reply.is_some_and(|reply| reply.code == ResponseCode::AMOUNT_LIMIT);
            self.over_limit += u64::from(limit && opened.kind.is_limited());
        }
        self.unresolved += usize::from(outcome == Outcome::Pending);
        let tale = Tale {
            opened: opened.clone(),
            outcome,
            reply,
            refused: false,
            followed: 0,
            ended: false,
            tip_minor: 0,
            asked: opened.amount.minor,
            advised,
        };
        self.transactions.insert(id, tale);
        Ok(())
    }

    /// Nothing new comes from a disabled terminal or goes over a link that takes nothing new.
    fn obeyed(&self, opened: &TransactionOpened, advised: bool) -> Checked {
        let terminal = opened.key.terminal;
        ensure(!self.disabled.contains(&terminal), "orders are obeyed", || {
            format!("{} of terminal {}, which is disabled", opened.id, terminal.0)
        })?;
        // An advice waits in its queue until the link takes it.
        let link = opened.upstream.map(|upstream| upstream.link).filter(|_| !advised);
        ensure(link.is_none_or(|link| !self.closed.contains(&link)), "orders are obeyed", || {
            format!("{} goes over a link that takes nothing new", opened.id)
        })
    }

    /// A transaction goes over another link that takes something new, while nobody has answered it; or the issuer that could not
    /// be asked will be told, whatever its link takes now.
    fn reroute(&mut self, id: TransactionId, upstream: UpstreamRef) -> Checked {
        let is_told = upstream.mti % 100 == 20;
        self.rerouted += u64::from(!is_told);
        let taken = is_told || !self.closed.contains(&upstream.link);
        let tale = self.tale(id)?;
        let (before, was) = (tale.outcome, tale.opened.upstream.replace(upstream));
        let other = is_told || was.is_some_and(|was| was.link != upstream.link);
        ensure(taken && other && before == Outcome::Pending, "another way is one", || {
            format!("{id} was {before:?} on {was:?}, goes over {upstream:?}, open: {taken}")
        })
    }

    /// The issuer approved less than was asked for: from here on the transaction is about that.
    /// Less was needed than was approved: the merchant loses the whole and has the rest.
    fn give_back_part(
        &mut self,
        id: TransactionId,
        stands: Amount,
        movements: Option<&[Movement; 2]>,
    ) -> Checked {
        let tale = self.tale(id)?;
        let (before, whole) = (tale.outcome, tale.opened.amount);
        tale.opened.amount = stands;
        let moved = movements.is_none_or(|[gone, left]| {
            !gone.gain && left.gain && (gone.amount, left.amount) == (whole, stands)
        });
        let fits = stands.currency == whole.currency && (1..whole.minor).contains(&stands.minor);
        ensure(before == Outcome::Approved && fits && moved, "what stands is less than the whole", || {
            format!("{id} of {whole} is {before:?} and stands with {stands}")
        })
    }

    fn take_part(&mut self, id: TransactionId, amount: Amount) -> Checked {
        let tale = self.tale(id)?;
        let (before, whole) = (tale.outcome, tale.opened.amount);
        tale.opened.amount = amount;
        let fits = amount.currency == whole.currency && (1..whole.minor).contains(&amount.minor);
        ensure(before == Outcome::Pending && fits, "a part is less than the whole", || {
            format!("{id} of {whole} is {before:?} and approved to {amount}")
        })
    }

    /// What is approved in an issuer's place stays within what was ordered for it. What is left out here (what was taken
    /// back) is never more than the switch counts.
    fn within_stand_in(&self, opened: &TransactionOpened) -> Checked {
        let broken = |what: String| Err(Breach { rule: "standing in has limits", found: what });
        let (Some(limits), Some(card)) = (self.stand_in, &opened.card) else {
            return broken(format!("{} was approved and no rule allows it", opened.id));
        };
        let stands = |tale: &&Tale| {
            tale.advised == Some(AdviceReason::IssuerAway)
                && tale.outcome == Outcome::Approved
                && !tale.ended
                && tale.opened.day == opened.day
                && tale.opened.card.as_ref().is_some_and(|other| other.hash == card.hash)
        };
        let (mut count, mut sum) = (1, opened.amount.minor);
        for tale in self.transactions.values().filter(stands) {
            count += 1;
            if tale.opened.amount.currency == opened.amount.currency {
                sum += tale.opened.amount.minor;
            }
        }
        let within = opened.amount.minor <= limits.minor_max
            && sum <= limits.day_minor_max
            && count <= limits.day_count_max;
        if within { Ok(()) } else { broken(format!("{} is number {count}, {sum} together", opened.id)) }
    }

    /// What a card spends on a business day stays within its limit; what has taken place already counts, and is told
    /// of even above it. What follow-ups took is left out, which is never more than the switch counts.
    fn within_limit(&self, opened: &TransactionOpened) -> Checked {
        let (Some(most), Some(card)) = (self.card_day_minor, &opened.card) else { return Ok(()) };
        if !opened.kind.is_limited() || opened.kind.is_advice() {
            return Ok(());
        }
        let stands = |tale: &&Tale| {
            let same_card = tale.opened.card.as_ref().is_some_and(|other| other.hash == card.hash);
            let counts = matches!(tale.outcome, Outcome::Pending | Outcome::Approved | Outcome::Unknown);
            same_card
                && counts
                && !tale.ended
                && tale.opened.kind.is_limited()
                && tale.opened.day == opened.day
                && tale.opened.amount.currency == opened.amount.currency
        };
        let spent: u64 = self.transactions.values().filter(stands).map(|tale| tale.opened.amount.minor).sum();
        let sum = spent + opened.amount.minor;
        ensure(sum <= most, "limits hold", || {
            format!("{} brings its card's day to {sum} of {most}", opened.id)
        })
    }

    /// What a follow-up takes is taken when it is sent: two of them never hold the same.
    fn claim(&mut self, opened: &TransactionOpened) -> Checked {
        let Some(original) = opened.original.filter(|_| opened.kind.follows_another()) else { return Ok(()) };
        let (kind, asked, id) = (opened.kind, opened.amount.minor, opened.id);
        let (merchant, tale) = (opened.key.merchant, self.tale(original)?);
        let whole = tale.opened.amount.minor;
        let stands = tale.outcome == Outcome::Approved && tale.opened.key.merchant == merchant;
        let fits = match kind {
            TransactionKind::Refund => !tale.ended && tale.followed + asked <= whole + tale.tip_minor,
            TransactionKind::Tip => {
                !tale.ended
                    && tale.tip_minor == 0
                    && tale.followed == 0
                    && asked * 100 <= whole * TIP_PERCENT_MAX
            }
            TransactionKind::Completion | TransactionKind::CompletionAdvice => {
                !tale.ended && asked * 100 <= whole * COMPLETION_PERCENT_MAX && tale.followed == 0
            }
            _ => !tale.ended && tale.tip_minor == 0 && tale.followed == 0 && asked == whole,
        };
        match kind {
            TransactionKind::Refund => tale.followed += asked,
            TransactionKind::Tip => tale.tip_minor = asked,
            _ => tale.ended = true,
        }
        ensure(stands, "a follow-up has an original", || {
            format!("{id} follows {original}, which does not stand")
        })?;
        ensure(fits, "follow-ups stay within what was captured", || {
            format!("{id}, a {kind:?} of {asked}, follows {original} of {whole}")
        })
    }

    /// A follow-up came to nothing.
    fn unclaim(&mut self, id: TransactionId) -> Checked {
        let opened = &self.tale(id)?.opened;
        let (kind, minor) = (opened.kind, opened.amount.minor);
        let Some(original) = opened.original.filter(|_| kind.follows_another()) else { return Ok(()) };
        let tale = self.tale(original)?;
        match kind {
            TransactionKind::Refund => tale.followed -= minor,
            TransactionKind::Tip => tale.tip_minor = 0,
            _ => tale.ended = false,
        }
        Ok(())
    }

    fn resolve(
        &mut self,
        id: TransactionId,
        outcome: Outcome,
        reply: ReplyFacts,
        movement: Option<&Movement>,
        saf: Option<&SafEntry>,
    ) -> Checked {
        let taken_back = self.wanted.contains(&id);
        let tale = self.tale(id)?;
        let (before, opened) = (tale.outcome, tale.opened.clone());
        (tale.outcome, tale.reply) = (outcome, Some(reply));
        ensure(before == Outcome::Pending, "one outcome", || format!("{id} is resolved twice"))?;
        ensure(outcome != Outcome::Pending, "one outcome", || format!("{id} is resolved to nothing"))?;
        ensure(opened.rrn == reply.rrn, "one reference", || format!("{} {}", opened.rrn, reply.rrn))?;
        ensure(!(outcome == Outcome::Approved && taken_back), "a reversal has one effect", || {
            format!("{id} was taken back and is approved")
        })?;
        let inquiry = opened.kind == TransactionKind::BalanceInquiry;
        let undone = matches!(outcome, Outcome::Unknown | Outcome::Reversed) && !inquiry;
        let advised = saf.is_some_and(|entry| entry.kind == SafKind::Advice);
        if advised {
            ensure(outcome == Outcome::Approved, "standing in has limits", || {
                format!("{id} ended {outcome:?} and its issuer is told of it")
            })?;
            self.within_stand_in(&opened)?;
            self.tale(id)?.advised = Some(AdviceReason::IssuerAway);
        }
        ensure(undone == (saf.is_some() && !advised), "whatever may stand upstream is taken back", || {
            format!("{id} ended {outcome:?}, reversal queued: {}", saf.is_some())
        })?;
        self.replies.insert(reply.rrn, reply);
        match outcome {
            Outcome::Unknown => {}
            Outcome::Declined | Outcome::Reversed => {
                self.unresolved -= 1;
                self.unclaim(id)?;
            }
            Outcome::Approved | Outcome::Pending => self.unresolved -= 1,
        }
        self.queue(saf)?;
        self.moved(&opened, outcome, movement)
    }

    fn moved(&self, opened: &TransactionOpened, outcome: Outcome, movement: Option<&Movement>) -> Checked {
        let side = opened.kind.batch_side();
        let moves = outcome == Outcome::Approved && side.is_some();
        let right = match movement {
            None => !moves,
            Some(movement) => {
                moves
                    && (movement.amount, movement.transaction) == (opened.amount, opened.id)
                    && movement.gain == (side == Some(BatchSide::Debit))
            }
        };
        ensure(right, "what stands moves, once", || format!("{} ended {outcome:?}", opened.id))
    }

    fn reverse(&mut self, original: Option<TransactionId>, effect: ReversalEffect, moves: bool) -> Checked {
        let Some(id) = original else {
            return ensure(
                effect == ReversalEffect::Tombstone && !moves,
                "a reversal has one effect",
                || format!("{effect:?} without an original"),
            );
        };
        let tale = self.tale(id)?;
        let before = tale.outcome;
        let inquiry = tale.opened.kind == TransactionKind::BalanceInquiry;
        let right = match effect {
            ReversalEffect::Undone => {
                tale.outcome = Outcome::Reversed;
                before == Outcome::Approved && (moves || inquiry || !tale.opened.kind.follows_another())
            }
            ReversalEffect::WhenResolved => before == Outcome::Pending && !moves,
            ReversalEffect::Refused => {
                tale.refused |= before == Outcome::Approved;
                !moves
            }
            ReversalEffect::Nothing => before != Outcome::Approved && before != Outcome::Pending && !moves,
            ReversalEffect::Tombstone => false,
        };
        ensure(right, "a reversal has one effect", || format!("{effect:?} of {id}, which was {before:?}"))?;
        match effect {
            ReversalEffect::Undone => self.unclaim(id),
            ReversalEffect::WhenResolved => {
                self.wanted.insert(id);
                Ok(())
            }
            ReversalEffect::Refused | ReversalEffect::Nothing | ReversalEffect::Tombstone => Ok(()),
        }
    }

    /// An issuer hears once what became of the script in its answer, and of none in an answer that it never gave.
    fn tell_script(&mut self, saf: &SafEntry, report: &ScriptReport) -> Checked {
        let id = saf.transaction;
        let tale = self.tale(id)?;
        let answered = tale.reply.is_some() && !matches!(tale.outcome, Outcome::Pending | Outcome::Unknown);
        let same_way = tale.opened.upstream.map(|upstream| upstream.link) == Some(saf.upstream.link);
        let about = report.transaction == Some(id) && saf.kind == SafKind::Script;
        let first = self.scripts.insert(id, report.results.clone()).is_none();
        ensure(answered && same_way && about && first, "a script result is told once", || {
            format!("of {id}: answered {answered}, its issuer {same_way}, first {first}")
        })?;
        self.queue(Some(saf))
    }

    fn queue(&mut self, saf: Option<&SafEntry>) -> Checked {
        let Some(entry) = saf else { return Ok(()) };
        let id = entry.id;
        self.saf_ever.insert(id);
        ensure(self.saf.insert(id, *entry).is_none(), "records follow", || format!("entry {} twice", id.0))
    }

    fn delivered(&mut self, id: SafId) -> Checked {
        let entry = self.unqueue(id)?;
        match entry.kind {
            SafKind::Reversal => self.end_unknown(entry.transaction, Outcome::Reversed),
            SafKind::Advice | SafKind::Script | SafKind::PartReversal => Ok(()),
        }
    }

    fn unqueue(&mut self, id: SafId) -> Result<SafEntry, Breach> {
        let missing = || Breach { rule: "a reversal is delivered once", found: format!("entry {}", id.0) };
        self.saf.remove(&id).ok_or_else(missing)
    }

    fn end_unknown(&mut self, id: TransactionId, outcome: Outcome) -> Checked {
        let tale = self.tale(id)?;
        match tale.outcome {
            Outcome::Unknown => {
                tale.outcome = outcome;
                self.unresolved -= 1;
                self.unclaim(id)
            }
            Outcome::Reversed if outcome == Outcome::Reversed => Ok(()),
            other => {
                Err(Breach { rule: "one outcome", found: format!("{id} was {other:?}, now {outcome:?}") })
            }
        }
    }

    fn post(&mut self, entry: &Entry) -> Checked {
        for posting in &entry.0 {
            let (debit, credit, minor) = (posting.debit, posting.credit, posting.amount_minor);
            ensure(debit.currency == credit.currency && debit != credit, "debits equal credits", || {
                format!("{debit} and {credit}")
            })?;
            let (moves, ends) = match posting.phase {
                Phase::Posted => (true, None),
                Phase::Pending(hold) => {
                    let fresh = self.holds.insert(hold, (debit, minor)).is_none();
                    *self.held.entry(debit).or_default() += minor;
                    ensure(fresh, "a hold is used once", || format!("hold {} placed twice", hold.0))?;
                    (false, None)
                }
                Phase::PostPending(hold) => (true, Some(hold)),
                Phase::VoidPending(hold) => (false, Some(hold)),
            };
            if let Some(hold) = ends {
                let missing = || Breach { rule: "a hold is used once", found: format!("no hold {}", hold.0) };
                let (account, held) = self.holds.remove(&hold).ok_or_else(missing)?;
                *self.held.entry(account).or_default() -= held;
            }
            if moves {
                *self.balances.entry(debit).or_default() -= i128::from(minor);
                *self.balances.entry(credit).or_default() += i128::from(minor);
            }
        }
        // All postings of an entry stand together: looked at one by one it could seem overdrawn.
        entry.0.iter().try_for_each(|posting| self.covered(posting.debit))
    }

    fn covered(&self, account: AccountId) -> Checked {
        if account.kind != AccountKind::Cardholder {
            return Ok(());
        }
        let balance = self.balances.get(&account).copied().unwrap_or(0);
        let held = i128::from(self.held.get(&account).copied().unwrap_or(0));
        ensure(balance >= held, "a cardholder is not overdrawn", || {
            format!("{account} has {balance}, of which {held} is held")
        })
    }
}
