//! CBC-MAC over message parts, zero-padded, without a copy of the message.

use crate::block::{BlockCipher, xor_into};

/// X9.9 and X9.19 differ only in the cipher of the last block.
pub(super) struct CbcMac;

impl CbcMac {
    /// Chains `parts` under `inner`, and the last (zero-padded) block under `last`.
    pub(super) fn compute<const N: usize>(
        inner: &impl BlockCipher<N>,
        last: &impl BlockCipher<N>,
        parts: &[&[u8]],
    ) -> [u8; N] {
        let mut chain = [0_u8; N];
        let mut filled = 0;
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                // A full block is enciphered only when more follows: the last one is special.
                if filled == N {
                    inner.encrypt(&mut chain);
                    filled = 0;
                }
                let take = rest.len().min(N - filled);
                xor_into(&mut chain[filled..filled + take], &rest[..take]);
                filled += take;
                rest = &rest[take..];
            }
        }
        last.encrypt(&mut chain);
        chain
    }
}
