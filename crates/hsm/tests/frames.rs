//! The published frames: what the client writes, what it reads, and that the simulated module takes them.

#![allow(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use serde_json::Value;
use switchyard_hsm::payshield::{Command, Commands, Reply};
use switchyard_hsm::{
    ArqcRequest, HsmError, KeyHandle, KeySource, KeySpec, MacRequest, PinBlockFormat, PinMethod,
    TranslatePin, VerifyCvv, VerifyPin,
};
use switchyard_keys::emv::{CardRequest, CryptogramScheme};
use switchyard_keys::lmk::{KeyAlgorithm, KeyUsage, Lmk};
use switchyard_keys::mac::MacAlgorithm;
use switchyard_keys::pin::Ibm3624;
use switchyard_simulator::hsm::HsmDevice;

const FRAMES: &str = include_str!("data/payshield-frames.jsonl");
/// Characters of the header in the published frames.
const HEADER_BYTES: usize = 4;

fn frames() -> Vec<Value> {
    FRAMES.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(frame: &'a Value, field: &str) -> &'a str {
    frame[field].as_str().unwrap_or_default()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// What stands behind the header of a published command.
fn published(command: &str, case: &str) -> (Value, Vec<u8>) {
    let frame = frames()
        .into_iter()
        .find(|frame| {
            text(frame, "command") == command && text(frame, "case") == case && text(frame, "dir") == "encode"
        })
        .unwrap_or_else(|| panic!("no frame {command} {case}"));
    let bytes = unhex(text(&frame, "expected"));
    (frame["input"].clone(), bytes[HEADER_BYTES..].to_vec())
}

fn key(input: &Value, field: &str, usage: KeyUsage) -> KeyHandle {
    KeyHandle::new(field, text(input, field), usage, [0; 4]).unwrap()
}

/// A card number whose twelve digits are those of the frame.
fn card(input: &Value) -> String {
    format!("9999{}0", text(input, "pan"))
}

fn same(command: Result<Command, HsmError>, expected: &[u8]) {
    let command = command.unwrap();
    assert_eq!(command.as_bytes().escape_ascii().to_string(), expected.escape_ascii().to_string());
}

#[test]
fn pin_translations_are_written_as_published() {
    for (code, case, source, target, usage, lmk) in [
        ("CA", "1", "sourceTpk", "destinationKey", KeyUsage::Pik, None),
        ("CC", "0", "sourceZpk", "destinationZpk", KeyUsage::Zpk, None),
        ("CC", "2", "sourceZpk", "destinationZpk", KeyUsage::Zpk, Some(1)),
    ] {
        let (input, expected) = published(code, case);
        let (source, target) = (key(&input, source, usage), key(&input, target, KeyUsage::Zpk));
        let (block, pan) = (unhex(text(&input, "sourcePinBlock")), card(&input));
        let request = TranslatePin {
            source: KeySource::Key(&source),
            target: &target,
            block: &block,
            from: PinBlockFormat::ISO0,
            to: PinBlockFormat::ISO0,
            pan: pan.as_bytes(),
        };
        same(Commands { lmk }.translate_pin(&request), &expected);
    }
}

#[test]
fn pin_verifications_are_written_as_published() {
    for (code, case, source, usage) in [("DC", "0", "tpk", KeyUsage::Pik), ("EC", "0", "zpk", KeyUsage::Zpk)]
    {
        let (input, expected) = published(code, case);
        let (source, pvk) = (key(&input, source, usage), key(&input, "pvk", KeyUsage::Pvk));
        let (block, pan) = (unhex(text(&input, "pinBlock")), card(&input));
        let request = VerifyPin {
            source: KeySource::Key(&source),
            key: &pvk,
            block: &block,
            format: PinBlockFormat::ISO0,
            pan: pan.as_bytes(),
            method: PinMethod::Pvv { index: 4, pvv: text(&input, "pvv").as_bytes().try_into().unwrap() },
        };
        let command = Commands::default().verify_pin(&request).unwrap();
        assert!(!command.is_repeatable());
        same(Ok(command), &expected);
    }
    // Validation data 5022654000N2 with account 540008900009: the whole card number 5022654000000092.
    let (input, expected) = published("DA", "1");
    let (tpk, pvk) = (key(&input, "tpk", KeyUsage::Pik), key(&input, "pvk", KeyUsage::PvkIbm));
    let table = text(&input, "decimalisationTable").as_bytes().try_into().unwrap();
    let pan = b"5022654000000092";
    let block = unhex(text(&input, "pinBlock"));
    let request = VerifyPin {
        source: KeySource::Key(&tpk),
        key: &pvk,
        block: &block,
        format: PinBlockFormat::ISO0,
        pan,
        method: PinMethod::Ibm {
            parameters: Ibm3624 { decimalization: table, pan_offset: 0, pan_length: 16, pad: b'F' },
            offset: b"757798",
        },
    };
    // The published account is of another card than the validation data: only the account differs.
    let ours = Commands::default().verify_pin(&request).unwrap();
    let account = ours.as_bytes().len() - 12 - 12 - 16 - 12;
    let mut ours = ours.as_bytes().to_vec();
    assert_eq!(ours[account..account + 12], *b"265400000009");
    ours[account..account + 12].copy_from_slice(text(&input, "pan").as_bytes());
    let shifted = String::from_utf8(expected.clone()).unwrap();
    assert_eq!(ours.escape_ascii().to_string(), shifted);
}

#[test]
fn card_values_and_macs_are_written_as_published() {
    let (input, expected) = published("CW", "1");
    let cvk = key(&input, "cvk", KeyUsage::Cvk);
    let request = VerifyCvv {
        key: &cvk,
        pan: text(&input, "pan").as_bytes(),
        expiry: text(&input, "expirationDate").as_bytes().try_into().unwrap(),
        service_code: text(&input, "serviceCode").as_bytes().try_into().unwrap(),
        value: b"705",
    };
    same(Commands::default().generate_cvv(&request), &expected);
    same(Commands::default().verify_cvv(&request), &published("CY", "1").1);

    // This client asks for whole MACs of binary messages under terminals' keys; else as published.
    let (input, expected) = published("M6", "1");
    let mak = key(&input, "key", KeyUsage::Mak);
    let data = text(&input, "macData").as_bytes();
    let request = MacRequest { source: KeySource::Key(&mak), algorithm: MacAlgorithm::X919, data };
    let ours = Commands::default().mac(&request, None).unwrap().as_bytes().to_vec();
    assert_eq!((&ours[..4], &ours[5..7], &ours[10..]), (&b"M600"[..], &b"31"[..], &expected[10..]));
    assert_eq!((&ours[4..5], &ours[7..10]), (&b"1"[..], &b"003"[..]));
    let with_mac = Commands::default().mac(&request, Some(&[0xC5; 8])).unwrap();
    assert!(with_mac.as_bytes().starts_with(b"M8001") && with_mac.as_bytes().ends_with(b"C5C5C5C5C5C5C5C5"));

    let (input, expected) = published("GW", "1");
    let bdk = key(&input, "bdk", KeyUsage::Bdk);
    let ksn = unhex(text(&input, "ksn")).try_into().unwrap();
    let data = unhex(text(&input, "messageData"));
    let source = KeySource::Dukpt { base: &bdk, ksn };
    let request = MacRequest { source, algorithm: MacAlgorithm::X919, data: &data };
    same(Commands::default().mac(&request, Some(&unhex(text(&input, "mac")))), &expected);
}

#[test]
fn cryptograms_are_written_as_published() {
    for (code, case, scheme, lmk) in [
        ("KQ", "0", CryptogramScheme::VisaCvn10, None),
        ("KQ", "4", CryptogramScheme::VisaCvn10, Some(1)),
        ("KW", "0", CryptogramScheme::VisaCvn18, None),
    ] {
        let (input, expected) = published(code, case);
        let mkac = key(&input, "mkac", KeyUsage::EmvAc);
        let digits = text(&input, "panSeqNo");
        // The module is given padded data, as the published frames have it; ours pads by itself.
        let mut data = unhex(text(&input, "transactionData"));
        if scheme == CryptogramScheme::VisaCvn18 {
            let rest = data.split_off(data.len() - 8);
            assert_eq!(rest, [0; 8]);
        }
        let psn = digits.as_bytes()[14..].try_into().unwrap();
        let unpredictable = unhex(text(&input, "unpredictableNumber")).try_into().unwrap_or_default();
        let card = CardRequest {
            pan: &digits.as_bytes()[..14],
            psn: &psn,
            atc: unhex(text(&input, "atc")).try_into().unwrap(),
            unpredictable,
            data: &data,
        };
        let arqc = unhex(text(&input, "arqc")).try_into().unwrap();
        let request = ArqcRequest { key: &mkac, scheme, card, arqc };
        let ours = Commands { lmk }.cryptogram(&request, None).unwrap().as_bytes().to_vec();
        if scheme == CryptogramScheme::VisaCvn18 {
            // The published data ends in zeros where bit padding has one bit.
            let differing: Vec<_> = ours.iter().zip(&expected).filter(|(a, b)| a != b).collect();
            assert_eq!((ours.len(), differing), (expected.len(), vec![(&0x80, &0)]));
        } else {
            same(Ok(Commands { lmk }.cryptogram(&request, None).unwrap()), &expected);
        }
    }
}

#[test]
fn key_commands_are_written_as_published() {
    let (input, expected) = published("A0", "3");
    let zmk = key(&input, "keyZmkTmk", KeyUsage::Zmk);
    let spec = KeySpec::new(KeyUsage::Zmk, KeyAlgorithm::Tdes, 16).exportable();
    let ours = Commands { lmk: Some(1) }.generate_key(&spec, Some(&zmk)).unwrap();
    assert!(!ours.is_repeatable());
    // Published: under the zone key as a key block (S) and of usage K0; ours in plain blocks (X), usage 52.
    let published = String::from_utf8(expected).unwrap().replace("S%01#K0", "X%01#52");
    assert_eq!(ours.as_bytes().escape_ascii().to_string(), published);

    let (input, expected) = self::published("BU", "0");
    let handle = key(&input, "key", KeyUsage::Pik);
    let ours = Commands::default().check_value(&handle);
    // Published: 6 digits; ours: all 16.
    assert_eq!(ours.as_bytes()[..ours.as_bytes().len() - 1], expected[..expected.len() - 1]);
    same(Ok(Commands::default().echo(b"PING")), &self::published("B2", "0").1);
}

#[test]
fn every_published_answer_is_read_as_it_says() {
    let mut read = 0;
    for frame in frames().iter().filter(|frame| text(frame, "dir") == "decode") {
        let bytes = unhex(text(frame, "input"));
        let expected: [u8; 2] = text(frame, "reply").as_bytes().try_into().unwrap();
        let reply = Reply::read(expected, &bytes[HEADER_BYTES..]);
        let want = &frame["expected"];
        if bytes.len() < HEADER_BYTES + 4 {
            assert!(reply.is_none(), "{frame}");
            continue;
        }
        let reply = reply.unwrap();
        read += 1;
        if let Some(error) = want.as_str() {
            let code: u8 = error.rsplit('.').next().unwrap().parse().unwrap();
            assert_eq!(reply.code(), code, "{frame}");
            // Warnings aside, an error is an error for every reader, and 01 is a no.
            assert_eq!(reply.verified() == Ok(false), code == 1, "{frame}");
            assert!(reply.pin_block().is_err() && reply.key(false).is_err() && reply.mac().is_err());
            continue;
        }
        match &expected {
            b"A1" => {
                let key = reply.key(true).unwrap();
                assert_eq!(key.reference, text(want, "key"));
            }
            b"A7" => assert_eq!(reply.key(false).unwrap().reference, text(want, "key")),
            b"BV" => {
                let kcv = unhex(text(want, "kcv"));
                assert_eq!(reply.check_value().unwrap()[..3], kcv[..3]);
            }
            b"CB" | b"CD" | b"G1" => {
                assert_eq!(reply.pin_block().unwrap().to_vec(), unhex(text(want, "pinBlock")));
            }
            b"CX" => assert_eq!(reply.cvv().unwrap(), text(want, "cvv").as_bytes()),
            b"DB" | b"EB" => assert_eq!(reply.verified_offset(), Ok(true)),
            b"CZ" | b"DD" | b"ED" | b"M9" | b"GX" => assert_eq!(reply.verified(), Ok(true), "{frame}"),
            // A MAC of 8 digits is half of what this client asks for.
            b"M7" => assert_eq!(reply.mac(), Err(HsmError::Unanswered)),
            b"KR" => assert_eq!(reply.verified(), Ok(true)),
            b"KX" => assert!(reply.arpc().is_ok() || want.as_object().unwrap().is_empty()),
            b"A9" => assert_eq!(reply.key_block(), Err(HsmError::Unanswered)),
            other => panic!("no reader for {}", other.escape_ascii()),
        }
    }
    assert!(read > 40, "{read} answers");
}

#[test]
fn the_simulated_module_takes_every_published_command_apart() {
    let device = HsmDevice::new(Lmk::generate().unwrap());
    let mut taken = 0;
    for frame in frames().iter().filter(|frame| text(frame, "dir") == "encode") {
        let bytes = unhex(text(frame, "expected"));
        let answer = device.answer(&bytes[HEADER_BYTES..]).unwrap();
        assert_eq!(answer[..2], *text(frame, "reply").as_bytes(), "{frame}");
        let code = str::from_utf8(&answer[2..4]).unwrap();
        // Their keys are under another master key: 10 for the first, 26 for the scheme. Never 15, malformed.
        let expected: &[&str] = if text(frame, "command") == "B2" { &["00"] } else { &["10", "26"] };
        assert!(expected.contains(&code), "{code}: {frame}");
        taken += 1;
    }
    assert!(taken > 25, "{taken} commands");
}
