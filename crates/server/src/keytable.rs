//! The terminals as the intake sees them: who they are and which keys are in force.
//!
//! It is written by releases only, so that a key is never used before the record that put it in force is
//! durable. Reads take a lock on one of many shards, and none once a connection knows its terminal.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use switchyard_domain::{
    KeyRecord, KeyUse, Terminal, TerminalId, TerminalIndex, TerminalMac, TerminalProfile, WorkingKeys,
};

use crate::hsm::HsmKey;
use crate::keystore::{KeyStore, TerminalKeys};

/// Shards of the table: more than there are I/O threads.
const SHARDS: usize = 64;

/// One terminal.
#[derive(Debug)]
pub(crate) struct TerminalEntry {
    pub(crate) index: TerminalIndex,
    /// How it authenticates; its next working keys are for this. Those in force keep what they were made for.
    mac: ArcSwap<TerminalMac>,
    /// Used for sign-ons only.
    master_key: ArcSwap<HsmKey>,
    /// As recorded. Unwrapping costs more than a request, and most terminals of a registry are asleep, so
    /// it waits for the first use.
    wrapped: Mutex<Wrapped>,
    ready: ArcSwapOption<TerminalKeys>,
    profile: ArcSwap<TerminalProfile>,
    /// An operator wants it to have new working keys: answers ask it to sign on until it has.
    renew: AtomicBool,
}

/// Working keys as they are recorded.
#[derive(Debug, Default)]
struct Wrapped {
    now: Option<WorkingKeys>,
    before: Option<Before>,
}

/// Working keys of before the last sign-on, for what was under way then.
#[derive(Debug)]
struct Before {
    wrapped: WorkingKeys,
    ready: Option<Arc<TerminalKeys>>,
    until: Instant,
}

impl TerminalEntry {
    fn new(index: TerminalIndex, terminal: &Terminal) -> Self {
        Self {
            index,
            mac: ArcSwap::from_pointee(terminal.mac),
            master_key: ArcSwap::from_pointee(HsmKey::new(
                KeyUse::TerminalMaster,
                terminal.master_key.clone(),
            )),
            wrapped: Mutex::default(),
            ready: ArcSwapOption::empty(),
            profile: ArcSwap::from_pointee(TerminalProfile::default()),
            renew: AtomicBool::new(false),
        }
    }

    /// How it speaks.
    pub(crate) fn profile(&self) -> TerminalProfile {
        **self.profile.load()
    }

    /// How it authenticates.
    pub(crate) fn mac(&self) -> TerminalMac {
        **self.mac.load()
    }

    /// Whether its answers are to ask for a sign-on.
    pub(crate) fn wants_new_keys(&self) -> bool {
        self.renew.load(Ordering::Acquire)
    }

    /// The master key in force.
    pub(crate) fn master_key(&self) -> Arc<HsmKey> {
        self.master_key.load_full()
    }

    /// The working keys in force; nothing when it never signed on, or they cannot be unwrapped.
    pub(crate) fn keys(&self, store: &KeyStore) -> Option<Arc<TerminalKeys>> {
        if let Some(ready) = self.ready.load_full() {
            return Some(ready);
        }
        let wrapped = self.wrapped.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = wrapped.now.as_ref()?;
        match store.unwrap_working(self.mac(), keys) {
            Ok(keys) => {
                let keys = Arc::new(keys);
                // Under the lock: keys that come into force meanwhile wait, and then replace these.
                self.ready.store(Some(Arc::clone(&keys)));
                Some(keys)
            }
            Err(error) => {
                tracing::error!(terminal = self.index.0, %error, "working keys cannot be unwrapped");
                None
            }
        }
    }

    /// Keys in force that were opened already answer what is under way; none is opened for another algorithm.
    fn use_mac(&self, mac: TerminalMac) {
        let mut wrapped = self.wrapped.lock().unwrap_or_else(PoisonError::into_inner);
        (wrapped.now, wrapped.before) = (None, None);
        self.mac.store(Arc::new(mac));
    }

    /// The working keys of before the last sign-on, while what was under way then may still come.
    pub(crate) fn keys_before(&self, store: &KeyStore) -> Option<Arc<TerminalKeys>> {
        let mut wrapped = self.wrapped.lock().unwrap_or_else(PoisonError::into_inner);
        if wrapped.before.as_ref().is_some_and(|before| Instant::now() >= before.until) {
            wrapped.before = None;
        }
        let before = wrapped.before.as_mut()?;
        if before.ready.is_none() {
            // Keys that were not used since the start; what is wrong with them was said when they were to be.
            before.ready = store.unwrap_working(self.mac(), &before.wrapped).ok().map(Arc::new);
        }
        before.ready.clone()
    }

    /// The working keys of this version, in force or just before.
    pub(crate) fn keys_of(&self, store: &KeyStore, version: u32) -> Option<Arc<TerminalKeys>> {
        let is_it = |keys: &Arc<TerminalKeys>| keys.version == version;
        self.keys(store).filter(is_it).or_else(|| self.keys_before(store).filter(is_it))
    }

    fn use_keys(&self, keys: WorkingKeys, overlap: Duration) {
        let mut wrapped = self.wrapped.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = self.ready.swap(None);
        let before = wrapped.now.replace(keys).filter(|_| !overlap.is_zero());
        wrapped.before = before.map(|wrapped| Before { wrapped, ready, until: Instant::now() + overlap });
        self.renew.store(false, Ordering::Release);
    }
}

impl TerminalEntry {
    /// A key, the same as before, is wrapped in another way. One that is another by now stays.
    fn translated(&self, usage: KeyUse, key: &KeyRecord) {
        if usage == KeyUse::TerminalMaster {
            self.master_key.store(Arc::new(HsmKey::new(usage, key.clone())));
            return;
        }
        let mut wrapped = self.wrapped.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(keys) = wrapped.now.as_mut() else { return };
        if let Some(place) = keys.of_mut(usage).filter(|place| place.check_value == key.check_value) {
            *place = key.clone();
            self.ready.store(None);
        }
    }
}

/// All terminals.
#[derive(Debug)]
pub(crate) struct KeyTable {
    shards: Vec<RwLock<HashMap<TerminalId, Arc<TerminalEntry>>>>,
    by_index: RwLock<Vec<Arc<TerminalEntry>>>,
    hasher: std::hash::RandomState,
}

impl KeyTable {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            by_index: RwLock::default(),
            hasher: std::hash::RandomState::new(),
        }
    }

    fn shard(&self, id: &TerminalId) -> &RwLock<HashMap<TerminalId, Arc<TerminalEntry>>> {
        &self.shards[self.hasher.hash_one(id) as usize % SHARDS]
    }

    /// The terminal with this DE 41.
    pub(crate) fn find(&self, id: &TerminalId) -> Option<Arc<TerminalEntry>> {
        self.shard(id).read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The terminal with this index.
    pub(crate) fn at(&self, index: TerminalIndex) -> Option<Arc<TerminalEntry>> {
        self.by_index.read().unwrap_or_else(PoisonError::into_inner).get(index.0 as usize).cloned()
    }

    /// A terminal exists from now on. Terminals come in the order of their indices.
    pub(crate) fn use_terminal(&self, index: TerminalIndex, terminal: &Terminal) {
        let entry = Arc::new(TerminalEntry::new(index, terminal));
        let mut by_index = self.by_index.write().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(by_index.len(), index.0 as usize, "terminals are registered in order");
        by_index.push(Arc::clone(&entry));
        drop(by_index);
        let mut shard = self.shard(&terminal.id).write().unwrap_or_else(PoisonError::into_inner);
        shard.insert(terminal.id, entry);
    }

    /// Working keys are in force from now on, and for so long those before them for what is under way.
    pub(crate) fn use_keys(&self, index: TerminalIndex, keys: WorkingKeys, overlap: Duration) {
        if let Some(entry) = self.at(index) {
            entry.use_keys(keys, overlap);
        }
    }

    /// The next working keys are for this algorithm.
    pub(crate) fn use_mac(&self, index: TerminalIndex, mac: TerminalMac) {
        if let Some(entry) = self.at(index) {
            entry.use_mac(mac);
        }
    }

    /// A terminal speaks like this from now on.
    pub(crate) fn use_profile(&self, index: TerminalIndex, profile: TerminalProfile) {
        if let Some(entry) = self.at(index) {
            entry.profile.store(Arc::new(profile));
        }
    }

    /// Another master key is in force from now on: the next sign-on's working keys come under it.
    pub(crate) fn use_master_key(&self, index: TerminalIndex, key: &KeyRecord) {
        if let Some(entry) = self.at(index) {
            entry.master_key.store(Arc::new(HsmKey::new(KeyUse::TerminalMaster, key.clone())));
        }
    }

    /// A key of a terminal is wrapped in another way from now on.
    pub(crate) fn translated(&self, index: TerminalIndex, usage: KeyUse, key: &KeyRecord) {
        if let Some(entry) = self.at(index) {
            entry.translated(usage, key);
        }
    }

    /// Answers ask for a sign-on from now on, until there is one.
    pub(crate) fn renew_keys(&self, index: TerminalIndex) {
        if let Some(entry) = self.at(index) {
            entry.renew.store(true, Ordering::Release);
        }
    }

    /// How many terminals there are.
    pub(crate) fn count(&self) -> usize {
        self.by_index.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use switchyard_domain::MerchantIndex;
    use switchyard_keys::SecretBytes;

    pub(crate) fn store() -> KeyStore {
        KeyStore::new(&SecretBytes::random(32).unwrap()).unwrap()
    }

    pub(crate) fn terminal(store: &KeyStore, id: &str) -> Terminal {
        let master_key = store.generate(KeyUse::TerminalMaster).unwrap().0;
        Terminal { id: id.parse().unwrap(), merchant: MerchantIndex(0), mac: TerminalMac::CupEcb, master_key }
    }

    pub(crate) fn working_keys(store: &KeyStore, version: u32) -> WorkingKeys {
        let single = |usage| {
            let key = switchyard_keys::DesKey::generate(8).unwrap();
            store.wrap(usage, key.expose()).unwrap()
        };
        WorkingKeys {
            version,
            pin: store.generate(KeyUse::TerminalPin).unwrap().0,
            mac: single(KeyUse::TerminalMac),
            track: None,
        }
    }

    #[test]
    fn keys_for_another_algorithm_are_never_opened() {
        let store = store();
        let table = KeyTable::new();
        let terminal = terminal(&store, "T0000001");
        table.use_terminal(TerminalIndex(0), &terminal);
        let entry = table.find(&terminal.id).unwrap();
        table.use_keys(TerminalIndex(0), working_keys(&store, 1), Duration::ZERO);
        table.use_mac(TerminalIndex(0), TerminalMac::X99);
        assert_eq!(entry.mac(), TerminalMac::X99);
        assert!(entry.keys(&store).is_none(), "they were never opened, and are not now");
        table.use_keys(TerminalIndex(0), working_keys(&store, 2), Duration::ZERO);
        assert_eq!(entry.keys(&store).unwrap().version, 2);
        table.use_mac(TerminalIndex(0), TerminalMac::CmacAes);
        assert_eq!(entry.keys(&store).unwrap().version, 2, "what is under way is answered");
    }

    #[test]
    fn keys_in_force_replace_those_before() {
        let store = store();
        let table = KeyTable::new();
        let terminal = terminal(&store, "T0000001");
        assert!(table.find(&terminal.id).is_none());
        table.use_terminal(TerminalIndex(0), &terminal);
        let entry = table.find(&terminal.id).unwrap();
        assert!(entry.keys(&store).is_none());
        for version in [1, 2] {
            table.use_keys(TerminalIndex(0), working_keys(&store, version), Duration::ZERO);
            assert_eq!(entry.keys(&store).unwrap().version, version);
            assert_eq!(table.at(TerminalIndex(0)).unwrap().keys(&store).unwrap().version, version);
        }
        let mut broken = working_keys(&store, 3);
        broken.mac.check_value = [0; 4];
        table.use_keys(TerminalIndex(0), broken, Duration::ZERO);
        assert!(entry.keys(&store).is_none());
    }

    #[test]
    fn keys_of_before_a_sign_on_are_there_for_a_time() {
        let store = store();
        let table = KeyTable::new();
        let terminal = terminal(&store, "T0000001");
        table.use_terminal(TerminalIndex(0), &terminal);
        let entry = table.find(&terminal.id).unwrap();
        let long = Duration::from_secs(3_600);
        let versions = || {
            [1, 2, 3].map(|version| entry.keys_of(&store, version).map(|keys| keys.version) == Some(version))
        };
        table.use_keys(TerminalIndex(0), working_keys(&store, 1), long);
        assert_eq!(versions(), [true, false, false]);
        // Whether or not they were used before.
        table.use_keys(TerminalIndex(0), working_keys(&store, 2), long);
        table.use_keys(TerminalIndex(0), working_keys(&store, 3), long);
        assert_eq!(versions(), [false, true, true]);
        table.use_keys(TerminalIndex(0), working_keys(&store, 4), Duration::from_millis(1));
        while entry.keys_before(&store).is_some() {
            std::thread::yield_now();
        }
        assert_eq!(versions(), [false; 3]);
        assert_eq!(entry.keys(&store).unwrap().version, 4);
    }
}
