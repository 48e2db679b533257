//! The host's sockets.

use super::desk::{Heard, Session};
use super::faults::Fate;
use super::host::Shared;
use crate::error::SimError;
use crate::journal::append_line;
use std::sync::Arc;
use switchyard_wire::Framing;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

/// Largest frame that a switch sends.
const FRAME_BYTES_MAX: usize = 4_096;
/// Batches of answers that may wait for the socket; then the host stops reading.
const OUTBOX_MAX: usize = 1_024;
/// Answers that may be late at one time; beyond it an answer is on time.
const LATE_MAX: usize = 4_096;
/// Connections at one time; more are closed at once.
const CONNECTIONS_MAX: usize = 64;

pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>, paused: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(link = %shared.link, error = %error, "accept failed");
                    return;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        if connections.len() >= CONNECTIONS_MAX {
            warn!(link = %shared.link, "too many connections, closing one");
            continue;
        }
        let (shared, paused) = (Arc::clone(&shared), paused.clone());
        connections.spawn(async move {
            let link = shared.link.clone();
            info!(link = %link, "switch connected");
            match serve(stream, shared, paused).await {
                Ok(()) => info!(link = %link, "switch disconnected"),
                Err(error) => warn!(link = %link, error = %error, "connection closed"),
            }
        });
    }
}

async fn serve(
    stream: TcpStream,
    shared: Arc<Shared>,
    mut paused: watch::Receiver<bool>,
) -> Result<(), SimError> {
    stream.set_nodelay(true).map_err(|source| SimError::Io { what: "set up the socket", source })?;
    let (mut reader, writer) = stream.into_split();
    let (outbox, inbox) = mpsc::channel(OUTBOX_MAX);
    let standing = shared.outboxes(Some(&outbox)).len();
    shared.desk().keys.of_connections(standing);
    let mut tasks = JoinSet::new();
    tasks.spawn(write_all(writer, inbox));
    let mut conversation = Conversation { shared, outbox, session: Session::default(), late: tasks };
    let mut buffer = Vec::new();
    while read_more(&mut reader, &mut buffer).await? {
        // The sender outlives every connection unless the host is being dropped.
        if paused.wait_for(|is_paused| !is_paused).await.is_err() {
            return Ok(());
        }
        if !conversation.hear(&mut buffer).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Appends what the socket has; false at its end.
async fn read_more(reader: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> Result<bool, SimError> {
    let count = reader
        .read_buf(buffer)
        .await
        .map_err(|source| SimError::Io { what: "read from the switch", source })?;
    Ok(count > 0)
}

async fn write_all(mut writer: OwnedWriteHalf, mut inbox: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = inbox.recv().await {
        if let Err(error) = writer.write_all(&bytes).await {
            debug!(error = %error, "switch is gone");
            return;
        }
    }
}

struct Conversation {
    shared: Arc<Shared>,
    outbox: mpsc::Sender<Vec<u8>>,
    session: Session,
    /// The writer and the late answers; all end with the connection.
    late: JoinSet<()>,
}

impl Conversation {
    /// Answers every whole frame in `buffer`, in one write; false when a fault ends the connection.
    async fn hear(&mut self, buffer: &mut Vec<u8>) -> Result<bool, SimError> {
        let framing = self.shared.framing;
        let (mut out, mut consumed, mut goes_on) = (Vec::new(), 0, true);
        let mut frames = framing.frames(buffer, FRAME_BYTES_MAX);
        for frame in frames.by_ref() {
            let range = frame?;
            if range.is_empty() {
                continue;
            }
            if !self.answer(&buffer[range], framing, &mut out)? {
                goes_on = false;
                break;
            }
        }
        consumed += frames.consumed();
        buffer.drain(..consumed);
        while self.late.try_join_next().is_some() {}
        if !out.is_empty() && goes_on {
            // A closed outbox means that the switch is gone, which the next read finds.
            let _ = self.outbox.send(out).await;
        }
        Ok(goes_on)
    }

    fn answer(&mut self, body: &[u8], framing: Framing, out: &mut Vec<u8>) -> Result<bool, SimError> {
        let start = out.len();
        let mut heard = Heard::Management;
        let framed = framing.try_write(out, |out| {
            heard = self.shared.desk().handle(body, &mut self.session, out)?;
            Ok::<(), SimError>(())
        });
        if matches!(heard, Heard::Nothing) {
            // No message is no frame.
            out.truncate(start);
            return Ok(true);
        }
        framed?;
        let Heard::Financial(entry) = heard else { return Ok(true) };
        if let (Some(entry), Some(file)) = (&entry, &self.shared.journal) {
            append_line(file, entry)?;
        }
        match self.shared.faults().fate() {
            Fate::Send => {}
            Fate::Drop => out.truncate(start),
            Fate::Disconnect => return Ok(false),
            Fate::Delay(delay) if self.late.len() < LATE_MAX => {
                let (bytes, outbox) = (out.split_off(start), self.outbox.clone());
                self.late.spawn(async move {
                    tokio::time::sleep(delay).await;
                    // As above: the reader finds out.
                    let _ = outbox.send(bytes).await;
                });
            }
            Fate::Delay(_) => {}
        }
        Ok(true)
    }
}
