//! Messages for people: one line an element, with its name and what its codes mean.

use std::fmt::Write as _;

mod chip;

pub use chip::{tag_name, tag_name_zh};

use crate::dialect::{Element, Length};
use crate::pans::Pans;
use crate::typed::Currency;
use crate::{
    De, Envelope, Masking, Message, Mti, MtiClass, MtiFunction, MtiVersion, ParseError, composite, render,
};

/// The message in several lines.
///
/// Control characters are escaped, so that a message cannot write to the terminal or forge a log line.
pub fn describe(message: &Message<'_, '_>, masking: Masking) -> String {
    describe_with(message, &Envelope::default(), None, masking)
}

/// The message with what stood before it, and with the error that stopped the parser, if any.
pub fn describe_with(
    message: &Message<'_, '_>,
    envelope: &Envelope,
    error: Option<&ParseError>,
    masking: Masking,
) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_head(&mut out, message, envelope);
    for de in message.elements() {
        let _ = write_element(&mut out, message, de, masking);
    }
    if let Some(error) = error {
        let _ = writeln!(out, "  error   {error}");
    }
    Pans::of(message, masking).hide(out)
}

/// `financial request (1987)`: what a message type means.
pub fn describe_mti(mti: Mti) -> String {
    let version = match mti.version() {
        MtiVersion::Iso1987 => "1987",
        MtiVersion::Iso1993 => "1993",
        MtiVersion::Iso2003 => "2003",
        MtiVersion::Other(_) => "private",
    };
    let class = match mti.class() {
        MtiClass::Authorization => "authorization",
        MtiClass::Financial => "financial",
        MtiClass::FileAction => "file action",
        MtiClass::Reversal => "reversal",
        MtiClass::Reconciliation => "reconciliation",
        MtiClass::Administrative => "administrative",
        MtiClass::Fee => "fee collection",
        MtiClass::Network => "network management",
        MtiClass::Other(_) => "reserved class",
    };
    let function = match mti.function() {
        MtiFunction::Request => "request",
        MtiFunction::Response => "response",
        MtiFunction::Advice => "advice",
        MtiFunction::AdviceResponse => "advice response",
        MtiFunction::Notification => "notification",
        MtiFunction::NotificationAck => "notification acknowledgement",
        MtiFunction::Instruction => "instruction",
        MtiFunction::InstructionAck => "instruction acknowledgement",
        MtiFunction::Other(_) => "reserved function",
    };
    let repeat = if mti.is_repeat() { ", repeat" } else { "" };
    format!("{class} {function}{repeat} ({version})")
}

/// `金融类请求(1987)`: the same in Chinese.
pub fn describe_mti_zh(mti: Mti) -> String {
    let version = match mti.version() {
        MtiVersion::Iso1987 => "1987",
        MtiVersion::Iso1993 => "1993",
        MtiVersion::Iso2003 => "2003",
        MtiVersion::Other(_) => "自定义",
    };
    let class = match mti.class() {
        MtiClass::Authorization => "授权类",
        MtiClass::Financial => "金融类",
        MtiClass::FileAction => "文件更新类",
        MtiClass::Reversal => "冲正类",
        MtiClass::Reconciliation => "对账类",
        MtiClass::Administrative => "管理类",
        MtiClass::Fee => "收费类",
        MtiClass::Network => "网络管理类",
        MtiClass::Other(_) => "保留类",
    };
    let function = match mti.function() {
        MtiFunction::Request => "请求",
        MtiFunction::Response => "请求应答",
        MtiFunction::Advice => "通知",
        MtiFunction::AdviceResponse => "通知应答",
        MtiFunction::Notification => "告知",
        MtiFunction::NotificationAck => "告知确认",
        MtiFunction::Instruction => "指令",
        MtiFunction::InstructionAck => "指令确认",
        MtiFunction::Other(_) => "保留",
    };
    let repeat = if mti.is_repeat() { ",重发" } else { "" };
    format!("{class}{function}{repeat}({version})")
}

fn write_head(out: &mut String, message: &Message<'_, '_>, envelope: &Envelope) -> std::fmt::Result {
    let dialect = message.dialect();
    write!(out, "{} {}", message.mti(), describe_mti(message.mti()))?;
    // A dialect that has Chinese names for its elements is read by people who want one for the message.
    if dialect.element(2).is_some_and(|element| element.name_zh().is_some()) {
        write!(out, " {}", describe_mti_zh(message.mti()))?;
    }
    write!(out, " · {}", dialect.name())?;
    if let Some(transaction) = dialect.transaction_of(message) {
        write!(out, " · {}{}", transaction.name, zh(transaction.name_zh.as_deref()))?;
    }
    out.push('\n');
    for (name, part) in envelope.parts() {
        writeln!(out, "  {name:<7} {}", render::hex(part))?;
    }
    if let Some(cups) = &envelope.cups {
        let (destination, source) = (cups.destination().escape_ascii(), cups.source().escape_ascii());
        write!(out, "    from {source} to {destination}, batch {}", cups.batch_number())?;
        match cups.reject_code() {
            Some(code) => writeln!(out, ", sent back with {code:05}")?,
            None => out.push('\n'),
        }
    }
    Ok(())
}

fn write_element(out: &mut String, message: &Message<'_, '_>, de: De, masking: Masking) -> std::fmt::Result {
    let dialect = message.dialect();
    let Some(element) = dialect.element(de) else { return Ok(()) };
    let value = render::element(message, de, masking).map(render::Rendered::into_string).unwrap_or_default();
    write!(out, "  {de:<7} {}{}: {}", element.name(), zh(element.name_zh()), escaped(&value))?;
    match currency(element, &value) {
        Some((en, zh)) => writeln!(out, " — {en} {zh}")?,
        None => write_meaning(out, message, &de.to_string(), &value)?,
    }
    for (index, (spec, value)) in message.subfields(de).enumerate() {
        let path = format!("{de}.{}", index + 1);
        let value = render::subfield(spec, &value, masking);
        write!(out, "    {path:<7} {}{}: {}", spec.name, zh(spec.name_zh.as_deref()), escaped(&value))?;
        write_meaning(out, message, &path, &value)?;
    }
    write_parts(out, message, de, masking)
}

/// The currency of an element that holds nothing else; dialects have no table for it.
fn currency(element: &Element, value: &str) -> Option<(&'static str, &'static str)> {
    let is_code = matches!(element.de(), 49..=51) && element.length() == Length::Fixed(3);
    if is_code { Currency::parse(value.as_bytes())?.names() } else { None }
}

fn write_meaning(out: &mut String, message: &Message<'_, '_>, path: &str, value: &str) -> std::fmt::Result {
    if let Some(meaning) = message.dialect().meaning(path, value.trim_end()) {
        write!(out, " — {}{}", meaning.en, zh(meaning.zh.as_deref()))?;
    }
    out.push('\n');
    Ok(())
}

fn write_parts(out: &mut String, message: &Message<'_, '_>, de: De, masking: Masking) -> std::fmt::Result {
    let mut paths = composite::Paths::of(de);
    for part in message.parts(de) {
        let part = match part {
            Ok(part) => part,
            Err(error) => return writeln!(out, "    error: {error}"),
        };
        let indent = part.depth() * 2 + 4;
        let path = paths.next(&part);
        let name = if part.spec().is_none() && part.name().is_empty() { "unknown tag" } else { part.name() };
        let value = part.render(masking).into_string();
        let key = escaped(&part.key().to_string());
        let tag = part.ber_tag().filter(|_| part.spec().is_none());
        let name_zh = part.name_zh().or_else(|| tag.and_then(chip::tag_name_zh));
        write!(out, "{:indent$}{key} {name}{}: {}", "", zh(name_zh), escaped(&value))?;
        write_meaning(out, message, &path, &value)?;
        for (en, zh) in tag.map(|tag| chip::meanings(tag, &value)).unwrap_or_default() {
            writeln!(out, "{:indent$}  · {en} {zh}", "")?;
        }
    }
    Ok(())
}

fn zh(name: Option<&str>) -> String {
    name.map(|name| format!(" {name}")).unwrap_or_default()
}

/// Escapes control characters and nothing else: Chinese stays readable.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
