//! What is written into answers.

use super::super::write_reply;
use super::cases::Expected;
use super::*;
use crate::effect::{Reply, ReplyBody};
use std::cell::RefCell;
use switchyard_domain::{
    AcquirerId, Amount, BatchNumber, BatchSums, BatchTotals, BatchVerdict, BusinessDate, Currency, Echo,
    ReplyFacts, Scheme, Side, Timestamp, TransactionKind as Kind, UtcOffset,
};

/// 2023-11-15 06:13:20 in China.
const AT: Timestamp = Timestamp(1_700_000_000_000_000);
const CODE: ResponseCode = ResponseCode::APPROVED;

fn facts(code: ResponseCode) -> ReplyFacts {
    ReplyFacts {
        code,
        rrn: "231115000042".parse().unwrap(),
        auth_code: code.is_approval().then(|| "123456".parse().unwrap()),
        at: AT,
        settlement_date: "2023-11-16".parse::<BusinessDate>().unwrap(),
        balance: Some((Amount::new(98_765, Currency::CNY), false)),
    }
}

fn echo_of(body: &Body) -> Option<Echo> {
    match body {
        Body::Financial(financial) => Some(financial.echo),
        Body::Reversal(reversal) => Some(reversal.echo),
        _ => None,
    }
}

fn batch(number: u64) -> BatchNumber {
    BatchNumber::try_from(number).unwrap()
}

fn reply(expected: Expected, request: &Request, code: ResponseCode) -> Reply {
    let facts = facts(code);
    let body = match expected {
        Expected::Financial(_) | Expected::Reversal(_) => ReplyBody::Financial {
            facts,
            echo: echo_of(&request.body()).unwrap(),
            issuer: 3_090_000,
            scheme: Scheme::Vis,
            approved: None,
        },
        Expected::SignOn => ReplyBody::SignOn { facts, batch: batch(727), key_block: vec![0xAB; 40] },
        Expected::SignOff => ReplyBody::SignOff { facts },
        Expected::Echo | Expected::Status | Expected::DownloadEnd | Expected::MasterKeyTaken => {
            ReplyBody::Echo { at: AT }
        }
        Expected::Download | Expected::MasterKey => ReplyBody::Download { at: AT, data: b"1".to_vec() },
        Expected::Script => ReplyBody::ScriptResult { facts },
        Expected::BatchTotals => {
            let debit = Side { amount_minor: 7, count: 7 };
            let domestic = BatchSums { debit, credit: Side::default() };
            let totals = BatchTotals { domestic, foreign: BatchSums::default() };
            ReplyBody::BatchTotals { facts, totals, verdict: BatchVerdict::Unbalanced }
        }
        Expected::Items | Expected::Detail | Expected::End => ReplyBody::BatchUpload { facts },
    };
    Reply { code, body, requirement: 0, chip: None }
}

fn written(
    request: &[u8],
    reply: &Reply,
    card: Option<&Pan>,
    mac: Option<crate::dialect::MacOf<'_>>,
) -> Vec<u8> {
    let acquirer: AcquirerId = "48021560".parse().unwrap();
    let mut out = b"before".to_vec();
    let range = write_reply(
        &parse(request),
        reply,
        &ReplyContext { card, offset: UtcOffset::CHINA, acquirer: &acquirer, mac },
        &mut out,
    )
    .unwrap();
    assert_eq!((range.start, range.end), (6, out.len()));
    out.split_off(6)
}

/// A card, DE 14, 53 and a chip, so that nothing conditional is left out.
fn complete(expected: Expected, request: Request) -> Request {
    match expected {
        Expected::Financial(_) | Expected::Reversal(_) => request.with(2).with(14).with(53),
        Expected::Echo
        | Expected::Status
        | Expected::Download
        | Expected::DownloadEnd
        | Expected::MasterKey
        | Expected::MasterKeyTaken => request.with(11),
        Expected::Script => request.with(3).with(4),
        _ => request,
    }
}

#[test]
fn every_reply_has_the_elements_of_its_row() {
    for (expected, request, elements) in Expected::all() {
        let request = complete(expected, request);
        let reply = reply(expected, &request, CODE);
        let mac: crate::dialect::MacOf<'_> = &|_: &[u8]| *b"00000000";
        let has_mac = elements.contains(&64);
        let bytes = written(&request.bytes(), &reply, None, has_mac.then_some(mac));
        let answer = parse(&bytes);
        assert_eq!(answer.mti(), Mti::new(request.mti).reply());
        assert_eq!(answer.elements().collect::<Vec<_>>(), elements, "{expected:?}");
    }
}

#[test]
fn a_decline_has_neither_approval_nor_scheme() {
    let request = complete(Expected::Financial(Kind::Sale), Expected::Financial(Kind::Sale).request());
    let reply = reply(Expected::Financial(Kind::Sale), &request, ResponseCode::INSUFFICIENT_FUNDS);
    let bytes = written(&request.bytes(), &reply, None, None);
    let answer = parse(&bytes);
    assert!(!answer.has(38) && !answer.has(63) && !answer.has(64));
    assert_eq!(answer.raw(39), Some(&b"51"[..]));
}

#[test]
fn values_of_a_financial_reply() {
    let expected = Expected::Financial(Kind::Sale);
    let request = complete(expected, expected.request()).without(2).with(35);
    let bytes = written(&request.bytes(), &reply(expected, &request, CODE), None, None);
    let answer = parse(&bytes);
    let text = |de| answer.text(de).unwrap().into_owned();
    assert_eq!(text(2).as_bytes(), PAN, "from the track");
    assert_eq!((text(12), text(13), text(15)), ("061320".into(), "1115".into(), "1116".into()));
    assert_eq!((text(32), text(37), text(38)), ("48021560".into(), "231115000042".into(), "123456".into()));
    assert_eq!(text(44), "03090000   48021560   ");
    assert_eq!((text(14), text(25), text(49)), ("3012".into(), "00".into(), "156".into()));
    assert_eq!((text(53), text(60)), ("2600000000000000".into(), "2200000300050".into()));
    assert_eq!(text(63), "VIS");
    for scheme in Scheme::ALL {
        let mut reply = reply(expected, &request, CODE);
        let ReplyBody::Financial { scheme: of_card, .. } = &mut reply.body else { panic!() };
        *of_card = scheme;
        let bytes = written(&request.bytes(), &reply, None, None);
        assert_eq!(parse(&bytes).text(63).unwrap(), scheme.code());
    }
    let expected = Expected::Financial(Kind::BalanceInquiry);
    let request = expected.request();
    let bytes = written(&request.bytes(), &reply(expected, &request, CODE), None, None);
    assert_eq!(parse(&bytes).text(54).unwrap(), "1002156D000000098765");
}

#[test]
fn the_card_of_an_enciphered_track_is_handed_in() {
    let expected = Expected::Financial(Kind::Sale);
    let request = expected.request().without(2).with(35).digits(53, TRACK_ENCRYPTED.to_string().as_bytes());
    let mut draft = request.read().unwrap().draft;
    let packed = draft.encrypted_track().unwrap().to_vec();
    draft.set_track(&packed).unwrap();
    let Ok(Body::Financial(financial)) = into_body(draft) else { panic!() };
    let body = ReplyBody::Financial {
        facts: facts(CODE),
        echo: financial.echo,
        issuer: 0,
        scheme: Scheme::Cup,
        approved: None,
    };
    let reply = Reply { code: CODE, body, requirement: 0, chip: None };
    let bytes = written(&request.bytes(), &reply, None, None);
    assert!(!parse(&bytes).has(2), "what is enciphered is no card number");
    let bytes = written(&request.bytes(), &reply, Pan::from_digits(PAN).ok().as_ref(), None);
    assert_eq!(parse(&bytes).text(2).unwrap().as_bytes(), PAN);
    assert_eq!(parse(&bytes).text(44).unwrap(), "           48021560   ");
}

#[test]
fn the_mac_sees_everything_before_it_with_its_bit_set() {
    for expected in [Expected::Financial(Kind::Sale), Expected::Detail] {
        let request = complete(expected, expected.request());
        let seen = RefCell::new(Vec::new());
        let mac = |covered: &[u8]| {
            *seen.borrow_mut() = covered.to_vec();
            *b"1234ABCD"
        };
        let bytes = written(&request.bytes(), &reply(expected, &request, CODE), None, Some(&mac));
        let (covered, value) = bytes.split_at(bytes.len() - 8);
        assert_eq!((covered, value), (seen.borrow().as_slice(), &b"1234ABCD"[..]));
        assert_eq!(covered[9] & 1, 1, "the bitmap announces de 64 already");
        assert_eq!(parse(&bytes).offset(64), Some(covered.len()));
    }
}

#[test]
fn a_sign_on_learns_batch_time_and_keys() {
    let request = Expected::SignOn.request();
    let bytes = written(&request.bytes(), &reply(Expected::SignOn, &request, CODE), None, None);
    let answer = parse(&bytes);
    assert_eq!(answer.text(60).unwrap(), "00000727001");
    assert_eq!(answer.raw(62), Some(&[0xAB; 40][..]));
    assert_eq!((answer.number(12), answer.number(13)), (Some(61_320), Some(1_115)));
}

#[test]
fn totals_carry_the_verdict_and_no_code() {
    let request = Expected::BatchTotals.request();
    let bytes = written(&request.bytes(), &reply(Expected::BatchTotals, &request, CODE), None, None);
    let answer = parse(&bytes);
    let totals = answer.text(48).unwrap();
    assert_eq!(totals, "00000000000700700000000000000020000000000000000000000000000002");
    assert!(!answer.has(39));
}

#[test]
fn a_refusal_repeats_what_the_request_had() {
    let request = Expected::Financial(Kind::Sale).request();
    let refused = Reply::refused(ResponseCode::SIGN_ON_REQUIRED);
    let bytes = written(&request.bytes(), &refused, None, None);
    let answer = parse(&bytes);
    assert_eq!(answer.elements().collect::<Vec<_>>(), [3, 4, 11, 25, 39, 41, 42, 49, 60]);
    assert_eq!(answer.raw(60), parse(&request.bytes()).raw(60));
    let bytes = written(&request.without(25).without(60).bytes(), &refused, None, Some(&|_: &[u8]| [0; 8]));
    let answer = parse(&bytes);
    assert_eq!(answer.elements().collect::<Vec<_>>(), [3, 4, 11, 39, 41, 42, 49, 64]);
}

#[test]
fn a_repeat_hears_the_recorded_elements() {
    let expected = Expected::Financial(Kind::Sale);
    let first = complete(expected, expected.request());
    let recorded = reply(expected, &first, CODE);
    let repeat = first.without(14).without(53);
    let again = written(&repeat.bytes(), &recorded, None, None);
    assert_eq!(again, written(&first.bytes(), &recorded, None, None));
}
