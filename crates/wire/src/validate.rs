//! Which transaction a message belongs to, and whether it carries what that transaction needs.

use crate::{De, Dialect, Message, Mti, Subvalue, Transaction};

/// What a message lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The dialect knows no transaction with this selector.
    #[error("no transaction of the dialect has this message type and selector")]
    UnknownTransaction,
    /// A mandatory element is absent.
    #[error("de {de}: mandatory for this transaction and absent")]
    Missing {
        /// The element.
        de: De,
    },
}

impl Dialect {
    /// The transaction that a request or reply belongs to, by message type and selector.
    ///
    /// A repeat belongs to the transaction of what it repeats.
    pub fn transaction_of(&self, message: &Message<'_, '_>) -> Option<&Transaction> {
        let mti = message.mti();
        let mti = if mti.is_repeat() { Mti::from_bcd(mti.as_u16() & 0xFFFE).unwrap_or(mti) } else { mti };
        self.transactions()
            .iter()
            .find(|known| (known.mti == mti || known.mti.reply() == mti) && selects(known, message))
    }
}

fn selects(transaction: &Transaction, message: &Message<'_, '_>) -> bool {
    transaction.when.iter().all(|condition| {
        value_at(message, &condition.path).is_some_and(|actual| condition.values.contains(&actual))
    })
}

/// The value at a path: `3` or `60.1`.
fn value_at(message: &Message<'_, '_>, path: &str) -> Option<String> {
    if let Ok(de) = path.parse::<De>() {
        return message.text(de).map(Into::into);
    }
    Some(match message.subfield(path)? {
        Subvalue::Digits(digits) => digits.as_str().to_owned(),
        Subvalue::Text(text) => text.into_owned(),
        Subvalue::Bytes(bytes) => crate::render::hex(bytes),
        Subvalue::Decoded(bytes) => crate::render::hex(&bytes),
    })
}

/// The mandatory elements that the message lacks, ascending; empty when it is complete.
///
/// A dialect without a table of transactions finds nothing to object to.
pub fn validate(message: &Message<'_, '_>) -> Vec<Violation> {
    let dialect = message.dialect();
    if dialect.transactions().is_empty() {
        return Vec::new();
    }
    let Some(transaction) = dialect.transaction_of(message) else {
        return vec![Violation::UnknownTransaction];
    };
    let needed = if message.mti().is_response() { &transaction.reply } else { &transaction.request };
    needed.iter().filter(|de| !message.has(**de)).map(|&de| Violation::Missing { de }).collect()
}
