//! From what the core wants sent to bytes.

use crate::dialect::wipe;
use crate::effect::{Upstream, UpstreamRequest};
use std::ops::Range;
use switchyard_domain::{
    AcquirerId, AuthCode, Echo, MerchantId, Pan, ReversalReason, SafEntry, Stan, TerminalId, Timestamp,
    TransactionKind, TransactionOpened, UpstreamRef, UtcOffset,
};
use switchyard_wire::{BuildError, Builder, Class, Dialect, Mti};

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
    /// The transaction that is reversed.
    pub opened: &'a TransactionOpened,
    /// DE 41.
    pub terminal: &'a TerminalId,
    /// DE 42.
    pub merchant: &'a MerchantId,
    /// False for the first send (0420), true for a repeat (0421), which differs in nothing else.
    pub repeat: bool,
}

const REVERSAL: Mti = Mti::new(0x0420);
const REVERSAL_REPEAT: Mti = Mti::new(0x0421);
const NETWORK: Mti = Mti::new(0x0800);
/// Digits of an institution in DE 90.
const INSTITUTION_DIGITS: usize = 11;

/// MTI of a request on a link, 0 to 9999: what [`UpstreamRef::mti`] records.
pub fn upstream_mti(kind: TransactionKind) -> u16 {
    match kind {
        TransactionKind::PreAuth | TransactionKind::PreAuthVoid => 100,
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
        Upstream::Reversal { saf, opened, terminal, merchant, repeat } => {
            let advice = ReversalAdvice { saf, opened, terminal, merchant, repeat: *repeat };
            write_reversal(dialect, &advice, card, context, out)
        }
        Upstream::Advice { saf, opened, terminal, merchant, mcc, auth_code, original, repeat } => {
            let advice =
                Advice { saf, opened, mcc: *mcc, auth_code: auth_code.as_ref(), original: original.as_ref() };
            write_advice(dialect, &advice, (terminal, merchant), *repeat, card, context, out)
        }
        Upstream::Network { stan, at, code } => write_network(dialect, *stan, *at, *code, out),
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
    dialect.build(out, mti_of(mti), |b| {
        write_card(b, request.card.as_ref().map(|card| &card.pan).or(card))?;
        b.number(3, u64::from(processing_code(opened.kind)))?.number(4, opened.amount.minor)?;
        write_instant(b, stan, at, context)?;
        if let Some(expiry) = request.card.as_ref().and_then(|card| card.expiry).or(request.echo.expiry) {
            b.digits(14, expiry.digits())?;
        }
        b.number(18, u64::from(message.mcc))?.number(22, u64::from(request.echo.entry_mode.unwrap_or(0)))?;
        if let Some(sequence) = request.card_sequence {
            b.number(23, u64::from(sequence))?;
        }
        b.number(25, u64::from(condition(opened.kind, &request.echo)))?;
        b.digits(32, context.acquirer.as_str().as_bytes())?;
        if let Some(track) = &request.track2 {
            b.digits(35, track.characters())?;
        }
        b.bytes(37, opened.rrn.as_bytes())?;
        if let Some(code) = message.auth_code.as_ref().filter(|_| names_auth_code(opened.kind)) {
            b.bytes(38, code.as_bytes())?;
        }
        write_acceptor(b, &message.terminal, &message.merchant)?;
        b.digits(49, &opened.amount.currency.digits())?;
        if let Some(pin) = &message.pin {
            b.bytes(52, &pin.0)?;
        }
        if let Some(emv) = &request.emv {
            write_chip(dialect, b, emv)?;
        }
        if let Some(original) = &message.original {
            b.digits(90, &original_elements(original, &context.acquirer))?;
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
    let (saf, opened) = (advice.saf, advice.opened);
    dialect.build(out, if advice.repeat { REVERSAL_REPEAT } else { REVERSAL }, |b| {
        write_card(b, card)?;
        b.number(3, u64::from(processing_code(opened.kind)))?.number(4, opened.amount.minor)?;
        write_instant(b, saf.upstream.stan.get(), saf.upstream.transmitted_at, context)?;
        b.number(25, u64::from(condition(opened.kind, &opened.echo)))?;
        b.digits(32, context.acquirer.as_str().as_bytes())?;
        b.bytes(37, opened.rrn.as_bytes())?.bytes(39, reason_code(saf.reason))?;
        write_acceptor(b, advice.terminal, advice.merchant)?;
        b.digits(49, &opened.amount.currency.digits())?;
        if let Some(original) = &opened.upstream {
            b.digits(90, &original_elements(original, &context.acquirer))?;
        }
        Ok(())
    })
}

/// What an advice says of its transaction.
struct Advice<'a> {
    saf: &'a SafEntry,
    opened: &'a TransactionOpened,
    mcc: u16,
    auth_code: Option<&'a AuthCode>,
    original: Option<&'a UpstreamRef>,
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
    let Advice { saf, opened, mcc, auth_code, original } = *advice;
    dialect.build(out, mti_of(saf.upstream.mti + u16::from(repeat)), |b| {
        write_card(b, card)?;
        b.number(3, u64::from(processing_code(opened.kind)))?.number(4, opened.amount.minor)?;
        write_instant(b, saf.upstream.stan.get(), saf.upstream.transmitted_at, context)?;
        if let Some(expiry) = opened.echo.expiry {
            b.digits(14, expiry.digits())?;
        }
        b.number(18, u64::from(mcc))?.number(22, u64::from(opened.echo.entry_mode.unwrap_or(0)))?;
        b.number(25, u64::from(condition(opened.kind, &opened.echo)))?;
        b.digits(32, context.acquirer.as_str().as_bytes())?;
        b.bytes(37, opened.rrn.as_bytes())?;
        if let Some(code) = auth_code {
            b.bytes(38, code.as_bytes())?;
        }
        b.bytes(39, b"00")?;
        write_acceptor(b, terminal, merchant)?;
        b.digits(49, &opened.amount.currency.digits())?;
        if let Some(original) = original {
            b.digits(90, &original_elements(original, &context.acquirer))?;
        }
        Ok(())
    })
}

/// Writes network management: sign-on 001, sign-off 002, echo 301 in DE 70.
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
    dialect.build(out, NETWORK, |builder| {
        builder.digits(7, &at.transmission_digits())?;
        builder.number(11, u64::from(stan.get()))?.number(70, u64::from(code)).map(|_| ())
    })
}

/// DE 3 on a link.
fn processing_code(kind: TransactionKind) -> u32 {
    match kind {
        TransactionKind::Sale
        | TransactionKind::OfflineSale
        | TransactionKind::Tip
        | TransactionKind::Completion
        | TransactionKind::CompletionAdvice => 0,
        TransactionKind::CashAdvance => 10_000,
        TransactionKind::CardRepayment => 500_000,
        TransactionKind::TopUp => 510_000,
        TransactionKind::PreAuth => 30_000,
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
        | TransactionKind::PreAuthVoid
        | TransactionKind::Completion
        | TransactionKind::CompletionAdvice
        | TransactionKind::CompletionVoid => 6,
    }
}

/// DE 39 of a reversal.
fn reason_code(reason: ReversalReason) -> &'static [u8; 2] {
    match reason {
        ReversalReason::NoAnswer => b"68",
        ReversalReason::TerminalFault | ReversalReason::MacError => b"22",
        ReversalReason::Other => b"21",
    }
}

fn write_card(builder: &mut Builder<'_, '_>, card: Option<&Pan>) -> Result<(), BuildError> {
    let Some(pan) = card else { return Ok(()) };
    let mut digits = [0; Pan::DIGITS_MAX];
    let len = pan.write_digits(&mut digits);
    let written = builder.digits(2, &digits[..len]).map(|_| ());
    wipe(&mut digits);
    written
}

fn write_instant(
    builder: &mut Builder<'_, '_>,
    stan: u32,
    at: Timestamp,
    context: &LinkContext,
) -> Result<(), BuildError> {
    builder.digits(7, &at.transmission_digits())?.number(11, u64::from(stan))?;
    builder.digits(12, &at.local_time_digits(context.offset))?;
    builder.digits(13, &at.local_date_digits(context.offset)).map(|_| ())
}

/// DE 55: bytes where the dialect has bytes, hexadecimal digits where it has characters only.
fn write_chip(dialect: &Dialect, builder: &mut Builder<'_, '_>, emv: &[u8]) -> Result<(), BuildError> {
    if dialect.element(55).is_some_and(|element| element.class() == Class::Binary) {
        return builder.bytes(55, emv).map(|_| ());
    }
    let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble & 0xF)];
    let digits: Vec<u8> = emv.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect();
    builder.bytes(55, &digits).map(|_| ())
}

fn write_acceptor(
    builder: &mut Builder<'_, '_>,
    terminal: &TerminalId,
    merchant: &MerchantId,
) -> Result<(), BuildError> {
    builder.bytes(41, terminal.as_bytes())?.bytes(42, merchant.as_bytes()).map(|_| ())
}

/// DE 90: MTI 4, STAN 6, DE 7 10, DE 32 and DE 33 11 each, right-justified and zero-filled.
fn original_elements(original: &UpstreamRef, acquirer: &AcquirerId) -> [u8; 42] {
    let mut out = [b'0'; 42];
    out[..4].copy_from_slice(&mti_of(original.mti).to_ascii());
    out[4..10].copy_from_slice(&original.stan.digits());
    out[10..20].copy_from_slice(&original.transmitted_at.transmission_digits());
    let acquirer = acquirer.as_str().as_bytes();
    let start = 20 + INSTITUTION_DIGITS.saturating_sub(acquirer.len());
    out[start..20 + INSTITUTION_DIGITS].copy_from_slice(acquirer);
    out
}

/// From 0 to 9999; greater numbers lose their higher digits.
fn mti_of(number: u16) -> Mti {
    let digit = |unit: u16| b'0' + (number / unit % 10) as u8;
    Mti::from_ascii([digit(1_000), digit(100), digit(10), digit(1)]).unwrap_or(Mti::new(0))
}
