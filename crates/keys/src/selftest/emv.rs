//! EMV card keys, session keys, cryptograms and scripts.

use crate::des_key::{DesKey, kcv};
use crate::emv::{
    CardRequest, CryptogramScheme, PinChange, arpc_method1, arpc_method2, arqc, icc_key_option_a,
    icc_key_option_b, script_mac, session_key_common, session_key_tree, session_key_visa, visa_pin_change,
};
use crate::mac::{Padding, iso9797_alg3};

use super::input::Inputs;
use super::{Answer, Fault, Tested, hex};

pub(super) fn run(alg: &str, inputs: &Inputs<'_>) -> Option<Tested> {
    Some(match alg {
        "emv_icc_mk_option_a" => card_key(inputs, icc_key_option_a),
        "emv_icc_mk_option_b" => card_key(inputs, icc_key_option_b),
        "emv_session_key_common" => session_common(inputs),
        "emv_session_key_visa_sm" => session_visa(inputs),
        "emv_session_key_emv2000_tree" => session_tree(inputs),
        "emv_visa_cvn10_arqc" => cryptogram(CryptogramScheme::VisaCvn10, inputs),
        "emv_visa_cvn18_arqc" => cryptogram(CryptogramScheme::VisaCvn18, inputs),
        "emv_visa_cvn22_arqc" => cryptogram(CryptogramScheme::VisaCvn22, inputs),
        "emv_mastercard_cvn16_arqc" => cryptogram(CryptogramScheme::MChip16, inputs),
        "emv_pboc_unionpay_arqc" => cryptogram(CryptogramScheme::Pboc, inputs),
        "emv_arqc_option_b_csk" => cryptogram(CryptogramScheme::CommonOptionB, inputs),
        "emv_visa_cvn10_arpc" => answer(CryptogramScheme::VisaCvn10, inputs),
        "emv_visa_cvn18_arpc" => answer(CryptogramScheme::VisaCvn18, inputs),
        "emv_mastercard_cvn16_arpc" => answer(CryptogramScheme::MChip16, inputs),
        "emv_pboc_unionpay_arpc" => answer(CryptogramScheme::Pboc, inputs),
        "emv_arpc_method2" => answer_method2(inputs),
        "emv_visa_cvn10_script_mac" | "emv_visa_cvn18_script_mac" => script(inputs),
        "emv_visa_cvn10_pin_change" => pin_change(inputs),
        "emv_arqc_common_sk_optA" => common_chain(inputs),
        _ => return None,
    })
}

/// Under either of the two names the vectors use.
fn issuer_key(inputs: &Inputs<'_>, short: &'static str, long: &'static str) -> Result<DesKey, Fault> {
    inputs.des_key(if inputs.has(short) { short } else { long })
}

fn imk_ac(inputs: &Inputs<'_>) -> Result<DesKey, Fault> {
    issuer_key(inputs, "imk_ac", "iss_mk_ac")
}

fn atc(inputs: &Inputs<'_>) -> Result<[u8; 2], Fault> {
    inputs.array(if inputs.has("atc") { "atc" } else { "tag_9f36" })
}

fn card_key(
    inputs: &Inputs<'_>,
    derive: impl Fn(&DesKey, &[u8], &[u8; 2]) -> Result<DesKey, crate::KeyError>,
) -> Tested {
    let key = derive(&inputs.des_key("imk")?, inputs.ascii("pan")?, inputs.ascii_array("psn")?)?;
    Ok(Answer::hex(key.expose()))
}

fn session_common(inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::hex(session_key_common(&inputs.des_key("icc_mk")?, inputs.array("r")?)?.expose()))
}

fn session_visa(inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::hex(session_key_visa(&inputs.des_key("icc_mk")?, inputs.array("atc")?)?.expose()))
}

fn session_tree(inputs: &Inputs<'_>) -> Tested {
    let (height, branch) = (inputs.number("height")? as u8, inputs.number("branch")? as u16);
    Ok(Answer::hex(session_key_tree(&inputs.des_key("icc_mk")?, atc(inputs)?, height, branch)?.expose()))
}

/// The data as given, or gathered from the tags in the order of the cryptogram.
fn cryptogram_data(inputs: &Inputs<'_>) -> Result<Vec<u8>, Fault> {
    if inputs.has("mac_input") {
        return inputs.hex("mac_input");
    }
    let mut data = Vec::new();
    for tag in [
        "tag_9f02", "tag_9f03", "tag_9f1a", "tag_95", "tag_5f2a", "tag_9a", "tag_9c", "tag_9f37", "tag_82",
        "tag_9f36",
    ] {
        data.extend(inputs.hex(tag)?);
    }
    data.extend(inputs.hex(if inputs.has("cvr") { "cvr" } else { "tag_9f10" })?);
    Ok(data)
}

fn cryptogram(scheme: CryptogramScheme, inputs: &Inputs<'_>) -> Tested {
    let data = cryptogram_data(inputs)?;
    let atc = atc(inputs)?;
    if inputs.has("icc_mk") {
        // A worked example that starts from the card key and shows the session key.
        let session = scheme.session_key(&inputs.des_key("icc_mk")?, atc, [0; 4])?;
        if session.expose() != inputs.hex("session_key")? {
            return Err(Fault::Refused("another session key".into()));
        }
        return Ok(Answer::hex(&iso9797_alg3(&session, scheme.padding(), &data)?));
    }
    let request = CardRequest {
        pan: inputs.ascii("pan")?,
        psn: inputs.ascii_array("psn")?,
        atc,
        unpredictable: if inputs.has("tag_9f37") { inputs.array("tag_9f37")? } else { [0; 4] },
        data: &data,
    };
    Ok(Answer::hex(&arqc(scheme, &imk_ac(inputs)?, &request)?))
}

fn answer(scheme: CryptogramScheme, inputs: &Inputs<'_>) -> Tested {
    let icc_key = scheme.icc_key(&imk_ac(inputs)?, inputs.ascii("pan")?, inputs.ascii_array("psn")?)?;
    let counter = if inputs.has("atc") || inputs.has("tag_9f36") { atc(inputs)? } else { [0; 2] };
    let key = scheme.arpc_key(&icc_key, counter)?;
    let arqc = inputs.array("arqc")?;
    if inputs.has("csu") {
        return Ok(Answer::hex(&arpc_method2(&key, arqc, inputs.array("csu")?, &[])?));
    }
    Ok(Answer::hex(&arpc_method1(&key, arqc, inputs.array("arc")?)))
}

fn answer_method2(inputs: &Inputs<'_>) -> Tested {
    let proprietary = if inputs.has("prop_auth_data") { inputs.hex("prop_auth_data")? } else { Vec::new() };
    let (arqc, status) = (inputs.array("arqc")?, inputs.array("csu")?);
    Ok(Answer::hex(&arpc_method2(&inputs.des_key("sk_ac")?, arqc, status, &proprietary)?))
}

/// Session key of a Visa script, the same for both cryptogram versions.
fn script_key(imk: &DesKey, inputs: &Inputs<'_>) -> Result<DesKey, Fault> {
    let icc_key = icc_key_option_a(imk, inputs.ascii("pan")?, inputs.ascii_array("psn")?)?;
    Ok(session_key_visa(&icc_key, atc(inputs)?)?)
}

fn script(inputs: &Inputs<'_>) -> Tested {
    let key = script_key(&issuer_key(inputs, "imk_smi", "iss_mk_smi")?, inputs)?;
    Ok(Answer::hex(&script_mac(&key, &inputs.hex("command")?, atc(inputs)?, inputs.array("arqc")?)?))
}

fn pin_change(inputs: &Inputs<'_>) -> Tested {
    let keys = PinChange {
        icc_key_ac: &icc_key_option_a(&imk_ac(inputs)?, inputs.ascii("pan")?, inputs.ascii_array("psn")?)?,
        session_smc: &script_key(&issuer_key(inputs, "imk_smc", "iss_mk_smc")?, inputs)?,
        session_smi: &script_key(&issuer_key(inputs, "imk_smi", "iss_mk_smi")?, inputs)?,
    };
    let pin = inputs.pin("new_pin")?;
    Ok(Answer::hex(&visa_pin_change(&keys, &pin, atc(inputs)?, inputs.array("arqc")?)?))
}

fn common_chain(inputs: &Inputs<'_>) -> Tested {
    let icc_key =
        icc_key_option_a(&inputs.des_key("imk")?, inputs.ascii("pan")?, inputs.ascii_array("psn")?)?;
    let session = session_key_common(&icc_key, inputs.array("r")?)?;
    let arqc = iso9797_alg3(&session, Padding::Bit, &inputs.hex("data")?)?;
    Ok(Answer::Map(vec![
        ("icc_mk_kcv2", hex(&kcv(&icc_key)[..2])),
        ("sk_kcv2", hex(&kcv(&session)[..2])),
        ("arqc", hex(&arqc)),
        ("arpc1_with_icc_mk", hex(&arpc_method1(&icc_key, arqc, inputs.array("arc")?))),
    ]))
}
