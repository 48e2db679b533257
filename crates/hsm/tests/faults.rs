//! A module that misbehaves: the client fails closed, in time, and recovers by itself.

#![allow(clippy::unwrap_used, reason = "a test fails by unwrapping")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use support::{TRANSPORT, connected, patient, payshield};
use switchyard_hsm::payshield::{PayShield, Settings};
use switchyard_hsm::{Hsm, HsmError, KeyHandle, KeySource, PinBlockFormat, PinMethod, VerifyPin};
use switchyard_keys::lmk::{KeyAlgorithm, KeyUsage};
use switchyard_keys::tr31::{self, Header, Version};
use switchyard_keys::{DesKey, TdesCipher, pin};
use switchyard_simulator::hsm::{HsmFaults, HsmHost};

const PAN: &[u8] = b"4761739001010119";
const ALWAYS: u16 = 1_000;

/// A client with what a PIN verification needs: the PIN is right, so that only a yes is right.
struct Verifier {
    client: PayShield,
    host: HsmHost,
    source: KeyHandle,
    key: KeyHandle,
    block: [u8; 8],
    pvv: [u8; 4],
}

impl Verifier {
    async fn new(settings: Settings) -> Self {
        let (client, transport, host) = payshield(settings, HsmFaults::default()).await;
        connected(&client).await;
        let (pik, pvk) = (DesKey::generate(16).unwrap(), DesKey::generate(16).unwrap());
        let mut handles = Vec::new();
        for (usage, key) in [(KeyUsage::Pik, &pik), (KeyUsage::Pvk, &pvk)] {
            let header = Header::new(
                Version::D,
                usage.tr31_code(),
                KeyAlgorithm::Tdes.code(),
                usage.mode_of_use(),
                b'N',
            );
            let block = tr31::wrap(&TRANSPORT, &header, key.expose()).unwrap();
            handles.push(client.import(&block, &transport, usage).await.unwrap());
        }
        let secret = pin::Pin::new(b"4321").unwrap();
        let block = TdesCipher::new(&pik).encrypt_block(pin::encode_iso0(&secret, PAN).unwrap());
        let pvv = pin::pvv(&TdesCipher::new(&pvk), PAN, 1, &secret).unwrap();
        let key = handles.pop().unwrap();
        let source = handles.pop().unwrap();
        Self { client, host, source, key, block, pvv }
    }

    async fn verify(&self) -> Result<bool, HsmError> {
        let request = VerifyPin {
            source: KeySource::Key(&self.source),
            key: &self.key,
            block: &self.block,
            format: PinBlockFormat::ISO0,
            pan: PAN,
            method: PinMethod::Pvv { index: 1, pvv: self.pvv },
        };
        self.client.verify_pin(request).await
    }

    /// Waits until it verifies again.
    async fn recovered(&self) {
        self.host.play(HsmFaults::default());
        for _ in 0..2_000 {
            if self.verify().await == Ok(true) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the client does not recover");
    }
}

/// A client whose deadline is short: on a busy machine its set-up may need more than one attempt.
async fn verifier_of(settings: &Settings) -> Verifier {
    for _ in 0..20 {
        let made = Verifier::new(settings.clone()).await;
        if made.verify().await == Ok(true) {
            return made;
        }
    }
    panic!("none of twenty set-ups was fast enough");
}

#[tokio::test]
async fn no_fault_of_a_module_is_taken_for_a_yes() {
    let verifier = Verifier::new(Settings { connections: 1, ..patient() }).await;
    assert_eq!(verifier.verify().await, Ok(true));
    let none = HsmFaults::default();
    for (what, faults) in [
        ("garbage", HsmFaults { garbage_per_mille: ALWAYS, ..none }),
        ("wrong header", HsmFaults { wrong_header_per_mille: ALWAYS, ..none }),
        ("disconnect", HsmFaults { disconnect_per_mille: ALWAYS, ..none }),
    ] {
        let before = verifier.host.commands();
        verifier.host.play(faults);
        assert_eq!(verifier.verify().await, Err(HsmError::Unanswered), "{what}");
        assert_eq!(verifier.host.commands(), before + 1, "{what}: a PIN verification is sent once");
        verifier.recovered().await;
    }
    verifier.host.play(HsmFaults { refuse_per_mille: ALWAYS, ..none });
    assert_eq!(verifier.verify().await, Err(HsmError::Refused { code: 68 }));
    verifier.recovered().await;
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up_at_the_deadline() {
    // The deadline is short for the silence only: the set-up may take its time.
    let deadline = Duration::from_millis(500);
    let settings = Settings { deadline, connections: 1, failures_max: 1_000, ..Settings::default() };
    let verifier = verifier_of(&settings).await;
    for faults in [
        HsmFaults { silent_per_mille: ALWAYS, ..HsmFaults::default() },
        HsmFaults { delay_per_mille: ALWAYS, delay_ms: 60_000, ..HsmFaults::default() },
    ] {
        verifier.host.play(faults);
        let begun = Instant::now();
        let before = verifier.host.commands();
        assert_eq!(verifier.verify().await, Err(HsmError::Unanswered));
        assert!(begun.elapsed() >= deadline);
        assert!(verifier.host.commands() <= before + 1);
        // The connection is whole: later commands are answered on it.
        verifier.recovered().await;
    }
}

#[tokio::test]
async fn a_command_that_may_be_repeated_goes_to_a_connection_that_is_up() {
    let verifier = Verifier::new(Settings { connections: 4, failures_max: 1_000_000, ..patient() }).await;
    verifier.host.play(HsmFaults { disconnect_per_mille: 100, count_max: 200, ..HsmFaults::default() });
    let mut right = 0;
    for _ in 0..400 {
        match verifier.client.kcv(&verifier.key).await {
            Ok(value) => {
                assert_eq!(value[..3], verifier.key.check_value()[..3]);
                right += 1;
            }
            Err(error) => assert!(error.is_outage(), "{error}"),
        }
    }
    assert!(right > 0);
    verifier.recovered().await;
}

#[tokio::test]
async fn a_module_that_does_not_answer_is_left_alone_until_it_does() {
    // The connection stands all the time: what ends the questions is that nobody answers them.
    let probe = Duration::from_millis(2_000);
    let settings = Settings {
        deadline: Duration::from_millis(1_000),
        failures_max: 3,
        connections: 1,
        probe,
        ..patient()
    };
    let verifier = verifier_of(&settings).await;
    verifier.host.play(HsmFaults { silent_per_mille: ALWAYS, ..HsmFaults::default() });
    for _ in 0..3 {
        assert_eq!(verifier.verify().await, Err(HsmError::Unanswered));
    }
    let (asked, opened) = (verifier.host.commands(), Instant::now());
    for _ in 0..1_000 {
        assert_eq!(verifier.verify().await, Err(HsmError::Unavailable), "nothing is sent, and nobody waits");
    }
    // The only one who may have asked meanwhile is the probe, which asks how the module is.
    let probes = opened.elapsed().as_millis() / probe.as_millis() + 1;
    assert!(u128::from(verifier.host.commands() - asked) <= probes);
    verifier.recovered().await;
}

#[tokio::test]
async fn a_module_is_asked_how_it_is_also_when_nobody_has_work_for_it() {
    let settings = Settings { heartbeat: Duration::from_millis(10), connections: 1, ..patient() };
    let verifier = Verifier::new(settings).await;
    let before = verifier.host.commands();
    for _ in 0..2_000 {
        if verifier.host.commands() >= before + 5 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} questions", verifier.host.commands() - before);
}

#[test]
fn what_is_promised_of_times_is_the_default() {
    let settings = Settings::default();
    assert_eq!(
        (settings.deadline, settings.heartbeat),
        (Duration::from_millis(500), Duration::from_secs(10))
    );
    assert_eq!(settings.failures_max, 5);
}

#[tokio::test]
async fn answers_out_of_order_find_their_commands() {
    let verifier = Arc::new(Verifier::new(Settings { connections: 1, ..patient() }).await);
    verifier.host.play(HsmFaults { delay_per_mille: 500, delay_ms: 20, ..HsmFaults::default() });
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..200_u32 {
        let verifier = Arc::clone(&verifier);
        asked.spawn(async move {
            let message = format!("message {number} {}", "x".repeat(number as usize % 50));
            verifier.client.echo(message.as_bytes()).await
        });
    }
    while let Some(answer) = asked.join_next().await {
        assert_eq!(answer.unwrap(), Ok(true));
    }
}

#[tokio::test]
async fn nobody_listens_and_nothing_is_sent() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = unused.local_addr().unwrap().to_string();
    drop(unused);
    let client = PayShield::start(&Settings { addresses: vec![address], ..patient() }).unwrap();
    assert_eq!(client.health().await.unwrap_err(), HsmError::Unavailable);
    assert!(PayShield::start(&Settings { addresses: Vec::new(), ..patient() }).is_err());
    assert!(PayShield::start(&Settings { header_bytes: 3, ..patient() }).is_err());
}
