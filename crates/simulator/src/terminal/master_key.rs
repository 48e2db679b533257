//! The master key that waits for a terminal at its host.

use super::Terminal;
use super::machine::refused;
use crate::error::SimError;
use crate::world::{CheckValue, DemoKey};
use switchyard_domain::ResponseCode;
use switchyard_keys::TdesCipher;
use switchyard_keys::master_key::{master_key_proof, open_master_key};

impl Terminal {
    /// 0800 with 60.3 = 400 and 401: takes the master key that waits, and says nothing waits by giving none. It has both
    /// keys until the host has said that the new one is in force, and signs on under that one then.
    ///
    /// # Errors
    /// [`SimError::Key`] when what came is under another key than the terminal's, [`SimError::Refused`] with the code, or a
    /// broken line.
    pub async fn fetch_master_key(&mut self) -> Result<Option<DemoKey>, SimError> {
        let reply = self.asked(0x0800, "400", &[]).await?;
        if reply.code == Some(ResponseCode::ORIGINAL_NOT_FOUND) {
            return Ok(None);
        }
        if !reply.is_approved() {
            return Err(refused("master key", reply.code));
        }
        let block = reply.keys.as_deref().ok_or(SimError::Untrusted { what: "master key" })?;
        let opened = open_master_key(&TdesCipher::new(&self.spec.tmk.des()), block)?;
        let bytes = opened.expose().try_into().map_err(|_| SimError::Untrusted { what: "master key" })?;
        let key = DemoKey::new(bytes);
        let taken = [&key.check_value()[..], &master_key_proof(&opened)].concat();
        let reply = self.asked(0x0800, "401", &taken).await?;
        if !reply.is_approved() {
            return Err(refused("master key", reply.code));
        }
        self.spec.kcv = CheckValue(key.check_value());
        self.spec.tmk = key.clone();
        self.needs_sign_on = true;
        Ok(Some(key))
    }
}
