//! Who and what is registered.

use crate::key::Ceremony;
use crate::state::ranges::Ranges;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use switchyard_book::Sharded;
use switchyard_domain::{
    BlockCause, CardHash, CardIssued, Currency, FeePlan, KeyMessage, KeyName, KeyOffer, KeyRecord, KeyUse,
    Link, LinkIndex, LinkMode, MatchKeys, Merchant, MerchantId, MerchantIndex, Pan, Product, ProductCode,
    ProductIndex, ReplyFacts, Route, Terminal, TerminalId, TerminalIndex, TerminalProfile, Timestamp,
    WorkingKeys,
};

/// A terminal with what its sign-on gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TerminalState {
    pub(crate) terminal: Terminal,
    pub(crate) keys: Option<WorkingKeys>,
    pub(crate) signed_on: bool,
    /// The answer to its sign-off, for its repeat.
    pub(crate) signed_off: Option<ReplyFacts>,
    /// An operator disabled it.
    pub(crate) disabled: bool,
    /// How it speaks.
    pub(crate) profile: TerminalProfile,
    /// Wrong MACs in a row, as far as they are recorded.
    pub(crate) wrong_macs: u32,
    /// PIN blocks that did not open, and since when they are counted.
    pub(crate) malformed_pins: (u32, Timestamp),
    /// An operator wants it to have new working keys, and it has not signed on since.
    pub(crate) renews_keys: bool,
    /// Version of its last working keys, when they went with the algorithm that they were for.
    pub(crate) keys_spent: u32,
}

/// A card of the embedded issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IssuedCard {
    pub(crate) card: CardIssued,
    /// Wrong PINs since the last right one.
    pub(crate) pin_failures: u8,
}

/// What was agreed with a link's host since it was registered.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkTerms {
    /// The currency that its cardholders are billed in, where the switch converts for it.
    pub billing: Option<Currency>,
    /// By which elements its answers find their requests.
    pub matching: MatchKeys,
    /// Most requests that its host may have unanswered; nothing: as many as the configuration says.
    pub credit_max: Option<u32>,
    /// Number of the transport key that its PIN keys may come under, over the line.
    pub key_under: Option<u32>,
    /// The message that brought the key in force, where one of its host did.
    pub key_message: Option<KeyMessage>,
}

/// Everything that an operator registers.
#[derive(Debug, Default)]
pub struct Registry {
    pub(crate) merchants: Vec<Merchant>,
    pub(crate) merchant_by_id: Sharded<MerchantId, MerchantIndex>,
    pub(crate) terminals: Vec<TerminalState>,
    pub(crate) terminal_by_id: Sharded<TerminalId, TerminalIndex>,
    /// Merchants that an operator disabled.
    pub(crate) disabled_merchants: BTreeSet<MerchantIndex>,
    pub(crate) links: Vec<Link>,
    /// What each link is for.
    pub(crate) link_modes: Vec<LinkMode>,
    /// What was agreed with each.
    pub(crate) link_terms: Vec<LinkTerms>,
    /// Narrowest range first, so that the first match is the most specific.
    pub(crate) routes: Vec<Route>,
    /// The routes made for halving, at the first look after a change.
    pub(crate) ranges: OnceLock<Ranges>,
    pub(crate) keys: Vec<(KeyName, KeyRecord)>,
    /// Keys that their custodians have begun to bring together.
    pub(crate) ceremonies: Vec<(KeyName, Ceremony)>,
    /// Master keys that terminals may fetch.
    pub(crate) offers: BTreeMap<TerminalIndex, KeyOffer>,
    /// Check value of the local master key, once it was changed.
    pub(crate) lmk: Option<[u8; 4]>,
    pub(crate) cards: Vec<IssuedCard>,
    pub(crate) card_by_hash: Sharded<CardHash, u32>,
    pub(crate) fee_plans: Vec<FeePlan>,
    /// Card products, by number.
    pub(crate) products: Vec<Product>,
    /// The hot-card list.
    pub(crate) blocked: Sharded<CardHash, BlockCause>,
    /// Counts the changes of what operators register, so that one who decides on what is out of date is told.
    pub(crate) version: u64,
    /// Counts the changes of merchants.
    pub(crate) merchant_changes: u64,
}

impl Registry {
    /// Counts the changes of merchants, terminals, links, routes and fee plans.
    pub fn version(&self) -> u64 {
        self.version
    }
    /// What each link is for, in the order of registration.
    pub fn link_modes(&self) -> &[LinkMode] {
        &self.link_modes
    }
    /// What was agreed with a link's host.
    pub fn link_terms(&self, link: LinkIndex) -> LinkTerms {
        self.link_terms.get(usize::from(link.0)).copied().unwrap_or_default()
    }
    /// Whether an operator disabled a terminal; `None` for one that is not registered.
    pub fn is_disabled(&self, index: TerminalIndex) -> Option<bool> {
        self.terminal(index).map(|state| state.disabled)
    }
    /// Whether a terminal is to sign on for new working keys at its next answer.
    pub fn wants_new_keys(&self, index: TerminalIndex) -> bool {
        self.terminal(index).is_some_and(|state| state.renews_keys)
    }
    /// The master key that a terminal may fetch: its check value, and until when.
    pub fn offered_key(&self, index: TerminalIndex) -> Option<([u8; 4], Timestamp)> {
        self.offers.get(&index).map(|offer| (offer.key.check_value, offer.until))
    }
    /// Wrong MACs of a terminal in a row, as far as they are recorded.
    pub fn wrong_macs(&self, index: TerminalIndex) -> u32 {
        self.terminal(index).map_or(0, |state| state.wrong_macs)
    }
    /// PIN blocks of a terminal that did not open, and since when they are counted.
    pub fn malformed_pins(&self, index: TerminalIndex) -> (u32, Timestamp) {
        self.terminal(index).map_or((0, Timestamp(0)), |state| state.malformed_pins)
    }
    /// Whether an operator disabled a merchant.
    pub fn is_merchant_disabled(&self, index: MerchantIndex) -> bool {
        self.disabled_merchants.contains(&index)
    }
    /// The hot-card list, in no order that means anything.
    pub fn blocked_cards(&self) -> impl Iterator<Item = (CardHash, BlockCause)> {
        self.blocked.iter().copied()
    }
    /// How a terminal speaks; `None` for one that is not registered.
    pub fn profile(&self, index: TerminalIndex) -> Option<TerminalProfile> {
        self.terminal(index).map(|state| state.profile)
    }
    /// Every terminal with its working keys.
    pub fn terminals(&self) -> impl Iterator<Item = (TerminalIndex, &Terminal, Option<&WorkingKeys>)> {
        self.terminals.iter().zip(0..).map(|(t, index)| (TerminalIndex(index), &t.terminal, t.keys.as_ref()))
    }
    /// Every merchant.
    pub fn merchants(&self) -> impl Iterator<Item = (MerchantIndex, &Merchant)> {
        self.merchants.iter().zip(0..).map(|(m, index)| (MerchantIndex(index), m))
    }
    /// Every link.
    pub fn links(&self) -> impl Iterator<Item = (LinkIndex, &Link)> {
        self.links.iter().zip(0..).map(|(l, index)| (LinkIndex(index), l))
    }
    /// Every range of card numbers, narrowest first.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }
    /// Every card of the embedded issuer, in the order of its account.
    pub fn cards(&self) -> impl Iterator<Item = &CardIssued> {
        self.cards.iter().map(|issued| &issued.card)
    }
    /// Every version of every fee plan, in the order in which they were set.
    pub fn fee_plans(&self) -> &[FeePlan] {
        &self.fee_plans
    }
    /// Every card product, in the order in which they were added.
    pub fn products(&self) -> impl Iterator<Item = (ProductIndex, &Product)> {
        self.products.iter().zip(0..).map(|(product, index)| (ProductIndex(index), product))
    }
    /// A card product by its number.
    pub fn product(&self, index: ProductIndex) -> Option<&Product> {
        self.products.get(usize::from(index.0))
    }
    /// The card product of this code.
    pub fn product_named(&self, code: &ProductCode) -> Option<ProductIndex> {
        self.products().find(|(_, product)| product.code == *code).map(|(index, _)| index)
    }
    /// Whether a terminal is signed on; `None` for one that is not registered.
    pub fn is_signed_on(&self, index: TerminalIndex) -> Option<bool> {
        self.terminal(index).map(|state| state.signed_on)
    }
    /// Keys that are not a terminal's or a link's.
    pub fn keys(&self) -> impl Iterator<Item = (KeyName, &KeyRecord)> {
        self.keys.iter().map(|(name, key)| (*name, key))
    }

    /// The keys that cards are sealed under, by their number.
    pub fn card_keys(&self) -> impl Iterator<Item = (u32, &KeyRecord)> {
        let card_keys = self.keys().filter(|(name, _)| name.usage == KeyUse::CardData);
        card_keys.map(|(name, key)| (name.owner, key))
    }

    /// The terminal with this DE 41.
    pub fn terminal_named(&self, id: &TerminalId) -> Option<TerminalIndex> {
        self.terminal_by_id.get(id).copied()
    }
    /// DE 41 of a terminal.
    pub fn terminal_id(&self, index: TerminalIndex) -> Option<TerminalId> {
        self.terminal(index).map(|state| state.terminal.id)
    }
    /// A terminal by its index.
    pub(crate) fn terminal(&self, index: TerminalIndex) -> Option<&TerminalState> {
        self.terminals.get(index.0 as usize)
    }
    /// What a link is for.
    pub(crate) fn link_mode(&self, link: LinkIndex) -> LinkMode {
        self.link_modes.get(usize::from(link.0)).copied().unwrap_or_default()
    }
    /// The link of this name.
    pub fn link_named(&self, name: &str) -> Option<LinkIndex> {
        let index = self.links.iter().position(|link| link.name == name)?;
        u16::try_from(index).ok().map(LinkIndex)
    }
    /// A merchant by its index.
    pub fn merchant(&self, index: MerchantIndex) -> Option<&Merchant> {
        self.merchants.get(index.0 as usize)
    }
    /// A link by its index.
    pub fn link(&self, index: LinkIndex) -> Option<&Link> {
        self.links.get(usize::from(index.0))
    }
    /// Where a card goes: the narrowest range that holds its number.
    pub(crate) fn route(&self, pan: &Pan) -> Option<&Route> {
        let ranges = self.ranges.get_or_init(|| Ranges::of(&self.routes));
        self.routes.get(ranges.find(pan.routing_key())?)
    }
    /// A card of the embedded issuer and the number of its account.
    pub(crate) fn issued(&self, hash: &CardHash) -> Option<(u32, &IssuedCard)> {
        let owner = *self.card_by_hash.get(hash)?;
        Some((owner, self.cards.get(owner as usize)?))
    }
}
