//! The same messages through iso8583_rs: field by field equal, both ways, as far as its formats reach.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

use switchyard_peers::iso8583_peer::{FORMS, Form, Value, empty, parse, yaml};
use switchyard_wire::{Class, Dialect, Element, Length, Message, Mti};

/// Messages for each form.
const MESSAGES: u64 = 2_000;
/// Spoiled copies of each message.
const SPOILED: usize = 4;
/// Units of a variable element; longer ones add time, not cases.
const UNITS_MAX: u64 = 60;

/// A generator that gives the same numbers everywhere (splitmix64).
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(alphabet[self.below(alphabet.len() as u64) as usize])).collect()
    }

    fn value(&mut self, element: &Element) -> Value {
        const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ";
        let length = match element.length() {
            Length::Fixed(length) => length as usize,
            Length::Variable { max, .. } => self.below(u64::from(max).min(UNITS_MAX) + 1) as usize,
        };
        match element.class() {
            Class::Numeric => Value::Text(self.text(b"0123456789", length)),
            Class::SignedAmount => {
                Value::Text(self.text(b"CD", 1) + &self.text(b"0123456789", length.saturating_sub(1)))
            }
            Class::Track => Value::Text(self.text(b"0123456789=", length)),
            Class::Alpha | Class::AlphaNumeric | Class::Text => Value::Text(self.text(LETTERS, length)),
            Class::Binary => Value::Bytes((0..length).map(|_| self.next() as u8).collect()),
        }
    }

    /// Some twenty elements out of those that both can carry.
    fn message(&mut self, form: Form) -> Vec<(&'static Element, Value)> {
        let elements = form.dialect().elements().filter(|element| form.can_express(element).is_ok());
        elements
            .filter(|_| self.below(6) == 0)
            .collect::<Vec<_>>()
            .into_iter()
            .map(|e| (e, self.value(e)))
            .collect()
    }
}

fn build(dialect: &Dialect, values: &[(&Element, Value)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut builder = dialect.builder(&mut out, Mti::new(0x0200));
    for (element, value) in values {
        match value {
            Value::Text(text) => builder.text(element.de(), text).unwrap(),
            Value::Bytes(bytes) => builder.bytes(element.de(), bytes).unwrap(),
        };
    }
    builder.finish().unwrap();
    out
}

/// What we read of an element.
fn ours(message: &Message<'_, '_>, element: &Element) -> Value {
    match element.class() {
        Class::Binary => Value::Bytes(message.bytes_owned(element.de()).unwrap().into_owned()),
        _ => Value::Text(message.text(element.de()).unwrap().into_owned()),
    }
}

#[test]
fn the_committed_specification_is_what_our_dialects_say() {
    let committed = include_str!("../iso8583_rs.yaml");
    assert!(committed == yaml(), "write it anew: cargo run --bin write-spec > iso8583_rs.yaml");
}

#[test]
fn both_read_and_write_the_same_messages() {
    let mut seeded = Seeded(1);
    for form in FORMS {
        let dialect = form.dialect();
        let mut refused: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for element in dialect.elements() {
            if let Err(why) = form.can_express(element) {
                refused.entry(why).or_default().push(element.de());
            }
        }
        let mut compared = 0;
        for _ in 0..MESSAGES {
            let values = seeded.message(form);
            let body = build(dialect, &values);
            let theirs = parse(&mut body.clone()).unwrap();
            let message = dialect.parse(&body).unwrap();
            // Theirs also has the message type and the bitmap.
            assert_eq!(theirs.fd_map.len(), values.len() + 2, "{form:?}: {body:02x?}");
            let mut written = empty(form);
            for (element, value) in &values {
                let de = element.de();
                let expected = form.as_theirs(element, value);
                assert_eq!(ours(&message, element), *value, "{form:?} de {de}");
                assert_eq!(
                    theirs.bmp_child_value(u32::from(de)).ok(),
                    Some(expected.clone()),
                    "{form:?} de {de}"
                );
                written.set_on(u32::from(de), &expected).ok().unwrap();
                compared += 1;
            }
            assert_eq!(written.assemble().ok().unwrap(), body, "{form:?}: both write the same bytes");
        }
        let carried = dialect.elements().filter(|element| form.can_express(element).is_ok()).count();
        println!("{form:?}: {MESSAGES} messages, {compared} values equal, {carried} of 127 elements");
        for (why, elements) in refused {
            println!("NOT COMPARED: {form:?}: elements {elements:?}: {why}");
        }
        assert!(compared > 10_000, "{form:?}: only {compared} values");
    }
}

/// What both accept of spoiled messages has the same elements with the same bytes.
#[test]
fn spoiled_messages_that_both_accept_are_read_alike() {
    // Its panics are many and expected; ours are told.
    let told = take_hook();
    set_hook(Box::new(move |info| {
        if info.location().is_some_and(|at| at.file().starts_with("tests")) {
            told(info);
        }
    }));
    let mut seeded = Seeded(2);
    let (mut total, mut panics, mut accepted, mut equal) = (0, 0, 0, 0);
    for form in FORMS {
        let dialect = form.dialect();
        for _ in 0..MESSAGES / 2 {
            let values = seeded.message(form);
            let body = build(dialect, &values);
            for _ in 0..SPOILED {
                let mut spoiled = body.clone();
                let at = seeded.below(spoiled.len() as u64) as usize;
                spoiled[at] = seeded.next() as u8;
                total += 1;
                let theirs = catch_unwind(AssertUnwindSafe(|| parse(&mut spoiled.clone())));
                let ours_read = dialect.parse(&spoiled);
                panics += u64::from(theirs.is_err());
                let Ok(message) = ours_read else { continue };
                accepted += 1;
                // Another message type is no segment to it, and it does not have every element of ours.
                let Ok(Ok(theirs)) = theirs else { continue };
                assert_eq!(theirs.fd_map.len(), message.elements().count() + 2);
                for de in message.elements() {
                    let value = theirs.fd_map.get(&format!("de{de}")).map(Vec::as_slice);
                    assert_eq!(value, message.raw(de), "{form:?} de {de} of {spoiled:02x?}");
                    equal += 1;
                }
            }
        }
    }
    println!("{total} spoiled: we accept {accepted}, {equal} values equal; iso8583_rs panics on {panics}");
    assert!(accepted > 500 && equal > 5_000);
}
