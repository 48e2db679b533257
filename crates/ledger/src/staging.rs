//! A directory that appears under its name only when it is complete.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::file::{DIR_MODE, make_dirs, parent};
use crate::mark::sync_dir;
use crate::{Error, Result};

/// A directory in the making, beside its target; dropped before [`finish`](Self::finish) it is removed.
#[derive(Debug)]
pub(crate) struct Staging {
    path: PathBuf,
    target: PathBuf,
    done: bool,
}

impl Staging {
    /// Makes `….partial` beside a target that must not exist, or be an empty directory.
    pub(crate) fn start(target: &Path) -> Result<Self> {
        let taken = match fs::read_dir(target) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        };
        if taken {
            return Err(Error::Exists { path: target.to_path_buf() });
        }
        make_dirs(parent(target))?;
        let mut path = target.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        // Not made with those above it: somebody else may be making the same copy.
        match fs::DirBuilder::new().mode(DIR_MODE).create(&path) {
            Ok(()) => Ok(Self { path, target: target.to_path_buf(), done: false }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Error::Exists { path }),
            Err(error) => Err(Error::io("create", path)(error)),
        }
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the directory its name; every file in it is synced already.
    pub(crate) fn finish(mut self) -> Result<()> {
        sync_dir(&self.path)?;
        fs::rename(&self.path, &self.target).map_err(Error::io("rename", &self.path))?;
        self.done = true;
        sync_dir(parent(&self.target))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.done {
            // What cannot be removed is in the way of the next attempt, which says so.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
