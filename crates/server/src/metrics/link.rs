//! What is counted of each link, and of each response code: here rather than in the recorder, because people read it
//! too (`switchyard top`), and because a recorder's histograms take memory as they are fed.

use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use switchyard_core::{KeyArrival, Stray};
use switchyard_domain::ResponseCode;

use super::labels::{CodeClass, KeyChangeLabel, StrayLabel};
use super::latency::Latency;
use crate::hush::Hush;

/// 1 when a link has a connection, by `link`.
pub const LINK_UP: &str = "switch_link_up";
/// 1 when a link's host has taken the sign-on, by `link`.
pub const LINK_SIGNED_ON: &str = "switch_link_signed_on";
/// Connections of a link, by `link`.
pub const LINK_CONNECTIONS: &str = "switch_link_connections";
/// Those on which its host has taken the sign-on, by `link`.
pub const LINK_CONNECTIONS_SIGNED_ON: &str = "switch_link_connections_signed_on";
/// 1 while a link takes no requests because too many were not answered, by `link`.
pub const LINK_RESTING: &str = "switch_link_resting";
/// Sign-ons that a host did not take, by `link` and `class` of its response code.
pub const LINK_SIGN_ONS_REFUSED: &str = "switch_link_sign_ons_refused_total";
/// PIN keys of a link that came over the line or were asked for, by `link` and `outcome`.
pub const LINK_KEY_CHANGES: &str = "switch_link_key_changes_total";
/// Messages that wait to be sent, by `link`.
pub const LINK_QUEUE: &str = "switch_link_queue_messages";
/// Messages sent to an issuer, by `link`.
pub const LINK_SENT: &str = "switch_link_messages_sent_total";
/// Messages received from an issuer, by `link`.
pub const LINK_RECEIVED: &str = "switch_link_messages_received_total";
/// Requests that came back unsent, by `link`.
pub const LINK_UNSENT: &str = "switch_link_requests_unsent_total";
/// Requests that nobody answered in time, by `link`.
pub const LINK_TIMEOUTS: &str = "switch_link_timeouts_total";
/// Answers that led to nothing, by `link` and `why`: late, duplicate, unmatched.
pub const LINK_UNMATCHED: &str = "switch_link_answers_unmatched_total";
/// Messages of a host that do not parse or are no answer, by `link`.
pub const LINK_UNREADABLE: &str = "switch_link_messages_unreadable_total";
/// Answers to requests, by `link` and `class` of their response code.
pub const LINK_ANSWERS: &str = "switch_link_answers_total";
/// Connections lost, by `link`.
pub const LINK_LOST: &str = "switch_link_connections_lost_total";
/// From the encoding of a request to the reading of its answer, by `link`.
pub const LINK_ANSWER_SECONDS: &str = "switch_link_answer_seconds";
/// Answers to terminals, by `code`.
pub const REPLY_CODES: &str = "switch_reply_codes_total";

/// Lines of the log a minute about a link's host that signs on and off, and as many about keys that it sends in vain.
const HOST_LINES_MAX: u32 = 10;
/// What stands for every code that has no name here.
const OTHER_CODE: &str = "other";

/// A counter that can be read.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    pub(crate) fn increment(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    pub(crate) fn decrement(&self, count: u64) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// What is counted of one link.
#[derive(Debug, Default)]
pub(crate) struct LinkMetrics {
    pub(crate) name: String,
    /// Connections that stand.
    pub(crate) connections: Tally,
    /// Those on which its host has taken the sign-on.
    pub(crate) signed_on: Tally,
    pub(crate) resting: AtomicBool,
    /// Messages that its task has not taken yet.
    pub(crate) queue: Tally,
    /// Messages that its task has taken and that wait for credit.
    pub(crate) pending: Tally,
    pub(crate) sent: Tally,
    pub(crate) received: Tally,
    pub(crate) unsent: Tally,
    pub(crate) timeouts: Tally,
    strays: [Tally; StrayLabel::LABELS.len()],
    answers: [Tally; CodeClass::LABELS.len()],
    refusals: [Tally; CodeClass::LABELS.len()],
    key_changes: [Tally; KeyChangeLabel::LABELS.len()],
    unreadable: Tally,
    /// How often the log hears of those, of sign-ons and sign-offs of the host and of its keys: one more is no news.
    unreadable_lines: Hush,
    sign_lines: Hush,
    pub(crate) key_lines: Hush,
    pub(crate) lost: Tally,
    pub(crate) answer: Latency,
}

impl LinkMetrics {
    pub(crate) fn new(name: &str) -> Self {
        let (sign_lines, key_lines) = (Hush::new(HOST_LINES_MAX), Hush::new(HOST_LINES_MAX));
        Self { name: name.to_owned(), sign_lines, key_lines, ..Self::default() }
    }
    /// Counts a message that does not parse or is no answer, and tells the log once a minute.
    pub(crate) fn unreadable(&self, error: &dyn Display, what: &str) {
        self.unreadable.increment(1);
        if let Some(untold) = self.unreadable_lines.note(Instant::now()) {
            tracing::warn!(link = %self.name, %error, untold, "{what}; more in a minute are summed up");
        }
    }
    /// Tells the log that the host signs on or off.
    pub(crate) fn host_signed(&self, on: bool) {
        if let Some(untold) = self.sign_lines.note(Instant::now()) {
            tracing::info!(link = %self.name, untold, "the host signs {}", if on { "on" } else { "off" });
        }
    }
    /// Whether it has a connection.
    pub(crate) fn is_up(&self) -> bool {
        self.connections.count() > 0
    }
    /// Messages that wait to be sent.
    pub(crate) fn waiting(&self) -> u64 {
        self.queue.count() + self.pending.count()
    }
    pub(crate) fn strayed(&self, why: Stray) {
        self.strays[StrayLabel::of(why) as usize].increment(1);
    }
    /// Answers that led to nothing, by why.
    pub(crate) fn strays(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        StrayLabel::LABELS.iter().copied().zip(self.strays.iter().map(Tally::count))
    }
    pub(crate) fn answered(&self, code: ResponseCode) {
        self.answers[CodeClass::of(code) as usize].increment(1);
    }
    pub(crate) fn sign_on_refused(&self, code: ResponseCode) {
        self.refusals[CodeClass::of(code) as usize].increment(1);
    }
    pub(crate) fn key_arrived(&self, what: KeyArrival) {
        self.key_changes[KeyChangeLabel::of(what) as usize].increment(1);
    }
    /// PIN keys that came or were asked for, by what became of them.
    pub(crate) fn key_changes(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        KeyChangeLabel::LABELS.iter().copied().zip(self.key_changes.iter().map(Tally::count))
    }
    /// Sign-ons that were not taken, by class of the code.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        CodeClass::LABELS.iter().copied().zip(self.refusals.iter().map(Tally::count))
    }
    /// Answers to requests, by class of their code.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        CodeClass::LABELS.iter().copied().zip(self.answers.iter().map(Tally::count))
    }
}

/// How many answers carried each code.
#[derive(Debug)]
pub(crate) struct Codes(Vec<Tally>);

impl Default for Codes {
    fn default() -> Self {
        Self((0..=ResponseCode::NAMED.len()).map(|_| Tally::default()).collect())
    }
}

impl Codes {
    pub(crate) fn count(&self, code: ResponseCode) {
        // The commonest stands first.
        let place = ResponseCode::NAMED.iter().position(|named| *named == code);
        self.0[place.unwrap_or(ResponseCode::NAMED.len())].increment(1);
    }
    /// Codes that were used, and how often.
    pub(crate) fn used(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let names = ResponseCode::NAMED.iter().map(ResponseCode::as_str).chain([OTHER_CODE]);
        names.zip(self.0.iter().map(Tally::count)).filter(|(_, count)| *count > 0)
    }
    pub(crate) fn write(&self, page: &mut String) {
        family(page, REPLY_CODES, "counter", "answers to terminals, by response code");
        for (code, count) in self.used() {
            let _ = writeln!(page, "{REPLY_CODES}{{code=\"{code}\"}} {count}");
        }
    }
}

/// Head of a family of series.
pub(super) fn family(page: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Appends what was counted of links.
pub(super) fn write(links: &[Arc<LinkMetrics>], page: &mut String) {
    type Read = fn(&LinkMetrics) -> u64;
    let families: [(&str, &str, &str, Read); 12] = [
        (LINK_UP, "gauge", "1 when a link has a connection", |link| u64::from(link.is_up())),
        (LINK_SIGNED_ON, "gauge", "1 when a link's host has taken the sign-on", |link| {
            u64::from(link.signed_on.count() > 0)
        }),
        (LINK_CONNECTIONS, "gauge", "connections of a link", |link| link.connections.count()),
        (
            LINK_CONNECTIONS_SIGNED_ON,
            "gauge",
            "connections on which a link's host has taken the sign-on",
            |link| link.signed_on.count(),
        ),
        (
            LINK_RESTING,
            "gauge",
            "1 while a link takes no requests, because too many were not answered",
            |link| u64::from(link.resting.load(Ordering::Relaxed)),
        ),
        (LINK_QUEUE, "gauge", "messages that wait to be sent", LinkMetrics::waiting),
        (LINK_SENT, "counter", "messages sent to an issuer", |link| link.sent.count()),
        (LINK_RECEIVED, "counter", "messages received from an issuer", |link| link.received.count()),
        (LINK_UNREADABLE, "counter", "messages of a host that do not parse or are no answer", |link| {
            link.unreadable.count()
        }),
        (LINK_UNSENT, "counter", "requests that came back unsent", |link| link.unsent.count()),
        (LINK_TIMEOUTS, "counter", "requests that nobody answered in time", |link| link.timeouts.count()),
        (LINK_LOST, "counter", "connections of a link that were lost", |link| link.lost.count()),
    ];
    let labels: Vec<String> = links.iter().map(|link| format!("link=\"{}\"", escaped(&link.name))).collect();
    for (name, kind, help, read) in families {
        family(page, name, kind, help);
        for (link, label) in links.iter().zip(&labels) {
            let _ = writeln!(page, "{name}{{{label}}} {}", read(link));
        }
    }
    family(page, LINK_UNMATCHED, "counter", "answers that led to nothing, by why");
    for (link, label) in links.iter().zip(&labels) {
        for (why, count) in link.strays() {
            let _ = writeln!(page, "{LINK_UNMATCHED}{{{label},why=\"{why}\"}} {count}");
        }
    }
    family(page, LINK_SIGN_ONS_REFUSED, "counter", "sign-ons that a host did not take, by class of its code");
    for (link, label) in links.iter().zip(&labels) {
        for (class, count) in link.refusals() {
            let _ = writeln!(page, "{LINK_SIGN_ONS_REFUSED}{{{label},class=\"{class}\"}} {count}");
        }
    }
    family(page, LINK_KEY_CHANGES, "counter", "PIN keys of a link that came over the line or were asked for");
    for (link, label) in links.iter().zip(&labels) {
        for (outcome, count) in link.key_changes() {
            let _ = writeln!(page, "{LINK_KEY_CHANGES}{{{label},outcome=\"{outcome}\"}} {count}");
        }
    }
    family(page, LINK_ANSWERS, "counter", "answers to requests, by class of the response code");
    for (link, label) in links.iter().zip(&labels) {
        for (class, count) in link.answers() {
            let _ = writeln!(page, "{LINK_ANSWERS}{{{label},class=\"{class}\"}} {count}");
        }
    }
    family(page, LINK_ANSWER_SECONDS, "histogram", "from the sending of a request to its answer");
    for (link, label) in links.iter().zip(&labels) {
        link.answer.write(LINK_ANSWER_SECONDS, label, page);
    }
}

/// A name as the value of a label.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_without_a_name_share_one_series() {
        let codes = Codes::default();
        for code in ["00", "00", "51", "Z7", "Z8"] {
            codes.count(code.parse().unwrap());
        }
        assert_eq!(codes.used().collect::<Vec<_>>(), [("00", 2), ("51", 1), ("other", 2)]);
        let mut page = String::new();
        codes.write(&mut page);
        assert!(page.contains("switch_reply_codes_total{code=\"other\"} 2"), "{page}");
    }

    #[test]
    fn a_link_is_one_series_whatever_its_name() {
        let link = Arc::new(LinkMetrics::new("a\"b\\c"));
        link.answered(ResponseCode::APPROVED);
        link.sent.increment(2);
        let mut page = String::new();
        write(&[link], &mut page);
        for line in [
            r#"switch_link_messages_sent_total{link="a\"b\\c"} 2"#,
            r#"switch_link_answers_total{link="a\"b\\c",class="approved"} 1"#,
            r#"switch_link_up{link="a\"b\\c"} 0"#,
        ] {
            assert!(page.lines().any(|have| have == line), "{line} in\n{page}");
        }
    }
}
