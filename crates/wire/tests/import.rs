//! Dialects made from the tables of other implementations read messages as the built-in ones do.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::Value;
use switchyard_wire::import::{ImportError, jpos_xml, moov_json};
use switchyard_wire::json::{from_json, to_json};
use switchyard_wire::{Counts, Dialect, Length, Masking, fuzzing};

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
    assert_eq!(warnings, []);
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
        // Written again, the first bit stays clear.
        assert_eq!(from_json(&dialect, &json).unwrap(), body);
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
            <isofield id="65" length="8" name="OUT OF REACH" class="org.jpos.iso.IFA_NUMERIC"/>
        </isofieldpackager>
    </isopackager>"#;
    let (text, warnings) = jpos_xml(xml).unwrap();
    let places: Vec<&str> = warnings.iter().map(|warning| warning.place.as_str()).collect();
    for place in ["header", "bitmap", "field 44", "field 127.65"] {
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

/// A packager with one field of packager `inside` and its attributes.
fn jpos(class: &str, inside: &str, fields: &str) -> String {
    format!(
        r#"<isopackager>
        <isofield id="0" length="4" name="MTI" class="org.jpos.iso.IFA_NUMERIC"/>
        <isofield id="1" length="16" name="BITMAP" class="org.jpos.iso.IFB_BITMAP"/>
        <isofieldpackager id="48" length="255" name="PRIVATE" class="org.jpos.iso.{class}" packager={inside}>
        {fields}</isofieldpackager></isopackager>"#
    )
}

/// That the dialect reads the value of element 48 as these parts, and writes it again.
fn parts(dialect: &Dialect, value: &[u8], expected: &[(&str, &str)]) {
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, "0100".parse().unwrap());
    builder.bytes(48, value).unwrap();
    builder.finish().unwrap();
    let json = to_json(&dialect.parse(&body).unwrap(), Masking::Unmasked);
    assert_eq!(json.get("errors"), None, "{json}");
    let found = json["subfields"].as_object().unwrap();
    let found: Vec<(&str, &str)> =
        found.iter().map(|(path, value)| (&path[3..], value.as_str().unwrap())).collect();
    assert_eq!(found, expected);
    let parts = serde_json::json!({"mti": "0100", "subfields": json["subfields"]});
    assert_eq!(from_json(dialect, &parts).unwrap(), body);
}

/// Paths and values.
type Values = &'static [(&'static str, &'static str)];

/// Class of the element, packager, fields inside, a value, and its parts.
type JposCase = (&'static str, &'static str, &'static str, &'static [u8], Values);

const JPOS_CASES: [JposCase; 10] = [
    (
        "IFA_LLLCHAR",
        r#""org.jpos.iso.packager.EuroSubFieldPackager""#,
        r#"<isofield id="38" length="90" name="x" class="org.jpos.iso.IFEP_LLCHAR"/>"#,
        b"0538ABC0477XY",
        &[("38", "ABC"), ("77", "XY")],
    ),
    (
        "IFA_LLLCHAR",
        r#""org.jpos.iso.packager.EuroSubFieldPackager""#,
        r#"<isofield id="0" length="1" name="TCC" class="org.jpos.iso.IFMC_TCC"/>
               <isofield id="42" length="90" name="x" class="org.jpos.iso.IFMC_LLCHAR"/>
               <isofield id="43" length="90" name="x" class="org.jpos.iso.IFMC_LLBINARY"/>
               <isofield id="44" length="90" name="x" class="org.jpos.iso.IFMC_LLLCHAR"/>"#,
        b"R4203abc4302\x01\x0244002hi9901z",
        &[("0", "R"), ("42", "abc"), ("43", "0102"), ("44", "hi"), ("99", "z")],
    ),
    (
        "IFA_LLLCHAR",
        r#""org.jpos.iso.packager.EuroSubFieldPackager""#,
        r#"<isofield id="2" length="90" name="x" class="org.jpos.iso.IFIPM_LLLCHAR"/>"#,
        b"0002003abc0146002zz",
        &[("0002", "abc"), ("0146", "zz")],
    ),
    (
        "IFE_LLLCHAR",
        r#""org.jpos.iso.packager.GICCSubFieldPackager""#,
        r#"<isofieldpackager id="47" length="90" name="x" class="org.jpos.iso.IFELPE_LLLCHAR"
                packager="org.jpos.iso.packager.GICCSubFieldPackager">
                <isofield id="1" length="90" name="y" class="org.jpos.iso.IFELPE_LLLCHAR"/></isofieldpackager>"#,
        b"\xF0\xF1\xF0\xF4\xF7\xF0\xF0\xF5\xF0\xF1\xF1\xF0\xF1",
        &[("47.01", "101")],
    ),
    (
        "IFA_LLLCHAR",
        r#""org.jpos.iso.packager.GenericTaggedFieldsPackager" tagMapper="org.jpos.iso.packager.TTDecimalTagMapper""#,
        r#"<isofield id="1" length="90" name="x" class="org.jpos.iso.IFA_TTLLCHAR"/>
               <isofield id="12" length="90" name="x" class="org.jpos.iso.IFA_TTLLLBINARY"/>"#,
        b"0102hi12002\xAB\xCD",
        &[("01", "hi"), ("12", "ABCD")],
    ),
    (
        "IFA_LLLCHAR",
        r#""org.jpos.tlv.packager.TaggedSequencePackager" token="0000""#,
        r#"<isofield id="1" token="A001" length="90" name="x" class="org.jpos.tlv.packager.IFTA_LLLCHAR"/>"#,
        b"A001002hiB777001x",
        &[("A001", "hi"), ("B777", "x")],
    ),
    (
        "IFA_LLLBINARY",
        r#""org.jpos.iso.packager.GenericPackager""#,
        r#"<isofield id="0" length="8" name="BITMAP" class="org.jpos.iso.IFB_BITMAP"/>
               <isofield id="2" length="32" name="SWITCH KEY" class="org.jpos.iso.IFA_LLCHAR"/>
               <isofieldpackager id="25" length="999" name="CHIP" class="org.jpos.iso.IFA_LLLBINARY"
                packager="org.jpos.iso.packager.GenericPackager">
                <isofield id="0" length="16" name="BITMAP" class="org.jpos.iso.IFA_BITMAP"/>
                <isofield id="66" length="2" name="AMOUNT" class="org.jpos.iso.IFA_NUMERIC"/></isofieldpackager>"#,
        b"\x40\x00\x00\x80\x00\x00\x00\x0003KEY",
        &[],
    ),
    (
        "IFA_LLLCHAR",
        r#""org.jpos.tlv.packager.bertlv.BERTLVAsciiHexPackager""#,
        "",
        &[0x9F, 0x36, 2, 0, 1],
        &[("9F36", "0001")],
    ),
    (
        "IFB_LLLLBINARY",
        r#""org.jpos.iso.packager.DatasetPackager""#,
        r#"<isofield id="1" length="1" name="a" class="org.jpos.iso.IFB_BINARY"/>
               <isofield id="16" length="2" name="b" class="org.jpos.iso.IFB_NUMERIC"/>"#,
        // Bits 2 and 18: field 16 is the first behind the first bitmap.
        &[0x71, 0, 5, 0xC0, 0, 0x40, 0xAB, 0x12, 0x01, 0, 3, 0x95, 1, 0xFF],
        &[("71.2", "AB"), ("71.18", "12"), ("01.95", "FF")],
    ),
    (
        "IFB_LLLCHAR",
        r#""org.jpos.iso.packager.GenericSubFieldPackager""#,
        r#"<isofield id="0" length="3" name="a" class="org.jpos.iso.IFB_NUMERIC" pad="true"/>
               <isofield id="1" length="9" name="b" class="org.jpos.iso.IFE_LLCHAR"/>
               <isofield id="2" length="4" name="c" class="org.jpos.iso.IFB_LLHFBINARY"/>"#,
        b"\x01\x23\xF0\xF2\xC1\xC2\x02\xCA\xFE\0\0",
        &[("1", "123"), ("2", "AB"), ("3.1", "CAFE"), ("3.2", "0000")],
    ),
];

#[test]
fn jpos_packagers_inside_packagers_become_composites() {
    for (class, inside, fields, value, expected) in JPOS_CASES {
        let (text, _) = jpos_xml(&jpos(class, inside, fields)).unwrap_or_else(|error| panic!("{error}"));
        let dialect = Dialect::from_toml(&text).unwrap();
        if expected.is_empty() {
            // Bits 2 and 25, in 25 the bits 1 and 66 as digits, and two digits of an amount.
            let value = [value, &b"0348000000000000000400000000000000007"[..]].concat();
            parts(&dialect, &value, &[("2", "KEY"), ("25.66", "07")]);
        } else {
            parts(&dialect, value, expected);
        }
    }
}

#[test]
fn the_third_bitmap_of_a_jpos_packager_may_stand_in_a_field() {
    let xml = r#"<isopackager maxValidField="192" thirdBitmapField="65">
        <isofield id="0" length="4" name="MTI" class="org.jpos.iso.IFA_NUMERIC"/>
        <isofield id="1" length="16" name="BITMAP" class="org.jpos.iso.IFB_BITMAP"/>
        <isofield id="65" length="8" name="THIRD" class="org.jpos.iso.IFB_BINARY"/>
        <isofield id="130" length="2" name="x" class="org.jpos.iso.IFA_NUMERIC"/></isopackager>"#;
    let (text, warnings) = jpos_xml(xml).unwrap();
    assert_eq!(warnings, []);
    let dialect = Dialect::from_toml(&text).unwrap();
    let body = [
        &b"0100"[..],
        &[0x80, 0, 0, 0, 0, 0, 0, 0],
        &[0x80, 0, 0, 0, 0, 0, 0, 0],
        &[0x40, 0, 0, 0, 0, 0, 0, 0],
        b"42",
    ];
    let body = body.concat();
    let message = dialect.parse(&body).unwrap();
    assert_eq!((message.number(130), message.has(65)), (Some(42), true));
    assert_eq!(from_json(&dialect, &to_json(&message, Masking::Unmasked)).unwrap(), body);
}

/// Every class that packagers of jPOS use, by the packager that it needs.
const PLAIN_CLASSES: &str = "IFA_NUMERIC IFB_NUMERIC IFA_LLLCHAR IF_CHAR IFB_LLCHAR IFB_LLLLBINARY IFE_CHAR IFB_LLLCHAR \
    IFA_LLCHAR IFB_BINARY IFE_NUMERIC IFA_LLNUM IFA_BINARY IFB_LLNUM IFB_LLHNUM IFA_AMOUNT IFE_LLLCHAR IFB_LLHBINARY \
    IFB_AMOUNT IFB_LLHCHAR IFB_AMOUNT2003 IFB_LLHECHAR IFA_LLLBINARY IFE_LLCHAR IFB_LLLBINARY IFE_LLNUM IFB_LLBINARY \
    IFE_LLLBINARY IF_ECHAR IFA_LLBINARY IFB_LLLNUM IFE_BINARY IFE_LLBINARY IFEB_LLNUM IFA_LLLLCHAR IFB_LLLLCHAR \
    IFA_FLLCHAR IFA_FLLNUM IFA_LLLLLCHAR IFA_LLLLLLBINARY IFA_LLLNUM IFE_AMOUNT IFAE_LLCHAR IFA_AMOUNT2003 IFA_LBINARY \
    IFA_LCHAR IFA_LLABINARY IFA_LLBNUM IFA_LLLABINARY IFA_LLLLBINARY IFA_LLLLLBINARY IFA_LLLLLLCHAR IFB_FLLLNUM \
    IFB_FLLNUM IFB_FNUMERIC IFB_HEX IFB_LLHEX IFB_LLHFBINARY IFB_LLLHBINARY IFB_LLLHCHAR IFB_LLLHECHAR IFB_LLLHEX \
    IFB_LLLHNUM IFB_LLLLLLCHAR IFEA_LLCHAR IFEB_LLLNUM IFE_LBINARY IFE_LCHAR IFE_LLLEBINARY IFE_LLLLBINARY \
    IFE_LLLLCHAR IFE_LLLNUM IFE_LNUM IFE_SIGNED_NUMERIC IFMC_TCC IFEMC_TCC";
const TAGGED_CLASSES: &str = "IFEP_LLCHAR IFA_TTLLCHAR IFEP_LLLBINARY IFA_TTLLLCHAR IFA_TTLBINARY IFA_TTLCHAR IFA_TTLLBINARY \
    IFA_TTLLLBINARY IFA_TTLLLLBINARY IFA_TTLLLLCHAR IFA_TTTLLLCHAR IFELPE_LLLCHAR IFEMC_LLCHAR IFEMC_LLLCHAR \
    IFEPE_LLBINARY IFEPE_LLCHAR IFEPE_LLLCHAR IFEP_LLLCHAR IFIPM_LLLCHAR IFMC_LLBINARY IFMC_LLCHAR IFMC_LLLBINARY \
    IFMC_LLLCHAR";

/// The classes of `org.jpos.tlv.packager`: those that take the rest stand in composites only.
#[test]
fn classes_of_jpos_for_tagged_sequences_are_imported_or_named() {
    for (class, expected) in [("IF_FCHAR", "rest"), ("IF_FBINARY", "72657374"), ("IFA_FCHAR", "rest")] {
        let inner = format!(
            r#"<isofield id="1" length="2" name="x" class="IFA_NUMERIC"/><isofield id="2" length="99" name="y" class="{class}"/>"#
        );
        let xml = jpos("IFA_LLLCHAR", r#""GenericSubFieldPackager" emitBitmap="false""#, &inner);
        let dialect =
            Dialect::from_toml(&jpos_xml(&xml).unwrap_or_else(|e| panic!("{class}: {e}")).0).unwrap();
        parts(&dialect, b"07rest", &[("1", "07"), ("2", expected)]);
        let xml = jpos(class, r#""x""#, "").replace("isofieldpackager", "isofield");
        let Err(ImportError::Unknown { names }) = jpos_xml(&xml) else { panic!("{class} is imported") };
        assert!(names[0].contains(class) && names[0].contains("whatever is left"), "{names:?}");
    }
    let sequence = r#""org.jpos.tlv.packager.TaggedSequencePackager" token="00""#;
    let inner =
        r#"<isofield id="1" length="99" name="x" class="org.jpos.tlv.packager.IFTB_LLBINARY" token="01"/>"#;
    let (text, _) = jpos_xml(&jpos("IFA_LLLBINARY", sequence, inner)).unwrap_or_else(|e| panic!("{e}"));
    let dialect = Dialect::from_toml(&text).unwrap();
    parts(&dialect, b"01\x02\xAA\xBB", &[("01", "AABB")]);
    let inner = r#"<isofield id="1" length="9" name="x" class="IFB_LHBINARY"/>"#;
    let (text, _) = jpos_xml(&jpos("IFA_LLLBINARY", r#""GenericSubFieldPackager""#, inner)).unwrap();
    parts(&Dialect::from_toml(&text).unwrap(), b"\x02\xAA\xBB", &[("1", "AABB")]);
    let xml = jpos("X92_BITMAP", r#""x""#, "").replace("isofieldpackager", "isofield");
    let Err(ImportError::Unknown { names }) = jpos_xml(&xml) else { panic!("imported") };
    assert!(names[0].contains("X92_BITMAP"), "{names:?}");
}

#[test]
fn every_class_of_jpos_is_imported_or_named_with_the_reason() {
    for class in PLAIN_CLASSES.split_whitespace() {
        let xml = jpos(class, r#""org.jpos.tlv.packager.bertlv.BERTLVBinaryPackager""#, "")
            .replace("isofieldpackager", "isofield");
        let (text, _) = jpos_xml(&xml.replace(r#"length="255""#, r#"length="8""#))
            .unwrap_or_else(|e| panic!("{class}: {e}"));
        assert!(Dialect::from_toml(&text).unwrap().element(48).is_some(), "{class}");
        // The same as a part of a composite.
        let inner = format!(
            r#"<isofield id="0" length="8" name="B" class="IFB_BITMAP"/><isofield id="2" length="8" name="x" class="{class}"/>"#
        );
        let (text, _) = jpos_xml(&jpos("IFA_LLLBINARY", r#""GenericPackager""#, &inner))
            .unwrap_or_else(|e| panic!("{class}: {e}"));
        let dialect = Dialect::from_toml(&text).unwrap();
        assert_eq!(dialect.element(48).unwrap().inside().unwrap().parts().len(), 1, "{class}");
    }
    for class in TAGGED_CLASSES.split_whitespace() {
        let inner = format!(r#"<isofield id="2" length="8" name="x" class="{class}"/>"#);
        let (text, _) = jpos_xml(&jpos("IFA_LLLCHAR", r#""EuroSubFieldPackager""#, &inner))
            .unwrap_or_else(|e| panic!("{class}: {e}"));
        let dialect = Dialect::from_toml(&text).unwrap();
        assert_eq!(dialect.element(48).unwrap().inside().unwrap().parts().len(), 1, "{class}");
        // Outside a packager of tags it means nothing, and is named.
        let xml = jpos(class, r#""x""#, "").replace("isofieldpackager", "isofield");
        let Err(ImportError::Unknown { names }) = jpos_xml(&xml) else { panic!("{class} is imported") };
        assert!(names[0].contains(class), "{names:?}");
    }
    for class in ["IFA_BITMAP", "IFB_BITMAP", "IFE_BITMAP", "Base1_BITMAP126"] {
        let inner = format!(r#"<isofield id="0" length="8" name="x" class="{class}"/>"#);
        assert!(jpos_xml(&jpos("IFA_LLLCHAR", r#""Base1SubFieldPackager""#, &inner)).is_ok(), "{class}");
    }
    for class in ["IF_NOP", "IF_UNUSED"] {
        let xml = jpos(class, r#""x""#, "").replace("isofieldpackager", "isofield");
        let (text, _) = jpos_xml(&xml).unwrap();
        assert!(Dialect::from_toml(&text).unwrap().element(48).is_none(), "{class}");
    }
    for class in ["IF_TBASE", "IF_TCHAR", "IF_FSTCHAR", "IF_FSTBINARY"] {
        let xml = jpos(class, r#""x""#, "").replace("isofieldpackager", "isofield");
        let Err(ImportError::Unknown { names }) = jpos_xml(&xml) else { panic!("{class} is imported") };
        assert!(names[0].contains(class) && names[0].contains("ends at a character"), "{names:?}");
    }
    // Packagers that are programs are named, with what is unknown in them.
    let inner = r#"<isofield id="1" length="8" name="x" class="com.example.Odd"/>"#;
    let Err(ImportError::Unknown { names }) =
        jpos_xml(&jpos("IFA_LLLCHAR", r#""com.example.OwnPackager""#, inner))
    else {
        panic!("imported")
    };
    assert_eq!(names, ["field 48: packager com.example.OwnPackager", "field 48.1: class com.example.Odd"]);
    let mapper = r#""GenericTaggedFieldsPackager" tagMapper="com.example.Mapper""#;
    let inner = r#"<isofield id="1" length="8" name="x" class="IFA_TTLLCHAR"/>"#;
    let Err(ImportError::Unknown { names }) = jpos_xml(&jpos("IFA_LLLCHAR", mapper, inner)) else {
        panic!("imported")
    };
    assert_eq!(names, ["field 48: tagMapper com.example.Mapper"]);
}

/// A specification with one field.
fn moov(field: &str) -> String {
    format!(
        r#"{{"name": "x", "fields": {{"0": {{"type": "String", "length": 4, "enc": "ASCII", "prefix": "ASCII.Fixed"}},
        "1": {{"type": "Bitmap", "enc": "Binary", "prefix": "Binary.Fixed"}}, "48": {field}}}}}"#
    )
}

const MOOV_CASES: [(&str, &[u8], Values); 7] = [
    (
        r#"{"type": "Composite", "length": 255, "prefix": "ASCII.LLL", "tag": {"length": 2, "enc": "ASCII",
                "padding": {"type": "Left", "pad": "0"}, "sort": "StringsByInt", "skipUnknownTLVTags": true},
                "subfields": {"1": {"type": "String", "length": 9, "enc": "ASCII", "prefix": "ASCII.LL"},
                "12": {"type": "Numeric", "length": 9, "enc": "ASCII", "prefix": "ASCII.LL"}}}"#,
        b"0102hi1203007770x",
        &[],
    ),
    (
        r#"{"type": "Composite", "length": 255, "prefix": "Hex.LL", "tag": {"length": 2, "enc": "BCD", "sort": "StringsByInt",
                "skipUnknownTLVTags": true, "storeUnknownTLVTags": true, "prefUnknownTLV": "Binary.L"},
                "subfields": {"01": {"type": "Numeric", "length": 3, "enc": "LBCD", "prefix": "BCD.Fixed"},
                "02": {"type": "Hex", "length": 9, "enc": "Binary", "prefix": "Binary.L"}}}"#,
        &[0x01, 0x12, 0x30, 0x02, 2, 0xAB, 0xCD, 0x99, 1, 7],
        &[("01", "123"), ("02", "ABCD"), ("99", "07")],
    ),
    (
        r#"{"type": "Composite", "length": 255, "prefix": "ASCII.LLL", "tag": {"sort": "StringsByInt"},
                "subfields": {"1": {"type": "String", "length": 9, "enc": "EBCDIC", "prefix": "EBCDIC.LL"},
                "2": {"type": "Binary", "length": 2, "enc": "HexToASCII", "prefix": "Hex.Fixed"},
                "3": {"type": "String", "length": 99, "enc": "ASCII", "prefix": "None.Fixed"}}}"#,
        b"\xF0\xF2\xC1\xC2BEEFrest",
        &[("1", "AB"), ("2", "BEEF"), ("3", "rest")],
    ),
    (
        r#"{"type": "Composite", "length": 255, "prefix": "BCD.LLL", "bitmap": {"type": "Bitmap", "length": 8, "enc": "HexToASCII",
                "prefix": "Hex.Fixed", "disableAutoExpand": true}, "subfields":
                {"1": {"type": "String", "length": 2, "enc": "ASCII", "prefix": "ASCII.Fixed"},
                "3": {"type": "String", "length": 9, "enc": "ASCII", "prefix": "Hex.L"}}}"#,
        b"A000000000000000hi0AabcdefghiX",
        &[],
    ),
    (
        r#"{"type": "Composite", "length": 255, "prefix": "Binary.LL", "tag": {"enc": "BerTLVTag", "sort": "StringsByHex"},
                "subfields": {"9F02": {"type": "Numeric", "length": 12, "enc": "BCD", "prefix": "BerTLV"},
                "5A": {"type": "Hex", "length": 10, "enc": "Binary", "prefix": "BerTLV"}}}"#,
        &[0x9F, 2, 6, 0, 0, 0, 0, 0x12, 0x34, 0x5A, 2, 0x12, 0x34, 0x82, 1, 0xFF],
        &[("9F02", "000000001234"), ("5A", "1234"), ("82", "FF")],
    ),
    (
        r#"{"type": "Composite", "length": 255, "prefix": "ASCII.LLL", "tag": {"length": 2, "enc": "ASCII", "sort": "StringsByInt"},
                "subfields": {"01": {"type": "Composite", "length": 99, "prefix": "ASCII.LL", "tag": {"length": 1, "enc": "ASCII", "sort": "StringsByInt"},
                "subfields": {"A": {"type": "String", "length": 9, "enc": "ASCII", "prefix": "ASCII.L"}}}}}"#,
        b"0104A2hi",
        &[("01.A", "hi")],
    ),
    (r#"{"type": "String", "length": 9, "enc": "ASCIIToHex", "prefix": "Binary.L"}"#, &[0xAB, 0xCD], &[]),
];

#[test]
fn moov_composites_become_composites() {
    for (index, (field, value, expected)) in MOOV_CASES.into_iter().enumerate() {
        let (text, warnings) = moov_json(&moov(field)).unwrap_or_else(|error| panic!("{index}: {error}"));
        assert_eq!(warnings, [], "{index}");
        let dialect = Dialect::from_toml(&text).unwrap();
        match index {
            // Unknown tags have the length that all others have.
            0 => parts(&dialect, b"0102hi12030077703abc", &[("01", "hi"), ("12", "007"), ("77", "abc")]),
            // Bits 1 and 3; the length 09 is in hexadecimal digits.
            3 => parts(&dialect, b"A000000000000000hi09abcdefghi", &[("1", "hi"), ("3", "abcdefghi")]),
            6 => {
                let body = [&b"0100"[..], &[0, 0, 0, 0, 0, 1, 0, 0], &[2], value].concat();
                assert_eq!(dialect.parse(&body).unwrap().bytes(48), Some(value));
            }
            _ => parts(&dialect, value, expected),
        }
    }
    // Two bytes of length as four digits.
    let (text, _) =
        moov_json(&moov(r#"{"type": "String", "length": 300, "enc": "ASCII", "prefix": "Hex.LL"}"#)).unwrap();
    let dialect = Dialect::from_toml(&text).unwrap();
    let body = [&b"0100"[..], &[0, 0, 0, 0, 0, 1, 0, 0], b"0103", &[b'x'; 259]].concat();
    assert_eq!(dialect.parse(&body).unwrap().value_len(48), Some(259));
    assert_eq!(
        from_json(&dialect, &to_json(&dialect.parse(&body).unwrap(), Masking::Unmasked)).unwrap(),
        body
    );
}

#[test]
fn what_is_not_known_in_a_composite_is_named() {
    let field = r#"{"type": "Composite", "length": 255, "prefix": "ASCII.LLL", "tag": {"length": 2, "enc": "Odd", "sort": "ByMoon", "colour": 1},
        "subfields": {"01": {"type": "String", "length": 9, "enc": "ASCII", "prefix": "ASCII.LL", "shape": 1}}}"#;
    let Err(ImportError::Unknown { names }) = moov_json(&moov(field)) else { panic!("imported") };
    for needle in ["field 48: key colour of tag", "sort ByMoon", "enc Odd of tag", "field 48.01: key shape"] {
        assert!(names.iter().any(|name| name.contains(needle)), "{needle} in {names:?}");
    }
    for field in [
        r#"{"type": "Composite", "length": 9, "prefix": "ASCII.LLL"}"#,
        r#"{"type": "Composite", "length": 9, "prefix": "ASCII.LLL", "tag": {"sort": "StringsByInt"}, "bitmap": {}}"#,
        r#"{"type": "String", "length": 9, "enc": "ASCII", "prefix": "None.Fixed"}"#,
        r#"{"type": "String", "length": 9, "enc": "ASCII", "prefix": "BerTLV"}"#,
    ] {
        assert!(matches!(moov_json(&moov(field)), Err(ImportError::Unknown { .. })), "{field}");
    }
}

/// Files that use every kind of packager and composite.
fn files() -> Vec<(bool, String)> {
    let inner = r#"<isofield id="0" length="8" name="B" class="IFB_BITMAP"/><isofield id="2" length="8" name="x" class="IFA_LLCHAR"/>
        <isofieldpackager id="3" length="90" name="y" class="IFB_LLBINARY" packager="GenericSubFieldPackager">
        <isofield id="0" length="3" name="a" class="IFB_NUMERIC"/><isofield id="1" length="4" name="b" class="IFB_LLHFBINARY"/></isofieldpackager>"#;
    let tagged = r#"<isofield id="0" length="1" name="T" class="IFMC_TCC"/><isofield id="2" length="8" name="x" class="IFMC_LLCHAR"/>
        <isofield id="3" length="8" name="x" class="IFMC_LLLBINARY"/>"#;
    let moov_tagged = r#"{"type": "Composite", "length": 255, "prefix": "Hex.LL", "tag": {"length": 2, "enc": "BCD", "sort": "StringsByInt",
        "prefUnknownTLV": "Binary.L"}, "subfields": {"01": {"type": "Numeric", "length": 3, "enc": "LBCD", "prefix": "BCD.Fixed"},
        "02": {"type": "Composite", "length": 9, "prefix": "Binary.L", "bitmap": {"length": 2, "enc": "Binary"},
        "subfields": {"2": {"type": "Hex", "length": 2, "enc": "Binary", "prefix": "Binary.Fixed"}}}}}"#;
    vec![
        (true, jpos("IFA_LLLBINARY", r#""GenericPackager""#, inner)),
        (true, jpos("IFA_LLLCHAR", r#""EuroSubFieldPackager""#, tagged)),
        (true, jpos("IFA_LLLCHAR", r#""BERTLVAsciiHexPackager""#, "")),
        (
            true,
            jpos(
                "IFB_LLLLBINARY",
                r#""DatasetPackager""#,
                r#"<isofield id="1" length="1" name="a" class="IFB_BINARY"/>"#,
            ),
        ),
        (false, moov(moov_tagged)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_spoiled_file_panics_an_importer(
        choice in 0..5usize,
        spoils in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
        value in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let (is_jpos, file) = files().swap_remove(choice);
        let mut file = file.into_bytes();
        for (from, to) in spoils {
            // Copies of the file's own bytes keep it closer to a file than others would.
            let byte = file[from.index(file.len())];
            let at = to.index(file.len());
            file[at] = byte;
        }
        // A message with element 48 of as many bytes as there are, as far as its prefix is in characters.
        let head = format!("{:03}", value.len());
        let message = [&b"0100"[..], &[0, 0, 0, 0, 0, 1, 0, 0], head.as_bytes(), &value].concat();
        let input = [&file[..], &[0], &message[..]].concat();
        if is_jpos { fuzzing::import_jpos(&input) } else { fuzzing::import_moov(&input) }
    }
}
