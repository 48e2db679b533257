//! The chip of the embedded issuer's cards: its cryptogram is looked at before the PIN, where the issuer has a key
//! for it. What the card hears is the issuer's answer to this very cryptogram: a repeat hears none.
//!
//! What a chip said in a transaction that its issuer hears of later is recorded, for it is the issuer's proof.

use crate::decide::financial::{Decline, PinState, Plan};
use crate::effect::Effect;
use crate::input::{ChipOutcome, Financial, Origin, SlotId};
use crate::machine::{Core, Output};
use switchyard_domain::{
    Actor, ChipData, KeyUse, Record, ResponseCode, RouteTarget, Timestamp, TransactionId,
};

impl Core {
    /// Whether a cryptogram has to be looked at first. What follows another transaction, and what has taken place
    /// already, is not authorized again.
    pub(crate) fn needs_chip(&self, plan: &Plan, request: &Financial) -> bool {
        plan.target == RouteTarget::OnUs
            && request.emv.is_some()
            && request.chip_answer.is_none()
            && !request.kind.follows_another()
            && !request.kind.is_advice()
            && self.state.registry.keys().any(|(name, _)| name.usage == KeyUse::IssuerCryptogram)
    }

    /// Keeps what the advice of a transaction has of its chip: recorded before anything can be sent, so that it outlives a
    /// restart, and without whatever must not be written down.
    pub(crate) fn keep_chip(
        &mut self,
        transaction: TransactionId,
        request: &Financial,
        actor: Actor,
        now: Timestamp,
        out: &mut Output,
    ) {
        let objects = request.emv.as_deref().map(crate::dialect::iso::chip::recordable).unwrap_or_default();
        if objects.is_empty() && request.card_sequence.is_none() {
            return;
        }
        let chip = ChipData { sequence: request.card_sequence, objects };
        self.emit(Record::ChipKept { transaction, chip }, actor, now, out);
    }

    pub(crate) fn ask_chip(
        &mut self,
        origins: Vec<Origin>,
        request: Box<Financial>,
        plan: &Plan,
        out: &mut Output,
    ) {
        let slot = self.wait_for_keys(plan, &request, origins);
        out.effects.push(Effect::ChipWork { slot, request });
    }

    /// The cryptogram was looked at: on to the PIN, or to the refusal.
    pub(crate) fn chip_done(
        &mut self,
        slot: SlotId,
        mut request: Box<Financial>,
        outcome: ChipOutcome,
        now: Timestamp,
        out: &mut Output,
    ) {
        let Some((wait, caller)) = self.waited_for_keys(slot, out) else { return };
        let code = match outcome {
            ChipOutcome::Right(answer) => {
                request.chip_answer = Some(answer);
                return self.proceed(caller, wait.origins, request, PinState::NotAsked, now, out);
            }
            ChipOutcome::Wrong => ResponseCode::DO_NOT_HONOUR,
            ChipOutcome::Malformed => ResponseCode::FORMAT_ERROR,
            ChipOutcome::Failed => ResponseCode::SECURITY_FAILURE,
        };
        let decline = match self.plan(&caller, &request, Some(wait.target), now) {
            Ok(plan) => Decline { code, plan },
            Err(decline) => *decline,
        };
        self.decline(&wait.origins, &request, decline, now, out);
    }
}
