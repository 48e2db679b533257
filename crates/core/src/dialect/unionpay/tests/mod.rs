//! The dialect against its table, against dumps of real terminals, and against arbitrary bytes.

mod cases;
mod dumps;
mod properties;
mod replies;
mod requests;

use super::read;
use crate::dialect::{Draft, IntoBodyError, MacRequirement, Parsed, Refusal, ReplyContext, Why};
use crate::input::Body;
use switchyard_domain::{CardHash, CardRef, Pan, ResponseCode, SealedPan};
use switchyard_wire::{De, Dialect, Message, Mti};

/// A well-known test card.
const PAN: &[u8] = b"6225880000000008";
const TRACK: &[u8] = b"6225880000000008=30121010000000000";
/// DE 55 of a script result: one script that the card carried out.
const SCRIPTS: &[u8] = b"\xDF\x31\x05\x20\x01\x02\x03\x04\x95\x05\x00\x00\x04\x00\x00\x9F\x36\x02\x00\x11";
/// DE 53 of an enciphered track: digit 3 is 1.
const TRACK_ENCRYPTED: u64 = 2_610_000_000_000_000;

fn dialect() -> &'static Dialect {
    Dialect::builtin("unionpay-pos").unwrap()
}

/// A request under construction: which elements it has, and the ones with another value than usual.
#[derive(Clone)]
struct Request {
    mti: u16,
    processing_code: u64,
    condition: u64,
    de60: String,
    elements: Vec<De>,
    digits: Vec<(De, Vec<u8>)>,
}

impl Request {
    fn without(&self, de: De) -> Self {
        let mut other = self.clone();
        other.elements.retain(|have| *have != de);
        other
    }
    fn with(&self, de: De) -> Self {
        let mut other = self.clone();
        other.elements.push(de);
        other.elements.sort_unstable();
        other.elements.dedup();
        other
    }
    fn digits(&self, de: De, digits: &[u8]) -> Self {
        let mut other = self.with(de);
        other.digits.retain(|(have, _)| *have != de);
        other.digits.push((de, digits.to_vec()));
        other
    }
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut builder = dialect().builder(&mut out, Mti::new(self.mti));
        for &de in &self.elements {
            let b = &mut builder;
            let step = match self.digits.iter().find(|(have, _)| *have == de) {
                Some((_, digits)) => b.digits(de, digits),
                None => match de {
                    2 => b.digits(2, PAN),
                    3 => b.number(3, self.processing_code),
                    4 => b.number(4, 1_250),
                    11 => b.number(11, 42),
                    14 => b.digits(14, b"3012"),
                    22 => b.digits(22, b"021"),
                    23 => b.number(23, 1),
                    25 => b.number(25, self.condition),
                    35 => b.digits(35, TRACK),
                    37 => b.bytes(37, b"000000000007"),
                    38 => b.bytes(38, b"A1B2C3"),
                    39 => b.bytes(39, b"98"),
                    41 => b.bytes(41, b"T0000001"),
                    42 => b.bytes(42, b"M00000000000001"),
                    48 if self.mti == 0x0200 => b.digits(48, b"13800138000"),
                    48 => b.digits(48, &[b'0'; 62]),
                    49 => b.bytes(49, b"156"),
                    52 => b.bytes(52, &[0x5A; 8]),
                    53 => b.number(53, 2_600_000_000_000_000),
                    55 if self.mti == 0x0620 => b.bytes(55, SCRIPTS),
                    55 => b.bytes(55, &[0x9F, 0x02, 0x06, 0, 0, 0, 0, 0x12, 0x50]),
                    60 => b.digits(60, self.de60.as_bytes()),
                    61 => b.digits(61, b"0000030000411231"),
                    62 => b.bytes(62, self.de62()),
                    63 => b.bytes(63, b"01 "),
                    64 => b.bytes(64, b"ABCDEF01"),
                    _ => panic!("no value for de {de}"),
                },
            };
            step.unwrap();
        }
        builder.finish().unwrap();
        out
    }
    fn de62(&self) -> &'static [u8] {
        match self.de60.get(8..11) {
            Some("370") => b"\x9F\x06\x05\xA0\x00\x00\x03\x33\x9F\x22\x01\x0B",
            Some("380") => b"\x9F\x06\x07\xA0\x00\x00\x03\x33\x01\x01",
            Some("372" | "382") => b"100",
            Some("401") => b"\x01\x02\x03\x04\x11\x12\x13\x14\x15\x16\x17\x18",
            _ => b"status",
        }
    }
    fn read(&self) -> Result<Parsed, Refusal> {
        let bytes = self.bytes();
        read(&parse(&bytes))
    }
    fn body(&self) -> Body {
        into_body(self.read().unwrap().draft).unwrap()
    }
}

fn parse(bytes: &[u8]) -> Message<'static, '_> {
    dialect().parse(bytes).unwrap()
}

fn hash(pan: &Pan) -> CardHash {
    CardHash((u128::from(pan.routing_key()) + 1).to_be_bytes())
}

fn into_body(draft: Draft) -> Result<Body, IntoBodyError<()>> {
    let seal = |pan: &Pan, _: Option<&_>| {
        Ok(CardRef {
            sealed: SealedPan(vec![1]),
            key_id: 1,
            intake: 2,
            hash: hash(pan),
            masked: pan.masked(),
        })
    };
    draft.into_body(seal, hash)
}

fn is_format_error(result: Result<Parsed, Refusal>) -> Option<Why> {
    result.err().filter(|refusal| refusal.code == ResponseCode::FORMAT_ERROR).map(|refusal| refusal.why)
}

fn needs_mac(parsed: &Parsed) -> bool {
    parsed.mac != MacRequirement::NotRequired
}
