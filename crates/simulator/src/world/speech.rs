//! What a terminal speaks, and how its messages are framed.

use crate::error::SimError;
use switchyard_domain::{LinkDialect, TerminalDialect, TerminalProfile};
use switchyard_wire::{Dialect, EnvelopeKind, Framing, MtiVersion};

/// Dialect, framing and envelope of a terminal, and what its profile at the switch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speech {
    /// Its dialect.
    pub dialect: TerminalDialect,
    /// What stands before each message.
    pub framing: Framing,
    /// What stands between that and the message.
    pub envelope: EnvelopeKind,
    /// Whether its transactions and their answers carry a MAC.
    pub carries_mac: bool,
    /// Whether it understands that a part of the amount was approved.
    pub takes_partial: bool,
}

impl Default for Speech {
    /// UnionPay's POS dialect: two bytes of length, TPDU and header.
    fn default() -> Self {
        Self {
            dialect: TerminalDialect::UnionpayPos,
            framing: Framing::Len2BeExclusive,
            envelope: EnvelopeKind::TpduHeader,
            carries_mac: true,
            takes_partial: false,
        }
    }
}

impl Speech {
    /// A generic dialect: two bytes of length and no envelope.
    pub fn generic(dialect: LinkDialect) -> Self {
        Self { dialect: TerminalDialect::Iso(dialect), envelope: EnvelopeKind::None, ..Self::default() }
    }
    /// Whether it is a generic dialect, which names no batch and whose requests are known by their moment.
    pub fn is_generic(&self) -> bool {
        self.dialect != TerminalDialect::UnionpayPos
    }
    /// What an operator orders at the switch, so that the terminal is understood.
    pub fn profile(&self) -> TerminalProfile {
        let Self { dialect, carries_mac, takes_partial, .. } = *self;
        TerminalProfile { dialect, carries_mac, takes_partial }
    }
    /// The dialect's tables.
    ///
    /// # Errors
    /// [`SimError::World`] never in practice: every name is that of a built-in dialect.
    pub fn tables(&self) -> Result<&'static Dialect, SimError> {
        Dialect::builtin(self.dialect.name()).ok_or(SimError::World { what: "dialect" })
    }
    /// The edition of the standard, as the first digit of its message types says.
    pub fn version(&self) -> MtiVersion {
        let TerminalDialect::Iso(dialect) = self.dialect else { return MtiVersion::Iso1987 };
        match dialect.name() {
            name if name.starts_with("iso93") => MtiVersion::Iso1993,
            name if name.starts_with("iso2003") => MtiVersion::Iso2003,
            _ => MtiVersion::Iso1987,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_generic_dialect_has_tables_and_the_edition_of_its_name() {
        for name in ["iso87-ascii", "iso87-ascii-binbitmap", "iso87-binary", "iso87-ebcdic"] {
            let speech = Speech::generic(LinkDialect::named(name).unwrap());
            assert_eq!((speech.version(), speech.tables().unwrap().name()), (MtiVersion::Iso1987, name));
        }
        for (name, version) in [
            ("iso93-ascii", MtiVersion::Iso1993),
            ("iso93-binary", MtiVersion::Iso1993),
            ("iso2003-ascii", MtiVersion::Iso2003),
            ("iso2003-binary", MtiVersion::Iso2003),
        ] {
            let speech = Speech::generic(LinkDialect::named(name).unwrap());
            assert_eq!((speech.version(), speech.tables().unwrap().name()), (version, name));
            assert!(speech.is_generic() && !Speech::default().is_generic());
        }
    }
}
