//! The UnionPay "ECB" MAC, over DES and over SM4.

use crate::block::{BlockCipher, xor_into};

use super::MAC_BYTES;

/// The last enciphered block of a UnionPay MAC; its hex text's first 8 characters are DE 64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnionPayBlock<const N: usize>([u8; N]);

impl<const N: usize> UnionPayBlock<N> {
    /// Fold, write as hex, encipher the first half, XOR the second in, encipher again.
    #[expect(private_bounds, reason = "the two ciphers are ours; nobody else implements one")]
    pub fn compute(cipher: &impl BlockCipher<N>, parts: &[&[u8]]) -> Self {
        let mut fold = [0_u8; N];
        fold_parts(&mut fold, parts);
        let (first_half, second_half) = fold.split_at(N / 2);
        let mut block = [0_u8; N];
        write_hex(first_half, &mut block);
        let mut second = [0_u8; N];
        write_hex(second_half, &mut second);
        cipher.encrypt(&mut block);
        xor_into(&mut block, &second);
        cipher.encrypt(&mut block);
        Self(block)
    }

    /// The whole enciphered block.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// The 8 characters of DE 64.
    #[must_use]
    pub fn field_64(&self) -> [u8; MAC_BYTES] {
        let mut text = [0; MAC_BYTES];
        write_hex(&self.0[..MAC_BYTES / 2], &mut text);
        text
    }
}

impl<const N: usize> std::fmt::Debug for UnionPayBlock<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnionPayBlock(…)")
    }
}

/// The exclusive or of all 8-byte blocks, the last padded with zeros.
///
/// This is the scheme's weakness: swapping two blocks, or adding a block twice, leaves the
/// fold and therefore the MAC as it was.
#[must_use]
pub fn unionpay_fold(data: &[u8]) -> [u8; 8] {
    let mut fold = [0; 8];
    fold_parts(&mut fold, &[data]);
    fold
}

fn fold_parts<const N: usize>(fold: &mut [u8; N], parts: &[&[u8]]) {
    let mut filled = 0;
    for part in parts {
        let (head, rest) = part.split_at(part.len().min((N - filled) % N));
        xor_into(&mut fold[filled..], head);
        filled = (filled + head.len()) % N;
        let (blocks, tail) = rest.as_chunks::<N>();
        for block in blocks {
            xor_into(fold, block);
        }
        xor_into(fold, tail);
        filled = (filled + tail.len()) % N;
    }
}

fn write_hex(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for (byte, pair) in bytes.iter().zip(out.as_chunks_mut::<2>().0) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0x0F)]];
    }
}
