//! Transient state: what is under way. It is empty at start, outside the replay digest, and losing it
//! costs nothing but the wait.

mod link;
mod saf;

pub(crate) use link::{Asked, AskedAs, KeyAsked, KeyOpens, LinkFlight, LinkStatus, Over, RestRule};
pub(crate) use saf::{Backoff, SafLine, Waits};

use crate::decide::Turns;
use crate::input::{Origin, SlotId};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::{
    DownloadKind, Fingerprint, LinkIndex, RequestKey, ResponseCode, RouteTarget, Stan, TerminalIndex,
    Timestamp, TransactionId,
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
    /// The connection that its request is on.
    pub(crate) over: Option<Over>,
    /// Connections of the link that it is on now that could not take it.
    pub(crate) lines_tried: Vec<u32>,
    /// Not a byte of it is anywhere: its PIN is on the way to another link's key.
    pub(crate) unsent: bool,
}

impl UpstreamWait {
    pub(crate) fn new(origins: Vec<Origin>, deadline: Timestamp, issuer: u64) -> Self {
        Self {
            origins,
            deadline,
            issuer,
            chip: None,
            tried: Vec::new(),
            over: None,
            lines_tried: Vec::new(),
            unsent: false,
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
    /// Downloads that terminals have begun since the start, and whether all of it was the same so far.
    pub(crate) loading: BTreeMap<(TerminalIndex, DownloadKind), bool>,
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
        self.links.get(usize::from(link.0)).is_some_and(LinkFlight::is_signed_on)
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
    /// A request goes out over a connection.
    pub(crate) fn went_over(&mut self, id: TransactionId, over: Over) {
        self.took_back(id);
        if let Some(wait) = self.upstream.get_mut(&id) {
            wait.over = Some(over);
            self.link(over.link).count(over.generation, true);
        }
    }
    /// Its connection does not have it any more.
    pub(crate) fn took_back(&mut self, id: TransactionId) -> Option<Over> {
        let over = self.upstream.get_mut(&id)?.over.take()?;
        self.link(over.link).count(over.generation, false);
        Some(over)
    }
    pub(crate) fn end_upstream(&mut self, id: TransactionId) -> Option<UpstreamWait> {
        self.took_back(id);
        let wait = self.upstream.remove(&id)?;
        self.deadlines.remove(&(wait.deadline, id));
        Some(wait)
    }
}
