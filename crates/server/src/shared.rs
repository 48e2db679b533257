//! What the tasks and threads of one switch share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use switchyard_core::{Command, CommandError, CommandOutcome, Input};
use switchyard_domain::{AcquirerId, Actor, Timestamp, UtcOffset};
use switchyard_ledger::index::Durable;
use switchyard_ledger::projection::Rows;
use switchyard_ledger::{FileLayer, OsFiles};
use tokio::sync::{oneshot, watch};

use crate::config::Config;
use crate::connection::Connections;
use crate::core_thread::CoreFacts;
use crate::hsm::Module;
use crate::keyring::KeyRing;
use crate::keystore::{Cards, KeyStore};
use crate::keytable::KeyTable;
use crate::links::LinkTable;
use crate::lmk::LmkDesk;
use crate::lmk_files::LmkFiles;
use crate::metrics::Metrics;
use crate::queue::CoreQueue;
use crate::reload::Reload;
use crate::tls::Tls;
use crate::workers::JobQueue;

/// Where a switch is in its life. Only ever goes on to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The ledger is being read.
    Starting,
    /// Terminals are served.
    Serving,
    /// No new requests; those in flight are answered.
    Draining,
    /// Connections end now.
    Stopping,
    /// The ledger cannot be trusted any more: connections drop without another byte.
    Failed,
}

/// Why a switch cannot go on; the process has to end and recover at its next start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fatal {
    /// A write to the ledger failed: what is durable is not known.
    #[error("the ledger failed: {reason}")]
    Ledger {
        /// What the ledger said.
        reason: String,
    },
    /// A record is too long for the ledger, yet the state holds it.
    #[error("a record does not fit the ledger")]
    Record,
    /// A thread that the switch cannot do without ended.
    #[error("thread {name} panicked")]
    Thread {
        /// The thread.
        name: &'static str,
    },
}

impl Fatal {
    /// Exit code of the process, distinct from that of other failures.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Ledger { .. } => 70,
            Self::Record | Self::Thread { .. } => 71,
        }
    }
}

/// Called once when a switch cannot go on.
pub type OnFatal = Arc<dyn Fn(&Fatal) + Send + Sync>;

/// What a switch asks of its surroundings; tests put others in their place.
#[derive(Clone)]
pub struct Hooks {
    /// By default the process ends with [`Fatal::exit_code`].
    pub on_fatal: OnFatal,
    /// The ledger's files.
    pub files: Arc<dyn FileLayer>,
    /// Reads the configuration again; absent where there is no file.
    pub reload: Option<Reload>,
}

impl Default for Hooks {
    fn default() -> Self {
        let exit = |fatal: &Fatal| std::process::exit(fatal.exit_code());
        Self { on_fatal: Arc::new(exit), files: Arc::new(OsFiles), reload: None }
    }
}

/// Everything shared.
pub(crate) struct Shared {
    /// As at the start; see `live` for what can change.
    pub(crate) config: Config,
    /// With the values that were reloaded since.
    pub(crate) live: Mutex<Config>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) queue: CoreQueue,
    pub(crate) table: KeyTable,
    pub(crate) store: KeyStore,
    pub(crate) module: Arc<Module>,
    pub(crate) cards: Cards,
    pub(crate) lmk: LmkDesk,
    /// Whether the ledger is a demonstration's.
    pub(crate) demo: bool,
    pub(crate) keys: KeyRing,
    pub(crate) jobs: JobQueue,
    pub(crate) connections: Connections,
    pub(crate) links: LinkTable,
    pub(crate) acquirer: AcquirerId,
    pub(crate) offset: UtcOffset,
    pub(crate) facts: Mutex<CoreFacts>,
    /// The ledger's disk is nearly full: new work is refused before the core sees it.
    pub(crate) ledger_full: AtomicBool,
    /// Records that are durable.
    pub(crate) durable: AtomicU64,
    /// The time as the core was told last, microseconds since 1970: what it waits for is measured by this.
    pub(crate) clock: AtomicU64,
    /// When the process came this far.
    pub(crate) started: Instant,
    /// Duration of the last group commit, microseconds.
    pub(crate) sync_micros: AtomicU64,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) hooks: Hooks,
    /// Tells the index of records how far the ledger is durable; absent when there is no index.
    pub(crate) index_durable: OnceLock<Durable>,
    /// The projections; absent when there are none.
    pub(crate) rows: OnceLock<Rows>,
    /// Held while a password is compared.
    pub(crate) logins: tokio::sync::Mutex<()>,
    commands: Mutex<HashMap<u64, oneshot::Sender<Result<CommandOutcome, CommandError>>>>,
    next_command: AtomicU64,
}

/// What a switch is made of before it runs.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) store: KeyStore,
    pub(crate) module: Arc<Module>,
    pub(crate) cards: Cards,
    pub(crate) lmk: LmkFiles,
    pub(crate) demo: bool,
    pub(crate) acquirer: AcquirerId,
    pub(crate) offset: UtcOffset,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) hooks: Hooks,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { config, metrics, store, module, cards, lmk, demo, acquirer, offset, phase, tls, hooks } =
            parts;
        let core = &config.core;
        Self {
            queue: CoreQueue::new(core.queue_requests_max as usize, core.queue_reserved_max as usize),
            jobs: JobQueue::new(),
            connections: Connections::new(&config.terminals),
            table: KeyTable::new(),
            keys: KeyRing::default(),
            links: LinkTable::default(),
            facts: Mutex::default(),
            ledger_full: AtomicBool::new(false),
            durable: AtomicU64::new(0),
            clock: AtomicU64::new(0),
            logins: tokio::sync::Mutex::default(),
            started: Instant::now(),
            sync_micros: AtomicU64::new(0),
            commands: Mutex::default(),
            next_command: AtomicU64::new(1),
            live: Mutex::new(config.clone()),
            config,
            metrics,
            store,
            module,
            cards,
            lmk: LmkDesk::new(lmk),
            demo,
            acquirer,
            offset,
            phase,
            tls,
            hooks,
            index_durable: OnceLock::new(),
            rows: OnceLock::new(),
        }
    }

    /// Goes on to a later phase; an earlier one changes nothing.
    pub(crate) fn enter(&self, phase: Phase) -> bool {
        self.phase.send_if_modified(|current| {
            let later = phase > *current;
            if later {
                *current = phase;
            }
            later
        })
    }

    /// Ends everything at once: nothing is answered any more.
    pub(crate) fn fail(&self, fatal: &Fatal) {
        if self.enter(Phase::Failed) {
            tracing::error!(error = %fatal, "the switch stops");
            self.queue.close();
            self.commands.lock().unwrap_or_else(PoisonError::into_inner).clear();
            (self.hooks.on_fatal)(fatal);
        }
    }

    /// Hands a command to the core; the result comes when what it recorded is durable. The receiver fails
    /// when the switch ends before.
    pub(crate) fn command(
        &self,
        actor: Actor,
        command: Command,
    ) -> oneshot::Receiver<Result<CommandOutcome, CommandError>> {
        let (sender, receiver) = oneshot::channel();
        let ticket = self.next_command.fetch_add(1, Ordering::Relaxed);
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket, sender);
        if !self.queue.push([Input::Command { ticket, actor, command: Box::new(command) }]) {
            self.commands.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
        }
        receiver
    }

    pub(crate) fn command_done(&self, ticket: u64, result: Result<CommandOutcome, CommandError>) {
        let sender = self.commands.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
        if let Some(sender) = sender {
            // Whoever asked may have gone away; what was recorded stands.
            let _ = sender.send(result);
        }
    }
}

/// Wait after a failed accept: it fails for want of file descriptors, and spinning frees none.
pub(crate) const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Resolves when the switch is in `phase` or a later one.
pub(crate) async fn reached(mut phase: watch::Receiver<Phase>, wanted: Phase) {
    // An error means that the switch is gone, which is as late as can be.
    let _ = phase.wait_for(|current| *current >= wanted).await;
}

/// The time of the wall clock. Going back is caught where records are made.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// Runs the body of a thread that the switch cannot do without: a panic in it ends the switch instead of
/// leaving it half alive.
pub(crate) fn guarded(shared: &Arc<Shared>, name: &'static str, body: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_err() {
        shared.fail(&Fatal::Thread { name });
    }
}

/// Runs a task that the switch cannot do without; like [`guarded`] for a thread.
pub(crate) async fn vital(shared: Arc<Shared>, name: &'static str, task: impl Future<Output = ()>) {
    struct Alarm(Arc<Shared>, &'static str);
    impl Drop for Alarm {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.0.fail(&Fatal::Thread { name: self.1 });
            }
        }
    }
    let _alarm = Alarm(shared, name);
    task.await;
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::keytable::tests::store;
    use switchyard_domain::{KeyName, KeyUse};
    use switchyard_keys::SecretBytes;

    /// A switch without sockets, threads and ledger; what ends it is kept.
    pub(crate) fn shared(fatal: &Arc<Mutex<Vec<Fatal>>>) -> Arc<Shared> {
        let store = store();
        let data = store.wrap(KeyUse::CardData, SecretBytes::random(32).unwrap().expose()).unwrap();
        let name = KeyName { usage: KeyUse::CardData, owner: 1 };
        let files = crate::card_keys::CardKeyFiles::new("no files".into());
        let cards =
            Cards::open(&store, [(name, &data)].into_iter(), &SecretBytes::random(32).unwrap(), &files)
                .unwrap();
        let seen = Arc::clone(fatal);
        Arc::new(Shared::new(Parts {
            config: Config::default(),
            metrics: Arc::new(Metrics::new()),
            store,
            module: Arc::new(Module::software(Arc::new(
                switchyard_keys::lmk::Lmk::generate().unwrap().into(),
            ))),
            cards,
            lmk: LmkFiles::new("no files".into()),
            demo: true,
            acquirer: "48720000".parse().unwrap(),
            offset: UtcOffset::CHINA,
            phase: watch::channel(Phase::Serving).0,
            tls: Arc::default(),
            hooks: Hooks {
                on_fatal: Arc::new(move |cause| seen.lock().unwrap().push(cause.clone())),
                ..Hooks::default()
            },
        }))
    }

    #[tokio::test]
    async fn a_command_to_a_switch_that_has_ended_fails_and_does_not_wait() {
        let shared = shared(&Arc::default());
        shared.queue.close();
        assert!(shared.command(Actor::Switch, Command::CutDay).await.is_err());
    }

    #[tokio::test]
    async fn a_panic_in_a_thread_or_task_that_is_needed_ends_the_switch() {
        for is_task in [false, true] {
            let fatal = Arc::default();
            let shared = shared(&fatal);
            if is_task {
                let task = vital(Arc::clone(&shared), "some", async { panic!("on purpose") });
                assert!(tokio::spawn(task).await.is_err());
            } else {
                guarded(&shared, "some", || panic!("on purpose"));
            }
            assert_eq!(*fatal.lock().unwrap(), [Fatal::Thread { name: "some" }]);
            assert_eq!(*shared.phase.borrow(), Phase::Failed);
        }
    }
}
