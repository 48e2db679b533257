//! The lines of a terminal's journal.

use super::Terminal;
use super::ask::{Asking, request_mti};
use super::order::{AdminKind, MessageKind, Order};
use crate::journal::{JournalLine, LineKind};
use switchyard_domain::{BatchNumber, Stan};

impl Terminal {
    pub(super) fn order_line(
        &self,
        order: &Order,
        batch: BatchNumber,
        stan: Stan,
        attempt: u32,
    ) -> JournalLine {
        JournalLine {
            t: LineKind::Req,
            tid: self.spec.tid,
            mid: self.spec.mid,
            batch,
            stan,
            mti: request_mti(&self.spec, Asking::Transaction(order.kind)).to_string(),
            kind: MessageKind::Transaction(order.kind),
            amount: order.amount_minor,
            pan_masked: order.card.masked().ok().map(|mask| mask.to_string()),
            code: None,
            rrn: None,
            auth: None,
            attempt,
            entry: Some(order.entry),
            pin: order.pin.is_some(),
            original: order.original.clone(),
            date: None,
            closed: false,
            at: Some(order.at),
        }
    }
    pub(super) fn admin_line(&self, kind: AdminKind, stan: Stan, asking: Asking) -> JournalLine {
        JournalLine {
            t: LineKind::Req,
            tid: self.spec.tid,
            mid: self.spec.mid,
            batch: self.state.batch,
            stan,
            mti: request_mti(&self.spec, asking).to_string(),
            kind: MessageKind::Admin(kind),
            amount: 0,
            pan_masked: None,
            code: None,
            rrn: None,
            auth: None,
            attempt: 1,
            entry: None,
            pin: false,
            original: None,
            date: None,
            closed: false,
            at: None,
        }
    }
}
