//! A log that keeps itself consistent: every movement with its postings.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses its part of it")]

use std::collections::BTreeMap;
use switchyard_domain::*;
use switchyard_settlement::files::{RenderContext, RenderedFile, files_rendered, render};
use switchyard_settlement::{DayPlan, Planner, SettleError, Terms};

pub const FIRST_DAY: BusinessDate = BusinessDate(20_000);
pub const HOUR: u64 = 3_600_000_000;

#[derive(Clone, Copy)]
pub struct Sale {
    pub id: TransactionId,
    pub merchant: MerchantIndex,
    pub class: CardClass,
    pub amount: u64,
    pub at: Timestamp,
}

pub struct Log {
    pub records: Vec<Stamped>,
    pub day: BusinessDate,
    pub terms: Terms,
    at: u64,
    next: u64,
    merchants: u32,
}

pub fn china(plan: u32) -> FeePlan {
    FeePlan {
        plan,
        from: FIRST_DAY,
        debit_ppm: 3_500,
        debit_cap_minor: Some(1_300),
        credit_ppm: 4_500,
        credit_cap_minor: None,
        foreign_ppm: 20_000,
        foreign_cap_minor: Some(50_000),
        fixed_minor: 0,
        minimum_minor: 0,
        refund_returns_fee: true,
    }
}

pub fn account(number: &str) -> BankAccount {
    BankAccount {
        holder: "某某公司 & 儿子".into(), number: number.into(), cnaps: "102100099996".into()
    }
}

pub fn context() -> RenderContext {
    RenderContext { acquirer_name: "示例收单机构".into(), debtor: account("6222000000000001") }
}

pub fn files(plan: &DayPlan) -> Vec<RenderedFile> {
    render(plan, &context()).collect::<Result<_, _>>().unwrap()
}

impl Log {
    pub fn new() -> Self {
        let mut log = Self {
            records: Vec::new(),
            day: FIRST_DAY,
            terms: Terms::default(),
            at: u64::from(FIRST_DAY.0) * 24 * HOUR,
            next: 0,
            merchants: 0,
        };
        log.push(Record::Genesis {
            partition: 0,
            acquirer: "12345678".parse().unwrap(),
            offset: UtcOffset::CHINA,
            day: FIRST_DAY,
            demo: true,
        });
        log
    }
    pub fn push(&mut self, record: Record) {
        self.at += 1_000_000;
        self.records.push(Stamped { at: Timestamp(self.at), actor: Actor::Switch, record });
    }
    pub fn merchant(&mut self, name: &str, fee_plan: u32) -> MerchantIndex {
        let merchant = MerchantIndex(self.merchants);
        self.merchants += 1;
        self.push(Record::MerchantRegistered(Merchant {
            id: format!("8981000541{:05}", merchant.0).parse().unwrap(),
            name: name.into(),
            mcc: 5_411,
            account: account(&format!("62220000{:08}", merchant.0)),
            fee_plan,
        }));
        let key = KeyRecord { wrapped: WrappedKey(String::new()), check_value: [0; 4] };
        self.push(Record::TerminalRegistered(Terminal {
            id: format!("T{:07}", merchant.0).parse().unwrap(),
            merchant,
            mac: TerminalMac::CupEcb,
            master_key: key,
        }));
        merchant
    }
    pub fn plan(&mut self, plan: FeePlan) {
        self.push(Record::FeePlanSet(plan));
    }
    pub fn key(&self, merchant: MerchantIndex) -> RequestKey {
        RequestKey {
            merchant,
            terminal: TerminalIndex(merchant.0),
            batch: BatchNumber::FIRST,
            stan: Stan::try_from(self.next % 1_000_000).unwrap(),
            class: MessageClass::Financial,
        }
    }
    pub fn reply(&self) -> ReplyFacts {
        ReplyFacts {
            code: ResponseCode::APPROVED,
            rrn: self.rrn(),
            auth_code: None,
            at: Timestamp(self.at),
            settlement_date: self.day,
            balance: None,
        }
    }
    fn rrn(&self) -> Rrn {
        format!("{:012}", self.next).parse().unwrap()
    }
    pub fn opened(&mut self, kind: TransactionKind, sale: &Sale, amount: u64) -> TransactionOpened {
        self.next += 1;
        let original = kind.follows_another().then_some(sale.id);
        TransactionOpened {
            id: TransactionId(self.next),
            key: self.key(sale.merchant),
            fingerprint: fingerprint(amount),
            kind,
            amount: Amount::new(amount, Currency::CNY),
            card: None,
            card_class: sale.class.into(),
            original,
            rrn: self.rrn(),
            echo: ECHO,
            upstream: None,
            day: self.day,
            mcc: 5_812,
        }
    }
    pub fn movement(&self, id: TransactionId, kind: TransactionKind, sale: &Sale, gain: bool) -> Movement {
        Movement {
            merchant: sale.merchant,
            terminal: TerminalIndex(sale.merchant.0),
            transaction: id,
            rrn: self.rrn(),
            kind,
            gain,
            amount: Amount::new(sale.amount, Currency::CNY),
            card_class: sale.class,
            priced_at: sale.at,
        }
    }
    pub fn entry(&self, merchant: MerchantIndex, gain: bool, amount: u64) -> Entry {
        let payable = AccountId::of(AccountKind::MerchantPayable, merchant.0, Currency::CNY);
        let network = AccountId::of(AccountKind::NetworkReceivable, 0, Currency::CNY);
        let (debit, credit) = if gain { (network, payable) } else { (payable, network) };
        Entry::one(debit, credit, amount, Phase::Posted)
    }
    fn decide(&mut self, kind: TransactionKind, gain: bool, sale: &Sale, amount: u64) -> TransactionId {
        let opened = self.opened(kind, sale, amount);
        let id = opened.id;
        let movement = Some(self.movement(id, kind, &Sale { amount, ..*sale }, gain));
        let entry = self.entry(sale.merchant, gain, amount);
        self.push(Record::Decided {
            opened,
            outcome: Outcome::Approved,
            reply: self.reply(),
            entry,
            movement,
        });
        id
    }
    pub fn sale(&mut self, merchant: MerchantIndex, class: CardClass, amount: u64) -> Sale {
        let at = Timestamp(self.at + 1_000_000);
        let mut sale = Sale { id: TransactionId(0), merchant, class, amount, at };
        sale.id = self.decide(TransactionKind::Sale, true, &sale, amount);
        sale
    }
    pub fn void(&mut self, sale: &Sale) -> Sale {
        Sale { id: self.decide(TransactionKind::Void, false, sale, sale.amount), ..*sale }
    }
    pub fn tip(&mut self, sale: &Sale, amount: u64) -> Sale {
        Sale { id: self.decide(TransactionKind::Tip, true, sale, amount), amount, ..*sale }
    }
    pub fn refund(&mut self, sale: &Sale, amount: u64) -> Sale {
        Sale { id: self.decide(TransactionKind::Refund, false, sale, amount), amount, ..*sale }
    }
    /// A terminal's 0400 that undoes `done`.
    pub fn reverse(&mut self, done: &Sale, kind: TransactionKind) {
        let gain = kind != TransactionKind::Sale;
        let movement = Some(self.movement(done.id, kind, done, gain));
        let entry = self.entry(done.merchant, gain, done.amount);
        let key = RequestKey { class: MessageClass::Reversal, ..self.key(done.merchant) };
        self.push(Record::ReversalTaken {
            key,
            fingerprint: fingerprint(done.amount),
            echo: ECHO,
            reason: ReversalReason::NoAnswer,
            original: Some(done.id),
            effect: ReversalEffect::Undone,
            reply: self.reply(),
            entry,
            movement,
            saf: None,
        });
    }
    /// A terminal's reversal that leaves `stands` of `done`.
    pub fn reverse_part(&mut self, done: &Sale, stands: u64) {
        let rest = Sale { amount: stands, ..*done };
        let movements = Some([
            self.movement(done.id, TransactionKind::Sale, done, false),
            self.movement(done.id, TransactionKind::Sale, &rest, true),
        ]);
        let entry = self.entry(done.merchant, false, done.amount - stands);
        let key = RequestKey { class: MessageClass::PartReversal, ..self.key(done.merchant) };
        self.push(Record::PartReversed {
            key,
            fingerprint: fingerprint(stands),
            echo: ECHO,
            reason: ReversalReason::Other,
            original: done.id,
            stands: Amount::new(stands, Currency::CNY),
            reply: self.reply(),
            entry,
            movements,
            saf: None,
        });
    }
    pub fn cut(&mut self) -> BusinessDate {
        let day = self.day;
        self.day = day.next();
        self.at += HOUR;
        self.push(Record::DayCut { day, next: self.day });
        day
    }
    pub fn try_plan(&self, day: BusinessDate) -> Result<DayPlan, SettleError> {
        let mut planner = Planner::for_day(day, self.terms);
        for (sequence, stamped) in self.numbered() {
            planner.observe(sequence, stamped)?;
        }
        while planner.needs_originals() {
            for (sequence, stamped) in self.numbered() {
                planner.observe_original(sequence, stamped);
            }
        }
        planner.plan()
    }
    fn numbered(&self) -> impl Iterator<Item = (u64, &Stamped)> {
        (0_u64..).zip(&self.records)
    }
    /// Plans the day and records what the plan says.
    pub fn settle(&mut self, day: BusinessDate) -> DayPlan {
        let plan = self.try_plan(day).unwrap();
        for record in plan.records().collect::<Vec<_>>() {
            self.push(record);
        }
        self.push(files_rendered(day, files(&plan).iter().map(RenderedFile::digest).collect()));
        plan
    }
    /// Cuts the day and settles it.
    pub fn close(&mut self) -> DayPlan {
        let day = self.cut();
        self.settle(day)
    }
}

pub const ECHO: Echo = Echo {
    expiry: None,
    condition: None,
    currency: None,
    security_control: None,
    de60: 0,
    de60_digits: 0,
    entry_mode: None,
};

pub fn fingerprint(amount_minor: u64) -> Fingerprint {
    Fingerprint {
        processing_code: 0,
        amount_minor,
        card: None,
        type_code: 0,
        original: None,
        original_rrn: None,
    }
}

/// The columns of a CSV by their names.
pub fn rows(file: &RenderedFile) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(file.bytes.as_slice());
    reader.deserialize().collect::<Result<_, _>>().unwrap()
}
