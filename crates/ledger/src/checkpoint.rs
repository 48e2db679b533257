//! Checkpoints: what a log signs about itself, in the form of C2SP tlog-checkpoint, and outsiders keep.
//!
//! ```text
//! switchyard/ledger/00112233445566778899aabbccddeeff/0
//! 20852163
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!
//! — switchyard/ledger/00112233445566778899aabbccddeeff/0 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe…
//! ```
//!
//! The origin is made of ledger id and partition, and a restored log has a new id: two logs never share an origin,
//! and a log that was restored to an earlier point contradicts no checkpoint of the one it came from. The signer is
//! named like the origin, so that the verifier key says which log it is for.
//!
//! A log signs only what is durable. The last block of a live log may not be, so it counts only once the mark or a
//! block behind it says that it is; a checkpoint may therefore be one block short, until the next seal.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{ProofError, ProofPart};
use crate::grow::grow;
use crate::limits::{WITNESS_BYTES_MAX, WITNESS_CHECKPOINTS_MAX};
use crate::merkle::empty_root;
use crate::note::{Note, NoteSigner, VerifierKey};
use crate::{Hash, LedgerId, Partition, Result};

/// Which log a checkpoint is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// The origin of the log of one partition.
    pub fn of(ledger_id: LedgerId, partition: Partition) -> Self {
        Self(format!("switchyard/ledger/{ledger_id}/{partition}"))
    }

    /// The key with which this log signs, for those who check.
    ///
    /// # Errors
    /// `Malformed` when the origin is no name of a key or the bytes are no public key.
    pub fn verifier(&self, public_key: &[u8; 32]) -> Result<VerifierKey, ProofError> {
        VerifierKey::new(self.0.parse()?, public_key)
    }
}

impl FromStr for Origin {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        if text.is_empty() || text.contains(char::is_control) {
            return Err(ProofError::Malformed(ProofPart::Origin));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of a log at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// Count of records.
    pub size: u64,
    /// Merkle root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Signs it with the log's key.
    ///
    /// # Errors
    /// `Malformed` when the origin is no name of a key, or the signer's public key is none.
    pub fn sign(&self, signer: &dyn NoteSigner) -> Result<SignedCheckpoint, ProofError> {
        let text = format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0));
        let note = Note::sign(&text, self.origin.0.parse()?, signer)?;
        Ok(SignedCheckpoint { note, checkpoint: self.clone() })
    }

    /// Lines behind the root are extensions: signed, and nothing to us.
    fn parse(text: &str) -> Result<Self, ProofError> {
        let mut lines = text.split_terminator('\n');
        let mut next = |part| lines.next().ok_or(ProofError::Malformed(part));
        let origin = next(ProofPart::Origin)?.parse()?;
        let size = decimal(next(ProofPart::Size)?).ok_or(ProofError::Malformed(ProofPart::Size))?;
        let root = hash(next(ProofPart::Root)?).ok_or(ProofError::Malformed(ProofPart::Root))?;
        if lines.any(str::is_empty) {
            return Err(ProofError::Malformed(ProofPart::Text));
        }
        if size == 0 && root != empty_root() {
            return Err(ProofError::Malformed(ProofPart::Root));
        }
        Ok(Self { origin, size, root })
    }
}

/// A number as C2SP texts have it: digits, no sign, no leading zero.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// A hash in base64.
pub(crate) fn hash(text: &str) -> Option<Hash> {
    Some(Hash(STANDARD.decode(text).ok()?.try_into().ok()?))
}

/// A checkpoint with signatures, as it is handed over and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: Note,
    checkpoint: Checkpoint,
}

impl SignedCheckpoint {
    /// Reads one; nothing is said about its signatures before [`verify`](Self::verify). Never panics.
    ///
    /// # Errors
    /// `Malformed` and `TooLong`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse(note.unverified_text())?;
        Ok(Self { note, checkpoint })
    }

    /// The checkpoint, once the log's key proves it.
    ///
    /// # Errors
    /// `OtherLog` when the key is not named like the origin, `Unsigned` and `Signature`.
    pub fn verify(&self, key: &VerifierKey) -> Result<&Checkpoint, ProofError> {
        if key.name().to_string() != self.checkpoint.origin.0 {
            return Err(ProofError::OtherLog);
        }
        self.note.verify(key).map(|_| &self.checkpoint)
    }

    /// What it says, which nothing proves yet.
    pub fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// Reads the durable part of a log from the first record on, with the root of every block checked.
///
/// # Errors
/// `Missing`, `Corrupt` and `Io`.
pub fn current(dir: &Path) -> Result<Checkpoint> {
    current_watched(dir, |_| ())
}

/// As [`current`]; `progress` gets the records done.
///
/// # Errors
/// As [`current`].
pub fn current_watched(dir: &Path, mut progress: impl FnMut(u64)) -> Result<Checkpoint> {
    let grown = grow(dir, None, |leaf| {
        progress(leaf.tree.size());
        Ok(())
    })?;
    let origin = Origin::of(grown.owner.0, grown.owner.1);
    Ok(Checkpoint { origin, size: grown.durable.size(), root: grown.durable.root() })
}

/// Reads what an outsider kept: checkpoints one behind the other, with or without empty lines between them.
/// Never panics.
///
/// # Errors
/// `Malformed` and `TooLong`.
pub fn parse_witness(bytes: &[u8]) -> Result<Vec<SignedCheckpoint>, ProofError> {
    if bytes.len() > WITNESS_BYTES_MAX {
        return Err(ProofError::TooLong { have: bytes.len(), max: WITNESS_BYTES_MAX });
    }
    let mut rest = std::str::from_utf8(bytes).map_err(|_| ProofError::Malformed(ProofPart::Text))?;
    let mut kept = Vec::new();
    loop {
        rest = rest.trim_start_matches('\n');
        if rest.is_empty() {
            return Ok(kept);
        }
        if kept.len() == WITNESS_CHECKPOINTS_MAX {
            return Err(ProofError::TooLong { have: bytes.len(), max: WITNESS_BYTES_MAX });
        }
        let text_end = rest.find("\n\n").ok_or(ProofError::Malformed(ProofPart::Text))? + 2;
        let signatures: usize = rest[text_end..]
            .split_inclusive('\n')
            .take_while(|line| line.starts_with('—'))
            .map(str::len)
            .sum();
        let (note, after) = rest.split_at(text_end + signatures);
        kept.push(SignedCheckpoint::parse(note.as_bytes())?);
        rest = after;
    }
}

/// What a kept checkpoint says about the log as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The log had exactly this root at this size, and has only grown since.
    Consistent,
    /// The log has fewer records than it had.
    Shorter,
    /// The log's records below this size are not those it had.
    Differs {
        /// Root of the log at that size now.
        root: Hash,
    },
    /// The checkpoint itself shows nothing: it is not this log's, or not signed by its key.
    NotProven(ProofError),
}

/// What became of each checkpoint that an outsider kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessReport {
    /// Records the log has.
    pub size: u64,
    /// Merkle root over them.
    pub root: Hash,
    /// Each checkpoint with what it says, in the order they were given.
    pub kept: Vec<(Checkpoint, Verdict)>,
}

impl WitnessReport {
    /// Whether every checkpoint is the log's own and the log only grew since. Nothing kept shows nothing.
    pub fn holds(&self) -> bool {
        !self.kept.is_empty() && self.kept.iter().all(|(_, verdict)| *verdict == Verdict::Consistent)
    }
}

/// Compares a log with checkpoints that an outsider kept.
///
/// Whoever has the whole log needs no consistency proof from it: the root over the first records, computed anew, is
/// one. One pass over the log serves any number of checkpoints.
///
/// # Errors
/// `Missing`, `Corrupt` and `Io`; what the checkpoints say is in the report.
pub fn check_witness(dir: &Path, kept: &[SignedCheckpoint], key: &VerifierKey) -> Result<WitnessReport> {
    check_witness_watched(dir, kept, key, |_| ())
}

/// As [`check_witness`]; `progress` gets the records done.
///
/// # Errors
/// As [`check_witness`].
pub fn check_witness_watched(
    dir: &Path,
    kept: &[SignedCheckpoint],
    key: &VerifierKey,
    mut progress: impl FnMut(u64),
) -> Result<WitnessReport> {
    let mut sizes: Vec<u64> = kept.iter().map(|signed| signed.checkpoint.size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut roots = Vec::with_capacity(sizes.len());
    if sizes.first() == Some(&0) {
        roots.push(empty_root());
    }
    let grown = grow(dir, None, |leaf| {
        progress(leaf.tree.size());
        if sizes.get(roots.len()) == Some(&leaf.tree.size()) {
            roots.push(leaf.tree.root());
        }
        Ok(())
    })?;
    let origin = Origin::of(grown.owner.0, grown.owner.1);
    let judge = |signed: &SignedCheckpoint| {
        let checkpoint = match signed.verify(key) {
            Ok(checkpoint) if checkpoint.origin == origin => checkpoint,
            Ok(_) => return Verdict::NotProven(ProofError::OtherLog),
            Err(error) => return Verdict::NotProven(error),
        };
        let root = sizes.binary_search(&checkpoint.size).ok().and_then(|place| roots.get(place));
        match root {
            None => Verdict::Shorter,
            Some(root) if *root == checkpoint.root => Verdict::Consistent,
            Some(root) => Verdict::Differs { root: *root },
        }
    };
    let kept = kept.iter().map(|signed| (signed.checkpoint.clone(), judge(signed))).collect();
    Ok(WitnessReport { size: grown.tree.size(), root: grown.tree.root(), kept })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

    #[test]
    fn the_example_of_the_specification_comes_back_as_it_was_read() {
        let signed = SignedCheckpoint::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(signed.unverified().origin.to_string(), "example.com/behind-the-sofa");
        assert_eq!(signed.unverified().size, 20_852_163);
        assert_eq!(signed.to_string(), EXAMPLE);
        let extended = EXAMPLE.replace("jxq2I=\n", "jxq2I=\nan extension\n");
        assert_eq!(SignedCheckpoint::parse(extended.as_bytes()).unwrap().to_string(), extended);
    }

    #[test]
    fn what_is_not_in_form_is_refused() {
        let changes = [
            ("20852163", "020852163"),
            ("20852163", "+20852163"),
            ("20852163", ""),
            ("20852163", "99999999999999999999"),
            ("20852163", "0"),
            ("jxq2I=", "jxq2J="),
            ("jxq2I=", "jxq2I"),
            ("CsUY", ""),
            ("example.com/behind-the-sofa\n2", "\n2"),
            ("— example", "- example"),
        ];
        for (from, to) in changes {
            let text = EXAMPLE.replacen(from, to, 1);
            assert!(SignedCheckpoint::parse(text.as_bytes()).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn a_witness_file_is_checkpoints_one_behind_the_other() {
        for (text, count) in [
            (String::new(), 0),
            ("\n\n".to_owned(), 0),
            (EXAMPLE.repeat(3), 3),
            (format!("\n{EXAMPLE}\n\n{EXAMPLE}\n"), 2),
        ] {
            assert_eq!(parse_witness(text.as_bytes()).unwrap().len(), count);
        }
        assert!(parse_witness(&EXAMPLE.as_bytes()[..60]).is_err());
        assert!(parse_witness(format!("{EXAMPLE}left over").as_bytes()).is_err());
    }
}
