//! EMV issuer cryptography: card keys, session keys, cryptograms and issuer scripts.
//!
//! An issuer master key gives a card key ([`icc_key_option_a`]), that gives a session key,
//! and that the cryptogram ([`arqc`]) and the answer to it ([`arpc_method1`]).

mod cryptogram;
mod keys;
mod script;

pub use self::cryptogram::{
    CardRequest, CryptogramScheme, arpc_method1, arpc_method2, arqc, arqc_of, verify_arqc,
};
pub use self::keys::{
    icc_key_option_a, icc_key_option_b, session_key_common, session_key_mchip, session_key_pboc,
    session_key_tree, session_key_visa,
};
pub use self::script::{PinChange, script_mac, visa_pin_change};
