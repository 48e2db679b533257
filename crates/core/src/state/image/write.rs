//! From the state to sections, and its digest.

use super::{Head, LIST_ITEMS, RiskImage, Section, SectionKind, Terms};
use crate::state::State;
use crate::state::requests::{Number, Place, request_bytes};
use crate::state::rows::{Row, Rows};
use foldhash::fast::{FixedState, FoldHasher};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use switchyard_book::{SHARDS, Sharded};

impl State {
    /// Everything that the records determine, in sections.
    pub fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        let tables = requests(&self.requests.known)
            .chain(table(SectionKind::Tombstones, &self.requests.tombstones))
            .chain(table(SectionKind::AuthCodes, &self.transactions.by_auth_code));
        self.small_sections()
            .chain(tables)
            .chain(rows(SectionKind::Reversals, &self.requests.reversals))
            .chain(rows(SectionKind::Transactions, &self.transactions.all))
            .chain(table(SectionKind::Blocked, &self.registry.blocked))
            .chain(self.risk_sections())
            .chain(self.user_sections())
            .chain(self.device_section())
            .chain(self.rate_section())
    }

    /// A digest over everything that the records determine. It detects a difference; it proves nothing
    /// to an adversary (the ledger's Merkle root does).
    pub fn digest(&self) -> u64 {
        let small = self.small_sections().map(|s| (s.kind, s.index, s.digest));
        let tables = table_digests(SectionKind::Requests, &self.requests.known)
            .chain(table_digests(SectionKind::Tombstones, &self.requests.tombstones))
            .chain(table_digests(SectionKind::AuthCodes, &self.transactions.by_auth_code));
        let pages = rows(SectionKind::Reversals, &self.requests.reversals)
            .chain(rows(SectionKind::Transactions, &self.transactions.all))
            .map(|s| (s.kind, s.index, s.digest));
        let blocked = table_digests(SectionKind::Blocked, &self.registry.blocked);
        let risk = self.risk_sections().map(|s| (s.kind, s.index, s.digest));
        let newer = self.user_sections().chain(self.device_section()).chain(self.rate_section());
        let newer = newer.map(|s| (s.kind, s.index, s.digest));
        digest_of_whole(small.chain(tables).chain(pages).chain(blocked).chain(risk).chain(newer))
    }

    /// Limits and risk rules and what they hold; nothing where there never was anything.
    fn risk_sections(&self) -> impl Iterator<Item = Section<'_>> {
        let risk = &self.risk;
        let image = RiskImage {
            rules: risk.rules.clone(),
            routing: self.routing.clone(),
            stand_in: risk.stand_in.clone(),
            since: risk.since.iter().map(|(rule, id)| (*rule, *id)).collect(),
            held: risk.held.iter().map(|(id, what)| (*id, *what)).collect(),
            held_standing: risk.held_standing.clone(),
        };
        let versions = [image.rules.version, image.routing.version, image.stand_in.version];
        // The hot-card list holds payouts without any rule.
        let any = versions != [0; 3] || !image.held.is_empty();
        let head = any.then(|| section(SectionKind::Risk, 0, pack(&image).into()));
        let counters = risk.shards().filter_map(|shard| {
            let tables = risk.shard(shard);
            (!tables.is_empty()).then(|| section(SectionKind::RiskCounters, shard, pack(&tables).into()))
        });
        head.into_iter().chain(counters)
    }

    /// People who can log in; nothing where there are none.
    fn user_sections(&self) -> impl Iterator<Item = Section<'_>> {
        let any = self.users.count() > 0;
        any.then(|| section(SectionKind::Users, 0, pack(&self.users).into())).into_iter()
    }

    /// What terminals download, have and say; nothing where there never was anything.
    fn device_section(&self) -> impl Iterator<Item = Section<'_>> {
        let devices = &self.devices;
        let section = (!devices.is_empty()).then(|| section(SectionKind::Devices, 0, pack(devices).into()));
        section.into_iter()
    }

    /// Rates; nothing where none were ever set.
    fn rate_section(&self) -> impl Iterator<Item = Section<'_>> {
        let rates = &self.rates;
        let section = (!rates.is_empty()).then(|| section(SectionKind::Rates, 0, pack(rates).into()));
        section.into_iter()
    }

    /// Everything but tables and rows.
    fn small_sections(&self) -> impl Iterator<Item = Section<'_>> {
        let registry = &self.registry;
        let terms = Terms {
            version: registry.version,
            disabled_merchants: registry.disabled_merchants.clone(),
            links: registry.links.clone(),
            link_modes: registry.link_modes.clone(),
            link_terms: registry.link_terms.clone(),
            routes: registry.routes.clone(),
            keys: registry.keys.clone(),
            fee_plans: registry.fee_plans.clone(),
            ceremonies: registry.ceremonies.clone(),
            offers: registry.offers.clone(),
            lmk: registry.lmk,
            merchant_changes: registry.merchant_changes,
            products: registry.products.clone(),
        };
        one(SectionKind::Head, pack(&self.head()))
            .chain(list(SectionKind::Merchants, &registry.merchants))
            .chain(list(SectionKind::Terminals, &registry.terminals))
            .chain(one(SectionKind::Terms, pack(&terms)))
            .chain(list(SectionKind::Cards, &registry.cards))
            .chain(list(SectionKind::Batches, &self.batches.by_terminal))
            .chain(one(SectionKind::Book, pack(&self.book.image())))
    }

    fn head(&self) -> Head {
        // Whatever the state is given besides has to be put into a section; this names all that it has.
        let Self {
            origin,
            day,
            days_to_net,
            registry: _,
            batches: _,
            transactions,
            requests,
            saf,
            cases,
            book: _,
            risk: _,
            routing: _,
            users: _,
            devices: _,
            rates: _,
            references,
            link_stans,
            records,
            last_at,
        } = self;
        Head {
            origin: origin.clone(),
            day: *day,
            days_to_net: days_to_net.clone(),
            references: *references,
            link_stans: link_stans.clone(),
            records: *records,
            last_at: *last_at,
            waiting: saf.waiting.iter().map(|(id, entry)| (*id, *entry)).collect(),
            dead: saf.dead.iter().map(|(id, entry)| (*id, *entry)).collect(),
            next_saf: saf.next,
            cases: cases.clone(),
            transactions: transactions.all.len(),
            reversals: requests.reversals.len(),
            card_keys: transactions.card_keys.iter().map(|(key, used)| (*key, *used)).collect(),
            saf_card_keys: saf.card_keys.iter().map(|(id, key)| (*id, *key)).collect(),
            saf_tries: saf.tries.iter().map(|(id, count)| (*id, *count)).collect(),
            saf_scripts: saf.scripts.iter().map(|(id, report)| (*id, report.clone())).collect(),
            saf_chips: saf.chips.iter().map(|(id, chip)| (*id, chip.clone())).collect(),
        }
    }
}

fn pack<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("the state always encodes into a vector")
}

fn section(kind: SectionKind, index: usize, bytes: Cow<'_, [u8]>) -> Section<'_> {
    let index = index as u64;
    Section { kind, index, digest: digest_of_bytes(&bytes), bytes }
}

fn one<'s>(kind: SectionKind, bytes: Vec<u8>) -> impl Iterator<Item = Section<'s>> {
    std::iter::once(section(kind, 0, bytes.into()))
}

fn list<T: Serialize>(kind: SectionKind, items: &[T]) -> impl Iterator<Item = Section<'_>> {
    items.chunks(LIST_ITEMS).enumerate().map(move |(index, items)| section(kind, index, pack(&items).into()))
}

fn rows<T: Row>(kind: SectionKind, rows: &Rows<T>) -> impl Iterator<Item = Section<'_>> {
    (0..rows.pages()).filter_map(move |page| Some(section(kind, page, rows.packed(page)?)))
}

fn table<K, V>(kind: SectionKind, map: &Sharded<K, V>) -> impl Iterator<Item = Section<'_>>
where
    K: Hash + Eq + Serialize,
    V: Hash + Serialize,
{
    let pack = |entries: &[&(K, V)]| pack(&entries);
    tables(kind, map, pack)
}

fn requests(map: &Sharded<Place, Number>) -> impl Iterator<Item = Section<'_>> {
    tables(SectionKind::Requests, map, |entries| {
        entries.iter().flat_map(|entry| request_bytes(entry)).collect()
    })
}

fn tables<'s, K, V>(
    kind: SectionKind,
    map: &'s Sharded<K, V>,
    pack: impl Fn(&[&(K, V)]) -> Vec<u8>,
) -> impl Iterator<Item = Section<'s>>
where
    K: Hash + Eq,
    V: Hash,
{
    (0..SHARDS).filter_map(move |shard| {
        let entries: Vec<&(K, V)> = map.shard(shard).collect();
        let digest = digest_of_table(entries.iter().copied());
        let index = shard as u64;
        (!entries.is_empty()).then(|| Section { kind, index, bytes: pack(&entries).into(), digest })
    })
}

fn table_digests<K, V>(
    kind: SectionKind,
    map: &Sharded<K, V>,
) -> impl Iterator<Item = (SectionKind, u64, u64)>
where
    K: Hash + Eq,
    V: Hash,
{
    (0..SHARDS).filter_map(move |shard| {
        map.shard(shard).next()?;
        Some((kind, shard as u64, digest_of_table(map.shard(shard))))
    })
}

pub(super) fn digest_of_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// Order-free: the digest of a table must not depend on how its entries came into it.
pub(super) fn digest_of_table<'e, T: Hash + 'e>(entries: impl Iterator<Item = &'e T>) -> u64 {
    let build = FixedState::default();
    entries.fold(0_u64, |sum, entry| sum.wrapping_add(build.hash_one(entry)))
}

/// Over the sections' digests in order.
pub(super) fn digest_of_whole(sections: impl Iterator<Item = (SectionKind, u64, u64)>) -> u64 {
    let mut whole = Digest::default();
    sections.for_each(|(kind, index, digest)| whole.add_digest(kind, index, digest));
    whole.value()
}

/// The digest of a state while its sections are gone through, in order: what [`State::digest`] gives.
#[derive(Clone)]
pub struct Digest(FoldHasher<'static>);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({:016x})", self.value())
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self(FixedState::default().build_hasher())
    }
}

impl Digest {
    /// Takes the next section.
    pub fn add(&mut self, section: &Section<'_>) {
        self.add_digest(section.kind, section.index, section.digest);
    }
    fn add_digest(&mut self, kind: SectionKind, index: u64, digest: u64) {
        (kind as u16, index, digest).hash(&mut self.0);
    }
    /// The digest, once every section was taken.
    pub fn value(&self) -> u64 {
        self.0.finish()
    }
}
