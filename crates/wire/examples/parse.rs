//! Reads a message: `cargo run -p switchyard-wire --example parse`.

use std::error::Error;

use switchyard_wire::{Dialect, Masking, describe, detect_frame_for};

/// A sale as an acquirer's host takes it from a socket: two bytes of length, then the message in ASCII.
const FRAME: &[u8] =
    b"\x00\x56020072300000008000001641111111111111110000000000000123450228120000000042120000TERM0001";

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let dialect = Dialect::builtin("iso87-ascii").ok_or("built in")?;
    // Whoever knows the framing says so; this is for bytes that somebody pasted.
    let detected = detect_frame_for(dialect, FRAME);
    let message = dialect.parse(&FRAME[detected.body.clone()])?;
    assert_eq!(message.number(4), Some(12_345));
    // The message borrows the bytes: values are read when they are asked for.
    println!("{} of {:?} minor units, trace {:?}", message.mti(), message.number(4), message.stan()?);
    println!("terminal {:?}, local time {:?}", message.text(41), message.local_time()?);
    print!("{}", describe::describe(&message, Masking::Masked));
    // Cut short, the elements before the trouble are there, and the error says where it is.
    let (partial, error) = dialect.parse_partial(&FRAME[2..80]);
    println!("{partial:?}: {}", error.ok_or("cut short")?);
    Ok(())
}
