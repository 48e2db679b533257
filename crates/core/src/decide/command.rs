//! What operators, the installer and settlement want recorded.

use crate::config::CoreConfig;
use crate::decide::change::check_connections;
use crate::decide::postings;
use crate::effect::{CommandError, CommandOutcome, Effect};
use crate::input::Command;
use crate::machine::{Core, Output, fits};
use switchyard_domain::{
    AccountId, AccountKind, Actor, BusinessDate, CardIssued, Entry, Link, Phase, Record, Route, RouteTarget,
    Stamped, Terminal, TerminalIndex, Timestamp, TransactionId,
};

impl Core {
    /// Carries out a command, or says why not.
    pub(crate) fn command(
        &mut self,
        ticket: u64,
        actor: Actor,
        command: Command,
        now: Timestamp,
        out: &mut Output,
    ) {
        let result = self.carry_out(actor, command, now, out);
        out.effects.push(Effect::CommandDone { ticket, result });
    }

    fn carry_out(
        &mut self,
        actor: Actor,
        command: Command,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<CommandOutcome, CommandError> {
        self.permitted(&actor, command.act(&actor))?;
        let command = self.unchanged_since(command)?;
        let exists = self.state.is_initialised();
        if exists == matches!(command, Command::Genesis(_)) {
            return Err(CommandError::Genesis { exists });
        }
        let record = match command {
            Command::Digest | Command::TrialBalance | Command::Links | Command::May(_) => {
                return self.look(&command, now);
            }
            Command::CutDay => return Ok(self.cut_day(actor, now, out)),
            Command::RecordSettlement { records, merchant_changes } => {
                return self.record_settlement(actor, (records, merchant_changes), now, out);
            }
            Command::IssueCard { card, balance_minor } => {
                return self.issue_card(actor, *card, balance_minor, now, out);
            }
            Command::Bind(terminal) => return self.bind(actor, *terminal, now, out),
            Command::Genesis(record) if matches!(*record, Record::Genesis { .. }) => *record,
            Command::Genesis(_) => return Err(CommandError::Invalid { what: "genesis record" }),
            Command::InstallKey { name, key } => {
                self.check_key(name, &actor)?;
                Record::KeyInstalled { name, key }
            }
            Command::ShredCardKeys { keys, reason } => {
                self.check_shred(&keys, &reason)?;
                Record::CardKeysShredded { keys, reason }
            }
            Command::Register(merchant) => {
                self.check_new_merchant(&merchant)?;
                Record::MerchantRegistered(*merchant)
            }
            Command::AddLink(link) => {
                self.check_link(&link, &actor)?;
                Record::LinkRegistered(*link)
            }
            Command::AddRoute(route) => return self.add_route(actor, route, now, out),
            Command::SetRiskRules(rules) => {
                self.check_rules(&rules)?;
                Record::RiskRulesSet(*rules)
            }
            Command::SetRoutingRules(rules) => {
                self.check_routing(&rules)?;
                Record::RoutingRulesSet(*rules)
            }
            Command::SetStandInRules(rules) => {
                self.check_stand_in(&rules)?;
                Record::StandInRulesSet(*rules)
            }
            Command::ReleasePayout { transaction, reason } => {
                self.check_release(transaction, &reason)?;
                Record::PayoutReleased { transaction, reason }
            }
            Command::SetFeePlan(plan) => Record::FeePlanSet(plan),
            Command::SetAccountRules { account, rules } => {
                check_limited(account)?;
                Record::AccountRulesSet { account, rules }
            }
            Command::Order(order) => return self.order(actor, order, now, out),
            Command::Configure(config) => return Ok(self.configure(*config)),
            Command::Key(command) => return self.key(actor, command, now, out),
            Command::User(command) => return self.user(actor, command, now, out),
            Command::Expecting { .. } => return Err(CommandError::Invalid { what: "a version twice" }),
            Command::Transfer(transfer) => return self.transfer(actor, transfer, now, out),
        };
        self.try_emit(record, actor, now, out)?;
        Ok(CommandOutcome::Recorded)
    }

    /// Other rules and limits, which stand in a file and in no record.
    fn configure(&mut self, config: CoreConfig) -> CommandOutcome {
        self.config = config;
        CommandOutcome::RecordedBefore
    }

    /// What only looks.
    fn look(&self, command: &Command, now: Timestamp) -> Result<CommandOutcome, CommandError> {
        match command {
            Command::Digest => Ok(CommandOutcome::Digest(self.state.digest())),
            Command::TrialBalance => Ok(self.trial_balance()),
            Command::Links => Ok(CommandOutcome::Links(self.link_facts(now))),
            Command::May(_) => Ok(CommandOutcome::Permitted),
            _ => Err(CommandError::Invalid { what: "a look" }),
        }
    }

    fn check_link(&self, link: &Link, actor: &Actor) -> Result<(), CommandError> {
        self.check_brought(&link.pin_key, actor)?;
        check_connections(link.connections)?;
        let known = self.state.registry.links.iter().any(|known| known.name == link.name);
        if known { Err(CommandError::Exists { what: "link" }) } else { Ok(()) }
    }

    fn check_route(&self, route: &Route) -> Result<(), CommandError> {
        if matches!(route.target, RouteTarget::Link(link) if self.state.registry.link(link).is_none()) {
            return Err(CommandError::Missing { what: "link" });
        }
        if route.low > route.high {
            return Err(CommandError::Invalid { what: "route" });
        }
        self.check_product_of(route)
    }

    /// Adds a range. One over the same numbers waits behind those that are there, which is how a range is handed over; the
    /// same one once more would change nothing now and undo a removal later.
    fn add_route(
        &mut self,
        actor: Actor,
        route: Route,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<CommandOutcome, CommandError> {
        self.check_route(&route)?;
        let routes = self.state.registry.routes.iter();
        let same: Vec<&Route> = routes.filter(|r| (r.low, r.high) == (route.low, route.high)).collect();
        if same.contains(&&route) {
            return Err(CommandError::Exists { what: "route" });
        }
        let ahead = same.len();
        self.try_emit(Record::RouteAdded(route), actor, now, out)?;
        Ok(if ahead == 0 { CommandOutcome::Recorded } else { CommandOutcome::RecordedBehind { ahead } })
    }

    /// The command without the version that it expects, when the registry is at that version.
    fn unchanged_since(&self, command: Command) -> Result<Command, CommandError> {
        let Command::Expecting { version: need, command } = command else { return Ok(command) };
        let have = self.state.registry.version();
        if have == need { Ok(*command) } else { Err(CommandError::Moved { need, have }) }
    }

    fn trial_balance(&self) -> CommandOutcome {
        let sums = self.state.book.trial_balance();
        let rows = sums.iter().map(|(c, sum)| (c.numeric(), sum.debits_minor, sum.credits_minor));
        CommandOutcome::TrialBalance(rows.collect())
    }

    fn bind(
        &mut self,
        actor: Actor,
        terminal: Terminal,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<CommandOutcome, CommandError> {
        let registry = &self.state.registry;
        if registry.terminal_named(&terminal.id).is_some() {
            return Err(CommandError::Exists { what: "terminal" });
        }
        if registry.merchant(terminal.merchant).is_none() {
            return Err(CommandError::Missing { what: "merchant" });
        }
        self.check_brought(&terminal.master_key, &actor)?;
        let index = TerminalIndex(registry.terminals.len() as u32);
        self.try_emit(Record::TerminalRegistered(terminal.clone()), actor, now, out)?;
        out.effects.push(Effect::UseTerminal { index, terminal: Box::new(terminal) });
        Ok(CommandOutcome::Recorded)
    }

    fn issue_card(
        &mut self,
        actor: Actor,
        card: CardIssued,
        balance_minor: u64,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<CommandOutcome, CommandError> {
        let registry = &self.state.registry;
        if registry.issued(&card.card.hash).is_some() {
            return Err(CommandError::Exists { what: "card" });
        }
        let (owner, currency) = (registry.cards.len() as u32, card.currency);
        let account = AccountId::of(AccountKind::Cardholder, owner, currency);
        let backing = AccountId::own(AccountKind::IssuerSettlement, currency);
        let entry = Entry::one(backing, account, balance_minor, Phase::Posted);
        self.state.book.check(&entry).map_err(|_| CommandError::Entry)?;
        self.try_emit(Record::CardIssued(card), actor.clone(), now, out)?;
        if balance_minor > 0 {
            self.emit(Record::AccountFunded { entry }, actor, now, out);
        }
        Ok(CommandOutcome::Recorded)
    }

    /// The fence is this record's place in the ledger. The next business day is the calendar's, and never
    /// a day that was open before.
    fn cut_day(&mut self, actor: Actor, now: Timestamp, out: &mut Output) -> CommandOutcome {
        let day = self.state.day();
        let next = day.next().max(BusinessDate::at(now, self.offset()));
        self.emit(Record::DayCut { day, next }, actor, now, out);
        self.expire_holds(now, out);
        CommandOutcome::DayCut { day }
    }

    /// Holds that can no longer be completed give the cardholder the money back.
    fn expire_holds(&mut self, now: Timestamp, out: &mut Output) {
        let (today, days_max) = (self.state.day().0, self.config.hold_days_max);
        let is_old = |day: BusinessDate| today.saturating_sub(day.0) > days_max;
        let placed = self.state.book.holds_placed().take_while(|hold| !hold.is_of_transfer());
        let transactions = &self.state.transactions;
        let placed = placed.filter_map(|hold| transactions.get(TransactionId(hold.0)));
        // Transactions are numbered day after day, and an outcome is of no earlier day: behind the first that is not old
        // none is.
        let old = placed.take_while(|t| is_old(t.opened.day)).filter(|t| is_old(t.day));
        let expired: Vec<TransactionId> = old.map(|t| t.opened.id).collect();
        for transaction in expired {
            let entry = self.state.transactions.get(transaction).map(postings::release);
            let Some(entry) = entry.filter(|entry| self.state.book.check(entry).is_ok()) else { continue };
            self.emit(Record::HoldExpired { transaction, entry }, Actor::Switch, now, out);
        }
    }

    /// Netting and files of a day, all or nothing.
    fn record_settlement(
        &mut self,
        actor: Actor,
        (records, merchant_changes): (Vec<Record>, u64),
        now: Timestamp,
        out: &mut Output,
    ) -> Result<CommandOutcome, CommandError> {
        if merchant_changes != self.state.registry.merchant_changes() {
            return Err(CommandError::NotNow {
                why: "a merchant was changed since the day was planned: settle it again",
            });
        }
        let entries = records.iter().filter_map(Record::entry);
        self.state.book.check_all(entries).map_err(|_| CommandError::Entry)?;
        for record in &records {
            let day = match record {
                Record::MerchantNetted { day, .. } | Record::FilesRendered { day, .. } => *day,
                _ => return Err(CommandError::Missing { what: "settlement record" }),
            };
            if !self.state.days_to_net.contains(&day) {
                return Err(CommandError::Day { day, why: "it is not cut, or it is netted already" });
            }
            // Without its files a day stays open to be netted, and would be netted twice.
            let renders = |r: &Record| matches!(r, Record::FilesRendered { day: d, .. } if *d == day);
            if !records.iter().any(renders) {
                return Err(CommandError::Day { day, why: "its files are missing" });
            }
        }
        let records: Vec<Stamped> =
            records.into_iter().map(|record| Stamped { at: now, actor: actor.clone(), record }).collect();
        records.iter().try_for_each(fits)?;
        for stamped in records {
            self.emit(stamped.record, stamped.actor, now, out);
        }
        Ok(CommandOutcome::Recorded)
    }
}

/// Limits are for cardholders' accounts.
fn check_limited(account: AccountId) -> Result<(), CommandError> {
    if account.kind.takes_everything() {
        let need = "no limit: what has taken place has to be posted there";
        return Err(CommandError::Unfit { what: "an account of this kind", need });
    }
    Ok(())
}
