//! From records to rows.
//!
//! | key | row |
//! |---|---|
//! | kind, number (4, big endian) | a row, as JSON |
//! | `M` and DE 42, `T` and DE 41 | number of the newest registration under the name |
//! | `#` and kind | how many rows of the kind there are |

use serde::{Serialize, de::DeserializeOwned};
use std::ops::RangeInclusive;
use switchyard_domain::{
    KeyName, KeyRecord, KeyUse, MerchantId, MerchantOrder, Record, Route, Stamped, Terminal, TerminalId,
    TerminalOrder, TerminalProfile, Timestamp,
};
use switchyard_ledger::Sequence;
use switchyard_ledger::projection::{Projection, Tree, Trouble};

use super::Kind;
use super::rows::{CardRow, FeePlanRow, LinkRow, MerchantRow, OfferedKey, RouteRow, TerminalRow};

/// The projection's name.
pub const NAME: &str = "registry";

/// Counts up when rows change; they are then made anew.
const VERSION: u32 = 4;

/// Projects the registry.
#[derive(Debug, Clone, Copy, Default)]
pub struct RegistryProjection;

impl Projection for RegistryProjection {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        VERSION
    }

    fn wants(&self, record: &[u8]) -> bool {
        // Whatever cannot be told apart is decoded, and refused there if it is no record.
        Stamped::variant(record).is_none_or(|variant| VARIANTS.iter().any(|some| some.contains(&variant)))
    }

    fn apply(&self, sequence: Sequence, record: &[u8], tree: &mut Tree<'_>) -> Result<(), Trouble> {
        let stamped = Stamped::decode(record).map_err(|_| Trouble::Record(sequence.0))?;
        let (at, broken) = (stamped.at, Trouble::Record(sequence.0));
        match stamped.record {
            Record::MerchantRegistered(merchant) => {
                let name = merchant_id(&merchant.id);
                let number =
                    add(tree, |number| MerchantRow { number, merchant, registered_at: at, disabled: false })?;
                tree.put(&name, number.to_be_bytes().to_vec())
            }
            Record::TerminalRegistered(terminal) => {
                let name = terminal_id(&terminal.id);
                let number = add(tree, |number| row_of(number, &terminal, at))?;
                tree.put(&name, number.to_be_bytes().to_vec())
            }
            Record::LinkRegistered(link) => add(tree, |number| LinkRow {
                number,
                name: link.name,
                address: link.address,
                dialect: link.dialect,
                framing: link.framing,
                check_value: link.pin_key.check_value,
                answer_timeout_ms: link.answer_timeout_ms,
                connections: link.connections,
                credit_max: None,
            })
            .map(drop),
            Record::RouteAdded(route) => {
                add(tree, |number| RouteRow { number, route, removed: false }).map(drop)
            }
            Record::FeePlanSet(plan) => add(tree, |number| FeePlanRow { number, plan }).map(drop),
            Record::CardIssued(issued) => add(tree, |number| CardRow {
                number,
                masked: issued.card.masked,
                currency: issued.currency,
                issued_at: at,
            })
            .map(drop),
            Record::SignedOn { terminal, keys, batch, .. } => {
                change(tree, terminal.0, broken, |row: &mut TerminalRow| {
                    row.signed_on = true;
                    row.key_version = keys.version;
                    row.batch = Some(batch);
                    row.signed_on_at = Some(at);
                })
            }
            Record::KeyInstalled { name, key } => install(tree, name, &key, broken),
            Record::LinkKeyChanged(change) => {
                let name = KeyName { usage: KeyUse::ZonePin, owner: u32::from(change.link.0) };
                install(tree, name, &change.key, broken)
            }
            record @ (Record::TerminalKeyOffered { .. }
            | Record::TerminalKeyTaken { .. }
            | Record::TerminalKeyWithdrawn { .. }) => fetchable(tree, &record, broken),
            Record::SignedOff { terminal, .. } => {
                change(tree, terminal.0, broken, |row: &mut TerminalRow| row.signed_on = false)
            }
            record @ (Record::TerminalOrdered { .. }
            | Record::MerchantOrdered { .. }
            | Record::RouteRemoved { .. }
            | Record::LinkChanged { .. }
            | Record::MerchantChanged { .. }
            | Record::TerminalChanged { .. }) => altered(tree, record, broken),
            _ => Ok(()),
        }
    }
}

/// What somebody ordered or changed of what is registered.
fn altered(tree: &mut Tree<'_>, record: Record, broken: Trouble) -> Result<(), Trouble> {
    match record {
        Record::TerminalOrdered { terminal, order, .. } => {
            change(tree, terminal.0, broken, |row: &mut TerminalRow| match order {
                TerminalOrder::Disable => row.disabled = true,
                TerminalOrder::Enable => row.disabled = false,
                TerminalOrder::ResetBatch(_) | TerminalOrder::ForceSignOn => row.signed_on = false,
                TerminalOrder::Speak(profile) => {
                    row.signed_on |= !profile.carries_mac;
                    row.profile = profile;
                }
                TerminalOrder::RenewKeys => {}
            })
        }
        Record::MerchantOrdered { merchant, order, .. } => {
            change(tree, merchant.0, broken, |row: &mut MerchantRow| {
                row.disabled = order == MerchantOrder::Disable;
            })
        }
        Record::RouteRemoved { route, .. } => remove_route(tree, &route, broken),
        Record::LinkChanged { link, change: changed, .. } => {
            change(tree, u32::from(link.0), broken, |row: &mut LinkRow| row.set(changed.after))
        }
        Record::MerchantChanged { merchant, change: changed, .. } => {
            change(tree, merchant.0, broken, |row: &mut MerchantRow| row.merchant = changed.after)
        }
        Record::TerminalChanged { terminal, change: changed, .. } => {
            change(tree, terminal.0, broken, |row: &mut TerminalRow| row.set(&changed.after))
        }
        _ => Ok(()),
    }
}

/// Places among the variants, which the on-disk format fixes, between which all that changes the registry lies: from
/// [`Record::KeyInstalled`] to [`Record::SignedOff`], [`Record::TerminalOrdered`] with
/// [`Record::MerchantOrdered`], [`Record::RouteRemoved`], from [`Record::TerminalKeyOffered`] to
/// [`Record::TerminalKeyWithdrawn`], from [`Record::LinkChanged`] to [`Record::TerminalChanged`], and
/// [`Record::LinkKeyChanged`].
const VARIANTS: [RangeInclusive<u32>; 6] = [2..=11, 34..=35, 42..=42, 74..=76, 80..=82, 89..=89];

fn row_of(number: u32, terminal: &Terminal, at: Timestamp) -> TerminalRow {
    TerminalRow {
        number,
        id: terminal.id,
        merchant: terminal.merchant,
        mac: terminal.mac,
        profile: TerminalProfile::default(),
        check_value: terminal.master_key.check_value,
        registered_at: at,
        signed_on: false,
        key_version: 0,
        batch: None,
        signed_on_at: None,
        disabled: false,
        offered: None,
    }
}

/// The key of a row.
pub(super) fn key(prefix: u8, number: u32) -> Vec<u8> {
    [&[prefix][..], &number.to_be_bytes()].concat()
}

/// The key under which a merchant's number stands.
pub(super) fn merchant_id(id: &MerchantId) -> Vec<u8> {
    [b"M", id.as_bytes().as_slice()].concat()
}

/// The key under which a terminal's number stands.
pub(super) fn terminal_id(id: &TerminalId) -> Vec<u8> {
    [b"T", id.as_bytes().as_slice()].concat()
}

/// Adds a row under the next number of its kind.
fn add<T: Kind + Serialize>(tree: &mut Tree<'_>, row: impl FnOnce(u32) -> T) -> Result<u32, Trouble> {
    let counter = [b'#', T::PREFIX];
    let number = match tree.get(&counter)? {
        Some(bytes) => u32::from_be_bytes(bytes.try_into().map_err(|_| Trouble::Digest)?),
        None => 0,
    };
    tree.put(&key(T::PREFIX, number), encode(&row(number))?)?;
    tree.put(&counter, (number + 1).to_be_bytes().to_vec())?;
    Ok(number)
}

/// Changes a row.
fn change<T: Kind + Serialize>(
    tree: &mut Tree<'_>,
    number: u32,
    broken: Trouble,
    change: impl FnOnce(&mut T),
) -> Result<(), Trouble> {
    let key = key(T::PREFIX, number);
    let mut row: T = decode(&tree.get(&key)?.ok_or(broken)?)?;
    change(&mut row);
    tree.put(&key, encode(&row)?)
}

/// A key of a terminal or a link is another one: its row shows another check value.
fn install(tree: &mut Tree<'_>, name: KeyName, key: &KeyRecord, broken: Trouble) -> Result<(), Trouble> {
    let check_value = key.check_value;
    match name.usage {
        KeyUse::TerminalMaster => change(tree, name.owner, broken, |row: &mut TerminalRow| {
            row.check_value = check_value;
            row.offered = None;
        }),
        KeyUse::ZonePin => {
            change(tree, name.owner, broken, |row: &mut LinkRow| row.check_value = check_value)
        }
        KeyUse::TerminalPin
        | KeyUse::TerminalMac
        | KeyUse::TerminalTrack
        | KeyUse::PinVerification
        | KeyUse::CardData
        | KeyUse::CardHash
        | KeyUse::IssuerCryptogram
        | KeyUse::Transport => Ok(()),
    }
}

/// A terminal may fetch its next master key, has taken it, or may fetch it no more.
fn fetchable(tree: &mut Tree<'_>, record: &Record, broken: Trouble) -> Result<(), Trouble> {
    match record {
        Record::TerminalKeyOffered { terminal, offer } => {
            let offered = OfferedKey { check_value: offer.key.check_value, until: offer.until };
            change(tree, terminal.0, broken, |row: &mut TerminalRow| row.offered = Some(offered))
        }
        Record::TerminalKeyTaken { terminal, key } => {
            install(tree, KeyName { usage: KeyUse::TerminalMaster, owner: terminal.0 }, key, broken)
        }
        Record::TerminalKeyWithdrawn { terminal, .. } => {
            change(tree, terminal.0, broken, |row: &mut TerminalRow| row.offered = None)
        }
        _ => Ok(()),
    }
}

/// Marks the route that went: the oldest that is like it and still stands, as the core takes it.
fn remove_route(tree: &mut Tree<'_>, route: &Route, broken: Trouble) -> Result<(), Trouble> {
    for number in 0.. {
        let Some(bytes) = tree.get(&key(RouteRow::PREFIX, number))? else { break };
        let row: RouteRow = decode(&bytes)?;
        if row.route == *route && !row.removed {
            return change(tree, number, broken, |row: &mut RouteRow| row.removed = true);
        }
    }
    Err(broken)
}

fn encode(row: &impl Serialize) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(row).map_err(|error| Trouble::Database(error.to_string()))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(bytes).map_err(|_| Trouble::Digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_domain::{
        Actor, CardClass, Changed, KeyOffer, LineKey, LinkDialect, LinkIndex, LinkKeyChange, LinkSettings,
        MerchantIndex, RouteTarget, TerminalIndex, TerminalMac, TerminalSettings, WrappedKey,
    };

    #[test]
    fn the_projection_wants_what_it_applies() {
        let reason = || "because".parse().unwrap();
        let route =
            Route { low: 1, high: 2, class: CardClass::Debit.into(), target: RouteTarget::OnUs, issuer: 1 };
        let order = TerminalOrder::Disable;
        let key = KeyRecord { wrapped: WrappedKey("D".into()), check_value: [0; 4] };
        let line = LineKey { wrapped: vec![0; 20], proof: [0; 8] };
        let (until, reason_of_offer) = (Timestamp(0), reason());
        let offer = KeyOffer { key: key.clone(), under: None, line, until, reason: reason_of_offer };
        let under = KeyName { usage: KeyUse::Transport, owner: 1 };
        let key_change = LinkKeyChange { link: LinkIndex(0), key: key.clone(), under, message: None };
        let link = LinkSettings {
            address: "10.0.0.7:8600".into(),
            dialect: LinkDialect::Iso87Binary,
            framing: "len2-be".into(),
            answer_timeout_ms: 10_000,
            connections: 1,
            credit_max: None,
        };
        let terminal =
            TerminalSettings { merchant: MerchantIndex(0), mac: TerminalMac::CupEcb, takes_partial: false };
        for record in [
            Record::RouteAdded(route.clone()),
            Record::TerminalOrdered { terminal: TerminalIndex(0), order, reason: reason() },
            Record::MerchantOrdered {
                merchant: MerchantIndex(0),
                order: MerchantOrder::Enable,
                reason: reason(),
            },
            Record::RouteRemoved { route, reason: reason() },
            Record::TerminalKeyOffered { terminal: TerminalIndex(0), offer: Box::new(offer) },
            Record::TerminalKeyTaken { terminal: TerminalIndex(0), key },
            Record::TerminalKeyWithdrawn { terminal: TerminalIndex(0), check_value: [0; 4], reason: None },
            Record::LinkChanged {
                link: LinkIndex(0),
                change: Box::new(Changed { before: link.clone(), after: link }),
                reason: reason(),
            },
            Record::TerminalChanged {
                terminal: TerminalIndex(0),
                change: Changed { before: terminal, after: terminal },
                reason: reason(),
            },
            Record::LinkKeyChanged(Box::new(key_change)),
        ] {
            let mut bytes = Vec::new();
            Stamped { at: Timestamp(0), actor: Actor::Switch, record }.encode(&mut bytes);
            assert!(RegistryProjection.wants(&bytes));
        }
    }
}
