//! What stands for a code, an effect, a posting in the sentences of `explain`.

use switchyard_domain::{Entry, Outcome, Phase, ResponseCode, ReversalEffect};

pub(super) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pending => "pending",
        Outcome::Approved => "approved",
        Outcome::Declined => "declined",
        Outcome::Unknown => "unknown",
        Outcome::Reversed => "reversed",
    }
}

/// A code with what it means.
pub(super) fn named(code: ResponseCode) -> String {
    match code.meaning() {
        Some((_, meaning)) => format!("{code} ({meaning})"),
        None => code.to_string(),
    }
}

/// Which of the switch's own rules gives this code.
pub(super) fn why_refused(code: ResponseCode) -> String {
    let rule = match code {
        ResponseCode::LOST_CARD | ResponseCode::STOLEN_CARD => "the card is on the hot-card list",
        ResponseCode::RESTRICTED_CARD => "the card is on the hot-card list, or its account is closed",
        ResponseCode::NO_SUCH_ISSUER => "no route holds the card number",
        ResponseCode::INVALID_CARD => "the embedded issuer has no such card, or it is not the original's",
        ResponseCode::EXPIRED_CARD => "the card has expired",
        ResponseCode::CARD_NOT_PERMITTED => "the card's product is not for this",
        ResponseCode::WRONG_PIN => "the PIN is wrong, or there is none where one is needed",
        ResponseCode::PIN_TRIES_EXCEEDED => "too many wrong PINs in a row",
        ResponseCode::PIN_FORMAT => "the PIN block is malformed",
        ResponseCode::INSUFFICIENT_FUNDS => "the account does not hold the amount",
        ResponseCode::INVALID_AMOUNT => "the amount is zero, or larger than any can be",
        ResponseCode::ISSUER_INOPERATIVE => "the issuer's link is not signed on, or takes nothing by order",
        ResponseCode::NO_ROUTE => "the issuer's link is not registered",
        ResponseCode::ORIGINAL_NOT_FOUND => "there is no original that allows this",
        ResponseCode::ORIGINAL_AMOUNT => "the amount is not the original's",
        ResponseCode::AMOUNT_LIMIT => "more than the original, or than a limit, allows",
        ResponseCode::COUNT_LIMIT => "more often than a limit allows",
        ResponseCode::SUSPECTED_FRAUD => "the risk rules",
        ResponseCode::MALFUNCTION => "the related transaction is in doubt",
        ResponseCode::SECURITY_FAILURE => "the PIN could not be worked on",
        _ => return named(code),
    };
    format!("{rule}: {}", named(code))
}

pub(super) fn effect_of(effect: ReversalEffect) -> &'static str {
    match effect {
        ReversalEffect::Tombstone => {
            "there is no original yet: one that comes later under the key is refused"
        }
        ReversalEffect::WhenResolved => "the issuer has not answered yet: it is undone when it has",
        ReversalEffect::Undone => "the original was approved and is undone",
        ReversalEffect::Nothing => "there is nothing to undo",
        ReversalEffect::Refused => {
            "refused: another amount, a closed day, or something followed the original"
        }
    }
}

pub(super) fn postings(entry: &Entry) -> Vec<String> {
    let told = entry.0.iter().map(|posting| {
        let phase = match posting.phase {
            Phase::Posted => String::new(),
            Phase::Pending(hold) => format!(" (hold {})", hold.0),
            Phase::PostPending(hold) => format!(" (ends hold {})", hold.0),
            Phase::VoidPending(hold) => format!(" (frees hold {})", hold.0),
        };
        format!("debit {} credit {}: {}{phase}", posting.debit, posting.credit, posting.amount_minor)
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_rule_and_its_code() {
        for (code, rule) in
            [("41", "hot-card"), ("91", "link"), ("51", "account"), ("25", "original"), ("05", "honour")]
        {
            let text = why_refused(code.parse().unwrap());
            assert!(text.contains(rule) && text.contains(code), "{text}");
        }
    }
}
