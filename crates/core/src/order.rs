//! What operators order. Orders name things as people do, travel as JSON, and each leads to one record a thing.

use crate::change::{LinkChange, MerchantChange, ProductChange, TerminalChange};
use serde::{Deserialize, Serialize};
use switchyard_domain::{
    BatchNumber, BlockedCard, CardHash, CaseFinding, CaseId, Download, DownloadKind, ExchangeRate, LinkOrder,
    MerchantId, MerchantOrder, Product, ProductCode, Reason, SafFinding, SafId, TerminalId, TerminalOrder,
};

/// Whose downloads an order is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DownloadsOf {
    /// All terminals'.
    #[default]
    Everybody,
    /// Those of a merchant's terminals (DE 42).
    Merchant(MerchantId),
    /// Those of one terminal (DE 41).
    Terminal(TerminalId),
}

/// An order. Whoever gives it says why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// Changes what a link is for, or signs it on again.
    Link {
        /// Its name.
        link: String,
        /// What it is to do.
        what: LinkOrder,
        /// Why.
        reason: Reason,
    },
    /// Changes what a terminal may do, or what is expected of it.
    Terminal {
        /// DE 41.
        terminal: TerminalId,
        /// What becomes of it.
        what: TerminalOrder,
        /// Why.
        reason: Reason,
    },
    /// Changes what a merchant may do.
    Merchant {
        /// DE 42.
        merchant: MerchantId,
        /// What becomes of it.
        what: MerchantOrder,
        /// Why.
        reason: Reason,
    },
    /// Changes how a link is reached and spoken to, at once. What is so already is not recorded again.
    ChangeLink {
        /// Its name.
        link: String,
        /// What is to be another.
        change: LinkChange,
        /// Why.
        reason: Reason,
        /// Only say what would change.
        #[serde(default)]
        dry_run: bool,
    },
    /// Changes who a merchant is, where its payouts go, and what it pays, at once.
    ChangeMerchant {
        /// DE 42.
        merchant: MerchantId,
        /// What is to be another.
        change: MerchantChange,
        /// Why.
        reason: Reason,
        /// Only say what would change.
        #[serde(default)]
        dry_run: bool,
    },
    /// Changes whose a terminal is and how it authenticates, at once; it has to sign on anew.
    ChangeTerminal {
        /// DE 41.
        terminal: TerminalId,
        /// What is to be another.
        change: TerminalChange,
        /// Why.
        reason: Reason,
        /// Only say what would change.
        #[serde(default)]
        dry_run: bool,
    },
    /// Sends a store-and-forward entry again: one that had given up, or sooner than it is due.
    RetrySaf {
        /// The entry.
        saf: SafId,
        /// Why.
        reason: Reason,
    },
    /// Ends a store-and-forward entry, and the doubt about its transaction, by what the issuer says.
    ResolveSaf {
        /// The entry.
        saf: SafId,
        /// What the issuer says.
        finding: SafFinding,
        /// Why it is believed.
        reason: Reason,
    },
    /// Closes a batch whose terminal does not.
    CloseBatch {
        /// DE 41.
        terminal: TerminalId,
        /// Its batch: the one that is open.
        batch: BatchNumber,
        /// Why.
        reason: Reason,
    },
    /// Settles a difference between a terminal's batch and the host's.
    ResolveCase {
        /// The case.
        case: CaseId,
        /// How.
        finding: CaseFinding,
        /// Why.
        reason: Reason,
    },
    /// Puts cards on the hot-card list: all of them or, when one cannot be, none.
    BlockCards {
        /// The cards, [`Order::CARDS_MAX`] at most.
        cards: Vec<BlockedCard>,
        /// Why.
        reason: Reason,
    },
    /// Takes a card off the hot-card list.
    UnblockCard {
        /// The card.
        card: CardHash,
        /// Why.
        reason: Reason,
    },
    /// Takes a range of card numbers out of the routes.
    RemoveRoute {
        /// First card number, left-aligned in 19 digits.
        low: u64,
        /// Last card number, left-aligned in 19 digits.
        high: u64,
        /// Why.
        reason: Reason,
    },
    /// Adds a card product, which ranges may name from then on.
    AddProduct {
        /// The product.
        product: Box<Product>,
        /// Why.
        reason: Reason,
    },
    /// Changes the names of a card product, what its cards are not for and when a PIN is asked for, at once.
    ChangeProduct {
        /// Its code.
        product: ProductCode,
        /// What is to be another.
        change: ProductChange,
        /// Why.
        reason: Reason,
        /// Only say what would change.
        #[serde(default)]
        dry_run: bool,
    },
    /// Gives terminals something to download, in place of what is behind it.
    SetDownload {
        /// Which terminals.
        #[serde(default)]
        whose: DownloadsOf,
        /// What.
        download: Download,
    },
    /// Takes a download back: its terminals are given what is behind it.
    RemoveDownload {
        /// Which terminals'.
        #[serde(default)]
        whose: DownloadsOf,
        /// Of which kind.
        kind: DownloadKind,
        /// Its name.
        name: Vec<u8>,
        /// Why.
        reason: Reason,
    },
    /// Converts amounts by this rate from its moment on.
    SetRate {
        /// The rate.
        rate: ExchangeRate,
        /// Why, or whose it is.
        reason: Reason,
    },
}

impl Order {
    /// Most cards of one order: it is decided in one go, while terminals wait.
    pub const CARDS_MAX: usize = 1_000;
}
