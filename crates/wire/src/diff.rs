//! What differs between two messages.
use crate::*;
/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: ElementPath,
    /// Left, if present.
    pub left: Option<String>,
    /// Right, if present.
    pub right: Option<String>,
}
/// Compares two messages, element by element.
pub fn diff(_left: &Message<'_, '_>, _right: &Message<'_, '_>, _masking: Masking) -> Vec<Difference> {
    todo!()
}
