//! DE 6, 10, 16 and 51 in every dialect of a link.

use super::*;
use crate::input::IssuersBilling;
use switchyard_domain::{Billing, ConversionRate, LinkDialect};

fn rate(text: &str) -> ConversionRate {
    text.parse().unwrap()
}

fn billing(minor: u64, currency: Currency) -> Billing {
    Billing { amount: Amount::new(minor, currency), rate: rate("0.1389"), rate_day: BusinessDate(19_676) }
}

fn saf(kind: SafKind) -> SafEntry {
    let upstream = UpstreamRef { stan: stan(78), mti: 220, ..upstream(TransactionKind::Sale) };
    SafEntry { id: SafId(1), kind, transaction: TransactionId(1), upstream, reason: ReversalReason::Other }
}

/// A request, its advice and its reversal, each with its repeat.
fn messages(billing: Option<Billing>) -> Vec<Upstream> {
    let opened = || Box::new(opened(TransactionKind::Sale));
    let (terminal, merchant) = ("T0000001".parse().unwrap(), "M00000000000001".parse().unwrap());
    let request = UpstreamRequest { billing, ..request(TransactionKind::Sale) };
    let mut messages = vec![Upstream::Request(Box::new(request))];
    for repeat in [false, true] {
        let saf = |kind| saf(kind);
        messages.push(Upstream::Reversal {
            saf: saf(SafKind::Reversal),
            opened: opened(),
            stands: None,
            terminal,
            merchant,
            billing,
            repeat,
        });
        messages.push(Upstream::Advice {
            saf: saf(SafKind::Advice),
            opened: opened(),
            terminal,
            merchant,
            auth_code: None,
            original: None,
            chip: None,
            billing,
            repeat,
        });
    }
    messages
}

#[test]
fn every_message_says_what_the_cardholder_is_billed() {
    let pan = Pan::from_digits(PAN).unwrap();
    for name in LinkDialect::ALL.map(LinkDialect::name) {
        let dialect = Dialect::builtin(name).unwrap();
        let is_2003 = Edition::of(dialect) == Some(Edition::Iso2003);
        for (currency, minor, wide) in [
            (Currency::USD, 174, "8402000000000174"),
            (Currency::JPY, 257, "3920000000000257"),
            (Currency::KWD, 535, "4143000000000535"),
        ] {
            for message in messages(Some(billing(minor, currency))) {
                check(dialect, &message, Some(&pan), |message| {
                    let narrow = &wide[4..];
                    let amount = if is_2003 { wide } else { narrow };
                    assert_eq!(texts(message, &[6, 10, 16]), [amount, "40001389", "1115"], "{name}");
                    assert_eq!(message.has(51), !is_2003, "{name}");
                    if !is_2003 {
                        assert_eq!(message.text(51).unwrap(), wide[..3], "{name}");
                    }
                    assert_eq!(message.text(4).unwrap().get(..3), Some(if is_2003 { "156" } else { "000" }));
                });
            }
        }
        for message in messages(None) {
            check(dialect, &message, Some(&pan), |message| {
                assert!([6, 10, 16, 51].iter().all(|de| !message.has(*de)), "{name}");
            });
        }
    }
}

/// An answer to a sale, with these elements besides.
fn answered(dialect: &'static Dialect, elements: &[(De, &str)]) -> Result<IssuersBilling, AnswerError> {
    let edition = Edition::of(dialect).unwrap();
    let (trace, code) = match edition {
        Edition::Iso87 => ("000077", "00"),
        Edition::Iso93 => ("000077", "000"),
        Edition::Iso2003 => ("000000000077", "0000"),
    };
    let mut all = vec![(7, "1114221320"), (11, trace), (39, code)];
    all.extend(elements);
    all.sort_unstable();
    let bytes = answer(dialect, edition.mti(210).as_u16(), &all);
    read_answer(&dialect.parse(&bytes).unwrap()).map(|answer| answer.billing)
}

#[test]
fn what_an_issuer_bills_is_read() {
    for name in LinkDialect::ALL.map(LinkDialect::name) {
        let dialect = Dialect::builtin(name).unwrap();
        let is_2003 = Edition::of(dialect) == Some(Edition::Iso2003);
        assert_eq!(answered(dialect, &[]), Ok(IssuersBilling::default()), "{name}");
        let elements: &[(De, &str)] = if is_2003 {
            &[(6, "8402000000000180"), (10, "40001440")]
        } else {
            &[(6, "000000000180"), (10, "40001440"), (51, "840")]
        };
        let told =
            IssuersBilling { minor: Some(180), currency: Some(Currency::USD), rate: Some(rate("0.144")) };
        let read = answered(dialect, elements).unwrap();
        assert_eq!((read.minor, read.currency), (told.minor, told.currency), "{name}");
        assert_eq!(read.rate.map(ConversionRate::value), told.rate.map(ConversionRate::value), "{name}");
        let zero = answered(dialect, &[(10, "40000000")]);
        assert_eq!(zero, Err(AnswerError::Malformed(10)), "{name}: a rate of zero");
        if !is_2003 {
            let nowhere = answered(dialect, &[(51, "000")]);
            assert_eq!(nowhere, Err(AnswerError::Malformed(51)), "{name}: no currency");
        }
    }
}
