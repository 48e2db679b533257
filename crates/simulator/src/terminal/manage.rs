//! Sign-on, sign-off, echo test.

use super::Terminal;
use super::keys::SessionKeys;
use super::machine::{admin, is_line_trouble, refused};
use super::order::AdminKind;
use super::reply::Reply;
use crate::error::SimError;
use switchyard_domain::{ResponseCode, Stan};

/// Sends of a management message.
pub(super) const ADMIN_ATTEMPTS_MAX: u32 = 5;

impl Terminal {
    /// 0800: asks for working keys and takes the batch number.
    ///
    /// # Errors
    /// [`SimError::Refused`] with the code, [`SimError::WorkingKeys`] for a check value, or a broken line.
    pub async fn sign_on(&mut self) -> Result<(), SimError> {
        let (reply, _) = self.manage(AdminKind::SignOn, 0x0800).await?;
        if !reply.is_approved() {
            return Err(refused("sign-on", reply.code));
        }
        let block = reply.keys.as_deref().ok_or(SimError::Untrusted { what: "working keys" })?;
        self.keys = Some(SessionKeys::open(&self.spec, block)?);
        self.state.enter_batch(reply.batch.ok_or(SimError::Untrusted { what: "batch number" })?);
        self.needs_sign_on = false;
        self.counts.sign_ons += 1;
        self.download_due(reply.requirement).await
    }

    /// 0820/002. The keys are kept, so that a request after it can be tried.
    ///
    /// # Errors
    /// As [`Terminal::sign_on`].
    pub async fn sign_off(&mut self) -> Result<(), SimError> {
        let (reply, attempts) = self.manage(AdminKind::SignOff, 0x0820).await?;
        self.needs_sign_on = true;
        // When the first answer was lost the terminal is signed off already.
        let is_off = attempts > 1 && reply.code == Some(ResponseCode::SIGN_ON_REQUIRED);
        if reply.is_approved() || is_off { Ok(()) } else { Err(refused("sign-off", reply.code)) }
    }

    /// 0820/301.
    ///
    /// # Errors
    /// As [`Terminal::sign_on`].
    pub async fn echo_test(&mut self) -> Result<(), SimError> {
        let (reply, _) = self.manage(AdminKind::EchoTest, 0x0820).await?;
        if reply.is_approved() { Ok(()) } else { Err(refused("echo test", reply.code)) }
    }

    /// Sends a management message until it is answered; also says how often. Each try has a trace number of
    /// its own, so that a late answer to an earlier one, with keys that the host has replaced, is not taken.
    async fn manage(&mut self, kind: AdminKind, mti: u16) -> Result<(Reply, u32), SimError> {
        for attempt in 1.. {
            let composer = self.composer(self.state.batch);
            let (stan, frame) = match kind {
                AdminKind::EchoTest => (None, composer.echo_test()?),
                _ => {
                    let stan = self.state.take_stan();
                    let composer = self.composer(self.state.batch);
                    let is_sign_on = kind == AdminKind::SignOn;
                    (Some(stan), if is_sign_on { composer.sign_on(stan)? } else { composer.sign_off(stan)? })
                }
            };
            let zero = Stan::try_from(0).expect("zero is in range");
            let line = self.admin_line(kind, stan.unwrap_or(zero), mti);
            match self.converse(&frame, line, &admin(mti | 0x10, stan)).await {
                Err(error) if is_line_trouble(&error) && attempt < ADMIN_ATTEMPTS_MAX => {}
                other => return other.map(|reply| (reply, attempt)),
            }
        }
        Err(SimError::Silent { what: "a management message" })
    }
}
