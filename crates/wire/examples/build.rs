//! Builds a message and answers it: `cargo run -p switchyard-wire --example build`.

use std::error::Error;

use switchyard_wire::typed::{
    Amount, Currency, Date, LocalTime, ProcessingCode, Stan, Time, TransmissionTime,
};
use switchyard_wire::{BuildError, Dialect, Framing, Mti, ReplyPlan};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let dialect = Dialect::builtin("iso87-binary").ok_or("built in")?;
    let time = Time::new(12, 0, 0).ok_or("a time")?;
    let date = Date::new(None, 2, 28).ok_or("a date")?;
    // Elements ascend. What fails leaves the buffer as it was: half a message is never sent.
    let mut request = Vec::new();
    dialect.build(&mut request, Mti::new(0x0200), |builder| -> Result<(), BuildError> {
        builder.digits(2, b"4111111111111111")?.put(&ProcessingCode::PURCHASE)?.put(&Amount::of(12_345))?;
        builder
            .put(&TransmissionTime { date, time })?
            .put(&Stan(42))?
            .put(&LocalTime { date: None, time })?;
        builder.text(41, "TERM0001")?.put(&Currency::CNY)?;
        // A MAC covers everything before it, the bitmap with its own bit included.
        builder.finish_with_mac(64, |body| (body.len() as u64).to_be_bytes())?;
        Ok(())
    })?;
    let mut frame = Vec::new();
    Framing::Len2BeExclusive.write(&mut frame, |out| out.extend_from_slice(&request))?;
    println!("request: {frame:02X?}");
    // A plan works out once per bitmap which bytes a reply takes from its request.
    let plan = ReplyPlan::new(dialect, &[2, 3, 4, 7, 11, 12, 41, 49], &[39])?;
    let mut reply = Vec::new();
    plan.write(&dialect.parse(&request)?, &mut reply, &[Some(b"00")])?;
    let reply = dialect.parse(&reply)?;
    assert!(reply.response_code()?.is_some_and(|code| code.is_approval()));
    println!("{} says {:?} to trace {:?}", reply.mti(), reply.response_code()?, reply.stan()?);
    Ok(())
}
