//! What was counted: the work, the faults, the comparisons.

use serde::Serialize;
use std::ops::AddAssign;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts of one run, or of many.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        pub struct Tally { $($(#[$doc])* pub $name: u64,)* }
        impl Tally {
            /// Every counter with its name.
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
        impl AddAssign for Tally {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Events.
    steps,
    /// Microseconds that went by in the simulation.
    simulated_micros,
    /// Messages that parties sent.
    messages,
    /// Records that became durable.
    records,
    /// Blocks that became durable.
    blocks,
    /// Transactions that terminals asked for.
    transactions,
    /// Of them approved, as the terminals heard.
    approved,
    /// Reversals that terminals sent, repeats among them.
    reversals,
    /// Batches that were closed.
    batches,
    /// Links of 1993 and 2003.
    later_links,
    /// Messages whose cardholders are billed in another currency.
    billed,
    /// Rates that were ordered.
    rates,
    /// Transactions that went over another link, because not a byte of them had left.
    rerouted,
    /// Terminals of a generic dialect.
    generic_tills,
    /// Batches of generic terminals that totals out of the past had shut.
    shut_batches,
    /// Batches that generic terminals ended by telling their totals.
    told_batches,
    /// Differences of batches that were uploaded.
    cases,
    /// Business days that were cut.
    days,
    /// Orders of operators.
    orders,
    /// Offline sales that terminals told of.
    offline_sales,
    /// Transactions that a limit declined.
    over_limit,
    /// Parts of an amount that terminals took.
    parts,
    /// Parts that terminals took back of what was approved.
    parts_back,
    /// Transactions that the switch approved in an issuer's place.
    stood_in,
    /// Cryptograms of own cards that were looked at.
    chips,
    /// Scripts of issuers that chips ran.
    scripts,
    /// What became of scripts, compared with what issuers heard.
    compared_scripts,
    /// Things that terminals downloaded.
    downloads,
    /// Kinds that terminals hold, compared with what they are given.
    compared_downloads,
    /// Terminals' words about themselves.
    statuses,
    /// Messages lost.
    dropped,
    /// Messages that came twice.
    duplicated,
    /// Messages that took seconds.
    delayed,
    /// Messages free to overtake others.
    reordered,
    /// Connections that broke.
    disconnects,
    /// Crashes of the switch.
    crashes,
    /// Crashes in the middle of a write.
    crashes_in_write,
    /// Starts from a snapshot and the records behind it.
    snapshot_starts,
    /// Blocks that a crash had torn, found and cut.
    torn_writes,
    /// Blocks that a crash let through whole although nobody had heard so.
    unheard_writes,
    /// Writes that failed with an error.
    disk_errors,
    /// Writes that took up to a second.
    disk_stalls,
    /// Jumps of the wall clock, forward.
    clock_forward,
    /// Jumps of the wall clock, backward.
    clock_backward,
    /// Answers of issuers that took seconds.
    host_slow,
    /// Answers of issuers that nobody waited for any more.
    host_late,
    /// Requests that an issuer did not hear.
    host_deaf,
    /// Answers that an issuer kept to itself.
    host_silent,
    /// Answers that an issuer gave twice.
    host_double,
    /// Requests that an issuer was too busy for.
    host_busy,
    /// Reversals of what an issuer never had, to which it said 25.
    host_unfound,
    /// Requests that an issuer took for another amount.
    host_wrong_amount,
    /// Requests that an issuer approved in part.
    host_parts,
    /// Times that an issuer was away.
    host_away,
    /// Times that an issuer signed off and went on listening.
    host_sign_offs,
    /// Connections that broke while their socket took nothing.
    broken_stalls,
    /// Terminals that lost power.
    till_power_losses,
    /// Approvals that a terminal took back.
    till_regrets,
    /// Requests that a terminal repeated.
    till_repeats,
    /// Wrong PINs.
    till_wrong_pins,
    /// Wrong MACs.
    till_bad_macs,
    /// Wrong cryptograms.
    till_bad_chips,
    /// Follow-ups for more than there was.
    till_greedy,
    /// Batches that a terminal counted wrong.
    till_miscounts,
    /// States made anew from the disk and compared with the one before.
    digests,
    /// Transactions compared between terminals' journals and the ledger.
    compared_terminals,
    /// Transactions compared between the ledger and issuers' books.
    compared_issuers,
    /// Differences that end as cases for an operator, as the rules say.
    operator_cases,
}

impl Tally {
    /// Faults of every kind.
    pub fn faults(&self) -> u64 {
        let of_network = self.dropped + self.duplicated + self.delayed + self.reordered + self.disconnects;
        let of_switch =
            self.crashes + self.disk_errors + self.disk_stalls + self.clock_forward + self.clock_backward;
        let of_hosts = self.host_slow + self.host_late + self.host_deaf + self.host_silent + self.host_double;
        let said_by_hosts = self.host_busy + self.host_unfound + self.host_wrong_amount + self.host_away;
        let of_links = self.host_sign_offs + self.broken_stalls;
        let of_tills = self.till_power_losses + self.till_regrets + self.till_repeats + self.till_miscounts;
        let of_people = self.till_wrong_pins + self.till_bad_macs + self.till_bad_chips + self.till_greedy;
        of_network + of_links + of_switch + of_hosts + said_by_hosts + of_tills + of_people
    }
    /// Hours that went by in the simulation.
    pub fn simulated_hours(&self) -> f64 {
        self.simulated_micros as f64 / 3.6e9
    }
}
