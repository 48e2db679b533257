//! Proofs for outsiders: that a record is in the log, in the form of C2SP tlog-proof, and that the log only grew.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra base64(the record)
//! index 73894
//! gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
//! …
//!
//! the signed checkpoint
//! ```
//!
//! With the file and the log's verifier key anybody checks it; no log, no data directory. The specification calls
//! the extra data unauthenticated: here it is the record itself, and the path of hashes is what authenticates it.
//! Who gets a proof therefore gets that record, with what is sealed in it still sealed.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, Origin, SignedCheckpoint, decimal, hash};
use crate::error::{Fault, ProofError, ProofPart};
use crate::grow::grow;
use crate::limits::{PATH_HASHES_MAX, PROOF_BYTES_MAX, RECORD_BYTES_MAX};
use crate::merkle::{self, ProofBuilder, leaf_hash};
use crate::note::VerifierKey;
use crate::walk::Cursor;
use crate::{Error, Hash, Result, Sequence, checkpoint};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A record with the hashes that lead from it to a root.
#[derive(Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// Place of the record in the log.
    pub index: Sequence,
    /// The record.
    pub record: Vec<u8>,
    /// From the leaf's sibling up to the root's child.
    pub path: Vec<Hash>,
}

impl fmt::Debug for Inclusion {
    /// Without the record: what it holds is nothing for a log file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inclusion").field("index", &self.index).finish_non_exhaustive()
    }
}

/// A proof that a record is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    inclusion: Inclusion,
    checkpoint: SignedCheckpoint,
}

impl Proof {
    /// Puts a proof together; whether it proves anything is for [`verify`](Self::verify) to say.
    pub fn new(inclusion: Inclusion, checkpoint: SignedCheckpoint) -> Self {
        Self { inclusion, checkpoint }
    }

    /// Reads a proof; it proves nothing before [`verify`](Self::verify). Never panics, whatever the bytes: fuzzing
    /// calls it.
    ///
    /// # Errors
    /// `Malformed` and `TooLong`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(ProofError::TooLong { have: bytes.len(), max: PROOF_BYTES_MAX });
        }
        let malformed = ProofError::Malformed;
        let text = std::str::from_utf8(bytes).map_err(|_| malformed(ProofPart::Text))?;
        let (head, note) = text.split_once("\n\n").ok_or(malformed(ProofPart::Text))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(malformed(ProofPart::Header));
        }
        let record = lines
            .next()
            .and_then(|line| STANDARD.decode(line.strip_prefix("extra ")?).ok())
            .filter(|record| record.len() <= RECORD_BYTES_MAX)
            .ok_or(malformed(ProofPart::Record))?;
        let index = lines
            .next()
            .and_then(|line| decimal(line.strip_prefix("index ")?))
            .ok_or(malformed(ProofPart::Index))?;
        let path: Vec<_> = lines
            .take(PATH_HASHES_MAX + 1)
            .map(hash)
            .collect::<Option<_>>()
            .ok_or(malformed(ProofPart::Path))?;
        if path.len() > PATH_HASHES_MAX {
            return Err(malformed(ProofPart::Path));
        }
        let checkpoint = SignedCheckpoint::parse(note.as_bytes())?;
        Ok(Self { inclusion: Inclusion { index: Sequence(index), record, path }, checkpoint })
    }

    /// The record with its place, once the key proves the checkpoint and the checkpoint the record.
    ///
    /// # Errors
    /// `OtherLog`, `Unsigned`, `Signature` and `NotIncluded`.
    pub fn verify(&self, key: &VerifierKey) -> Result<(&Inclusion, &Checkpoint), ProofError> {
        let checkpoint = self.checkpoint.verify(key)?;
        let Inclusion { index, record, path } = &self.inclusion;
        let leaf = leaf_hash(record);
        if !merkle::verify_inclusion(&leaf, index.0, checkpoint.size, path, &checkpoint.root) {
            return Err(ProofError::NotIncluded);
        }
        Ok((&self.inclusion, checkpoint))
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inclusion { index, record, path } = &self.inclusion;
        writeln!(f, "{HEADER}\nextra {}\nindex {index}", STANDARD.encode(record))?;
        path.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash.0)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Reads the log twice, for its size and for the hashes, and gives the record with its path and the checkpoint that
/// the caller signs.
///
/// # Errors
/// `Beyond` when the durable part of the log does not hold the record; `Missing`, `Corrupt` and `Io`.
pub fn inclusion(dir: &Path, index: Sequence) -> Result<(Inclusion, Checkpoint)> {
    inclusion_watched(dir, index, |_| ())
}

/// As [`inclusion`]; `progress` gets the records done, of twice as many as there are.
///
/// # Errors
/// As [`inclusion`].
pub fn inclusion_watched(
    dir: &Path,
    index: Sequence,
    mut progress: impl FnMut(u64),
) -> Result<(Inclusion, Checkpoint)> {
    let checkpoint = checkpoint::current_watched(dir, &mut progress)?;
    let size = checkpoint.size;
    let beyond = Error::Beyond { need: index.0.saturating_add(1), have: size };
    let ranges = merkle::inclusion(index.0, size).ok_or(beyond)?;
    let mut builder = ProofBuilder::new(&ranges);
    let mut record = Vec::new();
    let mut root = None;
    grow(dir, Some(size), |leaf| {
        progress(size + leaf.tree.size());
        builder.push(leaf.hash);
        if leaf.seq == index {
            record.extend_from_slice(leaf.record);
        }
        if leaf.tree.size() == size {
            root = Some(leaf.tree.root());
        }
        Ok(())
    })?;
    // A log only grows between two readings; files that somebody exchanged meanwhile are no log.
    let path = builder.finish().filter(|_| root == Some(checkpoint.root));
    let path = path.ok_or_else(|| Error::Corrupt(Cursor::START.finding(Fault::Root)))?;
    Ok((Inclusion { index, record, path }, checkpoint))
}

/// The hashes that prove the tree at `old` records to be a prefix of the tree at `new`, for
/// [`merkle::verify_consistency`], with the two checkpoints.
///
/// # Errors
/// `Beyond` when the log is shorter than `new` or `new` than `old`; `Missing`, `Corrupt` and `Io`.
pub fn consistency(dir: &Path, old: u64, new: u64) -> Result<(Vec<Hash>, Checkpoint, Checkpoint)> {
    let ranges = if old == 0 { Some(Vec::new()) } else { merkle::consistency(old, new) };
    let ranges = ranges.ok_or(Error::Beyond { need: old, have: new })?;
    let mut builder = ProofBuilder::new(&ranges);
    let mut roots = [merkle::empty_root(); 2];
    let grown = grow(dir, Some(new), |leaf| {
        builder.push(leaf.hash);
        for (root, size) in roots.iter_mut().zip([old, new]) {
            if leaf.tree.size() == size {
                *root = leaf.tree.root();
            }
        }
        Ok(())
    })?;
    let path = builder.finish().filter(|_| grown.tree.size() >= new);
    let path = path.ok_or(Error::Beyond { need: new, have: grown.tree.size() })?;
    let origin = Origin::of(grown.owner.0, grown.owner.1);
    let at = |size, root| Checkpoint { origin: origin.clone(), size, root };
    Ok((path, at(old, roots[0]), at(new, roots[1])))
}
