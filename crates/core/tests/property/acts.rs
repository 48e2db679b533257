//! What happens in a random script.

use crate::downloads::WHOSE;
use crate::support::LINK_TIMEOUT_MS;
use proptest::prelude::*;

/// One thing that happens. Numbers choose among what is there at the time.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    First { terminal: usize, kind: u8, card: usize, minor: u64, pin: bool },
    Follow { of: usize, kind: u8, minor: u64, terminal: Option<usize>, card: bool },
    Repeat { of: usize },
    Twist { of: usize },
    Reverse { of: usize, minor: Option<u64> },
    Early { terminal: usize, ahead: u32 },
    Pin { outcome: u8 },
    Issuer { of: usize, code: u8 },
    Saf { of: usize, code: u8 },
    NotSent { of: usize },
    Wait { millis: u64 },
    Connect { link: usize },
    Lose { link: usize },
    HostSigns { link: usize, on: bool },
    Totals { terminal: usize, wrong: bool },
    Upload { terminal: usize, end: bool },
    SignOn { terminal: usize },
    SignOff { terminal: usize },
    Cut,
    Crash,
    WrongMac { terminal: usize },
    Retry { of: usize },
    Resolve { of: usize, finding: u8 },
    ForceClose { terminal: usize },
    Link { link: usize, order: u8 },
    Settle { of: usize },
    Hot { card: usize, block: bool },
    Give { whose: u8, which: u8, value: u8 },
    TakeBack { whose: u8, which: u8 },
    Load { terminal: usize, which: u8 },
    Scripts { of: usize },
    Rate { value: u8 },
}

fn minor() -> impl Strategy<Value = u64> {
    prop_oneof![Just(100_u64), Just(115), 1_u64..200, Just(400_000), Just(999_999)]
}

/// One of them, the frequent ones more often.
pub(crate) fn act() -> impl Strategy<Value = Act> {
    let n = 0_usize..1_000;
    let t = 0_usize..3;
    prop_oneof![
        12 => (t.clone(), 0_u8..10, 0_usize..6, minor(), any::<bool>())
            .prop_map(|(terminal, kind, card, minor, pin)| Act::First { terminal, kind, card, minor, pin }),
        14 => (n.clone(), 0_u8..8, minor(), prop::option::weighted(0.1, 0_usize..3), any::<bool>())
            .prop_map(|(of, kind, minor, terminal, card)| Act::Follow { of, kind, minor, terminal, card }),
        3 => n.clone().prop_map(|of| Act::Repeat { of }),
        1 => n.clone().prop_map(|of| Act::Twist { of }),
        7 => (n.clone(), prop::option::weighted(0.1, minor())).prop_map(|(of, minor)| Act::Reverse { of, minor }),
        1 => (t.clone(), 1_u32..3).prop_map(|(terminal, ahead)| Act::Early { terminal, ahead }),
        8 => (0_u8..8).prop_map(|outcome| Act::Pin { outcome }),
        14 => (n.clone(), 0_u8..9).prop_map(|(of, code)| Act::Issuer { of, code }),
        3 => (n.clone(), 0_u8..7).prop_map(|(of, code)| Act::Saf { of, code }),
        1 => n.clone().prop_map(|of| Act::NotSent { of }),
        5 => prop_oneof![Just(1_u64), Just(2_500), Just(LINK_TIMEOUT_MS), Just(60_000)]
            .prop_map(|millis| Act::Wait { millis }),
        2 => (0_usize..2).prop_map(|link| Act::Connect { link }),
        1 => (0_usize..2).prop_map(|link| Act::Lose { link }),
        2 => (0_usize..2, any::<bool>()).prop_map(|(link, on)| Act::HostSigns { link, on }),
        2 => (t.clone(), any::<bool>()).prop_map(|(terminal, wrong)| Act::Totals { terminal, wrong }),
        2 => (t.clone(), any::<bool>()).prop_map(|(terminal, end)| Act::Upload { terminal, end }),
        1 => t.clone().prop_map(|terminal| Act::SignOn { terminal }),
        1 => t.clone().prop_map(|terminal| Act::SignOff { terminal }),
        1 => Just(Act::Cut),
        1 => Just(Act::Crash),
        2 => t.clone().prop_map(|terminal| Act::WrongMac { terminal }),
        1 => n.clone().prop_map(|of| Act::Retry { of }),
        2 => (n.clone(), 0_u8..3).prop_map(|(of, finding)| Act::Resolve { of, finding }),
        1 => t.clone().prop_map(|terminal| Act::ForceClose { terminal }),
        1 => (0_usize..2, 0_u8..4).prop_map(|(link, order)| Act::Link { link, order }),
        1 => n.clone().prop_map(|of| Act::Settle { of }),
        3 => n.prop_map(|of| Act::Scripts { of }),
        2 => (0_u8..100).prop_map(|value| Act::Rate { value }),
        1 => (0_usize..6, any::<bool>()).prop_map(|(card, block)| Act::Hot { card, block }),
        2 => (0..WHOSE, 0_u8..4, 0_u8..3)
            .prop_map(|(whose, which, value)| Act::Give { whose, which, value }),
        1 => (0..WHOSE, 0_u8..4).prop_map(|(whose, which)| Act::TakeBack { whose, which }),
        1 => (t, 0_u8..4).prop_map(|(terminal, which)| Act::Load { terminal, which }),
    ]
}
