//! Keys of PIN blocks as a host has them: the one in force, the one before as long as the switch may use it, and the one
//! that it has sent and that the switch has not taken yet.

use super::edition;
use super::request::PinEntry;
use crate::error::SimError;
use crate::world::DemoKey;
use switchyard_domain::{Pan, ResponseCode};
use switchyard_keys::pin::decode_iso0;
use switchyard_keys::{DesKey, TdesCipher, kcv, wrap_des_ecb};
use switchyard_wire::{Dialect, Message};

/// Trace numbers of the host's own messages count from here.
const STAN_FIRST: u64 = 500_000;

/// A host's keys.
#[derive(Debug)]
pub struct PinKeys {
    in_force: TdesCipher,
    before: Option<TdesCipher>,
    /// Under it keys travel.
    transport: Option<TdesCipher>,
    sent: Option<Sent>,
    /// Several connections: a request on one may be older than the change on another.
    keeps_before: bool,
    messages: u64,
    changes: u64,
}

/// A key that the switch has not taken yet.
#[derive(Debug)]
struct Sent {
    stan: u64,
    key: TdesCipher,
    body: Vec<u8>,
}

impl PinKeys {
    /// A key in force, and one under which others may travel.
    pub fn new(zpk: &DemoKey, transport: Option<&DemoKey>) -> Self {
        Self {
            in_force: TdesCipher::new(&zpk.des()),
            before: None,
            transport: transport.map(|key| TdesCipher::new(&key.des())),
            sent: None,
            keeps_before: false,
            messages: 0,
            changes: 0,
        }
    }

    /// How often another key came into force.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether there are so many connections that the order of messages says nothing.
    pub(super) fn of_connections(&mut self, count: usize) {
        self.keeps_before = count > 1;
    }

    /// The PIN of a request. The first one under a key that came in an answer ends the key before: what follows on the
    /// connection is under it too.
    pub(super) fn open(&mut self, block: [u8; 8], pan: &Pan) -> PinEntry {
        let mut digits = [0; Pan::DIGITS_MAX];
        let len = pan.write_digits(&mut digits);
        let pin = |key: &TdesCipher| decode_iso0(&key.decrypt_block(block), &digits[..len]).ok();
        if let Some(clear) = pin(&self.in_force) {
            if !self.keeps_before {
                self.before = None;
            }
            return PinEntry::Clear(clear);
        }
        // The switch may use a key before its answer about it is read.
        let others = [self.sent.as_ref().map(|sent| &sent.key), self.before.as_ref()];
        others.into_iter().flatten().find_map(pin).map_or(PinEntry::Unreadable, PinEntry::Clear)
    }

    /// Draws a key for a switch that asks for one, and has it in force; nothing where none can travel.
    pub(super) fn give(&mut self) -> Result<Option<Vec<u8>>, SimError> {
        let Some((key, cargo)) = self.draw()? else { return Ok(None) };
        self.replace(key);
        Ok(Some(cargo))
    }

    /// The message that brings the switch another key: the one that it has not answered, or one with a new key. Nothing
    /// where none can travel.
    pub(super) fn offer(&mut self, dialect: &'static Dialect) -> Result<Option<Vec<u8>>, SimError> {
        if let Some(sent) = &self.sent {
            return Ok(Some(sent.body.clone()));
        }
        let Some((key, cargo)) = self.draw()? else { return Ok(None) };
        self.messages += 1;
        let stan = STAN_FIRST + self.messages % 100_000;
        let body = edition::key_change(dialect, stan, &cargo)?;
        self.sent = Some(Sent { stan, key, body: body.clone() });
        Ok(Some(body))
    }

    /// The switch's answer about a key that it was sent: taken, it alone is in force from here on.
    pub(super) fn heard(&mut self, message: &Message<'_, '_>) {
        let Some(sent) = self.sent.take_if(|sent| message.number(11) == Some(sent.stan)) else { return };
        if edition::code(message) == Some(ResponseCode::APPROVED) {
            self.replace(sent.key);
            if !self.keeps_before {
                self.before = None;
            }
        }
    }

    fn replace(&mut self, key: TdesCipher) {
        self.before = Some(std::mem::replace(&mut self.in_force, key));
        self.changes += 1;
    }

    /// A key, and it as it travels: its two blocks under the transport key and the first bytes of its check value.
    fn draw(&self) -> Result<Option<(TdesCipher, Vec<u8>)>, SimError> {
        let Some(transport) = &self.transport else { return Ok(None) };
        let key = DesKey::generate(16)?;
        let mut cargo = wrap_des_ecb(transport, key.expose())?;
        cargo.extend_from_slice(&kcv(&key)[..3]);
        Ok(Some((TdesCipher::new(&key), cargo)))
    }
}
