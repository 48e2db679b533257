//! Conversion into a cardholder's currency: by table, and against integers that round nothing until the end.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use switchyard_domain::{
    Amount, Billing, BusinessDate, ConversionRate, Currency, ExchangeRate, FxError, Timestamp, convert,
};

fn rate(text: &str) -> ConversionRate {
    text.parse().unwrap()
}

fn currency(text: &str) -> Currency {
    text.parse().unwrap()
}

#[test]
fn rates_are_what_de_10_carries() {
    for (text, de10) in [
        ("1", 1),
        ("7.8", 10_000_078),
        ("0.1389", 40_001_389),
        ("1.500", 10_000_015),
        ("9999999", 9_999_999),
        ("0.000000001", 90_000_001),
        ("0.009999999", 99_999_999),
        ("1234.567", 31_234_567),
    ] {
        let parsed = rate(text);
        assert_eq!(parsed.de10(), de10, "{text}");
        assert_eq!(ConversionRate::from_de10(de10.into()), Some(parsed));
        assert_eq!(rate(&parsed.to_string()), parsed);
        assert_eq!(
            postcard::from_bytes::<ConversionRate>(&postcard::to_stdvec(&parsed).unwrap()),
            Ok(parsed)
        );
        let json = serde_json::to_string(&parsed).unwrap();
        assert_eq!(serde_json::from_str::<ConversionRate>(&json).unwrap(), parsed);
    }
    let malformed = [
        "",
        "0",
        "0.0",
        "-1",
        "+1",
        "1e3",
        "12345678",
        "0.12345678",
        "0.0000000001",
        "1,5",
        "1_0",
        "x",
        " 1",
        ".",
    ];
    for text in malformed {
        assert_eq!(text.parse::<ConversionRate>(), Err(FxError::Rate), "{text:?}");
    }
    for de10 in [0, 30_000_000, 100_000_000, u64::MAX] {
        assert_eq!(ConversionRate::from_de10(de10), None, "{de10}");
    }
}

#[test]
fn amounts_are_rounded_half_to_even_in_the_minor_unit_of_the_target() {
    let too_much = Err(FxError::Range);
    for (minor, from, by, to, expected) in [
        (12_345, "CNY", "0.1389", "USD", Ok(1_715)),
        (50, "CNY", "0.05", "USD", Ok(2)),
        (150, "CNY", "0.05", "USD", Ok(8)),
        (10_000, "CNY", "20.5", "JPY", Ok(2_050)),
        (250, "CNY", "1", "JPY", Ok(2)),
        (350, "CNY", "1", "JPY", Ok(4)),
        (1_000, "JPY", "0.0488", "CNY", Ok(4_880)),
        (10_000, "CNY", "0.04255", "KWD", Ok(4_255)),
        (4_255, "KWD", "23.5", "CNY", Ok(9_999)),
        (1, "KWD", "1", "JPY", Err(FxError::Vanishes(Currency::JPY))),
        (0, "CNY", "0.1389", "USD", Ok(0)),
        (999_999_999_999, "CNY", "1", "USD", Ok(999_999_999_999)),
        (999_999_999_999, "CNY", "1.000001", "USD", too_much),
        (u64::MAX, "CNY", "9999999", "KWD", too_much),
    ] {
        let converted = convert(Amount::new(minor, currency(from)), rate(by), currency(to));
        let expected = expected.map(|minor| Amount::new(minor, currency(to)));
        assert_eq!(converted, expected, "{minor} {from} by {by} in {to}");
    }
    let nowhere = Currency::from_numeric(999).unwrap();
    assert_eq!(convert(Amount::new(1, nowhere), rate("1"), Currency::USD), Err(FxError::Unknown(nowhere)));
}

fn exchange(by: &str, markup_ppm: u32) -> ExchangeRate {
    let (from, to) = (Currency::CNY, Currency::USD);
    ExchangeRate { from, to, rate: rate(by), markup_ppm, valid_from: Timestamp(0) }
}

#[test]
fn a_quote_shows_what_the_mark_up_costs() {
    for (by, ppm, billed_rate, unmarked, billed) in [
        ("0.1389", 0, "0.1389", 13_890, 13_890),
        ("0.1389", 30_000, "0.143067", 13_890, 14_307),
        ("0.1234567", 30_000, "0.1271604", 12_346, 12_716),
        ("7.0000005", 200_000, "8.400001", 700_000, 840_000),
    ] {
        let parsed = by.parse::<ConversionRate>();
        let Ok(by) = parsed else {
            assert_eq!(parsed, Err(FxError::Rate), "{by}");
            continue;
        };
        let exchange = ExchangeRate { rate: by, ..exchange("1", ppm) };
        let quote = exchange.quote(Amount::new(100_000, Currency::CNY)).unwrap();
        assert_eq!(
            (quote.billed_rate, quote.unmarked.minor, quote.billed.minor),
            (rate(billed_rate), unmarked, billed)
        );
    }
    let refused = exchange("1", 0).quote(Amount::new(1, Currency::EUR));
    assert_eq!(refused, Err(FxError::Currency { need: Currency::CNY, have: Currency::EUR }));
}

#[test]
fn a_rate_is_refused_that_nobody_can_mean() {
    let nowhere = Currency::from_numeric(998).unwrap();
    for (exchange, expected) in [
        (exchange("0.1389", 200_000), Ok(())),
        (exchange("0.1389", 200_001), Err(FxError::Markup { ppm: 200_001 })),
        (ExchangeRate { to: Currency::CNY, ..exchange("1", 0) }, Err(FxError::Same(Currency::CNY))),
        (ExchangeRate { from: nowhere, ..exchange("1", 0) }, Err(FxError::Unknown(nowhere))),
        (exchange("9999999", 1), Err(FxError::Rate)),
    ] {
        assert_eq!(exchange.check(), expected, "{exchange:?}");
    }
}

/// The minor units in integers: numerator over denominator, half to even.
fn oracle(minor: u64, de10: u32, from: u32, to: u32) -> i128 {
    let numerator = i128::from(minor) * i128::from(de10 % 10_000_000) * 10_i128.pow(to);
    let denominator = 10_i128.pow(de10 / 10_000_000 + from);
    let (whole, rest) = (numerator / denominator, numerator % denominator);
    match (rest * 2).cmp(&denominator) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Equal => whole + whole % 2,
        std::cmp::Ordering::Greater => whole + 1,
    }
}

fn some_currency() -> impl Strategy<Value = Currency> {
    prop::sample::select(vec!["CNY", "USD", "JPY", "KRW", "KWD", "BHD", "EUR"]).prop_map(currency)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn conversion_is_the_integers(
        minor in prop_oneof![0_u64..10_000, 0..=Amount::MINOR_MAX, any::<u64>()],
        decimals in 0_u32..=9,
        digits in prop_oneof![1_u32..100, Just(5), 1_u32..10_000_000],
        from in some_currency(),
        to in some_currency(),
    ) {
        let rate = ConversionRate::from_de10(u64::from(decimals * 10_000_000 + digits)).unwrap();
        let expected = oracle(minor, rate.de10(), from.exponent(), to.exponent());
        match convert(Amount::new(minor, from), rate, to) {
            Ok(amount) => {
                prop_assert_eq!(i128::from(amount.minor), expected);
                prop_assert_eq!(amount.currency, to);
            }
            Err(FxError::Vanishes(_)) => prop_assert!(expected == 0 && minor > 0),
            Err(FxError::Range) => prop_assert!(expected > i128::from(Amount::MINOR_MAX)),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn what_follows_is_at_the_same_rate(minor in 1_000_u64..=1_000_000_000, part in 1_000_u64..=1_000_000_000) {
        let quote = exchange("0.1389", 25_000).quote(Amount::new(minor, Currency::CNY)).unwrap();
        let billing = Billing { amount: quote.billed, rate: quote.billed_rate, rate_day: BusinessDate(20_000) };
        prop_assert_eq!(billing.of(quote.base), Ok(billing));
        let of_part = billing.of(Amount::new(part, Currency::CNY)).unwrap();
        prop_assert_eq!(of_part.rate, billing.rate);
        prop_assert_eq!(of_part.amount.minor.cmp(&billing.amount.minor) , if of_part.amount == billing.amount { std::cmp::Ordering::Equal } else { part.cmp(&minor) });
    }
}
