//! Signed notes: a text, and who signed it, in the form of C2SP signed-note.
//!
//! ```text
//! the text, one or more lines
//!
//! — key name base64(key id || signature)
//! ```
//!
//! A key is named by `name+id+base64(0x01 || public key)`, where the id is the first four bytes of
//! `SHA-256(name || "\n" || 0x01 || public key)` in hexadecimal and 0x01 stands for Ed25519. What was signed is the
//! text with its last line feed and without the empty line. Signatures by keys that the reader does not know are
//! passed over: that is how witnesses add theirs.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature as Ed25519Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::error::{ProofError, ProofPart};
use crate::limits::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};

const ED25519: u8 = 0x01;
const KEY_ID_BYTES: usize = 4;
const SIGNATURE_START: &str = "— ";

/// Signs the texts of notes. The secret is the caller's: this crate holds none.
pub trait NoteSigner {
    /// The Ed25519 public key.
    fn public_key(&self) -> [u8; 32];

    /// The Ed25519 signature of a message.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// Name of a signer: not empty, without spaces, control characters and `+`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(String);

impl FromStr for KeyName {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if text.is_empty() || text.contains(odd) {
            return Err(ProofError::Malformed(ProofPart::KeyName));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one needs in order to check a signer's signatures, written as `name+id+base64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: [u8; KEY_ID_BYTES],
    key: VerifyingKey,
}

impl VerifierKey {
    /// The key of a signer under a name.
    ///
    /// # Errors
    /// `Malformed` when the bytes are no public key.
    pub fn new(name: KeyName, public_key: &[u8; 32]) -> Result<Self, ProofError> {
        let malformed = |_| ProofError::Malformed(ProofPart::Key);
        let key = VerifyingKey::from_bytes(public_key).map_err(malformed)?;
        let id = key_id(&name, public_key);
        Ok(Self { name, id, key })
    }

    /// Its name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }
}

fn key_id(name: &KeyName, public_key: &[u8; 32]) -> [u8; KEY_ID_BYTES] {
    let digest = Sha256::new()
        .chain_update(name.0.as_bytes())
        .chain_update([b'\n', ED25519])
        .chain_update(public_key)
        .finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

impl FromStr for VerifierKey {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        let malformed = || ProofError::Malformed(ProofPart::Key);
        // The base64 may hold a `+` of its own, the name and the id may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed());
        };
        let bytes = STANDARD.decode(key).map_err(|_| malformed())?;
        let Some((&ED25519, public_key)) = bytes.split_first() else { return Err(malformed()) };
        let public_key = public_key.try_into().map_err(|_| malformed())?;
        let key = Self::new(name.parse()?, public_key)?;
        if hex(&key.id) == id { Ok(key) } else { Err(malformed()) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex(&self.id), STANDARD.encode(bytes))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NoteSignature {
    name: KeyName,
    id: [u8; KEY_ID_BYTES],
    signature: Vec<u8>,
}

impl NoteSignature {
    fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.strip_prefix(SIGNATURE_START)?.split_once(' ')?;
        let bytes = STANDARD.decode(rest).ok()?;
        let (id, signature) = bytes.split_first_chunk::<KEY_ID_BYTES>()?;
        if signature.is_empty() {
            return None;
        }
        Some(Self { name: name.parse().ok()?, id: *id, signature: signature.to_vec() })
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id[..], &self.signature].concat();
        writeln!(f, "{SIGNATURE_START}{} {}", self.name, STANDARD.encode(bytes))
    }
}

/// A text with its signatures; `to_string` gives back the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// Signs a text of whole lines.
    ///
    /// # Errors
    /// `Malformed` when the text is not whole lines or the signer's public key is none.
    pub fn sign(text: &str, name: KeyName, signer: &dyn NoteSigner) -> Result<Self, ProofError> {
        check_text(text)?;
        let key = VerifierKey::new(name, &signer.public_key())?;
        let signature = signer.sign(text.as_bytes()).to_vec();
        let signature = NoteSignature { name: key.name, id: key.id, signature };
        Ok(Self { text: text.to_owned(), signatures: vec![signature] })
    }

    /// Reads a note; nothing is said about its signatures before [`verify`](Self::verify). Never panics.
    ///
    /// # Errors
    /// `Malformed` and `TooLong`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(ProofError::TooLong { have: bytes.len(), max: NOTE_BYTES_MAX });
        }
        let malformed = |part| ProofError::Malformed(part);
        let whole = std::str::from_utf8(bytes).map_err(|_| malformed(ProofPart::Text))?;
        let (text, lines) = whole.rsplit_once("\n\n").ok_or(malformed(ProofPart::Text))?;
        let text = format!("{text}\n");
        check_text(&text)?;
        let lines = lines.strip_suffix('\n').ok_or(malformed(ProofPart::Signature))?;
        let signatures: Vec<_> = lines
            .split('\n')
            .take(NOTE_SIGNATURES_MAX + 1)
            .map(NoteSignature::parse)
            .collect::<Option<_>>()
            .ok_or(malformed(ProofPart::Signature))?;
        if signatures.len() > NOTE_SIGNATURES_MAX {
            return Err(malformed(ProofPart::Signature));
        }
        Ok(Self { text, signatures })
    }

    /// The text, once this key's signature proves it.
    ///
    /// # Errors
    /// `Unsigned` when no signature names the key, `Signature` when one does and is not that of the text.
    pub fn verify(&self, key: &VerifierKey) -> Result<&str, ProofError> {
        let mut by_key = self.signatures.iter().filter(|s| s.name == key.name && s.id == key.id).peekable();
        if by_key.peek().is_none() {
            return Err(ProofError::Unsigned);
        }
        let good = by_key.all(|line| {
            let signature = Ed25519Signature::from_slice(&line.signature);
            signature.is_ok_and(|s| key.key.verify_strict(self.text.as_bytes(), &s).is_ok())
        });
        if good { Ok(&self.text) } else { Err(ProofError::Signature) }
    }

    /// The text, which nothing proves yet.
    pub fn unverified_text(&self) -> &str {
        &self.text
    }
}

fn check_text(text: &str) -> Result<(), ProofError> {
    let odd = |c: char| c.is_ascii_control() && c != '\n';
    if !text.ends_with('\n') || text.contains(odd) {
        return Err(ProofError::Malformed(ProofPart::Text));
    }
    Ok(())
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| signature.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    struct Key(SigningKey);

    impl NoteSigner for Key {
        fn public_key(&self) -> [u8; 32] {
            self.0.verifying_key().to_bytes()
        }
        fn sign(&self, message: &[u8]) -> [u8; 64] {
            self.0.sign(message).to_bytes()
        }
    }

    const NEUMANN_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NEUMANN_SECRET: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const NEUMANN: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    /// A tree head of the Go checksum database, as it was served.
    const SUMDB_KEY: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    const SUMDB: &str = "go.sum database tree\n65209736\n5+uGFjx6xBZG8ip1+wi77v+grwbhhukIrxEUS8PXvRo=\n\n\
        — sum.golang.org Az3grnbssgK7ubgFX36gVETtNv0U23qxyAhAMai2QUfeGa3nB/akvkMdlUErfcZz7l/R3cVtYspg3dxXABkGZZKdsQ8=\n";

    #[test]
    fn notes_of_other_programs_verify_and_come_back_byte_for_byte() {
        for (key, text) in [(NEUMANN_KEY, NEUMANN), (SUMDB_KEY, SUMDB)] {
            let parsed: VerifierKey = key.parse().unwrap();
            assert_eq!(parsed.to_string(), key);
            let note = Note::parse(text.as_bytes()).unwrap();
            assert_eq!(note.to_string(), text);
            assert_eq!(note.verify(&parsed), Ok(note.unverified_text()));
        }
    }

    #[test]
    fn the_known_secret_signs_the_known_note() {
        let secret: [u8; 32] = STANDARD.decode(NEUMANN_SECRET).unwrap()[1..].try_into().unwrap();
        let text = Note::parse(NEUMANN.as_bytes()).unwrap().text;
        let key = Key(SigningKey::from_bytes(&secret));
        let note = Note::sign(&text, "PeterNeumann".parse().unwrap(), &key).unwrap();
        assert_eq!(note.to_string(), NEUMANN);
    }

    #[test]
    fn another_key_is_no_signer_and_every_changed_byte_is_found() {
        let key: VerifierKey = NEUMANN_KEY.parse().unwrap();
        let note = Note::parse(NEUMANN.as_bytes()).unwrap();
        assert_eq!(note.verify(&SUMDB_KEY.parse().unwrap()), Err(ProofError::Unsigned));
        assert_eq!(Note::parse(SUMDB.as_bytes()).unwrap().verify(&key), Err(ProofError::Unsigned));
        for at in 0..NEUMANN.len() {
            let mut bad = NEUMANN.as_bytes().to_vec();
            bad[at] ^= 1;
            assert!(Note::parse(&bad).and_then(|n| n.verify(&key).map(drop)).is_err(), "byte {at}");
            assert!(Note::parse(&NEUMANN.as_bytes()[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_key_with_any_byte_changed_is_refused() {
        for at in 0..NEUMANN_KEY.len() {
            let mut bad = NEUMANN_KEY.as_bytes().to_vec();
            bad[at] ^= 1;
            assert!(String::from_utf8(bad).unwrap().parse::<VerifierKey>().is_err(), "byte {at}");
            assert!(NEUMANN_KEY[..at].parse::<VerifierKey>().is_err(), "cut at {at}");
        }
    }
}
