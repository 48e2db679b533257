//! A client of payShield-compatible modules over TCP: the command set that most payment HSMs understand.
//!
//! Keys are named by what the module gave for them: a key block (`S…`) or a key under a variant of the local
//! master key (`U…`). PIN keys never leave the module. It fails closed: a deadline, a broken connection or an
//! answer that cannot be read is an error, and a command that counts PIN tries is sent once.

pub mod command;
mod link;
mod pool;
pub mod reply;

use switchyard_keys::lmk::KeyUsage;
use switchyard_keys::mac::Mac;

use crate::api::{Answer, Health, Hsm};
use crate::engine::{eight, named};
use crate::error::HsmError;
use crate::handle::KeyHandle;
use crate::request::{
    ArqcRequest, EncryptedPin, GeneratedKey, KeySpec, MacRequest, TranslatePin, VerifyCvv, VerifyPin,
};

pub use command::{Command, Commands};
pub use link::{IN_FLIGHT_MAX, REPLY_BYTES_MAX};
pub use pool::Settings;
pub use reply::{KeyReply, Reply};

use pool::Pool;

/// The client.
#[derive(Debug)]
pub struct PayShield {
    commands: Commands,
    pool: Pool,
}

impl PayShield {
    /// Starts connecting, on the runtime that this is called in; until a connection is up every answer is
    /// [`HsmError::Unavailable`].
    ///
    /// # Errors
    /// [`HsmError::Input`] when there is no address or the header's length is outside 4 to 8.
    pub fn start(settings: &Settings) -> Result<Self, HsmError> {
        if settings.addresses.is_empty() {
            return Err(HsmError::Input("number of addresses"));
        }
        if !(4..=8).contains(&settings.header_bytes) {
            return Err(HsmError::Input("length of the header"));
        }
        Ok(Self { commands: Commands { lmk: settings.lmk }, pool: Pool::start(settings) })
    }

    /// Sends a command, and reads its answer with `read`.
    fn ask<'a, T: Send + 'a>(
        &'a self,
        command: Result<Command, HsmError>,
        read: impl FnOnce(&Reply<'_>) -> Result<T, HsmError> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            let command = command?;
            let expected = command.answer_code();
            let answer = self.pool.ask(command).await?;
            read(&Reply::read(expected, &answer).ok_or(HsmError::Unanswered)?)
        })
    }

    /// `B2`: that a message comes back as it was sent.
    ///
    /// # Errors
    /// [`HsmError`] as for any command.
    pub async fn echo(&self, message: &[u8]) -> Result<bool, HsmError> {
        self.ask(Ok(self.commands.echo(message)), |reply| Ok(reply.echo()?.to_vec()))
            .await
            .map(|back| back == message)
    }

    /// `CW`: makes the card verification value that [`Hsm::verify_cvv`] would verify.
    ///
    /// # Errors
    /// [`HsmError`] as for any command.
    pub async fn generate_cvv(&self, request: VerifyCvv<'_>) -> Result<[u8; 3], HsmError> {
        self.ask(self.commands.generate_cvv(&request), |reply| reply.cvv()).await
    }
}

impl Hsm for PayShield {
    fn backend(&self) -> &'static str {
        "payshield"
    }

    fn translate_pin<'a>(&'a self, request: TranslatePin<'a>) -> Answer<'a, EncryptedPin> {
        let command = eight(request.block).and_then(|_| self.commands.translate_pin(&request));
        self.ask(command, |reply| EncryptedPin::new(&reply.pin_block()?))
    }

    fn verify_pin<'a>(&'a self, request: VerifyPin<'a>) -> Answer<'a, bool> {
        let is_offset = matches!(request.method, crate::request::PinMethod::Ibm { .. });
        let command = eight(request.block).and_then(|_| self.commands.verify_pin(&request));
        self.ask(command, move |reply| if is_offset { reply.verified_offset() } else { reply.verified() })
    }

    fn verify_cvv<'a>(&'a self, request: VerifyCvv<'a>) -> Answer<'a, bool> {
        self.ask(self.commands.verify_cvv(&request), |reply| reply.verified())
    }

    fn generate_mac<'a>(&'a self, request: MacRequest<'a>) -> Answer<'a, Mac> {
        self.ask(self.commands.mac(&request, None), |reply| reply.mac())
    }

    fn verify_mac<'a>(&'a self, request: MacRequest<'a>, mac: &'a [u8]) -> Answer<'a, bool> {
        if mac.len() != switchyard_keys::mac::MAC_BYTES {
            return Box::pin(std::future::ready(Ok(false)));
        }
        self.ask(self.commands.mac(&request, Some(mac)), |reply| reply.verified())
    }

    fn verify_arqc<'a>(&'a self, request: ArqcRequest<'a>) -> Answer<'a, bool> {
        self.ask(self.commands.cryptogram(&request, None), |reply| reply.verified())
    }

    fn generate_arpc<'a>(&'a self, request: ArqcRequest<'a>, response_code: [u8; 2]) -> Answer<'a, [u8; 8]> {
        self.ask(self.commands.cryptogram(&request, Some(response_code)), |reply| reply.arpc())
    }

    fn import<'a>(
        &'a self,
        block: &'a [u8],
        transport: &'a KeyHandle,
        usage: KeyUsage,
    ) -> Answer<'a, KeyHandle> {
        let command = self.commands.import(block, transport, usage);
        self.ask(command, move |reply| handle_of(&reply.key(false)?, usage))
    }

    fn export<'a>(&'a self, key: &'a KeyHandle, transport: &'a KeyHandle) -> Answer<'a, Vec<u8>> {
        self.ask(self.commands.export(key, transport), |reply| reply.key_block())
    }

    fn generate_key<'a>(&'a self, spec: KeySpec, under: Option<&'a KeyHandle>) -> Answer<'a, GeneratedKey> {
        let command = self.commands.generate_key(&spec, under);
        let made = self.ask(command, move |reply| reply.key(under.is_some()));
        Box::pin(async move {
            let made = made.await?;
            let handle = handle_of(&made, spec.usage)?;
            // A terminal is told four bytes of the check value, of which A0 gives three.
            let check_value = self.kcv(&handle).await?;
            if check_value[..3] != made.check_value {
                return Err(handle.error(switchyard_keys::KeyError::CheckValue));
            }
            let handle = named(handle.reference().as_bytes(), spec.usage, check_value)?;
            Ok(GeneratedKey { handle, under: made.under })
        })
    }

    fn kcv<'a>(&'a self, key: &'a KeyHandle) -> Answer<'a, [u8; 4]> {
        self.ask(Ok(self.commands.check_value(key)), |reply| reply.check_value())
    }

    fn health(&self) -> Answer<'_, Health> {
        let said = self.ask(Ok(self.commands.diagnostics()), |reply| reply.diagnostics());
        Box::pin(async move {
            let detail = said.await?;
            let (available, configured) = self.pool.count();
            Ok(Health { backend: self.backend(), available, configured, detail })
        })
    }
}

fn handle_of(reply: &KeyReply, usage: KeyUsage) -> Result<KeyHandle, HsmError> {
    let [a, b, c] = reply.check_value;
    named(reply.reference.as_bytes(), usage, [a, b, c, 0])
}
