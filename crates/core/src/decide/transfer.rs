//! Value that moves between accounts at somebody's wish, and holds that end by themselves.

use crate::effect::{CommandError, CommandOutcome};
use crate::machine::{Core, Output};
use switchyard_book::Taken;
use switchyard_domain::{AccountKind, Actor, Phase, Posting, Record, Timestamp, Transfer};

impl Core {
    /// Records a transfer, once.
    pub(crate) fn transfer(
        &mut self,
        actor: Actor,
        transfer: Transfer,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<CommandOutcome, CommandError> {
        // The time of this input ends what was due before it, as a tick would have.
        self.expire_transfer_holds(now, out);
        if self.state.book.check_transfer(&transfer).map_err(CommandError::Transfer)? == Taken::Exists {
            return Ok(CommandOutcome::RecordedBefore);
        }
        self.is_in_order(&transfer, now)?;
        self.try_emit(Record::Transferred(transfer), actor, now, out)?;
        Ok(CommandOutcome::Recorded)
    }

    fn is_in_order(&self, transfer: &Transfer, now: Timestamp) -> Result<(), CommandError> {
        let invalid = |what| Err(CommandError::Invalid { what });
        if transfer.entry.is_empty() {
            return invalid("transfer without postings");
        }
        // A day to come would be remembered for longer than any other.
        if transfer.id.day > self.state.day() {
            return invalid("transfer day");
        }
        if transfer.holds_until.is_some_and(|until| until <= now) {
            return invalid("end of a hold");
        }
        let touches_merchant = |p: &Posting| {
            [p.debit, p.credit].iter().any(|account| account.kind == AccountKind::MerchantPayable)
        };
        if transfer.entry.0.iter().any(touches_merchant) {
            return invalid("transfer account");
        }
        let takes_transaction_hold = |p: &Posting| match p.phase {
            Phase::Posted => false,
            Phase::Pending(hold) | Phase::PostPending(hold) | Phase::VoidPending(hold) => {
                !hold.is_of_transfer()
            }
        };
        if transfer.entry.0.iter().any(takes_transaction_hold) {
            return invalid("hold of a transfer");
        }
        Ok(())
    }

    /// Ends the holds of transfers whose time is over.
    pub(crate) fn expire_transfer_holds(&mut self, now: Timestamp, out: &mut Output) {
        loop {
            let entry = self.state.book.due(now);
            if entry.is_empty() {
                return;
            }
            self.emit(Record::HoldsExpired { entry }, Actor::Switch, now, out);
        }
    }
}
