//! How often the log hears of bad connections: one that comes again and again must not fill it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// An address is named once in so long; what it did meanwhile is counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are known at once; the rest share one place.
const ADDRESSES_MAX: usize = 1_024;

/// Who was complained about lately.
#[derive(Debug)]
pub(crate) struct Complaints {
    since: Instant,
    by_address: HashMap<IpAddr, u64>,
    /// Of addresses that found no place.
    others: u64,
}

/// What the log should hear.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This one, for it is the first of its address.
    Tell,
    /// Nothing now.
    Keep,
}

impl Default for Complaints {
    fn default() -> Self {
        Self { since: Instant::now(), by_address: HashMap::new(), others: 0 }
    }
}

impl Complaints {
    /// Counts a complaint. At the end of a window `summary` hears how many each address had that were not told.
    pub(super) fn note(
        &mut self,
        from: IpAddr,
        now: Instant,
        mut summary: impl FnMut(Option<IpAddr>, u64),
    ) -> Verdict {
        if now.saturating_duration_since(self.since) >= WINDOW {
            for (address, count) in self.by_address.drain().filter(|(_, count)| *count > 1) {
                summary(Some(address), count - 1);
            }
            let others = std::mem::take(&mut self.others);
            if others > 0 {
                summary(None, others);
            }
            self.since = now;
        }
        let is_full = self.by_address.len() >= ADDRESSES_MAX;
        match self.by_address.get_mut(&from) {
            Some(count) => {
                *count += 1;
                Verdict::Keep
            }
            None if is_full => {
                self.others += 1;
                Verdict::Keep
            }
            None => {
                self.by_address.insert(from, 1);
                Verdict::Tell
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(number))
    }

    #[test]
    fn an_address_is_told_once_and_summed_up_later() {
        let (mut complaints, begin) = (Complaints::default(), Instant::now());
        let mut told = Vec::new();
        assert_eq!(complaints.note(address(1), begin, |a, n| told.push((a, n))), Verdict::Tell);
        for _ in 0..1_000 {
            assert_eq!(complaints.note(address(1), begin, |a, n| told.push((a, n))), Verdict::Keep);
        }
        assert_eq!(complaints.note(address(2), begin, |a, n| told.push((a, n))), Verdict::Tell);
        assert!(told.is_empty());
        let later = begin + WINDOW + WINDOW;
        assert_eq!(complaints.note(address(1), later, |a, n| told.push((a, n))), Verdict::Tell);
        assert_eq!(told, [(Some(address(1)), 1_000)]);
    }

    #[test]
    fn many_addresses_take_no_more_than_their_places() {
        let (mut complaints, begin) = (Complaints::default(), Instant::now());
        let tell = |complaints: &mut Complaints, number, at| {
            complaints.note(address(number), at, |_, _| ()) == Verdict::Tell
        };
        let count = (0..5_000).filter(|number| tell(&mut complaints, *number, begin)).count();
        assert_eq!((count, complaints.by_address.len()), (ADDRESSES_MAX, ADDRESSES_MAX));
        let mut others = 0;
        complaints.note(address(9), begin + WINDOW + WINDOW, |address, n| {
            assert_eq!(address, None);
            others = n;
        });
        assert_eq!(others, 5_000 - ADDRESSES_MAX as u64);
    }
}
