//! Drives a core by hand and holds it to its promises after every step: a replay of the records gives the
//! same state, debits equal credits, nothing is answered before it is recorded, and the records tell a
//! story that a plain model can follow.

#![allow(dead_code, reason = "each test binary uses its part")]

mod ask;
mod model;

pub(crate) use ask::{Ask, Back, named};
pub(crate) use model::Model;

use std::collections::{BTreeMap, BTreeSet};
use switchyard_core::{
    Answer, Body, ChipOutcome, Command, CommandError, CommandOutcome, Core, CoreConfig, Effect, Financial,
    Input, KeyArrival, KeyForm, KeyOpening, MacCheck, MadeKeys, Order, Origin, Output, Part, PinJob,
    PinOutcome, Reply, ReplyBody, Request, Restore, Section, SlotId, State, Stray, Upload, Upstream,
    UpstreamRequest, ZonePin,
};
use switchyard_domain::{
    AccountId, AccountKind, Actor, BankAccount, BatchTotals, Billing, BusinessDate, CardClass, CardHash,
    CardIssued, CardRef, ChipData, Currency, KeyMessage, KeyRecord, Link, LinkDialect, LinkIndex, Merchant,
    MerchantIndex, Pan, PinBlock, Reason, Record, ReplyFacts, ResponseCode, Route, RouteTarget, Rrn,
    SafEntry, SealedPan, Stamped, Stan, Terminal, TerminalMac, Timestamp, TransactionId, UploadedItem,
    UpstreamRef, UtcOffset, WorkingKeys, WrappedKey,
};

/// What a chip says that its issuer needs.
pub(crate) const CRYPTOGRAM: [u8; 11] = [0x9F, 0x26, 8, 1, 2, 3, 4, 5, 6, 7, 8];
/// 2026-11-18 11:06:40 at UTC.
pub(crate) const START: Timestamp = Timestamp(1_795_000_000_000_000);
/// Milliseconds that the links wait for an answer.
pub(crate) const LINK_TIMEOUT_MS: u64 = 10_000;
/// Opening balance of the first two cards of the embedded issuer.
pub(crate) const BALANCE: u64 = 1_000_000;

/// Cards of the embedded issuer: two good ones, an expired one, and one without money.
pub(crate) const ON_US: &str = "6212000000000001";
pub(crate) const ON_US_OTHER: &str = "6212000000000002";
pub(crate) const ON_US_EXPIRED: &str = "6212000000000003";
pub(crate) const ON_US_EMPTY: &str = "6212000000000004";
/// Routed to the embedded issuer, which never issued it.
pub(crate) const ON_US_UNKNOWN: &str = "6212999999999999";
/// A domestic card behind link A.
pub(crate) const CARD_A: &str = "6225000000000001";
pub(crate) const CARD_A_OTHER: &str = "6225000000000002";
/// A foreign card behind link B.
pub(crate) const CARD_B: &str = "4111111111111111";
/// Nobody issues it.
pub(crate) const CARD_NOWHERE: &str = "3500000000000000";

pub(crate) const LINK_A: LinkIndex = LinkIndex(0);
pub(crate) const LINK_B: LinkIndex = LinkIndex(1);
pub(crate) const TERMINALS: [(&str, usize); 3] = [("T0000001", 0), ("T0000002", 0), ("T0000003", 1)];
pub(crate) const MERCHANTS: [&str; 2] = ["M00000000000001", "M00000000000002"];

/// How PIN work ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pins {
    Right,
    Wrong,
    Malformed,
    Failed,
    /// Not answered until the test does.
    Held,
}

/// How the look at a cryptogram ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chip {
    Right,
    Wrong,
    Malformed,
    Failed,
}

/// A message that the core sent to an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) link: LinkIndex,
    pub(crate) generation: u32,
    pub(crate) stan: Stan,
    pub(crate) at: Timestamp,
    pub(crate) what: SentWhat,
    /// DE 6, 10, 16 and 51.
    pub(crate) billing: Option<Billing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SentWhat {
    Request { id: TransactionId, rrn: Rrn, mti: u16, original: Option<UpstreamRef>, has_pin: bool },
    Reversal { saf: SafEntry, repeat: bool },
    Advice { saf: SafEntry, repeat: bool },
    Script { saf: SafEntry, repeat: bool },
    Network,
}

/// What a snapshot of this state gives back. Its sections come in any order.
pub(crate) fn through_image(state: &State) -> State {
    let sections: Vec<Section<'_>> = state.sections().collect();
    let mut restore = Restore::default();
    for section in sections.iter().rev() {
        let bytes = section.bytes.clone().into_owned();
        restore.add(Part::parse(section.kind as u16, section.index, bytes).unwrap()).unwrap();
    }
    let (restored, digest) = restore.finish().unwrap();
    assert_eq!(digest, state.digest(), "the digest of the sections is that of the state");
    assert_eq!(restored.digest(), digest, "what was restored has the digest of what was written");
    restored
}

pub(crate) struct Bench {
    pub(crate) core: Core,
    pub(crate) config: CoreConfig,
    pub(crate) now: Timestamp,
    pub(crate) records: Vec<Stamped>,
    pub(crate) replies: BTreeMap<u64, Vec<Reply>>,
    pub(crate) sent: Vec<Sent>,
    /// What advices said of their chips, in order.
    pub(crate) chips_told: Vec<Option<ChipData>>,
    /// Answers that led to nothing.
    pub(crate) strays: Vec<(LinkIndex, Stray)>,
    /// What was said of links: signed on, resting.
    pub(crate) told: Vec<(LinkIndex, u16, bool)>,
    /// Keys that came over a link, as the key store is asked to open them.
    pub(crate) opens: Vec<(SlotId, KeyOpening)>,
    /// What became of them.
    pub(crate) arrived: Vec<(LinkIndex, KeyArrival)>,
    /// Answers to hosts that brought keys.
    pub(crate) key_answers: Vec<(LinkIndex, KeyMessage, String)>,
    /// Sign-ons that hosts did not take.
    pub(crate) refused: Vec<(LinkIndex, ResponseCode)>,
    pub(crate) pins: Pins,
    pub(crate) chip: Chip,
    pub(crate) held_pins: Vec<(SlotId, Box<Financial>, PinJob)>,
    pub(crate) hold_keys: bool,
    pub(crate) held_keys: Vec<(SlotId, u32)>,
    pub(crate) auto_network: bool,
    pub(crate) model: Model,
    pub(crate) generations: [u32; 2],
    pub(crate) key_versions: [u32; 4],
    /// The request sent last, as the server would hand it back.
    kept: Option<Box<UpstreamRequest>>,
    mirror: Core,
    recorded: BTreeSet<Rrn>,
    tickets: u64,
    last_command: Option<Result<CommandOutcome, CommandError>>,
    epoch: u64,
}

impl Bench {
    /// Registered, terminals signed on, both links up.
    pub(crate) fn new() -> Self {
        Self::with(CoreConfig::default())
    }
    pub(crate) fn with(config: CoreConfig) -> Self {
        let mut bench = Self::empty(config);
        bench.register();
        bench.start();
        (0..3).for_each(|terminal| bench.sign_on(terminal));
        bench.connect(LINK_A);
        bench.connect(LINK_B);
        bench
    }
    /// Not even a genesis record.
    pub(crate) fn empty(config: CoreConfig) -> Self {
        Self {
            core: Core::new(config.clone()),
            mirror: Core::new(config.clone()),
            config,
            now: START,
            records: Vec::new(),
            replies: BTreeMap::new(),
            sent: Vec::new(),
            chips_told: Vec::new(),
            strays: Vec::new(),
            told: Vec::new(),
            opens: Vec::new(),
            arrived: Vec::new(),
            key_answers: Vec::new(),
            refused: Vec::new(),
            pins: Pins::Right,
            chip: Chip::Right,
            held_pins: Vec::new(),
            hold_keys: false,
            held_keys: Vec::new(),
            auto_network: true,
            model: Model::default(),
            generations: [0; 2],
            key_versions: [0; 4],
            recorded: BTreeSet::new(),
            kept: None,
            tickets: 0,
            last_command: None,
            epoch: 0,
        }
    }
    /// A process that starts on these records.
    pub(crate) fn reopen(records: &[Stamped], config: CoreConfig, now: Timestamp, epoch: u64) -> Self {
        let mut bench = Self::empty(config);
        bench.now = now;
        bench.epoch = epoch;
        bench.tickets = 1_000_000 * (epoch + 1);
        // Part of the way by a snapshot, as a start does it; how far depends on what there is.
        let cut = records.len() * (epoch as usize % 4) / 3;
        for stamped in &records[..cut.min(records.len())] {
            bench.core.replay(stamped).unwrap();
        }
        bench.core = Core::resume(bench.config.clone(), through_image(bench.core.state()));
        for stamped in &records[cut.min(records.len())..] {
            bench.core.replay(stamped).unwrap();
        }
        bench.take_records(records.to_vec());
        bench.verify();
        bench.start();
        bench
    }
    /// The process dies and another takes over.
    pub(crate) fn crash(&mut self) {
        let next = Self::reopen(&self.records, self.config.clone(), self.now, self.epoch + 1);
        let generations = self.generations;
        let tickets = self.tickets;
        let versions = self.key_versions;
        *self = next;
        self.generations = generations;
        self.key_versions = versions;
        self.tickets = self.tickets.max(tickets);
    }
    pub(crate) fn start(&mut self) {
        let mut out = Output::default();
        self.epoch += 1;
        self.core.start(self.epoch, 0, self.now, &mut out);
        self.take(out);
    }

    /// One input, then everything that is answered by itself.
    pub(crate) fn step(&mut self, input: Input) {
        let mut out = Output::default();
        self.core.handle(input, self.now, &mut out);
        self.take(out);
    }

    fn take(&mut self, out: Output) {
        let Output { records, effects } = out;
        self.take_records(records);
        let mut next = Vec::new();
        for effect in effects {
            self.perform(effect, &mut next);
        }
        self.verify();
        next.into_iter().for_each(|input| self.step(input));
    }

    fn take_records(&mut self, records: Vec<Stamped>) {
        for stamped in records {
            let mut bytes = Vec::new();
            stamped.encode(&mut bytes);
            assert!(bytes.len() <= Stamped::BYTES_MAX, "the ledger takes {} bytes", bytes.len());
            assert_eq!(Stamped::decode(&bytes).unwrap(), stamped, "a record survives its encoding");
            self.mirror.replay(&stamped).unwrap();
            self.model.apply(&stamped);
            self.recorded.extend(rrn_of(&stamped.record));
            self.records.push(stamped);
        }
    }

    fn perform(&mut self, effect: Effect, next: &mut Vec<Input>) {
        match effect {
            Effect::Reply { origin, reply } => {
                if let Some(facts) = facts_of(&reply) {
                    assert!(self.recorded.contains(&facts.rrn), "answered before it was recorded: {reply:?}");
                    assert_eq!(facts.code, reply.code);
                }
                self.replies.entry(origin.ticket).or_default().push(reply);
            }
            Effect::PinWork { slot, request, job, .. } => match self.pin_outcome(&job) {
                Some(outcome) => next.push(Input::PinDone { slot, request, outcome }),
                None => self.held_pins.push((slot, request, job)),
            },
            Effect::ChipWork { slot, request } => {
                let outcome = match self.chip {
                    Chip::Right => ChipOutcome::Right(vec![0x91, 0]),
                    Chip::Wrong => ChipOutcome::Wrong,
                    Chip::Malformed => ChipOutcome::Malformed,
                    Chip::Failed => ChipOutcome::Failed,
                };
                next.push(Input::ChipDone { slot, request, outcome });
            }
            Effect::MakeKeys { slot, version, .. } => {
                if self.hold_keys {
                    self.held_keys.push((slot, version));
                } else {
                    next.push(Input::KeysMade { slot, made: Some(Box::new(made_keys(version))) });
                }
            }
            Effect::UseTerminal { .. } | Effect::UseProfile { .. } | Effect::UseMac { .. } => {}
            Effect::UseKeys { terminal, keys } => {
                self.key_versions[terminal.0 as usize] = keys.version;
            }
            Effect::Send { link, generation: _, message }
                if matches!(*message, Upstream::KeyAnswer { .. }) =>
            {
                let Upstream::KeyAnswer { message, code } = *message else { return };
                self.key_answers.push((link, message, code.to_string()));
            }
            Effect::Send { link, generation, message } => {
                if let Upstream::Advice { opened, chip, .. } = &*message {
                    let kept = self.model.chips.get(&opened.id);
                    assert_eq!(chip.as_ref(), kept, "an advice has what was recorded of its chip");
                    self.chips_told.push(chip.clone());
                }
                let sent = sent_of(link, generation, &message);
                if let Some(id) = billed_about(&sent) {
                    assert_eq!(sent.billing, self.model.billing(id), "{id}: what was billed first, always");
                }
                self.sent.push(sent);
                if let Upstream::Request(request) = *message {
                    self.kept = Some(request);
                }
                if self.auto_network && sent.what == SentWhat::Network {
                    let answer = Box::new(Answer { mti: 810, ..answer_to(&sent, ResponseCode::APPROVED) });
                    next.push(Input::Answer { link, generation, answer });
                }
            }
            Effect::Stray { link, why } => self.strays.push((link, why)),
            Effect::LinkState { link, signed_on, resting } => self.told.push((link, signed_on, resting)),
            Effect::OpenLinkKey { slot, opening } => self.opens.push((slot, *opening)),
            Effect::KeyArrived { link, what } => self.arrived.push((link, what)),
            Effect::SignOnRefused { link, code } => self.refused.push((link, code)),
            Effect::CommandDone { result, .. } => self.last_command = Some(result),
        }
    }

    fn pin_outcome(&self, job: &PinJob) -> Option<PinOutcome> {
        Some(match (self.pins, job) {
            (Pins::Right, PinJob::Verify { .. }) => PinOutcome::Verified,
            (Pins::Right | Pins::Wrong, PinJob::Translate { link }) => {
                let key = self.core.state().registry().link(*link).unwrap().pin_key.check_value;
                PinOutcome::Translated(ZonePin { block: PinBlock([7; 8]), key })
            }
            (Pins::Wrong, PinJob::Verify { .. }) => PinOutcome::Wrong,
            (Pins::Malformed, _) => PinOutcome::Malformed,
            (Pins::Failed, _) => PinOutcome::Failed,
            (Pins::Held, _) => return None,
        })
    }
    /// Answers the PIN work that was held back longest.
    pub(crate) fn pin_done(&mut self, outcome: Pins) {
        let (slot, request, job) = self.held_pins.remove(0);
        let before = std::mem::replace(&mut self.pins, outcome);
        let outcome = self.pin_outcome(&job).expect("an outcome");
        self.pins = before;
        self.step(Input::PinDone { slot, request, outcome });
    }

    /// What has to hold after every step.
    fn verify(&self) {
        let state = self.core.state();
        assert_eq!(state.digest(), self.mirror.state().digest(), "a replay differs from the live state");
        for (currency, sums) in state.book().trial_balance() {
            assert!(sums.is_balanced(), "{currency}: {sums:?}");
        }
        self.model.verify();
        for ((merchant, currency), minor) in self.model.payable() {
            let account = AccountId::of(AccountKind::MerchantPayable, merchant.0, currency);
            assert_eq!(state.book().balance(account).net_credit_minor(), minor, "payable of {merchant}");
        }
        assert_eq!(state.wrong_index(), None, "what is indexed is what a look at everything says");
        self.model.agrees_with(state);
    }

    // Set-up.

    fn register(&mut self) {
        let genesis = Record::Genesis {
            partition: 3,
            acquirer: "48020000".parse().unwrap(),
            offset: UtcOffset::CHINA,
            day: BusinessDate::at(self.now, UtcOffset::CHINA),
            demo: true,
        };
        self.command(Command::Genesis(Box::new(genesis))).unwrap();
        for merchant in MERCHANTS {
            self.command(Command::Register(Box::new(merchant_named(merchant)))).unwrap();
        }
        for (id, merchant) in TERMINALS {
            self.command(Command::Bind(Box::new(terminal_named(id, merchant as u32)))).unwrap();
        }
        for name in ["a", "b"] {
            self.command(Command::AddLink(Box::new(link_named(name)))).unwrap();
        }
        for (prefix, class, target) in [
            (6212, CardClass::Debit, RouteTarget::OnUs),
            (6225, CardClass::Credit, RouteTarget::Link(LINK_A)),
            (4111, CardClass::Foreign, RouteTarget::Link(LINK_B)),
        ] {
            self.command(Command::AddRoute(route(prefix, class, target))).unwrap();
        }
        for (pan, expiry, balance) in [
            (ON_US, "3012", BALANCE),
            (ON_US_OTHER, "3012", BALANCE),
            (ON_US_EXPIRED, "2610", BALANCE),
            (ON_US_EMPTY, "2611", 0),
        ] {
            self.command(issue(pan, expiry, balance)).unwrap();
        }
    }
    pub(crate) fn command(&mut self, command: Command) -> Result<CommandOutcome, CommandError> {
        self.command_as(Actor::Operator("anna".into()), command)
    }
    pub(crate) fn command_as(
        &mut self,
        actor: Actor,
        command: Command,
    ) -> Result<CommandOutcome, CommandError> {
        self.last_command = None;
        self.step(Input::Command { ticket: 1, actor, command: Box::new(command) });
        self.last_command.take().expect("every command is answered")
    }

    pub(crate) fn order(&mut self, order: Order) -> Result<CommandOutcome, CommandError> {
        self.command(Command::Order(order))
    }

    // Terminals.

    fn origin(&mut self) -> Origin {
        self.tickets += 1;
        Origin { connection: 1, ticket: self.tickets }
    }
    /// A request under the terminal's keys in force.
    pub(crate) fn request(&mut self, terminal: usize, body: Body) -> u64 {
        let mac = MacCheck::Verified { version: self.key_versions[terminal] };
        self.request_as(TERMINALS[terminal].0, MERCHANTS[TERMINALS[terminal].1], mac, body)
    }
    pub(crate) fn request_as(&mut self, terminal: &str, merchant: &str, mac: MacCheck, body: Body) -> u64 {
        let origin = self.origin();
        let request = Request {
            origin,
            terminal: terminal.parse().unwrap(),
            merchant: merchant.parse().unwrap(),
            mac,
            body,
        };
        self.step(Input::Request(Box::new(request)));
        origin.ticket
    }
    pub(crate) fn sign_on(&mut self, terminal: usize) {
        self.sign_on_at(TERMINALS[terminal].0, MERCHANTS[TERMINALS[terminal].1]);
    }
    pub(crate) fn sign_on_at(&mut self, terminal: &str, merchant: &str) {
        let body = Body::SignOn { stan: stan(1), form: KeyForm::Double };
        let ticket = self.request_as(terminal, merchant, MacCheck::NotRequired, body);
        assert_eq!(self.code_of(ticket), "00");
    }
    /// Asks from a terminal that is not among the first three.
    pub(crate) fn code_at(&mut self, terminal: &str, merchant: &str, index: usize, ask: &Ask) -> String {
        let mac = MacCheck::Verified { version: self.key_versions[index] };
        let ticket = self.request_as(terminal, merchant, mac, Body::Financial(ask.financial()));
        self.code_of(ticket)
    }
    pub(crate) fn ask(&mut self, ask: &Ask) -> u64 {
        let body = Body::Financial(ask.financial());
        self.request(ask.terminal, body)
    }
    /// Asks and expects the answer at once.
    pub(crate) fn code(&mut self, ask: &Ask) -> String {
        let ticket = self.ask(ask);
        self.code_of(ticket)
    }
    pub(crate) fn reverse(&mut self, back: &Back) -> u64 {
        let body = Body::Reversal(back.reversal());
        self.request(back.of.terminal, body)
    }
    pub(crate) fn reverse_code(&mut self, back: &Back) -> String {
        let ticket = self.reverse(back);
        self.code_of(ticket)
    }
    pub(crate) fn totals(&mut self, terminal: usize, batch: u32, totals: BatchTotals) -> Reply {
        let body = Body::BatchTotals {
            stan: stan(900_000),
            batch: named::batch(batch),
            totals,
            closes: false,
            moment: 0,
        };
        let ticket = self.request(terminal, body);
        self.only(ticket)
    }
    pub(crate) fn upload(&mut self, terminal: usize, batch: u32, upload: Upload) -> Reply {
        let body = Body::BatchUpload { stan: stan(900_001), batch: named::batch(batch), upload };
        let ticket = self.request(terminal, body);
        self.only(ticket)
    }
    pub(crate) fn only(&self, ticket: u64) -> Reply {
        let heard = self.replies.get(&ticket).map_or(&[][..], Vec::as_slice);
        assert_eq!(heard.len(), 1, "one answer to request {ticket}: {heard:?}");
        heard[0].clone()
    }
    pub(crate) fn silent(&self, ticket: u64) -> bool {
        !self.replies.contains_key(&ticket)
    }
    pub(crate) fn code_of(&self, ticket: u64) -> String {
        self.only(ticket).code.to_string()
    }
    pub(crate) fn facts(&self, ticket: u64) -> ReplyFacts {
        facts_of(&self.only(ticket)).expect("a recorded answer")
    }

    pub(crate) fn connect(&mut self, link: LinkIndex) {
        self.disconnect(link);
        self.generations[usize::from(link.0)] += 1;
        let generation = self.generations[usize::from(link.0)];
        self.step(Input::LinkConnected { link, generation });
    }
    pub(crate) fn disconnect(&mut self, link: LinkIndex) {
        let generation = self.generations[usize::from(link.0)];
        self.step(Input::LinkLost { link, generation });
    }
    /// The request sent last.
    pub(crate) fn last_request(&self) -> Sent {
        *self.sent.iter().rfind(|s| matches!(s.what, SentWhat::Request { .. })).expect("a request was sent")
    }
    /// The request sent last, whole.
    pub(crate) fn take_request(&mut self) -> Box<UpstreamRequest> {
        self.kept.take().expect("a request was sent")
    }
    /// The request of a transaction, whole, where it was the last that was sent.
    pub(crate) fn request_of(&mut self, id: TransactionId) -> Option<Box<UpstreamRequest>> {
        self.kept.take_if(|request| request.opened.id == id)
    }
    pub(crate) fn requests(&self) -> usize {
        self.sent.iter().filter(|s| matches!(s.what, SentWhat::Request { .. })).count()
    }
    pub(crate) fn reversals(&self) -> Vec<(Sent, SafEntry, bool)> {
        let reversal = |s: &Sent| match s.what {
            SentWhat::Reversal { saf, repeat } => Some((*s, saf, repeat)),
            SentWhat::Request { .. }
            | SentWhat::Advice { .. }
            | SentWhat::Script { .. }
            | SentWhat::Network => None,
        };
        self.sent.iter().filter_map(reversal).collect()
    }
    pub(crate) fn answer(&mut self, sent: &Sent, code: &str) {
        let answer = answer_to(sent, code.parse().unwrap());
        self.answer_with(sent, answer);
    }
    pub(crate) fn answer_with(&mut self, sent: &Sent, answer: Answer) {
        let Sent { link, generation, .. } = *sent;
        self.step(Input::Answer { link, generation, answer: Box::new(answer) });
    }
    /// Asks over a link and lets the issuer answer with `code`.
    pub(crate) fn link_code(&mut self, ask: &Ask, code: &str) -> (u64, String) {
        let before = self.requests();
        let ticket = self.ask(ask);
        if self.requests() > before {
            let sent = self.last_request();
            self.answer(&sent, code);
        }
        (ticket, self.code_of(ticket))
    }
    /// Acknowledges every reversal until no queue has anything left.
    pub(crate) fn drain(&mut self) {
        for round in 0.. {
            if self.core.state().saf_waiting() == 0 {
                return;
            }
            assert!(round < 10_000, "the queues do not drain");
            let seen = self.sent.len();
            self.pass(self.config.saf_retry_ms + LINK_TIMEOUT_MS);
            for sent in self.sent.split_off(seen) {
                self.sent.push(sent);
                if !matches!(sent.what, SentWhat::Request { .. } | SentWhat::Network) {
                    self.answer(&sent, "00");
                }
            }
        }
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.now = self.now.plus_micros(millis * 1_000);
        self.step(Input::Tick);
    }
    pub(crate) fn pass_days(&mut self, days: u64) {
        for _ in 0..days {
            self.now = self.now.plus_micros(86_400_000_000);
            self.command(Command::CutDay).unwrap();
        }
    }
    /// What the holder of a card of the embedded issuer may spend.
    pub(crate) fn available(&self, pan: &str) -> i128 {
        let owner = [ON_US, ON_US_OTHER, ON_US_EXPIRED, ON_US_EMPTY].iter().position(|p| *p == pan).unwrap();
        let account = AccountId::of(AccountKind::Cardholder, owner as u32, Currency::CNY);
        self.core.state().book().balance(account).available_credit_minor()
    }
    pub(crate) fn payable(&self, merchant: u32) -> i128 {
        let account = AccountId::of(AccountKind::MerchantPayable, merchant, Currency::CNY);
        self.core.state().book().balance(account).net_credit_minor()
    }
    pub(crate) fn receivable(&self, link: LinkIndex) -> i128 {
        let account = AccountId::of(AccountKind::NetworkReceivable, u32::from(link.0), Currency::CNY);
        -self.core.state().book().balance(account).net_credit_minor()
    }
    pub(crate) fn suspense(&self) -> i128 {
        -self
            .core
            .state()
            .book()
            .balance(AccountId::own(AccountKind::Suspense, Currency::CNY))
            .net_credit_minor()
    }
    pub(crate) fn held(&self) -> u64 {
        self.core.state().book().holds().values().sum()
    }
    /// Every account and hold: what "as it was" means.
    pub(crate) fn money(&self) -> (Vec<(AccountId, i128, i128)>, Vec<u64>) {
        let book = self.core.state().book();
        let rows = book.accounts().into_iter();
        let rows = rows.map(|(id, b)| (id, b.net_credit_minor(), b.available_credit_minor()));
        let rows = rows.filter(|(_, net, available)| (*net, *available) != (0, 0));
        (rows.collect(), book.holds().into_values().collect())
    }
}

// Nouns.

pub(crate) fn reason() -> Reason {
    "on purpose".parse().unwrap()
}
pub(crate) fn stan(number: u32) -> Stan {
    Stan::try_from(u64::from(number)).unwrap()
}
pub(crate) fn key() -> KeyRecord {
    KeyRecord { wrapped: WrappedKey("D0000".into()), check_value: [1, 2, 3, 4] }
}
pub(crate) fn made_keys(version: u32) -> MadeKeys {
    MadeKeys { keys: WorkingKeys { version, pin: key(), mac: key(), track: None }, block: vec![9; 40] }
}
pub(crate) fn merchant_named(id: &str) -> Merchant {
    let account = BankAccount { holder: "h".into(), number: "1".into(), cnaps: "102100099996".into() };
    Merchant { id: id.parse().unwrap(), name: "茶馆".into(), mcc: 5812, account, fee_plan: 1 }
}
pub(crate) fn terminal_named(id: &str, merchant: u32) -> Terminal {
    Terminal {
        id: id.parse().unwrap(),
        merchant: MerchantIndex(merchant),
        mac: TerminalMac::CupEcb,
        master_key: key(),
    }
}
pub(crate) fn link_named(name: &str) -> Link {
    Link {
        name: name.into(),
        address: "127.0.0.1:1".into(),
        dialect: LinkDialect::Iso87Binary,
        framing: "binary-2".into(),
        pin_key: key(),
        answer_timeout_ms: LINK_TIMEOUT_MS as u32,
        connections: 1,
    }
}
pub(crate) fn route(prefix: u64, class: CardClass, target: RouteTarget) -> Route {
    let unit = 10_u64.pow(15);
    Route {
        low: prefix * unit,
        high: prefix * unit + (unit - 1),
        class: class.into(),
        target,
        issuer: prefix,
    }
}
pub(crate) fn issue(pan: &str, expiry: &str, balance_minor: u64) -> Command {
    let card = CardIssued {
        card: card_ref(pan),
        expiry: expiry.parse().unwrap(),
        pvv: *b"1234",
        currency: Currency::CNY,
    };
    Command::IssueCard { card: Box::new(card), balance_minor }
}
pub(crate) fn card_hash(pan: &str) -> CardHash {
    CardHash(pan.as_bytes()[..16].try_into().unwrap())
}
pub(crate) fn card_ref(pan: &str) -> CardRef {
    CardRef {
        sealed: SealedPan(vec![0; 32]),
        key_id: 1,
        intake: 7,
        hash: card_hash(pan),
        masked: Pan::from_digits(pan.as_bytes()).unwrap().masked(),
    }
}
pub(crate) fn item(number: u32, amount_minor: u64, pan: Option<&str>) -> UploadedItem {
    UploadedItem { stan: stan(number), amount_minor, card: pan.map(card_hash) }
}

/// The answer that an issuer gives when nothing is wrong with it.
pub(crate) fn answer_to(sent: &Sent, code: ResponseCode) -> Answer {
    let (mti, rrn) = match sent.what {
        SentWhat::Request { mti, rrn, .. } => (mti + 10, Some(rrn)),
        SentWhat::Reversal { .. } => (430, None),
        SentWhat::Advice { saf, .. } | SentWhat::Script { saf, .. } => (saf.upstream.mti + 10, None),
        SentWhat::Network => (810, None),
    };
    Answer {
        mti,
        stan: Some(sent.stan),
        transmitted: Some(sent.at.transmission_digits()),
        rrn,
        code: Some(code),
        auth_code: code.is_approval().then(|| "A12345".parse().unwrap()),
        ..Answer::default()
    }
}

fn sent_of(link: LinkIndex, generation: u32, message: &Upstream) -> Sent {
    match message {
        Upstream::Request(request) => {
            let upstream = request.opened.upstream.expect("it goes over a link");
            assert_eq!(upstream.link, link);
            let what = SentWhat::Request {
                id: request.opened.id,
                rrn: request.opened.rrn,
                mti: upstream.mti,
                original: request.original,
                has_pin: request.pin.is_some(),
            };
            let billing = request.billing;
            Sent { link, generation, stan: upstream.stan, at: upstream.transmitted_at, what, billing }
        }
        Upstream::Reversal { saf, opened, repeat, billing, .. } => {
            assert_eq!(saf.transaction, opened.id);
            let what = SentWhat::Reversal { saf: *saf, repeat: *repeat };
            let SafEntry { upstream, .. } = *saf;
            let (stan, at, billing) = (upstream.stan, upstream.transmitted_at, *billing);
            Sent { link, generation, stan, at, what, billing }
        }
        Upstream::Advice { saf, opened, repeat, billing, .. } => {
            assert_eq!((saf.transaction, Some(saf.upstream)), (opened.id, opened.upstream));
            let what = SentWhat::Advice { saf: *saf, repeat: *repeat };
            let SafEntry { upstream, .. } = *saf;
            let (stan, at, billing) = (upstream.stan, upstream.transmitted_at, *billing);
            Sent { link, generation, stan, at, what, billing }
        }
        Upstream::Script { saf, opened, repeat, .. } => {
            assert_eq!(saf.transaction, opened.id);
            let what = SentWhat::Script { saf: *saf, repeat: *repeat };
            let SafEntry { upstream, .. } = *saf;
            let (stan, at) = (upstream.stan, upstream.transmitted_at);
            Sent { link, generation, stan, at, what, billing: None }
        }
        Upstream::KeyAnswer { .. } => unreachable!("kept apart"),
        Upstream::Network { stan, at, .. } => {
            Sent { link, generation, stan: *stan, at: *at, what: SentWhat::Network, billing: None }
        }
    }
}

/// The transaction whose billing a message tells.
fn billed_about(sent: &Sent) -> Option<TransactionId> {
    match sent.what {
        SentWhat::Request { id, .. } => Some(id),
        SentWhat::Reversal { saf, .. } | SentWhat::Advice { saf, .. } => Some(saf.transaction),
        SentWhat::Script { .. } | SentWhat::Network => None,
    }
}

pub(crate) fn facts_of(reply: &Reply) -> Option<ReplyFacts> {
    match &reply.body {
        ReplyBody::Refused | ReplyBody::Echo { .. } | ReplyBody::Download { .. } => None,
        ReplyBody::Financial { facts, .. }
        | ReplyBody::SignOn { facts, .. }
        | ReplyBody::SignOff { facts }
        | ReplyBody::ScriptResult { facts }
        | ReplyBody::BatchTotals { facts, .. }
        | ReplyBody::BatchUpload { facts } => Some(*facts),
    }
}

fn rrn_of(record: &Record) -> Option<Rrn> {
    match record {
        Record::SignedOn { reply, .. }
        | Record::SignedOff { reply, .. }
        | Record::Decided { reply, .. }
        | Record::Advised { reply, .. }
        | Record::Resolved { reply, .. }
        | Record::ReversalTaken { reply, .. }
        | Record::PartReversed { reply, .. }
        | Record::BatchReconciled { reply, .. }
        | Record::BatchForceClosed { reply, .. }
        | Record::BatchUploadEnded { reply, .. }
        | Record::ScriptReported { reply, .. } => Some(reply.rrn),
        _ => None,
    }
}
