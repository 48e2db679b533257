//! Numbers that an acquirer may choose.

/// Rules and limits of the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreConfig {
    /// Wrong PINs in a row before a card of the embedded issuer answers 75. 1 to 9.
    pub pin_tries_max: u8,
    /// Minor units up to which the embedded issuer approves without a PIN.
    pub no_pin_minor_max: u64,
    /// Days after the sale in which it can be refunded.
    pub refund_days_max: u32,
    /// Days after a pre-authorization in which it can be completed or voided.
    pub hold_days_max: u32,
    /// A completion is at most this many percent of the hold.
    pub completion_percent_max: u64,
    /// A tip is at most this many percent of its sale.
    pub tip_percent_max: u64,
    /// Milliseconds between the first two sends of one store-and-forward entry; each wait is twice the one before.
    pub saf_retry_ms: u64,
    /// Milliseconds that such a wait has at most.
    pub saf_retry_ms_max: u64,
    /// Sends after which a store-and-forward entry waits for an operator.
    pub saf_attempts_max: u32,
    /// Requests in a row without an answer after which a link rests.
    pub link_timeouts_max: u32,
    /// Milliseconds that it rests; then one request tries it.
    pub link_rest_ms: u64,
    /// Messages without a MAC that one terminal may send in a minute; above it the answer is 96.
    pub unkeyed_per_minute_max: u32,
    /// Wrong MACs in a row, without a right one between them, after which a terminal is disabled; 0 is never.
    pub mac_failures_max: u32,
    /// Milliseconds for which what came under a terminal's working keys is taken once it has others; 0 is not at all.
    pub key_overlap_ms: u64,
    /// PIN blocks of a terminal that do not open, in so many hours, after which it is disabled; 0 is never.
    pub malformed_pins_max: u32,
    /// Hours in which they are counted together.
    pub malformed_pins_hours: u32,
    /// Records about wrong MACs of one terminal in a minute. Those above it are counted in memory, and recorded when the
    /// minute is over: a crash forgets those of a minute then, and no more.
    pub mac_records_per_minute_max: u32,
    /// The same over all terminals, so that wrong MACs for many of them fill no disk.
    pub mac_records_of_all_per_minute_max: u32,
    /// Hours after which a rate between currencies is too old for anything new.
    pub rate_age_hours_max: u32,
    /// Requests under way at one time, PIN work and issuers together; above it the answer is 96.
    pub in_flight_max: usize,
    /// Transactions of one batch of a terminal, declined ones among them; beyond it the answer is 65.
    pub batch_items_max: usize,
}

impl Default for CoreConfig {
    fn default() -> Self {
        Self {
            pin_tries_max: 3,
            no_pin_minor_max: 100_000,
            refund_days_max: 30,
            hold_days_max: 30,
            completion_percent_max: 115,
            tip_percent_max: 20,
            saf_retry_ms: 2_000,
            saf_retry_ms_max: 60_000,
            saf_attempts_max: 1_000,
            link_timeouts_max: 10,
            link_rest_ms: 30_000,
            unkeyed_per_minute_max: 1_500,
            mac_failures_max: 100,
            key_overlap_ms: 30_000,
            malformed_pins_max: 20,
            malformed_pins_hours: 24,
            mac_records_per_minute_max: 20,
            mac_records_of_all_per_minute_max: 1_000,
            rate_age_hours_max: 96,
            in_flight_max: 65_536,
            batch_items_max: 9_999,
        }
    }
}
