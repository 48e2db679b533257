//! Records as sentences: what came in, what was decided and why, what was posted, what went out.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use switchyard_domain::{
    Actor, AdviceReason, Amount, Billing, Entry, LinkIndex, MerchantId, MessageClass, Outcome, Phase, Record,
    ReplyFacts, ResponseCode, ReversalEffect, SafEntry, SafFinding, SafId, SafKind, Stamped, TerminalId,
    TransactionOpened, UpstreamRef,
};
use switchyard_ledger::Sequence;
use switchyard_server::index::Names;

/// Tells one transaction.
pub(super) struct Teller<'t> {
    opened: &'t TransactionOpened,
    links: &'t [String],
    terminal: TerminalId,
    merchant: MerchantId,
    outcome: Outcome,
    reply: Option<ReplyFacts>,
    billing: Option<Billing>,
    /// What the issuer bills where it said otherwise.
    issuer_bills: Option<Amount>,
    /// The entry of the queue by which its issuer hears of it: the others take it back.
    advice: Option<SafId>,
    /// Entries that tell of scripts.
    scripts: Vec<SafId>,
    trace: Vec<u64>,
}

/// What one record tells.
#[derive(Default)]
struct Told {
    came: Vec<String>,
    decision: Vec<String>,
    went: Vec<String>,
}

impl<'t> Teller<'t> {
    pub(super) fn new(
        opened: &'t TransactionOpened,
        links: &'t [String],
        names: &mut Names<'_>,
    ) -> Result<Self> {
        let terminal =
            names.terminal(opened.key.terminal)?.context("a transaction of an unknown terminal")?;
        let merchant =
            names.merchant(opened.key.merchant)?.context("a transaction of an unknown merchant")?;
        let (terminal, merchant) = (terminal.id, merchant.id);
        Ok(Self {
            opened,
            links,
            terminal,
            merchant,
            outcome: Outcome::Pending,
            reply: None,
            billing: None,
            issuer_bills: None,
            advice: None,
            scripts: Vec::new(),
            trace: Vec::new(),
        })
    }

    /// What the transaction is, and how it stands after the records told so far.
    pub(super) fn head(&self) -> Value {
        let opened = self.opened;
        json!({
            "rrn": opened.rrn, "transaction": opened.id.0, "kind": opened.kind,
            "amount_minor": opened.amount.minor, "currency": opened.amount.currency.to_string(),
            "card": opened.card.as_ref().map(|card| card.masked.to_string()), "card_class": opened.card_class,
            "merchant": self.merchant, "terminal": self.terminal, "batch": opened.key.batch,
            "stan": opened.key.stan, "day": opened.day.to_string(),
            "link": opened.upstream.map(|upstream| self.link(upstream.link)),
            "outcome": self.outcome, "code": self.reply.map(|reply| reply.code),
            "billed": self.billing.map(|billing| billing.amount.to_string()),
            "rate": self.billing.map(|billing| billing.rate),
            "issuer_bills": self.issuer_bills.map(|amount| amount.to_string()),
            "auth_code": self.reply.and_then(|reply| reply.auth_code), "records": self.trace,
        })
    }

    pub(super) fn event(&mut self, sequence: Sequence, stamped: &Stamped) -> Value {
        self.trace.push(sequence.0);
        let told = self.told(&stamped.record);
        json!({
            "sequence": sequence.0, "at": stamped.at.to_string(), "by": self.actor(&stamped.actor),
            "record": crate::ledger::name_of(&stamped.record), "in": told.came, "decision": told.decision,
            "postings": stamped.record.entry().map(postings).unwrap_or_default(), "out": told.went,
        })
    }

    fn told(&mut self, record: &Record) -> Told {
        match record {
            Record::Opened(opened) => Told {
                came: vec![self.request(opened)],
                decision: vec![
                    "authentic, new under its key, and the rules allow it: the issuer decides".into(),
                ],
                went: opened.upstream.iter().map(|up| self.upstream("request", up)).collect(),
            },
            Record::Decided { opened, outcome, reply, .. } => {
                (self.outcome, self.reply) = (*outcome, Some(*reply));
                let why = if *outcome == Outcome::Approved {
                    "approved by the embedded issuer: card, PIN and balance are in order".to_owned()
                } else {
                    format!("{} by the switch: {}", word(*outcome), why_refused(reply.code))
                };
                Told {
                    came: vec![self.request(opened)],
                    decision: vec![why],
                    went: vec![self.reply_to_terminal(reply)],
                }
            }
            Record::Advised { opened, why, reply, saf, .. } => self.advised(opened, *why, reply, saf),
            Record::Converted { .. } | Record::IssuerBilled { .. } => self.billed(record),
            Record::Resolved { outcome, reply, saf, .. } => self.resolved(*outcome, reply, saf.as_ref()),
            Record::ReversalTaken { reason, effect, original, reply, saf, .. } => {
                let ours = *original == Some(self.opened.id);
                if ours && *effect == ReversalEffect::Undone {
                    self.outcome = Outcome::Reversed;
                }
                Told {
                    came: vec![format!(
                        "0400 from terminal {}: reversal, because of {reason:?}",
                        self.terminal
                    )],
                    decision: vec![effect_of(*effect).to_owned()],
                    went: self.replied_and_queued(reply, saf.as_ref()),
                }
            }
            Record::SafDelivered { .. }
            | Record::SafDeadLettered { .. }
            | Record::SafRetried { .. }
            | Record::SafTried { .. }
            | Record::SafResolved { .. }
            | Record::ReversalQueued { .. }
            | Record::ScriptQueued { .. } => self.queue(record),
            Record::LateAnswer { code, cancels, .. } => {
                let mut decision = vec!["it came after the outcome was decided".to_owned()];
                if cancels.is_some() {
                    self.outcome = Outcome::Declined;
                    decision.push("a refusal, and the reversal was not sent yet: it is not needed".into());
                }
                Told {
                    came: vec![format!("answer {} from the issuer", named(*code))],
                    decision,
                    ..Told::default()
                }
            }
            Record::ScriptReported { report, .. } => Told {
                came: vec![format!(
                    "06xx from terminal {}: what the chip made of its issuer's scripts",
                    self.terminal
                )],
                decision: vec![format!("kept: {} bytes of results", report.results.len())],
                ..Told::default()
            },
            Record::HoldExpired { .. } => Told {
                decision: vec!["nobody completed the pre-authorization in time: its hold ends".into()],
                ..Told::default()
            },
            _ => Told::default(),
        }
    }

    fn resolved(&mut self, outcome: Outcome, reply: &ReplyFacts, saf: Option<&SafEntry>) -> Told {
        (self.outcome, self.reply) = (outcome, Some(*reply));
        let advice = saf.filter(|entry| entry.kind == SafKind::Advice);
        if let Some(advice) = advice {
            self.advice = Some(advice.id);
            let why =
                "not a byte had left for the issuer, whom nobody can ask: approved in its place by a rule";
            let queued = self.upstream("advice, queued", &advice.upstream);
            let went = vec![self.reply_to_terminal(reply), queued];
            return Told { decision: vec![why.to_owned()], went, ..Told::default() };
        }
        let (came, why) = match outcome {
            Outcome::Approved => (Some(named(reply.code)), "approved by the issuer"),
            Outcome::Declined if reply.code == ResponseCode::ISSUER_INOPERATIVE => {
                (None, "declined: the issuer said so, or the request never left for it")
            }
            Outcome::Declined => (Some(named(reply.code)), "declined by the issuer"),
            Outcome::Unknown => (None, "nobody knows: no usable answer came in time, so it is taken back"),
            Outcome::Reversed => {
                (None, "approved by the issuer, but the terminal had taken it back meanwhile")
            }
            Outcome::Pending => (None, "still pending"),
        };
        Told {
            came: came.into_iter().map(|code| format!("answer {code} from the issuer")).collect(),
            decision: vec![why.to_owned()],
            went: self.replied_and_queued(reply, saf),
        }
    }

    /// Approved without asking its issuer.
    fn advised(
        &mut self,
        opened: &TransactionOpened,
        why: AdviceReason,
        reply: &ReplyFacts,
        saf: &SafEntry,
    ) -> Told {
        (self.outcome, self.reply, self.advice) = (Outcome::Approved, Some(*reply), Some(saf.id));
        let why = match why {
            AdviceReason::IssuerAway => "approved by the switch in the place of its issuer, who is away",
            AdviceReason::Offline => "the terminal had approved it: it has taken place",
        };
        let queued = self.upstream("advice, queued", &saf.upstream);
        Told {
            came: vec![self.request(opened)],
            decision: vec![why.to_owned()],
            went: vec![self.reply_to_terminal(reply), queued],
        }
    }

    /// What its cardholder is billed.
    fn billed(&mut self, record: &Record) -> Told {
        match record {
            Record::Converted { billing, .. } => {
                self.billing = Some(*billing);
                let Billing { amount, rate, rate_day } = billing;
                let told = format!("the cardholder is billed {amount}: by the rate {rate} of {rate_day}");
                Told { decision: vec![told], ..Told::default() }
            }
            Record::IssuerBilled { amount, rate, .. } => {
                self.issuer_bills = Some(*amount);
                let rate = rate.map_or(String::new(), |rate| format!(" by the rate {rate}"));
                let told = format!("the issuer bills its cardholder {amount}{rate} instead");
                Told { came: vec![told], ..Told::default() }
            }
            _ => Told::default(),
        }
    }

    /// What became of a reversal in the queue.
    fn queue(&mut self, record: &Record) -> Told {
        let mut told = Told::default();
        let known = |outcome| if outcome == Outcome::Unknown { Outcome::Reversed } else { outcome };
        match record {
            Record::SafDelivered { id, code } => {
                self.outcome = known(self.outcome);
                let what = self.queued(*id);
                told.came.push(format!("answer {} to the {what} {} from the issuer", named(*code), id.0));
                told.decision.push(format!("the issuer knows of the {what}: it is done"));
            }
            Record::SafDeadLettered { id, attempts } => told.decision.push(format!(
                "the {} {} gave up after {attempts} sends: it waits for an operator",
                self.queued(*id),
                id.0
            )),
            Record::SafRetried { id, reason } => {
                let what = self.queued(*id);
                told.decision.push(format!("an operator sends the {what} {} again: {reason}", id.0));
            }
            Record::SafTried { id, count } => {
                let what = self.queued(*id);
                told.went.push(format!("the {what} {}, for the {count}th time", id.0));
            }
            Record::SafResolved { id, reason, .. } if self.scripts.contains(id) => {
                told.decision.push(format!("an operator ends the script result {}: {reason}", id.0));
            }
            Record::SafResolved { id, finding, reason, .. } => {
                self.outcome = known(self.outcome);
                let says = match finding {
                    SafFinding::Undone => "took it back",
                    SafFinding::NeverTaken => "never had it",
                    SafFinding::Stands => "keeps it, and what follows stands in suspense",
                };
                let what = self.queued(*id);
                told.decision
                    .push(format!("by an operator's word on {what} {} the issuer {says}: {reason}", id.0));
            }
            Record::ScriptQueued { saf, .. } => {
                self.scripts.push(saf.id);
                told.decision.push("its issuer is told what became of the scripts".into());
                told.went.push(self.upstream("script result, queued", &saf.upstream));
            }
            Record::ReversalQueued { saf } => {
                told.decision
                    .push("the issuer approved what it had said it never had: it is told once more".into());
                told.went.push(self.upstream("reversal, queued", &saf.upstream));
            }
            _ => {}
        }
        told
    }

    /// What an entry of the queue is.
    fn queued(&self, id: SafId) -> &'static str {
        if self.scripts.contains(&id) {
            "script result"
        } else if self.advice == Some(id) {
            "advice"
        } else {
            "reversal"
        }
    }

    fn request(&self, opened: &TransactionOpened) -> String {
        let class = match opened.key.class {
            MessageClass::Authorization => "01",
            MessageClass::Financial => "02",
            MessageClass::Reversal => "04",
        };
        let card = opened.card.as_ref().map_or("no card".to_owned(), |card| card.masked.to_string());
        let entry = opened.echo.entry_mode.map_or(String::new(), |mode| format!(", entry mode {mode:03}"));
        let Teller { terminal, merchant, .. } = self;
        format!(
            "{class}xx from terminal {terminal} of merchant {merchant}: {:?} of {}, {card}{entry}, batch {}, trace number {}",
            opened.kind, opened.amount, opened.key.batch, opened.key.stan
        )
    }

    fn replied_and_queued(&self, reply: &ReplyFacts, saf: Option<&SafEntry>) -> Vec<String> {
        let queued = saf.map(|saf| self.upstream("reversal, queued", &saf.upstream));
        std::iter::once(self.reply_to_terminal(reply)).chain(queued).collect()
    }

    fn reply_to_terminal(&self, reply: &ReplyFacts) -> String {
        let auth = reply.auth_code.map_or(String::new(), |code| format!(", authorization {code}"));
        format!("reply {} to terminal {}, reference {}{auth}", named(reply.code), self.terminal, reply.rrn)
    }

    fn upstream(&self, what: &str, upstream: &UpstreamRef) -> String {
        let at = upstream.transmitted_at.transmission_digits();
        let (link, at) = (self.link(upstream.link), String::from_utf8_lossy(&at).into_owned());
        format!(
            "{what}: {:04} over link {link}, trace number {}, transmitted {at}",
            upstream.mti, upstream.stan
        )
    }

    fn link(&self, link: LinkIndex) -> String {
        self.links.get(usize::from(link.0)).cloned().unwrap_or_else(|| format!("number {}", link.0))
    }

    fn actor(&self, actor: &Actor) -> String {
        match actor {
            Actor::Switch => "the switch".into(),
            Actor::Terminal(index) if *index == self.opened.key.terminal => {
                format!("terminal {}", self.terminal)
            }
            Actor::Terminal(index) => format!("terminal number {}", index.0),
            Actor::Link(link) => format!("link {}", self.link(*link)),
            Actor::Operator(login) => login.clone(),
            Actor::User(user) => user.to_string(),
            Actor::Installer => "the installer".into(),
        }
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pending => "pending",
        Outcome::Approved => "approved",
        Outcome::Declined => "declined",
        Outcome::Unknown => "unknown",
        Outcome::Reversed => "reversed",
    }
}

/// A code with what it means.
fn named(code: ResponseCode) -> String {
    match code.meaning() {
        Some((_, meaning)) => format!("{code} ({meaning})"),
        None => code.to_string(),
    }
}

/// Which of the switch's own rules gives this code.
fn why_refused(code: ResponseCode) -> String {
    let rule = match code {
        ResponseCode::LOST_CARD | ResponseCode::STOLEN_CARD => "the card is on the hot-card list",
        ResponseCode::RESTRICTED_CARD => "the card is on the hot-card list, or its account is closed",
        ResponseCode::NO_SUCH_ISSUER => "no route holds the card number",
        ResponseCode::INVALID_CARD => "the embedded issuer has no such card, or it is not the original's",
        ResponseCode::EXPIRED_CARD => "the card has expired",
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
        ResponseCode::MALFUNCTION => "the related transaction is in doubt",
        ResponseCode::SECURITY_FAILURE => "the PIN could not be worked on",
        _ => return named(code),
    };
    format!("{rule}: {}", named(code))
}

fn effect_of(effect: ReversalEffect) -> &'static str {
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

fn postings(entry: &Entry) -> Vec<String> {
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
