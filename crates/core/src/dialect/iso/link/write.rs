//! From what the core wants sent to bytes.

use super::{function, script};
use crate::dialect::iso::{Edition, chip, entry, money, original, result, time};
use crate::dialect::wipe;
use crate::effect::{Upstream, UpstreamRequest};
use std::ops::Range;
use switchyard_domain::{
    AcquirerId, Amount, AuthCode, Billing, ChipData, Echo, MerchantId, Pan, ResponseCode, ReversalReason,
    SafEntry, Stan, TerminalId, Timestamp, TransactionKind, TransactionOpened, UpstreamRef, UtcOffset,
};
use switchyard_wire::{BuildError, Builder, Dialect, MtiClass};

/// What a link's messages say besides the transaction.
#[derive(Debug, Clone, Copy)]
pub struct LinkContext {
    /// Local time, for DE 12 and 13.
    pub offset: UtcOffset,
    /// DE 32.
    pub acquirer: AcquirerId,
}

/// A reversal out of the store-and-forward queue.
#[derive(Debug, Clone, Copy)]
pub struct ReversalAdvice<'a> {
    /// The queue's entry: its trace number and time are the message's.
    pub saf: &'a SafEntry,
    /// The transaction that is reversed, with the amount that was asked for.
    pub opened: &'a TransactionOpened,
    /// What stands, where only a part is taken back: DE 95; since 1993 DE 4, with the whole in DE 30.
    pub stands: Option<Amount>,
    /// DE 41.
    pub terminal: &'a TerminalId,
    /// DE 42.
    pub merchant: &'a MerchantId,
    /// DE 6, 10, 16 and 51.
    pub billing: Option<&'a Billing>,
    /// False for the first send (0420), true for a repeat (0421), which differs in nothing else.
    pub repeat: bool,
}

const REVERSAL: u16 = 420;
const NETWORK: u16 = 800;

/// The edition of a link's dialect. One whose DE 39 is of no edition is written as 1987: its builder refuses what
/// does not fit.
pub(super) fn edition_of(dialect: &Dialect) -> Edition {
    Edition::of(dialect).unwrap_or(Edition::Iso87)
}

/// MTI of a request on a link, 0 to 9999: what [`UpstreamRef::mti`] records.
pub fn upstream_mti(kind: TransactionKind) -> u16 {
    match kind {
        TransactionKind::PreAuth | TransactionKind::PreAuthAdvice | TransactionKind::PreAuthVoid => 100,
        TransactionKind::Sale
        | TransactionKind::OfflineSale
        | TransactionKind::CashAdvance
        | TransactionKind::CardRepayment
        | TransactionKind::TopUp
        | TransactionKind::Void
        | TransactionKind::BalanceInquiry
        | TransactionKind::Completion
        | TransactionKind::CompletionVoid => 200,
        TransactionKind::Refund | TransactionKind::Tip | TransactionKind::CompletionAdvice => 220,
    }
}

/// MTI of the advice of a transaction, 0 to 9999.
pub fn advice_mti(kind: TransactionKind) -> u16 {
    match upstream_mti(kind) {
        100 => 120,
        _ => 220,
    }
}

/// Writes whichever message the core wants sent. `card` is the opened number where the message has only
/// the sealed one: a reversal, or a follow-up to which the terminal gave no card.
///
/// # Errors
/// [`BuildError`] when an element does not take its value; `out` is as it was before.
pub fn write(
    dialect: &Dialect,
    message: &Upstream,
    card: Option<&Pan>,
    context: &LinkContext,
    out: &mut Vec<u8>,
) -> Result<Range<usize>, BuildError> {
    match message {
        Upstream::Request(request) => write_request(dialect, request, card, context, out),
        Upstream::Reversal { saf, opened, stands, terminal, merchant, billing, repeat } => {
            let (billing, stands, repeat) = (billing.as_ref(), *stands, *repeat);
            let advice = ReversalAdvice { saf, opened, stands, terminal, merchant, billing, repeat };
            write_reversal(dialect, &advice, card, context, out)
        }
        Upstream::Advice { saf, opened, terminal, merchant, auth_code, original, chip, billing, repeat } => {
            let (auth_code, original, billing) = (auth_code.as_ref(), original.as_ref(), billing.as_ref());
            let advice = Advice { saf, opened, auth_code, original, chip: chip.as_ref(), billing };
            write_advice(dialect, &advice, (terminal, merchant), *repeat, card, context, out)
        }
        Upstream::Script { saf, opened, terminal, merchant, report, repeat } => {
            let message = script::Message { saf, opened, terminal, merchant, report, repeat: *repeat };
            script::write(dialect, &message, card, context, out)
        }
        Upstream::Network { stan, at, code } => write_network(dialect, *stan, *at, *code, out),
        Upstream::KeyAnswer { message, code } => super::write_key_answer(dialect, message, *code, out),
    }
}

/// Writes a transaction request. DE 2 is the request's card, else `card`.
///
/// # Errors
/// As [`write()`].
pub fn write_request(
    dialect: &Dialect,
    message: &UpstreamRequest,
    card: Option<&Pan>,
    context: &LinkContext,
    out: &mut Vec<u8>,
) -> Result<Range<usize>, BuildError> {
    let (opened, request) = (&message.opened, &*message.request);
    // The core opens a transaction with a link, number and time; without them the request goes out under
    // zeros and no answer can match it.
    let (stan, at, mti) = match opened.upstream {
        Some(upstream) => (upstream.stan.get(), upstream.transmitted_at, upstream.mti),
        None => (0, Timestamp(0), upstream_mti(opened.kind)),
    };
    let edition = edition_of(dialect);
    dialect.build(out, edition.mti(mti), |b| {
        write_card(b, request.card.as_ref().map(|card| &card.pan).or(card))?;
        b.number(3, u64::from(processing_code(opened.kind)))?;
        money::write_amount(b, opened.amount)?;
        let billing = message.billing.as_ref();
        write_instant(b, edition, (stan, at), billing, context)?;
        if let Some(expiry) = request.card.as_ref().and_then(|card| card.expiry).or(request.echo.expiry) {
            b.digits(14, expiry.digits())?;
        }
        money::write_rate_day(b, billing)?;
        let about = About { kind: opened.kind, echo: &request.echo, reason: None };
        write_about(b, edition, message.opened.mcc, request.card_sequence, &about)?;
        b.digits(32, context.acquirer.as_str().as_bytes())?;
        if let Some(track) = &request.track2 {
            b.digits(35, track.characters())?;
        }
        b.text(37, opened.rrn.as_str())?;
        if let Some(code) = message.auth_code.as_ref().filter(|_| names_auth_code(opened.kind)) {
            b.text(38, code.as_str())?;
        }
        write_acceptor(b, &message.terminal, &message.merchant)?;
        if let Some(account) = &request.service {
            b.text(48, account.digits())?;
        }
        money::write_currency(b, edition, opened.amount.currency)?;
        money::write_billing_currency(b, edition, billing)?;
        if let Some(pin) = &message.pin {
            b.bytes(52, &pin.block.0)?;
        }
        if let Some(emv) = &request.emv {
            chip::write(b, 55, emv)?;
        }
        if let Some(original) = &message.original {
            write_original(b, edition, original, context)?;
        }
        Ok(())
    })
}

/// Writes a reversal; `card` is the opened number of the transaction.
///
/// # Errors
/// As [`write()`].
pub fn write_reversal(
    dialect: &Dialect,
    advice: &ReversalAdvice<'_>,
    card: Option<&Pan>,
    context: &LinkContext,
    out: &mut Vec<u8>,
) -> Result<Range<usize>, BuildError> {
    let ReversalAdvice { saf, opened, stands, billing, .. } = *advice;
    let edition = edition_of(dialect);
    // Since 1993 DE 4 is what stands, and DE 6 goes with DE 4.
    let (amount, whole) = match stands.filter(|_| !edition.is_first()) {
        Some(stands) => (stands, Some(opened.amount)),
        None => (opened.amount, None),
    };
    let rest = whole.and(billing).map(|billing| billing.of(amount).ok());
    let billing = rest.as_ref().map_or(billing, Option::as_ref);
    dialect.build(out, edition.mti(REVERSAL + u16::from(advice.repeat)), |b| {
        write_card(b, card)?;
        b.number(3, u64::from(processing_code(opened.kind)))?;
        money::write_amount(b, amount)?;
        write_instant(b, edition, (saf.upstream.stan.get(), saf.upstream.transmitted_at), billing, context)?;
        money::write_rate_day(b, billing)?;
        if edition.is_first() {
            b.number(25, u64::from(condition(opened.kind, &opened.echo)))?;
        } else {
            b.number(24, function::of_reversal(whole.is_some()))?;
            b.number(25, function::reversal_reason(saf.reason))?;
        }
        if let Some(whole) = whole {
            money::write_original_amount(b, edition, whole)?;
        }
        b.digits(32, context.acquirer.as_str().as_bytes())?;
        b.text(37, opened.rrn.as_str())?;
        if edition.is_first() {
            b.text(39, reason_code(saf.reason))?;
        }
        write_acceptor(b, advice.terminal, advice.merchant)?;
        money::write_currency(b, edition, opened.amount.currency)?;
        money::write_billing_currency(b, edition, billing)?;
        if let Some(original) = &opened.upstream {
            write_original(b, edition, original, context)?;
        }
        if let Some(stands) = stands.filter(|_| edition.is_first()) {
            money::write_replacement(b, stands)?;
        }
        Ok(())
    })
}

/// What an advice says of its transaction.
struct Advice<'a> {
    saf: &'a SafEntry,
    opened: &'a TransactionOpened,
    auth_code: Option<&'a AuthCode>,
    original: Option<&'a UpstreamRef>,
    chip: Option<&'a ChipData>,
    billing: Option<&'a Billing>,
}

/// Writes the advice of what was approved without asking: 0120 for a hold, 0220 for what posts, with DE 39 = 00. A
/// repeat differs in the last digit of the MTI and in nothing else.
fn write_advice(
    dialect: &Dialect,
    advice: &Advice<'_>,
    (terminal, merchant): (&TerminalId, &MerchantId),
    repeat: bool,
    card: Option<&Pan>,
    context: &LinkContext,
    out: &mut Vec<u8>,
) -> Result<Range<usize>, BuildError> {
    let Advice { saf, opened, auth_code, original, chip, billing } = *advice;
    let edition = edition_of(dialect);
    dialect.build(out, edition.mti(saf.upstream.mti + u16::from(repeat)), |b| {
        write_card(b, card)?;
        b.number(3, u64::from(processing_code(opened.kind)))?;
        money::write_amount(b, opened.amount)?;
        write_instant(b, edition, (saf.upstream.stan.get(), saf.upstream.transmitted_at), billing, context)?;
        if let Some(expiry) = opened.echo.expiry {
            b.digits(14, expiry.digits())?;
        }
        money::write_rate_day(b, billing)?;
        let reason = Some(function::advice_reason(opened.kind));
        let sequence = chip.and_then(|chip| chip.sequence);
        write_about(
            b,
            edition,
            opened.mcc,
            sequence,
            &About { kind: opened.kind, echo: &opened.echo, reason },
        )?;
        b.digits(32, context.acquirer.as_str().as_bytes())?;
        b.text(37, opened.rrn.as_str())?;
        if let Some(code) = auth_code {
            b.text(38, code.as_str())?;
        }
        result::write(b, edition, MtiClass::Financial, ResponseCode::APPROVED)?;
        write_acceptor(b, terminal, merchant)?;
        money::write_currency(b, edition, opened.amount.currency)?;
        money::write_billing_currency(b, edition, billing)?;
        if opened.kind == TransactionKind::Tip {
            b.text(54, &money::additional(money::TIP, opened.amount, false, edition))?;
        }
        if let Some(data) = chip.filter(|chip| !chip.objects.is_empty()) {
            chip::write(b, 55, &data.objects)?;
        }
        if let Some(original) = original {
            write_original(b, edition, original, context)?;
        }
        Ok(())
    })
}

/// Writes network management: sign-on 001, sign-off 002, echo 301 in DE 70, or what DE 24 has for these since 1993.
///
/// # Errors
/// As [`write()`].
pub fn write_network(
    dialect: &Dialect,
    stan: Stan,
    at: Timestamp,
    code: u16,
    out: &mut Vec<u8>,
) -> Result<Range<usize>, BuildError> {
    let edition = edition_of(dialect);
    dialect.build(out, edition.mti(NETWORK), |builder| {
        builder.digits(7, &at.transmission_digits())?.number(11, u64::from(stan.get()))?;
        match edition {
            Edition::Iso87 => builder.number(70, u64::from(code))?,
            Edition::Iso93 | Edition::Iso2003 => builder.number(24, function::of_network(code))?,
        };
        Ok(())
    })
}

/// DE 3 on a link.
pub(crate) fn processing_code(kind: TransactionKind) -> u32 {
    match kind {
        TransactionKind::Sale
        | TransactionKind::OfflineSale
        | TransactionKind::Tip
        | TransactionKind::Completion
        | TransactionKind::CompletionAdvice => 0,
        TransactionKind::CashAdvance => 10_000,
        TransactionKind::CardRepayment => 500_000,
        TransactionKind::TopUp => 510_000,
        TransactionKind::PreAuth | TransactionKind::PreAuthAdvice => 30_000,
        TransactionKind::BalanceInquiry => 310_000,
        TransactionKind::Void
        | TransactionKind::Refund
        | TransactionKind::PreAuthVoid
        | TransactionKind::CompletionVoid => 200_000,
    }
}

/// Whether DE 38 goes along: only what ends a hold is found by it, the rest by DE 90 alone.
fn names_auth_code(kind: TransactionKind) -> bool {
    match kind {
        TransactionKind::PreAuthVoid | TransactionKind::Completion | TransactionKind::CompletionAdvice => {
            true
        }
        TransactionKind::Sale
        | TransactionKind::OfflineSale
        | TransactionKind::CashAdvance
        | TransactionKind::CardRepayment
        | TransactionKind::TopUp
        | TransactionKind::Tip
        | TransactionKind::Void
        | TransactionKind::Refund
        | TransactionKind::BalanceInquiry
        | TransactionKind::PreAuth
        | TransactionKind::PreAuthAdvice
        | TransactionKind::CompletionVoid => false,
    }
}

/// DE 25 on a link.
fn condition(kind: TransactionKind, echo: &Echo) -> u8 {
    match kind {
        TransactionKind::Sale
        | TransactionKind::OfflineSale
        | TransactionKind::CashAdvance
        | TransactionKind::CardRepayment
        | TransactionKind::TopUp
        | TransactionKind::BalanceInquiry => echo.condition.unwrap_or(0),
        TransactionKind::Void | TransactionKind::Refund | TransactionKind::Tip => 0,
        TransactionKind::PreAuth
        | TransactionKind::PreAuthAdvice
        | TransactionKind::PreAuthVoid
        | TransactionKind::Completion
        | TransactionKind::CompletionAdvice
        | TransactionKind::CompletionVoid => 6,
    }
}

/// DE 39 of a reversal.
fn reason_code(reason: ReversalReason) -> &'static str {
    match reason {
        ReversalReason::NoAnswer => "68",
        ReversalReason::TerminalFault | ReversalReason::MacError => "22",
        ReversalReason::Other => "21",
    }
}

pub(super) fn write_card(builder: &mut Builder<'_, '_>, card: Option<&Pan>) -> Result<(), BuildError> {
    let Some(pan) = card else { return Ok(()) };
    let mut digits = [0; Pan::DIGITS_MAX];
    let len = pan.write_digits(&mut digits);
    let written = builder.digits(2, &digits[..len]).map(|_| ());
    wipe(&mut digits);
    written
}

pub(super) fn write_instant(
    builder: &mut Builder<'_, '_>,
    edition: Edition,
    (stan, at): (u32, Timestamp),
    billing: Option<&Billing>,
    context: &LinkContext,
) -> Result<(), BuildError> {
    money::write_billed(builder, billing)?;
    builder.digits(7, &at.transmission_digits())?;
    money::write_rate(builder, billing)?;
    builder.number(11, u64::from(stan))?;
    time::write_local(builder, edition, at, context.offset)
}

/// What is asked, besides DE 3.
struct About<'a> {
    kind: TransactionKind,
    echo: &'a Echo,
    /// DE 25 since 1993.
    reason: Option<u64>,
}

/// Writes how the card was read and what is meant: DE 18, 22, 23 and 25 of 1987, DE 22 to 26 since 1993.
fn write_about(
    builder: &mut Builder<'_, '_>,
    edition: Edition,
    mcc: u16,
    card_sequence: Option<u16>,
    about: &About<'_>,
) -> Result<(), BuildError> {
    if edition.is_first() {
        builder.number(18, u64::from(mcc))?;
    }
    entry::write(builder, edition, about.echo.entry_mode.unwrap_or(0))?;
    if let Some(sequence) = card_sequence {
        builder.number(23, u64::from(sequence))?;
    }
    if edition.is_first() {
        return builder.number(25, u64::from(condition(about.kind, about.echo))).map(|_| ());
    }
    builder.number(24, function::of_transaction(about.kind))?;
    if let Some(reason) = about.reason {
        builder.number(25, reason)?;
    }
    builder.number(26, u64::from(mcc)).map(|_| ())
}

pub(super) fn write_original(
    builder: &mut Builder<'_, '_>,
    edition: Edition,
    named: &UpstreamRef,
    context: &LinkContext,
) -> Result<(), BuildError> {
    let message = (named.mti, named.stan, named.transmitted_at);
    original::write(builder, edition, message, &context.acquirer, context.offset)
}

pub(super) fn write_acceptor(
    builder: &mut Builder<'_, '_>,
    terminal: &TerminalId,
    merchant: &MerchantId,
) -> Result<(), BuildError> {
    builder.text(41, terminal.as_str())?.text(42, merchant.as_str()).map(|_| ())
}
