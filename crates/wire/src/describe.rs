//! Messages for people: one line an element, with its name and what its codes mean.

use std::fmt::Write as _;

use crate::pans::Pans;
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

fn write_head(out: &mut String, message: &Message<'_, '_>, envelope: &Envelope) -> std::fmt::Result {
    let dialect = message.dialect();
    write!(out, "{} {} · {}", message.mti(), describe_mti(message.mti()), dialect.name())?;
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
    write_meaning(out, message, &de.to_string(), &value)?;
    for (index, (spec, value)) in message.subfields(de).enumerate() {
        let path = format!("{de}.{}", index + 1);
        let value = render::subfield(spec, &value, masking);
        write!(out, "    {path:<7} {}{}: {}", spec.name, zh(spec.name_zh.as_deref()), escaped(&value))?;
        write_meaning(out, message, &path, &value)?;
    }
    write_parts(out, message, de, masking)
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
        write!(out, "{:indent$}{key} {name}{}: {}", "", zh(part.name_zh()), escaped(&value))?;
        write_meaning(out, message, &path, &value)?;
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

/// The name of a chip data tag.
pub fn tag_name(tag: u32) -> Option<&'static str> {
    TAGS.iter().find(|(known, _)| *known == tag).map(|(_, name)| *name)
}

const TAGS: &[(u32, &str)] = &[
    (0x4F, "application identifier"),
    (0x50, "application label"),
    (0x56, "track 1 data"),
    (0x57, "track 2 equivalent data"),
    (0x5A, "application PAN"),
    (0x5F20, "cardholder name"),
    (0x5F24, "application expiration date"),
    (0x5F25, "application effective date"),
    (0x5F28, "issuer country code"),
    (0x5F2A, "transaction currency code"),
    (0x5F34, "PAN sequence number"),
    (0x71, "issuer script template 1"),
    (0x72, "issuer script template 2"),
    (0x82, "application interchange profile"),
    (0x84, "dedicated file name"),
    (0x86, "issuer script command"),
    (0x89, "authorization code"),
    (0x8A, "authorization response code"),
    (0x8E, "cardholder verification method list"),
    (0x91, "issuer authentication data"),
    (0x95, "terminal verification results"),
    (0x99, "transaction PIN data"),
    (0x9A, "transaction date"),
    (0x9B, "transaction status information"),
    (0x9C, "transaction type"),
    (0x9F01, "acquirer identifier"),
    (0x9F02, "amount authorized"),
    (0x9F03, "amount other"),
    (0x9F06, "application identifier (terminal)"),
    (0x9F07, "application usage control"),
    (0x9F08, "application version (card)"),
    (0x9F09, "application version (terminal)"),
    (0x9F0D, "issuer action code default"),
    (0x9F0E, "issuer action code denial"),
    (0x9F0F, "issuer action code online"),
    (0x9F10, "issuer application data"),
    (0x9F18, "issuer script identifier"),
    (0x9F1A, "terminal country code"),
    (0x9F1E, "interface device serial number"),
    (0x9F1F, "track 1 discretionary data"),
    (0x9F20, "track 2 discretionary data"),
    (0x9F21, "transaction time"),
    (0x9F26, "application cryptogram"),
    (0x9F27, "cryptogram information data"),
    (0x9F33, "terminal capabilities"),
    (0x9F34, "cardholder verification method results"),
    (0x9F35, "terminal type"),
    (0x9F36, "application transaction counter"),
    (0x9F37, "unpredictable number"),
    (0x9F41, "transaction sequence counter"),
    (0x9F53, "transaction category code"),
    (0x9F63, "card product identification"),
    (0x9F66, "terminal transaction qualifiers"),
    (0x9F6B, "track 2 data (contactless)"),
    (0x9F6C, "card transaction qualifiers"),
    (0x9F74, "electronic cash authorization code"),
    (0x9F79, "electronic cash balance"),
    (0x9F7B, "electronic cash transaction limit"),
    (0xDF31, "issuer script results"),
];
