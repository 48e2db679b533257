//! What is read from requests.

use super::cases::{Expected, ITEM};
use super::*;
use crate::dialect::unionpay::device::Step;
use crate::dialect::unionpay::table::{Action, ROWS};
use crate::input::{Financial, KeyForm, MasterKeyStep, Reversal, Upload};
use switchyard_domain::{
    Currency, DownloadKind, MessageClass, ReversalReason, TransactionKind as Kind, UploadedItem,
};

fn matches(expected: Expected, draft: &Draft) -> bool {
    match (expected, draft) {
        (Expected::Financial(kind), Draft::Financial(financial)) => financial.kind == kind,
        (Expected::Reversal(kind), Draft::Reversal(reversal)) => reversal.kind == kind,
        (Expected::SignOn, Draft::SignOn { .. })
        | (Expected::SignOff, Draft::SignOff { .. })
        | (Expected::Echo, Draft::Echo)
        | (Expected::Status, Draft::Status { .. })
        | (Expected::Download | Expected::DownloadEnd, Draft::Download { .. })
        | (Expected::MasterKey, Draft::MasterKey(MasterKeyStep::Fetch))
        | (Expected::MasterKeyTaken, Draft::MasterKey(MasterKeyStep::Confirm { .. }))
        | (Expected::Script, Draft::ScriptResult(_))
        | (Expected::BatchTotals, Draft::BatchTotals { .. }) => true,
        (Expected::Items | Expected::Detail, Draft::BatchUpload { upload, .. }) => {
            matches!(upload, crate::dialect::UploadDraft::Items(items) if items.len() == 1)
        }
        (Expected::End, Draft::BatchUpload { upload, .. }) => {
            matches!(upload, crate::dialect::UploadDraft::End { count: 12 })
        }
        _ => false,
    }
}

fn financial(body: Body) -> Financial {
    let Body::Financial(financial) = body else { panic!("{body:?}") };
    *financial
}

fn reversal(body: Body) -> Reversal {
    let Body::Reversal(reversal) = body else { panic!("{body:?}") };
    *reversal
}

#[test]
fn every_row_is_recognised_and_asks_for_a_mac_where_its_table_has_one() {
    for (expected, request, _) in Expected::all() {
        let parsed = request.read().unwrap_or_else(|refusal| panic!("{expected:?}: {refusal}"));
        assert!(matches(expected, &parsed.draft), "{expected:?}: {parsed:?}");
        assert_eq!(needs_mac(&parsed), request.elements.contains(&64), "{expected:?}");
        assert_eq!((parsed.terminal.as_str(), parsed.merchant.as_str()), ("T0000001", "M00000000000001"));
        assert!(into_body(parsed.draft).is_ok());
    }
}

#[test]
fn each_mandatory_element_is_missed() {
    for (expected, request, _) in Expected::all() {
        for &de in request.elements.iter().filter(|de| **de != 64 && **de != 2) {
            let why = is_format_error(request.without(de).read());
            assert_eq!(why, Some(Why::Missing(de)), "{expected:?} without {de}");
        }
        if matches!(expected, Expected::Financial(Kind::Sale | Kind::PreAuth | Kind::BalanceInquiry)) {
            assert_eq!(is_format_error(request.without(2).read()), Some(Why::NoCard), "{expected:?}");
            assert!(request.without(2).with(35).read().is_ok(), "{expected:?}: a track is a card too");
        }
    }
    let void = Expected::Reversal(Kind::PreAuthVoid).request();
    assert_eq!(is_format_error(void.without(2).read()), Some(Why::Missing(2)));
}

#[test]
fn the_table_says_what_the_wire_dialect_says() {
    // The sources give no list of elements for a completion advice and for value-added payments, and one for both
    // messages of a download of parameters, of which the second brings nothing.
    let unlisted = [
        Action::Financial(Kind::CompletionAdvice),
        Action::Financial(Kind::CardRepayment),
        Action::Financial(Kind::TopUp),
        Action::Download(DownloadKind::Parameter, Step::End),
    ];
    let listed = |row: &&super::super::table::Row| !unlisted.contains(&row.action);
    for row in ROWS.iter().filter(listed) {
        let without_mac =
            |elements: &[De]| elements.iter().copied().filter(|de| *de != 64).collect::<Vec<_>>();
        let found = dialect().transactions().iter().any(|transaction| {
            let request = without_mac(&transaction.request);
            let reply = without_mac(&transaction.reply);
            // Echo and status are answered with the trace number too; a detail has no reply in the table.
            // DE 55 is there only when the issuer answers a chip.
            let row_reply: Vec<De> = row.reply.iter().copied().filter(|de| *de != 55).collect();
            let same_reply = match row.action {
                Action::Echo
                | Action::Status
                | Action::Download(..)
                | Action::MasterKey
                | Action::MasterKeyTaken => row_reply[1..] == reply,
                Action::UploadDetail => reply.is_empty(),
                _ => row_reply == reply,
            };
            transaction.mti.as_u16() == row.mti
                && row.request == request
                && same_reply
                && row.needs_mac == transaction.request.contains(&64)
        });
        assert!(found, "{row:?}");
    }
}

#[test]
fn selectors_that_fit_no_row() {
    let sale = Expected::Financial(Kind::Sale).request();
    let preauth = Expected::Financial(Kind::PreAuth).request();
    let change = |request: &Request, change: fn(&mut Request)| {
        let mut request = request.clone();
        change(&mut request);
        request.read().unwrap_err().code.to_string()
    };
    assert_eq!(change(&sale, |r| r.processing_code = 123_456), "12");
    assert_eq!(change(&sale, |r| r.condition = 6), "12", "06 is for pre-authorizations");
    assert_eq!(change(&preauth, |r| r.condition = 0), "12", "and they need it");
    assert_eq!(change(&sale, |r| r.condition = 64), "40");
    assert_eq!(change(&sale, |r| r.de60 = "22000003301".into()), "12");
    assert_eq!(change(&sale, |r| r.de60 = "99000003000".into()), "12");
    assert_eq!(change(&sale, |r| r.mti = 0x0100), "12");
    for (mti, de60) in [
        (0x0200, "45000003000"),
        (0x0200, "03000003000"),
        (0x0200, "27000003000"),
        (0x0800, "00000003390"),
        (0x0820, "00000003373"),
        (0x0800, "00000003402"),
        (0x0800, "00000003420"),
        (0x0820, "00000003400"),
        (0x0820, "00000003420"),
    ] {
        let request = Request { mti, de60: de60.into(), ..sale.clone() };
        assert_eq!(request.read().unwrap_err().code, ResponseCode::NOT_SUPPORTED, "{mti:04x} {de60}");
    }
    let loads = Request { mti: 0x0400, de60: "45000003000".into(), ..sale.with(39) };
    assert_eq!(loads.read().unwrap_err().code.to_string(), "12", "40 would be repeated for ever");
}

#[test]
fn answers_are_never_answered() {
    for mti in [0x0210, 0x0810, 0x0410, 0x0240, 0x1200] {
        let request = Request { mti, ..Expected::Financial(Kind::Sale).request() };
        assert!(!request.read().unwrap_err().is_answered(), "{mti:04x}");
    }
}

#[test]
fn a_sale_carries_everything_to_the_core() {
    let mut request = Expected::Financial(Kind::Sale).request().without(2);
    for de in [23, 35, 52, 53, 55] {
        request = request.with(de);
    }
    let sale = financial(request.body());
    assert_eq!((sale.class, sale.stan.get(), sale.batch.get()), (MessageClass::Financial, 42, 3));
    assert_eq!((sale.amount.minor, sale.amount.currency), (1_250, Currency::CNY));
    let card = sale.card.unwrap();
    assert_eq!(card.pan, Pan::from_digits(PAN).unwrap());
    assert_eq!(card.expiry.unwrap().digits(), b"3012", "from the track");
    assert_eq!(sale.track2.unwrap().characters(), TRACK);
    assert_eq!(sale.pin.unwrap().0, [0x5A; 8]);
    assert_eq!((sale.card_sequence, sale.emv.unwrap().len()), (Some(1), 9));
    let print = sale.fingerprint;
    assert_eq!((print.processing_code, print.amount_minor, print.type_code), (0, 1_250, 22));
    assert_eq!(print.card, Some(card.reference.hash));
    assert_eq!((print.original, print.original_rrn), (None, None));
    let echo = sale.echo;
    assert_eq!((echo.de60, echo.de60_digits), (2_200_000_300_050, 13));
    assert_eq!((echo.condition, echo.entry_mode), (Some(0), Some(21)));
    assert_eq!((echo.currency, echo.security_control), (Some(Currency::CNY), Some(2_600_000_000_000_000)));
}

#[test]
fn a_zero_amount_is_read_and_an_inquiry_has_none() {
    let sale = Expected::Financial(Kind::Sale).request().digits(4, b"000000000000");
    assert!(financial(sale.body()).amount.is_zero());
    let inquiry = Expected::Financial(Kind::BalanceInquiry).request().with(4);
    assert!(financial(inquiry.body()).amount.is_zero());
}

#[test]
fn follow_ups_name_their_original() {
    let void = financial(Expected::Financial(Kind::Void).request().body());
    let (batch, stan) = void.original.batch_stan.unwrap();
    assert_eq!((batch.get(), stan.get(), void.original.date), (3, 41, Some(*b"1231")));
    assert_eq!(void.original.rrn.unwrap().as_str(), "000000000007");
    assert_eq!(void.fingerprint.original, void.original.batch_stan);
    assert_eq!(void.fingerprint.original_rrn, void.original.rrn);
    assert!(void.card.is_none());
    let void =
        financial(Expected::Financial(Kind::PreAuthVoid).request().digits(61, b"0000000000001231").body());
    assert_eq!((void.original.batch_stan, void.class), (None, MessageClass::Authorization));
    assert_eq!(void.original.auth_code.unwrap().as_str(), "A1B2C3");
}

#[test]
fn a_reversal_names_its_reason_and_its_originals_class() {
    let sale = reversal(Expected::Reversal(Kind::Sale).request().with(2).body());
    assert_eq!((sale.reason, sale.original_class), (ReversalReason::NoAnswer, MessageClass::Financial));
    assert_eq!(sale.fingerprint.card, Some(hash(&Pan::from_digits(PAN).unwrap())));
    let request = Expected::Reversal(Kind::PreAuth).request();
    assert_eq!(reversal(request.body()).original_class, MessageClass::Authorization);
}

#[test]
fn an_enciphered_track_waits_for_its_key() {
    let request = Expected::Financial(Kind::Sale).request().without(2).with(35).with(53);
    let request = Request { digits: vec![(53, TRACK_ENCRYPTED.to_string().into_bytes())], ..request };
    let mut draft = request.read().unwrap().draft;
    let packed = draft.encrypted_track().unwrap().to_vec();
    assert_eq!(packed.len(), TRACK.len() / 2);
    assert!(matches!(into_body(request.read().unwrap().draft), Err(IntoBodyError::EncryptedTrack)));
    assert!(draft.pan().is_none());
    assert!(draft.set_track(&[0xFF; 17]).is_err());
    draft.set_track(&packed).unwrap();
    assert_eq!(draft.pan(), Pan::from_digits(PAN).ok().as_ref());
    let sale = financial(into_body(draft).unwrap());
    assert_eq!(sale.track2.unwrap().characters(), TRACK);
    assert_eq!(sale.echo.expiry.unwrap().digits(), b"3012");
    // The number in clear has to be the track's.
    let mut draft = request.digits(2, b"6225880000000016").read().unwrap().draft;
    assert_eq!(draft.set_track(&packed).unwrap_err().why, Why::CardsDiffer);
}

#[test]
fn any_nibble_may_stand_in_an_enciphered_track() {
    let cipher = b"622588000000A0FB=EC12C0100DD0000000";
    let clear = Expected::Financial(Kind::Sale).request().without(2).digits(35, cipher);
    assert_eq!(is_format_error(clear.read()), Some(Why::Malformed(35)));
    let encrypted = clear.digits(53, TRACK_ENCRYPTED.to_string().as_bytes());
    let draft = encrypted.read().unwrap().draft;
    assert_eq!(draft.encrypted_track().unwrap().len(), cipher.len().div_ceil(2));
    assert!(!format!("{draft:?}").contains("622588"), "the front of the track is in clear");
}

#[test]
fn elements_that_say_nonsense_are_format_errors() {
    let sale = Expected::Financial(Kind::Sale).request();
    for (request, why) in [
        (sale.digits(2, b"62258800"), Why::Malformed(2)),
        (sale.digits(2, b"6225880000000016").with(35), Why::CardsDiffer),
        (sale.digits(14, b"3013"), Why::Malformed(14)),
        (sale.digits(35, b"1234=30"), Why::Malformed(35)),
        (sale.digits(49, b"000"), Why::Malformed(49)),
        (sale.digits(60, b"2200000"), Why::Malformed(60)),
        (Expected::Financial(Kind::Void).request().digits(61, b"00000300004"), Why::Malformed(61)),
        (Expected::SignOff.request().digits(60, b"0000000300"), Why::Malformed(60)),
        (Expected::BatchTotals.request().digits(48, &[b'0'; 61]), Why::Malformed(48)),
        (Expected::End.request().digits(48, b"00012"), Why::Malformed(48)),
        (Expected::Items.request().digits(48, format!("02{ITEM}").as_bytes()), Why::Malformed(48)),
    ] {
        assert_eq!(is_format_error(request.read()), Some(why));
    }
}

#[test]
fn uploads_keep_hashes_only() {
    let item = |body: Body| {
        let Body::BatchUpload { upload: Upload::Items(items), .. } = body else { panic!("{body:?}") };
        items[0]
    };
    let stan = |request: &Request| item(request.body()).stan.get();
    let expected = Some(hash(&Pan::from_digits(PAN).unwrap()));
    let UploadedItem { stan: first, amount_minor, card } = item(Expected::Items.request().body());
    assert_eq!((first.get(), amount_minor, card), (41, 1_250, expected));
    let detail = Expected::Detail.request();
    assert_eq!(item(detail.with(2).body()).card, expected);
    assert_eq!(stan(&detail), 42);
    assert_eq!(stan(&detail.with(61)), 41, "the original's, where it is named");
    let by_chip = detail.without(4).with(55);
    assert_eq!(item(by_chip.body()).amount_minor, 1_250, "tag 9F02");
}

#[test]
fn a_mac_covers_everything_before_it() {
    let request = Expected::Financial(Kind::Sale).request();
    let bytes = request.bytes();
    let end = bytes.len();
    let MacRequirement::Required { covered, received: Some(received) } = request.read().unwrap().mac else {
        panic!("no MAC was read");
    };
    assert_eq!((covered, received.as_slice()), (end - 8, &b"ABCDEF01"[..]));
    assert_eq!(&bytes[end - 8..], b"ABCDEF01");
    let bare = request.without(64);
    let end = bare.bytes().len();
    let absent = MacRequirement::Required { covered: end, received: None };
    assert_eq!(bare.read().unwrap().mac, absent);
}

#[test]
fn a_sign_on_says_which_keys_it_wants() {
    let forms: Vec<_> = Expected::all()
        .filter(|(expected, ..)| *expected == Expected::SignOn)
        .map(|(_, request, _)| match request.body() {
            Body::SignOn { form, stan } => (form, stan.get()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(forms, [(KeyForm::Single, 42), (KeyForm::Double, 42), (KeyForm::DoubleWithTrack, 42)]);
}
