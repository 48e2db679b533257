//! `day` and `settle`: cutting a business day, pricing and netting it, writing its files.

use crate::admin::Admin;
use crate::arguments::{DayCommand, Output, SettleCommand};
use crate::history::each_record;
use crate::{Verdict, output};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use switchyard_core::{Command, CommandOutcome};
use switchyard_domain::{BankAccount, BusinessDate, FileDigest, Record};
use switchyard_server::config::Config;
use switchyard_settlement::files::{RenderContext, files_rendered, manifest, render, write_files};
use switchyard_settlement::{Blockers, DayPlan, Planner, Terms};

/// A day settled: the plan and what stands on disk.
pub(crate) struct Settled {
    pub(crate) plan: DayPlan,
    pub(crate) dir: PathBuf,
    pub(crate) files: Vec<FileDigest>,
    /// What the ledger is to keep of it.
    pub(crate) records: Vec<Record>,
}

pub(crate) fn day(command: &DayCommand, data: &Path, config: &Config, form: Output) -> Result<Verdict> {
    match command {
        DayCommand::Cut => {
            let outcome = Admin::open(data, config)?.command(Command::CutDay)?;
            let CommandOutcome::DayCut { day } = outcome else { bail!("the switch answered something else") };
            match form {
                Output::Json => output::json(&json!({ "day": day.to_string(), "state": "fenced" }))?,
                Output::Text => {
                    output::line(&format!("{day} is cut; next: switchyard settle run --date {day}"))?
                }
            }
        }
        DayCommand::Status => {
            let days = days(data)?;
            match form {
                Output::Json => {
                    let rows = days.iter().map(|d| json!({"day": d.day.to_string(), "state": d.state()}));
                    output::json(&Value::Array(rows.collect()))?;
                }
                Output::Text => {
                    output::table(
                        &["day", "state"],
                        days.iter().map(|d| vec![d.day.to_string(), d.state().into()]),
                    )?;
                }
            }
        }
    }
    Ok(Verdict::Fine)
}

pub(crate) fn settle(command: &SettleCommand, data: &Path, config: &Config, form: Output) -> Result<Verdict> {
    match command {
        SettleCommand::Run { date, dry_run } => {
            let day = match date {
                Some(date) => *date,
                None => {
                    due(data)?.context("no day waits to be settled: cut one with `switchyard day cut`")?
                }
            };
            if *dry_run {
                print(&plan(data, day, &terms(config))?, None, form)?;
                return Ok(Verdict::Fine);
            }
            let settled = run(data, day, config)?;
            if !settled.records.is_empty() {
                let (records, merchant_changes) = (settled.records.clone(), settled.plan.merchant_changes());
                let record = Command::RecordSettlement { records, merchant_changes };
                Admin::open(data, config)?.command(record)?;
            }
            print(&settled.plan, Some((&settled.dir, &settled.files)), form)?;
        }
        SettleCommand::Status => return day(&DayCommand::Status, data, config, form),
    }
    Ok(Verdict::Fine)
}

fn terms(config: &Config) -> Terms {
    Terms { minimum_payout_minor: config.settlement.minimum_payout_minor }
}

/// Prices and nets a day from the records alone.
pub(crate) fn plan(data: &Path, day: BusinessDate, terms: &Terms) -> Result<DayPlan> {
    let mut planner = Planner::for_day(day, *terms);
    each_record(data, |sequence, stamped| Ok(planner.observe(sequence, stamped)?))?;
    while planner.needs_originals() {
        each_record(data, |sequence, stamped| {
            planner.observe_original(sequence, stamped);
            Ok(())
        })?;
    }
    Ok(planner.plan()?)
}

/// Plans a day and writes its files. Running it again, or after a kill, completes the same work.
pub(crate) fn run(data: &Path, day: BusinessDate, config: &Config) -> Result<Settled> {
    let plan = plan(data, day, &terms(config))?;
    let dir = data.join("settlement").join(day.to_string());
    let payer = &config.settlement;
    let context = RenderContext {
        acquirer_name: payer.acquirer_name.clone(),
        debtor: BankAccount {
            holder: payer.acquirer_name.clone(),
            number: payer.account_number.clone(),
            cnaps: payer.account_cnaps.clone(),
        },
    };
    let mut files = write_files(&dir, render(&plan, &context))?;
    let (statements, mut kept): (Vec<_>, Vec<_>) =
        files.iter().cloned().partition(|f| f.name.starts_with("merchant-"));
    // A big day has a statement for each of very many merchants: the ledger keeps one digest over theirs.
    let manifest = write_files(&dir, [Ok(manifest(&statements))])?;
    kept.extend(manifest.iter().cloned());
    files.extend(manifest);
    let mut records: Vec<Record> = plan.records().collect();
    match plan.files_recorded() {
        Some(recorded) if recorded == kept => {}
        Some(_) => bail!("{day}: the ledger keeps other digests for this day than these files have"),
        None => records.push(files_rendered(day, kept)),
    }
    Ok(Settled { plan, dir, files, records })
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

struct Day {
    day: BusinessDate,
    cut: bool,
    settled: bool,
}
impl Day {
    fn state(&self) -> &'static str {
        match (self.cut, self.settled) {
            (false, _) => "open",
            (true, false) => "fenced",
            (true, true) => "awaiting approval",
        }
    }
}

fn days(data: &Path) -> Result<Vec<Day>> {
    let mut days: Vec<Day> = Vec::new();
    each_record(data, |_, stamped| {
        match &stamped.record {
            Record::Genesis { day, .. } => days.push(Day { day: *day, cut: false, settled: false }),
            Record::DayCut { day, next } => {
                days.iter_mut().filter(|d| d.day == *day).for_each(|d| d.cut = true);
                days.push(Day { day: *next, cut: false, settled: false });
            }
            Record::FilesRendered { day, .. } => {
                days.iter_mut().filter(|d| d.day == *day).for_each(|d| d.settled = true);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(days)
}

/// The oldest day that is cut and not settled.
fn due(data: &Path) -> Result<Option<BusinessDate>> {
    Ok(days(data)?.iter().find(|d| d.cut && !d.settled).map(|d| d.day))
}

/// A plan as JSON, for the command and for the demo's report.
pub(crate) fn to_json(plan: &DayPlan, files: Option<(&Path, &[FileDigest])>) -> Value {
    let merchants = plan.merchants().iter().map(|net| {
        json!({
            "mid": net.id.to_string(), "name": net.name, "currency": net.currency.to_string(),
            "sales": {"count": net.sales.count, "minor": net.sales.minor},
            "refunds": {"count": net.refunds.count, "minor": net.refunds.minor},
            "fees_minor": net.fees_minor, "carry_in_minor": net.carry_in_minor, "net_minor": net.net_minor,
            "payout_minor": net.payout_minor, "carry_out_minor": net.carry_out_minor, "lines": net.lines,
        })
    });
    let files = files.map(|(dir, files)| {
        files
            .iter()
            .map(|f| json!({"path": dir.join(&f.name).display().to_string(), "sha256": hex(&f.sha256)}))
            .collect::<Vec<_>>()
    });
    json!({
        "day": plan.day().to_string(), "merchants": merchants.collect::<Vec<_>>(),
        "blockers": plan.blockers(), "files": files.unwrap_or_default(),
    })
}

/// Minor units of a currency with two decimals.
pub(crate) fn money(minor: i128) -> String {
    format!("{}{}.{:02}", if minor < 0 { "-" } else { "" }, minor.abs() / 100, minor.abs() % 100)
}

/// What an approver has to look at, without what is not there.
fn in_the_way(blockers: &Blockers) -> String {
    let counts = [
        (blockers.pending, "transactions under way"),
        (blockers.unknown, "transactions of unknown outcome"),
        (blockers.queued, "reversals that no issuer has acknowledged"),
        (blockers.dead_lettered, "reversals that were given up"),
        (blockers.open_batches, "terminals with an open batch"),
    ];
    let there = counts.into_iter().filter(|(count, _)| *count > 0);
    there.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

fn print(plan: &DayPlan, files: Option<(&PathBuf, &Vec<FileDigest>)>, form: Output) -> Result<()> {
    if form == Output::Json {
        return output::json(&to_json(plan, files.map(|(dir, files)| (dir.as_path(), files.as_slice()))));
    }
    output::table(
        &["merchant", "name", "sales", "refunds", "fees", "net", "payout", "carried"],
        plan.merchants().iter().map(|net| {
            vec![
                net.id.to_string(),
                net.name.clone(),
                money(net.sales.minor),
                money(net.refunds.minor),
                money(net.fees_minor.into()),
                money(net.net_minor.into()),
                money(net.payout_minor.into()),
                money(net.carry_out_minor.into()),
            ]
        }),
    )?;
    if !plan.blockers().is_clear() {
        eprintln!("switchyard: before this day is paid, look at {}", in_the_way(&plan.blockers()));
    }
    if let Some((dir, files)) = files {
        output::line(&format!("{} files in {}", files.len(), dir.display()))?;
    }
    Ok(())
}
