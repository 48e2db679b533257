//! The files of local master keys.
//!
//! | file | what it holds |
//! |---|---|
//! | `lmk` | the one in force |
//! | `lmk-new` | the next one, until the ledger names it; then a start puts it in force if whoever brought it did not come so far |
//! | `lmk-old-XXXXXXXX` | one before it, by its check value: what it wrapped still opens, until it is retired |
//!
//! At no moment is a key that opens something absent: the next one is written and synced before the ledger names it, and
//! the one before has its second name before the next one takes its place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use switchyard_keys::SecretBytes;
use switchyard_keys::lmk::{Lmk, LmkRing};

use crate::card_keys::{destroy_file, sync_dir};
use crate::config::Profile;
use crate::data::{DataError, io_error, is_demo, mark_of, read_key, read_private, write_key};

/// How the names of those begin that are not in force any more.
const OLD: &str = "lmk-old-";
const NEXT: &str = "lmk-new";

/// Where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LmkFiles {
    dir: PathBuf,
    lmk: PathBuf,
}

impl LmkFiles {
    pub(crate) fn new(lmk: PathBuf) -> Self {
        let dir = lmk.parent().map(Path::to_path_buf).unwrap_or_default();
        Self { dir, lmk }
    }

    fn next(&self) -> PathBuf {
        self.dir.join(NEXT)
    }

    fn old(&self, check_value: [u8; 4]) -> PathBuf {
        self.dir.join(format!("{OLD}{}", text(check_value)))
    }

    fn read(path: &Path, profile: Profile) -> Result<Lmk, DataError> {
        Ok(Lmk::from_slice(read_key(path, profile)?.expose())?)
    }

    /// The next one, where there is one and the ledger names it.
    fn named_next(&self, profile: Profile, named: Option<[u8; 4]>) -> Result<Option<Lmk>, DataError> {
        let path = self.next();
        if named.is_none() || !path.exists() {
            return Ok(None);
        }
        Ok(Some(Self::read(&path, profile)?).filter(|next| Some(next.check_value()) == named))
    }

    /// Every one that is here, for a ledger that names `named` as the one in force. Changes no file.
    ///
    /// # Errors
    /// [`DataError::OtherLmk`] when that one is not here, and what reading a key file yields.
    pub(crate) fn open(&self, profile: Profile, named: Option<[u8; 4]>) -> Result<LmkRing, DataError> {
        let mut before = Vec::new();
        for path in self.olds()? {
            before.push(Self::read(&path, profile)?);
        }
        let ring = LmkRing::new(Self::read(&self.lmk, profile)?, before);
        if let Some(next) = self.named_next(profile, named)? {
            ring.succeed(next)?;
        }
        let have = ring.check_values();
        match named {
            Some(named) if !have.contains(&named) => Err(DataError::OtherLmk {
                path: self.lmk.clone(),
                need: text(named),
                have: have.into_iter().map(text).collect::<Vec<_>>().join(", "),
            }),
            _ => Ok(ring),
        }
    }

    /// Files of those that are not in force any more.
    fn olds(&self) -> Result<Vec<PathBuf>, DataError> {
        let entries = fs::read_dir(&self.dir).map_err(|source| io_error("list", &self.dir, source))?;
        let is_old = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(OLD))
        };
        let mut olds: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_old).collect();
        olds.sort();
        Ok(olds)
    }

    /// Keeps the next one beside the one in force. What an attempt before it left, and no ledger names, is destroyed.
    pub(crate) fn keep_next(&self, key: &SecretBytes) -> Result<(), DataError> {
        self.drop_next()?;
        let text = read_private(&self.lmk)?;
        write_key(&self.next(), key, mark_of(is_demo(text.expose())))?;
        sync_dir(&self.dir)
    }

    /// Destroys the next one, which nothing is under.
    pub(crate) fn drop_next(&self) -> Result<(), DataError> {
        if destroy_file(&self.next())? { sync_dir(&self.dir) } else { Ok(()) }
    }

    /// Gives the one in force its second name.
    pub(crate) fn keep_before(&self, profile: Profile) -> Result<(), DataError> {
        let old = self.old(Self::read(&self.lmk, profile)?.check_value());
        match fs::hard_link(&self.lmk, &old) {
            // A crash came after it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(io_error("link", &old, source)),
            Ok(()) => {}
        }
        sync_dir(&self.dir)
    }

    /// Puts the next one in the place of the one before, which has another name by now.
    pub(crate) fn put_in_place(&self) -> Result<(), DataError> {
        fs::rename(self.next(), &self.lmk).map_err(|source| io_error("rename", &self.next(), source))?;
        sync_dir(&self.dir)
    }

    /// Puts the next one in force if the ledger names it, and says whether it did.
    pub(crate) fn finish(&self, profile: Profile, named: Option<[u8; 4]>) -> Result<bool, DataError> {
        if self.named_next(profile, named)?.is_none() {
            return Ok(false);
        }
        self.keep_before(profile)?;
        self.put_in_place()?;
        Ok(true)
    }

    /// Destroys those that are not in force. The one in force may have the name of an old one beside its own, when a change
    /// did not come to its end: writing over that would destroy both.
    pub(crate) fn retire(&self) -> Result<(), DataError> {
        let in_force = self.old(Self::read(&self.lmk, Profile::Demo)?.check_value());
        for path in self.olds()?.into_iter().filter(|path| *path != in_force) {
            destroy_file(&path)?;
        }
        sync_dir(&self.dir)
    }
}

/// A check value as people compare it.
pub(crate) fn text(check_value: [u8; 4]) -> String {
    check_value.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_one_is_in_force_when_the_ledger_names_it_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let files = LmkFiles::new(dir.path().join("lmk"));
        let [first, next] = [(); 2].map(|()| SecretBytes::random(32).unwrap());
        let check = |key: &SecretBytes| Lmk::from_slice(key.expose()).unwrap().check_value();
        let (before, now) = (check(&first), check(&next));
        write_key(&dir.path().join("lmk"), &first, mark_of(false)).unwrap();
        files.keep_next(&SecretBytes::random(32).unwrap()).unwrap();
        files.keep_next(&next).unwrap();
        let open = |named| files.open(Profile::Production, named).map(|ring| ring.check_values());
        assert_eq!(open(None).unwrap(), [before]);
        assert!(!files.finish(Profile::Production, None).unwrap());
        assert!(!files.finish(Profile::Production, Some(before)).unwrap());
        assert_eq!(open(Some(now)).unwrap(), [now, before], "a reader sees it and changes nothing");
        assert!(files.next().exists());
        files.keep_before(Profile::Production).unwrap();
        assert_eq!(open(Some(now)).unwrap(), [now, before], "half the way");
        assert!(files.finish(Profile::Production, Some(now)).unwrap());
        assert!(!files.next().exists());
        assert!(!files.finish(Profile::Production, Some(now)).unwrap());
        for named in [None, Some(before), Some(now)] {
            assert_eq!(open(named).unwrap(), [now, before], "a ledger that was restored opens as well");
        }
        assert!(matches!(open(Some([0; 4])), Err(DataError::OtherLmk { .. })));
        files.retire().unwrap();
        assert_eq!(open(None).unwrap(), [now]);
        assert!(matches!(open(Some(before)), Err(DataError::OtherLmk { .. })));
    }
}
