//! PIN work and key making through the HSM, on threads of their own: neither sockets nor the core wait for
//! them, and with the software backend they are the only ones that see a PIN in clear.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use switchyard_core::{
    ChipOutcome, CommandError, CommandOutcome, Financial, Input, KeyFault, KeyForm, KeyOpening, MadeKeys,
    PinJob, PinOutcome, SlotId, ZonePin,
};
use switchyard_domain::{KeyUse, LinkIndex, PinBlock, TerminalIndex, WorkingKeys};
use switchyard_hsm::{HsmError, KeySource, KeySpec, PinBlockFormat, PinMethod, TranslatePin, VerifyPin};
use switchyard_keys::lmk::{KeyAlgorithm, KeyUsage};
use switchyard_keys::pin::PinFormat;
use switchyard_keys::working_keys::{MacProfile, WorkingKeyBlock, WorkingKeyError, WrappedPart};

use crate::hsm::{HsmKey, Module};
use crate::keystore::Digits;
use crate::metrics::KeyOutcome;
use crate::shared::{Shared, guarded, vital};

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
    /// Open a key that came over a link.
    LinkKey { slot: SlotId, opening: Box<KeyOpening> },
    /// Destroy keys of card data, and answer commands when they are gone.
    Shred { keys: Vec<u16>, answers: Vec<CommandAnswer> },
}

/// A command's ticket and what is to be said of it.
pub(crate) type CommandAnswer = (u64, Result<CommandOutcome, CommandError>);

/// Jobs that wait, since when. The core's limit of requests in flight bounds how many, and none is done after
/// `keys.job_wait_ms_max`: nobody waits for its result any more.
#[derive(Debug)]
pub(crate) struct JobQueue {
    waiting: Mutex<(VecDeque<(Instant, Job)>, bool)>,
    work: Condvar,
}

impl JobQueue {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::default(), work: Condvar::new() }
    }

    /// Hands over the jobs of one release.
    pub(crate) fn push(&self, jobs: &mut Vec<Job>) {
        let (count, now) = (jobs.len(), Instant::now());
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.0.extend(jobs.drain(..).map(|job| (now, job)));
        drop(waiting);
        if count > JOBS_PER_TURN {
            self.work.notify_all();
        } else if count > 0 {
            self.work.notify_one();
        }
    }

    /// Takes a few jobs; false when the queue is closed and empty.
    fn take(&self, jobs: &mut Vec<(Instant, Job)>) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.0.is_empty() && !waiting.1 {
            waiting = self.work.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let count = waiting.0.len().min(JOBS_PER_TURN);
        jobs.extend(waiting.0.drain(..count));
        count > 0
    }

    /// How many jobs wait.
    pub(crate) fn depth(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).0.len()
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
    let runtime = tokio::runtime::Handle::current();
    (0..count)
        .map(|_| {
            let (shared, runtime) = (Arc::clone(shared), runtime.clone());
            std::thread::Builder::new()
                .name("keys".to_owned())
                .spawn(move || guarded(&Arc::clone(&shared), "keys", || run(&shared, &runtime)))
        })
        .collect()
}

/// Does jobs to their end where the HSM is in this process; what waits for a module goes on as a task.
fn run(shared: &Arc<Shared>, runtime: &tokio::runtime::Handle) {
    let _entered = runtime.enter();
    let wait_max = Duration::from_millis(u64::from(shared.config.keys.job_wait_ms_max));
    let mut jobs = Vec::with_capacity(JOBS_PER_TURN);
    let mut results = Vec::with_capacity(JOBS_PER_TURN);
    while shared.jobs.take(&mut jobs) {
        for (since, job) in jobs.drain(..) {
            let job = if since.elapsed() < wait_max {
                job
            } else {
                match not_done(shared, job) {
                    Ok(result) => {
                        results.push(result);
                        continue;
                    }
                    Err(job) => job,
                }
            };
            let mut work = Box::pin(perform(Arc::clone(shared), job));
            match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => results.extend(result),
                Poll::Pending => {
                    let waits = {
                        let shared = Arc::clone(shared);
                        async move {
                            let result = work.await;
                            // Refused only by a switch that has ended.
                            shared.queue.push(result);
                        }
                    };
                    runtime.spawn(vital(Arc::clone(shared), "keys", waits));
                }
            }
        }
        shared.queue.push(results.drain(..));
    }
}

/// What the core hears of a job that waited too long; what is no terminal's comes back.
fn not_done(shared: &Shared, job: Job) -> Result<Input, Job> {
    let result = match job {
        Job::Pin { slot, request, .. } => Input::PinDone { slot, request, outcome: PinOutcome::Failed },
        Job::Chip { slot, request } => Input::ChipDone { slot, request, outcome: ChipOutcome::Failed },
        Job::Keys { slot, .. } => Input::KeysMade { slot, made: None },
        Job::LinkKey { slot, opening } => {
            Input::LinkKeyOpened { slot, link: opening.link, opened: Err(KeyFault::Failed) }
        }
        Job::Shred { .. } => return Err(job),
    };
    shared.metrics.key_job(KeyOutcome::Overdue);
    Ok(result)
}

/// Does a job; what the core has to hear of it comes back.
async fn perform(shared: Arc<Shared>, job: Job) -> Option<Input> {
    match job {
        Job::Pin { slot, terminal, version, request, job } => {
            let outcome = pin_work(&shared, terminal, version, &request, &job).await;
            shared.metrics.key_job(match outcome {
                PinOutcome::Verified => KeyOutcome::Verified,
                PinOutcome::Wrong => KeyOutcome::Wrong,
                PinOutcome::Malformed => KeyOutcome::Malformed,
                PinOutcome::Failed => KeyOutcome::Failed,
                PinOutcome::Translated(_) => KeyOutcome::Translated,
            });
            Some(Input::PinDone { slot, request, outcome })
        }
        Job::Chip { slot, request } => {
            let outcome = crate::chip::work(&shared, &request).await;
            shared.metrics.key_job(match outcome {
                ChipOutcome::Right(_) => KeyOutcome::Verified,
                ChipOutcome::Wrong => KeyOutcome::Wrong,
                ChipOutcome::Malformed => KeyOutcome::Malformed,
                ChipOutcome::Failed => KeyOutcome::Failed,
            });
            Some(Input::ChipDone { slot, request, outcome })
        }
        Job::Keys { slot, terminal, version, form } => {
            let made = make_keys(&shared, terminal, version, form).await;
            if let Err(error) = &made {
                tracing::error!(%terminal, %error, "working keys cannot be made");
            }
            shared.metrics.key_job(if made.is_ok() { KeyOutcome::Made } else { KeyOutcome::Failed });
            Some(Input::KeysMade { slot, made: made.ok().map(Box::new) })
        }
        Job::LinkKey { slot, opening } => {
            let opened = crate::link_keys::open(&shared.store, &opening);
            Some(Input::LinkKeyOpened { slot, link: opening.link, opened })
        }
        Job::Shred { keys, answers } => {
            match shared.cards.destroy(&keys) {
                Ok(()) => tracing::warn!(?keys, "card data keys are shredded"),
                Err(error) => {
                    tracing::error!(%error, "a card data key is not destroyed; the next start tries again")
                }
            }
            answers.into_iter().for_each(|(ticket, result)| shared.command_done(ticket, result));
            None
        }
    }
}

/// Fails closed: whatever goes wrong is no reason to approve.
async fn pin_work(
    shared: &Shared,
    terminal: TerminalIndex,
    version: u32,
    request: &Financial,
    job: &PinJob,
) -> PinOutcome {
    let keys = shared.table.at(terminal).and_then(|entry| entry.keys_of(&shared.store, version));
    // Sign-ons of long ago have changed the key: the block cannot be read any more.
    let Some(keys) = keys else { return PinOutcome::Failed };
    let (Some(card), Some(block)) = (&request.card, &request.pin) else { return PinOutcome::Failed };
    let digits = Digits::of(&card.pan);
    let work = PinWork {
        shared,
        key: &keys.pin,
        block: &block.0,
        format: format_of(request),
        pan: digits.as_bytes(),
    };
    let done = match job {
        PinJob::Verify { pvv } => work.verify(*pvv).await,
        PinJob::Translate { link } => work.translate(*link).await,
    };
    match done {
        Ok(outcome) => outcome,
        Err(HsmError::PinBlock) => PinOutcome::Malformed,
        Err(error) => {
            tracing::error!(%terminal, %error, "PIN work cannot be done");
            PinOutcome::Failed
        }
    }
}

/// A PIN block and what it is under.
struct PinWork<'a> {
    shared: &'a Shared,
    key: &'a HsmKey,
    block: &'a [u8],
    format: PinBlockFormat,
    pan: &'a [u8],
}

impl PinWork<'_> {
    async fn verify(&self, pvv: [u8; 4]) -> Result<PinOutcome, HsmError> {
        let Shared { module, store, keys, .. } = self.shared;
        let Some(pvk) = keys.pin_verification() else { return Ok(PinOutcome::Failed) };
        let (source, pvk) = (self.key.handle(module, store).await?, pvk.handle(module, store).await?);
        let request = VerifyPin {
            source: KeySource::Key(&source),
            key: &pvk,
            block: self.block,
            format: self.format,
            pan: self.pan,
            method: PinMethod::Pvv { index: PVV_KEY_INDEX, pvv },
        };
        let right = module.hsm().verify_pin(request).await?;
        Ok(if right { PinOutcome::Verified } else { PinOutcome::Wrong })
    }

    async fn translate(&self, link: LinkIndex) -> Result<PinOutcome, HsmError> {
        let Shared { module, store, keys, .. } = self.shared;
        let Some(zone) = keys.zone(link) else { return Ok(PinOutcome::Failed) };
        let key = zone.check_value();
        let (source, zone) = (self.key.handle(module, store).await?, zone.handle(module, store).await?);
        let request = TranslatePin {
            source: KeySource::Key(&source),
            target: &zone,
            block: self.block,
            from: self.format,
            to: PinBlockFormat::ISO0,
            pan: self.pan,
        };
        let block = module.hsm().translate_pin(request).await?;
        let block = block.as_bytes().try_into().map_err(|_| HsmError::Unanswered)?;
        Ok(PinOutcome::Translated(ZonePin { block: PinBlock(block), key }))
    }
}

/// DE 53, first digit: 1 is X9.8 without the card number, everything else with it.
fn format_of(request: &Financial) -> PinBlockFormat {
    const FIRST_OF_SIXTEEN: u64 = 1_000_000_000_000_000;
    match request.echo.security_control.map(|control| control / FIRST_OF_SIXTEEN) {
        Some(1) => PinBlockFormat::Des(PinFormat::Iso0NoPan),
        Some(_) | None => PinBlockFormat::ISO0,
    }
}

/// Why no working keys were made.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error("the terminal is not registered")]
    Terminal,
    #[error("single-length keys do not go with the terminal's MAC profile")]
    Form,
    #[error(transparent)]
    Hsm(#[from] HsmError),
    #[error("key block refused: {0}")]
    Block(#[from] WorkingKeyError),
}

/// Makes a terminal's keys in the HSM, where they come out under its master key.
async fn make_keys(
    shared: &Shared,
    terminal: TerminalIndex,
    version: u32,
    form: KeyForm,
) -> Result<MadeKeys, MakeError> {
    let entry = shared.table.at(terminal).ok_or(MakeError::Terminal)?;
    let Shared { module, store, .. } = shared;
    let MacProfile { length, cipher: mac_algorithm, .. } = entry.mac().into();
    let mac_bytes = length.bytes();
    let (pin_algorithm, pin_bytes) = match form {
        KeyForm::Single if mac_bytes > 8 => return Err(MakeError::Form),
        KeyForm::Single => (KeyAlgorithm::Des, 8),
        KeyForm::Double | KeyForm::DoubleWithTrack => (KeyAlgorithm::Tdes, 16),
    };
    let master = entry.master_key().handle(module, store).await?;
    let make = async |usage, algorithm, bytes, leaves: bool| {
        let spec = KeySpec {
            version: (version % 100) as u8,
            exportable: leaves && module.keeps_keys_inside(),
            ..KeySpec::new(usage, algorithm, bytes)
        };
        let made = module.hsm().generate_key(spec, Some(&master)).await?;
        let wrapped = made.under.ok_or(HsmError::Unanswered)?;
        let part = WrappedPart { wrapped, check_value: *made.handle.check_value() };
        Ok::<_, HsmError>((made.handle, part))
    };
    let (pik, pik_part) = make(KeyUsage::Pik, pin_algorithm, pin_bytes, false).await?;
    let (mak, mak_part) = make(KeyUsage::Mak, mac_algorithm, mac_bytes, true).await?;
    let tdk = match form {
        KeyForm::DoubleWithTrack => Some(make(KeyUsage::Tdk, KeyAlgorithm::Tdes, 16, true).await?),
        KeyForm::Single | KeyForm::Double => None,
    };
    let block = WorkingKeyBlock::assemble(&pik_part, &mak_part, tdk.as_ref().map(|(_, part)| part))?;
    let track = match &tdk {
        Some((handle, _)) => Some(module.bring_out(store, KeyUse::TerminalTrack, handle).await?),
        None => None,
    };
    let keys = WorkingKeys {
        version,
        pin: Module::record(&pik),
        mac: module.bring_out(store, KeyUse::TerminalMac, &mak).await?,
        track,
    };
    Ok(MadeKeys { keys, block })
}
