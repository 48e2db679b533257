//! Damage to sections. That a whole snapshot gives the same state is a property in the crate's tests.

use super::*;
use crate::state::State;
use switchyard_domain::{Actor, BusinessDate, Record, Stamped, Timestamp, UtcOffset};

fn state() -> State {
    let mut state = State::default();
    let genesis = Record::Genesis {
        partition: 3,
        acquirer: "48020000".parse().unwrap(),
        offset: UtcOffset::CHINA,
        day: BusinessDate(20_000),
        demo: true,
    };
    state.apply(&Stamped { at: Timestamp(7), actor: Actor::Installer, record: genesis }).unwrap();
    state
}

fn parts(state: &State) -> Vec<(u16, u64, Vec<u8>)> {
    state.sections().map(|s| (s.kind as u16, s.index, s.bytes.into_owned())).collect()
}

fn restore(parts: &[(u16, u64, Vec<u8>)]) -> Result<(State, u64), ImageError> {
    let mut restore = Restore::default();
    for (kind, index, bytes) in parts {
        restore.add(Part::parse(*kind, *index, bytes.clone())?)?;
    }
    restore.finish()
}

#[test]
fn every_cut_and_flipped_byte_is_refused_or_shows_in_the_digest() {
    let state = state();
    let whole = parts(&state);
    assert_eq!(restore(&whole).unwrap().1, state.digest());
    for (number, (_, _, bytes)) in whole.iter().enumerate() {
        for at in 0..bytes.len() {
            let mut bad = whole.clone();
            bad[number].2[at] ^= 1;
            assert!(
                restore(&bad).is_ok_and(|(_, digest)| digest != state.digest()) || restore(&bad).is_err()
            );
            bad[number].2.truncate(at);
            assert!(restore(&bad).is_err(), "section {number} cut at {at}");
        }
    }
}

#[test]
fn sections_that_are_missing_twice_or_unknown_are_refused() {
    let whole = parts(&state());
    for number in 0..whole.len() {
        let mut less = whole.clone();
        let gone = less.remove(number);
        assert!(matches!(restore(&less), Err(ImageError::Count { .. })), "without {gone:?}");
        let twice = [whole.clone(), vec![gone]].concat();
        assert!(matches!(restore(&twice), Err(ImageError::Count { .. })));
    }
    assert_eq!(Part::parse(99, 0, Vec::new()).err(), Some(ImageError::Kind { kind: 99 }));
    let elsewhere: Vec<_> =
        whole.iter().map(|(kind, index, bytes)| (*kind, index + 1, bytes.clone())).collect();
    assert!(restore(&elsewhere).is_err());
}
