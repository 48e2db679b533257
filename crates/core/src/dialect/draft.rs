//! A request before its card is sealed: [`Body`] with the card still in clear, or in an enciphered track.

use super::card::DraftCard;
use super::refusal::Refusal;
use crate::input::{
    Body, Card, DownloadStep, Financial, KeyForm, MasterKeyStep, OriginalRef, Reversal, ScriptResult, Upload,
};
use switchyard_domain::{
    Amount, BatchNumber, BatchTotals, CardHash, CardRef, DownloadKind, Echo, Expiry, Fingerprint, MerchantId,
    MessageClass, Pan, PinBlock, ReversalReason, ServiceAccount, Stan, TerminalId, Track2, TransactionKind,
    UploadedItem,
};
use switchyard_wire::{De, Message};

/// A message taken apart.
#[derive(Debug)]
pub struct Parsed {
    /// DE 41.
    pub terminal: TerminalId,
    /// DE 42.
    pub merchant: MerchantId,
    /// What there is to verify.
    pub mac: MacRequirement,
    /// What is asked.
    pub draft: Draft,
}

/// Whether a message has to be authenticated, and over which bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MacRequirement {
    /// This kind of message carries no MAC; one that is there all the same is not looked at.
    NotRequired,
    /// The MAC has to be right.
    Required {
        /// It covers this many bytes of the body from the MTI on: all before its element.
        covered: usize,
        /// What came; nothing when it is absent.
        received: Option<ReceivedMac>,
    },
}

/// A MAC as it came: eight bytes, or the four that the edition of 2003 has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedMac {
    bytes: [u8; 8],
    len: usize,
}

impl ReceivedMac {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl MacRequirement {
    /// The MAC of a message in this element, over all that stands before it.
    pub(super) fn in_element(message: &Message<'_, '_>, de: De) -> Self {
        let received = message.bytes_owned(de).and_then(|value| {
            let mut bytes = [0; 8];
            bytes.get_mut(..value.len())?.copy_from_slice(&value);
            Some(ReceivedMac { bytes, len: value.len() })
        });
        match message.offset(de) {
            Some(covered) => Self::Required { covered, received },
            None => Self::Required { covered: message.body().len(), received: None },
        }
    }
}

/// What a terminal asks for, not ready for the core yet.
#[derive(Debug)]
pub enum Draft {
    /// 签到; sign-on and key change of the generic dialects.
    SignOn {
        /// DE 11.
        stan: Stan,
        /// Which keys.
        form: KeyForm,
    },
    /// 签退.
    SignOff {
        /// DE 11.
        stan: Stan,
    },
    /// 回响测试.
    Echo,
    /// 状态上送.
    Status {
        /// DE 62 as it came.
        status: Vec<u8>,
    },
    /// A step of a download.
    Download {
        /// What.
        kind: DownloadKind,
        /// How far.
        step: DownloadStep,
    },
    /// A step of the download of the master key.
    MasterKey(MasterKeyStep),
    /// What a chip made of its issuer's scripts.
    ScriptResult(Box<ScriptResult>),
    /// A transaction.
    Financial(Box<FinancialDraft>),
    /// 冲正.
    Reversal(Box<ReversalDraft>),
    /// 批结算.
    BatchTotals {
        /// DE 11.
        stan: Stan,
        /// DE 60.2.
        batch: BatchNumber,
        /// DE 48; DE 74 to 89 of the generic dialects.
        totals: BatchTotals,
        /// The batch ends whatever comes out: the terminal tells, and does not ask.
        closes: bool,
        /// When the terminal made them: DE 7 or 12 of the generic dialects.
        moment: u64,
    },
    /// 批上送.
    BatchUpload {
        /// DE 11.
        stan: Stan,
        /// DE 60.2.
        batch: BatchNumber,
        /// What is uploaded.
        upload: UploadDraft,
    },
}

/// A transaction; the fields are those of [`Financial`].
#[derive(Debug)]
#[allow(missing_docs, reason = "documented at `Financial`")]
pub struct FinancialDraft {
    pub kind: TransactionKind,
    pub class: MessageClass,
    pub stan: Stan,
    pub batch: BatchNumber,
    pub amount: Amount,
    pub card: DraftCard,
    pub pin: Option<PinBlock>,
    pub track2: Option<Track2>,
    pub service: Option<ServiceAccount>,
    pub emv: Option<Vec<u8>>,
    pub card_sequence: Option<u16>,
    pub original: OriginalRef,
    /// Its card is filled in by [`Draft::into_body`].
    pub fingerprint: Fingerprint,
    pub echo: Echo,
}

/// A reversal; the fields are those of [`Reversal`]. The card is there for the fingerprint only.
#[derive(Debug)]
#[allow(missing_docs, reason = "documented at `Reversal`")]
pub struct ReversalDraft {
    pub kind: TransactionKind,
    pub original_class: MessageClass,
    pub stan: Stan,
    pub batch: BatchNumber,
    pub amount: Amount,
    pub stands: Option<Amount>,
    pub card: DraftCard,
    pub reason: ReversalReason,
    pub original_moment: Option<u64>,
    /// Its card is filled in by [`Draft::into_body`].
    pub fingerprint: Fingerprint,
    pub echo: Echo,
}

/// Part of a batch upload.
#[derive(Debug)]
pub enum UploadDraft {
    /// Stripe transactions, or one detail.
    Items(Vec<UploadedDraft>),
    /// The end.
    End {
        /// The terminal's count.
        count: u32,
    },
}

/// One transaction of an upload.
#[derive(Debug)]
pub struct UploadedDraft {
    /// Trace number.
    pub stan: Stan,
    /// Minor units.
    pub amount_minor: u64,
    /// The card, where the upload names it.
    pub pan: Option<Pan>,
}

/// Why a draft does not become a request.
#[derive(Debug, thiserror::Error)]
pub enum IntoBodyError<E> {
    /// The track is still enciphered: [`Draft::set_track`] comes first.
    #[error("the track is still enciphered")]
    EncryptedTrack,
    /// The card could not be sealed.
    #[error("the card could not be sealed")]
    Seal(#[source] E),
}

impl Draft {
    /// Track 2 as it came, packed, when it is under the terminal's track key (DE 53 digit 3 = 1).
    pub fn encrypted_track(&self) -> Option<&[u8]> {
        match self.card()? {
            DraftCard::Encrypted(track) => Some(track.packed()),
            DraftCard::Absent | DraftCard::Clear(_) => None,
        }
    }
    /// Puts the deciphered track, packed as it came, in place of the enciphered one. Does nothing when
    /// there is none.
    ///
    /// # Errors
    /// [`Refusal`] 30 when it is no track, or names another card than DE 2; the draft stays as it was.
    pub fn set_track(&mut self, packed: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::Financial(financial) => {
                if let Some(track) = financial.card.decipher(packed)? {
                    financial.track2 = Some(track);
                }
                financial.echo.expiry = financial.card.expiry();
            }
            Self::Reversal(reversal) => {
                reversal.card.decipher(packed)?;
                reversal.echo.expiry = reversal.card.expiry();
            }
            Self::SignOn { .. }
            | Self::SignOff { .. }
            | Self::Echo
            | Self::Status { .. }
            | Self::Download { .. }
            | Self::MasterKey(_)
            | Self::ScriptResult(_)
            | Self::BatchTotals { .. }
            | Self::BatchUpload { .. } => {}
        }
        Ok(())
    }
    /// The card of a message that has one.
    fn card(&self) -> Option<&DraftCard> {
        match self {
            Self::Financial(financial) => Some(&financial.card),
            Self::Reversal(reversal) => Some(&reversal.card),
            Self::SignOn { .. }
            | Self::SignOff { .. }
            | Self::Echo
            | Self::Status { .. }
            | Self::Download { .. }
            | Self::MasterKey(_)
            | Self::ScriptResult(_)
            | Self::BatchTotals { .. }
            | Self::BatchUpload { .. } => None,
        }
    }
    /// The card number, once it is in clear: for DE 2 of the reply when the track was enciphered.
    pub fn pan(&self) -> Option<&Pan> {
        match self.card()? {
            DraftCard::Clear(card) => Some(&card.pan),
            DraftCard::Absent | DraftCard::Encrypted(_) => None,
        }
    }
    /// The request for the core. `seal` seals and hashes the card of a transaction; `hash` hashes the card
    /// of a reversal and of uploaded transactions, of which only the hash is kept.
    ///
    /// # Errors
    /// [`IntoBodyError::EncryptedTrack`] while the track is enciphered, [`IntoBodyError::Seal`] with the
    /// error of `seal`.
    pub fn into_body<E>(
        self,
        seal: impl FnMut(&Pan, Option<&Expiry>) -> Result<CardRef, E>,
        mut hash: impl FnMut(&Pan) -> CardHash,
    ) -> Result<Body, IntoBodyError<E>> {
        Ok(match self {
            Self::SignOn { stan, form } => Body::SignOn { stan, form },
            Self::SignOff { stan } => Body::SignOff { stan },
            Self::Echo => Body::Echo,
            Self::Status { status } => Body::Status { status },
            Self::Download { kind, step } => Body::Download { kind, step },
            Self::MasterKey(step) => Body::MasterKey(step),
            Self::ScriptResult(result) => Body::ScriptResult(result),
            Self::Financial(financial) => Body::Financial(Box::new(financial.into_financial(seal)?)),
            Self::Reversal(reversal) => Body::Reversal(Box::new(reversal.into_reversal(hash)?)),
            Self::BatchTotals { stan, batch, totals, closes, moment } => {
                Body::BatchTotals { stan, batch, totals, closes, moment }
            }
            Self::BatchUpload { stan, batch, upload } => {
                let upload = match upload {
                    UploadDraft::End { count } => Upload::End { count },
                    UploadDraft::Items(items) => {
                        let item = |item: UploadedDraft| UploadedItem {
                            stan: item.stan,
                            amount_minor: item.amount_minor,
                            card: item.pan.as_ref().map(&mut hash),
                        };
                        Upload::Items(items.into_iter().map(item).collect())
                    }
                };
                Body::BatchUpload { stan, batch, upload }
            }
        })
    }
}

impl FinancialDraft {
    fn into_financial<E>(
        self,
        mut seal: impl FnMut(&Pan, Option<&Expiry>) -> Result<CardRef, E>,
    ) -> Result<Financial, IntoBodyError<E>> {
        let card = match self.card {
            DraftCard::Absent => None,
            DraftCard::Encrypted(_) => return Err(IntoBodyError::EncryptedTrack),
            DraftCard::Clear(card) => {
                let reference = seal(&card.pan, card.expiry.as_ref()).map_err(IntoBodyError::Seal)?;
                Some(Card { pan: card.pan, reference, expiry: card.expiry })
            }
        };
        let hash = card.as_ref().map(|card| card.reference.hash);
        Ok(Financial {
            kind: self.kind,
            class: self.class,
            stan: self.stan,
            batch: self.batch,
            amount: self.amount,
            card,
            pin: self.pin,
            key_version: None,
            track2: self.track2,
            service: self.service,
            emv: self.emv,
            card_sequence: self.card_sequence,
            chip_answer: None,
            original: self.original,
            fingerprint: Fingerprint { card: hash, ..self.fingerprint },
            echo: self.echo,
        })
    }
}

impl ReversalDraft {
    fn into_reversal<E>(self, mut hash: impl FnMut(&Pan) -> CardHash) -> Result<Reversal, IntoBodyError<E>> {
        let card = match self.card {
            DraftCard::Absent => None,
            DraftCard::Encrypted(_) => return Err(IntoBodyError::EncryptedTrack),
            DraftCard::Clear(card) => Some(hash(&card.pan)),
        };
        Ok(Reversal {
            kind: self.kind,
            original_class: self.original_class,
            stan: self.stan,
            batch: self.batch,
            amount: self.amount,
            stands: self.stands,
            reason: self.reason,
            original_moment: self.original_moment,
            fingerprint: Fingerprint { card, ..self.fingerprint },
            echo: self.echo,
        })
    }
}

/// A hold is an authorization, everything else posts.
pub(super) fn class_of(kind: TransactionKind) -> MessageClass {
    match kind {
        TransactionKind::PreAuth | TransactionKind::PreAuthAdvice | TransactionKind::PreAuthVoid => {
            MessageClass::Authorization
        }
        TransactionKind::Sale
        | TransactionKind::OfflineSale
        | TransactionKind::CashAdvance
        | TransactionKind::CardRepayment
        | TransactionKind::TopUp
        | TransactionKind::Tip
        | TransactionKind::CompletionAdvice
        | TransactionKind::Void
        | TransactionKind::Refund
        | TransactionKind::BalanceInquiry
        | TransactionKind::Completion
        | TransactionKind::CompletionVoid => MessageClass::Financial,
    }
}
