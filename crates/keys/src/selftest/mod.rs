//! Known-answer tests that can be run wherever the library is: `switchyard key selftest`.
//!
//! A vector is one JSON object a line, `{alg, inputs, output, source}`; reading the JSON is the
//! caller's. Bytes are hex, PANs, PINs and text are themselves.

mod cards;
mod dukpt;
mod emv;
mod input;
mod keys;
mod macs;
mod pins;

use std::collections::BTreeMap;

use crate::error::KeyError;
use crate::pin::PinError;

use self::input::Inputs;

/// A value in a vector.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Text, mostly hex.
    Text(String),
    /// A whole number.
    Number(u64),
    /// Several values, such as key components.
    List(Vec<Value>),
    /// Named values.
    Map(BTreeMap<String, Value>),
    /// JSON's null: not known.
    Null(()),
}

/// One known answer.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Vector {
    /// Name of the algorithm.
    pub alg: String,
    /// What goes in, by name.
    pub inputs: BTreeMap<String, Value>,
    /// What must come out.
    pub output: Value,
    /// Who says so.
    #[serde(default)]
    pub source: String,
}

/// What became of a vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The answer is the known one.
    Pass,
    /// It is not.
    Fail {
        /// What this library answers, or why it does not.
        got: String,
    },
    /// This library does not know the algorithm.
    Unknown,
}

/// Computes the answer to `vector` and compares it.
#[must_use]
pub fn run(vector: &Vector) -> Outcome {
    let inputs = Inputs(&vector.inputs);
    let families = [pins::run, macs::run, cards::run, keys::run, dukpt::run, emv::run];
    let Some(result) = families.iter().find_map(|family| family(&vector.alg, &inputs)) else {
        return Outcome::Unknown;
    };
    match result {
        Ok(answer) if agrees(&answer, &vector.output) => Outcome::Pass,
        Ok(answer) => Outcome::Fail { got: format!("{answer:?}") },
        Err(Fault::Refused(_)) if expects_refusal(&vector.output) => Outcome::Pass,
        Err(Fault::Refused(why)) => Outcome::Fail { got: format!("refused: {why}") },
        Err(Fault::Input(name)) => Outcome::Fail { got: format!("input {name} missing or malformed") },
    }
}

/// An answer, in the vector's own shape.
#[derive(Debug)]
enum Answer {
    Text(String),
    Map(Vec<(&'static str, String)>),
}

impl Answer {
    fn hex(bytes: &[u8]) -> Self {
        Self::Text(hex(bytes))
    }

    fn digits(ascii: &[u8]) -> Self {
        Self::Text(String::from_utf8_lossy(ascii).into_owned())
    }
}

type Tested = Result<Answer, Fault>;

/// Why there is no answer.
#[derive(Debug)]
enum Fault {
    /// The vector lacks this input, or it does not read.
    Input(&'static str),
    /// The library refused, which some vectors expect.
    Refused(String),
}

impl From<KeyError> for Fault {
    fn from(error: KeyError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<PinError> for Fault {
    fn from(error: PinError) -> Self {
        Self::Refused(error.to_string())
    }
}

fn expects_refusal(output: &Value) -> bool {
    matches!(output, Value::Text(text) if text.starts_with("ERROR"))
}

fn agrees(answer: &Answer, output: &Value) -> bool {
    match (answer, output) {
        (Answer::Text(got), Value::Text(want)) => match want.strip_prefix("..") {
            // "..488 (last 3)": a publication that shows only the end.
            Some(tail) => tail.split(' ').next().is_some_and(|tail| got.ends_with(tail)),
            None => got == want,
        },
        (Answer::Map(got), Value::Map(want)) => {
            want.iter().filter(|(name, _)| *name != "note").all(|(name, want)| {
                let got = got.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
                match want {
                    Value::Null(()) => true,
                    // Publications show 3 or 5 bytes of an AES check value.
                    Value::Text(want) if name == "kcv" => {
                        got.is_some_and(|got| got.starts_with(want.as_str()))
                    }
                    Value::Text(want) => got == Some(want),
                    Value::Map(inner) => got == Some(&pairs(inner)),
                    Value::Number(_) | Value::List(_) => false,
                }
            })
        }
        (Answer::Text(_) | Answer::Map(_), _) => false,
    }
}

/// Named texts on one line, as [`keys`] writes optional blocks.
fn pairs(map: &BTreeMap<String, Value>) -> String {
    let text = |value: &Value| if let Value::Text(text) = value { text.clone() } else { String::new() };
    map.iter().map(|(name, value)| format!("{name}={};", text(value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
