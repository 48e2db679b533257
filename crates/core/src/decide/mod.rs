//! The rules, one file for each thing that is decided.

mod batch;
mod card_keys;
mod change;
mod chip;
mod command;
mod device;
mod financial;
mod fx;
mod issuer;
mod key;
mod link_key;
mod matching;
mod offer;
mod order;
mod original;
mod part;
mod postings;
mod product;
mod restart;
mod reversal;
mod risk;
mod routing;
mod saf;
mod stand_in;
mod terminal;
mod transfer;
mod unbatched;
mod upstream;
mod user;

pub use routing::Turns;

use crate::machine::{Core, Output};
use switchyard_domain::{Actor, Record, Timestamp};

/// Microseconds in a minute.
const MINUTE_MICROS: u64 = 60_000_000;

impl Core {
    /// Time went by.
    pub(crate) fn tick(&mut self, now: Timestamp, out: &mut Output) {
        self.expire_upstream(now, out);
        self.expire_transfer_holds(now, out);
        self.expire_offers(now, out);
        self.drive_links(now, out);
        self.summarise_refusals(now, out);
        self.state.pack_some();
    }

    /// Refusals that matter for lockout become one record per terminal, code and minute, so that garbage
    /// cannot fill the log.
    fn summarise_refusals(&mut self, now: Timestamp, out: &mut Output) {
        let minute = now.0 / MINUTE_MICROS;
        if minute == self.flight.refusals_minute {
            return;
        }
        self.flight.refusals_minute = minute;
        self.flight.unkeyed.clear();
        self.flight.keys_before.retain(|_, (_, until)| now < *until);
        self.record_wrong_macs(now, out);
        for ((terminal, code), count) in std::mem::take(&mut self.flight.refusals) {
            self.emit(Record::Refusals { terminal, code, count }, Actor::Switch, now, out);
        }
    }
}
