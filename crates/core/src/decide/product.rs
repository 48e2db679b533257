//! Card products: how they are added and changed, and what they say about a transaction.

use crate::change::{FieldChange, PinFrom, ProductChange};
use crate::decide::change::{Change, Fields, unfit};
use crate::decide::order::{Desk, Verdict};
use crate::effect::CommandError;
use crate::input::Financial;
use crate::machine::Core;
use crate::state::State;
use switchyard_domain::{
    CardKind, Changed, PRODUCTS_MAX, Product, ProductCode, ProductTerms, Reason, Record, ResponseCode, Route,
    Scheme, TransactionId,
};

impl State {
    /// Whose mark is on a card. A product keeps its scheme for good, so a repeat hears what was said before.
    pub(crate) fn scheme_of(&self, card: CardKind) -> Scheme {
        self.product_of(card).map_or(Scheme::default(), |product| product.scheme)
    }

    /// Whose mark is on the card of a transaction that is taken back, if there is one.
    pub(crate) fn scheme_of_original(&self, original: Option<TransactionId>) -> Scheme {
        let original = original.and_then(|id| self.transactions.get(id));
        original.map_or(Scheme::default(), |original| self.scheme_of(original.opened.card_class))
    }

    fn product_of(&self, card: CardKind) -> Option<&Product> {
        self.registry.product(card.product?)
    }
}

impl Core {
    /// Whether a card is for what is asked of it, and its PIN is there where the product asks for one.
    pub(crate) fn product_in_order(&self, card: CardKind, request: &Financial) -> Result<(), ResponseCode> {
        let Some(Product { terms, .. }) = self.state.product_of(card) else { return Ok(()) };
        if !terms.accepts(request.kind) {
            return Err(ResponseCode::CARD_NOT_PERMITTED);
        }
        if request.pin.is_none() && terms.wants_pin(request.kind, request.amount.minor) {
            return Err(ResponseCode::WRONG_PIN);
        }
        Ok(())
    }

    pub(super) fn add_product(
        &mut self,
        product: Box<Product>,
        reason: Reason,
        desk: &mut Desk<'_>,
    ) -> Verdict {
        let registry = &self.state.registry;
        if registry.product_named(&product.code).is_some() {
            return Err(CommandError::Exists { what: "product" });
        }
        let have = registry.products.len();
        if have >= PRODUCTS_MAX {
            return Err(CommandError::TooMany { what: "products", have, max: PRODUCTS_MAX });
        }
        check_terms(&product.terms)?;
        self.ordered(Record::ProductAdded { product, reason }, desk)
    }

    pub(super) fn change_product(
        &mut self,
        code: &ProductCode,
        wanted: ProductChange,
        Change { dry_run, reason }: Change,
        desk: &mut Desk<'_>,
    ) -> Verdict {
        let registry = &self.state.registry;
        let product = registry.product_named(code).ok_or(CommandError::Missing { what: "product" })?;
        let before = registry.product(product).expect("an index of the registry").terms.clone();
        let after = ProductTerms {
            name: wanted.name.unwrap_or_else(|| before.name.clone()),
            name_zh: wanted.name_zh.unwrap_or_else(|| before.name_zh.clone()),
            refuses: wanted.refuses.unwrap_or_else(|| before.refuses.clone()),
            pin_from_minor: wanted.pin.map_or(before.pin_from_minor, PinFrom::minor),
        };
        check_terms(&after)?;
        let fields = term_fields(&before, &after);
        let record = Record::ProductChanged { product, change: Box::new(Changed { before, after }), reason };
        self.change(fields, record, dry_run, desk)
    }

    /// A range names a product that there is, and says of its class what the product says.
    pub(super) fn check_product_of(&self, route: &Route) -> Result<(), CommandError> {
        let Some(index) = route.class.product else { return Ok(()) };
        let product = self.state.registry.product(index).ok_or(CommandError::Missing { what: "product" })?;
        if product.class() != route.class.class {
            return unfit("the class of the range", "to be its product's, or not to be named");
        }
        Ok(())
    }
}

fn check_terms(terms: &ProductTerms) -> Result<(), CommandError> {
    terms.check().map_err(|(what, need)| CommandError::Unfit { what, need })
}

fn term_fields(before: &ProductTerms, after: &ProductTerms) -> Vec<FieldChange> {
    let pin = |terms: &ProductTerms| match terms.pin_from_minor {
        Some(minor) => minor.to_string(),
        None => "never".to_owned(),
    };
    let refuses = |terms: &ProductTerms| {
        let names: Vec<&str> = terms.refuses.iter().map(|kind| kind.name()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(" ") }
    };
    let mut fields = Fields::default();
    fields.note("name", &before.name, &after.name);
    fields.note("name-zh", &before.name_zh, &after.name_zh);
    fields.note("refuses", refuses(before), refuses(after));
    fields.note("pin-from", pin(before), pin(after));
    fields.0
}
