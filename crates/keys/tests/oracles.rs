//! Live oracles: random cases both ways between this library and the Python packages psec, pyemv and pydukpt,
//! from the environment that `cargo xtask tools` makes. Said loudly where there is none.

#![allow(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use switchyard_keys::lmk::KeyUsage;
use switchyard_keys::pin::{self, Pin, PinFormat};
use switchyard_keys::selftest::{Outcome, Vector, run};
use switchyard_keys::tr31::{self, Header, Version};
use switchyard_keys::{AesCipher, DesKey, SecretBytes};

/// Rounds of the script; each makes some 45 cases.
const ROUNDS: &str = "60";
/// Cases that this library makes for the script.
const CASES: u32 = 200;

fn script(arguments: &[&str]) -> Option<Command> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python: PathBuf = here.join("../../target/venv/bin/python3");
    let has =
        Command::new(&python).args(["-c", "import psec, pyemv, pydukpt"]).stderr(Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        // Past the harness, which keeps what passing tests print: the run of all tests counts this line.
        let line = "\nSKIPPED: psec, pyemv and pydukpt are not installed (cargo xtask tools): nothing was compared\n";
        std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).unwrap();
        return None;
    }
    let mut command = Command::new(python);
    // The packages warn of triple DES at every turn.
    command.args(["-W", "ignore"]).arg(here.join("tests/oracles.py")).args(arguments);
    Some(command)
}

/// A seed that a failure prints, so that it can be played again.
fn seed() -> u64 {
    let bytes = SecretBytes::random(8).unwrap();
    std::env::var("SWITCHYARD_SEED")
        .map_or_else(|_| u64::from_le_bytes(bytes.expose().try_into().unwrap()), |seed| seed.parse().unwrap())
}

#[test]
fn the_answers_of_three_other_libraries_are_ours() {
    let seed = seed().to_string();
    let Some(mut command) = script(&["make", &seed, ROUNDS]) else { return };
    let output = command.output().unwrap();
    assert!(output.status.success(), "seed {seed}: {}", String::from_utf8_lossy(&output.stderr));
    let mut compared = 0;
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let vector: Vector = serde_json::from_str(line).unwrap();
        // Of a key block only the key is compared: it opened, so its header was authenticated.
        if vector.alg.starts_with("tr31_unwrap_") {
            let inputs: Value = serde_json::from_str(line).unwrap();
            let kbpk = unhex(inputs["inputs"]["kbpk"].as_str().unwrap());
            let block = inputs["inputs"]["key_block"].as_str().unwrap();
            let key = tr31::unwrap(&kbpk, block.as_bytes()).unwrap().key;
            assert_eq!(hex(key.expose()), inputs["output"]["key"].as_str().unwrap(), "seed {seed}");
            compared += 1;
            continue;
        }
        let alg = vector.alg.clone();
        match run(&vector) {
            Outcome::Pass => compared += 1,
            Outcome::Fail { got } => panic!("seed {seed}: {alg}: got {got}: {line}"),
            Outcome::Unknown => panic!("{alg} is not known"),
        }
    }
    println!("{compared} answers compared, seed {seed}");
    assert!(compared > 2_000);
}

#[test]
fn what_this_library_wraps_with_random_fill_opens_there() {
    let Some(mut command) = script(&["check"]) else { return };
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = String::new();
    let cases: Vec<Value> = (0..CASES).flat_map(|number| [key_block(number), pin_block(number)]).collect();
    for case in &cases {
        lines += &format!("{case}\n");
    }
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), cases.len().to_string());
}

fn key_block(number: u32) -> Value {
    let usages = [KeyUsage::Zpk, KeyUsage::Zmk, KeyUsage::Mak, KeyUsage::Cvk, KeyUsage::Bdk];
    let usage = usages[number as usize % usages.len()];
    let key = DesKey::generate([8, 16, 24][number as usize % 3]).unwrap();
    let (version, kbpk) = if number.is_multiple_of(2) {
        (Version::D, SecretBytes::random([16, 24, 32][number as usize / 2 % 3]).unwrap())
    } else {
        let kbpk = DesKey::generate([16, 24][number as usize / 2 % 2]).unwrap();
        (Version::B, SecretBytes::from_slice(kbpk.expose()))
    };
    let header = Header::new(version, usage.tr31_code(), b'T', usage.mode_of_use(), b'E');
    let block = tr31::wrap(kbpk.expose(), &header, key.expose()).unwrap();
    let text = String::from_utf8(block).unwrap();
    let expected = format!("{}{}", hex(key.expose()), usage.tr31_code());
    json!({"kind": "tr31", "key": hex(kbpk.expose()), "text": text, "expected": expected})
}

fn pin_block(number: u32) -> Value {
    let digits = |count: usize| -> String {
        SecretBytes::random(count).unwrap().expose().iter().map(|b| char::from(b'0' + b % 10)).collect()
    };
    let (pan, pin) = (digits(13 + number as usize % 7), digits(4 + number as usize % 9));
    let clear = Pin::new(pin.as_bytes()).unwrap();
    if number.is_multiple_of(2) {
        let block = pin::encode(PinFormat::Iso3, &clear, pan.as_bytes()).unwrap();
        json!({"kind": "iso3", "key": "", "text": hex(&block), "pan": pan, "expected": pin})
    } else {
        let key = SecretBytes::random(16).unwrap();
        let cipher = AesCipher::new(key.expose()).unwrap();
        let block = pin::encode_iso4(&cipher, &clear, pan.as_bytes()).unwrap();
        json!({"kind": "iso4", "key": hex(key.expose()), "text": hex(&block), "pan": pan, "expected": pin})
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
