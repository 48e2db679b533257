//! Files on disk: temporary name → sync → rename → directory sync.

use super::RenderedFile;
use crate::error::SettleError;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use switchyard_domain::FileDigest;

/// Writes the files into `dir`, which is made where it does not exist, and returns what the ledger keeps of
/// them. After a kill at any point the same call completes the work: a file that is there with the same
/// bytes is left alone, a temporary one is written anew.
///
/// # Errors
/// [`SettleError::FileDiffers`] where a file of the name has other bytes: it is never overwritten.
/// [`SettleError::Io`] from the file system, and whatever rendering yields.
pub fn write_files(
    dir: &Path,
    files: impl IntoIterator<Item = Result<RenderedFile, SettleError>>,
) -> Result<Vec<FileDigest>, SettleError> {
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |source| SettleError::Io { path, source }
    };
    fs::create_dir_all(dir).map_err(at(dir))?;
    let mut digests = Vec::new();
    for file in files {
        let file = file?;
        let path = dir.join(&file.name);
        match fs::read(&path) {
            Ok(bytes) => demand_same(&path, &bytes, &file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_one(dir, &path, &file).map_err(at(&path))?;
            }
            Err(error) => return Err(at(&path)(error)),
        }
        digests.push(file.digest());
    }
    // Renames first become certain here, and so does a file that an earlier, killed run left behind.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(at(dir))?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(at(parent))?;
    }
    Ok(digests)
}

fn demand_same(path: &Path, bytes: &[u8], file: &RenderedFile) -> Result<(), SettleError> {
    let have: [u8; 32] = Sha256::digest(bytes).into();
    if have == file.sha256 {
        return Ok(());
    }
    Err(SettleError::FileDiffers { path: path.to_path_buf(), have: hex(&have), need: hex(&file.sha256) })
}

fn write_one(dir: &Path, path: &Path, file: &RenderedFile) -> io::Result<()> {
    let temporary: PathBuf = dir.join(format!(".{}.tmp", file.name));
    // Accounts and takings of merchants: for the operator alone, wherever the file is copied to.
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    out.write_all(&file.bytes)?;
    out.sync_all()?;
    fs::rename(&temporary, path)
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: &[u8]) -> Result<RenderedFile, SettleError> {
        Ok(RenderedFile::new(name.to_owned(), bytes.to_vec()))
    }

    #[test]
    fn a_second_run_changes_nothing_and_another_content_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("2026-01-31");
        let first = write_files(&dir, [file("a.csv", b"1"), file("b.csv", b"2")]).unwrap();
        // Killed between the two files, one half-written.
        fs::remove_file(dir.join("b.csv")).unwrap();
        fs::write(dir.join(".b.csv.tmp"), b"half of something else").unwrap();
        let second = write_files(&dir, [file("a.csv", b"1"), file("b.csv", b"2")]).unwrap();
        assert_eq!(first, second);
        assert_eq!(fs::read(dir.join("b.csv")).unwrap(), b"2");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
        match write_files(&dir, [file("a.csv", b"x")]) {
            Err(SettleError::FileDiffers { have, need, .. }) => {
                assert_eq!((have, need), (hex(&first[0].sha256), hex(&Sha256::digest(b"x").into())));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read(dir.join("a.csv")).unwrap(), b"1");
    }
}
