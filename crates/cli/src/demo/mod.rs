//! `demo`: the main job from end to end, on real sockets, keys, bytes and syncs, with nothing to set up.
//!
//! It makes a small world, starts its issuers and a switch, lets a fleet of terminals do everything that
//! terminals do (and some of what they should not), waits until every queue has drained, cuts the day,
//! settles it, verifies the ledger, and holds the three journals against each other.

mod compare;
mod report;

use crate::arguments::{DemoOptions, Output};
use crate::progress::Bar;
use crate::{Verdict, init, ledger, settle};
use anyhow::{Context, Result, bail};
use compare::{Evidence, Invariants};
use report::Report;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use switchyard_core::{Command, CommandOutcome};
use switchyard_domain::Actor;
use switchyard_server::Switch;
use switchyard_server::config::Config;
use switchyard_simulator::fleet::{FleetConfig, FleetReport, run_fleet};
use switchyard_simulator::issuer::{IssuerConfig, IssuerEntry, IssuerFaults, IssuerHost};
use switchyard_simulator::world::{DemoSize, DemoWorld, KeySource};

/// How long the demo waits for links to sign on and for queues to drain.
const PATIENCE: Duration = Duration::from_secs(120);
/// Answers of each issuer that are lost, per mille, and how many at most: each costs a terminal the issuer's
/// whole time limit.
const LOST_ANSWERS_PER_MILLE: u16 = 4;
const LOST_ANSWERS_MAX: u32 = 12;
/// Terminals of the demo: more when there is more to do.
const TERMINALS: usize = 32;
/// Segment size of the demo's ledger: small enough to be zeroed in no time.
const SEGMENT_MIB: u32 = 64;

pub(crate) fn run(options: &DemoOptions, form: Output) -> Result<Verdict> {
    let directory = options.directory.clone().unwrap_or_else(|| PathBuf::from("demo-data"));
    let data = fresh_directory(&directory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(Demo { options, data: &data }.run())?;
    report.print(form)?;
    let held = report.invariants.all_hold();
    if options.keep_running && held {
        runtime.block_on(keep_running(&data))?;
    }
    Ok(if held { Verdict::Fine } else { Verdict::Finding })
}

/// A directory of its own for each run, so that nothing is overwritten.
fn fresh_directory(parent: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    for number in 1..=9_999 {
        let path = parent.join(format!("run-{number}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    bail!("{}: 9999 runs are there already; remove some", parent.display())
}

struct Demo<'a> {
    options: &'a DemoOptions,
    data: &'a Path,
}

impl Demo<'_> {
    async fn run(&self) -> Result<Report> {
        let size =
            DemoSize { terminals: TERMINALS, cards_on_us: 24, cards_linked: 18, ..DemoSize::default() };
        let mut world = DemoWorld::generate(self.options.seed, &size, KeySource::System)?;
        step("issuers are starting");
        let issuers = issuers(&mut world).await?;
        let config = config();
        init::make(self.data, &config, &world)?;
        let switch = Switch::start(config.clone(), self.data, None).await?;
        wait_for(&switch, "the links to sign on", |s| s.links.iter().all(|l| l.up)).await?;
        step("terminals sign on, buy, reverse, and close their batches");
        let fleet = self.fleet(&world, &switch).await?;
        step("queues drain");
        wait_for(&switch, "every reversal to be delivered", |s| s.saf_waiting == 0 && s.unresolved == 0)
            .await?;
        step("the day is cut and settled");
        let operator = Actor::Operator("demo".into());
        let outcome = switch.command(operator.clone(), Command::CutDay).await?;
        let CommandOutcome::DayCut { day } = outcome else { bail!("the cut has no day") };
        let settled = settle::run(self.data, day, &config)?;
        let (records, merchant_changes) = (settled.records.clone(), settled.plan.merchant_changes());
        let record = Command::RecordSettlement { records, merchant_changes };
        switch.command(operator.clone(), record).await?;
        let CommandOutcome::Digest(live_digest) = switch.command(operator, Command::Digest).await? else {
            bail!("the switch has no digest")
        };
        let dead_letters = switch.status().saf_dead;
        switch.shutdown().await?;
        let mut books: BTreeMap<String, Vec<IssuerEntry>> = BTreeMap::new();
        for (name, host) in issuers {
            books.insert(name, host.stop().await);
        }
        step("the ledger is verified and the journals are compared");
        let verified = verify(self.data);
        let meaning = ledger::check_meaning(self.data, ledger::Digests::default())?;
        let again = settle::run(self.data, day, &config)?;
        let evidence = Evidence {
            fleet: &fleet,
            issuers: &books,
            meaning: &meaning,
            live_digest,
            dead_letters,
            verified: verified.is_ok(),
            settled: &settled,
            settled_again: &again,
        };
        let (invariants, findings) = Invariants::check(self.data, &evidence)?;
        Ok(Report { data: self.data.to_path_buf(), fleet, verified, meaning, settled, invariants, findings })
    }

    async fn fleet(&self, world: &DemoWorld, switch: &Switch) -> Result<FleetReport> {
        let target = switch.addresses().terminals.to_string();
        let mut config = FleetConfig::new(target, world.clone(), self.options.transactions);
        config.seed = self.options.seed;
        config.journal = Some(self.data.join("terminals.jsonl"));
        config.unbalanced = 2;
        let running = tokio::spawn(run_fleet(config));
        let bar = Bar::count("records");
        while !running.is_finished() {
            tokio::time::sleep(Duration::from_millis(200)).await;
            // Sign-ons, intents and outcomes are records too: about one and a half a transaction.
            let expected = self.options.transactions * 3 / 2;
            let records = switch.status().records;
            bar.set(records.min(expected), expected);
        }
        bar.finish();
        Ok(running.await.context("the fleet stopped")??)
    }
}

/// Starts an issuer for each link, on a port that the system chooses, and tells the world.
async fn issuers(world: &mut DemoWorld) -> Result<Vec<(String, IssuerHost)>> {
    let mut hosts = Vec::new();
    let names: Vec<String> = world.links.iter().map(|l| l.name.clone()).collect();
    for (index, name) in names.into_iter().enumerate() {
        let mut config = IssuerConfig::from_world(world, &name)?;
        config.faults = IssuerFaults {
            drop_reply_per_mille: LOST_ANSWERS_PER_MILLE,
            count_max: LOST_ANSWERS_MAX,
            seed: index as u64 + 1,
            ..IssuerFaults::default()
        };
        let host = IssuerHost::bind("127.0.0.1:0", config).await?;
        world.links[index].address = host.address().to_string();
        hosts.push((name, host));
    }
    Ok(hosts)
}

fn config() -> Config {
    let mut config = Config::default();
    config.terminals.listen = ([127, 0, 0, 1], 0).into();
    config.http.listen = ([127, 0, 0, 1], 0).into();
    config.ledger.segment_mib = SEGMENT_MIB;
    config.core.reversal_retry_ms = 500;
    config
}

/// What the demo is doing, on stderr.
fn step(text: &str) {
    eprintln!("demo: {text}");
}

async fn wait_for(
    switch: &Switch,
    what: &str,
    done: impl Fn(&switchyard_server::Status) -> bool,
) -> Result<()> {
    let begun = Instant::now();
    while !done(&switch.status()) {
        if begun.elapsed() > PATIENCE {
            bail!("waited {} s for {what}: {:?}", PATIENCE.as_secs(), switch.status());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// What `ledger verify` says.
fn verify(data: &Path) -> Result<switchyard_ledger::VerifyReport, String> {
    switchyard_ledger::verify(&data.join("ledger"), |_| {}).map_err(|error| error.to_string())
}

/// Serves what the demo made until somebody stops it.
async fn keep_running(data: &Path) -> Result<()> {
    let switch = Switch::start(Config::default(), data, None).await?;
    let addresses = switch.addresses();
    eprintln!("demo: terminals on {}, http on {}; Ctrl-C stops", addresses.terminals, addresses.http);
    tokio::signal::ctrl_c().await?;
    switch.shutdown().await?;
    Ok(())
}
