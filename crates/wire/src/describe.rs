//! Messages for people.
use crate::*;
/// Several lines of text about the message.
pub fn describe(_message: &Message<'_, '_>, _masking: Masking) -> String {
    todo!()
}
