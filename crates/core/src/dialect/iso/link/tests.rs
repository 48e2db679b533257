//! Link messages in both encodings: written, parsed, compared by value.

use super::*;
use crate::dialect::iso::{Edition, original};
use crate::effect::{Upstream, UpstreamRequest};
use crate::input::{Card, Financial, OriginalRef};
use crate::link_key::ZonePin;
use switchyard_domain::{
    Amount, BatchNumber, BusinessDate, CardClass, CardHash, CardRef, Currency, Echo, Fingerprint, LinkIndex,
    MerchantIndex, MessageClass, Pan, PinBlock, RequestKey, ReversalReason, SafEntry, SafId, SafKind,
    SealedPan, ServiceAccount, Stan, TerminalIndex, Timestamp, Track2, TransactionId, TransactionKind,
    TransactionOpened, UpstreamRef, UtcOffset,
};
use switchyard_wire::{De, Dialect, Message, Mti};

mod billing;
mod chip;
mod part;
mod script;

const PAN: &[u8] = b"6225880000000008";
/// 2023-11-14 22:13:20 UTC.
const AT: Timestamp = Timestamp(1_700_000_000_000_000);

fn dialects() -> [&'static Dialect; 4] {
    ["iso87-binary", "iso87-ascii", "iso87-ascii-binbitmap", "iso87-ebcdic"]
        .map(|name| Dialect::builtin(name).unwrap())
}

fn context() -> LinkContext {
    LinkContext { offset: UtcOffset::CHINA, acquirer: "48021560".parse().unwrap() }
}

fn stan(number: u64) -> Stan {
    Stan::try_from(number).unwrap()
}

fn upstream(kind: TransactionKind) -> UpstreamRef {
    UpstreamRef { link: LinkIndex(0), stan: stan(77), transmitted_at: AT, mti: upstream_mti(kind) }
}

fn opened(kind: TransactionKind) -> TransactionOpened {
    let echo = Echo {
        expiry: None,
        condition: Some(0),
        currency: Some(Currency::CNY),
        security_control: None,
        de60: 22,
        de60_digits: 11,
        entry_mode: Some(51),
    };
    let fingerprint = Fingerprint {
        processing_code: 0,
        amount_minor: 1_250,
        card: None,
        type_code: 22,
        original: None,
        original_rrn: None,
    };
    let batch = BatchNumber::FIRST;
    let (merchant, terminal) = (MerchantIndex(0), TerminalIndex(0));
    TransactionOpened {
        id: TransactionId(1),
        key: RequestKey { merchant, terminal, batch, stan: stan(42), class: MessageClass::Financial },
        fingerprint,
        kind,
        amount: Amount::new(1_250, Currency::CNY),
        card: None,
        card_class: CardClass::Debit.into(),
        original: None,
        rrn: "231115000042".parse().unwrap(),
        echo,
        upstream: Some(upstream(kind)),
        day: BusinessDate(20_000),
        mcc: 5_411,
    }
}

fn request(kind: TransactionKind) -> UpstreamRequest {
    let opened = opened(kind);
    let pan = Pan::from_digits(PAN).unwrap();
    let reference = CardRef {
        sealed: SealedPan(Vec::new()),
        key_id: 1,
        intake: 1,
        hash: CardHash([0; 16]),
        masked: pan.masked(),
    };
    let is_first = !kind.follows_another();
    let financial = Financial {
        kind,
        class: MessageClass::Financial,
        stan: stan(42),
        batch: BatchNumber::FIRST,
        amount: opened.amount,
        card: Some(Card { pan, reference, expiry: "3012".parse().ok() }),
        pin: None,
        key_version: None,
        track2: is_first.then(|| Track2::new(b"6225880000000008=30121010000000000").unwrap()),
        service: kind.serves_an_account().then(|| ServiceAccount::new("13800138000".into()).unwrap()),
        emv: is_first.then(|| vec![0x9F, 0x26, 0x01, 0xFF]),
        chip_answer: None,
        card_sequence: is_first.then_some(1),
        original: OriginalRef::default(),
        fingerprint: opened.fingerprint,
        echo: opened.echo,
    };
    UpstreamRequest {
        opened,
        request: Box::new(financial),
        pin: is_first.then_some(ZonePin { block: PinBlock([0x5A; 8]), key: [1; 4] }),
        terminal: "T0000001".parse().unwrap(),
        merchant: "M00000000000001".parse().unwrap(),
        original: (!is_first).then(|| UpstreamRef { stan: stan(41), ..upstream(TransactionKind::PreAuth) }),
        auth_code: (!is_first).then(|| "A1B2C3".parse().unwrap()),
        billing: None,
        leaves_by: Timestamp(0),
    }
}

fn check(dialect: &Dialect, message: &Upstream, card: Option<&Pan>, test: impl Fn(&Message<'_, '_>)) {
    let mut out = b"before".to_vec();
    let range = write(dialect, message, card, &context(), &mut out).unwrap();
    assert_eq!((range.start, range.end), (6, out.len()));
    test(&dialect.parse(&out[6..]).unwrap());
}

#[test]
fn a_message_that_cannot_be_built_leaves_nothing_behind() {
    let mut sale = request(TransactionKind::Sale);
    sale.opened.amount.minor = u64::MAX;
    for dialect in dialects() {
        let mut out = b"before".to_vec();
        assert!(write_request(dialect, &sale, None, &context(), &mut out).is_err());
        assert_eq!(out, b"before");
    }
}

fn texts(message: &Message<'_, '_>, elements: &[De]) -> Vec<String> {
    elements.iter().map(|de| message.text(*de).unwrap_or_default().into_owned()).collect()
}

#[test]
fn every_kind_goes_out_as_the_links_contract_says() {
    use TransactionKind::*;
    const FIRST: &[De] = &[2, 3, 4, 7, 11, 12, 13, 14, 18, 22, 23, 25, 32, 35, 37, 41, 42, 49, 52, 55];
    const SERVED: &[De] = &[2, 3, 4, 7, 11, 12, 13, 14, 18, 22, 23, 25, 32, 35, 37, 41, 42, 48, 49, 52, 55];
    const NEXT: &[De] = &[2, 3, 4, 7, 11, 12, 13, 14, 18, 22, 25, 32, 37, 41, 42, 49, 90];
    const CODED: &[De] = &[2, 3, 4, 7, 11, 12, 13, 14, 18, 22, 25, 32, 37, 38, 41, 42, 49, 90];
    for (kind, mti, processing_code, condition, elements) in [
        (Sale, 0x0200, "000000", "00", FIRST),
        (BalanceInquiry, 0x0200, "310000", "00", FIRST),
        (PreAuth, 0x0100, "030000", "06", FIRST),
        (PreAuthVoid, 0x0100, "200000", "06", CODED),
        (Completion, 0x0200, "000000", "06", CODED),
        (CompletionVoid, 0x0200, "200000", "06", NEXT),
        (Void, 0x0200, "200000", "00", NEXT),
        (Refund, 0x0220, "200000", "00", NEXT),
        (CashAdvance, 0x0200, "010000", "00", FIRST),
        (CardRepayment, 0x0200, "500000", "00", SERVED),
        (TopUp, 0x0200, "510000", "00", SERVED),
    ] {
        for dialect in dialects() {
            check(dialect, &Upstream::Request(Box::new(request(kind))), None, |message| {
                assert_eq!(message.mti(), Mti::new(mti), "{kind:?}");
                assert_eq!(message.elements().collect::<Vec<_>>(), elements, "{kind:?}");
                assert_eq!(texts(message, &[3, 25]), [processing_code, condition], "{kind:?}");
                if elements == SERVED {
                    assert_eq!(texts(message, &[48]), ["13800138000"], "{kind:?}");
                }
            });
        }
    }
}

#[test]
fn values_are_the_same_in_both_encodings() {
    for dialect in dialects() {
        check(dialect, &Upstream::Request(Box::new(request(TransactionKind::Sale))), None, |message| {
            assert_eq!(message.text(2).unwrap().as_bytes(), PAN);
            assert_eq!(texts(message, &[4, 7, 11]), ["000000001250", "1114221320", "000077"]);
            assert_eq!(texts(message, &[12, 13, 14]), ["061320", "1115", "3012"]);
            assert_eq!(texts(message, &[18, 22, 23, 32]), ["5411", "051", "001", "48021560"]);
            assert_eq!(texts(message, &[37, 49]), ["231115000042", "156"]);
            assert_eq!(texts(message, &[41, 42]), ["T0000001", "M00000000000001"]);
            assert_eq!(message.text(35).unwrap(), "6225880000000008=30121010000000000");
            assert_eq!(message.bytes_owned(52).unwrap().as_ref(), [0x5A; 8]);
            let chip = message.bytes(55).map_or_else(
                || message.text(55).unwrap().into_owned(),
                |bytes| bytes.iter().map(|byte| format!("{byte:02X}")).collect(),
            );
            assert_eq!(chip, "9F2601FF");
        });
    }
}

#[test]
fn original_data_elements_name_the_original() {
    for dialect in dialects() {
        check(dialect, &Upstream::Request(Box::new(request(TransactionKind::Completion))), None, |message| {
            let text = message.text(90).unwrap();
            assert_eq!(text, "010000004111142213200004802156000000000000");
        });
    }
}

#[test]
fn a_follow_up_without_a_card_takes_the_opened_number() {
    let mut void = request(TransactionKind::Void);
    void.request.card = None;
    let message = Upstream::Request(Box::new(void));
    let pan = Pan::from_digits(PAN).unwrap();
    for dialect in dialects() {
        check(dialect, &message, Some(&pan), |message| assert_eq!(message.text(2).unwrap().as_bytes(), PAN));
        check(dialect, &message, None, |message| assert!(!message.has(2) && !message.has(14)));
    }
}

#[test]
fn a_reversal_and_its_repeat_differ_in_the_type_only() {
    let pan = Pan::from_digits(PAN).unwrap();
    for dialect in dialects() {
        for (reason, code) in [
            (ReversalReason::NoAnswer, "68"),
            (ReversalReason::TerminalFault, "22"),
            (ReversalReason::MacError, "22"),
            (ReversalReason::Other, "21"),
        ] {
            let write_one = |repeat| {
                let own = UpstreamRef { stan: stan(78), mti: 420, ..upstream(TransactionKind::Sale) };
                let saf = SafEntry {
                    id: SafId(1),
                    kind: SafKind::Reversal,
                    transaction: TransactionId(1),
                    upstream: UpstreamRef { transmitted_at: AT.plus_micros(60_000_000), ..own },
                    reason,
                };
                let message = Upstream::Reversal {
                    saf,
                    opened: Box::new(opened(TransactionKind::Sale)),
                    stands: None,
                    terminal: "T0000001".parse().unwrap(),
                    merchant: "M00000000000001".parse().unwrap(),
                    billing: None,
                    repeat,
                };
                let mut out = Vec::new();
                write(dialect, &message, Some(&pan), &context(), &mut out).unwrap();
                out
            };
            let (first, repeat) = (write_one(false), write_one(true));
            let (first, repeat) = (dialect.parse(&first).unwrap(), dialect.parse(&repeat).unwrap());
            assert_eq!((first.mti(), repeat.mti()), (Mti::new(0x0420), Mti::new(0x0421)));
            let elements: Vec<_> = first.elements().collect();
            assert_eq!(elements, [2, 3, 4, 7, 11, 12, 13, 25, 32, 37, 39, 41, 42, 49, 90]);
            assert!(elements.iter().all(|de| first.wire(*de) == repeat.wire(*de)));
            assert_eq!(texts(&first, &[7, 11, 37, 39]), ["1114221420", "000078", "231115000042", code]);
            assert_eq!(first.text(90).unwrap(), "020000007711142213200004802156000000000000");
        }
    }
}

#[test]
fn network_management_goes_both_ways() {
    for dialect in dialects() {
        for code in [1, 2, 301] {
            let message = Upstream::Network { stan: stan(5), at: AT, code };
            check(dialect, &message, None, |message| {
                assert_eq!(message.mti(), Mti::new(0x0800));
                assert_eq!(message.elements().collect::<Vec<_>>(), [7, 11, 70]);
                assert_eq!(message.number(70), Some(u64::from(code)));
                assert_eq!(read_answer(message).unwrap_err(), AnswerError::NotAnAnswer(Mti::new(0x0800)));
            });
            let mut out = Vec::new();
            let mut builder = dialect.builder(&mut out, Mti::new(0x0810));
            builder.digits(7, b"1114221320").unwrap().number(11, 5).unwrap();
            builder.text(39, "00").unwrap().number(70, u64::from(code)).unwrap();
            builder.finish().unwrap();
            let answer = read_answer(&dialect.parse(&out).unwrap()).unwrap();
            assert_eq!((answer.mti, answer.network_code), (810, Some(code)));
            assert_eq!((answer.stan.map(Stan::get), answer.transmitted), (Some(5), Some(*b"1114221320")));
        }
    }
}

fn answer(dialect: &'static Dialect, mti: u16, elements: &[(De, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut builder = dialect.builder(&mut out, Mti::new(mti));
    for (de, text) in elements {
        builder.text(*de, text).unwrap();
    }
    builder.finish().unwrap();
    out
}

#[test]
fn answers_are_read() {
    const BALANCES: &str = "1001156C0000000000101002156D000000098765";
    for dialect in dialects() {
        let elements = [(7, "1114221320"), (11, "000077"), (37, "231115000042"), (38, "A1B2  "), (39, "00")];
        let bytes = answer(dialect, 0x0211, &[&elements[..], &[(54, BALANCES)]].concat());
        let read = read_answer(&dialect.parse(&bytes).unwrap()).unwrap();
        assert_eq!((read.mti, read.stan.map(Stan::get)), (210, Some(77)));
        assert_eq!(read.transmitted, Some(*b"1114221320"));
        assert_eq!(read.rrn.unwrap().as_str(), "231115000042");
        assert_eq!(read.auth_code.unwrap().as_str(), "A1B2");
        assert_eq!(read.code.unwrap().as_str(), "00");
        assert_eq!(read.balance, Some((Amount::new(98_765, Currency::CNY), false)));
        assert_eq!(read.network_code, None);
        for (elements, error) in [
            (&elements[..1], AnswerError::Missing(11)),
            (&[elements[0], elements[1], (39, "0?")], AnswerError::Malformed(39)),
        ] {
            let bytes = answer(dialect, 0x0210, elements);
            assert_eq!(read_answer(&dialect.parse(&bytes).unwrap()).unwrap_err(), error);
        }
        // Whether DE 7 has to be there, the link's key says.
        let bytes = answer(dialect, 0x0210, &elements[1..]);
        let read = read_answer(&dialect.parse(&bytes).unwrap()).unwrap();
        assert_eq!((read.transmitted, read.stan.map(Stan::get)), (None, Some(77)));
        let bytes = answer(dialect, 0x0130, &[elements[0], elements[1], (38, "      "), (54, "nonsense")]);
        let read = read_answer(&dialect.parse(&bytes).unwrap()).unwrap();
        assert!(read.auth_code.is_none() && read.balance.is_none() && read.code.is_none());
    }
}

fn later() -> [(&'static Dialect, Edition); 4] {
    ["iso93-ascii", "iso93-binary", "iso2003-ascii", "iso2003-binary"].map(|name| {
        let dialect = Dialect::builtin(name).unwrap();
        (dialect, Edition::of(dialect).unwrap())
    })
}

#[test]
fn every_kind_goes_out_in_the_later_editions() {
    use TransactionKind::*;
    for (kind, mti, processing_code, function, original) in [
        (Sale, 0x0200, "000000", "200", ""),
        (BalanceInquiry, 0x0200, "310000", "200", ""),
        (PreAuth, 0x0100, "030000", "100", ""),
        (PreAuthVoid, 0x0100, "200000", "100", "100"),
        (Completion, 0x0200, "000000", "202", "100"),
        (CompletionVoid, 0x0200, "200000", "201", "100"),
        (Void, 0x0200, "200000", "200", "100"),
        (Refund, 0x0220, "200000", "200", "100"),
        (CashAdvance, 0x0200, "010000", "200", ""),
    ] {
        for (dialect, edition) in later() {
            check(dialect, &Upstream::Request(Box::new(request(kind))), None, |message| {
                let version = if edition == Edition::Iso93 { 0x1000 } else { 0x2000 };
                assert_eq!(message.mti(), Mti::new(version | mti), "{kind:?}");
                assert_eq!(texts(message, &[3, 24, 26]), [processing_code, function, "5411"], "{kind:?}");
                assert!(![13, 18, 25, 90].iter().any(|de| message.has(*de)), "{kind:?}");
                assert_eq!(message.has(49), edition == Edition::Iso93);
                let amount = if edition == Edition::Iso93 { "000000001250" } else { "1562000000001250" };
                let stan = if edition == Edition::Iso93 { "000077" } else { "000000000077" };
                let local = if edition == Edition::Iso93 { "231115061320" } else { "20231115061320" };
                assert_eq!(texts(message, &[4, 7, 11, 12]), [amount, "1114221320", stan, local]);
                assert_eq!(texts(message, &[41, 42])[1].trim_end(), "M00000000000001");
                assert_eq!(message.text(41).unwrap().trim_end(), "T0000001");
                let named = match (original, edition) {
                    ("", _) => String::new(),
                    (_, Edition::Iso93) => "11000000412311150613200848021560".to_owned(),
                    _ => "21000000000000412023111506132048021560".to_owned(),
                };
                assert_eq!(texts(message, &[56]), [named], "{kind:?}");
                assert_eq!(message.bytes_owned(52).is_some(), !kind.follows_another());
            });
        }
    }
}

#[test]
fn reversals_and_network_management_of_the_later_editions() {
    for (dialect, edition) in later() {
        for (reason, code) in [
            (ReversalReason::NoAnswer, "4021"),
            (ReversalReason::TerminalFault, "4002"),
            (ReversalReason::MacError, "4020"),
            (ReversalReason::Other, "4001"),
        ] {
            let own = UpstreamRef { stan: stan(78), mti: 420, ..upstream(TransactionKind::Sale) };
            let saf = SafEntry {
                id: SafId(1),
                kind: SafKind::Reversal,
                transaction: TransactionId(1),
                upstream: own,
                reason,
            };
            let message = Upstream::Reversal {
                saf,
                opened: Box::new(opened(TransactionKind::Sale)),
                stands: None,
                terminal: "T0000001".parse().unwrap(),
                merchant: "M00000000000001".parse().unwrap(),
                billing: None,
                repeat: true,
            };
            check(dialect, &message, None, |message| {
                assert_eq!(message.mti(), edition.mti(421));
                assert_eq!(texts(message, &[24, 25]), ["400", code]);
                let named = original::read(message, edition).unwrap().unwrap();
                let moment = if edition == Edition::Iso93 { 231_115_061_320 } else { 20_231_115_061_320 };
                assert_eq!((named.mti, named.stan, named.moment), (200, stan(77), moment));
                assert!(!message.has(39));
            });
        }
        for (code, function) in [(1, 801), (2, 802), (301, 831)] {
            let message = Upstream::Network { stan: stan(5), at: AT, code };
            check(dialect, &message, None, |message| {
                assert_eq!(message.elements().collect::<Vec<_>>(), [7, 11, 24]);
                assert_eq!((message.number(24), message.mti()), (Some(function), edition.mti(800)));
            });
            let (mti, approved) =
                (edition.mti(810).as_u16(), if edition == Edition::Iso93 { "800" } else { "8000" });
            let function = function.to_string();
            let elements: [(De, &str); 4] = [(7, "1114221320"), (11, "5"), (24, &function), (39, approved)];
            let padded = format!("{:0>width$}", 5, width = if edition == Edition::Iso93 { 6 } else { 12 });
            let elements = elements.map(|(de, text)| (de, if de == 11 { padded.as_str() } else { text }));
            let bytes = answer(dialect, mti, &elements);
            let read = read_answer(&dialect.parse(&bytes).unwrap()).unwrap();
            assert_eq!((read.mti, read.network_code), (810, Some(code)));
            assert_eq!(read.code.unwrap().as_str(), "00");
        }
    }
}

#[test]
fn answers_of_the_later_editions_are_read_and_those_of_another_are_none() {
    for (dialect, edition) in later() {
        let is_93 = edition == Edition::Iso93;
        for (action, code) in [
            (["000", "0000"], "00"),
            (["116", "1016"], "51"),
            (["002", "0002"], "10"),
            (["912", "9112"], "91"),
        ] {
            let (amount, stan, balance) = if is_93 {
                ("000000001250", "000077", "1002156C000000098765")
            } else {
                ("1562000000001250", "000000000077", "10021562C000000098765")
            };
            let elements = [
                (4, amount),
                (7, "1114221320"),
                (11, stan),
                (38, "A1B2"),
                (39, action[usize::from(!is_93)]),
                (54, balance),
            ];
            let bytes = answer(dialect, edition.mti(210).as_u16(), &elements);
            let read = read_answer(&dialect.parse(&bytes).unwrap()).unwrap();
            assert_eq!((read.mti, read.stan.map(Stan::get), read.amount_minor), (210, Some(77), Some(1_250)));
            assert_eq!((read.code.unwrap().as_str(), read.auth_code.unwrap().as_str()), (code, "A1B2"));
            assert_eq!(read.balance, Some((Amount::new(98_765, Currency::CNY), true)));
            let bytes = answer(dialect, 0x0210, &elements);
            let error = read_answer(&dialect.parse(&bytes).unwrap()).unwrap_err();
            assert_eq!(error, AnswerError::OtherEdition(Mti::new(0x0210)));
        }
    }
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        for dialect in dialects() {
            let _ = read_answer(&dialect.parse_partial(&body).0);
        }
    }
}
