//! `product`: card products, and which ranges of card numbers name them.

use super::route::row as route_row;
use crate::arguments::{AddProduct, ChangeProduct, Output, ProductCommand};
use crate::operate::{change, give, nothing, object, rows, state};
use crate::{Verdict, output};
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;
use switchyard_core::{Order, ProductChange, State};
use switchyard_domain::{Product, ProductCode, ProductTerms};

pub(crate) fn run(command: &ProductCommand, data: &Path, form: Output) -> Result<Verdict> {
    match command {
        ProductCommand::List => list(&state(data)?, form),
        ProductCommand::Show { code } => show(&state(data)?, code, form),
        ProductCommand::Add(options) => add(options, data, form),
        ProductCommand::Change(options) => alter(options, data, form),
    }
}

fn list(state: &State, form: Output) -> Result<Verdict> {
    let products: Vec<Value> = state.registry().products().map(|(_, product)| facts(product)).collect();
    if form == Output::Json {
        output::json(&json!({"version": state.registry().version(), "products": products}))?;
        return Ok(Verdict::Fine);
    }
    let columns = ["code", "scheme", "funding", "class", "name", "name_zh", "refuses", "pin_from_minor"];
    rows(&columns, products, form)
}

fn show(state: &State, code: &ProductCode, form: Output) -> Result<Verdict> {
    let registry = state.registry();
    let Some(index) = registry.product_named(code) else {
        return nothing(&format!("there is no product {code}"), form);
    };
    let ranges = registry.routes().iter().filter(|route| route.class.product == Some(index));
    let ranges: Vec<Value> = ranges.map(|route| route_row(state, route)).collect();
    let Some(product) = registry.product(index) else {
        return nothing(&format!("there is no product {code}"), form);
    };
    let facts = facts(product);
    if form == Output::Json {
        let mut whole = facts;
        whole["ranges"] = ranges.into();
        output::json(&whole)?;
        return Ok(Verdict::Fine);
    }
    object(&facts, form)?;
    rows(&["from", "to", "link", "issuer"], ranges, form)
}

fn facts(product: &Product) -> Value {
    let ProductTerms { name, name_zh, refuses, pin_from_minor } = &product.terms;
    json!({
        "code": product.code, "scheme": product.scheme, "funding": product.funding, "foreign": product.foreign,
        "class": product.class(), "name": name, "name_zh": name_zh, "refuses": refuses,
        "pin_from_minor": pin_from_minor,
    })
}

fn add(options: &AddProduct, data: &Path, form: Output) -> Result<Verdict> {
    let terms = ProductTerms {
        name: options.name.trim().to_owned(),
        name_zh: options.name_zh.trim().to_owned(),
        refuses: options.refuses.clone(),
        pin_from_minor: options.pin_from.minor(),
    };
    let product = Product {
        code: options.code.clone(),
        scheme: options.scheme.into(),
        funding: options.funding.into(),
        foreign: options.foreign,
        terms,
    };
    let reason = options.because.reason.clone();
    let order = Order::AddProduct { product: Box::new(product), reason };
    give(order, &options.because, data, form)
}

fn alter(options: &ChangeProduct, data: &Path, form: Output) -> Result<Verdict> {
    let refuses = (options.refuse_nothing || !options.refuses.is_empty()).then(|| options.refuses.clone());
    let trimmed = |text: &Option<String>| text.as_deref().map(|text| text.trim().to_owned());
    let wanted = ProductChange {
        name: trimmed(&options.name),
        name_zh: trimmed(&options.name_zh),
        refuses,
        pin: options.pin_from,
    };
    let (because, dry_run) = (&options.because, options.trial.dry_run);
    let (product, reason) = (options.code.clone(), because.reason.clone());
    let order = Order::ChangeProduct { product, change: wanted, reason, dry_run };
    change::give(order, dry_run, because, data, form)
}
