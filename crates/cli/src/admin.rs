//! Writing commands: through the running switch where there is one, else on the data themselves.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use switchyard_core::{Command, CommandOutcome};
use switchyard_domain::{Actor, BusinessDate};
use switchyard_server::config::Config;

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
            Ok(stream) => Ok(Self::Running(stream)),
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
                Ok(switchyard_server::carry_out_alone(&data, &config, operator(), command)?)
            }
            Self::Running(stream) => {
                let answer = ask(&stream, to_json(command)?)?;
                let Some(day) = answer["day"].as_str() else { return Ok(CommandOutcome::Recorded) };
                let day = day.parse::<BusinessDate>();
                let day = day.map_err(|_| anyhow::anyhow!("the switch answered {answer} as the day"))?;
                Ok(CommandOutcome::DayCut { day })
            }
        }
    }

    /// Seals cards under a new key; returns its number.
    pub(crate) fn rotate_card_key(self) -> Result<u32> {
        match self {
            Self::Alone(data, config) => {
                Ok(switchyard_server::rotate_card_key_alone(&data, &config, operator())?)
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

/// Whoever is logged in.
fn login() -> String {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "operator".into())
}

fn operator() -> Actor {
    Actor::Operator(login())
}

fn to_json(command: Command) -> Result<Value> {
    let value = match command {
        Command::CutDay => json!({ "command": "day-cut" }),
        Command::RecordSettlement { records } => {
            json!({ "command": "record-settlement", "records": records })
        }
        Command::ShredCardKeys { keys, reason } => {
            json!({ "command": "shred-card-keys", "keys": keys, "reason": reason })
        }
        Command::Digest => json!({ "command": "digest" }),
        Command::TrialBalance => json!({ "command": "trial-balance" }),
        _ => bail!("this command is not offered to a running switch"),
    };
    Ok(value)
}

fn ask(stream: &UnixStream, mut request: Value) -> Result<Value> {
    request["operator"] = login().into();
    converse(stream, &request)?.map_err(|reason| anyhow::anyhow!("{reason}"))
}

fn converse(mut stream: &UnixStream, request: &Value) -> Result<Result<Value, String>> {
    writeln!(stream, "{request}")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let answer: Value =
        serde_json::from_str(&line).context("the switch closed the socket without an answer")?;
    if answer["ok"] != true {
        return Ok(Err(answer["error"].as_str().unwrap_or("refused").to_owned()));
    }
    Ok(Ok(answer))
}
