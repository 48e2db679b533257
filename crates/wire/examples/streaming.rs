//! Messages on a byte stream: `cargo run -p switchyard-wire --example streaming`.
//!
//! The scanner does no I/O; with the feature `codec`, `FrameCodec` is the same for `tokio_util`.

use std::error::Error;

use switchyard_wire::{Dialect, Envelope, Framing, Mti, Scan};

/// The largest payload that this link takes: a lie about a length costs no memory.
const FRAME_BYTES_MAX: usize = 4096;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let dialect = Dialect::builtin("unionpay-pos").ok_or("built in")?;
    let stream = stream(dialect)?;
    // Bytes come as the network likes: seven at a time.
    let mut waiting = Vec::new();
    let mut count = 0;
    for chunk in stream.chunks(7) {
        waiting.extend_from_slice(chunk);
        let mut frames = Framing::Len2BeExclusive.frames(&waiting, FRAME_BYTES_MAX);
        for frame in frames.by_ref() {
            let frame = &waiting[frame?];
            if frame.is_empty() {
                println!("a keep-alive");
                continue;
            }
            let (envelope, body) = Envelope::split(frame, dialect.envelope())?;
            let message = dialect.parse(body)?;
            println!(
                "{} with trace {:?}, to be answered to {:02X?}",
                message.mti(),
                message.stan()?,
                envelope.reply().tpdu
            );
            count += 1;
        }
        let consumed = frames.consumed();
        waiting.drain(..consumed);
    }
    assert_eq!(count, 2);
    println!("{count} messages, {} bytes left over", waiting.len());
    if let Scan::NeedMore { at_least } = Framing::Len2BeExclusive.scan(&waiting, FRAME_BYTES_MAX) {
        println!("the next one needs {at_least} bytes at least");
    }
    Ok(())
}

/// Two messages with a keep-alive between them, and the start of a third.
fn stream(dialect: &Dialect) -> Result<Vec<u8>, Box<dyn Error>> {
    let envelope = Envelope {
        tpdu: Some([0x60, 0x00, 0x03, 0x00, 0x00]),
        header: Some([0x60, 0x31, 0x00, 0x31, 0x01, 0x00]),
        ..Envelope::default()
    };
    let mut stream = Vec::new();
    for trace in 1..=3 {
        let mut body = Vec::new();
        let mut builder = dialect.builder(&mut body, Mti::new(0x0820));
        builder.number(11, trace)?.text(41, "TERM0001")?;
        builder.finish()?;
        Framing::Len2BeExclusive.write(&mut stream, |out| {
            envelope.write(out);
            out.extend_from_slice(&body);
        })?;
        stream.extend_from_slice(&[0, 0][..if trace == 1 { 2 } else { 0 }]);
    }
    stream.truncate(stream.len() - 5);
    Ok(stream)
}
