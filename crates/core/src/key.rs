//! What is asked of the core about keys that people bring together, take out and bring in.

use serde::{Deserialize, Serialize};
use switchyard_domain::{
    KeyMove, KeyName, KeyPlan, KeyRecord, LineKey, LmkChange, Reason, TerminalId, TerminalIndex, UserName,
    WaitingKey,
};

/// Most ceremonies that are open at once.
pub const CEREMONIES_MAX: usize = 64;

/// Terminals whose keys are given at a time, to be translated to another local master key.
pub const TRANSLATED_TERMINALS_MAX: usize = 64;

/// Most terminals that are offered a key at once: every one of them is looked at when time goes by.
pub const KEY_OFFERS_MAX: usize = 4_096;

/// What is asked.
#[derive(Debug)]
pub enum KeyCommand {
    /// A ceremony begins: custodians bring a key together.
    Begin {
        /// The key.
        key: KeyName,
        /// What it will be.
        plan: KeyPlan,
        /// Why.
        reason: Reason,
    },
    /// A component was drawn and printed for its custodian.
    Drawn {
        /// The key.
        key: KeyName,
        /// Check value of the component.
        check_value: [u8; 4],
    },
    /// A custodian brings a component.
    Load {
        /// The key.
        key: KeyName,
        /// The component, under the local master key.
        component: KeyRecord,
        /// How many there were when it was wrapped: the sum below is over those.
        before: usize,
        /// The key, where this component is the last.
        sum: Option<KeyRecord>,
    },
    /// A ceremony ends without a key.
    Cancel {
        /// The key.
        key: KeyName,
        /// Why.
        reason: Reason,
    },
    /// What is known of a key.
    Facts {
        /// The key.
        key: KeyName,
    },
    /// What is known of a terminal's master key.
    TerminalFacts {
        /// DE 41.
        terminal: TerminalId,
    },
    /// A key goes out, comes in, or is drawn for a terminal, under a transport key.
    Move {
        /// The key.
        key: KeyName,
        /// The transport key.
        under: KeyName,
        /// Which way.
        way: KeyMove,
        /// Check value.
        check_value: [u8; 4],
        /// The key, unless it only goes out: in force from now on.
        record: Option<KeyRecord>,
    },
    /// A terminal may fetch its next master key over the line.
    Offer(Box<NewOffer>),
    /// It may not any more.
    Withdraw {
        /// DE 41.
        terminal: TerminalId,
        /// Why.
        reason: Reason,
    },
    /// Every key, and every ceremony that is open.
    List,
    /// Another local master key is in force: its custodians brought it together.
    ChangeLmk(Box<LmkChange>),
    /// Keys as they are wrapped: those that are no terminal's, or those of some terminals from this one on. Nothing behind
    /// the last terminal.
    Wrapped {
        /// The first terminal.
        from: Option<TerminalIndex>,
    },
    /// Keys are under the local master key in force now. One that is another by now stays as it is.
    Translate {
        /// Which, as they were and as they are.
        keys: Vec<Translation>,
    },
    /// Keys that wait: components of ceremonies, and what terminals are offered.
    Waiting,
    /// As `Translate`, for keys that wait.
    TranslateWaiting {
        /// Which, as they were and as they are.
        keys: Vec<Translation<WaitingKey>>,
    },
    /// Local master keys that are not in force are destroyed.
    RetireLmk {
        /// Their check values.
        check_values: Vec<[u8; 4]>,
        /// Why.
        reason: Reason,
    },
}

/// A key that a terminal is to fetch.
#[derive(Debug)]
pub struct NewOffer {
    /// Which terminal.
    pub terminal: TerminalIndex,
    /// The key under the local master key.
    pub key: KeyRecord,
    /// The transport key that it travels under; without one it is under the terminal's master key in force.
    pub under: Option<KeyName>,
    /// As the terminal fetches it.
    pub line: LineKey,
    /// Check value of the terminal's master key as it was when this was made.
    pub before: [u8; 4],
    /// For how long.
    pub hours: u32,
    /// Why.
    pub reason: Reason,
}

/// A key under another local master key.
#[derive(Debug)]
pub struct Translation<K = KeyName> {
    /// Its name.
    pub key: K,
    /// As it was.
    pub before: KeyRecord,
    /// As it is now.
    pub now: KeyRecord,
}

/// A ceremony that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceremony {
    /// What the key will be.
    pub plan: KeyPlan,
    /// Custodians with the components that they brought, under the local master key.
    pub components: Vec<(UserName, KeyRecord)>,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyFacts {
    /// Its name.
    pub key: KeyName,
    /// The key in force.
    pub record: Option<KeyRecord>,
    /// The ceremony that is open for it.
    pub ceremony: Option<Ceremony>,
}
