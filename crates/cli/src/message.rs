//! `decode`, `encode`, `describe`, `diff`.

use crate::Verdict;
use crate::arguments::{DiffOptions, EncodeOptions, MessageOptions, Output};
use crate::hex::{hex, unhex};
use crate::{dialect, output};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, Read};
use switchyard_wire::validate::{Violation, validate};
use switchyard_wire::{
    Dialect, Envelope, EnvelopeKind, FrameError, Framing, Masking, Message, ParseError, Scan, describe, diff,
    json,
};

/// Longest line that is read from stdin, and longest frame in it.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// A message in bytes, with what stood before it taken off.
struct Unframed<'a> {
    envelope: Envelope,
    body: &'a [u8],
}

pub(crate) fn decode(options: &MessageOptions, form: Output) -> Result<Verdict> {
    let dialect = dialect::find(&options.dialect.dialect)?;
    if options.lines {
        return each_line(|line| {
            let (document, fine) = decode_one(&dialect, options, &bytes_of(line)?)?;
            output::json_line(&document)?;
            Ok(fine)
        });
    }
    let bytes = bytes_of(&argument_or_stdin(options.message.as_deref())?)?;
    if form == Output::Text {
        return describe_one(&dialect, options, &bytes);
    }
    let (document, fine) = decode_one(&dialect, options, &bytes)?;
    output::json(&document)?;
    Ok(verdict(fine))
}

/// The message as JSON, and whether nothing is wrong with it.
fn decode_one(dialect: &Dialect, options: &MessageOptions, bytes: &[u8]) -> Result<(Value, bool)> {
    let unframed = unframe(dialect, &options.dialect.frame, bytes)?;
    let (message, error) = dialect.parse_partial(unframed.body);
    let mut document = json::to_json_with(&message, &unframed.envelope, masking(options.unmasked));
    let findings = if options.validate && error.is_none() { validate(&message) } else { Vec::new() };
    let errors = errors(&message, error.as_ref());
    if let Some(object) = document.as_object_mut() {
        if let Some(first) = errors.first() {
            object.insert("error".into(), first.as_str().into());
        }
        if options.validate && error.is_none() {
            let texts: Vec<String> = findings.iter().map(Violation::to_string).collect();
            object.insert("findings".into(), texts.into());
        }
    }
    Ok((document, errors.is_empty() && findings.is_empty()))
}

/// What of a message cannot be read: elements, then what is inside of those that can. Said on stderr.
fn errors(message: &Message<'_, '_>, error: Option<&ParseError>) -> Vec<String> {
    let inside = message.part_errors().map(|error| error.to_string());
    let errors: Vec<String> = error.map(ParseError::to_string).into_iter().chain(inside).collect();
    errors.iter().for_each(|error| eprintln!("switchyard: {error}"));
    errors
}

pub(crate) fn describe(options: &MessageOptions) -> Result<Verdict> {
    let dialect = dialect::find(&options.dialect.dialect)?;
    if options.lines {
        return each_line(|line| {
            let verdict = describe_one(&dialect, options, &bytes_of(line)?)?;
            output::line("")?;
            Ok(verdict == Verdict::Fine)
        });
    }
    let bytes = bytes_of(&argument_or_stdin(options.message.as_deref())?)?;
    describe_one(&dialect, options, &bytes)
}

fn describe_one(dialect: &Dialect, options: &MessageOptions, bytes: &[u8]) -> Result<Verdict> {
    let unframed = unframe(dialect, &options.dialect.frame, bytes)?;
    let (message, error) = dialect.parse_partial(unframed.body);
    let masking = masking(options.unmasked);
    output::line(describe::describe_with(&message, &unframed.envelope, error.as_ref(), masking).trim_end())?;
    // What could not be read is not missing.
    let findings = if error.is_none() { validate(&message) } else { Vec::new() };
    findings.iter().try_for_each(|finding| output::line(&format!("  finding {finding}")))?;
    let is_whole = error.is_none() && message.part_errors().next().is_none();
    Ok(verdict(is_whole && (findings.is_empty() || !options.validate)))
}

pub(crate) fn encode(options: &EncodeOptions) -> Result<Verdict> {
    let dialect = dialect::find(&options.dialect.dialect)?;
    let one = |text: &str| -> Result<()> {
        let value: Value = serde_json::from_str(text).context("the message is not JSON")?;
        output::line(&hex(&encode_one(&dialect, &options.dialect.frame, &value)?))
    };
    if options.lines {
        return each_line(|line| one(line).map(|()| true));
    }
    one(&argument_or_stdin(options.message.as_deref())?)?;
    Ok(Verdict::Fine)
}

fn encode_one(dialect: &Dialect, frame: &str, value: &Value) -> Result<Vec<u8>> {
    let envelope = json::envelope_from_json(value)?;
    let body = json::from_json(dialect, value)?;
    let mut payload = Vec::with_capacity(body.len() + envelope.len());
    envelope.try_wrap(&mut payload, |out| {
        out.extend_from_slice(&body);
        Ok::<(), FrameError>(())
    })?;
    match frame {
        // A message without a length is what `decode --frame auto` takes back.
        "auto" | "none" => Ok(payload),
        name => {
            let framing: Framing = name.parse()?;
            let mut out = Vec::new();
            framing.write(&mut out, |out| out.extend_from_slice(&payload))?;
            Ok(out)
        }
    }
}

pub(crate) fn diff(options: &DiffOptions, form: Output) -> Result<Verdict> {
    let dialect = dialect::find(&options.dialect.dialect)?;
    let (left, right) = (bytes_of(&options.left)?, bytes_of(&options.right)?);
    let left = unframe(&dialect, &options.dialect.frame, &left)?;
    let right = unframe(&dialect, &options.dialect.frame, &right)?;
    let (left, right) = (dialect.parse(left.body)?, dialect.parse(right.body)?);
    let found = diff::diff(&left, &right, masking(options.unmasked));
    match form {
        Output::Text => found.iter().try_for_each(|difference| output::line(&difference.to_string()))?,
        Output::Json => {
            let rows = found.iter().map(|d| json!({"path": d.place(), "left": d.left, "right": d.right}));
            output::json(&Value::Array(rows.collect()))?;
        }
    }
    // What cannot be followed was compared by its bytes alone.
    let is_whole = errors(&left, None).is_empty() & errors(&right, None).is_empty();
    Ok(verdict(found.is_empty() && is_whole))
}

/// Takes length, TPDU and header off.
fn unframe<'a>(dialect: &Dialect, frame: &str, bytes: &'a [u8]) -> Result<Unframed<'a>> {
    match frame {
        "auto" => {
            let detected = switchyard_wire::detect_frame_for(dialect, bytes);
            Ok(Unframed { envelope: detected.envelope, body: &bytes[detected.body] })
        }
        "none" => split(bytes, EnvelopeKind::None),
        name => {
            let framing: Framing = name.parse()?;
            match framing.scan(bytes, LINE_BYTES_MAX as usize) {
                Scan::Frame { start, end, .. } => split(&bytes[start..end], dialect.envelope()),
                Scan::NeedMore { at_least } => {
                    bail!("the frame is cut: at least {at_least} more bytes are missing")
                }
                Scan::KeepAlive { .. } => bail!("an empty frame: a keep-alive"),
                Scan::Bad(error) => Err(error.into()),
            }
        }
    }
}

fn split(frame: &[u8], kind: EnvelopeKind) -> Result<Unframed<'_>> {
    let (envelope, body) = Envelope::split(frame, kind)?;
    Ok(Unframed { envelope, body })
}

/// Runs over the lines of stdin. A bad line is reported in place and the rest goes on.
fn each_line(mut one: impl FnMut(&str) -> Result<bool>) -> Result<Verdict> {
    let mut fine = true;
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    loop {
        line.clear();
        if input.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)? == 0 {
            return Ok(verdict(fine));
        }
        let text = line.trim();
        if text.is_empty() {
            continue;
        }
        match one(text) {
            Ok(ok) => fine &= ok,
            Err(error) => {
                fine = false;
                output::json_line(&json!({ "error": format!("{error:#}") }))?;
            }
        }
    }
}

fn argument_or_stdin(argument: Option<&str>) -> Result<String> {
    if let Some(text) = argument {
        return Ok(text.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().lock().take(LINE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn masking(unmasked: bool) -> Masking {
    if unmasked { Masking::Unmasked } else { Masking::Masked }
}

fn verdict(fine: bool) -> Verdict {
    if fine { Verdict::Fine } else { Verdict::Finding }
}

/// The bytes of a message.
fn bytes_of(text: &str) -> Result<Vec<u8>> {
    let bytes = unhex(text)?;
    ensure!(!bytes.is_empty(), "no message given");
    Ok(bytes)
}
