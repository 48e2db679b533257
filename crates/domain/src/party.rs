//! Registry facts: merchants, terminals, keys, links, routes, cards, fee plans.

use crate::card::{CardRef, Expiry};
use crate::currency::Currency;
use crate::ids::{LinkIndex, MerchantId, MerchantIndex, TerminalId};
use crate::product::CardKind;
use crate::time::BusinessDate;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A key encrypted under the local master key, as a TR-31 block in ASCII.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey(pub String);
impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({} characters)", self.0.len())
    }
}

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyUse {
    /// Terminal master key: wraps working keys.
    TerminalMaster,
    /// PIN encryption at a terminal.
    TerminalPin,
    /// Message authentication at a terminal.
    TerminalMac,
    /// Track encryption at a terminal.
    TerminalTrack,
    /// PIN encryption on a link.
    ZonePin,
    /// PIN verification of the embedded issuer.
    PinVerification,
    /// Seals card numbers.
    CardData,
    /// Hashes card numbers.
    CardHash,
    /// Application cryptograms of the embedded issuer's cards.
    IssuerCryptogram,
    /// Carries keys to partners and terminals, and from them.
    Transport,
}

/// A key's name in the registry: its use and, where there are several, whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyName {
    /// What it may be used for.
    pub usage: KeyUse,
    /// Terminal, link or serial number.
    pub owner: u32,
}

/// A key as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The key under the local master key.
    pub wrapped: WrappedKey,
    /// First bytes of the encryption of zeros: proves which key it is, gives nothing away.
    pub check_value: [u8; 4],
}

impl KeyRecord {
    /// In the place of a key that has not come yet: a ceremony or a key block brings it.
    #[must_use]
    pub const fn to_come() -> Self {
        Self { wrapped: WrappedKey(String::new()), check_value: [0; 4] }
    }

    /// Whether there is no key yet.
    #[must_use]
    pub fn is_to_come(&self) -> bool {
        *self == Self::to_come()
    }
}

/// The working keys that a sign-on gave a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkingKeys {
    /// Counts up with each sign-on.
    pub version: u32,
    /// PIN key.
    pub pin: KeyRecord,
    /// MAC key.
    pub mac: KeyRecord,
    /// Track key, where the profile has one.
    pub track: Option<KeyRecord>,
}

impl WorkingKeys {
    /// The one for this use; the others are not of a session.
    pub fn of(&self, usage: KeyUse) -> Option<&KeyRecord> {
        match usage {
            KeyUse::TerminalPin => Some(&self.pin),
            KeyUse::TerminalMac => Some(&self.mac),
            KeyUse::TerminalTrack => self.track.as_ref(),
            _ => None,
        }
    }
    /// As [`of`](Self::of), to put another in its place.
    pub fn of_mut(&mut self, usage: KeyUse) -> Option<&mut KeyRecord> {
        match usage {
            KeyUse::TerminalPin => Some(&mut self.pin),
            KeyUse::TerminalMac => Some(&mut self.mac),
            KeyUse::TerminalTrack => self.track.as_mut(),
            _ => None,
        }
    }
}

/// MAC algorithm of a terminal's profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TerminalMac {
    /// UnionPay's XOR fold, single-length key, eight hex characters.
    CupEcb,
    /// UnionPay's XOR fold with a double-length key.
    CupEcbDouble,
    /// ANSI X9.9, single-length key.
    X99,
    /// ANSI X9.19, double-length key.
    X919,
    /// CMAC with triple DES, double-length key.
    CmacTdes,
    /// CMAC with AES-128.
    CmacAes,
    /// UnionPay's XOR fold over 16-byte blocks with SM4, eight hex characters.
    Sm4,
}

impl TerminalMac {
    /// Its name, as people type it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CupEcb => "cup-ecb",
            Self::CupEcbDouble => "cup-ecb-double",
            Self::X99 => "x99",
            Self::X919 => "x919",
            Self::CmacTdes => "cmac-tdes",
            Self::CmacAes => "cmac-aes",
            Self::Sm4 => "sm4",
        }
    }
}

/// A merchant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merchant {
    /// DE 42.
    pub id: MerchantId,
    /// Name, in Chinese where it has one.
    pub name: String,
    /// Merchant category code, 4 digits.
    pub mcc: u16,
    /// Where payouts go.
    pub account: BankAccount,
    /// Number of its fee plan.
    pub fee_plan: u32,
}

/// A bank account in China.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankAccount {
    /// Holder's name.
    pub holder: String,
    /// Account number.
    pub number: String,
    /// CNAPS bank code, 12 digits.
    pub cnaps: String,
}

/// A terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// DE 41.
    pub id: TerminalId,
    /// Whose it is.
    pub merchant: MerchantIndex,
    /// How it authenticates messages.
    pub mac: TerminalMac,
    /// Its master key.
    pub master_key: KeyRecord,
}

/// What a terminal speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TerminalDialect {
    /// UnionPay POS.
    #[default]
    UnionpayPos,
    /// A generic one.
    Iso(LinkDialect),
}

impl TerminalDialect {
    /// Its name among the built-in dialects.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnionpayPos => "unionpay-pos",
            Self::Iso(dialect) => dialect.name(),
        }
    }

    /// The dialect of a name.
    pub fn named(name: &str) -> Option<Self> {
        if name == Self::UnionpayPos.name() {
            return Some(Self::UnionpayPos);
        }
        LinkDialect::named(name).map(Self::Iso)
    }
}

/// How a terminal speaks, and what it can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TerminalProfile {
    /// Its dialect: on the listener of another it is not heard.
    pub dialect: TerminalDialect,
    /// Whether its transactions and their answers carry a MAC.
    pub carries_mac: bool,
    /// Whether it understands that a part of the amount was approved.
    pub takes_partial: bool,
}

impl Default for TerminalProfile {
    fn default() -> Self {
        Self { dialect: TerminalDialect::UnionpayPos, carries_mac: true, takes_partial: false }
    }
}

/// An ISO 8583 dialect of an issuer's host or a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkDialect {
    /// ISO 8583:1987, BCD and binary.
    Iso87Binary,
    /// ISO 8583:1987, ASCII.
    Iso87Ascii,
    /// ISO 8583:1987, ASCII with a binary bitmap.
    Iso87AsciiBinbitmap,
    /// ISO 8583:1987, EBCDIC.
    Iso87Ebcdic,
    /// ISO 8583:1993, ASCII.
    Iso93Ascii,
    /// ISO 8583:1993, BCD and binary.
    Iso93Binary,
    /// ISO 8583:2003, ASCII.
    Iso2003Ascii,
    /// ISO 8583:2003, BCD and binary.
    Iso2003Binary,
}
impl LinkDialect {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Iso87Binary,
        Self::Iso87Ascii,
        Self::Iso87AsciiBinbitmap,
        Self::Iso87Ebcdic,
        Self::Iso93Ascii,
        Self::Iso93Binary,
        Self::Iso2003Ascii,
        Self::Iso2003Binary,
    ];

    /// Its name among the built-in dialects.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iso87Binary => "iso87-binary",
            Self::Iso87Ascii => "iso87-ascii",
            Self::Iso87AsciiBinbitmap => "iso87-ascii-binbitmap",
            Self::Iso87Ebcdic => "iso87-ebcdic",
            Self::Iso93Ascii => "iso93-ascii",
            Self::Iso93Binary => "iso93-binary",
            Self::Iso2003Ascii => "iso2003-ascii",
            Self::Iso2003Binary => "iso2003-binary",
        }
    }

    /// The names of all of them, for messages.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// The dialect of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }
}

/// A link to an issuer or a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its name, for people and metrics.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// What it speaks.
    pub dialect: LinkDialect,
    /// Name of its framing.
    pub framing: String,
    /// Key under which PIN blocks travel.
    pub pin_key: KeyRecord,
    /// Milliseconds to wait for an answer.
    pub answer_timeout_ms: u32,
    /// How many connections it has at a time, all to the same host.
    pub connections: u8,
}

impl Link {
    /// How many connections a link may have.
    pub const CONNECTIONS: std::ops::RangeInclusive<u8> = 1..=16;
}

/// Where a range of card numbers goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTarget {
    /// The embedded issuer.
    OnUs,
    /// A link.
    Link(LinkIndex),
}

/// A range of card numbers: who issued them, of what class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// First card number, left-aligned in 19 digits.
    pub low: u64,
    /// Last card number, left-aligned in 19 digits.
    pub high: u64,
    /// Class of these cards, and their product where they have one.
    pub class: CardKind,
    /// Where they go.
    pub target: RouteTarget,
    /// Institution code of the issuer for DE 44, at most 11 digits.
    pub issuer: u64,
}

/// A card of the embedded issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardIssued {
    /// The card, sealed.
    pub card: CardRef,
    /// Expiry.
    pub expiry: Expiry,
    /// Visa PIN verification value, 4 digits.
    pub pvv: [u8; 4],
    /// Currency of its account.
    pub currency: Currency,
}

/// What a merchant pays, in force from a day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeePlan {
    /// Its number.
    pub plan: u32,
    /// First business day that it prices.
    pub from: BusinessDate,
    /// Debit cards: parts per million of the amount.
    pub debit_ppm: u32,
    /// Debit cards: most per transaction, minor units.
    pub debit_cap_minor: Option<u64>,
    /// Credit cards: parts per million.
    pub credit_ppm: u32,
    /// Credit cards: most per transaction.
    pub credit_cap_minor: Option<u64>,
    /// Foreign cards: parts per million.
    pub foreign_ppm: u32,
    /// Foreign cards: most per transaction.
    pub foreign_cap_minor: Option<u64>,
    /// Added to each transaction, minor units.
    pub fixed_minor: u64,
    /// Least per transaction, minor units.
    pub minimum_minor: u64,
    /// Whether a refund returns the fee of the amount refunded.
    pub refund_returns_fee: bool,
}
