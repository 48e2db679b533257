//! Several modules with several connections each, and a breaker that stops asking one that does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use zeroize::Zeroizing;

use super::command::{Command, Commands};
use super::link::{Link, LinkSettings, Outcome};
use super::reply::Reply;
use crate::error::HsmError;

/// Settings of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `host:port` of each module; they hold the same local master key.
    pub addresses: Vec<String>,
    /// Connections to each.
    pub connections: usize,
    /// Characters of the message header, 4 to 8.
    pub header_bytes: usize,
    /// How long whoever asks waits, everything included.
    pub deadline: Duration,
    /// Commands in a row without an answer, after which a module is not asked any more.
    pub failures_max: u32,
    /// How often a module is asked how it is.
    pub heartbeat: Duration,
    /// How often one that is not asked any more is.
    pub probe: Duration,
    /// Number of the local master key, where it is not the module's default.
    pub lmk: Option<u8>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            addresses: vec!["127.0.0.1:1500".to_owned()],
            connections: 2,
            header_bytes: 8,
            deadline: Duration::from_millis(500),
            failures_max: 5,
            heartbeat: Duration::from_secs(10),
            probe: Duration::from_secs(1),
            lmk: None,
        }
    }
}

/// One module.
#[derive(Debug)]
struct Module {
    address: String,
    links: Vec<Link>,
    next: AtomicUsize,
    failures: AtomicU32,
    is_open: AtomicBool,
    /// The breaker opened: probes begin, however far away the next heartbeat is.
    opened: Notify,
    failures_max: u32,
}

impl Module {
    fn takes_commands(&self) -> bool {
        !self.is_open.load(Ordering::Acquire) && self.links.iter().any(Link::is_up)
    }

    fn answered(&self) {
        self.failures.store(0, Ordering::Relaxed);
        if self.is_open.swap(false, Ordering::AcqRel) {
            tracing::info!(hsm = %self.address, "hsm answers again");
        }
    }

    fn failed(&self) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures >= self.failures_max && !self.is_open.swap(true, Ordering::AcqRel) {
            tracing::error!(hsm = %self.address, failures, "hsm does not answer and is not asked any more");
            self.opened.notify_one();
        }
    }

    /// Sends over the next connection that is up.
    async fn send(&self, command: &Arc<Command>) -> Outcome {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for offset in 0..self.links.len() {
            let outcome = self.links[(first + offset) % self.links.len()].send(command).await;
            if !matches!(outcome, Outcome::NotSent) {
                return outcome;
            }
        }
        Outcome::NotSent
    }
}

/// The modules.
#[derive(Debug)]
pub(super) struct Pool {
    modules: Arc<Vec<Module>>,
    next: AtomicUsize,
    deadline: Duration,
    heart: Vec<tokio::task::AbortHandle>,
}

impl Pool {
    /// Starts connecting, on the runtime that this is called in.
    pub(super) fn start(settings: &Settings) -> Self {
        let module = |address: &String| {
            let link = LinkSettings {
                address: address.clone(),
                header_bytes: settings.header_bytes,
                deadline: settings.deadline,
            };
            Module {
                address: address.clone(),
                links: (0..settings.connections.max(1)).map(|_| Link::start(link.clone())).collect(),
                next: AtomicUsize::new(0),
                failures: AtomicU32::new(0),
                is_open: AtomicBool::new(false),
                opened: Notify::new(),
                failures_max: settings.failures_max,
            }
        };
        let modules = Arc::new(settings.addresses.iter().map(module).collect::<Vec<_>>());
        let heart = (0..modules.len())
            .map(|index| tokio::spawn(beat(Arc::clone(&modules), index, settings.clone())).abort_handle())
            .collect();
        Self { modules, next: AtomicUsize::new(0), deadline: settings.deadline, heart }
    }

    pub(super) fn count(&self) -> (usize, usize) {
        (self.modules.iter().filter(|module| module.takes_commands()).count(), self.modules.len())
    }

    /// Asks one module, another when the command did not leave, and once more when its connection ended and
    /// the command may be sent twice. Never more than the deadline.
    pub(super) async fn ask(&self, command: Command) -> Result<Zeroizing<Vec<u8>>, HsmError> {
        let command = Arc::new(command);
        let until = Instant::now() + self.deadline;
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.modules.len();
        let mut may_repeat = command.is_repeatable();
        let mut was_sent = false;
        for offset in 0..=count {
            let module = &self.modules[(first + offset) % count];
            if !module.takes_commands() {
                continue;
            }
            match timeout_at(until, module.send(&command)).await {
                Ok(Outcome::Answered(answer)) => {
                    module.answered();
                    return Ok(answer);
                }
                Ok(Outcome::NotSent) => {}
                Ok(Outcome::Lost) => {
                    module.failed();
                    was_sent = true;
                    if !std::mem::take(&mut may_repeat) {
                        break;
                    }
                }
                Err(_) => {
                    module.failed();
                    was_sent = true;
                    break;
                }
            }
        }
        Err(if was_sent { HsmError::Unanswered } else { HsmError::Unavailable })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for task in &self.heart {
            task.abort();
        }
    }
}

/// Asks a module how it is, every so often; its answers close the breaker and their absence opens it.
async fn beat(modules: Arc<Vec<Module>>, index: usize, settings: Settings) {
    let module = &modules[index];
    let commands = Commands { lmk: settings.lmk };
    loop {
        if module.is_open.load(Ordering::Acquire)
            || timeout(settings.heartbeat, module.opened.notified()).await.is_ok()
        {
            sleep(settings.probe).await;
        }
        let command = Arc::new(commands.diagnostics());
        match timeout_at(Instant::now() + settings.deadline, module.send(&command)).await {
            Ok(Outcome::Answered(answer)) => {
                let said = Reply::read(command.answer_code(), &answer).ok_or(HsmError::Unanswered);
                match said.and_then(|reply| reply.diagnostics()) {
                    Ok(_) => module.answered(),
                    Err(error) => {
                        tracing::error!(hsm = %module.address, %error, "hsm is not well");
                        module.failed();
                    }
                }
            }
            Ok(Outcome::NotSent) if !module.links.iter().any(Link::is_up) => {}
            Ok(Outcome::NotSent | Outcome::Lost) | Err(_) => module.failed(),
        }
    }
}
