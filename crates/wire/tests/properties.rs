//! What must hold for every message and for every byte string.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use switchyard_wire::{
    BuildError, BuildPlan, Class, Dialect, Element, Encoding, Framing, Length, Masking, Message, Mti,
    ReplyPlan, Scan, Value, diff, fuzzing,
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
    fn what_is_written_the_short_way_is_what_the_long_way_writes((dialect, values, mti) in any_case()) {
        let body = build(dialect, mti, &values);
        let mut long = Vec::new();
        let mut builder = dialect.builder(&mut long, mti);
        for (de, given) in &values {
            // What is reserved takes the long way.
            builder.reserve(*de).unwrap();
            match given {
                Given::Digits(digits) => builder.digits(*de, digits.as_bytes()).unwrap(),
                Given::Text(text) => builder.text(*de, text).unwrap(),
                Given::Bytes(bytes) => builder.bytes(*de, bytes).unwrap(),
            };
        }
        builder.finish().unwrap();
        prop_assert_eq!(long, body, "{}", dialect.name());
    }

    #[test]
    fn a_number_is_its_digits(number in any::<u64>(), shift in 0..64u32, index in 0..9usize) {
        let (number, dialect) = (number >> shift, Dialect::builtin(Dialect::builtin_names()[index]).unwrap());
        for element in dialect.elements().filter(|element| element.class() == Class::Numeric) {
            let text = number.to_string();
            let digits = match element.length() {
                Length::Fixed(length) => format!("{number:0>width$}", width = length as usize),
                Length::Variable { .. } => text.clone(),
            };
            let [mut ours, mut plain] = [Vec::new(), Vec::new()];
            let written = dialect.builder(&mut ours, Mti::new(0x0200)).number(element.de(), number).err();
            let expected = dialect.builder(&mut plain, Mti::new(0x0200)).digits(element.de(), digits.as_bytes()).err();
            prop_assert_eq!(written, expected, "{} {}", dialect.name(), element.de());
            prop_assert_eq!(ours, plain, "{} {}", dialect.name(), element.de());
        }
    }

    /// A dialect that nobody else uses has room for the shape of every case; then each byte may be anything.
    #[test]
    fn a_known_shape_refuses_what_the_table_refuses((dialect, values, mti) in any_case(), seed in any::<u64>()) {
        let fresh = Dialect::from_toml(Dialect::builtin_source(dialect.name()).unwrap()).unwrap();
        let body = build(&fresh, mti, &values);
        fuzzing::shape_equals_table_in(&fresh, &body);
        let mut random = seed;
        for at in 0..body.len() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut spoiled = body.clone();
            // Near misses: one more or one less, another nibble, another case, any byte.
            spoiled[at] = match random >> 61 {
                0 => spoiled[at].wrapping_add(1),
                1 => spoiled[at].wrapping_sub(1),
                2 => spoiled[at] ^ 0x20,
                3 => spoiled[at] ^ 0x80,
                4 => spoiled[at].wrapping_add(0x0A),
                5 => spoiled[at] ^ 0x10,
                _ => (random >> 32) as u8,
            };
            fuzzing::shape_equals_table_in(&fresh, &spoiled);
            fuzzing::shape_equals_table_in(&fresh, &body[..at]);
        }
    }

    /// 38 is six characters in every edition, 44 text behind a length; either may be left out.
    #[test]
    fn a_planned_reply_is_a_built_one(
        (dialect, values, mti) in any_case(),
        code in "[0-9]{2}",
        given in prop::array::uniform4(prop::array::uniform2(any::<bool>())),
        length in 0usize..25,
    ) {
        const ANSWERS: [u8; 2] = [38, 44];
        let body = build(dialect, mti, &values);
        let of_three = |de: &u8| !de.is_multiple_of(3) && *de != 38;
        let echo: Vec<u8> = dialect.elements().map(Element::de).filter(of_three).collect();
        let plan = ReplyPlan::new(dialect, &echo, &ANSWERS).unwrap();
        let texts = ["1".repeat(6), "7".repeat(length)];
        for given in given {
            let message = dialect.parse(&body).unwrap();
            let mut built = Vec::new();
            let mut builder = dialect.builder(&mut built, mti.reply());
            let echoed = message.elements().filter(|de| echo.contains(de) && !ANSWERS.contains(de));
            let answered = ANSWERS.into_iter().zip(given).filter(|(_, given)| *given).map(|(de, _)| de);
            let mut des: Vec<u8> = echoed.chain(answered).collect();
            des.sort_unstable();
            for de in des {
                // 44 is bytes in 2003.
                let is_binary = dialect.element(de).is_some_and(|element| element.class() == Class::Binary);
                match ANSWERS.iter().position(|answer| *answer == de) {
                    Some(index) if is_binary => builder.bytes(de, texts[index].as_bytes()).unwrap(),
                    Some(index) => builder.text(de, &texts[index]).unwrap(),
                    None => builder.echo(&message, de).unwrap(),
                };
            }
            builder.finish().unwrap();
            let wire = [0, 1].map(|index| {
                let is_ebcdic = dialect.element(ANSWERS[index]).unwrap().encoding() == Encoding::Ebcdic;
                texts[index].bytes().map(|digit| if is_ebcdic { digit + 0xC0 } else { digit }).collect::<Vec<u8>>()
            });
            let answers = [0, 1].map(|index| given[index].then_some(wire[index].as_slice()));
            let mut planned = code.clone().into_bytes();
            let range = plan.write(&message, &mut planned, &answers).unwrap();
            prop_assert_eq!(&planned[range], &built[..], "{}", dialect.name());
            for wrong in [[Some(&wire[0][1..]), None], [None, Some(&[0x31; 20_000][..])]] {
                let before = planned.clone();
                prop_assert!(plan.write(&message, &mut planned, &wrong).is_err());
                prop_assert_eq!(&planned, &before);
            }
        }
    }
}

/// One element by the builder, by a plan, and by the long way, which is what is reserved takes.
fn every_way(dialect: &Dialect, de: u8, value: Value<'_>) {
    let mti = Mti::new(0x0200);
    let put = |is_reserved: bool| {
        let mut out = Vec::new();
        let built = dialect.build(&mut out, mti, |builder| {
            if is_reserved {
                builder.reserve(de)?;
            }
            match value {
                Value::Digits(digits) => builder.digits(de, digits),
                Value::Number(number) => builder.number(de, number),
                Value::Text(text) => builder.text(de, text),
                Value::Bytes(bytes) => builder.bytes(de, bytes),
            }
            .map(|_| ())
        });
        built.map(|_| out)
    };
    let expected = put(true);
    assert_eq!(put(false), expected, "{} de {de} {value:?}", dialect.name());
    if let Ok(plan) = BuildPlan::new(dialect, mti, &[de]) {
        let mut out = b"before".to_vec();
        let planned: Result<_, BuildError> = plan.write(&mut out, &[value]).map(|range| out[range].to_vec());
        assert_eq!(planned, expected, "{} de {de} {value:?}", dialect.name());
        assert!(expected.is_ok() || out == b"before");
    }
}

/// Right values, and those that are wrong by one character or in their length.
#[test]
fn the_short_ways_write_and_refuse_what_the_long_way_does() {
    const ALPHABETS: [&[u8]; 6] = [
        b"0123456789",
        b"0123456789=D",
        b"0123456789:;<=>?/ABCDEFabcdef",
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz~!",
        b"0\x009\x1F\x7F~ ",
        b"0\x80\xFF\xB9\xC19",
    ];
    let mut random = 0x5EED_u64;
    let mut next = move |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    for dialect in Dialect::builtin_names().iter().filter_map(|name| Dialect::builtin(name)) {
        for element in dialect.elements() {
            let (low, high) = match element.length() {
                Length::Fixed(length) => ((length as usize).saturating_sub(1), length as usize + 1),
                Length::Variable { max, .. } => (0, (max as usize + 1).min(70)),
            };
            for _ in 0..120 {
                let length = low + next(high - low + 1);
                let mut value: Vec<u8> = (0..length).map(|_| ALPHABETS[0][next(10)]).collect();
                let alphabet = ALPHABETS[next(ALPHABETS.len())];
                let spoiled = if next(2) == 0 { length } else { length.min(1) };
                for _ in 0..spoiled {
                    value[next(length)] = alphabet[next(alphabet.len())];
                }
                every_way(dialect, element.de(), Value::Digits(&value));
                every_way(dialect, element.de(), Value::Text(&String::from_utf8_lossy(&value)));
                every_way(dialect, element.de(), Value::Bytes(&value));
                let digits = 10u64.pow(next(20) as u32);
                every_way(dialect, element.de(), Value::Number(next(usize::MAX) as u64 % digits));
            }
        }
    }
}

#[test]
fn a_plan_builds_a_message_and_says_what_it_lacks() {
    let dialect = Dialect::builtin("iso87-ascii").unwrap();
    let plan = BuildPlan::new(dialect, Mti::new(0x0800), &[11, 70]).unwrap();
    let mut out = Vec::new();
    let values = [Value::Number(42), Value::Text("301")];
    plan.write(&mut out, &values).unwrap();
    assert_eq!(out, b"080080200000000000000400000000000000000042301");
    let error = plan.write(&mut out, &values[..1]).unwrap_err();
    assert_eq!(error, BuildError::ValueCount { need: 2, have: 1 });
    let error = plan.write(&mut out, &[Value::Number(1_000_000), Value::Text("301")]).unwrap_err();
    assert_eq!(error, BuildError::TooLong { de: 11, length: 7, max: 6 });
    assert_eq!(out.len(), 45);
    let unknown = BuildPlan::new(dialect, Mti::new(0x0800), &[1]).unwrap_err();
    assert_eq!(unknown, BuildError::UnknownElement { de: 1 });
    let disordered = BuildPlan::new(dialect, Mti::new(0x0800), &[70, 11]).unwrap_err();
    assert_eq!(disordered, BuildError::OutOfOrder { de: 11, after: 70 });
}

/// Elements of an ordinary financial request.
const ORDINARY: [u8; 12] = [2, 3, 4, 7, 11, 12, 22, 35, 41, 42, 49, 52];

#[test]
fn ordinary_messages_are_read_by_their_shape() {
    for name in Dialect::builtin_names() {
        let dialect = Dialect::from_toml(Dialect::builtin_source(name).unwrap()).unwrap();
        let mut body = Vec::new();
        let mut builder = dialect.builder(&mut body, Mti::new(0x0200));
        for element in dialect.elements().filter(|element| ORDINARY.contains(&element.de())) {
            let length = match element.length() {
                Length::Fixed(length) => length as usize,
                Length::Variable { max, .. } => max.min(19) as usize,
            };
            match element.class() {
                Class::Binary => builder.bytes(element.de(), &vec![0x12; length]).unwrap(),
                _ => builder.text(element.de(), &"1".repeat(length)).unwrap(),
            };
        }
        builder.finish().unwrap();
        assert!(!fuzzing::shape_equals_table_in(&dialect, &body), "{name}: known before it was seen");
        assert!(fuzzing::shape_equals_table_in(&dialect, &body), "{name}: not known");
        // A byte more or less is the table's to explain.
        assert!(!fuzzing::shape_equals_table_in(&dialect, &body[..body.len() - 1]), "{name}");
        body.push(0);
        assert!(!fuzzing::shape_equals_table_in(&dialect, &body), "{name}");
    }
}
