//! Times a synthetic day: `measure [MOVEMENTS] [MERCHANTS] [DIRECTORY]`. One record is changed in place and
//! observed again and again, so that neither a disk nor the making of records is measured. With a directory
//! the payment file and the summary are written there.
#![allow(clippy::disallowed_methods, reason = "the clock is what a measurement is about")]

use std::path::Path;
use std::time::Instant;
use switchyard_domain::*;
use switchyard_settlement::files::{RenderContext, render, write_files};
use switchyard_settlement::{Planner, Terms};

type Failure = Box<dyn std::error::Error>;
const DAY: BusinessDate = BusinessDate(20_000);
const START_US: u64 = DAY.0 as u64 * 86_400_000_000;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |index: usize, otherwise: u64| arguments.get(index).map_or(Ok(otherwise), |text| text.parse());
    let (movements, merchants) = (number(0, 10_000_000)?, number(1, 100_000)? as u32);

    let mut planner = Planner::for_day(DAY, Terms { minimum_payout_minor: 100 });
    let mut sequence = 0;
    for record in registry(merchants)? {
        let stamped = Stamped { at: Timestamp(START_US), actor: Actor::Installer, record };
        planner.observe(sequence, &stamped)?;
        sequence += 1;
    }
    report("registered");
    let began = Instant::now();
    observe(&mut planner, &mut sequence, movements, merchants)?;
    let cut = Record::DayCut { day: DAY, next: DAY.next() };
    let stamped = Stamped { at: Timestamp(START_US + 86_000_000_000), actor: Actor::Switch, record: cut };
    planner.observe(sequence, &stamped)?;
    let observed = began.elapsed();
    println!("observe {observed:.2?}, {:.1} M records/s", movements as f64 / observed.as_secs_f64() / 1e6);
    report("observed");
    let began = Instant::now();
    let plan = planner.plan()?;
    let planned = began.elapsed();
    println!("price, net, check {planned:.2?}, {} nets, totals {:?}", plan.merchants().len(), plan.totals());
    println!("observe + plan {:.2?}", observed + planned);
    report("planned");
    if let Some(directory) = arguments.get(2) {
        let account = BankAccount {
            holder: "示例收单机构".into(),
            number: "6222000000000001".into(),
            cnaps: "102100099996".into(),
        };
        let context = RenderContext { acquirer_name: "示例收单机构".into(), debtor: account };
        let began = Instant::now();
        let files = write_files(Path::new(directory), render(&plan, &context).take(3))?;
        println!("{} files of the day {:.2?}", files.len(), began.elapsed());
        let began = Instant::now();
        let bytes: usize = render(&plan, &context).skip(3).flatten().map(|file| file.bytes.len()).sum();
        println!("statements rendered {:.2?}, {bytes} bytes", began.elapsed());
        report("rendered");
    }
    Ok(())
}

fn report(what: &str) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap_or(name).to_owned();
    // User time in ticks of 10 ms, the 14th field: on a busy machine it says more than the wall clock.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.split(' ').nth(13).unwrap_or("?").to_owned();
    println!("{what}: {} {}, user time {ticks} ticks", field("VmRSS"), field("VmHWM"));
}

fn registry(merchants: u32) -> Result<Vec<Record>, Failure> {
    let acquirer = "12345678".parse()?;
    let mut records =
        vec![Record::Genesis { partition: 0, acquirer, offset: UtcOffset::CHINA, day: DAY, demo: true }];
    records.push(Record::FeePlanSet(FeePlan {
        plan: 1,
        from: DAY,
        debit_ppm: 3_500,
        debit_cap_minor: Some(1_300),
        credit_ppm: 4_500,
        credit_cap_minor: None,
        foreign_ppm: 20_000,
        foreign_cap_minor: None,
        fixed_minor: 0,
        minimum_minor: 0,
        refund_returns_fee: false,
    }));
    for index in 0..merchants {
        records.push(Record::MerchantRegistered(Merchant {
            id: format!("898100054{index:06}").parse()?,
            name: format!("商户 & {index}"),
            mcc: 5_411,
            account: BankAccount {
                holder: format!("公司 <{index}>"),
                number: format!("6222{index:012}"),
                cnaps: "102100099996".into(),
            },
            fee_plan: 1,
        }));
        records.push(Record::TerminalRegistered(Terminal {
            id: format!("{index:08}").parse()?,
            merchant: MerchantIndex(index),
            mac: TerminalMac::CupEcb,
            master_key: KeyRecord { wrapped: WrappedKey(String::new()), check_value: [0; 4] },
        }));
    }
    Ok(records)
}

/// A sale on merchant 0, to be changed.
fn template() -> Result<Stamped, Failure> {
    let rrn: Rrn = "000000000000".parse()?;
    let (merchant, terminal) = (MerchantIndex(0), TerminalIndex(0));
    let class = MessageClass::Financial;
    let key =
        RequestKey { merchant, terminal, batch: BatchNumber::FIRST, stan: Stan::try_from(1_u64)?, class };
    let (amount, kind, card_class) = (Amount::new(1, Currency::CNY), TransactionKind::Sale, CardClass::Debit);
    let (id, at) = (TransactionId(0), Timestamp(START_US));
    let opened = TransactionOpened {
        id,
        key,
        fingerprint: Fingerprint {
            processing_code: 0,
            amount_minor: 1,
            card: None,
            type_code: 22,
            original: None,
            original_rrn: None,
        },
        kind,
        amount,
        card: None,
        card_class: card_class.into(),
        original: None,
        rrn,
        echo: Echo {
            expiry: None,
            condition: None,
            currency: None,
            security_control: None,
            de60: 0,
            de60_digits: 0,
            entry_mode: None,
        },
        upstream: None,
        day: DAY,
        mcc: 5_812,
    };
    let reply = ReplyFacts {
        code: ResponseCode::APPROVED,
        rrn,
        auth_code: None,
        at,
        settlement_date: DAY,
        balance: None,
    };
    let entry = Entry::one(
        AccountId::of(AccountKind::NetworkReceivable, 0, Currency::CNY),
        AccountId::of(AccountKind::MerchantPayable, 0, Currency::CNY),
        1,
        Phase::Posted,
    );
    let movement = Movement {
        merchant,
        terminal,
        transaction: id,
        rrn,
        kind,
        gain: true,
        amount,
        card_class,
        priced_at: at,
    };
    let record =
        Record::Decided { opened, outcome: Outcome::Approved, reply, entry, movement: Some(movement) };
    Ok(Stamped { at, actor: Actor::Terminal(terminal), record })
}

/// Merchants in random order; 3 % voids, 3 % refunds.
fn observe(planner: &mut Planner, sequence: &mut u64, movements: u64, merchants: u32) -> Result<(), Failure> {
    let mut stamped = template()?;
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for number in 0..movements {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (merchant, minor) = ((random >> 32) as u32 % merchants, 100 + random % 60_000);
        stamped.at = Timestamp(START_US + number * 8_000);
        let Record::Decided { opened, entry, movement: Some(movement), .. } = &mut stamped.record else {
            unreachable!("the template is a decided sale")
        };
        let kind = match number % 100 {
            0..=2 => TransactionKind::Void,
            3..=5 => TransactionKind::Refund,
            _ => TransactionKind::Sale,
        };
        opened.id = TransactionId(number);
        opened.kind = kind;
        opened.original = kind.follows_another().then(|| TransactionId(number.saturating_sub(50)));
        opened.key.terminal = TerminalIndex(merchant);
        movement.merchant = MerchantIndex(merchant);
        movement.terminal = TerminalIndex(merchant);
        movement.transaction = opened.id;
        movement.kind = kind;
        movement.gain = kind == TransactionKind::Sale;
        movement.amount.minor = minor;
        movement.card_class = if number % 3 == 0 { CardClass::Credit } else { CardClass::Debit };
        movement.priced_at = stamped.at;
        let posting = &mut entry.0[0];
        let payable = AccountId::of(AccountKind::MerchantPayable, merchant, Currency::CNY);
        let network = AccountId::of(AccountKind::NetworkReceivable, 0, Currency::CNY);
        (posting.debit, posting.credit) = if movement.gain { (network, payable) } else { (payable, network) };
        posting.amount_minor = minor;
        planner.observe(*sequence, &stamped)?;
        *sequence += 1;
    }
    Ok(())
}
