//! The `switchyard` command: composes every room into one binary.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 fine, 1 a finding or a difference,
//! 2 could not run, 64 wrong usage.

mod admin;
mod arguments;
mod demo;
mod dialect;
mod explain;
mod hex;
mod history;
mod init;
mod keys;
mod ledger;
mod logging;
mod login;
mod message;
mod operate;
mod output;
mod progress;
mod prompt;
mod registry;
mod rules;
mod serve;
mod settle;
mod setup;
mod sim;
mod top;
mod user;

use arguments::{Arguments, Command, ConfigCommand, TransactionCommand};
use clap::Parser;
use std::process::ExitCode;

/// Exit code for wrong usage, as in `sysexits.h`.
const EXIT_USAGE: u8 = 64;
/// Exit code when the command could not do its work.
const EXIT_COULD_NOT: u8 = 2;

fn main() -> ExitCode {
    // Before anything is read: every second command has keys, components or card numbers in its memory.
    if let Err(error) = switchyard_server::refuse_core_dumps() {
        eprintln!("switchyard: a core file of this process could hold keys: {error}");
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let help = !error.use_stderr();
            // Nothing is left to do when the terminal is gone.
            let _ = error.print();
            return if help { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) };
        }
    };
    let done = run(arguments);
    login::end();
    match done {
        Ok(verdict) => verdict.into(),
        Err(error) => {
            eprintln!("switchyard: {error:#}");
            ExitCode::from(EXIT_COULD_NOT)
        }
    }
}

/// How a command that ran ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing to report.
    Fine,
    /// A finding or a difference: exit 1.
    Finding,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Fine => Self::SUCCESS,
            Verdict::Finding => Self::from(1),
        }
    }
}

/// What to do about a data directory whose ledger cannot be read.
fn data_hint(data: &std::path::Path) -> String {
    if data.join("ledger").is_dir() {
        format!("{}: the ledger cannot be read", data.display())
    } else {
        format!(
            "{}: holds no ledger; make one with `switchyard init --demo`, or name another with --data",
            data.display()
        )
    }
}

fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    let global = arguments.global;
    login::begin(&global)?;
    let (data, form) = (global.data.as_path(), global.output);
    match arguments.command {
        Command::Demo(options) => demo::run(&options, form),
        Command::Init(options) => init::run(&options, data, form),
        Command::Serve(option) => serve::run(&option, data),
        Command::CheckConfig { config } => serve::check(&config, form),
        Command::Ledger(command) => ledger::run(&command, data, form),
        Command::Merchant(command) => registry::merchant(&command, data, form),
        Command::Terminal(command) => registry::terminal(&command, data, form),
        Command::Link(command) => operate::link::run(&command, data, form),
        Command::Product(command) => setup::product::run(&command, data, form),
        Command::Route(command) => setup::route::run(&command, data, form),
        Command::FeePlan(command) => setup::fee_plan(&command, data, form),
        Command::Limit(command) => setup::limit::run(&command, data, form),
        Command::Risk(command) => rules::risk(&command, data, form),
        Command::Routing(command) => rules::routing(&command, data, form),
        Command::StandIn(command) => rules::stand_in(&command, data, form),
        Command::Saf(command) => operate::saf::run(&command, data, form),
        Command::Batch(command) => operate::batch::run(&command, data, form),
        Command::Case(command) => operate::case::run(&command, data, form),
        Command::Card(command) => operate::card::run(&command, data, form),
        Command::Rate(command) => operate::rate::run(&command, data, form),
        Command::Download(command) => operate::download::run(&command, data, form),
        Command::Transaction(TransactionCommand::Search(options)) => ledger::query(&options, data, form),
        Command::Explain(command) => explain::run(&command, data, form),
        Command::Config(ConfigCommand::Reload) => operate::reload(data, form),
        Command::Day { config, command } => settle::day(&command, data, &serve::load(&config)?, form),
        Command::Settle { config, command } => settle::settle(&command, data, &serve::load(&config)?, form),
        Command::Top(options) => top::run(&options, data, form),
        Command::Sim(command) => sim::run(&command, data, form),
        Command::Decode(options) => message::decode(&options, form),
        Command::Encode(options) => message::encode(&options),
        Command::Describe(options) => message::describe(&options),
        Command::Diff(options) => message::diff(&options, form),
        Command::Dialect(command) => dialect::run(&command, form),
        Command::User(command) => user::run(&command, data, form),
        Command::Key(command) => keys::run(&command, data, form),
    }
}
