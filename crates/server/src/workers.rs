//! PIN work and key making, on threads of their own: they are the only ones that see a PIN in clear, and
//! neither sockets nor the core wait for them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use switchyard_core::{ChipOutcome, Financial, Input, KeyForm, MadeKeys, PinJob, PinOutcome, SlotId};
use switchyard_domain::{KeyUse, PinBlock, TerminalIndex, WorkingKeys};
use switchyard_keys::pin::{self, PinError, PinFormat};
use switchyard_keys::working_keys::WorkingKeyBlock;
use switchyard_keys::{DesKey, KeyError};

use crate::keystore::{mac_key_bytes, with_digits};
use crate::metrics::KeyOutcome;
use crate::shared::{Shared, guarded};

/// Jobs that a thread takes at once; its results go to the core in one batch.
const JOBS_PER_TURN: usize = 32;
/// Index of the PIN verification key in a PVV.
const PVV_KEY_INDEX: u8 = 1;

/// Work that needs a key.
#[derive(Debug)]
pub(crate) enum Job {
    /// Verify or translate a PIN.
    Pin { slot: SlotId, terminal: TerminalIndex, version: u32, request: Box<Financial>, job: PinJob },
    /// Verify the cryptogram of a chip and answer it.
    Chip { slot: SlotId, request: Box<Financial> },
    /// Make working keys.
    Keys { slot: SlotId, terminal: TerminalIndex, version: u32, form: KeyForm },
}

/// Jobs that wait. The core's limit of requests in flight bounds them.
#[derive(Debug)]
pub(crate) struct JobQueue {
    waiting: Mutex<(VecDeque<Job>, bool)>,
    work: Condvar,
}

impl JobQueue {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::default(), work: Condvar::new() }
    }

    /// Hands over the jobs of one release.
    pub(crate) fn push(&self, jobs: &mut Vec<Job>) {
        let count = jobs.len();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).0.extend(jobs.drain(..));
        if count > JOBS_PER_TURN {
            self.work.notify_all();
        } else if count > 0 {
            self.work.notify_one();
        }
    }

    /// Takes a few jobs; false when the queue is closed and empty.
    fn take(&self, jobs: &mut Vec<Job>) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.0.is_empty() && !waiting.1 {
            waiting = self.work.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let count = waiting.0.len().min(JOBS_PER_TURN);
        jobs.extend(waiting.0.drain(..count));
        count > 0
    }

    pub(crate) fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.work.notify_all();
    }
}

/// Starts the threads.
pub(crate) fn start(shared: &Arc<Shared>) -> std::io::Result<Vec<JoinHandle<()>>> {
    let configured = shared.config.keys.threads as usize;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let count = if configured > 0 { configured } else { (processors / 2).max(1) };
    (0..count)
        .map(|_| {
            let shared = Arc::clone(shared);
            std::thread::Builder::new()
                .name("keys".to_owned())
                .spawn(move || guarded(&Arc::clone(&shared), "keys", || run(&shared)))
        })
        .collect()
}

fn run(shared: &Shared) {
    let mut jobs = Vec::with_capacity(JOBS_PER_TURN);
    let mut results = Vec::with_capacity(JOBS_PER_TURN);
    while shared.jobs.take(&mut jobs) {
        results.extend(jobs.drain(..).map(|job| perform(shared, job)));
        shared.queue.push(results.drain(..));
    }
}

fn perform(shared: &Shared, job: Job) -> Input {
    match job {
        Job::Pin { slot, terminal, version, request, job } => {
            let outcome = pin_work(shared, terminal, version, &request, &job);
            shared.metrics.key_job(match outcome {
                PinOutcome::Verified => KeyOutcome::Verified,
                PinOutcome::Wrong => KeyOutcome::Wrong,
                PinOutcome::Malformed => KeyOutcome::Malformed,
                PinOutcome::Failed => KeyOutcome::Failed,
                PinOutcome::Translated(_) => KeyOutcome::Translated,
            });
            Input::PinDone { slot, request, outcome }
        }
        Job::Chip { slot, request } => {
            let outcome = crate::chip::work(shared.keys.cryptogram().as_deref(), &request);
            shared.metrics.key_job(match outcome {
                ChipOutcome::Right(_) => KeyOutcome::Verified,
                ChipOutcome::Wrong => KeyOutcome::Wrong,
                ChipOutcome::Malformed => KeyOutcome::Malformed,
                ChipOutcome::Failed => KeyOutcome::Failed,
            });
            Input::ChipDone { slot, request, outcome }
        }
        Job::Keys { slot, terminal, version, form } => {
            let made = make_keys(shared, terminal, version, form);
            if let Err(error) = &made {
                tracing::error!(%terminal, %error, "working keys cannot be made");
            }
            shared.metrics.key_job(if made.is_ok() { KeyOutcome::Made } else { KeyOutcome::Failed });
            Input::KeysMade { slot, made: made.ok().map(Box::new) }
        }
    }
}

fn pin_work(
    shared: &Shared,
    terminal: TerminalIndex,
    version: u32,
    request: &Financial,
    job: &PinJob,
) -> PinOutcome {
    let keys = shared.table.at(terminal).and_then(|entry| entry.keys(&shared.store));
    // A sign-on in between has changed the key: the block cannot be read any more.
    let Some(keys) = keys.filter(|keys| keys.version == version) else { return PinOutcome::Failed };
    let (Some(card), Some(block)) = (&request.card, &request.pin) else { return PinOutcome::Failed };
    let format = format_of(request);
    let done = with_digits(&card.pan, |digits| match job {
        PinJob::Verify { pvv } => {
            let Some(pvk) = shared.keys.pin_verification() else { return Ok(PinOutcome::Failed) };
            let pin = pin::decode(format, &keys.pin.decrypt_block(block.0), digits)?;
            let right = pin::verify_pvv(&pvk, digits, PVV_KEY_INDEX, &pin, pvv)?;
            Ok(if right { PinOutcome::Verified } else { PinOutcome::Wrong })
        }
        PinJob::Translate { link } => {
            let Some(zone) = shared.keys.zone(*link) else { return Ok(PinOutcome::Failed) };
            let block = pin::translate(&keys.pin, &zone, &block.0, format, PinFormat::Iso0, digits)?;
            Ok(PinOutcome::Translated(PinBlock(block)))
        }
    });
    match done {
        Ok(outcome) => outcome,
        Err(PinError::Block) => PinOutcome::Malformed,
        Err(_) => PinOutcome::Failed,
    }
}

/// DE 53, first digit: 1 is X9.8 without the card number, everything else with it.
fn format_of(request: &Financial) -> PinFormat {
    const FIRST_OF_SIXTEEN: u64 = 1_000_000_000_000_000;
    match request.echo.security_control.map(|control| control / FIRST_OF_SIXTEEN) {
        Some(1) => PinFormat::Iso0NoPan,
        Some(_) | None => PinFormat::Iso0,
    }
}

/// Why no working keys were made.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error("the terminal is not registered")]
    Terminal,
    #[error("single-length keys do not go with the terminal's MAC profile")]
    Form,
    #[error("key refused: {0}")]
    Key(#[from] KeyError),
    #[error("key block refused: {0}")]
    Block(#[from] switchyard_keys::working_keys::WorkingKeyError),
}

fn make_keys(
    shared: &Shared,
    terminal: TerminalIndex,
    version: u32,
    form: KeyForm,
) -> Result<MadeKeys, MakeError> {
    let entry = shared.table.at(terminal).ok_or(MakeError::Terminal)?;
    let store = &shared.store;
    let mac_bytes = mac_key_bytes(entry.mac);
    let pin_bytes = match form {
        KeyForm::Single if mac_bytes > 8 => return Err(MakeError::Form),
        KeyForm::Single => 8,
        KeyForm::Double | KeyForm::DoubleWithTrack => 16,
    };
    let pik = DesKey::generate(pin_bytes)?;
    let mak = DesKey::generate(mac_bytes)?;
    let tdk = matches!(form, KeyForm::DoubleWithTrack).then(|| DesKey::generate(16)).transpose()?;
    let tmk = store.unwrap_des(KeyUse::TerminalMaster, &entry.master_key)?;
    let block = WorkingKeyBlock::build(&tmk, &pik, &mak, tdk.as_ref())?;
    let track = tdk.map(|tdk| store.wrap(KeyUse::TerminalTrack, tdk.expose())).transpose()?;
    let keys = WorkingKeys {
        version,
        pin: store.wrap(KeyUse::TerminalPin, pik.expose())?,
        mac: store.wrap(KeyUse::TerminalMac, mak.expose())?,
        track,
    };
    Ok(MadeKeys { keys, block })
}
