//! DUKPT, triple DES and AES.

use crate::block::{AesCipher, TdesCipher, cbc_encrypt};
use crate::des_key::DesKey;
use crate::dukpt::aes::{self, KeyType, Usage};
use crate::dukpt::tdes::{self, Variant};
use crate::mac::{Padding, iso9797_alg3};
use crate::pin;
use crate::secret::SecretBytes;

use super::input::Inputs;
use super::{Answer, Fault, Tested, hex};

pub(super) fn run(alg: &str, inputs: &Inputs<'_>) -> Option<Tested> {
    Some(match alg {
        "dukpt_tdes_ipek" => initial_key(inputs),
        "dukpt_tdes_txn_key" => transaction_key(inputs).map(|key| Answer::hex(key.expose())),
        "dukpt_tdes_pin_key" => pin_key(inputs),
        "dukpt_tdes_variant_keys" => variant_keys(inputs),
        "dukpt_tdes_pin" => pin_block(inputs),
        "dukpt_tdes_mac_request" => mac(Variant::MacRequest, inputs),
        "dukpt_tdes_mac_response" => mac(Variant::MacResponse, inputs),
        "dukpt_tdes_data_request_cbc" => data(inputs),
        "dukpt_tdes_next_ksn" => next_ksn(inputs),
        "dukpt_aes_initial_key" => aes_initial_key(inputs),
        "dukpt_aes_intermediate_key" => aes_derivation_key(inputs),
        "dukpt_aes_working_key" => aes_working_key(inputs),
        "dukpt_aes_update_key" => aes_update_key(inputs),
        "dukpt_aes_pin_fmt4" => aes_pin(inputs),
        "dukpt_aes_ksn_invalid_counter" => aes_counter(inputs),
        _ => return None,
    })
}

fn initial_key(inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::hex(tdes::initial_key(&inputs.des_key("bdk")?, &inputs.array("ksn")?)?.expose()))
}

fn transaction_key(inputs: &Inputs<'_>) -> Result<DesKey, Fault> {
    let ksn = inputs.array("ksn")?;
    let initial = match inputs.has("ipek") {
        true => inputs.des_key("ipek")?,
        false => tdes::initial_key(&inputs.des_key("bdk")?, &ksn)?,
    };
    Ok(tdes::transaction_key(&initial, &ksn)?)
}

fn pin_key(inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::hex(tdes::variant_key(&transaction_key(inputs)?, Variant::Pin)?.expose()))
}

fn variant_keys(inputs: &Inputs<'_>) -> Tested {
    let key = transaction_key(inputs)?;
    let variant = |variant| tdes::variant_key(&key, variant).map(|key| hex(key.expose()));
    Ok(Answer::Map(vec![
        ("mac_request", variant(Variant::MacRequest)?),
        ("mac_response", variant(Variant::MacResponse)?),
        ("data_request", variant(Variant::DataRequest)?),
        ("data_response", variant(Variant::DataResponse)?),
    ]))
}

fn pin_block(inputs: &Inputs<'_>) -> Tested {
    let key = tdes::variant_key(&transaction_key(inputs)?, Variant::Pin)?;
    let block = pin::encode_iso0(&inputs.pin("pin")?, inputs.ascii("pan")?)?;
    Ok(Answer::hex(&TdesCipher::new(&key).encrypt_block(block)))
}

fn mac(variant: Variant, inputs: &Inputs<'_>) -> Tested {
    let key = tdes::variant_key(&inputs.des_key("txn_key")?, variant)?;
    let data = match inputs.has("data_ascii") {
        true => inputs.ascii("data_ascii")?.to_vec(),
        false => inputs.hex("data")?,
    };
    Ok(Answer::hex(&iso9797_alg3(&key, Padding::Zero, &data)?[..4]))
}

fn data(inputs: &Inputs<'_>) -> Tested {
    let key = tdes::variant_key(&inputs.des_key("txn_key")?, Variant::DataRequest)?;
    let mut data = match inputs.has("data") {
        true => inputs.hex("data")?,
        false => inputs.ascii("data_ascii_zero_padded")?.to_vec(),
    };
    data.resize(data.len().next_multiple_of(8), 0);
    let iv = if inputs.has("iv") { inputs.array("iv")? } else { [0; 8] };
    cbc_encrypt(&TdesCipher::new(&key), iv, &mut data);
    Ok(Answer::hex(&data))
}

fn next_ksn(inputs: &Inputs<'_>) -> Tested {
    let next = tdes::next_ksn(&inputs.array("ksn")?);
    Ok(Answer::hex(&next.ok_or(Fault::Refused("key used up".into()))?))
}

fn aes_initial_key(inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::hex(aes::initial_key(&inputs.hex("bdk")?, &inputs.array("ikid")?)?.expose()))
}

/// The initial key as given, or derived from the base key and the identifier.
fn aes_initial(inputs: &Inputs<'_>, id: [u8; 8]) -> Result<SecretBytes, Fault> {
    match inputs.has("ik") {
        true => Ok(SecretBytes::from(inputs.hex("ik")?)),
        false => Ok(aes::initial_key(&inputs.hex("bdk")?, &id)?),
    }
}

fn id_of(ksn: &[u8; aes::KSN_BYTES]) -> [u8; 8] {
    let mut id = [0; 8];
    id.copy_from_slice(&ksn[..8]);
    id
}

fn aes_derivation_key(inputs: &Inputs<'_>) -> Tested {
    let ksn = inputs.array("ksn")?;
    let initial = aes_initial(inputs, id_of(&ksn))?;
    Ok(Answer::hex(aes::derivation_key(initial.expose(), &ksn)?.expose()))
}

fn aes_working_key(inputs: &Inputs<'_>) -> Tested {
    let ksn = inputs.array("ksn")?;
    let usage = Usage::from_code(u16::from_be_bytes(inputs.array("usage_code")?))
        .ok_or(Fault::Input("usage_code"))?;
    let initial = aes_initial(inputs, id_of(&ksn))?;
    Ok(Answer::hex(aes::working_key(initial.expose(), &ksn, usage, key_type(inputs)?)?.expose()))
}

fn aes_update_key(inputs: &Inputs<'_>) -> Tested {
    let id = inputs.array("ikid")?;
    let initial = aes_initial(inputs, id)?;
    Ok(Answer::hex(aes::update_key(initial.expose(), &id, key_type(inputs)?)?.expose()))
}

fn aes_pin(inputs: &Inputs<'_>) -> Tested {
    let ksn = inputs.array("ksn")?;
    let initial = aes_initial(inputs, id_of(&ksn))?;
    let key = aes::working_key(initial.expose(), &ksn, Usage::Pin, key_type(inputs)?)?;
    let (pin, pan) = (inputs.pin("pin")?, inputs.ascii("pan")?);
    let cipher = AesCipher::new(key.expose())?;
    Ok(Answer::hex(&pin::encode_iso4_with_random(&cipher, &pin, pan, inputs.array("random8")?)?))
}

fn aes_counter(inputs: &Inputs<'_>) -> Tested {
    aes::check_counter(&inputs.array("ksn")?)?;
    Ok(Answer::Text("accepted".into()))
}

fn key_type(inputs: &Inputs<'_>) -> Result<KeyType, Fault> {
    Ok(match inputs.text("key_type")? {
        "2TDEA" => KeyType::Tdes2,
        "3TDEA" => KeyType::Tdes3,
        "AES128" => KeyType::Aes128,
        "AES192" => KeyType::Aes192,
        "AES256" => KeyType::Aes256,
        "HMAC128" => KeyType::Hmac128,
        "HMAC192" => KeyType::Hmac192,
        "HMAC256" => KeyType::Hmac256,
        _ => return Err(Fault::Input("key_type")),
    })
}
