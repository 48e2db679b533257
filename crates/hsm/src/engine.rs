//! Work with keys that something else opens: the software store, or a token behind PKCS#11. Every answer is
//! ready at once; one that waits for a token blocks its thread.

use std::future::ready;
use std::sync::Arc;

use switchyard_keys::dukpt::tdes::{self, Variant};
use switchyard_keys::emv::{arpc_method1, arqc_of};
use switchyard_keys::lmk::{KeyAlgorithm, KeyAttributes, KeyUsage};
use switchyard_keys::mac::{Mac, MacKey};
use switchyard_keys::pin::{self, Pin};
use switchyard_keys::tr31::{self, Header, Version};
use switchyard_keys::{
    DesKey, KeyError, SecretBytes, TdesCipher, card_values, constant_time_eq, wrap_des_ecb,
};

use crate::api::{Answer, Health, Hsm};
use crate::error::HsmError;
use crate::fault;
use crate::handle::KeyHandle;
use crate::open::OpenKey;
use crate::request::{
    ArqcRequest, EncryptedPin, GeneratedKey, KeySource, KeySpec, MacRequest, PinBlockFormat, PinMethod,
    TranslatePin, VerifyCvv, VerifyPin,
};

/// Keys that a PIN block may come in under.
const PIN_SOURCES: &[KeyUsage] = &[KeyUsage::Pik, KeyUsage::Zpk];
/// Keys that wrap others.
const TRANSPORTS: &[KeyUsage] = &[KeyUsage::Zmk];
const MASTERS: &[KeyUsage] = &[KeyUsage::Tmk, KeyUsage::Zmk];

/// Where keys are opened and kept.
pub(crate) trait Store: Send + Sync {
    /// Name of the backend.
    fn name(&self) -> &'static str;
    /// The key of a handle, its check value compared.
    fn open(&self, handle: &KeyHandle) -> Result<Arc<OpenKey>, HsmError>;
    /// Keeps a key.
    fn keep(&self, spec: KeySpec, key: &SecretBytes) -> Result<KeyHandle, HsmError>;
    /// A key in clear and whether it may leave: for a moment, to go under a transport key.
    fn clear(&self, handle: &KeyHandle) -> Result<(SecretBytes, bool), HsmError>;
    /// How it is.
    fn health(&self) -> Result<Health, HsmError>;
}

/// An HSM over a store.
pub struct Engine<S>(pub(crate) S);

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

#[expect(private_bounds, reason = "the two stores are ours; nobody else implements one")]
impl<S: Store> Engine<S> {
    fn held(&self, handle: &KeyHandle, usages: &[KeyUsage]) -> Result<Arc<OpenKey>, HsmError> {
        handle.check(usages)?;
        self.0.open(handle)
    }

    fn transaction_key(
        &self,
        base: &KeyHandle,
        ksn: &[u8; tdes::KSN_BYTES],
        variant: Variant,
    ) -> Result<DesKey, HsmError> {
        let key = self.held(base, &[KeyUsage::Bdk])?;
        let masked = key.parts().masked().map_err(|source| base.error(source))?;
        tdes::initial_key_with(key.des()?, &masked, ksn)
            .and_then(|initial| tdes::transaction_key(&initial, ksn))
            .and_then(|key| tdes::variant_key(&key, variant))
            .map_err(|source| base.error(source))
    }

    fn pin_key(&self, source: KeySource<'_>) -> Result<PinKey, HsmError> {
        match source {
            KeySource::Key(handle) => Ok(PinKey::Held(self.held(handle, PIN_SOURCES)?)),
            KeySource::Dukpt { base, ksn } => {
                let key = self.transaction_key(base, &ksn, Variant::Pin)?;
                Ok(PinKey::OfTransaction(Box::new(TdesCipher::new(&key))))
            }
        }
    }

    fn translated(&self, request: &TranslatePin<'_>) -> Result<EncryptedPin, HsmError> {
        let source = self.pin_key(request.source)?;
        let target = self.held(request.target, &[KeyUsage::Zpk])?;
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
                let key = self.held(request.key, &[KeyUsage::Pvk])?;
                let pin = self.pin_of(request)?;
                Ok(pin::verify_pvv(key.des()?, request.pan, index, &pin, &pvv)?)
            }
            PinMethod::Ibm { parameters, offset } => {
                let key = self.held(request.key, &[KeyUsage::PvkIbm])?;
                let pin = self.pin_of(request)?;
                Ok(parameters.verify(key.des()?, request.pan, offset, &pin)?)
            }
        }
    }

    fn cvv_verified(&self, request: &VerifyCvv<'_>) -> Result<bool, HsmError> {
        let key = self.held(request.key, &[KeyUsage::Cvk])?;
        let refused = |source| request.key.error(source);
        let left = key.parts().left().map_err(refused)?;
        let (expiry, service_code) = (&request.expiry, &request.service_code);
        let expected =
            card_values::cvv_with(&left, key.des()?, request.pan, expiry, service_code).map_err(refused)?;
        Ok(constant_time_eq(&expected, request.value))
    }

    fn with_mac_key<T>(
        &self,
        request: &MacRequest<'_>,
        work: impl FnOnce(&MacKey) -> T,
    ) -> Result<T, HsmError> {
        match request.source {
            KeySource::Key(handle) => self
                .held(handle, &[KeyUsage::Mak])?
                .with_mac(request.algorithm, work)
                .map_err(|source| handle.error(source)),
            KeySource::Dukpt { base, ksn } => {
                let key = self.transaction_key(base, &ksn, Variant::MacRequest)?;
                let key =
                    MacKey::new(request.algorithm, key.expose()).map_err(|source| base.error(source))?;
                Ok(work(&key))
            }
        }
    }

    /// The card's key under the issuer's master key.
    fn card_key(&self, request: &ArqcRequest<'_>) -> Result<DesKey, HsmError> {
        let key = self.held(request.key, &[KeyUsage::EmvAc])?;
        let card = request.scheme.icc_key_with(key.des()?, request.card.pan, request.card.psn);
        card.map_err(|source| request.key.error(source))
    }

    fn arqc_verified(&self, request: &ArqcRequest<'_>) -> Result<bool, HsmError> {
        let expected = arqc_of(request.scheme, &self.card_key(request)?, &request.card);
        Ok(constant_time_eq(&expected.map_err(|source| request.key.error(source))?, &request.arqc))
    }

    fn arpc(&self, request: &ArqcRequest<'_>, response_code: [u8; 2]) -> Result<[u8; 8], HsmError> {
        let key = request.scheme.arpc_key(&self.card_key(request)?, request.card.atc);
        let key = key.map_err(|source| request.key.error(source))?;
        Ok(arpc_method1(&key, request.arqc, response_code))
    }

    fn imported(&self, block: &[u8], transport: &KeyHandle, usage: KeyUsage) -> Result<KeyHandle, HsmError> {
        let transport = self.held(transport, TRANSPORTS)?;
        let refused = |source| HsmError::Key { id: format!("imported {}", usage.name()), source };
        let (kbpk, bytes) = transport.parts().aes().map_err(refused)?;
        let unwrapped = tr31::unwrap_with(kbpk, bytes, block).map_err(refused)?;
        let under = (KeyAlgorithm::Aes, bytes);
        let KeyAttributes { algorithm, version, exportable } =
            KeyAttributes::of_import(&unwrapped, under, usage).map_err(refused)?;
        let key = unwrapped.key;
        let spec = KeySpec { version, exportable, ..KeySpec::new(usage, algorithm, key.len()) };
        self.0.keep(spec, &key)
    }

    fn exported(&self, key: &KeyHandle, transport: &KeyHandle) -> Result<Vec<u8>, HsmError> {
        let transport = self.held(transport, TRANSPORTS)?;
        let refused = |source| key.error(source);
        key.check(&[key.usage()])?;
        let (clear, exportable) = self.0.clear(key)?;
        if !exportable {
            return Err(refused(KeyError::Input("exportability")));
        }
        let (kbpk, bytes) = transport.parts().aes().map_err(refused)?;
        let (code, algorithm) = (key.usage().tr31_code(), key.algorithm().code());
        let header = Header::new(Version::D, code, algorithm, key.mode(), b'E');
        tr31::wrap_with(kbpk, bytes, &header, clear.expose()).map_err(refused)
    }

    fn generated(&self, spec: KeySpec, under: Option<&KeyHandle>) -> Result<GeneratedKey, HsmError> {
        let refused = |source| HsmError::Key { id: format!("new {}", spec.usage.name()), source };
        let master = under.map(|master| self.held(master, MASTERS)).transpose()?;
        let key = random_key(spec).map_err(refused)?;
        let under = match &master {
            Some(master) => Some(wrap_des_ecb(master.des()?, key.expose()).map_err(refused)?),
            None => None,
        };
        Ok(GeneratedKey { handle: self.0.keep(spec, &key)?, under })
    }

    fn check_value(&self, key: &KeyHandle) -> Result<[u8; 4], HsmError> {
        let open = self.held(key, &[key.usage()])?;
        open.parts().check_value().map_err(|source| key.error(source))
    }

    /// The answer of work that is done now. Whatever came out of it, it counts for nothing when a token failed
    /// meanwhile.
    fn now<'a, T: Send + 'a>(&self, work: impl FnOnce(&Self) -> Result<T, HsmError>) -> Answer<'a, T> {
        fault::take();
        let result = work(self);
        let failed = fault::take();
        Box::pin(ready(if failed {
            Err(HsmError::Module("a token's cipher failed".to_owned()))
        } else {
            result
        }))
    }
}

impl<S: Store> Hsm for Engine<S> {
    fn backend(&self) -> &'static str {
        self.0.name()
    }

    fn translate_pin<'a>(&'a self, request: TranslatePin<'a>) -> Answer<'a, EncryptedPin> {
        self.now(|engine| engine.translated(&request))
    }

    fn verify_pin<'a>(&'a self, request: VerifyPin<'a>) -> Answer<'a, bool> {
        self.now(|engine| engine.pin_verified(&request))
    }

    fn verify_cvv<'a>(&'a self, request: VerifyCvv<'a>) -> Answer<'a, bool> {
        self.now(|engine| engine.cvv_verified(&request))
    }

    fn generate_mac<'a>(&'a self, request: MacRequest<'a>) -> Answer<'a, Mac> {
        self.now(|engine| engine.with_mac_key(&request, |key| key.compute(request.data)))
    }

    fn verify_mac<'a>(&'a self, request: MacRequest<'a>, mac: &'a [u8]) -> Answer<'a, bool> {
        self.now(|engine| engine.with_mac_key(&request, |key| key.verify(request.data, mac)))
    }

    fn verify_arqc<'a>(&'a self, request: ArqcRequest<'a>) -> Answer<'a, bool> {
        self.now(|engine| engine.arqc_verified(&request))
    }

    fn generate_arpc<'a>(&'a self, request: ArqcRequest<'a>, response_code: [u8; 2]) -> Answer<'a, [u8; 8]> {
        self.now(|engine| engine.arpc(&request, response_code))
    }

    fn import<'a>(
        &'a self,
        block: &'a [u8],
        transport: &'a KeyHandle,
        usage: KeyUsage,
    ) -> Answer<'a, KeyHandle> {
        self.now(|engine| engine.imported(block, transport, usage))
    }

    fn export<'a>(&'a self, key: &'a KeyHandle, transport: &'a KeyHandle) -> Answer<'a, Vec<u8>> {
        self.now(|engine| engine.exported(key, transport))
    }

    fn generate_key<'a>(&'a self, spec: KeySpec, under: Option<&'a KeyHandle>) -> Answer<'a, GeneratedKey> {
        self.now(|engine| engine.generated(spec, under))
    }

    fn kcv<'a>(&'a self, key: &'a KeyHandle) -> Answer<'a, [u8; 4]> {
        self.now(|engine| engine.check_value(key))
    }

    fn health(&self) -> Answer<'_, Health> {
        self.now(|engine| engine.0.health())
    }
}

impl<S: Store> std::fmt::Debug for Engine<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({})", self.0.name())
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
