//! What the bank and the merchants get.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::BTreeMap;
use support::*;
use switchyard_domain::*;
use switchyard_settlement::files::{RenderContext, RenderedFile, render};
use switchyard_settlement::{DayPlan, SettleError};

fn day() -> DayPlan {
    let mut log = Log::new();
    log.plan(china(1));
    let names = ["老王面馆", "=cmd|' /C calc'!A0", "A&B <shop>"];
    let merchants = names.map(|name| log.merchant(name, 1));
    for (index, merchant) in merchants.into_iter().enumerate() {
        let sale = log.sale(merchant, CardClass::Debit, 10_000 * (index as u64 + 1));
        log.refund(&sale, 2_500);
        let voided = log.sale(merchant, CardClass::Credit, 999);
        log.void(&voided);
    }
    let last = log.sale(merchants[2], CardClass::Foreign, 1);
    log.reverse(&last, TransactionKind::Sale);
    let poor = log.merchant("poor", 1);
    let sale = log.sale(poor, CardClass::Debit, 500);
    log.void(&sale);
    log.close()
}

fn named<'a>(files: &'a [RenderedFile], name: &str) -> &'a RenderedFile {
    files.iter().find(|file| file.name == name).unwrap()
}

/// Path → texts, in document order.
fn leaves(xml: &[u8]) -> BTreeMap<String, Vec<String>> {
    let mut reader = Reader::from_reader(xml);
    let mut path: Vec<String> = Vec::new();
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut text = String::new();
    let mut buffer = Vec::new();
    loop {
        match reader.read_event_into(&mut buffer).unwrap() {
            Event::Start(start) => {
                path.push(start.name().as_ref().to_owned());
                text.clear();
            }
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(name) => text.push_str(match &*name {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "apos" => "'",
                "quot" => "\"",
                other => panic!("{other}"),
            }),
            Event::End(_) => {
                if !text.trim().is_empty() {
                    out.entry(path.join("/")).or_default().push(text.clone());
                }
                text.clear();
                path.pop();
            }
            Event::Eof => return out,
            _ => {}
        }
    }
}

#[test]
fn payment_file_has_a_leg_for_each_payout_and_their_control_sums() {
    let plan = day();
    let files = files(&plan);
    let leaves = leaves(&named(&files, "pain.001-CNY.xml").bytes);
    let root = "Document/CstmrCdtTrfInitn";
    let of = |path: &str| leaves[&format!("{root}/{path}")].clone();
    // 10000 - 2500 - (35 - 9), 20000 - 2500 - 61, 30000 - 2500 - 96
    assert_eq!(of("PmtInf/CdtTrfTxInf/Amt/InstdAmt"), ["74.74", "174.39", "274.04"]);
    for holder in ["GrpHdr", "PmtInf"] {
        assert_eq!(of(&format!("{holder}/NbOfTxs")), ["3"]);
        assert_eq!(of(&format!("{holder}/CtrlSum")), ["523.17"]);
    }
    assert_eq!(of("GrpHdr/MsgId"), ["SW12345678-000-20241004-CNY"]);
    assert_eq!(of("PmtInf/ReqdExctnDt/Dt"), ["2024-10-05"]);
    assert_eq!(of("PmtInf/CdtTrfTxInf/PmtId/EndToEndId")[2], "20241004-000-0000000002-CNY-01");
    assert_eq!(of("PmtInf/CdtTrfTxInf/CdtrAgt/FinInstnId/ClrSysMmbId/ClrSysId/Cd")[0], "CNAPS");
    assert_eq!(of("PmtInf/CdtTrfTxInf/CdtrAgt/FinInstnId/ClrSysMmbId/MmbId")[0], "102100099996");
    assert_eq!(of("PmtInf/CdtTrfTxInf/CdtrAcct/Id/Othr/Id")[1], "6222000000000001");
    assert_eq!(of("PmtInf/CdtTrfTxInf/Cdtr/Nm")[0], "某某公司 & 儿子");
    assert!(of("GrpHdr/CreDtTm")[0].ends_with("+08:00"));
}

#[test]
fn statement_columns_sum_up_to_the_summary() {
    let plan = day();
    let files = files(&plan);
    let minor = |text: &str| text.replace('.', "").parse::<i128>().unwrap();
    let summary = rows(named(&files, "summary.csv"));
    assert_eq!(summary.len(), 4);
    assert_eq!(summary[1]["name"], "'=cmd|' /C calc'!A0");
    for row in &summary {
        let statement = rows(named(&files, &format!("merchant-{}.csv", row["merchant"])));
        assert_eq!(statement.len(), row["lines"].parse::<usize>().unwrap());
        let sum = |column: &str| statement.iter().map(|row| minor(&row[column])).sum::<i128>();
        assert_eq!(sum("amount"), minor(&row["sales"]) - minor(&row["refunds"]));
        assert_eq!(sum("fee"), minor(&row["fees"]));
        assert_eq!(sum("net") + minor(&row["carry_in"]), minor(&row["net"]));
        assert_eq!(minor(&row["payout"]) + minor(&row["carry_out"]), minor(&row["net"]));
    }
    let first = &rows(named(&files, "merchant-898100054100000.csv"))[1];
    assert_eq!(first["kind"], "refund");
    assert_eq!((first["amount"].as_str(), first["fee"].as_str()), ("-25.00", "-0.09"));
    assert_eq!(first["net"], "-24.91", "a negative number stays a number");
    let json = String::from_utf8(named(&files, "summary.json").bytes.clone()).unwrap();
    assert!(json.contains("\"payout_minor\": 52317"), "{json}");
}

#[test]
fn two_runs_give_the_same_bytes() {
    let [first, second] = [day(), day()].map(|plan| files(&plan));
    assert_eq!(first, second);
    let names: Vec<_> = first.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names[..3], ["pain.001-CNY.xml", "summary.csv", "summary.json"]);
    assert_eq!(names.len(), 7);
}

#[test]
fn an_account_that_cannot_stand_in_the_file_is_named_before_anything_is_written() {
    let plan = day();
    let context = RenderContext { debtor: BankAccount { cnaps: "1".into(), ..account("1") }, ..context() };
    assert!(matches!(render(&plan, &context).next(), Some(Err(SettleError::Payer { .. }))));
    let mut log = Log::new();
    log.plan(china(1));
    let merchant = log.merchant("m", 1);
    for stamped in &mut log.records {
        if let Record::MerchantRegistered(merchant) = &mut stamped.record {
            merchant.account.number.clear();
        }
    }
    log.sale(merchant, CardClass::Debit, 500);
    let day = log.cut();
    let plan = log.try_plan(day).unwrap();
    let context = support::context();
    assert!(matches!(render(&plan, &context).next(), Some(Err(SettleError::NotPayable { .. }))));
}
