//! A terminal's connection: frames out, frames in, and reconnecting with patience that ends.

use crate::error::SimError;
use std::time::Duration;
use switchyard_wire::{Framing, Scan};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

/// Largest reply that a terminal takes.
const FRAME_BYTES_MAX: usize = 4_096;
const BACKOFF_FIRST: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// One connection to the switch, made when it is first used.
#[derive(Debug)]
pub(crate) struct Line {
    target: String,
    patience: Duration,
    framing: Framing,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
    /// Connections made.
    pub(crate) connects: u32,
}

impl Line {
    pub(crate) fn new(target: String, patience: Duration, framing: Framing) -> Self {
        Self { target, patience, framing, stream: None, buffer: Vec::new(), connects: 0 }
    }
    /// Closes the connection; what was on its way is lost.
    pub(crate) fn hang_up(&mut self) {
        self.stream = None;
        self.buffer.clear();
    }
    /// Sends a frame, connecting first if need be.
    pub(crate) async fn send(&mut self, frame: &[u8]) -> Result<(), SimError> {
        let stream = self.connected().await?;
        if stream.write_all(frame).await.is_err() {
            self.hang_up();
            return Err(SimError::Lost { what: "the request to leave" });
        }
        Ok(())
    }
    /// The next frame's payload.
    pub(crate) async fn receive(&mut self, deadline: Instant) -> Result<Vec<u8>, SimError> {
        loop {
            match self.framing.scan(&self.buffer, FRAME_BYTES_MAX) {
                Scan::Frame { start, end, consumed } => {
                    let payload = self.buffer[start..end].to_vec();
                    self.buffer.drain(..consumed);
                    return Ok(payload);
                }
                Scan::KeepAlive { consumed } => drop(self.buffer.drain(..consumed)),
                Scan::NeedMore { .. } => self.read(deadline).await?,
                Scan::Bad(error) => {
                    self.hang_up();
                    return Err(error.into());
                }
            }
        }
    }
    async fn read(&mut self, deadline: Instant) -> Result<(), SimError> {
        let stream = self.stream.as_mut().ok_or(SimError::Lost { what: "a reply" })?;
        match timeout_at(deadline, stream.read_buf(&mut self.buffer)).await {
            Err(_) => Err(SimError::Silent { what: "a request" }),
            Ok(Ok(count)) if count > 0 => Ok(()),
            Ok(_) => {
                self.hang_up();
                Err(SimError::Lost { what: "a reply" })
            }
        }
    }
    async fn connected(&mut self) -> Result<&mut TcpStream, SimError> {
        if self.stream.is_none() {
            self.buffer.clear();
            let stream = self.connect().await?;
            self.connects += 1;
            self.stream = Some(stream);
        }
        self.stream.as_mut().ok_or(SimError::Lost { what: "the connection" })
    }
    async fn connect(&self) -> Result<TcpStream, SimError> {
        let deadline = Instant::now() + self.patience;
        let mut backoff = BACKOFF_FIRST;
        loop {
            match timeout_at(deadline, TcpStream::connect(&self.target)).await {
                Ok(Ok(stream)) => {
                    let io = |source| SimError::Io { what: "set up the socket", source };
                    stream.set_nodelay(true).map_err(io)?;
                    return Ok(stream);
                }
                Ok(Err(source)) if Instant::now() + backoff >= deadline => {
                    return Err(SimError::Io { what: "connect to the switch", source });
                }
                Ok(Err(_)) => {}
                Err(_) => return Err(SimError::Silent { what: "a connection" }),
            }
            sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }
}
