//! What a seed chooses before the first event: how many take part, how busy they are, what goes wrong and how often.
//!
//! Every seed leaves some faults out: what only shows where the disk is sound and the network is not would drown in a
//! mixture that always holds everything.

use crate::schedule::{Micros, millis, seconds};
use switchyard_domain::Currency;
use switchyard_simulator::random::Random;

/// Something that the harness does wrong on purpose, to prove that it is found. The switch itself has no such thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Effects leave when they are decided, not when they are durable.
    ReleaseEarly,
    /// A record that posts money is lost on its way to the log.
    LosePosting,
    /// The disk forgets a block that it had acknowledged.
    LoseBlock,
    /// Reversals out of the queue are acknowledged by nobody and reach no issuer.
    SwallowReversals,
    /// A restart forgets which requests were answered: repeats are taken for new.
    ForgetRequests,
    /// The issuer is asked for one cent more than the terminal was, and its answer is not looked at for that.
    AlterAmount,
    /// An answer to a terminal is changed on its way out: a decline becomes an approval.
    ApproveDeclines,
    /// The core is not told that time goes by.
    StopTime,
    /// The core is given another limit than was ordered.
    RaiseLimit,
    /// An order is obeyed and lost on its way to the log.
    LoseOrder,
    /// A generic terminal's reversal is taken to name another moment than it does.
    MisreadMoment,
    /// What an issuer approved in part is taken for the whole.
    TakePartForWhole,
    /// Advices out of the queue are acknowledged by nobody and reach no issuer.
    SwallowAdvices,
    /// The switch stands in for issuers beyond the limits that were ordered.
    StandInBeyond,
    /// Every cryptogram is taken for the card's own.
    BelieveChips,
    /// A byte of what terminals download is another's on its way out.
    AlterDownload,
    /// What chips made of scripts is acknowledged by nobody and reaches no issuer.
    SwallowScripts,
    /// A reversal says another rate than what it takes back.
    ReverseAtAnotherRate,
    /// What has left for an issuer is taken for something of which not a byte has.
    TakeSentForUnsent,
    /// A host's sign-off is acknowledged, and the core hears nothing of it.
    OverhearSignOffs,
}

impl Sabotage {
    /// Every kind, with the name that the command line knows it by.
    pub const ALL: [(Self, &'static str); 20] = [
        (Self::ReleaseEarly, "release-early"),
        (Self::LosePosting, "lose-posting"),
        (Self::LoseBlock, "lose-block"),
        (Self::SwallowReversals, "swallow-reversals"),
        (Self::ForgetRequests, "forget-requests"),
        (Self::AlterAmount, "alter-amount"),
        (Self::ApproveDeclines, "approve-declines"),
        (Self::StopTime, "stop-time"),
        (Self::RaiseLimit, "raise-limit"),
        (Self::LoseOrder, "lose-order"),
        (Self::MisreadMoment, "misread-moment"),
        (Self::TakePartForWhole, "take-part-for-whole"),
        (Self::SwallowAdvices, "swallow-advices"),
        (Self::StandInBeyond, "stand-in-beyond"),
        (Self::BelieveChips, "believe-chips"),
        (Self::AlterDownload, "alter-download"),
        (Self::SwallowScripts, "swallow-scripts"),
        (Self::ReverseAtAnotherRate, "reverse-at-another-rate"),
        (Self::TakeSentForUnsent, "take-sent-for-unsent"),
        (Self::OverhearSignOffs, "overhear-sign-offs"),
    ];
}

/// Events of a run before its queues are drained, unless somebody says otherwise.
pub const STEPS_DEFAULT: u64 = 30_000;

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// All chance follows from it.
    pub seed: u64,
    /// Events before the queues are drained.
    pub steps: u64,
    /// What the harness does wrong.
    pub sabotage: Option<Sabotage>,
}

impl Options {
    /// An honest run of the usual length.
    pub fn seed(seed: u64) -> Self {
        Self { seed, steps: STEPS_DEFAULT, sabotage: None }
    }
}

/// What a seed chose. Chances are per thousand.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) tills: usize,
    /// Of a thousand terminals, those that speak a generic dialect.
    pub(crate) generic: u16,
    /// Of a thousand links, those that speak another dialect than the usual one, of any edition.
    pub(crate) any_edition: u16,
    /// Whether the first issuer has a second link.
    pub(crate) has_twin: bool,
    /// The currency that cardholders of the first issuer are billed in, where it is another.
    pub(crate) bills_in: Option<Currency>,
    /// Longest pause between two customers.
    pub(crate) pause_max: Micros,
    pub(crate) network: NetworkFaults,
    pub(crate) disk: DiskFaults,
    pub(crate) host: HostFaults,
    pub(crate) till: TillFaults,
    /// Longest time between two crashes; none without.
    pub(crate) crash_every: Option<Micros>,
    /// Longest time between two jumps of the switch's wall clock.
    pub(crate) clock_every: Option<Micros>,
    /// Longest time between two cuts of the business day.
    pub(crate) day_every: Micros,
    /// Longest time between two orders of operators; none without.
    pub(crate) order_every: Option<Micros>,
    /// Longest time between two absences of an issuer; none without.
    pub(crate) away_every: Option<Micros>,
    /// Longest time between two sign-offs of an issuer; none without.
    pub(crate) sign_off_every: Option<Micros>,
    /// What the switch may approve while an issuer is away; nothing without.
    pub(crate) stand_in: Option<StandInLimits>,
    /// Whether the embedded issuer looks at its cards' cryptograms.
    pub(crate) looks_at_chips: bool,
    /// What a card may spend on a business day, minor units; none without a limit.
    pub(crate) card_day_minor: Option<u64>,
    /// Requests under way that the core takes: small in some runs, so that it sheds.
    pub(crate) in_flight_max: usize,
    /// Days for which a hold can be completed: short, so that some expire.
    pub(crate) hold_days_max: u32,
    /// How many connections each link has.
    pub(crate) connections: u8,
}

/// What the switch may approve in an issuer's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StandInLimits {
    /// Most of one transaction, minor units.
    pub(crate) minor_max: u64,
    /// Most of a card on a business day.
    pub(crate) day_minor_max: u64,
    /// Most transactions of a card on a business day.
    pub(crate) day_count_max: u32,
    /// Whether a PIN that nobody can verify is in the way.
    pub(crate) refuses_pin: bool,
}

impl StandInLimits {
    fn draw(random: &mut Random) -> Self {
        Self {
            minor_max: random.between(5_000, 60_000),
            day_minor_max: random.between(20_000, 200_000),
            day_count_max: random.between(1, 12) as u32,
            refuses_pin: random.chance(300),
        }
    }
}

/// What the network does to a message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NetworkFaults {
    pub(crate) drop: u16,
    pub(crate) duplicate: u16,
    /// Seconds instead of milliseconds.
    pub(crate) delay: u16,
    /// It overtakes, or is overtaken.
    pub(crate) reorder: u16,
    /// The connection breaks.
    pub(crate) disconnect: u16,
    /// A link's socket takes nothing for seconds.
    pub(crate) stall: u16,
    /// Its connection breaks meanwhile, and what waited never left.
    pub(crate) broken_stall: u16,
}

/// What the disk does to a write.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DiskFaults {
    /// It takes up to a second.
    pub(crate) stall: u16,
    /// It fails with an error, and leaves parts of it written.
    pub(crate) error: u16,
}

/// What an issuer does to a request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HostFaults {
    /// Its answer takes seconds.
    pub(crate) slow: u16,
    /// Its answer comes when nobody waits for it any more.
    pub(crate) late: u16,
    /// It hears nothing.
    pub(crate) deaf: u16,
    /// It does what was asked and says nothing.
    pub(crate) silent: u16,
    /// It answers twice.
    pub(crate) double: u16,
    /// It is busy: 91.
    pub(crate) busy: u16,
    /// It says that it never had what is reversed: 25.
    pub(crate) unfound: u16,
    /// It does it with another amount, and says so in DE 4.
    pub(crate) wrong_amount: u16,
    /// It approves a part: 10.
    pub(crate) part: u16,
    /// It sends the chip a script.
    pub(crate) script: u16,
}

/// What a terminal and the people in front of it do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TillFaults {
    /// It reverses what was approved: no paper.
    pub(crate) regret: u16,
    /// It repeats the last request.
    pub(crate) repeat: u16,
    /// Somebody types a wrong PIN.
    pub(crate) wrong_pin: u16,
    /// The MAC is wrong.
    pub(crate) bad_mac: u16,
    /// A follow-up asks for more than is there.
    pub(crate) greedy: u16,
    /// It loses power: keys and connection are gone, its journal is not.
    pub(crate) power_loss: u16,
    /// It forgets one sale in its totals.
    pub(crate) miscount: u16,
    /// The chip's cryptogram is wrong.
    pub(crate) bad_chip: u16,
    /// A generic terminal tells its totals, and does not ask.
    pub(crate) tells: u16,
}

/// A fault that a seed may leave out, up to a limit that it draws.
fn some(random: &mut Random, max: u16) -> u16 {
    if random.chance(650) { random.between(1, u64::from(max)) as u16 } else { 0 }
}

fn every(random: &mut Random, per_mille: u16, low: Micros, high: Micros) -> Option<Micros> {
    random.chance(per_mille).then(|| random.between(low, high))
}

impl Plan {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let pauses = [seconds(2), seconds(20), seconds(120), seconds(900)];
        let pause_max = pauses[random.below(pauses.len() as u64) as usize];
        let mut plan = Self {
            tills: random.between(2, 10) as usize,
            generic: [0, 300, 600, 1_000][random.below(4) as usize],
            any_edition: [0, 500, 1_000][random.below(3) as usize],
            has_twin: random.chance(500),
            bills_in: [None, None, Some(Currency::USD), Some(Currency::JPY)][random.below(4) as usize],
            pause_max,
            network: NetworkFaults {
                drop: some(random, 60),
                duplicate: some(random, 60),
                delay: some(random, 40),
                reorder: some(random, 200),
                disconnect: some(random, 20),
                stall: some(random, 150),
                broken_stall: some(random, 300),
            },
            disk: DiskFaults { stall: some(random, 60), error: some(random, 4) },
            host: HostFaults {
                slow: some(random, 150),
                late: some(random, 60),
                deaf: some(random, 40),
                silent: some(random, 40),
                double: some(random, 100),
                busy: some(random, 100),
                unfound: some(random, 1_000),
                wrong_amount: some(random, 20),
                part: some(random, 150),
                script: some(random, 600),
            },
            till: TillFaults {
                regret: some(random, 60),
                repeat: some(random, 100),
                wrong_pin: some(random, 40),
                bad_mac: some(random, 20),
                greedy: some(random, 100),
                power_loss: some(random, 15),
                miscount: some(random, 200),
                bad_chip: some(random, 60),
                tells: some(random, 800),
            },
            crash_every: every(random, 800, seconds(20), pause_max * 60 + seconds(60)),
            clock_every: every(random, 500, seconds(30), pause_max * 80 + seconds(60)),
            day_every: pause_max * 100 + seconds(300),
            order_every: every(random, 600, seconds(20), pause_max * 40 + seconds(60)),
            away_every: every(random, 600, seconds(30), pause_max * 40 + seconds(60)),
            sign_off_every: every(random, 500, seconds(30), pause_max * 40 + seconds(60)),
            stand_in: random.chance(600).then(|| StandInLimits::draw(random)),
            looks_at_chips: random.chance(600),
            card_day_minor: every(random, 500, 50_000, 400_000),
            in_flight_max: if random.chance(150) { 2 } else { 65_536 },
            hold_days_max: random.between(0, 3) as u32,
            connections: random.between(1, 3) as u8,
        };
        if plan.has_twin {
            // What another link is for has to happen: a way is lost while something waits to go there.
            plan.network.stall = plan.network.stall.max(60);
            plan.network.broken_stall = plan.network.broken_stall.max(200);
        }
        plan
    }
}

/// How long a terminal waits for an answer.
pub(crate) const TERMINAL_TIMEOUT: Micros = seconds(40);
/// How long the switch waits for an issuer's answer.
pub(crate) const ISSUER_TIMEOUT: Micros = seconds(10);
/// The core hears of the time at least this often.
pub(crate) const TICK: Micros = millis(100);
