//! Reading a vector's inputs.

use std::collections::BTreeMap;

use crate::block::TdesCipher;
use crate::des_key::DesKey;
use crate::pin::Pin;

use super::{Fault, Value};

/// The inputs of one vector, by name.
pub(super) struct Inputs<'a>(pub(super) &'a BTreeMap<String, Value>);

impl<'a> Inputs<'a> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn text(&self, name: &'static str) -> Result<&'a str, Fault> {
        match self.0.get(name) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(Fault::Input(name)),
        }
    }

    pub(super) fn number(&self, name: &'static str) -> Result<usize, Fault> {
        match self.0.get(name) {
            Some(Value::Number(number)) => usize::try_from(*number).map_err(|_| Fault::Input(name)),
            _ => Err(Fault::Input(name)),
        }
    }

    pub(super) fn list(&self, name: &'static str) -> Result<&'a [Value], Fault> {
        match self.0.get(name) {
            Some(Value::List(list)) => Ok(list),
            _ => Err(Fault::Input(name)),
        }
    }

    /// ASCII text as bytes: PANs, PINs, expiries.
    pub(super) fn ascii(&self, name: &'static str) -> Result<&'a [u8], Fault> {
        self.text(name).map(str::as_bytes)
    }

    pub(super) fn ascii_array<const N: usize>(&self, name: &'static str) -> Result<&'a [u8; N], Fault> {
        self.ascii(name)?.try_into().map_err(|_| Fault::Input(name))
    }

    pub(super) fn hex(&self, name: &'static str) -> Result<Vec<u8>, Fault> {
        unhex(self.text(name)?).ok_or(Fault::Input(name))
    }

    pub(super) fn array<const N: usize>(&self, name: &'static str) -> Result<[u8; N], Fault> {
        self.hex(name)?.try_into().map_err(|_| Fault::Input(name))
    }

    pub(super) fn des_key(&self, name: &'static str) -> Result<DesKey, Fault> {
        DesKey::from_slice(&self.hex(name)?).map_err(|_| Fault::Input(name))
    }

    pub(super) fn tdes(&self, name: &'static str) -> Result<TdesCipher, Fault> {
        self.des_key(name).map(|key| TdesCipher::new(&key))
    }

    pub(super) fn pin(&self, name: &'static str) -> Result<Pin, Fault> {
        Pin::new(self.ascii(name)?).map_err(|_| Fault::Input(name))
    }
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |b: u8| char::from(b).to_digit(16);
    text.as_bytes()
        .as_chunks::<2>()
        .0
        .iter()
        .map(|&[h, l]| Some((nibble(h)? << 4 | nibble(l)?) as u8))
        .collect()
}
