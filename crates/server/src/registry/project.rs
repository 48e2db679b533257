//! From records to rows.
//!
//! | key | row |
//! |---|---|
//! | kind, number (4, big endian) | a row, as JSON |
//! | `M` and DE 42, `T` and DE 41 | number of the newest registration under the name |
//! | `#` and kind | how many rows of the kind there are |

use serde::{Serialize, de::DeserializeOwned};
use switchyard_domain::{MerchantId, Record, Stamped, Terminal, TerminalId, TerminalIndex, Timestamp};
use switchyard_ledger::Sequence;
use switchyard_ledger::projection::{Projection, Tree, Trouble};

use super::Kind;
use super::rows::{CardRow, FeePlanRow, LinkRow, MerchantRow, RouteRow, TerminalRow};

/// The projection's name.
pub const NAME: &str = "registry";

/// Counts up when rows change; they are then made anew.
const VERSION: u32 = 1;

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
        Stamped::variant(record).is_none_or(|variant| (FIRST_VARIANT..=LAST_VARIANT).contains(&variant))
    }

    fn apply(&self, sequence: Sequence, record: &[u8], tree: &mut Tree<'_>) -> Result<(), Trouble> {
        let stamped = Stamped::decode(record).map_err(|_| Trouble::Record(sequence.0))?;
        let (at, broken) = (stamped.at, Trouble::Record(sequence.0));
        match stamped.record {
            Record::MerchantRegistered(merchant) => {
                let name = merchant_id(&merchant.id);
                let number = add(tree, |number| MerchantRow { number, merchant, registered_at: at })?;
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
            })
            .map(drop),
            Record::RouteAdded(route) => add(tree, |number| RouteRow { number, route }).map(drop),
            Record::FeePlanSet(plan) => add(tree, |number| FeePlanRow { number, plan }).map(drop),
            Record::CardIssued(issued) => add(tree, |number| CardRow {
                number,
                masked: issued.card.masked,
                currency: issued.currency,
                issued_at: at,
            })
            .map(drop),
            Record::SignedOn { terminal, keys, batch, .. } => change(tree, terminal, broken, |row| {
                row.signed_on = true;
                row.key_version = keys.version;
                row.batch = Some(batch);
                row.signed_on_at = Some(at);
            }),
            Record::SignedOff { terminal, .. } => change(tree, terminal, broken, |row| row.signed_on = false),
            _ => Ok(()),
        }
    }
}

/// Places of [`Record::MerchantRegistered`] and [`Record::SignedOff`] among the variants, which the on-disk format
/// fixes: all that changes the registry lies between them.
const FIRST_VARIANT: u32 = 3;
const LAST_VARIANT: u32 = 11;

fn row_of(number: u32, terminal: &Terminal, at: Timestamp) -> TerminalRow {
    TerminalRow {
        number,
        id: terminal.id,
        merchant: terminal.merchant,
        mac: terminal.mac,
        check_value: terminal.master_key.check_value,
        registered_at: at,
        signed_on: false,
        key_version: 0,
        batch: None,
        signed_on_at: None,
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

/// Changes a terminal's row.
fn change(
    tree: &mut Tree<'_>,
    terminal: TerminalIndex,
    broken: Trouble,
    change: impl FnOnce(&mut TerminalRow),
) -> Result<(), Trouble> {
    let key = key(TerminalRow::PREFIX, terminal.0);
    let mut row: TerminalRow = decode(&tree.get(&key)?.ok_or(broken)?)?;
    change(&mut row);
    tree.put(&key, encode(&row)?)
}

fn encode(row: &impl Serialize) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(row).map_err(|error| Trouble::Database(error.to_string()))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(bytes).map_err(|_| Trouble::Digest)
}
