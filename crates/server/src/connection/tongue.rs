//! What terminals speak on a listener.

use switchyard_core::dialect::Spoken;
use switchyard_domain::TerminalDialect;
use switchyard_wire::{Dialect, EnvelopeKind, Framing};

use crate::config::GenericListener;

/// Dialect, framing and envelope of a listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tongue {
    pub(super) name: TerminalDialect,
    pub(super) dialect: &'static Dialect,
    pub(super) spoken: Spoken,
    pub(super) framing: Framing,
    pub(super) envelope: EnvelopeKind,
}

impl Tongue {
    /// UnionPay's POS dialect: two bytes of length, TPDU and header.
    pub(crate) fn unionpay() -> Self {
        Self {
            name: TerminalDialect::UnionpayPos,
            dialect: Dialect::builtin("unionpay-pos").expect("the dialect of terminals is built in"),
            spoken: Spoken::UnionPay,
            framing: Framing::Len2BeExclusive,
            envelope: EnvelopeKind::TpduHeader,
        }
    }

    /// As a listener of the configuration says; nothing for a dialect that terminals do not speak.
    pub(crate) fn of(listener: &GenericListener) -> Option<Self> {
        let dialect = Dialect::builtin(listener.dialect.name())?;
        Some(Self {
            name: TerminalDialect::Iso(listener.dialect),
            dialect,
            spoken: Spoken::of(dialect)?,
            framing: listener.framing,
            envelope: listener.envelope,
        })
    }
}
