//! The administrators' socket: one JSON object a line in, one a line out.
//!
//! Request: `{"command": "day-cut"}` and whatever else the command takes. Answer: `{"ok": true, …}` or
//! `{"ok": false, "error": "…"}`. The record names the user at the other end, for whom the system vouches; a request
//! that names another in `"operator"` is refused. The socket has mode 0600 and stands in the data directory: whoever
//! can open it could read the ledger too.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use switchyard_core::{Command, CommandOutcome, Order};
use switchyard_domain::{
    AccountId, AccountRules, Actor, CardIssued, FeePlan, KeyName, KeyRecord, KeyUse, Link, Merchant, Reason,
    Record, RiskRules, Route, RoutingRules, StandInRules, Terminal, TransactionId, Transfer,
};
use switchyard_ledger::projection::{Rows, Trouble};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clear_key::ClearKey;
use crate::hot_cards::{CardToBlock, ClearPan};
use crate::people;
use crate::registry::{Ask, answer};
use crate::shared::{ACCEPT_RETRY, Phase, Shared, reached as reached_phase};
use crate::status::status;

/// Longest request: a settlement run is recorded in one command.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Connections open at once. One more hears so and is closed: a script that leaks connections must not take the
/// switch's memory and file descriptors with it.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;

/// What an administrator asks for.
#[derive(Deserialize)]
struct Envelope {
    /// Login of the person who asks: no other than the system says.
    #[serde(default)]
    operator: Option<String>,
    /// Version of the registry that the person looked at before.
    #[serde(default)]
    expect: Option<u64>,
    #[serde(flatten)]
    request: Request,
}

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
enum Request {
    Status,
    Overview,
    Digest,
    TrialBalance,
    DayCut,
    InstallKey { name: KeyName, key: KeyRecord },
    RotateCardKey,
    ShredCardKeys { keys: Vec<u16>, reason: String },
    RegisterMerchant { merchant: Box<Merchant> },
    BindTerminal { terminal: Box<Terminal> },
    AddLink { link: Box<Link> },
    AddRoute { route: Route },
    SetFeePlan { plan: FeePlan },
    IssueCard { card: Box<CardIssued>, balance_minor: u64 },
    RecordSettlement { records: Vec<Record> },
    Registry { ask: Ask },
    Projections,
    Reindex,
    SetAccountRules { account: AccountId, rules: AccountRules },
    Transfer { transfer: Transfer },
    Order { order: Order },
    BlockCards { cards: Vec<CardToBlock>, reason: Reason },
    UnblockCard { pan: ClearPan, reason: Reason },
    Links,
    ReloadConfig,
    WrapKey { usage: KeyUse, key: ClearKey },
    SetRiskRules { rules: Box<RiskRules> },
    SetRoutingRules { rules: Box<RoutingRules> },
    SetStandInRules { rules: Box<StandInRules> },
    ReleasePayout { transaction: TransactionId, reason: String },
}

/// Makes the socket; the one that a crashed process left is removed, the ledger's lock is ours by now.
pub(crate) fn bind(path: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
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
    let user = stream.peer_cred().map(|cred| cred.uid()).ok();
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_slice::<Envelope>(&line) {
            Ok(envelope) => perform(shared, user, envelope).await,
            // The text of the error quotes what was sent, which may be key material.
            Err(error) => failure(&format!("not a request: line {} column {}", error.line(), error.column())),
        };
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
    }
}

async fn perform(shared: &Arc<Shared>, user: Option<u32>, envelope: Envelope) -> Value {
    let actor = match people::peer(user, envelope.operator.as_deref()) {
        Ok(actor) => actor,
        Err(error) => return failure(&error.to_string()),
    };
    let command = match envelope.request {
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
        Request::Digest => Command::Digest,
        Request::TrialBalance => Command::TrialBalance,
        Request::DayCut => Command::CutDay,
        Request::InstallKey { name, key } => Command::InstallKey { name, key },
        Request::RotateCardKey => {
            let rotated = crate::card_keys::rotate(shared, actor).await;
            return told("key", rotated.map(|()| shared.cards.key_id()));
        }
        Request::ShredCardKeys { keys, reason } => Command::ShredCardKeys { keys, reason },
        Request::RegisterMerchant { merchant } => Command::Register(merchant),
        Request::BindTerminal { terminal } => Command::Bind(terminal),
        Request::AddLink { link } => Command::AddLink(link),
        Request::AddRoute { route } => Command::AddRoute(route),
        Request::SetFeePlan { plan } => Command::SetFeePlan(plan),
        Request::IssueCard { card, balance_minor } => Command::IssueCard { card, balance_minor },
        Request::RecordSettlement { records } => Command::RecordSettlement { records },
        Request::SetAccountRules { account, rules } => Command::SetAccountRules { account, rules },
        Request::SetRiskRules { rules } => Command::SetRiskRules(rules),
        Request::SetRoutingRules { rules } => Command::SetRoutingRules(rules),
        Request::SetStandInRules { rules } => Command::SetStandInRules(rules),
        Request::ReleasePayout { transaction, reason } => Command::ReleasePayout { transaction, reason },
        Request::Transfer { transfer } => Command::Transfer(transfer),
        Request::Order { order } => Command::Order(order),
        Request::BlockCards { cards, reason } => {
            let cards = cards.iter().map(|card| card.blocked(|pan| shared.cards.hash(pan))).collect();
            Command::Order(Order::BlockCards { cards, reason })
        }
        Request::UnblockCard { pan, reason } => {
            Command::Order(Order::UnblockCard { card: shared.cards.hash(pan.pan()), reason })
        }
        Request::Links => Command::Links,
        Request::WrapKey { usage, key } => {
            return told("record", shared.store.wrap(usage, key.expose()));
        }
        Request::ReloadConfig => {
            return told("config", crate::reload::reload(shared, actor).await);
        }
    };
    let command = match envelope.expect {
        Some(version) => Command::Expecting { version, command: Box::new(command) },
        None => command,
    };
    carry_out(shared, actor, command).await
}

async fn carry_out(shared: &Shared, actor: Actor, command: Command) -> Value {
    match shared.command(actor, command).await {
        Ok(Ok(outcome)) => outcome_json(&outcome),
        Ok(Err(error)) => failure(&error.to_string()),
        Err(_) => failure("the switch stopped before it was done"),
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
        CommandOutcome::RecordedBefore => success("repeated", json!(true)),
        CommandOutcome::Changed { count, unchanged } => {
            json!({"ok": true, "changed": count, "unchanged": unchanged})
        }
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
