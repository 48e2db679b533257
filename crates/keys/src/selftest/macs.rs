//! MACs and bare block ciphers.

use crate::block::{Sm4Cipher, TdesCipher, ecb_encrypt};
use crate::mac::hmac::{hmac_sha1, hmac_sha256, hmac_sha384, hmac_sha512};
use crate::mac::{
    MacAlgorithm, MacKey, Padding, UnionPayBlock, aes_cmac, iso9797_alg1_aes, iso9797_alg1_tdes,
    iso9797_alg3, tdes_cmac, unionpay_fold,
};

use super::input::Inputs;
use super::{Answer, Fault, Tested, hex};

pub(super) fn run(alg: &str, inputs: &Inputs<'_>) -> Option<Tested> {
    if let Some(shape) = alg.strip_prefix("mac_iso9797_") {
        return iso9797(shape, inputs);
    }
    Some(match alg {
        "mac_ansi_x9_9" => cbc(MacAlgorithm::X99, inputs),
        "mac_ansi_x9_19" => cbc(MacAlgorithm::X919, inputs),
        "mac_aes_cmac" => aes(inputs),
        "mac_tdes_cmac" => tdes(inputs),
        "mac_hmac_sha1" => hmac(inputs, hmac_sha1),
        "mac_hmac_sha256" => hmac(inputs, hmac_sha256),
        "mac_hmac_sha384" => hmac(inputs, hmac_sha384),
        "mac_hmac_sha512" => hmac(inputs, hmac_sha512),
        "mac_unionpay_ecb" => unionpay_des(inputs),
        "mac_unionpay_sm4" => unionpay_sm4(inputs),
        "sm4_ecb" => sm4_ecb(inputs),
        _ => return None,
    })
}

/// `alg1_pad2_tdes3`, `alg3_pad1` and so on.
fn iso9797(shape: &str, inputs: &Inputs<'_>) -> Option<Tested> {
    let (algorithm, rest) = shape.split_once('_')?;
    let (padding, cipher) = rest.split_once('_').unwrap_or((rest, ""));
    let padding = match padding {
        "pad1" => Padding::Zero,
        "pad2" => Padding::Bit,
        "pad3" => Padding::Length,
        _ => return None,
    };
    match (algorithm, cipher) {
        ("alg1", "des" | "tdes2" | "tdes3") => Some(iso9797_tdes(padding, inputs)),
        ("alg1", "aes") => Some(iso9797_aes(padding, inputs)),
        ("alg3", "") => Some(iso9797_retail(padding, inputs)),
        _ => None,
    }
}

fn iso9797_tdes(padding: Padding, inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::hex(&iso9797_alg1_tdes(&inputs.des_key("key")?, padding, &inputs.hex("data")?)))
}

fn iso9797_aes(padding: Padding, inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::hex(&iso9797_alg1_aes(&inputs.hex("key")?, padding, &inputs.hex("data")?)?))
}

fn iso9797_retail(padding: Padding, inputs: &Inputs<'_>) -> Tested {
    let mac = iso9797_alg3(&inputs.des_key("key")?, padding, &inputs.hex("data")?)?;
    let bytes = if inputs.has("truncate") { inputs.number("truncate")? } else { mac.len() };
    Ok(Answer::hex(mac.get(..bytes).ok_or(Fault::Input("truncate"))?))
}

/// X9.9 and X9.19: the vectors over hex show 4 bytes, the published one over text shows 8.
fn cbc(algorithm: MacAlgorithm, inputs: &Inputs<'_>) -> Tested {
    let key = MacKey::new(algorithm, &inputs.hex("key")?)?;
    if inputs.has("data_ascii") {
        return Ok(Answer::hex(key.compute(inputs.ascii("data_ascii")?).as_bytes()));
    }
    Ok(Answer::hex(&key.compute(&inputs.hex("data")?).as_bytes()[..4]))
}

fn aes(inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::hex(&aes_cmac(&inputs.hex("key")?, &inputs.hex("data")?)?))
}

fn tdes(inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::hex(&tdes_cmac(&inputs.des_key("key")?, &inputs.hex("data")?)))
}

fn hmac<const N: usize>(inputs: &Inputs<'_>, function: fn(&[u8], &[u8]) -> [u8; N]) -> Tested {
    Ok(Answer::hex(&function(&inputs.hex("key")?, &inputs.hex("data")?)))
}

fn unionpay_des(inputs: &Inputs<'_>) -> Tested {
    let (mak, data) = (inputs.des_key("mak")?, inputs.hex("mab")?);
    let block = UnionPayBlock::compute(&TdesCipher::new(&mak), &[&data]);
    let field = MacKey::new(MacAlgorithm::CupEcb, mak.expose())?.compute(&data);
    Ok(Answer::Map(vec![
        ("block", hex(block.as_bytes())),
        ("field64_ascii", String::from_utf8_lossy(field.as_bytes()).into_owned()),
        ("field64_hex", hex(field.as_bytes())),
        ("xor_fold", hex(&unionpay_fold(&data))),
    ]))
}

fn unionpay_sm4(inputs: &Inputs<'_>) -> Tested {
    let (mak, data) = (inputs.hex("mak")?, inputs.hex("mab")?);
    let block = UnionPayBlock::compute(&Sm4Cipher::new(&mak)?, &[&data]);
    let field = MacKey::new(MacAlgorithm::Sm4Cup, &mak)?.compute(&data);
    Ok(Answer::Map(vec![
        ("block", hex(block.as_bytes())),
        ("field64_ascii", String::from_utf8_lossy(field.as_bytes()).into_owned()),
    ]))
}

fn sm4_ecb(inputs: &Inputs<'_>) -> Tested {
    let mut data = inputs.hex("data")?;
    if data.len() % 16 != 0 {
        return Err(Fault::Input("data"));
    }
    ecb_encrypt(&Sm4Cipher::new(&inputs.hex("key")?)?, &mut data);
    Ok(Answer::hex(&data))
}
