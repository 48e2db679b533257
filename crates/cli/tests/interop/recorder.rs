//! A wire tap: stands between the switch and a host, passes bytes on, and keeps the messages as a capture file.
//!
//! Wireshark knows two bytes of length only, so that is what a message has before it in the capture where four digits
//! stood; the message itself is as it passed.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What is read at once.
const READ_BYTES: usize = 8 * 1024;
/// What stands before a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// Four digits.
    Digits,
    /// Two bytes, the higher one first.
    Bytes,
}

impl Prefix {
    /// Bytes of the prefix, and of the message behind it; none as long as the prefix is not whole.
    fn read(self, bytes: &[u8]) -> Option<(usize, usize)> {
        match self {
            Self::Digits => Some((4, std::str::from_utf8(bytes.get(..4)?).unwrap().parse().unwrap())),
            Self::Bytes => Some((2, usize::from(u16::from_be_bytes(bytes.get(..2)?.try_into().unwrap())))),
        }
    }
}

/// A recorded connection's two directions are told apart by their ports.
#[derive(Debug, Clone, Copy)]
struct Flow {
    from: u16,
    to: u16,
}

/// What passed, in the classic capture format (Ethernet, IPv4, TCP).
#[derive(Debug, Default)]
struct Capture {
    file: Vec<u8>,
    /// Next sequence number by direction.
    next: Vec<(Flow, u32)>,
    packets: u32,
}

impl Capture {
    fn new() -> Self {
        let words = [0xA1B2_C3D4u32, 0x0004_0002, 0, 0, 65_535, 1];
        let file = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Self { file, ..Self::default() }
    }

    /// Takes whole messages from the front of `bytes`.
    fn messages(&mut self, flow: Flow, prefix: Prefix, bytes: &mut Vec<u8>) {
        while let Some((before, length)) = prefix.read(bytes) {
            let Some(message) = bytes.get(before..before + length) else { break };
            self.packet(flow, &[&(length as u16).to_be_bytes(), message].concat());
            bytes.drain(..before + length);
        }
    }

    fn packet(&mut self, flow: Flow, payload: &[u8]) {
        let known = self.next.iter().position(|(f, _)| (f.from, f.to) == (flow.from, flow.to));
        let index = known.unwrap_or_else(|| {
            self.next.push((flow, 1));
            self.next.len() - 1
        });
        let sequence = self.next[index].1;
        self.next[index].1 += payload.len() as u32;
        let total = (40 + payload.len()) as u16;
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00, 0x45, 0]);
        frame.extend(total.to_be_bytes());
        frame.extend([0, 1, 0, 0, 64, 6, 0, 0]);
        frame.extend(Ipv4Addr::LOCALHOST.octets().repeat(2));
        frame.extend(flow.from.to_be_bytes());
        frame.extend(flow.to.to_be_bytes());
        frame.extend(sequence.to_be_bytes());
        frame.extend([0, 0, 0, 1, 0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0]);
        frame.extend(payload);
        self.packets += 1;
        for word in [self.packets, 0, frame.len() as u32, frame.len() as u32] {
            self.file.extend(word.to_le_bytes());
        }
        self.file.extend(frame);
    }
}

/// A port that passes every connection on to another, and what it saw.
pub(crate) struct Recorder {
    capture: Arc<Mutex<Capture>>,
}

impl Recorder {
    /// Listens on `port` and passes on to `host`. Connections end with the test.
    pub(crate) fn between(port: u16, host: u16, prefix: Prefix) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let capture = Arc::new(Mutex::new(Capture::new()));
        let seen = Arc::clone(&capture);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A host that is not there yet: the switch comes again.
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, host)) else { continue };
                let local = client.peer_addr().unwrap().port();
                let there = Flow { from: local, to: host };
                let back = Flow { from: host, to: local };
                for (from, to, flow) in [(&client, &server, there), (&server, &client, back)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let seen = Arc::clone(&seen);
                    std::thread::spawn(move || pass(from, to, (flow, prefix), &seen));
                }
            }
        });
        Self { capture }
    }

    /// Writes what passed so far; the number of packets.
    pub(crate) fn save(&self, path: &Path) -> u32 {
        let capture = self.capture.lock().unwrap();
        std::fs::write(path, &capture.file).unwrap();
        capture.packets
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, (flow, prefix): (Flow, Prefix), seen: &Mutex<Capture>) {
    let (mut buffer, mut unfinished) = ([0; READ_BYTES], Vec::new());
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        unfinished.extend(&buffer[..count]);
        seen.lock().unwrap().messages(flow, prefix, &mut unfinished);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
}
