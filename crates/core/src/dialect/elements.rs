//! Elements that every family of terminals has alike.

use super::card::track_from_characters;
use super::refusal::Refusal;
use super::wipe;
use switchyard_domain::{Expiry, Pan, ServiceAccount, Stan, Track2, TransactionKind};
use switchyard_wire::{De, Message};

/// Reads elements of a message; each method names the element in its error.
pub(super) trait Elements {
    /// The message.
    fn message(&self) -> &Message<'_, '_>;

    fn optional_number(&self, de: De) -> Result<Option<u64>, Refusal> {
        if !self.message().has(de) {
            return Ok(None);
        }
        self.message().number(de).map(Some).ok_or(Refusal::malformed(de))
    }
    fn required_number(&self, de: De) -> Result<u64, Refusal> {
        self.optional_number(de)?.ok_or(Refusal::missing(de))
    }
    fn digits<'b>(&self, de: De, buffer: &'b mut [u8]) -> Result<&'b [u8], Refusal> {
        if !self.message().has(de) {
            return Err(Refusal::missing(de));
        }
        self.message().digits(de, buffer).ok_or(Refusal::malformed(de))
    }
    /// DE 11.
    fn stan(&self) -> Result<Stan, Refusal> {
        Stan::try_from(self.required_number(11)?).map_err(|_| Refusal::malformed(11))
    }
    /// DE 14.
    fn expiry(&self) -> Result<Option<Expiry>, Refusal> {
        if !self.message().has(14) {
            return Ok(None);
        }
        let mut buffer = [0; 4];
        Expiry::try_from(self.digits(14, &mut buffer)?).map(Some).map_err(|_| Refusal::malformed(14))
    }
    /// DE 2.
    fn pan(&self) -> Result<Option<Pan>, Refusal> {
        if !self.message().has(2) {
            return Ok(None);
        }
        let mut buffer = [0; Pan::DIGITS_MAX];
        let pan = Pan::from_digits(self.digits(2, &mut buffer)?).map_err(|_| Refusal::malformed(2));
        wipe(&mut buffer);
        pan.map(Some)
    }
    /// DE 48 where the transaction is a payment to a telephone or another card, which has to say which.
    fn service(&self, kind: TransactionKind) -> Result<Option<ServiceAccount>, Refusal> {
        if !kind.serves_an_account() {
            return Ok(None);
        }
        if !self.message().has(48) {
            return Err(Refusal::missing(48));
        }
        let digits = self.message().text(48).ok_or(Refusal::malformed(48))?.into_owned();
        ServiceAccount::new(digits).map(Some).map_err(|_| Refusal::malformed(48))
    }
    /// DE 35 as it stands, taken to be in clear.
    fn clear_track(&self) -> Result<Option<Track2>, Refusal> {
        if !self.message().has(35) {
            return Ok(None);
        }
        let mut buffer = [0; Track2::CHARACTERS_MAX];
        let track = track_from_characters(self.digits(35, &mut buffer)?);
        wipe(&mut buffer);
        track.map(Some)
    }
}
