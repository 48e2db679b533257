//! Key ceremonies, transport of keys, and master keys for terminals. docs/keys.md tells how a day with them goes.

use crate::admin::{self, Admin};
use crate::arguments::{
    BroughtKey, DrawKey, InitKey, InjectKey, MovedKey, Named, NamedKey, OfferKey, Output,
};
use crate::hex::hex;
use crate::operate::{nothing, object, rows, state};
use crate::{Verdict, login, output, serve};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use switchyard_domain::{KeyCipher, KeyName, KeyPlan, Reason};
use switchyard_keys::lmk::KeyAlgorithm;
use switchyard_keys::{DesKey, SecretBytes};
use switchyard_server::{KeyRequest, KeyRow, Shown};
use zeroize::Zeroizing;

/// Bytes of a local master key.
const LMK_BYTES: usize = 32;
/// Longest key block that is read.
const BLOCK_BYTES_MAX: u64 = 10_000;
/// Bytes in a group of a printed component: people copy four digits without losing their place.
const GROUP_BYTES: usize = 2;

pub(super) fn init(options: &InitKey, data: &Path, form: Output) -> Result<Verdict> {
    ensure!(options.bits.is_multiple_of(8), "--bits is a multiple of 8");
    let check_value = options.kcv.as_deref().map(check_value).transpose()?;
    let plan = KeyPlan {
        cipher: options.cipher.into(),
        bytes: u8::try_from(options.bits / 8).context("--bits is too large")?,
        components: options.components,
        exportable: options.exportable,
        check_value,
    };
    ensure!(
        plan.is_sound(),
        "a tdes key has 128 or 192 bits, an aes key 128, 192 or 256, and 2 or 3 custodians bring it"
    );
    let (key, reason) = (options.key, options.reason.clone());
    let config = serve::load(&options.config)?;
    Admin::open(data, &config)?.custody(KeyRequest::Begin { key, plan, reason })?;
    object(&json!({"key": key.to_string(), "components": plan.components}), form)
}

fn check_value(text: &str) -> Result<[u8; 3]> {
    let number = (text.len() == 6).then(|| u32::from_str_radix(text, 16).ok()).flatten();
    let [_, a, b, c] = number.context("--kcv has six hexadecimal digits")?.to_be_bytes();
    Ok([a, b, c])
}

pub(super) fn component(options: &DrawKey, data: &Path, form: Output) -> Result<Verdict> {
    let Some(key) = options.key else {
        let part = SecretBytes::random(LMK_BYTES)?;
        return print("lmk", &part, &KeyAlgorithm::Aes.check_value(part.expose())?, form);
    };
    let plan = known(data)?.into_iter().find(|row| row.key == key.to_string()).and_then(|row| row.plan);
    let plan =
        plan.with_context(|| format!("no ceremony is open for {key}: begin one with `switchyard key init`"))?;
    let bytes = usize::from(plan.bytes);
    let (part, algorithm) = match plan.cipher {
        KeyCipher::Tdes => (SecretBytes::from_slice(DesKey::generate(bytes)?.expose()), KeyAlgorithm::Tdes),
        KeyCipher::Aes => (SecretBytes::random(bytes)?, KeyAlgorithm::Aes),
    };
    let check_value = algorithm.check_value(part.expose())?;
    let config = serve::load(&options.config)?;
    // It is recorded before it is shown: a component that nobody knows of has not been drawn.
    Admin::open(data, &config)?.custody(KeyRequest::Drawn { key, check_value })?;
    print(&key.to_string(), &part, &check_value, form)
}

/// The form that goes into the custodian's envelope.
fn print(key: &str, part: &SecretBytes, check_value: &[u8; 4], form: Output) -> Result<Verdict> {
    let kcv = hex(&check_value[..3]);
    match form {
        Output::Json => {
            let digits = Zeroizing::new(hex(part.expose()));
            output::line(&Zeroizing::new(format!(
                "{{\"key\": \"{key}\", \"component\": \"{}\", \"kcv\": \"{kcv}\"}}",
                *digits
            )))?;
        }
        Output::Text => {
            let custodian = login::user().map_or(String::new(), |user| format!(" for {user}"));
            output::line(&format!("component of {key}{custodian}"))?;
            for line in part.expose().chunks(4 * GROUP_BYTES) {
                let groups: Vec<String> = line.chunks(GROUP_BYTES).map(hex).collect();
                output::line(&Zeroizing::new(format!("    {}", groups.join(" "))))?;
            }
            output::line(&format!("check value {kcv}"))?;
            eprintln!(
                "this is shown once and kept nowhere: write it down, compare the check value, seal the envelope"
            );
        }
    }
    Ok(Verdict::Fine)
}

pub(super) fn load(named: &NamedKey, data: &Path, form: Output) -> Result<Verdict> {
    let config = serve::load(&named.config)?;
    let component = login::component(&format!("component of {}: ", named.key))?;
    let shown = Admin::open(data, &config)?.custody(KeyRequest::Load { key: named.key, component })?;
    tell(named.key, &shown, form)
}

pub(super) fn cancel(named: &NamedKey, reason: &Reason, data: &Path, form: Output) -> Result<Verdict> {
    let (config, reason) = (serve::load(&named.config)?, reason.clone());
    let shown = Admin::open(data, &config)?.custody(KeyRequest::Cancel { key: named.key, reason })?;
    tell(named.key, &shown, form)
}

pub(super) fn export(moved: &MovedKey, data: &Path, form: Output) -> Result<Verdict> {
    let config = serve::load(&moved.config)?;
    let request = KeyRequest::Export { key: moved.key, under: moved.under };
    tell(moved.key, &Admin::open(data, &config)?.custody(request)?, form)
}

pub(super) fn import(brought: &BroughtKey, data: &Path, form: Output) -> Result<Verdict> {
    let BroughtKey { moved, set_parity } = brought;
    let config = serve::load(&moved.config)?;
    let mut block = String::new();
    std::io::stdin().take(BLOCK_BYTES_MAX).read_to_string(&mut block)?;
    let block = block.trim().to_owned();
    if block.is_empty() {
        bail!("the key block comes on standard input");
    }
    let request = KeyRequest::Import { key: moved.key, under: moved.under, block, set_parity: *set_parity };
    tell(moved.key, &Admin::open(data, &config)?.custody(request)?, form)
}

pub(crate) fn inject(options: &InjectKey, data: &Path, form: Output) -> Result<Verdict> {
    let config = serve::load(&options.config)?;
    let request = KeyRequest::Inject { terminal: options.id.parse()?, under: options.under };
    let shown = Admin::open(data, &config)?.custody(request)?;
    let told = json!({
        "terminal": options.id, "kcv": shown.kcv, "block": shown.block, "cryptogram": shown.cryptogram,
    });
    object(&told, form)
}

pub(crate) fn offer(options: &OfferKey, data: &Path, form: Output) -> Result<Verdict> {
    let OfferKey { target: Named { id, because }, under, hours } = options;
    let config = serve::load(&because.config)?;
    let (terminal, reason) = (id.parse()?, because.reason.clone());
    let request = KeyRequest::Offer { terminal, under: *under, hours: *hours, reason };
    let shown = Admin::open(data, &config)?.custody(request)?;
    object(&json!({"terminal": id, "kcv": shown.kcv, "hours": hours}), form)
}

pub(crate) fn withdraw(named: &Named, data: &Path, form: Output) -> Result<Verdict> {
    let config = serve::load(&named.because.config)?;
    let (terminal, reason) = (named.id.parse()?, named.because.reason.clone());
    Admin::open(data, &config)?.custody(KeyRequest::Withdraw { terminal, reason })?;
    object(&json!({"terminal": named.id, "withdrawn": true}), form)
}

/// What there is to say, without what there is not.
fn tell(key: KeyName, shown: &Shown, form: Output) -> Result<Verdict> {
    let mut value = serde_json::to_value(shown)?;
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
        fields.shift_insert(0, "key".to_owned(), key.to_string().into());
    }
    object(&value, form)
}

pub(super) fn show(key: Option<KeyName>, data: &Path, form: Output) -> Result<Verdict> {
    let mut known = known(data)?;
    if let Some(key) = key {
        known.retain(|row| row.key == key.to_string());
        return match known.pop() {
            Some(row) => object(&serde_json::to_value(row)?, form),
            None => nothing("no key of that name", form),
        };
    }
    let known = known.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    rows(&["key", "state", "kcv", "custodians"], known, form)
}

/// Every key, from the running switch or from the ledger.
fn known(data: &Path) -> Result<Vec<KeyRow>> {
    match admin::told_by_running(data, "keys", "keys")? {
        Some(keys) => serde_json::from_value(keys).context("the switch answered something else than keys"),
        None => Ok(state(data)?.all_key_facts().iter().map(KeyRow::of).collect()),
    }
}
