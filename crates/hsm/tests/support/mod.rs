//! Backends with a transport key that the tests hold too, so that keys of known value can be brought in.

#![allow(unreachable_pub, reason = "a module of each test")]
#![allow(dead_code, reason = "each test uses its part")]

use switchyard_hsm::payshield::{PayShield, Settings};
use switchyard_hsm::{Hsm, HsmError, KeyHandle, SoftwareHsm};
use switchyard_keys::lmk::{KeyAlgorithm, KeyAttributes, KeyUsage, Lmk};
use switchyard_keys::tr31::{self, Header, Version};
use switchyard_simulator::hsm::{HsmDevice, HsmFaults, HsmHost};

use std::time::Duration;

/// An AES key block protection key.
pub const TRANSPORT: [u8; 32] = *b"thirty-two bytes to carry keys!!";

/// A backend under test.
pub struct Bench {
    pub hsm: Box<dyn Hsm>,
    pub transport: KeyHandle,
    /// The simulated module, where there is one.
    pub host: Option<HsmHost>,
}

impl Bench {
    /// Brings in a key of known value.
    pub async fn load(
        &self,
        usage: KeyUsage,
        algorithm: KeyAlgorithm,
        key: &[u8],
    ) -> Result<KeyHandle, HsmError> {
        let header = Header::new(Version::D, usage.tr31_code(), algorithm.code(), usage.mode_of_use(), b'E');
        let block = tr31::wrap(&TRANSPORT, &header, key).unwrap();
        self.hsm.import(&block, &self.transport, usage).await
    }
}

/// The text of the transport key under a local master key.
fn transport(lmk: &Lmk) -> (String, [u8; 4]) {
    let wrapped = lmk.wrap(&TRANSPORT, KeyUsage::Zmk, KeyAttributes::new(KeyAlgorithm::Aes)).unwrap();
    let text = String::from_utf8(wrapped.as_bytes().to_vec()).unwrap();
    (text, KeyAlgorithm::Aes.check_value(&TRANSPORT).unwrap())
}

pub fn software() -> Bench {
    let lmk = Lmk::generate().unwrap();
    let (text, kcv) = transport(&lmk);
    let transport = KeyHandle::new("transport", &text, KeyUsage::Zmk, kcv).unwrap();
    Bench { hsm: Box::new(SoftwareHsm::new(lmk)), transport, host: None }
}

/// Settings that bear a loaded machine, with no command but those of the test.
pub fn patient() -> Settings {
    Settings {
        deadline: Duration::from_secs(20),
        heartbeat: Duration::from_secs(3_600),
        ..Settings::default()
    }
}

/// A client, and a simulated module to which it is connected.
pub async fn payshield(settings: Settings, faults: HsmFaults) -> (PayShield, KeyHandle, HsmHost) {
    let lmk = Lmk::generate().unwrap();
    let (text, kcv) = transport(&lmk);
    let transport = KeyHandle::new("transport", &format!("S{text}"), KeyUsage::Zmk, kcv).unwrap();
    let host =
        HsmHost::bind("127.0.0.1:0", HsmDevice::new(lmk), settings.header_bytes, faults).await.unwrap();
    let client =
        PayShield::start(&Settings { addresses: vec![host.address().to_string()], ..settings }).unwrap();
    (client, transport, host)
}

/// Waits until a client is connected.
pub async fn connected(hsm: &dyn Hsm) {
    for _ in 0..2_000 {
        match hsm.health().await {
            Ok(_) => return,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("the hsm does not come up");
}
