//! Every code that an operator can meet has its page, and no page is left of one that is gone.

use std::collections::BTreeSet;
use std::io;

use switchyard_ledger::{
    BlockNumber, Epoch, Error, Fault, Finding, LedgerId, Measure, Partition, SegmentNumber,
};

const ERRORS: &str = include_str!("../../src/error.rs");
const PAGE: &str = include_str!("../../../../docs/errors.md");

/// Every `SW-L…` in a text.
fn codes(text: &str, before: &str, after: &str) -> BTreeSet<String> {
    let found = text.match_indices(before).map(|(at, _)| &text[at + before.len()..]);
    let code = |rest: &str| rest.split_once(after).map(|(code, _)| code.to_owned());
    found.filter_map(code).filter(|code| code.starts_with("SW-L") && code.len() == 7).collect()
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let (in_source, in_docs) = (codes(ERRORS, "\"", "\""), codes(PAGE, "### ", ":"));
    assert!(in_source.len() >= 15, "{in_source:?}");
    assert_eq!(in_source, in_docs);
    for code in &in_docs {
        let (_, rest) = PAGE.split_once(&format!("### {code}: ")).unwrap();
        let page = rest.split("###").next().unwrap();
        assert!(page.len() > 80, "{code} says what to do");
    }
}

#[test]
fn codes_are_what_they_were() {
    let path = || "x".into();
    let finding =
        Finding { segment: SegmentNumber(1), offset: 0, block: BlockNumber(0), what: Fault::ArchiveMissing };
    let rows = [
        (Error::Locked { path: path() }, "SW-L001"),
        (Error::NoSpace { need_bytes: 1, free_bytes: 0 }, "SW-L002"),
        (Error::Corrupt(finding), "SW-L003"),
        (Error::Poisoned, "SW-L004"),
        (Error::Conflict { epoch: Epoch(2) }, "SW-L005"),
        (Error::TooLarge { what: Measure::RecordBytes, have: 2, max: 1 }, "SW-L006"),
        (Error::WrongPartition { expected: Partition(0), found: Partition(1) }, "SW-L007"),
        (Error::Missing { path: path() }, "SW-L008"),
        (Error::BadOption { name: "x", have: 0, min: 1, max: 2 }, "SW-L009"),
        (Error::Io { op: "read", path: path(), source: io::ErrorKind::NotFound.into() }, "SW-L010"),
        (Error::Backup { path: path() }, "SW-L011"),
        (Error::Exists { path: path() }, "SW-L012"),
        (Error::Beyond { need: 2, have: 1 }, "SW-L013"),
        (Error::SameLedger { ledger_id: LedgerId([0; 16]) }, "SW-L014"),
        (Error::NoDirect { path: path() }, "SW-L015"),
    ];
    for (error, code) in rows {
        assert_eq!(error.code(), code, "{error}");
    }
}
