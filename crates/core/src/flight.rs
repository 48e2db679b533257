//! Transient state: what is under way. It is empty at start, outside the replay digest, and losing it
//! costs nothing but the wait.

mod saf;

pub(crate) use saf::{Backoff, SafLine};

use crate::decide::Turns;
use crate::input::{Origin, SlotId};
use crate::machine::NETWORK_STAN_FIRST;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use switchyard_domain::{
    Fingerprint, KeyMessage, KeyName, LinkIndex, RequestKey, ResponseCode, RouteTarget, Rrn, SafId, Stan,
    TerminalIndex, Timestamp, TransactionId,
};

/// Most repeats of one request that wait for its outcome; above it the answer is 96.
const ORIGINS_MAX: usize = 16;

/// A request whose PIN is being worked on: nothing is recorded of it yet.
#[derive(Debug)]
pub(crate) struct PinWait {
    pub(crate) key: RequestKey,
    /// By which a repeat is told from another request under the key.
    pub(crate) fingerprint: Fingerprint,
    /// When a terminal whose dialect names no batch made it.
    pub(crate) moment: u64,
    /// Whose PIN it is: the result is worth nothing anywhere else.
    pub(crate) target: RouteTarget,
    pub(crate) origins: Vec<Origin>,
    /// A reversal came meanwhile.
    pub(crate) cancelled: bool,
}

/// A terminal whose working keys are being made.
#[derive(Debug)]
pub(crate) struct SignOnWait {
    pub(crate) origin: Origin,
    pub(crate) terminal: TerminalIndex,
    pub(crate) stan: Stan,
}

/// Terminals that wait for an issuer's answer to one transaction.
#[derive(Debug)]
pub(crate) struct UpstreamWait {
    pub(crate) origins: Vec<Origin>,
    pub(crate) deadline: Timestamp,
    /// DE 44 of the reply.
    pub(crate) issuer: u64,
    /// DE 55 of the issuer's answer.
    pub(crate) chip: Option<Vec<u8>>,
    /// Links that could not take it.
    pub(crate) tried: Vec<LinkIndex>,
    /// Not a byte of it is anywhere: its PIN is on the way to another link's key.
    pub(crate) unsent: bool,
}

/// What a message on a link was about, by its trace number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Transaction(TransactionId),
    /// The same, once its issuer has refused it or did not know: it may approve yet.
    Refused(TransactionId),
    Saf(SafId),
    /// Sent when the host had signed off so many times.
    SignOn(u32),
    /// A new PIN key.
    NewKey,
    /// It has been answered.
    Answered,
}

/// What an answer has to carry to be looked at: the rest of the link's key is compared then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AskedAs {
    /// DE 11 and the answer's MTI. What is repeated for hours keeps its number, and others come round to it meanwhile.
    Stan(Stan, u16),
    /// DE 37 and the answer's MTI, on a link whose key has no DE 11: a request and its reversal share the reference.
    Rrn(Rrn, u16),
}

/// State of a link's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LinkStatus {
    #[default]
    Down,
    Connected,
    SignedOn,
}

/// A host is asked for a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyAsked {
    pub(crate) place: AskedAs,
    pub(crate) until: Timestamp,
}

/// A key of a link is being opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyOpens {
    pub(crate) slot: SlotId,
    pub(crate) generation: u32,
    /// The host's message, which waits for an answer.
    pub(crate) message: Option<KeyMessage>,
    pub(crate) under: KeyName,
}

/// One link.
#[derive(Debug, Default)]
pub(crate) struct LinkFlight {
    pub(crate) status: LinkStatus,
    pub(crate) generation: u32,
    /// What was asked on this connection: an answer is looked up here and nowhere else.
    pub(crate) asked: HashMap<AskedAs, Asked, FixedState>,
    /// Which entries of its queue go when.
    pub(crate) saf: SafLine,
    /// When to sign on again if the host has not answered.
    pub(crate) sign_on_at: Option<Timestamp>,
    pub(crate) network_stan: u32,
    /// Its host signed off: it is the host that speaks next.
    pub(crate) is_host_off: bool,
    /// How often it has: what it says to a sign-on of before does not undo that.
    pub(crate) host_offs: u32,
    /// Whether it is signed on and whether it rests, as was said last.
    pub(crate) told: (bool, bool),
    /// What was answered, oldest first: an approval may still follow a refusal, and any answer may come twice. It stays in
    /// `asked` for so long.
    pub(crate) answered: VecDeque<(AskedAs, Asked)>,
    /// What nobody answered in time, oldest first, where the link's key has no DE 11 that would come round to it.
    pub(crate) unanswered: VecDeque<AskedAs>,
    /// Requests in a row that nobody answered.
    pub(crate) timeouts: u32,
    /// Until then it takes no requests.
    pub(crate) rests_until: Option<Timestamp>,
    pub(crate) key_asked: Option<KeyAsked>,
    pub(crate) key_opens: Option<KeyOpens>,
}

/// Most answered messages of a link of which another answer is still understood.
const ANSWERED_MAX: usize = 4_096;
/// Most messages of a link that were not answered in time and of which an answer is still understood: about as many as
/// there are numbers in DE 11.
const UNANSWERED_MAX: usize = 1_000_000;

impl LinkFlight {
    /// The next number of a message of the link's own.
    pub(crate) fn next_network_stan(&mut self) -> Stan {
        self.network_stan = (self.network_stan + 1) % 1_000;
        Stan::try_from(u64::from(NETWORK_STAN_FIRST + self.network_stan)).expect("six digits")
    }
    /// Whether another key was asked for and not answered yet, or is being looked at.
    pub(crate) fn has_key_under_way(&self) -> bool {
        self.key_asked.is_some() || self.key_opens.is_some()
    }
    /// Whether it takes no requests, because too many were not answered.
    pub(crate) fn is_resting(&self, now: Timestamp) -> bool {
        self.rests_until.is_some_and(|until| until > now)
    }
    /// Remembers what was answered, for a while. When it is forgotten its number may have been given again: then another
    /// request stands under it, and stays.
    pub(crate) fn keep_answered(&mut self, place: AskedAs, asked: Asked) {
        self.asked.insert(place, asked);
        self.answered.push_back((place, asked));
        if self.answered.len() > ANSWERED_MAX
            && let Some((oldest, asked)) = self.answered.pop_front()
            && self.asked.get(&oldest) == Some(&asked)
        {
            self.asked.remove(&oldest);
        }
    }
    /// Nobody answered in time: an answer is understood for as long as there is room.
    pub(crate) fn keep_unanswered(&mut self, place: AskedAs) {
        if !matches!(place, AskedAs::Rrn(..)) {
            return;
        }
        self.unanswered.push_back(place);
        if self.unanswered.len() > UNANSWERED_MAX
            && let Some(oldest) = self.unanswered.pop_front()
        {
            self.asked.remove(&oldest);
        }
    }
}

/// Everything under way.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    next_slot: u64,
    pub(crate) pins: HashMap<SlotId, PinWait, FixedState>,
    pub(crate) pin_by_key: HashMap<RequestKey, SlotId, FixedState>,
    /// PIN work for a transaction that goes over another link.
    pub(crate) reroutes: HashMap<SlotId, (TransactionId, LinkIndex), FixedState>,
    pub(crate) sign_ons: HashMap<SlotId, SignOnWait, FixedState>,
    pub(crate) key_versions: HashMap<TerminalIndex, u32, FixedState>,
    /// The version of a terminal's working keys before its last sign-on, and until when it counts. A restart forgets it: it
    /// has ended every connection on which something was under way.
    pub(crate) keys_before: HashMap<TerminalIndex, (u32, Timestamp), FixedState>,
    pub(crate) upstream: HashMap<TransactionId, UpstreamWait, FixedState>,
    pub(crate) deadlines: BTreeSet<(Timestamp, TransactionId)>,
    pub(crate) links: Vec<LinkFlight>,
    /// Refusals of the current minute, by terminal and code: at most one record each.
    pub(crate) refusals: BTreeMap<(TerminalIndex, ResponseCode), u32>,
    pub(crate) refusals_minute: u64,
    /// Wrong MACs of a terminal that are not recorded yet, because too many are in this minute.
    pub(crate) wrong_macs: BTreeMap<TerminalIndex, u32>,
    /// Records about wrong MACs in the current minute, by terminal, and of all of them.
    pub(crate) mac_records: HashMap<TerminalIndex, u32, FixedState>,
    pub(crate) mac_records_count: u32,
    /// Messages without a MAC in the current minute, by terminal.
    pub(crate) unkeyed: HashMap<TerminalIndex, u32, FixedState>,
    /// Whose turn it is by rules that choose by weight.
    pub(crate) turns: Turns,
    /// Store-and-forward entries below this were queued by an earlier process: whether they were sent is
    /// not known, so their first send is a repeat.
    pub(crate) saf_from_before: u64,
}

/// Lets a repeat wait with the others, unless there are too many already.
pub(crate) fn join(origins: &mut Vec<Origin>, origin: Origin) -> bool {
    let room = origins.len() < ORIGINS_MAX;
    if room {
        origins.push(origin);
    }
    room
}

impl Flight {
    pub(crate) fn slot(&mut self) -> SlotId {
        self.next_slot += 1;
        SlotId(self.next_slot)
    }
    pub(crate) fn link(&mut self, link: LinkIndex) -> &mut LinkFlight {
        let index = usize::from(link.0);
        if self.links.len() <= index {
            self.links.resize_with(index + 1, LinkFlight::default);
        }
        &mut self.links[index]
    }
    pub(crate) fn is_signed_on(&self, link: LinkIndex) -> bool {
        self.links.get(usize::from(link.0)).is_some_and(|l| l.status == LinkStatus::SignedOn)
    }
    pub(crate) fn wait_upstream(&mut self, id: TransactionId, wait: UpstreamWait) {
        self.deadlines.insert((wait.deadline, id));
        self.upstream.insert(id, wait);
    }
    /// Another deadline for one that waits.
    pub(crate) fn postpone(&mut self, id: TransactionId, deadline: Timestamp) {
        if let Some(wait) = self.upstream.get_mut(&id) {
            self.deadlines.remove(&(wait.deadline, id));
            wait.deadline = deadline;
            self.deadlines.insert((deadline, id));
        }
    }
    pub(crate) fn end_upstream(&mut self, id: TransactionId) -> Option<UpstreamWait> {
        let wait = self.upstream.remove(&id)?;
        self.deadlines.remove(&(wait.deadline, id));
        Some(wait)
    }
}
