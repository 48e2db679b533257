//! Makes a demo world from a seed.

use super::card::{could_be_taken_for_a_card, luhn_digit};
use super::{
    CheckValue, Concealed, DemoAccount, DemoCard, DemoKey, DemoLink, DemoMerchant, DemoRoute, DemoTerminal,
    DemoWorld, Speech, Tpdu,
};
use crate::error::SimError;
use crate::random::Random;
use std::collections::BTreeSet;
use switchyard_domain::{BatchNumber, CardClass, Expiry, LinkDialect, MerchantId, TerminalMac};
use switchyard_keys::emv::CryptogramScheme;
use switchyard_keys::{DesKey, set_odd_parity};

/// `issuer` of the cards that the switch itself holds.
pub const ON_US_ISSUER: &str = "switchyard";
/// Every on-us card begins with these digits.
pub const ON_US_BIN: &str = "621234";

/// How chips of the demo make cryptograms.
pub(crate) const CHIP_SCHEME: CryptogramScheme = CryptogramScheme::Pboc;
/// DE 23 of every card.
pub(crate) const CARD_SEQUENCE: &[u8; 2] = b"01";

const MERCHANTS_MAX: usize = 9_000;
const TERMINALS_MAX: usize = 900_000;
const CARDS_MAX: usize = 100_000;
const HARBOUR: &str = "harbour-bank";
const RIVER: &str = "river-bank";
/// One hundred million yuan: a long run does not empty a card.
const BALANCE_RICH_MINOR: u64 = 10_000_000_000;
const BALANCE_POOR_MINOR: u64 = 100;
const EXPIRY: &str = "3012";
const EXPIRY_PAST: &str = "2001";

/// How large a demo world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoSize {
    /// Merchants, at least one.
    pub merchants: usize,
    /// Terminals, dealt to the merchants in turn.
    pub terminals: usize,
    /// Cards of the embedded issuer, with the poor and the expired one.
    pub cards_on_us: usize,
    /// Cards behind the links.
    pub cards_linked: usize,
}
impl Default for DemoSize {
    fn default() -> Self {
        Self { merchants: 4, terminals: 16, cards_on_us: 12, cards_linked: 9 }
    }
}

/// Where the keys of a world come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySource {
    /// The operating system: two worlds of one seed share names and no keys.
    System,
    /// The seed: for tests only, anybody can make these keys again.
    Seeded,
}

impl DemoWorld {
    /// Makes a world. Identifiers, cards and PINs follow from `seed` alone.
    ///
    /// # Errors
    /// [`SimError::World`] when `size` has no merchant or is out of bounds, [`SimError::Key`] without
    /// randomness from the operating system.
    pub fn generate(seed: u64, size: &DemoSize, keys: KeySource) -> Result<Self, SimError> {
        let in_bounds = (1..=MERCHANTS_MAX).contains(&size.merchants)
            && size.terminals <= TERMINALS_MAX
            && size.cards_on_us.max(size.cards_linked) <= CARDS_MAX;
        if !in_bounds {
            return Err(SimError::World { what: "size of the demo" });
        }
        let mut random = Random::new(seed);
        let mut key_random = Random::part(seed, 1);
        let mut draw = || match keys {
            KeySource::System => system_key(),
            KeySource::Seeded => Ok(seeded_key(&mut key_random)),
        };
        let merchants: Vec<DemoMerchant> = (0..size.merchants).map(merchant).collect::<Result<_, _>>()?;
        let terminals = (0..size.terminals)
            .map(|index| terminal(index, &merchants[index % merchants.len()].mid, draw()?))
            .collect::<Result<_, _>>()?;
        let mut links = vec![harbour(draw()?), river(draw()?)];
        let issuer_cryptogram = draw()?;
        for link in &mut links {
            link.transport = Some(draw()?);
        }
        let mut cards = cards(&mut random, size)?;
        for card in cards.iter_mut().filter(|card| card.on_us) {
            card.chip_key = Some(chip_key(&issuer_cryptogram, card)?);
        }
        let acquirer = "48023100".parse().map_err(|_| SimError::World { what: "acquirer" })?;
        let issuer_cryptogram = Some(issuer_cryptogram);
        Ok(Self { terminals, merchants, cards, links, acquirer, issuer_cryptogram })
    }
}

fn system_key() -> Result<DemoKey, SimError> {
    let key = DesKey::generate(16)?;
    let bytes = key.expose().try_into().map_err(|_| SimError::World { what: "key length" })?;
    Ok(DemoKey::new(bytes))
}

/// What the issuer puts into the chip of a card.
fn chip_key(issuer: &DemoKey, card: &DemoCard) -> Result<DemoKey, SimError> {
    let key = CHIP_SCHEME.icc_key(&issuer.des(), card.pan.expose().as_bytes(), CARD_SEQUENCE)?;
    let bytes = key.expose().try_into().map_err(|_| SimError::World { what: "key length" })?;
    Ok(DemoKey::new(bytes))
}

fn seeded_key(random: &mut Random) -> DemoKey {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&random.next().to_be_bytes());
    bytes[8..].copy_from_slice(&random.next().to_be_bytes());
    set_odd_parity(&mut bytes);
    DemoKey::new(bytes)
}

fn merchant(index: usize) -> Result<DemoMerchant, SimError> {
    const TRADES: [(&str, u16); 4] =
        [("晨光超市", 5411), ("江南小馆", 5812), ("顺达加油站", 5541), ("云栖酒店", 7011)];
    let (trade, mcc) = TRADES[index % TRADES.len()];
    let round = index / TRADES.len();
    let name = if round == 0 { trade.to_owned() } else { format!("{trade}{}号店", round + 1) };
    // A merchant number that passes for a card number would trip every search for leaked cards.
    let digits = (1..=9_999)
        .map(|serial| format!("8983100{mcc:04}{serial:04}"))
        .filter(|digits| !could_be_taken_for_a_card(digits))
        .nth(round)
        .ok_or(SimError::World { what: "number of merchants" })?;
    let mid: MerchantId = digits.parse().map_err(|_| SimError::World { what: "merchant id" })?;
    let account = DemoAccount {
        holder: name.clone(),
        number: format!("4405{:08}", index + 1),
        cnaps: "104290003582".to_owned(),
    };
    Ok(DemoMerchant { mid, name, mcc, fee_plan: (index % 2) as u32 + 1, account })
}

/// Most terminals are what the field has most of; the rest show the other profiles.
fn terminal(index: usize, mid: &MerchantId, tmk: DemoKey) -> Result<DemoTerminal, SimError> {
    let mac = match index % 16 {
        5 => TerminalMac::CupEcbDouble,
        7 => TerminalMac::X99,
        9 => TerminalMac::CmacTdes,
        11 => TerminalMac::X919,
        13 => TerminalMac::CmacAes,
        15 => TerminalMac::Sm4,
        _ => TerminalMac::CupEcb,
    };
    Ok(DemoTerminal {
        tid: format!("{:08}", 10_000_001 + index)
            .parse()
            .map_err(|_| SimError::World { what: "terminal id" })?,
        mid: *mid,
        kcv: CheckValue(tmk.check_value()),
        tmk,
        mac,
        tpdu: Tpdu([0x60, 0x00, 0x03, 0x00, 0x00]),
        batch: BatchNumber::FIRST,
        track_key: index % 4 == 3,
        speech: Speech::default(),
    })
}

fn harbour(zpk: DemoKey) -> DemoLink {
    DemoLink {
        name: HARBOUR.to_owned(),
        address: "127.0.0.1:8590".to_owned(),
        dialect: LinkDialect::Iso87Binary,
        framing: "len2-be".to_owned(),
        zpk,
        transport: None,
        routes: vec![route("4111", CardClass::Foreign), route("622588", CardClass::Credit)],
    }
}

fn river(zpk: DemoKey) -> DemoLink {
    DemoLink {
        name: RIVER.to_owned(),
        address: "127.0.0.1:8591".to_owned(),
        dialect: LinkDialect::Iso87Ascii,
        framing: "len4-ascii".to_owned(),
        zpk,
        transport: None,
        routes: vec![route("5555", CardClass::Foreign)],
    }
}

fn route(prefix: &str, class: CardClass) -> DemoRoute {
    DemoRoute { low: prefix.to_owned(), high: prefix.to_owned(), class }
}

fn cards(random: &mut Random, size: &DemoSize) -> Result<Vec<DemoCard>, SimError> {
    let mut deck = Deck { random, masks: BTreeSet::new(), cards: Vec::new() };
    for index in 0..size.cards_on_us {
        let known = (index == 0).then_some("6212345678901232");
        let class = if index % 3 == 2 { CardClass::Credit } else { CardClass::Debit };
        let card = deck.deal(known, ON_US_BIN, ON_US_ISSUER, class)?;
        match index {
            1 => card.balance_minor = BALANCE_POOR_MINOR,
            2 => card.expiry = EXPIRY_PAST.parse().map_err(|_| SimError::World { what: "expiry" })?,
            _ => {}
        }
    }
    for index in 0..size.cards_linked {
        let known = match index {
            0 => Some("4111111111111111"),
            1 => Some("5555555555554444"),
            _ => None,
        };
        let (prefix, issuer, class) = match index % 3 {
            0 => ("4111", HARBOUR, CardClass::Foreign),
            1 => ("5555", RIVER, CardClass::Foreign),
            _ => ("622588", HARBOUR, CardClass::Credit),
        };
        deck.deal(known, prefix, issuer, class)?;
    }
    Ok(deck.cards)
}

/// Deals cards whose masked numbers differ, because a journal names its card by the mask.
struct Deck<'a> {
    random: &'a mut Random,
    masks: BTreeSet<String>,
    cards: Vec<DemoCard>,
}

impl Deck<'_> {
    fn deal(
        &mut self,
        known: Option<&str>,
        prefix: &str,
        issuer: &str,
        class: CardClass,
    ) -> Result<&mut DemoCard, SimError> {
        const ATTEMPTS_MAX: usize = 10_000;
        for attempt in 0..ATTEMPTS_MAX {
            let pan = match known {
                Some(pan) if attempt == 0 => pan.to_owned(),
                _ => self.draw(prefix),
            };
            // First six and last four digits.
            if !self.masks.insert(format!("{}{}", &pan[..6], &pan[12..])) {
                continue;
            }
            self.cards.push(DemoCard {
                pan: Concealed::new(pan),
                expiry: Expiry::try_from(EXPIRY.as_bytes())
                    .map_err(|_| SimError::World { what: "expiry" })?,
                pin: Concealed::new(format!("{:06}", self.random.below(1_000_000))),
                service_code: if class == CardClass::Foreign { "201" } else { "220" }.to_owned(),
                issuer: issuer.to_owned(),
                on_us: issuer == ON_US_ISSUER,
                balance_minor: BALANCE_RICH_MINOR,
                class,
                chip_key: None,
            });
            return self.cards.last_mut().ok_or(SimError::World { what: "cards" });
        }
        Err(SimError::World { what: "number of cards: masks ran out" })
    }
    /// Sixteen digits with a check digit.
    fn draw(&mut self, prefix: &str) -> String {
        let free = 15 - prefix.len();
        let body = format!("{prefix}{:0free$}", self.random.below(10_u64.pow(free as u32)));
        let check = luhn_digit(&body);
        format!("{body}{check}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::luhn_is_valid;

    #[test]
    fn one_seed_is_one_world_and_keys_are_its_own() {
        let size = DemoSize::default();
        let world = DemoWorld::generate(7, &size, KeySource::Seeded).unwrap();
        assert_eq!(world, DemoWorld::generate(7, &size, KeySource::Seeded).unwrap());
        let other = DemoWorld::generate(7, &size, KeySource::System).unwrap();
        let numbers = |world: &DemoWorld| -> Vec<_> {
            world.cards.iter().map(|card| DemoCard { chip_key: None, ..card.clone() }).collect()
        };
        assert_eq!(numbers(&world), numbers(&other), "but for the keys in their chips");
        assert_ne!(world.terminals[0].tmk, other.terminals[0].tmk);
        assert!(other.terminals.iter().all(|t| t.tmk.check_value() == t.kcv.0));
    }

    #[test]
    fn the_default_world_has_one_of_everything() {
        let world = DemoWorld::generate(1, &DemoSize::default(), KeySource::Seeded).unwrap();
        assert_eq!((world.merchants.len(), world.terminals.len(), world.links.len()), (4, 16, 2));
        assert!(
            world.cards.iter().all(|card| luhn_is_valid(card.pan.expose()) && card.pin.expose().len() == 6)
        );
        assert_eq!(world.cards.iter().filter(|card| card.balance_minor == BALANCE_POOR_MINOR).count(), 1);
        assert_eq!(world.cards.iter().filter(|card| card.expiry.digits() == b"2001").count(), 1);
        for mac in [
            TerminalMac::CupEcb,
            TerminalMac::CupEcbDouble,
            TerminalMac::X99,
            TerminalMac::X919,
            TerminalMac::CmacTdes,
            TerminalMac::CmacAes,
            TerminalMac::Sm4,
        ] {
            assert!(world.terminals.iter().any(|t| t.mac == mac), "{mac:?}");
        }
        for link in &world.links {
            assert!(link.framing().is_ok());
            for card in world.cards_of(&link.name) {
                let pan = card.number().unwrap();
                assert!(link.routes.iter().any(|r| pan.is_between(&r.low, &r.high) && r.class == card.class));
            }
        }
    }

    #[test]
    fn the_file_reads_back_and_spells_what_the_interface_promises() {
        let world = DemoWorld::generate(3, &DemoSize::default(), KeySource::Seeded).unwrap();
        let json = serde_json::to_value(&world).unwrap();
        assert_eq!(json["terminals"][0]["tpdu"], "6000030000");
        assert_eq!(json["terminals"][0]["mac"], "cup-ecb");
        assert_eq!(json["terminals"][0]["batch"], 1);
        assert_eq!(json["terminals"][0]["tmk"].as_str().unwrap().len(), 32);
        assert_eq!(json["cards"][0]["pan"], "6212345678901232");
        assert_eq!(json["cards"][0]["class"], "debit");
        assert_eq!(json["links"][0]["dialect"], "iso87-binary");
        assert_eq!(serde_json::from_value::<DemoWorld>(json).unwrap(), world);
        assert!(!format!("{world:?}").contains("6212345678901232"));
    }
}
