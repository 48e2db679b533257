//! ISO 20022 pain.001.001.09, customer credit transfer initiation, with CNAPS members.

use super::text::{compact_date, decimal, iso_time, xml_text};
use super::{Leg, RenderContext, RenderedFile};
use crate::error::SettleError;
use crate::plan::{DayPlan, MerchantNet, Totals};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::io;
use switchyard_domain::{BankAccount, Currency};

type Xml = Writer<Vec<u8>>;

/// `MsgId` of a currency's file: the same for every rendering, so that a bank refuses it twice.
pub fn message_id(plan: &DayPlan, currency: Currency) -> String {
    let day = compact_date(plan.day());
    format!("SW{}-{:03}-{day}-{currency}", plan.acquirer(), plan.partition())
}

/// `EndToEndId` of a payout. It ends in the attempt: another one is made only after a rejection or return.
pub fn end_to_end_id(plan: &DayPlan, net: &MerchantNet) -> String {
    let day = compact_date(plan.day());
    format!("{day}-{:03}-{:010}-{}-01", plan.partition(), net.merchant.0, net.currency)
}

/// The file of one currency that has payouts.
pub(super) fn render(
    plan: &DayPlan,
    context: &RenderContext,
    totals: &Totals,
) -> Result<RenderedFile, SettleError> {
    let currency = totals.currency;
    demand_account(&context.debtor).map_err(|what| SettleError::Payer { what })?;
    if xml_text(&context.acquirer_name, 140).is_empty() {
        return Err(SettleError::Payer { what: "an empty name" });
    }
    for Leg { net } in Leg::all(plan, currency) {
        let fault = match currency.alpha() {
            None => Err("a currency without an alphabetic code"),
            Some(_) => demand_account(&net.account),
        };
        fault.map_err(|what| SettleError::NotPayable { merchant: net.merchant, what })?;
    }
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 1);
    document(&mut xml, plan, context, totals).expect("a vector takes every write");
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    Ok(RenderedFile::new(format!("pain.001-{currency}.xml"), bytes))
}

fn demand_account(account: &BankAccount) -> Result<(), &'static str> {
    let printable = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    if xml_text(&account.holder, 140).is_empty() {
        return Err("an account without a holder");
    }
    if !(1..=34).contains(&account.number.len()) || !printable(&account.number) {
        return Err("an account number that is not 1 to 34 characters");
    }
    if account.cnaps.len() != 12 || !account.cnaps.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a bank code that is not 12 digits");
    }
    Ok(())
}

fn text(xml: &mut Xml, tag: &str, value: &str) -> io::Result<()> {
    xml.create_element(tag).write_text_content(BytesText::new(value)).map(drop)
}
fn within(xml: &mut Xml, tag: &str, content: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<()> {
    xml.create_element(tag).write_inner_content(content).map(drop)
}

fn document(xml: &mut Xml, plan: &DayPlan, context: &RenderContext, totals: &Totals) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let document = xml.create_element("Document");
    let document = document.with_attribute(("xmlns", "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"));
    document.write_inner_content(|xml| {
        within(xml, "CstmrCdtTrfInitn", |xml| {
            within(xml, "GrpHdr", |xml| group_header(xml, plan, context, totals))?;
            within(xml, "PmtInf", |xml| payments(xml, plan, context, totals))
        })
    })?;
    Ok(())
}

fn control_sums(xml: &mut Xml, totals: &Totals) -> io::Result<()> {
    let sum = i128::try_from(totals.payout_minor).unwrap_or(i128::MAX);
    text(xml, "NbOfTxs", &totals.payouts.to_string())?;
    text(xml, "CtrlSum", &decimal(sum, totals.currency.exponent()))
}

fn group_header(xml: &mut Xml, plan: &DayPlan, context: &RenderContext, totals: &Totals) -> io::Result<()> {
    text(xml, "MsgId", &message_id(plan, totals.currency))?;
    text(xml, "CreDtTm", &iso_time(plan.cut_at(), plan.offset()))?;
    control_sums(xml, totals)?;
    within(xml, "InitgPty", |xml| {
        text(xml, "Nm", &xml_text(&context.acquirer_name, 140))?;
        within(xml, "Id", |xml| {
            within(xml, "OrgId", |xml| within(xml, "Othr", |xml| text(xml, "Id", plan.acquirer().as_str())))
        })
    })
}

fn payments(xml: &mut Xml, plan: &DayPlan, context: &RenderContext, totals: &Totals) -> io::Result<()> {
    let currency = totals.currency;
    text(xml, "PmtInfId", &format!("{}-1", message_id(plan, currency)))?;
    text(xml, "PmtMtd", "TRF")?;
    control_sums(xml, totals)?;
    within(xml, "ReqdExctnDt", |xml| text(xml, "Dt", &plan.next_day().to_string()))?;
    within(xml, "Dbtr", |xml| text(xml, "Nm", &xml_text(&context.acquirer_name, 140)))?;
    within(xml, "DbtrAcct", |xml| {
        account_id(xml, &context.debtor)?;
        text(xml, "Ccy", &currency.to_string())?;
        text(xml, "Nm", &xml_text(&context.debtor.holder, 70))
    })?;
    within(xml, "DbtrAgt", |xml| agent(xml, &context.debtor))?;
    text(xml, "ChrgBr", "DEBT")?;
    for Leg { net } in Leg::all(plan, currency) {
        within(xml, "CdtTrfTxInf", |xml| payment(xml, plan, net))?;
    }
    Ok(())
}

fn payment(xml: &mut Xml, plan: &DayPlan, net: &MerchantNet) -> io::Result<()> {
    within(xml, "PmtId", |xml| text(xml, "EndToEndId", &end_to_end_id(plan, net)))?;
    within(xml, "Amt", |xml| {
        let amount = decimal(i128::from(net.payout_minor), net.currency.exponent());
        let currency = net.currency.to_string();
        let element = xml.create_element("InstdAmt").with_attribute(("Ccy", currency.as_str()));
        element.write_text_content(BytesText::new(&amount)).map(drop)
    })?;
    within(xml, "CdtrAgt", |xml| agent(xml, &net.account))?;
    within(xml, "Cdtr", |xml| text(xml, "Nm", &xml_text(&net.account.holder, 140)))?;
    within(xml, "CdtrAcct", |xml| account_id(xml, &net.account))?;
    within(xml, "RmtInf", |xml| text(xml, "Ustrd", &xml_text(&format!("{} {}", net.id, plan.day()), 140)))
}

fn account_id(xml: &mut Xml, account: &BankAccount) -> io::Result<()> {
    within(xml, "Id", |xml| within(xml, "Othr", |xml| text(xml, "Id", &account.number)))
}

/// A bank by its number in China's national payment system; `CNAPS` is its name in ISO's external code list.
fn agent(xml: &mut Xml, account: &BankAccount) -> io::Result<()> {
    within(xml, "FinInstnId", |xml| {
        within(xml, "ClrSysMmbId", |xml| {
            within(xml, "ClrSysId", |xml| text(xml, "Cd", "CNAPS"))?;
            text(xml, "MmbId", &account.cnaps)
        })
    })
}
