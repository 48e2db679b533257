//! One effect in the issuer's ledger.

use super::request::IssuerRequest;
use serde::Serialize;
use std::fmt;
use switchyard_domain::{MaskedPan, Rrn, TransactionKind};

/// What the issuer posted for one reference number.
#[derive(Clone, Serialize)]
pub struct IssuerEntry {
    /// DE 37 as the switch sent it.
    pub rrn: Rrn,
    /// What was asked.
    pub kind: TransactionKind,
    /// Minor units.
    pub amount_minor: u64,
    /// Whether a reversal undid it.
    pub reversed: bool,
    /// Whether a void, completion or release ended it.
    pub ended: bool,
    /// What refunds gave back.
    pub refunded_minor: u64,
    /// What tips added.
    pub tipped_minor: u64,
    /// Reference of the original, where there is one.
    pub original_rrn: Option<Rrn>,
    /// DE 11 on the link.
    pub stan: u32,
    /// The card, masked.
    pub pan_masked: String,
    /// DE 38.
    #[serde(serialize_with = "ascii")]
    pub auth: [u8; 6],
    #[serde(skip)]
    pub(super) pan_key: u64,
    #[serde(skip)]
    pub(super) parent: Option<usize>,
}

/// Without the key that the card is found by: it holds the card's digits.
impl fmt::Debug for IssuerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerEntry")
            .field("rrn", &self.rrn)
            .field("kind", &self.kind)
            .field("amount_minor", &self.amount_minor)
            .field("reversed", &self.reversed)
            .field("ended", &self.ended)
            .field("refunded_minor", &self.refunded_minor)
            .field("original_rrn", &self.original_rrn)
            .field("pan_masked", &self.pan_masked)
            .finish_non_exhaustive()
    }
}

impl IssuerEntry {
    pub(super) fn new(
        kind: TransactionKind,
        request: &IssuerRequest,
        auth: [u8; 6],
        original: Option<(usize, Rrn)>,
    ) -> Self {
        let masked: MaskedPan = request.pan.masked();
        Self {
            rrn: request.rrn,
            kind,
            amount_minor: request.amount_minor,
            reversed: false,
            ended: false,
            refunded_minor: 0,
            tipped_minor: 0,
            original_rrn: original.map(|(_, rrn)| rrn),
            stan: request.key.stan,
            pan_masked: masked.to_string(),
            auth,
            pan_key: request.pan.routing_key(),
            parent: original.map(|(at, _)| at),
        }
    }
    /// What the cardholder paid (positive) or got back through this entry alone; holds move nothing.
    pub fn net_minor(&self) -> i64 {
        if self.reversed { 0 } else { self.kind.signed_minor(self.amount_minor) }
    }
    /// Whether it can still be followed or reversed.
    pub(super) fn is_open(&self) -> bool {
        !self.reversed && !self.ended
    }
    pub(super) fn followed(&mut self, by: TransactionKind, amount_minor: u64) {
        if by == TransactionKind::Refund {
            self.refunded_minor += amount_minor;
        } else if by == TransactionKind::Tip {
            self.tipped_minor += amount_minor;
        } else {
            self.ended = true;
        }
    }
    pub(super) fn unfollowed(&mut self, by: TransactionKind, amount_minor: u64) {
        if by == TransactionKind::Refund {
            self.refunded_minor = self.refunded_minor.saturating_sub(amount_minor);
        } else if by == TransactionKind::Tip {
            self.tipped_minor = self.tipped_minor.saturating_sub(amount_minor);
        } else {
            self.ended = false;
        }
    }
}

fn ascii<S: serde::Serializer>(bytes: &[u8; 6], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(std::str::from_utf8(bytes).unwrap_or("??????"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_shows_its_card_masked_only() {
        let entry = IssuerEntry {
            rrn: "000000000001".parse().unwrap(),
            kind: TransactionKind::Sale,
            amount_minor: 100,
            reversed: false,
            ended: false,
            refunded_minor: 0,
            tipped_minor: 0,
            original_rrn: None,
            stan: 1,
            pan_masked: "622588******0008".into(),
            auth: *b"123456",
            pan_key: 6_225_880_000_000_008_000,
            parent: None,
        };
        let shown = format!("{entry:?}");
        assert!(shown.contains("622588******0008") && !shown.contains("6225880000000008"), "{shown}");
    }
}
