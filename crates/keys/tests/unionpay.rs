//! The UnionPay sign-on keys, MAC and track encryption against published dumps.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use switchyard_keys::mac::{MacAlgorithm, MacKey, UnionPayBlock, unionpay_fold};
use switchyard_keys::working_keys::{MakLength, WorkingKeyBlock, WorkingKeyError, WorkingKeyKind};
use switchyard_keys::{DesKey, TdesCipher, kcv, track};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn key(text: &str) -> DesKey {
    DesKey::from_slice(&hex(text)).unwrap()
}

/// The message of the worked example that many terminals' manuals copy.
const MESSAGE: &str = "0200302004C020C0981100000000000000005100183402100006324392260009942820D1312101120084393136\
    363838303134303030303030303030303030303031313536ACF46E73838A82F92600000000000000000822000001";

#[test]
fn sign_on_of_40_bytes_opens() {
    let field = hex("46F161A743497B32EAC760DF5EA57DF5 900ECCE3 977731A7EA402DDF 0000000000000000 CFF1592A");
    let keys =
        WorkingKeyBlock::open(&key("258FB0AB70D025CDB99DF2C4D302D646"), &field, MakLength::Single).unwrap();
    assert_eq!(keys.pik.expose(), hex("D931648F3DE313A4A22C15DCA4F4299E"));
    assert_eq!(keys.mak.expose(), hex("AB7C577CC7A18045"));
    assert!(keys.tdk.is_none());
}

#[test]
fn sign_on_of_60_bytes_opens_and_builds_again() {
    let tmk = DesKey::from_slice(&[0x11; 16]).unwrap();
    let field = hex("950973182317F80B950973182317F80B 00962B60 F679786E2411E3DE 0000000000000000 ADC67D84 \
         A0C45C59F1E549BBA0C45C59F1E549BB E2F24340");
    let keys = WorkingKeyBlock::open(&tmk, &field, MakLength::Single).unwrap();
    assert_eq!(keys.pik.expose(), [0x22; 16]);
    assert_eq!(keys.mak.expose(), [0x33; 8]);
    assert_eq!(keys.tdk.as_ref().unwrap().expose(), [0x44; 16]);
    assert_eq!(WorkingKeyBlock::build(&tmk, &keys.pik, &keys.mak, keys.tdk.as_ref()).unwrap(), field);
}

#[test]
fn every_layout_round_trips_and_a_changed_byte_names_its_key() {
    let tmk = DesKey::generate(16).unwrap();
    // pik, mak, tdk, profile, bytes, and where the three keys begin.
    let layouts = [
        (8, 8, None, MakLength::Single, 24, [0, 12, 24]),
        (16, 8, None, MakLength::Single, 40, [0, 20, 40]),
        (16, 16, None, MakLength::Double, 40, [0, 20, 40]),
        (24, 24, None, MakLength::Single, 56, [0, 28, 56]),
        (16, 8, Some(16), MakLength::Single, 60, [0, 20, 40]),
        (16, 16, Some(16), MakLength::Double, 60, [0, 20, 40]),
        (24, 24, Some(24), MakLength::Double, 84, [0, 28, 56]),
    ];
    for (pik, mak, tdk, profile, bytes, starts) in layouts {
        let (pik, mak) = (DesKey::generate(pik).unwrap(), DesKey::generate(mak).unwrap());
        let tdk = tdk.map(|bytes| DesKey::generate(bytes).unwrap());
        let field = WorkingKeyBlock::build(&tmk, &pik, &mak, tdk.as_ref()).unwrap();
        assert_eq!(field.len(), bytes);
        let keys = WorkingKeyBlock::open(&tmk, &field, profile).unwrap();
        assert_eq!(keys.pik.expose(), pik.expose());
        assert_eq!(keys.mak.expose(), mak.expose());
        assert_eq!(keys.tdk.as_ref().map(DesKey::expose), tdk.as_ref().map(DesKey::expose));
        let kinds = [WorkingKeyKind::Pik, WorkingKeyKind::Mak, WorkingKeyKind::Tdk];
        for (start, kind) in starts.into_iter().zip(kinds).filter(|(start, _)| *start < bytes) {
            let mut broken = field.clone();
            broken[start] ^= 1;
            let error = WorkingKeyBlock::open(&tmk, &broken, profile).unwrap_err();
            assert_eq!(error, WorkingKeyError::CheckValue(kind));
        }
    }
}

#[test]
fn a_double_mak_under_a_single_profile_is_told_apart() {
    let tmk = DesKey::generate(16).unwrap();
    let (pik, mak) = (DesKey::generate(16).unwrap(), DesKey::generate(16).unwrap());
    let field = WorkingKeyBlock::build(&tmk, &pik, &mak, None).unwrap();
    let error = WorkingKeyBlock::open(&tmk, &field, MakLength::Single).unwrap_err();
    assert_eq!(error, WorkingKeyError::Filler);
    let single = WorkingKeyBlock::build(&tmk, &pik, &DesKey::generate(8).unwrap(), None).unwrap();
    let error = WorkingKeyBlock::open(&tmk, &single, MakLength::Double).unwrap_err();
    assert_eq!(error, WorkingKeyError::CheckValue(WorkingKeyKind::Mak));
}

#[test]
fn lengths_outside_the_table_are_refused() {
    let tmk = DesKey::generate(16).unwrap();
    for have in (0..=120).filter(|have| ![24, 40, 56, 60, 84].contains(have)) {
        let error = WorkingKeyBlock::open(&tmk, &vec![0; have], MakLength::Single).unwrap_err();
        assert_eq!(error, WorkingKeyError::Length { have });
    }
    let (pik, mak) = (DesKey::generate(8).unwrap(), DesKey::generate(16).unwrap());
    assert!(matches!(WorkingKeyBlock::build(&tmk, &pik, &mak, None), Err(WorkingKeyError::Layout { .. })));
}

#[test]
fn the_published_macs_come_out() {
    let message = hex(MESSAGE);
    assert_eq!(unionpay_fold(&message)[..], hex("4D08F434464FE7BF"));
    let rows = [
        ("C24A8FB57AA20123", "8A9E91B88D839AC5", MacAlgorithm::X99, "756FED7EEB9F572C"),
        ("3333333333333333", "06182C6C291D5714", MacAlgorithm::X99, "3B12B2E5D80899EF"),
        ("22222222222222222222222222222222", "E88CD04EED388FB9", MacAlgorithm::X919, "D5D8A74F32D36A2C"),
        ("0123456789ABCDEFFEDCBA9876543210", "84C8B24124A71EAF", MacAlgorithm::X919, "D2E1D279C4F95777"),
    ];
    for (mak, block, algorithm, cbc) in rows {
        let full = UnionPayBlock::compute(&TdesCipher::new(&key(mak)), &[&message]);
        assert_eq!(full.as_bytes()[..], hex(block));
        let cup = MacKey::new(MacAlgorithm::CupEcb, &hex(mak)).unwrap();
        assert_eq!(cup.compute(&message).as_bytes(), &block.as_bytes()[..8]);
        let other = MacKey::new(algorithm, &hex(mak)).unwrap();
        assert_eq!(other.compute(&message).as_bytes()[..], hex(cbc));
    }
}

#[test]
fn the_mac_key_of_the_published_example_unwraps() {
    let tmk = TdesCipher::new(&key("70F2A84CCBC2AE8625CBB0F2C22AB923"));
    let wrapped: [u8; 8] = hex("96D605EA176B7E9E").try_into().unwrap();
    assert_eq!(tmk.decrypt_block(wrapped)[..], hex("C24A8FB57AA20123"));
}

#[test]
fn an_8_byte_key_makes_x9_19_equal_to_x9_9() {
    let mak = hex("C24A8FB57AA20123");
    let x99 = MacKey::new(MacAlgorithm::X99, &mak).unwrap();
    let x919 = MacKey::new(MacAlgorithm::X919, &mak).unwrap();
    assert_eq!(x99.compute(b"abc"), x919.compute(b"abc"));
}

/// Documents the weakness: whoever may send two blocks may send them in the other order.
#[test]
fn the_unionpay_fold_does_not_depend_on_the_order_of_blocks() {
    let cup = MacKey::new(MacAlgorithm::CupEcb, &[0x33; 8]).unwrap();
    assert_eq!(cup.compute(b"11111111222222223333"), cup.compute(b"22222222111111113333"));
    assert_eq!(
        cup.compute(b"11111111222222223333"),
        cup.compute(b"11111111222222223333\0\0\0\0xxxxxxxxxxxxxxxx")
    );
    let retail = MacKey::new(MacAlgorithm::X919, &[0x33; 16]).unwrap();
    assert_ne!(retail.compute(b"11111111222222223333"), retail.compute(b"22222222111111113333"));
}

#[test]
fn track_2_is_enciphered_from_nibble_length_minus_18() {
    let tdk_key = DesKey::from_slice(&[0x44; 16]).unwrap();
    let tdk = TdesCipher::new(&tdk_key);
    // 37 digits and a pad nibble: 19 bytes, the secret ones are 10 to 17.
    let clear = hex("6225881234567890D30122013456789012345 0");
    let mut packed = clear.clone();
    track::encrypt_in_place(&tdk, &mut packed).unwrap();
    assert_eq!(packed[..10], clear[..10]);
    assert_eq!(packed[18..], clear[18..]);
    let block: [u8; 8] = clear[10..18].try_into().unwrap();
    assert_eq!(packed[10..18], tdk.encrypt_block(block));
    track::decrypt_in_place(&tdk, &mut packed).unwrap();
    assert_eq!(packed, clear);
    for short in 0..track::PACKED_TRACK_BYTES_MIN {
        assert!(track::decrypt_in_place(&tdk, &mut vec![0; short]).is_err());
    }
    assert!(track::decrypt_in_place(&tdk, &mut [0; track::PACKED_TRACK_BYTES_MIN]).is_ok());
    assert_eq!(kcv(&tdk_key)[..], hex("E2F24340"));
}
