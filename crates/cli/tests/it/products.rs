//! `product`, and what of it shows in ranges, rules and the story of a transaction.

use crate::support::{World, busy_world};
use serde_json::{Value, json};

fn json_of(world: &World, arguments: &[&str]) -> Value {
    world.run(&[arguments, &["--output", "json"]].concat()).expect(0).json()
}

#[test]
fn products_of_a_running_switch_change_at_once() {
    let world = World::make(&[]);
    let serve = world.serve();
    let codes = |listed: &Value| -> Vec<String> {
        let products = listed["products"].as_array().unwrap().iter();
        products.map(|product| product["code"].as_str().unwrap().to_owned()).collect()
    };
    let demo = json_of(&world, &["product", "list"]);
    assert_eq!(codes(&demo), ["CUP-DB", "CUP-CR", "VISA-CR-GOLD", "MC-CR", "CUP-PP"]);
    let add = ["product", "add", "JCB-PP", "--scheme", "jcb", "--funding", "prepaid", "--foreign", "--name"];
    let add = [&add[..], &["JCB Prepaid", "--name-zh", "预付卡", "--refuse", "cash_advance"]].concat();
    let add = [&add[..], &["--pin-from", "5000", "--reason", "sold from May on"]].concat();
    assert_eq!(json_of(&world, &add), json!({"recorded": true}));
    assert!(world.run(&add).expect(2).stderr.contains("registered already"));
    let show = json_of(&world, &["product", "show", "JCB-PP"]);
    assert_eq!(
        show,
        json!({"code": "JCB-PP", "scheme": "JCB", "funding": "prepaid", "foreign": true, "class": "foreign",
            "name": "JCB Prepaid", "name_zh": "预付卡", "refuses": ["cash_advance"], "pin_from_minor": 5000,
            "ranges": []})
    );
    let change = ["product", "change", "JCB-PP", "--refuse", "top_up", "--pin-from", "never"];
    let change = [&change[..], &["--reason", "complaints"]].concat();
    let dry = json_of(&world, &[&change[..], &["--dry-run"]].concat());
    let expected = json!([
        {"field": "refuses", "before": "cash_advance", "after": "top_up"},
        {"field": "pin-from", "before": "5000", "after": "never"},
    ]);
    assert_eq!(dry, json!({"recorded": false, "fields": expected}));
    assert_eq!(json_of(&world, &change), json!({"recorded": true, "fields": expected}));
    assert_eq!(json_of(&world, &change), json!({"recorded": false, "fields": []}));
    for wrong in [
        &["product", "change", "JCB-PP", "--refuse", "void", "--reason", "x"][..],
        &["product", "change", "NONE", "--pin-from", "0", "--reason", "x"],
        &["route", "add", "--prefix", "3530", "--product", "NONE", "--issuer", "1"],
        &["route", "add", "--prefix", "3530", "--product", "JCB-PP", "--class", "debit", "--issuer", "1"],
    ] {
        world.run(wrong).expect(2);
    }
    world.run(&["product", "show", "NONE"]).expect(1);
    world.run(&["product", "add", "jcb", "--reason", "x"]).expect(64);
    world.run(&["route", "add", "--prefix", "3530", "--issuer", "1"]).expect(64);
    json_of(&world, &["route", "add", "--prefix", "3530", "--product", "JCB-PP", "--issuer", "1"]);
    let next = ["route", "add", "--prefix", "3530", "--product", "JCB-PP", "--issuer", "2"];
    assert_eq!(json_of(&world, &next), json!({"recorded": true, "behind": 1}));
    assert!(world.run(&next).expect(2).stderr.contains("registered already"));
    world.run(&["route", "remove", "--prefix", "3530", "--reason", "handed over"]).expect(0);
    let ranges = &json_of(&world, &["product", "show", "JCB-PP"])["ranges"];
    assert_eq!((&ranges[0]["from"], &ranges[0]["class"]), (&json!("3530000000000000000"), &json!("foreign")));
    // Rules name products as people do, and are told as they were set.
    let stand_in = ["stand-in", "set", "1", "--product", "CUP-PP", "--class", "credit", "--each", "30000"];
    json_of(&world, &[&stand_in[..], &["--card-day", "60000", "--card-count", "3"]].concat());
    let about = json!({"classes": ["credit", {"product": "CUP-PP"}]});
    assert_eq!(json_of(&world, &["stand-in", "list"])["rules"][0]["about"], about);
    let unknown = [&stand_in[..4], &["NONE", "--each", "1", "--card-day", "1", "--card-count", "1"]].concat();
    assert!(world.run(&unknown).expect(2).stderr.contains("there is no product"));
    serve.stop();
    let kept = json_of(&world, &["product", "list"]);
    assert_eq!(codes(&kept).last().unwrap(), "JCB-PP", "it is a record");
}

#[test]
fn a_transaction_tells_its_product_and_a_table_of_ranges_names_it() {
    let world = busy_world("150");
    let table = json_of(&world, &["route", "list"]);
    let product = |from: &str| {
        let mut routes = table["routes"].as_array().unwrap().iter();
        routes.find(|route| route["from"].as_str().unwrap().starts_with(from)).unwrap()["product"].clone()
    };
    assert_eq!((product("4111"), product("621234")), (json!("VISA-CR-GOLD"), json!("CUP-DB")));
    let found = json_of(&world, &["ledger", "query"]);
    let rows = found.as_array().or(found["transactions"].as_array()).unwrap();
    let mut told = 0;
    for row in rows.iter().take(40) {
        let rrn = row["rrn"].as_str().unwrap();
        let story = &json_of(&world, &["explain", "transaction", rrn])["transaction"];
        let Some(card) = story["card"].as_str() else { continue };
        let expected = match &card[..4] {
            "4111" => ("foreign", "VISA-CR-GOLD"),
            "5555" => ("foreign", "MC-CR"),
            "6225" => ("credit", "CUP-CR"),
            _ => ("debit", "CUP-DB"),
        };
        assert_eq!(
            (story["card_class"].as_str(), story["product"].as_str()),
            (Some(expected.0), Some(expected.1)),
            "{story}"
        );
        told += 1;
    }
    assert!(told > 20, "{told} transactions with a card");
    // A product alone sends nothing elsewhere; one that is not there is named with its line.
    let path = world.root().join("table.json");
    let diff = |table: &Value| {
        std::fs::write(&path, table.to_string()).unwrap();
        world.run(&["route", "diff", "--against", path.to_str().unwrap(), "--output", "json"])
    };
    let mut other = table.clone();
    for route in other["routes"].as_array_mut().unwrap() {
        (route["product"], route["class"]) = (json!("CUP-PP"), Value::Null);
    }
    let same = diff(&other).expect(0).json();
    assert_eq!(same["compared"], same["same"]);
    other["routes"][1]["product"] = json!("NONE");
    let wrong = diff(&other).expect(2).stderr;
    assert!(wrong.contains("route 1") && wrong.contains("NONE"), "{wrong}");
}
