//! Arbitrary inputs into a core. The bench of its tests checks after every one: the replay of the records is
//! the live state, the book balances, and nothing is answered before it is recorded.

use crate::support::*;
use switchyard_core::{
    Body, Command, DownloadStep, DownloadsOf, Input, KeyForm, MacCheck, Order, PinOutcome, SlotId, Upload,
};
use switchyard_domain::{
    Amount, BatchTotals, Currency, Download, DownloadKind, LinkIndex, ResponseCode, TransactionId, TransactionKind,
};

/// Inputs a run: the bench looks at the whole state after each.
const OPS_MAX: usize = 200;

const CARDS: [&str; 8] =
    [ON_US, ON_US_OTHER, ON_US_EXPIRED, ON_US_EMPTY, ON_US_UNKNOWN, CARD_A, CARD_B, CARD_NOWHERE];
const KINDS: [TransactionKind; 15] = [
    TransactionKind::Sale,
    TransactionKind::PreAuth,
    TransactionKind::BalanceInquiry,
    TransactionKind::Void,
    TransactionKind::Refund,
    TransactionKind::PreAuthVoid,
    TransactionKind::Completion,
    TransactionKind::CompletionVoid,
    TransactionKind::OfflineSale,
    TransactionKind::CompletionAdvice,
    TransactionKind::Tip,
    TransactionKind::CashAdvance,
    TransactionKind::CardRepayment,
    TransactionKind::TopUp,
    TransactionKind::PreAuthAdvice,
];
const CODES: [&str; 8] = ["00", "10", "51", "98", "91", "25", "55", "ZZ"];
const MINORS: [u64; 8] = [0, 1, 100, 115, 400_000, 999_999, Amount::MINOR_MAX, 100_001];
const MILLIS: [u64; 8] = [0, 1, 100, 2_000, 2_500, LINK_TIMEOUT_MS, 60_000, 90_000_000];

/// Bytes as choices; a script that ends in the middle of an input chooses zero.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn op(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
    fn below(&mut self, end: usize) -> usize {
        usize::from(self.op().unwrap_or(0)) % end
    }
    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
    /// One of the newest eight.
    fn recent<'t, T>(&mut self, all: &'t [T]) -> Option<&'t T> {
        let back = self.below(8);
        all.len().checked_sub(1 + back).and_then(|index| all.get(index))
    }
}

fn whose(script: &mut Script<'_>) -> DownloadsOf {
    match script.below(3) {
        0 => DownloadsOf::Everybody,
        1 => DownloadsOf::Merchant(script.of(&MERCHANTS).parse().expect("a merchant")),
        _ => DownloadsOf::Terminal(script.of(&TERMINALS).0.parse().expect("a terminal")),
    }
}
fn download(script: &mut Script<'_>) -> Download {
    let value = script.below(3) as u8;
    let made = match script.below(3) {
        0 => Download::parameter(*b"12", &[b'6', b'0' + value]),
        1 => Download::parameter(*b"13", &[b'0' + value]),
        _ => {
            let application = [&b"\x9F\x06\x05\xA0\x00\x00\x03\x33\xDF\x01\x01"[..], &[value]].concat();
            Download::objects(DownloadKind::Aid, application)
        }
    };
    made.expect("something to download")
}

/// Plays the bytes as a script.
pub fn core_ops(bytes: &[u8]) {
    let mut world = World { bench: Bench::new(), asked: Vec::new(), stans: 100 };
    world.bench.pins = Pins::Held;
    let mut script = Script(bytes);
    for _ in 0..OPS_MAX {
        let Some(op) = script.op() else { break };
        world.play(op, &mut script);
    }
    world.bench.crash();
}

struct World {
    bench: Bench,
    asked: Vec<(Ask, u64)>,
    stans: u32,
}

impl World {
    fn play(&mut self, op: u8, script: &mut Script<'_>) {
        match op % 24 {
            0..=3 => self.first(script),
            4..=6 => self.follow(script),
            7 => self.again(script),
            8 | 9 => self.reverse(script),
            10 | 11 => self.pin(script),
            12..=15 => self.answer(script),
            16 => self.link(script),
            17 => self.bench.pass(script.of(&MILLIS)),
            18 => self.batch(script),
            19 => self.session(script),
            20 => self.command(script),
            21 => self.bench.crash_holding_pins(),
            22 => self.stray(script),
            _ => self.bench.pass(100),
        }
    }

    fn ask(&mut self, ask: Ask) {
        let ticket = self.bench.ask(&ask);
        self.asked.push((ask, ticket));
    }
    fn first(&mut self, script: &mut Script<'_>) {
        self.stans += 1;
        let kind = script.of(&KINDS[..3]);
        let mut ask = Ask::new(kind, self.stans, script.of(&MINORS), script.of(&CARDS));
        ask.terminal = script.below(3);
        ask.batch = script.below(3) as u32 + 1;
        ask.pin = script.below(2) == 1;
        ask.expiry = script.of(&[None, Some("3012"), Some("2001")]);
        ask.currency = script.of(&[Currency::CNY, Currency::CNY, Currency::CNY, Currency::USD]);
        self.ask(ask);
    }
    fn follow(&mut self, script: &mut Script<'_>) {
        let Some((first, ticket)) = script.recent(&self.asked).copied() else { return };
        let heard = self.bench.replies.get(&ticket).and_then(|replies| replies.first());
        let Some(facts) = heard.and_then(facts_of) else { return };
        self.stans += 1;
        let mut ask = first.follow(script.of(&KINDS), self.stans, facts.rrn, facts.auth_code);
        if script.below(2) == 1 {
            ask.original.batch_stan = Some((named::batch(first.batch), stan(first.stan)));
        }
        if script.below(4) == 3 {
            ask.original.rrn = None;
        }
        ask.minor = script.of(&[first.minor, first.minor / 2, first.minor + 1, 1]);
        ask.card = script.of(&[first.card, None, Some(CARD_B)]);
        ask.terminal = script.of(&[first.terminal, first.terminal, 2]);
        self.ask(ask);
    }
    /// The same message again, or another under its key.
    fn again(&mut self, script: &mut Script<'_>) {
        let Some((mut ask, _)) = script.recent(&self.asked).copied() else { return };
        ask.minor += script.below(2) as u64;
        self.ask(ask);
    }
    fn reverse(&mut self, script: &mut Script<'_>) {
        let Some((ask, _)) = script.recent(&self.asked).copied() else { return };
        let mut back = Back::of(&ask);
        back.minor = script.of(&[ask.minor, ask.minor, 1]);
        back.of.stan = script.of(&[ask.stan, ask.stan, self.stans + 1]);
        back.stands = script.of(&[None, None, Some(ask.minor / 2), Some(1)]);
        self.bench.reverse(&back);
    }
    fn pin(&mut self, script: &mut Script<'_>) {
        let outcome = script.of(&[Pins::Right, Pins::Right, Pins::Wrong, Pins::Malformed, Pins::Failed]);
        if !self.bench.held_pins.is_empty() {
            self.bench.pin_done(outcome);
        }
    }
    /// An issuer answers what it was sent: with any code, again, late, or with a detail wrong.
    fn answer(&mut self, script: &mut Script<'_>) {
        let Some(sent) = script.recent(&self.bench.sent).copied() else { return };
        let code: ResponseCode = script.of(&CODES).parse().expect("two characters");
        let mut answer = answer_to(&sent, code);
        match script.below(16) {
            1 => answer.code = None,
            2 => answer.rrn = None,
            3 => answer.auth_code = None,
            4 => answer.mti = 210,
            5 => answer.transmitted = Some(*b"0101000000"),
            6 => answer.balance = Some((Amount::new(u64::MAX, Currency::CNY), true)),
            7 => answer.network_code = Some(301),
            _ => {}
        }
        self.bench.answer_with(&sent, answer);
    }
    fn link(&mut self, script: &mut Script<'_>) {
        let link = LinkIndex(script.below(3) as u16);
        match script.below(4) {
            0 | 1 if link.0 < 2 => self.bench.connect(link),
            2 if link.0 < 2 => self.bench.disconnect(link),
            _ => {
                let transaction = TransactionId(script.below(64) as u64);
                self.bench.step(Input::NotSent { link, transaction, request: None });
            }
        }
    }
    fn batch(&mut self, script: &mut Script<'_>) {
        let (terminal, batch) = (script.below(3), script.below(3) as u32 + 1);
        match script.below(4) {
            0 | 1 => {
                let mut totals = BatchTotals::default();
                totals.domestic.debit.count = script.below(3) as u32;
                self.bench.totals(terminal, batch, totals);
            }
            2 => {
                let item = item(self.stans, script.of(&MINORS), script.of(&[None, Some(ON_US)]));
                self.bench.upload(terminal, batch, Upload::Items(vec![item]));
            }
            _ => {
                self.bench.upload(terminal, batch, Upload::End { count: script.below(4) as u32 });
            }
        }
    }
    fn session(&mut self, script: &mut Script<'_>) {
        let (name, merchant) = script.of(&TERMINALS);
        let merchant = script.of(&[MERCHANTS[merchant], MERCHANTS[merchant], "M00000000000009"]);
        let mac = script.of(&[
            MacCheck::NotRequired,
            MacCheck::Verified { version: 1 },
            MacCheck::Wrong,
            MacCheck::NoKey,
        ]);
        let form = script.of(&[KeyForm::Single, KeyForm::Double, KeyForm::DoubleWithTrack]);
        let body = match script.below(7) {
            0 | 1 => Body::SignOn { stan: stan(1), form },
            2 => Body::SignOff { stan: stan(2) },
            3 => Body::Echo,
            4 => Body::Status { status: vec![b'0'; script.below(40)] },
            5 => {
                let kind = script.of(&DownloadKind::ALL);
                let seen = script.below(4);
                let step = match script.below(4) {
                    0 => DownloadStep::Parameters { seen },
                    1 => DownloadStep::List { seen },
                    2 => DownloadStep::One { name: download(script).name },
                    _ => DownloadStep::End,
                };
                Body::Download { kind, step }
            }
            _ => Body::Unsupported { code: ResponseCode::NOT_SUPPORTED },
        };
        self.bench.request_as(name, merchant, mac, body);
    }
    fn command(&mut self, script: &mut Script<'_>) {
        let command = match script.below(7) {
            0 | 1 => Command::CutDay,
            2 => Command::RecordSettlement { records: Vec::new(), merchant_changes: 0 },
            3 => issue(script.of(&CARDS), "3012", script.of(&MINORS)),
            4 => {
                let whose = whose(script);
                Command::Order(Order::SetDownload { whose, download: download(script) })
            }
            5 => {
                let (whose, Download { kind, name, .. }) = (whose(script), download(script));
                Command::Order(Order::RemoveDownload { whose, kind, name, reason: reason() })
            }
            _ => Command::TrialBalance,
        };
        let _ = self.bench.command(command);
    }
    /// Work comes back that nobody waits for, on connections that are gone.
    fn stray(&mut self, script: &mut Script<'_>) {
        let slot = SlotId(script.below(8) as u64);
        match script.below(3) {
            0 => self.bench.step(Input::KeysMade { slot, made: Some(Box::new(made_keys(1))) }),
            1 => {
                let request = Ask::sale(self.stans, 100).financial();
                self.bench.step(Input::PinDone { slot, request, outcome: PinOutcome::Verified });
            }
            _ => {
                let link = LinkIndex(script.below(3) as u16);
                self.bench.step(Input::LinkLost { link, generation: script.below(4) as u32 });
            }
        }
    }
}

impl Bench {
    fn crash_holding_pins(&mut self) {
        let replies = self.replies.clone();
        self.crash();
        self.pins = Pins::Held;
        self.replies = replies;
    }
}
