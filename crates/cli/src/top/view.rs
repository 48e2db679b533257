//! From what a switch has counted to what a person wants to know: rates and waiting times over the last seconds.

use serde::Serialize;
use std::collections::VecDeque;
use std::fmt;
use switchyard_domain::ResponseCode;
use switchyard_server::{LatencyCounts, LinkOverview, Overview};

/// Samples that rates are taken over: enough to be steady, few enough to follow.
const SAMPLES_MAX: usize = 10;

/// The last few samples.
#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<Overview>);

impl Samples {
    /// Takes one more; those of another process mean nothing beside it.
    pub(super) fn push(&mut self, sample: Overview) {
        if self.0.back().is_some_and(|last| last.uptime_ms > sample.uptime_ms) {
            self.0.clear();
        }
        if self.0.len() == SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// What they say together; of a single one, everything since the switch started.
    pub(super) fn view(&self) -> Option<View> {
        let last = self.0.back()?;
        let first = self.0.front().filter(|_| self.0.len() > 1);
        Some(View::between(first, last))
    }
}

/// Times that half and 99 of 100 do not exceed, microseconds; nothing when nothing was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Quantiles {
    pub(super) p50: Option<u64>,
    pub(super) p99: Option<u64>,
}

impl From<&LatencyCounts> for Quantiles {
    fn from(counts: &LatencyCounts) -> Self {
        Self { p50: counts.quantile_micros(500), p99: counts.quantile_micros(990) }
    }
}

/// What `top` shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct View {
    pub(super) phase: String,
    pub(super) day: Option<String>,
    pub(super) uptime_ms: u64,
    /// Time that rates and waiting times are about.
    pub(super) window_ms: u64,
    pub(super) requests_per_s: f64,
    /// Share of answers that are approvals, in thousandths.
    pub(super) approved_permille: Option<u64>,
    pub(super) latency_us: Quantiles,
    pub(super) connections: usize,
    pub(super) terminals: usize,
    pub(super) core_queue: usize,
    pub(super) key_queue: usize,
    pub(super) records_per_s: f64,
    pub(super) sync_us: u64,
    pub(super) unresolved: usize,
    pub(super) saf_waiting: usize,
    pub(super) saf_dead: usize,
    pub(super) payouts_held: usize,
    pub(super) hsm_up: bool,
    pub(super) ledger_full: bool,
    /// Answers that are no approvals, the commonest of the window first.
    pub(super) declines: Vec<Decline>,
    pub(super) links: Vec<LinkView>,
}

/// A reason for which terminals heard no.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Decline {
    pub(super) code: String,
    pub(super) meaning: &'static str,
    pub(super) per_s: f64,
    /// Since the switch started.
    pub(super) total: u64,
}

/// What is shown of a link that takes no requests because too many were not answered.
const RESTING: &str = "resting";

/// One link.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct LinkView {
    pub(super) name: String,
    pub(super) mode: String,
    pub(super) status: String,
    pub(super) connections: u8,
    pub(super) connections_signed_on: usize,
    pub(super) in_flight: usize,
    pub(super) queue: u64,
    pub(super) saf_waiting: usize,
    pub(super) saf_dead: usize,
    pub(super) answers_per_s: f64,
    pub(super) latency_us: Quantiles,
    pub(super) timeouts: u64,
    pub(super) unsent: u64,
    pub(super) unmatched: u64,
    pub(super) lost: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    /// Answers since the switch started, by class of their code.
    pub(super) answers: Vec<(String, u64)>,
}

impl View {
    fn between(first: Option<&Overview>, last: &Overview) -> Self {
        let none = Overview::default();
        let first = first.unwrap_or(&none);
        let window_ms = last.uptime_ms.saturating_sub(first.uptime_ms).max(1);
        let per_s = |count: u64| count as f64 * 1_000.0 / window_ms as f64;
        let request = last.request.since(&first.request);
        let codes: Vec<(&str, u64, u64)> = last
            .codes
            .iter()
            .map(|(code, total)| (code.as_str(), total.saturating_sub(count_of(&first.codes, code)), *total))
            .collect();
        let answered: u64 = codes.iter().map(|(_, count, _)| count).sum();
        let approved: u64 =
            codes.iter().filter(|(code, ..)| is_approval(code)).map(|(_, count, _)| count).sum();
        let mut declines: Vec<(u64, Decline)> = codes
            .iter()
            .filter(|(code, ..)| !is_approval(code))
            .map(|&(code, count, total)| {
                let code = code.to_owned();
                (count, Decline { meaning: meaning(&code), code, per_s: per_s(count), total })
            })
            .collect();
        declines.sort_by_key(|(count, decline)| std::cmp::Reverse((*count, decline.total)));
        // Records of a replay were not made by this process.
        let records = if first.uptime_ms == 0 { 0 } else { last.records.saturating_sub(first.records) };
        Self {
            phase: last.phase.clone(),
            day: last.day.clone(),
            uptime_ms: last.uptime_ms,
            window_ms,
            requests_per_s: per_s(request.count()),
            approved_permille: (approved * 1_000).checked_div(answered),
            latency_us: Quantiles::from(&request),
            connections: last.connections,
            terminals: last.terminals,
            core_queue: last.core_queue,
            key_queue: last.key_queue,
            records_per_s: per_s(records),
            sync_us: last.sync_micros,
            unresolved: last.unresolved,
            saf_waiting: last.saf_waiting,
            saf_dead: last.saf_dead,
            payouts_held: last.payouts_held,
            hsm_up: last.hsm_up,
            ledger_full: last.ledger_full,
            declines: declines.into_iter().map(|(_, decline)| decline).collect(),
            links: last
                .links
                .iter()
                .enumerate()
                .map(|(i, link)| LinkView::new(first.links.get(i), link, per_s))
                .collect(),
        }
    }
}

impl LinkView {
    /// What it is for where that is not to be up, or else what it is; and how many of its connections are signed on, where
    /// it is to have several.
    pub(super) fn state(&self) -> String {
        if self.mode != "up" {
            return self.mode.clone();
        }
        match self.connections {
            1 => self.status.clone(),
            all => format!("{} {}/{all}", self.status, self.connections_signed_on),
        }
    }
    /// Whether connections are missing of those that it is to have.
    pub(super) fn is_short(&self) -> bool {
        self.connections_signed_on < usize::from(self.connections)
    }
    fn new(first: Option<&LinkOverview>, last: &LinkOverview, per_s: impl Fn(u64) -> f64) -> Self {
        let answer = first.map_or_else(|| last.answer.clone(), |first| last.answer.since(&first.answer));
        let mode = serde_json::to_value(last.mode).ok();
        Self {
            name: last.name.clone(),
            mode: mode.as_ref().and_then(|mode| mode.as_str()).unwrap_or_default().to_owned(),
            status: if last.resting { RESTING.to_owned() } else { last.status.clone() },
            connections: last.connections,
            connections_signed_on: last.connections_signed_on,
            in_flight: last.in_flight,
            queue: last.queue,
            saf_waiting: last.saf_waiting,
            saf_dead: last.saf_dead,
            answers_per_s: per_s(answer.count()),
            latency_us: Quantiles::from(&answer),
            timeouts: last.timeouts,
            unsent: last.unsent,
            unmatched: last.unmatched,
            lost: last.lost,
            sent: last.sent,
            received: last.received,
            answers: last.answers.clone(),
        }
    }
}

fn count_of(codes: &[(String, u64)], code: &str) -> u64 {
    codes.iter().find(|(name, _)| name == code).map_or(0, |(_, count)| *count)
}

fn is_approval(code: &str) -> bool {
    code.parse::<ResponseCode>().is_ok_and(ResponseCode::is_approval)
}

fn meaning(code: &str) -> &'static str {
    code.parse::<ResponseCode>()
        .ok()
        .and_then(ResponseCode::meaning)
        .map_or("any other code", |(_, english)| english)
}

/// Microseconds in the unit that reads best; a dash for what was not measured.
pub(super) struct Micros(pub(super) Option<u64>);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            None => "-".to_owned(),
            Some(micros @ ..1_000) => format!("{micros} us"),
            Some(micros @ ..10_000) => format!("{:.1} ms", micros as f64 / 1e3),
            Some(micros @ ..1_000_000) => format!("{} ms", micros / 1_000),
            Some(micros) => format!("{:.1} s", micros as f64 / 1e6),
        };
        f.pad(&text)
    }
}

/// A rate, with a digit after the point where it is small.
pub(super) struct Rate(pub(super) f64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.0 < 100.0);
        f.pad(&format!("{:.digits$}/s", self.0))
    }
}

/// Hours and minutes, or minutes and seconds.
pub(super) struct Uptime(pub(super) u64);

impl fmt::Display for Uptime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000;
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
        match (days, hours) {
            (0, 0) => write!(f, "{minutes}m {:02}s", seconds % 60),
            (0, _) => write!(f, "{hours}h {minutes:02}m"),
            _ => write!(f, "{days}d {hours:02}h"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use switchyard_domain::LinkMode;

    fn counts(bucket: usize, count: u64) -> LatencyCounts {
        let mut counts = vec![0; LatencyCounts::bounds_micros().len() + 1];
        counts[bucket] = count;
        LatencyCounts { counts, sum_micros: 0 }
    }

    fn link(name: &str, status: &str, answered: u64) -> LinkOverview {
        LinkOverview {
            name: name.to_owned(),
            mode: LinkMode::Up,
            status: status.to_owned(),
            connections: 1,
            connections_signed_on: 1,
            resting: false,
            in_flight: 12,
            saf_waiting: 3,
            saf_dead: 1,
            queue: 7,
            sent: answered + 5,
            received: answered + 2,
            unsent: 4,
            timeouts: 3,
            unmatched: 2,
            lost: 1,
            answers: [("approved", answered), ("declined", 9)].map(|(c, n)| (c.to_owned(), n)).to_vec(),
            answer: counts(25, answered),
        }
    }

    /// A switch that has served for so many seconds.
    pub(crate) fn sample(seconds: u64) -> Overview {
        let code = |code: &str, count: u64| (code.to_owned(), count);
        Overview {
            uptime_ms: 3_600_000 + seconds * 1_000,
            phase: "serving".to_owned(),
            day: Some("2026-11-23".to_owned()),
            records: 10_000 * seconds,
            sync_micros: 210,
            terminals: 300,
            connections: 120,
            core_queue: 17,
            key_queue: 2,
            hsm_up: true,
            ledger_full: false,
            unresolved: 15,
            saf_waiting: 3,
            saf_dead: 1,
            payouts_held: 4,
            codes: vec![
                code("00", 1_000 * seconds),
                code("51", 40 * seconds),
                code("55", 10 * seconds),
                code("91", 500),
                code("other", seconds),
            ],
            request: counts(30, 1_051 * seconds),
            links: vec![link("harbour", "signed-on", 200 * seconds), link("mountain", "down", 77)],
        }
    }

    #[test]
    fn rates_are_of_the_last_samples_and_counts_of_all_time() {
        let mut samples = Samples::default();
        assert_eq!(samples.view(), None);
        (1..=30).for_each(|second| samples.push(sample(second)));
        let view = samples.view().unwrap();
        assert_eq!((view.window_ms, view.requests_per_s, view.records_per_s), (9_000, 1_051.0, 10_000.0));
        assert_eq!(view.approved_permille, Some(951));
        let codes: Vec<_> = view.declines.iter().map(|d| (d.code.as_str(), d.per_s, d.total)).collect();
        assert_eq!(codes, [("51", 40.0, 1_200), ("55", 10.0, 300), ("other", 1.0, 30), ("91", 0.0, 500)]);
        assert_eq!((view.links[0].answers_per_s, view.links[1].answers_per_s), (200.0, 0.0));
        assert_eq!(view.links[1].latency_us, Quantiles::default(), "nothing was answered meanwhile");
        assert!(view.links[0].latency_us.p99 > view.links[0].latency_us.p50);
    }

    #[test]
    fn a_switch_that_was_started_again_counts_from_nothing() {
        let mut samples = Samples::default();
        samples.push(sample(5));
        samples.push(sample(6));
        let young = Overview { uptime_ms: 2_000, codes: vec![("00".to_owned(), 4)], ..Overview::default() };
        samples.push(young);
        let view = samples.view().unwrap();
        assert_eq!((view.window_ms, view.approved_permille, view.records_per_s), (2_000, Some(1_000), 0.0));
    }

    #[test]
    fn numbers_read_well() {
        for (micros, text) in [
            (None, "-"),
            (Some(7), "7 us"),
            (Some(1_250), "1.2 ms"),
            (Some(45_600), "45 ms"),
            (Some(2_500_000), "2.5 s"),
        ] {
            assert_eq!(Micros(micros).to_string(), text);
        }
        assert_eq!(
            (Rate(3.25).to_string(), Rate(1_234.5).to_string()),
            ("3.2/s".to_owned(), "1234/s".to_owned())
        );
        for (ms, text) in [(65_000, "1m 05s"), (3_660_000, "1h 01m"), (90_000_000, "1d 01h")] {
            assert_eq!(Uptime(ms).to_string(), text);
        }
    }
}
