//! Which earlier transaction a follow-up means, and whether it may follow it.

use crate::config::CoreConfig;
use crate::input::Financial;
use crate::state::{State, Transaction};
use switchyard_domain::{BusinessDate, Outcome, RequestKey, ResponseCode, TransactionId, TransactionKind};

/// The kind of original that a follow-up needs.
fn kind_of_original(kind: TransactionKind, original: TransactionKind) -> bool {
    match kind {
        TransactionKind::Void => matches!(
            original,
            TransactionKind::Sale | TransactionKind::CashAdvance | TransactionKind::OfflineSale
        ),
        TransactionKind::Tip => original == TransactionKind::Sale,
        TransactionKind::Refund => original.buys() || original.captures(),
        TransactionKind::PreAuthVoid | TransactionKind::Completion | TransactionKind::CompletionAdvice => {
            original.holds()
        }
        TransactionKind::CompletionVoid => original.captures(),
        TransactionKind::Sale
        | TransactionKind::OfflineSale
        | TransactionKind::CashAdvance
        | TransactionKind::CardRepayment
        | TransactionKind::TopUp
        | TransactionKind::BalanceInquiry
        | TransactionKind::PreAuth
        | TransactionKind::PreAuthAdvice => false,
    }
}

/// Finds the original and checks every rule of the follow-up.
///
/// # Errors
/// The response code that refuses it: 25 not found or not in a state that allows it, 03 of the merchant that the terminal
/// belonged to before, 14 another card, 64 another amount, 61 more than is left to refund, 22 too old or in doubt.
pub(crate) fn find(
    state: &State,
    config: &CoreConfig,
    key: &RequestKey,
    request: &Financial,
) -> Result<TransactionId, ResponseCode> {
    let original = locate(state, key, request).ok_or(ResponseCode::ORIGINAL_NOT_FOUND)?;
    let opened = &original.opened;
    if opened.key.merchant != key.merchant {
        // What the terminal itself did for the merchant that it belonged to before is that merchant's, and its till is told
        // so; of what others did nobody is told that it is there.
        let was_here = opened.key.terminal == key.terminal;
        let code = if was_here { ResponseCode::INVALID_MERCHANT } else { ResponseCode::ORIGINAL_NOT_FOUND };
        return Err(code);
    }
    if !kind_of_original(request.kind, opened.kind) {
        return Err(ResponseCode::ORIGINAL_NOT_FOUND);
    }
    if let (Some(card), Some(known)) = (&request.card, &opened.card)
        && card.reference.hash != known.hash
    {
        return Err(ResponseCode::INVALID_CARD);
    }
    if request.amount.currency != opened.amount.currency {
        return Err(ResponseCode::ORIGINAL_AMOUNT);
    }
    // The issuer has not heard of it yet, or has refused to: what follows must not overtake it, nor go to an issuer that
    // knows of nothing; advices do not, they wait in the same queue.
    if !request.kind.is_advice() && state.saf.is_untold(opened.id) {
        return Err(ResponseCode::MALFUNCTION);
    }
    permitted(state, config, key, request, original).map_err(|code| {
        let taken = match code {
            ResponseCode::ORIGINAL_NOT_FOUND => true,
            ResponseCode::AMOUNT_LIMIT => {
                request.amount.minor <= opened.amount.minor.saturating_add(original.tipped_minor)
            }
            _ => false,
        };
        // Taken, but by something that may come to nothing: the terminal may ask again later.
        if taken && is_in_doubt(state, opened.id) { ResponseCode::MALFUNCTION } else { code }
    })?;
    Ok(opened.id)
}

/// Whether a follow-up of this transaction ended unknown and its reversal is still on its way.
fn is_in_doubt(state: &State, id: TransactionId) -> bool {
    state.transactions.followers(id).any(|other| other.outcome == Outcome::Unknown)
}

pub(crate) fn locate<'s>(state: &'s State, key: &RequestKey, request: &Financial) -> Option<&'s Transaction> {
    let named = &request.original;
    let by_place = || {
        let (batch, stan) = named.batch_stan?;
        let id = state.requests.transaction_at(key, batch, stan)?;
        state.transactions.get(id)
    };
    match request.kind {
        TransactionKind::PreAuthVoid | TransactionKind::Completion | TransactionKind::CompletionAdvice => {
            let Some(code) = named.auth_code else {
                return named.rrn.map_or_else(by_place, |rrn| state.transactions.under(rrn));
            };
            let mut candidates = state.transactions.authorized(key.merchant, code);
            candidates.find(|t| same_card(t, request) && same_date(state, t, named.date))
        }
        TransactionKind::Void
        | TransactionKind::Refund
        | TransactionKind::CompletionVoid
        | TransactionKind::Tip => {
            match named.rrn {
                Some(rrn) => {
                    let found = state.transactions.under(rrn)?;
                    // A voucher number that names another transaction than the reference is no original.
                    let agrees = named.batch_stan.is_none_or(|(batch, stan)| {
                        request.kind == TransactionKind::Refund
                            || (found.opened.key.batch, found.opened.key.stan) == (batch, stan)
                    });
                    agrees.then_some(found)
                }
                None => by_place(),
            }
        }
        TransactionKind::Sale
        | TransactionKind::OfflineSale
        | TransactionKind::CashAdvance
        | TransactionKind::CardRepayment
        | TransactionKind::TopUp
        | TransactionKind::BalanceInquiry
        | TransactionKind::PreAuth
        | TransactionKind::PreAuthAdvice => None,
    }
}

fn same_card(transaction: &Transaction, request: &Financial) -> bool {
    match (&request.card, &transaction.opened.card) {
        (Some(card), Some(known)) => card.reference.hash == known.hash,
        _ => true,
    }
}

/// Terminals name the date that they were told. It is the day of the answer, and where that is not the one of the request
/// (an issuer that answers after midnight), a terminal that notes its own is right, too.
fn same_date(state: &State, transaction: &Transaction, date: Option<[u8; 4]>) -> bool {
    let told = transaction.reply.map(|facts| facts.at);
    let mut days = [Some(transaction.at), told].into_iter().flatten();
    date.is_none_or(|d| d == *b"0000" || days.any(|at| d == at.local_date_digits(state.offset())))
}

fn permitted(
    state: &State,
    config: &CoreConfig,
    key: &RequestKey,
    request: &Financial,
    original: &Transaction,
) -> Result<(), ResponseCode> {
    let opened = &original.opened;
    let asked = request.amount.minor;
    let whole = opened.amount.minor;
    let days = state.day().0.saturating_sub(original.day.0);
    match request.kind {
        TransactionKind::Void | TransactionKind::CompletionVoid => {
            let here = opened.key.terminal == key.terminal && opened.key.batch == key.batch;
            if !here || !is_open(state, original.day) || !original.is_untouched() {
                return Err(ResponseCode::ORIGINAL_NOT_FOUND);
            }
            equal(asked, whole)
        }
        TransactionKind::Refund => {
            if original.outcome != Outcome::Approved || original.voided || days > config.refund_days_max {
                return Err(ResponseCode::ORIGINAL_NOT_FOUND);
            }
            if asked > original.left_minor() { Err(ResponseCode::AMOUNT_LIMIT) } else { Ok(()) }
        }
        TransactionKind::Tip => {
            let here = opened.key.terminal == key.terminal && opened.key.batch == key.batch;
            if !here || !is_open(state, original.day) || !original.is_untouched() {
                return Err(ResponseCode::ORIGINAL_NOT_FOUND);
            }
            let most = u128::from(whole) * u128::from(config.tip_percent_max) / 100;
            if u128::from(asked) > most { Err(ResponseCode::AMOUNT_LIMIT) } else { Ok(()) }
        }
        TransactionKind::PreAuthVoid | TransactionKind::Completion | TransactionKind::CompletionAdvice => {
            if original.outcome == Outcome::Approved && days > config.hold_days_max {
                return Err(ResponseCode::MALFUNCTION);
            }
            if !original.is_untouched() {
                return Err(ResponseCode::ORIGINAL_NOT_FOUND);
            }
            if request.kind == TransactionKind::PreAuthVoid {
                return equal(asked, whole);
            }
            let most = u128::from(whole) * u128::from(config.completion_percent_max) / 100;
            if u128::from(asked) > most { Err(ResponseCode::ORIGINAL_AMOUNT) } else { Ok(()) }
        }
        TransactionKind::Sale
        | TransactionKind::OfflineSale
        | TransactionKind::CashAdvance
        | TransactionKind::CardRepayment
        | TransactionKind::TopUp
        | TransactionKind::BalanceInquiry
        | TransactionKind::PreAuth
        | TransactionKind::PreAuthAdvice => Ok(()),
    }
}

/// Whether a day has not been cut yet.
pub(crate) fn is_open(state: &State, day: BusinessDate) -> bool {
    day == state.day()
}

fn equal(asked: u64, whole: u64) -> Result<(), ResponseCode> {
    if asked == whole { Ok(()) } else { Err(ResponseCode::ORIGINAL_AMOUNT) }
}
