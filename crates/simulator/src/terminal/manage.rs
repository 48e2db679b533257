//! Sign-on, sign-off, echo test.

use super::Terminal;
use super::ask::Asking;
use super::keys::SessionKeys;
use super::machine::{is_line_trouble, refused};
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
        let (reply, _) = self.manage(AdminKind::SignOn).await?;
        if !reply.is_approved() {
            return Err(refused("sign-on", reply.code));
        }
        let block = reply.keys.as_deref().ok_or(SimError::Untrusted { what: "working keys" })?;
        self.keys = Some(SessionKeys::open(&self.spec, block)?);
        // A generic dialect names no batch: the terminal knows its own.
        let named = reply.batch.or_else(|| self.spec.speech.is_generic().then_some(self.state.batch));
        self.state.enter_batch(named.ok_or(SimError::Untrusted { what: "batch number" })?);
        self.needs_sign_on = false;
        self.counts.sign_ons += 1;
        self.download_due(reply.requirement).await
    }

    /// 0820/002. The keys are kept, so that a request after it can be tried.
    ///
    /// # Errors
    /// As [`Terminal::sign_on`].
    pub async fn sign_off(&mut self) -> Result<(), SimError> {
        let (reply, attempts) = self.manage(AdminKind::SignOff).await?;
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
        let (reply, _) = self.manage(AdminKind::EchoTest).await?;
        if reply.is_approved() { Ok(()) } else { Err(refused("echo test", reply.code)) }
    }

    /// Sends a management message until it is answered; also says how often. Each try has a trace number of
    /// its own, so that a late answer to an earlier one, with keys that the host has replaced, is not taken.
    async fn manage(&mut self, kind: AdminKind) -> Result<(Reply, u32), SimError> {
        for attempt in 1.. {
            let is_numbered = kind != AdminKind::EchoTest || self.spec.speech.is_generic();
            let stan = if is_numbered {
                self.state.take_stan()
            } else {
                Stan::try_from(0).expect("zero is in range")
            };
            let composer = self.composer(self.state.batch);
            let (asking, frame) = match kind {
                AdminKind::SignOn => (Asking::SignOn, composer.sign_on(stan)?),
                AdminKind::SignOff => (Asking::SignOff, composer.sign_off(stan)?),
                _ => (Asking::Echo, composer.echo_test(stan)?),
            };
            let expected = composer.expected(asking, Some(stan));
            let line = self.admin_line(kind, stan, asking);
            match self.converse(&frame, line, &expected).await {
                Err(error) if is_line_trouble(&error) && attempt < ADMIN_ATTEMPTS_MAX => {}
                other => return other.map(|reply| (reply, attempt)),
            }
        }
        Err(SimError::Silent { what: "a management message" })
    }
}
