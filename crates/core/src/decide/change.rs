//! Changes of links, merchants and terminals that are registered: in force at once, for what comes after.

use crate::access::Act;
use crate::change::{FieldChange, LinkChange, MerchantChange, TerminalChange};
use crate::decide::order::{Desk, Verdict};
use crate::effect::{CommandError, CommandOutcome, Effect};
use crate::machine::Core;
use crate::state::BatchStage;
use switchyard_domain::{
    BankAccount, Changed, DownloadKind, DownloadScope, Link, LinkIndex, LinkMode, LinkSettings, Merchant,
    MerchantId, Reason, Record, ResponseCode, TerminalId, TerminalIndex, TerminalSettings, Timestamp,
};

/// Longest name of a merchant and of an account's holder, and longest account number, characters: what a payment order
/// takes.
const LINE_CHARACTERS_MAX: usize = 140;

/// How an order of a change is to be taken.
pub(super) struct Change {
    /// Only say what would change.
    pub(super) dry_run: bool,
    pub(super) reason: Reason,
}

impl Core {
    pub(super) fn change_link(
        &mut self,
        name: &str,
        wanted: LinkChange,
        Change { dry_run, reason }: Change,
        desk: &mut Desk<'_>,
    ) -> Verdict {
        let registry = &self.state.registry;
        let link = registry.link_named(name).ok_or(CommandError::Missing { what: "link" })?;
        let before = registry.link_settings(link).expect("an index of the registry");
        let after = LinkSettings {
            address: wanted.address.unwrap_or_else(|| before.address.clone()),
            dialect: wanted.dialect.unwrap_or(before.dialect),
            framing: wanted.framing.unwrap_or_else(|| before.framing.clone()),
            answer_timeout_ms: wanted.answer_timeout_ms.unwrap_or(before.answer_timeout_ms),
            connections: wanted.connections.unwrap_or(before.connections),
            credit_max: wanted.credit_max.map_or(before.credit_max, |max| Some(max).filter(|max| *max > 0)),
        };
        if !LinkChange::ANSWER_TIMEOUT_MS.contains(&after.answer_timeout_ms) {
            return unfit("the time to wait for an answer", "100 to 300000 ms");
        }
        check_connections(after.connections)?;
        if after.credit_max.is_some_and(|max| max > LinkChange::CREDIT_MAX) {
            return unfit("the credit of a link", "at most 65536 requests");
        }
        if before.dialect != after.dialect {
            self.may_speak_otherwise(link, desk.now())?;
        }
        let fields = link_fields(&before, &after);
        let record = Record::LinkChanged { link, change: Box::new(Changed { before, after }), reason };
        self.change(fields, record, dry_run, desk)
    }

    /// An answer is told by what its dialect says of its request: nothing may be on its way when the dialect changes.
    fn may_speak_otherwise(&self, link: LinkIndex, now: Timestamp) -> Result<(), CommandError> {
        let facts = self.link_facts(now);
        let facts = &facts[usize::from(link.0)];
        let is_quiet = match facts.mode {
            LinkMode::Up => false,
            LinkMode::Draining => facts.saf_waiting == 0,
            LinkMode::Down => true,
        };
        if is_quiet && facts.in_flight == 0 {
            return Ok(());
        }
        Err(CommandError::NotNow {
            why: "another dialect takes a link that is down, or drained until nothing waits: see `link status`",
        })
    }

    pub(super) fn change_merchant(
        &mut self,
        id: &MerchantId,
        wanted: MerchantChange,
        Change { dry_run, reason }: Change,
        desk: &mut Desk<'_>,
    ) -> Verdict {
        // The order's own act is the stricter of the two.
        if wanted.is_of_identity() {
            self.permitted(desk.actor(), Act::ChangeMerchant)?;
        }
        let registry = &self.state.registry;
        let merchant = registry.merchant_by_id.get(id).copied();
        let merchant = merchant.ok_or(CommandError::Missing { what: "merchant" })?;
        let before = registry.merchant(merchant).expect("an index of the registry").clone();
        let after = Merchant {
            id: before.id,
            name: wanted.name.unwrap_or_else(|| before.name.clone()),
            mcc: wanted.mcc.unwrap_or(before.mcc),
            account: wanted.account.of(&before.account),
            fee_plan: wanted.fee_plan.unwrap_or(before.fee_plan),
        };
        self.check_merchant(&before, &after)?;
        let fields = merchant_fields(&before, &after);
        let record =
            Record::MerchantChanged { merchant, change: Box::new(Changed { before, after }), reason };
        self.change(fields, record, dry_run, desk)
    }

    /// Only what changes is looked at: what was registered once stays, whatever is asked of it today.
    fn check_merchant(&self, before: &Merchant, after: &Merchant) -> Result<(), CommandError> {
        if before.name != after.name && !is_line(&after.name) {
            return unfit("the merchant's name", "one line of 1 to 140 characters");
        }
        if before.mcc != after.mcc && !(1..=9_999).contains(&after.mcc) {
            return unfit("the merchant category code", "1 to 9999");
        }
        let (was, is) = (&before.account, &after.account);
        if was.holder != is.holder && !is_line(&is.holder) || was.number != is.number && !is_line(&is.number)
        {
            return unfit("the account's holder and its number", "one line of 1 to 140 characters");
        }
        let is_code = is.cnaps.len() == 12 && is.cnaps.bytes().all(|byte| byte.is_ascii_digit());
        if was.cnaps != is.cnaps && !is_code {
            return unfit("the CNAPS code", "12 digits");
        }
        let today = self.state.day();
        let mut plans = self.state.registry.fee_plans.iter().filter(|plan| plan.plan == after.fee_plan);
        if before.fee_plan != after.fee_plan && !plans.any(|plan| plan.from <= today) {
            return Err(CommandError::Missing { what: "a fee plan of this number that prices today" });
        }
        Ok(())
    }

    /// A new merchant may leave out what is said of it later, but nothing of it is longer than a change could make it.
    pub(super) fn check_new_merchant(&self, merchant: &Merchant) -> Result<(), CommandError> {
        if self.state.registry.merchant_by_id.contains(&merchant.id) {
            return Err(CommandError::Exists { what: "merchant" });
        }
        let account = &merchant.account;
        if [&merchant.name, &account.holder, &account.number, &account.cnaps]
            .into_iter()
            .all(|text| fits_line(text))
        {
            return Ok(());
        }
        unfit("the merchant's name and its account", "one line of up to 140 characters each")
    }

    pub(super) fn change_terminal(
        &mut self,
        id: &TerminalId,
        wanted: TerminalChange,
        Change { dry_run, reason }: Change,
        desk: &mut Desk<'_>,
    ) -> Verdict {
        let registry = &self.state.registry;
        let terminal = registry.terminal_named(id).ok_or(CommandError::Missing { what: "terminal" })?;
        let before = registry.terminal_settings(terminal).expect("an index of the registry");
        let merchant = match wanted.merchant {
            Some(id) => registry.merchant_by_id.get(&id).copied(),
            None => Some(before.merchant),
        };
        let after = TerminalSettings {
            merchant: merchant.ok_or(CommandError::Missing { what: "merchant" })?,
            mac: wanted.mac.unwrap_or(before.mac),
            takes_partial: wanted.takes_partial.unwrap_or(before.takes_partial),
        };
        if before.merchant != after.merchant {
            self.may_change_merchant(terminal)?;
        }
        let fields = self.terminal_fields(&before, &after);
        let record = Record::TerminalChanged { terminal, change: Changed { before, after }, reason };
        let verdict = self.change(fields, record, dry_run, desk)?;
        if matches!(verdict, CommandOutcome::Altered { recorded: true, .. }) {
            self.use_settings(terminal, &before, &after, desk);
            if before.merchant != after.merchant {
                self.downloads_change(DownloadScope::Terminal(terminal), &DownloadKind::ALL);
            }
        }
        Ok(verdict)
    }

    /// Transactions are their merchant's: a terminal goes to another with an empty batch and nothing under way.
    fn may_change_merchant(&self, terminal: TerminalIndex) -> Result<(), CommandError> {
        let batch = self.state.batches.get(terminal).expect("every terminal has a batch");
        if !batch.transactions.is_empty() || batch.stage != BatchStage::Open {
            return Err(CommandError::NotNow {
                why: "the batch has transactions, which stay the merchant's: close it first (`batch close`, or the terminal's \
                      settlement)",
            });
        }
        if self.flight.pins.values().any(|wait| wait.key.terminal == terminal) {
            return Err(CommandError::NotNow { why: "a request of the terminal is under way: try again" });
        }
        Ok(())
    }

    /// Lets the server know, and those who wait for keys that would be for another algorithm.
    fn use_settings(
        &mut self,
        terminal: TerminalIndex,
        before: &TerminalSettings,
        after: &TerminalSettings,
        desk: &mut Desk<'_>,
    ) {
        if before.takes_partial != after.takes_partial
            && let Some(profile) = self.state.registry.profile(terminal)
        {
            desk.out().effects.push(Effect::UseProfile { terminal, profile });
        }
        if before.mac == after.mac {
            return;
        }
        desk.out().effects.push(Effect::UseMac { terminal, mac: after.mac });
        let waiting = self.flight.sign_ons.iter().filter(|(_, wait)| wait.terminal == terminal);
        let mut waiting: Vec<_> = waiting.map(|(slot, wait)| (*slot, wait.origin)).collect();
        waiting.sort_unstable_by_key(|(slot, _)| *slot);
        for (slot, origin) in waiting {
            self.flight.sign_ons.remove(&slot);
            desk.out().refuse(origin, ResponseCode::SIGN_ON_REQUIRED);
        }
    }

    /// Records a change, or only says what it would be.
    pub(super) fn change(
        &mut self,
        fields: Vec<FieldChange>,
        record: Record,
        dry_run: bool,
        desk: &mut Desk<'_>,
    ) -> Verdict {
        let recorded = !dry_run && !fields.is_empty();
        if recorded {
            self.ordered(record, desk)?;
        }
        Ok(CommandOutcome::Altered { recorded, fields })
    }

    fn terminal_fields(&self, before: &TerminalSettings, after: &TerminalSettings) -> Vec<FieldChange> {
        let owner = |settings: &TerminalSettings| {
            self.state.registry.merchant(settings.merchant).map_or(String::new(), |m| m.id.to_string())
        };
        let mut fields = Fields::default();
        fields.note("merchant", owner(before), owner(after));
        fields.note("mac", before.mac.name(), after.mac.name());
        fields.note("takes-partial", before.takes_partial, after.takes_partial);
        fields.0
    }
}

/// Whether a link may have so many.
pub(super) fn check_connections(count: u8) -> Result<(), CommandError> {
    if Link::CONNECTIONS.contains(&count) { Ok(()) } else { unfit("the connections of a link", "1 to 16") }
}

fn link_fields(before: &LinkSettings, after: &LinkSettings) -> Vec<FieldChange> {
    let credit = |settings: &LinkSettings| match settings.credit_max {
        Some(max) => max.to_string(),
        None => "as configured".to_owned(),
    };
    let mut fields = Fields::default();
    fields.note("address", &before.address, &after.address);
    fields.note("dialect", before.dialect.name(), after.dialect.name());
    fields.note("framing", &before.framing, &after.framing);
    fields.note("answer-timeout-ms", before.answer_timeout_ms, after.answer_timeout_ms);
    fields.note("connections", before.connections, after.connections);
    fields.note("credit", credit(before), credit(after));
    fields.0
}

fn merchant_fields(before: &Merchant, after: &Merchant) -> Vec<FieldChange> {
    let mut fields = Fields::default();
    fields.note("name", &before.name, &after.name);
    fields.note("mcc", format!("{:04}", before.mcc), format!("{:04}", after.mcc));
    fields.note("account-holder", &before.account.holder, &after.account.holder);
    if before.account.number != after.account.number {
        fields.put("account-number", shown(&before.account), shown(&after.account));
    }
    fields.note("account-cnaps", &before.account.cnaps, &after.account.cnaps);
    fields.note("fee-plan", before.fee_plan, after.fee_plan);
    fields.0
}

/// Of a bank account people see the last four characters.
fn shown(account: &BankAccount) -> String {
    let characters: Vec<char> = account.number.chars().collect();
    let last: String = characters[characters.len().saturating_sub(4)..].iter().collect();
    format!("…{last}")
}

/// What is another than before, in the order of being looked at.
#[derive(Default)]
pub(super) struct Fields(pub(super) Vec<FieldChange>);

impl Fields {
    pub(super) fn note(&mut self, field: &str, before: impl ToString, after: impl ToString) {
        let (before, after) = (before.to_string(), after.to_string());
        if before != after {
            self.put(field, before, after);
        }
    }
    fn put(&mut self, field: &str, before: String, after: String) {
        self.0.push(FieldChange { field: field.to_owned(), before, after });
    }
}

fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && fits_line(text)
}

/// Whether it is no longer than a line, and no more than one.
fn fits_line(text: &str) -> bool {
    text.chars().count() <= LINE_CHARACTERS_MAX && !text.contains(char::is_control)
}

pub(super) fn unfit<T>(what: &'static str, need: &'static str) -> Result<T, CommandError> {
    Err(CommandError::Unfit { what, need })
}
