//! From a request's bytes to an answer's bytes: everything of the host but sockets.

use super::book::{Answer, IssuerBook};
use super::edition;
use super::entry::IssuerEntry;
use super::keys::PinKeys;
use super::request::{IssuerRequest, RequestKind};
use super::scripts;
use crate::error::SimError;
use switchyard_domain::{LinkDialect, MatchKeys, ResponseCode};
use switchyard_wire::{Builder, De, Dialect, Message, Mti, MtiClass};

/// Elements that an answer repeats, before and behind those that the answer brings.
const ECHOED_BEFORE: [De; 13] = [2, 3, 4, 6, 7, 10, 11, 12, 13, 16, 24, 32, 37];
const ECHOED_BEHIND: [De; 4] = [41, 42, 49, 51];
const SIGN_ON: u64 = 1;
const SIGN_OFF: u64 = 2;
const ECHO_TEST: u64 = 301;

/// What one connection has agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Session {
    /// Whether the switch has signed on.
    pub is_signed_on: bool,
}

/// What became of a request.
#[derive(Debug)]
pub enum Heard {
    /// Network management: answered, no fault is played on it.
    Management,
    /// An answer to what the host said: nothing is to be said about it.
    Nothing,
    /// A financial request or a reversal; the entry that it posted or reversed.
    Financial(Option<IssuerEntry>),
}

/// Reads, decides and answers.
#[derive(Debug)]
pub struct Desk {
    /// Its books.
    pub book: IssuerBook,
    dialect: &'static Dialect,
    /// Its keys of PIN blocks.
    pub keys: PinKeys,
    echoes: Option<MatchKeys>,
}

impl Desk {
    /// A desk that speaks a built-in dialect and reads PIN blocks under `keys`.
    ///
    /// # Errors
    /// [`SimError::World`] when there is no such dialect.
    pub fn new(book: IssuerBook, dialect: LinkDialect, keys: PinKeys) -> Result<Self, SimError> {
        let dialect = Dialect::builtin(dialect.name()).ok_or(SimError::World { what: "dialect" })?;
        Ok(Self { book, dialect, keys, echoes: None })
    }

    /// The desk that repeats these alone of the elements that a link may match by.
    #[must_use]
    pub fn repeating(self, echoes: Option<MatchKeys>) -> Self {
        Self { echoes, ..self }
    }

    fn repeats(&self, de: De) -> bool {
        self.echoes.is_none_or(|keys| !MatchKeys::may_have(de) || keys.has(de))
    }

    /// Handles one message body and appends the answer's body to `out`.
    ///
    /// # Errors
    /// [`SimError::Parse`] when the body is no message: the connection cannot be trusted any more.
    pub fn handle(
        &mut self,
        body: &[u8],
        session: &mut Session,
        out: &mut Vec<u8>,
    ) -> Result<Heard, SimError> {
        let message = self.dialect.parse(body)?;
        if message.mti().class() == MtiClass::Network && message.mti().is_response() {
            self.keys.heard(&message);
            return Ok(Heard::Nothing);
        }
        if message.mti().class() == MtiClass::Network {
            self.manage(&message, session, out)?;
            return Ok(Heard::Management);
        }
        let (answer, entry) = self.decide(&message, *session);
        self.answer(&message, &answer, out)?;
        Ok(Heard::Financial(entry))
    }

    fn decide(&mut self, message: &Message<'_, '_>, session: Session) -> (Answer, Option<IssuerEntry>) {
        if !session.is_signed_on {
            return (Answer::bare(ResponseCode::ISSUER_INOPERATIVE), None);
        }
        match IssuerRequest::read(message, &mut self.keys) {
            Err(code) => (Answer::bare(code), None),
            Ok(request) => {
                let (answer, index) = self.book.handle(&request);
                // Of what a part was taken back of the rest stands.
                let is_reversal = request.kind == RequestKind::Reversal && request.stands_minor.is_none();
                let entry = index.and_then(|at| self.book.entries().get(at).cloned());
                debug_assert!(entry.as_ref().is_none_or(|entry| entry.reversed == is_reversal));
                (answer, entry)
            }
        }
    }

    /// The message that brings the switch another key; nothing where none can travel.
    ///
    /// # Errors
    /// [`SimError::Key`] without randomness.
    pub fn offer_key(&mut self) -> Result<Option<Vec<u8>>, SimError> {
        self.keys.offer(self.dialect)
    }

    fn manage(
        &mut self,
        message: &Message<'_, '_>,
        session: &mut Session,
        out: &mut Vec<u8>,
    ) -> Result<(), SimError> {
        let mut key = None;
        let code = match edition::network_code(message) {
            Some(SIGN_ON) => {
                session.is_signed_on = true;
                ResponseCode::APPROVED
            }
            Some(SIGN_OFF) => {
                session.is_signed_on = false;
                ResponseCode::APPROVED
            }
            Some(ECHO_TEST) => ResponseCode::APPROVED,
            Some(edition::KEY_CHANGE) if !edition::has_key(message) => {
                key = self.keys.give()?;
                if key.is_some() { ResponseCode::APPROVED } else { ResponseCode::INVALID_TRANSACTION }
            }
            _ => ResponseCode::INVALID_TRANSACTION,
        };
        let mut builder = self.start(message.mti(), out);
        builder.echo(message, 7)?.echo(message, 11)?.echo(message, 24)?;
        edition::write_code(&mut builder, message, code)?;
        builder.echo(message, 70)?;
        if let Some(cargo) = key {
            edition::write_key(&mut builder, edition::is_first(message), &cargo)?;
        }
        builder.finish()?;
        Ok(())
    }

    fn answer(&self, message: &Message<'_, '_>, answer: &Answer, out: &mut Vec<u8>) -> Result<(), SimError> {
        let mut builder = self.start(message.mti(), out);
        for de in ECHOED_BEFORE.into_iter().filter(|de| self.repeats(*de)) {
            builder.echo(message, de)?;
        }
        if let Some(auth) = &answer.auth {
            builder.text(38, &String::from_utf8_lossy(auth))?;
        }
        edition::write_code(&mut builder, message, answer.code)?;
        for de in ECHOED_BEHIND.into_iter().filter(|de| self.repeats(*de)) {
            builder.echo(message, de)?;
        }
        if let Some(minor) = answer.balance_minor {
            builder.text(54, &edition::balance_text(message, minor))?;
        }
        if let Some(script) = answer.script {
            edition::write_chip(&mut builder, &scripts::template(script))?;
        }
        builder.echo(message, 56)?.echo(message, 90)?;
        builder.finish()?;
        Ok(())
    }

    fn start<'b>(&self, request: Mti, out: &'b mut Vec<u8>) -> Builder<'static, 'b> {
        self.dialect.builder(out, request.reply())
    }
}
