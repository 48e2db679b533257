//! One rule by flags.

use crate::arguments::{Counted, ScopeFlags, Score, SetRisk, SetRouting, SetStandIn, TestFlags};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

pub(super) fn risk(number: u32, flags: &SetRisk) -> Result<Value> {
    let reason = flags.reason.as_deref().context("--reason is missing")?;
    let then = action(flags.then.as_deref().context("--then is missing")?)?;
    let mut rule = json!({"number": number, "reason": reason});
    put_scope(&mut rule, &flags.about);
    rule["test"] = test(&flags.test)?;
    rule["then"] = then;
    Ok(rule)
}

/// The scores that were given.
pub(super) fn scores(flags: &SetRisk) -> Map<String, Value> {
    let given = [
        ("decline_score", flags.decline_score),
        ("hold_score", flags.hold_score),
        ("alert_score", flags.alert_score),
    ];
    given
        .into_iter()
        .filter_map(|(name, score)| score.map(|Score(score)| (name.to_owned(), json!(score))))
        .collect()
}

fn action(text: &str) -> Result<Value> {
    Ok(match text.split_once('=') {
        None if text == "hold" => json!("hold_payout"),
        None if text == "alert" => json!("alert"),
        Some(("decline", code)) => json!({"decline": code}),
        Some(("score", points)) => {
            json!({"score": points.parse::<u32>().with_context(|| format!("--then score={points}"))?})
        }
        _ => bail!("--then {text:?} is none of decline=CODE, hold, alert, score=N"),
    })
}

fn test(flags: &TestFlags) -> Result<Value> {
    let TestFlags { amount_over, round_amount, sum, count, attempts, same_amount, areas_over } = flags;
    if let Some(minor) = amount_over {
        return Ok(json!({"amount_over": {"minor_max": minor}}));
    }
    if let Some(multiple) = round_amount {
        return Ok(json!({"round_amount": {"multiple_minor": multiple}}));
    }
    if let Some(sum) = sum {
        return Ok(json!({"sum": {"of": sum.of, "window": window(sum), "minor_max": sum.max}}));
    }
    if let Some(counted) = count.as_ref().or(attempts.as_ref()) {
        let (of, window, max) = (&counted.of, window(counted), counted.max);
        return Ok(
            json!({"count": {"of": of, "window": window, "count_max": max, "attempts": attempts.is_some()}}),
        );
    }
    if let Some(same) = same_amount {
        return Ok(json!({"same_amount": {"of": same.of, "minutes": minutes(same)?, "count_max": same.max}}));
    }
    if let Some(areas) = areas_over {
        if areas.of != "card" {
            bail!("--areas counts those of a card: card/MINUTES=N");
        }
        return Ok(json!({"areas": {"minutes": minutes(areas)?, "count_max": areas.max}}));
    }
    Ok(json!("always"))
}

fn window(counted: &Counted) -> Value {
    match counted.window.parse::<u32>() {
        Ok(minutes) => json!({"minutes": minutes}),
        Err(_) => json!(counted.window),
    }
}

fn minutes(counted: &Counted) -> Result<u32> {
    counted.window.parse().with_context(|| format!("{:?} is no number of minutes", counted.window))
}

fn put_scope(rule: &mut Value, flags: &ScopeFlags) {
    let products = flags.products.iter().map(|code| json!({"product": code}));
    let classes: Vec<Value> = flags.classes.iter().map(|class| json!(class)).chain(products).collect();
    let about = json!({
        "merchants": flags.merchants, "terminals": flags.terminals, "classes": classes, "kinds": flags.kinds,
        "mcc": flags.mcc, "areas": flags.areas, "entry_modes": flags.entry_modes, "minutes": flags.between,
        "weekdays": flags.weekdays, "currency": flags.currency, "minor_min": flags.amount_from,
    });
    let about = super::form::without_empty(about);
    if about.as_object().is_some_and(|about| !about.is_empty()) {
        rule["about"] = about;
    }
}

pub(super) fn routing(number: u32, flags: &SetRouting) -> Result<Value> {
    let destinations = flags.to.iter().map(|text| destination(text)).collect::<Result<Vec<_>>>()?;
    let mut rule = json!({"number": number});
    put_issuers(&mut rule, &flags.issuers);
    put_scope(&mut rule, &flags.about);
    if let Some(minor) = flags.amount_to {
        rule["minor_max"] = minor.into();
    }
    rule["choose"] = flags.choose.as_str().into();
    rule["destinations"] = destinations.into();
    Ok(rule)
}

/// `NAME:weight=3:ppm=900:minor=10`.
fn destination(text: &str) -> Result<Value> {
    let mut parts = text.split(':');
    let link = parts.next().unwrap_or_default();
    // Every field stands there, as it does in a rule that was recorded: then equal rules are told to be equal.
    let mut destination = json!({"link": link, "weight": 1, "cost_ppm": 0, "cost_minor": 0});
    for part in parts {
        let (name, number) =
            part.split_once('=').with_context(|| format!("--to {text:?}: {part:?} has no value"))?;
        let name = match name {
            "weight" => "weight",
            "ppm" => "cost_ppm",
            "minor" => "cost_minor",
            _ => bail!("--to {text:?}: {name:?} is none of weight, ppm, minor"),
        };
        let number: u64 =
            number.parse().with_context(|| format!("--to {text:?}: {number:?} is no number"))?;
        destination[name] = number.into();
    }
    Ok(destination)
}

fn put_issuers(rule: &mut Value, issuers: &[u64]) {
    if !issuers.is_empty() {
        rule["issuers"] = json!(issuers);
    }
}

pub(super) fn stand_in(number: u32, flags: &SetStandIn) -> Result<Value> {
    let mut rule = json!({"number": number});
    put_issuers(&mut rule, &flags.issuers);
    put_scope(&mut rule, &flags.about);
    rule["minor_max"] = json!(flags.each);
    rule["day_minor_max"] = json!(flags.card_day);
    rule["day_count_max"] = json!(flags.card_count);
    rule["refuses_pin"] = flags.refuses_pin.into();
    Ok(rule)
}
