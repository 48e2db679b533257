//! Payments nouns and the facts that Switchyard records.
//!
//! A value of one of these types is valid by construction: bytes from a terminal, a host, a file or a
//! person are parsed into them once, at the edge. The crate deliberately is **not** a place for
//! behaviour: it decides nothing, stores nothing and knows no wire format.
//!
//! Start from [`Record`], the fact that the ledger keeps, and [`Amount`], the only form in which money
//! travels.
//!
//! ```
//! use switchyard_domain::{Amount, Currency, TerminalId};
//! let price = Amount::new(1_250, Currency::CNY);
//! assert_eq!(price.to_string(), "12.50 CNY");
//! assert!("T0000001".parse::<TerminalId>().is_ok());
//! assert!("too long for DE 41".parse::<TerminalId>().is_err());
//! ```

mod account;
mod batch;
mod card;
mod ceremony;
mod change;
mod chip;
mod code;
mod currency;
mod device;
mod fx;
mod ids;
mod link_key;
mod matching;
mod money;
mod operation;
mod party;
mod posting;
mod product;
mod record;
mod risk;
mod routing;
mod time;
mod transaction;
mod user;
mod waiting;

pub use account::{AccountId, AccountKind, AccountRules};
pub use batch::{BatchCase, BatchCaseKind, BatchSums, BatchTotals, BatchVerdict, Side};
pub use card::{
    CardClass, CardHash, CardRef, Expiry, MaskedPan, Pan, PinBlock, SealedPan, ServiceAccount, Track2,
};
pub use ceremony::{KeyCipher, KeyMove, KeyPlan, LmkChange};
pub use change::{Changed, LinkSettings, TerminalSettings};
pub use chip::{CHIP_BYTES_MAX, ChipData};
pub use code::ResponseCode;
pub use currency::Currency;
pub use device::{
    DOWNLOAD_BYTES_MAX, DOWNLOAD_OVERRIDES_MAX, DOWNLOADS_MAX, DOWNLOADS_OF_ALL_MAX,
    DOWNLOADS_OF_MERCHANT_MAX, DOWNLOADS_OF_TERMINAL_MAX, Download, DownloadDigest, DownloadError,
    DownloadKind, DownloadScope, ScriptReport, entries_of, name_of, parameters_of,
};
pub use fx::{
    Billing, ConversionRate, ExchangeRate, FxError, MARKUP_PPM_MAX, Quote, RATES_AHEAD_MAX, RATES_MAX,
    convert,
};
pub use ids::{
    AcquirerId, AuthCode, BatchNumber, DataError, HoldId, LinkIndex, MerchantId, MerchantIndex, Rrn, Stan,
    TerminalId, TerminalIndex, TransactionId,
};
pub use link_key::{KeyMessage, LinkKeyChange};
pub use matching::{MatchError, MatchKeys};
pub use money::{Amount, MoneyError};
pub use operation::{
    BlockCause, BlockedCard, CaseFinding, CaseId, LinkMode, LinkOrder, MerchantOrder, Reason, SafFinding,
    TerminalOrder,
};
pub use party::{
    BankAccount, CardIssued, FeePlan, KeyName, KeyRecord, KeyUse, Link, LinkDialect, Merchant, Route,
    RouteTarget, Terminal, TerminalDialect, TerminalMac, TerminalProfile, WorkingKeys, WrappedKey,
};
pub use posting::{Entry, Phase, Posting, Transfer, TransferId};
pub use product::{
    CardGroup, CardKind, Funding, PRODUCTS_MAX, Product, ProductCode, ProductIndex, ProductTerms, Scheme,
};
pub use record::{Actor, Decode, FileDigest, Record, ReversalEffect, Stamped, UploadedItem};
pub use risk::{
    RISK_MINUTES_MAX, RISK_RULES_MAX, RISK_SLIDING_MAX, RiskAction, RiskError, RiskFinding, RiskRule,
    RiskRules, RiskSubject, RiskTest, RiskVerdict, RiskWindow, Scope,
};
pub use routing::{
    Choice, DESTINATIONS_MAX, Destination, ROUTING_RULES_MAX, RoutingError, RoutingRule, RoutingRules,
    StandInRule, StandInRules,
};
pub use time::{BusinessDate, Timestamp, UtcOffset};
pub use transaction::{
    AdviceReason, BatchSide, Echo, Fingerprint, MessageClass, Movement, Outcome, ReplyFacts, RequestKey,
    ReversalReason, SafEntry, SafId, SafKind, TransactionKind, TransactionOpened, UpstreamRef,
};
pub use user::{PasswordRecord, Role, Roles, UserName, UserOrder};
pub use waiting::{KEY_OFFER_HOURS_MAX, KeyOffer, LineKey, WaitingKey};
