//! Double entry without I/O: accounts, postings, holds.
//!
//! The core uses one [`Book`] to decide; whoever replays the log (verify, statements, settlement) uses
//! another and reaches the same balances, because a posting carries everything that it does.
//!
//! What it is **not**: it stores nothing, knows no transaction and no rule about fees. An entry either
//! applies whole or leaves the book untouched.
//!
//! ```
//! use switchyard_book::Book;
//! use switchyard_domain::{AccountId, AccountKind, Currency, Entry, Phase};
//! let bank = AccountId::own(AccountKind::IssuerSettlement, Currency::CNY);
//! let card = AccountId::of(AccountKind::Cardholder, 0, Currency::CNY);
//! let mut book = Book::new();
//! book.apply(&Entry::one(bank, card, 10_000, Phase::Posted))?;
//! assert_eq!(book.balance(card).available_credit_minor(), 10_000);
//! # Ok::<(), switchyard_book::BookError>(())
//! ```

mod balance;
mod book;
mod image;

pub use balance::Balance;
pub use book::{Book, BookError, TrialBalance};
pub use image::ImageError;
