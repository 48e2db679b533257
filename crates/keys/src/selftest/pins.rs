//! PIN blocks, translation and verification.

use crate::block::AesCipher;
use crate::pin::{self, Ibm3624, PinFormat};

use super::input::Inputs;
use super::{Answer, Fault, Tested};

pub(super) fn run(alg: &str, inputs: &Inputs<'_>) -> Option<Tested> {
    Some(match alg {
        "pinblock_iso0" => round_trip(PinFormat::Iso0, inputs),
        "pinblock_iso1" => round_trip(PinFormat::Iso1, inputs),
        "pinblock_iso2" => round_trip(PinFormat::Iso2, inputs),
        "pinblock_iso3" => round_trip(PinFormat::Iso3, inputs),
        "pinblock_iso4" => iso4(inputs),
        "pinblock_iso4_panfield" => pan_field(inputs),
        "pinblock_iso0_reject" => reject(inputs),
        "pin_translate_tdes" => translate(inputs),
        "pin_translate_tdes_to_aes_fmt4" => translate_to_iso4(inputs),
        "visa_pvv" => pvv(inputs),
        "ibm3624_offset" => ibm3624_offset(inputs),
        "ibm3624_pin" => ibm3624_pin(inputs),
        _ => return None,
    })
}

/// Encodes with the given fill, and decodes what came out.
fn round_trip(format: PinFormat, inputs: &Inputs<'_>) -> Tested {
    let pin = inputs.pin("pin")?;
    let pan = if inputs.has("pan") { inputs.ascii("pan")? } else { b"" };
    let fill = fill(inputs, "fill", pin.expose_digits().len())?;
    let block = pin::encode_with_fill(format, &pin, pan, &fill)?;
    if !pin::decode(format, &block, pan)?.matches(&pin) {
        return Err(Fault::Refused("decodes to another pin".into()));
    }
    Ok(Answer::hex(&block))
}

/// Fill digits stand for the nibbles behind the PIN; without any the fill is `F`.
fn fill(inputs: &Inputs<'_>, name: &'static str, pin_digits: usize) -> Result<[u8; 14], Fault> {
    let mut fill = [0xF; 14];
    if inputs.has(name) {
        for (place, digit) in fill[pin_digits..].iter_mut().zip(inputs.text(name)?.chars()) {
            *place = digit.to_digit(16).ok_or(Fault::Input(name))? as u8;
        }
    }
    Ok(fill)
}

fn iso4(inputs: &Inputs<'_>) -> Tested {
    let key = AesCipher::new(&inputs.hex("key")?)?;
    let (pin, pan) = (inputs.pin("pin")?, inputs.ascii("pan")?);
    let block = pin::encode_iso4_with_random(&key, &pin, pan, inputs.array("random8")?)?;
    if !pin::decode_iso4(&key, &block, pan)?.matches(&pin) {
        return Err(Fault::Refused("decodes to another pin".into()));
    }
    Ok(Answer::hex(&block))
}

fn pan_field(inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::hex(&pin::pan_field(inputs.ascii("pan")?)?))
}

fn reject(inputs: &Inputs<'_>) -> Tested {
    pin::decode_iso0(&inputs.array("pinblock")?, inputs.ascii("pan")?)?;
    Ok(Answer::Text("accepted".into()))
}

fn format_of(inputs: &Inputs<'_>, name: &'static str) -> Result<PinFormat, Fault> {
    match inputs.number(name)? {
        0 => Ok(PinFormat::Iso0),
        1 => Ok(PinFormat::Iso1),
        2 => Ok(PinFormat::Iso2),
        3 => Ok(PinFormat::Iso3),
        _ => Err(Fault::Input(name)),
    }
}

fn translate(inputs: &Inputs<'_>) -> Tested {
    let (source, target) = (inputs.tdes("zpk_src")?, inputs.tdes("zpk_dst")?);
    let (from, to) = (format_of(inputs, "fmt_src")?, format_of(inputs, "fmt_dst")?);
    let (pan, block) = (inputs.ascii("pan")?, inputs.array("pinblock")?);
    let pin = pin::decode(from, &source.decrypt_block(block), pan)?;
    let fill = fill(inputs, "dst_fill", pin.expose_digits().len())?;
    Ok(Answer::hex(&pin::translate_with_fill(&source, &target, &block, (from, to), pan, &fill)?))
}

fn translate_to_iso4(inputs: &Inputs<'_>) -> Tested {
    let source = inputs.tdes("zpk_src")?;
    let target = AesCipher::new(&inputs.hex("zpk_dst")?)?;
    let (pan, block) = (inputs.ascii("pan")?, inputs.array("pinblock")?);
    let random = inputs.array("random8")?;
    Ok(Answer::hex(&pin::translate_to_iso4_with_random(
        &source,
        &target,
        &block,
        PinFormat::Iso0,
        pan,
        random,
    )?))
}

fn pvv(inputs: &Inputs<'_>) -> Tested {
    let index: u8 = inputs.text("pvki")?.parse().map_err(|_| Fault::Input("pvki"))?;
    Ok(Answer::digits(&pin::pvv(&inputs.tdes("pvk")?, inputs.ascii("pan")?, index, &inputs.pin("pin")?)?))
}

fn ibm3624<'a>(inputs: &Inputs<'a>) -> Result<Ibm3624<'a>, Fault> {
    Ok(Ibm3624 {
        decimalization: inputs.ascii_array("decimalization")?,
        pan_offset: inputs.number("pan_offset")?,
        pan_length: inputs.number("pan_length")?,
        pad: inputs.ascii_array::<1>("pad")?[0],
    })
}

fn ibm3624_offset(inputs: &Inputs<'_>) -> Tested {
    let (pvk, pan, pin) = (inputs.tdes("pvk")?, inputs.ascii("pan")?, inputs.pin("pin")?);
    Ok(Answer::digits(&ibm3624(inputs)?.offset(&pvk, pan, &pin)?))
}

fn ibm3624_pin(inputs: &Inputs<'_>) -> Tested {
    let (pvk, pan, offset) = (inputs.tdes("pvk")?, inputs.ascii("pan")?, inputs.ascii("offset")?);
    let pin = ibm3624(inputs)?.pin(&pvk, pan, offset)?;
    Ok(Answer::Text(pin.expose_digits().iter().map(|digit| char::from(b'0' + digit)).collect()))
}
