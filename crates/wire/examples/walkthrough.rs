//! Parse, build, an own dialect, chip data and a stream: `cargo run --example walkthrough`.

use std::error::Error;

use switchyard_wire::{Dialect, Framing, Masking, Mti, ReplyPlan, Scan, describe};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let dialect = Dialect::builtin("iso87-ascii").ok_or("built in")?;
    let body = build(dialect)?;
    parse(dialect, &body)?;
    reply(dialect, &body)?;
    own_dialect_and_chip_data()?;
    stream(&body)
}

/// Elements are given in ascending order; the bitmap is filled in at the end.
fn build(dialect: &Dialect) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, Mti::new(0x0200));
    builder
        .digits(2, b"4111111111111111")?
        .number(3, 0)?
        .number(4, 12_345)?
        .number(11, 42)?
        .text(41, "TERM0001")?;
    builder.finish()?;
    println!("built: {}", String::from_utf8_lossy(&body));
    Ok(body)
}

/// A message borrows the bytes and decodes on demand.
fn parse(dialect: &Dialect, body: &[u8]) -> Result<(), Box<dyn Error>> {
    let message = dialect.parse(body)?;
    println!("amount {:?}, terminal {:?}", message.number(4), message.text(41));
    print!("{}", describe::describe(&message, Masking::Masked));
    if let Err(error) = dialect.parse(&body[..body.len() - 1]) {
        println!("cut short: {error}");
    }
    Ok(())
}

/// A plan works out once per bitmap which bytes a reply takes from its request.
fn reply(dialect: &Dialect, body: &[u8]) -> Result<(), Box<dyn Error>> {
    let plan = ReplyPlan::new(dialect, &[2, 3, 4, 11, 41], &[39])?;
    let mut out = Vec::new();
    plan.write(&dialect.parse(body)?, &mut out, &[Some(b"00")])?;
    println!("reply: {}", String::from_utf8_lossy(&out));
    Ok(())
}

/// A few lines over a built-in dialect.
fn own_dialect_and_chip_data() -> Result<(), Box<dyn Error>> {
    let dialect = Dialect::from_toml(
        r#"
        name = "mine"
        extends = "iso87-binary"
        [elements]
        48 = { format = "ans..40 LL", prefix = "binary", counts = "inclusive" }
        "#,
    )?;
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, Mti::new(0x0100));
    builder.text(48, "private")?.bytes(55, &[0x9F, 0x36, 2, 0, 1, 0x82, 2, 0x19, 0x80])?;
    builder.finish()?;
    let message = dialect.parse(&body)?;
    for tlv in message.tlv(55) {
        let tlv = tlv?;
        println!("tag {:02X} {:?}: {:02X?}", tlv.tag, describe::tag_name(tlv.tag), tlv.value);
    }
    Ok(())
}

/// Bytes as they come from a socket: two messages, the second still on its way.
fn stream(body: &[u8]) -> Result<(), Box<dyn Error>> {
    let framing = Framing::Len2BeExclusive;
    let mut bytes = Vec::new();
    for _ in 0..2 {
        framing.write(&mut bytes, |out| out.extend_from_slice(body))?;
    }
    let mut rest = &bytes[..bytes.len() - 3];
    loop {
        match framing.scan(rest, 4096) {
            Scan::Frame { start, end, consumed } => {
                println!("a frame of {} bytes", end - start);
                rest = &rest[consumed..];
            }
            Scan::KeepAlive { consumed } => rest = &rest[consumed..],
            Scan::NeedMore { at_least } => {
                println!("{} bytes wait for {at_least}", rest.len());
                return Ok(());
            }
            Scan::Bad(error) => return Err(error.into()),
        }
    }
}
