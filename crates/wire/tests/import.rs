//! Dialects made from the tables of other implementations read messages as the built-in ones do.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use switchyard_wire::import::{ImportError, jpos_xml, moov_json};
use switchyard_wire::json::{from_json, to_json};
use switchyard_wire::{Counts, Dialect, Length, Masking};

const JPOS_ASCII: &str = include_str!("data/jpos-iso87ascii.xml");
const JPOS_BINARY: &str = include_str!("data/jpos-iso87binary.xml");
const MOOV_ASCII: &str = include_str!("data/moov-spec87ascii.json");

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// That the imported dialect gives the values that the built-in one gives, and the same bytes back.
fn same(imported: &Dialect, builtin: &str, body: &[u8]) {
    let builtin = Dialect::builtin(builtin).unwrap();
    let theirs = imported.parse(body).unwrap_or_else(|error| panic!("{builtin:.0?}{error}"));
    let ours = builtin.parse(body).unwrap();
    let (theirs, ours) = (to_json(&theirs, Masking::Unmasked), to_json(&ours, Masking::Unmasked));
    assert_eq!(theirs["mti"], ours["mti"]);
    assert_eq!(theirs["fields"], ours["fields"]);
    assert_eq!(from_json(imported, &theirs).unwrap(), body);
}

#[test]
fn jpos_packagers_read_what_jpos_packed() {
    let packed = lines(include_str!("data/jpos-packed.jsonl"));
    for (xml, note, builtin) in [
        (JPOS_ASCII, "1987 ASCII, hex bitmap", "iso87-ascii"),
        (JPOS_BINARY, "1987 BCD/binary, binary bitmap", "iso87-binary"),
    ] {
        let (text, warnings) = jpos_xml(xml).unwrap();
        assert_eq!(warnings, []);
        let dialect = Dialect::from_toml(&text).unwrap();
        let samples: Vec<&Value> = packed.iter().filter(|sample| sample["dialect"] == note).collect();
        assert_eq!(samples.len(), 20);
        for sample in samples {
            same(&dialect, builtin, &unhex(sample["hex"].as_str().unwrap()));
        }
    }
}

#[test]
fn a_moov_specification_reads_messages_whose_bitmap_is_always_long() {
    let (text, warnings) = moov_json(MOOV_ASCII).unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let dialect = Dialect::from_toml(&text).unwrap();
    // As iso8583tool writes it: 32 hexadecimal digits of bitmap, the first bit clear.
    let samples = lines(include_str!("data/moov-always-128.jsonl"));
    assert_eq!(samples.len(), 1);
    for sample in samples {
        let body = unhex(sample["hex"].as_str().unwrap());
        let json = to_json(&dialect.parse(&body).unwrap(), Masking::Unmasked);
        for (de, expected) in sample["expected"].as_object().unwrap() {
            let actual = if de == "0" { &json["mti"] } else { &json["fields"][de] };
            assert_eq!(actual, expected, "de {de}");
        }
        // Written again, the first bit announces what is there; readers take it either way.
        let again = from_json(&dialect, &json).unwrap();
        assert_eq!(to_json(&dialect.parse(&again).unwrap(), Masking::Unmasked), json);
        assert_eq!((again.len(), again[4]), (body.len(), b'8'));
    }
    // With the bitmap as other implementations have it, it is the built-in dialect.
    let (text, _) = moov_json(&MOOV_ASCII.replacen("\"length\": 16", "\"length\": 8", 1)).unwrap();
    let dialect = Dialect::from_toml(&text).unwrap();
    for sample in lines(include_str!("data/jpos-packed.jsonl")) {
        if sample["dialect"] == "1987 ASCII, hex bitmap" {
            same(&dialect, "iso87-ascii", &unhex(sample["hex"].as_str().unwrap()));
        }
    }
}

#[test]
fn everything_that_is_not_known_is_named() {
    let xml = r#"<isopackager colour="red">
        <isofield id="0" length="4" name="MTI" class="org.jpos.iso.IFA_NUMERIC"/>
        <isofield id="1" length="16" name="BITMAP" class="org.jpos.iso.IFA_BITMAP "/>
        <isofield id="7" length="10" name="x" class="com.example.Odd"/>
        <isofield id="8" length="10" name="x" class="org.jpos.iso.IFA_QUEER" shape="round"/>
        <isofieldpackager id="48" length="10" name="x" class="org.jpos.iso.IFA_LLLCHAR" packager="org.jpos.iso.packager.GenericPackager">
            <isofield id="1" length="10" name="x" class="com.example.Inner"/>
        </isofieldpackager>
    </isopackager>"#;
    let Err(ImportError::Unknown { names }) = jpos_xml(xml) else { panic!("imported") };
    let all = names.join("\n");
    for needle in [
        "colour",
        "field 7: class com.example.Odd",
        "IFA_QUEER",
        "attribute shape",
        "field 48.1: class com.example.Inner",
    ] {
        assert!(all.contains(needle), "{needle} in {all}");
    }
    let json = r#"{"name": "x", "extra": 1, "fields": {"Field002": {}, "3": {"type": "String", "enc": "asciiEncoder",
        "prefix": "ASCII.fixed", "length": 1, "odd": 1}, "4": {"type": "Strange", "enc": "ASCII", "length": 3,
        "prefix": "Hex.LL"}}}"#;
    let Err(ImportError::Unknown { names }) = moov_json(json) else { panic!("imported") };
    let all = names.join("\n");
    for needle in ["key extra", "Field002", "asciiEncoder", "key odd", "Strange"] {
        assert!(all.contains(needle), "{needle} in {all}");
    }
}

#[test]
fn entities_are_refused_and_the_document_type_is_not_read() {
    let body = r#"<isopackager><isofield id="2" length="9" name="&x;" class="IFA_LLNUM"/></isopackager>"#;
    for text in [
        format!("<!DOCTYPE isopackager [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{body}"),
        body.to_owned(),
        "<isopackager>&boom;</isopackager>".to_owned(),
    ] {
        assert!(matches!(jpos_xml(&text), Err(ImportError::Entity { .. })), "{text}");
    }
    for text in ["", "<isopackager>", "</isopackager>", "<a/><b/>", "<<>>", "plain"] {
        assert!(jpos_xml(text).is_err(), "{text:?}");
    }
    for text in ["", "[]", "{}", "{\"fields\": 1}", "{\"fields\": {\"2\": 1}}"] {
        assert!(moov_json(text).is_err(), "{text:?}");
    }
}

#[test]
fn what_cannot_be_said_in_the_same_way_is_a_warning() {
    let xml = r#"<isopackager headerLength="5" thirdBitmapField="65">
        <isofield id="0" length="4" name="MTI" class="org.jpos.iso.IFB_NUMERIC"/>
        <isofield id="1" length="16" name="BITMAP" class="org.jpos.iso.IFB_BITMAP"/>
        <isofield id="44" length="255" name="too long for two digits" class="org.jpos.iso.IFB_LLCHAR"/>
        <isofield id="46" length="99" name="counts itself" class="org.jpos.iso.IFA_LLLCHAR" inclusive="true"/>
        <isofieldpackager id="3" length="6" name="CODE" class="org.jpos.iso.IFA_NUMERIC"
            packager="org.jpos.iso.packager.GenericSubFieldPackager" emitBitmap="false">
            <isofield id="0" length="2" name="TYPE" class="org.jpos.iso.IFA_NUMERIC"/>
            <isofield id="1" length="4" name="ACCOUNTS" class="org.jpos.iso.IFA_NUMERIC"/>
        </isofieldpackager>
        <isofieldpackager id="127" length="999" name="PRIVATE" class="org.jpos.iso.IFB_LLLBINARY"
            packager="org.jpos.iso.packager.GenericPackager">
            <isofield id="1" length="8" name="BITMAP" class="org.jpos.iso.IFB_BITMAP"/>
        </isofieldpackager>
    </isopackager>"#;
    let (text, warnings) = jpos_xml(xml).unwrap();
    let places: Vec<&str> = warnings.iter().map(|warning| warning.place.as_str()).collect();
    for place in ["header", "bitmap", "field 44", "field 127"] {
        assert!(places.contains(&place), "{place} in {places:?}");
    }
    let dialect = Dialect::from_toml(&text).unwrap();
    let Length::Variable { max, .. } = dialect.element(44).unwrap().length() else { panic!("fixed") };
    assert_eq!(max, 99);
    let Length::Variable { prefix, .. } = dialect.element(46).unwrap().length() else { panic!("fixed") };
    assert_eq!(prefix.counts, Counts::Inclusive);
    let mut out = Vec::new();
    let mut builder = dialect.builder(&mut out, "0100".parse().unwrap());
    builder.text(3, "012000").unwrap().text(46, "ABCD").unwrap();
    builder.finish().unwrap();
    let message = dialect.parse(&out).unwrap();
    assert_eq!(message.wire(46), Some(&b"007ABCD"[..]));
    assert_eq!(message.text(46).as_deref(), Some("ABCD"));
    assert_eq!(message.subfield("3.2").unwrap().to_plain_string(), "2000");
    let at = out.len() - 7;
    out[at..at + 3].copy_from_slice(b"002");
    assert!(dialect.parse(&out).is_err(), "a length below its own prefix");
}
