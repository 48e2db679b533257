//! The key library as an HSM: every answer is ready at once.
//!
//! It is software: keys are in this process's memory while they are used, and it does not claim PCI PIN
//! compliance.

mod cache;

use std::future::ready;
use std::sync::Arc;

use switchyard_keys::dukpt::tdes::{self, Variant};
use switchyard_keys::emv::{arpc_method1, verify_arqc};
use switchyard_keys::lmk::{KeyAlgorithm, KeyAttributes, KeyUsage, Lmk};
use switchyard_keys::mac::{Mac, MacKey};
use switchyard_keys::pin::{self, Pin};
use switchyard_keys::{DesKey, KeyError, SecretBytes, TdesCipher, card_values, wrap_des_ecb};

use crate::api::{Answer, Health, Hsm};
use crate::error::HsmError;
use crate::handle::KeyHandle;
use crate::request::{
    ArqcRequest, EncryptedPin, GeneratedKey, KeySpec, MacKeySource, MacRequest, PinBlockFormat, PinKeySource,
    PinMethod, TranslatePin, VerifyCvv, VerifyPin,
};

use cache::{OpenKey, OpenKeys};

/// Keys that a PIN block may come in under.
const PIN_SOURCES: &[KeyUsage] = &[KeyUsage::Pik, KeyUsage::Zpk];
/// Keys that wrap others.
const TRANSPORTS: &[KeyUsage] = &[KeyUsage::Zmk];
const MASTERS: &[KeyUsage] = &[KeyUsage::Tmk, KeyUsage::Zmk];

/// An HSM in this process: handles refer to key blocks under its local master key.
pub struct SoftwareHsm {
    lmk: Lmk,
    open: OpenKeys,
}

/// What opens a PIN block.
enum PinKey {
    Held(Arc<OpenKey>),
    OfTransaction(Box<TdesCipher>),
}

impl PinKey {
    fn des(&self) -> Result<&TdesCipher, HsmError> {
        match self {
            Self::Held(key) => key.des(),
            Self::OfTransaction(cipher) => Ok(cipher),
        }
    }
}

impl SoftwareHsm {
    /// An HSM whose keys are under `lmk`.
    #[must_use]
    pub fn new(lmk: Lmk) -> Self {
        Self { lmk, open: OpenKeys::new() }
    }

    fn open(&self, handle: &KeyHandle, usages: &[KeyUsage]) -> Result<Arc<OpenKey>, HsmError> {
        handle.check(usages)?;
        self.open.get(&self.lmk, handle)
    }

    /// A key as DES bytes, for derivations.
    fn des_key(&self, handle: &KeyHandle, usages: &[KeyUsage]) -> Result<DesKey, HsmError> {
        DesKey::from_slice(self.open(handle, usages)?.bytes().expose()).map_err(|source| handle.error(source))
    }

    fn transaction_key(
        &self,
        base: &KeyHandle,
        ksn: &[u8; tdes::KSN_BYTES],
        variant: Variant,
    ) -> Result<DesKey, HsmError> {
        let base_key = self.des_key(base, &[KeyUsage::Bdk])?;
        tdes::initial_key(&base_key, ksn)
            .and_then(|initial| tdes::transaction_key(&initial, ksn))
            .and_then(|key| tdes::variant_key(&key, variant))
            .map_err(|source| base.error(source))
    }

    fn pin_key(&self, source: PinKeySource<'_>) -> Result<PinKey, HsmError> {
        match source {
            PinKeySource::Key(handle) => Ok(PinKey::Held(self.open(handle, PIN_SOURCES)?)),
            PinKeySource::Dukpt { base, ksn } => {
                let key = self.transaction_key(base, &ksn, Variant::Pin)?;
                Ok(PinKey::OfTransaction(Box::new(TdesCipher::new(&key))))
            }
        }
    }

    fn translated(&self, request: &TranslatePin<'_>) -> Result<EncryptedPin, HsmError> {
        let source = self.pin_key(request.source)?;
        let target = self.open(request.target, &[KeyUsage::Zpk])?;
        let (block, pan) = (request.block, request.pan);
        match (request.from, request.to) {
            (PinBlockFormat::Des(from), PinBlockFormat::Des(to)) => {
                let block = pin::translate(source.des()?, target.des()?, &eight(block)?, from, to, pan)?;
                EncryptedPin::new(&block)
            }
            (PinBlockFormat::Des(from), PinBlockFormat::Iso4) => {
                let block = pin::translate_to_iso4(source.des()?, target.aes()?, &eight(block)?, from, pan)?;
                EncryptedPin::new(&block)
            }
            (PinBlockFormat::Iso4, to) => {
                let PinKey::Held(source) = source else {
                    return Err(HsmError::Unsupported("format 4 of dukpt"));
                };
                let block = sixteen(block)?;
                match to {
                    PinBlockFormat::Des(to) => EncryptedPin::new(&pin::translate_from_iso4(
                        source.aes()?,
                        target.des()?,
                        &block,
                        to,
                        pan,
                    )?),
                    PinBlockFormat::Iso4 => {
                        EncryptedPin::new(&pin::translate_iso4(source.aes()?, target.aes()?, &block, pan)?)
                    }
                }
            }
        }
    }

    fn pin_of(&self, request: &VerifyPin<'_>) -> Result<Pin, HsmError> {
        let source = self.pin_key(request.source)?;
        match request.format {
            PinBlockFormat::Des(format) => {
                let clear = zeroize::Zeroizing::new(source.des()?.decrypt_block(eight(request.block)?));
                Ok(pin::decode(format, &clear, request.pan)?)
            }
            PinBlockFormat::Iso4 => {
                let PinKey::Held(source) = source else {
                    return Err(HsmError::Unsupported("format 4 of dukpt"));
                };
                Ok(pin::decode_iso4(source.aes()?, &sixteen(request.block)?, request.pan)?)
            }
        }
    }

    fn pin_verified(&self, request: &VerifyPin<'_>) -> Result<bool, HsmError> {
        // The verification key first: whatever is wrong with it must not depend on the block.
        match request.method {
            PinMethod::Pvv { index, pvv } => {
                let key = self.open(request.key, &[KeyUsage::Pvk])?;
                let pin = self.pin_of(request)?;
                Ok(pin::verify_pvv(key.des()?, request.pan, index, &pin, &pvv)?)
            }
            PinMethod::Ibm { parameters, offset } => {
                let key = self.open(request.key, &[KeyUsage::PvkIbm])?;
                let pin = self.pin_of(request)?;
                Ok(parameters.verify(key.des()?, request.pan, offset, &pin)?)
            }
        }
    }

    fn cvv_verified(&self, request: &VerifyCvv<'_>) -> Result<bool, HsmError> {
        let key = self.des_key(request.key, &[KeyUsage::Cvk])?;
        card_values::verify_cvv(&key, request.pan, &request.expiry, &request.service_code, request.value)
            .map_err(|source| request.key.error(source))
    }

    fn with_mac_key<T>(
        &self,
        request: &MacRequest<'_>,
        work: impl FnOnce(&MacKey) -> T,
    ) -> Result<T, HsmError> {
        match request.source {
            MacKeySource::Key(handle) => self
                .open(handle, &[KeyUsage::Mak])?
                .with_mac(request.algorithm, work)
                .map_err(|source| handle.error(source)),
            MacKeySource::Dukpt { base, ksn } => {
                let key = self.transaction_key(base, &ksn, Variant::MacRequest)?;
                let key =
                    MacKey::new(request.algorithm, key.expose()).map_err(|source| base.error(source))?;
                Ok(work(&key))
            }
        }
    }

    fn cryptogram<T>(
        &self,
        request: &ArqcRequest<'_>,
        work: impl FnOnce(&DesKey) -> Result<T, KeyError>,
    ) -> Result<T, HsmError> {
        let key = self.des_key(request.key, &[KeyUsage::EmvAc])?;
        work(&key).map_err(|source| request.key.error(source))
    }

    fn imported(&self, block: &[u8], transport: &KeyHandle, usage: KeyUsage) -> Result<KeyHandle, HsmError> {
        let kbpk = self.open(transport, TRANSPORTS)?;
        let refused = |source| HsmError::Key { id: format!("imported {}", usage.name()), source };
        let wrapped = self.lmk.import(kbpk.bytes().expose(), block, usage).map_err(refused)?;
        let algorithm = self.lmk.inspect(&wrapped).map_err(refused)?.attributes.algorithm;
        let key = self.lmk.unwrap(&wrapped, usage).map_err(refused)?;
        named(wrapped.as_bytes(), usage, algorithm.check_value(key.expose()).map_err(refused)?)
    }

    fn exported(&self, key: &KeyHandle, transport: &KeyHandle) -> Result<Vec<u8>, HsmError> {
        let kbpk = self.open(transport, TRANSPORTS)?;
        key.check(&[key.usage()])?;
        let wrapped = switchyard_keys::lmk::WrappedKey::from_bytes(key.reference().as_bytes().to_vec());
        self.lmk.export(&wrapped, key.usage(), kbpk.bytes().expose()).map_err(|source| key.error(source))
    }

    fn generated(&self, spec: KeySpec, under: Option<&KeyHandle>) -> Result<GeneratedKey, HsmError> {
        let refused = |source| HsmError::Key { id: format!("new {}", spec.usage.name()), source };
        let key = random_key(spec).map_err(refused)?;
        let attributes =
            KeyAttributes { algorithm: spec.algorithm, version: spec.version, exportable: spec.exportable };
        let wrapped = self.lmk.wrap(key.expose(), spec.usage, attributes).map_err(refused)?;
        let check_value = spec.algorithm.check_value(key.expose()).map_err(refused)?;
        let under = under
            .map(|master| {
                let master = self.open(master, MASTERS)?;
                wrap_des_ecb(master.des()?, key.expose()).map_err(refused)
            })
            .transpose()?;
        Ok(GeneratedKey { handle: named(wrapped.as_bytes(), spec.usage, check_value)?, under })
    }

    fn check_value(&self, key: &KeyHandle) -> Result<[u8; 4], HsmError> {
        let open = self.open(key, &[key.usage()])?;
        key.algorithm().check_value(open.bytes().expose()).map_err(|source| key.error(source))
    }
}

impl Hsm for SoftwareHsm {
    fn backend(&self) -> &'static str {
        "software"
    }

    fn translate_pin<'a>(&'a self, request: TranslatePin<'a>) -> Answer<'a, EncryptedPin> {
        Box::pin(ready(self.translated(&request)))
    }

    fn verify_pin<'a>(&'a self, request: VerifyPin<'a>) -> Answer<'a, bool> {
        Box::pin(ready(self.pin_verified(&request)))
    }

    fn verify_cvv<'a>(&'a self, request: VerifyCvv<'a>) -> Answer<'a, bool> {
        Box::pin(ready(self.cvv_verified(&request)))
    }

    fn generate_mac<'a>(&'a self, request: MacRequest<'a>) -> Answer<'a, Mac> {
        Box::pin(ready(self.with_mac_key(&request, |key| key.compute(request.data))))
    }

    fn verify_mac<'a>(&'a self, request: MacRequest<'a>, mac: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(ready(self.with_mac_key(&request, |key| key.verify(request.data, mac))))
    }

    fn verify_arqc<'a>(&'a self, request: ArqcRequest<'a>) -> Answer<'a, bool> {
        let verify = |key: &DesKey| verify_arqc(request.scheme, key, &request.card, &request.arqc);
        Box::pin(ready(self.cryptogram(&request, verify)))
    }

    fn generate_arpc<'a>(&'a self, request: ArqcRequest<'a>, response_code: [u8; 2]) -> Answer<'a, [u8; 8]> {
        let answer = |key: &DesKey| {
            let card_key = request.scheme.icc_key(key, request.card.pan, request.card.psn)?;
            let key = request.scheme.arpc_key(&card_key, request.card.atc)?;
            Ok(arpc_method1(&key, request.arqc, response_code))
        };
        Box::pin(ready(self.cryptogram(&request, answer)))
    }

    fn import<'a>(
        &'a self,
        block: &'a [u8],
        transport: &'a KeyHandle,
        usage: KeyUsage,
    ) -> Answer<'a, KeyHandle> {
        Box::pin(ready(self.imported(block, transport, usage)))
    }

    fn export<'a>(&'a self, key: &'a KeyHandle, transport: &'a KeyHandle) -> Answer<'a, Vec<u8>> {
        Box::pin(ready(self.exported(key, transport)))
    }

    fn generate_key<'a>(&'a self, spec: KeySpec, under: Option<&'a KeyHandle>) -> Answer<'a, GeneratedKey> {
        Box::pin(ready(self.generated(spec, under)))
    }

    fn kcv<'a>(&'a self, key: &'a KeyHandle) -> Answer<'a, [u8; 4]> {
        Box::pin(ready(self.check_value(key)))
    }

    fn health(&self) -> Answer<'_, Health> {
        let detail = format!("local master key {}", text_of(&self.lmk.kcv()[..3]));
        Box::pin(ready(Ok(Health { backend: self.backend(), available: 1, configured: 1, detail })))
    }
}

impl std::fmt::Debug for SoftwareHsm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SoftwareHsm(…)")
    }
}

/// A fresh key that fits its cipher.
pub(crate) fn random_key(spec: KeySpec) -> Result<SecretBytes, KeyError> {
    if !spec.algorithm.takes(spec.bytes) {
        return Err(KeyError::Length { need: "as its algorithm says", have: spec.bytes });
    }
    match spec.algorithm {
        KeyAlgorithm::Des | KeyAlgorithm::Tdes => {
            Ok(SecretBytes::from_slice(DesKey::generate(spec.bytes)?.expose()))
        }
        KeyAlgorithm::Aes | KeyAlgorithm::Hmac | KeyAlgorithm::Sm4 => SecretBytes::random(spec.bytes),
    }
}

/// A handle that is named after its key.
pub(crate) fn named(reference: &[u8], usage: KeyUsage, check_value: [u8; 4]) -> Result<KeyHandle, HsmError> {
    let reference = str::from_utf8(reference).map_err(|_| HsmError::Input("reference of a key"))?;
    let id = format!("{} {}", usage.name(), text_of(&check_value[..3]));
    KeyHandle::new(&id, reference, usage, check_value)
}

pub(crate) fn text_of(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(2 * bytes.len());
    crate::hex::push(&mut text, bytes);
    text.into_iter().map(char::from).collect()
}

pub(crate) fn eight(block: &[u8]) -> Result<[u8; 8], HsmError> {
    block.try_into().map_err(|_| HsmError::Input("length of a pin block"))
}

fn sixteen(block: &[u8]) -> Result<[u8; 16], HsmError> {
    block.try_into().map_err(|_| HsmError::Input("length of a pin block"))
}
