//! `init`: makes a data directory. With `--demo` it holds a whole small world.

mod products;

use crate::arguments::{InitOptions, Output};
use crate::hex::hex;
use crate::{Verdict, output};
use anyhow::{Context, Result, ensure};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use switchyard_core::{Command, Order};
use switchyard_domain::{
    BusinessDate, CardClass, CardIssued, Currency, FeePlan, KeyUse, Link, LinkDialect, LinkIndex, LinkOrder,
    MerchantIndex, Pan, Route, RouteTarget, Terminal, UtcOffset,
};
use switchyard_keys::lmk::{Lmk, aes_kcv};
use switchyard_keys::pin::{self, Pin};
use switchyard_keys::{KeyError, SecretBytes, TdesCipher, components};
use switchyard_server::config::{Config, HsmBackend};
use switchyard_server::{InitPlan, SOFTWARE_NOTICE, Tools, initialise, initialise_under};
use switchyard_simulator::world::{DemoCard, DemoKey, DemoLink, DemoSize, DemoWorld, KeySource};

/// Where the demo world stands in a data directory.
pub(crate) fn world_path(data: &Path) -> PathBuf {
    data.join("demo.json")
}

pub(crate) fn run(options: &InitOptions, data: &Path, form: Output) -> Result<Verdict> {
    // Where the keys go and how large a segment is, `serve` reads from the same file.
    let config = crate::serve::load(&options.config)?;
    if config.hsm.backend == HsmBackend::Software {
        eprintln!("{SOFTWARE_NOTICE}");
    }
    if !options.demo {
        let acquirer = options
            .acquirer
            .as_deref()
            .context("an empty ledger needs --acquirer CODE (DE 32), or --demo")?;
        let plan = InitPlan { acquirer: acquirer.parse()?, offset: UtcOffset::CHINA, day: None, demo: false };
        match options.lmk_components {
            Some(count) => {
                let lmk = lmk_of(count)?;
                initialise_under(data, &config, &plan, lmk, |_| Ok(Vec::new()))?;
            }
            None => initialise(data, &config, &plan, |_| Ok(Vec::new()))?,
        }
        eprintln!(
            "{}: made; next: switchyard fee-plan set, merchant add, terminal add, link add, route add, then serve",
            data.display()
        );
        return Ok(Verdict::Fine);
    }
    let size = DemoSize { terminals: options.terminals, merchants: options.merchants, ..DemoSize::default() };
    let mut world = DemoWorld::generate(1, &size, KeySource::System)?;
    place_issuers(&mut world, &options.issuer_ports)?;
    teach_issuers(&mut world, &options.issuer_dialects)?;
    make(data, &config, &world)?;
    match form {
        Output::Json => output::json(&serde_json::to_value(&world)?)?,
        Output::Text => {
            output::line(&format!(
                "{}: {} merchants, {} terminals, {} cards, {} links; keys and PINs are in demo.json",
                data.display(),
                world.merchants.len(),
                world.terminals.len(),
                world.cards.len(),
                world.links.len()
            ))?;
            output::line("next: switchyard serve, switchyard sim issuer, switchyard sim terminals")?;
        }
    }
    Ok(Verdict::Fine)
}

/// The local master key out of components, each typed by another custodian, who compares its check value.
fn lmk_of(count: u8) -> Result<SecretBytes> {
    let shown = |key: &[u8]| -> Result<String, KeyError> { Ok(hex(&aes_kcv(key)?[..3])) };
    let mut parts = Vec::new();
    for number in 1..=count {
        let part = crate::login::component(&format!("component {number} of the local master key: "))?;
        ensure!(
            part.expose().len() == LMK_BYTES,
            "a component of the local master key has 64 hexadecimal digits"
        );
        eprintln!("component {number}: check value {}", shown(part.expose())?);
        parts.push(part);
    }
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.expose()).collect();
    let lmk = components::combine(&parts)?;
    Lmk::from_slice(lmk.expose())?;
    eprintln!("local master key: check value {}", shown(lmk.expose())?);
    Ok(lmk)
}

/// Puts the issuers on these ports; without any they stay where the world has them.
fn place_issuers(world: &mut DemoWorld, ports: &[u16]) -> Result<()> {
    if ports.is_empty() {
        return Ok(());
    }
    ensure!(
        ports.len() == world.links.len(),
        "--issuer-ports: {} links and {} ports",
        world.links.len(),
        ports.len()
    );
    for (link, port) in world.links.iter_mut().zip(ports) {
        link.address = format!("127.0.0.1:{port}");
    }
    Ok(())
}

fn teach_issuers(world: &mut DemoWorld, dialects: &[String]) -> Result<()> {
    if dialects.is_empty() {
        return Ok(());
    }
    let (links, count) = (world.links.len(), dialects.len());
    ensure!(count == links, "--issuer-dialects: {links} links and {count} dialects");
    for (link, name) in world.links.iter_mut().zip(dialects) {
        link.dialect = LinkDialect::named(name)
            .with_context(|| format!("{name} is none of {}", LinkDialect::names()))?;
    }
    Ok(())
}

/// Makes the data directory of a demo world, with the world beside it.
pub(crate) fn make(data: &Path, config: &Config, world: &DemoWorld) -> Result<()> {
    let plan = InitPlan { acquirer: world.acquirer, offset: UtcOffset::CHINA, day: None, demo: true };
    initialise(data, config, &plan, |tools| commands(tools, world))
        .context("the data directory could not be made")?;
    let path = world_path(data);
    let text = serde_json::to_vec_pretty(world)?;
    // Clear keys and PINs of a demonstration are still nobody else's business.
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(&text)?;
    file.sync_all()?;
    Ok(())
}

/// The world as commands to the core.
fn commands(tools: &Tools, world: &DemoWorld) -> Result<Vec<Command>, KeyError> {
    let mut out = Vec::new();
    let (pvk_record, pvk) = tools.keys.generate(KeyUse::PinVerification)?;
    let name = switchyard_domain::KeyName { usage: KeyUse::PinVerification, owner: 0 };
    out.push(Command::InstallKey { name, key: pvk_record });
    if let Some(key) = &world.issuer_cryptogram {
        // Cryptograms of on-us chip cards are looked at from the first sale on.
        let name = switchyard_domain::KeyName { usage: KeyUse::IssuerCryptogram, owner: 0 };
        let key = tools.keys.wrap(KeyUse::IssuerCryptogram, key.des().expose())?;
        out.push(Command::InstallKey { name, key });
    }
    out.extend(fee_plans().map(Command::SetFeePlan));
    out.extend(products::commands().map_err(|_| KeyError::Input("card product"))?);
    for merchant in &world.merchants {
        out.push(Command::Register(Box::new(merchant.into())));
    }
    for terminal in &world.terminals {
        let owner = world.merchants.iter().position(|m| m.mid == terminal.mid).unwrap_or(usize::MAX);
        out.push(Command::Bind(Box::new(Terminal {
            id: terminal.tid,
            merchant: MerchantIndex(owner as u32),
            mac: terminal.mac,
            master_key: tools.keys.wrap(KeyUse::TerminalMaster, terminal.tmk.des().expose())?,
        })));
    }
    links(tools, world, &mut out)?;
    let pvk = TdesCipher::new(&pvk);
    for card in world.cards.iter().filter(|c| c.on_us) {
        out.push(issue(tools, card, &pvk)?);
    }
    Ok(out)
}

fn links(tools: &Tools, world: &DemoWorld, out: &mut Vec<Command>) -> Result<(), KeyError> {
    for (link, index) in world.links.iter().zip(0..) {
        out.push(Command::AddLink(Box::new(Link {
            name: link.name.clone(),
            address: link.address.clone(),
            dialect: link.dialect,
            framing: link.framing.clone(),
            pin_key: tools.keys.wrap(KeyUse::ZonePin, link.zpk.des().expose())?,
            answer_timeout_ms: ANSWER_TIMEOUT_MS,
            connections: 1,
        })));
        if let Some(transport) = &link.transport {
            agree(tools, (link, transport), index, out)?;
        }
        let issuer = HARBOUR_INSTITUTION + u64::from(index);
        out.extend(link.routes.iter().map(|r| {
            let target = RouteTarget::Link(LinkIndex(index));
            Command::AddRoute(Route {
                low: first(&r.low),
                high: last(&r.high),
                class: products::of(&r.low, r.class),
                target,
                issuer,
            })
        }));
    }
    let bin = switchyard_simulator::world::ON_US_BIN;
    out.push(Command::AddRoute(Route {
        low: first(bin),
        high: last(bin),
        class: products::of(bin, CardClass::Debit),
        target: RouteTarget::OnUs,
        issuer: OWN_INSTITUTION,
    }));
    Ok(())
}

/// A link's PIN keys may come over the line, under a transport key that its host has.
fn agree(
    tools: &Tools,
    (link, transport): (&DemoLink, &DemoKey),
    index: u16,
    out: &mut Vec<Command>,
) -> Result<(), KeyError> {
    let owner = TRANSPORT_FIRST + u32::from(index);
    let name = switchyard_domain::KeyName { usage: KeyUse::Transport, owner };
    let key = tools.keys.wrap(KeyUse::Transport, transport.des().expose())?;
    out.push(Command::InstallKey { name, key });
    let reason = "as agreed with its issuer".parse().map_err(|_| KeyError::Input("reason"))?;
    let (link, what) = (link.name.clone(), LinkOrder::KeyUnder(Some(owner)));
    out.push(Command::Order(Order::Link { link, what, reason }));
    Ok(())
}

fn issue(tools: &Tools, card: &DemoCard, pvk: &TdesCipher) -> Result<Command, KeyError> {
    let digits = card.pan.expose().as_bytes();
    let number = Pan::from_digits(digits).map_err(|_| KeyError::Input("card number"))?;
    let pin = Pin::new(card.pin.expose().as_bytes()).map_err(|_| KeyError::Input("PIN"))?;
    let pvv = pin::pvv(pvk, digits, PVV_KEY_INDEX, &pin).map_err(|_| KeyError::Input("PIN"))?;
    let reference = tools.cards.seal(&number, Some(&card.expiry))?;
    let issued = CardIssued { card: reference, expiry: card.expiry, pvv, currency: Currency::CNY };
    Ok(Command::IssueCard { card: Box::new(issued), balance_minor: card.balance_minor })
}

/// The price lists of the demo: supermarkets, restaurants, and a plan that keeps its fee on refunds.
fn fee_plans() -> impl Iterator<Item = FeePlan> {
    let plan = |plan, debit_ppm, debit_cap_minor, credit_ppm, refund_returns_fee| FeePlan {
        plan,
        from: BusinessDate(0),
        debit_ppm,
        debit_cap_minor: Some(debit_cap_minor),
        credit_ppm,
        credit_cap_minor: None,
        foreign_ppm: 15_000,
        foreign_cap_minor: None,
        fixed_minor: 0,
        minimum_minor: 0,
        refund_returns_fee,
    };
    [
        plan(1, 3_500, 1_300, 4_500, true),
        plan(2, 5_000, 2_000, 6_000, true),
        plan(3, 3_800, 1_800, 5_500, false),
    ]
    .into_iter()
}

/// The prefix as the first card number that begins with it, in 19 digits.
fn first(prefix: &str) -> u64 {
    fill(prefix, '0')
}

/// The prefix as the last card number that begins with it.
fn last(prefix: &str) -> u64 {
    fill(prefix, '9')
}

fn fill(prefix: &str, digit: char) -> u64 {
    let text: String = prefix.chars().chain(std::iter::repeat(digit)).take(Pan::DIGITS_MAX).collect();
    text.parse().unwrap_or(0)
}

/// Bytes of a local master key.
const LMK_BYTES: usize = 32;
/// How long an issuer of the demo may take.
const ANSWER_TIMEOUT_MS: u32 = 3_000;
/// PIN verification key index of the embedded issuer.
const PVV_KEY_INDEX: u8 = 1;
/// Institution codes for DE 44.
const OWN_INSTITUTION: u64 = 1_020_000;
const HARBOUR_INSTITUTION: u64 = 3_010_000;
/// Number of the first link's transport key: those below are for whoever tries ceremonies out.
const TRANSPORT_FIRST: u32 = 9_001;
