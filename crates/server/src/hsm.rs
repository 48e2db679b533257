//! The HSM of a switch, and how keys get into it and out of it.
//!
//! With the software backend every key is a key block under the switch's own local master key, for both. With
//! a module, PIN keys are the module's: they are made there and stay there. MAC and track keys are made there
//! too, because they travel to terminals under their master keys, and are brought out under a transport key
//! that both hold: a MAC is verified where its message is read, which no module over a network is fast enough
//! for. Keys that the registry holds under the switch's own master key are brought into the module at their
//! first use.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use switchyard_domain::{KeyRecord, KeyUse, WrappedKey};
use switchyard_hsm::payshield::{PayShield, Settings};
use switchyard_hsm::pkcs11::{Pkcs11Hsm, TokenSettings};
use switchyard_hsm::{Hsm, HsmError, KeyHandle, SoftwareHsm};
use switchyard_keys::lmk::{KeyAlgorithm, KeyUsage, LmkRing};
use switchyard_keys::tr31::{self, Header, Version};
use switchyard_keys::{KeyError, SecretBytes};

use crate::config::{Config, HsmBackend, Profile};
use crate::custody::with_odd_parity;
use crate::data::{DataDir, DataError, KeptTransport};
use crate::keystore::{KeyStore, is_ours, usage_of};
use crate::shared::{Phase, Shared};

/// What whoever keeps keys in software is told, at `init` and at every start.
pub const SOFTWARE_NOTICE: &str = "keys are in the software key store, which is not PCI PIN compliant";

/// Why there is no HSM.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HsmStartError {
    /// The file of the transport key, or the local master key.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A key cannot be taken.
    #[error("key refused")]
    Key(#[from] KeyError),
    /// The backend does not start.
    #[error("the hsm cannot be used")]
    Hsm(#[from] HsmError),
    /// The configuration does not say enough.
    #[error("hsm.{0} is not set")]
    NotSet(&'static str),
    /// The profile is production, and nobody has said that the software key store will do.
    #[error("{SOFTWARE_NOTICE}: profile \"production\" takes it with hsm.accept_software = true only")]
    Software,
}

/// The transport key: known to the module by its handle, and to the switch.
struct Transport {
    handle: KeyHandle,
    key: SecretBytes,
}

/// The HSM in use.
pub(crate) struct Module {
    hsm: Arc<dyn Hsm>,
    /// Absent for the software backend, which shares the switch's own local master key.
    transport: Option<Transport>,
    /// The key library under the switch's own local master key, beside a module that cannot do everything.
    own: Option<SoftwareHsm>,
    is_well: AtomicBool,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Module({})", self.hsm.backend())
    }
}

impl Module {
    /// The HSM that the configuration names, on the runtime that this is called in.
    pub(crate) fn open(config: &Config, data: &DataDir, lmk: Arc<LmkRing>) -> Result<Self, HsmStartError> {
        let external = |hsm: Arc<dyn Hsm>| {
            let kept = crate::data::read_transport(&transport_file(config, data), config.general.profile)?;
            let check_value = KeyAlgorithm::Aes.check_value(kept.key.expose())?;
            let handle = KeyHandle::new("transport", &kept.reference, KeyUsage::Zmk, check_value)?;
            let transport = Some(Transport { handle, key: kept.key });
            let own = Some(SoftwareHsm::under(Arc::clone(&lmk)));
            Ok::<_, HsmStartError>(Self { hsm, transport, own, is_well: AtomicBool::new(false) })
        };
        match config.hsm.backend {
            HsmBackend::Software if !config.accepts_its_backend() => Err(HsmStartError::Software),
            HsmBackend::Software => {
                tracing::warn!("{SOFTWARE_NOTICE}");
                Ok(Self::software(lmk))
            }
            HsmBackend::PayShield => external(Arc::new(PayShield::start(&settings(config))?)),
            HsmBackend::Pkcs11 => {
                let hsm = open_token(config, data)?;
                external(Arc::new(hsm))
            }
        }
    }

    pub(crate) fn software(lmk: Arc<LmkRing>) -> Self {
        let hsm = Arc::new(SoftwareHsm::under(lmk));
        Self { hsm, transport: None, own: None, is_well: AtomicBool::new(true) }
    }

    pub(crate) fn hsm(&self) -> &dyn Hsm {
        &*self.hsm
    }

    /// What does the work of keys that the registry holds where the module cannot.
    pub(crate) fn own(&self) -> Option<&dyn Hsm> {
        self.own.as_ref().map(|own| own as &dyn Hsm)
    }

    pub(crate) fn is_well(&self) -> bool {
        self.is_well.load(Ordering::Acquire)
    }

    /// The key of a record in the HSM; one under the switch's own master key is brought in.
    async fn handle(
        &self,
        store: &KeyStore,
        usage: KeyUse,
        record: &KeyRecord,
    ) -> Result<KeyHandle, HsmError> {
        let key_usage = usage_of(usage);
        let reference = &record.wrapped.0;
        let Some(transport) = self.transport.as_ref().filter(|_| is_ours(record)) else {
            return KeyHandle::new(key_usage.name(), reference, key_usage, record.check_value);
        };
        let refused = |source| HsmError::Key { id: key_usage.name().to_owned(), source };
        let key = store.unwrap(usage, record).map_err(refused)?;
        let algorithm =
            KeyAlgorithm::from_code(reference.as_bytes()[7]).ok_or(HsmError::Input("algorithm of a key"))?;
        // A ledger may hold a DES key of wrong parity, from when that was not asked: it is the same key with the right one.
        let is_des = matches!(algorithm, KeyAlgorithm::Des | KeyAlgorithm::Tdes);
        let key = if is_des { with_odd_parity(&key) } else { key };
        let (code, mode) = (key_usage.tr31_code(), key_usage.mode_of_use());
        let header = Header::new(Version::D, code, algorithm.code(), mode, b'N');
        let block = tr31::wrap(transport.key.expose(), &header, key.expose()).map_err(refused)?;
        let handle = self.hsm.import(&block, &transport.handle, key_usage).await?;
        if handle.check_value()[..3] != record.check_value[..3] {
            return Err(refused(KeyError::CheckValue));
        }
        Ok(handle)
    }

    /// The record of a key that stays in the HSM.
    pub(crate) fn record(handle: &KeyHandle) -> KeyRecord {
        KeyRecord { wrapped: WrappedKey(handle.reference().to_owned()), check_value: *handle.check_value() }
    }

    /// The record of a key that the switch uses itself: under its own master key.
    pub(crate) async fn bring_out(
        &self,
        store: &KeyStore,
        usage: KeyUse,
        handle: &KeyHandle,
    ) -> Result<KeyRecord, HsmError> {
        let Some(transport) = &self.transport else { return Ok(Self::record(handle)) };
        let block = self.hsm.export(handle, &transport.handle).await?;
        let refused = |source| HsmError::Key { id: handle.id().to_owned(), source };
        let out = tr31::unwrap(transport.key.expose(), &block).map_err(refused)?;
        let record = store.wrap_as(usage, handle.algorithm(), out.key.expose()).map_err(refused)?;
        if record.check_value != *handle.check_value() {
            return Err(refused(KeyError::CheckValue));
        }
        Ok(record)
    }

    /// Whether keys that the switch uses itself have to be brought out, and so be made exportable.
    pub(crate) fn keeps_keys_inside(&self) -> bool {
        self.transport.is_some()
    }
}

/// Logs in to the token. Its transport key is drawn at the first start: a token has no other way to take keys in.
fn open_token(config: &Config, data: &DataDir) -> Result<Pkcs11Hsm, HsmStartError> {
    let module = config.hsm.module.clone().ok_or(HsmStartError::NotSet("module"))?;
    let pin_file = config.hsm.pin_file.as_ref().ok_or(HsmStartError::NotSet("pin_file"))?;
    let pin = SecretBytes::from_slice(crate::data::read_private(pin_file)?.expose().trim_ascii());
    let hsm = Pkcs11Hsm::open(&TokenSettings { module, token: config.hsm.token.clone(), pin })?;
    let file = transport_file(config, data);
    if !file.exists() {
        let key = SecretBytes::random(32)?;
        let reference = hsm.load_transport(&key)?.reference().to_owned();
        let demo = config.general.profile == Profile::Demo;
        crate::data::keep_transport(&file, &KeptTransport { key, reference }, demo)?;
    }
    Ok(hsm)
}

fn transport_file(config: &Config, data: &DataDir) -> PathBuf {
    config.hsm.transport_file.clone().unwrap_or_else(|| data.hsm_transport())
}

fn settings(config: &Config) -> Settings {
    let hsm = &config.hsm;
    Settings {
        addresses: hsm.addresses.split(',').map(|address| address.trim().to_owned()).collect(),
        connections: hsm.connections as usize,
        header_bytes: hsm.header_bytes as usize,
        deadline: Duration::from_millis(u64::from(hsm.deadline_ms)),
        failures_max: hsm.failures_max,
        heartbeat: Duration::from_secs(u64::from(hsm.heartbeat_s)),
        lmk: u8::try_from(hsm.lmk_number).ok().filter(|number| *number > 0),
        ..Settings::default()
    }
}

/// A key of the registry for the HSM's work, brought in at its first use.
#[derive(Debug)]
pub(crate) struct HsmKey {
    usage: KeyUse,
    record: KeyRecord,
    handle: ArcSwapOption<KeyHandle>,
}

impl HsmKey {
    pub(crate) fn new(usage: KeyUse, record: KeyRecord) -> Self {
        Self { usage, record, handle: ArcSwapOption::empty() }
    }

    /// By this it is known which key it is.
    pub(crate) fn check_value(&self) -> [u8; 4] {
        self.record.check_value
    }

    /// Its handle for the key library under the switch's own local master key.
    pub(crate) fn own_handle(&self) -> Result<KeyHandle, HsmError> {
        let usage = usage_of(self.usage);
        KeyHandle::new(usage.name(), &self.record.wrapped.0, usage, self.record.check_value)
    }

    /// Its handle.
    pub(crate) async fn handle(&self, module: &Module, store: &KeyStore) -> Result<Arc<KeyHandle>, HsmError> {
        if let Some(handle) = self.handle.load_full() {
            return Ok(handle);
        }
        let handle = Arc::new(module.handle(store, self.usage, &self.record).await?);
        self.handle.store(Some(Arc::clone(&handle)));
        Ok(handle)
    }
}

/// Asks the HSM how it is, every so often: readiness and metrics say what it said last.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut stop = std::pin::pin!(crate::shared::reached(shared.phase.subscribe(), Phase::Stopping));
    let heartbeat = Duration::from_secs(u64::from(shared.config.hsm.heartbeat_s));
    // Until it is well it is asked more often: a switch becomes ready soon after its HSM.
    let (soon, mut said) = (heartbeat.min(Duration::from_secs(1)), None);
    loop {
        let health = shared.module.hsm().health().await;
        let is_well = health.as_ref().is_ok_and(|health| health.available > 0);
        shared.module.is_well.store(is_well, Ordering::Release);
        shared.metrics.hsm_up.set(f64::from(u8::from(is_well)));
        if said.replace(is_well) != Some(is_well) {
            match &health {
                Ok(health) => {
                    tracing::info!(backend = health.backend, detail = %health.detail, "hsm is well");
                }
                Err(error) => tracing::error!(%error, "hsm does not answer"),
            }
        }
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(if is_well { heartbeat } else { soon }) => {}
        }
    }
}
