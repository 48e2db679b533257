//! The Ed25519 key (RFC 8032) with which a ledger signs its checkpoints.

use std::fmt;

use ed25519_dalek::Signer as _;

use crate::error::KeyError;

/// Signs; wiped when dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Length of the secret in bytes.
    pub const SECRET_BYTES: usize = 32;

    /// The key of a secret.
    ///
    /// # Errors
    /// `Length` when it is not [`SECRET_BYTES`](Self::SECRET_BYTES) long.
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        let secret = secret.try_into().map_err(|_| KeyError::Length { need: "32", have: secret.len() })?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(secret)))
    }

    /// The public key, which is for everybody.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The signature of a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 §7.1, test 1.
    #[test]
    fn the_first_vector_of_the_rfc_signs_as_it_says() {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        };
        let secret = bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = SigningKey::from_secret(&secret).unwrap();
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(key.public_key().to_vec(), bytes(public));
        let signature = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
            5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
        assert_eq!(key.sign(b"").to_vec(), bytes(signature));
        assert!(SigningKey::from_secret(&secret[1..]).is_err());
    }
}
