//! Parts of an amount: the tip in it, and what stands of it.

use super::*;

#[test]
fn a_message_that_is_all_tip_is_the_tip_of_what_it_names() {
    for (dialect, edition) in dialects() {
        let told = ask(220, 0).part("44", 1_250);
        for tip in [told.clone(), Ask { mti: 221, ..told.clone() }, told.clone().covered()] {
            let read = financial(&tip.of(200, 41).with(37, "231115000042"), dialect, edition);
            assert_eq!((read.kind, read.amount.minor), (Kind::Tip, 1_250), "{}", dialect.name());
            let (batch, named) = read.original.batch_stan.unwrap();
            assert_eq!((batch, named.get(), read.original.rrn), (BatchNumber::OPEN, 41, None));
        }
        let by_reference = financial(&told.clone().with(37, "231115000042"), dialect, edition);
        assert_eq!((by_reference.kind, by_reference.original.rrn), (Kind::Tip, "231115000042".parse().ok()));
        let asked = parsed(&Ask { mti: 200, ..told.of(200, 41) }, dialect, edition).unwrap_err();
        assert_eq!(asked.code.as_str(), "40", "a tip is told");
    }
}

#[test]
fn a_message_that_contains_its_tip_is_what_it_would_be_without() {
    for (dialect, edition) in dialects() {
        for (ask, kind) in [
            (ask(200, 0), Kind::Sale),
            (ask(220, 0), Kind::OfflineSale),
            (ask(200, 0).covered().of(100, 41), Kind::Completion),
            (ask(220, 0).covered().of(100, 41), Kind::CompletionAdvice),
            (ask(220, 200_000).of(200, 41), Kind::Refund),
        ] {
            let read = financial(&ask.part("44", 250), dialect, edition);
            assert_eq!((read.kind, read.amount.minor), (kind, 1_250), "{}", dialect.name());
        }
        // An amount of another type says nothing of a tip.
        let read = financial(&ask(220, 0).part("57", 1_250), dialect, edition);
        assert_eq!(read.kind, Kind::OfflineSale);
    }
}

#[test]
fn a_tip_that_leaves_open_what_is_meant_is_no_message() {
    for (dialect, edition) in dialects() {
        let exponent = if edition == Edition::Iso2003 { "2" } else { "" };
        let other_currency: &'static str =
            if edition == Edition::Iso2003 { "00448402D000000000100" } else { "0044840D000000000100" };
        for ask in [
            // The sale's new total? The tip of it? Another sale?
            ask(220, 0).of(200, 41).part("44", 250),
            ask(200, 0).part("44", 1_251),
            ask(200, 0).with(54, other_currency),
            ask(200, 0).with(54, "0044"),
        ] {
            let refusal = parsed(&ask, dialect, edition).unwrap_err();
            assert_eq!(refusal.why, Why::Malformed(54), "{} {exponent}", dialect.name());
        }
    }
}

#[test]
fn an_authorization_that_is_told_brings_its_code() {
    for (dialect, edition) in dialects() {
        let told = financial(&ask(120, 0).with(38, "A1B2C3").with(37, "231115000042"), dialect, edition);
        assert_eq!(told.original.auth_code, "A1B2C3".parse().ok());
        assert_eq!((told.original.rrn, told.original.batch_stan), (None, None), "it follows nothing");
        let by_itself = financial(&ask(120, 0), dialect, edition);
        assert_eq!(by_itself.original.auth_code, None, "{}", dialect.name());
        let back = reversal(&ask(420, 0).of(120, 41), dialect, edition);
        assert_eq!(back.original_class, MessageClass::Authorization);
    }
}

/// A reversal that names what stands: DE 95 beside the whole in DE 4, or DE 4 beside the whole in DE 30.
fn part_of(whole: u64, stands: u64, edition: Edition) -> Ask {
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    match edition {
        Edition::Iso87 => Ask { minor: Some(whole), ..ask(420, 0).of(200, 41) }
            .with(95, leak(format!("{stands:012}{:012}C{:08}C{:08}", 0, 0, 0))),
        Edition::Iso93 => Ask { minor: Some(stands), ..ask(420, 0).of(200, 41) }
            .with(24, "401")
            .with(30, leak(format!("{whole:012}{:012}", 0))),
        Edition::Iso2003 => Ask { minor: Some(stands), ..ask(420, 0).of(200, 41) }
            .with(24, "401")
            .with(30, leak(format!("1562{whole:012}{:016}", 0))),
    }
}

#[test]
fn a_reversal_of_a_part_says_what_stands() {
    for (dialect, edition) in dialects() {
        for mti in [400, 401, 420, 421] {
            let read = reversal(&Ask { mti, ..part_of(1_250, 300, edition) }, dialect, edition);
            let amounts = (read.amount.minor, read.stands.map(|stands| stands.minor));
            assert_eq!(amounts, (1_250, Some(300)), "{}", dialect.name());
            assert_eq!((read.fingerprint.amount_minor, read.stan.get()), (300, 41));
        }
        let whole = reversal(&part_of(1_250, 0, edition), dialect, edition);
        assert_eq!((whole.amount.minor, whole.stands), (1_250, None), "nothing stands");
        let plain = reversal(&ask(420, 0).of(200, 41), dialect, edition);
        assert_eq!(whole.fingerprint, plain.fingerprint, "and that is a reversal of the whole");
        for stands in [1_250, 1_251] {
            let refusal = parsed(&part_of(1_250, stands, edition), dialect, edition).unwrap_err();
            let de = if edition == Edition::Iso87 { 95 } else { 30 };
            assert_eq!(refusal.why, Why::Malformed(de), "{}", dialect.name());
        }
        if edition != Edition::Iso87 {
            let bare = ask(420, 0).of(200, 41).with(24, "401");
            assert_eq!(parsed(&bare, dialect, edition).unwrap_err().why, Why::Missing(30));
        }
        if edition == Edition::Iso2003 {
            let other = ask(420, 0).of(200, 41).with(24, "401").with(30, "84020000000012510000000000000000");
            assert_eq!(parsed(&other, dialect, edition).unwrap_err().why, Why::Malformed(30));
        }
    }
    let (dialect, edition) = dialects()[0];
    let garbled = ask(420, 0).of(200, 41).with(95, "00000000030X000000000000C00000000C00000000");
    assert_eq!(parsed(&garbled, dialect, edition).unwrap_err().why, Why::Malformed(95));
}
