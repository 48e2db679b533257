//! From what is wanted to a frame.

use super::device::Loading;
use super::{Asked, Task, Till};
use crate::env::Env;
use crate::schedule::seconds;
use switchyard_domain::{BatchNumber, Stan, Timestamp};
use switchyard_simulator::SimError;
use switchyard_simulator::terminal::{
    Asking, Composer, Expectation, FinalState, Order, PendingReversal, Tamper, is_reversible,
};
use switchyard_wire::MtiVersion;

impl Till {
    /// Asks for something; `again` is the request that it repeats.
    pub(super) fn ask(&mut self, env: &mut Env, task: Task, again: Option<Asked>) {
        let attempt = again.as_ref().map_or(1, |asked| asked.attempt + 1);
        let (batch, stan) = match (&again, &task, &self.state.pending, &self.closing) {
            (Some(asked), ..) => (asked.batch, asked.stan),
            (None, Task::Reversal, Some(pending), _) => (pending.batch, pending.stan),
            (None, Task::Totals | Task::Told, _, Some(closing)) if closing.totals_stan.is_some() => {
                (self.state.batch, closing.totals_stan.unwrap_or_else(|| self.state.take_stan()))
            }
            (None, Task::Script(_), ..) => self.number_script(),
            (None, ..) => (self.state.batch, self.state.take_stan()),
        };
        if let (Task::Totals | Task::Told, Some(closing)) = (&task, &mut self.closing) {
            closing.totals_stan = Some(stan);
        }
        let composer = self.composer(batch, env.till_clock());
        let expected = self.expected(&composer, &task, stan);
        let asked = Asked { task, batch, stan, expected, attempt };
        let frame = match self.compose(&composer, &asked) {
            Ok(frame) => frame,
            Err(error) => {
                return env.hold(Err(crate::check::Breach {
                    rule: "terminals can build their requests",
                    found: error.to_string(),
                }));
            }
        };
        if let Task::Status = &asked.task {
            self.said.push(self.status(asked.stan));
        }
        if let Task::Order { order, .. } = &asked.task {
            // Before it is sent the journal has it, and that it may have to be taken back.
            self.believe(&asked, order.amount_minor, FinalState::Unknown, None);
            if is_reversible(order.kind) && again.is_none() {
                let order = Order { tamper: Tamper::None, ..order.clone() };
                self.state.pending =
                    Some(PendingReversal { order, batch, stan, reason: "98", stands_minor: None });
            }
        }
        self.send(env, asked, frame);
    }

    pub(super) fn composer(&self, batch: BatchNumber, now: Timestamp) -> Composer<'_> {
        Composer { terminal: &self.spec, batch, keys: self.keys.as_ref(), now }
    }

    fn compose(&self, composer: &Composer<'_>, asked: &Asked) -> Result<Vec<u8>, SimError> {
        let stan = asked.stan;
        match &asked.task {
            Task::SignOn => composer.sign_on(stan),
            Task::SignOff => composer.sign_off(stan),
            Task::Echo => composer.echo_test(stan),
            Task::Order { order, .. } | Task::Again { order, .. } => composer.transaction(order, stan),
            Task::Reversal => match &self.state.pending {
                Some(PendingReversal { order, reason, stands_minor: Some(minor), .. }) => {
                    composer.reversal_of_part(order, stan, reason, *minor)
                }
                Some(pending) => composer.reversal(&pending.order, stan, pending.reason),
                None => Err(SimError::Limit { what: "no reversal pending" }),
            },
            Task::Download => self.compose_download(composer, stan),
            Task::Status => composer.download(0x0820, stan, "362", &self.status(stan)),
            Task::Script(run) => composer.script_result(stan, run),
            Task::Totals | Task::Told | Task::Upload | Task::UploadEnd => {
                let Some(closing) = &self.closing else {
                    return Err(SimError::Limit { what: "no batch to close" });
                };
                match &asked.task {
                    Task::Totals => composer.settlement(stan, &closing.totals),
                    Task::Told => composer.settlement_told(stan, &closing.totals),
                    Task::UploadEnd => composer.upload_end(stan, closing.uploaded),
                    _ => {
                        let part = closing.upload.as_ref().and_then(|parts| parts.first());
                        composer.upload(stan, part.map_or(&[], Vec::as_slice))
                    }
                }
            }
        }
    }

    fn expected(&self, composer: &Composer<'_>, task: &Task, stan: Stan) -> Expectation {
        let asking = match task {
            Task::SignOn => Asking::SignOn,
            Task::SignOff => Asking::SignOff,
            Task::Echo => Asking::Echo,
            Task::Download => Asking::Download(self.loading.as_ref().map_or(0x0800, Loading::mti)),
            Task::Status => Asking::Download(0x0820),
            Task::Script(_) => Asking::ScriptResult,
            Task::Totals => Asking::Totals,
            Task::Told => Asking::TotalsTold,
            Task::Upload => Asking::Upload,
            Task::UploadEnd => Asking::UploadEnd,
            Task::Order { order, .. } | Task::Again { order, .. } => {
                return Expectation {
                    is_loose: false,
                    ..composer.expected_of(Asking::Transaction(order.kind), order, stan)
                };
            }
            Task::Reversal => match &self.state.pending {
                Some(pending) => {
                    let asking = Asking::Reversal(pending.order.kind);
                    let expected = composer.expected_of(asking, &pending.order, stan);
                    // Since 1993 DE 4 of a reversal of a part is what stands.
                    let is_first = self.spec.speech.version() == MtiVersion::Iso1987;
                    let stands = pending.stands_minor.filter(|_| !is_first);
                    return Expectation { amount_minor: stands.or(expected.amount_minor), ..expected };
                }
                None => Asking::Echo,
            },
        };
        composer.expected(asking, Some(stan))
    }

    /// The terminal is switched on.
    pub(crate) fn begin(&mut self, env: &mut Env) {
        let wait = env.random.between(0, seconds(5));
        self.wake_in(env, wait);
    }
}
