//! Keys that seal cards: numbered in order, and destroyed only when nothing needs them.

use crate::support::*;
use switchyard_core::{Command, CommandError, CommandOutcome};
use switchyard_domain::{KeyName, KeyRecord, KeyUse, Record, WrappedKey};

fn install(bench: &mut Bench, owner: u32, wrapped: &str) -> Result<CommandOutcome, CommandError> {
    let name = KeyName { usage: KeyUse::CardData, owner };
    let key = KeyRecord { wrapped: WrappedKey(wrapped.into()), check_value: [1, 2, 3, 4] };
    bench.command(Command::InstallKey { name, key })
}

fn shred(bench: &mut Bench, keys: &[u16]) -> Result<CommandOutcome, CommandError> {
    bench.command(Command::ShredCardKeys { keys: keys.to_vec(), reason: "retention".into() })
}

fn bench_with(keys: u32) -> Bench {
    let mut bench = Bench::new();
    (1..=keys).for_each(|owner| drop(install(&mut bench, owner, "").unwrap()));
    bench
}

#[test]
fn numbers_of_card_keys_are_given_in_order_and_once() {
    let mut bench = bench_with(2);
    assert_eq!(install(&mut bench, 2, ""), Err(CommandError::Exists { what: "card data key" }));
    assert_eq!(install(&mut bench, 4, ""), Err(CommandError::Invalid { what: "card data key" }));
    assert_eq!(shred(&mut bench, &[1]), Ok(CommandOutcome::Recorded));
    assert_eq!(install(&mut bench, 1, ""), Err(CommandError::Exists { what: "card data key" }));
    assert_eq!(shred(&mut bench, &[1]), Err(CommandError::Missing { what: "card data key" }));
    assert_eq!(install(&mut bench, 3, ""), Ok(CommandOutcome::Recorded));
    let left: Vec<u32> = bench.core.state().registry().keys().map(|(name, _)| name.owner).collect();
    assert_eq!(left, [2, 3]);
}

#[test]
fn the_key_in_use_and_a_key_that_the_ledger_holds_are_not_shredded() {
    let mut bench = Bench::new();
    install(&mut bench, 1, "D0112").unwrap();
    assert_eq!(shred(&mut bench, &[1]), Err(CommandError::InUse { what: "the card data key in use" }));
    install(&mut bench, 2, "").unwrap();
    assert!(matches!(shred(&mut bench, &[1]), Err(CommandError::Invalid { .. })), "its wrapped copy stays");
    let silent = Command::ShredCardKeys { keys: vec![1], reason: " ".into() };
    assert!(matches!(bench.command(silent), Err(CommandError::Invalid { .. })), "nobody says why");
    assert!(shred(&mut bench, &[]).is_err());
    assert!(!bench.records.iter().any(|r| matches!(r.record, Record::CardKeysShredded { .. })));
}

#[test]
fn a_key_stays_while_a_message_with_its_card_may_have_to_be_sent() {
    let in_use = Err(CommandError::InUse { what: "card data key" });
    let mut bench = bench_with(2);
    assert_eq!(bench.code(&Ask::sale(10, 50)), "00");
    assert_eq!(shred(&mut bench, &[1]), in_use, "a terminal may still reverse what stands in the open day");
    bench.command(Command::CutDay).unwrap();
    assert_eq!(shred(&mut bench, &[1]), Ok(CommandOutcome::Recorded));

    // An issuer that does not answer leaves a reversal in the queue, which no cut of a day takes away.
    let mut bench = bench_with(2);
    bench.ask(&Ask::sale_a(11, 5));
    bench.command(Command::CutDay).unwrap();
    assert_eq!(shred(&mut bench, &[1]), in_use, "its request is under way");
    bench.pass(120_000);
    bench.command(Command::CutDay).unwrap();
    bench.command(Command::CutDay).unwrap();
    assert_eq!(shred(&mut bench, &[1]), in_use, "its reversal is queued");
}
