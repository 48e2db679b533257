//! Reversals: what got no answer is undone before anything else is sent.

use super::Terminal;
use super::ask::{Asking, request_mti};
use super::machine::{SIGN_ONS_MAX, done, is_line_trouble};
use super::order::{AdminKind, Done, FinalState, MessageKind, Order, Tamper};
use crate::error::SimError;
use crate::journal::is_reversal_over;
use std::time::Duration;

/// Pause before a reversal is sent again.
const REVERSAL_PAUSE: Duration = Duration::from_millis(100);

impl Terminal {
    /// Orders whose end came after an error: reversed when the line was back, or never heard of again.
    pub fn take_ended(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.ended_late)
    }

    /// Gives up: what is still pending ends as unknown. Its journal keeps it open.
    pub fn abandon(&mut self) -> Vec<Done> {
        if let Some(pending) = self.state.pending.take() {
            self.ended_late.push(done(
                &pending.order,
                pending.batch,
                pending.stan,
                None,
                FinalState::Unknown,
            ));
        }
        self.take_ended()
    }

    /// 0400 until it is answered with 00, 12 or 25, or patience ends.
    pub(super) async fn flush_reversal(&mut self) -> Result<FinalState, SimError> {
        let Some(pending) = self.state.pending.clone() else { return Ok(FinalState::Reversed) };
        let mut sign_ons = 0;
        for attempt in 1..=self.options.reversal_attempts_max {
            if self.needs_sign_on && sign_ons < SIGN_ONS_MAX {
                sign_ons += 1;
                match self.sign_on().await {
                    Err(error) if is_line_trouble(&error) => continue,
                    other => other?,
                }
            }
            let frame =
                self.composer(pending.batch).reversal(&pending.order, pending.stan, pending.reason)?;
            let mut line = self.order_line(&pending.order, pending.batch, pending.stan, attempt);
            line.kind = MessageKind::Admin(AdminKind::Reversal);
            line.mti = request_mti(&self.spec, Asking::Reversal(pending.order.kind)).to_string();
            line.code = pending.reason.parse().ok();
            self.counts.reversals_sent += 1;
            let asking = Asking::Reversal(pending.order.kind);
            let order = Order { tamper: Tamper::None, ..pending.order.clone() };
            let expected = self.composer(pending.batch).expected_of(asking, &order, pending.stan);
            match self.converse(&frame, line, &expected).await {
                Ok(reply) if reply.code.is_some_and(is_reversal_over) => {
                    self.state.pending = None;
                    self.state.uncount(pending.stan);
                    return Ok(FinalState::Reversed);
                }
                Ok(_) => tokio::time::sleep(REVERSAL_PAUSE).await,
                Err(error) if is_line_trouble(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.state.pending = None;
        Ok(FinalState::Unknown)
    }
}
