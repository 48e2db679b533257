//! What a chip made of its issuer's scripts: DE 55 of a script result, in every dialect of terminals.

use super::Refusal;
use switchyard_wire::Tlvs;

/// Bytes of the result of one script.
const SCRIPT_RESULT_BYTES: usize = 5;
/// Most scripts of one answer.
const SCRIPTS_MAX: usize = 10;

/// What a terminal tells of scripts, before the transaction is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scripts {
    pub(super) results: Vec<u8>,
    pub(super) verification: Option<[u8; 5]>,
    pub(super) counter: Option<u16>,
}

impl Scripts {
    /// Reads chip data.
    pub(super) fn read(data: &[u8]) -> Result<Self, Refusal> {
        let (mut results, mut verification, mut counter) = (None, None, None);
        for object in Tlvs::new(data).map_while(Result::ok) {
            match object.tag {
                0xDF31 => results = Some(object.value.to_vec()),
                0x95 => verification = object.value.try_into().ok(),
                0x9F36 => counter = object.value.try_into().ok().map(u16::from_be_bytes),
                _ => {}
            }
        }
        let results = results.filter(|results| {
            results.len().is_multiple_of(SCRIPT_RESULT_BYTES)
                && (1..=SCRIPTS_MAX).contains(&(results.len() / SCRIPT_RESULT_BYTES))
        });
        Ok(Self { results: results.ok_or(Refusal::malformed(55))?, verification, counter })
    }
}
