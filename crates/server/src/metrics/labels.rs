//! Labels: closed sets, so that no input makes a new series.

use switchyard_core::{KeyArrival, Stray};
use switchyard_domain::{Outcome, ResponseCode, RiskVerdict, TransactionKind};

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$variant_doc])* $variant,)* }
        impl $name {
            pub(crate) const LABELS: &[&str] = &[$($label),*];
        }
    };
}

labels!(
    /// Why a terminal's connection ended.
    Closed {
        /// The peer closed it.
        Peer = "peer",
        /// Nothing came for too long.
        Idle = "idle",
        /// A frame was not complete in time.
        FrameDeadline = "frame_deadline",
        /// The length cannot be.
        BadLength = "bad_length",
        /// TPDU or header cannot be.
        BadEnvelope = "bad_envelope",
        /// Too many messages in a row that cannot be answered.
        Garbage = "garbage",
        /// TLS was not agreed on.
        Handshake = "handshake",
        /// Its certificate is another terminal's.
        Certificate = "certificate",
        /// It did not take its answers.
        OutputDeadline = "output_deadline",
        /// The operating system reported an error.
        Error = "error",
        /// The switch stops.
        Shutdown = "shutdown",
    }
);
labels!(
    /// Classes of response codes: what a terminal does next.
    CodeClass {
        /// A: approved.
        Approved = "approved",
        /// B: to be corrected and sent again.
        Retry = "retry",
        /// C: declined.
        Declined = "declined",
        /// D: capture the card or stop.
        Capture = "capture",
        /// E: the outcome is unknown.
        Unknown = "unknown",
    }
);
labels!(
    /// How work with keys ended.
    KeyOutcome {
        /// A PIN was right.
        Verified = "verified",
        /// A PIN was wrong.
        Wrong = "wrong",
        /// A PIN block was malformed.
        Malformed = "malformed",
        /// A PIN was brought under a link's key.
        Translated = "translated",
        /// Keys were made.
        Made = "made",
        /// It could not be done.
        Failed = "failed",
        /// It waited too long to be worth doing.
        Overdue = "overdue",
    }
);
labels!(
    /// What became of a PIN key of a link that came over the line, or was asked for.
    KeyChangeLabel {
        /// It is in force.
        Taken = "taken",
        /// It came once more.
        Repeated = "repeated",
        /// It was not taken, or did not come.
        Refused = "refused",
    }
);
impl KeyChangeLabel {
    pub(crate) fn of(what: KeyArrival) -> Self {
        match what {
            KeyArrival::Taken => Self::Taken,
            KeyArrival::Repeated => Self::Repeated,
            KeyArrival::Refused(_) => Self::Refused,
        }
    }
}
labels!(
    /// What was asked for.
    Kind {
        /// As [`TransactionKind::Sale`].
        Sale = "sale",
        /// As [`TransactionKind::Void`].
        Void = "void",
        /// As [`TransactionKind::Refund`].
        Refund = "refund",
        /// As [`TransactionKind::BalanceInquiry`].
        BalanceInquiry = "balance_inquiry",
        /// As [`TransactionKind::PreAuth`].
        PreAuth = "pre_auth",
        /// As [`TransactionKind::PreAuthVoid`].
        PreAuthVoid = "pre_auth_void",
        /// As [`TransactionKind::Completion`].
        Completion = "completion",
        /// As [`TransactionKind::CompletionVoid`].
        CompletionVoid = "completion_void",
        /// As [`TransactionKind::OfflineSale`].
        OfflineSale = "offline_sale",
        /// As [`TransactionKind::CompletionAdvice`].
        CompletionAdvice = "completion_advice",
        /// As [`TransactionKind::Tip`].
        Tip = "tip",
        /// As [`TransactionKind::CashAdvance`].
        CashAdvance = "cash_advance",
        /// As [`TransactionKind::CardRepayment`].
        CardRepayment = "card_repayment",
        /// As [`TransactionKind::TopUp`].
        TopUp = "top_up",
        /// As [`TransactionKind::PreAuthAdvice`].
        PreAuthAdvice = "pre_auth_advice",
    }
);
labels!(
    /// How a transaction ended.
    Ended {
        /// As [`Outcome::Approved`].
        Approved = "approved",
        /// As [`Outcome::Declined`].
        Declined = "declined",
        /// As [`Outcome::Unknown`].
        Unknown = "unknown",
        /// As [`Outcome::Reversed`].
        Reversed = "reversed",
    }
);

labels!(
    /// What follows from what the risk rules found.
    Finding {
        /// As [`RiskVerdict::Approve`].
        Approve = "approve",
        /// As [`RiskVerdict::Alert`].
        Alert = "alert",
        /// As [`RiskVerdict::HoldPayout`].
        HoldPayout = "hold_payout",
        /// As [`RiskVerdict::Decline`].
        Decline = "decline",
    }
);

impl Finding {
    pub(crate) fn of(verdict: RiskVerdict) -> Self {
        match verdict {
            RiskVerdict::Approve => Self::Approve,
            RiskVerdict::Alert => Self::Alert,
            RiskVerdict::HoldPayout => Self::HoldPayout,
            RiskVerdict::Decline(_) => Self::Decline,
        }
    }
    /// For the log.
    pub(crate) fn label(self) -> &'static str {
        Self::LABELS[self as usize]
    }
}

labels!(
    /// How far what a chip made of an issuer's scripts has come.
    ScriptStep {
        /// Its terminal has told it, and it is recorded.
        Told = "told",
        /// It is on its way to the issuer.
        Queued = "queued",
    }
);

labels!(
    /// Why an issuer's answer led to nothing.
    StrayLabel {
        /// As [`Stray::Late`].
        Late = "late",
        /// As [`Stray::Duplicate`].
        Duplicate = "duplicate",
        /// As [`Stray::Unmatched`].
        Unmatched = "unmatched",
    }
);

impl StrayLabel {
    pub(crate) fn of(why: Stray) -> Self {
        match why {
            Stray::Late => Self::Late,
            Stray::Duplicate => Self::Duplicate,
            Stray::Unmatched => Self::Unmatched,
        }
    }
}

impl Kind {
    pub(crate) fn of(kind: TransactionKind) -> Self {
        match kind {
            TransactionKind::Sale => Self::Sale,
            TransactionKind::Void => Self::Void,
            TransactionKind::Refund => Self::Refund,
            TransactionKind::BalanceInquiry => Self::BalanceInquiry,
            TransactionKind::PreAuth => Self::PreAuth,
            TransactionKind::PreAuthVoid => Self::PreAuthVoid,
            TransactionKind::Completion => Self::Completion,
            TransactionKind::CompletionVoid => Self::CompletionVoid,
            TransactionKind::OfflineSale => Self::OfflineSale,
            TransactionKind::CompletionAdvice => Self::CompletionAdvice,
            TransactionKind::Tip => Self::Tip,
            TransactionKind::CashAdvance => Self::CashAdvance,
            TransactionKind::CardRepayment => Self::CardRepayment,
            TransactionKind::TopUp => Self::TopUp,
            TransactionKind::PreAuthAdvice => Self::PreAuthAdvice,
        }
    }
}

impl Ended {
    /// Nothing for one that has not ended.
    pub(crate) fn of(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Pending => None,
            Outcome::Approved => Some(Self::Approved),
            Outcome::Declined => Some(Self::Declined),
            Outcome::Unknown => Some(Self::Unknown),
            Outcome::Reversed => Some(Self::Reversed),
        }
    }
}

impl Closed {
    /// For the log.
    pub(crate) fn label(self) -> &'static str {
        Self::LABELS[self as usize]
    }
}

impl CodeClass {
    pub(crate) fn of(code: ResponseCode) -> Self {
        match code.as_bytes() {
            _ if code.is_approval() => Self::Approved,
            b"09" | b"13" | b"14" | b"42" | b"99" | b"A0" => Self::Retry,
            b"04" | b"07" | b"33" | b"34" | b"35" | b"36" | b"37" | b"38" | b"41" | b"43" | b"67" | b"77"
            | b"97" => Self::Capture,
            b"06" | b"98" => Self::Unknown,
            _ => Self::Declined,
        }
    }
}
