//! Random scripts of terminals, cardholders, issuers, time and crashes. The bench holds every step to the
//! promises that always stand; at the end every queue is drained and nothing may be left in the air.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../support/mod.rs"]
mod support;

mod acts;
mod downloads;
mod issuers;

use acts::{Act, act};
use downloads::{Downloads, download};
use issuers::{Issuers, NEVER};
use proptest::prelude::*;

use std::collections::{BTreeMap, BTreeSet};
use support::*;
use switchyard_core::{
    Answer, Body, Command, CommandError, Core, CoreConfig, Input, MacCheck, Order, OriginalRef, Reply,
    ReplyBody, ScriptResult, SectionKind, State, Upload,
};
use switchyard_domain::{
    AuthCode, BatchNumber, BatchTotals, BatchVerdict, BlockCause, BlockedCard, CaseFinding, CaseId, Currency,
    ExchangeRate, LinkDialect, LinkIndex, LinkOrder, MessageClass, Outcome, Record, ResponseCode, RiskAction,
    RiskRule, RiskRules, RiskSubject, RiskTest, RiskWindow, Rrn, SafEntry, SafFinding, SafId, SafKind, Scope,
    StandInRule, StandInRules, TerminalDialect, TerminalIndex, TerminalOrder, TerminalProfile, TransactionId,
    TransactionKind,
};

/// The terminal whose dialect names no batch: its requests are known by their moment.
const GENERIC: usize = 2;
/// Batches of that terminal that a script may close: a repeat is looked for in eight.
const GENERIC_BATCHES_MAX: u32 = 7;

/// When the generic terminal made the request under this number.
fn moment(stan: u32) -> u64 {
    1_118_000_000 + u64::from(stan)
}

/// From now on cardholders behind the second link are billed at another rate: always more than one, so that no amount
/// comes to nothing.
fn set_rate(bench: &mut Bench, value: u8) {
    let rate = format!("1.0{value:02}7").parse().unwrap();
    let (from, to) = (Currency::CNY, Currency::HKD);
    let markup_ppm = u32::from(value) * 100;
    let rate = ExchangeRate { from, to, rate, markup_ppm, valid_from: bench.now };
    bench.order(Order::SetRate { rate, reason: reason() }).unwrap();
}

const CARDS: [&str; 6] = [ON_US, ON_US_OTHER, ON_US_EMPTY, CARD_A, CARD_A_OTHER, CARD_B];
const FIRST: [TransactionKind; 5] = [
    TransactionKind::Sale,
    TransactionKind::PreAuth,
    TransactionKind::BalanceInquiry,
    TransactionKind::OfflineSale,
    TransactionKind::CashAdvance,
];
const FOLLOW: [TransactionKind; 5] = [
    TransactionKind::Void,
    TransactionKind::Refund,
    TransactionKind::PreAuthVoid,
    TransactionKind::Completion,
    TransactionKind::CompletionVoid,
];
const CODES: [&str; 9] = ["00", "00", "00", "51", "10", "10", "98", "91", "55"];
/// Wrong MACs in a row before a right one comes: below the limit of records in a minute.
const WRONG_MACS_IN_A_ROW_MAX: u32 = 5;
/// The terminals that understand that a part was approved.
const TAKE_PARTS: [usize; 2] = [1, 2];
const SAF_CODES: [&str; 7] = ["00", "00", "00", "91", "25", "96", "12"];

/// What a terminal remembers of a request.
struct Asked {
    ask: Ask,
    tickets: Vec<u64>,
    /// Of the process that runs: a crash loses the answers of the one before.
    epoch: u32,
}

fn about(sent: &Sent) -> TransactionId {
    match sent.what {
        SentWhat::Request { id, .. } => id,
        SentWhat::Reversal { saf, .. } | SentWhat::Advice { saf, .. } | SentWhat::Script { saf, .. } => {
            saf.transaction
        }
        SentWhat::Network => unreachable!("not about a transaction"),
    }
}

impl Asked {
    fn waits(&self, bench: &Bench, epoch: u32) -> bool {
        self.epoch == epoch && self.tickets.iter().any(|t| bench.silent(*t))
    }
}

struct World {
    issuers: Issuers,
    bench: Bench,
    asked: Vec<Asked>,
    reversed: Vec<(Back, u64)>,
    stans: u32,
    batches: [u32; 3],
    uploaded: [u32; 3],
    epoch: u32,
    downloads: Downloads,
}

impl World {
    fn new() -> Self {
        let config = CoreConfig {
            saf_attempts_max: 1_000_000,
            malformed_pins_max: 1_000_000,
            ..CoreConfig::default()
        };
        let mut bench = Bench::with(config);
        let rule = RiskRule {
            number: 1,
            reason: "a day's limit of a card".into(),
            about: Scope::default(),
            test: RiskTest::Sum { of: RiskSubject::Card, window: RiskWindow::Day, minor_max: 1_100_000 },
            then: RiskAction::Decline(ResponseCode::AMOUNT_LIMIT),
        };
        let rules = RiskRules { version: 1, rules: vec![rule], ..RiskRules::default() };
        bench.command(Command::SetRiskRules(Box::new(rules))).unwrap();
        let stand_in = StandInRule {
            number: 1,
            issuers: vec![],
            about: Scope::default(),
            minor_max: 200,
            day_minor_max: 1_000,
            day_count_max: 5,
            refuses_pin: false,
        };
        let rules = StandInRules { version: 1, rules: vec![stand_in] };
        bench.command(Command::SetStandInRules(Box::new(rules))).unwrap();
        let profile =
            TerminalProfile { dialect: TerminalDialect::UnionpayPos, carries_mac: true, takes_partial: true };
        for terminal in TAKE_PARTS {
            let iso = TerminalDialect::Iso(LinkDialect::Iso87Binary);
            let dialect = if terminal == GENERIC { iso } else { TerminalDialect::UnionpayPos };
            let profile = TerminalProfile { dialect, ..profile };
            let (terminal, what) = (TERMINALS[terminal].0.parse().unwrap(), TerminalOrder::Speak(profile));
            bench.order(Order::Terminal { terminal, what, reason: reason() }).unwrap();
        }
        let (link, what) = ("b".to_owned(), LinkOrder::Bill(Some(Currency::HKD)));
        bench.order(Order::Link { link, what, reason: reason() }).unwrap();
        set_rate(&mut bench, 0);
        bench.pins = Pins::Held;
        let (batches, uploaded) = ([1; 3], [0; 3]);
        let issuers = Issuers::default();
        Self {
            issuers,
            bench,
            asked: Vec::new(),
            reversed: Vec::new(),
            stans: 10,
            batches,
            uploaded,
            epoch: 0,
            downloads: Downloads::default(),
        }
    }
    fn pick(&self, of: usize) -> Option<usize> {
        // The newest are the interesting ones.
        let len = self.asked.len();
        (len > 0).then(|| len - 1 - (of % len.min(6)))
    }
    /// What a terminal was told: references, and the part of the amount where it is not the whole.
    fn facts(&self, index: usize) -> Option<(Rrn, Option<AuthCode>, Option<u64>)> {
        let ticket = self.asked[index].tickets.iter().find(|t| !self.bench.silent(**t))?;
        let reply = self.bench.only(*ticket);
        let part = reply.body.approved().map(|amount| amount.minor);
        facts_of(&reply).map(|facts| (facts.rrn, facts.auth_code, part))
    }
    /// The request as its terminal sends it: a generic one names no batch.
    fn send(&mut self, ask: &Ask) -> u64 {
        if ask.terminal != GENERIC {
            return self.bench.ask(ask);
        }
        let mut financial = ask.financial();
        (financial.batch, financial.echo.de60) = (BatchNumber::OPEN, moment(ask.stan));
        self.bench.request(GENERIC, Body::Financial(financial))
    }
    /// The reversal as its terminal sends it: a generic one says of its original only the class and the moment.
    fn send_back(&mut self, back: &Back) -> u64 {
        if back.of.terminal != GENERIC {
            return self.bench.reverse(back);
        }
        let mut reversal = back.reversal();
        let at = moment(back.of.stan);
        (reversal.batch, reversal.echo.de60, reversal.original_moment) = (BatchNumber::OPEN, at, Some(at));
        reversal.kind = match reversal.original_class {
            MessageClass::Authorization => TransactionKind::PreAuth,
            MessageClass::Financial | MessageClass::Reversal | MessageClass::PartReversal => {
                TransactionKind::Sale
            }
        };
        self.bench.request(GENERIC, Body::Reversal(reversal))
    }
    fn ask(&mut self, ask: Ask) {
        let ticket = self.send(&ask);
        self.asked.push(Asked { ask, tickets: vec![ticket], epoch: self.epoch });
    }
    fn stan(&mut self) -> u32 {
        self.stans += 1;
        self.stans
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::First { terminal, kind, card, minor, pin } => {
                let kind = FIRST[[0, 0, 0, 0, 0, 1, 1, 2, 3, 4][usize::from(kind)]];
                let minor = if kind == TransactionKind::BalanceInquiry { 0 } else { minor };
                let ask = Ask::new(kind, self.stan(), minor, CARDS[card]);
                let ask = ask.terminal(terminal).batch(self.batches[terminal]);
                let (pin, chip) =
                    (pin || kind == TransactionKind::BalanceInquiry, ask.stan.is_multiple_of(3));
                self.ask(Ask { pin, chip, ..ask });
            }
            Act::Follow { of, kind, minor, terminal, card } => self.follow(of, kind, minor, terminal, card),
            Act::Repeat { of } => {
                if let Some(index) = self.pick(of) {
                    let ticket = self.send(&self.asked[index].ask.clone());
                    self.asked[index].tickets.push(ticket);
                }
            }
            Act::Twist { of } => {
                if let Some(index) = self.pick(of) {
                    let ask = self.asked[index].ask;
                    // What is recorded or under way under this key is another request.
                    let known =
                        self.bench.model.knows(&ask) || self.asked[index].waits(&self.bench, self.epoch);
                    if known {
                        let ticket = self.send(&ask.minor(ask.minor + 1));
                        assert_eq!(self.bench.code_of(ticket), "94");
                    }
                }
            }
            Act::Reverse { of, minor } => self.reverse_some(of, minor),
            Act::Early { terminal, ahead } => {
                let ask = Ask::sale(self.stans + ahead, 100).terminal(terminal).batch(self.batches[terminal]);
                self.reverse(Back::of(&ask));
            }
            Act::Pin { outcome } => {
                if !self.bench.held_pins.is_empty() {
                    self.bench.pin_done(match outcome {
                        0 => Pins::Wrong,
                        1 => Pins::Malformed,
                        2 => Pins::Failed,
                        _ => Pins::Right,
                    });
                }
            }
            Act::Cut => {
                self.bench.command(Command::CutDay).unwrap();
            }
            Act::Crash => self.crash(),
            Act::WrongMac { terminal } => self.wrong_mac(terminal),
            Act::Wait { millis } => self.bench.pass(millis),
            Act::Totals { terminal, .. } | Act::Upload { terminal, .. }
                if self.has_closed_enough(terminal) => {}
            Act::Totals { terminal, wrong } => self.totals(terminal, wrong),
            Act::Upload { terminal, end } => self.upload(terminal, end),
            Act::Give { whose, which, value } => self.give(whose, download(which, value)),
            Act::TakeBack { whose, which } => self.take_back(whose, download(which, 0)),
            Act::Rate { value } => set_rate(&mut self.bench, value),
            Act::Scripts { of } => self.tell_scripts(of),
            Act::Load { terminal, which } => self.load(terminal, download(which, 0).kind),
            Act::SignOn { terminal } => self.bench.sign_on(terminal),
            Act::SignOff { terminal } => {
                self.bench.request(terminal, Body::SignOff { stan: stan(3) });
                self.bench.sign_on(terminal);
            }
            _ => self.act_upstream(act),
        }
    }

    fn act_upstream(&mut self, act: &Act) {
        match *act {
            Act::Issuer { of, code } => {
                let requests = self.sent(|w| matches!(w, SentWhat::Request { .. }));
                if !requests.is_empty() {
                    let sent = requests[requests.len() - 1 - of % requests.len().min(5)];
                    if self.issuers.told.contains(&about(&sent)) {
                        return;
                    }
                    let code = self.issuers.decide(about(&sent), CODES[usize::from(code)]);
                    if code != NEVER {
                        self.answer(&sent, code);
                    }
                }
            }
            Act::Saf { of, code } => {
                let queued = self.sent(|w| !matches!(w, SentWhat::Request { .. } | SentWhat::Network));
                if !queued.is_empty() {
                    let sent = queued[queued.len() - 1 - of % queued.len().min(3)];
                    let code = SAF_CODES[usize::from(code)];
                    let code = match sent.what {
                        SentWhat::Advice { .. } => self.issuers.advise(about(&sent), code),
                        SentWhat::Script { .. } => self.issuers.hear_scripts(about(&sent), code),
                        // What stands of it is between them: the transaction does either way.
                        SentWhat::Reversal { saf, .. } if saf.kind == SafKind::PartReversal => code,
                        _ => self.issuers.reverse(about(&sent), code),
                    };
                    self.bench.answer(&sent, code);
                }
            }
            Act::NotSent { of } => {
                let requests = self.sent(|w| matches!(w, SentWhat::Request { .. }));
                if !requests.is_empty() {
                    let sent = requests[requests.len() - 1 - of % requests.len().min(3)];
                    let id = about(&sent);
                    if !self.issuers.told.contains(&id) && self.issuers.decide(id, NEVER) == NEVER {
                        // With the request at hand the switch may stand in for the issuer.
                        let request = self.bench.request_of(id);
                        self.bench.step(Input::NotSent { link: sent.link, transaction: id, request });
                        if self.bench.model.is_advised(id) {
                            self.issuers.decided.remove(&id);
                            self.issuers.told.insert(id);
                        }
                    }
                }
            }
            Act::Connect { link } => self.bench.connect(LinkIndex(link as u16)),
            Act::Lose { link } => self.bench.disconnect(LinkIndex(link as u16)),
            Act::HostSigns { link, on } => {
                let generation = self.bench.generations[link];
                self.bench.step(Input::HostSigned { link: LinkIndex(link as u16), generation, on });
            }
            _ => self.act_operator(act),
        }
    }
    /// The issuer's answer to a request, with the amount where it approves a part.
    fn answer(&mut self, sent: &Sent, code: &'static str) {
        let id = about(sent);
        let asked = self.bench.model.transactions[&id].opened.amount.minor;
        let part = *self.issuers.parts.entry(id).or_insert(asked * 3 / 5);
        let amount_minor = (code == "10").then_some(part);
        let answer = Answer { amount_minor, ..answer_to(sent, code.parse().unwrap()) };
        self.bench.answer_with(sent, answer);
    }
    fn act_operator(&mut self, act: &Act) {
        let entries: Vec<SafEntry> = self.bench.core.state().saf_entries().map(|v| *v.entry).collect();
        let result = match *act {
            Act::Retry { of } if !entries.is_empty() => {
                let saf = entries[of % entries.len()].id;
                self.bench.order(Order::RetrySaf { saf, reason: reason() }).map(drop)
            }
            Act::Resolve { of, finding } if !entries.is_empty() => {
                self.resolve(entries[of % entries.len()], finding);
                Ok(())
            }
            Act::ForceClose { terminal } if !self.has_closed_enough(terminal) => {
                let id = TERMINALS[terminal].0.parse().unwrap();
                let batch = named::batch(self.batches[terminal]);
                let order = Order::CloseBatch { terminal: id, batch, reason: reason() };
                self.bench.order(order).map(|_| {
                    self.batches[terminal] += 1;
                    self.uploaded[terminal] = 0;
                })
            }
            Act::Link { link, order } => {
                let what = [LinkOrder::Up, LinkOrder::Up, LinkOrder::Drain, LinkOrder::Down];
                self.order_link(LinkIndex(link as u16), what[usize::from(order)])
            }
            Act::Settle { of } => {
                let case = CaseId(of as u64 % 8);
                let finding = CaseFinding::HostRight;
                self.bench.order(Order::ResolveCase { case, finding, reason: reason() }).map(drop)
            }
            Act::Hot { card, block } => {
                let card = card_hash(CARDS[card]);
                let cards = vec![BlockedCard { card, masked: None, cause: BlockCause::Lost }];
                self.bench
                    .order(match block {
                        true => Order::BlockCards { cards, reason: reason() },
                        false => Order::UnblockCard { card, reason: reason() },
                    })
                    .map(drop)
            }
            _ => Ok(()),
        };
        let refused = matches!(result, Err(CommandError::NotNow { .. } | CommandError::Missing { .. }));
        assert!(result.is_ok() || refused, "{act:?}: {result:?}");
    }
    fn order_link(&mut self, link: LinkIndex, what: LinkOrder) -> Result<(), CommandError> {
        let name = ["a", "b"][usize::from(link.0)].to_owned();
        let done = self.bench.order(Order::Link { link: name, what, reason: reason() }).map(drop);
        if what == LinkOrder::Down {
            // The server lets the connection go.
            self.bench.disconnect(link);
        }
        done
    }
    /// An operator says what is so at the issuer, and nothing else.
    fn resolve(&mut self, entry: SafEntry, finding: u8) {
        let id = entry.transaction;
        let takes_back = matches!(entry.kind, SafKind::Reversal | SafKind::PartReversal);
        if takes_back && self.bench.model.is_advised(id) {
            let order = Order::ResolveSaf { saf: entry.id, finding: SafFinding::Undone, reason: reason() };
            let refused = self.bench.order(order);
            assert!(matches!(refused, Err(CommandError::NotNow { .. })), "{refused:?}");
            return;
        }
        let was_sent = self.sent(|w| matches!(w, SentWhat::Reversal { .. })).iter().any(|s| about(s) == id);
        let finding = match finding {
            _ if entry.kind == SafKind::PartReversal => SafFinding::Undone,
            // The issuer was told in another way.
            _ if entry.kind == SafKind::Advice => {
                self.issuers.decide(id, "00");
                if !self.issuers.took(id) {
                    return;
                }
                SafFinding::Stands
            }
            _ if entry.kind == SafKind::Script => SafFinding::NeverTaken,
            0 => {
                self.issuers.decide(id, NEVER);
                self.issuers.reverse(id, "00");
                SafFinding::Undone
            }
            1 if self.issuers.decide(id, NEVER) == NEVER => SafFinding::NeverTaken,
            2 if !was_sent && !self.issuers.reversed.contains(&id) => {
                self.issuers.decide(id, "00");
                if !self.issuers.took(id) {
                    return;
                }
                SafFinding::Stands
            }
            _ => return,
        };
        self.bench.order(Order::ResolveSaf { saf: entry.id, finding, reason: reason() }).unwrap();
    }
    fn sent(&self, which: fn(&SentWhat) -> bool) -> Vec<Sent> {
        self.bench.sent.iter().filter(|s| which(&s.what)).copied().collect()
    }

    /// Transactions of which terminals took a part back.
    fn parted(&self) -> BTreeSet<TransactionId> {
        let parted = self.bench.records.iter().filter_map(|told| match told.record {
            Record::PartReversed { original, .. } => Some(original),
            _ => None,
        });
        parted.collect()
    }

    fn follow(&mut self, of: usize, kind: u8, minor: u64, terminal: Option<usize>, card: bool) {
        let Some(index) = self.pick(of) else { return };
        let Some((rrn, code, part)) = self.facts(index) else { return };
        let first = self.asked[index].ask;
        let first = first.minor(part.unwrap_or(first.minor));
        // Mostly what fits, whole; sometimes anything.
        let (kind, minor) = match (kind, first.kind) {
            (0 | 1, TransactionKind::Sale) => (TransactionKind::Void, first.minor),
            // All of it with the tip, if it has one.
            (2, TransactionKind::Sale) => (TransactionKind::Refund, first.minor + first.minor / 10),
            (2..=4, TransactionKind::Sale | TransactionKind::Completion) => (TransactionKind::Refund, minor),
            (0 | 1, TransactionKind::Completion) => (TransactionKind::CompletionVoid, first.minor),
            (0..=3, TransactionKind::PreAuth) => (TransactionKind::Completion, minor),
            (5, TransactionKind::PreAuth) => (TransactionKind::CompletionAdvice, minor),
            (5, TransactionKind::Sale) => (TransactionKind::Tip, first.minor / 10),
            (4, TransactionKind::PreAuth) => (TransactionKind::PreAuthVoid, first.minor),
            _ => (FOLLOW[usize::from(kind) % 5], minor),
        };
        let stan = self.stan();
        let terminal = terminal.unwrap_or(first.terminal);
        let ask = first.follow(kind, stan, rrn, code).minor(minor);
        let ask = ask.card(first.card.filter(|_| card)).terminal(terminal).batch(self.batches[terminal]);
        self.ask(ask);
    }
    /// An even amount is what a part leaves, an odd one is the wrong amount of the whole.
    fn reverse_some(&mut self, of: usize, minor: Option<u64>) {
        let Some(index) = self.pick(of) else { return };
        let ask = self.asked[index].ask;
        let stands = minor.filter(|minor| minor.is_multiple_of(2));
        let minor = minor.filter(|_| stands.is_none()).unwrap_or(ask.minor);
        self.reverse(Back { minor, stands, ..Back::of(&ask) });
    }
    fn reverse(&mut self, back: Back) {
        let ticket = self.send_back(&back);
        let code = self.bench.code_of(ticket);
        let waits = back.stands.is_some() && code == "22";
        assert!(waits || ["00", "12", "25"].contains(&code.as_str()), "a reversal ends: {code}");
        // One of a part that finds nothing to divide is not kept: it may find something later.
        if back.stands.is_none() || facts_of(&self.bench.only(ticket)).is_some() {
            self.reversed.push((back, ticket));
        }
    }
    /// One more in a row, whatever crashed before; nothing but a right one ends it.
    fn wrong_mac(&mut self, terminal: usize) {
        let index = TerminalIndex(terminal as u32);
        let count = |bench: &Bench| bench.core.state().registry().wrong_macs(index);
        let before = count(&self.bench);
        let (id, merchant) = TERMINALS[terminal];
        let ticket = self.bench.request_as(id, MERCHANTS[merchant], MacCheck::Wrong, Body::Echo);
        assert_eq!(self.bench.code_of(ticket), "A0");
        assert_eq!(count(&self.bench), before + 1);
        if before >= WRONG_MACS_IN_A_ROW_MAX {
            self.bench.request(terminal, Body::Echo);
            assert_eq!(count(&self.bench), 0);
        }
    }

    /// Whether more was recorded than that a right MAC came after wrong ones.
    fn has_told_since(&self, records: usize) -> bool {
        self.bench.records[records..].iter().any(|told| !matches!(told.record, Record::MacsFailed { .. }))
    }
    fn has_closed_enough(&self, terminal: usize) -> bool {
        terminal == GENERIC && self.batches[GENERIC] > GENERIC_BATCHES_MAX
    }
    /// What a terminal's batch comes to by the model. A generic one does not tell cards apart.
    fn recount(&self, terminal: usize) -> BatchTotals {
        let batch = named::batch(self.batches[terminal]);
        let totals = self.bench.model.recount(TerminalIndex(terminal as u32), batch);
        if terminal == GENERIC { totals.undivided() } else { totals }
    }
    /// The batch that a terminal names.
    fn named_batch(&self, terminal: usize) -> u32 {
        if terminal == GENERIC { BatchNumber::OPEN.get() } else { self.batches[terminal] }
    }
    fn totals(&mut self, terminal: usize, wrong: bool) {
        let batch = self.named_batch(terminal);
        let mut totals = self.recount(terminal);
        totals.domestic.debit.count += u32::from(wrong);
        let records = self.bench.records.len();
        let reply = self.bench.totals(terminal, batch, totals);
        let is_new = self.has_told_since(records);
        assert_eq!(self.bench.totals(terminal, batch, totals), reply, "its repeat");
        let ReplyBody::BatchTotals { verdict, .. } = reply.body else { panic!("{reply:?}") };
        // A generic terminal's totals that are those of its last close are that close again, and those that were wrong
        // a moment ago are wrong still.
        if is_new {
            self.batches[terminal] += u32::from(verdict == BatchVerdict::Balanced);
            self.uploaded[terminal] = 0;
        }
    }

    /// A terminal says what the chip made of the scripts in an answer, heard or not.
    fn tell_scripts(&mut self, of: usize) {
        let Some(index) = self.pick(of) else { return };
        let ask = self.asked[index].ask;
        let rrn = self.facts(index).map(|(rrn, ..)| rrn);
        let original = OriginalRef {
            rrn,
            batch_stan: Some((named::batch(ask.batch), stan(ask.stan))),
            ..OriginalRef::default()
        };
        let (number, batch) = (self.stan(), named::batch(self.batches[ask.terminal]));
        let result = ScriptResult {
            stan: stan(number),
            batch,
            original,
            results: vec![0x20, 0, 0, 0, 1],
            verification: None,
            counter: None,
        };
        let ticket = self.bench.request(ask.terminal, Body::ScriptResult(Box::new(result)));
        let code = self.bench.code_of(ticket);
        assert!(code == "00" || code == "77", "{code}: results of scripts");
    }

    fn upload(&mut self, terminal: usize, end: bool) {
        let batch = self.named_batch(terminal);
        let records = self.bench.records.len();
        let number = self.uploaded[terminal] + 11;
        let upload = |end| match end {
            true => Upload::End { count: number - 11 },
            false => Upload::Items(vec![item(number, 100, None)]),
        };
        let reply = self.bench.upload(terminal, batch, upload(end));
        let is_new = self.has_told_since(records);
        if reply.code.as_str() != "00" {
            assert!(["77", "79"].contains(&reply.code.as_str()));
            return;
        }
        assert_eq!(self.bench.upload(terminal, batch, upload(end)), reply, "its repeat");
        if !is_new {
            // To a generic terminal whose batch takes transactions: what it says is about the one before.
            assert_eq!(terminal, GENERIC);
        } else if end {
            self.batches[terminal] += 1;
            self.uploaded[terminal] = 0;
        } else {
            self.uploaded[terminal] += 1;
        }
    }
    fn crash(&mut self) {
        let heard: BTreeMap<u64, Vec<Reply>> = self.bench.replies.clone();
        let sent = self.bench.sent.clone();
        self.bench.crash();
        self.bench.pins = Pins::Held;
        self.bench.replies = heard;
        self.bench.sent = sent;
        self.epoch += 1;
    }

    /// What failed, was reversed or never happened has given back all that it took of its original.
    fn refund_the_rest(&mut self) {
        for (sale, minor) in self.bench.model.refundable() {
            let model = &self.bench.model;
            let kept = model.kept.iter().any(|id| model.transactions[id].opened.original == Some(sale.id));
            // What an issuer kept of it is for an operator to give back.
            if kept || minor == 0 || self.bench.core.state().day().0 - sale.day.0 > 30 {
                continue;
            }
            let terminal = sale.key.terminal.0 as usize;
            self.bench.pins = Pins::Right;
            let stan = self.stan();
            let ask = Ask::sale(0, minor).terminal(terminal).batch(self.batches[terminal]).card(None);
            let refund = ask.follow(TransactionKind::Refund, stan, sale.rrn, None);
            // A terminal that is in the middle of an upload takes nothing.
            let code = self.bench.link_code(&refund, "00").1;
            assert!(code == "00" || code == "77", "{code}: the rest of {}", sale.id);
        }
    }

    /// Everything that waits gets its chance; then nothing may be left.
    fn settle(mut self) {
        while !self.bench.held_pins.is_empty() {
            self.bench.pin_done(Pins::Right);
        }
        self.bench.pass(LINK_TIMEOUT_MS);
        for link in [LINK_A, LINK_B] {
            self.order_link(link, LinkOrder::Up).unwrap();
            self.bench.connect(link);
        }
        let dead: Vec<SafId> = self.bench.model.dead.keys().copied().collect();
        for saf in dead {
            self.bench.order(Order::RetrySaf { saf, reason: reason() }).unwrap();
        }
        // Whoever did not answer did take the money.
        for sent in self.sent(|w| matches!(w, SentWhat::Request { .. })) {
            self.issuers.decide(about(&sent), "00");
        }
        self.bench.drain();
        for sent in self.sent(|w| matches!(w, SentWhat::Advice { .. })) {
            self.issuers.advise(about(&sent), "00");
        }
        let whole =
            |w: &SentWhat| matches!(w, SentWhat::Reversal { saf, .. } if saf.kind == SafKind::Reversal);
        for sent in self.sent(whole) {
            self.issuers.reverse(about(&sent), "00");
        }
        let parted = self.parted();
        assert_eq!(self.bench.core.state().unresolved(), 0, "nothing is left in the air");
        assert_eq!((self.bench.core.state().saf_waiting(), self.bench.core.state().saf_dead()), (0, 0));
        for told in self.bench.model.transactions.values() {
            let id = told.opened.id;
            let inquiry = told.opened.kind == TransactionKind::BalanceInquiry;
            if told.opened.upstream.is_some() && !inquiry {
                let stands = told.outcome == Outcome::Approved || self.bench.model.kept.contains(&id);
                assert_eq!(stands, self.issuers.stands(id), "{id}: the switch's books and the issuer's");
                let part = self.issuers.part(id).filter(|_| !parted.contains(&id));
                if let (Outcome::Approved, Some(part)) = (told.outcome, part) {
                    assert_eq!(told.opened.amount.minor, part, "{id}: both about the same part");
                }
            }
            assert!(matches!(told.outcome, Outcome::Approved | Outcome::Declined | Outcome::Reversed));
        }
        // Beyond the keys that early reversals have shut.
        self.stans += 10;
        self.refund_the_rest();
        self.answers_agree();
        // A reversal's repeat hears the stored answer.
        for (back, ticket) in std::mem::take(&mut self.reversed) {
            let first = self.bench.only(ticket);
            let again = self.send_back(&back);
            let again = self.bench.only(again);
            assert!(again == first || facts_of(&first).is_none(), "{first:?} then {again:?}");
        }
        // Balanced by the model's own sums.
        for terminal in 0..3 {
            let (totals, batch) = (self.recount(terminal), self.named_batch(terminal));
            let reply = self.bench.totals(terminal, batch, totals);
            let ReplyBody::BatchTotals { verdict, .. } = reply.body else { panic!("{reply:?}") };
            assert_eq!(verdict, BatchVerdict::Balanced, "{terminal} {batch} {totals:?} {reply:?}");
        }
        let whole = Bench::reopen(&self.bench.records, self.bench.config.clone(), self.bench.now, 99);
        assert_eq!(whole.core.state().records(), self.bench.core.state().records() + 1);
    }

    /// Whoever asked was answered once, and all repeats alike.
    fn answers_agree(&self) {
        for asked in &self.asked {
            let heard: Vec<Reply> = asked
                .tickets
                .iter()
                .filter(|t| !self.bench.silent(**t))
                .map(|t| self.bench.only(*t))
                .filter(|r| facts_of(r).is_some())
                .collect();
            assert!(heard.windows(2).all(|pair| pair[0] == pair[1]), "{:?}: {heard:?}", asked.ask);
            if asked.epoch == self.epoch {
                assert!(
                    asked.tickets.iter().all(|t| !self.bench.silent(*t)),
                    "{:?} was never answered",
                    asked.ask
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_promises_stand(acts in prop::collection::vec(act(), 1..200)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        world.settle();
    }
}

/// Every section of a state, for comparison byte by byte; tables in the order of their entries' bytes do not
/// matter, the digest covers them.
fn rows_of(state: &State) -> Vec<(SectionKind, u64, Vec<u8>)> {
    use SectionKind::{AuthCodes, Blocked, Requests, Tombstones};
    let tables = [Requests, Tombstones, AuthCodes, Blocked];
    let sections = state.sections().filter(|section| !tables.contains(&section.kind));
    sections.map(|section| (section.kind, section.index, section.bytes.into_owned())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_snapshot_after_any_record_goes_on_as_the_whole_replay_does(acts in prop::collection::vec(act(), 1..80)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        let whole = world.bench.core.state();
        let records = &world.bench.records;
        let mut prefix = Core::new(CoreConfig::default());
        for cut in 0..=records.len() {
            let mut resumed = Core::resume(CoreConfig::default(), through_image(prefix.state()));
            for stamped in &records[cut..] {
                resumed.replay(stamped).unwrap();
            }
            prop_assert_eq!(resumed.state().digest(), whole.digest(), "cut after {} records", cut);
            prop_assert_eq!(rows_of(resumed.state()), rows_of(whole));
            if let Some(stamped) = records.get(cut) {
                prefix.replay(stamped).unwrap();
            }
        }
    }
}
