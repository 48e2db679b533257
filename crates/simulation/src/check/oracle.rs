//! Reads what became durable from the disk itself, tells the story of it, and keeps a state that follows from it alone.

use super::snapshot::Snapshot;
use super::story::Story;
use super::{Breach, Checked, ensure};
use switchyard_core::{Core, CoreConfig, Effect, Reply, ReplyBody, State, Upstream};
use switchyard_domain::{Outcome, Record, ReplyFacts, Stamped, Stan};
use switchyard_ledger::{BlockNumber, MemoryDisk};

/// Requests of terminals that one process may have under way: far above what the terminals of a run can ask.
const RETAINED_MAX: usize = 10_000;
/// Submissions that may wait for the disk.
const SUBMITTED_MAX: usize = 10_000;

/// What is durable, and what follows from it.
pub(crate) struct Oracle {
    pub(crate) story: Story,
    /// A state that saw nothing but the disk.
    shadow: State,
    snapshot: Option<Snapshot>,
    blocks: u64,
    records: u64,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        Self { story: Story::default(), shadow: State::default(), snapshot: None, blocks: 0, records: 0 }
    }
    /// Records that are durable.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }
    /// Blocks that are durable.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }
    /// Digest of the state that follows from what is durable.
    pub(crate) fn digest(&self) -> u64 {
        self.shadow.digest()
    }

    /// Reads the blocks that are new on the disk.
    pub(crate) fn follow(&mut self, disk: &MemoryDisk) -> Checked {
        let blocks = disk.blocks();
        ensure(blocks >= self.blocks, "what is durable stays", || {
            format!("{blocks} blocks where {} were", self.blocks)
        })?;
        let mut checked = Ok(());
        let read = disk.for_each(BlockNumber(self.blocks), |sequence, bytes| {
            if checked.is_ok() {
                checked = self.take(sequence.0, bytes);
            }
        });
        read.map_err(|error| Breach { rule: "blocks are whole", found: error.to_string() })?;
        self.blocks = blocks;
        checked
    }

    fn take(&mut self, sequence: u64, bytes: &[u8]) -> Checked {
        ensure(sequence == self.records, "records follow", || {
            format!("record {sequence} where {} is next", self.records)
        })?;
        let stamped = Stamped::decode(bytes)
            .map_err(|error| Breach { rule: "records can be read", found: error.to_string() })?;
        self.records += 1;
        self.shadow.apply(&stamped).map_err(|error| Breach {
            rule: "records follow",
            found: format!("record {sequence}: {error}"),
        })?;
        self.story.take(&stamped)
    }

    /// A core made anew from the disk, as a start makes it. With `forgets` it gets requests under other keys than theirs.
    pub(crate) fn replay(
        &self,
        disk: &MemoryDisk,
        config: CoreConfig,
        forgets: bool,
    ) -> Result<Core, Breach> {
        let mut core = Core::new(config);
        let mut failed = None;
        let read = disk.for_each(BlockNumber(0), |sequence, bytes| {
            if failed.is_none() {
                failed = match Stamped::decode(bytes) {
                    Ok(mut stamped) => {
                        if forgets {
                            forget(&mut stamped.record);
                        }
                        core.replay(&stamped).err().map(|error| format!("{sequence}: {error}"))
                    }
                    Err(error) => Some(format!("{sequence}: {error}")),
                };
            }
        });
        read.map_err(|error| Breach { rule: "blocks are whole", found: error.to_string() })?;
        match failed {
            Some(found) => Err(Breach { rule: "the log can be replayed", found }),
            None => Ok(core),
        }
    }

    /// Keeps what is durable now as a snapshot.
    pub(crate) fn keep_snapshot(&mut self) {
        self.snapshot = Some(Snapshot::of(&self.shadow));
    }

    /// The core that starts from the snapshot, if one was kept.
    pub(crate) fn resume(&self, disk: &MemoryDisk, config: CoreConfig) -> Result<Option<Core>, Breach> {
        let Some(snapshot) = &self.snapshot else { return Ok(None) };
        Ok(Some(Core::resume(config, snapshot.restore(disk)?)))
    }

    /// Whether a state is the one that follows from the disk.
    pub(crate) fn compare(&self, state: &State) -> Checked {
        let (have, need) = (state.digest(), self.digest());
        ensure(have == need, "replay gives the state", || {
            format!("digest {have:016x} of {} records, {need:016x} of {}", state.records(), self.records)
        })
    }

    /// An effect is about to leave that was decided when `position` records were.
    pub(crate) fn leaves(&self, effect: &Effect, position: u64) -> Checked {
        ensure(position <= self.records, "durable before it leaves", || {
            format!("an effect of record {position} leaves after {} are durable", self.records)
        })?;
        match effect {
            Effect::Reply { reply, .. } => self.reply_leaves(reply),
            Effect::Send { message, .. } => self.message_leaves(message),
            Effect::PinWork { .. }
            | Effect::ChipWork { .. }
            | Effect::MakeKeys { .. }
            | Effect::UseTerminal { .. }
            | Effect::UseProfile { .. }
            | Effect::UseMac { .. }
            | Effect::UseKeys { .. }
            | Effect::LinkState { .. }
            | Effect::SignOnRefused { .. }
            | Effect::OpenLinkKey { .. }
            | Effect::KeyArrived { .. }
            | Effect::Stray { .. }
            | Effect::CommandDone { .. } => Ok(()),
        }
    }

    fn reply_leaves(&self, reply: &Reply) -> Checked {
        let Some(facts) = facts_of(reply) else { return Ok(()) };
        // An upload's parts are answered with the facts of the totals, at a time of their own.
        let known = match reply.body {
            ReplyBody::BatchUpload { .. } => self.story.references.contains(&facts.rrn),
            _ => self.story.knows_reply(facts),
        };
        ensure(known && reply.code == facts.code, "answers stand in the ledger", || {
            format!("{} with {} does not", facts.rrn, reply.code)
        })
    }

    fn message_leaves(&self, message: &Upstream) -> Checked {
        let (known, what) = match message {
            Upstream::Request(request) => {
                let tale = self.story.transactions.get(&request.opened.id);
                let same = tale.is_some_and(|t| t.opened == request.opened && t.outcome != Outcome::Declined);
                (same, request.opened.id.0)
            }
            Upstream::Reversal { saf, .. } | Upstream::Advice { saf, .. } | Upstream::Script { saf, .. } => {
                (self.story.knew_saf(saf.id), saf.id.0)
            }
            Upstream::Network { .. } | Upstream::KeyAnswer { .. } => (true, 0),
        };
        ensure(known, "requests to issuers stand in the ledger", || format!("{what} does not"))
    }

    /// The live state, when everything that it decided is durable.
    pub(crate) fn settled(&self, state: &State) -> Checked {
        let have = (state.records(), state.saf_waiting(), state.unresolved());
        let need = (self.records, self.story.saf_waiting(), self.story.unresolved);
        ensure(have == need, "the state follows from the records", || {
            format!("records, queue, open: {have:?}, from the disk {need:?}")
        })
    }

    /// Balances and holds of a state's book against those that were added up here.
    pub(crate) fn compare_book(&self, state: &State) -> Checked {
        let live = state.book().accounts();
        let live: Vec<_> =
            live.iter().map(|(id, b)| (*id, b.net_credit_minor())).filter(|b| b.1 != 0).collect();
        let told: Vec<_> = self.story.balances().collect();
        let differs =
            live.iter().find(|pair| !told.contains(pair)).or_else(|| told.iter().find(|p| !live.contains(p)));
        ensure(differs.is_none(), "debits equal credits", || format!("{differs:?}"))?;
        let holds = state.book().holds().len();
        ensure(holds == self.story.holds(), "a hold is used once", || {
            format!("{holds} holds, {} from the records", self.story.holds())
        })?;
        let unbalanced = state.book().trial_balance().into_iter().find(|(_, balance)| !balance.is_balanced());
        ensure(unbalanced.is_none(), "debits equal credits", || format!("{unbalanced:?}"))
    }

    /// Nothing that waits grows without a bound.
    pub(crate) fn bounded(&self, retained: usize, submitted: usize) -> Checked {
        ensure(retained <= RETAINED_MAX, "queues are bounded", || format!("{retained} requests are kept"))?;
        ensure(submitted <= SUBMITTED_MAX, "queues are bounded", || format!("{submitted} batches wait"))
    }
}

fn facts_of(reply: &Reply) -> Option<&ReplyFacts> {
    match &reply.body {
        ReplyBody::Refused | ReplyBody::Echo { .. } | ReplyBody::Download { .. } => None,
        ReplyBody::Financial { facts, .. }
        | ReplyBody::SignOn { facts, .. }
        | ReplyBody::SignOff { facts }
        | ReplyBody::ScriptResult { facts }
        | ReplyBody::BatchTotals { facts, .. }
        | ReplyBody::BatchUpload { facts } => Some(facts),
    }
}

/// Sabotage: the record's request is another one's, so that its repeat is not known.
fn forget(record: &mut Record) {
    if let Record::Opened(opened) | Record::Decided { opened, .. } = record {
        let other = (opened.key.stan.get() + 500_000) % 1_000_000;
        opened.key.stan = Stan::try_from(u64::from(other)).unwrap_or(opened.key.stan);
    }
}
