//! The card products of the demo world: one for each of its ranges, and what its prepaid cards would be.

use switchyard_core::{Command, Order};
use switchyard_domain::{
    CardClass, CardKind, DataError, Funding, Product, ProductIndex, ProductTerms, Scheme, TransactionKind,
};
use switchyard_simulator::world::ON_US_BIN;

/// A product, and the prefix of the range that names it.
struct Sold {
    prefix: Option<&'static str>,
    code: &'static str,
    scheme: Scheme,
    funding: Funding,
    foreign: bool,
    names: (&'static str, &'static str),
    refuses: &'static [TransactionKind],
}

const SOLD: [Sold; 5] = [
    Sold {
        prefix: Some(ON_US_BIN),
        code: "CUP-DB",
        scheme: Scheme::Cup,
        funding: Funding::Debit,
        foreign: false,
        names: ("Debit card", "借记卡"),
        refuses: &[],
    },
    Sold {
        prefix: Some("622588"),
        code: "CUP-CR",
        scheme: Scheme::Cup,
        funding: Funding::Credit,
        foreign: false,
        names: ("Credit card", "贷记卡"),
        refuses: &[],
    },
    Sold {
        prefix: Some("4111"),
        code: "VISA-CR-GOLD",
        scheme: Scheme::Vis,
        funding: Funding::Credit,
        foreign: true,
        names: ("Visa Gold", "维萨金卡"),
        refuses: &[],
    },
    Sold {
        prefix: Some("5555"),
        code: "MC-CR",
        scheme: Scheme::Mcc,
        funding: Funding::Credit,
        foreign: true,
        names: ("Mastercard", "万事达卡"),
        refuses: &[],
    },
    // No card of the demo is of it: `route add --product` gives it a range.
    Sold {
        prefix: None,
        code: "CUP-PP",
        scheme: Scheme::Cup,
        funding: Funding::Prepaid,
        foreign: false,
        names: ("Prepaid card", "预付卡"),
        refuses: &[TransactionKind::CashAdvance, TransactionKind::CardRepayment],
    },
];

/// Adds them.
pub(super) fn commands() -> Result<Vec<Command>, DataError> {
    let reason: switchyard_domain::Reason = "the demo world".parse()?;
    let add = |sold: &Sold| {
        let terms = ProductTerms {
            name: sold.names.0.to_owned(),
            name_zh: sold.names.1.to_owned(),
            refuses: sold.refuses.to_vec(),
            // The demo's issuers ask for PINs themselves.
            pin_from_minor: None,
        };
        let (scheme, funding, foreign) = (sold.scheme, sold.funding, sold.foreign);
        let product = Box::new(Product { code: sold.code.parse()?, scheme, funding, foreign, terms });
        Ok(Command::Order(Order::AddProduct { product, reason: reason.clone() }))
    };
    SOLD.iter().map(add).collect()
}

/// The kind of card of a range.
pub(super) fn of(prefix: &str, class: CardClass) -> CardKind {
    let found = SOLD.iter().zip(0..).find(|(sold, _)| sold.prefix == Some(prefix));
    CardKind { class, product: found.map(|(_, index)| ProductIndex(index)) }
}
