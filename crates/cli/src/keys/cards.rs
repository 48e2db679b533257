//! `key list`, `key rotate`, `key shred`: the keys that seal cards.

use crate::admin::Admin;
use crate::arguments::{ConfigOption, Output, ShredOptions};
use crate::history::each_record;
use crate::{Verdict, output};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use switchyard_core::Command;
use switchyard_domain::{Actor, BusinessDate, KeyUse, Record, Stamped, Timestamp, UtcOffset};
use switchyard_server::DataDir;

/// A card key as the ledger tells it.
struct CardKey {
    from: Timestamp,
    /// When the next one was recorded; none for the key in use.
    until: Option<Timestamp>,
    /// Whether the ledger itself holds the wrapped key: such a key cannot be destroyed.
    in_ledger: bool,
    shredded: Option<Shredded>,
}

struct Shredded {
    at: Timestamp,
    by: Actor,
    reason: String,
}

/// Every card key that there ever was.
#[derive(Default)]
struct CardKeys {
    keys: BTreeMap<u32, CardKey>,
    offset: Option<UtcOffset>,
}

impl CardKeys {
    fn read(data: &Path) -> Result<Self> {
        let mut keys = Self::default();
        each_record(data, |_, stamped| {
            keys.observe(stamped);
            Ok(())
        })?;
        Ok(keys)
    }

    fn observe(&mut self, stamped: &Stamped) {
        match &stamped.record {
            Record::Genesis { offset, .. } => self.offset = Some(*offset),
            Record::KeyInstalled { name, key } if name.usage == KeyUse::CardData => {
                if let Some((_, last)) = self.keys.iter_mut().next_back() {
                    last.until = Some(stamped.at);
                }
                let in_ledger = !key.wrapped.0.is_empty();
                let key = CardKey { from: stamped.at, until: None, in_ledger, shredded: None };
                self.keys.insert(name.owner, key);
            }
            Record::CardKeysShredded { keys, reason } => {
                for id in keys {
                    if let Some(key) = self.keys.get_mut(&u32::from(*id)) {
                        let (by, reason) = (stamped.actor.clone(), reason.clone());
                        key.shredded = Some(Shredded { at: stamped.at, by, reason });
                    }
                }
            }
            _ => {}
        }
    }

    /// Keys that sealed nothing on this day or after it, and are still there.
    fn before(&self, day: BusinessDate) -> impl Iterator<Item = (u32, &CardKey)> {
        let offset = self.offset.unwrap_or(UtcOffset::CHINA);
        let ended = move |key: &CardKey| key.until.is_some_and(|at| BusinessDate::at(at, offset) < day);
        let left = self.keys.iter().filter(move |(_, key)| key.shredded.is_none() && ended(key));
        left.map(|(id, key)| (*id, key))
    }
}

fn state(key: &CardKey) -> &'static str {
    match (&key.shredded, key.until) {
        (Some(_), _) => "shredded",
        (None, None) => "in use",
        (None, Some(_)) => "opens",
    }
}

pub(super) fn list(data: &Path, config: &ConfigOption, form: Output) -> Result<Verdict> {
    let config = crate::serve::load(config)?;
    let files = DataDir::new(data, &config.keys).card_keys();
    let keys = CardKeys::read(data)?;
    // A shredded key whose file is there, or one whose file is not: both are for a person to look at.
    let odd = |id: u32, key: &CardKey| !key.in_ledger && files.path(id).exists() == key.shredded.is_some();
    let rows = keys.keys.iter().map(|(id, key)| (*id, key, odd(*id, key)));
    match form {
        Output::Json => output::json(&rows.clone().map(|(id, key, odd)| as_json(id, key, odd)).collect())?,
        Output::Text => output::table(
            &["key", "from", "until", "state", "by", "reason"],
            rows.clone().map(|(id, key, odd)| {
                let text = |of: fn(&Shredded) -> String| key.shredded.as_ref().map(of).unwrap_or_default();
                let state = format!("{}{}", state(key), if odd { ", FILE DIFFERS" } else { "" });
                vec![
                    id.to_string(),
                    key.from.to_string(),
                    key.until.map(|at| at.to_string()).unwrap_or_default(),
                    state,
                    text(|s| format!("{:?}", s.by)),
                    text(|s| s.reason.clone()),
                ]
            }),
        )?,
    }
    Ok(if rows.clone().any(|(_, _, odd)| odd) { Verdict::Finding } else { Verdict::Fine })
}

fn as_json(id: u32, key: &CardKey, odd: bool) -> Value {
    let shredded = key.shredded.as_ref();
    json!({
        "key": id, "from": key.from.to_string(), "until": key.until.map(|at| at.to_string()),
        "state": state(key), "in_ledger": key.in_ledger, "file_differs": odd,
        "shredded": shredded.map(|s| json!({"at": s.at.to_string(), "by": s.by, "reason": s.reason})),
    })
}

pub(super) fn rotate(data: &Path, config: &ConfigOption, form: Output) -> Result<Verdict> {
    let config = crate::serve::load(config)?;
    let key = Admin::open(data, &config)?.rotate_card_key()?;
    match form {
        Output::Json => output::json(&json!({ "key": key }))?,
        Output::Text => output::line(&format!("cards are sealed under key {key} from now on"))?,
    }
    Ok(Verdict::Fine)
}

pub(super) fn shred(data: &Path, options: &ShredOptions, form: Output) -> Result<Verdict> {
    let config = crate::serve::load(&options.config)?;
    let files = DataDir::new(data, &config.keys).card_keys();
    let keys = CardKeys::read(data)?;
    let chosen: Vec<(u32, &CardKey)> = keys.before(options.before).collect();
    // A key of the time before card keys had files: its wrapped copy stands in the ledger for good.
    let (fixed, chosen): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|(_, key)| key.in_ledger);
    let ids: Vec<u16> = chosen.iter().filter_map(|(id, _)| u16::try_from(*id).ok()).collect();
    for (id, _) in &fixed {
        eprintln!(
            "key {id} stays: the ledger itself holds it, only destroying the local master key closes it"
        );
    }
    if !ids.is_empty() && options.yes {
        let command = Command::ShredCardKeys { keys: ids.clone(), reason: options.reason.clone() };
        Admin::open(data, &config)?.command(command)?;
        let left: Vec<_> = ids.iter().filter(|id| files.path(u32::from(**id)).exists()).collect();
        if !left.is_empty() {
            bail!("recorded, but the files of keys {left:?} are still there; the next start tries again");
        }
    }
    match form {
        Output::Json => output::json(&json!({
            "shredded": options.yes, "keys": ids, "kept": fixed.iter().map(|(id, _)| id).collect::<Vec<_>>(),
        }))?,
        Output::Text => {
            let (count, done) = (ids.len(), if options.yes { "shredded" } else { "would be shredded" });
            output::line(&format!("{count} keys {done}: {ids:?}"))?;
        }
    }
    Ok(if ids.is_empty() { Verdict::Finding } else { Verdict::Fine })
}
