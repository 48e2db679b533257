//! Field presence by transaction.
use crate::*;
/// What a message of a known transaction lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// No transaction of the dialect has this selector.
    UnknownTransaction,
    /// A mandatory element is absent.
    Missing {
        /// The element.
        de: De,
    },
}
/// Checks mandatory elements for the transaction that the message's selector names.
pub fn validate(_message: &Message<'_, '_>) -> Vec<Violation> {
    todo!()
}
