//! Another configuration without a restart, as far as that goes.

use std::sync::{Arc, PoisonError};

use serde::Serialize;
use switchyard_core::Command;
use switchyard_domain::Actor;

use crate::config::{Config, ConfigError};
use crate::open::core_config;
use crate::shared::Shared;

/// Reads the configuration once more, from where the process had it.
pub type Reload = Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// Keys that the core takes at any time; those of settlement are read at each run anyway.
const CORE_KEYS: [&str; 15] = [
    "core.pin_tries_max",
    "core.no_pin_minor_max",
    "core.refund_days_max",
    "core.hold_days_max",
    "core.reversal_retry_ms",
    "core.reversal_retry_ms_max",
    "core.reversal_attempts_max",
    "core.in_flight_max",
    "core.batch_items_max",
    "core.rate_age_hours_max",
    "core.mac_failures_max",
    "core.malformed_pins_max",
    "core.malformed_pins_hours",
    "core.link_timeouts_max",
    "core.link_rest_ms",
];

/// What a reload changed, and what it could not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Reloaded {
    /// Keys whose new values are in force.
    pub(crate) applied: Vec<String>,
    /// Keys whose new values wait for the next start.
    pub(crate) restart: Vec<String>,
}

/// Why nothing was reloaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    /// The process was started without a file.
    #[error("this switch was started without a configuration file: start it with --config FILE")]
    NoFile,
    /// The file is not good; nothing of it is used.
    #[error("{}", causes(.0))]
    Config(#[from] ConfigError),
    /// The switch stopped before it was done.
    #[error("the switch stopped before it was done")]
    Stopped,
}

fn causes(error: &ConfigError) -> String {
    match error {
        ConfigError::Faults { faults } => {
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        ConfigError::Read { path, source } => format!("{}: {source}", path.display()),
    }
}

/// Reads the file, puts in force what can be, and names the rest.
pub(crate) async fn reload(shared: &Arc<Shared>, actor: Actor) -> Result<Reloaded, ReloadError> {
    let read = shared.hooks.reload.clone().ok_or(ReloadError::NoFile)?;
    let config = tokio::task::spawn_blocking(move || read()).await.map_err(|_| ReloadError::Stopped)??;
    let (reloaded, after) = {
        let live = shared.live.lock().unwrap_or_else(PoisonError::into_inner);
        (sort(&live, &config), in_force(&live, &config))
    };
    let by = format!("{actor:?}");
    let command = Command::Configure(Box::new(core_config(&after)));
    shared
        .command(actor, command)
        .await
        .map_err(|_| ReloadError::Stopped)?
        .map_err(|_| ReloadError::Stopped)?;
    *shared.live.lock().unwrap_or_else(PoisonError::into_inner) = after;
    tracing::info!(by, applied = ?reloaded.applied, restart = ?reloaded.restart, "configuration read again");
    Ok(reloaded)
}

/// What is in force once the file has been read: what waits for a start is as it was, and is named at every reload until
/// then.
fn in_force(live: &Config, read: &Config) -> Config {
    let (mut after, core) = (live.clone(), &read.core);
    after.core.pin_tries_max = core.pin_tries_max;
    after.core.no_pin_minor_max = core.no_pin_minor_max;
    after.core.refund_days_max = core.refund_days_max;
    after.core.hold_days_max = core.hold_days_max;
    after.core.reversal_retry_ms = core.reversal_retry_ms;
    after.core.reversal_retry_ms_max = core.reversal_retry_ms_max;
    after.core.reversal_attempts_max = core.reversal_attempts_max;
    after.core.in_flight_max = core.in_flight_max;
    after.core.batch_items_max = core.batch_items_max;
    after.core.rate_age_hours_max = core.rate_age_hours_max;
    after.core.mac_failures_max = core.mac_failures_max;
    after.core.malformed_pins_max = core.malformed_pins_max;
    after.core.malformed_pins_hours = core.malformed_pins_hours;
    after.core.link_timeouts_max = core.link_timeouts_max;
    after.core.link_rest_ms = core.link_rest_ms;
    after.settlement = read.settlement.clone();
    after
}

fn sort(live: &Config, config: &Config) -> Reloaded {
    let (applied, restart) = live
        .changes(config)
        .into_iter()
        .partition(|key| CORE_KEYS.contains(&key.as_str()) || key.starts_with("settlement."));
    Reloaded { applied, restart }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_changed_key_is_in_force_or_waits_for_a_start() {
        let live = Config::default();
        let text = "drain_timeout_s = 5\n[core]\npin_tries_max = 5\nqueue_requests_max = 999\n\
                    [settlement]\nminimum_payout_minor = 7\n[links]\ncredit_max = 9\n";
        let reloaded = sort(&live, &Config::parse(text).unwrap());
        assert_eq!(reloaded.applied, ["core.pin_tries_max", "settlement.minimum_payout_minor"]);
        assert_eq!(reloaded.restart, ["drain_timeout_s", "core.queue_requests_max", "links.credit_max"]);
        assert!(live.changes(&live).is_empty());
        let after = in_force(&live, &Config::parse(text).unwrap());
        let again = sort(&after, &Config::parse(text).unwrap());
        assert_eq!(
            (again.applied, again.restart),
            (vec![], reloaded.restart),
            "it waits, however often it is read"
        );
        let overlap = in_force(&live, &Config::parse("[core]\nkey_overlap_s = 0\n").unwrap());
        assert_eq!(core_config(&overlap), core_config(&live), "intake and core have one overlap");
        for key in CORE_KEYS {
            let (section, name) = key.split_once('.').unwrap();
            let with = |value: u32| Config::parse(&format!("[{section}]\n{name} = {value}\n"));
            let mut good = [1, 2, 1_000, 2_000].into_iter().filter_map(|value| with(value).ok());
            let (a, b) = (good.next().unwrap(), good.next().unwrap());
            assert_ne!(core_config(&a), core_config(&b), "{key} is one of the core's");
            assert_eq!(core_config(&in_force(&a, &b)), core_config(&b), "{key} is in force");
        }
    }
}
