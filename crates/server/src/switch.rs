//! A switch from start to end.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use switchyard_core::{Command, CommandError, CommandOutcome, Core, Output};
use switchyard_domain::{Actor, LinkMode, TerminalProfile};
use switchyard_keys::lmk::LmkRing;
use switchyard_ledger::index::{Index, Indexer};
use switchyard_ledger::projection::{Follower, Rows};
use switchyard_ledger::{Committer, FileLayer, Log, Recovery};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{Config, Profile};
use crate::connection::Tongue;
use crate::core_thread::CoreThread;
use crate::data::{DataDir, DataError};
use crate::hsm::{HsmStartError, Module};
use crate::keystore::{CardKeyError, Cards, KeyStore};
use crate::lmk::settled;
use crate::metrics::Metrics;
use crate::open::{Opened, ReplayError, open};
use crate::release::{Pending, Release};
use crate::shared::{Fatal, Hooks, Parts, Phase, Shared, guarded, now, vital};
use crate::status::{Status, status};
use crate::tls::{HttpListener, Tls, TlsError};

/// How often housekeeping looks around.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// A card key that could not be changed is tried again after this.
const CARD_KEY_RETRY: Duration = Duration::from_secs(300);
/// Idle connections of a drain are looked for this often.
/// Longest wait for links to sign off and end.
const LINKS_WAIT: Duration = Duration::from_secs(2);
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// Why a switch does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data directory or its key files.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The keys of cards.
    #[error(transparent)]
    Cards(#[from] CardKeyError),
    /// The HSM.
    #[error(transparent)]
    Hsm(HsmStartError),
    /// The ledger.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address or path.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The operating system gives no thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The start was cancelled or panicked.
    #[error("the start did not come to its end")]
    Interrupted,
}

impl From<HsmStartError> for StartError {
    /// The file of a key is put right as any other file of the data directory.
    fn from(error: HsmStartError) -> Self {
        match error {
            HsmStartError::Data(error) => Self::Data(error),
            other => Self::Hsm(other),
        }
    }
}

/// Why a command has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The core refused; nothing changed.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The switch ended before it was known to be durable.
    #[error("the switch stopped before it was done")]
    Stopped,
}

/// Addresses that a switch listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Terminals.
    pub terminals: SocketAddr,
    /// Terminals that speak a generic dialect, in the order of the configuration.
    pub generic: Vec<SocketAddr>,
    /// HTTP.
    pub http: SocketAddr,
}

/// A running switch.
pub struct Switch {
    shared: Arc<Shared>,
    addresses: Addresses,
    core: JoinHandle<Option<Core>>,
    snapshots: JoinHandle<()>,
    data: DataDir,
    workers: Vec<JoinHandle<()>>,
    committer: Committer<Pending>,
    /// Absent when it could not be started: nothing that terminals hear depends on it.
    indexer: Option<Indexer>,
    /// As the index.
    projections: Option<Follower>,
    admin_socket: std::path::PathBuf,
}

impl Switch {
    /// Starts a switch on the runtime that this is called in. A fatal failure later ends the process with
    /// [`Fatal::exit_code`].
    ///
    /// # Errors
    /// [`StartError`] by what has to be put right.
    pub async fn start(config: Config, data_dir: &Path, extra: Option<Router>) -> Result<Self, StartError> {
        Self::start_with(config, data_dir, extra, Hooks::default()).await
    }

    /// As [`start`](Self::start), in other surroundings.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(
        config: Config,
        data_dir: &Path,
        extra: Option<Router>,
        hooks: Hooks,
    ) -> Result<Self, StartError> {
        let data = DataDir::new(data_dir, &config.keys);
        if !data.is_initialised() {
            return Err(DataError::NotInitialised { path: data_dir.to_path_buf() }.into());
        }
        let tls = Arc::new(Tls::load(&config)?);
        // Sockets come first: whoever asks finds a switch that says it is starting, and an address that is
        // taken shows before a long replay.
        let (listeners, terminals_at, generic) = listen_to_terminals(&config).await?;
        let (http, http_at) = listen(config.http.listen).await?;
        let addresses = Addresses { terminals: terminals_at, generic, http: http_at };
        let (phase, phases) = watch::channel(Phase::Starting);
        let metrics = Arc::new(Metrics::new());
        let limit = config.http.connections_max;
        let http = HttpListener::new(http, limit, Arc::clone(&tls), Arc::clone(&metrics));
        // Which one is in force the ledger says; until then nothing is opened.
        let lmk = Arc::new(data.lmk().open(config.general.profile, None)?);
        let module = Arc::new(Module::open(&config, &data, Arc::clone(&lmk))?);
        tokio::spawn(crate::http::serve(http, phases, Arc::clone(&metrics), Arc::clone(&module), extra));

        let loading = {
            let (config, data, files) = (config.clone(), data.clone(), Arc::clone(&hooks.files));
            move || load(&config, &data, &files, lmk)
        };
        let loaded = tokio::task::spawn_blocking(loading).await.map_err(|_| StartError::Interrupted)??;
        let admin_socket = data.admin_socket();
        let admin = crate::admin::bind(&admin_socket, config.admin.group)
            .map_err(|source| StartError::Listen { address: admin_socket.display().to_string(), source })?;
        let Loaded { opened: Opened { log, recovery, core, from }, store, cards } = loaded;
        let state = core.state();
        let shared = Arc::new(Shared::new(Parts {
            config,
            metrics,
            store,
            module,
            cards,
            lmk: data.lmk(),
            demo: state.is_demo(),
            acquirer: state.acquirer().ok_or(DataError::NotInitialised { path: data_dir.to_path_buf() })?,
            offset: state.offset(),
            phase,
            tls,
            hooks,
        }));
        publish(&shared, &core);
        let (indexer, projections) = start_derived(&shared, &data, &recovery);
        let (core, committer) = start_core(&shared, core, log, &recovery)?;
        let workers = crate::workers::start(&shared).map_err(StartError::Thread)?;
        let snapshots = crate::snapshots::start(&shared, data.ledger(), data.snapshots(), from);
        let snapshots = snapshots.map_err(StartError::Thread)?;
        let spawn = |name, task: Pin<Box<dyn Future<Output = ()> + Send>>| {
            tokio::spawn(vital(Arc::clone(&shared), name, task));
        };
        spawn("admin", Box::pin(crate::admin::serve(Arc::clone(&shared), admin)));
        spawn("hsm", Box::pin(crate::hsm::watch(Arc::clone(&shared))));
        spawn("housekeeping", Box::pin(housekeeping(Arc::clone(&shared), data.ledger())));
        shared.enter(Phase::Serving);
        for (listener, tongue) in listeners {
            spawn("accept", Box::pin(crate::connection::accept(Arc::clone(&shared), listener, tongue)));
        }
        tracing::info!(terminals = %addresses.terminals, http = %addresses.http, records = recovery.next_seq.0, "serving");
        Ok(Self {
            shared,
            addresses,
            core,
            snapshots,
            data,
            workers,
            committer,
            indexer,
            projections,
            admin_socket,
        })
    }

    /// Where it listens; ports 0 of the configuration are real ones here.
    pub fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    /// Has a command carried out; returns when what it recorded is durable.
    ///
    /// # Errors
    /// [`RunError::Refused`] and [`RunError::Stopped`].
    pub async fn command(&self, actor: Actor, command: Command) -> Result<CommandOutcome, RunError> {
        self.handle().command(actor, command).await
    }

    /// What it says about itself.
    pub fn status(&self) -> Status {
        status(&self.shared)
    }

    /// Finds transactions in the ledger; absent when the index could not be started.
    pub fn index(&self) -> Option<Index> {
        self.indexer.as_ref().map(Indexer::index)
    }

    /// The projections of the ledger; absent when they could not be started.
    pub fn rows(&self) -> Option<Rows> {
        self.projections.as_ref().map(Follower::rows)
    }

    /// A handle for those who outlive a borrow: a portal, a signal handler.
    pub fn handle(&self) -> SwitchHandle {
        SwitchHandle { shared: Arc::clone(&self.shared) }
    }

    /// Ends in good order: takes nothing new, answers what is in flight for as long as the configuration
    /// says, closes the log.
    ///
    /// # Errors
    /// [`Fatal`] when the log could not be closed; its last acknowledged record is durable all the same.
    pub async fn shutdown(self) -> Result<(), Fatal> {
        let Self {
            shared,
            core,
            snapshots,
            data,
            workers,
            committer,
            indexer,
            projections,
            admin_socket,
            ..
        } = self;
        tracing::info!("draining");
        shared.enter(Phase::Draining);
        let limit = Duration::from_secs(u64::from(shared.config.general.drain_timeout_s));
        let drained = async {
            while shared.connections.count() > 0 {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        };
        if tokio::time::timeout(limit, drained).await.is_err() {
            tracing::warn!(connections = shared.connections.count(), "not everything was answered in time");
        }
        shared.enter(Phase::Stopping);
        // Hosts are told; one that does not answer is not waited for.
        let told = async {
            while shared.links.any_up() {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        };
        if tokio::time::timeout(LINKS_WAIT, told).await.is_err() {
            tracing::warn!("a link's connection did not end in time");
        }
        let joined = tokio::task::spawn_blocking(move || {
            shared.jobs.close();
            workers.into_iter().for_each(|worker| drop(worker.join()));
            shared.queue.close();
            let core = core.join().ok().flatten();
            let closed = committer.shutdown();
            drop((indexer, projections));
            snapshots.thread().unpark();
            drop(snapshots.join());
            if let (Ok(()), Some(core), true) = (&closed, core, shared.config.ledger.snapshot_records > 0) {
                crate::snapshots::write_last(&data.ledger(), &data.snapshots(), core.state());
            }
            drop(std::fs::remove_file(admin_socket));
            closed.map_err(|error| Fatal::Ledger { reason: error.to_string() })
        });
        let closed = joined.await.unwrap_or(Err(Fatal::Thread { name: "shutdown" }));
        tracing::info!(clean = closed.is_ok(), "stopped");
        closed
    }
}

/// Talks to a running switch.
#[derive(Clone)]
pub struct SwitchHandle {
    shared: Arc<Shared>,
}

impl SwitchHandle {
    /// As [`Switch::command`].
    ///
    /// # Errors
    /// As [`Switch::command`].
    pub async fn command(&self, actor: Actor, command: Command) -> Result<CommandOutcome, RunError> {
        let result = self.shared.command(actor, command).await.map_err(|_| RunError::Stopped)?;
        Ok(result?)
    }
    /// As [`Switch::status`].
    pub fn status(&self) -> Status {
        status(&self.shared)
    }
    /// The page that Prometheus reads.
    pub fn metrics_page(&self) -> String {
        self.shared.metrics.render()
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address: address.to_string(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Where terminals connect and what they speak there.
type TerminalListeners = Vec<(TcpListener, Tongue)>;

/// The listener of UnionPay's dialect and those of generic ones, and their addresses.
async fn listen_to_terminals(
    config: &Config,
) -> Result<(TerminalListeners, SocketAddr, Vec<SocketAddr>), StartError> {
    let (listener, terminals) = listen(config.terminals.listen).await?;
    let mut listeners = vec![(listener, Tongue::unionpay())];
    let mut addresses = Vec::new();
    for generic in &config.terminals.generic {
        let (listener, bound) = listen(generic.address).await?;
        // A name of the configuration is one of a dialect that terminals speak.
        let Some(tongue) = Tongue::of(generic) else { continue };
        listeners.push((listener, tongue));
        addresses.push(bound);
    }
    Ok((listeners, terminals, addresses))
}

struct Loaded {
    opened: Opened,
    store: KeyStore,
    cards: Cards,
}

/// Everything that takes time: keys, and the ledger from its first record.
fn load(
    config: &Config,
    data: &DataDir,
    files: &Arc<dyn FileLayer>,
    lmk: Arc<LmkRing>,
) -> Result<Loaded, StartError> {
    let hash_key = data.read_card_hash(config.general.profile)?;
    let opened = open(&data.ledger(), &data.snapshots(), config, files)?;
    // Whoever put other key files into a demonstration's data directory has its terminals' keys all the same.
    if opened.core.state().is_demo() && config.general.profile == Profile::Production {
        return Err(DataError::DemoLedger { path: data.root().to_path_buf() }.into());
    }
    if let Some(cut) = &opened.recovery.cut {
        tracing::warn!(bytes = cut.bytes, kept_in = %cut.kept_in.display(), "a torn block was cut from the ledger");
    }
    lmk.take_over(settled(&data.lmk(), config, opened.core.state())?);
    let store = KeyStore::under(lmk);
    let registry = opened.core.state().registry();
    let named: Vec<u32> = registry.card_keys().map(|(number, _)| number).collect();
    data.card_keys().finish_shredding(&named)?;
    let cards = Cards::open(&store, registry.keys(), &hash_key, &data.card_keys())?;
    Ok(Loaded { opened, store, cards })
}

/// Puts in force what the ledger says, before anything is served.
fn publish(shared: &Arc<Shared>, core: &Core) {
    let registry = core.state().registry();
    for (index, terminal, keys) in registry.terminals() {
        shared.table.use_terminal(index, terminal);
        // A terminal has the profile of most until another one is said.
        if let Some(profile) = registry.profile(index).filter(|other| *other != TerminalProfile::default()) {
            shared.table.use_profile(index, profile);
        }
        if let Some(keys) = keys {
            shared.table.use_keys(index, keys.clone(), Duration::ZERO);
        }
        if registry.wants_new_keys(index) {
            shared.table.renew_keys(index);
        }
    }
    for (name, key) in registry.keys() {
        shared.keys.use_key(name, key);
    }
    let runtime = tokio::runtime::Handle::current();
    for ((index, link), mode) in registry.links().zip(registry.link_modes()) {
        let credit_max = registry.link_terms(index).credit_max;
        crate::links::start(shared, &runtime, index, link.clone(), credit_max, *mode != LinkMode::Down);
    }
}

/// What follows the log for questions: the index and the projections.
fn start_derived(
    shared: &Shared,
    data: &DataDir,
    recovery: &Recovery,
) -> (Option<Indexer>, Option<Follower>) {
    let indexer = crate::index::start(&data.ledger(), recovery.next_seq);
    if let Some(indexer) = &indexer {
        let _ = shared.index_durable.set(indexer.durable());
    }
    let projections = crate::registry::start(&data.projections(), &data.ledger(), recovery.next_seq);
    if let Some(projections) = &projections {
        let _ = shared.rows.set(projections.rows());
    }
    (indexer, projections)
}

/// A wall clock further behind the latest record than this is worth a warning at start, seconds.
const CLOCK_BEHIND_S_MAX: u64 = 60;

fn start_core(
    shared: &Arc<Shared>,
    mut core: Core,
    log: Log,
    recovery: &Recovery,
) -> Result<(JoinHandle<Option<Core>>, Committer<Pending>), StartError> {
    let mut started = Output::default();
    // A wall clock behind the latest record does not hold the switch up until it has caught up.
    let (wall, last) = (now(), core.state().last_at());
    let behind_s = last.0.saturating_sub(wall.0) / 1_000_000;
    if behind_s > CLOCK_BEHIND_S_MAX {
        tracing::warn!(
            behind_s,
            "the wall clock is behind the latest record: records go on from there until it has caught up, and so \
             does the time that terminals hear"
        );
    }
    let clock = wall.max(last);
    let cut_bytes = recovery.cut.as_ref().map_or(0, |cut| cut.bytes);
    core.start(recovery.epoch.0, cut_bytes, clock, &mut started);
    shared.durable.store(recovery.next_seq.0, Ordering::Release);
    let release = Release::new(Arc::clone(shared), tokio::runtime::Handle::current());
    let committer = Committer::spawn(log, || now().0, release).map_err(ReplayError::Ledger)?;
    let thread = CoreThread::new(Arc::clone(shared), core, committer.submitter(), recovery.next_seq, clock);
    let core = std::thread::Builder::new()
        .name("core".to_owned())
        .spawn({
            let shared = Arc::clone(shared);
            move || {
                let mut core = None;
                guarded(&shared, "core", || core = Some(thread.run(started)));
                core
            }
        })
        .map_err(StartError::Thread)?;
    Ok((core, committer))
}

/// Seals cards under a new key once the one in use has served its period.
async fn change_card_key(shared: &Arc<Shared>, tried_at: &mut Option<Instant>) {
    let due = shared.cards.is_due(now(), shared.config.keys.card_key_days);
    if !due || tried_at.is_some_and(|at| at.elapsed() < CARD_KEY_RETRY) {
        return;
    }
    *tried_at = Some(Instant::now());
    if let Err(error) = crate::card_keys::rotate(shared, Actor::Switch).await {
        tracing::error!(%error, "the card data key cannot be changed");
    }
}

/// Looks at the disk and keeps histograms small.
async fn housekeeping(shared: Arc<Shared>, ledger: std::path::PathBuf) {
    let mut stop = std::pin::pin!(crate::shared::reached(shared.phase.subscribe(), Phase::Stopping));
    let mut beat = tokio::time::interval(HOUSEKEEPING);
    let mut changed_at = None;
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return,
            _ = beat.tick() => {}
        }
        shared.metrics.upkeep();
        shared.links.measure();
        shared.metrics.core_queue.set(shared.queue.depth() as f64);
        shared.metrics.key_queue.set(shared.jobs.depth() as f64);
        if let Some(index) = shared.index_durable.get() {
            shared.metrics.index_behind_records.set(index.behind() as f64);
        }
        if let Some(behind) = shared.rows.get().and_then(Rows::behind) {
            shared.metrics.projections_behind_records.set(behind as f64);
        }
        change_card_key(&shared, &mut changed_at).await;
        shared.tls.reload();
        crate::space::watch(&shared, &ledger);
    }
}
