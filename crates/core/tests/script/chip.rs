//! Chips: the embedded issuer looks at the cryptogram; what another issuer says to the chip is passed on.

use crate::support::*;
use switchyard_core::{Answer, Command};
use switchyard_domain::{KeyName, KeyUse, TransactionKind};

fn bench(chip: Chip) -> Bench {
    let mut bench = Bench::new();
    let name = KeyName { usage: KeyUse::IssuerCryptogram, owner: 0 };
    bench.command(Command::InstallKey { name, key: key() }).unwrap();
    bench.chip = chip;
    bench
}
fn dipped(stan: u32) -> Ask {
    Ask { chip: true, ..Ask::sale(stan, 500) }
}

#[test]
fn a_cryptogram_is_looked_at_before_the_pin_and_answered() {
    for (chip, pins, code, answered) in [
        (Chip::Right, Pins::Right, "00", true),
        (Chip::Right, Pins::Wrong, "55", false),
        (Chip::Wrong, Pins::Right, "05", false),
        (Chip::Malformed, Pins::Right, "30", false),
        (Chip::Failed, Pins::Right, "A7", false),
    ] {
        for pin in [false, true] {
            let mut bench = bench(chip);
            bench.pins = pins;
            let ask = Ask { pin, ..dipped(10) };
            let ticket = bench.ask(&ask);
            let (code, answered) = if !pin && code == "55" { ("00", true) } else { (code, answered) };
            let reply = bench.only(ticket);
            assert_eq!(
                (reply.code.as_str(), reply.chip.is_some()),
                (code, answered),
                "{chip:?} {pins:?} {pin}"
            );
            let taken = if code == "00" { 500 } else { 0 };
            assert_eq!(bench.payable(0), taken);
            let again = bench.ask(&ask);
            assert_eq!(bench.only(again).chip, None, "a repeat tells the chip nothing");
            assert_eq!((bench.code_of(again).as_str(), bench.payable(0)), (code, taken));
        }
    }
    // A wrong cryptogram does not use up tries of the PIN.
    let mut bench = bench(Chip::Wrong);
    bench.pins = Pins::Wrong;
    (0..5).for_each(|n| assert_eq!(bench.code(&Ask { pin: true, ..dipped(10 + n) }), "05"));
    bench.chip = Chip::Right;
    bench.pins = Pins::Right;
    assert_eq!(bench.code(&Ask { pin: true, ..dipped(20) }), "00");
}

#[test]
fn nothing_is_looked_at_without_a_key_without_a_chip_or_for_what_follows() {
    let mut without = Bench::new();
    without.chip = Chip::Wrong;
    assert_eq!(without.code(&dipped(10)), "00");
    let mut bench = bench(Chip::Wrong);
    assert_eq!(bench.code(&Ask::sale(10, 500)), "00");
    let ticket = bench.ask(&Ask::sale(11, 500));
    let rrn = bench.facts(ticket).rrn;
    let refund = Ask::sale(11, 500).follow(TransactionKind::Refund, 12, rrn, None);
    assert_eq!(bench.code(&Ask { chip: true, ..refund }), "00");
    let offline = Ask::new(TransactionKind::OfflineSale, 13, 5, ON_US);
    assert_eq!(bench.code(&Ask { chip: true, ..offline }), "00");
}

#[test]
fn what_an_issuer_tells_the_chip_is_passed_on_once() {
    for code in ["00", "51"] {
        let mut bench = Bench::new();
        let ask = Ask { chip: true, ..Ask::sale_a(10, 500) };
        let ticket = bench.ask(&ask);
        let sent = bench.last_request();
        let script = vec![0x91, 1, 2, 0x72, 1, 3];
        let answer = Answer { chip: Some(script.clone()), ..answer_to(&sent, code.parse().unwrap()) };
        bench.answer_with(&sent, answer);
        assert_eq!(bench.only(ticket).chip, Some(script));
        let again = bench.ask(&ask);
        assert_eq!((bench.code_of(again).as_str(), bench.only(again).chip), (code, None));
    }
}
