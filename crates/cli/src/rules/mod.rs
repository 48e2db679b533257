//! `risk`, `routing`, `stand-in`: sets of rules, each of which is recorded whole and replaces the one before.

mod flags;
mod form;
mod found;
mod replay;

use crate::admin::Admin;
use crate::arguments::{
    Output, RemoveRules, RiskCommand, RoutingCommand, RulesChange, RulesFile, StandInCommand,
};
use crate::operate::{cell, nothing, state, told};
use crate::setup::diff;
use crate::{Verdict, output, serve};
use anyhow::{Context, Result, bail, ensure};
use form::{Kind, named, typed};
use serde_json::{Map, Value, json};
use std::path::Path;
use switchyard_core::{Command, State};
use switchyard_domain::RoutingRules;

pub(crate) fn risk(command: &RiskCommand, data: &Path, form: Output) -> Result<Verdict> {
    let set = |state| Set::of(Kind::Risk, state);
    match command {
        RiskCommand::List => set(&state(data)?)?.list(form),
        RiskCommand::Show { number } => set(&state(data)?)?.show(*number, form),
        RiskCommand::Set(options) => {
            let scores = flags::scores(options);
            let rule = options.number.map(|number| flags::risk(number, options)).transpose()?;
            ensure!(
                rule.is_some() || options.file.file.is_some() || !scores.is_empty(),
                "name a rule by its number, a --file, or a score"
            );
            let state = state(data)?;
            let mut next = set(&state)?;
            next.take(&options.file)?;
            next.put(rule, None);
            next.others.extend(scores);
            next.store(&state, &options.change, data, form)
        }
        RiskCommand::Remove(options) => remove(Kind::Risk, options, data, form),
        RiskCommand::Flagged { since, all } => found::flagged(*since, *all, data, form),
        RiskCommand::Held => found::held(data, form),
        RiskCommand::Release { rrn, because } => found::release(rrn, because, data, form),
        RiskCommand::Test { file, date } => replay::run(file.as_deref(), *date, data, form),
    }
}

pub(crate) fn routing(command: &RoutingCommand, data: &Path, form: Output) -> Result<Verdict> {
    let set = |state| Set::of(Kind::Routing, state);
    match command {
        RoutingCommand::List => set(&state(data)?)?.list(form),
        RoutingCommand::Show { number } => set(&state(data)?)?.show(*number, form),
        RoutingCommand::Set(options) => {
            let rule = options.number.map(|number| flags::routing(number, options)).transpose()?;
            let state = state(data)?;
            let mut next = set(&state)?;
            next.change(rule, &options.file, options.at)?;
            next.store(&state, &options.change, data, form)
        }
        RoutingCommand::Remove(options) => remove(Kind::Routing, options, data, form),
        RoutingCommand::Test { file, against, date, config } => {
            let rules = file.as_deref().map(|path| other_routing(path, &state(data)?)).transpose()?;
            let against = diff::Against { table: against.as_deref(), rules, date: *date };
            diff::run(against, config, data, form)
        }
    }
}

/// The rules of a file, and no others.
fn other_routing(path: &Path, state: &State) -> Result<RoutingRules> {
    let (rules, mut whole) = form::read(path)?;
    whole.insert("rules".to_owned(), rules.into());
    let Command::SetRoutingRules(rules) = typed(Kind::Routing, whole.into(), 1, state)? else {
        bail!("these are no routing rules")
    };
    rules.check()?;
    Ok(*rules)
}

pub(crate) fn stand_in(command: &StandInCommand, data: &Path, form: Output) -> Result<Verdict> {
    let set = |state| Set::of(Kind::StandIn, state);
    match command {
        StandInCommand::List => set(&state(data)?)?.list(form),
        StandInCommand::Show { number } => set(&state(data)?)?.show(*number, form),
        StandInCommand::Set(options) => {
            let rule = options.number.map(|number| flags::stand_in(number, options)).transpose()?;
            let state = state(data)?;
            let mut next = set(&state)?;
            next.change(rule, &options.file, options.at)?;
            next.store(&state, &options.change, data, form)
        }
        StandInCommand::Remove(options) => remove(Kind::StandIn, options, data, form),
    }
}

fn remove(kind: Kind, options: &RemoveRules, data: &Path, form: Output) -> Result<Verdict> {
    let state = state(data)?;
    let mut next = Set::of(kind, &state)?;
    for number in &options.numbers {
        let place = next.place(&json!(number)).with_context(|| format!("there is no rule {number}"))?;
        next.rules.remove(place);
    }
    next.store(&state, &options.change, data, form)
}

/// A set of rules as people see it: merchants, terminals and links by name.
#[derive(Debug, Clone)]
struct Set {
    kind: Kind,
    version: u32,
    rules: Vec<Value>,
    /// What stands beside the rules: scores.
    others: Map<String, Value>,
}

impl Set {
    /// Those in force.
    fn of(kind: Kind, state: &State) -> Result<Self> {
        let mut whole = match kind {
            Kind::Risk => serde_json::to_value(state.risk_rules()),
            Kind::Routing => serde_json::to_value(state.routing_rules()),
            Kind::StandIn => serde_json::to_value(state.stand_in_rules()),
        }?;
        named(&mut whole, state);
        let version = whole["version"].as_u64().and_then(|version| u32::try_from(version).ok());
        let version = version.context("rules without a version")?;
        let Value::Object(mut others) = form::without_empty(whole) else { bail!("rules that are no table") };
        others.remove("version");
        let rules = others.remove("rules");
        let rules = rules.and_then(|rules| rules.as_array().cloned()).unwrap_or_default();
        Ok(Self { kind, version, rules, others })
    }

    fn place(&self, number: &Value) -> Option<usize> {
        self.rules.iter().position(|rule| rule["number"] == *number)
    }

    /// Takes the rules of a file.
    fn take(&mut self, file: &RulesFile) -> Result<()> {
        let Some(path) = &file.file else { return Ok(()) };
        let (rules, others) = form::read(path)?;
        if file.all {
            self.rules.clear();
            self.others.clear();
        }
        rules.into_iter().for_each(|rule| self.put(Some(rule), None));
        self.others.extend(others);
        Ok(())
    }

    /// Puts a rule where the one of its number was, to a place that is named from 1, or last.
    fn put(&mut self, rule: Option<Value>, at: Option<usize>) {
        let Some(rule) = rule else { return };
        let before = self.place(&rule["number"]);
        if let Some(before) = before {
            self.rules.remove(before);
        }
        let place = at.map(|at| at.saturating_sub(1)).or(before).unwrap_or(usize::MAX);
        self.rules.insert(place.min(self.rules.len()), rule);
    }

    fn change(&mut self, rule: Option<Value>, file: &RulesFile, at: Option<usize>) -> Result<()> {
        ensure!(rule.is_some() || file.file.is_some(), "name a rule by its number, or a --file");
        self.take(file)?;
        self.put(rule, at);
        Ok(())
    }

    fn whole(&self) -> Value {
        let mut whole = self.others.clone();
        whole.insert("rules".to_owned(), self.rules.clone().into());
        whole.into()
    }

    fn list(&self, form: Output) -> Result<Verdict> {
        if form == Output::Json {
            let mut whole = self.whole();
            whole["version"] = self.version.into();
            output::json(&whole)?;
            return Ok(Verdict::Fine);
        }
        eprintln!("version {} of the rules", self.version);
        for (name, value) in &self.others {
            output::line(&format!("{name}: {}", cell(value)))?;
        }
        let columns: &[&str] = match self.kind {
            Kind::Risk => &["number", "reason", "about", "test", "then"],
            Kind::Routing => &["number", "issuers", "about", "minor_max", "choose", "destinations"],
            Kind::StandIn => {
                &["number", "issuers", "about", "minor_max", "day_minor_max", "day_count_max", "refuses_pin"]
            }
        };
        let row = |rule: &Value| columns.iter().map(|column| form::brief(&rule[*column])).collect();
        output::table(columns, self.rules.iter().map(row))?;
        Ok(Verdict::Fine)
    }

    fn show(&self, number: Option<u32>, form: Output) -> Result<Verdict> {
        let whole = match number {
            None => self.whole(),
            Some(number) => match self.place(&json!(number)) {
                Some(place) => json!({"rules": [self.rules[place]]}),
                None => return nothing(&format!("there is no rule {number}"), form),
            },
        };
        match form {
            Output::Json => output::json(&whole)?,
            Output::Text => output::line(toml::to_string(&whole)?.trim_end())?,
        }
        Ok(Verdict::Fine)
    }

    /// Has it recorded as the set after the one in force, or says what would change.
    fn store(&self, state: &State, change: &RulesChange, data: &Path, form: Output) -> Result<Verdict> {
        if let Some(expected) = change.expect_version
            && expected != self.version
        {
            bail!("the rules are at version {}, not {expected}: look again", self.version);
        }
        // The core takes the successor of the set in force only, so nobody's change is overwritten unseen.
        let command = typed(self.kind, self.whole(), self.version.wrapping_add(1), state)?;
        let before = Self::of(self.kind, state)?;
        let changes = self.changes_from(&before);
        if change.dry_run || changes.is_empty() {
            return told_changes(&changes, form);
        }
        let admin = Admin::open(data, &serve::load(&change.config)?)?;
        told(&admin.command(command)?, form)
    }

    /// What is new, other and gone, rule by rule.
    fn changes_from(&self, before: &Self) -> Vec<Value> {
        let mut changes = Vec::new();
        for (place, rule) in self.rules.iter().enumerate() {
            match before.place(&rule["number"]) {
                None => changes.push(json!({"number": rule["number"], "change": "new"})),
                Some(old) if before.rules[old] != *rule => {
                    changes.push(json!({"number": rule["number"], "change": "other than before"}));
                }
                Some(old) if old != place && self.rules.len() == before.rules.len() => {
                    changes.push(json!({"number": rule["number"], "change": "in another place"}));
                }
                Some(_) => {}
            }
        }
        for rule in &before.rules {
            if self.place(&rule["number"]).is_none() {
                changes.push(json!({"number": rule["number"], "change": "gone"}));
            }
        }
        if form::without_empty(self.others.clone().into())
            != form::without_empty(before.others.clone().into())
        {
            changes.push(json!({"number": null, "change": "scores"}));
        }
        changes
    }
}

fn told_changes(changes: &[Value], form: Output) -> Result<Verdict> {
    if form == Output::Json {
        output::json(&json!({"recorded": false, "changes": changes}))?;
        return Ok(Verdict::Fine);
    }
    if changes.is_empty() {
        output::line("nothing to do: it is so")?;
    }
    for change in changes {
        let what = match &change["number"] {
            Value::Null => "scores: other than before".to_owned(),
            number => format!("rule {number}: {}", cell(&change["change"])),
        };
        output::line(&what)?;
    }
    Ok(Verdict::Fine)
}
