//! A directory that appears under its name only when it is complete.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::mark::sync_dir;
use crate::{Error, Result};

/// Records hold sealed card numbers: a copy of the log is as private as the log.
const DIR_MODE: u32 = 0o700;

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
        let mut builder = fs::DirBuilder::new();
        builder.mode(DIR_MODE);
        let parent = parent(target);
        builder.recursive(true).create(parent).map_err(Error::io("create", parent))?;
        let mut path = target.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        match builder.recursive(false).create(&path) {
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
        let parent = parent(&self.target);
        sync_dir(parent)?;
        parent.parent().filter(|above| above.is_dir()).map_or(Ok(()), sync_dir)
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

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
