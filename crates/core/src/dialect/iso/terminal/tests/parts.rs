//! Parts of an amount that DE 54 names: tips.

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
