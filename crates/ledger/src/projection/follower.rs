//! Keeps projections behind a log that this process writes, on a thread of their own.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Trouble;
use super::engine::{Projector, Row};
use super::limits::RECORDS_PER_TURN;
use crate::signal::Signal;
use crate::{Result, Sequence};

/// Between two turns on a busy log: one read then covers many blocks.
const PAUSE: Duration = Duration::from_millis(20);

/// Between two tries while another process, which reads the ledger for itself, has the database.
const RETRY: Duration = Duration::from_millis(20);

/// Reads rows. Clones share them.
#[derive(Debug, Clone)]
pub struct Rows {
    signal: Arc<Signal>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
enum State {
    /// The thread is opening the database.
    Opening,
    Open(Box<Projector>),
    Failed(Trouble),
}

/// The thread behind [`Rows`].
#[derive(Debug)]
pub struct Follower {
    rows: Rows,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Opens the projector on the thread, which may take as long as it takes, and follows the log. While somebody else
    /// has the database it is tried again: a reader's moment must not cost the switch its rows until the next start.
    ///
    /// # Errors
    /// `Io` when the operating system gives no thread.
    pub fn start(
        open: impl FnMut() -> Result<Projector, Trouble> + Send + 'static,
        told: impl Fn(&Trouble) + Send + 'static,
        durable: Sequence,
    ) -> Result<Self> {
        let signal = Arc::new(Signal::new(durable.0));
        let rows = Rows { signal, state: Arc::new(Mutex::new(State::Opening)) };
        let thread = std::thread::Builder::new()
            .name("projections".to_owned())
            .spawn({
                let rows = rows.clone();
                move || rows.follow(open, told)
            })
            .map_err(crate::Error::io("start the projections' thread", ""))?;
        Ok(Self { rows, thread: Some(thread) })
    }

    /// The rows.
    pub fn rows(&self) -> Rows {
        self.rows.clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.rows.signal.stop();
        if let Some(thread) = self.thread.take() {
            // A panic was printed; the rows are made again at the next start.
            drop(thread.join());
        }
    }
}

impl Rows {
    /// Every record below `next_seq` is durable.
    pub fn advance(&self, next_seq: Sequence) {
        self.signal.advance(next_seq.0);
    }

    /// The sequence after the last record that the rows know, and the one after the last durable record.
    ///
    /// # Errors
    /// `Unavailable` while the database is opened and when it cannot be.
    pub fn reached(&self) -> Result<(Sequence, Sequence), Trouble> {
        let durable = Sequence(self.signal.durable());
        self.with(|projector| Ok((projector.reached(), durable)))
    }

    /// Durable records that the rows do not know, all of them when there are no rows; `None` while somebody is at
    /// work on them: this never waits.
    pub fn behind(&self) -> Option<u64> {
        let durable = self.signal.durable();
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poison)) => poison.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(match &*state {
            State::Open(projector) => durable.saturating_sub(projector.reached().0),
            State::Opening | State::Failed(_) => durable,
        })
    }

    /// The row of a projection under a key.
    ///
    /// # Errors
    /// As [`Projector::get`].
    pub fn get(&self, projection: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        self.with(|projector| projector.get(projection, key))
    }

    /// Rows of a projection, as [`Projector::scan`] has them.
    ///
    /// # Errors
    /// As [`Projector::scan`].
    pub fn scan(
        &self,
        projection: &str,
        start: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, Trouble> {
        self.with(|projector| projector.scan(projection, start, after, limit))
    }

    /// Deletes every row; the thread makes them anew.
    ///
    /// # Errors
    /// As [`reached`](Self::reached).
    pub fn begin_anew(&self) -> Result<(), Trouble> {
        self.with(|projector| {
            projector.begin_anew();
            Ok(())
        })?;
        self.signal.poke();
        Ok(())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Projector) -> Result<T, Trouble>) -> Result<T, Trouble> {
        match &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            // What could not be read may have been begun anew, which the thread has to hear of.
            State::Open(projector) => act(projector).inspect_err(|_| self.signal.poke()),
            State::Opening => Err(Trouble::Unavailable("being opened".to_owned())),
            State::Failed(trouble) => Err(trouble.clone()),
        }
    }

    fn set(&self, state: State) {
        let before = {
            let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *guard, state)
        };
        drop(before);
    }

    fn follow(&self, mut open: impl FnMut() -> Result<Projector, Trouble>, told: impl Fn(&Trouble)) {
        let mut opened = open();
        if matches!(opened, Err(Trouble::Locked)) {
            told(&Trouble::Locked);
        }
        while matches!(opened, Err(Trouble::Locked)) && !self.signal.is_stopped() {
            std::thread::sleep(RETRY);
            opened = open();
        }
        match opened {
            // Whoever waited for the database and stopped has said so already.
            Err(Trouble::Locked) => return self.set(State::Failed(Trouble::Locked)),
            Ok(projector) => self.set(State::Open(Box::new(projector))),
            Err(trouble) => {
                told(&trouble);
                return self.set(State::Failed(trouble));
            }
        }
        let mut reached = 0;
        while self.signal.wait(reached) {
            let durable = Sequence(self.signal.durable());
            let turn = self.with(|projector| {
                projector.advance(durable, RECORDS_PER_TURN)?;
                Ok(projector.reached().0)
            });
            match turn {
                Ok(now) => reached = now,
                Err(trouble) => {
                    told(&trouble);
                    return self.set(State::Failed(trouble));
                }
            }
            if reached >= durable.0 {
                std::thread::sleep(PAUSE);
            }
        }
        self.set(State::Failed(Trouble::Unavailable("stopped".to_owned())));
    }
}
