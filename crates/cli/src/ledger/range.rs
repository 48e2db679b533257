//! `ledger verify --from --to`.

use crate::arguments::Output;
use crate::progress::Bar;
use crate::{Verdict, output};
use anyhow::Result;
use serde_json::json;
use std::path::Path;
use switchyard_ledger::{Sequence, VerifyError, verify_range};

/// Checks the blocks of a part of the ledger. What their records mean hangs on those before them and is not asked.
pub(super) fn verify(from: u64, to: Option<u64>, data: &Path, form: Output) -> Result<Verdict> {
    let ledger = data.join("ledger");
    let progress = Bar::records("verifying", &ledger, 1);
    let report = match verify_range(&ledger, Sequence(from), to.map(Sequence), progress) {
        Ok(report) => report,
        Err(VerifyError::Finding(finding)) => return super::not_verified(&finding, form),
        Err(VerifyError::CouldNot(error)) => {
            return Err(anyhow::Error::from(error).context(crate::data_hint(data)));
        }
    };
    match form {
        Output::Json => output::json(&json!({
            "verified": true, "from": report.first.0, "to": report.next.0, "blocks": report.blocks,
            "roots_compared": report.roots, "meaning_checked": false,
        }))?,
        Output::Text => {
            let roots = if report.roots { "with their Merkle roots" } else { "without their Merkle roots" };
            output::line(&format!(
                "records {} to {} in {} blocks: checksums and chain verified, {roots}",
                report.first,
                report.next.0.saturating_sub(1),
                report.blocks
            ))?;
        }
    }
    Ok(Verdict::Fine)
}
