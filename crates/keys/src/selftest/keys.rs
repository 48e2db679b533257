//! Key blocks, check values, components and the UnionPay working keys.

use crate::block::AesCipher;
use crate::components;
use crate::des_key::{DesKey, kcv, set_odd_parity};
use crate::lmk::aes_kcv;
use crate::tr31;
use crate::working_keys::{MakLength, WorkingKeyBlock};

use super::input::{Inputs, unhex};
use super::{Answer, Fault, Tested, Value, hex};

pub(super) fn run(alg: &str, inputs: &Inputs<'_>) -> Option<Tested> {
    Some(match alg {
        "tr31_unwrap_A" | "tr31_unwrap_B" | "tr31_unwrap_C" | "tr31_unwrap_D" | "tr31_unwrap_E" => {
            key_block(inputs)
        }
        "kcv_des_zero3" => des_check_value(inputs),
        "kcv_aes_cmac5" => aes_check_value(inputs),
        "kcv_aes_zero3_legacy" => aes_check_value_legacy(inputs),
        "key_from_components" => from_components(inputs),
        "unionpay_f62_working_keys_40" => working_keys(MakLength::Single, inputs),
        "unionpay_f62_working_keys_60" => working_keys(MakLength::Double, inputs),
        _ => return None,
    })
}

fn key_block(inputs: &Inputs<'_>) -> Tested {
    let unwrapped = tr31::unwrap(&inputs.hex("kbpk")?, inputs.ascii("key_block")?)?;
    let (header, key) = (&unwrapped.header, unwrapped.key.expose());
    let check = match header.algorithm {
        b'A' => hex(&aes_kcv(key)?),
        b'T' | b'D' => hex(&kcv(&DesKey::from_slice(key)?)[..3]),
        // A key that encrypts nothing itself is shown in the publications by the check value
        // of the triple-DES key that its bytes make.
        _ => DesKey::from_slice(key).map_or_else(|_| String::new(), |key| hex(&kcv(&key)[..3])),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let optional = header.optional.iter().filter(|block| block.id != *b"PB");
    Ok(Answer::Map(vec![
        (
            "optional_blocks",
            optional.map(|block| format!("{}={};", text(&block.id), text(&block.data))).collect(),
        ),
        ("key", hex(key)),
        ("key_usage", header.usage.to_string()),
        ("algorithm", char::from(header.algorithm).to_string()),
        ("mode_of_use", char::from(header.mode_of_use).to_string()),
        ("exportability", char::from(header.exportability).to_string()),
        ("kcv", check),
    ]))
}

fn des_check_value(inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::hex(&kcv(&inputs.des_key("key")?)[..3]))
}

fn aes_check_value(inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::hex(&aes_kcv(&inputs.hex("key")?)?))
}

fn aes_check_value_legacy(inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::hex(&AesCipher::new(&inputs.hex("key")?)?.encrypt_block([0; 16])[..3]))
}

fn from_components(inputs: &Inputs<'_>) -> Tested {
    let mut shares = Vec::new();
    for value in inputs.list("components")? {
        let Value::Text(text) = value else { return Err(Fault::Input("components")) };
        shares.push(unhex(text).ok_or(Fault::Input("components"))?);
    }
    let shares: Vec<&[u8]> = shares.iter().map(Vec::as_slice).collect();
    let key = components::combine(&shares)?;
    let mut odd = key.expose().to_vec();
    set_odd_parity(&mut odd);
    Ok(Answer::Map(vec![
        ("key", hex(key.expose())),
        ("key_odd_parity", hex(&odd)),
        ("kcv", hex(&kcv(&DesKey::from_slice(key.expose())?)[..3])),
    ]))
}

/// Opens the field, and builds it again from what came out.
fn working_keys(mak: MakLength, inputs: &Inputs<'_>) -> Tested {
    let (tmk, field) = (inputs.des_key("tmk")?, inputs.hex("field62_hex")?);
    let refused = |error: crate::working_keys::WorkingKeyError| Fault::Refused(error.to_string());
    let keys = WorkingKeyBlock::open(&tmk, &field, mak).map_err(refused)?;
    let built = WorkingKeyBlock::build(&tmk, &keys.pik, &keys.mak, keys.tdk.as_ref()).map_err(refused)?;
    if built != field {
        return Err(Fault::Refused("builds another field".into()));
    }
    let mut answer = vec![
        ("pik", hex(keys.pik.expose())),
        ("pik_cv", hex(&kcv(&keys.pik))),
        ("mak", hex(keys.mak.expose())),
        ("mak_cv", hex(&kcv(&keys.mak))),
    ];
    if let Some(tdk) = &keys.tdk {
        answer.push(("tdk", hex(tdk.expose())));
    }
    Ok(Answer::Map(answer))
}
