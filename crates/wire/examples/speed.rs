//! How long parsing and building take, without a framework: `cargo run --release --example speed`.
//!
//! `speed COUNT` runs each piece that often and measures nothing, and `speed COUNT PIECE` one piece: under
//! `valgrind --tool=callgrind`, the difference between two counts is instructions that no load disturbs.

#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use switchyard_wire::Value::{Bytes, Digits, Number, Text};
use switchyard_wire::{BuildError, BuildPlan, De, Dialect, Mti, ReplyPlan, Value};

const ROUNDS: u32 = 2_000_000;
const TRIES: u32 = 5;

fn main() -> Result<(), BuildError> {
    let ascii = Dialect::builtin("iso87-ascii").expect("built in");
    let binary = Dialect::builtin("unionpay-pos").expect("built in");
    let mut body = Vec::new();
    build_ascii(ascii, &mut body)?;
    println!("ascii 0200: {} bytes, {} elements", body.len(), count(ascii, &body));
    measure("parse ascii", || {
        black_box(ascii.parse(black_box(&body)).is_ok());
    });
    let full =
        Dialect::from_toml(Dialect::builtin_source("iso87-ascii").unwrap_or_default()).expect("built in");
    fill_shapes(&full)?;
    measure("parse ascii, bitmap not known", || {
        black_box(full.parse(black_box(&body)).is_ok());
    });
    let mut out = Vec::with_capacity(1024);
    measure("build ascii from values", || {
        out.clear();
        black_box(build_ascii(ascii, &mut out).is_ok());
    });
    let plan = BuildPlan::new(ascii, Mti::new(0x0200), &ASCII.map(|(de, _)| de))?;
    let values = ASCII.map(|(_, value)| value);
    out.clear();
    plan.write(&mut out, &values)?;
    assert_eq!(out, body);
    measure("build ascii by plan", || {
        out.clear();
        black_box(plan.write(&mut out, black_box(&values)).is_ok());
    });
    // The first parse learns the shape, by which a plan cuts.
    let _ = ascii.parse(&body);
    let request = ascii.parse(&body).expect("built above");
    let mut reply = Vec::with_capacity(1024);
    measure("reply from a request, 12 echoed", || {
        reply.clear();
        black_box(build_reply(ascii, &request, &mut reply).is_ok());
    });
    let plan = ReplyPlan::new(ascii, &[2, 3, 4, 7, 11, 12, 13, 25, 32, 37, 41, 42], &[39])?;
    measure("reply by plan, 12 echoed", || {
        reply.clear();
        black_box(plan.write(black_box(&request), &mut reply, &[Some(b"00")]).is_ok());
    });

    let mut sale = Vec::new();
    build_sale(binary, &mut sale)?;
    println!("bcd 0200 with chip data: {} bytes, {} elements", sale.len(), count(binary, &sale));
    measure("parse bcd", || {
        black_box(binary.parse(black_box(&sale)).is_ok());
    });
    measure("parse bcd and walk 19 tags", || {
        if let Ok(message) = binary.parse(black_box(&sale)) {
            let tags = message.tlv(55).filter_map(Result::ok);
            black_box(tags.fold(0, |sum, tlv| sum ^ tlv.tag));
        }
    });
    let message = binary.parse(&sale).expect("built above");
    let mut buf = [0; 64];
    measure("read 35 as digits", || {
        black_box(message.digits(35, &mut buf));
    });
    Ok(())
}

/// Shows the dialect so many bitmaps that it can learn no more.
fn fill_shapes(dialect: &Dialect) -> Result<(), BuildError> {
    for shape in 1..2048u64 {
        let mut body = Vec::new();
        let mut builder = dialect.builder(&mut body, Mti::new(0x0800));
        for (bit, de) in [11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21].into_iter().enumerate() {
            if shape >> bit & 1 == 1 {
                builder.number(de, 1)?;
            }
        }
        builder.finish()?;
        assert!(dialect.parse(&body).is_ok());
    }
    Ok(())
}

fn count(dialect: &Dialect, body: &[u8]) -> usize {
    dialect.parse(body).map_or(0, |message| message.elements().count())
}

// Measuring time is what this program is for.
#[allow(clippy::disallowed_methods)]
fn measure(what: &str, mut work: impl FnMut()) {
    let mut arguments = std::env::args().skip(1);
    if let Some(count) = arguments.next().and_then(|count| count.parse::<u32>().ok()) {
        if arguments.next().is_none_or(|piece| what == piece) {
            (0..count).for_each(|_| work());
        }
        return;
    }
    let mut best = f64::MAX;
    for _ in 0..TRIES {
        let start = Instant::now();
        for _ in 0..ROUNDS / TRIES {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS / TRIES));
    }
    println!("{what:<34} {best:>7.1} ns");
}

const ASCII: [(De, Value<'static>); 16] = [
    (2, Digits(b"4111111111111111")),
    (3, Number(0)),
    (4, Number(12_345)),
    (7, Digits(b"1122133000")),
    (11, Number(123)),
    (12, Digits(b"133000")),
    (13, Digits(b"1122")),
    (22, Digits(b"051")),
    (25, Digits(b"00")),
    (32, Digits(b"123456")),
    (35, Digits(b"4111111111111111=25121010000012345678")),
    (37, Text("112213300123")),
    (41, Text("TERM0001")),
    (42, Text("MERCHANT0000001")),
    (49, Text("156")),
    (52, Bytes(&[0x12; 8])),
];

fn build_ascii(dialect: &Dialect, out: &mut Vec<u8>) -> Result<(), BuildError> {
    let mut builder = dialect.builder(out, Mti::new(0x0200));
    for (de, value) in ASCII {
        match value {
            Digits(digits) => builder.digits(de, digits)?,
            Number(number) => builder.number(de, number)?,
            Text(text) => builder.text(de, text)?,
            Bytes(bytes) => builder.bytes(de, bytes)?,
        };
    }
    builder.finish()?;
    Ok(())
}

fn build_reply(
    dialect: &Dialect,
    request: &switchyard_wire::Message<'_, '_>,
    out: &mut Vec<u8>,
) -> Result<(), BuildError> {
    let mut builder = dialect.builder(out, request.mti().reply());
    for de in [2, 3, 4, 7, 11, 12, 13, 25, 32, 37] {
        builder.echo(request, de)?;
    }
    builder.text(39, "00")?.echo(request, 41)?.echo(request, 42)?;
    builder.finish()?;
    Ok(())
}

fn build_sale(dialect: &Dialect, out: &mut Vec<u8>) -> Result<(), BuildError> {
    let tags: [(&[u8], usize); 19] = [
        (&[0x9F, 0x26], 8),
        (&[0x9F, 0x27], 1),
        (&[0x9F, 0x10], 19),
        (&[0x9F, 0x37], 4),
        (&[0x9F, 0x36], 2),
        (&[0x95], 5),
        (&[0x9A], 3),
        (&[0x9C], 1),
        (&[0x9F, 0x02], 6),
        (&[0x5F, 0x2A], 2),
        (&[0x82], 2),
        (&[0x9F, 0x1A], 2),
        (&[0x9F, 0x03], 6),
        (&[0x9F, 0x33], 3),
        (&[0x9F, 0x34], 3),
        (&[0x9F, 0x35], 1),
        (&[0x9F, 0x1E], 8),
        (&[0x84], 8),
        (&[0x9F, 0x09], 2),
    ];
    let mut chip = Vec::new();
    for (tag, len) in tags {
        chip.extend_from_slice(tag);
        chip.push(len as u8);
        chip.resize(chip.len() + len, 0x11);
    }
    let mut builder = dialect.builder(out, Mti::new(0x0200));
    builder
        .number(3, 0)?
        .number(4, 12_345)?
        .number(11, 123)?
        .digits(22, b"051")?
        .digits(23, b"001")?
        .digits(25, b"00")?
        .digits(26, b"06")?
        .digits(35, b"4111111111111111=25121010000012345678")?
        .text(41, "TERM0001")?
        .text(42, "MERCHANT0000001")?
        .text(49, "156")?
        .bytes(52, &[0x12; 8])?
        .digits(53, b"2600000000000000")?
        .bytes(55, &chip)?
        .digits(60, b"22000001000500")?
        .bytes(64, b"12345678")?;
    builder.finish()?;
    Ok(())
}
