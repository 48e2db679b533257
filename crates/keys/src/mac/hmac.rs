//! HMAC (FIPS 198-1) over SHA-1 and SHA-2.

use ::hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

macro_rules! hmac_over {
    ($($(#[$doc:meta])* $name:ident: $hash:ty => $bytes:literal),*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(key: &[u8], data: &[u8]) -> [u8; $bytes] {
            let mut mac = Hmac::<$hash>::new_from_slice(key).expect("hmac takes a key of any length");
            mac.update(data);
            mac.finalize().into_bytes().into()
        }
    )*};
}

hmac_over! {
    /// HMAC-SHA-1, for peers that still ask for it.
    hmac_sha1: Sha1 => 20,
    /// HMAC-SHA-256.
    hmac_sha256: Sha256 => 32,
    /// HMAC-SHA-384.
    hmac_sha384: Sha384 => 48,
    /// HMAC-SHA-512.
    hmac_sha512: Sha512 => 64
}
