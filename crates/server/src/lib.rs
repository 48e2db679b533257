//! The running switch: everything around the core that waits, listens, reads a clock or touches a disk.
//!
//! A [`Switch`] is one process's worth of it. Tasks read frames, check MACs and seal cards; one thread
//! decides ([`switchyard_core::Core`]); one makes the decisions durable; and only then do answers,
//! requests to issuers and keys go out. Work is handed from one to the next in batches.
//!
//! What it is **not**: it adds no money up, decides about no transaction, and knows no web page. A portal
//! is a router that is mounted beside the health pages.
//!
//! Start from [`Switch::start`] and [`initialise`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use switchyard_server::{Switch, config::Config};
//!
//! let switch = Switch::start(Config::default(), "data".as_ref(), None).await?;
//! println!("terminals connect to {}", switch.addresses().terminals);
//! switch.shutdown().await?;
//! # Ok(())
//! # }
//! ```

#![allow(
    clippy::vec_box,
    reason = "requests are boxed where they are made and travel as pointers from then on"
)]

mod admin;
mod card_keys;
mod chip;
mod clear_key;
pub mod config;
mod connection;
mod core_thread;
mod custody;
mod data;
mod harden;
mod hot_cards;
mod hsm;
mod http;
mod hush;
pub mod index;
mod install;
mod keyring;
mod keystore;
mod keytable;
mod link_keys;
mod links;
mod lmk;
mod lmk_alone;
mod lmk_files;
mod login;
pub mod metrics;
mod open;
mod overview;
mod people;
mod queue;
pub mod registry;
mod release;
mod reload;
mod shared;
pub mod snapshots;
mod space;
mod status;
mod switch;
mod tls;
mod workers;

pub use admin::ADMIN_CONNECTIONS_MAX;
pub use card_keys::CardKeyFiles;
pub use clear_key::{ClearKey, NoKey};
pub use custody::{Component, CustodyError, KeyRequest, KeyRow, Shown};
pub use data::{
    DataDir, DataError, KeptTransport, draw_checkpoint_secret, keep_key, keep_transport, kept_key,
    read_checkpoint_secret,
};
pub use harden::{keep_from_swap, refuse_core_dumps};
pub use hot_cards::{CardToBlock, ClearPan};
pub use hsm::{HsmStartError, SOFTWARE_NOTICE};
pub use install::{
    InitError, InitPlan, Tools, add_user_alone, cards_of, carry_out_alone, carry_out_alone_with,
    custody_alone, initialise, initialise_under, rotate_card_key_alone, set_password_alone,
};
pub use keystore::{CardKeyError, Cards, KeyStore};
pub use links::{LinkAddress, LinkAddressError, LinkSettingError, check_link_change};
pub use lmk::{Custodian, LmkOrder, LmkView};
pub use lmk_alone::{change_lmk_alone, lmk_view, retire_lmk_alone};
pub use login::{Login, LoginError, Who};
pub use metrics::LatencyCounts;
pub use open::{ReplayError, replay};
pub use overview::{LinkOverview, Overview};
pub use people::{NoProof, myself};
pub use reload::Reload;
pub use shared::{Fatal, Hooks, OnFatal};
pub use status::{LinkStatus, Status};
pub use switch::{Addresses, RunError, StartError, Switch, SwitchHandle};
pub use tls::TlsError;
