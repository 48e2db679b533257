//! Elements in order, written as the dialect's tables want them.

use crate::error::SimError;
use std::collections::BTreeMap;
use switchyard_domain::{Timestamp, UtcOffset};
use switchyard_keys::mac::MacKey;
use switchyard_wire::{Builder, Class, De, Dialect, Mti, MtiVersion};

/// The value of an element.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    /// Bytes, or hexadecimal digits where the dialect has characters only.
    Bytes(Vec<u8>),
}

/// The elements of a message.
#[derive(Debug, Default)]
pub(super) struct Elements(BTreeMap<De, Value>);

impl Elements {
    pub(super) fn text(&mut self, de: De, text: impl Into<String>) -> &mut Self {
        self.0.insert(de, Value::Text(text.into()));
        self
    }
    pub(super) fn number(&mut self, de: De, number: u64) -> &mut Self {
        self.0.insert(de, Value::Number(number));
        self
    }
    pub(super) fn bytes(&mut self, de: De, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.0.insert(de, Value::Bytes(bytes.into()));
        self
    }
    /// DE 7, 12 and in 1987 13. The trace number goes with them: together they name the message.
    pub(super) fn moment(&mut self, version: MtiVersion, at: Timestamp) -> &mut Self {
        self.text(7, digits(&at.transmission_digits()));
        let local = local(version, at);
        if version == MtiVersion::Iso1987 {
            self.text(13, digits(&at.local_date_digits(UtcOffset::CHINA)));
        }
        self.text(12, local)
    }

    /// The body. With a key it ends in DE 64, or in 128 where an element above 64 is there; in 2003 that has four bytes.
    pub(super) fn build(
        &self,
        dialect: &Dialect,
        mti: Mti,
        mac: Option<(&MacKey, bool)>,
    ) -> Result<Vec<u8>, SimError> {
        let mut body = Vec::with_capacity(320);
        let mut builder = dialect.builder(&mut body, mti);
        for (de, value) in &self.0 {
            put(&mut builder, *de, value)?;
        }
        let Some((key, is_wrong)) = mac else {
            builder.finish()?;
            return Ok(body);
        };
        let de = if self.0.keys().any(|de| *de > 64) { 128 } else { 64 };
        let compute = |covered: &[u8]| {
            let mut mac = *key.compute(covered).as_bytes();
            mac[0] ^= u8::from(is_wrong);
            mac
        };
        if mti.version() == MtiVersion::Iso2003 {
            builder.finish_with_mac(de, |covered: &[u8]| compute(covered)[..4].to_vec())?;
        } else {
            builder.finish_with_mac(de, compute)?;
        }
        Ok(body)
    }
}

fn put(builder: &mut Builder<'_, '_>, de: De, value: &Value) -> Result<(), SimError> {
    match value {
        Value::Text(text) => builder.text(de, text)?,
        Value::Number(number) => builder.number(de, *number)?,
        Value::Bytes(bytes) => {
            let is_binary = builder.dialect().element(de).is_some_and(|e| e.class() == Class::Binary);
            if is_binary {
                builder.bytes(de, bytes)?
            } else {
                builder.text(de, &crate::hex::encode(bytes))?
            }
        }
    };
    Ok(())
}

/// DE 12: with its date since 1993.
pub(super) fn local(version: MtiVersion, at: Timestamp) -> String {
    let (date, time) =
        (digits(&at.local_date_digits(UtcOffset::CHINA)), digits(&at.local_time_digits(UtcOffset::CHINA)));
    let year = at.local(UtcOffset::CHINA).year();
    match version {
        MtiVersion::Iso1987 | MtiVersion::Other(_) => time,
        MtiVersion::Iso1993 => format!("{:02}{date}{time}", year % 100),
        MtiVersion::Iso2003 => format!("{year:04}{date}{time}"),
    }
}

pub(super) fn digits(digits: &[u8]) -> String {
    String::from_utf8_lossy(digits).into_owned()
}
