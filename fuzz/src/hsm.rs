//! Answers of a payment HSM, and commands to the simulated one.

use switchyard_hsm::payshield::{Commands, reply::read_all};
use switchyard_hsm::{KeyHandle, KeySpec};
use switchyard_keys::lmk::{KeyAlgorithm, KeyUsage, Lmk};
use switchyard_simulator::hsm::HsmDevice;

/// Reads the bytes as the answer to each command, and as a command. Only an answer that says so is a yes.
pub fn hsm_reply(bytes: &[u8]) {
    let reference = "UBB224A0D70899E7D216A4DDDA615C078";
    let key = KeyHandle::new("fuzz", reference, KeyUsage::Zpk, [0; 4]).unwrap();
    let commands = Commands::default();
    let spec = KeySpec::new(KeyUsage::Zpk, KeyAlgorithm::Tdes, 16);
    for command in [commands.diagnostics(), commands.check_value(&key), commands.generate_key(&spec, None).unwrap()] {
        let said_yes = read_all(&command, bytes);
        assert!(!said_yes || bytes[..2] == command.answer_code() && bytes[2..4] == *b"00");
        // With the right response in front, so that what follows is reached.
        read_all(&command, &[&command.answer_code()[..], bytes].concat());
    }
    let device = HsmDevice::new(Lmk::from_slice(b"thirty-two bytes for a local key").unwrap());
    if let Some(answer) = device.answer(bytes) {
        assert!(answer.len() >= 4 && answer[2..4].iter().all(u8::is_ascii_digit));
    }
}
