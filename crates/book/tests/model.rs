//! The book against a plain one, over arbitrary steps.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use proptest::prelude::*;
use std::collections::BTreeMap;
use support::{Plain, Step, Sums, Verdict, entry, step, sums_of};
use switchyard_book::{Book, Taken, TrialBalance};
use switchyard_domain::*;

/// Takes a step with both and says whether they agree on it.
fn take(book: &mut Book, plain: &mut Plain, step: &Step, asked: &mut Vec<Transfer>) -> (Verdict, Verdict) {
    match step {
        Step::Entry(entry) => {
            let checked = book.check(entry);
            let applied = book.apply(entry);
            assert_eq!(checked, applied, "what is checked is what happens");
            (applied.map(|()| Taken::Applied).into(), plain.entry(entry, None))
        }
        Step::Transfer(transfer) => {
            asked.push(transfer.clone());
            let checked = book.check_transfer(transfer);
            let taken = book.transfer(transfer);
            assert_eq!(checked, taken, "what is checked is what happens");
            (taken.into(), plain.transfer(transfer))
        }
        Step::Repeat(back) => match asked.len().checked_sub(*back) {
            Some(index) => {
                let transfer = asked[index].clone();
                (book.transfer(&transfer).into(), plain.transfer(&transfer))
            }
            None => (Verdict::Applied, Verdict::Applied),
        },
        Step::Rules(account, rules) => {
            book.set_rules(*account, *rules);
            plain.rules.insert(*account, *rules);
            assert_eq!(book.rules(*account), *rules);
            (Verdict::Applied, Verdict::Applied)
        }
        Step::Expire(now) => {
            let due = book.due(*now);
            plain.expire(*now);
            let ended = book.apply(&due).map(|()| Taken::Applied);
            assert!(book.due(*now).is_empty(), "nothing is due twice");
            (ended.into(), Verdict::Applied)
        }
        Step::Forget(day) => {
            book.forget_transfers_before(*day);
            plain.forget_before(day.0);
            (Verdict::Applied, Verdict::Applied)
        }
    }
}

/// An account that was touched by something that moved nothing shows with zeros in one and not in the other.
fn touched(sums: BTreeMap<AccountId, Sums>) -> BTreeMap<AccountId, Sums> {
    sums.into_iter().filter(|(_, sums)| *sums != [0; 4]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_plain_book_whatever_is_asked(steps in prop::collection::vec(step(), 0..120)) {
        let (mut book, mut plain, mut asked) = (Book::new(), Plain::default(), Vec::new());
        for step in &steps {
            let (have, want) = take(&mut book, &mut plain, step, &mut asked);
            prop_assert_eq!(have, want, "{:?}", step);
            prop_assert_eq!(touched(sums_of(&book)), touched(plain.sums.clone()));
            let holds: BTreeMap<_, _> = plain.holds.iter().map(|(id, hold)| (*id, hold.2 as u64)).collect();
            prop_assert!(book.holds_placed().eq(holds.keys().copied()));
            prop_assert_eq!(book.holds(), holds);
            prop_assert_eq!(book.transfer_count(), plain.transfers.len());
            prop_assert!(book.trial_balance().values().all(TrialBalance::is_balanced));
        }
        // What is written down and read back is the same book, and goes on in the same way.
        let image = book.image();
        let mut again = Book::from_image(&image).unwrap();
        prop_assert_eq!(again.image(), image);
        for step in &steps {
            let (mut other, mut asked_too) = (plain.clone(), asked.clone());
            let have = take(&mut book, &mut plain, step, &mut asked);
            prop_assert_eq!(take(&mut again, &mut other, step, &mut asked_too), have);
        }
        prop_assert_eq!(again.image(), book.image());
    }

    #[test]
    fn entries_are_checked_together_as_they_would_apply_one_by_one(
        before in prop::collection::vec(entry(), 0..20),
        entries in prop::collection::vec(entry(), 0..8),
    ) {
        let mut book = Book::new();
        for entry in &before {
            let _refused = book.apply(entry);
        }
        let checked = book.check_all(&entries);
        let mut trial = book.clone();
        prop_assert_eq!(checked, entries.iter().try_for_each(|entry| trial.apply(entry)));
    }
}
