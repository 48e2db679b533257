//! What operators and settlement ask for.

use crate::support::*;
use switchyard_core::{Command, CommandError, CommandOutcome, CoreConfig};
use switchyard_domain::{
    AccountId, AccountKind, Actor, BusinessDate, CardClass, Currency, Entry, FileDigest, KeyName, KeyUse,
    LinkIndex, MerchantIndex, Phase, Record, RiskAction, RiskRule, RiskRules, RiskTest, RouteTarget, Scope,
};

fn genesis() -> Command {
    Command::Genesis(Box::new(Record::Genesis {
        partition: 0,
        acquirer: "1".parse().unwrap(),
        offset: switchyard_domain::UtcOffset::CHINA,
        day: BusinessDate(20_000),
        demo: false,
    }))
}
fn netted(day: BusinessDate, minor: u64) -> Record {
    let payable = AccountId::of(AccountKind::MerchantPayable, 0, Currency::CNY);
    let clearing = AccountId::own(AccountKind::PayoutClearing, Currency::CNY);
    let entry = Entry::one(payable, clearing, minor, Phase::Posted);
    Record::MerchantNetted { day, merchant: MerchantIndex(0), entry, lines: 1, net_minor: minor as i64 }
}
fn rendered(day: BusinessDate) -> Record {
    Record::FilesRendered { day, files: vec![FileDigest { name: "a.csv".into(), sha256: [0; 32] }] }
}

#[test]
fn nothing_is_done_before_the_genesis_and_that_only_once() {
    let mut bench = Bench::empty(CoreConfig::default());
    bench.start();
    bench.pass(60_000);
    assert!(bench.records.is_empty(), "an empty ledger stays empty");
    assert_eq!(bench.command(Command::CutDay), Err(CommandError::Genesis { exists: false }));
    assert_eq!(bench.command(Command::Digest), Err(CommandError::Genesis { exists: false }));
    let other = Command::Genesis(Box::new(rendered(BusinessDate(1))));
    assert!(bench.command(other).is_err(), "only a genesis record is one");
    assert_eq!(bench.command(genesis()), Ok(CommandOutcome::Recorded));
    assert_eq!(bench.command(genesis()), Err(CommandError::Genesis { exists: true }));
}

#[test]
fn each_refusal_changes_nothing() {
    let missing = |what| CommandError::Missing { what };
    let exists = |what| CommandError::Exists { what };
    let nowhere = RouteTarget::Link(LinkIndex(9));
    let mut upside_down = route(6300, CardClass::Debit, RouteTarget::OnUs);
    std::mem::swap(&mut upside_down.low, &mut upside_down.high);
    let rows: Vec<(&str, Command, Option<CommandError>)> = vec![
        ("merchant", Command::Register(Box::new(merchant_named(MERCHANTS[0]))), Some(exists("merchant"))),
        ("terminal", Command::Bind(Box::new(terminal_named("T0000001", 0))), Some(exists("terminal"))),
        ("whose", Command::Bind(Box::new(terminal_named("T0000009", 9))), Some(missing("merchant"))),
        ("link", Command::AddLink(Box::new(link_named("a"))), Some(exists("link"))),
        ("route", Command::AddRoute(route(63, CardClass::Debit, nowhere)), Some(missing("link"))),
        ("route upside down", Command::AddRoute(upside_down), None),
        ("card", issue(ON_US, "3012", 5), Some(exists("card"))),
        ("a balance beyond all sums", issue("6212000000000099", "3012", u64::MAX), Some(CommandError::Entry)),
    ];
    for (name, command, error) in rows {
        let mut bench = Bench::new();
        let before = bench.records.len();
        let result = bench.command(command);
        assert!(result.is_err(), "{name}");
        if let Some(error) = error {
            assert_eq!(result, Err(error), "{name}");
        }
        assert_eq!(bench.records.len(), before, "{name}");
    }
}

#[test]
fn what_is_registered_works_at_once() {
    let mut bench = Bench::new();
    let name = KeyName { usage: KeyUse::PinVerification, owner: 1 };
    bench.command(Command::InstallKey { name, key: key() }).unwrap();
    bench.command(Command::InstallKey { name, key: key() }).unwrap();
    assert_eq!(bench.core.state().registry().keys().count(), 1);
    bench.command(issue("6212000000000077", "3012", 50)).unwrap();
    assert_eq!(bench.code(&Ask::sale(10, 50).card(Some("6212000000000077"))), "00");
    let mut narrow = route(6225, CardClass::Debit, RouteTarget::Link(LINK_B));
    let pan: u64 = CARD_A.parse().unwrap();
    (narrow.low, narrow.high) = (pan * 1_000, pan * 1_000 + 999);
    bench.command(Command::AddRoute(narrow)).unwrap();
    bench.ask(&Ask::sale_a(11, 5));
    assert_eq!(bench.last_request().link, LINK_B, "the narrowest range counts");
    assert_eq!(bench.command(Command::Digest), Ok(CommandOutcome::Digest(bench.core.state().digest())));
    let Ok(CommandOutcome::TrialBalance(rows)) = bench.command(Command::TrialBalance) else { panic!() };
    assert!(rows.iter().all(|(_, debits, credits)| debits == credits) && rows.len() == 1);
}

#[test]
fn a_day_is_settled_once_and_whole() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(&Ask::sale(10, 500)), "00");
    let day = bench.core.state().day();
    let settle = |bench: &mut Bench, records| {
        bench.command(Command::RecordSettlement { records, merchant_changes: 0 })
    };
    let good = || vec![netted(day, 500), rendered(day)];
    assert!(matches!(settle(&mut bench, good()), Err(CommandError::Day { .. })), "not cut");
    assert_eq!(bench.command(Command::CutDay), Ok(CommandOutcome::DayCut { day }));
    assert_eq!(bench.core.state().day(), day.next());
    let before = bench.records.len();
    let started = Record::Started { epoch: 1, cut_bytes: 0 };
    assert!(matches!(
        settle(&mut bench, vec![netted(day, 500), rendered(day), started]),
        Err(CommandError::Missing { .. })
    ));
    let payable = AccountId::of(AccountKind::MerchantPayable, 0, Currency::CNY);
    let broken = Entry::one(payable, payable, 1, Phase::Posted);
    let broken =
        Record::MerchantNetted { day, merchant: MerchantIndex(0), entry: broken, lines: 0, net_minor: 0 };
    assert_eq!(settle(&mut bench, vec![netted(day, 500), broken, rendered(day)]), Err(CommandError::Entry));
    assert!(settle(&mut bench, vec![netted(day, 500)]).is_err(), "netted but not rendered could be repeated");
    assert_eq!(bench.records.len(), before, "all or nothing");
    assert_eq!(settle(&mut bench, good()), Ok(CommandOutcome::Recorded));
    assert!(matches!(settle(&mut bench, good()), Err(CommandError::Day { .. })), "once");
    assert_eq!(bench.payable(0), 0);
}

#[test]
fn a_cut_never_goes_back() {
    let mut bench = Bench::new();
    let mut last = bench.core.state().day();
    for pass in [0, 0, 5] {
        bench.now = bench.now.plus_micros(pass * 86_400_000_000);
        assert_eq!(bench.command(Command::CutDay), Ok(CommandOutcome::DayCut { day: last }));
        assert!(bench.core.state().day() > last);
        last = bench.core.state().day();
    }
    assert_eq!(last, BusinessDate::at(bench.now, switchyard_domain::UtcOffset::CHINA));
    let actor = Actor::Operator("anna".into());
    assert!(bench.records.iter().rev().take(3).all(|s| s.actor == actor));
}

#[test]
fn a_command_whose_record_the_ledger_would_not_take_is_refused() {
    let mut bench = Bench::new();
    let merchants = (0..30_000).map(MerchantIndex).collect();
    let rule = RiskRule {
        number: 1,
        reason: "a day's limit".into(),
        about: Scope { merchants, ..Scope::default() },
        test: RiskTest::AmountOver { minor_max: 5 },
        then: RiskAction::Alert,
    };
    let rules = RiskRules { version: 1, rules: vec![rule], ..RiskRules::default() };
    let files = (0..2_000).map(|n| FileDigest { name: format!("{n}.csv"), sha256: [0; 32] }).collect();
    let mut long = merchant_named("M00000000000009");
    long.name = "n".repeat(70_000);
    let mut plan = merchant_named("M00000000000009");
    plan.account.holder = "n".repeat(141);
    let records = bench.records.len();
    assert!(matches!(
        bench.command(Command::SetRiskRules(Box::new(rules))),
        Err(CommandError::TooLong { have: 65_537.., max: 65_536 })
    ));
    for merchant in [long, plan] {
        let refused = bench.command(Command::Register(Box::new(merchant)));
        assert!(matches!(refused, Err(CommandError::Unfit { .. })), "{refused:?}");
    }
    let refused = bench.command(Command::ShredCardKeys { keys: vec![0; 30_000], reason: "a test".into() });
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(bench.records.len(), records);
    let Ok(CommandOutcome::DayCut { day }) = bench.command(Command::CutDay) else { panic!("a day is cut") };
    let records = bench.records.len();
    let settled = vec![Record::FilesRendered { day, files }];
    let settle = Command::RecordSettlement { records: settled, merchant_changes: 0 };
    assert!(matches!(bench.command(settle), Err(CommandError::TooLong { .. })));
    assert_eq!(bench.records.len(), records, "nothing of it was recorded");
    assert_eq!(bench.code(&Ask::sale(10, 5)), "00", "and it goes on");
}
