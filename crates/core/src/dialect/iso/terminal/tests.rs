//! What generic terminals send and hear, in every edition and encoding.

use super::*;
use crate::dialect::iso::Edition;
use crate::dialect::{Draft, MacRequirement, Parsed, Refusal, ReplyContext, Why};
use crate::effect::{Reply, ReplyBody};
use crate::input::{Body, Financial, Reversal, Upload};
use std::convert::Infallible;
use switchyard_domain::{
    AcquirerId, Amount, BatchNumber, BatchSums, BatchTotals, BatchVerdict, BusinessDate, CardHash, CardRef,
    Currency, Echo, MessageClass, Pan, ReplyFacts, ResponseCode, ReversalReason, SealedPan, Side, Timestamp,
    TransactionKind as Kind, UtcOffset,
};
use switchyard_wire::{De, Dialect, Message, Mti};

mod parts;

const PAN: &str = "6225880000000008";
const TERMINAL: &str = "T0000001";
const MERCHANT: &str = "M00000000000001";

fn dialects() -> [(&'static Dialect, Edition); 8] {
    [
        "iso87-ascii",
        "iso87-ascii-binbitmap",
        "iso87-binary",
        "iso87-ebcdic",
        "iso93-ascii",
        "iso93-binary",
        "iso2003-ascii",
        "iso2003-binary",
    ]
    .map(|name| {
        let dialect = Dialect::builtin(name).unwrap();
        (dialect, Edition::of(dialect).unwrap())
    })
}

/// A message of a terminal: what it says, however its edition spells that.
#[derive(Clone)]
struct Ask {
    mti: u16,
    code: Option<u64>,
    minor: Option<u64>,
    /// Under an earlier authorization: DE 25 = 06, or DE 24 = 202.
    covered: bool,
    /// DE 70, or what it is in DE 24.
    network: Option<u16>,
    /// MTI and trace number of the original.
    original: Option<(u16, u64)>,
    card: bool,
    /// Of DE 54: a type and its minor units.
    part: Option<(&'static str, u64)>,
    extra: Vec<(De, &'static str)>,
}

fn ask(mti: u16, code: u64) -> Ask {
    Ask {
        mti,
        code: Some(code),
        minor: Some(1_250),
        covered: false,
        network: None,
        original: None,
        card: true,
        part: None,
        extra: Vec::new(),
    }
}

fn network(mti: u16, code: u16) -> Ask {
    Ask { code: None, minor: None, network: Some(code), card: false, ..ask(mti, 0) }
}

impl Ask {
    fn covered(self) -> Self {
        Self { covered: true, ..self }
    }
    fn of(self, mti: u16, stan: u64) -> Self {
        Self { original: Some((mti, stan)), ..self }
    }
    fn with(mut self, de: De, text: &'static str) -> Self {
        self.extra.push((de, text));
        self
    }
    fn part(self, kind: &'static str, minor: u64) -> Self {
        Self { part: Some((kind, minor)), ..self }
    }
    fn without_card(self) -> Self {
        Self { card: false, ..self }
    }

    /// The message in a dialect, element by element in order.
    fn body(&self, dialect: &Dialect, edition: Edition) -> Vec<u8> {
        let mut elements: Vec<(De, String)> =
            vec![(7, "1118110640".into()), (11, "42".into()), (41, TERMINAL.into()), (42, MERCHANT.into())];
        let first = edition == Edition::Iso87;
        elements.push(match edition {
            Edition::Iso87 => (12, "190640".into()),
            Edition::Iso93 => (12, "261118190640".into()),
            Edition::Iso2003 => (12, "20261118190640".into()),
        });
        if first {
            elements.push((13, "1118".into()));
        }
        elements.extend(self.code.map(|code| (3, format!("{code:06}"))));
        elements.extend(self.minor.map(|minor| match edition {
            Edition::Iso2003 => (4, format!("1562{minor:012}")),
            Edition::Iso87 | Edition::Iso93 => (4, format!("{minor:012}")),
        }));
        if self.card {
            elements.extend([(2, PAN.to_owned()), (14, "3012".into())]);
        }
        if self.covered {
            elements.push(if first { (25, "06".into()) } else { (24, "202".into()) });
        }
        elements.extend(self.network.map(|code| {
            let later = match code {
                1 => 801,
                2 => 802,
                161 => 811,
                301 => 831,
                other => other,
            };
            if first { (70, format!("{code:03}")) } else { (24, format!("{later:03}")) }
        }));
        elements.extend(self.original.map(|(mti, stan)| match edition {
            Edition::Iso87 => (90, format!("{mti:04}{stan:06}1118110000{:011}{:011}", 48_021_560, 0)),
            Edition::Iso93 => (56, format!("1{mti:03}{stan:06}2611181900000848021560")),
            Edition::Iso2003 => (56, format!("2{mti:03}{stan:012}2026111819000048021560")),
        }));
        elements.extend(self.part.map(|(kind, minor)| match edition {
            Edition::Iso2003 => (54, format!("00{kind}1562D{minor:012}")),
            Edition::Iso87 | Edition::Iso93 => (54, format!("00{kind}156D{minor:012}")),
        }));
        elements.extend(self.extra.iter().map(|(de, text)| (*de, (*text).to_owned())));
        if edition != Edition::Iso2003 && self.minor.is_some() {
            elements.push((49, "156".into()));
        }
        elements.sort_by_key(|(de, _)| *de);
        let mut out = Vec::new();
        let mut builder = dialect.builder(&mut out, edition.mti(self.mti));
        for (de, text) in elements {
            let element = dialect.element(de).unwrap();
            if matches!(de, 11 | 74..=77 | 86..=89) {
                builder.number(de, text.parse().unwrap()).unwrap();
            } else if element.class() == switchyard_wire::Class::Binary && de == 52 {
                builder.bytes(de, &[0x5A; 8]).unwrap();
            } else {
                builder.text(de, &text).unwrap();
            }
        }
        builder.finish().unwrap();
        out
    }
}

fn parsed(ask: &Ask, dialect: &Dialect, edition: Edition) -> Result<Parsed, Refusal> {
    read(&dialect.parse(&ask.body(dialect, edition)).unwrap(), edition)
}

fn body_of(ask: &Ask, dialect: &Dialect, edition: Edition) -> Body {
    let parsed =
        parsed(ask, dialect, edition).unwrap_or_else(|refusal| panic!("{refusal} {}", dialect.name()));
    assert_eq!((parsed.terminal.as_str(), parsed.merchant.as_str()), (TERMINAL, MERCHANT));
    into_body(parsed.draft)
}

fn into_body(draft: Draft) -> Body {
    let seal = |pan: &Pan, _: Option<&_>| {
        let (sealed, hash, masked) = (SealedPan(Vec::new()), CardHash([7; 16]), pan.masked());
        Ok::<_, Infallible>(CardRef { sealed, key_id: 1, intake: 1, hash, masked })
    };
    draft.into_body(seal, |_| CardHash([7; 16])).unwrap()
}

fn financial(ask: &Ask, dialect: &Dialect, edition: Edition) -> Box<Financial> {
    match body_of(ask, dialect, edition) {
        Body::Financial(financial) => financial,
        other => panic!("{other:?}"),
    }
}

fn reversal(ask: &Ask, dialect: &Dialect, edition: Edition) -> Box<Reversal> {
    match body_of(ask, dialect, edition) {
        Body::Reversal(reversal) => reversal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_transaction_is_recognised() {
    for (ask, kind, class) in [
        (ask(200, 0), Kind::Sale, MessageClass::Financial),
        (ask(201, 0), Kind::Sale, MessageClass::Financial),
        (ask(200, 10_000), Kind::CashAdvance, MessageClass::Financial),
        (ask(200, 310_000), Kind::BalanceInquiry, MessageClass::Financial),
        (ask(100, 300_000), Kind::BalanceInquiry, MessageClass::Authorization),
        (ask(100, 0), Kind::PreAuth, MessageClass::Authorization),
        (ask(100, 30_000), Kind::PreAuth, MessageClass::Authorization),
        (ask(120, 0), Kind::PreAuthAdvice, MessageClass::Authorization),
        (ask(121, 30_000).with(38, "A1B2C3"), Kind::PreAuthAdvice, MessageClass::Authorization),
        (ask(120, 200_000).of(120, 41), Kind::PreAuthVoid, MessageClass::Authorization),
        (ask(100, 20_000).of(100, 41), Kind::PreAuthVoid, MessageClass::Authorization),
        (ask(200, 0).covered().with(38, "A1B2C3"), Kind::Completion, MessageClass::Financial),
        (ask(220, 0).covered().with(38, "A1B2C3"), Kind::CompletionAdvice, MessageClass::Financial),
        (ask(221, 0).covered(), Kind::CompletionAdvice, MessageClass::Financial),
        (ask(220, 0), Kind::OfflineSale, MessageClass::Financial),
        (ask(200, 20_000).of(200, 41), Kind::Void, MessageClass::Financial),
        (ask(220, 20_000).of(200, 41), Kind::Void, MessageClass::Financial),
        (ask(200, 200_000).of(200, 41), Kind::Refund, MessageClass::Financial),
        (ask(220, 200_000).with(37, "231115000042"), Kind::Refund, MessageClass::Financial),
        (ask(200, 500_000).with(48, "6225880000000008"), Kind::CardRepayment, MessageClass::Financial),
        (ask(200, 510_000).with(48, "13800138000"), Kind::TopUp, MessageClass::Financial),
    ] {
        for (dialect, edition) in dialects() {
            let read = financial(&ask, dialect, edition);
            assert_eq!(read.service.is_some(), kind.serves_an_account(), "{kind:?}");
            assert_eq!(
                (read.kind, read.class),
                (kind, class),
                "{} {} {:?}",
                dialect.name(),
                ask.mti,
                ask.code
            );
            assert_eq!((read.batch, read.stan.get()), (BatchNumber::OPEN, 42));
            let minor = if kind == Kind::BalanceInquiry { 0 } else { 1_250 };
            assert_eq!(read.amount, Amount::new(minor, Currency::CNY));
            let moment = match edition {
                Edition::Iso87 => 1_118_110_640,
                Edition::Iso93 => 261_118_190_640,
                Edition::Iso2003 => 20_261_118_190_640,
            };
            assert_eq!(read.echo.de60, moment);
        }
    }
}

#[test]
fn an_original_is_named_by_its_number_and_moment_or_by_reference() {
    for (dialect, edition) in dialects() {
        let named =
            financial(&ask(200, 20_000).of(200, 41).with(37, "231115000042"), dialect, edition).original;
        let moment = match edition {
            Edition::Iso87 => 1_118_110_000,
            Edition::Iso93 => 261_118_190_000,
            Edition::Iso2003 => 20_261_118_190_000,
        };
        assert_eq!(named.batch_stan.map(|(batch, stan)| (batch, stan.get())), Some((BatchNumber::OPEN, 41)));
        assert_eq!((named.moment, named.rrn), (Some(moment), None), "its own reference says nothing");
        let by_reference = financial(&ask(220, 200_000).with(37, "231115000042"), dialect, edition).original;
        assert_eq!((by_reference.batch_stan, by_reference.rrn), (None, "231115000042".parse().ok()));
        let by_code = financial(&ask(200, 0).covered().with(38, "A1B2C3"), dialect, edition).original;
        assert_eq!(by_code.auth_code, "A1B2C3".parse().ok());
        let plain = financial(&ask(200, 0).with(37, "231115000042"), dialect, edition).original;
        assert_eq!(plain.rrn, None, "a sale follows nothing");
    }
}

#[test]
fn a_reversal_says_what_and_why() {
    for (dialect, edition) in dialects() {
        for (original, class) in [(200, MessageClass::Financial), (100, MessageClass::Authorization)] {
            for mti in [400, 401, 420, 421] {
                let read = reversal(&ask(mti, 0).of(original, 41), dialect, edition);
                assert_eq!((read.original_class, read.stan.get()), (class, 41));
                assert_eq!((read.batch, read.amount.minor), (BatchNumber::OPEN, 1_250));
                assert_eq!(Some(read.echo.de60), read.original_moment, "its repeat is told by its original");
                assert_eq!(read.fingerprint.type_code, 0, "asked or told, it is the same reversal");
            }
        }
        let reasons: [(&'static str, ReversalReason); 4] = match edition {
            Edition::Iso87 => [
                ("68", ReversalReason::NoAnswer),
                ("22", ReversalReason::TerminalFault),
                ("63", ReversalReason::MacError),
                ("17", ReversalReason::Other),
            ],
            Edition::Iso93 | Edition::Iso2003 => [
                ("4021", ReversalReason::NoAnswer),
                ("4002", ReversalReason::TerminalFault),
                ("4020", ReversalReason::MacError),
                ("4000", ReversalReason::Other),
            ],
        };
        for (text, reason) in reasons {
            let de = if edition == Edition::Iso87 { 39 } else { 25 };
            let read = reversal(&ask(420, 0).of(200, 41).with(de, text), dialect, edition);
            assert_eq!(read.reason, reason, "{text}");
        }
        let bare = parsed(&ask(400, 0), dialect, edition).unwrap_err();
        let missing = if edition == Edition::Iso87 { 90 } else { 56 };
        assert_eq!(bare.why, Why::Missing(missing));
    }
}

#[test]
fn network_management_is_recognised() {
    for (dialect, edition) in dialects() {
        for mti in [800, 820] {
            assert!(matches!(body_of(&network(mti, 1), dialect, edition), Body::SignOn { .. }));
            assert!(matches!(body_of(&network(mti, 161), dialect, edition), Body::SignOn { .. }));
            assert!(matches!(body_of(&network(mti, 2), dialect, edition), Body::SignOff { .. }));
            assert!(matches!(body_of(&network(mti, 301), dialect, edition), Body::Echo));
        }
        assert_eq!(parsed(&network(800, 999), dialect, edition).unwrap_err().code.as_str(), "12");
    }
}

#[test]
fn what_is_not_offered_hears_so() {
    for (dialect, edition) in dialects() {
        for (ask, code) in [
            (ask(120, 310_000), "40"),
            (ask(200, 90_000), "40"),
            (ask(200, 210_000), "40"),
            (ask(200, 400_000), "40"),
            (ask(220, 10_000), "40"),
            (ask(200, 770_000), "12"),
            (Ask { code: None, ..ask(200, 0) }, "30"),
            (Ask { minor: None, ..ask(200, 0) }, "30"),
            (ask(200, 0).without_card(), "30"),
        ] {
            let refusal = parsed(&ask, dialect, edition).unwrap_err();
            assert!(refusal.is_answered());
            assert_eq!(refusal.code.as_str(), code, "{} {:?}", ask.mti, ask.code);
        }
        let answer = Ask { mti: 210, ..ask(200, 0) };
        assert!(!parsed(&answer, dialect, edition).unwrap_err().is_answered());
        // Another edition's message under this dialect.
        let mut foreign = ask(200, 0).body(dialect, edition);
        let other = if edition == Edition::Iso93 { b'2' } else { b'1' };
        match dialect.name() {
            name if name.ends_with("ebcdic") => foreign[0] = 0xC0 | other,
            name if name.ends_with("binary") => foreign[0] = (other - b'0') << 4 | foreign[0] & 0xF,
            _ => foreign[0] = other,
        }
        let refusal = read(&dialect.parse(&foreign).unwrap(), edition).unwrap_err();
        assert!(!refusal.is_answered());
    }
    let (dialect, edition) = dialects()[0];
    let part = ask(420, 0).of(200, 41).with(95, "000000000500000000000000C00000000C00000000");
    assert_eq!(parsed(&part, dialect, edition).unwrap_err().code.as_str(), "40");
    let (dialect, edition) = dialects()[4];
    let part = ask(420, 0).of(200, 41).with(24, "401");
    assert_eq!(parsed(&part, dialect, edition).unwrap_err().code.as_str(), "40");
}

fn side(count: u32, amount_minor: u64) -> Side {
    Side { amount_minor, count }
}

/// Credits 2 of 700 less one of 200; debits 3 of 5,000.
fn reconciliation(mti: u16, edition: Edition) -> Ask {
    let plain = Ask { code: None, minor: None, card: false, ..ask(mti, 0) };
    if edition == Edition::Iso2003 {
        return plain;
    }
    [(74, "2"), (75, "1"), (76, "3"), (77, "0"), (86, "700"), (87, "200"), (88, "5000"), (89, "0")]
        .into_iter()
        .fold(plain, |ask, (de, text)| ask.with(de, text))
}

#[test]
fn totals_are_read_net_of_what_was_reversed() {
    let net = BatchSums { credit: side(1, 500), debit: side(3, 5_000) };
    for (dialect, edition) in dialects().into_iter().filter(|(_, edition)| *edition != Edition::Iso2003) {
        for (mti, tells) in [(500, false), (501, false), (520, true), (521, true)] {
            let Body::BatchTotals { totals, closes, batch, .. } =
                body_of(&reconciliation(mti, edition), dialect, edition)
            else {
                panic!()
            };
            assert_eq!((totals.domestic, closes, batch), (net, tells, BatchNumber::OPEN));
            assert_eq!(totals.foreign, BatchSums::default());
        }
        let end = Ask { code: Some(960_000), ..reconciliation(500, edition) };
        let Body::BatchUpload { upload: Upload::End { count }, .. } = body_of(&end, dialect, edition) else {
            panic!()
        };
        assert_eq!(count, 4);
        let Body::BatchUpload { upload: Upload::Items(items), .. } =
            body_of(&ask(320, 0).of(200, 41), dialect, edition)
        else {
            panic!()
        };
        assert_eq!(
            (items[0].stan.get(), items[0].amount_minor, items[0].card),
            (41, 1_250, Some(CardHash([7; 16])))
        );
        let more_back = reconciliation(500, edition);
        let more_back = Ask { extra: vec![(74, "1"), (75, "2")], ..more_back };
        assert_eq!(parsed(&more_back, dialect, edition).unwrap_err().why, Why::Malformed(74));
        let none = Ask { extra: Vec::new(), ..reconciliation(500, edition) };
        assert_eq!(parsed(&none, dialect, edition).unwrap_err().why, Why::Missing(74));
    }
}

fn facts(code: &str) -> ReplyFacts {
    ReplyFacts {
        code: code.parse().unwrap(),
        rrn: "231115000042".parse().unwrap(),
        auth_code: Some("A1B2C3".parse().unwrap()),
        at: Timestamp(1_795_000_000_000_000),
        settlement_date: BusinessDate(20_775),
        balance: None,
    }
}

fn financial_reply(code: &str, approved: Option<u64>) -> Reply {
    let echo = Echo {
        expiry: None,
        condition: None,
        currency: None,
        security_control: None,
        de60: 0,
        de60_digits: 0,
        entry_mode: None,
    };
    let approved = approved.map(|minor| Amount::new(minor, Currency::CNY));
    let facts = facts(code);
    Reply::recorded(
        &facts,
        ReplyBody::Financial { facts, echo, issuer: 0, scheme: switchyard_domain::Scheme::Cup, approved },
    )
}

/// The answer to `ask`, and whether it has a MAC.
fn answered(ask: &Ask, reply: &Reply, dialect: &Dialect, edition: Edition, test: impl Fn(&Message<'_, '_>)) {
    let request = ask.body(dialect, edition);
    let acquirer: AcquirerId = "48021560".parse().unwrap();
    let mac = |_: &[u8]| *b"\x01\x02\x03\x04\x05\x06\x07\x08";
    for with_mac in [false, true] {
        let context = ReplyContext {
            card: None,
            offset: UtcOffset::CHINA,
            acquirer: &acquirer,
            mac: with_mac.then_some(&mac as crate::dialect::MacOf<'_>),
        };
        let mut out = b"before".to_vec();
        let request = dialect.parse(&request).unwrap();
        let range = write_reply(&request, edition, reply, &context, &mut out).unwrap();
        assert_eq!((range.start, range.end), (6, out.len()));
        let message = dialect.parse(&out[6..]).unwrap();
        assert_eq!(message.mti(), request.mti().reply());
        let de = if message.elements().any(|de| de > 64) { 128 } else { 64 };
        assert_eq!(message.has(de), with_mac, "{} {de}", dialect.name());
        if with_mac {
            let value = message.bytes_owned(de).unwrap();
            assert_eq!(value.len(), if edition == Edition::Iso2003 { 4 } else { 8 });
            assert_eq!(value[..4], [1, 2, 3, 4]);
        }
        test(&message);
    }
}

fn text(message: &Message<'_, '_>, de: De) -> String {
    message.text(de).map(|text| text.trim_end().to_owned()).unwrap_or_default()
}

#[test]
fn an_answer_repeats_the_request_and_brings_the_hosts_part() {
    for (dialect, edition) in dialects() {
        for (code, [first, third, fourth]) in [
            ("00", ["00", "000", "0000"]),
            ("51", ["51", "116", "1016"]),
            ("98", ["68", "911", "9111"]),
            ("25", ["25", "914", "9114"]),
        ] {
            answered(&ask(200, 0), &financial_reply(code, None), dialect, edition, |message| {
                let spelled = match edition {
                    Edition::Iso87 => first,
                    Edition::Iso93 => third,
                    Edition::Iso2003 => fourth,
                };
                assert_eq!(text(message, 39), spelled, "{code} {}", dialect.name());
                assert_eq!((text(message, 2), text(message, 37)), (PAN.to_owned(), "231115000042".into()));
                assert_eq!(message.number(11), Some(42));
                assert_eq!(text(message, 7), "1118110640");
                assert_eq!(
                    (text(message, 41), text(message, 42)),
                    (TERMINAL.to_owned(), MERCHANT.to_owned())
                );
                assert_eq!(text(message, 38), "A1B2C3");
            });
        }
    }
}

#[test]
fn a_part_is_told_beside_what_was_asked_for() {
    for (dialect, edition) in dialects() {
        answered(&ask(200, 0), &financial_reply("10", Some(800)), dialect, edition, |message| {
            let (amount, code) = match edition {
                Edition::Iso87 => ("000000000800", "10"),
                Edition::Iso93 => ("000000000800", "002"),
                Edition::Iso2003 => ("1562000000000800", "0002"),
            };
            assert_eq!((text(message, 4), text(message, 39)), (amount.to_owned(), code.to_owned()));
            match edition {
                Edition::Iso87 => assert_eq!(text(message, 54), "0057156C000000001250"),
                Edition::Iso93 => assert_eq!(text(message, 30), "000000001250000000000000"),
                Edition::Iso2003 => assert_eq!(text(message, 30), "15620000000012500000000000000000"),
            }
        });
    }
}

#[test]
fn a_balance_a_reversal_and_a_refusal_are_answered() {
    for (dialect, edition) in dialects() {
        let mut reply = financial_reply("00", None);
        let ReplyBody::Financial { facts, .. } = &mut reply.body else { panic!() };
        facts.balance = Some((Amount::new(98_765, Currency::CNY), true));
        answered(&ask(200, 310_000), &reply, dialect, edition, |message| {
            let exponent = if edition == Edition::Iso2003 { "2" } else { "" };
            assert_eq!(text(message, 54), format!("0002156{exponent}C000000098765"));
        });
        answered(&ask(421, 0).of(200, 41), &financial_reply("00", None), dialect, edition, |message| {
            let (code, de) = match edition {
                Edition::Iso87 => ("00", 90),
                Edition::Iso93 => ("400", 56),
                Edition::Iso2003 => ("4000", 56),
            };
            assert!(message.has(de), "the original is named again");
            assert_eq!(text(message, 39), code);
        });
        let refused = Reply::refused(ResponseCode::FORMAT_ERROR);
        answered(&ask(200, 0).with(37, "OWNREFERENCE"), &refused, dialect, edition, |message| {
            assert_eq!(text(message, 37), "OWNREFERENCE");
            assert!(!message.has(38) && !message.has(15));
        });
    }
}

#[test]
fn keys_and_totals_are_answered() {
    let totals = BatchTotals {
        domestic: BatchSums { credit: side(1, 500), debit: side(3, 5_000) },
        foreign: BatchSums { credit: side(0, 0), debit: side(1, 250) },
    };
    for (dialect, edition) in dialects() {
        let facts = facts("00");
        let body = ReplyBody::SignOn { facts, batch: BatchNumber::FIRST, key_block: vec![0xAB; 24] };
        answered(
            &network(800, 1),
            &Reply::recorded(&facts, body),
            dialect,
            edition,
            |message| match edition {
                Edition::Iso87 => assert_eq!(text(message, 62), "AB".repeat(24)),
                Edition::Iso93 | Edition::Iso2003 => {
                    assert_eq!(message.bytes_owned(96).unwrap().as_ref(), [0xAB; 24]);
                }
            },
        );
        let plain = Ask { code: None, minor: None, card: false, ..ask(500, 0) };
        for (verdict, [first, third, fourth], settled) in [
            (BatchVerdict::Balanced, ["00", "500", "5000"], 1),
            (BatchVerdict::Unbalanced, ["95", "504", "5004"], 2),
        ] {
            let reply = Reply::recorded(&facts, ReplyBody::BatchTotals { facts, totals, verdict });
            answered(&plain, &reply, dialect, edition, |message| {
                let spelled = match edition {
                    Edition::Iso87 => first,
                    Edition::Iso93 => third,
                    Edition::Iso2003 => fourth,
                };
                assert_eq!(text(message, 39), spelled);
                if edition == Edition::Iso87 {
                    assert_eq!(message.number(66), Some(settled));
                }
                assert_eq!(text(message, 97).len(), if edition == Edition::Iso2003 { 21 } else { 17 });
                assert!(text(message, 97).starts_with('D') && text(message, 97).ends_with("004750"));
                if edition != Edition::Iso2003 {
                    let numbers = [74, 75, 76, 77, 86, 87, 88, 89].map(|de| message.number(de));
                    assert_eq!(numbers, [1, 0, 4, 0, 500, 0, 5_250, 0].map(Some));
                }
                // What was written is read again: the packed totals of 2003 too.
                let read = super::totals::read(message, edition).unwrap();
                assert_eq!(read.domestic, BatchSums { credit: side(1, 500), debit: side(4, 5_250) });
            });
        }
    }
}

#[test]
fn a_mac_stands_at_the_end_of_the_last_bitmap() {
    for (dialect, edition) in dialects() {
        for (ask, de) in [
            (ask(200, 0), 64),
            (ask(200, 20_000).of(200, 41), if edition == Edition::Iso87 { 128 } else { 64 }),
        ] {
            let bytes = ask.body(dialect, edition);
            let message = dialect.parse(&bytes).unwrap();
            let absent = MacRequirement::Required { covered: bytes.len(), received: None };
            assert_eq!(read(&message, edition).unwrap().mac, absent);
            let mut out = Vec::new();
            let mut builder = dialect.builder(&mut out, message.mti());
            for element in message.elements() {
                builder.echo(&message, element).unwrap();
            }
            let value: &[u8] = if edition == Edition::Iso2003 { b"1234" } else { b"12345678" };
            builder.finish_with_mac(de, |_: &[u8]| value.to_vec()).unwrap();
            let message = dialect.parse(&out).unwrap();
            let MacRequirement::Required { covered, received: Some(received) } =
                read(&message, edition).unwrap().mac
            else {
                panic!("{}", dialect.name())
            };
            assert_eq!(received.as_slice(), value);
            assert_eq!(Some(covered), message.offset(de));
        }
        assert_eq!(parsed(&network(800, 1), dialect, edition).unwrap().mac, MacRequirement::NotRequired);
    }
}

#[test]
fn a_malformed_message_is_answered_once() {
    for (dialect, edition) in dialects() {
        let whole = ask(200, 0).body(dialect, edition);
        let answer = malformed_reply(dialect, edition, &whole[..whole.len() - 1]).unwrap();
        let read = dialect.parse(&answer).unwrap();
        assert_eq!(read.mti(), edition.mti(210));
        assert!(malformed_reply(dialect, edition, &answer).is_none(), "an answer is not answered");
        assert!(malformed_reply(dialect, edition, &[]).is_none());
    }
    assert_eq!(Mti::new(0x0210), Edition::Iso87.mti(210));
}

proptest::proptest! {
    #[test]
    fn nothing_that_arrives_makes_it_panic(
        body in proptest::collection::vec(proptest::num::u8::ANY, 0..256),
        at in 0_usize..200,
        byte in proptest::num::u8::ANY,
        cut in 0_usize..200,
    ) {
        for (dialect, edition) in dialects() {
            let mut damaged = ask(200, 20_000).of(200, 41).with(38, "A1B2C3").body(dialect, edition);
            let place = at % damaged.len();
            damaged[place] = byte;
            let end = damaged.len() - cut % damaged.len();
            for bytes in [&body[..], &damaged[..], &damaged[..end]] {
                let _ = malformed_reply(dialect, edition, bytes);
                let (partial, _) = dialect.parse_partial(bytes);
                if let Ok(parsed) = read(&partial, edition) {
                    let _ = into_body(parsed.draft);
                }
                let Ok(message) = dialect.parse(bytes) else { continue };
                let acquirer: AcquirerId = "1".parse().unwrap();
                let context =
                    ReplyContext { card: None, offset: UtcOffset::CHINA, acquirer: &acquirer, mac: None };
                let _ = write_reply(&message, edition, &financial_reply("10", Some(5)), &context, &mut Vec::new());
            }
        }
    }
}
