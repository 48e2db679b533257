//! From the state to sections, and its digest.

use super::{Head, LIST_ITEMS, RiskImage, Section, SectionKind, Terms};
use crate::state::State;
use crate::state::rows::Rows;
use crate::state::sharded::{SHARDS, Sharded};
use foldhash::fast::FixedState;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher};

impl State {
    /// Everything that the records determine, in sections.
    pub fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        let tables = table(SectionKind::Requests, &self.requests.known)
            .chain(table(SectionKind::Tombstones, &self.requests.tombstones))
            .chain(table(SectionKind::AuthCodes, &self.transactions.by_auth_code));
        self.small_sections()
            .chain(tables)
            .chain(rows(SectionKind::Reversals, &self.requests.reversals))
            .chain(rows(SectionKind::Transactions, &self.transactions.all))
            .chain(self.risk_sections())
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
            .chain(self.risk_sections())
            .map(|s| (s.kind, s.index, s.digest));
        digest_of_whole(small.chain(tables).chain(pages))
    }

    /// Limits and risk rules; nothing where there never were any.
    fn risk_sections(&self) -> impl Iterator<Item = Section<'_>> {
        let risk = &self.risk;
        let image = RiskImage {
            rules: risk.rules.clone(),
            routing: self.routing.clone(),
            stand_in: risk.stand_in.clone(),
            since: risk.since.iter().map(|(rule, id)| (*rule, *id)).collect(),
            held: risk.held.iter().map(|(id, what)| (*id, *what)).collect(),
        };
        let versions = [image.rules.version, image.routing.version, image.stand_in.version];
        let head = (versions != [0; 3]).then(|| section(SectionKind::Risk, 0, pack(&image).into()));
        let counters = risk.shards().filter_map(|shard| {
            let tables = risk.shard(shard);
            (!tables.is_empty()).then(|| section(SectionKind::RiskCounters, shard, pack(&tables).into()))
        });
        head.into_iter().chain(counters)
    }

    /// Everything but tables and rows.
    fn small_sections(&self) -> impl Iterator<Item = Section<'_>> {
        let registry = &self.registry;
        let terms = Terms {
            links: registry.links.clone(),
            routes: registry.routes.clone(),
            keys: registry.keys.clone(),
            fee_plans: registry.fee_plans.clone(),
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
            book: _,
            risk: _,
            routing: _,
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
            transactions: transactions.all.len(),
            reversals: requests.reversals.len(),
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

fn rows<T>(kind: SectionKind, rows: &Rows<T>) -> impl Iterator<Item = Section<'_>>
where
    T: Serialize + DeserializeOwned,
{
    (0..rows.pages()).filter_map(move |page| Some(section(kind, page, rows.packed(page)?)))
}

fn table<K, V>(kind: SectionKind, map: &Sharded<K, V>) -> impl Iterator<Item = Section<'_>>
where
    K: Hash + Eq + Serialize,
    V: Hash + Serialize,
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
    let mut hasher = FixedState::default().build_hasher();
    sections.for_each(|(kind, index, digest)| (kind as u16, index, digest).hash(&mut hasher));
    hasher.finish()
}
