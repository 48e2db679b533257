//! Writing commands: through the running switch where there is one, else on the data themselves.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use switchyard_core::{Command, CommandOutcome, UserCommand};
use switchyard_domain::{BusinessDate, KeyRecord, KeyUse, Reason, Roles, UserName};
use switchyard_keys::KeyError;
use switchyard_keys::password::Password;
use switchyard_server::config::Config;
use switchyard_server::{ClearKey, Custodian, InitError, KeyRequest, LmkOrder, LmkView, Shown, Tools};
use zeroize::Zeroizing;

use crate::hex::hex;
use crate::login::{login, who};

/// Room for three custodians with the longest passwords, so that none is copied where it would not be wiped.
const ORDER_BYTES_MAX: usize = 8_192;
/// Where a request has its password.
const PASSWORD: &str = "password";

/// A way to have a command recorded.
pub(crate) enum Admin {
    /// A switch serves this data directory.
    Running(UnixStream),
    /// Nobody does: the ledger is opened for the one command.
    Alone(PathBuf, Box<Config>),
}

impl Admin {
    pub(crate) fn open(data: &Path, config: &Config) -> Result<Self> {
        let socket = data.join("admin.sock");
        match UnixStream::connect(&socket) {
            Ok(stream) => logged_in(stream).map(Self::Running),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(Self::Alone(data.to_path_buf(), Box::new(config.clone())))
            }
            Err(error) => Err(error).with_context(|| socket.display().to_string()),
        }
    }

    pub(crate) fn command(self, command: Command) -> Result<CommandOutcome> {
        match self {
            Self::Alone(data, config) => {
                plainly(switchyard_server::carry_out_alone(&data, &config, who()?, command))
            }
            Self::Running(stream) => outcome_of(&ask(&stream, to_json(command)?)?),
        }
    }

    /// Has something done that takes keys: a running switch has them, and `request` asks it; else `make` gets them.
    pub(crate) fn with_keys(
        self,
        request: impl FnOnce() -> Value,
        make: impl FnOnce(&Tools) -> Result<Command, KeyError>,
    ) -> Result<CommandOutcome> {
        match self {
            Self::Alone(data, config) => {
                plainly(switchyard_server::carry_out_alone_with(&data, &config, who()?, make))
            }
            Self::Running(stream) => outcome_of(&ask(&stream, request())?),
        }
    }

    /// Has something registered that has a key: it is wrapped where the local master key is.
    pub(crate) fn with_wrapped(
        self,
        usage: KeyUse,
        key: &ClearKey,
        make: impl FnOnce(KeyRecord) -> Command,
    ) -> Result<()> {
        match self {
            Self::Alone(data, config) => {
                let wrapped = |tools: &Tools| Ok(make(tools.keys.wrap(usage, key.expose())?));
                plainly(switchyard_server::carry_out_alone_with(&data, &config, who()?, wrapped))?;
            }
            Self::Running(stream) => {
                let request = json!({ "command": "wrap-key", "usage": usage, "key": hex(key.expose()) });
                let record = ask(&stream, request)?["record"].take();
                let record = serde_json::from_value(record).context("the switch answered no key")?;
                ask(&stream, to_json(make(record))?)?;
            }
        }
        Ok(())
    }

    /// Lets a person log in, with a password that `new` asks for once it is known who asks.
    pub(crate) fn add_user(
        self,
        user: &UserName,
        roles: Roles,
        new: impl FnOnce() -> Result<Password>,
    ) -> Result<CommandOutcome> {
        match self {
            Self::Alone(data, config) => {
                let (who, typed) = (who()?, new()?);
                let added =
                    switchyard_server::add_user_alone(&data, &config, who, user.clone(), roles, &typed);
                plainly(added)
            }
            Self::Running(stream) => {
                let request = json!({ "command": "add-user", "user": user, "roles": roles });
                outcome_of(&ask_with(&stream, request, PASSWORD, new()?.expose())?)
            }
        }
    }

    /// Sets a user's next password.
    pub(crate) fn set_password(
        self,
        user: &UserName,
        new: impl FnOnce() -> Result<Password>,
    ) -> Result<CommandOutcome> {
        match self {
            Self::Alone(data, config) => {
                let (who, typed) = (who()?, new()?);
                plainly(switchyard_server::set_password_alone(&data, &config, who, user.clone(), &typed))
            }
            Self::Running(stream) => {
                let request = json!({ "command": "set-password", "user": user });
                outcome_of(&ask_with(&stream, request, PASSWORD, new()?.expose())?)
            }
        }
    }

    /// Has a custodian's work done.
    pub(crate) fn custody(self, request: KeyRequest) -> Result<Shown> {
        match self {
            Self::Alone(data, config) => {
                Ok(switchyard_server::custody_alone(&data, &config, who()?, request)?)
            }
            Self::Running(stream) => {
                let mut asked = serde_json::to_value(&request)?;
                asked["command"] = "key".into();
                let answer = match &request {
                    KeyRequest::Load { component, .. } => {
                        let digits = Zeroizing::new(hex(component.expose()));
                        ask_with(&stream, asked, "component", &digits)?
                    }
                    _ => ask(&stream, asked)?,
                };
                serde_json::from_value(answer["shown"].clone()).context("the switch answered something else")
            }
        }
    }

    /// Puts another local master key in force.
    pub(crate) fn change_lmk(self, order: LmkOrder) -> Result<LmkView> {
        match self {
            Self::Alone(data, config) => {
                Ok(switchyard_server::change_lmk_alone(&data, &config, who()?, order)?)
            }
            Self::Running(stream) => lmk_of(&sent_order(&stream, &order)?),
        }
    }

    /// Destroys those that are not in force.
    pub(crate) fn retire_lmk(self, reason: Reason) -> Result<LmkView> {
        match self {
            Self::Alone(data, config) => {
                Ok(switchyard_server::retire_lmk_alone(&data, &config, who()?, reason)?)
            }
            Self::Running(stream) => {
                lmk_of(&ask(&stream, json!({ "command": "retire-lmk", "reason": reason }))?)
            }
        }
    }

    /// Seals cards under a new key; returns its number.
    pub(crate) fn rotate_card_key(self) -> Result<u32> {
        match self {
            Self::Alone(data, config) => {
                Ok(switchyard_server::rotate_card_key_alone(&data, &config, who()?)?)
            }
            Self::Running(stream) => {
                let answer = ask(&stream, json!({ "command": "rotate-card-key" }))?;
                let key = answer["key"].as_u64().and_then(|key| u32::try_from(key).ok());
                key.with_context(|| format!("the switch answered {answer} as the key"))
            }
        }
    }
}

/// Asks a switch that serves this data directory; `None` without one, and the inner error is its refusal.
pub(crate) fn ask_running(data: &Path, request: &Value) -> Result<Option<Result<Value, String>>> {
    match Admin::open(data, &Config::default())? {
        Admin::Alone(..) => Ok(None),
        Admin::Running(stream) => converse(&stream, request).map(Some),
    }
}

/// One field of what a switch that serves this data directory answers to a command; `None` without one.
pub(crate) fn told_by_running(data: &Path, command: &str, field: &str) -> Result<Option<Value>> {
    let Some(answer) = ask_running(data, &json!({ "command": command }))? else { return Ok(None) };
    Ok(Some(answer.map_err(|reason| anyhow::anyhow!("{reason}"))?[field].take()))
}

/// A refusal by itself: which command of the plan it was means nothing to whoever gave one.
fn plainly(done: Result<CommandOutcome, InitError>) -> Result<CommandOutcome> {
    match done {
        Err(InitError::Refused { source, .. }) => Err(source.into()),
        other => Ok(other?),
    }
}

/// What a running switch did.
fn outcome_of(answer: &Value) -> Result<CommandOutcome> {
    let number = |name: &str| answer[name].as_u64().and_then(|number| usize::try_from(number).ok());
    if let Some(day) = answer["day"].as_str() {
        let day = day.parse::<BusinessDate>();
        let day = day.map_err(|_| anyhow::anyhow!("the switch answered {answer} as the day"))?;
        return Ok(CommandOutcome::DayCut { day });
    }
    if let Some(fields) = answer.get("fields") {
        let fields = serde_json::from_value(fields.clone()).context("the switch answered something else")?;
        return Ok(CommandOutcome::Altered { recorded: answer["recorded"] == true, fields });
    }
    if let Some(ahead) = number("behind") {
        return Ok(CommandOutcome::RecordedBehind { ahead });
    }
    Ok(match (number("changed"), number("unchanged")) {
        (Some(count), Some(unchanged)) => CommandOutcome::Changed { count, unchanged },
        _ if answer["repeated"] == true => CommandOutcome::RecordedBefore,
        _ => CommandOutcome::Recorded,
    })
}

fn to_json(command: Command) -> Result<Value> {
    let value = match command {
        Command::Expecting { version, command } => {
            let mut value = to_json(*command)?;
            value["expect"] = version.into();
            value
        }
        Command::Register(merchant) => json!({ "command": "register-merchant", "merchant": merchant }),
        Command::Bind(terminal) => json!({ "command": "bind-terminal", "terminal": terminal }),
        Command::AddLink(link) => json!({ "command": "add-link", "link": link }),
        Command::AddRoute(route) => json!({ "command": "add-route", "route": route }),
        Command::SetFeePlan(plan) => json!({ "command": "set-fee-plan", "plan": plan }),
        Command::SetAccountRules { account, rules } => {
            json!({ "command": "set-account-rules", "account": account, "rules": rules })
        }
        Command::SetRiskRules(rules) => json!({ "command": "set-risk-rules", "rules": rules }),
        Command::SetRoutingRules(rules) => json!({ "command": "set-routing-rules", "rules": rules }),
        Command::SetStandInRules(rules) => json!({ "command": "set-stand-in-rules", "rules": rules }),
        Command::CutDay => json!({ "command": "day-cut" }),
        Command::RecordSettlement { records, merchant_changes } => {
            json!({ "command": "record-settlement", "records": records, "merchant_changes": merchant_changes })
        }
        Command::ShredCardKeys { keys, reason } => {
            json!({ "command": "shred-card-keys", "keys": keys, "reason": reason })
        }
        Command::Order(order) => json!({ "command": "order", "order": order }),
        Command::User(UserCommand::Order { user, order, reason }) => {
            json!({ "command": "order-user", "user": user, "order": order, "reason": reason })
        }
        Command::ReleasePayout { transaction, reason } => {
            json!({ "command": "release-payout", "transaction": transaction, "reason": reason })
        }
        Command::Digest => json!({ "command": "digest" }),
        Command::TrialBalance => json!({ "command": "trial-balance" }),
        _ => bail!("this command is not offered to a running switch"),
    };
    Ok(value)
}

/// The connection once `--user`, where there is one, has logged in on it.
fn logged_in(stream: UnixStream) -> Result<UnixStream> {
    if let Some(login) = login()? {
        let request = json!({ "command": "login", "user": login.user });
        ask_with(&stream, request, PASSWORD, login.password.expose())?;
    }
    Ok(stream)
}

/// Asks with a password or a component, of which no copy stays behind.
fn ask_with(stream: &UnixStream, request: Value, name: &str, secret: &str) -> Result<Value> {
    let request = request.to_string();
    let open = request.strip_suffix('}').context("a request is an object")?;
    let quoted = Zeroizing::new(serde_json::to_string(secret)?);
    let line = Zeroizing::new(format!("{open},\"{name}\":{}}}", *quoted));
    sent(stream, &line)?.map_err(|reason| anyhow::anyhow!("{reason}"))
}

/// Several custodians' passwords and components in one request, of which no copy stays behind.
fn sent_order(stream: &UnixStream, order: &LmkOrder) -> Result<Value> {
    let mut line = Zeroizing::new(String::with_capacity(ORDER_BYTES_MAX));
    let reason = serde_json::to_string(&order.reason)?;
    write!(line, "{{\"command\":\"change-lmk\",\"reason\":{reason},\"custodians\":[")?;
    for (place, Custodian { user, password, component }) in order.custodians.iter().enumerate() {
        let separator = if place == 0 { "" } else { "," };
        let digits = Zeroizing::new(hex(component.expose()));
        let password = Zeroizing::new(serde_json::to_string(password.expose())?);
        write!(
            line,
            "{separator}{{\"user\":\"{user}\",\"password\":{},\"component\":\"{}\"}}",
            *password, *digits
        )?;
    }
    line.push_str("]}");
    sent(stream, &line)?.map_err(|reason| anyhow::anyhow!("{reason}"))
}

fn lmk_of(answer: &Value) -> Result<LmkView> {
    serde_json::from_value(answer["lmk"].clone()).context("the switch answered something else")
}

fn ask(stream: &UnixStream, request: Value) -> Result<Value> {
    converse(stream, &request)?.map_err(|reason| anyhow::anyhow!("{reason}"))
}

fn converse(stream: &UnixStream, request: &Value) -> Result<Result<Value, String>> {
    sent(stream, &request.to_string())
}

fn sent(mut stream: &UnixStream, request: &str) -> Result<Result<Value, String>> {
    stream.write_all(request.as_bytes())?;
    stream.write_all(b"\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let answer: Value =
        serde_json::from_str(&line).context("the switch closed the socket without an answer")?;
    if answer["ok"] != true {
        return Ok(Err(answer["error"].as_str().unwrap_or("refused").to_owned()));
    }
    Ok(Ok(answer))
}
