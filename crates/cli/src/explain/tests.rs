//! Every decision of a transaction is told with its reason, from records as the core writes them.

use super::{newest, open_index, tell};
use serde_json::Value;
use std::path::Path;
use switchyard_domain::*;
use switchyard_ledger::{LedgerId, Log, Options, Partition, RecordBatch};

const AT: Timestamp = Timestamp(1_795_000_000_000_000);
const DAY: BusinessDate = BusinessDate(20_775);

fn key() -> KeyRecord {
    KeyRecord { wrapped: WrappedKey("D0112P0TE00N0000".into()), check_value: [1, 2, 3, 4] }
}
fn stan(number: u64) -> Stan {
    Stan::try_from(number).unwrap()
}
fn cny(minor: u64) -> Amount {
    Amount::new(minor, Currency::CNY)
}
fn link(name: &str) -> Record {
    Record::LinkRegistered(Link {
        name: name.into(),
        address: "127.0.0.1:1".into(),
        dialect: LinkDialect::named("iso87-ascii").unwrap(),
        framing: "be16".into(),
        pin_key: key(),
        answer_timeout_ms: 10_000,
        connections: 1,
    })
}
fn rules(version: u32, rules: &[(u32, &str)]) -> Record {
    let rule = |(number, reason): &(u32, &str)| RiskRule {
        number: *number,
        reason: (*reason).into(),
        about: Scope::default(),
        test: RiskTest::Always,
        then: RiskAction::Score(30),
    };
    let rules = rules.iter().map(rule).collect();
    Record::RiskRulesSet(RiskRules { version, rules, ..RiskRules::default() })
}

/// A merchant with a terminal, and two links.
fn registered() -> Vec<Record> {
    let bank = BankAccount { holder: "Tea".into(), number: "1".into(), cnaps: "102100099996".into() };
    vec![
        Record::Genesis {
            partition: 0,
            acquirer: "48720000".parse().unwrap(),
            offset: UtcOffset::CHINA,
            day: DAY,
            demo: false,
        },
        Record::MerchantRegistered(Merchant {
            id: "M00000000000001".parse().unwrap(),
            name: "Tea House".into(),
            mcc: 5812,
            account: bank,
            fee_plan: 1,
        }),
        Record::TerminalRegistered(Terminal {
            id: "T0000001".parse().unwrap(),
            merchant: MerchantIndex(0),
            mac: TerminalMac::X99,
            master_key: key(),
        }),
        link("harbour"),
        link("quay"),
    ]
}

fn upstream(number: u16, mti: u16) -> UpstreamRef {
    UpstreamRef { link: LinkIndex(number), stan: stan(7), transmitted_at: AT, mti }
}
fn opened(id: u64, minor: u64, upstream: Option<UpstreamRef>) -> TransactionOpened {
    let key = RequestKey {
        merchant: MerchantIndex(0),
        terminal: TerminalIndex(0),
        batch: BatchNumber::FIRST,
        stan: stan(10 + id),
        class: MessageClass::Financial,
    };
    TransactionOpened {
        id: TransactionId(id),
        key,
        fingerprint: Fingerprint {
            processing_code: 0,
            amount_minor: minor,
            card: None,
            type_code: 22,
            original: None,
            original_rrn: None,
        },
        kind: TransactionKind::Sale,
        amount: cny(minor),
        card: None,
        card_class: CardClass::Debit.into(),
        original: None,
        rrn: rrn(id),
        echo: echo(),
        upstream,
        day: DAY,
        mcc: 5_812,
    }
}
fn echo() -> Echo {
    Echo {
        expiry: None,
        condition: None,
        currency: Some(Currency::CNY),
        security_control: None,
        de60: 1,
        de60_digits: 11,
        entry_mode: None,
    }
}
fn rrn(id: u64) -> Rrn {
    format!("6327{id:08}").parse().unwrap()
}
fn reply(id: u64, code: &str) -> ReplyFacts {
    let code = code.parse().unwrap();
    ReplyFacts { code, rrn: rrn(id), auth_code: None, at: AT, settlement_date: DAY, balance: None }
}
fn flagged(opened: &TransactionOpened, version: u32, rules: &[u32], verdict: RiskVerdict) -> Record {
    Record::RiskFlagged {
        transaction: opened.id,
        merchant: MerchantIndex(0),
        amount: opened.amount,
        finding: RiskFinding { version, rules: rules.to_vec(), score: 30, verdict },
        stands: false,
    }
}

/// Declined by a rule; held, rerouted, approved in part and released; stood in for and told; taken back in vain.
fn lived() -> Vec<Record> {
    let declined = opened(0, 900, None);
    let part = opened(1, 500, Some(upstream(0, 200)));
    let stood_in = opened(2, 70, Some(upstream(0, 220)));
    let (transaction, terminal) = (part.id, TerminalIndex(0));
    let limit = ResponseCode::AMOUNT_LIMIT;
    let advice = SafEntry {
        id: SafId(0),
        kind: SafKind::Advice,
        transaction: stood_in.id,
        upstream: upstream(0, 220),
        reason: ReversalReason::Other,
    };
    let (key, fingerprint) = (stood_in.key, stood_in.fingerprint);
    let case =
        BatchCase { kind: BatchCaseKind::Reversal, stan: key.stan, terminal_minor: 69, host_minor: 70 };
    vec![
        rules(1, &[(7, "card a day")]),
        flagged_decline(&declined, reply(0, "61")),
        flagged(&declined, 1, &[7], RiskVerdict::Decline(limit)),
        rules(2, &[(8, "first purchase")]),
        Record::Opened(part.clone()),
        flagged(&part, 2, &[8, RiskRule::HOT_CARD], RiskVerdict::HoldPayout),
        Record::Rerouted { transaction, upstream: upstream(1, 200) },
        Record::PartlyApproved { transaction, amount: cny(300) },
        Record::Resolved {
            transaction,
            outcome: Outcome::Approved,
            reply: reply(1, "10"),
            entry: Entry::NONE,
            movement: None,
            saf: None,
        },
        Record::PayoutReleased { transaction, reason: "confirmed".into() },
        Record::Advised {
            opened: stood_in.clone(),
            why: AdviceReason::IssuerAway,
            reply: reply(2, "00"),
            entry: Entry::NONE,
            movement: None,
            saf: advice,
        },
        Record::SafDelivered { id: SafId(0), code: ResponseCode::APPROVED },
        Record::ReversalTaken {
            key: RequestKey { class: MessageClass::Reversal, ..key },
            fingerprint: Fingerprint { amount_minor: 69, ..fingerprint },
            echo: echo(),
            reason: ReversalReason::NoAnswer,
            original: Some(stood_in.id),
            effect: ReversalEffect::Refused,
            reply: reply(3, "25"),
            entry: Entry::NONE,
            movement: None,
            saf: None,
        },
        Record::CaseRaised { transaction: stood_in.id, terminal, batch: BatchNumber::FIRST, case },
    ]
}

fn flagged_decline(opened: &TransactionOpened, reply: ReplyFacts) -> Record {
    Record::Decided {
        opened: opened.clone(),
        outcome: Outcome::Declined,
        reply,
        entry: Entry::NONE,
        movement: None,
    }
}

fn write(dir: &Path, records: impl Iterator<Item = Record>) {
    let options = Options {
        segment_bytes: 1 << 20,
        zero_step_bytes: 1 << 16,
        zero_ahead_bytes: 1 << 16,
        free_bytes_min: 0,
        ..Options::new(Partition(0), LedgerId([7; 16]), AT.0)
    };
    let (mut log, _) = Log::open(&dir.join("ledger"), &options).unwrap();
    let mut batch = RecordBatch::new();
    for record in records {
        let stamped = Stamped { at: AT, actor: Actor::Switch, record };
        batch.push(|buffer| stamped.encode(buffer)).unwrap();
    }
    log.append(&batch, AT.0).unwrap();
    log.close(AT.0).unwrap();
}

fn story(dir: &Path, id: u64) -> Value {
    let index = open_index(dir).unwrap();
    let opened = newest(&index, &rrn(id)).unwrap().expect("recorded");
    tell(&index, &opened, dir).unwrap()
}

#[test]
fn every_decision_of_a_transaction_is_told_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("ledger")).unwrap();
    write(dir.path(), registered().into_iter().chain(lived()));
    for (id, head, events) in [
        (
            0,
            [("code", "61"), ("amount_minor", "900")],
            &[
                ("Decided", "limit"),
                ("RiskFlagged", "rule 7: card a day"),
                ("RiskFlagged", "declined with 61"),
            ][..],
        ),
        (
            1,
            [("link", "quay"), ("amount_minor", "300")],
            &[
                ("Opened", "over link harbour"),
                ("RiskFlagged", "rule 8: first purchase"),
                ("RiskFlagged", "hot-card list"),
                ("RiskFlagged", "score 30"),
                ("Rerouted", "request: 0200 over link quay"),
                ("PartlyApproved", "approves 3.00 CNY of 5.00 CNY"),
                ("Resolved", "answer 10"),
                ("PayoutReleased", "confirmed"),
            ],
        ),
        (
            2,
            [("outcome", "approved"), ("amount_minor", "70")],
            &[
                ("Advised", "in the place of its issuer"),
                ("SafDelivered", "the issuer knows of the advice"),
                ("ReversalTaken", "refused"),
                ("CaseRaised", "took back 0.69 CNY, 0.70 CNY stands"),
            ],
        ),
    ] {
        let story = story(dir.path(), id);
        for (name, value) in head {
            let have = &story["transaction"][name];
            assert_eq!(have.as_str().map_or(have.to_string(), str::to_owned), value, "{name}: {story}");
        }
        let told = story["events"].as_array().unwrap();
        assert!(told.iter().all(|event| !event["decision"].as_array().unwrap().is_empty()
            || !event["in"].as_array().unwrap().is_empty()));
        for (record, words) in events {
            let wanted = record.to_lowercase();
            let mut of = told
                .iter()
                .filter(|event| event["record"].as_str().unwrap().replace('_', "").to_lowercase() == wanted);
            assert!(of.any(|event| event.to_string().contains(words)), "{record}, {words}: {story}");
        }
    }
}

fn card() -> CardRef {
    let masked = Pan::from_digits(b"4111111111111111").unwrap().masked();
    CardRef { sealed: SealedPan(vec![7; 40]), key_id: 1, intake: 9, hash: CardHash([5; 16]), masked }
}
fn range(link: u16) -> Route {
    Route {
        low: 4_111_000_000_000_000_000,
        high: 4_111_999_999_999_999_999,
        class: CardClass::Foreign.into(),
        target: RouteTarget::Link(LinkIndex(link)),
        issuer: 9,
    }
}
fn routing(version: u32, choose: Choice, destinations: &[(u16, u32, u64)]) -> Record {
    let to = |(link, weight, cost_minor): &(u16, u32, u64)| Destination {
        link: LinkIndex(*link),
        weight: *weight,
        cost_ppm: 0,
        cost_minor: *cost_minor,
    };
    let destinations: Vec<Destination> = destinations.iter().map(to).collect();
    let rule = |number, about, destinations| RoutingRule {
        number,
        issuers: vec![9],
        about,
        minor_max: None,
        choose,
        destinations,
    };
    let void = Scope { kinds: vec![TransactionKind::PreAuth], ..Scope::default() };
    let rules = vec![rule(3, void, destinations.clone()), rule(4, Scope::default(), destinations)];
    Record::RoutingRulesSet(RoutingRules { version, rules })
}

#[test]
fn the_rule_or_range_that_chose_a_link_is_told_and_why_others_were_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("ledger")).unwrap();
    let sale =
        |id, link| TransactionOpened { card: Some(card()), ..opened(id, 500, Some(upstream(link, 200))) };
    let rerouted = Record::Rerouted { transaction: TransactionId(3), upstream: upstream(1, 200) };
    let lived = [
        Record::RouteAdded(range(0)),
        Record::Opened(sale(0, 0)),
        routing(1, Choice::First, &[(1, 1, 0), (0, 1, 0)]),
        Record::Opened(sale(1, 0)),
        routing(2, Choice::Cost, &[(0, 1, 30), (1, 1, 20)]),
        Record::Opened(sale(2, 1)),
        Record::Opened(sale(3, 0)),
        rerouted,
        routing(3, Choice::Weight, &[(1, 3, 0)]),
        Record::Opened(sale(4, 0)),
        flagged_decline(&TransactionOpened { upstream: None, ..sale(5, 0) }, reply(5, "91")),
        // What comes later says nothing about what was before.
        Record::RouteRemoved { route: range(0), reason: "moved".parse().unwrap() },
        Record::RouteAdded(range(1)),
        routing(4, Choice::First, &[(1, 1, 0)]),
    ];
    write(dir.path(), registered().into_iter().chain(lived));
    let by_range = "the range 4111000000000000000 to 4111999999999999999 chooses link harbour";
    for (id, words) in [
        (0, &[by_range][..]),
        (1, &["rule 4 of version 1 chooses link harbour: the first", "quay is passed over: not in health"]),
        (
            2,
            &[
                "rule 4 of version 2 chooses link quay",
                "harbour is passed over: it costs 30.000000 minor units\"",
            ],
        ),
        (
            3,
            &[
                "chooses link harbour",
                "quay is passed over: it costs 20.000000 minor units and is not in health",
                "chooses link quay",
                "harbour is passed over: not a byte could be sent over it",
            ],
        ),
        (4, &["rule 4 is passed over: not in health was quay", by_range]),
        (5, &["rule 4 is passed over: not in health was quay", by_range, "link harbour is not in health"]),
    ] {
        let told = story(dir.path(), id)["events"].to_string();
        assert!(words.iter().all(|words| told.contains(words)), "{id}: {told}");
        assert!(!told.contains("rule 3"), "it is about pre-authorizations: {told}");
    }
}
