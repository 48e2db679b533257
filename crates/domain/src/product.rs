//! Card products: what is sold to cardholders under one name, and what follows from it for every card of a range.

use crate::card::CardClass;
use crate::ids::DataError;
use crate::transaction::TransactionKind;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;
use std::str::FromStr;

/// Most products of a partition.
pub const PRODUCTS_MAX: usize = 4_096;

/// Number of a product, in the order in which they were added. A product is never taken away: transactions name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProductIndex(pub u16);

/// Name of a product for programs and for people: capital letters and digits, with `-` between them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ProductCode(String);

impl ProductCode {
    /// Longest code, characters.
    pub const CHARACTERS_MAX: usize = 24;

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProductCode {
    type Err = DataError;
    fn from_str(text: &str) -> Result<Self, DataError> {
        let what = "product code";
        if !(1..=Self::CHARACTERS_MAX).contains(&text.len()) {
            let need_max = Self::CHARACTERS_MAX;
            return Err(DataError::Length { what, need_min: 1, need_max, have: text.len() });
        }
        let is_inside = |position: usize| position > 0 && position + 1 < text.len();
        let fits = |position: usize, byte: u8| {
            byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-' && is_inside(position)
        };
        match text.bytes().enumerate().find(|(position, byte)| !fits(*position, *byte)) {
            Some((position, byte)) => Err(DataError::Character { what, byte, position }),
            None => Ok(Self(text.to_owned())),
        }
    }
}
impl fmt::Display for ProductCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for ProductCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Whose mark is on the card: DE 63.1 of an answer to a UnionPay terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Scheme {
    /// UnionPay, and every card of which nothing else is known.
    #[default]
    Cup,
    /// Visa.
    Vis,
    /// Mastercard.
    Mcc,
    /// Maestro.
    Mae,
    /// JCB.
    Jcb,
    /// Diners Club.
    Dcc,
    /// American Express.
    Amx,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 7] = [Self::Cup, Self::Vis, Self::Mcc, Self::Mae, Self::Jcb, Self::Dcc, Self::Amx];

    /// Its three characters.
    pub fn code(self) -> &'static str {
        match self {
            Self::Cup => "CUP",
            Self::Vis => "VIS",
            Self::Mcc => "MCC",
            Self::Mae => "MAE",
            Self::Jcb => "JCB",
            Self::Dcc => "DCC",
            Self::Amx => "AMX",
        }
    }
}
impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Whose money a card spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Funding {
    /// 借记卡: what is on its account.
    Debit,
    /// 贷记卡: its issuer's, to be repaid.
    Credit,
    /// 预付卡: what was loaded onto it.
    Prepaid,
    /// 准贷记卡: what is on its account, and a little more.
    QuasiCredit,
}

impl Funding {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
            Self::Prepaid => "prepaid",
            Self::QuasiCredit => "quasi-credit",
        }
    }
}

/// A card product. Its code, scheme, funding and home stay as they are for good, because transactions name it by its
/// number and their answers are repeated word for word; what may become another is [`ProductTerms`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its code.
    pub code: ProductCode,
    /// Whose mark is on its cards.
    pub scheme: Scheme,
    /// Whose money they spend.
    pub funding: Funding,
    /// Whether they are issued abroad.
    pub foreign: bool,
    /// What may change.
    pub terms: ProductTerms,
}

impl Product {
    /// The class that its cards have, by which fees are taken: a prepaid card is a debit card there, and a quasi-credit card
    /// a credit card.
    pub fn class(&self) -> CardClass {
        match self.funding {
            _ if self.foreign => CardClass::Foreign,
            Funding::Debit | Funding::Prepaid => CardClass::Debit,
            Funding::Credit | Funding::QuasiCredit => CardClass::Credit,
        }
    }
}

/// What of a product may become another, for what is asked from then on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProductTerms {
    /// Its name in English.
    pub name: String,
    /// Its name in Chinese; empty where it has none.
    pub name_zh: String,
    /// What its cards are not for. Advices are not looked at: what they tell of has taken place.
    pub refuses: Vec<TransactionKind>,
    /// From which amount on a PIN is asked for, minor units: zero is always, nothing is never. It is asked for where a
    /// cardholder spends or looks, and by the issuer's own rules besides.
    pub pin_from_minor: Option<u64>,
}

/// Longest name of a product, characters.
const NAME_CHARACTERS_MAX: usize = 60;

impl ProductTerms {
    /// Whether they can be held to; else what has to be another, and how.
    ///
    /// # Errors
    /// What is wrong, and what is needed in its place.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let is_line =
            |text: &str| text.chars().count() <= NAME_CHARACTERS_MAX && !text.contains(char::is_control);
        if self.name.trim().is_empty() || !is_line(&self.name) || !is_line(&self.name_zh) {
            return Err(("the product's name", "one line of 1 to 60 characters"));
        }
        if self.refuses.iter().any(|kind| !is_asked(*kind)) {
            return Err((
                "what the product refuses",
                "kinds that are asked and follow nothing: a void follows its sale, an advice has taken place",
            ));
        }
        let twice = |(place, kind): (usize, &TransactionKind)| self.refuses[..place].contains(kind);
        if self.refuses.iter().enumerate().any(twice) {
            return Err(("what the product refuses", "each kind once"));
        }
        Ok(())
    }

    /// Whether its cards are for this kind of transaction.
    pub fn accepts(&self, kind: TransactionKind) -> bool {
        !is_asked(kind) || !self.refuses.contains(&kind)
    }

    /// Whether a PIN has to come with it.
    pub fn wants_pin(&self, kind: TransactionKind, minor: u64) -> bool {
        is_asked(kind) && self.pin_from_minor.is_some_and(|from| minor >= from)
    }
}

/// Whether a product has a say: somebody asks, and it is not about an earlier transaction that had its say.
fn is_asked(kind: TransactionKind) -> bool {
    !kind.follows_another() && !kind.is_advice()
}

/// What kind of card a number is: its class, by which fees are taken, and its product, where the range of the number
/// names one. Ranges say it, and transactions keep it from when they were asked.
///
/// In the ledger it is one number: those of the classes alone are those of [`CardClass`], as records had it before there
/// were products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct CardKind {
    /// The class.
    pub class: CardClass,
    /// The product.
    pub product: Option<ProductIndex>,
}

impl From<CardClass> for CardKind {
    fn from(class: CardClass) -> Self {
        Self { class, product: None }
    }
}

/// A kind of card as the ledger keeps it: add variants at the end.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    Debit,
    Credit,
    Foreign,
    DebitProduct(ProductIndex),
    CreditProduct(ProductIndex),
    ForeignProduct(ProductIndex),
}

impl From<Kept> for CardKind {
    fn from(kept: Kept) -> Self {
        let (class, product) = match kept {
            Kept::Debit => (CardClass::Debit, None),
            Kept::Credit => (CardClass::Credit, None),
            Kept::Foreign => (CardClass::Foreign, None),
            Kept::DebitProduct(product) => (CardClass::Debit, Some(product)),
            Kept::CreditProduct(product) => (CardClass::Credit, Some(product)),
            Kept::ForeignProduct(product) => (CardClass::Foreign, Some(product)),
        };
        Self { class, product }
    }
}
impl From<CardKind> for Kept {
    fn from(CardKind { class, product }: CardKind) -> Self {
        match (class, product) {
            (CardClass::Debit, None) => Self::Debit,
            (CardClass::Credit, None) => Self::Credit,
            (CardClass::Foreign, None) => Self::Foreign,
            (CardClass::Debit, Some(product)) => Self::DebitProduct(product),
            (CardClass::Credit, Some(product)) => Self::CreditProduct(product),
            (CardClass::Foreign, Some(product)) => Self::ForeignProduct(product),
        }
    }
}

/// Which cards a rule is about: all of a class, or those of a product. Those of the classes stand where records had the
/// class alone: add variants at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardGroup {
    /// Domestic debit cards.
    Debit,
    /// Domestic credit cards.
    Credit,
    /// Cards issued abroad.
    Foreign,
    /// Cards of this product.
    Product(ProductIndex),
}

impl CardGroup {
    /// Whether a card is one of them.
    pub fn holds(self, card: CardKind) -> bool {
        match self {
            Self::Debit => card.class == CardClass::Debit,
            Self::Credit => card.class == CardClass::Credit,
            Self::Foreign => card.class == CardClass::Foreign,
            Self::Product(product) => card.product == Some(product),
        }
    }
}
impl From<CardClass> for CardGroup {
    fn from(class: CardClass) -> Self {
        match class {
            CardClass::Debit => Self::Debit,
            CardClass::Credit => Self::Credit,
            CardClass::Foreign => Self::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TransactionKind::{BalanceInquiry, CashAdvance, OfflineSale, Refund, Sale, Void};

    #[test]
    fn a_kind_of_card_without_a_product_is_written_as_its_class_was() {
        for class in [CardClass::Debit, CardClass::Credit, CardClass::Foreign] {
            let (was, is) = (postcard::to_stdvec(&class).unwrap(), CardKind::from(class));
            assert_eq!(postcard::to_stdvec(&is).unwrap(), was);
            assert_eq!(postcard::to_stdvec(&CardGroup::from(class)).unwrap(), was);
            let of = CardKind { class, product: Some(ProductIndex(300)) };
            let bytes = postcard::to_stdvec(&of).unwrap();
            assert_eq!((bytes.len(), postcard::from_bytes::<CardKind>(&bytes).unwrap()), (3, of));
            assert!(CardGroup::Product(ProductIndex(300)).holds(of) && CardGroup::from(class).holds(of));
            assert!(!CardGroup::Product(ProductIndex(300)).holds(is));
        }
    }

    #[test]
    fn names_are_those_in_json() {
        use TransactionKind::*;
        let kinds = [
            Sale,
            Void,
            Refund,
            BalanceInquiry,
            PreAuth,
            PreAuthVoid,
            Completion,
            CompletionVoid,
            OfflineSale,
            CompletionAdvice,
            Tip,
            CashAdvance,
            CardRepayment,
            TopUp,
            PreAuthAdvice,
        ];
        for kind in kinds {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        for scheme in Scheme::ALL {
            assert_eq!(serde_json::to_value(scheme).unwrap(), scheme.code());
        }
        for funding in [Funding::Debit, Funding::Credit, Funding::Prepaid, Funding::QuasiCredit] {
            assert_eq!(serde_json::to_value(funding).unwrap(), funding.name());
        }
    }

    #[test]
    fn a_code_is_letters_and_digits_with_strokes_between() {
        for (text, fits) in [
            ("VISA-CR-GOLD", true),
            ("A", true),
            ("6225", true),
            ("", false),
            ("-A", false),
            ("A-", false),
            ("a", false),
            ("A B", false),
            ("ABCDEFGHIJKLMNOPQRSTUVWXY", false),
        ] {
            assert_eq!(text.parse::<ProductCode>().is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn terms_are_about_what_is_asked() {
        let terms = |refuses: &[TransactionKind], pin_from_minor| ProductTerms {
            name: "Gift card".to_owned(),
            refuses: refuses.to_vec(),
            pin_from_minor,
            ..ProductTerms::default()
        };
        assert_eq!(terms(&[CashAdvance, BalanceInquiry], None).check(), Ok(()));
        for wrong in [&[Void][..], &[OfflineSale], &[Refund], &[Sale, Sale]] {
            assert!(terms(wrong, None).check().is_err(), "{wrong:?}");
        }
        assert!(ProductTerms::default().check().is_err(), "no name");
        let prepaid = terms(&[CashAdvance], Some(100));
        assert!(!prepaid.accepts(CashAdvance) && prepaid.accepts(Sale) && prepaid.accepts(OfflineSale));
        for (kind, minor, wants) in
            [(Sale, 99, false), (Sale, 100, true), (Refund, 100, false), (OfflineSale, 100, false)]
        {
            assert_eq!(prepaid.wants_pin(kind, minor), wants, "{kind:?} of {minor}");
        }
        assert!(terms(&[], Some(0)).wants_pin(BalanceInquiry, 0));
        assert!(!terms(&[], None).wants_pin(Sale, u64::MAX));
    }
}
