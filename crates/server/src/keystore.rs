//! Keys at rest become keys in use, and back; cards are sealed, hashed and opened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use switchyard_domain::{
    CardHash, CardRef, Expiry, KeyName, KeyRecord, KeyUse, Pan, SealedPan, TerminalMac, Timestamp,
    WaitingKey, WorkingKeys, WrappedKey,
};
use switchyard_keys::card::{CardVault, SEALED_PAN_BYTES};
use switchyard_keys::lmk::{self, KeyAlgorithm, KeyAttributes, KeyUsage, Lmk, LmkRing};
use switchyard_keys::mac::{MacKey, hmac};
use switchyard_keys::working_keys::MacProfile;
use switchyard_keys::{DesKey, KeyError, SecretBytes, TdesCipher, constant_time_eq};

use crate::card_keys::CardKeyFiles;
use crate::data::DataError;
use crate::hsm::HsmKey;

/// The local master key, and what can be done with it.
#[derive(Debug)]
pub struct KeyStore {
    lmk: Arc<LmkRing>,
}

/// A terminal's working keys, ready to use.
#[derive(Debug)]
pub(crate) struct TerminalKeys {
    pub(crate) version: u32,
    pub(crate) mac: MacKey,
    pub(crate) pin: HsmKey,
    pub(crate) track: Option<TdesCipher>,
}

impl KeyStore {
    pub(crate) fn new(lmk: &SecretBytes) -> Result<Self, KeyError> {
        Ok(Self::under(Arc::new(Lmk::from_slice(lmk.expose())?.into())))
    }

    /// Under local master keys that somebody else changes.
    pub(crate) fn under(lmk: Arc<LmkRing>) -> Self {
        Self { lmk }
    }

    /// The local master keys.
    pub(crate) fn lmk(&self) -> &LmkRing {
        &self.lmk
    }

    /// A key under the local master key in force; nothing where it is so already, or where a module keeps it under its
    /// own.
    pub(crate) fn translate(&self, usage: KeyUse, record: &KeyRecord) -> Result<Option<KeyRecord>, KeyError> {
        if !is_ours(record) {
            return Ok(None);
        }
        let Some(wrapped) = self.lmk.translate(&block_of(record))? else { return Ok(None) };
        let now = KeyRecord { wrapped: kept(&wrapped)?, check_value: record.check_value };
        // The ledger's word for which key it is, once more.
        self.unwrap(usage, &now)?;
        Ok(Some(now))
    }

    /// As [`translate`](Self::translate), for a key that waits.
    pub(crate) fn translate_waiting(
        &self,
        key: &WaitingKey,
        record: &KeyRecord,
    ) -> Result<Option<KeyRecord>, KeyError> {
        match key {
            WaitingKey::Offered { .. } => self.translate(KeyUse::TerminalMaster, record),
            WaitingKey::Component { .. } => {
                let Some(wrapped) = self.lmk.translate(&block_of(record))? else { return Ok(None) };
                let now = KeyRecord { wrapped: kept(&wrapped)?, check_value: record.check_value };
                let part = self.unwrap_component(&now)?;
                let algorithm = self.attributes(&now)?.algorithm;
                let is_same = algorithm.check_value(part.expose())? == record.check_value;
                if is_same { Ok(Some(now)) } else { Err(KeyError::CheckValue) }
            }
        }
    }

    /// A key under the local master key, as the ledger keeps it. Keys of 8, 16 and 24 bytes are DES keys
    /// but for those that seal and hash cards.
    ///
    /// # Errors
    /// [`KeyError::Length`] when the key does not fit its use.
    pub fn wrap(&self, usage: KeyUse, key: &[u8]) -> Result<KeyRecord, KeyError> {
        let algorithm = match usage {
            KeyUse::CardData => KeyAlgorithm::Aes,
            KeyUse::CardHash => KeyAlgorithm::Hmac,
            _ if key.len() == 8 => KeyAlgorithm::Des,
            _ => KeyAlgorithm::Tdes,
        };
        self.wrap_as(usage, algorithm, key)
    }

    /// As [`KeyStore::wrap`], for a key of a given cipher.
    pub(crate) fn wrap_as(
        &self,
        usage: KeyUse,
        algorithm: KeyAlgorithm,
        key: &[u8],
    ) -> Result<KeyRecord, KeyError> {
        self.wrap_with(usage, KeyAttributes::new(algorithm), key)
    }

    /// As [`KeyStore::wrap_as`], for a key that may leave or not.
    pub(crate) fn wrap_with(
        &self,
        usage: KeyUse,
        attributes: KeyAttributes,
        key: &[u8],
    ) -> Result<KeyRecord, KeyError> {
        let wrapped = kept(&self.lmk.wrap(key, usage_of(usage), attributes)?)?;
        Ok(KeyRecord { wrapped, check_value: check_value(usage, attributes.algorithm, key)? })
    }

    /// A component of a key, as the ledger keeps it until the others are there.
    pub(crate) fn wrap_component(&self, algorithm: KeyAlgorithm, part: &[u8]) -> Result<KeyRecord, KeyError> {
        let wrapped = self.lmk.wrap(part, KeyUsage::Component, KeyAttributes::new(algorithm))?;
        Ok(KeyRecord { wrapped: kept(&wrapped)?, check_value: algorithm.check_value(part)? })
    }

    /// A component out of its record.
    pub(crate) fn unwrap_component(&self, record: &KeyRecord) -> Result<SecretBytes, KeyError> {
        let wrapped = block_of(record);
        self.lmk.unwrap(&wrapped, KeyUsage::Component)
    }

    /// What is bound to a key.
    pub(crate) fn attributes(&self, record: &KeyRecord) -> Result<KeyAttributes, KeyError> {
        let wrapped = block_of(record);
        Ok(self.lmk.inspect(&wrapped)?.attributes)
    }

    /// Draws a double-length DES key; also in clear, for whoever must load it elsewhere.
    ///
    /// # Errors
    /// [`KeyError::Entropy`] without randomness.
    pub fn generate(&self, usage: KeyUse) -> Result<(KeyRecord, DesKey), KeyError> {
        let key = DesKey::generate(16)?;
        Ok((self.wrap(usage, key.expose())?, key))
    }

    /// The clear key of a record, checked against its check value.
    pub(crate) fn unwrap(&self, usage: KeyUse, record: &KeyRecord) -> Result<SecretBytes, KeyError> {
        let wrapped = block_of(record);
        let key = self.lmk.unwrap(&wrapped, usage_of(usage))?;
        // Which cipher it is for stands in its block, which was authenticated.
        let algorithm = record.wrapped.0.as_bytes().get(7).copied().and_then(KeyAlgorithm::from_code);
        let algorithm = algorithm.ok_or(KeyError::Malformed { offset: 7 })?;
        if constant_time_eq(&check_value(usage, algorithm, key.expose())?, &record.check_value) {
            Ok(key)
        } else {
            Err(KeyError::CheckValue)
        }
    }

    pub(crate) fn unwrap_des(&self, usage: KeyUse, record: &KeyRecord) -> Result<DesKey, KeyError> {
        DesKey::from_slice(self.unwrap(usage, record)?.expose())
    }

    pub(crate) fn unwrap_cipher(&self, usage: KeyUse, record: &KeyRecord) -> Result<TdesCipher, KeyError> {
        Ok(TdesCipher::new(&self.unwrap_des(usage, record)?))
    }

    pub(crate) fn unwrap_working(
        &self,
        mac: TerminalMac,
        keys: &WorkingKeys,
    ) -> Result<TerminalKeys, KeyError> {
        let mak = self.unwrap(KeyUse::TerminalMac, &keys.mac)?;
        Ok(TerminalKeys {
            version: keys.version,
            mac: MacKey::new(MacProfile::from(mac).algorithm, mak.expose())?,
            pin: HsmKey::new(KeyUse::TerminalPin, keys.pin.clone()),
            track: keys
                .track
                .as_ref()
                .map(|track| self.unwrap_cipher(KeyUse::TerminalTrack, track))
                .transpose()?,
        })
    }
}

/// Whether a key is under the switch's own local master key: what a module keeps is in a form of the module's.
pub(crate) fn is_ours(record: &KeyRecord) -> bool {
    record.wrapped.0.starts_with('D')
}

/// A key of the ledger, as the local master key opens it.
fn block_of(record: &KeyRecord) -> lmk::WrappedKey {
    lmk::WrappedKey::from_bytes(record.wrapped.0.as_bytes().to_vec())
}

/// And the other way.
fn kept(wrapped: &lmk::WrappedKey) -> Result<WrappedKey, KeyError> {
    let text = String::from_utf8(wrapped.as_bytes().to_vec());
    text.map(WrappedKey).map_err(|_| KeyError::Input("key block"))
}

pub(crate) fn usage_of(usage: KeyUse) -> KeyUsage {
    match usage {
        KeyUse::TerminalMaster => KeyUsage::Tmk,
        KeyUse::TerminalPin => KeyUsage::Pik,
        KeyUse::TerminalMac => KeyUsage::Mak,
        KeyUse::TerminalTrack => KeyUsage::Tdk,
        KeyUse::ZonePin => KeyUsage::Zpk,
        KeyUse::PinVerification => KeyUsage::Pvk,
        KeyUse::CardData => KeyUsage::DataKey,
        KeyUse::CardHash => KeyUsage::CardHash,
        KeyUse::IssuerCryptogram => KeyUsage::EmvAc,
        KeyUse::Transport => KeyUsage::Zmk,
    }
}

fn check_value(usage: KeyUse, algorithm: KeyAlgorithm, key: &[u8]) -> Result<[u8; 4], KeyError> {
    match usage {
        KeyUse::CardHash => {
            hash_check_value(key).first_chunk::<4>().copied().ok_or(KeyError::Input("check value"))
        }
        KeyUse::CardData
        | KeyUse::TerminalMaster
        | KeyUse::TerminalPin
        | KeyUse::TerminalMac
        | KeyUse::TerminalTrack
        | KeyUse::ZonePin
        | KeyUse::PinVerification
        | KeyUse::IssuerCryptogram
        | KeyUse::Transport => algorithm.check_value(key),
    }
}

fn hash_check_value(key: &[u8]) -> [u8; 32] {
    hmac::hmac_sha256(key, &[0; 16])
}

const DAY_MICROS: u64 = 86_400_000_000;

/// The number of the first data key: its owner in the registry of keys.
pub(crate) const DATA_KEY_FIRST: u32 = 1;

/// Why the keys of cards cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CardKeyError {
    /// The ledger names no key that seals cards.
    #[error("the ledger has no key for card data")]
    NoDataKey,
    /// The key of the card hash is not the one that the ledger's hashes were made with: no follow-up would
    /// find its original.
    #[error("the key of the card hash is not the one this ledger was made with")]
    OtherHashKey,
    /// The file of a card key cannot be used, and the ledger does not say that the key was shredded.
    #[error("data key {id} cannot be read")]
    File {
        /// Number of the key.
        id: u32,
        /// Why.
        #[source]
        source: DataError,
    },
    /// A card key cannot be kept.
    #[error("a card key cannot be kept")]
    Keep(#[from] DataError),
    /// A key cannot be taken.
    #[error("key refused")]
    Key(#[from] KeyError),
}

/// Seals, hashes and opens card numbers.
#[derive(Debug)]
pub struct Cards {
    vault: ArcSwap<CardVault>,
    files: CardKeyFiles,
    /// Held while files are destroyed or written anew: what is destroyed does not come back.
    writing: Mutex<()>,
    /// Held while a key is changed; true once that went wrong after the ledger named the new key.
    rotation: tokio::sync::Mutex<bool>,
    /// When the key in use was drawn, microseconds since 1970; zero for one that the ledger holds.
    from: AtomicU64,
    /// Starts at a random number in each process, so that no two intakes have the same.
    intake: AtomicU64,
}

impl Cards {
    /// From the keys of the ledger and the key of the card hash, which is in no ledger.
    pub(crate) fn open<'a>(
        store: &KeyStore,
        keys: impl Iterator<Item = (KeyName, &'a KeyRecord)>,
        hash_key: &SecretBytes,
        files: &CardKeyFiles,
    ) -> Result<Self, CardKeyError> {
        let mut data_keys = Vec::new();
        for (name, record) in keys {
            match name.usage {
                KeyUse::CardData => data_keys.push((name.owner, record)),
                KeyUse::CardHash if record.check_value[..] != hash_check_value(hash_key.expose())[..4] => {
                    return Err(CardKeyError::OtherHashKey);
                }
                KeyUse::CardHash
                | KeyUse::TerminalMaster
                | KeyUse::TerminalPin
                | KeyUse::TerminalMac
                | KeyUse::TerminalTrack
                | KeyUse::ZonePin
                | KeyUse::IssuerCryptogram
                | KeyUse::Transport
                | KeyUse::PinVerification => {}
            }
        }
        data_keys.sort_by_key(|(owner, _)| *owner);
        let (current, retired) = data_keys.split_last().ok_or(CardKeyError::NoDataKey)?;
        let (key, from) = unwrap_card_key(store, files, current.0, current.1)?;
        let mut vault = CardVault::new(current.0, key.expose(), hash_key.expose())?;
        for (owner, record) in retired {
            vault = vault.with_retired(*owner, unwrap_card_key(store, files, *owner, record)?.0.expose())?;
        }
        // Numbers are given in order and never again: one that is not named any more was shredded.
        let named = |id: &u32| data_keys.iter().any(|(owner, _)| owner == id);
        for id in (DATA_KEY_FIRST..current.0).filter(|id| !named(id)) {
            vault = vault.with_shredded(id);
        }
        let mut start = [0; 8];
        getrandom::fill(&mut start).map_err(|_| KeyError::Entropy)?;
        Ok(Self {
            vault: ArcSwap::from_pointee(vault),
            files: files.clone(),
            writing: Mutex::new(()),
            rotation: tokio::sync::Mutex::new(false),
            from: AtomicU64::new(from.0),
            intake: AtomicU64::new(u64::from_le_bytes(start)),
        })
    }

    /// Number of the key in use.
    pub(crate) fn key_id(&self) -> u32 {
        self.vault.load().key_id()
    }

    /// Whoever changes the key holds this.
    pub(crate) fn rotation(&self) -> &tokio::sync::Mutex<bool> {
        &self.rotation
    }

    /// Where the keys are kept.
    pub(crate) fn files(&self) -> &CardKeyFiles {
        &self.files
    }

    /// Whether the key in use has served its period. One that the ledger holds has: it could never be shredded.
    pub(crate) fn is_due(&self, now: Timestamp, days: u32) -> bool {
        now.micros_since(Timestamp(self.from.load(Ordering::Relaxed))) >= u64::from(days) * DAY_MICROS
    }

    /// Seals under a key that the ledger names now.
    pub(crate) fn use_key(&self, store: &KeyStore, id: u32, record: &KeyRecord) -> Result<(), CardKeyError> {
        let (key, from) = unwrap_card_key(store, &self.files, id, record)?;
        self.vault.store(Arc::new(self.vault.load().rotated(id, key.expose())?));
        self.from.store(from.0, Ordering::Relaxed);
        Ok(())
    }

    /// Forgets keys that the ledger says are shredded. Only one thread may change the keys.
    pub(crate) fn forget(&self, ids: &[u16]) -> Result<(), CardKeyError> {
        let ids: Vec<u32> = ids.iter().copied().map(u32::from).collect();
        self.vault.store(Arc::new(self.vault.load().without(&ids)?));
        Ok(())
    }

    /// Destroys the files of such keys, which takes the disk some time.
    pub(crate) fn destroy(&self, ids: &[u16]) -> Result<(), CardKeyError> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        ids.iter().try_for_each(|id| Ok(self.files.destroy(u32::from(*id))?))
    }

    /// Wraps the key of a file under the local master key in force, and says whether it was under another.
    pub(crate) fn translate(
        &self,
        store: &KeyStore,
        id: u32,
        check_value: [u8; 4],
    ) -> Result<bool, CardKeyError> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.files.translate(store, id, check_value)
    }

    /// What is kept of a card.
    ///
    /// # Errors
    /// [`KeyError::Pan`] for a number of fewer than 13 digits.
    pub fn seal(&self, pan: &Pan, expiry: Option<&Expiry>) -> Result<CardRef, KeyError> {
        let intake = self.intake.fetch_add(1, Ordering::Relaxed);
        let vault = self.vault.load();
        with_digits(pan, |digits| {
            let sealed = vault.seal(digits, expiry.map(Expiry::digits), u128::from(intake))?;
            Ok(CardRef {
                sealed: SealedPan(sealed.as_bytes().to_vec()),
                key_id: u16::try_from(vault.key_id()).map_err(|_| KeyError::Input("data key number"))?,
                intake,
                hash: CardHash(*vault.hash(digits)?.as_bytes()),
                masked: pan.masked(),
            })
        })
    }

    /// The hash of a card that is only compared. A number that no card can have hashes to zeros, which no
    /// sealed card does.
    pub fn hash(&self, pan: &Pan) -> CardHash {
        with_digits(pan, |digits| {
            self.vault.load().hash(digits).map_or(CardHash([0; 16]), |hash| CardHash(*hash.as_bytes()))
        })
    }

    /// The card behind a reference.
    ///
    /// # Errors
    /// [`KeyError::Shredded`], [`KeyError::UnknownKey`] and [`KeyError::Authentication`].
    pub fn open_card(&self, card: &CardRef) -> Result<Pan, KeyError> {
        let sealed: [u8; SEALED_PAN_BYTES] =
            card.sealed.0.as_slice().try_into().map_err(|_| KeyError::Authentication)?;
        let sealed = switchyard_keys::card::SealedPan::from_bytes(sealed);
        let clear = self.vault.load().open(u32::from(card.key_id), &sealed, u128::from(card.intake))?;
        Pan::from_digits(clear.expose_pan()).map_err(|_| KeyError::Authentication)
    }
}

/// A card key from its file, or from the ledger that still holds it, with the time it was drawn at.
fn unwrap_card_key(
    store: &KeyStore,
    files: &CardKeyFiles,
    id: u32,
    record: &KeyRecord,
) -> Result<(SecretBytes, Timestamp), CardKeyError> {
    if !record.wrapped.0.is_empty() {
        return Ok((store.unwrap(KeyUse::CardData, record)?, Timestamp(0)));
    }
    let kept = files.read(id).map_err(|source| CardKeyError::File { id, source })?;
    let record = KeyRecord { wrapped: kept.wrapped, check_value: record.check_value };
    Ok((store.unwrap(KeyUse::CardData, &record)?, kept.from))
}

/// The record that binds a ledger to the key of its card hash. The key itself is not in it, wrapped or not.
pub(crate) fn hash_key_record(hash_key: &SecretBytes) -> KeyRecord {
    let check = hash_check_value(hash_key.expose());
    KeyRecord { wrapped: WrappedKey(String::new()), check_value: [check[0], check[1], check[2], check[3]] }
}

/// Lends the digits of a card number and wipes them.
pub(crate) fn with_digits<T>(pan: &Pan, work: impl FnOnce(&[u8]) -> T) -> T {
    let mut digits = [0; Pan::DIGITS_MAX];
    let len = pan.write_digits(&mut digits);
    let result = work(&digits[..len]);
    wipe(&mut digits);
    result
}

/// The digits of a card number for work that waits: wiped when dropped.
pub(crate) struct Digits([u8; Pan::DIGITS_MAX], usize);

impl Digits {
    pub(crate) fn of(pan: &Pan) -> Self {
        let mut digits = Self([0; Pan::DIGITS_MAX], 0);
        digits.1 = pan.write_digits(&mut digits.0);
        digits
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

impl Drop for Digits {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites bytes that were secret; the optimizer may not leave it out.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}

/// Drops `count` bytes from the front; what moving the rest leaves behind it is wiped.
pub(crate) fn drop_front(bytes: &mut Vec<u8>, count: usize) {
    let rest = bytes.len() - count;
    bytes.copy_within(count.., 0);
    wipe(&mut bytes[rest..]);
    bytes.truncate(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> KeyStore {
        KeyStore::new(&SecretBytes::random(32).unwrap()).unwrap()
    }

    #[test]
    fn a_key_opens_for_its_own_use_only() {
        let store = store();
        let (record, key) = store.generate(KeyUse::TerminalMaster).unwrap();
        assert_eq!(store.unwrap(KeyUse::TerminalMaster, &record).unwrap().expose(), key.expose());
        assert!(store.unwrap(KeyUse::ZonePin, &record).is_err());
        let altered = KeyRecord { check_value: [0; 4], ..record.clone() };
        assert_eq!(store.unwrap(KeyUse::TerminalMaster, &altered).unwrap_err(), KeyError::CheckValue);
        assert!(
            super::KeyStore::new(&SecretBytes::random(32).unwrap())
                .unwrap()
                .unwrap(KeyUse::TerminalMaster, &record)
                .is_err()
        );
    }

    #[test]
    fn a_card_is_sealed_found_again_and_opened_under_rotated_keys() {
        let store = store();
        let hash_key = SecretBytes::random(32).unwrap();
        let data = |owner| {
            (
                KeyName { usage: KeyUse::CardData, owner },
                store.wrap(KeyUse::CardData, SecretBytes::random(32).unwrap().expose()).unwrap(),
            )
        };
        let hash = (KeyName { usage: KeyUse::CardHash, owner: 0 }, hash_key_record(&hash_key));
        let keys = [data(1), hash, data(2)];
        let open = |count: usize, hash_key: &SecretBytes| {
            let files = CardKeyFiles::new("no files".into());
            Cards::open(&store, keys[..count].iter().map(|(name, key)| (*name, key)), hash_key, &files)
        };
        let pan = Pan::from_digits(b"6225880000000008").unwrap();
        let old = open(2, &hash_key).unwrap().seal(&pan, None).unwrap();
        let cards = open(3, &hash_key).unwrap();
        let new = cards.seal(&pan, Some(&"3012".parse().unwrap())).unwrap();
        assert_eq!((old.key_id, new.key_id), (1, 2));
        assert_eq!((old.hash, cards.hash(&pan)), (new.hash, new.hash));
        assert_eq!(cards.open_card(&old).unwrap(), pan);
        let moved = CardRef { intake: new.intake + 1, ..new };
        assert!(cards.open_card(&moved).is_err());
        let other = SecretBytes::random(32).unwrap();
        assert!(matches!(open(2, &other), Err(CardKeyError::OtherHashKey)));
        assert!(matches!(open(0, &hash_key), Err(CardKeyError::NoDataKey)));
        assert!(cards.seal(&Pan::from_digits(b"622588000008").unwrap(), None).is_err());
    }

    #[test]
    fn a_shredded_key_is_told_from_a_missing_one() {
        let dir = tempfile::tempdir().unwrap();
        let (store, hash_key) = (store(), SecretBytes::random(32).unwrap());
        let files = CardKeyFiles::new(dir.path().join("card-data"));
        let keys: Vec<_> = (1..=3).map(|id| files.draw(&store, id).unwrap()).collect();
        let open = |ids: &[usize]| {
            let keys = ids.iter().map(|id| (keys[id - 1].name, &keys[id - 1].record));
            Cards::open(&store, keys, &hash_key, &files)
        };
        let pan = Pan::from_digits(b"6225880000000008").unwrap();
        let cards = open(&[1]).unwrap();
        assert!(!cards.is_due(crate::shared::now(), 1) && cards.is_due(Timestamp(u64::MAX), 366));
        let old = cards.seal(&pan, None).unwrap();
        cards.use_key(&store, 2, &keys[1].record).unwrap();
        let new = cards.seal(&pan, None).unwrap();
        assert_eq!((old.key_id, new.key_id), (1, 2));
        assert_eq!(cards.open_card(&old).unwrap(), pan);
        cards.forget(&[1]).unwrap();
        assert_eq!(cards.open_card(&old).unwrap_err(), KeyError::Shredded(1));
        assert_eq!(cards.open_card(&new).unwrap(), pan);
        assert_eq!(cards.hash(&pan), old.hash, "the records of a card are still joined");
        cards.destroy(&[1]).unwrap();
        // The next start: the ledger names 1 no more, or names it and the file is gone.
        assert_eq!(open(&[2, 3]).unwrap().open_card(&old).unwrap_err(), KeyError::Shredded(1));
        assert!(matches!(open(&[1, 2]), Err(CardKeyError::File { id: 1, .. })));
        // A file in another's place does not have the check value that the ledger names.
        std::fs::copy(files.path(2), files.path(3)).unwrap();
        assert!(matches!(open(&[2, 3]), Err(CardKeyError::Key(KeyError::CheckValue))));
    }
}
