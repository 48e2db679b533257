//! From the core's reply to the bytes of the answer.

use super::batch::{put, write_totals};
use super::read::{DE60_DIGITS_MAX, Reader, row_of, track_is_encrypted};
use super::table::expects_answer;
use crate::dialect::elements::Elements as _;
use crate::dialect::{ReplyContext, wipe};
use crate::effect::{Reply, ReplyBody};
use std::ops::Range;
use switchyard_domain::{AcquirerId, Amount, BatchNumber, Echo, Pan, ResponseCode, Timestamp, UtcOffset};
use switchyard_wire::{BuildError, Builder, De, Dialect, Message};

/// Elements of an answer that only says no, as far as the request had them.
const REFUSED: &[De] = &[3, 4, 11, 25, 39, 41, 42, 49, 60];
/// DE 37 where nothing is recorded.
const NO_REFERENCE: &[u8] = b"000000000000";
/// Digits of UnionPay's institution codes: shorter numbers had leading zeros.
const INSTITUTION_DIGITS: usize = 8;

/// Appends the answer to `request` from its MTI on, and gives its place in `out`. Which elements it has
/// follows from the table of the dialect; those that a repeat may not change come from what is recorded,
/// the others from the request.
///
/// DE 2 is the context's card where given (the track was enciphered), else the request's DE 2 or its track's number.
/// With a MAC the answer ends in DE 64, whose bit is set already in what is computed over.
///
/// # Errors
/// [`BuildError`] when an element does not take its value; `out` is as it was before.
pub fn write_reply(
    request: &Message<'_, '_>,
    reply: &Reply,
    context: &ReplyContext<'_>,
    out: &mut Vec<u8>,
) -> Result<Range<usize>, BuildError> {
    let elements = elements(request, &reply.body);
    let ReplyContext { card, offset, acquirer, mac } = *context;
    let source = Source { request, reply, card, offset, acquirer };
    request.dialect().build(out, request.mti().reply(), |builder| {
        elements.iter().try_for_each(|de| source.write(builder, *de))?;
        match mac {
            Some(mac) => builder.finish_with_mac(64, mac).map(|_| ()),
            None => Ok(()),
        }
    })
}

fn elements(request: &Message<'_, '_>, body: &ReplyBody) -> &'static [De] {
    match body {
        ReplyBody::Refused => REFUSED,
        ReplyBody::Financial { .. }
        | ReplyBody::SignOn { .. }
        | ReplyBody::SignOff { .. }
        | ReplyBody::Echo { .. }
        | ReplyBody::Download { .. }
        | ReplyBody::ScriptResult { .. }
        | ReplyBody::BatchTotals { .. }
        | ReplyBody::BatchUpload { .. } => row_of(request).map_or(REFUSED, |row| row.reply),
    }
}

/// Where the elements of an answer come from.
struct Source<'s, 'd, 'a> {
    request: &'s Message<'d, 'a>,
    reply: &'s Reply,
    card: Option<&'s Pan>,
    offset: UtcOffset,
    acquirer: &'s AcquirerId,
}

impl Source<'_, '_, '_> {
    /// Writes one element, or nothing where the reply has no value for it.
    fn write(&self, builder: &mut Builder<'_, '_>, de: De) -> Result<(), BuildError> {
        match de {
            2 => self.card_number(builder)?,
            4 => {
                match self.reply.body.approved() {
                    Some(amount) => builder.number(4, amount.minor)?,
                    None => builder.echo(self.request, 4)?,
                };
            }
            12 | 13 | 15 | 32 | 37 | 38 => self.host_element(builder, de)?,
            14 | 25 | 49 | 53 => self.repeated(builder, de)?,
            39 => {
                builder.bytes(39, self.reply.code.as_bytes())?;
            }
            44 => self.institutions(builder)?,
            48 => self.totals(builder)?,
            54 => self.balance(builder)?,
            55 => {
                if let Some(chip) = &self.reply.chip {
                    builder.bytes(55, chip)?;
                }
            }
            60 => self.de60(builder)?,
            62 => self.key_block(builder)?,
            63 => self.scheme(builder)?,
            _ => {
                builder.echo(self.request, de)?;
            }
        }
        Ok(())
    }
    fn at(&self) -> Option<Timestamp> {
        match &self.reply.body {
            ReplyBody::Echo { at } | ReplyBody::Download { at, .. } => Some(*at),
            ReplyBody::Refused
            | ReplyBody::Financial { .. }
            | ReplyBody::SignOn { .. }
            | ReplyBody::SignOff { .. }
            | ReplyBody::BatchTotals { .. }
            | ReplyBody::ScriptResult { .. }
            | ReplyBody::BatchUpload { .. } => self.reply.body.facts().map(|facts| facts.at),
        }
    }
    fn recorded_echo(&self) -> Option<&Echo> {
        match &self.reply.body {
            ReplyBody::Financial { echo, .. } => Some(echo),
            ReplyBody::Refused
            | ReplyBody::SignOn { .. }
            | ReplyBody::SignOff { .. }
            | ReplyBody::Echo { .. }
            | ReplyBody::Download { .. }
            | ReplyBody::ScriptResult { .. }
            | ReplyBody::BatchTotals { .. }
            | ReplyBody::BatchUpload { .. } => None,
        }
    }
    fn card_number(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        let own;
        let pan = match self.card {
            Some(pan) => pan,
            None if self.request.has(2) => {
                builder.echo(self.request, 2)?;
                return Ok(());
            }
            None if track_is_encrypted(self.request.number(53)) => return Ok(()),
            None => {
                match Reader(self.request).clear_track().ok().flatten().and_then(|track| track.pan().ok()) {
                    Some(pan) => {
                        own = pan;
                        &own
                    }
                    None => return Ok(()),
                }
            }
        };
        let mut digits = [0; Pan::DIGITS_MAX];
        let len = pan.write_digits(&mut digits);
        let written = builder.digits(2, &digits[..len]).map(|_| ());
        wipe(&mut digits);
        written
    }
    /// What the host alone knows: time, settlement date, its own number, the references.
    fn host_element(&self, builder: &mut Builder<'_, '_>, de: De) -> Result<(), BuildError> {
        if let Some(at) = self.at() {
            match de {
                12 => builder.digits(12, &at.local_time_digits(self.offset))?,
                13 => builder.digits(13, &at.local_date_digits(self.offset))?,
                _ => builder,
            };
        }
        if let (37, ReplyBody::Download { .. }) = (de, &self.reply.body) {
            // It is an element of this answer, and nothing is recorded that a reference could name.
            builder.bytes(37, NO_REFERENCE)?;
        }
        let Some(facts) = self.reply.body.facts() else { return Ok(()) };
        match (de, facts.auth_code) {
            (15, _) => builder.digits(15, &facts.settlement_date.month_day_digits())?,
            (32, _) => builder.digits(32, self.acquirer.as_str().as_bytes())?,
            (37, _) => builder.bytes(37, facts.rrn.as_bytes())?,
            (38, Some(code)) => builder.bytes(38, code.as_bytes())?,
            _ => builder,
        };
        Ok(())
    }
    /// Elements of the request that a repeat may not change: they come from the record where there is one.
    fn repeated(&self, builder: &mut Builder<'_, '_>, de: De) -> Result<(), BuildError> {
        let Some(echo) = self.recorded_echo() else {
            builder.echo(self.request, de)?;
            return Ok(());
        };
        match (de, echo.expiry, echo.condition, echo.currency, echo.security_control) {
            (14, Some(expiry), ..) => builder.digits(14, expiry.digits())?,
            (25, _, Some(condition), ..) => builder.number(25, u64::from(condition))?,
            (49, _, _, Some(currency), _) => builder.digits(49, &currency.digits())?,
            (53, .., Some(control)) => builder.number(53, control)?,
            _ => builder,
        };
        Ok(())
    }
    /// DE 44: issuer and acquirer, 11 characters each.
    fn institutions(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        let ReplyBody::Financial { issuer, .. } = &self.reply.body else { return Ok(()) };
        let mut text = [b' '; 2 * AcquirerId::LEN];
        if *issuer != 0 {
            let digits = issuer.ilog10() as usize + 1;
            put(&mut text, *issuer, digits.clamp(INSTITUTION_DIGITS, AcquirerId::LEN));
        }
        text[AcquirerId::LEN..].copy_from_slice(self.acquirer.as_bytes());
        builder.bytes(44, &text).map(|_| ())
    }
    fn totals(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        match &self.reply.body {
            ReplyBody::BatchTotals { totals, verdict, .. } => {
                builder.digits(48, &write_totals(totals, *verdict))?
            }
            ReplyBody::Refused
            | ReplyBody::Financial { .. }
            | ReplyBody::SignOn { .. }
            | ReplyBody::SignOff { .. }
            | ReplyBody::Echo { .. }
            | ReplyBody::Download { .. }
            | ReplyBody::ScriptResult { .. }
            | ReplyBody::BatchUpload { .. } => builder.echo(self.request, 48)?,
        };
        Ok(())
    }
    fn balance(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        let Some((amount, in_credit)) = self.reply.body.facts().and_then(|facts| facts.balance) else {
            return Ok(());
        };
        builder.bytes(54, &balance_text(amount, in_credit)).map(|_| ())
    }
    fn de60(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        if let ReplyBody::SignOn { batch, .. } = &self.reply.body {
            let network_code = Reader(self.request).de60().ok().and_then(|de60| de60.network_code);
            return builder.digits(60, &sign_on_de60(*batch, network_code.unwrap_or(0))).map(|_| ());
        }
        match self.recorded_echo() {
            Some(echo) => {
                let mut digits = [0; DE60_DIGITS_MAX];
                let len = usize::from(echo.de60_digits).min(DE60_DIGITS_MAX);
                put(&mut digits, echo.de60, len);
                builder.digits(60, &digits[..len])?
            }
            None => builder.echo(self.request, 60)?,
        };
        Ok(())
    }
    /// DE 62: the keys of a sign-on, a part of a download; a status upload hears its own again.
    fn key_block(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        match &self.reply.body {
            ReplyBody::SignOn { key_block, .. } if key_block.is_empty() => builder,
            ReplyBody::SignOn { key_block, .. } => builder.bytes(62, key_block)?,
            ReplyBody::Download { data, .. } => builder.bytes(62, data)?,
            ReplyBody::Refused
            | ReplyBody::Financial { .. }
            | ReplyBody::SignOff { .. }
            | ReplyBody::ScriptResult { .. }
            | ReplyBody::Echo { .. }
            | ReplyBody::BatchTotals { .. }
            | ReplyBody::BatchUpload { .. } => builder.echo(self.request, 62)?,
        };
        Ok(())
    }
    fn scheme(&self, builder: &mut Builder<'_, '_>) -> Result<(), BuildError> {
        match &self.reply.body {
            ReplyBody::Financial { scheme, .. } if self.reply.code.is_approval() => {
                builder.text(63, scheme.code())?
            }
            ReplyBody::BatchTotals { .. } => builder.echo(self.request, 63)?,
            ReplyBody::Refused
            | ReplyBody::Financial { .. }
            | ReplyBody::SignOn { .. }
            | ReplyBody::SignOff { .. }
            | ReplyBody::Echo { .. }
            | ReplyBody::Download { .. }
            | ReplyBody::ScriptResult { .. }
            | ReplyBody::BatchUpload { .. } => builder,
        };
        Ok(())
    }
}

/// Account type 10, amount type 02 (available), currency, sign, amount.
fn balance_text(amount: Amount, in_credit: bool) -> [u8; 20] {
    let mut text = *b"1002000C000000000000";
    put(&mut text[4..], u64::from(amount.currency.numeric()), 3);
    text[7] = if in_credit { b'C' } else { b'D' };
    put(&mut text[8..], amount.minor, 12);
    text
}

fn sign_on_de60(batch: BatchNumber, network_code: u16) -> [u8; 11] {
    let mut out = [b'0'; 11];
    out[2..8].copy_from_slice(&batch.digits());
    put(&mut out[8..], u64::from(network_code), 3);
    out
}

/// Answers 30 to a body that does not parse whole: trace number, terminal and merchant are in the answer
/// as far as they were readable. Nothing for a body whose type is unreadable or expects no answer: an
/// answer to an answer could go on for ever.
pub fn malformed_reply(body: &[u8]) -> Option<Vec<u8>> {
    let dialect = Dialect::builtin("unionpay-pos")?;
    let (message, _) = dialect.parse_partial(body);
    let mti = message.mti();
    if !expects_answer(mti) {
        return None;
    }
    let mut out = Vec::with_capacity(64);
    dialect
        .build::<BuildError>(&mut out, mti.reply(), |builder| {
            builder.echo(&message, 11)?.bytes(39, ResponseCode::FORMAT_ERROR.as_bytes())?;
            builder.echo(&message, 41)?.echo(&message, 42).map(|_| ())
        })
        .ok()?;
    Some(out)
}
