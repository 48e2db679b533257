//! Card numbers of a message, wherever else in it they stand: in text without a name, in a vendor's bytes.

use crate::dialect::Sensitivity;
use crate::mask::mask_pan;
use crate::{Masking, Message, render};

/// Shortest and longest card number.
const PAN_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// Card numbers that are looked for in one message: batch uploads carry up to eight.
const PANS_MAX: usize = 16;

/// The card numbers that a message has in the elements, subfields and tags made for them.
///
/// Those places are masked by what they are. The same number may stand in places that nobody calls sensitive, and
/// is masked there because it is known.
pub(crate) struct Pans {
    pans: Vec<String>,
}

impl Pans {
    /// Those to hide; none when everything is shown.
    pub(crate) fn of(message: &Message<'_, '_>, masking: Masking) -> Self {
        let mut pans = Self { pans: Vec::new() };
        if masking == Masking::Unmasked {
            return pans;
        }
        for de in message.elements() {
            let Some(element) = message.dialect().element(de) else { continue };
            if holds_pan(element.sensitivity())
                && let Some(value) = render::element(message, de, Masking::Unmasked)
            {
                pans.add(&value.into_string());
            }
            for (spec, value) in message.subfields(de) {
                if holds_pan(spec.sensitivity) {
                    pans.add(&render::subfield(spec, &value, Masking::Unmasked));
                }
            }
            for part in message.parts(de).map_while(Result::ok) {
                if holds_pan(part.sensitivity()) {
                    pans.add(&part.render(Masking::Unmasked).into_string());
                }
            }
        }
        pans
    }

    /// The digits at the start of a value, without the zeros that may fill it.
    fn add(&mut self, value: &str) {
        let from = value.find(|c: char| c.is_ascii_digit()).unwrap_or(value.len());
        let digits = value[from..].bytes().take_while(u8::is_ascii_digit).count();
        let run = &value[from..from + digits];
        for pan in [run, run.trim_start_matches('0')] {
            // A run of one digit is a filler or a test, and stands everywhere.
            let is_filler = pan.bytes().all(|digit| pan.starts_with(char::from(digit)));
            let is_known = self.pans.iter().any(|known| known == pan);
            if PAN_DIGITS.contains(&pan.len()) && !is_filler && !is_known && self.pans.len() < PANS_MAX {
                self.pans.push(pan.to_owned());
            }
        }
    }

    /// The text with every one of them masked.
    pub(crate) fn hide(&self, mut text: String) -> String {
        for pan in &self.pans {
            while let Some(at) = text.find(pan.as_str()) {
                text.replace_range(at..at + pan.len(), &mask_pan(pan));
            }
        }
        text
    }
}

fn holds_pan(sensitivity: Sensitivity) -> bool {
    matches!(sensitivity, Sensitivity::Pan | Sensitivity::Track)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Dialect, Masking, describe, diff, json as wire_json};

    /// A published test number; in 43 its text, in 48 as digits, in 62 as bytes, in 55 under a tag of nobody.
    #[test]
    fn a_card_number_is_masked_where_nobody_expects_it() {
        const PAN: &str = "4111111111111111";
        let dialect = Dialect::builtin("unionpay-pos").unwrap();
        let fields = json!({
            "35": format!("{PAN}=29122011"), "43": format!("SHOP {PAN}"), "48": format!("00{PAN}00"),
            "55": format!("DF7A08{PAN}"), "62": PAN, "63": format!("CUP{PAN}x")
        });
        let body = wire_json::from_json(dialect, &json!({"mti": "0200", "fields": fields})).unwrap();
        let message = dialect.parse(&body).unwrap();
        let shown = describe::describe(&message, Masking::Masked);
        assert!(!shown.contains(PAN) && shown.contains("411111******1111"), "{shown}");
        let document = wire_json::to_json(&message, Masking::Masked);
        assert!(!document.to_string().contains(PAN), "{document}");
        assert_eq!(document["fields"]["62"], "411111******1111");
        let empty = wire_json::from_json(dialect, &json!({"mti": "0200"})).unwrap();
        let empty = dialect.parse(&empty).unwrap();
        for difference in diff::diff(&message, &empty, Masking::Masked) {
            assert!(!difference.to_string().contains(PAN), "{difference}");
        }
        assert!(describe::describe(&message, Masking::Unmasked).contains(&format!("SHOP {PAN}")));
    }
}
