//! Another local master key: its custodians bring it together, and every key goes under it while terminals are at work.
//!
//! 1. The next key lies beside the one in force, synced ([`LmkFiles::keep_next`]).
//! 2. [`Record::LmkChanged`] is durable: from here on it is the one. A start that finds it so finishes what is below.
//! 3. It takes the place of the one before, which keeps another name, and new keys go under it.
//! 4. Keys of cards are wrapped anew in their files, every other key in the ledger ([`Record::KeysTranslated`]), also those
//!    that wait there: components of ceremonies, master keys that terminals may fetch
//!    ([`Record::WaitingKeysTranslated`]).
//!
//! Both open all the time, so nobody waits for any of it, and a crash between two steps costs nothing: what is under the one
//! before opens as well as what is under the next. [`retire`] ends that: it has everything translated that is not,
//! makes sure that all opens under the one in force alone, and destroys the others.
//!
//! [`Record::LmkChanged`]: switchyard_domain::Record::LmkChanged
//! [`Record::KeysTranslated`]: switchyard_domain::Record::KeysTranslated
//! [`Record::WaitingKeysTranslated`]: switchyard_domain::Record::WaitingKeysTranslated

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use switchyard_core::{
    Act, Command, CommandOutcome, KeyCommand, KeyFacts, State, TRANSLATED_TERMINALS_MAX, Translation,
};
use switchyard_domain::{
    Actor, KeyName, KeyRecord, KeyUse, LmkChange, Reason, TerminalIndex, UserName, WaitingKey,
};
use switchyard_keys::lmk::{LMK_BYTES, Lmk, LmkRing};
use switchyard_keys::password::Password;
use switchyard_keys::{SecretBytes, components};

use crate::config::Config;
use crate::custody::{Component, CustodyError, asked, keys_of};
use crate::data::{DataDir, DataError};
use crate::keystore::{CardKeyError, KeyStore, is_ours};
use crate::lmk_files::{LmkFiles, text};
use crate::login::{Login, log_in};
use crate::shared::Shared;

/// A custodian with what proves it and what he brings.
#[derive(Debug, Deserialize)]
pub struct Custodian {
    /// Who logs in.
    pub user: UserName,
    /// With which password.
    pub password: Password,
    /// The component.
    pub component: Component,
}

/// What two or three custodians ask for together.
#[derive(Debug, Deserialize)]
pub struct LmkOrder {
    /// Who brings what.
    pub custodians: Vec<Custodian>,
    /// Why.
    pub reason: Reason,
}

/// The local master keys of a data directory, and how many keys wait to be translated.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LmkView {
    /// Check value of the one in force.
    pub in_force: String,
    /// Check values of those before it that still open something, or could.
    pub before: Vec<String>,
    /// Keys that have been translated by this.
    pub translated: u64,
    /// Keys that a module keeps under a master key of its own, which is changed there.
    pub in_module: u64,
}

/// The next key and what is known of it.
pub(crate) struct Next {
    pub(crate) key: SecretBytes,
    pub(crate) change: LmkChange,
}

impl Next {
    /// The key that components make, each with its custodian.
    pub(crate) fn of(
        before: [u8; 4],
        parts: &[(UserName, Component)],
        reason: Reason,
    ) -> Result<Self, CustodyError> {
        let mut custodians = Vec::new();
        for (user, part) in parts {
            let part = part.expose();
            if part.len() != LMK_BYTES {
                return Err(CustodyError::Length { need: LMK_BYTES as u8, have: part.len() });
            }
            custodians.push((user.clone(), Lmk::from_slice(part)?.check_value()));
        }
        let bytes: Vec<&[u8]> = parts.iter().map(|(_, part)| part.expose()).collect();
        let key = components::combine(&bytes)?;
        let now = Lmk::from_slice(key.expose())?.check_value();
        Ok(Self { key, change: LmkChange { before, now, custodians, reason } })
    }
}

/// The local master keys for a ledger that names one of them. What a crash left undone is done first.
pub(crate) fn settled(files: &LmkFiles, config: &Config, state: &State) -> Result<LmkRing, DataError> {
    let profile = config.general.profile;
    if files.finish(profile, state.lmk())? {
        tracing::warn!(
            "a change of the local master key had not come to its end; the next one is in force now"
        );
    }
    files.open(profile, state.lmk())
}

/// The keys of a data directory for whoever writes there.
pub(crate) fn store_of(data: &DataDir, config: &Config, state: &State) -> Result<KeyStore, DataError> {
    Ok(KeyStore::under(Arc::new(settled(&data.lmk(), config, state)?)))
}

/// What to have recorded of some keys, and how many of them are a module's.
pub(crate) fn translations(
    store: &KeyStore,
    known: Vec<KeyFacts>,
) -> Result<(Vec<Translation>, u64), CustodyError> {
    let (mut keys, mut in_module) = (Vec::new(), 0);
    for KeyFacts { key, record, .. } in known {
        let Some(before) = record else { continue };
        in_module += u64::from(!is_ours(&before));
        let now = store.translate(key.usage, &before);
        if let Some(now) = now.map_err(|source| CustodyError::Unopened { key, source })? {
            keys.push(Translation { key, before, now });
        }
    }
    Ok((keys, in_module))
}

/// As [`translations`], of keys that wait.
pub(crate) fn waiting_translations(
    store: &KeyStore,
    known: Vec<(WaitingKey, KeyRecord)>,
) -> Result<Vec<Translation<WaitingKey>>, CustodyError> {
    let mut keys = Vec::new();
    for (key, before) in known {
        let now = store.translate_waiting(&key, &before);
        let name = match &key {
            WaitingKey::Component { key, .. } => *key,
            WaitingKey::Offered { terminal } => KeyName { usage: KeyUse::TerminalMaster, owner: terminal.0 },
        };
        if let Some(now) = now.map_err(|source| CustodyError::Unopened { key: name, source })? {
            keys.push(Translation { key, before, now });
        }
    }
    Ok(keys)
}

/// Those of the answer to `Waiting`, so many at a time.
pub(crate) fn waiting_pages(outcome: CommandOutcome) -> Vec<Vec<(WaitingKey, KeyRecord)>> {
    let CommandOutcome::WaitingKeys(all) = outcome else { return Vec::new() };
    all.chunks(TRANSLATED_TERMINALS_MAX).map(<[_]>::to_vec).collect()
}

/// What `Wrapped` is asked for, one after the other: those that are no terminal's, then terminals'.
pub(crate) fn pages(terminals: usize) -> impl Iterator<Item = Option<TerminalIndex>> {
    let starts = (0..terminals as u32).step_by(TRANSLATED_TERMINALS_MAX);
    std::iter::once(None).chain(starts.map(|from| Some(TerminalIndex(from))))
}

pub(crate) fn view(store: &KeyStore) -> LmkView {
    let mut all = store.lmk().check_values().into_iter().map(text);
    LmkView { in_force: all.next().unwrap_or_default(), before: all.collect(), ..LmkView::default() }
}

/// Changes it at a running switch; terminals notice nothing.
pub(crate) async fn change(
    shared: &Arc<Shared>,
    actor: Actor,
    order: LmkOrder,
) -> Result<LmkView, CustodyError> {
    let _turn = shared.lmk.turn.lock().await;
    let mut parts = Vec::new();
    for Custodian { user, password, component } in order.custodians {
        let login = Login { user: user.clone(), password };
        let proven = log_in(shared, login).await;
        let proven = proven.map_err(|source| CustodyError::Custodian { custodian: user, source })?;
        let may = Command::May(Act::LoadComponent);
        shared.command(Actor::User(proven.clone()), may).await.map_err(|_| CustodyError::Stopped)??;
        parts.push((proven, component));
    }
    let next = Next::of(shared.store.lmk().check_value(), &parts, order.reason)?;
    let (files, profile) = (shared.lmk.files.clone(), shared.config.general.profile);
    let key = next.key;
    let kept = blocking({
        let files = files.clone();
        move || files.keep_next(&key).map(|()| key)
    });
    let key = kept.await?;
    let named = next.change.now;
    let recorded = asked(shared, &actor, KeyCommand::ChangeLmk(Box::new(next.change))).await;
    if let Err(refused) = recorded {
        if matches!(refused, CustodyError::Refused(_)) {
            blocking(move || files.drop_next()).await?;
        }
        return Err(refused);
    }
    let in_force = {
        let shared = Arc::clone(shared);
        move || {
            files.finish(profile, Some(named))?;
            shared.store.lmk().succeed(Lmk::from_slice(key.expose())?)?;
            Ok::<_, CustodyError>(())
        }
    };
    blocking(in_force).await?;
    tracing::info!(lmk = %text(named), "another local master key is in force");
    translate(shared).await
}

/// Destroys those that are not in force, once nothing is under them.
pub(crate) async fn retire(
    shared: &Arc<Shared>,
    actor: Actor,
    reason: Reason,
) -> Result<LmkView, CustodyError> {
    let _turn = shared.lmk.turn.lock().await;
    let check_values = shared.store.lmk().check_values()[1..].to_vec();
    if check_values.is_empty() {
        return Err(CustodyError::NothingToRetire);
    }
    let mut done = translate(shared).await?;
    for _ in 0..PASSES_MAX {
        let more = translate(shared).await?.translated;
        done.translated += more;
        if more == 0 {
            asked(shared, &actor, KeyCommand::RetireLmk { check_values, reason }).await?;
            let files = shared.lmk.files.clone();
            blocking(move || files.retire()).await?;
            shared.store.lmk().retire();
            return Ok(LmkView {
                translated: done.translated,
                in_module: done.in_module,
                ..view(&shared.store)
            });
        }
    }
    Err(CustodyError::Stopped)
}

/// Translates every key that is not under the one in force.
async fn translate(shared: &Arc<Shared>) -> Result<LmkView, CustodyError> {
    let mut done = view(&shared.store);
    {
        // No card key is drawn meanwhile, so that all are in the list.
        let _turn = shared.cards.rotation().lock().await;
        let known = keys_of(asked(shared, &Actor::Switch, KeyCommand::List).await?);
        let working = Arc::clone(shared);
        let files = move || {
            translate_files(&known, |id, check_value| {
                working.cards.translate(&working.store, id, check_value)
            })
        };
        done.translated += blocking(files).await?;
    }
    for from in pages(shared.table.count()) {
        let known = keys_of(asked(shared, &Actor::Switch, KeyCommand::Wrapped { from }).await?);
        let working = Arc::clone(shared);
        let (keys, in_module) = blocking(move || translations(&working.store, known)).await?;
        done.in_module += in_module;
        if keys.is_empty() {
            continue;
        }
        done.translated += changed(&asked(shared, &Actor::Switch, KeyCommand::Translate { keys }).await?);
    }
    for known in waiting_pages(asked(shared, &Actor::Switch, KeyCommand::Waiting).await?) {
        let working = Arc::clone(shared);
        let keys = blocking(move || waiting_translations(&working.store, known)).await?;
        if !keys.is_empty() {
            let recorded = asked(shared, &Actor::Switch, KeyCommand::TranslateWaiting { keys }).await?;
            done.translated += changed(&recorded);
        }
    }
    Ok(done)
}

fn changed(outcome: &CommandOutcome) -> u64 {
    match outcome {
        CommandOutcome::Changed { count, .. } => *count as u64,
        _ => 0,
    }
}

/// Wraps the keys of cards anew in their files; says how many were under another key.
pub(crate) fn translate_files(
    known: &[KeyFacts],
    translate: impl Fn(u32, [u8; 4]) -> Result<bool, CardKeyError>,
) -> Result<u64, CustodyError> {
    let mut count = 0;
    for KeyFacts { key, record, .. } in known.iter().filter(|facts| facts.key.usage == KeyUse::CardData) {
        // A key of the time before card keys had files is translated in the ledger.
        if let Some(record) = record.as_ref().filter(|record| record.wrapped.0.is_empty()) {
            count += u64::from(translate(key.owner, record.check_value)?);
        }
    }
    Ok(count)
}

/// Runs what waits for the disk or takes the processor for a while.
async fn blocking<T: Send + 'static, E: Into<CustodyError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, CustodyError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| CustodyError::Stopped)?.map_err(Into::into)
}

/// What a running switch keeps for this: where the files are, and one change at a time.
pub(crate) struct LmkDesk {
    pub(crate) files: LmkFiles,
    turn: tokio::sync::Mutex<()>,
}

impl LmkDesk {
    pub(crate) fn new(files: LmkFiles) -> Self {
        Self { files, turn: tokio::sync::Mutex::default() }
    }
}

/// A key that is made while all are gone through is under the one in force; one that was being made before may still be
/// under another, and the next pass finds it.
const PASSES_MAX: usize = 8;
