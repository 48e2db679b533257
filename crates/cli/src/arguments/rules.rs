//! Risk rules, rules that choose among links, and what is approved while an issuer is away, as people type them.

use super::{Because, ConfigOption};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use switchyard_domain::BusinessDate;

/// What every change of a set of rules takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct RulesChange {
    /// Refuse when the rules are not at this version any more (`list --output json` shows it).
    #[arg(long, value_name = "N")]
    pub(crate) expect_version: Option<u32>,
    /// Say what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) config: ConfigOption,
}

/// Where rules come from beside flags.
#[derive(Debug, Clone, Args)]
pub(crate) struct RulesFile {
    /// Rules in TOML or JSON, in the form of `show`: each replaces the one with its number or joins the others.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The file is all there is to be: rules that it does not name go.
    #[arg(long, requires = "file")]
    pub(crate) all: bool,
}

/// Which transactions a rule is about; what is not given asks nothing.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which transactions")]
pub(crate) struct ScopeFlags {
    /// Those of this merchant (DE 42); several times for several.
    #[arg(long = "merchant", value_name = "MID")]
    pub(crate) merchants: Vec<String>,
    /// Those of this terminal (DE 41).
    #[arg(long = "terminal", value_name = "TID")]
    pub(crate) terminals: Vec<String>,
    /// Cards of this class: debit, credit, foreign.
    #[arg(long = "class", value_name = "CLASS")]
    pub(crate) classes: Vec<String>,
    /// Cards of this product, or of a class that is named.
    #[arg(long = "product", value_name = "CODE")]
    pub(crate) products: Vec<String>,
    /// Transactions of this kind: sale, pre_auth, cash_advance, …
    #[arg(long = "kind", value_name = "KIND")]
    pub(crate) kinds: Vec<String>,
    /// Merchant category codes, `5812` or `5800-5899`.
    #[arg(long = "mcc", value_name = "FROM-TO", value_parser = range)]
    pub(crate) mcc: Vec<(u16, u16)>,
    /// Areas: digits 4 to 7 of DE 42, `2900` or `2900-2999`.
    #[arg(long = "area", value_name = "FROM-TO", value_parser = range)]
    pub(crate) areas: Vec<(u16, u16)>,
    /// How the card was read: the first two digits of DE 22.
    #[arg(long = "entry-mode", value_name = "NN")]
    pub(crate) entry_modes: Vec<u8>,
    /// Local time of day, `22:00-06:00`: from the first minute up to the second.
    #[arg(long, value_name = "HH:MM-HH:MM", value_parser = minutes)]
    pub(crate) between: Option<(u16, u16)>,
    /// Day of the week, Monday 1 to Sunday 7.
    #[arg(long = "weekday", value_name = "N")]
    pub(crate) weekdays: Vec<u8>,
    /// Amounts in this currency, `CNY` or `156`.
    #[arg(long, value_name = "CURRENCY")]
    pub(crate) currency: Option<String>,
    /// Amounts of at least this many minor units.
    #[arg(long, value_name = "MINOR")]
    pub(crate) amount_from: Option<u64>,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum RiskCommand {
    /// Every rule, the scores, and the version.
    #[command(after_help = "Example: switchyard risk list --output json")]
    List,
    /// The rules in the form that `set --file` takes, all of them or one.
    #[command(after_help = "Example: switchyard risk show > rules.toml")]
    Show {
        /// Number of the rule.
        #[arg(value_name = "N")]
        number: Option<u32>,
    },
    /// Set a rule by flags, or rules by a file. What a rule has counted stays as long as it counts the same thing.
    #[command(
        after_help = "Examples: switchyard risk set 1 --reason 'card a day' --sum card/day=500000 --then decline=61\n          \
                  switchyard risk set 2 --reason 'many small ones' --attempts card/10=5 --then score=40\n          \
                  switchyard risk set --decline-score 100 --alert-score 60\n          \
                  switchyard risk set --file rules.toml --all --dry-run"
    )]
    Set(Box<SetRisk>),
    /// Take rules out.
    #[command(after_help = "Example: switchyard risk remove 1 2")]
    Remove(RemoveRules),
    /// What the rules found: declines, held payouts, alerts, with the reasons.
    #[command(after_help = "Example: switchyard risk flagged --since 2026-11-20 --output json")]
    Flagged {
        /// From this business day on; without it, the one that is open.
        #[arg(long, value_name = "YYYY-MM-DD")]
        since: Option<BusinessDate>,
        /// Also what had no more than a score below every threshold.
        #[arg(long)]
        all: bool,
    },
    /// Payouts that wait until somebody has looked.
    #[command(after_help = "Example: switchyard risk held")]
    Held,
    /// Let a held payout go: the next settlement pays it.
    #[command(
        after_help = "Example: switchyard risk release 326500000042 --reason 'the cardholder confirmed'"
    )]
    Release {
        /// The transaction's reference, DE 37.
        #[arg(value_name = "RRN")]
        rrn: String,
        #[command(flatten)]
        because: Because,
    },
    /// Replay a day under other rules: what they would have found in each transaction. Nothing is changed; exit 1 when
    /// something would have been declined or held. What was declined back then counts as it did.
    #[command(after_help = "Example: switchyard risk test --file rules.toml --date 2026-11-22")]
    Test {
        /// The other rules; without it those in force.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// The business day; without it the one that is open.
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<BusinessDate>,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SetRisk {
    /// Number of the rule, for good.
    #[arg(value_name = "N", conflicts_with = "file", requires = "reason", requires = "then")]
    pub(crate) number: Option<u32>,
    #[command(flatten)]
    pub(crate) file: RulesFile,
    /// The reason in a person's words: what a finding shows.
    #[arg(long, value_name = "TEXT", requires = "number")]
    pub(crate) reason: Option<String>,
    /// What follows: decline=CODE, hold (the payout), alert or score=N.
    #[arg(long, value_name = "ACTION", requires = "number")]
    pub(crate) then: Option<String>,
    #[command(flatten)]
    pub(crate) test: TestFlags,
    #[command(flatten)]
    pub(crate) about: ScopeFlags,
    /// The score from which on a transaction is declined with 59; `none` for never.
    #[arg(long, value_name = "N|none", value_parser = score)]
    pub(crate) decline_score: Option<Score>,
    /// The score from which on its payout is held.
    #[arg(long, value_name = "N|none", value_parser = score)]
    pub(crate) hold_score: Option<Score>,
    /// The score from which on somebody is told.
    #[arg(long, value_name = "N|none", value_parser = score)]
    pub(crate) alert_score: Option<Score>,
    #[command(flatten)]
    pub(crate) change: RulesChange,
}

/// When a risk rule speaks: one of these. SUBJECT is card, terminal, merchant, class, card_at_merchant or
/// class_at_merchant; WINDOW is day, month or a number of minutes.
#[derive(Debug, Clone, Default, Args)]
#[group(id = "test", multiple = false)]
#[command(next_help_heading = "When it speaks (one of these; without one, always)")]
pub(crate) struct TestFlags {
    /// The amount is above this many minor units.
    #[arg(long, value_name = "MINOR")]
    pub(crate) amount_over: Option<u64>,
    /// The amount is a multiple of this many minor units.
    #[arg(long, value_name = "MINOR")]
    pub(crate) round_amount: Option<u64>,
    /// The sum of SUBJECT in WINDOW is above this many minor units.
    #[arg(long, value_name = "SUBJECT/WINDOW=MINOR", value_parser = counted)]
    pub(crate) sum: Option<Counted>,
    /// There are more than N of SUBJECT in WINDOW.
    #[arg(long, value_name = "SUBJECT/WINDOW=N", value_parser = counted)]
    pub(crate) count: Option<Counted>,
    /// As --count, with those that were declined.
    #[arg(long, value_name = "SUBJECT/WINDOW=N", value_parser = counted)]
    pub(crate) attempts: Option<Counted>,
    /// There are more than N of the very same amount of SUBJECT in so many minutes.
    #[arg(long, value_name = "SUBJECT/MINUTES=N", value_parser = counted)]
    pub(crate) same_amount: Option<Counted>,
    /// The card was in more than N areas in so many minutes.
    #[arg(long = "areas", value_name = "card/MINUTES=N", value_parser = counted)]
    pub(crate) areas_over: Option<Counted>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RemoveRules {
    /// Numbers of the rules.
    #[arg(value_name = "N", required = true)]
    pub(crate) numbers: Vec<u32>,
    #[command(flatten)]
    pub(crate) change: RulesChange,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum RoutingCommand {
    /// Every rule and the version.
    #[command(after_help = "Example: switchyard routing list")]
    List,
    /// The rules in the form that `set --file` takes, all of them or one.
    #[command(after_help = "Example: switchyard routing show > routing.toml")]
    Show {
        /// Number of the rule.
        #[arg(value_name = "N")]
        number: Option<u32>,
    },
    /// Set a rule by flags, or rules by a file. The first rule that is about a transaction and has a link in health
    /// decides; without one the route of the card counts.
    #[command(
        after_help = "Examples: switchyard routing set 1 --issuer 3010000 --choose weight --to harbour:weight=3 --to quay:weight=1\n          \
                  switchyard routing set 2 --choose cost --to harbour:ppm=900 --to quay:ppm=500:minor=10 --at 1"
    )]
    Set(Box<SetRouting>),
    /// Take rules out.
    #[command(after_help = "Example: switchyard routing remove 1")]
    Remove(RemoveRules),
    /// Replay a day under other rules, another table of ranges, or both: what would go elsewhere, from which link to which.
    /// Every link counts as in health on both sides. Nothing is changed; exit 1 when something would go elsewhere. Reads
    /// the keys that open sealed cards.
    #[command(after_help = "Example: switchyard routing test --file routing.toml --date 2026-11-22")]
    Test {
        /// The other rules, all there are to be; without it those in force.
        #[arg(long, value_name = "FILE", required_unless_present = "against")]
        file: Option<PathBuf>,
        /// The other table, in the form of `route list --output json`; without it the one in force.
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// The business day; without it the last that was cut, or the open one when none was.
        #[arg(long, visible_alias = "day", value_name = "YYYY-MM-DD")]
        date: Option<BusinessDate>,
        #[command(flatten)]
        config: ConfigOption,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SetRouting {
    /// Number of the rule.
    #[arg(value_name = "N", conflicts_with = "file", requires = "to")]
    pub(crate) number: Option<u32>,
    #[command(flatten)]
    pub(crate) file: RulesFile,
    /// Cards of this issuer (institution code); several times for several.
    #[arg(long = "issuer", value_name = "CODE")]
    pub(crate) issuers: Vec<u64>,
    /// Amounts of at most this many minor units.
    #[arg(long, value_name = "MINOR")]
    pub(crate) amount_to: Option<u64>,
    /// How to choose among the links: first, weight, cost.
    #[arg(long, value_name = "HOW", default_value = "first")]
    pub(crate) choose: String,
    /// A link that may take it: NAME, with :weight=N, :ppm=N (cost) and :minor=N (cost).
    #[arg(long, value_name = "LINK", requires = "number")]
    pub(crate) to: Vec<String>,
    /// Its place among the rules, from 1; without it, where it was, or last.
    #[arg(long, value_name = "PLACE")]
    pub(crate) at: Option<usize>,
    #[command(flatten)]
    pub(crate) about: ScopeFlags,
    #[command(flatten)]
    pub(crate) change: RulesChange,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum StandInCommand {
    /// Every rule and the version.
    #[command(after_help = "Example: switchyard stand-in list")]
    List,
    /// The rules in the form that `set --file` takes, all of them or one.
    #[command(after_help = "Example: switchyard stand-in show > stand-in.toml")]
    Show {
        /// Number of the rule.
        #[arg(value_name = "N")]
        number: Option<u32>,
    },
    /// Set a rule by flags, or rules by a file. The first rule that is about a transaction decides.
    #[command(
        after_help = "Example: switchyard stand-in set 1 --class debit --each 30000 --card-day 60000 --card-count 3"
    )]
    Set(Box<SetStandIn>),
    /// Take rules out.
    #[command(after_help = "Example: switchyard stand-in remove 1")]
    Remove(RemoveRules),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SetStandIn {
    /// Number of the rule.
    #[arg(
        value_name = "N",
        conflicts_with = "file",
        requires = "each",
        requires = "card_day",
        requires = "card_count"
    )]
    pub(crate) number: Option<u32>,
    #[command(flatten)]
    pub(crate) file: RulesFile,
    /// Cards of this issuer (institution code); several times for several.
    #[arg(long = "issuer", value_name = "CODE")]
    pub(crate) issuers: Vec<u64>,
    /// Most of one transaction, minor units.
    #[arg(long, value_name = "MINOR", requires = "number")]
    pub(crate) each: Option<u64>,
    /// Most that a card may spend so on a business day, minor units.
    #[arg(long, value_name = "MINOR", requires = "number")]
    pub(crate) card_day: Option<u64>,
    /// Most transactions of a card so on a business day.
    #[arg(long, value_name = "N", requires = "number")]
    pub(crate) card_count: Option<u32>,
    /// Refuse what has a PIN, which nobody can verify.
    #[arg(long)]
    pub(crate) refuses_pin: bool,
    /// Its place among the rules, from 1; without it, where it was, or last.
    #[arg(long, value_name = "PLACE")]
    pub(crate) at: Option<usize>,
    #[command(flatten)]
    pub(crate) about: ScopeFlags,
    #[command(flatten)]
    pub(crate) change: RulesChange,
}

/// A score, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Score(pub(crate) Option<u32>);

fn score(text: &str) -> Result<Score, String> {
    match text {
        "none" => Ok(Score(None)),
        _ => text.parse().map(|score| Score(Some(score))).map_err(|_| "neither a number nor none".to_owned()),
    }
}

/// Of whom, over which time, and how much is still in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) of: String,
    /// A number of minutes where it is not `day` or `month`.
    pub(crate) window: String,
    pub(crate) max: u64,
}

fn counted(text: &str) -> Result<Counted, String> {
    let split = text.split_once('=').and_then(|(what, max)| Some((what.split_once('/')?, max)));
    let ((of, window), max) = split.ok_or("expected SUBJECT/WINDOW=NUMBER, for example card/day=500000")?;
    if !matches!(window, "day" | "month") && window.parse::<u32>().is_err() {
        return Err(format!("the window {window:?} is none of day, month and a number of minutes"));
    }
    let max = max.parse().map_err(|_| format!("{max:?} is no number"))?;
    Ok(Counted { of: of.to_owned(), window: window.to_owned(), max })
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let number = |part: &str| part.parse::<u16>().ok().filter(|number| *number <= 9_999);
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => Ok((from, to)),
        _ => Err("expected up to four digits, or two such numbers as FROM-TO".to_owned()),
    }
}

fn minutes(text: &str) -> Result<(u16, u16), String> {
    let minute = |part: &str| {
        let (hours, minutes) = part.split_once(':')?;
        let (hours, minutes) = (hours.parse::<u16>().ok()?, minutes.parse::<u16>().ok()?);
        (hours <= 24 && minutes < 60 && hours * 60 + minutes <= 1_440).then_some(hours * 60 + minutes)
    };
    let parts = text.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
    parts.ok_or_else(|| "expected two times of day, for example 22:00-06:00".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn no_two_options_have_one_name() {
        crate::arguments::Arguments::command().debug_assert();
    }

    #[test]
    fn flags_are_read_as_people_write_them() {
        let sum = counted("card/day=500").unwrap();
        assert_eq!((sum.of.as_str(), sum.window.as_str(), sum.max), ("card", "day", 500));
        for wrong in ["card=5", "card/day", "card/week=5", "card/day=x"] {
            assert!(counted(wrong).is_err(), "{wrong}");
        }
        assert_eq!((range("5812"), range("5800-5899")), (Ok((5_812, 5_812)), Ok((5_800, 5_899))));
        assert!(range("5899-5800").is_err() && range("12345").is_err());
        assert_eq!((minutes("22:00-06:00"), minutes("00:00-24:00")), (Ok((1_320, 360)), Ok((0, 1_440))));
        for wrong in ["22-6", "25:00-06:00", "22:60-06:00", "24:01-06:00"] {
            assert!(minutes(wrong).is_err(), "{wrong}");
        }
    }
}
