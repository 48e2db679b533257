//! The book as bytes, for snapshots of whoever owns one.

use crate::balance::Balance;
use crate::book::{Book, Hold};
use serde::{Deserialize, Serialize};
use switchyard_domain::{AccountId, HoldId};

/// Bytes that are no book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed image of a book")]
pub struct ImageError;

/// Everything in order, so that equal books have equal images. The order of fields is the format of
/// snapshots.
#[derive(Serialize, Deserialize)]
struct Image {
    balances: Vec<(AccountId, Balance)>,
    holds: Vec<(HoldId, Hold)>,
}

impl Book {
    /// The book as bytes; equal books give equal bytes.
    pub fn image(&self) -> Vec<u8> {
        // Whoever gives the book another field has to say here how it gets into a snapshot.
        let Self { balances, holds } = self;
        let mut balances: Vec<_> = balances.iter().map(|(id, balance)| (*id, *balance)).collect();
        let mut holds: Vec<_> = holds.iter().map(|(id, hold)| (*id, *hold)).collect();
        balances.sort_unstable_by_key(|(id, _)| *id);
        holds.sort_unstable_by_key(|(id, _)| *id);
        postcard::to_stdvec(&Image { balances, holds }).expect("a book always encodes into a vector")
    }
    /// The book that these are the bytes of.
    ///
    /// # Errors
    /// [`ImageError`] when they are not those of one.
    pub fn from_image(bytes: &[u8]) -> Result<Self, ImageError> {
        let (Image { balances, holds }, rest) = postcard::take_from_bytes(bytes).map_err(|_| ImageError)?;
        let (count_balances, count_holds) = (balances.len(), holds.len());
        let book = Self { balances: balances.into_iter().collect(), holds: holds.into_iter().collect() };
        let whole = book.balances.len() == count_balances && book.holds.len() == count_holds;
        if rest.is_empty() && whole { Ok(book) } else { Err(ImageError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_domain::{AccountKind, Currency, Entry, Phase};

    #[test]
    fn a_book_survives_its_image_and_damage_is_refused() {
        let card = AccountId::of(AccountKind::Cardholder, 3, Currency::CNY);
        let merchant = AccountId::of(AccountKind::MerchantPayable, 1, Currency::CNY);
        let bank = AccountId::own(AccountKind::IssuerSettlement, Currency::CNY);
        let mut book = Book::new();
        book.apply(&Entry::one(bank, card, 1_000, Phase::Posted)).unwrap();
        book.apply(&Entry::one(card, merchant, 300, Phase::Pending(HoldId(9)))).unwrap();
        let image = book.image();
        let again = Book::from_image(&image).unwrap();
        assert_eq!((again.accounts(), again.holds()), (book.accounts(), book.holds()));
        assert_eq!(again.image(), image);
        // The hold is a hold: it can be captured.
        let mut again = again;
        again.apply(&Entry::one(card, merchant, 200, Phase::PostPending(HoldId(9)))).unwrap();
        assert_eq!(again.balance(card).available_credit_minor(), 800);
        for cut in 0..image.len() {
            assert_eq!(Book::from_image(&image[..cut]).err(), Some(ImageError), "cut at {cut}");
        }
        assert!(Book::from_image(&[&image[..], &[0]].concat()).is_err());
    }
}
