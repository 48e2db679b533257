//! `sim issuer`, `sim terminals` and `sim hsm`: the other sides of the demo world.

use crate::arguments::{Output, SimCommand, SimHsm, SimIssuer, SimTerminals};
use crate::init::world_path;
use crate::{Verdict, output};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use switchyard_domain::{LinkDialect, TerminalDialect};
use switchyard_keys::SecretBytes;
use switchyard_keys::lmk::{KeyAlgorithm, KeyAttributes, KeyUsage, Lmk};
use switchyard_server::config::{KeyFiles, Profile};
use switchyard_server::{DataDir, KeptTransport, keep_key, keep_transport, kept_key};
use switchyard_simulator::fleet::{FleetConfig, FleetReport, KeyKeeper, Mischief, Mix, run_fleet};
use switchyard_simulator::hsm::{HsmDevice, HsmFaults, HsmHost};
use switchyard_simulator::issuer::{IssuerConfig, IssuerFaults, IssuerHost};
use switchyard_simulator::load::{LoadConfig, run_load};
use switchyard_simulator::world::{DemoWorld, Speech};
use switchyard_wire::EnvelopeKind;

pub(crate) fn run(command: &SimCommand, data: &Path, form: Output) -> Result<Verdict> {
    if let SimCommand::Hsm(options) = command {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return runtime.block_on(hsm(options, data));
    }
    let world = DemoWorld::read(&world_path(data))
        .with_context(|| format!("{}: make it with `switchyard init --demo`", world_path(data).display()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match command {
        SimCommand::Issuer(options) => runtime.block_on(issuers(&world, options)),
        SimCommand::Hsm(_) => unreachable!("it needs no world and has been run"),
        SimCommand::Terminals(options) => {
            let speech = speech(options)?;
            let mut world = world;
            world.terminals.iter_mut().for_each(|terminal| terminal.speak(speech));
            let mut config = FleetConfig::new(options.target.clone(), world, options.transactions);
            if speech.is_generic() {
                config.mix = Mix::every_kind();
            }
            config.terminals = options.terminals.unwrap_or(config.terminals);
            config.journal.clone_from(&options.journal);
            config.resume = options.resume;
            config.seed = options.seed;
            config.time_limit = options.seconds.map(Duration::from_secs);
            config.close_at_end = !options.leave_open;
            config.keys = options.fetch_keys.then(|| KeyKeeper::new(world_path(data)));
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

/// What the terminals of a fleet speak.
fn speech(options: &SimTerminals) -> Result<Speech> {
    let name = &options.dialect;
    let takes_partial = options.takes_partial;
    match TerminalDialect::named(name).with_context(|| format!("--dialect {name} is none of terminals"))? {
        TerminalDialect::UnionpayPos if options.no_mac => bail!("--no-mac is for generic dialects"),
        TerminalDialect::UnionpayPos => Ok(Speech { takes_partial, ..Speech::default() }),
        TerminalDialect::Iso(dialect) => {
            let envelope: EnvelopeKind = options.envelope.parse().context("--envelope")?;
            if matches!(envelope, EnvelopeKind::Cups | EnvelopeKind::Base1) {
                bail!("--envelope {}: terminals have none of this kind", envelope.name());
            }
            let framing = options.framing.parse().context("--framing")?;
            let carries_mac = !options.no_mac;
            Ok(Speech { framing, envelope, carries_mac, takes_partial, ..Speech::generic(dialect) })
        }
    }
}

/// A module whose local master key is kept beside the switch's keys, so that what it wrapped opens again after
/// a restart; and the transport key that both know.
async fn hsm(options: &SimHsm, data: &Path) -> Result<Verdict> {
    let paths = DataDir::new(data, &KeyFiles::default());
    let (kept, transport) = (paths.keys().join("simulated-hsm"), paths.hsm_transport());
    if !kept.exists() {
        let (lmk, key) = (SecretBytes::random(32)?, SecretBytes::random(32)?);
        let attributes = KeyAttributes::new(KeyAlgorithm::Aes);
        let wrapped = Lmk::from_slice(lmk.expose())?.wrap(key.expose(), KeyUsage::Zmk, attributes)?;
        let reference = format!("S{}", str::from_utf8(wrapped.as_bytes())?);
        keep_key(&kept, &lmk, true)?;
        keep_transport(&transport, &KeptTransport { key, reference }, true)?;
    }
    let lmk = Lmk::from_slice(kept_key(&kept, Profile::Demo)?.expose())?;
    let faults = HsmFaults {
        delay_per_mille: options.delay_per_mille,
        delay_ms: options.delay_ms,
        silent_per_mille: options.silent_per_mille,
        garbage_per_mille: options.garbage_per_mille,
        wrong_header_per_mille: options.wrong_header_per_mille,
        disconnect_per_mille: options.disconnect_per_mille,
        refuse_per_mille: options.refuse_per_mille,
        seed: options.seed,
        ..HsmFaults::default()
    };
    let host = HsmHost::bind(&options.listen, HsmDevice::new(lmk), options.header_bytes, faults)
        .await
        .with_context(|| options.listen.clone())?;
    eprintln!(
        "hsm on {}; [hsm] backend = \"payshield\", addresses = \"{0}\", header_bytes = {}",
        host.address(),
        options.header_bytes
    );
    tokio::signal::ctrl_c().await?;
    eprintln!("stopped after {} commands", host.commands());
    Ok(Verdict::Fine)
}

async fn issuers(world: &DemoWorld, options: &SimIssuer) -> Result<Verdict> {
    let mut hosts = Vec::new();
    for link in world.links.iter().filter(|l| options.link.as_ref().is_none_or(|name| l.name == *name)) {
        let mut config = IssuerConfig::from_world(world, &link.name)?;
        config.faults =
            IssuerFaults { drop_reply_per_mille: options.drop_per_mille, ..IssuerFaults::default() };
        (config.echoes, config.scripts_per_mille) = (options.echo, options.script_per_mille);
        config.journal.clone_from(&options.journal);
        if let Some(name) = &options.dialect {
            config.dialect = LinkDialect::named(name).with_context(|| format!("--dialect {name} is none"))?;
        }
        if let Some(name) = &options.framing {
            config.framing = name.parse().context("--framing")?;
        }
        let speech = config.dialect.name();
        let host = IssuerHost::bind(&link.address, config).await.with_context(|| link.address.clone())?;
        eprintln!("{}: {speech} on {}", link.name, host.address());
        hosts.push(host);
    }
    if hosts.is_empty() {
        bail!(
            "no such link; there are {}",
            world.links.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", ")
        );
    }
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        failed = send_keys(&hosts, options.new_key_ms) => failed?,
    }
    for host in hosts {
        let (counts, keys) = (host.counts(), host.key_changes());
        let ledger = host.stop().await;
        let (scripts, results) = (counts.scripts, counts.script_results);
        eprintln!(
            "stopped with {} entries, {scripts} scripts sent, {results} results heard, {keys} PIN keys changed",
            ledger.len()
        );
    }
    Ok(Verdict::Fine)
}

/// Sends other PIN keys every so often, for ever; with 0 never.
async fn send_keys(hosts: &[IssuerHost], every_ms: u64) -> Result<()> {
    if every_ms == 0 {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(Duration::from_millis(every_ms)).await;
        for host in hosts {
            host.send_key()?;
        }
    }
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
