//! What a chip made of its issuer's scripts, for that issuer.

use super::function;
use super::write::{
    LinkContext, edition_of, processing_code, write_acceptor, write_card, write_instant, write_original,
};
use crate::dialect::iso::chip;
use std::ops::Range;
use switchyard_domain::{MerchantId, Pan, SafEntry, ScriptReport, TerminalId, TransactionOpened};
use switchyard_wire::{BuildError, Dialect};

/// An administrative advice: what [`UpstreamRef::mti`](switchyard_domain::UpstreamRef::mti) records.
pub(crate) const SCRIPT_RESULT: u16 = 620;

/// Terminal verification results.
const TAG_VERIFICATION: [u8; 1] = [0x95];
/// The card's transaction counter.
const TAG_COUNTER: [u8; 2] = [0x9F, 0x36];
/// Results of scripts, five bytes each.
const TAG_RESULTS: [u8; 2] = [0xDF, 0x31];

/// What is said.
pub(super) struct Message<'a> {
    pub(super) saf: &'a SafEntry,
    pub(super) opened: &'a TransactionOpened,
    pub(super) terminal: &'a TerminalId,
    pub(super) merchant: &'a MerchantId,
    pub(super) report: &'a ScriptReport,
    pub(super) repeat: bool,
}

/// Writes the advice; a repeat differs in the last digit of the MTI and in nothing else.
pub(super) fn write(
    dialect: &Dialect,
    message: &Message<'_>,
    card: Option<&Pan>,
    context: &LinkContext,
    out: &mut Vec<u8>,
) -> Result<Range<usize>, BuildError> {
    let Message { saf, opened, terminal, merchant, report, repeat } = *message;
    let edition = edition_of(dialect);
    dialect.build(out, edition.mti(SCRIPT_RESULT + u16::from(repeat)), |b| {
        write_card(b, card)?;
        b.number(3, u64::from(processing_code(opened.kind)))?;
        write_instant(b, edition, (saf.upstream.stan.get(), saf.upstream.transmitted_at), None, context)?;
        if !edition.is_first() {
            b.number(24, function::SCRIPT_RESULT)?;
        }
        b.digits(32, context.acquirer.as_str().as_bytes())?;
        b.text(37, opened.rrn.as_str())?;
        write_acceptor(b, terminal, merchant)?;
        chip::write(b, 55, &data(report))?;
        if let Some(original) = &opened.upstream {
            write_original(b, edition, original, context)?;
        }
        Ok(())
    })
}

/// DE 55: what the terminal sent of these.
fn data(report: &ScriptReport) -> Vec<u8> {
    let mut data = Vec::new();
    if let Some(verification) = &report.verification {
        put(&mut data, &TAG_VERIFICATION, verification);
    }
    if let Some(counter) = report.counter {
        put(&mut data, &TAG_COUNTER, &counter.to_be_bytes());
    }
    put(&mut data, &TAG_RESULTS, &report.results);
    data
}

/// One object. Nothing here is as long as 256 bytes: DE 55 of a terminal's message is not.
fn put(data: &mut Vec<u8>, tag: &[u8], value: &[u8]) {
    data.extend(tag);
    let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
    if length > 0x7F {
        data.push(0x81);
    }
    data.push(length);
    data.extend(&value[..usize::from(length)]);
}
