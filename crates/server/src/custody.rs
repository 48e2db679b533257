//! Keys that people bring together, take out and bring in, where the local master key is.
//!
//! The core is asked what there is, the work with clear keys is done here, and the core records wrapped keys and check
//! values. Both ways of working, beside a running switch and on a data directory that nobody serves, go through
//! [`KeyRequest::prepare`].

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};
use switchyard_core::{Act, Command, CommandError, CommandOutcome, KeyCommand, KeyFacts, NewOffer};
use switchyard_domain::{
    Actor, KeyCipher, KeyMove, KeyName, KeyPlan, KeyRecord, KeyUse, LineKey, Reason, TerminalId,
    TerminalIndex, UserName,
};
use switchyard_keys::lmk::{KeyAlgorithm, KeyAttributes};
use switchyard_keys::master_key::{MASTER_KEY_BYTES, master_key_proof, wrap_master_key};
use switchyard_keys::tr31::{self, Header, Version};
use switchyard_keys::{DesKey, KeyError, SecretBytes, TdesCipher, components, set_odd_parity, wrap_des_ecb};

use crate::clear_key::from_digits;
use crate::data::DataError;
use crate::keystore::{CardKeyError, KeyStore, is_ours, usage_of, wipe};
use crate::login::LoginError;
use crate::shared::Shared;

/// What a custodian asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum KeyRequest {
    /// Begins a ceremony.
    Begin {
        /// The key.
        key: KeyName,
        /// What it will be.
        plan: KeyPlan,
        /// Why.
        reason: Reason,
    },
    /// Says that a component was drawn and printed.
    Drawn {
        /// The key.
        key: KeyName,
        /// Check value of the component.
        check_value: [u8; 4],
    },
    /// Brings a component.
    Load {
        /// The key.
        key: KeyName,
        /// The component, which is never written.
        #[serde(skip_serializing)]
        component: Component,
    },
    /// Ends a ceremony without a key.
    Cancel {
        /// The key.
        key: KeyName,
        /// Why.
        reason: Reason,
    },
    /// Takes a key out under a transport key.
    Export {
        /// The key.
        key: KeyName,
        /// The transport key.
        under: KeyName,
    },
    /// Brings a key in under a transport key.
    Import {
        /// The key.
        key: KeyName,
        /// The transport key.
        under: KeyName,
        /// A TR-31 key block.
        block: String,
        /// Whether a terminal's master key of wrong parity is taken and put right: the field has such keys, and DES does
        /// not look at parity.
        #[serde(default)]
        set_parity: bool,
    },
    /// Draws a terminal's next master key, and takes it out under a transport key.
    Inject {
        /// The terminal.
        terminal: TerminalId,
        /// The transport key.
        under: KeyName,
    },
    /// Draws a terminal's next master key, which it may fetch over the line.
    Offer {
        /// The terminal.
        terminal: TerminalId,
        /// The transport key that it is under; without one the terminal's master key in force.
        under: Option<KeyName>,
        /// For how long.
        hours: u32,
        /// Why.
        reason: Reason,
    },
    /// It may not any more.
    Withdraw {
        /// The terminal.
        terminal: TerminalId,
        /// Why.
        reason: Reason,
    },
}

/// A component that a custodian typed. It has no form to be printed in.
#[derive(Debug)]
pub struct Component(SecretBytes);

impl Component {
    /// Reads hexadecimal digits, in groups or not; whoever calls wipes them.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        let mut digits: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let read = from_digits(&digits).filter(|bytes| matches!(bytes.len(), 16 | 24 | 32));
        wipe(&mut digits);
        read.map(Self)
    }
    #[cfg(test)]
    pub(crate) fn of(bytes: SecretBytes) -> Self {
        Self(bytes)
    }
    /// The bytes, to be sent to where they are wrapped.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

impl<'de> Deserialize<'de> for Component {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::deserialize(deserializer)?.into_bytes();
        let read = Self::from_hex(&text);
        wipe(&mut text);
        read.ok_or_else(|| de::Error::custom("a component is 32, 48 or 64 hexadecimal digits"))
    }
}

/// What is shown of what was done. None of it opens anything.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Check value of the key, where it is whole.
    pub kcv: Option<String>,
    /// Check value of the component.
    pub component_kcv: Option<String>,
    /// Components that are still to come.
    pub missing: Option<usize>,
    /// The key under the transport key, as a TR-31 block.
    pub block: Option<String>,
    /// The same under a triple DES transport key in ECB, as key loaders of terminals take it.
    pub cryptogram: Option<String>,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// The core refused.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// A key or component cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No ceremony is open for the key.
    #[error("no ceremony is open for {0}: begin one with `switchyard key init`")]
    NoCeremony(KeyName),
    /// The component has another length than the key.
    #[error("the component has {have} bytes, the key {need}")]
    Length {
        /// Bytes of the key.
        need: u8,
        /// Bytes of the component.
        have: usize,
    },
    /// There is no such key.
    #[error("{0} is not installed")]
    Missing(KeyName),
    /// The key may not leave.
    #[error("{0} is not exportable")]
    NotExportable(KeyName),
    /// The transport key is weaker than what it is to carry.
    #[error("{under}: {source}")]
    Weaker {
        /// The transport key.
        under: KeyName,
        /// By how much.
        #[source]
        source: KeyError,
    },
    /// The key in force is of a later version than the one that is brought in.
    #[error("version {have} of {key} is in force, and {brought} is older")]
    Older {
        /// The key.
        key: KeyName,
        /// Version in force.
        have: u8,
        /// Version brought in.
        brought: u8,
    },
    /// The key cannot carry another over the line.
    #[error("{0} is no triple DES key: offer the next one under a transport key")]
    NotTdes(KeyName),
    /// A custodian of the local master key did not log in.
    #[error("custodian {custodian}: {source}")]
    Custodian {
        /// Who.
        custodian: UserName,
        /// Why.
        #[source]
        source: LoginError,
    },
    /// The files of the local master key, or of card keys.
    #[error(transparent)]
    Cards(#[from] CardKeyError),
    /// A key opens under none of the local master keys that are here.
    #[error("{key} opens under no local master key that is here")]
    Unopened {
        /// Which.
        key: KeyName,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// There is no local master key but the one in force.
    #[error("there is no local master key to retire")]
    NothingToRetire,
    /// The switch ended meanwhile.
    #[error("the switch stopped before it was done")]
    Stopped,
}

impl From<DataError> for CustodyError {
    fn from(error: DataError) -> Self {
        Self::Cards(error.into())
    }
}

impl KeyRequest {
    /// What asking for this is.
    pub(crate) fn act(&self) -> Act {
        match self {
            Self::Begin { .. } | Self::Cancel { .. } => Act::BeginCeremony,
            Self::Drawn { .. } | Self::Load { .. } => Act::LoadComponent,
            Self::Export { .. } => Act::ExportKey,
            Self::Import { .. } => Act::ImportKey,
            Self::Inject { .. } => Act::InjectKey,
            Self::Offer { .. } => Act::OfferKey,
            Self::Withdraw { .. } => Act::WithdrawKey,
        }
    }

    /// What the core has to be asked before the work.
    pub(crate) fn needs(&self) -> Vec<KeyCommand> {
        let facts = |key: &KeyName| KeyCommand::Facts { key: *key };
        match self {
            Self::Begin { .. } | Self::Drawn { .. } | Self::Cancel { .. } | Self::Withdraw { .. } => {
                Vec::new()
            }
            Self::Load { key, .. } => vec![facts(key)],
            Self::Export { key, under } => vec![facts(under), facts(key)],
            Self::Import { key, under, .. } => vec![facts(under), facts(key)],
            Self::Inject { terminal, under } => {
                vec![facts(under), KeyCommand::TerminalFacts { terminal: *terminal }]
            }
            Self::Offer { terminal, under, .. } => {
                let of_terminal = KeyCommand::TerminalFacts { terminal: *terminal };
                std::iter::once(of_terminal).chain(under.as_ref().map(facts)).collect()
            }
        }
    }

    /// The command to record, and what to show once it is.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing has happened then.
    pub(crate) fn prepare(
        self,
        store: &KeyStore,
        known: &[KeyFacts],
    ) -> Result<(KeyCommand, Shown), CustodyError> {
        let done = |command| Ok((command, Shown::default()));
        match (self, known) {
            (Self::Begin { key, plan, reason }, _) => done(KeyCommand::Begin { key, plan, reason }),
            (Self::Drawn { key, check_value }, _) => done(KeyCommand::Drawn { key, check_value }),
            (Self::Cancel { key, reason }, _) => done(KeyCommand::Cancel { key, reason }),
            (Self::Load { key, component }, [facts]) => load(store, facts, key, &component),
            (Self::Export { key, under }, [transport, facts]) => {
                export(store, &Transport::open(store, under, transport)?, key, facts)
            }
            (Self::Import { key, under, block, set_parity }, [transport, facts]) => {
                let transport = Transport::open(store, under, transport)?;
                import(store, &transport, facts, key, &Brought { block, set_parity })
            }
            (Self::Inject { under, .. }, [transport, facts]) => {
                inject(store, &Transport::open(store, under, transport)?, facts.key)
            }
            (Self::Offer { under, hours, reason, .. }, [facts, transport @ ..]) => {
                let transport = match (under, transport) {
                    (Some(under), [transport]) => Some(Transport::open(store, under, transport)?),
                    _ => None,
                };
                offer(store, facts, transport.as_ref(), hours, reason)
            }
            (Self::Withdraw { terminal, reason }, _) => done(KeyCommand::Withdraw { terminal, reason }),
            _ => Err(CustodyError::Stopped),
        }
    }
}

fn load(
    store: &KeyStore,
    facts: &KeyFacts,
    key: KeyName,
    component: &Component,
) -> Result<(KeyCommand, Shown), CustodyError> {
    let ceremony = facts.ceremony.as_ref().ok_or(CustodyError::NoCeremony(key))?;
    let (plan, have) = (ceremony.plan, component.expose().len());
    if have != usize::from(plan.bytes) {
        return Err(CustodyError::Length { need: plan.bytes, have });
    }
    let algorithm = algorithm_of(plan.cipher);
    let wrapped = store.wrap_component(algorithm, component.expose())?;
    let before = ceremony.components.len();
    let missing = usize::from(plan.components).saturating_sub(before + 1);
    let sum = match missing {
        0 => Some(combine(store, key, &plan, ceremony.components.iter().map(|(_, part)| part), component)?),
        _ => None,
    };
    let shown = Shown {
        kcv: sum.as_ref().map(|sum| text(&sum.check_value)),
        component_kcv: Some(text(&wrapped.check_value)),
        missing: Some(missing),
        ..Shown::default()
    };
    Ok((KeyCommand::Load { key, component: wrapped, before, sum }, shown))
}

/// The key that the components make, under the local master key.
fn combine<'c>(
    store: &KeyStore,
    key: KeyName,
    plan: &KeyPlan,
    before: impl Iterator<Item = &'c KeyRecord>,
    last: &Component,
) -> Result<KeyRecord, CustodyError> {
    let before: Vec<SecretBytes> =
        before.map(|part| store.unwrap_component(part)).collect::<Result<_, _>>()?;
    let mut parts: Vec<&[u8]> = before.iter().map(SecretBytes::expose).collect();
    parts.push(last.expose());
    let sum = components::combine(&parts)?;
    // The sum of components with odd parity has even parity.
    let clear = if plan.cipher == KeyCipher::Tdes { with_odd_parity(&sum) } else { sum };
    let attributes =
        KeyAttributes { exportable: plan.exportable, ..KeyAttributes::new(algorithm_of(plan.cipher)) };
    Ok(store.wrap_with(key.usage, attributes, clear.expose())?)
}

/// The same DES key with its parity put right.
pub(crate) fn with_odd_parity(key: &SecretBytes) -> SecretBytes {
    let mut bytes = key.expose().to_vec();
    set_odd_parity(&mut bytes);
    SecretBytes::from(bytes)
}

/// A transport key, open.
pub(crate) struct Transport {
    name: KeyName,
    key: SecretBytes,
    algorithm: KeyAlgorithm,
    version: Version,
}

impl Transport {
    fn open(store: &KeyStore, name: KeyName, facts: &KeyFacts) -> Result<Self, CustodyError> {
        Ok(Self::of(store, name, facts.record.as_ref().ok_or(CustodyError::Missing(name))?)?)
    }

    pub(crate) fn of(store: &KeyStore, name: KeyName, record: &KeyRecord) -> Result<Self, KeyError> {
        let key = store.unwrap(KeyUse::Transport, record)?;
        let algorithm = store.attributes(record)?.algorithm;
        let version = if algorithm == KeyAlgorithm::Aes { Version::D } else { Version::B };
        Ok(Self { name, key, algorithm, version })
    }

    pub(crate) fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }
    pub(crate) fn expose(&self) -> &[u8] {
        self.key.expose()
    }
    /// Its cipher and bytes: what it carries is not stronger.
    pub(crate) fn strength(&self) -> (KeyAlgorithm, usize) {
        (self.algorithm, self.key.expose().len())
    }

    /// As key loaders of terminals, and terminals, use one of triple DES.
    pub(crate) fn cipher(&self) -> Result<TdesCipher, KeyError> {
        Ok(TdesCipher::new(&DesKey::from_slice(self.key.expose())?))
    }

    fn block(&self, usage: KeyUse, algorithm: KeyAlgorithm, key: &[u8]) -> Result<String, CustodyError> {
        let carried = algorithm.check_under(key.len(), self.algorithm, self.key.expose().len());
        carried.map_err(|source| CustodyError::Weaker { under: self.name, source })?;
        let usage = usage_of(usage);
        let header =
            Header::new(self.version, usage.tr31_code(), algorithm.code(), usage.mode_of_use(), b'N');
        let block = tr31::wrap(self.key.expose(), &header, key)?;
        Ok(String::from_utf8(block).map_err(|_| KeyError::Input("key block"))?)
    }
}

fn export(
    store: &KeyStore,
    transport: &Transport,
    key: KeyName,
    facts: &KeyFacts,
) -> Result<(KeyCommand, Shown), CustodyError> {
    let record = facts.record.as_ref().ok_or(CustodyError::Missing(key))?;
    let attributes = store.attributes(record)?;
    if !attributes.exportable {
        return Err(CustodyError::NotExportable(key));
    }
    let clear = store.unwrap(key.usage, record)?;
    let block = transport.block(key.usage, attributes.algorithm, clear.expose())?;
    let check_value = record.check_value;
    let shown = Shown { kcv: Some(text(&check_value)), block: Some(block), ..Shown::default() };
    let (under, way) = (transport.name, KeyMove::Exported);
    Ok((KeyCommand::Move { key, under, way, check_value, record: None }, shown))
}

/// A key block that somebody brought.
struct Brought {
    block: String,
    set_parity: bool,
}

fn import(
    store: &KeyStore,
    transport: &Transport,
    facts: &KeyFacts,
    key: KeyName,
    brought: &Brought,
) -> Result<(KeyCommand, Shown), CustodyError> {
    let out = tr31::unwrap(transport.key.expose(), brought.block.trim().as_bytes())?;
    let attributes = KeyAttributes::of_import(&out, transport.strength(), usage_of(key.usage))?;
    not_older(store, facts, key, attributes.version)?;
    let is_des = matches!(attributes.algorithm, KeyAlgorithm::Des | KeyAlgorithm::Tdes);
    let sets = brought.set_parity && is_des && key.usage == KeyUse::TerminalMaster;
    let clear = if sets { with_odd_parity(&out.key) } else { out.key };
    let record = store.wrap_with(key.usage, attributes, clear.expose())?;
    let check_value = record.check_value;
    let shown = Shown { kcv: Some(text(&check_value)), ..Shown::default() };
    let (under, way) = (transport.name, KeyMove::Imported);
    Ok((KeyCommand::Move { key, under, way, check_value, record: Some(record) }, shown))
}

/// A key block that is brought again must not put a key back that was replaced. Without versions nothing is said.
fn not_older(store: &KeyStore, facts: &KeyFacts, key: KeyName, brought: u8) -> Result<(), CustodyError> {
    let Some(record) = facts.record.as_ref().filter(|record| is_ours(record)) else { return Ok(()) };
    let have = store.attributes(record)?.version;
    let is_older = brought > 0 && brought < have;
    if is_older { Err(CustodyError::Older { key, have, brought }) } else { Ok(()) }
}

fn inject(
    store: &KeyStore,
    transport: &Transport,
    key: KeyName,
) -> Result<(KeyCommand, Shown), CustodyError> {
    let master = DesKey::generate(MASTER_KEY_BYTES)?;
    let record = store.wrap(KeyUse::TerminalMaster, master.expose())?;
    let block = transport.block(KeyUse::TerminalMaster, KeyAlgorithm::Tdes, master.expose())?;
    let cryptogram = match transport.version {
        Version::B => Some(hex(&wrap_des_ecb(&transport.cipher()?, master.expose())?)),
        _ => None,
    };
    let check_value = record.check_value;
    let shown = Shown { kcv: Some(text(&check_value)), block: Some(block), cryptogram, ..Shown::default() };
    let (under, way) = (transport.name, KeyMove::Injected);
    Ok((KeyCommand::Move { key, under, way, check_value, record: Some(record) }, shown))
}

/// As [`inject`], for a terminal that fetches it by itself. Under the master key that it has, which no other terminal has,
/// only this one can open it.
fn offer(
    store: &KeyStore,
    facts: &KeyFacts,
    transport: Option<&Transport>,
    hours: u32,
    reason: Reason,
) -> Result<(KeyCommand, Shown), CustodyError> {
    let in_force = facts.record.as_ref().ok_or(CustodyError::Missing(facts.key))?;
    let master = DesKey::generate(MASTER_KEY_BYTES)?;
    let key = store.wrap(KeyUse::TerminalMaster, master.expose())?;
    let wrapped = match transport {
        Some(transport) if transport.version == Version::D => {
            transport.block(KeyUse::TerminalMaster, KeyAlgorithm::Tdes, master.expose())?.into_bytes()
        }
        Some(transport) => wrap_master_key(&transport.cipher()?, &master)?,
        None if store.attributes(in_force)?.algorithm != KeyAlgorithm::Tdes => {
            return Err(CustodyError::NotTdes(facts.key));
        }
        None => wrap_master_key(&store.unwrap_cipher(KeyUse::TerminalMaster, in_force)?, &master)?,
    };
    let line = LineKey { wrapped, proof: master_key_proof(&master) };
    let shown = Shown { kcv: Some(text(&key.check_value)), ..Shown::default() };
    let (terminal, before) = (TerminalIndex(facts.key.owner), in_force.check_value);
    let under = transport.map(|transport| transport.name);
    let new = NewOffer { terminal, key, under, line, before, hours, reason };
    Ok((KeyCommand::Offer(Box::new(new)), shown))
}

/// Does it at a running switch.
pub(crate) async fn carry_out(
    shared: &Arc<Shared>,
    actor: Actor,
    request: KeyRequest,
) -> Result<Shown, CustodyError> {
    let mut known = Vec::new();
    for need in request.needs() {
        known.extend(keys_of(asked(shared, &actor, need).await?));
    }
    let working = Arc::clone(shared);
    let prepared = tokio::task::spawn_blocking(move || request.prepare(&working.store, &known));
    let (command, shown) = prepared.await.map_err(|_| CustodyError::Stopped)??;
    asked(shared, &actor, command).await?;
    Ok(shown)
}

/// Every key as people are shown it.
pub(crate) async fn list(shared: &Shared, actor: Actor) -> Result<Vec<KeyRow>, CustodyError> {
    let known = keys_of(asked(shared, &actor, KeyCommand::List).await?);
    Ok(known.iter().map(KeyRow::of).collect())
}

pub(crate) async fn asked(
    shared: &Shared,
    actor: &Actor,
    command: KeyCommand,
) -> Result<CommandOutcome, CustodyError> {
    let done = shared.command(actor.clone(), Command::Key(command)).await;
    Ok(done.map_err(|_| CustodyError::Stopped)??)
}

pub(crate) fn keys_of(outcome: CommandOutcome) -> Vec<KeyFacts> {
    match outcome {
        CommandOutcome::Keys(keys) => keys,
        _ => Vec::new(),
    }
}

/// A key, as people are shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// Its name.
    pub key: String,
    /// `in force`, or how many components are there.
    pub state: String,
    /// Check value of the key in force.
    pub kcv: Option<String>,
    /// Those who have brought a component of the ceremony that is open.
    pub custodians: Vec<String>,
    /// What the ceremony that is open is to make.
    pub plan: Option<KeyPlan>,
}

impl KeyRow {
    /// What is shown of a key.
    pub fn of(facts: &KeyFacts) -> Self {
        let state = match &facts.ceremony {
            Some(open) => format!("{} of {} components", open.components.len(), open.plan.components),
            None => "in force".to_owned(),
        };
        let people = facts.ceremony.iter().flat_map(|open| &open.components);
        Self {
            key: facts.key.to_string(),
            state,
            kcv: facts.record.as_ref().map(|record| text(&record.check_value)),
            custodians: people.map(|(user, _)| user.to_string()).collect(),
            plan: facts.ceremony.as_ref().map(|open| open.plan),
        }
    }
}

fn algorithm_of(cipher: KeyCipher) -> KeyAlgorithm {
    match cipher {
        KeyCipher::Tdes => KeyAlgorithm::Tdes,
        KeyCipher::Aes => KeyAlgorithm::Aes,
    }
}

/// A check value as people compare it.
pub(crate) fn text(check_value: &[u8; 4]) -> String {
    hex(&check_value[..3])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
