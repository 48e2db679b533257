//! The files of a day: payment instructions for the bank, statements for the merchants, a summary.
//!
//! | file | content |
//! |---|---|
//! | `pain.001-CNY.xml` | ISO 20022 pain.001.001.09, one a currency that has payouts |
//! | `summary.csv` | a row per merchant and currency |
//! | `summary.json` | the day, its range of records and its totals |
//! | `merchant-<MID>.csv` | every movement of the merchant |
//!
//! Times inside come from the records. The same plan gives the same bytes.

mod pain;
mod statement;
mod summary;
mod text;
mod write;

use crate::error::SettleError;
use crate::plan::{DayPlan, MerchantNet};
use sha2::{Digest, Sha256};
use switchyard_domain::{BankAccount, BusinessDate, Currency, FileDigest, Record};

pub use pain::{end_to_end_id, message_id};
pub use statement::statement_name;
pub use text::decimal;
pub use write::write_files;

/// What the files need and no record says: who pays.
#[derive(Debug, Clone)]
pub struct RenderContext {
    /// Name of the acquirer, as the bank knows it.
    pub acquirer_name: String,
    /// The account that the payouts are taken from.
    pub debtor: BankAccount,
}

/// A file as it is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFile {
    /// Its name within the day's directory.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
}
impl RenderedFile {
    fn new(name: String, bytes: Vec<u8>) -> Self {
        let sha256 = Sha256::digest(&bytes).into();
        Self { name, bytes, sha256 }
    }
    /// What the ledger keeps of it.
    pub fn digest(&self) -> FileDigest {
        FileDigest { name: self.name.clone(), sha256: self.sha256 }
    }
}

/// The record that binds the day to its files.
pub fn files_rendered(day: BusinessDate, files: Vec<FileDigest>) -> Record {
    Record::FilesRendered { day, files }
}

/// Name of the file with the digests of the statements.
pub const MANIFEST_NAME: &str = "statements.sha256";

/// The digests of many files as one file, in the form of `sha256sum`: a big day has a statement for each of
/// very many merchants, and the ledger keeps one digest over theirs.
pub fn manifest(files: &[FileDigest]) -> RenderedFile {
    let mut text = String::new();
    for file in files {
        file.sha256.iter().for_each(|byte| text.push_str(&format!("{byte:02x}")));
        text.push_str(&format!("  {}\n", file.name));
    }
    RenderedFile::new(MANIFEST_NAME.to_owned(), text.into_bytes())
}

/// One payment: a net that is paid out.
#[derive(Debug, Clone, Copy)]
pub struct Leg<'a> {
    /// The net.
    pub net: &'a MerchantNet,
}
impl<'a> Leg<'a> {
    /// The payments of a plan in one currency, in order.
    pub fn all(plan: &'a DayPlan, currency: Currency) -> impl Iterator<Item = Self> {
        let paid = move |net: &&MerchantNet| net.currency == currency && net.payout_minor > 0;
        plan.merchants().iter().filter(paid).map(|net| Self { net })
    }
}

/// The files of a plan, made one at a time: a big day's statements together would not fit in memory.
///
/// # Errors
/// Each item may be [`SettleError::NotPayable`] or [`SettleError::Payer`] where an account cannot stand in
/// a payment file. Those come first, before any other file.
pub fn render<'a>(
    plan: &'a DayPlan,
    context: &'a RenderContext,
) -> impl Iterator<Item = Result<RenderedFile, SettleError>> + 'a {
    let pain = (plan.totals().iter())
        .filter(|totals| totals.payouts > 0)
        .map(move |totals| pain::render(plan, context, totals));
    let summary = [summary::csv as fn(&DayPlan) -> RenderedFile, summary::json].into_iter();
    // Nets are in order of their merchants, so the currencies of one stand together.
    let statements = plan.merchants().chunk_by(|left, right| left.merchant == right.merchant);
    pain.chain(summary.map(move |make| Ok(make(plan))))
        .chain(statements.map(move |nets| Ok(statement::render(plan, nets))))
}
