//! The demo world: who takes part, with which keys and cards.
//!
//! It is the JSON of `init --demo` and of `DATA/demo.json`: the switch loads its registry from it, the
//! simulator plays the other side from it. The keys in it are demo keys and stand in clear.

mod card;
mod generate;
mod model;
mod speech;

pub use card::{luhn_digit, luhn_is_valid};
pub(crate) use generate::{CARD_SEQUENCE, CHIP_SCHEME};
pub use generate::{DemoSize, KeySource, ON_US_BIN, ON_US_ISSUER};
pub use model::{
    CheckValue, Concealed, DemoAccount, DemoCard, DemoKey, DemoLink, DemoMerchant, DemoRoute, DemoTerminal,
    DemoWorld, Tpdu,
};
pub use speech::Speech;
