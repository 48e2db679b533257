//! A terminal and the people in front of it.
//!
//! It is careful, as the rules of the field want it: what got no answer that it can trust is reversed before anything else, a
//! refund is repeated until it is answered, and an answer without a MAC is no answer to what moves money.

mod ask;
mod device;
mod hear;
mod shop;

use crate::check::Believed;
use crate::env::{Env, Event, Peer, Way};
use crate::plan::TERMINAL_TIMEOUT;
use crate::schedule::{Micros, millis, seconds};
use device::Loading;
use shop::Open;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use switchyard_domain::{BatchNumber, BatchTotals, Download, DownloadKind, ResponseCode, Rrn, Stan};
use switchyard_simulator::terminal::{
    Expectation, FinalState, Order, ScriptRun, SessionKeys, Tamper, TerminalState, UploadItem,
};
use switchyard_simulator::world::{DemoCard, DemoTerminal};

/// Code, reference and amount of an answer.
type Heard = (Option<ResponseCode>, Option<Rrn>, Option<u64>);

/// What a request is for.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    SignOn,
    SignOff,
    Echo,
    /// A transaction; the number counts its sends.
    Order {
        order: Order,
        followed: Option<usize>,
    },
    /// The same transaction once more, to hear the same answer: code and reference.
    Again {
        order: Order,
        heard: Heard,
    },
    Reversal,
    Totals,
    /// Totals that end the batch whatever the host has.
    Told,
    Upload,
    UploadEnd,
    /// A step of a download.
    Download,
    /// What it says about itself.
    Status,
    /// What a chip made of its issuer's scripts.
    Script(ScriptRun),
}

/// The request under way.
#[derive(Debug)]
pub(crate) struct Asked {
    task: Task,
    batch: BatchNumber,
    stan: Stan,
    expected: Expectation,
    attempt: u32,
}

/// The close of a batch, as far as it has come.
#[derive(Debug)]
struct Closing {
    totals: BatchTotals,
    /// It tells, and does not ask.
    tells: bool,
    /// One sale was forgotten.
    omitted: Option<Stan>,
    totals_stan: Option<Stan>,
    /// What is still to be uploaded, in messages of eight; nothing before the host wants it.
    upload: Option<Vec<Vec<UploadItem>>>,
    uploaded: usize,
}

/// The terminal.
pub(crate) struct Till {
    pub(crate) index: usize,
    spec: DemoTerminal,
    cards: Arc<[Arc<DemoCard>]>,
    state: TerminalState,
    keys: Option<SessionKeys>,
    needs_sign_on: bool,
    /// Transactions in a row to which it heard that it has to sign on, although it had.
    shut_out: u32,
    line: Option<u64>,
    asked: Option<Asked>,
    /// A transaction that is repeated until it is answered, because it has no reversal.
    insists: Option<Asked>,
    closing: Option<Closing>,
    /// Number of the alarm that counts.
    alarm: u64,
    open: Vec<Open>,
    last: Option<(Asked, Heard)>,
    pub(crate) believed: BTreeMap<(BatchNumber, Stan), Believed>,
    pub(crate) miscounted: BTreeSet<(BatchNumber, Stan)>,
    /// A download, as far as it has come.
    loading: Option<Loading>,
    /// What it holds of a kind since it came to the end of it; nothing of a kind that it has begun anew.
    pub(crate) held: BTreeMap<DownloadKind, Vec<Download>>,
    /// What an answer told it to do next.
    requirement: Option<u8>,
    /// What chips made of scripts and the host has not heard yet; under its number where it was sent already.
    owed: VecDeque<(ScriptRun, Option<(BatchNumber, Stan)>)>,
    /// What the host has heard of scripts, by the transaction's place.
    pub(crate) told: BTreeMap<(BatchNumber, Stan), Vec<u8>>,
    /// Everything that it ever said about itself.
    pub(crate) said: Vec<Vec<u8>>,
}

impl Till {
    pub(crate) fn new(index: usize, spec: DemoTerminal, cards: Arc<[Arc<DemoCard>]>) -> Self {
        let state = TerminalState::new(spec.batch);
        Self {
            index,
            spec,
            cards,
            state,
            keys: None,
            needs_sign_on: true,
            shut_out: 0,
            line: None,
            asked: None,
            insists: None,
            closing: None,
            alarm: 0,
            open: Vec::new(),
            last: None,
            believed: BTreeMap::new(),
            miscounted: BTreeSet::new(),
            loading: None,
            held: BTreeMap::new(),
            requirement: None,
            owed: VecDeque::new(),
            told: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    /// Whether it has nothing left to say.
    pub(crate) fn is_quiet(&self) -> bool {
        self.asked.is_none()
            && self.insists.is_none()
            && self.closing.is_none()
            && self.state.pending.is_none()
            && self.owed.is_empty()
    }

    /// Whether it has nothing left to say, and its batch is closed.
    pub(crate) fn is_done(&self) -> bool {
        self.is_quiet() && self.batch_is_empty()
    }

    /// Does now what it would do at some time.
    pub(crate) fn hurry(&mut self, env: &mut Env) {
        if self.asked.is_none() {
            self.wake_in(env, millis(1));
        }
    }

    /// Sets the alarm; the ones before do not count any more.
    pub(crate) fn wake_in(&mut self, env: &mut Env, delay: Micros) {
        self.alarm += 1;
        env.schedule.after(delay, Event::Till { till: self.index, alarm: self.alarm });
    }

    /// The alarm rings: an answer did not come, or it is time for the next thing to do.
    pub(crate) fn wake(&mut self, env: &mut Env, alarm: u64) {
        if alarm != self.alarm {
            return;
        }
        if let Some(asked) = self.asked.take() {
            env.note("no answer at terminal", [self.index as u64, u64::from(asked.stan.get()), 0]);
            self.unanswered(asked);
        }
        self.proceed(env);
    }

    /// The connection is gone.
    pub(crate) fn lost(&mut self, env: &mut Env) {
        self.line = None;
        self.loading = None;
        if self.asked.is_some() {
            let wait = env.random.between(millis(5), seconds(1));
            self.wake_in(env, wait);
        }
    }

    /// What is done about a request without an answer that counts.
    fn unanswered(&mut self, mut asked: Asked) {
        match &mut asked.task {
            // A reversal is pending, or the order cannot have one and is repeated, now as it should have been.
            Task::Order { order, .. } if self.state.pending.is_none() => {
                order.tamper = Tamper::None;
                self.insists = Some(asked);
            }
            Task::SignOff => self.needs_sign_on = true,
            Task::Order { .. }
            | Task::Again { .. }
            | Task::SignOn
            | Task::Echo
            | Task::Reversal
            | Task::Totals
            | Task::Told
            | Task::Upload
            | Task::UploadEnd
            | Task::Download
            | Task::Status
            | Task::Script(_) => {}
        }
    }

    /// Sends a frame and waits for its answer.
    fn send(&mut self, env: &mut Env, asked: Asked, frame: Vec<u8>) {
        if self.line.is_none_or(|line| !env.is_open(line)) {
            self.line = Some(env.connect(Peer::Till(self.index)));
        }
        let line = self.line.expect("connected above");
        env.note(
            "terminal asks",
            [self.index as u64, u64::from(asked.stan.get()), u64::from(asked.expected.mti.as_u16())],
        );
        self.asked = Some(asked);
        self.wake_in(env, TERMINAL_TIMEOUT);
        if !env.transmit(line, Way::ToSwitch, frame) {
            env.disconnect(line);
            self.lost(env);
        }
    }

    /// What it believes of a transaction.
    fn believe(
        &mut self,
        asked: &Asked,
        minor: u64,
        state: FinalState,
        answer: Option<(ResponseCode, Option<Rrn>)>,
    ) {
        let (Task::Order { order, .. } | Task::Again { order, .. }) = &asked.task else { return };
        let believed = Believed {
            kind: order.kind,
            minor,
            state,
            code: answer.map(|(code, _)| code),
            rrn: answer.and_then(|(_, rrn)| rrn),
        };
        self.believed.insert((asked.batch, asked.stan), believed);
    }
}
