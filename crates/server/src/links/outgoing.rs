//! Bytes on their way out, with the requests that they belong to: when the connection goes, exactly those that never
//! left are handed back, so that they can go another way.

use std::collections::VecDeque;

use crate::keystore::{drop_front, wipe};

/// An output buffer is given back above this when it is empty.
const KEEP_BYTES: usize = 64 * 1024;

/// Where a frame begins, in bytes since the connection began.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameStart(u64);

/// Frames that have been encoded and not written whole.
pub(super) struct Outgoing<R> {
    bytes: Vec<u8>,
    written: usize,
    /// Requests of which not a byte has left, and where each begins, in bytes since the connection began.
    requests: VecDeque<(u64, R)>,
    /// Bytes dropped from the front of `bytes` since the connection began.
    base: u64,
}

impl<R> Default for Outgoing<R> {
    fn default() -> Self {
        Self { bytes: Vec::new(), written: 0, requests: VecDeque::new(), base: 0 }
    }
}

impl<R> Outgoing<R> {
    /// Bytes that are not written yet.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }
    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Appends one frame, which `write` encodes; it is undone when that fails. Says where the frame begins.
    pub(super) fn append<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<FrameStart, E> {
        let start = self.bytes.len();
        match write(&mut self.bytes) {
            Ok(()) => Ok(FrameStart(self.base + start as u64)),
            Err(error) => {
                wipe(&mut self.bytes[start..]);
                self.bytes.truncate(start);
                Err(error)
            }
        }
    }

    /// Keeps the request of the frame that was appended last, until its first byte leaves.
    pub(super) fn keep(&mut self, FrameStart(start): FrameStart, request: R) {
        self.requests.push_back((start, request));
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

    /// Takes the requests of which not a byte has left out of what goes out, and all that was appended behind the first of
    /// them.
    pub(super) fn cut(&mut self) -> Vec<R> {
        if let Some((start, _)) = self.requests.front() {
            // What is kept begins behind what was dropped from the front.
            let at = usize::try_from(start - self.base).unwrap_or(usize::MAX).min(self.bytes.len());
            wipe(&mut self.bytes[at..]);
            self.bytes.truncate(at);
        }
        self.unsent().collect()
    }

    /// Requests of which not a byte has left.
    pub(super) fn unsent(&mut self) -> impl Iterator<Item = R> + '_ {
        self.requests.drain(..).map(|(_, request)| request)
    }
}

impl<R> Drop for Outgoing<R> {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends a frame with its request.
    fn put(outgoing: &mut Outgoing<u64>, request: Option<u64>, bytes: &[u8]) {
        let start = outgoing.append(|out| -> Result<(), ()> {
            out.extend(bytes);
            Ok(())
        });
        request.into_iter().for_each(|request| outgoing.keep(start.unwrap(), request));
    }

    #[test]
    fn what_has_begun_to_leave_leaves_whole_and_the_rest_is_cut() {
        let mut outgoing = Outgoing::default();
        put(&mut outgoing, Some(1), b"first");
        put(&mut outgoing, None, b"advice");
        put(&mut outgoing, Some(2), b"second");
        put(&mut outgoing, None, b"behind");
        outgoing.wrote(2);
        assert_eq!(outgoing.cut(), [2]);
        assert_eq!(outgoing.rest(), b"rstadvice");
        outgoing.wrote(9);
        put(&mut outgoing, Some(3), b"third");
        assert_eq!((outgoing.cut(), outgoing.rest()), (vec![3], &b""[..]));
        assert_eq!(outgoing.cut(), [0; 0]);
    }

    #[test]
    fn a_request_counts_as_sent_from_its_first_byte_on() {
        let mut outgoing = Outgoing::default();
        put(&mut outgoing, Some(1), &[1; 4]);
        outgoing.wrote(4);
        put(&mut outgoing, Some(2), &[2; 4]);
        put(&mut outgoing, None, &[3; 4]);
        put(&mut outgoing, Some(4), &[4; 4]);
        let failed = outgoing.append(|out| {
            out.push(9);
            Err(())
        });
        assert!(failed.is_err());
        put(&mut outgoing, Some(6), &[6; 4]);
        outgoing.wrote(8);
        assert_eq!(outgoing.rest(), [4, 4, 4, 4, 6, 6, 6, 6]);
        outgoing.wrote(1);
        assert_eq!(outgoing.unsent().collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn a_host_that_never_catches_up_does_not_grow_the_buffer() {
        const FRAME: usize = 1024;
        let mut outgoing = Outgoing::default();
        let append = |outgoing: &mut Outgoing<u64>, number: u64| {
            put(outgoing, Some(number), &[number as u8; FRAME]);
        };
        append(&mut outgoing, 0);
        for number in 1..1_000 {
            append(&mut outgoing, number);
            outgoing.wrote(FRAME);
            assert_eq!(outgoing.rest(), [number as u8; FRAME]);
        }
        assert!(outgoing.bytes.len() <= 2 * KEEP_BYTES, "{}", outgoing.bytes.len());
        assert_eq!(outgoing.unsent().collect::<Vec<_>>(), [999]);
    }
}
