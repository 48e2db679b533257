//! Configuration: a TOML file in which every key has a default, a range and a description.
//!
//! The file is judged as a whole: every fault is reported, each with its key and line.

mod sections;
mod value;

pub use sections::{
    Admin, CoreLimits, General, Hsm, Http, KeyFiles, LedgerLimits, Links, Log, Settlement, Terminals,
};
pub use value::{GenericListener, HsmBackend, LogFormat, LogLevel, Profile, SyncMethod};

use std::fmt;
use std::path::Path;

use sections::Section;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Everything that can be set. `Config::default()` serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Keys before the first section.
    pub general: General,
    /// `[terminals]`.
    pub terminals: Terminals,
    /// `[http]`.
    pub http: Http,
    /// `[core]`.
    pub core: CoreLimits,
    /// `[ledger]`.
    pub ledger: LedgerLimits,
    /// `[keys]`.
    pub keys: KeyFiles,
    /// `[hsm]`.
    pub hsm: Hsm,
    /// `[links]`.
    pub links: Links,
    /// `[settlement]`.
    pub settlement: Settlement,
    /// `[admin]`.
    pub admin: Admin,
    /// `[log]`.
    pub log: Log,
}

/// One thing wrong with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// The key with its section, `terminals.listen`; empty where no key could be read.
    pub key: String,
    /// Line, from 1; 0 where there is none.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.reason)
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration cannot be read")]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What it says is not a configuration.
    #[error("{} mistake{}, the first in {} (`switchyard check-config` shows all)", .faults.len(),
        if .faults.len() == 1 { "" } else { "s" }, .faults[0])]
    Faults {
        /// Everything that is wrong, in the order of the file.
        faults: Vec<ConfigFault>,
    },
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError::Read`] when it cannot be read, [`ConfigError::Faults`] with every fault in it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
        Self::parse(&text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`ConfigError::Faults`] with every fault in it.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut faults: Vec<_> = errors.iter().map(|error| syntax_fault(text, error)).collect();
        let mut config = Self::default();
        // After a syntax fault the rest of the file may be read wrongly: its values are not judged.
        if faults.is_empty() {
            let mut reading = Reading { text, faults: &mut faults };
            for (key, value) in table.into_inner() {
                config.read_entry(&mut reading, &key, &value);
            }
            config.check_together(&mut reading);
        }
        if faults.is_empty() {
            return Ok(config);
        }
        faults.sort_by_key(|fault| fault.line);
        Err(ConfigError::Faults { faults })
    }

    /// A file with every key, its description, range and default: the reference, and a file to start from.
    pub fn reference_toml() -> String {
        let mut config = Self::default();
        let mut out = String::from(
            "# Configuration of `switchyard serve`. Every key is optional; what stands here is the default.\n\
             # `switchyard check-config --config FILE` reports every mistake in a file with its line.\n\n",
        );
        config.general.write_reference(&mut out);
        for (name, section) in config.sections() {
            out.push_str(&format!("[{name}]\n"));
            section.write_reference(&mut out);
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }

    /// The keys, with their sections, that have other values in `other`.
    pub fn changes(&self, other: &Self) -> Vec<String> {
        let (mut left, mut right) = (self.clone(), other.clone());
        let general = self.general.values().into_iter().zip(other.general.values());
        let mut changes: Vec<String> =
            general.filter(|(a, b)| a != b).map(|((key, _), _)| key.to_owned()).collect();
        for ((name, a), (_, b)) in left.sections().into_iter().zip(right.sections()) {
            let values = a.values().into_iter().zip(b.values());
            let changed = values.filter(|(a, b)| a != b);
            changes.extend(changed.map(|((key, _), _)| format!("{name}.{key}")));
        }
        changes
    }

    /// Whether keys may be where they are: production takes the software key store when it is told to only.
    pub(crate) fn accepts_its_backend(&self) -> bool {
        let is_production = self.general.profile == Profile::Production;
        let is_software = self.hsm.backend == HsmBackend::Software;
        !is_production || !is_software || self.hsm.accept_software
    }

    fn sections(&mut self) -> [(&'static str, &mut dyn Section); 10] {
        [
            ("terminals", &mut self.terminals),
            ("http", &mut self.http),
            ("core", &mut self.core),
            ("ledger", &mut self.ledger),
            ("keys", &mut self.keys),
            ("hsm", &mut self.hsm),
            ("links", &mut self.links),
            ("settlement", &mut self.settlement),
            ("admin", &mut self.admin),
            ("log", &mut self.log),
        ]
    }

    fn read_entry(
        &mut self,
        reading: &mut Reading<'_>,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let name: &str = key.get_ref();
        let Some((_, section)) = self.sections().into_iter().find(|(section, _)| *section == name) else {
            return reading.key(&mut self.general, "", key, value);
        };
        let Some(table) = value.get_ref().as_table() else {
            let reason = format!("expected a section [{name}], found {}", value.get_ref().type_str());
            return reading.fault(name.to_owned(), key.span().start, reason);
        };
        for (key, value) in table.iter() {
            reading.key(section, name, key, value);
        }
    }

    /// Rules that take more than one key to judge.
    fn check_together(&self, reading: &mut Reading<'_>) {
        let links = &self.links;
        if links.backoff_ms_min > links.backoff_ms_max {
            let reason = format!("{} is above links.backoff_ms_max", links.backoff_ms_min);
            reading.fault_at("links.backoff_ms_min", reason);
        }
        if self.general.profile == Profile::Production && self.keys.card_hash_file.is_none() {
            let reason = "production wants the key of the card hash outside the data directory".to_owned();
            reading.fault_at("keys.card_hash_file", reason);
        }
        if self.general.profile == Profile::Production {
            let (own, demo) = (&self.settlement, Settlement::default());
            if (&own.account_number, &own.account_cnaps) == (&demo.account_number, &demo.account_cnaps) {
                let reason =
                    "production pays merchants from an account of its own, not from the demo's".to_owned();
                reading.fault_at("settlement.account_number", reason);
            }
        }
        if !self.accepts_its_backend() {
            let reason = "production wants a hardware security module: the software key store is not PCI PIN \
                          compliant; set it to true to take it all the same";
            reading.fault_at("hsm.accept_software", reason.to_owned());
        }
        let cnaps = &self.settlement.account_cnaps;
        if cnaps.len() != 12 || !cnaps.bytes().all(|b| b.is_ascii_digit()) {
            reading.fault_at("settlement.account_cnaps", "expected 12 digits".to_owned());
        }
        let (terminals, http) = (&self.terminals, &self.http);
        for (section, certificate, key) in [
            ("terminals", &terminals.tls_certificate, &terminals.tls_key),
            ("http", &http.tls_certificate, &http.tls_key),
            ("links", &links.tls_certificate, &links.tls_key),
        ] {
            if certificate.is_some() != key.is_some() {
                let reason = "a certificate and its key come together".to_owned();
                reading.fault_at(&format!("{section}.tls_certificate"), reason);
            }
        }
        for (section, certificate, authorities) in [
            ("terminals", &terminals.tls_certificate, &terminals.tls_client_authorities),
            ("http", &http.tls_certificate, &http.tls_client_authorities),
        ] {
            if authorities.is_some() && certificate.is_none() {
                let reason = format!("needs {section}.tls_certificate");
                reading.fault_at(&format!("{section}.tls_client_authorities"), reason);
            }
        }
        let taken = [self.terminals.listen, self.http.listen];
        let mut generic: Vec<_> = self.terminals.generic.iter().map(|listener| listener.address).collect();
        generic.retain(|address| address.port() != 0);
        let count = generic.len();
        generic.sort_unstable();
        generic.dedup();
        if generic.len() != count || generic.iter().any(|address| taken.contains(address)) {
            reading.fault_at("terminals.generic", "has an address that is taken already".to_owned());
        }
        let same = self.terminals.listen == self.http.listen;
        if same && self.terminals.listen.port() != 0 {
            reading.fault_at("http.listen", "is the address of terminals.listen".to_owned());
        }
    }
}

/// The text being read and what was found wrong with it.
struct Reading<'a> {
    text: &'a str,
    faults: &'a mut Vec<ConfigFault>,
}

impl Reading<'_> {
    fn key(
        &mut self,
        section: &mut dyn Section,
        prefix: &str,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let name =
            if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        match section.set(key.get_ref(), value.get_ref()) {
            Some(Ok(())) => {}
            Some(Err(reason)) => self.fault(name, value.span().start, reason),
            None => self.fault(name, key.span().start, "there is no such key".to_owned()),
        }
    }

    fn fault(&mut self, key: String, offset: usize, reason: String) {
        self.faults.push(ConfigFault { key, line: line_of(self.text, offset), reason });
    }

    /// A fault of a key that may stand anywhere, or nowhere, in the file.
    fn fault_at(&mut self, key: &str, reason: String) {
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        let mut current = "";
        let line = self.text.lines().position(|line| {
            let line = line.trim();
            if let Some(header) = line.strip_prefix('[') {
                current = header.trim_end_matches(']').trim();
            }
            let is_key = line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='));
            current == section && is_key
        });
        self.faults.push(ConfigFault {
            key: key.to_owned(),
            line: line.map_or(0, |index| index + 1),
            reason,
        });
    }
}

fn syntax_fault(text: &str, error: &toml::de::Error) -> ConfigFault {
    let line = error.span().map_or(0, |span| line_of(text, span.start));
    ConfigFault { key: String::new(), line, reason: error.message().to_owned() }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<(String, usize, String)> {
        match Config::parse(text) {
            Ok(_) => Vec::new(),
            Err(ConfigError::Faults { faults }) => {
                faults.into_iter().map(|fault| (fault.key, fault.line, fault.reason)).collect()
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn every_fault_is_reported_with_its_key_and_line() {
        for (text, expected) in [
            ("", vec![]),
            ("profile = \"demo\"\n[terminals]\nlisten = \"0.0.0.0:1\"\n", vec![]),
            ("\nprofil = 1\n", vec![("profil", 2, "there is no such key")]),
            ("[terminal]\nlisten = 1", vec![("terminal", 1, "there is no such key")]),
            ("terminals = 3", vec![("terminals", 1, "expected a section [terminals], found integer")]),
            (
                "[terminals]\nlisten = \"nowhere\"\nframe_bytes_max = 1_000_000\nidle = 3\n[core]\nqueue_requests_max = \"9\"",
                vec![
                    ("terminals.listen", 2, "expected ADDRESS:PORT, found \"nowhere\""),
                    ("terminals.frame_bytes_max", 3, "1_000_000 is outside 64 to 65_535"),
                    ("terminals.idle", 4, "there is no such key"),
                    ("core.queue_requests_max", 6, "expected a whole number, found string"),
                ],
            ),
            (
                "[log]\nlevel = \"loud\"",
                vec![("log.level", 2, "expected one of error, warn, info, debug, trace, found \"loud\"")],
            ),
            (
                "[links]\nbackoff_ms_min = 9_000\nbackoff_ms_max = 10",
                vec![("links.backoff_ms_min", 2, "9000 is above links.backoff_ms_max")],
            ),
            (
                "[http]\n\nlisten = \"127.0.0.1:8583\"",
                vec![("http.listen", 3, "is the address of terminals.listen")],
            ),
            (
                "profile = \"production\"",
                vec![
                    (
                        "keys.card_hash_file",
                        0,
                        "production wants the key of the card hash outside the data directory",
                    ),
                    (
                        "settlement.account_number",
                        0,
                        "production pays merchants from an account of its own, not from the demo's",
                    ),
                    (
                        "hsm.accept_software",
                        0,
                        "production wants a hardware security module: the software key store is not PCI PIN compliant; set it to true to take it all the same",
                    ),
                ],
            ),
            (
                "profile = \"production\"\n[keys]\ncard_hash_file = \"h\"\n[settlement]\naccount_number = \"1\"\n[hsm]\naccept_software = true",
                vec![],
            ),
            (
                "profile = \"production\"\n[keys]\ncard_hash_file = \"h\"\n[settlement]\naccount_number = \"1\"\n[hsm]\nbackend = \"pkcs11\"",
                vec![],
            ),
            ("[core]\nqueue_requests_max = -1", vec![("core.queue_requests_max", 2, "-1 is out of range")]),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(key, line, reason)| (key.to_owned(), line, reason.to_owned()))
                .collect();
            assert_eq!(faults(text), expected, "{text}");
        }
    }

    #[test]
    fn bad_syntax_has_a_line() {
        let found = faults("profile = \"demo\"\n[terminals\nlisten = 1\n");
        assert!(found.iter().all(|(_, line, _)| *line >= 2) && !found.is_empty(), "{found:?}");
    }

    #[test]
    fn the_reference_is_the_default() {
        let reference = Config::reference_toml();
        assert_eq!(Config::parse(&reference).unwrap(), Config::default());
        let uncommented: String = reference
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        assert_eq!(Config::parse(&uncommented).unwrap(), Config::default());
    }

    #[test]
    fn the_committed_reference_is_the_one_generated() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/switchyard.toml");
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(path, Config::reference_toml()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == Config::reference_toml(),
            "run this test with UPDATE_GENERATED=1 and commit {path}"
        );
    }
}
