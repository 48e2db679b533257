//! Every key, once: its name, type, default, range and what it does.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::de::DeValue;

use super::value::{
    GenericListener, HsmBackend, LogFormat, LogLevel, Profile, SyncMethod, Value, group_digits,
};

/// A section of the file, or the keys before the first section.
pub(crate) trait Section {
    /// Reads one key into the section: `None` when there is no such key, else whether its value is good.
    fn set(&mut self, key: &str, value: &DeValue<'_>) -> Option<Result<(), String>>;
    /// Every key with its value as the file would have it.
    fn values(&self) -> Vec<(&'static str, String)>;
    /// Writes every key with its documentation, range and default.
    fn write_reference(&self, out: &mut String);
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident {
        $(#[doc = $first:literal] $(#[doc = $more:literal])*
        $key:ident: $kind:ty = $default:expr $(, in $range:expr)?;)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $(#[doc = $first] $(#[doc = $more])* pub $key: $kind,)*
        }
        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }
        impl Section for $name {
            fn set(&mut self, key: &str, value: &DeValue<'_>) -> Option<Result<(), String>> {
                match key {
                    $(stringify!($key) => {
                        let range: Option<RangeInclusive<u64>> = None$(.or(Some($range)))?;
                        Some(read_in(value, range).map(|read| self.$key = read))
                    })*
                    _ => None,
                }
            }
            fn values(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($key), self.$key.literal()),)*]
            }
            fn write_reference(&self, out: &mut String) {
                $(
                    let range: Option<RangeInclusive<u64>> = None$(.or(Some($range)))?;
                    let doc = [$first $(, $more)*];
                    write_key(out, stringify!($key), &doc, &self.$key.literal(), range);
                )*
            }
        }
    };
}

fn read_in<V: Value>(value: &DeValue<'_>, range: Option<RangeInclusive<u64>>) -> Result<V, String> {
    let read = V::read(value)?;
    match (read.magnitude(), range) {
        (Some(have), Some(range)) if !range.contains(&have) => {
            Err(format!("{} is outside {}", group_digits(have), range_text(&range)))
        }
        _ => Ok(read),
    }
}

fn write_key(out: &mut String, key: &str, doc: &[&str], literal: &str, range: Option<RangeInclusive<u64>>) {
    for line in doc {
        out.push_str(&format!("# {}\n", line.trim()));
    }
    if let Some(range) = range {
        out.push_str(&format!("# Range: {}.\n", range_text(&range)));
    }
    out.push_str(&format!("#{key} = {literal}\n\n"));
}

fn range_text(range: &RangeInclusive<u64>) -> String {
    format!("{} to {}", group_digits(*range.start()), group_digits(*range.end()))
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

section!(
    /// Keys before the first section.
    General {
        /// "demo" or "production". Production refuses a local master key that was made for a demonstration,
        /// and wants the key of the card hash outside the data directory.
        profile: Profile = Profile::Demo;
        /// Seconds that a shutdown waits for requests in flight before it closes their connections.
        drain_timeout_s: u32 = 20, in 0..=600;
    }
);
section!(
    /// Terminals.
    Terminals {
        /// Address and port that terminals connect to. Port 0 takes any free one.
        listen: SocketAddr = local(8583);
        /// Further addresses, each for terminals of one generic dialect: "ADDRESS:PORT DIALECT FRAMING ENVELOPE", as
        /// "127.0.0.1:8584 iso87-binary len2-be none". The envelope may be left out. Who is heard there is who is
        /// registered with that dialect.
        generic: Vec<GenericListener> = Vec::new();
        /// Connections open at once; further ones are closed at once and counted.
        connections_max: u32 = 20_000, in 1..=1_000_000;
        /// Connections open at once from one address, or from one network of 64 bits of IPv6; further ones are closed at
        /// once and counted. A tenth of all by default, so that no single place takes them all: tills of a large shop behind
        /// one address and concentrators need less. Raise it where a carrier puts more terminals than that behind one.
        connections_per_ip_max: u32 = 2_000, in 1..=1_000_000;
        /// Longest frame; a length above it closes the connection before a byte of it is awaited.
        frame_bytes_max: u32 = 4_096, in 64..=65_535;
        /// Milliseconds in which a frame that has begun must be complete; a slower sender is disconnected.
        frame_deadline_ms: u32 = 10_000, in 50..=600_000;
        /// Seconds without a byte after which a connection is closed.
        idle_timeout_s: u32 = 1_800, in 1..=86_400;
        /// Requests of one connection that may wait for an answer; beyond it the switch stops reading.
        in_flight_per_connection_max: u32 = 256, in 1..=65_536;
        /// Bytes of answers that a connection has not taken; beyond it the switch stops reading.
        output_bytes_max: u32 = 262_144, in 4_096..=16_777_216;
        /// Milliseconds in which a connection must take some of its answers, else it is closed.
        output_deadline_ms: u32 = 10_000, in 50..=600_000;
        /// Certificate of the switch for terminals, in PEM form, with the ones between it and its authority. Empty:
        /// no TLS. Files of certificates are read again when they change; open connections go on.
        tls_certificate: Option<PathBuf> = None;
        /// Key of that certificate, in PEM form.
        tls_key: Option<PathBuf> = None;
        /// Authorities that a terminal's certificate must come from. Empty: terminals need no certificate.
        tls_client_authorities: Option<PathBuf> = None;
        /// A terminal's certificate must name it: TID.MID.terminals, or *.MID.terminals for all of a merchant's.
        tls_certificate_names_terminal: bool = true;
    }
);
section!(
    /// Health, metrics, portal.
    Http {
        /// Address and port of HTTP: /livez, /readyz, /metrics, API and portal. Port 0 takes any free one.
        listen: SocketAddr = local(8080);
        /// Connections open at once; further ones are closed at once and counted.
        connections_max: u32 = 1_024, in 1..=100_000;
        /// Certificate for HTTPS, in PEM form. Empty: no TLS.
        tls_certificate: Option<PathBuf> = None;
        /// Key of that certificate, in PEM form.
        tls_key: Option<PathBuf> = None;
        /// Authorities that a caller's certificate must come from. Empty: callers need no certificate.
        tls_client_authorities: Option<PathBuf> = None;
    }
);
section!(
    /// The thread that decides.
    CoreLimits {
        /// Requests that may wait for the core; beyond it new ones are answered with 96.
        queue_requests_max: u32 = 16_384, in 1..=1_048_576;
        /// Reversals, advices and batch messages that may wait beyond that; they are never answered with 96, the switch
        /// stops reading instead.
        queue_reserved_max: u32 = 4_096, in 1..=1_048_576;
        /// Inputs whose records go into one submission to the ledger.
        batch_inputs_max: u32 = 1_024, in 1..=16_384;
        /// Requests under way at one time, PIN work and issuers together; above it the answer is 96.
        in_flight_max: u32 = 65_536, in 1..=1_048_576;
        /// Transactions of one batch of a terminal, declined ones among them; beyond it all but advices and reversals hear 65
        /// until the batch is settled. An upload of UnionPay terminals counts up to 9,999.
        batch_items_max: u32 = 9_999, in 100..=1_000_000;
        /// Hours after which a rate between currencies is too old: what would have to be converted by it hears 96.
        rate_age_hours_max: u32 = 96, in 1..=8_760;
        /// Wrong MACs in a row, without a right one between them, after which a terminal is disabled and hears 58, until
        /// `terminal enable`; 0 is never.
        mac_failures_max: u32 = 100, in 0..=1_000_000;
        /// Seconds for which what comes under a terminal's working keys is taken once a sign-on has given it others: what was
        /// under way then ends. 0: not at all.
        key_overlap_s: u32 = 30, in 0..=3_600;
        /// PIN blocks of a terminal that do not open under its key and card number, in core.malformed_pins_hours, after which
        /// it is disabled and hears 58, until `terminal enable`; 0 is never.
        malformed_pins_max: u32 = 20, in 0..=1_000_000;
        /// Hours in which such blocks are counted together, from the first of them.
        malformed_pins_hours: u32 = 24, in 1..=720;
        /// Wrong PINs in a row before a card of the embedded issuer answers 75.
        pin_tries_max: u32 = 3, in 1..=9;
        /// Minor units up to which the embedded issuer approves without a PIN.
        no_pin_minor_max: u64 = 100_000, in 0..=999_999_999_999;
        /// Days after a sale in which it can be refunded.
        refund_days_max: u32 = 30, in 0..=365;
        /// Days after a pre-authorization in which it can be completed or voided.
        hold_days_max: u32 = 30, in 1..=365;
        /// Requests in a row that nobody answers in time, after which a link rests: what could go over it goes elsewhere, is
        /// stood in for, or hears 91.
        link_timeouts_max: u32 = 10, in 1..=1_000;
        /// Milliseconds that such a link rests; then one request tries it.
        link_rest_ms: u32 = 30_000, in 1_000..=3_600_000;
        /// Milliseconds between the first two sends of a reversal or an advice that waits for an issuer; each wait is twice the
        /// one before.
        reversal_retry_ms: u32 = 2_000, in 50..=3_600_000;
        /// Milliseconds that such a wait has at most.
        reversal_retry_ms_max: u32 = 60_000, in 50..=3_600_000;
        /// Sends after which such a message waits for an operator.
        reversal_attempts_max: u32 = 1_000, in 1..=1_000_000;
    }
);
section!(
    /// The log.
    LedgerLimits {
        /// Size of a segment file in MiB. Segments are filled with zeros ahead of their use.
        segment_mib: u32 = 256, in 1..=16_384;
        /// Megabytes that the ledger leaves free on its disk; below it the switch answers 96.
        free_mib_min: u32 = 64, in 0..=1_048_576;
        /// How a group commit is made durable: "fdatasync", a write and a sync, or "direct", one write past the page
        /// cache (O_DIRECT and O_DSYNC), which not every file system takes; the switch says so at its start.
        sync: SyncMethod = SyncMethod::Fdatasync;
        /// Records after which another snapshot of the state is made in the background; one is made at every clean
        /// shutdown too. A start replays what came after the newest. 0: no snapshots.
        snapshot_records: u32 = 1_000_000, in 0..=1_000_000_000;
    }
);
section!(
    /// Keys.
    KeyFiles {
        /// Directory of the local master key. Empty: "keys" in the data directory.
        dir: Option<PathBuf> = None;
        /// File with the key of the card hash. Empty: "card-hash" in the directory above. Whoever has the data
        /// and this key can find card numbers by trying them, so production wants it elsewhere.
        card_hash_file: Option<PathBuf> = None;
        /// Days after which cards are sealed under a new key. A period of cards is shredded by destroying its key
        /// (`switchyard key shred`), so this is how fine retention can be.
        card_key_days: u32 = 31, in 1..=366;
        /// Threads that verify and translate PINs and make keys. 0: half as many as there are processors.
        threads: u32 = 0, in 0..=256;
        /// Milliseconds that PIN work, a cryptogram or a sign-on may wait for one of these threads; what waited longer is not
        /// done, because its terminal has given up, and hears A7.
        job_wait_ms_max: u32 = 10_000, in 10..=600_000;
    }
);
section!(
    /// The hardware security module that does PIN work and makes keys.
    Hsm {
        /// "software": the key library in this process, which is not PCI PIN compliant. "payshield": modules with
        /// the payShield command set, over TCP. "pkcs11": a module behind its own PKCS#11 library.
        backend: HsmBackend = HsmBackend::Software;
        /// Whether profile "production" takes the software backend all the same. It is not PCI PIN compliant: keys and
        /// PINs are in this process's memory while they are used.
        accept_software: bool = false;
        /// For "payshield": HOST:PORT of the modules, with commas between them; they hold one local master key.
        addresses: String = "127.0.0.1:1500".to_owned();
        /// Connections to each module.
        connections: u32 = 2, in 1..=64;
        /// Characters of the message header, as the modules are set.
        header_bytes: u32 = 8, in 4..=8;
        /// Milliseconds in which a command must be answered, everything included; else the terminal hears A7.
        deadline_ms: u32 = 500, in 10..=30_000;
        /// Commands in a row without an answer after which a module is not asked until it answers a probe.
        failures_max: u32 = 5, in 1..=1_000;
        /// Seconds between two questions how a module is.
        heartbeat_s: u32 = 10, in 1..=3_600;
        /// Number of the local master key. 0: the modules' default.
        lmk_number: u32 = 0, in 0..=99;
        /// File with the transport key: under it, MAC and track keys come out of a module and keys that the
        /// registry holds go in. Empty: "hsm-transport" in the directory of the keys.
        transport_file: Option<PathBuf> = None;
        /// For "pkcs11": the library of the module.
        module: Option<PathBuf> = None;
        /// For "pkcs11": label of the token.
        token: String = "switchyard".to_owned();
        /// For "pkcs11": file with the token's user PIN, mode 0600.
        pin_file: Option<PathBuf> = None;
    }
);
section!(
    /// Links to issuers.
    Links {
        /// Milliseconds that an attempt to connect may take.
        connect_timeout_ms: u32 = 5_000, in 50..=120_000;
        /// Milliseconds before the second attempt to connect; each further wait is twice as long, and every
        /// wait is shortened by up to half at random.
        backoff_ms_min: u32 = 250, in 10..=60_000;
        /// Longest wait between two attempts, milliseconds.
        backoff_ms_max: u32 = 30_000, in 10..=3_600_000;
        /// Seconds without traffic after which a link is tested by an echo.
        echo_interval_s: u32 = 60, in 1..=3_600;
        /// Requests on a link that may wait for an answer; further ones wait in the link's queue.
        credit_max: u32 = 4_096, in 1..=65_536;
        /// Messages that may wait for a link; further requests come back unsent.
        queue_messages_max: u32 = 16_384, in 1..=1_048_576;
        /// Authorities that the certificates of hosts must come from, in PEM form. A link uses TLS when its address
        /// begins with tls://; the name in the address must be in the host's certificate.
        tls_authorities: Option<PathBuf> = None;
        /// Certificate that the switch shows to hosts that ask for one, in PEM form. Empty: none.
        tls_certificate: Option<PathBuf> = None;
        /// Key of that certificate, in PEM form.
        tls_key: Option<PathBuf> = None;
        /// Longest frame on a link.
        frame_bytes_max: u32 = 8_192, in 64..=65_535;
    }
);
section!(
    /// Who pays the merchants, and when it is worth it. `switchyard settle` reads this section.
    Settlement {
        /// Name of the acquirer, as its bank knows it: the debtor of the payment file.
        acquirer_name: String = "Switchyard Demo Acquirer".to_owned();
        /// Account that payouts are taken from.
        account_number: String = "6222000000000001".to_owned();
        /// CNAPS code of the bank of that account: 12 digits.
        account_cnaps: String = "102100099996".to_owned();
        /// Nets below this many minor units are carried to the next day.
        minimum_payout_minor: u64 = 1, in 0..=999_999_999_999;
    }
);
section!(
    /// People at the console.
    Admin {
        /// Whether the group of the data directory may open the administrators' socket. Its members have to log in.
        group: bool = false;
    }
);
section!(
    /// Log lines.
    Log {
        /// "error", "warn", "info", "debug" or "trace".
        level: LogLevel = LogLevel::Info;
        /// "text" or "json".
        format: LogFormat = LogFormat::Text;
    }
);
