//! `sim issuer` and `sim terminals`: the other side of the demo world, from its `demo.json`.

use crate::arguments::{Output, SimCommand};
use crate::init::world_path;
use crate::{Verdict, output};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use switchyard_simulator::fleet::{FleetConfig, FleetReport, Mischief, run_fleet};
use switchyard_simulator::issuer::{IssuerConfig, IssuerFaults, IssuerHost};
use switchyard_simulator::load::{LoadConfig, run_load};
use switchyard_simulator::world::DemoWorld;

pub(crate) fn run(command: &SimCommand, data: &Path, form: Output) -> Result<Verdict> {
    let world = DemoWorld::read(&world_path(data))
        .with_context(|| format!("{}: make it with `switchyard init --demo`", world_path(data).display()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match command {
        SimCommand::Issuer { link, drop_per_mille, journal } => {
            runtime.block_on(issuers(&world, link.as_deref(), *drop_per_mille, journal.as_deref()))
        }
        SimCommand::Terminals(options) => {
            let mut config = FleetConfig::new(options.target.clone(), world, options.transactions);
            config.terminals = options.terminals.unwrap_or(config.terminals);
            config.journal.clone_from(&options.journal);
            config.resume = options.resume;
            config.seed = options.seed;
            config.time_limit = options.seconds.map(Duration::from_secs);
            config.close_at_end = !options.leave_open;
            if options.well_behaved {
                config.mischief = Mischief::NONE;
                config.unbalanced = 0;
            }
            let report = runtime.block_on(run_fleet(config))?;
            print(&report, form)?;
            Ok(if report.errors_count == 0 { Verdict::Fine } else { Verdict::Finding })
        }
        SimCommand::Load { target, transactions, window, connections } => {
            let mut config = LoadConfig::new(target.clone(), world, *transactions);
            config.window = *window;
            config.connections = *connections;
            let report = runtime.block_on(run_load(config))?;
            output::json(&serde_json::to_value(&report)?)?;
            Ok(Verdict::Fine)
        }
    }
}

async fn issuers(
    world: &DemoWorld,
    only: Option<&str>,
    drop_per_mille: u16,
    journal: Option<&Path>,
) -> Result<Verdict> {
    let mut hosts = Vec::new();
    for link in world.links.iter().filter(|l| only.is_none_or(|name| l.name == name)) {
        let mut config = IssuerConfig::from_world(world, &link.name)?;
        config.faults = IssuerFaults { drop_reply_per_mille: drop_per_mille, ..IssuerFaults::default() };
        config.journal = journal.map(Path::to_path_buf);
        let host = IssuerHost::bind(&link.address, config).await.with_context(|| link.address.clone())?;
        eprintln!("{}: {} on {}", link.name, link.dialect.name(), host.address());
        hosts.push(host);
    }
    if hosts.is_empty() {
        bail!(
            "no such link; there are {}",
            world.links.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", ")
        );
    }
    tokio::signal::ctrl_c().await?;
    for host in hosts {
        let ledger = host.stop().await;
        eprintln!("stopped with {} entries", ledger.len());
    }
    Ok(Verdict::Fine)
}

/// The report of a fleet.
fn print(report: &FleetReport, form: Output) -> Result<()> {
    if form == Output::Json {
        return output::json(&serde_json::to_value(report)?);
    }
    output::line(&format!(
        "{} sent, {} approved, {} reversed, {} unknown, {} repeated, {} recovered",
        report.sent, report.approved, report.reversed, report.unknown, report.repeats, report.recovered
    ))?;
    for (code, count) in &report.declined {
        output::line(&format!("  declined {code}: {count}"))?;
    }
    for batch in &report.batches {
        output::line(&format!("  batch {} {}: {}", batch.tid, batch.batch, batch.verdict))?;
    }
    for error in &report.errors {
        output::line(&format!("  ERROR {}", json!(error)))?;
    }
    let latency = report.latency_us;
    output::line(&format!(
        "latency µs: p50 {} p99 {} p99.9 {}; {} ms; {} errors",
        latency.p50, latency.p99, latency.p999, report.elapsed_ms, report.errors_count
    ))
}
