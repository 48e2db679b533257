//! The keys that seal cards, one for each period, each wrapped under the local master key in a file of its own.
//!
//! The ledger only grows: a key whose wrapped copy it holds cannot be destroyed. So the ledger holds the check value
//! of a card key and the key itself lies in `card-data/NNNNN` beside the local master key. Destroying that file
//! closes what the key sealed, for good, and changes no byte of the ledger. The file is written before the ledger
//! names the key, and destroyed after the ledger says so; a start finishes what a crash left undone.

use std::fs::{self, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use switchyard_core::{Command, CommandError, CommandOutcome, Core};
use switchyard_domain::{Actor, KeyName, KeyRecord, KeyUse, Timestamp, WrappedKey};
use switchyard_keys::SecretBytes;

use crate::data::{DataError, KEY_BYTES, io_error, make_dir, read_private};
use crate::keystore::{CardKeyError, DATA_KEY_FIRST, KeyStore};
use crate::shared::{Shared, now};

const MARK: &str =
    "# switchyard card data key, wrapped; without it the cards that it sealed cannot be opened";

/// The files of card keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardKeyFiles {
    dir: PathBuf,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptKey {
    /// When the key was drawn: its period begins about here, and with the ledger's record exactly.
    pub(crate) from: Timestamp,
    pub(crate) wrapped: WrappedKey,
}

/// A key that was drawn: for the ledger, and in clear.
pub(crate) struct DrawnKey {
    pub(crate) name: KeyName,
    pub(crate) record: KeyRecord,
}

impl CardKeyFiles {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The file of a key.
    pub fn path(&self, id: u32) -> PathBuf {
        self.dir.join(format!("{id:05}"))
    }

    /// Draws the key of this number and keeps it. What an attempt before it left under the number, and the ledger
    /// never named, is written over.
    pub(crate) fn draw(&self, store: &KeyStore, id: u32) -> Result<DrawnKey, CardKeyError> {
        let wrapped = store.wrap(KeyUse::CardData, SecretBytes::random(KEY_BYTES)?.expose())?;
        self.write(id, &KeptKey { from: now(), wrapped: wrapped.wrapped })?;
        let record = KeyRecord { wrapped: WrappedKey(String::new()), check_value: wrapped.check_value };
        Ok(DrawnKey { name: KeyName { usage: KeyUse::CardData, owner: id }, record })
    }

    fn write(&self, id: u32, key: &KeptKey) -> Result<(), DataError> {
        make_dir(&self.dir)?;
        let path = self.path(id);
        let temp = path.with_extension("tmp");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&temp).map_err(|source| io_error("make", &temp, source))?;
        let text = format!("{MARK}\n{}\n{}\n", key.from.0, key.wrapped.0);
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|source| io_error("write", &temp, source))?;
        fs::rename(&temp, &path).map_err(|source| io_error("rename", &path, source))?;
        let above = self.dir.parent().unwrap_or(&self.dir);
        [self.dir.as_path(), above].into_iter().try_for_each(sync_dir)
    }

    /// Reads the file of a key.
    pub(crate) fn read(&self, id: u32) -> Result<KeptKey, DataError> {
        let path = self.path(id);
        let bytes = read_private(&path)?;
        let malformed = || DataError::Malformed { path: path.clone() };
        let text = std::str::from_utf8(bytes.expose()).map_err(|_| malformed())?;
        let mut lines = text.lines();
        let (Some(mark), Some(from), Some(wrapped)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(malformed());
        };
        if !mark.starts_with('#') {
            return Err(malformed());
        }
        let from = Timestamp(from.parse().map_err(|_| malformed())?);
        Ok(KeptKey { from, wrapped: WrappedKey(wrapped.to_owned()) })
    }

    /// Wraps a key under the local master key in force, and says whether it was under another. One whose file is gone was
    /// shredded.
    pub(crate) fn translate(
        &self,
        store: &KeyStore,
        id: u32,
        check_value: [u8; 4],
    ) -> Result<bool, CardKeyError> {
        let kept = match self.read(id) {
            Ok(kept) => kept,
            Err(DataError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let record = KeyRecord { wrapped: kept.wrapped, check_value };
        let Some(now) = store.translate(KeyUse::CardData, &record)? else { return Ok(false) };
        self.write(id, &KeptKey { from: kept.from, wrapped: now.wrapped })?;
        Ok(true)
    }

    /// Destroys a key: its bytes are overwritten, synced, and the file is removed. One that is gone already is fine.
    ///
    /// # Errors
    /// `Io`; the next start tries again.
    pub(crate) fn destroy(&self, id: u32) -> Result<(), DataError> {
        let path = self.path(id);
        if destroy_file(&path)? { sync_dir(&self.dir) } else { Ok(()) }
    }

    /// Destroys what the ledger says is shredded and a crash left: keys below the one in use that it no longer names.
    pub(crate) fn finish_shredding(&self, named: &[u32]) -> Result<(), DataError> {
        let Some(last) = named.iter().max() else { return Ok(()) };
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(io_error("list", &self.dir, source)),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        for id in names.filter(|id| id < last && !named.contains(id)) {
            tracing::warn!(key = id, "a shredded card key was still there; it is destroyed now");
            self.destroy(id)?;
        }
        Ok(())
    }
}

/// Overwrites a file, syncs it and removes it; false when there was none.
pub(crate) fn destroy_file(path: &Path) -> Result<bool, DataError> {
    let opened = OpenOptions::new().write(true).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(io_error("open", path, source)),
    };
    let length = file.metadata().map_err(|source| io_error("look at", path, source))?.len();
    for pattern in [0xFF, 0x00] {
        let bytes = vec![pattern; length as usize];
        let written = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&bytes));
        written.and_then(|()| file.sync_all()).map_err(|source| io_error("overwrite", path, source))?;
    }
    fs::remove_file(path).map_err(|source| io_error("remove", path, source))?;
    Ok(true)
}

pub(crate) fn sync_dir(dir: &Path) -> Result<(), DataError> {
    let synced = fs::File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|source| io_error("sync", dir, source))
}

/// Number of the card key after the ones that a ledger names.
pub(crate) fn next_id(core: &Core) -> u32 {
    let last = core.state().registry().card_keys().map(|(number, _)| number).max();
    last.map_or(DATA_KEY_FIRST, |last| last + 1)
}

/// Draws the next card key of a running switch and has it recorded; it is in use when this returns.
pub(crate) async fn rotate(shared: &Arc<Shared>, actor: Actor) -> Result<(), RotateError> {
    // One at a time: a second draw under the same number would write over the file of the first.
    let mut stuck = shared.cards.rotation().lock().await;
    if *stuck {
        return Err(RotateError::Stuck);
    }
    let id = shared.cards.key_id() + 1;
    let drawing = {
        let shared = Arc::clone(shared);
        move || shared.cards.files().draw(&shared.store, id)
    };
    let drawn = tokio::task::spawn_blocking(drawing).await.map_err(|_| RotateError::Stopped)??;
    let command = Command::InstallKey { name: drawn.name, key: drawn.record };
    match shared.command(actor, command).await {
        Ok(Ok(CommandOutcome::Recorded)) if shared.cards.key_id() == id => Ok(()),
        Ok(Ok(CommandOutcome::Recorded)) => {
            // The ledger names the key: another draw under the number would lose it.
            *stuck = true;
            Err(RotateError::Stuck)
        }
        Ok(Ok(_)) => Err(RotateError::Stopped),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(RotateError::Stopped),
    }
}

/// Why there is no new card key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotateError {
    /// It cannot be drawn or kept.
    #[error(transparent)]
    Key(#[from] CardKeyError),
    /// The core refused it: two rotated at a time.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The ledger names a new key that this process could not take into use: the next start does, or says why not.
    #[error("the new card key is recorded and cannot be used; start the switch again")]
    Stuck,
    /// The switch stopped before it was done.
    #[error("the switch stopped before it was done")]
    Stopped,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(dir: &Path) -> CardKeyFiles {
        CardKeyFiles::new(dir.join("card-data"))
    }

    #[test]
    fn a_key_is_kept_read_and_destroyed() {
        let dir = tempfile::tempdir().unwrap();
        let (files, store) = (files(dir.path()), crate::keytable::tests::store());
        let drawn = files.draw(&store, 7).unwrap();
        assert!(drawn.record.wrapped.0.is_empty(), "the ledger gets no copy");
        let kept = files.read(7).unwrap();
        let record = KeyRecord { wrapped: kept.wrapped, ..drawn.record };
        assert_eq!(store.unwrap(KeyUse::CardData, &record).unwrap().len(), KEY_BYTES);
        files.destroy(7).unwrap();
        files.destroy(7).unwrap();
        assert!(!files.path(7).exists());
        assert!(matches!(files.read(7), Err(DataError::Io { .. })));
    }

    #[test]
    fn a_start_destroys_what_a_crash_left_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (files, store) = (files(dir.path()), crate::keytable::tests::store());
        files.finish_shredding(&[1]).unwrap();
        (1..=5).for_each(|id| drop(files.draw(&store, id).unwrap()));
        files.finish_shredding(&[2, 4]).unwrap();
        let left: Vec<_> = (1..=5).filter(|id| files.path(*id).exists()).collect();
        assert_eq!(left, [2, 4, 5], "5 is a key that the ledger does not name yet");
    }

    #[test]
    fn a_file_that_others_read_or_that_is_damaged_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (files, store) = (files(dir.path()), crate::keytable::tests::store());
        files.draw(&store, 1).unwrap();
        fs::set_permissions(files.path(1), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(files.read(1), Err(DataError::Readable { mode: 0o644, .. })));
        fs::set_permissions(files.path(1), fs::Permissions::from_mode(0o600)).unwrap();
        for text in ["", "# k\n1\n", "1\n2\n3\n", "# k\nx\nD0\n"] {
            fs::write(files.path(1), text).unwrap();
            assert!(matches!(files.read(1), Err(DataError::Malformed { .. })), "{text:?}");
        }
    }
}
