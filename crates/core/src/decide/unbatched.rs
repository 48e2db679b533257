//! Terminals whose dialect names no batch: which batch a request means, and which earlier request it names.
//!
//! The batch is the one that is open. What makes that safe is the moment that such a terminal puts into every request
//! and that its repeat has again (DE 7 in 1987, or DE 13 and 12; DE 12 since): under a trace number and a moment there is one request, so
//! that a repeat is found in the batches before, too, when its answer was lost and the batch was closed meanwhile.

use crate::decide::original;
use crate::decide::terminal::Caller;
use crate::input::{Body, Financial, OriginalRef, Reversal, ScriptResult};
use crate::machine::Core;
use crate::state::{BatchStage, Known};
use switchyard_domain::{
    BatchNumber, BatchTotals, MessageClass, RequestKey, Stan, TerminalDialect, TransactionId, TransactionKind,
};

/// Batches before the open one in which a repeat, or an original, is looked for.
const BATCHES_BACK: usize = 8;

impl Core {
    /// Whether the terminal's dialect names no batch.
    pub(crate) fn is_unbatched(&self, caller: &Caller) -> bool {
        let profile = self.state.registry.terminal(caller.terminal).map(|state| state.profile);
        profile.is_some_and(|profile| profile.dialect != TerminalDialect::UnionpayPos)
    }

    /// Puts a request into its batch.
    pub(crate) fn place(&self, caller: &Caller, body: &mut Body) {
        if !self.is_unbatched(caller) {
            return;
        }
        match body {
            Body::Financial(request) => self.place_financial(caller, request),
            Body::Reversal(reversal) => self.place_reversal(caller, reversal),
            Body::ScriptResult(result) => self.place_script_result(caller, result),
            Body::BatchTotals { stan, batch, totals, moment, .. } if *batch == BatchNumber::OPEN => {
                *batch = self.batch_of_totals(caller, *stan, totals, *moment);
            }
            Body::BatchUpload { batch, .. } if *batch == BatchNumber::OPEN => {
                *batch = self.batch_of_upload(caller);
            }
            Body::SignOn { .. }
            | Body::SignOff { .. }
            | Body::Echo
            | Body::Status { .. }
            | Body::Download { .. }
            | Body::BatchTotals { .. }
            | Body::BatchUpload { .. }
            | Body::MasterKey(_)
            | Body::Unsupported { .. } => {}
        }
    }

    fn key_of(caller: &Caller, batch: BatchNumber, stan: Stan, class: MessageClass) -> RequestKey {
        RequestKey { merchant: caller.merchant, terminal: caller.terminal, batch, stan, class }
    }

    fn open_batch(&self, caller: &Caller) -> BatchNumber {
        self.state.batches.get(caller.terminal).map_or(BatchNumber::FIRST, |batch| batch.number)
    }

    /// The open batch and those before it, newest first.
    fn batches_back(&self, caller: &Caller) -> impl Iterator<Item = BatchNumber> + use<> {
        std::iter::successors(Some(self.open_batch(caller)), |batch| Some(batch.before()))
            .take(BATCHES_BACK + 1)
    }

    /// The transaction of the terminal under a trace number and class that was made at this moment.
    fn made_at(&self, key: &RequestKey, moment: u64) -> Option<TransactionId> {
        let id = self.state.requests.transaction(key)?;
        let transaction = self.state.transactions.get(id)?;
        (transaction.opened.echo.de60 == moment).then_some(id)
    }

    /// Whether a reversal of what was made at this moment has been taken under the number, whatever it found.
    fn taken_back(&self, key: &RequestKey, moment: u64) -> bool {
        match self.state.requests.get(&RequestKey { class: MessageClass::Reversal, ..*key }) {
            Some(Known::Reversal(number)) => {
                self.state.requests.reversal(number).is_some_and(|taken| taken.echo.de60 == moment)
            }
            Some(Known::Transaction(_)) | None => false,
        }
    }

    /// Whether a request that was made at this moment waits for its PIN under the key: nothing is recorded of it yet.
    fn waits(&self, key: &RequestKey, moment: u64) -> bool {
        let wait = self.flight.pin_by_key.get(key).and_then(|slot| self.flight.pins.get(slot));
        wait.is_some_and(|wait| wait.moment == moment)
    }

    /// Whether the terminal has sent this before: it is recorded, waits, or was taken back.
    fn has_sent(&self, key: &RequestKey, moment: u64) -> bool {
        self.made_at(key, moment).is_some() || self.waits(key, moment) || self.taken_back(key, moment)
    }

    fn place_financial(&self, caller: &Caller, request: &mut Financial) {
        if request.batch == BatchNumber::OPEN {
            let (stan, moment) = (request.stan, request.echo.de60);
            let known = |batch: &BatchNumber| {
                self.has_sent(&Self::key_of(caller, *batch, stan, request.class), moment)
            };
            // Without a moment nothing tells a repeat from the same number used again in a later batch.
            let mut before = self.batches_back(caller).filter(|_| moment != 0);
            request.batch = before.find(known).unwrap_or_else(|| self.open_batch(caller));
        }
        self.place_original(caller, &mut request.original);
        // These dialects void a completion as they void a sale.
        if request.kind == TransactionKind::Void {
            let key = Self::key_of(caller, request.batch, request.stan, request.class);
            let original = original::locate(&self.state, &key, request);
            if original.is_some_and(|original| original.opened.kind.captures()) {
                request.kind = TransactionKind::CompletionVoid;
            }
        }
    }

    /// Puts what a message names into its batch. What is not found stays in no batch, and so is no original.
    fn place_original(&self, caller: &Caller, original: &mut OriginalRef) {
        let (Some((BatchNumber::OPEN, stan)), Some(moment)) = (original.batch_stan, original.moment) else {
            return;
        };
        let named = |batch: &BatchNumber| {
            [MessageClass::Financial, MessageClass::Authorization]
                .iter()
                .any(|class| self.made_at(&Self::key_of(caller, *batch, stan, *class), moment).is_some())
        };
        if let Some(batch) = self.batches_back(caller).find(named) {
            original.batch_stan = Some((batch, stan));
        }
    }

    /// A script result belongs to the batch of the transaction that it is about: so its repeat is known after a close, too.
    fn place_script_result(&self, caller: &Caller, result: &mut ScriptResult) {
        self.place_original(caller, &mut result.original);
        if result.batch == BatchNumber::OPEN {
            let about = self.scripted(caller, &result.original);
            let about = about.and_then(|id| self.state.transactions.get(id));
            result.batch = about.map_or_else(|| self.open_batch(caller), |about| about.opened.key.batch);
        }
    }

    fn place_reversal(&self, caller: &Caller, reversal: &mut Reversal) {
        let (stan, moment) = (reversal.stan, reversal.original_moment.unwrap_or(reversal.echo.de60));
        let key = |batch| Self::key_of(caller, batch, stan, reversal.original_class);
        if reversal.batch == BatchNumber::OPEN {
            let known = |batch: &BatchNumber| self.has_sent(&key(*batch), moment);
            reversal.batch = self.batches_back(caller).find(known).unwrap_or_else(|| self.open_batch(caller));
        }
        // What it was follows from the original: the message says only its class and DE 3.
        let found = self.made_at(&key(reversal.batch), moment).and_then(|id| self.state.transactions.get(id));
        if let Some(found) = found
            && found.opened.fingerprint.processing_code == reversal.fingerprint.processing_code
        {
            reversal.kind = found.opened.kind;
        }
    }

    /// Totals that have closed a batch close no other. As those of the last close they are known by their trace number, or by
    /// nothing having been taken since. As those of a close before it they are known by their trace number and by having
    /// been made no later than the last close: a copy was on its way for long, or the terminal made its request anew
    /// when it sent it again.
    fn batch_of_totals(&self, caller: &Caller, stan: Stan, totals: &BatchTotals, moment: u64) -> BatchNumber {
        let open = self.open_batch(caller);
        let Some(batch) = self.state.batches.get(caller.terminal) else { return open };
        let is_empty = batch.transactions.is_empty();
        let newest = batch.closes().map(|close| close.moment).find(|moment| *moment != 0);
        let is_old = moment != 0 && newest.is_some_and(|newest| !is_after(moment, newest));
        let mut same = batch.closes().enumerate().filter(|(_, close)| close.terminal_totals == *totals);
        let known = same.find(|(back, close)| match (back, close.stan == Some(stan)) {
            (0, is_same) => is_same || is_empty,
            (_, is_same) => is_same && is_old,
        });
        known.map_or(open, |(_, close)| close.batch)
    }

    /// Uploads belong to the batch whose totals differed; afterwards they are repeats about the last one.
    fn batch_of_upload(&self, caller: &Caller) -> BatchNumber {
        let Some(batch) = self.state.batches.get(caller.terminal) else { return BatchNumber::FIRST };
        match (&batch.stage, batch.last) {
            (BatchStage::Open, Some(last)) => last.batch,
            (BatchStage::Open, None) | (BatchStage::Uploading { .. }, _) => batch.number,
        }
    }
}

/// Whether a moment comes after another. DE 7 has no year: what is more than half a year ahead was before the new year.
fn is_after(moment: u64, other: u64) -> bool {
    /// From here on there is a year before the month.
    const YEAR: u64 = 10_000_000_000;
    const SIX_MONTHS: u64 = 600_000_000;
    let has_turned = moment.max(other) < YEAR && moment.abs_diff(other) > SIX_MONTHS;
    (moment > other) != has_turned
}

#[cfg(test)]
mod tests {
    use super::is_after;

    #[test]
    fn moments_follow_each_other_over_the_new_year() {
        for (later, earlier) in [
            (1_123_085_501, 1_123_085_500),
            // DE 7: without a year.
            (101_000_010, 1_231_235_950),
            (331_120_000, 1_130_120_000),
            // DE 12 of 1993 and of 2003.
            (270_101_000_010, 261_231_235_950),
            (20_270_101_000_010, 20_261_231_235_950),
        ] {
            assert!(is_after(later, earlier), "{later} {earlier}");
            assert!(!is_after(earlier, later), "{earlier} {later}");
            assert!(!is_after(later, later));
        }
    }
}
