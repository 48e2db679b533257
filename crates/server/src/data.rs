//! The data directory.
//!
//! | path | what it holds |
//! |---|---|
//! | `ledger/` | the log: the only truth |
//! | `snapshots/` | the state of the core at some places of the log, for a fast start; may be deleted |
//! | `keys/hsm-transport` | the key shared with a hardware security module, where there is one, mode 0600 |
//! | `keys/lmk` | the local master key, 64 hexadecimal digits under a line that says what it is for, mode 0600 |
//! | `keys/lmk-old-XXXXXXXX` | one before it that is not retired, by its check value |
//! | `keys/card-data/` | the keys that seal cards, each wrapped under the local master key |
//! | `keys/ledger-checkpoint` | the key that signs checkpoints of the ledger |
//! | `keys/card-hash` | the key of the card hash, in the same form; production keeps it elsewhere |
//! | `settlement/` | files of settlement runs |
//! | `projections/` | what is derived from the log for people to read; made anew when it is in doubt |
//! | `admin.sock` | the administrators' socket of a running switch |

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use switchyard_keys::{KeyError, SecretBytes};

use crate::card_keys::CardKeyFiles;
use crate::clear_key::from_digits;
use crate::config::{KeyFiles, Profile};
use crate::lmk_files::LmkFiles;

/// Bytes of the local master key and of the key of the card hash.
pub(crate) const KEY_BYTES: usize = 32;

/// How the first line of a key file begins when the key is for demonstrations only.
const DEMO_MARK: &str = "# switchyard demo key";
const PRODUCTION_MARK: &str = "# switchyard key";
/// In the directory of keys.
const CHECKPOINT_KEY: &str = "ledger-checkpoint";
const CHECKPOINT_MARK: &str = "# switchyard demo key: signs checkpoints of the ledger";

/// Why a data directory cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// There is something already: an installation never writes over keys or a ledger.
    #[error("{} exists already", path.display())]
    Exists {
        /// The path in the way.
        path: PathBuf,
    },
    /// There is no ledger in it: `switchyard init` comes first.
    #[error("{} holds no ledger: make one with `switchyard init --demo`, or name another with --data", path.display())]
    NotInitialised {
        /// The data directory.
        path: PathBuf,
    },
    /// The local master key was made for a demonstration and the profile is production.
    #[error("{} holds a demo key, which profile \"production\" refuses", path.display())]
    DemoKey {
        /// The key file.
        path: PathBuf,
    },
    /// The ledger was made for a demonstration and the profile is production.
    #[error(
        "{} was made by `init --demo`, whose keys and cards are known to others: profile \"production\" refuses it; make one with `switchyard init --acquirer CODE`",
        path.display()
    )]
    DemoLedger {
        /// The data directory.
        path: PathBuf,
    },
    /// Others than the owner can read a key file.
    #[error("{} can be read by others: mode {mode:03o}, needs 600", path.display())]
    Readable {
        /// The key file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A key file is not in the form of one.
    #[error("{} is no key file", path.display())]
    Malformed {
        /// The key file.
        path: PathBuf,
    },
    /// The ledger's keys are under a local master key that is not here.
    #[error(
        "the keys of the ledger are under the local master key {need}; {} holds {have}: put the file of the other one beside it",
        path.display()
    )]
    OtherLmk {
        /// Where the one in force lies.
        path: PathBuf,
        /// Check value of the one that the ledger names.
        need: String,
        /// Check values of those that are here.
        have: String,
    },
    /// The key library refused.
    #[error("key material refused")]
    Key(#[from] KeyError),
    /// The operating system refused.
    #[error("cannot {op} {}", path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The paths of one data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
    keys: PathBuf,
    lmk: PathBuf,
    card_hash: PathBuf,
}

impl DataDir {
    /// The layout under `root`, with key files where the configuration says.
    pub fn new(root: &Path, keys: &KeyFiles) -> Self {
        let dir = keys.dir.clone().unwrap_or_else(|| root.join("keys"));
        let card_hash = keys.card_hash_file.clone().unwrap_or_else(|| dir.join("card-hash"));
        Self { root: root.to_path_buf(), lmk: dir.join("lmk"), card_hash, keys: dir }
    }
    /// The directory of keys.
    pub fn keys(&self) -> &Path {
        &self.keys
    }
    /// The key that is shared with a hardware security module.
    pub fn hsm_transport(&self) -> PathBuf {
        self.keys.join("hsm-transport")
    }
    /// The keys that seal cards.
    pub fn card_keys(&self) -> CardKeyFiles {
        CardKeyFiles::new(self.keys.join("card-data"))
    }
    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// The log.
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }
    /// Snapshots of the core's state.
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }
    /// Files of settlement runs.
    pub fn settlement(&self) -> PathBuf {
        self.root.join("settlement")
    }
    /// What is derived from the log for people to read; it may be deleted at any time that no switch runs.
    pub fn projections(&self) -> PathBuf {
        self.root.join("projections")
    }
    /// The administrators' socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.root.join("admin.sock")
    }
    /// Whether there is a log.
    pub fn is_initialised(&self) -> bool {
        fs::read_dir(self.ledger()).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Makes the directories, keeps the local master key and draws the key of the card hash.
    ///
    /// # Errors
    /// [`DataError::Exists`] when there is a log or a key file already, `Io` and `Key`.
    pub(crate) fn create(&self, demo: bool, lmk: &SecretBytes) -> Result<(), DataError> {
        if self.is_initialised() {
            return Err(DataError::Exists { path: self.ledger() });
        }
        for path in [&self.lmk, &self.card_hash] {
            if path.exists() {
                return Err(DataError::Exists { path: path.clone() });
            }
        }
        for dir in [self.ledger(), self.settlement()] {
            make_dir(&dir)?;
        }
        let hash = SecretBytes::random(KEY_BYTES)?;
        for (path, key) in [(&self.lmk, lmk), (&self.card_hash, &hash)] {
            if let Some(parent) = path.parent() {
                make_dir(parent)?;
            }
            write_key(path, key, mark_of(demo))?;
        }
        self.sync_directories()
    }

    /// A key file is there after a power cut only once the directories above it are durable; without it
    /// the ledger, which is, could never be read again.
    fn sync_directories(&self) -> Result<(), DataError> {
        let above = |path: &Path| path.parent().map(Path::to_path_buf);
        let key_dirs = [above(&self.lmk), above(&self.card_hash)];
        let dirs = key_dirs.into_iter().flatten().chain([self.root.clone()]).chain(above(&self.root));
        // "data" has "" above it: the directory that the process stands in.
        let dirs = dirs.map(|dir| if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir });
        for dir in dirs {
            let synced = fs::File::open(&dir).and_then(|file| file.sync_all());
            synced.map_err(|source| io_error("sync", &dir, source))?;
        }
        Ok(())
    }

    /// The files of local master keys.
    pub(crate) fn lmk(&self) -> LmkFiles {
        LmkFiles::new(self.lmk.clone())
    }

    /// Reads the key of the card hash.
    ///
    /// # Errors
    /// As [`read_lmk`](Self::read_lmk).
    pub(crate) fn read_card_hash(&self, profile: Profile) -> Result<SecretBytes, DataError> {
        read_key(&self.card_hash, profile)
    }
}

/// Reads the secret that signs checkpoints of the ledger.
///
/// # Errors
/// [`DataError::Readable`], [`DataError::Malformed`] and `Io`.
pub fn read_checkpoint_secret(keys: &Path) -> Result<SecretBytes, DataError> {
    read_key(&keys.join(CHECKPOINT_KEY), Profile::Demo)
}

/// Draws that secret where there is none, and says whether it did.
///
/// # Errors
/// `Key` and `Io`.
pub fn draw_checkpoint_secret(keys: &Path) -> Result<bool, DataError> {
    let path = keys.join(CHECKPOINT_KEY);
    if path.exists() {
        return Ok(false);
    }
    make_dir(keys)?;
    write_key(&path, &SecretBytes::random(KEY_BYTES)?, CHECKPOINT_MARK)?;
    let synced = fs::File::open(keys).and_then(|dir| dir.sync_all());
    synced.map_err(|source| io_error("sync", keys, source))?;
    Ok(true)
}

pub(crate) fn make_dir(path: &Path) -> Result<(), DataError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| io_error("make directory", path, source))
}

pub(crate) fn mark_of(demo: bool) -> &'static str {
    if demo { DEMO_MARK } else { PRODUCTION_MARK }
}

/// Writes a key into a file that must not be there.
pub(crate) fn write_key(path: &Path, key: &SecretBytes, mark: &str) -> Result<(), DataError> {
    let mut text = String::with_capacity(mark.len() + 2 * KEY_BYTES + 2);
    text.push_str(mark);
    text.push('\n');
    for byte in key.expose() {
        for nibble in [byte >> 4, byte & 0xF] {
            text.push(char::from(b"0123456789ABCDEF"[usize::from(nibble)]));
        }
    }
    text.push('\n');
    let text = SecretBytes::from(text.into_bytes());
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| io_error("make", path, source))?;
    file.write_all(text.expose())
        .and_then(|()| file.sync_all())
        .map_err(|source| io_error("write", path, source))
}

/// The key under which keys go into a hardware security module and out of it.
#[derive(Debug)]
pub struct KeptTransport {
    /// The key: AES-256.
    pub key: SecretBytes,
    /// What the module knows it by.
    pub reference: String,
}

/// Keeps a 32-byte key in a new file of its own, mode 0600.
///
/// # Errors
/// [`DataError::Io`].
pub fn keep_key(path: &Path, key: &SecretBytes, demo: bool) -> Result<(), DataError> {
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    write_key(path, key, mark_of(demo))
}

/// Reads what [`keep_key`] keeps.
///
/// # Errors
/// [`DataError::DemoKey`], [`DataError::Readable`], [`DataError::Malformed`] and `Io`.
pub fn kept_key(path: &Path, profile: Profile) -> Result<SecretBytes, DataError> {
    read_key(path, profile)
}

/// Keeps a transport key: as a key file, with the module's name for it in a third line.
///
/// # Errors
/// [`DataError::Io`].
pub fn keep_transport(path: &Path, kept: &KeptTransport, demo: bool) -> Result<(), DataError> {
    keep_key(path, &kept.key, demo)?;
    let appended = OpenOptions::new().append(true).open(path).and_then(|mut file| {
        file.write_all(format!("{}\n", kept.reference).as_bytes())?;
        file.sync_all()
    });
    appended.map_err(|source| io_error("write", path, source))
}

/// Reads what [`keep_transport`] keeps.
pub(crate) fn read_transport(path: &Path, profile: Profile) -> Result<KeptTransport, DataError> {
    let key = read_key(path, profile)?;
    let text = read_private(path)?;
    let reference =
        text.expose().split(|byte| *byte == b'\n').nth(2).and_then(|line| str::from_utf8(line).ok());
    let reference = reference.map(str::trim).filter(|line| !line.is_empty());
    let reference = reference.ok_or_else(|| DataError::Malformed { path: path.to_path_buf() })?.to_owned();
    Ok(KeptTransport { key, reference })
}

/// Reads a file that only its owner may read.
pub(crate) fn read_private(path: &Path) -> Result<SecretBytes, DataError> {
    let metadata = fs::metadata(path).map_err(|source| io_error("look at", path, source))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(DataError::Readable { path: path.to_path_buf(), mode });
    }
    Ok(SecretBytes::from(fs::read(path).map_err(|source| io_error("read", path, source))?))
}

pub(crate) fn read_key(path: &Path, profile: Profile) -> Result<SecretBytes, DataError> {
    let text = read_private(path)?;
    let malformed = || DataError::Malformed { path: path.to_path_buf() };
    let mut lines = text.expose().split(|byte| *byte == b'\n');
    let (mark, digits) = (lines.next().ok_or_else(malformed)?, lines.next().ok_or_else(malformed)?);
    if !mark.starts_with(b"#") {
        return Err(malformed());
    }
    if profile == Profile::Production && is_demo(mark) {
        return Err(DataError::DemoKey { path: path.to_path_buf() });
    }
    let key = from_digits(digits.trim_ascii()).ok_or_else(malformed)?;
    if key.len() == KEY_BYTES { Ok(key) } else { Err(malformed()) }
}

/// Whether the first line of a key file says that the key is for demonstrations only.
pub(crate) fn is_demo(mark: &[u8]) -> bool {
    mark.starts_with(DEMO_MARK.as_bytes())
}

pub(crate) fn io_error(op: &'static str, path: &Path, source: io::Error) -> DataError {
    DataError::Io { op, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lmk() -> SecretBytes {
        SecretBytes::random(KEY_BYTES).unwrap()
    }

    #[test]
    fn keys_are_kept_and_a_demo_key_is_refused_in_production() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path(), &KeyFiles::default());
        data.create(true, &lmk()).unwrap();
        assert!(matches!(data.create(true, &lmk()), Err(DataError::Exists { .. })));
        let first = read_key(&data.lmk, Profile::Demo).unwrap();
        assert_eq!(first.expose(), read_key(&data.lmk, Profile::Demo).unwrap().expose());
        assert_ne!(first.expose(), data.read_card_hash(Profile::Demo).unwrap().expose());
        assert!(matches!(data.lmk().open(Profile::Production, None), Err(DataError::DemoKey { .. })));
        assert!(!data.is_initialised());
    }

    #[test]
    fn a_key_file_that_others_read_or_that_is_damaged_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path(), &KeyFiles::default());
        data.create(false, &lmk()).unwrap();
        data.lmk().open(Profile::Production, None).unwrap();
        fs::set_permissions(&data.lmk, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(data.lmk().open(Profile::Demo, None), Err(DataError::Readable { mode: 0o640, .. })));
        fs::set_permissions(&data.lmk, fs::Permissions::from_mode(0o600)).unwrap();
        for text in ["", "# k\n", "00\n00\n", "# k\n0\n", "# k\n0g\n", "# k\n00\n"] {
            fs::write(&data.lmk, text).unwrap();
            assert!(
                matches!(data.lmk().open(Profile::Demo, None), Err(DataError::Malformed { .. })),
                "{text:?}"
            );
        }
    }
}
