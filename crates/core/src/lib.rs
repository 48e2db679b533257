//! Routing and authorization: what the switch decides, and nothing else.
//!
//! [`Core::handle`] takes one [`Input`] and the time, and gives back records and effects. Records are
//! facts: they change the persistent [`State`] through [`State::apply`], its only mutator, so replaying
//! the ledger yields the same state. Effects are wishes that the server fulfils once the records before
//! them are durable.
//!
//! What it is **not**: it knows no socket, file, clock, random number, thread or log subscriber. Only the
//! module [`dialect`] knows that messages are made of bytes, and the state machine does not use it.

mod access;
mod change;
mod clock;
mod config;
mod decide;
pub mod dialect;
mod effect;
mod flight;
mod input;
mod key;
mod link_key;
mod machine;
mod order;
mod state;
mod user;

pub use access::Act;
pub use change::{
    AccountChange, FieldChange, LinkChange, MerchantChange, PinFrom, ProductChange, TerminalChange,
};
pub use clock::Clock;
pub use config::CoreConfig;
pub use decide::Turns;
pub use machine::{Core, Output};
pub use order::{DownloadsOf, Order};
pub use state::{
    ApplyError, BatchView, Digest, DownloadStanding, FORMAT as STATE_FORMAT, ImageError, LinkTerms, OpenCase,
    Part, Registry, Restore, SafView, Section, SectionKind, State,
};

pub use key::{
    CEREMONIES_MAX, Ceremony, KEY_OFFERS_MAX, KeyCommand, KeyFacts, NewOffer, TRANSLATED_TERMINALS_MAX,
    Translation,
};
pub use link_key::{KeyArrival, KeyBrought, KeyCargo, KeyFault, KeyOpening, ZonePin};
pub use user::{
    LOCKOUT_MINUTES, LOGIN_TRIES_MAX, PASSWORDS_KEPT, Passwords, USERS_MAX, UserCommand, UserView,
};

pub use effect::LinkFacts;
pub use effect::{
    CommandError, CommandOutcome, Effect, PinJob, Reply, ReplyBody, Stray, Upstream, UpstreamRequest,
};
pub use input::{
    Answer, Body, Card, ChipOutcome, Command, DownloadStep, Echoed, Financial, Input, IssuersBilling,
    KeyForm, MacCheck, MadeKeys, MasterKeyStep, Origin, OriginalRef, PinOutcome, Request, Reversal,
    ScriptResult, SlotId, Upload,
};
