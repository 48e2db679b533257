//! One suite over every backend: the same keys and inputs give the same answers, and the same misuse is
//! refused.

#![allow(clippy::unwrap_used, reason = "a test fails by unwrapping")]

mod support;

use support::{Bench, TRANSPORT, connected, patient, payshield, software};
use switchyard_hsm::pkcs11::{Pkcs11Hsm, TokenSettings};
use switchyard_hsm::{
    ArqcRequest, HsmError, KeyHandle, KeySource, KeySpec, MacRequest, PinBlockFormat, PinMethod,
    TranslatePin, VerifyCvv, VerifyPin,
};
use switchyard_keys::dukpt::tdes::{self, Variant};
use switchyard_keys::emv::{self, CardRequest, CryptogramScheme};
use switchyard_keys::lmk::{KeyAlgorithm, KeyUsage};
use switchyard_keys::mac::{MacAlgorithm, MacKey};
use switchyard_keys::pin::{self, Ibm3624, Pin, PinFormat};
use switchyard_keys::{AesCipher, DesKey, TdesCipher, card_values, kcv, tr31};
use switchyard_simulator::hsm::HsmFaults;

const PAN: &[u8] = b"4761739001010119";
const PIN: &[u8] = b"123456";
const KSN: [u8; 10] = [0xFF, 0xFF, 0x98, 0x76, 0x54, 0x32, 0x10, 0xE0, 0x00, 0x08];
const TABLE: &[u8; 16] = b"0123456789012345";

fn des(bytes: usize) -> DesKey {
    DesKey::generate(bytes).unwrap()
}

/// A PIN block of the card's PIN, in clear.
fn clear(format: PinFormat) -> [u8; 8] {
    pin::encode(format, &Pin::new(PIN).unwrap(), PAN).unwrap()
}

async fn suite(bench: &Bench) {
    pins(bench).await;
    pin_faults(bench).await;
    offsets(bench).await;
    dukpt(bench).await;
    card_values_of(bench).await;
    macs(bench).await;
    cryptograms(bench).await;
    made_keys(bench).await;
    exchange(bench).await;
    let health = bench.hsm.health().await.unwrap();
    assert_eq!((health.available, health.configured), (1, 1), "{health:?}");
}

async fn pins(bench: &Bench) {
    let hsm = &*bench.hsm;
    let (pik, zpk, pvk) = (des(16), des(16), des(16));
    let source = bench.load(KeyUsage::Pik, KeyAlgorithm::Tdes, pik.expose()).await.unwrap();
    let target = bench.load(KeyUsage::Zpk, KeyAlgorithm::Tdes, zpk.expose()).await.unwrap();
    let verification = bench.load(KeyUsage::Pvk, KeyAlgorithm::Tdes, pvk.expose()).await.unwrap();
    assert_eq!(source.check_value()[..3], kcv(&pik)[..3]);
    let (pik, zpk, pvk) = (TdesCipher::new(&pik), TdesCipher::new(&zpk), TdesCipher::new(&pvk));
    let pvv = pin::pvv(&pvk, PAN, 1, &Pin::new(PIN).unwrap()).unwrap();
    for (from, to) in [
        (PinFormat::Iso0, PinFormat::Iso0),
        (PinFormat::Iso0, PinFormat::Iso3),
        (PinFormat::Iso3, PinFormat::Iso0),
        (PinFormat::Iso1, PinFormat::Iso0),
    ] {
        let block = pik.encrypt_block(clear(from));
        let request = TranslatePin {
            source: KeySource::Key(&source),
            target: &target,
            block: &block,
            from: PinBlockFormat::Des(from),
            to: PinBlockFormat::Des(to),
            pan: PAN,
        };
        let translated = hsm.translate_pin(request).await.unwrap();
        let clear = zpk.decrypt_block(translated.as_bytes().try_into().unwrap());
        assert!(pin::decode(to, &clear, PAN).unwrap().matches(&Pin::new(PIN).unwrap()), "{from:?} {to:?}");

        for (value, right) in [(pvv, true), (*b"0000", pvv == *b"0000")] {
            let request = VerifyPin {
                source: KeySource::Key(&source),
                key: &verification,
                block: &block,
                format: PinBlockFormat::Des(from),
                pan: PAN,
                method: PinMethod::Pvv { index: 1, pvv: value },
            };
            assert_eq!(hsm.verify_pin(request).await, Ok(right), "{from:?}");
        }
    }
}

async fn pin_faults(bench: &Bench) {
    let hsm = &*bench.hsm;
    let (pik, zpk) = (des(16), des(16));
    let source = bench.load(KeyUsage::Pik, KeyAlgorithm::Tdes, pik.expose()).await.unwrap();
    let target = bench.load(KeyUsage::Zpk, KeyAlgorithm::Tdes, zpk.expose()).await.unwrap();
    let mak = bench.load(KeyUsage::Mak, KeyAlgorithm::Tdes, des(16).expose()).await.unwrap();
    let good = TdesCipher::new(&pik).encrypt_block(clear(PinFormat::Iso0));
    let request = TranslatePin {
        source: KeySource::Key(&source),
        target: &target,
        block: &good,
        from: PinBlockFormat::ISO0,
        to: PinBlockFormat::ISO0,
        pan: PAN,
    };
    // Under another key, and of another card: the one uniform fault.
    let other = TdesCipher::new(&zpk).encrypt_block(clear(PinFormat::Iso0));
    for (block, pan) in [(&other, PAN), (&good, &b"4761739001019999"[..])] {
        let answer = hsm.translate_pin(TranslatePin { block, pan, ..request }).await;
        assert_eq!(answer, Err(HsmError::PinBlock));
    }
    // A format that binds the card may never become one that does not.
    let unbound = TranslatePin { to: PinBlockFormat::Des(PinFormat::Iso1), ..request };
    assert!(hsm.translate_pin(unbound).await.is_err());
    // Keys are for one use each.
    for source in [&mak, &bench.transport] {
        let misused = TranslatePin { source: KeySource::Key(source), ..request };
        assert!(matches!(hsm.translate_pin(misused).await, Err(HsmError::Key { .. })));
    }
    for target in [&source, &mak] {
        assert!(matches!(
            hsm.translate_pin(TranslatePin { target, ..request }).await,
            Err(HsmError::Key { .. })
        ));
    }
    // Nor does another word for a key that is open already make it another key.
    let relabelled =
        |usage, from: &KeyHandle| KeyHandle::new("other", from.reference(), usage, *from.check_value());
    let (as_zone, as_pin) =
        (relabelled(KeyUsage::Zpk, &source).unwrap(), relabelled(KeyUsage::Pik, &target).unwrap());
    assert!(hsm.translate_pin(request).await.is_ok());
    assert!(hsm.translate_pin(TranslatePin { target: &as_zone, ..request }).await.is_err());
    assert!(hsm.translate_pin(TranslatePin { source: KeySource::Key(&as_pin), ..request }).await.is_err());
    for block in [&good[..7], &[][..]] {
        assert!(hsm.translate_pin(TranslatePin { block, ..request }).await.is_err());
    }
    assert!(hsm.translate_pin(TranslatePin { pan: b"12345", ..request }).await.is_err());
}

async fn offsets(bench: &Bench) {
    let (zpk, pvk) = (des(16), des(16));
    let source = bench.load(KeyUsage::Zpk, KeyAlgorithm::Tdes, zpk.expose()).await.unwrap();
    let key = bench.load(KeyUsage::PvkIbm, KeyAlgorithm::Tdes, pvk.expose()).await.unwrap();
    let parameters = Ibm3624 { decimalization: TABLE, pan_offset: 0, pan_length: 16, pad: b'F' };
    let offset = parameters.offset(&TdesCipher::new(&pvk), PAN, &Pin::new(PIN).unwrap()).unwrap();
    let block = TdesCipher::new(&zpk).encrypt_block(clear(PinFormat::Iso0));
    let mut wrong = offset.clone();
    wrong[2] = if wrong[2] == b'9' { b'0' } else { wrong[2] + 1 };
    for (offset, right) in [(&offset, true), (&wrong, false)] {
        let request = VerifyPin {
            source: KeySource::Key(&source),
            key: &key,
            block: &block,
            format: PinBlockFormat::ISO0,
            pan: PAN,
            method: PinMethod::Ibm { parameters, offset },
        };
        assert_eq!(bench.hsm.verify_pin(request).await, Ok(right));
    }
}

async fn dukpt(bench: &Bench) {
    let (bdk, zpk) = (des(16), des(16));
    let base = bench.load(KeyUsage::Bdk, KeyAlgorithm::Tdes, bdk.expose()).await.unwrap();
    let target = bench.load(KeyUsage::Zpk, KeyAlgorithm::Tdes, zpk.expose()).await.unwrap();
    let transaction = tdes::transaction_key(&tdes::initial_key(&bdk, &KSN).unwrap(), &KSN).unwrap();
    let pin_key = TdesCipher::new(&tdes::variant_key(&transaction, Variant::Pin).unwrap());
    let request = TranslatePin {
        source: KeySource::Dukpt { base: &base, ksn: KSN },
        target: &target,
        block: &pin_key.encrypt_block(clear(PinFormat::Iso0)),
        from: PinBlockFormat::ISO0,
        to: PinBlockFormat::ISO0,
        pan: PAN,
    };
    let translated = bench.hsm.translate_pin(request).await.unwrap();
    let expected = TdesCipher::new(&zpk).encrypt_block(clear(PinFormat::Iso0));
    assert_eq!(translated.as_bytes(), expected);

    let mac_key = tdes::variant_key(&transaction, Variant::MacRequest).unwrap();
    let mac = MacKey::new(MacAlgorithm::X919, mac_key.expose()).unwrap().compute(b"a message");
    let source = KeySource::Dukpt { base: &base, ksn: KSN };
    for (data, right) in [(&b"a message"[..], true), (b"b message", false)] {
        let request = MacRequest { source, algorithm: MacAlgorithm::X919, data };
        assert_eq!(bench.hsm.verify_mac(request, mac.as_bytes()).await, Ok(right));
    }
}

async fn card_values_of(bench: &Bench) {
    let cvk = des(16);
    let key = bench.load(KeyUsage::Cvk, KeyAlgorithm::Tdes, cvk.expose()).await.unwrap();
    let value = card_values::cvv(&cvk, PAN, b"2812", b"201").unwrap();
    let request = VerifyCvv { key: &key, pan: PAN, expiry: *b"2812", service_code: *b"201", value: &value };
    assert_eq!(bench.hsm.verify_cvv(request).await, Ok(true));
    let other = VerifyCvv { service_code: *b"101", ..request };
    let same = card_values::cvv(&cvk, PAN, b"2812", b"101").unwrap() == value;
    assert_eq!(bench.hsm.verify_cvv(other).await, Ok(same));
}

async fn macs(bench: &Bench) {
    let message: Vec<u8> = (0..=200).collect();
    let cases = [
        (MacAlgorithm::X99, KeyAlgorithm::Des, 8),
        (MacAlgorithm::X919, KeyAlgorithm::Tdes, 16),
        (MacAlgorithm::CmacTdes, KeyAlgorithm::Tdes, 16),
        (MacAlgorithm::CmacAes, KeyAlgorithm::Aes, 16),
        (MacAlgorithm::CupEcb, KeyAlgorithm::Tdes, 16),
    ];
    for (algorithm, cipher, bytes) in cases {
        let clear = switchyard_keys::SecretBytes::random(bytes).unwrap();
        let clear =
            if cipher == KeyAlgorithm::Aes { clear.expose().to_vec() } else { des(bytes).expose().to_vec() };
        let key = bench.load(KeyUsage::Mak, cipher, &clear).await.unwrap();
        for data in [&message[..], &message[..8], &message[..13]] {
            let request = MacRequest { source: KeySource::Key(&key), algorithm, data };
            let expected = MacKey::new(algorithm, &clear).unwrap().compute(data);
            match bench.hsm.generate_mac(request).await {
                Ok(mac) => assert_eq!(mac, expected, "{algorithm:?}"),
                // Said and not done otherwise.
                Err(error) => {
                    assert!(matches!(error, HsmError::Unsupported(_)), "{algorithm:?} {error}");
                    assert_eq!(bench.hsm.backend(), "payshield");
                    continue;
                }
            }
            let mut flipped = *expected.as_bytes();
            flipped[7] ^= 1;
            assert_eq!(bench.hsm.verify_mac(request, expected.as_bytes()).await, Ok(true), "{algorithm:?}");
            assert_eq!(bench.hsm.verify_mac(request, &flipped).await, Ok(false), "{algorithm:?}");
            assert_eq!(bench.hsm.verify_mac(request, &expected.as_bytes()[..7]).await, Ok(false));
        }
    }
}

async fn cryptograms(bench: &Bench) {
    let imk = des(16);
    let key = bench.load(KeyUsage::EmvAc, KeyAlgorithm::Tdes, imk.expose()).await.unwrap();
    let data: Vec<u8> = (1..=37).collect();
    let card = CardRequest { pan: PAN, psn: b"01", atc: [0, 9], unpredictable: [1, 2, 3, 4], data: &data };
    for scheme in [
        CryptogramScheme::VisaCvn10,
        CryptogramScheme::VisaCvn18,
        CryptogramScheme::VisaCvn22,
        CryptogramScheme::MChip16,
    ] {
        let arqc = emv::arqc(scheme, &imk, &card).unwrap();
        let request = ArqcRequest { key: &key, scheme, card, arqc };
        assert_eq!(bench.hsm.verify_arqc(request).await, Ok(true), "{scheme:?}");
        let mut other = arqc;
        other[0] ^= 1;
        assert_eq!(bench.hsm.verify_arqc(ArqcRequest { arqc: other, ..request }).await, Ok(false));
        let card_key = scheme.icc_key(&imk, PAN, b"01").unwrap();
        let expected = emv::arpc_method1(&scheme.arpc_key(&card_key, card.atc).unwrap(), arqc, *b"00");
        assert_eq!(bench.hsm.generate_arpc(request, *b"00").await, Ok(expected), "{scheme:?}");
    }
}

async fn made_keys(bench: &Bench) {
    let hsm = &*bench.hsm;
    let tmk = des(16);
    let master = bench.load(KeyUsage::Tmk, KeyAlgorithm::Tdes, tmk.expose()).await.unwrap();
    let target = bench.load(KeyUsage::Zpk, KeyAlgorithm::Tdes, des(16).expose()).await.unwrap();
    for (usage, algorithm, bytes) in [
        (KeyUsage::Pik, KeyAlgorithm::Tdes, 16),
        (KeyUsage::Mak, KeyAlgorithm::Des, 8),
        (KeyUsage::Tdk, KeyAlgorithm::Tdes, 16),
    ] {
        let spec = KeySpec { version: 7, ..KeySpec::new(usage, algorithm, bytes) };
        let made = hsm.generate_key(spec, Some(&master)).await.unwrap();
        assert_eq!((made.handle.usage(), made.handle.version()), (usage, 7));
        // The terminal unwraps it and finds the check value.
        let wrapped = made.under.unwrap();
        let cipher = TdesCipher::new(&tmk);
        let clear: Vec<u8> =
            wrapped.as_chunks::<8>().0.iter().flat_map(|block| cipher.decrypt_block(*block)).collect();
        let clear = DesKey::from_slice(&clear).unwrap();
        assert_eq!(kcv(&clear), *made.handle.check_value());
        assert_eq!(hsm.kcv(&made.handle).await, Ok(kcv(&clear)));
        clear.check_quality().unwrap();
        if usage == KeyUsage::Pik {
            let request = TranslatePin {
                source: KeySource::Key(&made.handle),
                target: &target,
                block: &TdesCipher::new(&clear).encrypt_block(self::clear(PinFormat::Iso0)),
                from: PinBlockFormat::ISO0,
                to: PinBlockFormat::ISO0,
                pan: PAN,
            };
            hsm.translate_pin(request).await.unwrap();
        }
        let again = hsm.generate_key(spec, Some(&master)).await.unwrap();
        assert_ne!(again.handle.check_value(), made.handle.check_value());
    }
    let spec = KeySpec::new(KeyUsage::Pik, KeyAlgorithm::Tdes, 16);
    assert!(matches!(hsm.generate_key(spec, Some(&target)).await, Err(HsmError::Key { .. })));
    assert!(hsm.generate_key(KeySpec { bytes: 9, ..spec }, None).await.is_err());
    assert!(hsm.generate_key(spec, None).await.unwrap().under.is_none());
}

async fn exchange(bench: &Bench) {
    let hsm = &*bench.hsm;
    let spec = KeySpec::new(KeyUsage::Zpk, KeyAlgorithm::Tdes, 16);
    let made = hsm.generate_key(spec.exportable(), None).await.unwrap().handle;
    let block = hsm.export(&made, &bench.transport).await.unwrap();
    let outside = tr31::unwrap(&TRANSPORT, &block).unwrap();
    assert_eq!(outside.header.usage, KeyUsage::Zpk.tr31_code());
    assert_eq!(kcv(&DesKey::from_slice(outside.key.expose()).unwrap()), *made.check_value());
    let back = hsm.import(&block, &bench.transport, KeyUsage::Zpk).await.unwrap();
    assert_eq!(back.check_value()[..3], made.check_value()[..3]);
    // For another use, altered, or of a key that is to stay: no.
    assert!(hsm.import(&block, &bench.transport, KeyUsage::Mak).await.is_err());
    let mut altered = block.clone();
    let last = altered.len() - 1;
    altered[last] = if altered[last] == b'0' { b'1' } else { b'0' };
    assert!(hsm.import(&altered, &bench.transport, KeyUsage::Zpk).await.is_err());
    assert!(hsm.import(b"D0016K0TN00N0000", &bench.transport, KeyUsage::Zpk).await.is_err());
    let stays = hsm.generate_key(spec, None).await.unwrap().handle;
    assert!(hsm.export(&stays, &bench.transport).await.is_err());
    assert!(matches!(hsm.export(&made, &back).await, Err(HsmError::Key { .. })));
}

#[tokio::test]
async fn the_software_hsm_conforms() {
    let bench = software();
    suite(&bench).await;
    let (pik, zpk) = (des(16), switchyard_keys::SecretBytes::random(16).unwrap());
    // Format 4, which needs AES at one end.
    let source = bench.load(KeyUsage::Pik, KeyAlgorithm::Tdes, pik.expose()).await.unwrap();
    let target = bench.load(KeyUsage::Zpk, KeyAlgorithm::Aes, zpk.expose()).await.unwrap();
    let request = TranslatePin {
        source: KeySource::Key(&source),
        target: &target,
        block: &TdesCipher::new(&pik).encrypt_block(clear(PinFormat::Iso0)),
        from: PinBlockFormat::ISO0,
        to: PinBlockFormat::Iso4,
        pan: PAN,
    };
    let block = bench.hsm.translate_pin(request).await.unwrap();
    let opened =
        pin::decode_iso4(&AesCipher::new(zpk.expose()).unwrap(), block.as_bytes().try_into().unwrap(), PAN);
    assert!(opened.unwrap().matches(&Pin::new(PIN).unwrap()));
}

#[tokio::test]
async fn the_client_of_a_simulated_module_conforms() {
    let (client, transport, host) = payshield(patient(), HsmFaults::default()).await;
    connected(&client).await;
    let echoed = client.echo(b"anybody there").await.unwrap();
    assert!(echoed);
    let bench = Bench { hsm: Box::new(client), transport, host: Some(host) };
    suite(&bench).await;
}

/// Where Debian puts the library of SoftHSM2.
const SOFTHSM: [&str; 2] =
    ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];
/// The library finds its tokens through the environment of its process: the suite runs in a child.
const CONFIGURATION: &str = "SOFTHSM2_CONF";

#[test]
fn a_token_of_softhsm_conforms() {
    let library = SOFTHSM.into_iter().find(|path| std::path::Path::new(path).exists());
    let has_tool = std::process::Command::new("softhsm2-util").arg("--version").output().is_ok();
    let Some(library) = library.filter(|_| has_tool) else {
        // Past the harness, which keeps what passing tests print: the run of all tests counts this line.
        let line = "\nSKIPPED: softhsm2 is not installed (cargo xtask tools): no token was tested\n";
        std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).unwrap();
        return;
    };
    if std::env::var_os(CONFIGURATION).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(token_suite(library));
    }
    let dir = tempfile::tempdir().unwrap();
    let configuration = dir.path().join("softhsm2.conf");
    let tokens = dir.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let made = std::process::Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "switchyard", "--pin", "123456", "--so-pin", "654321"])
        .env(CONFIGURATION, &configuration)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_token_of_softhsm_conforms", "--nocapture"])
        .env(CONFIGURATION, &configuration)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&child.stderr)
    );
}

async fn token_suite(library: &str) {
    let settings = |token: &str, pin: &[u8]| TokenSettings {
        module: library.into(),
        token: token.to_owned(),
        pin: switchyard_keys::SecretBytes::from_slice(pin),
    };
    assert!(matches!(Pkcs11Hsm::open(&settings("another", b"123456")), Err(HsmError::Module(_))));
    assert!(matches!(Pkcs11Hsm::open(&settings("switchyard", b"111111")), Err(HsmError::Module(_))));
    let hsm = Pkcs11Hsm::open(&settings("switchyard", b"123456")).unwrap();
    let transport = hsm.load_transport(&switchyard_keys::SecretBytes::from_slice(&TRANSPORT)).unwrap();
    let bench = Bench { hsm: Box::new(hsm), transport: transport.clone(), host: None };
    suite(&bench).await;

    // What one process wrapped another opens; what somebody changed nobody does.
    let again = Pkcs11Hsm::open(&settings("switchyard", b"123456")).unwrap();
    let zpk = bench.load(KeyUsage::Zpk, KeyAlgorithm::Tdes, des(16).expose()).await.unwrap();
    let again = Bench { hsm: Box::new(again), transport, host: None };
    assert_eq!(again.hsm.kcv(&zpk).await, Ok(*zpk.check_value()));
    for at in [11, 20, zpk.reference().len() - 1] {
        let mut text = zpk.reference().as_bytes().to_vec();
        text[at] = if text[at] == b'A' { b'B' } else { b'A' };
        let text = String::from_utf8(text).unwrap();
        let altered = KeyHandle::new("altered", &text, KeyUsage::Zpk, *zpk.check_value());
        assert!(matches!(again.hsm.kcv(&altered.unwrap()).await, Err(HsmError::Key { .. })), "{at}");
    }
    let relabelled = KeyHandle::new("other", zpk.reference(), KeyUsage::Pik, *zpk.check_value());
    assert!(matches!(again.hsm.kcv(&relabelled.unwrap()).await, Err(HsmError::Key { .. })));
}
