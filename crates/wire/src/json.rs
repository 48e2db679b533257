//! Messages as JSON and back.
use crate::*;
use serde_json::Value;
/// The message as JSON.
pub fn to_json(_message: &Message<'_, '_>, _masking: Masking) -> Value {
    todo!()
}
/// The message with its envelope (`header`) as JSON.
pub fn to_json_with(_message: &Message<'_, '_>, _envelope: &Envelope, _masking: Masking) -> Value {
    todo!()
}
/// Builds the body.
pub fn from_json(_dialect: &Dialect, _value: &Value) -> Result<Vec<u8>, JsonError> {
    todo!()
}
/// The envelope in `header`, empty when there is none.
pub fn envelope_from_json(_value: &Value) -> Result<Envelope, JsonError> {
    todo!()
}
/// JSON that is not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The message cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A member is missing or has another shape.
    #[error("{path}: expected {expected}")]
    Shape {
        /// Member.
        path: String,
        /// What belongs there.
        expected: &'static str,
    },
}
