//! The members of the world file.

use super::speech::Speech;
use crate::error::SimError;
use crate::hex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use switchyard_domain::{
    AcquirerId, BankAccount, BatchNumber, CardClass, Expiry, LinkDialect, MaskedPan, Merchant, MerchantId,
    Pan, TerminalId, TerminalMac,
};
use switchyard_keys::DesKey;
use switchyard_wire::Framing;

/// Text that the world file holds in clear and that nothing else shows: card numbers and PINs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Concealed(String);
impl Concealed {
    /// Conceals `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The text itself. Named so that a reviewer finds every use.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for Concealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Concealed(…)")
    }
}

/// A double-length DES key in hexadecimal: 32 digits.
#[derive(Clone, PartialEq, Eq)]
pub struct DemoKey([u8; 16]);
impl DemoKey {
    /// From its 16 bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
    /// The key for use.
    pub fn des(&self) -> DesKey {
        DesKey::from_slice(&self.0).expect("sixteen bytes are a double-length key")
    }
    /// The check value that goes with it.
    pub fn check_value(&self) -> [u8; 4] {
        switchyard_keys::kcv(&self.des())
    }
}
impl fmt::Debug for DemoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DemoKey(…)")
    }
}

/// Five bytes of TPDU in hexadecimal: 10 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tpdu(pub [u8; 5]);

/// Four bytes of check value in hexadecimal: 8 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckValue(pub [u8; 4]);

macro_rules! hex_serde {
    ($name:ident, $len:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&hex::encode(&self.0))
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let bytes = hex::decode(&text).and_then(|b| <[u8; $len]>::try_from(b).ok());
                bytes.map(Self).ok_or_else(|| {
                    de::Error::custom(format_args!("expected {} hexadecimal digits", $len * 2))
                })
            }
        }
    };
}
hex_serde!(DemoKey, 16);
hex_serde!(Tpdu, 5);
hex_serde!(CheckValue, 4);

/// A terminal and its master key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoTerminal {
    /// DE 41.
    pub tid: TerminalId,
    /// DE 42.
    pub mid: MerchantId,
    /// Terminal master key.
    pub tmk: DemoKey,
    /// Its check value.
    pub kcv: CheckValue,
    /// How it authenticates messages.
    pub mac: TerminalMac,
    /// Its TPDU.
    pub tpdu: Tpdu,
    /// The batch it starts in.
    pub batch: BatchNumber,
    /// Whether it enciphers track 2: it signs on with 60.3 = 004.
    #[serde(default)]
    pub track_key: bool,
    /// What it speaks. The world file does not say: terminals of a world speak UnionPay's dialect unless somebody who
    /// plays them wants another.
    #[serde(skip)]
    pub speech: Speech,
}

/// Where a merchant is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoAccount {
    /// Holder's name.
    pub holder: String,
    /// Account number.
    pub number: String,
    /// CNAPS bank code, 12 digits.
    pub cnaps: String,
}

/// A merchant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoMerchant {
    /// DE 42.
    pub mid: MerchantId,
    /// Name.
    pub name: String,
    /// Merchant category code.
    pub mcc: u16,
    /// Number of its fee plan.
    pub fee_plan: u32,
    /// Where it is paid.
    pub account: DemoAccount,
}

impl From<&DemoMerchant> for Merchant {
    fn from(merchant: &DemoMerchant) -> Self {
        let DemoMerchant { mid, name, mcc, fee_plan, account } = merchant;
        let account = BankAccount {
            holder: account.holder.clone(),
            number: account.number.clone(),
            cnaps: account.cnaps.clone(),
        };
        Self { id: *mid, name: name.clone(), mcc: *mcc, account, fee_plan: *fee_plan }
    }
}

/// A card, its PIN and its money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoCard {
    /// The number, always one of a test range.
    pub pan: Concealed,
    /// `YYMM`.
    pub expiry: Expiry,
    /// Six digits.
    pub pin: Concealed,
    /// Three digits of the service code on track 2.
    pub service_code: String,
    /// [`super::ON_US_ISSUER`] or the name of a link.
    pub issuer: String,
    /// Whether the switch's own issuer holds it.
    pub on_us: bool,
    /// Available balance, minor units.
    pub balance_minor: u64,
    /// What kind of card it is.
    pub class: CardClass,
    /// What its chip makes cryptograms with; none where its issuer looks at none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip_key: Option<DemoKey>,
}

impl DemoCard {
    /// The number as a payments noun.
    ///
    /// # Errors
    /// [`SimError::World`] when the file holds something else.
    pub fn number(&self) -> Result<Pan, SimError> {
        Pan::from_digits(self.pan.expose().as_bytes()).map_err(|_| SimError::World { what: "card number" })
    }
    /// What people may see of the number.
    ///
    /// # Errors
    /// As [`DemoCard::number`].
    pub fn masked(&self) -> Result<MaskedPan, SimError> {
        Ok(self.number()?.masked())
    }
    /// Whether it is a foreign card for the batch totals.
    pub fn is_foreign(&self) -> bool {
        matches!(self.class, CardClass::Foreign)
    }
    /// Track 2 as a stripe holds it: number, separator, expiry, service code, discretionary data.
    pub fn track2(&self) -> Concealed {
        let expiry = std::str::from_utf8(self.expiry.digits()).unwrap_or("0000");
        Concealed(
            format!("{}={expiry}{}1234567890", self.pan.expose(), self.service_code)
                .chars()
                .take(37)
                .collect(),
        )
    }
}

/// A range of card numbers, both ends as prefixes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoRoute {
    /// First prefix.
    pub low: String,
    /// Last prefix.
    pub high: String,
    /// Class of these cards.
    pub class: CardClass,
}

/// A link to an issuer host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoLink {
    /// Its name, also the `issuer` of its cards.
    pub name: String,
    /// `host:port` on which the issuer listens.
    pub address: String,
    /// What it speaks.
    pub dialect: LinkDialect,
    /// Name of its framing.
    pub framing: String,
    /// Key under which PIN blocks travel.
    pub zpk: DemoKey,
    /// Key under which other such keys travel over the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<DemoKey>,
    /// Cards it answers for.
    pub routes: Vec<DemoRoute>,
}

impl DemoLink {
    /// Its framing.
    ///
    /// # Errors
    /// [`SimError::World`] when the name is none.
    pub fn framing(&self) -> Result<Framing, SimError> {
        self.framing.parse().map_err(|_| SimError::World { what: "framing" })
    }
}

/// Everybody who takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoWorld {
    /// Terminals.
    pub terminals: Vec<DemoTerminal>,
    /// Merchants.
    pub merchants: Vec<DemoMerchant>,
    /// Cards of every issuer.
    pub cards: Vec<DemoCard>,
    /// Links to issuers.
    pub links: Vec<DemoLink>,
    /// DE 32 of the switch.
    pub acquirer: AcquirerId,
    /// Master key of the cryptograms of on-us cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_cryptogram: Option<DemoKey>,
}

impl DemoTerminal {
    /// Has it speak a dialect. No generic one enciphers the track.
    pub fn speak(&mut self, speech: Speech) {
        self.speech = speech;
        self.track_key &= !speech.is_generic();
    }
}

impl DemoWorld {
    /// Reads `DATA/demo.json`.
    ///
    /// # Errors
    /// [`SimError::Io`] or [`SimError::Json`].
    pub fn read(path: &Path) -> Result<Self, SimError> {
        let bytes =
            std::fs::read(path).map_err(|source| SimError::Io { what: "read the world file", source })?;
        serde_json::from_slice(&bytes).map_err(|source| SimError::Json { what: "world file", source })
    }
    /// Puts a terminal's next master key into `DATA/demo.json`, in the place of the one before.
    ///
    /// # Errors
    /// As [`DemoWorld::read`], and [`SimError::World`] when the terminal is not in it.
    pub fn keep_master_key(path: &Path, tid: TerminalId, key: &DemoKey) -> Result<(), SimError> {
        let mut world = Self::read(path)?;
        let own = world.terminals.iter_mut().find(|terminal| terminal.tid == tid);
        let own = own.ok_or(SimError::World { what: "terminal" })?;
        (own.tmk, own.kcv) = (key.clone(), CheckValue(key.check_value()));
        let json = serde_json::to_vec_pretty(&world);
        let json = json.map_err(|source| SimError::Json { what: "world file", source })?;
        let temporary = path.with_extension("json-next");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options.open(&temporary).and_then(|mut file| {
            file.write_all(&json)?;
            file.sync_all()?;
            std::fs::rename(&temporary, path)
        });
        written.map_err(|source| SimError::Io { what: "write the world file", source })
    }
    /// The link with this name.
    ///
    /// # Errors
    /// [`SimError::World`] when there is none.
    pub fn link(&self, name: &str) -> Result<&DemoLink, SimError> {
        self.links.iter().find(|link| link.name == name).ok_or(SimError::World { what: "link name" })
    }
    /// Cards that `issuer` holds.
    pub fn cards_of<'a>(&'a self, issuer: &'a str) -> impl Iterator<Item = &'a DemoCard> {
        self.cards.iter().filter(move |card| card.issuer == issuer)
    }
}
