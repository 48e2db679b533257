//! The token: sessions, its own keys, and keys wrapped and unwrapped by it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use switchyard_keys::dukpt::tdes::derivation_variant;
use switchyard_keys::lmk::{KeyAlgorithm, KeyUsage};
use switchyard_keys::{DesKey, KeyError, SecretBytes, constant_time_eq};

use super::TokenSettings;
use super::key::{Object, TokenKey, aes, des};
use crate::api::Health;
use crate::engine::{Store, named};
use crate::error::HsmError;
use crate::handle::KeyHandle;
use crate::hex;
use crate::open::{Cipher, OpenKey, OpenKeys};
use crate::request::KeySpec;

/// Labels of the token's own keys.
const WRAPPING_LABEL: &str = "switchyard wrapping key";
const BINDING_LABEL: &str = "switchyard binding key";
/// Characters of a reference in front of the wrapped keys, and of the MAC behind them.
const HEADER: usize = 16;
const MAC: usize = 32;

/// A session of the token, of which one thread at a time makes use.
pub(super) struct Token {
    session: Mutex<Session>,
}

impl Token {
    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One block through a cipher of the token.
    pub(super) fn block<const N: usize>(
        &self,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        block: &[u8; N],
        encrypt: bool,
    ) -> Result<[u8; N], Error> {
        let session = self.session();
        let result = if encrypt {
            session.encrypt(mechanism, key, block)
        } else {
            session.decrypt(mechanism, key, block)
        };
        result?.try_into().map_err(|_| Error::InvalidValue)
    }

    /// Destroys a session object.
    pub(super) fn forget(&self, handle: ObjectHandle) {
        if let Err(error) = self.session().destroy_object(handle) {
            tracing::warn!(%error, "an object of the token is not destroyed before its session ends");
        }
    }
}

/// Keys wrapped by a token.
pub struct TokenStore {
    token: Arc<Token>,
    wrapping: ObjectHandle,
    binding: ObjectHandle,
    open: OpenKeys,
    detail: String,
}

impl TokenStore {
    pub(super) fn open(settings: &TokenSettings) -> Result<Self, HsmError> {
        let library = Pkcs11::new(&settings.module).map_err(module)?;
        match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // The library is loaded once in a process, whoever else uses it.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(module(error)),
        }
        let mut found = None;
        for slot in library.get_slots_with_initialized_token().map_err(module)? {
            let info = library.get_token_info(slot).map_err(module)?;
            if info.label() == settings.token {
                found = Some((slot, format!("token {} of {}", info.label(), info.manufacturer_id())));
            }
        }
        let (slot, detail) =
            found.ok_or_else(|| HsmError::Module(format!("there is no token {:?}", settings.token)))?;
        let session = library.open_rw_session(slot).map_err(module)?;
        let pin = str::from_utf8(settings.pin.expose()).map_err(|_| HsmError::Input("pin of the token"))?;
        match session.login(UserType::User, Some(&AuthPin::from(pin.to_owned()))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => return Err(module(error)),
        }
        let wrapping = own_key(&session, WRAPPING_LABEL, &[Attribute::Wrap(true), Attribute::Unwrap(true)])?;
        let binding = own_key(&session, BINDING_LABEL, &[Attribute::Sign(true)])?;
        let token = Arc::new(Token { session: Mutex::new(session) });
        Ok(Self { token, wrapping, binding, open: OpenKeys::new(), detail })
    }

    /// The MAC that binds a reference's header to its keys.
    fn bind(&self, text: &[u8]) -> Result<Vec<u8>, HsmError> {
        self.token.session().sign(&Mechanism::AesCMac, self.binding, text).map_err(module)
    }

    /// A key wrapped: in clear it goes into the token, wrapped it comes out.
    fn wrap(&self, key: &[u8], algorithm: KeyAlgorithm) -> Result<Vec<u8>, HsmError> {
        // Single DES is triple DES with equal halves; tokens of today have no other.
        let doubled = SecretBytes::from([key, key].concat());
        let (key, kind) = match (algorithm, key.len()) {
            (KeyAlgorithm::Des, 8) => (doubled.expose(), KeyType::DES2),
            (KeyAlgorithm::Tdes, 16) => (key, KeyType::DES2),
            (KeyAlgorithm::Tdes, 24) => (key, KeyType::DES3),
            (KeyAlgorithm::Aes, _) => (key, KeyType::AES),
            _ => return Err(HsmError::Unsupported("keys of this cipher")),
        };
        let session = self.token.session();
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(kind),
            Attribute::Token(false),
            Attribute::Extractable(true),
            Attribute::Value(key.to_vec()),
        ];
        let object = session.create_object(&template).map_err(module)?;
        let wrapped = session.wrap_key(&Mechanism::AesKeyWrap, self.wrapping, object);
        session.destroy_object(object).map_err(module)?;
        wrapped.map_err(module)
    }

    /// A wrapped key as an object; readable only when it is on its way out.
    fn unwrap(&self, wrapped: &[u8], algorithm: KeyAlgorithm, readable: bool) -> Result<Object, HsmError> {
        let kind = match (algorithm, wrapped.len()) {
            (KeyAlgorithm::Aes, _) => KeyType::AES,
            // 16 bytes and the 8 of the wrapping.
            (_, 24) => KeyType::DES2,
            _ => KeyType::DES3,
        };
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(kind),
            Attribute::Token(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Sensitive(!readable),
            Attribute::Extractable(readable),
        ];
        let session = self.token.session();
        let handle = session.unwrap_key(&Mechanism::AesKeyWrap, self.wrapping, wrapped, &template);
        Ok(Object { token: Arc::clone(&self.token), handle: handle.map_err(module)? })
    }

    /// The wrapped keys of a reference, which is bound to what the handle says.
    fn parts(&self, handle: &KeyHandle) -> Result<(Vec<Vec<u8>>, usize, bool), HsmError> {
        let text = handle.reference().as_bytes();
        let malformed = || handle.error(KeyError::Malformed { offset: 0 });
        let (head, mac) =
            text.split_last_chunk::<MAC>().filter(|(head, _)| head.len() > HEADER).ok_or_else(malformed)?;
        let mac = hex::decode(mac).ok_or_else(malformed)?;
        if !constant_time_eq(&self.bind(head)?, &mac) {
            return Err(handle.error(KeyError::Authentication));
        }
        let code = handle.usage().stored_code();
        if head[5..7] != *code.as_bytes() || head[8] != handle.mode() {
            let have = KeyUsage::ALL.into_iter().find(|usage| *usage.stored_code().as_bytes() == head[5..7]);
            let have = have.map_or(code, KeyUsage::stored_code);
            return Err(handle.error(KeyError::Usage { need: handle.usage().name(), have }));
        }
        let bytes: usize =
            str::from_utf8(&head[12..14]).ok().and_then(|n| n.parse().ok()).ok_or_else(malformed)?;
        let wrapped = hex::decode(&head[HEADER..]).ok_or_else(malformed)?;
        // A single-length key is kept doubled.
        let one = bytes.max(16) + 8;
        if wrapped.is_empty() || !wrapped.len().is_multiple_of(one) {
            return Err(malformed());
        }
        Ok((wrapped.chunks(one).map(<[u8]>::to_vec).collect(), bytes, head[11] == b'E'))
    }
}

impl Store for TokenStore {
    fn name(&self) -> &'static str {
        "pkcs11"
    }

    fn open(&self, handle: &KeyHandle) -> Result<Arc<OpenKey>, HsmError> {
        self.open.get(handle, || {
            let (parts, bytes, _) = self.parts(handle)?;
            let algorithm = handle.algorithm();
            let mut objects = parts
                .iter()
                .map(|part| self.unwrap(part, algorithm, false).map(Arc::new))
                .collect::<Result<Vec<_>, _>>()?;
            let beside = if objects.len() > 1 { objects.pop() } else { None };
            let whole = objects.pop().ok_or(HsmError::Input("reference of a key"))?;
            let cipher = match algorithm {
                KeyAlgorithm::Aes => Cipher::Aes(Box::new(aes(&whole))),
                _ => Cipher::Des(Box::new(des(&whole))),
            };
            let key = TokenKey { whole, beside, algorithm, bytes };
            OpenKey::new(handle, cipher, Box::new(key)).map_err(|source| handle.error(source))
        })
    }

    fn keep(&self, spec: KeySpec, key: &SecretBytes) -> Result<KeyHandle, HsmError> {
        let refused = |source| HsmError::Key { id: format!("new {}", spec.usage.name()), source };
        if !spec.algorithm.takes(key.len()) {
            return Err(refused(KeyError::Length { need: "as its algorithm says", have: key.len() }));
        }
        if matches!(spec.algorithm, KeyAlgorithm::Des | KeyAlgorithm::Tdes) {
            let key = DesKey::from_slice(key.expose()).map_err(refused)?;
            key.check_quality().and_then(|()| key.check_parity()).map_err(refused)?;
        }
        if spec.version > 99 {
            return Err(HsmError::Input("key version"));
        }
        let mut text = b"P0000".to_vec();
        text.extend_from_slice(spec.usage.stored_code().as_bytes());
        text.extend([spec.algorithm.code(), spec.usage.mode_of_use()]);
        text.extend_from_slice(format!("{:02}", spec.version).as_bytes());
        text.push(if spec.exportable { b'E' } else { b'N' });
        text.extend_from_slice(format!("{:02}00", key.len()).as_bytes());
        hex::push(&mut text, &self.wrap(key.expose(), spec.algorithm)?);
        if spec.algorithm == KeyAlgorithm::Tdes && key.len() == 16 {
            match spec.usage {
                KeyUsage::Mak | KeyUsage::Cvk => {
                    let left = self.wrap(&key.expose()[..8], KeyAlgorithm::Des)?;
                    hex::push(&mut text, &left);
                }
                KeyUsage::Bdk => {
                    let masked = DesKey::from_slice(key.expose())
                        .map(|key| derivation_variant(&key))
                        .map_err(refused)?;
                    hex::push(&mut text, &self.wrap(masked.expose(), KeyAlgorithm::Tdes)?);
                }
                _ => {}
            }
        }
        let mac = self.bind(&text)?;
        hex::push(&mut text, &mac);
        named(&text, spec.usage, spec.algorithm.check_value(key.expose()).map_err(refused)?)
    }

    fn clear(&self, handle: &KeyHandle) -> Result<(SecretBytes, bool), HsmError> {
        let (parts, bytes, exportable) = self.parts(handle)?;
        if !exportable {
            // It is not even read.
            return Ok((SecretBytes::from(Vec::new()), false));
        }
        let part = parts.first().ok_or(HsmError::Input("reference of a key"))?;
        let object = self.unwrap(part, handle.algorithm(), true)?;
        let read =
            self.token.session().get_attributes(object.handle, &[AttributeType::Value]).map_err(module)?;
        match read.into_iter().next() {
            Some(Attribute::Value(value)) => {
                let value = SecretBytes::from(value);
                let key = value.expose().get(..bytes).ok_or(HsmError::Input("length of a key"))?;
                Ok((SecretBytes::from_slice(key), true))
            }
            _ => Err(HsmError::Module("the token gave no value".to_owned())),
        }
    }

    fn health(&self) -> Result<Health, HsmError> {
        self.bind(b"health")?;
        Ok(Health { backend: self.name(), available: 1, configured: 1, detail: self.detail.clone() })
    }
}

/// One of the token's own keys; it is made where there is none, and never leaves.
fn own_key(session: &Session, label: &str, may: &[Attribute]) -> Result<ObjectHandle, HsmError> {
    let named = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Label(label.as_bytes().to_vec())];
    let found = session.find_objects(&named).map_err(module)?;
    match found.as_slice() {
        [one] => return Ok(*one),
        [] => {}
        _ => return Err(HsmError::Module(format!("the token has more than one {label:?}"))),
    }
    let mut template = named.to_vec();
    template.extend([
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::ValueLen(32.into()),
    ]);
    template.extend_from_slice(may);
    session.generate_key(&Mechanism::AesKeyGen, &template).map_err(module)
}

fn module(error: Error) -> HsmError {
    HsmError::Module(error.to_string())
}
