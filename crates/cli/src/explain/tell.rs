//! Records as sentences: what came in, what was decided and why, what was posted, what went out.

use super::rules::Rules;
use super::ways::Ways;
use super::words::{effect_of, named, postings, why_refused, word};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use switchyard_domain::{
    Actor, AdviceReason, Amount, BatchCaseKind, Billing, LinkIndex, MerchantId, MessageClass, Outcome,
    Record, ReplyFacts, ResponseCode, ReversalEffect, SafEntry, SafFinding, SafId, SafKind, Stamped,
    TerminalId, TransactionOpened, UpstreamRef,
};
use switchyard_ledger::Sequence;
use switchyard_server::index::Names;

/// Tells one transaction.
pub(super) struct Teller<'t> {
    opened: &'t TransactionOpened,
    links: &'t [String],
    products: &'t [String],
    rules: &'t Rules,
    ways: &'t Ways<'t>,
    /// Links over which it went before.
    tried: Vec<LinkIndex>,
    /// How it went to its issuer in the end, and about how much.
    upstream: Option<UpstreamRef>,
    amount: Amount,
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
        (links, products): (&'t [String], &'t [String]),
        (rules, ways): (&'t Rules, &'t Ways<'t>),
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
            products,
            rules,
            ways,
            tried: Vec::new(),
            upstream: opened.upstream,
            amount: opened.amount,
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
            "amount_minor": self.amount.minor, "currency": opened.amount.currency.to_string(),
            "asked_minor": (self.amount != opened.amount).then_some(opened.amount.minor),
            "card": opened.card.as_ref().map(|card| card.masked.to_string()), "card_class": opened.card_class.class,
            "product": self.product(),
            "merchant": self.merchant, "terminal": self.terminal, "batch": opened.key.batch,
            "stan": opened.key.stan, "day": opened.day.to_string(),
            "link": self.upstream.map(|upstream| self.link(upstream.link)),
            "outcome": self.outcome, "code": self.reply.map(|reply| reply.code),
            "billed": self.billing.map(|billing| billing.amount.to_string()),
            "rate": self.billing.map(|billing| billing.rate),
            "issuer_bills": self.issuer_bills.map(|amount| amount.to_string()),
            "auth_code": self.reply.and_then(|reply| reply.auth_code), "records": self.trace,
        })
    }

    pub(super) fn event(&mut self, sequence: Sequence, stamped: &Stamped) -> Value {
        self.trace.push(sequence.0);
        let mut told = self.told(&stamped.record);
        told.decision.extend(self.way(stamped));
        json!({
            "sequence": sequence.0, "at": stamped.at.to_string(), "by": self.actor(&stamped.actor),
            "record": crate::ledger::name_of(&stamped.record), "in": told.came, "decision": told.decision,
            "postings": stamped.record.entry().map(postings).unwrap_or_default(), "out": told.went,
        })
    }

    #[allow(
        clippy::too_many_lines,
        reason = "one arm a kind of record, so that a new one does not compile without"
    )]
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
            Record::PartReversed { reason, stands, reply, saf, .. } => Told {
                came: vec![format!(
                    "x400 from terminal {}: reversal of a part, because of {reason:?}",
                    self.terminal
                )],
                decision: vec![format!("a part is given back, and {stands} of it stands")],
                went: self.replied_and_queued(reply, saf.as_ref()),
            },
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
            Record::ChipKept { chip, .. } => Told {
                decision: vec![format!(
                    "its advice has what the chip said: {} bytes of DE 55",
                    chip.objects.len()
                )],
                ..Told::default()
            },
            Record::Rerouted { .. }
            | Record::PartlyApproved { .. }
            | Record::RiskFlagged { .. }
            | Record::PayoutReleased { .. }
            | Record::CaseRaised { .. }
            | Record::HoldExpired { .. } => self.noted(record),
            // None of these tells of one transaction; a new kind of record has to say whether it does.
            Record::Genesis { .. }
            | Record::Started { .. }
            | Record::KeyInstalled { .. }
            | Record::MerchantRegistered(_)
            | Record::TerminalRegistered(_)
            | Record::LinkRegistered(_)
            | Record::RouteAdded(_)
            | Record::FeePlanSet(_)
            | Record::CardIssued(_)
            | Record::AccountFunded { .. }
            | Record::SignedOn { .. }
            | Record::SignedOff { .. }
            | Record::BatchReconciled { .. }
            | Record::BatchUploaded { .. }
            | Record::BatchUploadEnded { .. }
            | Record::BatchCompared { .. }
            | Record::Refusals { .. }
            | Record::DayCut { .. }
            | Record::MerchantNetted { .. }
            | Record::FilesRendered { .. }
            | Record::PinTried { .. }
            | Record::AccountRulesSet { .. }
            | Record::Transferred(_)
            | Record::HoldsExpired { .. }
            | Record::CardKeysShredded { .. }
            | Record::LinkOrdered { .. }
            | Record::TerminalOrdered { .. }
            | Record::MerchantOrdered { .. }
            | Record::BatchForceClosed { .. }
            | Record::CaseResolved { .. }
            | Record::CardBlocked { .. }
            | Record::CardUnblocked { .. }
            | Record::RouteRemoved { .. }
            | Record::RiskRulesSet(_)
            | Record::RoutingRulesSet(_)
            | Record::StandInRulesSet(_)
            | Record::UserAdded { .. }
            | Record::UserOrdered { .. }
            | Record::PasswordSet { .. }
            | Record::LoginTried { .. }
            | Record::DownloadSet { .. }
            | Record::DownloadRemoved { .. }
            | Record::Downloaded { .. }
            | Record::TerminalReported { .. }
            | Record::KeyCeremonyBegun { .. }
            | Record::KeyComponentDrawn { .. }
            | Record::KeyComponentLoaded { .. }
            | Record::KeyCeremonyCancelled { .. }
            | Record::KeyMoved { .. }
            | Record::RateSet { .. }
            | Record::LmkChanged(_)
            | Record::KeysTranslated { .. }
            | Record::LmkRetired { .. }
            | Record::MacsFailed { .. }
            | Record::PinsMalformed { .. }
            | Record::TerminalKeyOffered { .. }
            | Record::TerminalKeyTaken { .. }
            | Record::TerminalKeyWithdrawn { .. }
            | Record::WaitingKeysTranslated { .. }
            | Record::LinkChanged { .. }
            | Record::LinkKeyChanged(_)
            | Record::MerchantChanged { .. }
            | Record::TerminalChanged { .. }
            | Record::TotalsDated { .. }
            | Record::ProductAdded { .. }
            | Record::ProductChanged { .. } => Told::default(),
        }
    }

    /// Why it goes over the link that a record names.
    fn way(&mut self, stamped: &Stamped) -> Vec<String> {
        let name = |link| self.link(link);
        let (upstream, away) = match &stamped.record {
            Record::Decided { opened, reply, .. }
                if reply.code == ResponseCode::ISSUER_INOPERATIVE && !opened.kind.follows_another() =>
            {
                return self.ways.nowhere((opened, stamped.at), &name);
            }
            Record::Opened(opened) => (opened.upstream, false),
            Record::Advised { opened, why, .. } => (opened.upstream, *why == AdviceReason::IssuerAway),
            Record::Rerouted { upstream, .. } => (Some(*upstream), false),
            _ => (None, false),
        };
        let Some(link) = upstream.map(|upstream| upstream.link) else { return Vec::new() };
        if self.tried.last() == Some(&link) {
            // The advice of what could not be sent takes the number of the way, and not another one.
            return Vec::new();
        }
        let told = self.ways.tell((self.opened, stamped.at), link, &self.tried, away, &name);
        self.tried.push(link);
        told
    }

    /// What happened to it beside messages.
    fn noted(&mut self, record: &Record) -> Told {
        let mut told = Told::default();
        match record {
            Record::Rerouted { upstream, .. } => {
                let before = self.upstream.replace(*upstream).map(|before| self.link(before.link));
                let before = before.unwrap_or_default();
                told.decision.push(format!("not a byte had left over link {before}: it goes another way"));
                told.went.push(self.upstream("request", upstream));
            }
            Record::PartlyApproved { amount, .. } => {
                self.amount = *amount;
                told.came.push(format!("the issuer approves {amount} of {}", self.opened.amount));
                told.decision.push("the terminal takes a part: postings and limits are about this".into());
            }
            Record::RiskFlagged { finding, .. } => told.decision = self.rules.tell(finding),
            Record::PayoutReleased { reason, .. } => {
                told.decision.push(format!("what its merchant gained may be paid out after all: {reason}"));
            }
            Record::CaseRaised { case, .. } if case.kind == BatchCaseKind::HostOnly => {
                told.decision.push(format!(
                    "a case for an operator: {} was approved after the terminal had closed its batch",
                    self.minor(case.host_minor)
                ))
            }
            Record::CaseRaised { case, .. } => told.decision.push(format!(
                "a case for an operator: the terminal took back {}, {} stands here",
                self.minor(case.terminal_minor),
                self.minor(case.host_minor)
            )),
            Record::HoldExpired { .. } => {
                told.decision.push("nobody completed the pre-authorization in time: its hold ends".into());
            }
            _ => {}
        }
        told
    }

    fn minor(&self, minor: u64) -> Amount {
        Amount::new(minor, self.opened.amount.currency)
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
            MessageClass::Reversal | MessageClass::PartReversal => "04",
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

    fn product(&self) -> Option<&str> {
        let index = self.opened.card_class.product?;
        self.products.get(usize::from(index.0)).map(String::as_str)
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
