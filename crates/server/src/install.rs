//! Makes a data directory: keys, and the first records of the ledger.

use std::path::Path;
use std::sync::Arc;

use switchyard_core::{
    Command, CommandError, CommandOutcome, Core, Effect, Input, Output, State, UserCommand,
};
use switchyard_domain::{
    AcquirerId, Actor, BusinessDate, KeyName, KeyRecord, KeyUse, Record, Roles, UserName, UtcOffset,
};
use switchyard_keys::password::Password;
use switchyard_keys::{KeyError, SecretBytes};
use switchyard_ledger::{Error, Log, RecordBatch};

use crate::config::{Config, Profile};
use crate::custody::{CustodyError, KeyRequest, Shown, keys_of};
use crate::data::{DataDir, DataError, KEY_BYTES};
use crate::keystore::{CardKeyError, Cards, DATA_KEY_FIRST, KeyStore, hash_key_record};
use crate::lmk::store_of;
use crate::login::{LoginError, Who, compare_alone, next_password};
use crate::open::{Opened, ReplayError, open};
use crate::shared::{Hooks, now};

/// What a new ledger starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitPlan {
    /// The acquirer's institution code, DE 32.
    pub acquirer: AcquirerId,
    /// Local time of the switch.
    pub offset: UtcOffset,
    /// The first business day; today where there is none.
    pub day: Option<BusinessDate>,
    /// Whether its keys are for demonstrations only: profile "production" refuses them.
    pub demo: bool,
}

/// Why a data directory was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The directory or its key files.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The keys of cards.
    #[error(transparent)]
    Cards(#[from] CardKeyError),
    /// A key.
    #[error("key refused")]
    Key(#[from] KeyError),
    /// The ledger.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A key cannot be brought together, taken out or brought in.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// Nobody is logged in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// A command of the plan, by its place in it, was refused.
    #[error("command {index} of the plan was refused")]
    Refused {
        /// Which.
        index: usize,
        /// Why.
        #[source]
        source: CommandError,
    },
}

impl From<Error> for InitError {
    fn from(error: Error) -> Self {
        Self::Replay(ReplayError::Ledger(error))
    }
}

/// The keys of a data directory that is being made: with them the caller wraps keys and seals cards for
/// the commands of its plan.
#[derive(Debug)]
pub struct Tools {
    /// Wraps keys.
    pub keys: KeyStore,
    /// Seals cards.
    pub cards: Cards,
}

/// Makes `dir` and records what `commands` says; it may do so with the new directory's keys. The first
/// records, genesis and the key for card data, are made here.
///
/// # Errors
/// [`InitError`]; what was made so far stays, and a second attempt says [`DataError::Exists`].
pub fn initialise(
    dir: &Path,
    config: &Config,
    plan: &InitPlan,
    commands: impl FnOnce(&Tools) -> Result<Vec<Command>, KeyError>,
) -> Result<(), InitError> {
    initialise_under(dir, config, plan, SecretBytes::random(KEY_BYTES)?, commands)
}

/// As [`initialise`], under a local master key that its custodians brought together.
///
/// # Errors
/// As [`initialise`].
pub fn initialise_under(
    dir: &Path,
    config: &Config,
    plan: &InitPlan,
    lmk: SecretBytes,
    commands: impl FnOnce(&Tools) -> Result<Vec<Command>, KeyError>,
) -> Result<(), InitError> {
    let data = DataDir::new(dir, &config.keys);
    data.create(plan.demo, &lmk)?;
    let keys = KeyStore::new(&lmk)?;
    let hash_key = data.read_card_hash(Profile::Demo)?;
    let first = card_keys(&data, &keys, &hash_key)?;
    let cards =
        Cards::open(&keys, first.iter().map(|(name, key)| (*name, key)), &hash_key, &data.card_keys())?;
    let tools = Tools { keys, cards };

    let Opened { mut log, mut core, .. } =
        open(&data.ledger(), &data.snapshots(), config, &Hooks::default().files)?;
    let at = now();
    let genesis = Record::Genesis {
        partition: crate::open::PARTITION.0 as u8,
        acquirer: plan.acquirer,
        offset: plan.offset,
        day: plan.day.unwrap_or_else(|| BusinessDate::at(at, plan.offset)),
        demo: plan.demo,
    };
    let keys = first.into_iter().map(|(name, key)| Command::InstallKey { name, key });
    let all = [Command::Genesis(Box::new(genesis))].into_iter().chain(keys).chain(commands(&tools)?);
    let mut output = Output::default();
    for (index, command) in all.enumerate() {
        carry_out(&mut core, index, Actor::Installer, command, &mut output)?;
    }
    append(&mut log, &output)?;
    log.close(now().0)?;
    Ok(())
}

/// Appends records in as few blocks as their sizes allow.
pub(crate) fn append(log: &mut Log, output: &Output) -> Result<(), InitError> {
    let mut batch = RecordBatch::new();
    for stamped in &output.records {
        if batch.push(|buffer| stamped.encode(buffer)).is_err() {
            log.append(&std::mem::take(&mut batch), now().0)?;
            batch.push(|buffer| stamped.encode(buffer))?;
        }
    }
    log.append(&batch, now().0)?;
    Ok(())
}

/// Has one command recorded in a data directory that no switch serves: takes the ledger's lock, replays,
/// appends, closes.
///
/// # Errors
/// [`InitError::Refused`] when the core refuses it, and whatever opening and writing the ledger yields.
pub fn carry_out_alone(
    dir: &Path,
    config: &Config,
    who: Who,
    command: Command,
) -> Result<CommandOutcome, InitError> {
    alone(dir, config, who, |_, _, _| Ok(command))
}

/// As [`carry_out_alone`], for a command that takes the directory's keys to make.
///
/// # Errors
/// As [`carry_out_alone`], and what reading the keys yields.
pub fn carry_out_alone_with(
    dir: &Path,
    config: &Config,
    who: Who,
    make: impl FnOnce(&Tools) -> Result<Command, KeyError>,
) -> Result<CommandOutcome, InitError> {
    alone(dir, config, who, |data, core, _| {
        let profile = config.general.profile;
        let keys = store_of(data, config, core.state())?;
        let hash_key = data.read_card_hash(profile)?;
        let cards = Cards::open(&keys, core.state().registry().keys(), &hash_key, &data.card_keys())?;
        Ok(make(&Tools { keys, cards })?)
    })
}

/// The keys that open the cards of a data directory, for a reader beside whoever writes there.
///
/// # Errors
/// What reading the keys yields.
pub fn cards_of(dir: &Path, config: &Config, state: &State) -> Result<Cards, InitError> {
    let (data, profile) = (DataDir::new(dir, &config.keys), config.general.profile);
    let keys = KeyStore::under(Arc::new(data.lmk().open(profile, state.lmk())?));
    let hash_key = data.read_card_hash(profile)?;
    Ok(Cards::open(&keys, state.registry().keys(), &hash_key, &data.card_keys())?)
}

/// Seals cards under a new key from now on, in a data directory that no switch serves.
///
/// # Errors
/// As [`carry_out_alone`], and what reading the local master key and writing the key's file yield.
pub fn rotate_card_key_alone(dir: &Path, config: &Config, who: Who) -> Result<u32, InitError> {
    let mut drawn_id = 0;
    alone(dir, config, who, |data, core, _| {
        let keys = store_of(data, config, core.state())?;
        drawn_id = crate::card_keys::next_id(core);
        let drawn = data.card_keys().draw(&keys, drawn_id)?;
        Ok(Command::InstallKey { name: drawn.name, key: drawn.record })
    })?;
    Ok(drawn_id)
}

/// Has the command that `make` gives recorded, and does what a running switch does once it is durable.
fn alone(
    dir: &Path,
    config: &Config,
    who: Who,
    make: impl FnOnce(&DataDir, &mut Core, &Actor) -> Result<Command, InitError>,
) -> Result<CommandOutcome, InitError> {
    let data = DataDir::new(dir, &config.keys);
    if !data.is_initialised() {
        return Err(DataError::NotInitialised { path: dir.to_path_buf() }.into());
    }
    let Opened { mut log, recovery, mut core, .. } =
        open(&data.ledger(), &data.snapshots(), config, &Hooks::default().files)?;
    let mut output = Output::default();
    let cut_bytes = recovery.cut.map_or(0, |cut| cut.bytes);
    core.start(log.epoch().0, cut_bytes, now(), &mut output);
    let tried = matches!(who, Who::Login(_));
    let outcome = prove(&mut core, who, &mut output).and_then(|actor| {
        let command = make(&data, &mut core, &actor)?;
        carry_out(&mut core, 0, actor, command, &mut output)
    });
    if outcome.is_err() && !tried {
        return outcome;
    }
    // A wrong password counts, whatever else came of it.
    append(&mut log, &output)?;
    log.close(now().0)?;
    let outcome = outcome?;
    for stamped in &output.records {
        if let Record::CardKeysShredded { keys, .. } = &stamped.record {
            keys.iter().try_for_each(|id| data.card_keys().destroy(u32::from(*id)))?;
        }
    }
    Ok(outcome)
}

/// Who somebody is, by whatever proves it.
pub(crate) fn prove(core: &mut Core, who: Who, output: &mut Output) -> Result<Actor, InitError> {
    match who {
        Who::Proven(actor) => Ok(actor),
        Who::Login(login) => {
            let ask = |command| own(core, Actor::Switch, Command::User(command), output);
            Ok(Actor::User(compare_alone(&login, ask)?))
        }
    }
}

/// Sets a user's next password in a data directory that no switch serves.
///
/// # Errors
/// As [`carry_out_alone`], and [`LoginError`] when it may not follow those before it.
pub fn set_password_alone(
    dir: &Path,
    config: &Config,
    who: Who,
    user: UserName,
    typed: &Password,
) -> Result<CommandOutcome, InitError> {
    alone(dir, config, who, |_, core, actor| {
        let asked = Command::User(UserCommand::Passwords { user: user.clone() });
        let asked = own(core, actor.clone(), asked, &mut Output::default());
        let passwords = match asked.map_err(LoginError::Refused)? {
            CommandOutcome::Passwords(passwords) => passwords,
            _ => return Err(LoginError::Stopped.into()),
        };
        let password = next_password(typed, &passwords.kept)?;
        Ok(Command::User(UserCommand::SetPassword { user, password, version: passwords.version }))
    })
}

/// Lets a person log in from now on, in a data directory that no switch serves.
///
/// # Errors
/// As [`set_password_alone`].
pub fn add_user_alone(
    dir: &Path,
    config: &Config,
    who: Who,
    user: UserName,
    roles: Roles,
    typed: &Password,
) -> Result<CommandOutcome, InitError> {
    let password = next_password(typed, &[])?;
    let command = Command::User(UserCommand::Add { user, roles, password });
    carry_out_alone(dir, config, who, command)
}

/// Does a custodian's work in a data directory that no switch serves.
///
/// # Errors
/// As [`carry_out_alone`], and [`CustodyError`].
pub fn custody_alone(dir: &Path, config: &Config, who: Who, request: KeyRequest) -> Result<Shown, InitError> {
    let mut told = Shown::default();
    alone(dir, config, who, |data, core, actor| {
        let store = store_of(data, config, core.state())?;
        let mut known = Vec::new();
        for need in request.needs() {
            let asked = own(core, actor.clone(), Command::Key(need), &mut Output::default());
            known.extend(keys_of(asked.map_err(CustodyError::Refused)?));
        }
        let (command, shown) = request.prepare(&store, &known)?;
        told = shown;
        Ok(Command::Key(command))
    })?;
    Ok(told)
}

/// One command of several.
pub(crate) fn own(
    core: &mut Core,
    actor: Actor,
    command: Command,
    output: &mut Output,
) -> Result<CommandOutcome, CommandError> {
    match carry_out(core, 0, actor, command, output) {
        Err(InitError::Refused { source, .. }) => Err(source),
        Ok(outcome) => Ok(outcome),
        Err(_) => Err(CommandError::Invalid { what: "a command" }),
    }
}

/// The key that seals cards, and what tells whether the right key hashes them.
fn card_keys(
    data: &DataDir,
    store: &KeyStore,
    hash_key: &SecretBytes,
) -> Result<[(KeyName, KeyRecord); 2], InitError> {
    let drawn = data.card_keys().draw(store, DATA_KEY_FIRST)?;
    let hash_name = KeyName { usage: KeyUse::CardHash, owner: 0 };
    Ok([(drawn.name, drawn.record), (hash_name, hash_key_record(hash_key))])
}

pub(crate) fn carry_out(
    core: &mut Core,
    index: usize,
    actor: Actor,
    command: Command,
    output: &mut Output,
) -> Result<CommandOutcome, InitError> {
    let ticket = index as u64;
    core.handle(Input::Command { ticket, actor, command: Box::new(command) }, now(), output);
    let effects = std::mem::take(&mut output.effects);
    let result = effects.into_iter().find_map(|effect| match effect {
        Effect::CommandDone { result, .. } => Some(result),
        _ => None,
    });
    let result = result.expect("the core answers every command");
    result.map_err(|source| InitError::Refused { index, source })
}
