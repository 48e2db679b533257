//! What must hold for every message and for every byte string.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use switchyard_wire::{
    Class, Dialect, Element, Encoding, Framing, Length, Masking, Message, Mti, ReplyPlan, Scan, diff, fuzzing,
};

/// A value that the element can carry.
#[derive(Clone, Debug)]
enum Given {
    Digits(String),
    Text(String),
    Bytes(Vec<u8>),
}

fn lengths(element: &Element) -> std::ops::RangeInclusive<usize> {
    match element.length() {
        Length::Fixed(len) => len as usize..=len as usize,
        // Long values add time, not cases.
        Length::Variable { max, .. } => 0..=(max as usize).min(70),
    }
}

fn value(element: &Element) -> BoxedStrategy<Given> {
    let lengths = lengths(element);
    let (low, high) = (*lengths.start(), *lengths.end());
    let of = |pattern: &str| proptest::string::string_regex(&format!("{pattern}{{{low},{high}}}")).unwrap();
    match element.class() {
        Class::Binary => vec(any::<u8>(), lengths).prop_map(Given::Bytes).boxed(),
        Class::Numeric => of("[0-9]").prop_map(Given::Digits).boxed(),
        Class::SignedAmount => {
            let rest = proptest::string::string_regex(&format!("[CD][0-9]{{{}}}", low.max(1) - 1)).unwrap();
            rest.prop_map(Given::Digits).boxed()
        }
        Class::Track if element.encoding() == Encoding::Bcd => {
            of("[0-9=A-CEF]").prop_map(Given::Digits).boxed()
        }
        Class::Track | Class::Alpha | Class::AlphaNumeric => of("[0-9A-Za-z ]").prop_map(Given::Text).boxed(),
        Class::Text => of("[ -~]").prop_map(Given::Text).boxed(),
    }
}

fn message_of(dialect: &'static Dialect) -> impl Strategy<Value = Vec<(u8, Given)>> {
    let elements: Vec<&Element> = dialect.elements().collect();
    let count = elements.len();
    proptest::sample::subsequence(elements, 0..=count.min(20)).prop_flat_map(|chosen| {
        chosen.into_iter().map(|element| (Just(element.de()), value(element))).collect::<Vec<_>>()
    })
}

fn build(dialect: &Dialect, mti: Mti, values: &[(u8, Given)]) -> Vec<u8> {
    let mut out = vec![0xEE];
    let mut builder = dialect.builder(&mut out, mti);
    for (de, given) in values {
        match given {
            Given::Digits(digits) => builder.digits(*de, digits.as_bytes()).unwrap(),
            Given::Text(text) => builder.text(*de, text).unwrap(),
            Given::Bytes(bytes) => builder.bytes(*de, bytes).unwrap(),
        };
    }
    let range = builder.finish().unwrap();
    assert_eq!((range.start, out[0]), (1, 0xEE));
    out.split_off(1)
}

fn holds(message: &Message<'_, '_>, de: u8, given: &Given) -> bool {
    match given {
        Given::Digits(digits) => {
            let mut buf = [0; 1024];
            message.digits(de, &mut buf) == Some(digits.as_bytes())
                && message.value_len(de) == Some(digits.len())
        }
        Given::Text(text) => message.text(de).unwrap().trim_end_matches(' ') == text.trim_end_matches(' '),
        Given::Bytes(bytes) => message.bytes_owned(de).as_deref() == Some(bytes.as_slice()),
    }
}

fn any_case() -> impl Strategy<Value = (&'static Dialect, Vec<(u8, Given)>, Mti)> {
    let names = Dialect::builtin_names();
    let mti = (0..9u16, 1..9u16, 0..8u16, 0..6u16);
    (0..names.len(), mti).prop_flat_map(|(index, (a, b, c, d))| {
        let dialect = Dialect::builtin(Dialect::builtin_names()[index]).unwrap();
        let mti = Mti::new(a << 12 | b << 8 | c << 4 | d);
        message_of(dialect).prop_map(move |values| (dialect, values, mti))
    })
}

/// A message, cut and spoiled in a few places: deeper than random bytes ever get.
fn spoiled() -> impl Strategy<Value = Vec<u8>> {
    (any_case(), vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), any::<prop::sample::Index>())
        .prop_map(|((dialect, values, mti), spoils, cut)| {
            let mut bytes = build(dialect, mti, &values);
            for (index, byte) in spoils {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            if cut.index(4) == 0 {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            bytes
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_built_parses_to_the_same_values((dialect, values, mti) in any_case()) {
        let body = build(dialect, mti, &values);
        let message = dialect.parse(&body).unwrap_or_else(|error| panic!("{}: {error}", dialect.name()));
        prop_assert_eq!(message.mti(), mti);
        let present: Vec<u8> = message.elements().collect();
        prop_assert_eq!(present, values.iter().map(|(de, _)| *de).collect::<Vec<_>>());
        for (de, given) in &values {
            prop_assert!(holds(&message, *de, given), "{} de {de} {given:?}", dialect.name());
        }
        // Built from canonical values, the bytes are canonical too.
        let mut again = Vec::new();
        let mut builder = dialect.builder(&mut again, mti);
        for (de, _) in &values {
            builder.echo(&message, *de).unwrap();
        }
        builder.finish().unwrap();
        prop_assert_eq!(&again, &body);
        prop_assert!(diff::diff(&message, &dialect.parse(&again).unwrap(), Masking::Masked).is_empty());
    }

    #[test]
    fn every_cut_of_a_message_is_an_error_and_keeps_what_was_before((dialect, values, mti) in any_case()) {
        let body = build(dialect, mti, &values);
        for cut in 0..body.len() {
            let (partial, error) = dialect.parse_partial(&body[..cut]);
            prop_assert!(error.is_some(), "{} cut at {cut}", dialect.name());
            for (de, given) in values.iter().take(partial.elements().count()) {
                prop_assert!(holds(&partial, *de, given));
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300)) {
        fuzzing::describe(&bytes);
        fuzzing::parse_all(&bytes);
        fuzzing::roundtrip(&bytes);
        fuzzing::frames(&bytes);
        fuzzing::show(&bytes);
    }

    #[test]
    fn no_spoiled_message_panics(bytes in spoiled()) {
        fuzzing::describe(&bytes);
        fuzzing::parse_all(&bytes);
        fuzzing::roundtrip(&bytes);
        fuzzing::frames(&bytes);
        fuzzing::show(&bytes);
    }

    #[test]
    fn no_text_panics_the_dialect_compiler(text in "[a-z0-9 =\\[\\]\\.\"\n{}]{0,200}", bytes in vec(any::<u8>(), 0..40)) {
        fuzzing::dialect(&text, &bytes);
        fuzzing::import(&text);
    }

    #[test]
    fn frames_survive_being_split_and_joined(payloads in vec(vec(any::<u8>(), 1..200), 1..6), index in 0..Framing::ALL.len(), cut in any::<prop::sample::Index>()) {
        let framing = Framing::ALL[index];
        let payloads = writable(framing, payloads);
        let mut stream = Vec::new();
        for payload in &payloads {
            framing.write(&mut stream, |out| out.extend_from_slice(payload)).unwrap();
        }
        let frames = framing.frames(&stream, 4096);
        let found: Vec<&[u8]> = frames.map(|range| &stream[range.unwrap()]).collect();
        prop_assert_eq!(found, payloads.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let whole = framing.header_bytes() + payloads[0].len() + framing.trailer_bytes();
        let cut = cut.index(whole);
        match framing.scan(&stream[..cut], 4096) {
            Scan::NeedMore { at_least } => prop_assert!(at_least > cut && at_least <= whole),
            other => prop_assert!(false, "{framing}: {other:?}"),
        }
    }

    #[test]
    fn frames_come_out_the_same_when_bytes_come_one_at_a_time(payloads in vec(vec(any::<u8>(), 0..60), 1..6), index in 0..Framing::ALL.len()) {
        let framing = Framing::ALL[index];
        let payloads = writable(framing, payloads);
        let mut stream = Vec::new();
        for payload in &payloads {
            framing.write(&mut stream, |out| out.extend_from_slice(payload)).unwrap();
        }
        let (mut waiting, mut found, mut asked) = (Vec::new(), Vec::new(), 0);
        for byte in &stream {
            waiting.push(*byte);
            loop {
                match framing.scan(&waiting, 4096) {
                    Scan::Frame { start, end, consumed } => {
                        prop_assert!(waiting.len() >= asked, "{framing}: a frame before the bytes it asked for");
                        found.push(waiting[start..end].to_vec());
                        waiting.drain(..consumed);
                        asked = 0;
                    }
                    Scan::KeepAlive { consumed } => {
                        found.push(Vec::new());
                        waiting.drain(..consumed);
                        asked = 0;
                    }
                    Scan::NeedMore { at_least } => {
                        prop_assert!(at_least > waiting.len());
                        asked = at_least;
                        break;
                    }
                    Scan::Bad(error) => return Err(TestCaseError::fail(format!("{framing}: {error}"))),
                }
            }
        }
        prop_assert!(waiting.is_empty(), "{framing}");
        // An empty payload is a keep-alive, and is seen as one.
        prop_assert_eq!(found, payloads, "{}", framing);
    }
}

/// What a framing can carry: text framing has no way to carry the byte that ends a text.
fn writable(framing: Framing, mut payloads: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    if framing == Framing::StxEtx {
        payloads.iter_mut().flatten().filter(|byte| **byte == 3).for_each(|byte| *byte = b'3');
    }
    payloads
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_parse_by_shape_is_a_parse_by_the_table(bytes in spoiled()) {
        fuzzing::shape_equals_table(&bytes);
    }

    #[test]
    fn a_planned_reply_is_a_built_one((dialect, values, mti) in any_case(), code in "[0-9]{2}") {
        let body = build(dialect, mti, &values);
        let echo: Vec<u8> = dialect.elements().map(Element::de).filter(|de| de % 3 != 0 && *de != 38).collect();
        // 38 is six characters in every edition.
        let plan = ReplyPlan::new(dialect, &echo, &[38]).unwrap();
        let answer = switchyard_wire::Dialect::element(dialect, 38).map(|element| element.encoding());
        let digit = if answer == Some(Encoding::Ebcdic) { 0xF1 } else { b'1' };
        for _ in 0..3 {
            let message = dialect.parse(&body).unwrap();
            let mut built = Vec::new();
            let mut builder = dialect.builder(&mut built, mti.reply());
            let mut des: Vec<u8> = message.elements().filter(|de| echo.contains(de)).chain([38]).collect();
            des.sort_unstable();
            for de in des {
                if de == 38 { builder.text(38, "111111").unwrap(); } else { builder.echo(&message, de).unwrap(); }
            }
            builder.finish().unwrap();
            let mut planned = code.clone().into_bytes();
            let range = plan.write(&message, &mut planned, &[&[digit; 6]]).unwrap();
            prop_assert_eq!(&planned[range], &built[..], "{}", dialect.name());
            prop_assert!(plan.write(&message, &mut planned, &[]).is_err());
        }
    }
}
