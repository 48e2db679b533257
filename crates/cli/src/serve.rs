//! `serve` and `check-config`.

use crate::arguments::{ConfigOption, Output};
use crate::{Verdict, output};
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use switchyard_server::config::{Config, ConfigError};
use switchyard_server::{Hooks, Reload, Switch};
use tokio::signal::unix::{SignalKind, signal};

/// The configuration of a file, or the defaults.
pub(crate) fn load(option: &ConfigOption) -> Result<Config> {
    match &option.config {
        None => Ok(Config::default()),
        Some(path) => Config::load(path).with_context(|| path.display().to_string()),
    }
}

pub(crate) fn check(path: &Path, form: Output) -> Result<Verdict> {
    let faults = match Config::load(path) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Faults { faults }) => faults,
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    match form {
        Output::Json => output::json(
            &faults.iter().map(|f| json!({"key": f.key, "line": f.line, "reason": f.reason})).collect(),
        )?,
        Output::Text => {
            for fault in &faults {
                output::line(&format!("{}:{fault}", path.display()))?;
            }
            if faults.is_empty() {
                eprintln!("{}: fine", path.display());
            }
        }
    }
    Ok(if faults.is_empty() { Verdict::Fine } else { Verdict::Finding })
}

pub(crate) fn run(option: &ConfigOption, data: &Path) -> Result<Verdict> {
    let config = load(option)?;
    crate::logging::start(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let reload = option.config.clone().map(|path| -> Reload { Arc::new(move || Config::load(&path)) });
        let hooks = Hooks { reload, ..Hooks::default() };
        let generic: Vec<_> =
            config.terminals.generic.iter().map(|listener| listener.dialect.name()).collect();
        let switch = Switch::start_with(config, data, None, hooks).await?;
        if let Err(error) = switchyard_server::keep_from_swap() {
            tracing::warn!(%error, "keys could be written to swap: raise the limit on locked memory, or switch swap off");
        }
        let addresses = switch.addresses();
        eprintln!(
            "terminals on {}, http on {}; Ctrl-C stops in good order",
            addresses.terminals, addresses.http
        );
        for (address, dialect) in addresses.generic.iter().zip(generic) {
            eprintln!("terminals that speak {dialect} on {address}");
        }
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result?,
            _ = terminate.recv() => {}
        }
        switch.shutdown().await?;
        Ok(Verdict::Fine)
    })
}
