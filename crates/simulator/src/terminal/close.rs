//! Batch settlement: totals, the verdict, and the upload when they differ.

use super::Terminal;
use super::ask::Asking;
use super::machine::{SIGN_ONS_MAX, is_line_trouble, refused};
use super::order::AdminKind;
use crate::error::SimError;
use serde::Serialize;
use switchyard_domain::{BatchNumber, BatchTotals, BatchVerdict, TerminalId};

/// Sends of one settlement message.
const ATTEMPTS_MAX: u32 = 10;

/// Whether a terminal tells the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseMode {
    /// The totals of everything in the batch.
    True,
    /// One sale is forgotten, in the totals and in the upload.
    OmitOneSale,
}

/// How a close ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CloseReport {
    /// The terminal.
    pub tid: TerminalId,
    /// The batch that was closed.
    pub batch: BatchNumber,
    /// What the host said.
    pub verdict: BatchVerdict,
    /// What the terminal said.
    pub totals: BatchTotals,
    /// Transactions uploaded.
    pub uploaded: usize,
    /// Differences that the terminal knows the host must find.
    pub cases: usize,
    /// Whether the host took the end of the upload, or said that the totals agree.
    pub closed: bool,
}

/// Result digits of F48: both sides agree.
pub(super) fn is_balanced(verdicts: Option<(u8, u8)>) -> bool {
    verdicts == Some((b'1', b'1'))
}

impl Terminal {
    /// Closes the batch and goes on in the next. Pending reversals go first.
    ///
    /// # Errors
    /// [`SimError::Refused`] when the host does not take the upload, [`SimError::Untrusted`] for a reply
    /// without a verdict, or a broken line.
    pub async fn close_batch(&mut self, mode: CloseMode) -> Result<CloseReport, SimError> {
        self.get_ready().await?;
        let batch = self.state.batch;
        let omitted = match mode {
            CloseMode::True => None,
            CloseMode::OmitOneSale => self.state.any_debit(),
        };
        let totals = self.state.totals(omitted);
        let verdicts = self.settle(&totals).await?;
        let mut report = CloseReport {
            tid: self.spec.tid,
            batch,
            verdict: verdict(verdicts),
            totals,
            uploaded: 0,
            cases: usize::from(omitted.is_some()),
            closed: is_balanced(Some(verdicts)),
        };
        if self.state.batch != batch {
            // A lost 0510, and a sign-on that told of the next batch: the host has closed this one.
            report.closed = true;
            return Ok(report);
        }
        if !report.closed {
            let items = self.state.upload(verdicts.0 != b'1', verdicts.1 != b'1', omitted);
            for part in items.chunks(self.composer(batch).upload_items_max()) {
                self.send_upload(part).await?;
                report.uploaded += part.len();
            }
            self.end_upload(report.uploaded).await?;
            report.closed = true;
        }
        self.state.enter_batch(batch.next());
        Ok(report)
    }

    async fn settle(&mut self, totals: &BatchTotals) -> Result<(u8, u8), SimError> {
        let stan = self.state.take_stan();
        let frame = self.composer(self.state.batch).settlement(stan, totals)?;
        let batch = self.state.batch;
        let mut sign_ons = 0;
        for attempt in 1..=ATTEMPTS_MAX {
            let mut line = self.admin_line(AdminKind::Settlement, stan, Asking::Totals);
            line.attempt = attempt;
            let expected = self.composer(batch).expected(Asking::Totals, Some(stan));
            match self.converse(&frame, line, &expected).await {
                Ok(reply) if reply.verdicts.is_some_and(|(d, f)| d != b'0' && f != b'0') => {
                    return reply.verdicts.ok_or(SimError::Untrusted { what: "verdict" });
                }
                Ok(reply) if reply.must_sign_on && sign_ons < SIGN_ONS_MAX => {
                    sign_ons += 1;
                    self.sign_on().await?;
                    if self.state.batch != batch {
                        return Ok((b'1', b'1'));
                    }
                }
                Ok(reply) => return Err(refused("settlement", reply.code)),
                Err(error) if is_line_trouble(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(SimError::Silent { what: "a settlement" })
    }

    async fn send_upload(&mut self, part: &[super::compose::UploadItem]) -> Result<(), SimError> {
        let stan = self.state.take_stan();
        let frame = self.composer(self.state.batch).upload(stan, part)?;
        self.insist(&frame, Asking::Upload, stan, "upload").await
    }
    async fn end_upload(&mut self, count: usize) -> Result<(), SimError> {
        let stan = self.state.take_stan();
        let frame = self.composer(self.state.batch).upload_end(stan, count)?;
        self.insist(&frame, Asking::UploadEnd, stan, "end of upload").await
    }
    /// Sends until it is answered. After a lost answer the batch may be closed already: a sign-on tells.
    async fn insist(
        &mut self,
        frame: &[u8],
        asking: Asking,
        stan: switchyard_domain::Stan,
        what: &'static str,
    ) -> Result<(), SimError> {
        let batch = self.state.batch;
        for attempt in 1..=ATTEMPTS_MAX {
            let kind = if asking == Asking::Upload { AdminKind::Upload } else { AdminKind::UploadEnd };
            let mut line = self.admin_line(kind, stan, asking);
            line.attempt = attempt;
            let expected = self.composer(batch).expected(asking, Some(stan));
            match self.converse(frame, line, &expected).await {
                Ok(reply) if reply.is_approved() => return Ok(()),
                Ok(reply) if reply.must_sign_on && attempt > 1 => {
                    self.sign_on().await?;
                    if self.state.batch != batch {
                        return Ok(());
                    }
                }
                Ok(reply) => return Err(refused(what, reply.code)),
                Err(error) if is_line_trouble(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(SimError::Silent { what })
    }
}

fn verdict(digits: (u8, u8)) -> BatchVerdict {
    match digits {
        (b'1', b'1') => BatchVerdict::Balanced,
        (b'1' | b'2', b'1' | b'2') => BatchVerdict::Unbalanced,
        _ => BatchVerdict::Error,
    }
}
