//! Card verification values.

use crate::card_values::{cvc3, cvv, dcvv};

use super::input::Inputs;
use super::{Answer, Tested};

pub(super) fn run(alg: &str, inputs: &Inputs<'_>) -> Option<Tested> {
    Some(match alg {
        "cvv" | "cvv2" | "icvv" => static_value(inputs),
        "dcvv_visa" => dynamic_value(inputs),
        "cvc3_mastercard" => contactless_value(inputs),
        _ => return None,
    })
}

fn static_value(inputs: &Inputs<'_>) -> Tested {
    let expiry = if inputs.has("expiry") { "expiry" } else { "expiry_yymm_as_fed" };
    Ok(Answer::digits(&cvv(
        &inputs.des_key("cvk")?,
        inputs.ascii("pan")?,
        inputs.ascii_array(expiry)?,
        inputs.ascii_array("service_code")?,
    )?))
}

fn dynamic_value(inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::digits(&dcvv(
        &inputs.des_key("imk")?,
        inputs.ascii("pan")?,
        inputs.ascii_array("psn")?,
        inputs.ascii_array("expiry")?,
        inputs.ascii_array("service_code")?,
        inputs.ascii_array("atc_digits")?,
    )?))
}

fn contactless_value(inputs: &Inputs<'_>) -> Tested {
    Ok(Answer::digits(&cvc3(
        &inputs.des_key("imk")?,
        inputs.ascii("pan")?,
        inputs.ascii_array("psn")?,
        &inputs.hex("track_template")?,
        &inputs.array("un")?,
        &inputs.array("atc")?,
    )?))
}
