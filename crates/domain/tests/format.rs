//! The encoding of records is an on-disk format: bytes that were written once have to be read for ever.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::PathBuf;
use switchyard_domain::*;

const AT: Timestamp = Timestamp(1_700_000_000_123_456);

fn key() -> KeyRecord {
    KeyRecord { wrapped: WrappedKey("D0112P0TE00N0000".into()), check_value: [1, 2, 3, 4] }
}
fn card() -> CardRef {
    let pan = Pan::from_digits(b"6212345678901232").unwrap();
    let sealed = SealedPan(vec![7; 40]);
    CardRef { sealed, key_id: 1, intake: 9, hash: CardHash([5; 16]), masked: pan.masked() }
}
fn reply() -> ReplyFacts {
    ReplyFacts {
        code: ResponseCode::APPROVED,
        rrn: "380000000001".parse().unwrap(),
        auth_code: Some("123456".parse().unwrap()),
        at: AT,
        settlement_date: BusinessDate(19_675),
        balance: Some((Amount::new(5, Currency::CNY), true)),
    }
}
fn request_key() -> RequestKey {
    RequestKey {
        merchant: MerchantIndex(1),
        terminal: TerminalIndex(2),
        batch: BatchNumber::FIRST,
        stan: Stan::try_from(42).unwrap(),
        class: MessageClass::Financial,
    }
}
fn fingerprint() -> Fingerprint {
    Fingerprint {
        processing_code: 200_000,
        amount_minor: 100,
        card: Some(CardHash([5; 16])),
        type_code: 23,
        original: Some((BatchNumber::FIRST, Stan::try_from(41).unwrap())),
        original_rrn: Some("380000000000".parse().unwrap()),
    }
}
fn echo() -> Echo {
    Echo {
        expiry: Some("3012".parse().unwrap()),
        condition: Some(0),
        currency: Some(Currency::CNY),
        security_control: Some(2_600_000_000_000_000),
        de60: 22_000_001_000,
        de60_digits: 11,
        entry_mode: Some(21),
    }
}
fn upstream() -> UpstreamRef {
    UpstreamRef { link: LinkIndex(1), stan: Stan::try_from(7).unwrap(), transmitted_at: AT, mti: 200 }
}
fn entry() -> Entry {
    let card = AccountId::of(AccountKind::Cardholder, 3, Currency::CNY);
    let merchant = AccountId::of(AccountKind::MerchantPayable, 1, Currency::CNY);
    Entry::one(card, merchant, 100, Phase::PostPending(HoldId(8)))
}
fn opened() -> TransactionOpened {
    TransactionOpened {
        id: TransactionId(11),
        key: request_key(),
        fingerprint: fingerprint(),
        kind: TransactionKind::Completion,
        amount: Amount::new(100, Currency::CNY),
        card: Some(card()),
        card_class: CardClass::Foreign.into(),
        original: Some(TransactionId(8)),
        rrn: "380000000001".parse().unwrap(),
        echo: echo(),
        upstream: Some(upstream()),
        day: BusinessDate(19_675),
        mcc: 5_812,
    }
}
fn movement() -> Movement {
    Movement {
        merchant: MerchantIndex(1),
        terminal: TerminalIndex(2),
        transaction: TransactionId(11),
        rrn: "380000000001".parse().unwrap(),
        kind: TransactionKind::Completion,
        gain: true,
        amount: Amount::new(100, Currency::CNY),
        card_class: CardClass::Foreign,
        priced_at: AT,
    }
}
fn saf() -> SafEntry {
    SafEntry {
        id: SafId(4),
        kind: SafKind::Reversal,
        transaction: TransactionId(11),
        upstream: upstream(),
        reason: ReversalReason::TerminalFault,
    }
}

/// One record of the kinds that carry the most; a kind that is missing here is made of parts that are not.
fn records() -> Vec<Record> {
    let (terminal, batch, stan) = (TerminalIndex(2), BatchNumber::FIRST, Stan::try_from(42).unwrap());
    let totals = BatchTotals {
        domestic: BatchSums { debit: Side { amount_minor: 100, count: 1 }, credit: Side::default() },
        foreign: BatchSums::default(),
    };
    let keys = WorkingKeys { version: 3, pin: key(), mac: key(), track: Some(key()) };
    vec![
        Record::Genesis {
            partition: 0,
            acquirer: "03062900".parse().unwrap(),
            offset: UtcOffset::CHINA,
            day: BusinessDate(19_675),
            demo: true,
        },
        Record::Started { epoch: 2, cut_bytes: 4_096 },
        Record::KeyInstalled { name: KeyName { usage: KeyUse::PinVerification, owner: 0 }, key: key() },
        Record::SignedOn { terminal, stan, keys, batch, reply: reply() },
        Record::Opened(opened()),
        Record::Decided {
            opened: opened(),
            outcome: Outcome::Approved,
            reply: reply(),
            entry: entry(),
            movement: Some(movement()),
        },
        Record::Resolved {
            transaction: TransactionId(11),
            outcome: Outcome::Unknown,
            reply: reply(),
            entry: Entry::NONE,
            movement: None,
            saf: Some(saf()),
        },
        Record::ReversalTaken {
            key: request_key(),
            fingerprint: fingerprint(),
            echo: echo(),
            reason: ReversalReason::NoAnswer,
            original: Some(TransactionId(11)),
            effect: ReversalEffect::Undone,
            reply: reply(),
            entry: entry(),
            movement: Some(movement()),
            saf: Some(saf()),
        },
        Record::BatchReconciled {
            terminal,
            batch,
            stan,
            terminal_totals: totals,
            host_totals: totals,
            verdict: BatchVerdict::Balanced,
            reply: reply(),
        },
        Record::DayCut { day: BusinessDate(19_675), next: BusinessDate(19_676) },
        Record::MerchantNetted {
            day: BusinessDate(19_675),
            merchant: MerchantIndex(1),
            entry: entry(),
            lines: 1,
            net_minor: -99,
        },
        Record::PinTried { card: CardHash([5; 16]), right: false },
        Record::HoldExpired { transaction: TransactionId(11), entry: entry() },
        Record::ReversalQueued { saf: saf() },
    ]
}

fn later_records() -> Vec<Record> {
    vec![
        Record::AccountRulesSet {
            account: AccountId::of(AccountKind::Wallet, 1, Currency::CNY),
            rules: AccountRules { debit_limit_minor: Some(500), credit_limit_minor: None, closed: true },
        },
        Record::Transferred(Transfer {
            id: TransferId { day: BusinessDate(19_675), number: 77 },
            entry: entry(),
            holds_until: Some(AT),
        }),
        Record::HoldsExpired { entry: entry() },
        Record::CardKeysShredded { keys: vec![1, 300], reason: "retention of 400 days".into() },
    ]
}

fn operators_records() -> Vec<Record> {
    let reason = || "asked for by phone".parse::<Reason>().unwrap();
    let (terminal, batch) = (TerminalIndex(2), BatchNumber::FIRST);
    let case = |kind| BatchCase { kind, stan: Stan::try_from(42).unwrap(), terminal_minor: 5, host_minor: 6 };
    let blocked =
        BlockedCard { card: CardHash([5; 16]), masked: Some(card().masked), cause: BlockCause::Stolen };
    let route = Route {
        low: 6_225_880_000_000_000_000,
        high: 6_225_889_999_999_999_999,
        class: CardClass::Credit.into(),
        target: RouteTarget::Link(LinkIndex(1)),
        issuer: 3_010_000,
    };
    let findings = [SafFinding::Undone, SafFinding::NeverTaken, SafFinding::Stands];
    let mut records = vec![
        Record::LinkOrdered { link: LinkIndex(1), order: LinkOrder::Drain, reason: reason() },
        Record::TerminalOrdered { terminal, order: TerminalOrder::ResetBatch(batch), reason: reason() },
        Record::TerminalOrdered { terminal, order: TerminalOrder::ForceSignOn, reason: reason() },
        Record::MerchantOrdered {
            merchant: MerchantIndex(1),
            order: MerchantOrder::Enable,
            reason: reason(),
        },
        Record::SafRetried { id: SafId(4), reason: reason() },
        Record::BatchForceClosed {
            terminal,
            batch,
            totals: BatchTotals::default(),
            cases: vec![case(BatchCaseKind::Amount), case(BatchCaseKind::HostOnly)],
            reply: reply(),
            reason: reason(),
        },
        Record::CaseResolved { case: CaseId(3), finding: CaseFinding::WrittenOff, reason: reason() },
        Record::CardBlocked { blocked, reason: reason() },
        Record::CardUnblocked { card: CardHash([5; 16]), reason: reason() },
        Record::RouteRemoved { route, reason: reason() },
    ];
    records.extend(findings.map(|finding| Record::SafResolved {
        id: SafId(4),
        finding,
        entry: entry(),
        reason: reason(),
    }));
    records
}

fn rules_and_what_they_led_to() -> Vec<Record> {
    vec![
        Record::RiskRulesSet(RiskRules {
            version: 1,
            rules: vec![RiskRule {
                number: 7,
                reason: "a day's limit".into(),
                about: Scope { mcc: vec![(5_800, 5_899)], ..Scope::default() },
                test: RiskTest::Sum { of: RiskSubject::Card, window: RiskWindow::Day, minor_max: 500_000 },
                then: RiskAction::Decline(ResponseCode::AMOUNT_LIMIT),
            }],
            decline_score: Some(100),
            hold_score: None,
            alert_score: Some(50),
        }),
        Record::RiskFlagged {
            transaction: TransactionId(11),
            merchant: MerchantIndex(1),
            amount: Amount::new(100, Currency::CNY),
            finding: RiskFinding { version: 1, rules: vec![7], score: 0, verdict: RiskVerdict::HoldPayout },
            stands: true,
        },
        Record::RoutingRulesSet(RoutingRules {
            version: 1,
            rules: vec![RoutingRule {
                number: 1,
                issuers: vec![3_060_000],
                about: Scope { kinds: vec![TransactionKind::TopUp], ..Scope::default() },
                minor_max: Some(50_000),
                choose: Choice::Cost,
                destinations: vec![Destination {
                    link: LinkIndex(1),
                    weight: 1,
                    cost_ppm: 3_500,
                    cost_minor: 10,
                }],
            }],
        }),
        Record::StandInRulesSet(StandInRules {
            version: 1,
            rules: vec![StandInRule {
                number: 1,
                issuers: vec![],
                about: Scope::default(),
                minor_max: 50_000,
                day_minor_max: 100_000,
                day_count_max: 3,
                refuses_pin: true,
            }],
        }),
        Record::Rerouted { transaction: TransactionId(11), upstream: upstream() },
        Record::Advised {
            opened: opened(),
            why: AdviceReason::IssuerAway,
            reply: reply(),
            entry: entry(),
            movement: Some(movement()),
            saf: SafEntry { kind: SafKind::Advice, ..saf() },
        },
        Record::PayoutReleased { transaction: TransactionId(11), reason: "customer confirmed".into() },
    ]
}

fn people() -> Vec<Record> {
    let reason = || "a test".parse::<Reason>().unwrap();
    let user = || "anna".parse::<UserName>().unwrap();
    let roles = Roles::of([Role::Operator, Role::Auditor]).unwrap();
    let password = || PasswordRecord("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into());
    vec![
        Record::UserAdded { user: user(), roles: roles.clone(), password: password() },
        Record::UserOrdered { user: user(), order: UserOrder::Roles(roles), reason: reason() },
        Record::UserOrdered { user: user(), order: UserOrder::Unlock, reason: reason() },
        Record::PasswordSet { user: user(), password: password() },
        Record::LoginTried { user: user(), right: false },
        Record::TerminalOrdered {
            terminal: TerminalIndex(2),
            order: TerminalOrder::RenewKeys,
            reason: reason(),
        },
    ]
}
fn ceremonies() -> Vec<Record> {
    let reason = || "a test".parse::<Reason>().unwrap();
    let name = KeyName { usage: KeyUse::Transport, owner: 1 };
    let plan = KeyPlan {
        cipher: KeyCipher::Aes,
        bytes: 32,
        components: 2,
        exportable: true,
        check_value: Some([1, 2, 3]),
    };
    vec![
        Record::KeyCeremonyBegun { key: name, plan, reason: reason() },
        Record::KeyComponentDrawn { key: name, check_value: [1, 2, 3, 4] },
        Record::KeyComponentLoaded { key: name, component: key() },
        Record::KeyCeremonyCancelled { key: name, reason: reason() },
        Record::KeyMoved { key: name, under: name, way: KeyMove::Injected, check_value: [1, 2, 3, 4] },
        Record::LmkChanged(Box::new(LmkChange {
            before: [1, 2, 3, 4],
            now: [5, 6, 7, 8],
            custodians: vec![("anna".parse().unwrap(), [9; 4]), ("ben".parse().unwrap(), [10; 4])],
            reason: reason(),
        })),
        Record::KeysTranslated { keys: vec![(name, key())] },
        Record::LmkRetired { check_values: vec![[1, 2, 3, 4]], reason: reason() },
        Record::MacsFailed { terminal: TerminalIndex(2), in_a_row: 3 },
        Record::SafTried { id: SafId(4), count: 8 },
        Record::PinsMalformed { terminal: TerminalIndex(2), count: 4, since: Timestamp(5) },
        Record::CaseRaised {
            transaction: TransactionId(11),
            terminal: TerminalIndex(2),
            batch: BatchNumber::FIRST,
            case: BatchCase {
                kind: BatchCaseKind::Reversal,
                stan: Stan::try_from(42).unwrap(),
                terminal_minor: 499,
                host_minor: 500,
            },
        },
    ]
}

fn what_terminals_are_given_and_say() -> Vec<Record> {
    let terminal = TerminalIndex(2);
    let application = b"\x9F\x06\x07\xA0\x00\x00\x03\x33\x01\x01\xDF\x01\x01\x00".to_vec();
    vec![
        Record::DownloadSet {
            scope: DownloadScope::Everybody,
            download: Download::parameter(*b"12", b"60").unwrap(),
        },
        Record::DownloadSet {
            scope: DownloadScope::Terminal(terminal),
            download: Download::objects(DownloadKind::Aid, application).unwrap(),
        },
        Record::DownloadRemoved {
            scope: DownloadScope::Merchant(MerchantIndex(1)),
            kind: DownloadKind::CaKey,
            name: b"\xA0\x00\x00\x03\x33\x0B".to_vec(),
            reason: "expired".parse().unwrap(),
        },
        Record::Downloaded { terminal, kind: DownloadKind::Aid, digest: Some(DownloadDigest(7)) },
        Record::Downloaded { terminal, kind: DownloadKind::Parameter, digest: None },
        Record::TerminalReported { terminal, status: b"0000000000000000".to_vec() },
        Record::ScriptReported {
            terminal,
            report: ScriptReport {
                batch: BatchNumber::FIRST,
                stan: Stan::try_from(42).unwrap(),
                transaction: Some(TransactionId(11)),
                results: vec![0x20, 1, 2, 3, 4],
                verification: Some([0, 0, 4, 0, 0]),
                counter: Some(17),
            },
            reply: reply(),
        },
        Record::PartlyApproved { transaction: TransactionId(7), amount: Amount::new(300, Currency::CNY) },
        Record::TerminalOrdered {
            terminal: TerminalIndex(2),
            order: TerminalOrder::Speak(TerminalProfile {
                dialect: TerminalDialect::Iso(LinkDialect::Iso2003Binary),
                carries_mac: false,
                takes_partial: true,
            }),
            reason: "a generic till".parse().unwrap(),
        },
    ]
}

fn billing_in_another_currency() -> Vec<Record> {
    let (rate, reason): (ConversionRate, Reason) = ("0.1389".parse().unwrap(), "of today".parse().unwrap());
    let transaction = TransactionId(11);
    let amount = Amount::new(1_715, Currency::USD);
    let set =
        ExchangeRate { from: Currency::CNY, to: Currency::USD, rate, markup_ppm: 15_000, valid_from: AT };
    vec![
        Record::LinkOrdered {
            link: LinkIndex(1),
            order: LinkOrder::Bill(Some(Currency::USD)),
            reason: reason.clone(),
        },
        Record::RateSet { rate: set, reason: reason.clone() },
        Record::Converted { transaction, billing: Billing { amount, rate, rate_day: BusinessDate(19_675) } },
        Record::IssuerBilled { transaction, amount, rate: Some(rate) },
        Record::LinkOrdered {
            link: LinkIndex(1),
            order: LinkOrder::Match("7,11,41".parse().unwrap()),
            reason,
        },
    ]
}

fn scripts_for_issuers() -> Vec<Record> {
    let report = ScriptReport {
        batch: BatchNumber::FIRST,
        stan: Stan::try_from(42).unwrap(),
        transaction: Some(TransactionId(11)),
        results: vec![0x20, 1, 2, 3, 4],
        verification: None,
        counter: Some(17),
    };
    vec![Record::ScriptQueued { saf: SafEntry { kind: SafKind::Script, ..saf() }, report }]
}

fn keys_that_wait() -> Vec<Record> {
    let (terminal, check_value) = (TerminalIndex(2), [1, 2, 3, 4]);
    let reason: Reason = "yearly change".parse().unwrap();
    let name = KeyName { usage: KeyUse::Transport, owner: 1 };
    let offer = |under| KeyOffer {
        key: key(),
        under,
        line: LineKey { wrapped: vec![0xAB; 20], proof: [0xCD; 8] },
        until: AT,
        reason: reason.clone(),
    };
    let component = WaitingKey::Component { key: name, custodian: "anna".parse().unwrap() };
    vec![
        Record::TerminalKeyOffered { terminal, offer: Box::new(offer(None)) },
        Record::TerminalKeyOffered { terminal, offer: Box::new(offer(Some(name))) },
        Record::TerminalKeyTaken { terminal, key: key() },
        Record::TerminalKeyWithdrawn { terminal, check_value, reason: Some(reason.clone()) },
        Record::TerminalKeyWithdrawn { terminal, check_value, reason: None },
        Record::WaitingKeysTranslated {
            keys: vec![(component, key()), (WaitingKey::Offered { terminal }, key())],
        },
    ]
}

fn batches_with_many_cases() -> Vec<Record> {
    let case = |number: u64, terminal_minor| BatchCase {
        kind: BatchCaseKind::TerminalOnly,
        stan: Stan::try_from(number).unwrap(),
        terminal_minor,
        host_minor: 0,
    };
    let cases = vec![case(1, 5), case(2, 999_999_999_999)];
    vec![Record::BatchCompared { terminal: TerminalIndex(2), batch: BatchNumber::FIRST, cases }]
}

fn changes_of_what_is_registered() -> Vec<Record> {
    let reason = || "a test".parse::<Reason>().unwrap();
    let settings = |address: &str, credit_max| LinkSettings {
        address: address.into(),
        dialect: LinkDialect::Iso93Binary,
        framing: "len2-be".into(),
        answer_timeout_ms: 10_000,
        connections: 2,
        credit_max,
    };
    let merchant = |name: &str, fee_plan| Merchant {
        id: "M00000000000001".parse().unwrap(),
        name: name.into(),
        mcc: 5812,
        account: BankAccount { holder: "h".into(), number: "1".into(), cnaps: "102100099996".into() },
        fee_plan,
    };
    let terminal =
        |merchant, mac| TerminalSettings { merchant: MerchantIndex(merchant), mac, takes_partial: true };
    vec![
        Record::LinkChanged {
            link: LinkIndex(1),
            change: Box::new(Changed {
                before: settings("10.0.0.7:8600", None),
                after: settings("10.0.0.8:8600", Some(64)),
            }),
            reason: reason(),
        },
        Record::MerchantChanged {
            merchant: MerchantIndex(1),
            change: Box::new(Changed { before: merchant("Tea House", 1), after: merchant("Tea Garden", 2) }),
            reason: reason(),
        },
        Record::TerminalChanged {
            terminal: TerminalIndex(2),
            change: Changed {
                before: terminal(0, TerminalMac::CupEcb),
                after: terminal(1, TerminalMac::CmacAes),
            },
            reason: reason(),
        },
        Record::TotalsDated {
            terminal: TerminalIndex(2),
            batch: BatchNumber::FIRST,
            moment: 20_261_123_193_059,
        },
    ]
}

fn what_chips_said() -> Vec<Record> {
    let objects = vec![0x9F, 0x26, 2, 1, 2];
    let transaction = TransactionId(11);
    vec![
        Record::ChipKept { transaction, chip: ChipData { sequence: Some(1), objects } },
        Record::ChipKept { transaction, chip: ChipData { sequence: None, objects: vec![] } },
    ]
}

/// Products, and what names them: a range, a transaction, a rule.
fn card_products() -> Vec<Record> {
    let reason = || "a test".parse::<Reason>().unwrap();
    let terms = |name: &str, pin_from_minor| ProductTerms {
        name: name.into(),
        name_zh: "礼品卡".into(),
        refuses: vec![TransactionKind::CashAdvance, TransactionKind::TopUp],
        pin_from_minor,
    };
    let product = Product {
        code: "GIFT-PP".parse().unwrap(),
        scheme: Scheme::Jcb,
        funding: Funding::QuasiCredit,
        foreign: true,
        terms: terms("Gift card", None),
    };
    let kind = |class, product| CardKind { class, product: Some(ProductIndex(product)) };
    let route = Route {
        low: 1,
        high: 2,
        class: kind(CardClass::Debit, 300),
        target: RouteTarget::Link(LinkIndex(1)),
        issuer: 3_010_000,
    };
    let classes = vec![CardGroup::Credit, CardGroup::Product(ProductIndex(3))];
    let rule = StandInRule {
        number: 1,
        issuers: vec![],
        about: Scope { classes, ..Scope::default() },
        minor_max: 500,
        day_minor_max: 900,
        day_count_max: 3,
        refuses_pin: false,
    };
    vec![
        Record::ProductAdded { product: Box::new(product), reason: reason() },
        Record::ProductChanged {
            product: ProductIndex(3),
            change: Box::new(Changed {
                before: terms("Gift card", None),
                after: terms("Present", Some(5_000)),
            }),
            reason: reason(),
        },
        Record::RouteAdded(route),
        Record::Opened(TransactionOpened { card_class: kind(CardClass::Credit, 3), ..opened() }),
        Record::Opened(TransactionOpened { card_class: kind(CardClass::Foreign, 1), ..opened() }),
        Record::StandInRulesSet(StandInRules { version: 1, rules: vec![rule] }),
    ]
}

fn parts() -> Vec<Record> {
    let stands = Amount::new(60, Currency::CNY);
    vec![Record::PartReversed {
        key: RequestKey { class: MessageClass::PartReversal, ..request_key() },
        fingerprint: fingerprint(),
        echo: echo(),
        reason: ReversalReason::TerminalFault,
        original: TransactionId(11),
        stands,
        reply: reply(),
        entry: entry(),
        movements: Some([
            Movement { gain: false, ..movement() },
            Movement { amount: stands, kind: TransactionKind::PreAuthAdvice, ..movement() },
        ]),
        saf: Some(SafEntry { kind: SafKind::PartReversal, ..saf() }),
    }]
}

fn keys_of_links() -> Vec<Record> {
    let reason = || "a test".parse::<Reason>().unwrap();
    let change = |message| {
        Record::LinkKeyChanged(Box::new(LinkKeyChange {
            link: LinkIndex(1),
            key: KeyRecord { wrapped: WrappedKey("D0144".into()), check_value: [1, 2, 3, 4] },
            under: KeyName { usage: KeyUse::Transport, owner: 7 },
            message,
        }))
    };
    let message = KeyMessage { stan: 500_001, transmitted: Some(*b"1123085500"), mark: [0xA5; 8] };
    let order = |order| Record::LinkOrdered { link: LinkIndex(1), order, reason: reason() };
    vec![
        order(LinkOrder::KeyUnder(Some(7))),
        order(LinkOrder::KeyUnder(None)),
        order(LinkOrder::NewKey),
        change(Some(message)),
        change(None),
    ]
}

#[test]
fn format_one_is_written_and_read_as_it_was() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records-v1.hex");
    let mut text = String::new();
    let newest = operators_records().into_iter().chain(rules_and_what_they_led_to()).chain(people());
    let newest = newest.chain(what_terminals_are_given_and_say()).chain(ceremonies());
    let newest = newest
        .chain(billing_in_another_currency())
        .chain(scripts_for_issuers())
        .chain(keys_that_wait())
        .chain(changes_of_what_is_registered())
        .chain(what_chips_said())
        .chain(card_products())
        .chain(parts())
        .chain(batches_with_many_cases())
        .chain(keys_of_links());
    for record in records().into_iter().chain(later_records()).chain(newest) {
        let stamped = Stamped { at: AT, actor: Actor::Terminal(TerminalIndex(2)), record };
        let mut bytes = Vec::new();
        stamped.encode(&mut bytes);
        assert_eq!(Stamped::decode(&bytes).unwrap(), stamped);
        bytes.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text.push('\n');
    }
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, kept, "a record reads or writes differently: that needs a new format version");
}
