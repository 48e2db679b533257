//! Presence tables: each line of each table is held against messages that keep it and that break it.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use switchyard_wire::validate::{Violation, validate};
use switchyard_wire::{Class, Dialect, Element, ElementPath, Length, Mti, Need, Presence, json::from_json};

fn builtin(name: &str) -> &'static Dialect {
    Dialect::builtin(name).unwrap()
}

/// A value of the element's kind: what it says is of no matter here.
fn value(element: &Element) -> Value {
    let length = match element.length() {
        Length::Fixed(length) => length as usize,
        Length::Variable { max, .. } => (max as usize).min(14),
    };
    match element.class() {
        Class::SignedAmount => format!("C{}", "0".repeat(length - 1)).into(),
        Class::Binary => "00".repeat(length).into(),
        // Not zeros: an approval would be one, and asks for more.
        _ => "9".repeat(length).into(),
    }
}

/// A message with just these elements.
fn violations(dialect: &Dialect, mti: Mti, elements: &BTreeSet<u8>) -> Vec<Violation> {
    let fields: Map<String, Value> =
        elements.iter().map(|de| (de.to_string(), value(dialect.element(*de).unwrap()))).collect();
    let body = from_json(dialect, &json!({"mti": mti.to_string(), "fields": fields})).unwrap();
    validate(&dialect.parse(&body).unwrap())
}

/// What the tables alone say: the selector of a message of nines is of no transaction.
fn of_table(found: Vec<Violation>) -> Vec<Violation> {
    found.into_iter().filter(|violation| *violation != Violation::UnknownTransaction).collect()
}

fn elements(table: &Presence, need: Need) -> BTreeSet<u8> {
    let of_need = table.needs().iter().filter(|(_, known)| *known == need);
    of_need.filter_map(|(path, _)| path.de()).collect()
}

#[test]
fn every_table_finds_each_element_that_is_missing_and_each_that_is_forbidden() {
    let mut checked = 0;
    for name in Dialect::builtin_names() {
        let dialect = builtin(name);
        assert!(!dialect.presence().is_empty(), "{name}");
        for table in dialect.presence() {
            for mti in table.mtis() {
                let mandatory = elements(table, Need::Mandatory);
                let mut whole = mandatory.clone();
                // One card number, where one of several is wanted.
                let wanted = violations(dialect, *mti, &whole);
                let one_of = wanted.iter().find_map(|violation| match violation {
                    Violation::MissingOneOf { paths } => Some(paths.clone()),
                    _ => None,
                });
                if let Some(paths) = &one_of {
                    for path in paths {
                        let mut one = whole.clone();
                        one.extend(path.de());
                        assert_eq!(of_table(violations(dialect, *mti, &one)), [], "{name} {mti} {path}");
                    }
                    whole.extend(paths[0].de());
                }
                let conditional = elements(table, Need::Conditional);
                assert_eq!(of_table(violations(dialect, *mti, &whole)), [], "{name} {mti}");
                let everything = &whole | &conditional;
                assert_eq!(of_table(violations(dialect, *mti, &everything)), [], "{name} {mti} all");
                for de in &mandatory {
                    let mut less = whole.clone();
                    less.remove(de);
                    let found = of_table(violations(dialect, *mti, &less));
                    let missing = Violation::Missing { path: ElementPath::De(*de) };
                    assert!(found.contains(&missing), "{name} {mti}: {found:?}");
                    assert!(found.iter().all(|v| v.path().de() == Some(*de)), "{name} {mti}: {found:?}");
                    checked += 1;
                }
                for de in elements(table, Need::Forbidden) {
                    let mut more = whole.clone();
                    more.insert(de);
                    let forbidden = Violation::Forbidden { path: ElementPath::De(de) };
                    assert_eq!(of_table(violations(dialect, *mti, &more)), [forbidden], "{name} {mti}");
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 5_000, "{checked}");
}

#[test]
fn every_message_type_of_a_family_is_in_one_table() {
    let families = [("iso87-ascii", 0x0000), ("iso93-binary", 0x1000), ("iso2003-ascii", 0x2000)];
    let types = [
        0x100, 0x110, 0x120, 0x130, 0x200, 0x210, 0x220, 0x230, 0x400, 0x410, 0x420, 0x430, 0x500, 0x510,
        0x520, 0x530, 0x600, 0x610, 0x620, 0x630, 0x800, 0x810, 0x820, 0x830, 0x300, 0x330, 0x522, 0x532,
    ];
    for (name, version) in families {
        let dialect = builtin(name);
        for digits in types {
            let mti = Mti::new(version | digits);
            let tables = dialect.presence().iter().filter(|table| table.mtis().contains(&mti));
            assert_eq!(tables.count(), 1, "{name} {mti}");
        }
        // A repeat has the table of what it repeats; a type of another edition has none.
        let (repeat, original) = (Mti::new(version | 0x421), Mti::new(version | 0x420));
        assert_eq!(dialect.presence_of(repeat), dialect.presence_of(original), "{name}");
        assert!(dialect.presence_of(Mti::new(0x9100)).is_none());
        assert_eq!(
            violations(dialect, Mti::new(0x9100), &BTreeSet::new()),
            [Violation::UnknownMessageType],
            "{name}"
        );
    }
    let mut seen = BTreeSet::new();
    for transaction in builtin("unionpay-pos").transactions() {
        for mti in [transaction.mti, transaction.mti.reply()] {
            assert!(builtin("unionpay-pos").presence_of(mti).is_some(), "{mti}");
            seen.insert(mti);
        }
    }
    assert!(seen.len() >= 14);
}

fn found(dialect: &Dialect, json: Value) -> Vec<String> {
    let body = from_json(dialect, &json).unwrap();
    validate(&dialect.parse(&body).unwrap()).iter().map(Violation::to_string).collect()
}

#[test]
fn findings_name_their_path_in_the_order_of_the_message() {
    let sale = json!({
        "mti": "0200",
        "fields": {
            "3": "000000", "4": "000000000100", "7": "0228120000", "11": "000001", "12": "120000", "13": "0228",
            "15": "0228", "22": "051", "25": "00", "32": "48020000", "39": "00", "42": "123456789012345", "49": "156"
        }
    });
    assert_eq!(
        found(builtin("iso87-ascii"), sale),
        [
            "de 2, de 34, de 35, de 36, de 45: one of them is mandatory here and all are absent",
            "de 15: forbidden here and present",
            "de 39: forbidden here and present",
            "de 41: mandatory here and absent",
        ]
    );
}

#[test]
fn what_depends_on_a_value_is_mandatory_with_that_value_only() {
    let answer = |code: &str, kind: &str| {
        json!({
            "mti": "0210",
            "fields": {
                "3": kind, "4": "000000000100", "7": "0228120000", "11": "000001", "12": "120000", "13": "0228",
                "32": "48020000", "37": "000000000001", "39": code, "41": "12345678", "42": "123456789012345",
                "49": "156"
            }
        })
    };
    let dialect = builtin("iso87-binary");
    assert_eq!(found(dialect, answer("00", "000000")), ["de 38: mandatory here and absent"]);
    assert_eq!(found(dialect, answer("51", "000000")), [""; 0]);
    assert_eq!(found(dialect, answer("00", "310000")), [""; 0]);
}

#[test]
fn a_terminals_message_is_held_to_its_type_and_its_transaction() {
    let dialect = builtin("unionpay-pos");
    let sale = json!({
        "mti": "0200",
        "fields": {
            "2": "4111111111111111", "3": "000000", "4": "000000000100", "11": "000001", "22": "051", "25": "00",
            "41": "12345678", "42": "123456789012345", "49": "156", "60": "22000001000500",
            "64": "3132333435363738"
        }
    });
    // A PIN is said to be there, and chip data belongs to a chip.
    assert_eq!(
        found(dialect, sale),
        [
            "de 26: mandatory here and absent",
            "de 52: mandatory here and absent",
            "de 53: mandatory here and absent",
            "de 55: mandatory here and absent",
        ]
    );
    let unknown = json!({
        "mti": "0200",
        "fields": {
            "3": "990000", "11": "000001", "22": "012", "25": "00", "41": "12345678", "60": "22"
        }
    });
    assert_eq!(
        found(dialect, unknown),
        [
            "mti: no transaction of the dialect has this message type and selector",
            "de 42: mandatory here and absent",
            "de 60.2: mandatory here and absent",
        ]
    );
}

#[test]
fn a_dialect_file_may_hold_its_own_table() {
    let dialect = |table: &str| {
        Dialect::from_toml(&format!(
            "name = \"mine\"\nextends = \"iso87-binary\"\n[elements]\n63 = {{ format = \"absent\" }}\n[[presence]]\n{table}"
        ))
    };
    let mine = dialect(
        r#"mti = "0800"
        mandatory = [11, "55.9F26", "3.1", "63"]
        optional = ["70-71"]
        others = "forbidden""#,
    )
    .unwrap();
    // What the dialect has no element for cannot be missed; the base's tables are replaced.
    assert_eq!(mine.presence().len(), 1);
    let table = mine.presence_of(Mti::new(0x0801)).unwrap();
    assert_eq!(table.need(ElementPath::De(71)), Need::Optional);
    assert_eq!(table.need(ElementPath::De(72)), Need::Forbidden);
    assert_eq!(
        found(&mine, json!({"mti": "0800", "fields": {"7": "0228120000", "55": "820119", "70": "301"}})),
        [
            "de 3.1: mandatory here and absent",
            "de 7: forbidden here and present",
            "de 11: mandatory here and absent",
            "de 55: forbidden here and present",
            "de 55.9F26: mandatory here and absent",
        ]
    );
    for (table, needle) in [
        ("mti = \"08\"", "presence.mti"),
        ("mti = \"0800\"\nmandatory = [\"x\"]", "presence.mandatory"),
        ("mti = \"0800\"\nforbidden = [1]", "presence.forbidden"),
        ("mti = \"0800\"\nmandatory = [11]\nforbidden = [11]", "one list only"),
        ("mti = \"0800\"\nothers = \"mandatory\"", "presence.others"),
        ("mti = \"0800\"\nneeded = [11]", "not valid"),
    ] {
        let error = dialect(table).unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    }
}
