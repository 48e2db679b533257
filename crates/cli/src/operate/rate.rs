//! `rate`: at which rates cardholders are billed in another currency.

use super::{give, object, rows, state};
use crate::arguments::{Output, Pair, RateCommand, SetRate};
use crate::ledger::instant;
use crate::{Verdict, serve};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use switchyard_core::{Order, State};
use switchyard_domain::{Amount, ConversionRate, Currency, ExchangeRate, Timestamp};

/// Microseconds in an hour.
const HOUR_MICROS: u64 = 3_600_000_000;
/// A new rate is between a half and this many times the one before, or a slip.
const JUMP_MAX: u32 = 2;

pub(crate) fn run(command: &RateCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        RateCommand::Set(options) => set(options, data, form),
        RateCommand::List { config } => list(&state(data)?, hours_max(config)?, form),
        RateCommand::Quote { pair, amount, config } => {
            let (state, hours_max) = (state(data)?, hours_max(config)?);
            let amount = parsed(amount, pair.from)?;
            let rate = in_force(&state, *pair)?;
            let hours = age_hours(rate);
            ensure!(
                hours <= u64::from(hours_max),
                "the rate is {hours} hours old, more than core.rate_age_hours_max = {hours_max}: set another with \
                 `switchyard rate set`; until then transactions hear 96"
            );
            object(&quoted(rate, amount)?, form)
        }
    }
}

fn hours_max(config: &crate::arguments::ConfigOption) -> Result<u32> {
    Ok(serve::load(config)?.core.rate_age_hours_max)
}

pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

fn age_hours(rate: &ExchangeRate) -> u64 {
    now().micros_since(rate.valid_from) / HOUR_MICROS
}

/// The rate of a pair that is in force now.
fn in_force(state: &State, Pair { from, to }: Pair) -> Result<&ExchangeRate> {
    if let Some(rate) = state.rate(from, to, now()) {
        return Ok(rate);
    }
    if state.rate(to, from, now()).is_some() {
        bail!(
            "there is no rate from {from} to {to}: the one from {to} to {from} is not turned round, because both sides of \
             it cost something; set it with `switchyard rate set {from} {to} RATE`"
        );
    }
    bail!("there is no rate from {from} to {to}: set it with `switchyard rate set {from} {to} RATE`")
}

fn set(options: &SetRate, data: &Path, form: Output) -> Result<Verdict> {
    let Pair { from, to } = options.pair;
    let state = state(data)?;
    let rate: ConversionRate = options.rate.parse().with_context(|| format!("{:?}", options.rate))?;
    let valid_from = match &options.from_time {
        Some(text) => Timestamp(instant(text, state.offset())?),
        None => now(),
    };
    let rate = ExchangeRate { from, to, rate, markup_ppm: options.markup_ppm, valid_from };
    rate.check()?;
    let before = state.rates().filter(|known| (known.from, known.to) == (from, to)).last();
    if let Some(before) =
        before.filter(|before| !options.allow_jump && rate.rate.is_beyond(JUMP_MAX, before.rate))
    {
        bail!(
            "{} is less than half or more than twice the rate before, {}: is it a slip? Else --allow-jump",
            rate.rate,
            before.rate
        );
    }
    if options.dry_run {
        let unit = 10_u64.pow(from.exponent());
        let mut would = quoted(&rate, Amount::new(1_000 * unit, from))?;
        would["recorded"] = false.into();
        would["before"] = before.map_or(Value::Null, |before| before.rate.to_string().into());
        return object(&would, form);
    }
    let reason = options.because.reason.clone();
    give(Order::SetRate { rate, reason }, &options.because, data, form)
}

fn list(state: &State, hours_max: u32, form: Output) -> Result<Verdict> {
    let now = now();
    let row = |rate: &ExchangeRate| {
        let stands = if rate.valid_from > now {
            "ahead"
        } else if age_hours(rate) > u64::from(hours_max) {
            "too old"
        } else {
            "in force"
        };
        json!({
            "from": rate.from.to_string(), "to": rate.to.to_string(), "rate": rate.rate,
            "markup_ppm": rate.markup_ppm, "billed_rate": rate.billed_rate().ok(),
            "valid_from": rate.valid_from.local(state.offset()).to_string(), "state": stands,
        })
    };
    let columns = ["from", "to", "rate", "markup_ppm", "billed_rate", "valid_from", "state"];
    rows(&columns, state.rates().map(row).collect(), form)
}

fn quoted(rate: &ExchangeRate, base: Amount) -> Result<Value> {
    let quote = rate.quote(base)?;
    Ok(json!({
        "amount": quote.base.to_string(), "rate": quote.rate, "unmarked": quote.unmarked.to_string(),
        "markup_ppm": rate.markup_ppm, "billed_rate": quote.billed_rate, "billed": quote.billed.to_string(),
        "de6": format!("{:012}", quote.billed.minor), "de10": format!("{:08}", quote.billed_rate.de10()),
        "de51": format!("{:03}", quote.billed.currency.numeric()),
    }))
}

/// An amount as people write it: no sign, no exponent, no more decimals than the currency has.
fn parsed(text: &str, currency: Currency) -> Result<Amount> {
    let places = currency.exponent() as usize;
    let wrong = || format!("{text:?} is no amount of {currency}: digits, and at most {places} decimals");
    let (major, decimals) = text.split_once('.').map_or((text, ""), |(major, decimals)| (major, decimals));
    let digits = format!("{major}{decimals:0<places$}");
    let fits =
        !major.is_empty() && decimals.len() <= places && digits.bytes().all(|byte| byte.is_ascii_digit());
    let minor =
        digits.parse().ok().filter(|minor| fits && *minor <= Amount::MINOR_MAX).with_context(wrong)?;
    Ok(Amount::new(minor, currency))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_decimals_of_their_currency() {
        for (text, currency, minor) in [
            ("123.45", Currency::CNY, Some(12_345)),
            ("123.4", Currency::CNY, Some(12_340)),
            ("123", Currency::CNY, Some(12_300)),
            ("123", Currency::JPY, Some(123)),
            ("1.234", Currency::KWD, Some(1_234)),
            ("123.4", Currency::JPY, None),
            ("1.234", Currency::CNY, None),
            ("-1", Currency::CNY, None),
            (".5", Currency::CNY, None),
            ("1e3", Currency::CNY, None),
            ("99999999999999", Currency::CNY, None),
        ] {
            let amount = parsed(text, currency).ok().map(|amount| amount.minor);
            assert_eq!(amount, minor, "{text} {currency}");
        }
    }
}
