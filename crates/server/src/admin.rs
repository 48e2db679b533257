//! The administrators' socket: one JSON object a line in, one a line out.
//!
//! Request: `{"command": "day-cut"}` and whatever else the command takes. Answer: `{"ok": true, …}` or
//! `{"ok": false, "error": "…"}`. The record names the user at the other end: the switch's own user or root, for whom the
//! system vouches, or whoever logged in with `{"command": "login", "user": "…", "password": "…"}` on this connection. A
//! request that names another in `"operator"` is refused. The socket has mode 0600 and stands in the data directory:
//! whoever can open it could read the ledger too. `[admin] group` lets the directory's group open it, to log in.

mod request;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use switchyard_core::{Command, CommandError, CommandOutcome, Order};
use switchyard_domain::Actor;
use switchyard_ledger::projection::{Rows, Trouble};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::custody;
use crate::keystore::wipe;
use crate::lmk;
use crate::login;
use crate::people::Asker;
use crate::registry::answer;
use crate::shared::{ACCEPT_RETRY, Phase, Shared, reached as reached_phase};
use crate::status::status;

use self::request::{Envelope, Request};

/// Longest request: a settlement run is recorded in one command.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long somebody who logged in may say nothing (PCI DSS 8.2.8).
const SESSION_IDLE: Duration = Duration::from_secs(15 * 60);

/// What is said when there is nobody left to do it.
const STOPPED: &str = "the switch stopped before it was done";

/// Connections open at once. One more hears so and is closed: a script that leaks connections must not take the
/// switch's memory and file descriptors with it.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;

/// Makes the socket; the one that a crashed process left is removed, the ledger's lock is ours by now.
pub(crate) fn bind(path: &Path, group: bool) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    if group {
        // A new file has the group of the process, which is another's where the directory was given to one.
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::os::unix::fs::chown(path, None, Some(std::fs::metadata(dir)?.gid()))?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(if group { 0o660 } else { 0o600 }))?;
    Ok(listener)
}

/// Serves administrators until the switch stops.
pub(crate) async fn serve(shared: Arc<Shared>, listener: UnixListener) {
    let mut stop = std::pin::pin!(reached_phase(shared.phase.subscribe(), Phase::Stopping));
    let places = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    refuse(&shared, stream);
                    continue;
                };
                tokio::spawn(async move {
                    let _open = Open::new(&shared, place);
                    let stop = reached_phase(shared.phase.subscribe(), Phase::Stopping);
                    tokio::select! {
                        () = stop => {}
                        ended = converse(&shared, stream) => if let Err(error) = ended {
                            tracing::debug!(%error, "an administrator's connection ended");
                        },
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "an administrator's connection cannot be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// A connection's place, which is counted for as long as it is held.
struct Open {
    shared: Arc<Shared>,
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn new(shared: &Arc<Shared>, place: OwnedSemaphorePermit) -> Self {
        shared.metrics.admin_connections_open.increment(1.0);
        Self { shared: Arc::clone(shared), _place: place }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.metrics.admin_connections_open.decrement(1.0);
    }
}

/// Says that there is no place. The answer fits into any socket's buffer; whoever does not read it hears nothing.
fn refuse(shared: &Shared, stream: UnixStream) {
    shared.metrics.admin_connections_refused.increment(1);
    let reason = format!("all {ADMIN_CONNECTIONS_MAX} connections of administrators are in use");
    if let Err(error) = stream.try_write(format!("{}\n", failure(&reason)).as_bytes()) {
        tracing::debug!(%error, "an administrator cannot be told that there is no place");
    }
}

async fn converse(shared: &Arc<Shared>, stream: UnixStream) -> std::io::Result<()> {
    let mut asker = Asker::of(stream.peer_cred().map(|cred| cred.uid()).ok());
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut reader).take(LINE_BYTES_MAX);
        let read = limited.read_until(b'\n', &mut line);
        let count = match asker.is_logged_in() {
            true => tokio::time::timeout(SESSION_IDLE, read).await.unwrap_or(Ok(0))?,
            false => read.await?,
        };
        if count == 0 {
            return Ok(());
        }
        let is_last = line.last() != Some(&b'\n');
        let request = serde_json::from_slice::<Envelope>(&line);
        // It may hold a password or a key.
        wipe(&mut line);
        let answer = match request {
            Ok(envelope) => perform(shared, &mut asker, envelope).await,
            // The text of the error quotes what was sent, which may be key material.
            Err(error) => failure(&format!("not a request: line {} column {}", error.line(), error.column())),
        };
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
        if is_last {
            return Ok(());
        }
    }
}

async fn perform(shared: &Arc<Shared>, asker: &mut Asker, envelope: Envelope) -> Value {
    let request = match envelope.request {
        Request::Login(login) => {
            let logged_in = login::log_in(shared, login).await;
            return told("user", logged_in.inspect(|user| asker.is_now(user.clone())));
        }
        request => request,
    };
    let actor = match asker.actor(envelope.operator.as_deref()) {
        Ok(actor) => actor,
        Err(error) => return failure(&error.to_string()),
    };
    // Whom the system vouches for may do all that does without the core.
    if let Actor::User(_) = &actor {
        let may = Command::May(request.act(&actor));
        match shared.command(actor.clone(), may).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return failure(&error.to_string()),
            Err(_) => return failure(STOPPED),
        }
    }
    match request {
        Request::AddUser { user, roles, password } => {
            done(login::add_user(shared, actor, user, roles, password).await)
        }
        Request::SetPassword { user, password } => {
            done(login::set_password(shared, actor, user, password).await)
        }
        request => give(shared, actor, envelope.expect, request).await,
    }
}

/// Does what needs no password.
async fn give(shared: &Arc<Shared>, actor: Actor, expect: Option<u64>, request: Request) -> Value {
    let command = match request {
        Request::Status => return success("status", json!(status(shared))),
        Request::Overview => {
            return told("overview", crate::overview::overview(shared, actor).await);
        }
        Request::Registry { ask } => {
            return read(shared, move |mut rows| Ok(json!(answer(&mut rows, &ask)?))).await;
        }
        Request::Projections => return read(shared, |rows| reached(&rows)).await,
        Request::Reindex => {
            return read(shared, |rows| {
                rows.begin_anew()?;
                reached(&rows)
            })
            .await;
        }
        Request::Keys => return told("keys", custody::list(shared, actor).await),
        Request::Key { request } => {
            return told("shown", custody::carry_out(shared, actor, request).await);
        }
        Request::Lmk => return success("lmk", json!(lmk::view(&shared.store))),
        Request::ChangeLmk(order) => return told("lmk", lmk::change(shared, actor, order).await),
        Request::RetireLmk { reason } => return told("lmk", lmk::retire(shared, actor, reason).await),
        Request::RotateCardKey => {
            let rotated = crate::card_keys::rotate(shared, actor).await;
            return told("key", rotated.map(|()| shared.cards.key_id()));
        }
        Request::BlockCards { cards, reason } => {
            let cards = cards.iter().map(|card| card.blocked(|pan| shared.cards.hash(pan))).collect();
            Command::Order(Order::BlockCards { cards, reason })
        }
        Request::UnblockCard { pan, reason } => {
            Command::Order(Order::UnblockCard { card: shared.cards.hash(pan.pan()), reason })
        }
        Request::WrapKey { .. } if !shared.demo => {
            return failure(&CommandError::OnePersonsKey.to_string());
        }
        Request::WrapKey { usage, key } => {
            return told("record", shared.store.wrap(usage, key.expose()));
        }
        Request::ReloadConfig => {
            return told("config", crate::reload::reload(shared, actor).await);
        }
        Request::Order { order } => match crate::links::check_link_change(&order) {
            Ok(()) => Command::Order(order),
            Err(error) => return failure(&error.to_string()),
        },
        recorded => match recorded.command() {
            Some(command) => command,
            None => return failure("that takes another way"),
        },
    };
    let command = match expect {
        Some(version) => Command::Expecting { version, command: Box::new(command) },
        None => command,
    };
    carry_out(shared, actor, command).await
}

async fn carry_out(shared: &Shared, actor: Actor, command: Command) -> Value {
    match shared.command(actor, command).await {
        Ok(result) => done(result),
        Err(_) => failure(STOPPED),
    }
}

fn done<E: std::fmt::Display>(result: Result<CommandOutcome, E>) -> Value {
    match result {
        Ok(outcome) => outcome_json(&outcome),
        Err(error) => failure(&error.to_string()),
    }
}

/// What came of something, under its name.
fn told<T: Serialize, E: std::fmt::Display>(key: &str, result: Result<T, E>) -> Value {
    match result {
        Ok(value) => success(key, json!(value)),
        Err(error) => failure(&error.to_string()),
    }
}

/// Reads projections, which may have to wait for sled.
async fn read(
    shared: &Arc<Shared>,
    act: impl FnOnce(Rows) -> Result<Value, Trouble> + Send + 'static,
) -> Value {
    let Some(rows) = shared.rows.get().cloned() else { return failure("there are no projections") };
    match tokio::task::spawn_blocking(move || act(rows)).await {
        Ok(Ok(value @ Value::Array(_))) => success("rows", value),
        Ok(Ok(mut value)) => {
            value["ok"] = true.into();
            value
        }
        Ok(Err(trouble)) => failure(&trouble.to_string()),
        Err(_) => failure("the projections could not be read"),
    }
}

fn reached(rows: &Rows) -> Result<Value, Trouble> {
    let (reached, durable) = rows.reached()?;
    Ok(json!({"reached": reached.0, "durable": durable.0}))
}

fn outcome_json(outcome: &CommandOutcome) -> Value {
    match outcome {
        CommandOutcome::Recorded => json!({"ok": true}),
        CommandOutcome::RecordedBehind { ahead } => success("behind", json!(ahead)),
        CommandOutcome::RecordedBefore => success("repeated", json!(true)),
        CommandOutcome::Changed { count, unchanged } => {
            json!({"ok": true, "changed": count, "unchanged": unchanged})
        }
        CommandOutcome::Altered { recorded, fields } => {
            json!({"ok": true, "recorded": recorded, "fields": fields})
        }
        CommandOutcome::Users(users) => success("users", json!(users)),
        // What a password is compared with leaves this process for nobody.
        CommandOutcome::Passwords(_)
        | CommandOutcome::Keys(_)
        | CommandOutcome::WaitingKeys(_)
        | CommandOutcome::Permitted => json!({"ok": true}),
        CommandOutcome::Links(links) => success("links", json!(links)),
        CommandOutcome::DayCut { day } => success("day", json!(day.to_string())),
        CommandOutcome::Digest(digest) => success("digest", json!(format!("{digest:016x}"))),
        CommandOutcome::TrialBalance(rows) => {
            let rows: Vec<_> = rows
                .iter()
                .map(|(currency, debit, credit)| {
                    // Sums may be beyond what JSON numbers carry exactly.
                    json!({"currency": currency, "debit_minor": debit.to_string(), "credit_minor": credit.to_string()})
                })
                .collect();
            success("trial_balance", json!(rows))
        }
    }
}

fn success(key: &str, value: Value) -> Value {
    json!({"ok": true, key: value})
}

fn failure(error: &str) -> Value {
    json!({"ok": false, "error": error})
}
