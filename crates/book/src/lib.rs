//! Double entry without I/O: accounts, postings, holds, transfers.
//!
//! The core uses one [`Book`] to decide; whoever replays the log (verify, statements, settlement) uses
//! another and reaches the same balances, because a posting carries everything that it does.
//!
//! What it is **not**: it stores nothing, reads no clock, knows no transaction and no rule about fees. An entry
//! either applies whole or leaves the book untouched.
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
mod error;
mod hold;
mod image;
mod sharded;
mod stage;
mod statement;
mod transfer;

pub use balance::{Balance, TrialBalance};
pub use book::Book;
pub use error::BookError;
pub use hold::Hold;
pub use image::{BookImage, ImageError};
pub use sharded::{SHARDS, Sharded};
pub use statement::{AccountHistory, Side, Statement, StatementBuilder, StatementLine};
pub use transfer::Taken;
