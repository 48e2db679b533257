//! The host as its owner sees it: what it is made of, how it starts, pauses and stops.

use super::account::Account;
use super::book::{IssuerBook, IssuerCounts};
use super::connection;
use super::desk::Desk;
use super::entry::IssuerEntry;
use super::faults::{FaultDraw, IssuerFaults};
use super::keys::PinKeys;
use super::scripts::ScriptSent;
use crate::error::SimError;
use crate::world::{DemoCard, DemoKey, DemoWorld};
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use switchyard_domain::{LinkDialect, MatchKeys, Rrn, UtcOffset};
use switchyard_wire::Framing;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::info;

/// What an issuer host is made of.
#[derive(Debug)]
pub struct IssuerConfig {
    /// Name of the link, for the log.
    pub link: String,
    /// Cards that it issued.
    pub cards: Vec<DemoCard>,
    /// Key under which PIN blocks come.
    pub zpk: DemoKey,
    /// Key under which other such keys travel; without one it sends and gives none.
    pub transport: Option<DemoKey>,
    /// What it speaks.
    pub dialect: LinkDialect,
    /// How frames are delimited.
    pub framing: Framing,
    /// What goes wrong.
    pub faults: IssuerFaults,
    /// Of the elements that a key may have, it repeats these alone; all of them without.
    pub echoes: Option<MatchKeys>,
    /// Refuses larger amounts with 61, minor units.
    pub amount_minor_max: u64,
    /// Sends a script to so many of a thousand chips that ask.
    pub scripts_per_mille: u16,
    /// Appends a JSON line for every effect.
    pub journal: Option<PathBuf>,
}

impl IssuerConfig {
    /// The issuer behind a link of the demo world.
    ///
    /// # Errors
    /// [`SimError::World`] when there is no such link or its framing is none.
    pub fn from_world(world: &DemoWorld, link: &str) -> Result<Self, SimError> {
        let link = world.link(link)?;
        Ok(Self {
            link: link.name.clone(),
            cards: world.cards_of(&link.name).cloned().collect(),
            zpk: link.zpk.clone(),
            transport: link.transport.clone(),
            dialect: link.dialect,
            framing: link.framing()?,
            faults: IssuerFaults::default(),
            echoes: None,
            amount_minor_max: 5_000_000,
            scripts_per_mille: 0,
            journal: None,
        })
    }
}

/// What connections share.
#[derive(Debug)]
pub(super) struct Shared {
    desk: Mutex<Desk>,
    faults: Mutex<FaultDraw>,
    /// What goes out on each connection, newest last.
    outboxes: Mutex<Vec<mpsc::Sender<Vec<u8>>>>,
    pub(super) journal: Option<File>,
    pub(super) framing: Framing,
    pub(super) link: String,
}
impl Shared {
    /// A poisoned lock means that a connection panicked: the books are then not to be trusted.
    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().expect("no connection panics while it holds the books")
    }
    pub(super) fn faults(&self) -> MutexGuard<'_, FaultDraw> {
        self.faults.lock().expect("drawing a fault does not panic")
    }
    /// Connections that stand; one more, when it is given.
    pub(super) fn outboxes(&self, more: Option<&mpsc::Sender<Vec<u8>>>) -> Vec<mpsc::Sender<Vec<u8>>> {
        let mut outboxes = self.outboxes.lock().expect("nobody panics while he holds the connections");
        outboxes.retain(|outbox| !outbox.is_closed());
        outboxes.extend(more.cloned());
        outboxes.clone()
    }
}

/// A running issuer host; dropping it stops it.
#[derive(Debug)]
pub struct IssuerHost {
    shared: Arc<Shared>,
    address: SocketAddr,
    pause: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl IssuerHost {
    /// Listens on `address` (port 0 takes a free one) and serves until stopped.
    ///
    /// # Errors
    /// [`SimError::Io`] when the port or the journal cannot be opened, else what is wrong with the cards.
    pub async fn bind(address: &str, config: IssuerConfig) -> Result<Self, SimError> {
        let listener =
            TcpListener::bind(address).await.map_err(|source| SimError::Io { what: "listen", source })?;
        Self::serve(listener, config)
    }

    /// Serves on a listener that the caller made.
    ///
    /// # Errors
    /// As [`IssuerHost::bind`].
    pub fn serve(listener: TcpListener, config: IssuerConfig) -> Result<Self, SimError> {
        let address =
            listener.local_addr().map_err(|source| SimError::Io { what: "read the port", source })?;
        let accounts: Vec<Account> = config.cards.iter().map(Account::of).collect::<Result<_, _>>()?;
        let book = IssuerBook::new(accounts, config.amount_minor_max, year_month_now());
        let book = book.scripting(config.scripts_per_mille);
        let keys = PinKeys::new(&config.zpk, config.transport.as_ref());
        let desk = Desk::new(book, config.dialect, keys)?.repeating(config.echoes);
        let journal = config.journal.map(crate::journal::open_append).transpose()?;
        let shared = Arc::new(Shared {
            desk: Mutex::new(desk),
            faults: Mutex::new(FaultDraw::new(config.faults)),
            outboxes: Mutex::default(),
            journal,
            framing: config.framing,
            link: config.link,
        });
        let (pause, paused) = watch::channel(false);
        info!(link = %shared.link, address = %address, "issuer host listens");
        let task = tokio::spawn(connection::accept(listener, Arc::clone(&shared), paused));
        Ok(Self { shared, address, pause, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
    /// Stops hearing: requests wait in the sockets until [`IssuerHost::resume`].
    pub fn pause(&self) {
        self.pause.send_replace(true);
    }
    /// Hears again.
    pub fn resume(&self) {
        self.pause.send_replace(false);
    }
    /// Sends the switch another PIN key over the connection that stands: a new one, or once more the one that it has not
    /// answered. False where there is no connection, or no key for keys to travel under.
    ///
    /// # Errors
    /// [`SimError::Key`] without randomness, [`SimError::Frame`] where the framing has no room.
    pub fn send_key(&self) -> Result<bool, SimError> {
        let Some(outbox) = self.shared.outboxes(None).pop() else { return Ok(false) };
        let Some(body) = self.shared.desk().offer_key()? else { return Ok(false) };
        let mut frame = Vec::new();
        self.shared.framing.try_write(&mut frame, |out| {
            out.extend_from_slice(&body);
            Ok::<(), SimError>(())
        })?;
        Ok(outbox.try_send(frame).is_ok())
    }
    /// How often another PIN key came into force.
    pub fn key_changes(&self) -> u64 {
        self.shared.desk().keys.changes()
    }
    /// Everything posted so far, in order.
    pub fn ledger(&self) -> Vec<IssuerEntry> {
        self.shared.desk().book.entries().to_vec()
    }
    /// Counters so far.
    pub fn counts(&self) -> IssuerCounts {
        self.shared.desk().book.counts()
    }
    /// What became of the scripts that were sent, by the transaction's reference.
    pub fn scripts(&self) -> Vec<(Rrn, ScriptSent)> {
        self.shared.desk().book.scripts().map(|(rrn, sent)| (*rrn, sent.clone())).collect()
    }
    /// Faults played so far.
    pub fn faults_played(&self) -> u32 {
        self.shared.faults().played()
    }
    /// Stops and gives the ledger.
    pub async fn stop(mut self) -> Vec<IssuerEntry> {
        self.task.abort();
        // An aborted task ends with an error that says so.
        let _ = (&mut self.task).await;
        self.ledger()
    }
}
impl Drop for IssuerHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The current month in China as `YYMM`.
fn year_month_now() -> [u8; 4] {
    let date = crate::clock::now().local(UtcOffset::CHINA);
    let two = |n: u32| [b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8];
    let ([y1, y2], [m1, m2]) =
        (two(date.year().unsigned_abs().into()), two(date.month().unsigned_abs().into()));
    [y1, y2, m1, m2]
}
