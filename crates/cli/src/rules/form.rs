//! Rules as text: names where the ledger has numbers, and nothing that is not understood.

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::Path;
use switchyard_core::{Command, State};
use switchyard_domain::{
    Currency, LinkIndex, MerchantIndex, ProductIndex, RiskRules, RoutingRules, StandInRules, TerminalIndex,
};

/// Largest file of rules: a set has a few hundred at most.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Which set of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Risk,
    Routing,
    StandIn,
}

/// Rules of a file, and what stands beside them.
pub(super) fn read(path: &Path) -> Result<(Vec<Value>, Map<String, Value>)> {
    let name = || path.display().to_string();
    let length = std::fs::metadata(path).with_context(name)?.len();
    ensure!(length <= FILE_BYTES_MAX, "{}: larger than {FILE_BYTES_MAX} bytes", path.display());
    let text = std::fs::read_to_string(path).with_context(name)?;
    parse(&text).with_context(name)
}

fn parse(text: &str) -> Result<(Vec<Value>, Map<String, Value>)> {
    let whole = match text.trim_start().starts_with(['{', '[']) && !text.trim_start().starts_with("[[") {
        true => serde_json::from_str(text).or_else(|error| toml::from_str(text).map_err(|_| error))?,
        false => toml::from_str::<Value>(text)?,
    };
    let mut others = match without_empty(whole) {
        Value::Array(rules) => Map::from_iter([("rules".to_owned(), rules.into())]),
        Value::Object(others) => others,
        _ => bail!("the file is no table of rules"),
    };
    // What `list` prints may be edited and set.
    others.remove("version");
    let rules = match others.remove("rules") {
        None => Vec::new(),
        Some(Value::Array(rules)) => rules,
        Some(_) => bail!("\"rules\" is no list"),
    };
    Ok((rules, others))
}

/// Drops nulls and what is empty: both mean what is not there.
pub(super) fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, without_empty(value)));
            // An empty table can be a rule's test that takes nothing; only the scope may be left out.
            fields
                .filter(|(name, value)| {
                    let empty = value.as_array().is_some_and(Vec::is_empty)
                        || (name == "about" && value.as_object().is_some_and(Map::is_empty))
                        || (name == "minor_min" && *value == 0);
                    !value.is_null() && !empty
                })
                .collect::<Map<_, _>>()
                .into()
        }
        Value::Array(items) => items.into_iter().map(without_empty).collect(),
        other => other,
    }
}

/// Puts names in the place of the ledger's numbers.
pub(super) fn named(whole: &mut Value, state: &State) {
    let registry = state.registry();
    let name_of = |number: u64, what: What| match what {
        What::Merchant => {
            let index = MerchantIndex(u32::try_from(number).ok()?);
            registry.merchant(index).map(|merchant| merchant.id.to_string())
        }
        What::Terminal => {
            registry.terminal_id(TerminalIndex(u32::try_from(number).ok()?)).map(|id| id.to_string())
        }
        What::Link => registry.link(LinkIndex(u16::try_from(number).ok()?)).map(|link| link.name.clone()),
        What::Product => {
            let index = ProductIndex(u16::try_from(number).ok()?);
            registry.product(index).map(|product| product.code.to_string())
        }
        What::Currency => Currency::from_numeric(number).and_then(Currency::alpha).map(str::to_owned),
    };
    each_name(whole, |value, what| {
        if let Some(name) = value.as_u64().and_then(|number| name_of(number, what)) {
            *value = name.into();
        }
    });
}

/// Puts the ledger's numbers in the place of names.
fn numbered(whole: &mut Value, state: &State) -> Result<()> {
    let registry = state.registry();
    let mut unknown = None;
    each_name(whole, |value, what| {
        let Some(name) = value.as_str() else { return };
        let found = match what {
            What::Merchant => {
                let found = registry.merchants().find(|(_, merchant)| merchant.id.to_string() == name);
                found.map(|(index, _)| u64::from(index.0))
            }
            What::Terminal => {
                let id = name.parse().ok();
                id.and_then(|id| registry.terminal_named(&id)).map(|index| u64::from(index.0))
            }
            What::Link => registry.link_named(name).map(|index| u64::from(index.0)),
            What::Product => {
                let code = name.parse().ok();
                code.and_then(|code| registry.product_named(&code)).map(|index| u64::from(index.0))
            }
            What::Currency => currency(name).map(|currency| u64::from(currency.numeric())),
        };
        match found {
            Some(number) => *value = number.into(),
            None => unknown = Some(format!("there is no {} {name:?}", what.noun())),
        }
    });
    unknown.map_or(Ok(()), |unknown| bail!(unknown))
}

fn currency(name: &str) -> Option<Currency> {
    let by_number = name.parse().ok().and_then(Currency::from_numeric);
    by_number
        .or_else(|| (1..=999).filter_map(Currency::from_numeric).find(|known| known.alpha() == Some(name)))
}

/// What a name is of.
#[derive(Debug, Clone, Copy)]
enum What {
    Merchant,
    Terminal,
    Link,
    Product,
    Currency,
}

impl What {
    fn noun(self) -> &'static str {
        match self {
            Self::Merchant => "merchant",
            Self::Terminal => "terminal",
            Self::Link => "link",
            Self::Product => "product",
            Self::Currency => "currency",
        }
    }
}

/// Shows every place of a set of rules that holds a name or its number.
fn each_name(whole: &mut Value, mut show: impl FnMut(&mut Value, What)) {
    let Some(rules) = whole.get_mut("rules").and_then(Value::as_array_mut) else { return };
    for rule in rules {
        let destinations = rule.get_mut("destinations").and_then(Value::as_array_mut);
        for destination in destinations.into_iter().flatten() {
            if let Some(link) = destination.get_mut("link") {
                show(link, What::Link);
            }
        }
        let Some(about) = rule.get_mut("about") else { continue };
        for (name, what) in [("merchants", What::Merchant), ("terminals", What::Terminal)] {
            let list = about.get_mut(name).and_then(Value::as_array_mut);
            list.into_iter().flatten().for_each(|value| show(value, what));
        }
        let classes = about.get_mut("classes").and_then(Value::as_array_mut);
        for product in classes.into_iter().flatten().filter_map(|group| group.get_mut("product")) {
            show(product, What::Product);
        }
        if let Some(currency) = about.get_mut("currency").filter(|currency| !currency.is_null()) {
            show(currency, What::Currency);
        }
    }
}

/// The command that records the set, when every word of it is understood and every rule can be held to.
pub(super) fn typed(kind: Kind, mut whole: Value, version: u32, state: &State) -> Result<Command> {
    numbered(&mut whole, state)?;
    whole["version"] = version.into();
    Ok(match kind {
        Kind::Risk => {
            let rules: RiskRules = understood(whole)?;
            rules.check()?;
            Command::SetRiskRules(Box::new(rules))
        }
        Kind::Routing => {
            let rules: RoutingRules = understood(whole)?;
            rules.check()?;
            Command::SetRoutingRules(Box::new(rules))
        }
        Kind::StandIn => {
            let rules: StandInRules = understood(whole)?;
            rules.check()?;
            Command::SetStandInRules(Box::new(rules))
        }
    })
}

/// Reads a set; a word that means nothing in it is refused, because a misspelt condition would make a rule wider.
pub(super) fn understood<T: DeserializeOwned + Serialize>(whole: Value) -> Result<T> {
    let rules = whole["rules"].as_array().cloned().unwrap_or_default();
    let read: T = serde_json::from_value(whole.clone())?;
    let back = serde_json::to_value(&read)?;
    for (name, value) in whole.as_object().into_iter().flatten() {
        if name != "rules" {
            known(value, &back[name], name)?;
        }
    }
    for (index, rule) in rules.iter().enumerate() {
        known(rule, &back["rules"][index], &format!("rule {}", rule["number"]))?;
    }
    Ok(read)
}

fn known(given: &Value, read: &Value, path: &str) -> Result<()> {
    match (given, read) {
        (Value::Object(fields), Value::Object(have)) => {
            for (name, value) in fields {
                let read = have.get(name).with_context(|| format!("{path}: {name:?} means nothing here"))?;
                known(value, read, &format!("{path}: {name}"))?;
            }
            Ok(())
        }
        (Value::Array(items), Value::Array(have)) if items.len() == have.len() => {
            items.iter().zip(have).try_for_each(|(item, read)| known(item, read, path))
        }
        (_, Value::Null) => bail!("{path} means nothing here"),
        _ => Ok(()),
    }
}

/// A value in the cell of a table: `kinds=sale, minor_min=500`.
pub(super) fn brief(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let part = |(name, value): (&String, &Value)| match brief(value) {
                text if text.is_empty() => name.clone(),
                text if value.is_object() => format!("{name}({text})"),
                text => format!("{name}={text}"),
            };
            fields.iter().map(part).collect::<Vec<_>>().join(" ")
        }
        Value::Array(items) => items.iter().map(brief).collect::<Vec<_>>().join(","),
        other => crate::operate::cell(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_misspelt_word_is_named_with_its_rule() {
        let rule = |about: Value, test: Value| json!({"version": 1, "rules": [{"number": 4, "reason": "x", "about": about, "test": test, "then": "alert"}]});
        for (name, whole, expected) in [
            ("all is well", rule(json!({"mcc": [[1, 2]]}), json!("always")), None),
            (
                "scope",
                rule(json!({"mmc": [[1, 2]]}), json!("always")),
                Some("rule 4: about: \"mmc\" means nothing here"),
            ),
            (
                "test",
                rule(
                    json!({}),
                    json!({"count": {"of": "card", "window": "day", "count_max": 1, "atempts": true}}),
                ),
                Some("rule 4: test: count: \"atempts\" means nothing here"),
            ),
            ("scores", json!({"version": 1, "rules": [], "score": 5}), Some("score means nothing here")),
        ] {
            let read = understood::<RiskRules>(whole).map(|_| ()).map_err(|error| error.to_string());
            assert_eq!(read.err().as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn rules_are_read_from_toml_and_from_json() {
        let toml =
            "decline_score = 9\n[[rules]]\nnumber = 1\nreason = \"x\"\ntest = \"always\"\nthen = \"alert\"\n";
        let (rules, others) = parse(toml).unwrap();
        assert_eq!(others["decline_score"], 9);
        let json = json!({"version": 3, "decline_score": 9, "rules": rules}).to_string();
        assert_eq!(parse(&json).unwrap(), (rules.clone(), others));
        assert_eq!(parse(&Value::from(rules.clone()).to_string()).unwrap().0, rules);
        assert!(parse("rules = 3").is_err() && parse("{").is_err());
    }
}
