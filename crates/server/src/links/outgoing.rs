//! Bytes on their way out, with the requests that they belong to: when the connection goes, it is known
//! exactly which requests never left.

use std::collections::VecDeque;

use switchyard_domain::TransactionId;

use crate::keystore::{drop_front, wipe};

/// An output buffer is given back above this when it is empty.
const KEEP_BYTES: usize = 64 * 1024;

/// Frames that have been encoded and not written whole.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
    /// Where each request begins, in order, in bytes since the connection began.
    requests: VecDeque<(u64, TransactionId)>,
    /// Bytes dropped from the front of `bytes` since the connection began.
    base: u64,
}

impl Outgoing {
    /// Bytes that are not written yet.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }
    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Appends one frame, which `write` encodes; it is undone when that fails.
    pub(super) fn append<E>(
        &mut self,
        request: Option<TransactionId>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.bytes.len();
        match write(&mut self.bytes) {
            Ok(()) => {
                if let Some(request) = request {
                    self.requests.push_back((self.base + start as u64, request));
                }
                Ok(())
            }
            Err(error) => {
                wipe(&mut self.bytes[start..]);
                self.bytes.truncate(start);
                Err(error)
            }
        }
    }

    /// `count` more bytes have left.
    pub(super) fn wrote(&mut self, count: usize) {
        self.written += count;
        let left = self.base + self.written as u64;
        while self.requests.front().is_some_and(|(start, _)| *start < left) {
            self.requests.pop_front();
        }
        if self.written == self.bytes.len() {
            self.base += self.bytes.len() as u64;
            wipe(&mut self.bytes);
            self.bytes.clear();
            self.bytes.shrink_to(KEEP_BYTES);
            self.written = 0;
        } else if self.written >= KEEP_BYTES.max(self.bytes.len() / 2) {
            // A host that is always a little behind never lets the buffer become empty.
            drop_front(&mut self.bytes, self.written);
            self.base += self.written as u64;
            self.written = 0;
        }
    }

    /// Requests of which not a byte has left.
    pub(super) fn unsent(&mut self) -> impl Iterator<Item = TransactionId> + '_ {
        self.requests.drain(..).map(|(_, request)| request)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_as_sent_from_its_first_byte_on() {
        let mut outgoing = Outgoing::default();
        let frame = |byte| {
            move |out: &mut Vec<u8>| -> Result<(), ()> {
                out.extend([byte; 4]);
                Ok(())
            }
        };
        outgoing.append(Some(TransactionId(1)), frame(1)).unwrap();
        outgoing.wrote(4);
        outgoing.append(Some(TransactionId(2)), frame(2)).unwrap();
        outgoing.append(None, frame(3)).unwrap();
        outgoing.append(Some(TransactionId(4)), frame(4)).unwrap();
        assert!(
            outgoing
                .append(Some(TransactionId(5)), |out| {
                    out.push(9);
                    Err(())
                })
                .is_err()
        );
        outgoing.append(Some(TransactionId(6)), frame(6)).unwrap();
        outgoing.wrote(8);
        assert_eq!(outgoing.rest(), [4, 4, 4, 4, 6, 6, 6, 6]);
        outgoing.wrote(1);
        assert_eq!(outgoing.unsent().collect::<Vec<_>>(), [TransactionId(6)]);
    }

    #[test]
    fn a_host_that_never_catches_up_does_not_grow_the_buffer() {
        const FRAME: usize = 1024;
        let mut outgoing = Outgoing::default();
        let append = |outgoing: &mut Outgoing, number: u64| {
            let frame = |out: &mut Vec<u8>| -> Result<(), ()> {
                out.extend([number as u8; FRAME]);
                Ok(())
            };
            outgoing.append(Some(TransactionId(number)), frame).unwrap();
        };
        append(&mut outgoing, 0);
        for number in 1..1_000 {
            append(&mut outgoing, number);
            outgoing.wrote(FRAME);
            assert_eq!(outgoing.rest(), [number as u8; FRAME]);
        }
        assert!(outgoing.bytes.len() <= 2 * KEEP_BYTES, "{}", outgoing.bytes.len());
        assert_eq!(outgoing.unsent().collect::<Vec<_>>(), [TransactionId(999)]);
    }
}
