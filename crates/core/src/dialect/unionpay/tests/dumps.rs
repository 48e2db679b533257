//! Messages of real terminals, as published; bodies only, without length, TPDU and header.

use super::super::malformed_reply;
use super::*;
use crate::input::KeyForm;

fn bytes(hex: &str) -> Vec<u8> {
    let nibble = |digit: u8| (digit as char).to_digit(16).unwrap() as u8;
    hex.as_bytes().chunks(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()
}

const SIGN_ON_DOUBLE_WITH_TRACK: &str = "08000020000000C0001200001639303336313734383932333031313735333939313639350011\
     0000000100400003303120";
const SIGN_ON_SINGLE: &str = "08000020000000C00012000084313034303030363730303030303030303030303030303400110000\
     000100100003303031";
const SIGN_ON_SM4: &str = "08000020000000C40812000078313030313639313938343332393030343538323030304200475049303432\
     303430323032303531343030303032343032313036383730303030303031303830385630\
     2E302E332E30040000000000000000110000072600500003303120";
const SETTLEMENT: &str = "05000020000000C180120006453132333435363737313233343536373839303132333435006200000000000700\
     70000000000000000000000000000000000000000000000031353600110000000320100003303120";

#[test]
fn sign_ons_are_read() {
    for (dump, expected, terminal, trace) in [
        (SIGN_ON_DOUBLE_WITH_TRACK, KeyForm::DoubleWithTrack, "90361748", 16),
        (SIGN_ON_SINGLE, KeyForm::Single, "10400067", 84),
    ] {
        let body = bytes(&dump.replace(' ', ""));
        let parsed = read(&parse(&body)).unwrap();
        assert_eq!(parsed.terminal.as_str(), terminal);
        assert_eq!(parsed.mac, MacRequirement::NotRequired);
        let Draft::SignOn { stan, form } = parsed.draft else { panic!("{parsed:?}") };
        assert_eq!((stan.get(), form), (trace, expected));
    }
}

#[test]
fn a_sign_on_for_sm4_keys_is_not_offered() {
    let body = bytes(&SIGN_ON_SM4.replace(' ', ""));
    assert_eq!(read(&parse(&body)).unwrap_err().code, ResponseCode::NOT_SUPPORTED);
}

#[test]
fn a_settlement_has_its_totals() {
    let body = bytes(&SETTLEMENT.replace(' ', ""));
    let Draft::BatchTotals { stan, batch, totals, closes: false, moment: 0 } =
        read(&parse(&body)).unwrap().draft
    else {
        panic!()
    };
    assert_eq!((stan.get(), batch.get()), (645, 3));
    assert_eq!((totals.domestic.debit.amount_minor, totals.domestic.debit.count), (7, 7));
    assert_eq!((totals.domestic.credit, totals.foreign), Default::default());
}

#[test]
fn a_message_cut_short_is_answered_with_what_could_be_read() {
    let whole = bytes(&SETTLEMENT.replace(' ', ""));
    let answer = malformed_reply(&whole[..whole.len() - 1]).unwrap();
    let answer = parse(&answer);
    assert_eq!(answer.mti(), Mti::new(0x0510));
    assert_eq!(answer.elements().collect::<Vec<_>>(), [11, 39, 41, 42]);
    assert_eq!((answer.number(11), answer.raw(39)), (Some(645), Some(&b"30"[..])));
    // Only the type is left of it.
    let answer = malformed_reply(&whole[..2]).unwrap();
    assert_eq!(parse(&answer).elements().collect::<Vec<_>>(), [39]);
    // Nothing to go by, or an answer itself.
    for nothing in [&[][..], &[0x05], &[0xFF; 40], &[0x05, 0x10, 0, 0], &[0x02, 0x40], &[0x12, 0x00]] {
        assert_eq!(malformed_reply(nothing), None, "{nothing:02x?}");
    }
}
