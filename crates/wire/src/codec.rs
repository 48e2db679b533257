//! The frame scanner as a `tokio_util` codec.

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::{FrameError, Framing, Scan};

/// Splits a byte stream into frames and puts lengths before them.
///
/// Keep-alives are dropped: a link that must see them scans by itself. The payload is split off the read
/// buffer without copying.
#[derive(Clone, Copy, Debug)]
pub struct FrameCodec {
    framing: Framing,
    frame_bytes_max: usize,
}

/// A stream that cannot be followed, or an I/O error under it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Close the connection: where the next frame starts is not known.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Reading or writing failed.
    #[error("connection failed")]
    Io(#[from] std::io::Error),
}

impl FrameCodec {
    /// A codec for frames whose payload has at most `frame_bytes_max` bytes.
    pub fn new(framing: Framing, frame_bytes_max: usize) -> Self {
        Self { framing, frame_bytes_max }
    }
}

impl Decoder for FrameCodec {
    type Item = Bytes;
    type Error = CodecError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, CodecError> {
        loop {
            match self.framing.scan(src, self.frame_bytes_max) {
                Scan::Frame { start, end, consumed } => {
                    let frame = src.split_to(consumed).freeze();
                    return Ok(Some(frame.slice(start..end)));
                }
                Scan::KeepAlive { consumed } => src.advance(consumed),
                Scan::NeedMore { at_least } => {
                    src.reserve(at_least.saturating_sub(src.len()));
                    return Ok(None);
                }
                Scan::Bad(error) => return Err(error.into()),
            }
        }
    }
}

impl<P: AsRef<[u8]>> Encoder<P> for FrameCodec {
    type Error = CodecError;

    fn encode(&mut self, payload: P, dst: &mut BytesMut) -> Result<(), CodecError> {
        let payload = payload.as_ref();
        let header = self.framing.header(payload.len())?;
        let trailer = self.framing.trailer(payload)?;
        dst.reserve(header.len() + payload.len() + trailer.len());
        dst.extend_from_slice(header.as_slice());
        dst.extend_from_slice(payload);
        dst.extend_from_slice(trailer.as_slice());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let mut codec = FrameCodec::new(Framing::Len4Ascii, 100);
        let mut stream = BytesMut::from(&b"0000"[..]);
        codec.encode(b"hello", &mut stream).unwrap();
        codec.encode(b"you", &mut stream).unwrap();
        let mut last = stream.split_off(stream.len() - 1);
        assert_eq!(codec.decode(&mut stream).unwrap().as_deref(), Some(&b"hello"[..]));
        assert_eq!(codec.decode(&mut stream).unwrap(), None);
        stream.unsplit(last.split());
        assert_eq!(codec.decode(&mut stream).unwrap().as_deref(), Some(&b"you"[..]));
        assert!(codec.decode(&mut BytesMut::from(&b"9999"[..])).is_err());
    }

    #[test]
    fn bytes_one_at_a_time_make_the_same_frames_in_every_framing() {
        for framing in Framing::ALL {
            let mut codec = FrameCodec::new(framing, 100);
            let mut stream = BytesMut::new();
            for payload in [&b"first"[..], b"", b"second", b"3"] {
                codec.encode(payload, &mut stream).unwrap();
            }
            let (mut waiting, mut found) = (BytesMut::new(), Vec::new());
            for byte in stream {
                waiting.extend_from_slice(&[byte]);
                while let Some(frame) = codec.decode(&mut waiting).unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, [&b"first"[..], b"second", b"3"], "{framing}");
            assert!(waiting.is_empty(), "{framing}");
        }
        let mut codec = FrameCodec::new(Framing::StxEtx, 100);
        let mut stream = BytesMut::from(&b"kept"[..]);
        assert!(codec.encode([3u8], &mut stream).is_err(), "text cannot hold the byte that ends it");
        assert_eq!(&stream[..], b"kept");
    }
}
