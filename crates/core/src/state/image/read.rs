//! From sections back to a state.
//!
//! All is taken apart but the pages of rows, whose summaries are enough for a start. That pages can be taken apart is
//! seen to when a snapshot is made ([`Section::check`]); that they are what was made, by the digest.

use super::write::{digest_of_bytes, digest_of_table, digest_of_whole};
use super::{AuthCodes, Head, ImageError, LIST_ITEMS, RiskImage, SectionKind, Terms};
use crate::state::batches::Batch;
use crate::state::devices::Devices;
use crate::state::rates::Rates;
use crate::state::registry::{IssuedCard, Registry, TerminalState};
use crate::state::requests::{Known, Number, Place, REQUEST_BYTES, ReversalTaken, request_of};
use crate::state::risk::RiskShard;
use crate::state::rows::{Row, Rows, count_of, summary_of};
use crate::state::saf::{Lane, Saf};
use crate::state::transactions::{PageSummary, Transaction};
use crate::state::{State, Users};
use hashbrown::HashTable;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use switchyard_book::{Book, SHARDS, Sharded};
use switchyard_domain::{BlockCause, CardHash, Merchant, MerchantIndex, SafEntry, TerminalIndex};

/// A section that was read and found to be in order.
#[derive(Debug)]
pub struct Part {
    kind: SectionKind,
    index: u64,
    digest: u64,
    content: Content,
}

enum Content {
    Head(Box<Head>),
    Merchants(Vec<Merchant>),
    Terminals(Vec<TerminalState>),
    Terms(Box<Terms>),
    Cards(Vec<IssuedCard>),
    Batches(Vec<Batch>),
    Book(Box<Book>),
    Requests { table: HashTable<(Place, Number)>, transactions: u64, reversals: u64 },
    Tombstones(HashTable<(Place, ())>),
    AuthCodes(HashTable<AuthCodes>),
    Blocked(HashTable<(CardHash, BlockCause)>),
    Reversals { packed: Box<[u8]>, count: usize },
    Risk(Box<RiskImage>),
    RiskCounters(Box<RiskShard>),
    Users(Box<Users>),
    Devices(Box<Devices>),
    Rates(Box<Rates>),
    Transactions { packed: Box<[u8]>, count: usize, summary: PageSummary },
}

impl fmt::Debug for Content {
    /// It holds wrapped keys and sealed cards: nothing for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Part {
    /// Takes a section apart. Heavy; any thread may.
    ///
    /// # Errors
    /// [`ImageError::Kind`] and [`ImageError::Malformed`].
    pub fn parse(kind: u16, index: u64, bytes: Vec<u8>) -> Result<Self, ImageError> {
        let known = SectionKind::ALL.into_iter().find(|known| *known as u16 == kind);
        let kind = known.ok_or(ImageError::Kind { kind })?;
        let whole = digest_of_bytes(&bytes);
        let parsed = match kind {
            SectionKind::Head => all(&bytes).map(|head| (Content::Head(Box::new(head)), whole)),
            SectionKind::Merchants => items(&bytes).map(|items| (Content::Merchants(items), whole)),
            SectionKind::Terminals => items(&bytes).map(|items| (Content::Terminals(items), whole)),
            SectionKind::Terms => all(&bytes).map(|terms| (Content::Terms(Box::new(terms)), whole)),
            SectionKind::Cards => items(&bytes).map(|items| (Content::Cards(items), whole)),
            SectionKind::Batches => items(&bytes).map(|items| (Content::Batches(items), whole)),
            SectionKind::Book => all(&bytes)
                .and_then(|image| Book::from_image(&image).ok())
                .map(|book| (Content::Book(Box::new(book)), whole)),
            SectionKind::Requests => requests(index, &bytes),
            SectionKind::Tombstones => {
                table(index, &bytes).map(|(table, digest)| (Content::Tombstones(table), digest))
            }
            SectionKind::AuthCodes => {
                table(index, &bytes).map(|(table, digest)| (Content::AuthCodes(table), digest))
            }
            SectionKind::Blocked => {
                table(index, &bytes).map(|(table, digest)| (Content::Blocked(table), digest))
            }
            SectionKind::Reversals => summary_of::<ReversalTaken>(&bytes)
                .ok()
                .map(|(count, ())| (Content::Reversals { packed: bytes.into(), count }, whole)),
            SectionKind::Risk => all(&bytes).map(|risk| (Content::Risk(Box::new(risk)), whole)),
            SectionKind::RiskCounters => {
                all(&bytes).map(|tables| (Content::RiskCounters(Box::new(tables)), whole))
            }
            SectionKind::Users => all(&bytes).map(|users| (Content::Users(Box::new(users)), whole)),
            SectionKind::Devices => all(&bytes).map(|devices| (Content::Devices(Box::new(devices)), whole)),
            SectionKind::Rates => all(&bytes).map(|rates| (Content::Rates(Box::new(rates)), whole)),
            SectionKind::Transactions => summary_of::<Transaction>(&bytes).ok().map(|(count, summary)| {
                (Content::Transactions { packed: bytes.into(), count, summary }, whole)
            }),
        };
        let (content, digest) = parsed.ok_or(ImageError::Malformed { kind, index })?;
        Ok(Self { kind, index, digest, content })
    }
}

fn all<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(value)
}

fn items<T: DeserializeOwned>(bytes: &[u8]) -> Option<Vec<T>> {
    all(bytes).filter(|items: &Vec<T>| (1..=LIST_ITEMS).contains(&items.len()))
}

/// A table and its digest.
fn table<K, V>(index: u64, bytes: &[u8]) -> Option<(HashTable<(K, V)>, u64)>
where
    K: Hash + Eq + DeserializeOwned,
    V: Hash + DeserializeOwned,
{
    placed(index, all(bytes)?)
}

fn placed<K, V>(index: u64, entries: Vec<(K, V)>) -> Option<(HashTable<(K, V)>, u64)>
where
    K: Hash + Eq,
    V: Hash,
{
    let digest = digest_of_table(entries.iter());
    let shard = usize::try_from(index).ok().filter(|shard| *shard < SHARDS && !entries.is_empty())?;
    Some((Sharded::table(shard, entries)?, digest))
}

fn requests(index: u64, bytes: &[u8]) -> Option<(Content, u64)> {
    let (entries, []) = bytes.as_chunks::<REQUEST_BYTES>() else { return None };
    let (table, digest) = placed(index, entries.iter().map(request_of).collect())?;
    let (mut transactions, mut reversals) = (0, 0);
    for (_, number) in &table {
        match Known::from(*number) {
            Known::Transaction(id) => transactions = transactions.max(id.0 + 1),
            Known::Reversal(number) => reversals = reversals.max(number + 1),
        }
    }
    Some((Content::Requests { table, transactions, reversals }, digest))
}

/// Puts parts together, in whatever order they come.
#[derive(Debug, Default)]
pub struct Restore {
    parts: BTreeMap<(SectionKind, u64), (u64, Content)>,
}

impl Restore {
    /// Takes one part.
    ///
    /// # Errors
    /// [`ImageError::Count`] when it is there already.
    pub fn add(&mut self, part: Part) -> Result<(), ImageError> {
        let Part { kind, index, digest, content } = part;
        match self.parts.insert((kind, index), (digest, content)) {
            None => Ok(()),
            Some(_) => Err(ImageError::Count { kind }),
        }
    }

    /// The state, and its digest.
    ///
    /// # Errors
    /// [`ImageError::Count`] when the parts are not all of one state.
    pub fn finish(self) -> Result<(State, u64), ImageError> {
        let digests = self.parts.iter().map(|((kind, index), (digest, _))| (*kind, *index, *digest));
        let digest = digest_of_whole(digests);
        let mut build = Build::default();
        for ((kind, index), (_, content)) in self.parts {
            build.take(index, content).ok_or(ImageError::Count { kind })?;
        }
        Ok((build.state()?, digest))
    }
}

/// Rows of one kind while they come in.
#[derive(Default)]
struct Pages {
    pages: Vec<(usize, Box<[u8]>)>,
    counts: Vec<usize>,
}

impl Pages {
    fn take(&mut self, index: u64, packed: Box<[u8]>, count: usize) -> Option<()> {
        self.pages.push((usize::try_from(index).ok()?, packed));
        self.counts.push(count);
        Some(())
    }
    fn rows<T: Row>(self, len: u64) -> Option<Rows<T>> {
        let fit =
            self.pages.iter().zip(&self.counts).all(|((page, _), count)| count_of(len, *page) == *count);
        if fit { Rows::from_pages(len, self.pages).ok() } else { None }
    }
}

#[derive(Default)]
struct Build {
    state: State,
    head: Option<Head>,
    has_terms: bool,
    has_book: bool,
    known_max: (u64, u64),
    reversals: Pages,
    transactions: Pages,
}

impl Build {
    /// Parts come in the order of their kinds and numbers.
    fn take(&mut self, index: u64, content: Content) -> Option<()> {
        let state = &mut self.state;
        match content {
            Content::Head(head) => self.head = (index == 0).then_some(*head),
            Content::Merchants(items) => extend(&mut state.registry.merchants, index, items)?,
            Content::Terminals(items) => extend(&mut state.registry.terminals, index, items)?,
            Content::Cards(items) => extend(&mut state.registry.cards, index, items)?,
            Content::Batches(items) => extend(&mut state.batches.by_terminal, index, items)?,
            Content::Terms(terms) => {
                self.has_terms = index == 0;
                take_terms(&mut state.registry, *terms)?;
            }
            Content::Book(book) => {
                self.has_book = index == 0;
                state.book = *book;
            }
            Content::Requests { table, transactions, reversals } => {
                let (most, most_reversals) = self.known_max;
                self.known_max = (most.max(transactions), most_reversals.max(reversals));
                state.requests.known.set_table(index as usize, table)?;
            }
            Content::Tombstones(table) => state.requests.tombstones.set_table(index as usize, table)?,
            Content::AuthCodes(table) => state.transactions.by_auth_code.set_table(index as usize, table)?,
            Content::Blocked(table) => state.registry.blocked.set_table(index as usize, table)?,
            Content::Risk(image) => {
                let RiskImage { rules, routing, stand_in, since, held, held_standing } = *image;
                state.routing = routing;
                let risk = &mut state.risk;
                risk.stand_in = stand_in;
                risk.held_standing = held_standing;
                (risk.rules, risk.since, risk.held) =
                    (rules, since.into_iter().collect(), held.into_iter().collect());
            }
            Content::Devices(devices) => state.devices = *devices,
            Content::Rates(rates) => state.rates = *rates,
            Content::RiskCounters(tables) => state.risk.set_shard(index as usize, *tables)?,
            Content::Users(users) => state.users = (index == 0).then_some(*users)?,
            Content::Reversals { packed, count } => self.reversals.take(index, packed, count)?,
            Content::Transactions { packed, count, summary } => {
                // Pages that were given up leave a gap.
                let gap = (index as usize).checked_sub(state.transactions.references.pages_known())?;
                (0..gap).for_each(|_| state.transactions.references.push_span(None));
                state.transactions.references.push_span(summary.span);
                state.transactions.know_unresolved(&summary.unresolved);
                self.transactions.take(index, packed, count)?;
            }
        }
        Some(())
    }

    fn state(self) -> Result<State, ImageError> {
        let Self { mut state, head, has_terms, has_book, known_max, reversals, transactions } = self;
        let head = head.ok_or(ImageError::Count { kind: SectionKind::Head })?;
        let whole = |fits: bool, kind| if fits { Ok(()) } else { Err(ImageError::Count { kind }) };
        whole(has_terms, SectionKind::Terms)?;
        whole(has_book, SectionKind::Book)?;
        whole(known_max.0 <= head.transactions && known_max.1 <= head.reversals, SectionKind::Requests)?;
        whole(state.batches.by_terminal.len() == state.registry.terminals.len(), SectionKind::Batches)?;
        let count = |kind| ImageError::Count { kind };
        state.requests.reversals = reversals.rows(head.reversals).ok_or(count(SectionKind::Reversals))?;
        state.transactions.all =
            transactions.rows(head.transactions).ok_or(count(SectionKind::Transactions))?;
        index_registry(&mut state.registry);
        fill_head(&mut state, head);
        Ok(state)
    }
}

fn take_terms(registry: &mut Registry, terms: Terms) -> Option<()> {
    let Terms {
        version,
        disabled_merchants,
        links,
        link_modes,
        link_terms,
        routes,
        keys,
        fee_plans,
        ceremonies,
        offers,
        lmk,
        merchant_changes,
        products,
    } = terms;
    if [link_modes.len(), link_terms.len()] != [links.len(); 2] {
        return None;
    }
    let before = std::mem::take(registry);
    *registry = Registry {
        version,
        disabled_merchants,
        links,
        link_modes,
        link_terms,
        routes,
        keys,
        fee_plans,
        ceremonies,
        offers,
        lmk,
        merchant_changes,
        products,
        ..before
    };
    Some(())
}

/// A list comes in sections that are all full but the last.
fn extend<T>(list: &mut Vec<T>, index: u64, items: Vec<T>) -> Option<()> {
    let first = usize::try_from(index).ok()?.checked_mul(LIST_ITEMS)?;
    if first != list.len() {
        return None;
    }
    list.extend(items);
    Some(())
}

fn index_registry(registry: &mut Registry) {
    let merchants = registry.merchants.iter().zip(0..).map(|(m, index)| (m.id, MerchantIndex(index)));
    registry.merchant_by_id = merchants.collect();
    let terminals =
        registry.terminals.iter().zip(0..).map(|(t, index)| (t.terminal.id, TerminalIndex(index)));
    registry.terminal_by_id = terminals.collect();
    registry.card_by_hash =
        registry.cards.iter().zip(0..).map(|(c, index)| (c.card.card.hash, index)).collect();
}

fn fill_head(state: &mut State, head: Head) {
    let Head {
        origin,
        day,
        days_to_net,
        references,
        link_stans,
        records,
        last_at,
        waiting,
        dead,
        next_saf,
        cases,
        transactions: _,
        reversals: _,
        card_keys,
        saf_card_keys,
        saf_tries,
        saf_scripts,
        saf_chips,
    } = head;
    let mut saf = Saf::default();
    let lane = |entry: &SafEntry| {
        let transaction = state.transactions.get(entry.transaction);
        Lane::of(entry, transaction.and_then(Transaction::card_hash))
    };
    waiting.into_iter().for_each(|(_, entry)| saf.push(entry, None, lane(&entry)));
    dead.into_iter().for_each(|(_, entry)| saf.push_dead(entry, lane(&entry)));
    saf.take_moved();
    saf.tries = saf_tries.into_iter().collect();
    saf.card_keys = saf_card_keys.into_iter().collect();
    saf.scripts = saf_scripts.into_iter().collect();
    saf.chips = saf_chips.into_iter().collect();
    state.transactions.card_keys = card_keys.into_iter().collect();
    saf.next = next_saf;
    state.saf = saf;
    state.cases = cases.indexed();
    state.origin = origin;
    state.day = day;
    state.days_to_net = days_to_net;
    state.references = references;
    state.link_stans = link_stans;
    state.records = records;
    state.last_at = last_at;
}
