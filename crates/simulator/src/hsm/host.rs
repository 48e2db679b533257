//! The module on the network.

use super::device::HsmDevice;
use super::faults::{Fate, FaultDraw, HsmFaults};
use crate::error::SimError;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

/// Answers of a connection that may wait to be written.
const ANSWERS_MAX: usize = 1_024;
/// What comes instead of an answer: a frame of the right form with nothing right in it.
const GARBAGE: &[u8] = b"\x00\x10\xFF\xFE garbage \x00\x01\x02";

struct Shared {
    device: HsmDevice,
    header_bytes: usize,
    faults: Mutex<FaultDraw>,
    commands: AtomicU64,
}

/// A running module; dropping it stops it and breaks its connections.
pub struct HsmHost {
    shared: Arc<Shared>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl HsmHost {
    /// Listens on `address` (port 0 takes a free one); messages have a header of `header_bytes` characters.
    ///
    /// # Errors
    /// [`SimError::Io`] when the port cannot be opened.
    pub async fn bind(
        address: &str,
        device: HsmDevice,
        header_bytes: usize,
        faults: HsmFaults,
    ) -> Result<Self, SimError> {
        let listener =
            TcpListener::bind(address).await.map_err(|source| SimError::Io { what: "listen", source })?;
        let address =
            listener.local_addr().map_err(|source| SimError::Io { what: "read the port", source })?;
        let (faults, commands) = (Mutex::new(FaultDraw::new(faults)), AtomicU64::new(0));
        let shared = Arc::new(Shared { device, header_bytes, faults, commands });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Plays other faults from now on.
    pub fn play(&self, faults: HsmFaults) {
        *self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner) = FaultDraw::new(faults);
    }

    /// Commands that came so far.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.shared.commands.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for HsmHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HsmHost({})", self.address)
    }
}

impl Drop for HsmHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with the set.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve(stream, Arc::clone(&shared))); }
                Err(error) => tracing::warn!(%error, "hsm cannot take a connection"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let (answers, queue) = mpsc::channel(ANSWERS_MAX);
    let mut parts = JoinSet::new();
    parts.spawn(write(writer, queue));
    parts.spawn(read(reader, shared, answers));
    // Whichever ends first ends the connection.
    parts.join_next().await;
}

async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = queue.recv().await {
        if writer.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn read(mut reader: OwnedReadHalf, shared: Arc<Shared>, answers: mpsc::Sender<Vec<u8>>) {
    while let Ok(length) = reader.read_u16().await {
        let mut frame = vec![0; usize::from(length)];
        if reader.read_exact(&mut frame).await.is_err() {
            return;
        }
        let Some((header, command)) = frame.split_at_checked(shared.header_bytes) else { return };
        shared.commands.fetch_add(1, Ordering::Relaxed);
        let fate = shared.faults.lock().unwrap_or_else(PoisonError::into_inner).fate();
        let answer =
            if fate == Fate::Refuse { HsmDevice::refusal(command) } else { shared.device.answer(command) };
        let Some(answer) = answer else { return };
        let sent = match fate {
            Fate::Send | Fate::Refuse => answers.send(frame_of(header, &answer)).await,
            Fate::WrongHeader => answers.send(frame_of(&vec![b'F'; header.len()], &answer)).await,
            Fate::Garbage => answers.send(GARBAGE.to_vec()).await,
            Fate::Silence => Ok(()),
            Fate::Disconnect => return,
            Fate::Delay(by) => {
                let (answers, frame) = (answers.clone(), frame_of(header, &answer));
                tokio::spawn(async move {
                    tokio::time::sleep(by).await;
                    // The connection may have ended meanwhile.
                    let _ = answers.send(frame).await;
                });
                Ok(())
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

fn frame_of(header: &[u8], answer: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len() + answer.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], header, answer].concat()
}
