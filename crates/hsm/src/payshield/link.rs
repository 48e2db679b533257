//! One connection to a module: commands go out behind a header that numbers them, answers come back in any
//! order and find their command by it.
//!
//! | bytes | content |
//! |---|---|
//! | 2 | length of what follows, big-endian |
//! | N | header: sent back unchanged |
//! | 2 | command, or response |
//! | … | fields |

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use zeroize::{Zeroize, Zeroizing};

use super::command::Command;

/// Bytes of the length.
const LENGTH_BYTES: usize = 2;
/// Longest answer that is awaited; a longer length closes the connection.
pub const REPLY_BYTES_MAX: usize = 16_384;
/// Commands of a connection that may wait for their answers.
pub const IN_FLIGHT_MAX: usize = 256;
/// Commands that may wait to be sent on a connection.
const QUEUE_MAX: usize = 256;
/// First wait before another attempt to connect, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// What became of a command.
#[derive(Debug)]
pub(super) enum Outcome {
    /// What stood behind the header.
    Answered(Zeroizing<Vec<u8>>),
    /// It never left: it may be given to another connection.
    NotSent,
    /// It left, and the connection ended before its answer.
    Lost,
}

struct Outgoing {
    command: Arc<Command>,
    reply: oneshot::Sender<Outcome>,
}

struct Waiting {
    expected: [u8; 2],
    reply: oneshot::Sender<Outcome>,
}

/// The sending side of a connection; the task behind it connects again and again.
#[derive(Debug)]
pub(super) struct Link {
    queue: mpsc::Sender<Outgoing>,
    is_up: Arc<AtomicBool>,
    task: tokio::task::AbortHandle,
}

/// How a connection is made.
#[derive(Debug, Clone)]
pub(super) struct LinkSettings {
    pub(super) address: String,
    pub(super) header_bytes: usize,
    pub(super) deadline: Duration,
}

impl Link {
    pub(super) fn start(settings: LinkSettings) -> Self {
        let (queue, commands) = mpsc::channel(QUEUE_MAX);
        let is_up = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(keep_connected(settings, commands, Arc::clone(&is_up))).abort_handle();
        Self { queue, is_up, task }
    }

    pub(super) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    /// Sends a command; the caller bounds how long it waits.
    pub(super) async fn send(&self, command: &Arc<Command>) -> Outcome {
        if !self.is_up() {
            return Outcome::NotSent;
        }
        let (reply, answer) = oneshot::channel();
        if self.queue.try_send(Outgoing { command: Arc::clone(command), reply }).is_err() {
            return Outcome::NotSent;
        }
        // A sender that is dropped unused belonged to a command of which nothing is known any more.
        answer.await.unwrap_or(Outcome::Lost)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep_connected(
    settings: LinkSettings,
    mut commands: mpsc::Receiver<Outgoing>,
    is_up: Arc<AtomicBool>,
) {
    let mut wait = BACKOFF.0;
    loop {
        let connected =
            timeout(settings.deadline.max(BACKOFF.0), TcpStream::connect(&settings.address)).await;
        if let Ok(Ok(stream)) = connected {
            // Commands are small and wait for each other's answers: none may wait for a full segment.
            if stream.set_nodelay(true).is_ok() {
                is_up.store(true, Ordering::Release);
                let mut session = Session::new(settings.header_bytes, settings.deadline);
                let end = session.run(stream, &mut commands).await;
                is_up.store(false, Ordering::Release);
                if session.answered {
                    wait = BACKOFF.0;
                }
                if matches!(end, Ended::NobodyAsks) {
                    return;
                }
                tracing::warn!(hsm = %settings.address, reason = ?end, "hsm connection ended");
            }
        }
        // Whoever queued between the end and now is told at once.
        while let Ok(outgoing) = commands.try_recv() {
            let _ = outgoing.reply.send(Outcome::NotSent);
        }
        sleep(wait).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The other side closed it, or the operating system did.
    Disconnected,
    /// It does not take what is sent.
    Stuck,
    /// A length, header or response that cannot be: nothing on this connection can be trusted.
    Garbage,
    /// As many commands as may wait have been given up by those who asked.
    Silent,
    /// The client is gone.
    NobodyAsks,
}

/// The state of one connection.
struct Session {
    header_bytes: usize,
    deadline: Duration,
    next: u32,
    waiting: HashMap<u32, Waiting>,
    input: Zeroizing<Vec<u8>>,
    output: Zeroizing<Vec<u8>>,
    answered: bool,
}

impl Session {
    fn new(header_bytes: usize, deadline: Duration) -> Self {
        Self {
            header_bytes,
            deadline,
            next: 0,
            waiting: HashMap::new(),
            input: Zeroizing::new(Vec::with_capacity(LENGTH_BYTES + REPLY_BYTES_MAX)),
            output: Zeroizing::new(Vec::new()),
            answered: false,
        }
    }

    async fn run(&mut self, stream: TcpStream, commands: &mut mpsc::Receiver<Outgoing>) -> Ended {
        let (mut reader, mut writer) = stream.into_split();
        let end = loop {
            let has_room = self.make_room();
            tokio::select! {
                read = reader.read_buf(&mut *self.input) => match read {
                    Ok(1..) => if let Err(end) = self.take_answers() { break end },
                    Ok(0) | Err(_) => break Ended::Disconnected,
                },
                outgoing = commands.recv(), if has_room => {
                    let Some(outgoing) = outgoing else { break Ended::NobodyAsks };
                    self.put(outgoing);
                    while self.waiting.len() < IN_FLIGHT_MAX && let Ok(outgoing) = commands.try_recv() {
                        self.put(outgoing);
                    }
                    match timeout(self.deadline, writer.write_all(&self.output)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => break Ended::Disconnected,
                        Err(_) => break Ended::Stuck,
                    }
                    self.output.zeroize();
                }
            }
            if self.waiting.len() >= IN_FLIGHT_MAX && self.waiting.values().all(|w| w.reply.is_closed()) {
                break Ended::Silent;
            }
        };
        for (_, waiting) in self.waiting.drain() {
            let _ = waiting.reply.send(Outcome::Lost);
        }
        end
    }

    fn make_room(&self) -> bool {
        self.waiting.len() < IN_FLIGHT_MAX
    }

    /// Gives a command its header. One that nobody waits for any more is not sent.
    fn put(&mut self, outgoing: Outgoing) {
        let Outgoing { command, reply } = outgoing;
        if reply.is_closed() {
            return;
        }
        let header = self.free_header();
        let length = self.header_bytes + command.as_bytes().len();
        let Ok(length) = u16::try_from(length) else {
            let _ = reply.send(Outcome::NotSent);
            return;
        };
        self.output.extend_from_slice(&length.to_be_bytes());
        let width = self.header_bytes;
        self.output.extend_from_slice(format!("{header:0width$X}").as_bytes());
        self.output.extend_from_slice(command.as_bytes());
        self.waiting.insert(header, Waiting { expected: command.answer_code(), reply });
    }

    /// The next header that no command in flight has.
    fn free_header(&mut self) -> u32 {
        let limit = 1_u64 << (4 * self.header_bytes.min(8));
        loop {
            let header = self.next;
            self.next = ((u64::from(self.next) + 1) % limit) as u32;
            if !self.waiting.contains_key(&header) {
                return header;
            }
        }
    }

    /// Takes every whole answer out of what was read.
    fn take_answers(&mut self) -> Result<(), Ended> {
        let mut at = 0;
        while let Some((length, rest)) = self.input[at..].split_first_chunk::<LENGTH_BYTES>() {
            let length = usize::from(u16::from_be_bytes(*length));
            if !(self.header_bytes + 4..=REPLY_BYTES_MAX).contains(&length) {
                return Err(Ended::Garbage);
            }
            let Some(frame) = rest.get(..length) else { break };
            let (header, body) = frame.split_at(self.header_bytes);
            let header = number(header).ok_or(Ended::Garbage)?;
            let waiting = self.waiting.remove(&header).ok_or(Ended::Garbage)?;
            if !body.starts_with(&waiting.expected) {
                // Whoever asked hears that it was lost, with everybody else on this connection.
                let _ = waiting.reply.send(Outcome::Lost);
                return Err(Ended::Garbage);
            }
            self.answered = true;
            // Who gave up waiting is not told any more.
            let _ = waiting.reply.send(Outcome::Answered(Zeroizing::new(body.to_vec())));
            at += LENGTH_BYTES + length;
        }
        let rest = self.input.len() - at;
        self.input.copy_within(at.., 0);
        self.input[rest..].zeroize();
        self.input.truncate(rest);
        Ok(())
    }
}

/// A header as this client writes it: upper-case hexadecimal.
fn number(header: &[u8]) -> Option<u32> {
    let is_ours = header.iter().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(b));
    is_ours.then(|| u32::from_str_radix(str::from_utf8(header).ok()?, 16).ok())?
}
